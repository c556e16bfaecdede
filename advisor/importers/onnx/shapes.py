"""Shapes of the results of operators at one batch: a rule for each operator, the same that the ONNX standard states.

Our own rules rather than the library's inference: that one runs in C++, may take any time on a hostile file, and leaves shapes
unknown in silence. Here an unknown operator or shape is an error that names its node.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.ops.general import broadcast

from .model import Node, NodeError
from .values import axes_of, axis_of, parts, reshaped, slices, whole_numbers

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tensor:
    """A tensor at one batch. Its values are known where it is small and follows from shapes and stored numbers.

    `data` says that it depends on what the samples hold; `grows` that it came from an input with a batch axis; `sized` that its
    values follow from a shape of such a tensor. `roots` are the stored weights that one without `data` is made of.
    """

    shape: Shape
    value: npt.NDArray[Any] | None = None
    data: bool = False
    grows: bool = False
    sized: bool = False
    outer: int = 1
    roots: frozenset[str] = frozenset()

    @property
    def elements(self) -> int:
        """Return how many elements it has."""
        return math.prod(self.shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class Batching:
    """How a graph writes its batch: the name of its symbol, or the number it was fixed at."""

    symbol: str | None
    fixed: int
    inputs: frozenset[str]


@dataclass(kw_only=True, eq=False)
class Call:
    """One node with its operands at one batch; `base` are the operands at the batch that a fixed graph was written for."""

    node: Node
    inputs: list[Tensor | None]
    opset: int
    batch: int
    fixed: int
    base: list[Tensor | None] | None = None
    values: list[npt.NDArray[Any] | None] = field(default_factory=list)

    def given(self, index: int) -> Tensor:
        """Return an operand. Raises NodeError where it is left out."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            raise NodeError(f"its operand {index} is missing")
        return found

    @property
    def x(self) -> Tensor:
        """Return the first operand."""
        return self.given(0)

    def numbers(self, index: int, attribute: str, what: str) -> tuple[int, ...]:
        """Return whole numbers of an attribute or operand. Raises NodeError where they depend on the data."""
        found = whole_numbers(self.node, self.values, index, attribute)
        if found is None:
            raise NodeError(f"its {what} is not a constant of the graph; export the model with fixed shapes, or --size NAME=N")
        return found

    def axes(self, rank: int) -> tuple[int, ...] | None:
        """Return the axes of a reduction, or None for all."""
        if "axes" in self.node.attributes or (len(self.node.inputs) > 1 and self.node.inputs[1]):
            found = axes_of(self.numbers(1, "axes", "list of axes"), rank)
            return found or None
        return None

    def constant(self, index: int) -> bool:
        """Return whether an operand's values are the same as at the fixed batch, so that they do not follow from a shape."""
        before = self.base[index] if self.base is not None and index < len(self.base) else None
        now = self.values[index] if index < len(self.values) else None
        return before is None or (now is not None and before.value is not None and np.array_equal(before.value, now))

    def batch_axis(self, index: int) -> int | None:
        """Return the axis of an operand that the batch lengthens, seen beside the same operand at the fixed batch."""
        before = self.base[index] if self.base is not None and index < len(self.base) else None
        now = self.inputs[index]
        if before is None or now is None or len(before.shape) != len(now.shape):
            return None
        differ = [axis for axis, pair in enumerate(zip(before.shape, now.shape, strict=True)) if pair[0] != pair[1]]
        return differ[0] if differ else None


Rule = Callable[[Call], list[Shape]]
RULES: Final[dict[str, Rule]] = {}
"""Operator -> the shapes of its outputs."""


