"""Operators: each declares its fields, its output shape and what it costs, in one place.

Shapes are those of one sample; the batch is the leading axis that nobody writes. Work counts the multiply-accumulates of
matrix products, convolutions and attention, a MAC being 2 FLOP; normalisation, activation, pooling and softmax are carried
by their traffic. Work and traffic are affine in the batch: weights once, activations per sample.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Discriminator, Field, Tag

from .errors import ExpressionError, GraphError
from .expressions import parse
from .quantity import Integral, Model, NodeName, Tuple

Shape = tuple[int, ...]
Dim = Annotated[int, Field(ge=1, le=10**12), Integral] | Annotated[str, Field(min_length=1)]
"""A dimension: a number, or an expression of the workload's sizes."""

FLOP_PER_MAC: Final = 2
MAX_DIMENSION: Final = 10**12


def _extents(value: object) -> str:
    return "two" if isinstance(value, list | tuple) else "one"


Side = Annotated[int, Field(ge=0, le=10**6), Integral]
Extent = Annotated[
    Annotated[Dim, Tag("one")] | Annotated[tuple[Dim, Dim], Tuple, Tag("two")],
    Discriminator(_extents),
]
"""Height and width of a window, or one number for both."""
Padding = Annotated[
    Annotated[Side, Tag("one")] | Annotated[tuple[Side, Side], Tuple, Tag("two")],
    Discriminator(_extents),
]
"""Padding at each side along height and width, or one number for both."""

KernelKind = Literal["gemm", "conv", "depthwise", "attention", "memory", "view"]


def size_of(dim: int | str, sizes: Mapping[str, int]) -> int:
    """Return a dimension as a whole number above 0, its expression evaluated over `sizes`.

    Raises GraphError when it is no whole number above 0, or uses a name that is no size of the workload.

    >>> size_of("4 * hidden", {"hidden": 768})
    3072
    """
    if isinstance(dim, int):
        return dim
    try:
        value = parse(dim)(sizes)
    except ExpressionError as error:
        raise GraphError(f"{error}; the sizes of this workload are: {', '.join(sizes) or 'none'}") from error
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value) or not 1 <= value <= MAX_DIMENSION:
        raise GraphError(f"the dimension {dim!r} is {value!r}; it must be a whole number from 1 to 10^12")
    return int(value)