def rule(*kinds: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule of operators."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, function))
        return function

    return register


UNARY: Final = frozenset({
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Cast", "Ceil", "Celu", "Clip", "Cos", "Cosh",
    "CumSum", "DequantizeLinear", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "IsInf",
    "IsNaN", "LeakyRelu", "Log", "Mish", "Neg", "Not", "PRelu", "QuantizeLinear", "Reciprocal", "Relu", "Round", "Selu",
    "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu",
    "Trilu",
})  # fmt: skip
BROADCAST: Final = frozenset({
    "Add", "And", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Equal", "Greater", "GreaterOrEqual", "Less",
    "LessOrEqual", "Max", "Mean", "Min", "Mod", "Mul", "Or", "Pow", "Sub", "Sum", "Where", "Xor",
})  # fmt: skip
SAME: Final = frozenset({"Hardmax", "InstanceNormalization", "LRN", "LogSoftmax", "LpNormalization", "GroupNormalization",
                         "LayerNormalization", "RMSNormalization", "MeanVarianceNormalization", "Softmax"})  # fmt: skip
REDUCTIONS: Final = frozenset({
    "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
    "ReduceLogSumExp", "ReduceSumSquare",
})  # fmt: skip
FILLS: Final = frozenset({"ScatterElements", "ScatterND", "Scatter"})


def _same(call: Call) -> list[Shape]:
    return [call.x.shape] * len(call.node.outputs)


def elementwise(call: Call) -> list[Shape]:
    """Return the shape that all operands stretch to, as ONNX broadcasts. Raises NodeError where they do not."""
    shapes = [operand.shape for operand in call.inputs if operand is not None]
    return [broadcast(_stretched(call, shapes))]


def _stretched(call: Call, shapes: list[Shape]) -> list[Shape]:
    """Return operands' shapes with an extent that is stuck at the fixed batch lengthened as the others were."""
    grown = {shape[-place]: place for index, shape in enumerate(shapes) for place in [_place(call, index)] if place}
    for now, place in grown.items():
        stuck = now // call.batch * call.fixed if now % call.batch == 0 else 0
        shapes = [
            (*shape[:-place], now, *shape[len(shape) - place + 1 :])
            if len(shape) >= place and stuck and shape[-place] == stuck != 1 and not _place(call, index)
            else shape
            for index, shape in enumerate(shapes)
        ]
    return shapes


def _place(call: Call, index: int) -> int:
    """Return where an operand's batch axis is, counted from its last axis as 1; 0 where it has none."""
    axis = call.batch_axis(index) if index < len(call.inputs) else None
    return 0 if axis is None else len(call.given(index).shape) - axis


RULES.update(dict.fromkeys((*UNARY, *SAME, *FILLS, "Dropout"), _same))
RULES.update(dict.fromkeys(BROADCAST, elementwise))


@rule("BatchNormalization")
def _batch_norm(call: Call) -> list[Shape]:
    return [call.x.shape] + [call.given(3).shape] * (len(call.node.outputs) - 1)


@dataclass(frozen=True, kw_only=True)
class Window:
    """A window over the spatial axes: its extents, strides, dilations, paddings before and after, and the results."""

    kernel: Shape
    stride: Shape
    dilation: Shape
    before: Shape
    after: Shape
    out: Shape


def window(node: Node, spatial: Shape, kernel: Shape) -> Window:
    """Return the window of a convolution or pooling, its automatic padding and rounding worked out. Raises NodeError."""
    rank = len(spatial)
    stride = node.integers("strides") or (1,) * rank
    dilation = node.integers("dilations") or (1,) * rank
    pads = node.integers("pads") or (0,) * (2 * rank)
    if len(kernel) != rank or len(stride) != rank or len(dilation) != rank or len(pads) != 2 * rank:
        raise NodeError(f"its window does not have the {rank} spatial axes of its input")
    if (
        min((*kernel, *stride, *dilation), default=1) < 1
        or min(pads, default=0) < 0
        or max((*kernel, *pads), default=0) > 10**6
    ):
        raise NodeError("its kernel, strides and dilations must be from 1 to 10^6, its pads from 0")
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    before, after = list(pads[:rank]), list(pads[rank:])
    auto = node.text("auto_pad", "NOTSET")
    if auto.startswith("SAME"):
        for axis in range(rank):
            total = max(0, (-(-spatial[axis] // stride[axis]) - 1) * stride[axis] + reach[axis] - spatial[axis])
            half = total // 2
            before[axis], after[axis] = (half, total - half) if auto == "SAME_UPPER" else (total - half, half)
    elif auto == "VALID":
        before, after = [0] * rank, [0] * rank
    out = []
    for axis in range(rank):
        room = spatial[axis] + before[axis] + after[axis] - reach[axis]
        count = room // stride[axis] + 1
        if node.integer("ceil_mode", 0) and room >= 0:
            wider = -(-room // stride[axis]) + 1
            if (wider - 1) * stride[axis] < spatial[axis] + before[axis] and wider > count:
                count = wider
                after[axis] = (count - 1) * stride[axis] + reach[axis] - spatial[axis] - before[axis]
        if count < 1:
            raise NodeError(f"its window of {reach[axis]} does not fit into {spatial[axis]}")
        out.append(count)
    return Window(kernel=kernel, stride=stride, dilation=dilation, before=tuple(before), after=tuple(after), out=tuple(out))


def transposed_window(node: Node, spatial: Shape, kernel: Shape) -> tuple[Window, Shape]:
    """Return the window of a transposed convolution, whose `out` is the result's extent, and what lengthens the result."""
    rank = len(spatial)
    plain = Node(label=node.label, kind=node.kind, inputs=(), outputs=(),
                 attributes={k: v for k, v in node.attributes.items() if k in ("strides", "dilations", "pads")})  # fmt: skip
    found = window(plain, tuple(10**6 + k for k in kernel), kernel)
    extra = node.integers("output_padding") or (0,) * rank
    wanted = node.integers("output_shape")
    auto = node.text("auto_pad", "NOTSET")
    if len(extra) != rank or (wanted and len(wanted) != rank) or len(spatial) != len(kernel):
        raise NodeError(f"its window does not have the {rank} spatial axes of its input")
    full = [
        (n - 1) * s + (k - 1) * d + 1 + e
        for n, s, k, d, e in zip(spatial, found.stride, kernel, found.dilation, extra, strict=True)
    ]
    before, after = list(found.before), list(found.after)
    if auto.startswith("SAME") and not wanted:
        wanted = tuple(n * s for n, s in zip(spatial, found.stride, strict=True))
    if wanted:
        for axis in range(rank):
            total = full[axis] - wanted[axis]
            less, more = total // 2, total - total // 2
            before[axis], after[axis] = (less, more) if auto == "SAME_UPPER" else (more, less)
    out = tuple(f - b - a for f, b, a in zip(full, before, after, strict=True))
    if min(out, default=1) < 1 or min((*before, *after, *extra), default=0) < 0:
        raise NodeError("its paddings leave nothing of its result, or are negative")
    return replace(found, before=tuple(before), after=tuple(after), out=out), extra


def kernel_of(node: Node, spatial: Shape) -> Shape:
    """Return the kernel of a pooling."""
    kernel = node.integers("kernel_shape")
    if len(kernel) != len(spatial):
        raise NodeError(f"its kernel {kernel} does not have the {len(spatial)} spatial axes of its input")
    return kernel


def _image(tensor: Tensor) -> Shape:
    if len(tensor.shape) < 3:  # noqa: PLR2004 - batch, channels, something to slide over
        raise NodeError(f"it takes batch x channels x one axis or more, not {tensor.shape}")
    return tensor.shape[2:]


@rule("Conv")
def _conv(call: Call) -> list[Shape]:
    spatial, weights, groups = _image(call.x), call.given(1).shape, call.node.integer("group", 1)
    if len(weights) != len(call.x.shape) or groups < 1 or weights[1] * groups != call.x.shape[1] or weights[0] % groups:
        raise NodeError(f"its weights {weights} in {groups} groups do not fit its input {call.x.shape}")
    return [(call.x.shape[0], weights[0], *window(call.node, spatial, weights[2:]).out)]


@rule("ConvTranspose")
def _conv_transpose(call: Call) -> list[Shape]:
    spatial, weights, groups = _image(call.x), call.given(1).shape, call.node.integer("group", 1)
    if len(weights) != len(call.x.shape) or groups < 1 or weights[0] != call.x.shape[1] or weights[0] % groups:
        raise NodeError(f"its weights {weights} in {groups} groups do not fit its input {call.x.shape}")
    return [(call.x.shape[0], weights[1] * groups, *transposed_window(call.node, spatial, weights[2:])[0].out)]


@rule("MaxPool", "AveragePool", "LpPool")
def _pool(call: Call) -> list[Shape]:
    spatial = _image(call.x)
    out = (*call.x.shape[:2], *window(call.node, spatial, kernel_of(call.node, spatial)).out)
    return [out] * len(call.node.outputs)


@rule("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def _global_pool(call: Call) -> list[Shape]:
    return [(*call.x.shape[:2], *(1 for _ in _image(call.x)))]


@rule("MatMul", "MatMulInteger")
def _matmul(call: Call) -> list[Shape]:
    a, b = call.x.shape, call.given(1).shape
    if not a or not b:
        raise NodeError(f"it cannot multiply {a} with {b}")
    left, right = (1, *a) if len(a) == 1 else a, (*b, 1) if len(b) == 1 else b
    if left[-1] != right[-2]:
        raise NodeError(f"it cannot multiply {a} with {b}")
    head = broadcast(shape[:-2] for shape in _stretched(call, [left, right]))
    return [(*head, *(left[-2:-1] if len(a) > 1 else ()), *(right[-1:] if len(b) > 1 else ()))]


@rule("Gemm")
def _gemm(call: Call) -> list[Shape]:
    a, b = call.x.shape, call.given(1).shape
    if len(a) != 2 or len(b) != 2:  # noqa: PLR2004 - Gemm multiplies matrices
        raise NodeError(f"it multiplies matrices, not {a} with {b}")
    a = a[::-1] if call.node.integer("transA", 0) else a
    b = b[::-1] if call.node.integer("transB", 0) else b
    if a[1] != b[0]:
        raise NodeError(f"it cannot multiply {a} with {b}")
    return [(a[0], b[1])]


@rule("Flatten")
def _flatten(call: Call) -> list[Shape]:
    shape = call.x.shape
    axis = call.node.integer("axis", 1)
    axis = axis if axis == len(shape) else axis_of(axis, max(len(shape), 1))
    return [(math.prod(shape[:axis]), math.prod(shape[axis:]))]


@rule("Reshape")
def _reshape(call: Call) -> list[Shape]:
    target = list(call.numbers(1, "shape", "shape"))
    zeros = bool(call.node.integer("allowzero", 0))
    axis, shape = call.batch_axis(0), call.x.shape
    if axis is not None and call.constant(1):
        _grow(target, shape, math.prod(shape[:axis]) * call.x.outer, call)
    return [reshaped(target, shape, zeros=zeros)]


def _grow(target: list[int], shape: Shape, before: int, call: Call) -> None:
    """Lengthen, of a shape that was written for the fixed batch, the axis before which as many elements stand as in the input.

    Where that is the last axis, which holds features, the batch belongs to the axis before it: tokens x batch, features.
    """
    passed = 1
    for axis, dim in enumerate(target):
        wide = shape[axis] if dim == 0 and axis < len(shape) else dim
        merged = passed * wide == before and axis == len(target) - 2
        if passed == before or merged or wide < 0:
            if dim > 0 and dim % call.fixed == 0:
                target[axis] = dim // call.fixed * call.batch
            return
        passed *= max(wide, 1)


@rule("Squeeze")
def _squeeze(call: Call) -> list[Shape]:
    shape, axes = call.x.shape, call.axes(len(call.x.shape))
    if axes is None and call.x.grows:
        axes = tuple(axis for axis, dim in enumerate(_before(call).shape) if dim == 1 and axis != call.batch_axis(0))
        axes = tuple(axis for axis in axes if shape[axis] == 1)
    chosen = tuple(axis for axis, dim in enumerate(shape) if dim == 1) if axes is None else axes
    if any(shape[axis] != 1 for axis in chosen):
        raise NodeError(f"it cannot leave out the axes {chosen} of {shape}: their extent is not 1")
    return [tuple(dim for axis, dim in enumerate(shape) if axis not in chosen)]


def _before(call: Call) -> Tensor:
    return call.x if call.base is None or call.base[0] is None else call.base[0]


@rule("Unsqueeze")
def _unsqueeze(call: Call) -> list[Shape]:
    given = call.numbers(1, "axes", "list of axes")
    rank = len(call.x.shape) + len(given)
    axes, rest = axes_of(given, rank), iter(call.x.shape)
    return [tuple(1 if axis in axes else next(rest) for axis in range(rank))]


@rule("Transpose")
def _transpose(call: Call) -> list[Shape]:
    return [tuple(call.x.shape[axis] for axis in order_of(call.node, len(call.x.shape)))]


def order_of(node: Node, rank: int) -> tuple[int, ...]:
    """Return the order of axes that Transpose makes."""
    order = axes_of(node.integers("perm") or tuple(range(rank))[::-1], rank)
    if len(order) != rank:
        raise NodeError(f"its order {order} does not name all of {rank} axes")
    return order


@rule("Concat")
def _concat(call: Call) -> list[Shape]:
    shapes = [operand.shape for operand in call.inputs if operand is not None]
    if not shapes or len({len(shape) for shape in shapes}) > 1:
        raise NodeError(f"its inputs {shapes[:5]} do not have as many axes as each other")
    axis = axis_of(call.node.integer("axis", 1), len(shapes[0]))
    total = sum(shape[axis] for shape in shapes)
    shapes = [(*shape[:axis], *shape[axis + 1 :]) for shape in shapes]
    rest = set(shapes)
    if len(rest) > 1 and call.base is not None:
        rest = {_longest(call, axis)}
        ((head),) = rest
        if any(a != b and a != b // call.batch * call.fixed for shape in shapes for a, b in zip(shape, head, strict=True)):
            rest = set(shapes)
    if len(rest) > 1:
        raise NodeError(f"its inputs differ along more axes than {axis}")
    (others,) = rest
    return [(*others[:axis], total, *others[axis:])]


def _longest(call: Call, axis: int) -> Shape:
    """Return the other axes of the first operand that the batch lengthens."""
    for index, operand in enumerate(call.inputs):
        if operand is not None and call.batch_axis(index) is not None:
            return (*operand.shape[:axis], *operand.shape[axis + 1 :])
    return (*call.x.shape[:axis], *call.x.shape[axis + 1 :])


@rule("Split")
def _split(call: Call) -> list[Shape]:
    axis = axis_of(call.node.integer("axis", 0), len(call.x.shape))
    lengths = parts(call.node, call.values, call.x.shape[axis])
    if lengths is None:
        raise NodeError("its lengths are not constants of the graph; export the model with fixed shapes")
    return [(*call.x.shape[:axis], length, *call.x.shape[axis + 1 :]) for length in lengths]


@rule("Slice")
def _slice(call: Call) -> list[Shape]:
    cuts = slices(call.node, call.values, call.x.shape)
    if cuts is None:
        raise NodeError("its bounds are not constants of the graph; export the model with fixed shapes, or --size NAME=N")
    return [tuple(len(range(*cut.indices(dim))) for cut, dim in zip(cuts, call.x.shape, strict=True))]


@rule("Gather")
def _gather(call: Call) -> list[Shape]:
    axis = axis_of(call.node.integer("axis", 0), len(call.x.shape))
    return [(*call.x.shape[:axis], *call.given(1).shape, *call.x.shape[axis + 1 :])]


@rule("GatherElements")
def _gather_elements(call: Call) -> list[Shape]:
    return [call.given(1).shape]


@rule("GatherND")
def _gather_nd(call: Call) -> list[Shape]:
    shared, index, shape = call.node.integer("batch_dims", 0), call.given(1).shape, call.x.shape
    if not index or not 0 <= shared < min(len(index), len(shape)) or shared + index[-1] > len(shape):
        raise NodeError(f"its indices {index} do not fit {shape}")
    return [(*index[:-1], *shape[shared + index[-1] :])]


@rule("Expand")
def _expand(call: Call) -> list[Shape]:
    target = call.numbers(1, "shape", "shape")
    return [broadcast(_stretched(call, [call.x.shape, target]))]


@rule("Tile")
def _tile(call: Call) -> list[Shape]:
    repeats = call.numbers(1, "repeats", "list of repeats")
    if len(repeats) != len(call.x.shape):
        raise NodeError(f"it repeats {len(repeats)} axes of {len(call.x.shape)}")
    return [tuple(dim * times for dim, times in zip(call.x.shape, repeats, strict=True))]


@rule("Pad")
def _pad(call: Call) -> list[Shape]:
    pads, rank = call.numbers(1, "pads", "list of pads"), len(call.x.shape)
    axes = axes_of(call.numbers(3, "axes", "list of axes"), rank) if len(call.inputs) > 3 and call.inputs[3] else range(rank)  # noqa: PLR2004
    if len(pads) != 2 * len(axes):
        raise NodeError(f"it has {len(pads)} pads for {len(axes)} axes")
    shape = list(call.x.shape)
    for place, axis in enumerate(axes):
        shape[axis] += pads[place] + pads[place + len(axes)]
    return [tuple(shape)]


@rule("Resize", "Upsample")
def _resize(call: Call) -> list[Shape]:
    shape, last = call.x.shape, len(call.node.inputs) - 1
    if "scales" in call.node.attributes:
        scales = np.asarray(call.node.attributes["scales"], dtype=float)
    elif call.node.kind == "Upsample" or not (last >= 3 and call.node.inputs[3]):  # noqa: PLR2004 - sizes are the fourth
        index = 1 if call.node.kind == "Upsample" or call.opset < 11 else 2  # noqa: PLR2004 - opset 11 put a region before
        value = call.values[index] if index < len(call.values) else None
        if value is None:
            raise NodeError("its scales are not constants of the graph; export the model with fixed shapes")
        scales = np.asarray(value, dtype=float).reshape(-1)
    else:
        return [_resized(call, call.numbers(3, "sizes", "list of sizes"))]
    if not np.all(np.isfinite(scales)) or np.any(scales <= 0) or np.any(scales > 10**6):
        raise NodeError("its scales are no numbers from 0 to 10^6")
    axes = axes_of(call.node.integers("axes"), len(shape)) or tuple(range(len(shape)))
    if len(scales) != len(axes):
        raise NodeError(f"it has {len(scales)} scales for {len(axes)} axes")
    factors = dict(zip(axes, scales.tolist(), strict=True))
    return [tuple(math.floor(dim * factors.get(axis, 1.0)) for axis, dim in enumerate(shape))]


def _resized(call: Call, sizes: Sequence[int]) -> Shape:
    shape = call.x.shape
    axes = axes_of(call.node.integers("axes"), len(shape)) or tuple(range(len(shape)))
    if len(sizes) != len(axes):
        raise NodeError(f"it has {len(sizes)} sizes for {len(axes)} axes")
    wanted = dict(zip(axes, sizes, strict=True))
    return tuple(dim if axis == call.batch_axis(0) else wanted.get(axis, dim) for axis, dim in enumerate(shape))


@rule("Shape")
def _shape(call: Call) -> list[Shape]:
    return [(len(shape_part(call.node, call.x.shape)),)]


def shape_part(node: Node, shape: Shape) -> Shape:
    """Return the part of a shape that Shape gives."""
    return shape[slice(node.integer("start", 0), node.integer("end", len(shape)))]


@rule("Size")
def _size(_: Call) -> list[Shape]:
    return [()]


@rule("ConstantOfShape")
def _constant_of_shape(call: Call) -> list[Shape]:
    return [call.numbers(0, "", "shape")]


@rule("Range", "NonZero", "Compress", "Unique")
def _unknown_length(_: Call) -> list[Shape]:
    raise NodeError("how long its result is depends on the data; export the model with fixed shapes, or --size NAME=N")


@rule(*REDUCTIONS)
def _reduce(call: Call) -> list[Shape]:
    axes = call.axes(len(call.x.shape))
    if axes is None:
        axes = () if call.node.integer("noop_with_empty_axes", 0) else tuple(range(len(call.x.shape)))
    return [_without(call, axes)]


def _without(call: Call, axes: Sequence[int]) -> Shape:
    keep = bool(call.node.integer("keepdims", 1))
    return tuple(1 if axis in axes else dim for axis, dim in enumerate(call.x.shape) if keep or axis not in axes)


@rule("ArgMax", "ArgMin")
def _arg(call: Call) -> list[Shape]:
    return [_without(call, [axis_of(call.node.integer("axis", 0), len(call.x.shape))])]


@rule("TopK")
def _top(call: Call) -> list[Shape]:
    count = sum(call.numbers(1, "k", "number of elements"))
    axis = axis_of(call.node.integer("axis", -1), len(call.x.shape))
    return [(*call.x.shape[:axis], count, *call.x.shape[axis + 1 :])] * 2


@rule("DepthToSpace", "SpaceToDepth")
def _blocks(call: Call) -> list[Shape]:
    size, shape = call.node.integer("blocksize", 1), call.x.shape
    if len(shape) != 4 or size < 1 or size > 10**6:  # noqa: PLR2004 - batch, channels, height, width
        raise NodeError(f"it takes batch x channels x height x width, not {shape}, and a blocksize of 1 or more")
    batch, channels, height, width = shape
    if call.node.kind == "DepthToSpace":
        return [(batch, channels // size**2, height * size, width * size)]
    return [(batch, channels * size**2, height // size, width // size)]