def extent_of(extent: int | str | tuple[int | str, int | str], sizes: Mapping[str, int]) -> tuple[int, int]:
    """Return height and width.

    >>> extent_of(3, {}), extent_of((1, 7), {})
    ((3, 3), (1, 7))
    """
    height, width = extent if isinstance(extent, tuple) else (extent, extent)
    return size_of(height, sizes), size_of(width, sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one operator asks of a chip. Elements, not bytes: the dtype is chosen later.

    `rows`, `columns`, `channels` x `taps` are M (of one sample), N and K of `groups` matrix products; `shared` says that all
    samples use the same weights, so that the batch lengthens M; otherwise it multiplies the products.
    """

    kind: KernelKind
    work: float = 0.0  # FLOP per sample
    work_min: float = 0.0  # FLOP per sample that any algorithm needs
    work_done: float = 0.0  # FLOP per sample of the algorithm that runs
    parameters: float = 0.0  # elements stored
    weights: float = 0.0  # elements read once per pass, however large the batch
    lookups: float = 0.0  # rows read per sample from a table of `table_rows` x `table_width`
    table_rows: float = 0.0
    table_width: float = 0.0
    inputs: float = 0.0  # activation elements read per sample
    outputs: float = 0.0  # activation elements written per sample
    rows: float = 1.0
    columns: float = 1.0
    channels: float = 1.0
    taps: float = 1.0
    groups: float = 1.0
    shared: bool = True


def matrix_product(rows: int, columns: int, contraction: int) -> Cost:
    """Return the cost of C[rows, columns] = A[rows, contraction] B[contraction, columns], B being the weights.

    >>> matrix_product(4, 8, 2).work
    128.0
    """
    work = float(FLOP_PER_MAC * rows * columns * contraction)
    return Cost(
        kind="gemm", work=work, work_min=work, work_done=work, parameters=columns * contraction, weights=columns * contraction,
        inputs=float(rows * contraction), outputs=float(rows * columns), rows=rows, columns=columns, channels=contraction,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Need:
    """How much of a result the network's output depends on, at the least: its share of rows (first axis), and of elements."""

    rows: float
    elements: float


class Operator(Model):
    """Base of all operators. `inputs` names the operators whose results it takes; left out, it takes the one before."""

    arity: ClassVar[int] = 1
    variadic: ClassVar[bool] = False
    """Whether it takes more inputs than `arity`, too."""
    least_axes: ClassVar[int] = 1
    epilogue: ClassVar[bool] = False
    """Whether it can ride on the kernel that produces its input, at no trip of its own."""

    launches: ClassVar[int] = 1
    """How many operators an eager framework launches for it, one after the other."""

    name: NodeName | None = None
    inputs: Annotated[tuple[NodeName, ...], Tuple] = ()

    def unfused(self, cost: Cost) -> Cost:
        """Return the cost where every intermediate result of it goes to memory and back: by default the same."""
        return cost

    @abstractmethod
    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the shape of the result for one sample. Raises GraphError when the inputs do not fit."""

    @abstractmethod
    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the cost for one sample."""

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return how much of each input `need` of the result depends on, at the least: by default the same rows, whole."""
        return Need(need.rows, need.rows)

    def least_work(self, cost: Cost, need: Need) -> float:
        """Return the arithmetic that any algorithm needs for `need` of the result [FLOP per sample]."""
        return cost.work_min * need.elements

    def least_weights(self, cost: Cost, output: Shape, need: Need) -> float:
        """Return the weight elements that must be read for `need` of the result."""
        return cost.weights * need.elements


def _elements(*shapes: Shape) -> float:
    return float(sum(math.prod(shape) for shape in shapes))


def _image(shape: Shape, what: str) -> tuple[int, int, int]:
    if len(shape) != 3:  # noqa: PLR2004 - channels, height, width
        raise GraphError(f"{what} takes a sample of channels x height x width, not {shape}")
    return shape[0], shape[1], shape[2]


@dataclass(frozen=True, slots=True)
class _Window:
    """Kernel, stride and padding along one axis."""

    kernel: int
    stride: int
    padding: int

    def results(self, extent: int) -> int:
        """Return how many results it has along an axis of `extent` elements."""
        out = (extent + 2 * self.padding - self.kernel) // self.stride + 1
        if out < 1:
            raise GraphError(f"a window of {self.kernel} does not fit into {extent} with padding {self.padding}")
        return out

    def covered(self, extent: int, out: int) -> float:
        """Return the share of an axis that `out` results read."""
        overlaps = self.kernel >= self.stride
        reached = (out - 1) * self.stride + self.kernel - self.padding if overlaps else out * self.kernel - 2 * self.padding
        return min(extent, max(reached, 0)) / extent


class _Windowed(Operator):
    """What slides a window over channels x height x width."""

    kernel: Extent
    stride: Extent = 1
    padding: Padding = 0

    def _windows(self, sizes: Mapping[str, int]) -> tuple[_Window, _Window]:
        """Return the windows along height and width."""
        axes = zip(*(extent_of(extent, sizes) for extent in (self.kernel, self.stride, self.padding)), strict=True)
        height, width = (_Window(*axis) for axis in axes)
        return height, width

    def _results(self, image: tuple[int, int], sizes: Mapping[str, int]) -> tuple[int, int]:
        """Return height and width of the result."""
        height, width = self._windows(sizes)
        return height.results(image[0]), width.results(image[1])

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return what its windows read: all they cover, or at least one element for each result."""
        windows, extents = self._windows(sizes), zip(inputs[0][1:], output[1:], strict=True)
        covered = math.prod(window.covered(*axis) for window, axis in zip(windows, extents, strict=True))
        if need.elements == 1:
            return Need(covered, covered)
        centred = all(2 * window.padding < window.kernel for window in windows)
        share = min(covered, need.elements * math.prod(output[1:]) / math.prod(inputs[0][1:])) if centred else 0.0
        return Need(share, share)


class Conv2d(_Windowed):
    """A 2-d convolution over channels x height x width, as implicit GEMM: M = Ho*Wo, N = Cout, K = Cin*R*S per group."""

    op: Literal["conv2d"]
    out_channels: Dim
    groups: Dim = 1
    bias: bool = True

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return out_channels x height x width."""
        channels, height, width = _image(inputs[0], "conv2d")
        out, groups = size_of(self.out_channels, sizes), size_of(self.groups, sizes)
        if channels % groups or out % groups:
            raise GraphError(f"{groups} groups divide neither {channels} input nor {out} output channels evenly")
        return out, *self._results((height, width), sizes)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return W = 2*Ho*Wo*Cout*(Cin/groups)*R*S; W_min is that over the kernel along every axis of stride 1 (Winograd)."""
        groups, windows = size_of(self.groups, sizes), self._windows(sizes)
        taps = math.prod(window.kernel for window in windows)
        channels, (out, height, width) = inputs[0][0] // groups, output
        weights = out * channels * taps + (out if self.bias else 0)
        work = float(FLOP_PER_MAC * height * width * out * channels * taps)
        winograd = math.prod(window.kernel for window in windows if window.stride == 1)
        return Cost(
            kind="depthwise" if groups == inputs[0][0] > 1 else "conv",
            work=work, work_min=work / winograd, work_done=work,
            parameters=weights, weights=weights, inputs=_elements(inputs[0]), outputs=_elements(output),
            rows=height * width, columns=out // groups, channels=channels, taps=taps, groups=groups,
        )  # fmt: skip


class Linear(Operator):
    """A fully connected layer on the last axis: M = all other axes, K = in, N = out features.

    `tied_to` names the embedding whose table serves as its weights, so that they are stored once.
    """

    op: Literal["linear"]
    out_features: Dim
    bias: bool = True
    tied_to: NodeName | None = None

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape with out_features last."""
        return (*inputs[0][:-1], size_of(self.out_features, sizes))

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return W = 2*M*N*K."""
        rows, channels, columns = math.prod(inputs[0][:-1]), inputs[0][-1], output[-1]
        weights = channels * columns + (columns if self.bias else 0)
        work = float(FLOP_PER_MAC * rows * columns * channels)
        return Cost(
            kind="gemm", work=work, work_min=work, work_done=work,
            parameters=columns if self.tied_to and self.bias else 0 if self.tied_to else weights, weights=weights,
            inputs=_elements(inputs[0]), outputs=_elements(output), rows=rows, columns=columns, channels=channels,
        )  # fmt: skip

    def least_weights(self, cost: Cost, output: Shape, need: Need) -> float:
        """Return all weights where any row is needed; of a single row, those of the needed features."""
        return cost.weights * (float(need.rows > 0) if len(output) > 1 else need.elements)


class MatMul(Operator):
    """A batched product of two activations: ... x M x K with ... x K x N (or N x K when `transposed`)."""

    arity: ClassVar[int] = 2
    op: Literal["matmul"]
    transposed: bool = False

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return ... x M x N."""
        a, b = inputs
        matrices = min(len(a), len(b)) >= 2  # noqa: PLR2004 - a matrix has two axes
        inner, columns = (b[-2:] if not self.transposed else b[:-3:-1]) if matrices else (0, 0)
        if not matrices or a[:-2] != b[:-2] or a[-1] != inner:
            raise GraphError(f"matmul cannot multiply {a} with {b}{' transposed' if self.transposed else ''}")
        return (*a[:-1], columns)

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return all or, since a part of the result may depend on little, nothing."""
        share = float(need.elements == 1)
        return Need(share, share)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return W = 2*M*N*K for each product."""
        groups, channels = math.prod(output[:-2]), inputs[0][-1]
        work = float(FLOP_PER_MAC * math.prod(output) * channels)
        return Cost(
            kind="gemm", work=work, work_min=work, work_done=work, inputs=_elements(*inputs), outputs=_elements(output),
            rows=output[-2], columns=output[-1], channels=channels, groups=groups, shared=False,
        )  # fmt: skip


class Attention(Operator):
    """Fused scaled-dot-product attention over one projected tensor, tokens x (heads + 2*kv_heads)*head_dim.

    `context` tokens stand in the key-value cache before the tokens of this pass. Unfused it is what a framework launches: heads
    split off and merged again, two products, scaling, mask, softmax.
    """

    launches: ClassVar[int] = 8
    op: Literal["attention"]
    heads: Dim
    kv_heads: Dim | None = None
    causal: bool = False
    context: Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=0), Integral] = 0

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return tokens x heads*head_dim."""
        heads, total = size_of(self.heads, sizes), self._heads_in_all(sizes)
        if len(inputs[0]) != 2 or inputs[0][1] % total:  # noqa: PLR2004 - tokens, features
            raise GraphError(
                f"attention takes tokens x (heads + 2*kv_heads)*head_dim, with {total} heads in all, not {inputs[0]}"
            )
        return inputs[0][0], heads * (inputs[0][1] // total)

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the keys and values of all tokens, and the needed queries; under a causal mask only the needed rows."""
        if need.rows == 0 or (self.causal and need.rows < 1):
            return Need(need.rows, need.rows)
        heads, total = size_of(self.heads, sizes), self._heads_in_all(sizes)
        return Need(1.0, (total - heads + heads * need.rows) / total)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return W = 4*heads*head_dim*S*(S + context); a causal mask leaves S*(S+1)/2 + S*context score pairs to W_min."""
        tokens, heads = inputs[0][0], size_of(self.heads, sizes)
        head_dim, context = output[1] // heads, self._context(sizes)
        per_pair = 2 * FLOP_PER_MAC * heads * head_dim
        pairs = tokens * (tokens + context)
        needed = tokens * context + tokens * (tokens + 1) // 2 if self.causal else pairs
        cached = context * (self._heads_in_all(sizes) - heads) * head_dim
        return Cost(
            kind="attention",
            work=float(per_pair * pairs), work_min=float(per_pair * needed), work_done=float(per_pair * needed),
            inputs=_elements(inputs[0]) + cached, outputs=_elements(output),
            rows=tokens, columns=tokens + context, channels=head_dim, groups=heads, shared=False,
        )  # fmt: skip

    def unfused(self, cost: Cost) -> Cost:
        """Return the cost with the scores written and read twice, and query, key and value, and the result, copied."""
        scores, copies = 2 * cost.groups * cost.rows * cost.columns, 3 * cost.outputs
        return replace(cost, inputs=cost.inputs + scores + copies, outputs=cost.outputs + scores + copies)

    def least_work(self, cost: Cost, need: Need) -> float:
        """Return the score pairs of the needed queries; with a causal mask the first queries have the fewest."""
        tokens, context, queries = cost.rows, cost.columns - cost.rows, cost.rows * need.elements
        pairs = queries * context + queries * (queries + 1) / 2 if self.causal else queries * (tokens + context)
        return min(cost.work_min * need.elements, cost.work * pairs / (tokens * (tokens + context)))

    def _heads_in_all(self, sizes: Mapping[str, int]) -> int:
        heads = size_of(self.heads, sizes)
        return heads + 2 * (heads if self.kv_heads is None else size_of(self.kv_heads, sizes))

    def _context(self, sizes: Mapping[str, int]) -> int:
        if isinstance(self.context, int):
            return self.context
        return size_of(f"({self.context}) + 1", sizes) - 1


class Pool(_Windowed):
    """Max or average pooling over a window."""

    op: Literal["pool"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return channels x height x width."""
        channels, height, width = _image(inputs[0], "pool")
        return channels, *self._results((height, width), sizes)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the input and writing the result."""
        return Cost(kind="memory", inputs=_elements(inputs[0]), outputs=_elements(output))


class GlobalPool(Operator):
    """The average over height and width: channels x height x width to channels."""

    op: Literal["global_pool"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the channels."""
        return (_image(inputs[0], "global_pool")[0],)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the input and writing the result."""
        return Cost(kind="memory", inputs=_elements(inputs[0]), outputs=_elements(output))


class BatchNorm(Operator):
    """Normalisation with stored statistics, per channel; it folds into the weights of the layer before."""

    epilogue: ClassVar[bool] = True
    op: Literal["batch_norm"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same elements."""
        return need

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return scale and shift per channel: two parameters, of which folding leaves one to read."""
        channels = inputs[0][0]
        return Cost(
            kind="memory",
            parameters=2 * channels,
            weights=channels,
            inputs=_elements(inputs[0]),
            outputs=_elements(output),
        )


class LayerNorm(Operator):
    """Layer or RMS normalisation over the last axis; `scale_only` is RMS norm, which has no shift."""

    op: Literal["layer_norm"]
    scale_only: bool = False

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic, and one or two parameters per feature."""
        weights = inputs[0][-1] * (1 if self.scale_only else 2)
        return Cost(kind="memory", parameters=weights, weights=weights, inputs=_elements(inputs[0]), outputs=_elements(output))


class Softmax(Operator):
    """Softmax over the last axis."""

    op: Literal["softmax"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the input and writing the result."""
        return Cost(kind="memory", inputs=_elements(inputs[0]), outputs=_elements(output))


class Activation(Operator):
    """An elementwise function of one tensor: relu, relu6, leaky_relu, gelu, silu, tanh, sigmoid, ...; scale is a multiple."""

    epilogue: ClassVar[bool] = True
    op: Literal["activation"]
    function: Literal["relu", "relu6", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "hardswish", "hardsigmoid", "scale"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same elements."""
        return need

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the input and writing the result."""
        return Cost(kind="memory", inputs=_elements(inputs[0]), outputs=_elements(output))


class Elementwise(Operator):
    """A function of two tensors of one shape: add (a residual), mul (a gate)."""

    arity: ClassVar[int] = 2
    epilogue: ClassVar[bool] = True
    op: Literal["elementwise"]
    function: Literal["add", "mul"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the common shape."""
        if inputs[0] != inputs[1]:
            raise GraphError(f"{self.function} takes two tensors of one shape, not {inputs[0]} and {inputs[1]}")
        return inputs[0]

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same elements."""
        return need

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading both and writing the result."""
        return Cost(kind="memory", inputs=_elements(*inputs), outputs=_elements(output))


class Embedding(Operator):
    """A look-up of one row per token: tokens to tokens x width."""

    op: Literal["embedding"]
    rows: Dim
    width: Dim

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return tokens x width."""
        return (*inputs[0], size_of(self.width, sizes))

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the rows looked up and written; the table is stored, but only min(rows, tokens) of it must travel."""
        rows, width = size_of(self.rows, sizes), output[-1]
        return Cost(
            kind="memory", parameters=rows * width, lookups=_elements(inputs[0]), table_rows=rows, table_width=width,
            inputs=_elements(inputs[0], output), outputs=_elements(output),
        )  # fmt: skip


class Reshape(Operator):
    """Another view of the same elements; it moves nothing."""

    op: Literal["reshape"]
    to: Annotated[tuple[Dim, ...], Field(min_length=1, max_length=8), Tuple]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the new shape, which must have as many elements."""
        shape = tuple(size_of(dim, sizes) for dim in self.to)
        if math.prod(shape) != math.prod(inputs[0]):
            raise GraphError(f"reshape cannot make {shape} of {inputs[0]}: the number of elements differs")
        return shape

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return all or, since a part of the result may depend on little, nothing."""
        share = float(need.elements == 1)
        return Need(share, share)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return nothing: a view is free."""
        return Cost(kind="view")


class Slice(Operator):
    """The first `keep` rows of the first axis, as a view: the class token of BERT, the last token of a decoder."""

    op: Literal["slice"]
    keep: Dim = 1
    drop_axis: Annotated[bool, Field(description="leave the first axis out when one row is kept")] = False

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape with `keep` rows."""
        keep = size_of(self.keep, sizes)
        if keep > inputs[0][0]:
            raise GraphError(f"slice cannot keep {keep} of {inputs[0][0]} rows")
        return inputs[0][1:] if self.drop_axis and keep == 1 else (keep, *inputs[0][1:])

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the rows that are kept."""
        kept = size_of(self.keep, sizes) / inputs[0][0] * float(need.elements == 1)
        return Need(kept, kept)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return nothing: a view is free."""
        return Cost(kind="view")


class Gate(Operator):
    """The first input times one factor of the second for each channel: what squeeze-and-excitation ends with."""

    arity: ClassVar[int] = 2
    op: Literal["gate"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the shape of the first input."""
        if inputs[1] != inputs[0][:1]:
            raise GraphError(f"gate takes one factor for each of {inputs[0][0]} channels, not {inputs[1]}")
        return inputs[0]

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same elements; of the factors that share is the least."""
        return need

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading both and writing the result."""
        return Cost(kind="memory", inputs=_elements(*inputs), outputs=_elements(output))


class Upsample(Operator):
    """The nearest neighbour, `factor` times along height and width."""

    op: Literal["upsample"]
    factor: Dim = 2

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return channels x height x width."""
        channels, height, width = _image(inputs[0], "upsample")
        factor = size_of(self.factor, sizes)
        return channels, height * factor, width * factor

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same share: every element becomes equally many."""
        return need

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the input and writing the result."""
        return Cost(kind="memory", inputs=_elements(inputs[0]), outputs=_elements(output))


class Concat(Operator):
    """Results behind each other along the first axis, channels or rows; a view, since each is written where it belongs."""

    arity: ClassVar[int] = 2
    variadic: ClassVar[bool] = True
    op: Literal["concat"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the sum of the first axes, and the other axes, which all must share."""
        if len({shape[1:] for shape in inputs}) > 1:
            raise GraphError(f"concat takes inputs that differ in their first axis only, not {', '.join(map(str, inputs))}")
        return (sum(shape[0] for shape in inputs), *inputs[0][1:])

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return all or, since a part of the result may leave any one input out, nothing."""
        share = float(need.elements == 1)
        return Need(share, share)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return nothing: a view is free."""
        return Cost(kind="view")


class Prepend(Operator):
    """Learned rows before those of the input, the same for every sample: the class token of a vision transformer."""

    op: Literal["prepend"]
    rows: Dim = 1

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape with as many rows more."""
        return (inputs[0][0] + size_of(self.rows, sizes), *inputs[0][1:])

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return what is left of the need when the learned rows are the first to serve it."""
        rows, learned = inputs[0][0], output[0] - inputs[0][0]
        return Need(*(max(0.0, share * output[0] - learned) / rows for share in (need.rows, need.elements)))

    def least_weights(self, cost: Cost, output: Shape, need: Need) -> float:
        """Return all where all of the result is needed, else nothing: the input may serve the need."""
        return cost.weights * float(need.elements == 1)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the input and writing the result, and the learned rows."""
        weights = _elements(output) - _elements(inputs[0])
        return Cost(kind="memory", parameters=weights, weights=weights, inputs=_elements(inputs[0]), outputs=_elements(output))


class Positions(Operator):
    """The sum with a learned tensor of the sample's shape: the positions of a vision transformer."""

    epilogue: ClassVar[bool] = True
    op: Literal["positions"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same elements."""
        return need

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic, and one parameter for each element of a sample."""
        elements = _elements(output)
        return Cost(kind="memory", parameters=elements, weights=elements, inputs=elements, outputs=elements)


class FlattenSpatial(Operator):
    """Channels x height x width as height*width tokens of as many features, as a view."""

    op: Literal["flatten_spatial"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return tokens x channels."""
        channels, height, width = _image(inputs[0], "flatten_spatial")
        return height * width, channels

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return as many elements, spread over at least that share of the channels."""
        return Need(need.elements, need.elements)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return nothing: a view is free."""
        return Cost(kind="view")


AnyOperator = (
    Conv2d
    | Linear
    | MatMul
    | Attention
    | Pool
    | GlobalPool
    | BatchNorm
    | LayerNorm
    | Softmax
    | Activation
    | Elementwise
    | Embedding
    | Reshape
    | Slice
    | Concat
    | FlattenSpatial
    | Gate
    | Positions
    | Prepend
    | Upsample
)
"""Every operator that a graph may name."""
