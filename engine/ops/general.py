"""What arbitrary graphs use and papers seldom name: broadcasts, reductions, moves along any axis, windows of any rank.

Importers write these; a spec by hand rarely needs them. Where `weights` elements are read that the model stores, `parameters`
says how many it stores for this operator: as many, unless a table is larger, or another operator stores them already.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from ..cost import Cost
from ..errors import GraphError
from ..quantity import Integral, Text, Tuple
from .base import (
    FLOP_PER_MAC,
    Dim,
    Need,
    Operator,
    Shape,
    Tokens,
    count_of,
    elements_of,
    scattered,
    size_of,
)
from .image import Window

Axis = Annotated[int, Field(ge=0, le=7), Integral]
Dims = Annotated[tuple[Dim, ...], Field(max_length=8), Tuple]
Sides = Annotated[tuple[Annotated[int, Field(ge=0, le=10**6), Integral], ...], Field(max_length=5), Tuple]

CHOOSES: Final = frozenset({"where", "min", "max"})
"""Functions whose result may leave an operand out."""


def broadcast(shapes: Iterable[Shape]) -> Shape:
    """Return the shape to which all broadcast, axes counted from the last. Raises GraphError where there is none.

    >>> broadcast([(4, 1, 6), (5, 1)])
    (4, 5, 6)
    """
    shapes = list(shapes)
    axes = []
    for dims in zip_longest(*(shape[::-1] for shape in shapes), fillvalue=1):
        wide = {dim for dim in dims if dim != 1}
        if len(wide) > 1:
            raise GraphError(f"the shapes {', '.join(map(str, shapes))} do not broadcast")
        axes.append(wide.pop() if wide else 1)
    return tuple(axes[::-1])


class _Stored(Operator):
    """What may read stored elements beside its inputs. They may fold into weights before or after, so a bound counts none."""

    weights: Tokens = 0
    parameters: Tokens | None = None

    def _stored(self, sizes: Mapping[str, int]) -> tuple[int, int]:
        """Return the elements that are read in every pass, and those that are stored."""
        weights = count_of(self.weights, sizes)
        return weights, weights if self.parameters is None else count_of(self.parameters, sizes)

    def _traffic(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        weights, parameters = self._stored(sizes)
        return Cost(
            kind="memory", weights=weights, parameters=parameters, spared=weights,
            inputs=elements_of(*inputs), outputs=elements_of(output),
        )  # fmt: skip


class Pointwise(_Stored):
    """A function of each element of inputs, and of stored operands, that broadcast to the shape `to`, or to their own."""

    variadic: ClassVar[bool] = True
    least_axes: ClassVar[int] = 0
    epilogue: ClassVar[bool] = True
    carries: ClassVar[bool] = True
    op: Literal["pointwise"]
    function: Text
    to: Dims | None = None

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the common shape, or `to`, to which it must broadcast."""
        common = broadcast(inputs)
        if self.to is None:
            return common
        shape = tuple(size_of(dim, sizes) for dim in self.to)
        if broadcast([common, shape]) != shape:
            raise GraphError(f"{self.function} cannot broadcast {common} to {shape}")
        return shape

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same elements; of an operand that is repeated, the same share at least; of one to choose from, none."""
        if self.function in CHOOSES:
            return Need(0.0, 0.0)
        return need if all(shape == output for shape in inputs) else scattered(need.elements)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading all operands and writing the result."""
        return self._traffic(inputs, output, sizes)


class Normalize(_Stored):
    """What keeps its shape and divides by a statistic of several elements: softmax along any axis, LRN, instance norm."""

    op: Literal["normalize"]
    function: Text

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same elements; the statistic may need more."""
        return need

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the input and writing the result."""
        return self._traffic(inputs, output, sizes)


class Reduce(Operator):
    """One number for all elements along `axes`: their mean, sum, greatest; the axes are left out, or kept with extent 1."""

    op: Literal["reduce"]
    function: Text
    axes: Annotated[tuple[Axis, ...], Field(min_length=1, max_length=8), Tuple]
    keep_axes: bool = False

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape without the axes."""
        if max(self.axes) >= len(inputs[0]) or len(set(self.axes)) < len(self.axes):
            raise GraphError(f"reduce cannot take the axes {self.axes} of {inputs[0]}")
        kept = ((axis, dim) for axis, dim in enumerate(inputs[0]) if self.keep_axes or axis not in self.axes)
        return tuple(1 if axis in self.axes else dim for axis, dim in kept)

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same share: every result takes equally many elements, and all of them; whole rows where it keeps them."""
        rows = 0 not in self.axes and len(self.axes) == len(inputs[0]) - 1
        return Need(need.rows, need.rows) if rows else scattered(need.elements)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the input and writing the result."""
        return Cost(kind="memory", inputs=elements_of(inputs[0]), outputs=elements_of(output))


class Permute(Operator):
    """The axes in another order, as a copy; it is a view where `moves` is false, or where no order of elements changes."""

    op: Literal["permute"]
    order: Annotated[tuple[Axis, ...], Field(min_length=1, max_length=8), Tuple]
    moves: bool = True

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's axes in their new order."""
        if sorted(self.order) != list(range(len(inputs[0]))):
            raise GraphError(f"permute needs every axis of {inputs[0]} once, not {self.order}")
        return tuple(inputs[0][axis] for axis in self.order)

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return as many elements, spread over at least that share of the rows."""
        return scattered(need.elements)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of a copy, or nothing for a view."""
        wide = [axis for axis in self.order if inputs[0][axis] > 1]
        if not self.moves or wide == sorted(wide):
            return Cost(kind="view")
        return Cost(kind="memory", inputs=elements_of(inputs[0]), outputs=elements_of(output))


class Section(Operator):
    """`keep` of the elements along one axis, wherever they stand, as a view; one that is kept may leave the axis out."""

    op: Literal["section"]
    axis: Axis
    keep: Dim = 1
    drop_axis: bool = False

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape with `keep` elements along the axis."""
        keep, before, extent = size_of(self.keep, sizes), inputs[0][: self.axis], inputs[0][self.axis : self.axis + 1]
        if not extent or keep > extent[0]:
            raise GraphError(f"section cannot keep {keep} along axis {self.axis} of {inputs[0]}")
        kept = () if self.drop_axis and keep == 1 else (keep,)
        return (*before, *kept, *inputs[0][self.axis + 1 :])

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return what is needed of the elements that are kept."""
        share = need.elements * math.prod(output) / math.prod(inputs[0])
        return Need(share, share) if self.axis == 0 and need.elements == 1 else scattered(share)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return nothing: a view is free."""
        return Cost(kind="view")


class Join(Operator):
    """Results behind each other along any axis; a view, since each is written where it belongs."""

    arity: ClassVar[int] = 2
    variadic: ClassVar[bool] = True
    op: Literal["join"]
    axis: Axis

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the sum along the axis, and the other axes, which all must share."""
        rest = {(shape[: self.axis], shape[self.axis + 1 :]) for shape in inputs}
        if len(rest) > 1 or self.axis >= len(inputs[0]):
            raise GraphError(f"join takes inputs that differ along axis {self.axis} only, not {', '.join(map(str, inputs))}")
        ((before, after),) = rest
        return (*before, sum(shape[self.axis] for shape in inputs), *after)

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return all or, since a part of the result may leave any one input out, nothing."""
        share = float(need.elements == 1)
        return Need(share, share)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return nothing: a view is free."""
        return Cost(kind="view")


class Bundle(Operator):
    """Several results of a network that leave it together, as one vector; a view."""

    arity: ClassVar[int] = 2
    variadic: ClassVar[bool] = True
    least_axes: ClassVar[int] = 0
    op: Literal["bundle"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the elements of all inputs together."""
        return (sum(math.prod(shape) for shape in inputs),)

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return all or, since a part of the result may leave any one input out, nothing."""
        share = float(need.elements == 1)
        return Need(share, share)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return nothing: a view is free."""
        return Cost(kind="view")


class Copy(_Stored):
    """A tensor of the shape `to`, filled from the inputs and stored elements in some order: pad, tile, resize, gather."""

    variadic: ClassVar[bool] = True
    least_axes: ClassVar[int] = 0
    op: Literal["copy"]
    function: Text
    to: Dims

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the shape that is given."""
        return tuple(size_of(dim, sizes) for dim in self.to)

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return all where every element occurs in the result, as after padding and tiling, and nothing else."""
        share = float(need.elements == 1 and self.function in {"pad", "tile", "expand", "rearrange"})
        return Need(share, share)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading what fills the result, at most all of it, and of writing it."""
        cost = self._traffic(inputs, output, sizes)
        return cost if self.function != "gather" else Cost(
            kind="memory", weights=cost.weights, parameters=cost.parameters, spared=cost.spared,
            inputs=min(cost.inputs, elements_of(*inputs[1:], output)), outputs=cost.outputs,
        )  # fmt: skip


class Product(Operator):
    """Matrix products ... x M x K with ... x K x N whose leading axes broadcast; `right` is a stored operand, or `left`.

    `masked` says that a triangle of a square result is thrown away, or of a square operand zero: a bound counts half.
    """

    variadic: ClassVar[bool] = True
    carries: ClassVar[bool] = True
    op: Literal["product"]
    left: Annotated[tuple[Dim, ...], Field(min_length=2, max_length=8), Tuple] | None = None
    right: Annotated[tuple[Dim, ...], Field(min_length=2, max_length=8), Tuple] | None = None
    parameters: Tokens | None = None
    masked: bool = False

    def _operands(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> tuple[Shape, Shape]:
        stored = [self.left, self.right]
        free = iter(inputs)
        if len(inputs) != stored.count(None):
            raise GraphError(f"product takes {stored.count(None)} inputs beside what is stored, not {len(inputs)}")
        left, right = (tuple(size_of(dim, sizes) for dim in shape) if shape else next(free) for shape in stored)
        if min(len(left), len(right)) < 2 or left[-1] != right[-2]:  # noqa: PLR2004 - a matrix has two axes
            raise GraphError(f"product cannot multiply {left} with {right}")
        return left, right

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return ... x M x N."""
        left, right = self._operands(inputs, sizes)
        return (*broadcast([left[:-2], right[:-2]]), left[-2], right[-1])

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return all or, since a part of the result may depend on little, nothing."""
        share = float(need.elements == 1)
        return Need(share, share)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return W = 2*M*N*K for each product; W_min is half of it where a triangle is masked."""
        left, right = self._operands(inputs, sizes)
        rows, columns, channels = left[-2], right[-1], left[-1]
        groups, alone = math.prod(output[:-2]), self.right is not None and math.prod(right[:-2]) == 1
        work = float(FLOP_PER_MAC * math.prod(output) * channels)
        weights = elements_of(*(shape for shape, spec in ((left, self.left), (right, self.right)) if spec is not None))
        return Cost(
            kind="gemm", work=work, work_min=work / 2 if self.masked else work, work_done=work,
            parameters=weights if self.parameters is None else count_of(self.parameters, sizes), weights=weights,
            inputs=elements_of(*inputs), outputs=elements_of(output), columns=columns, channels=channels,
            rows=rows * groups if alone else rows, groups=1 if alone else groups, shared=self.right is not None,
        )  # fmt: skip


def _spread(window: Window, extent: int) -> tuple[float, int]:
    """Return how many products a transposed window needs along an axis, at the least, and how many taps it uses.

    Elements whose results no padding cuts meet kernel/stride of each result.
    """
    inside = max(0, extent - math.ceil(window.before / window.stride) - math.ceil(window.after / window.stride))
    return inside * window.kernel / math.ceil(window.kernel / window.stride), window.kernel if inside else 0


class _Windows(Operator):
    """What slides a window over channels x any number of axes. Left out, strides and dilations are 1 and paddings 0."""

    least_axes: ClassVar[int] = 2
    kernel: Annotated[tuple[Dim, ...], Field(min_length=1, max_length=5), Tuple]
    stride: Annotated[tuple[Dim, ...], Field(max_length=5), Tuple] = ()
    dilation: Annotated[tuple[Dim, ...], Field(max_length=5), Tuple] = ()
    before: Annotated[Sides, Field(description="padding before the first element of each axis")] = ()
    after: Annotated[Sides, Field(description="padding after the last element of each axis")] = ()

    def _axes(self, shape: Shape, sizes: Mapping[str, int]) -> list[Window]:
        rank = len(self.kernel)
        given = (self.kernel, self.stride or (1,) * rank, self.dilation or (1,) * rank)
        sides = (self.before or (0,) * rank, self.after or (0,) * rank)
        if len(shape) != rank + 1 or any(len(values) != rank for values in (*given, *sides)):
            raise GraphError(f"{self.op} has a window of {rank} axes, which {shape} and its other fields must have, too")
        dims = [[size_of(dim, sizes) for dim in values] for values in given]
        return [Window(k, s, b, a, d) for k, s, d, b, a in zip(*dims, *sides, strict=True)]

    def _covered(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> float:
        axes = self._axes(inputs[0], sizes)
        return math.prod(a.covered(*both) for a, both in zip(axes, zip(inputs[0][1:], output[1:], strict=True), strict=True))


class Pooling(_Windows):
    """Max or average pooling over windows of any rank, with dilation and uneven padding."""

    op: Literal["pooling"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return channels x the windows along every axis."""
        axes = self._axes(inputs[0], sizes)
        return (inputs[0][0], *(axis.results(dim) for axis, dim in zip(axes, inputs[0][1:], strict=True)))

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return what the windows of the whole result read, and nothing for a part."""
        return scattered(self._covered(inputs, output, sizes) if need.elements == 1 else 0.0)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the input and writing the result."""
        return Cost(kind="memory", inputs=elements_of(inputs[0]), outputs=elements_of(output))


class Convolution(_Windows):
    """A convolution of any rank, with dilation and uneven padding, or its transpose, which spreads every element.

    `extra` lengthens the result of a transposed one, whose paddings shorten it.
    """

    carries: ClassVar[bool] = True
    op: Literal["convolution"]
    out_channels: Dim
    groups: Dim = 1
    bias: bool = True
    transposed: bool = False
    extra: Sides = ()
    parameters: Tokens | None = None

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return out_channels x the results along every axis."""
        channels, out, groups = inputs[0][0], size_of(self.out_channels, sizes), size_of(self.groups, sizes)
        axes = self._axes(inputs[0], sizes)
        if channels % groups or out % groups:
            raise GraphError(f"{groups} groups divide neither {channels} input nor {out} output channels evenly")
        if not self.transposed:
            return (out, *(axis.results(dim) for axis, dim in zip(axes, inputs[0][1:], strict=True)))
        extra = self.extra or (0,) * len(axes)
        if len(extra) != len(axes):
            raise GraphError(f"extra needs a number for each of {len(axes)} axes")
        spread = zip(axes, inputs[0][1:], extra, strict=True)
        shape = tuple((dim - 1) * axis.stride + axis.span - axis.before - axis.after + more for axis, dim, more in spread)
        if min(shape) < 1:
            raise GraphError(f"the paddings leave nothing of the result: {shape}")
        return (out, *shape)

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return what the windows of the whole result read, and nothing for a part, or where a padding may cut the result."""
        share = float(not any((*self.before, *self.after))) if self.transposed else self._covered(inputs, output, sizes)
        return scattered(share if need.elements == 1 else 0.0)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return W = 2*positions*Cout*(Cin/groups)*taps, positions being the results, or the elements that are spread.

        W_min leaves padding out, and the kernel at stride 1 (Winograd), as that of conv2d does.
        """
        groups, axes = size_of(self.groups, sizes), self._axes(inputs[0], sizes)
        taps, channels, out = math.prod(axis.kernel for axis in axes), inputs[0][0] // groups, output[0]
        positions = math.prod((inputs[0] if self.transposed else output)[1:])
        weights = out * channels * taps + (out if self.bias else 0)
        work = float(FLOP_PER_MAC * positions * out * channels * taps)
        extents = zip(axes, inputs[0][1:], output[1:], strict=True)
        least, used = zip(
            *(_spread(a, n) if self.transposed else (a.products(n, m), a.used(n, m)) for a, n, m in extents), strict=True
        )
        return Cost(
            kind="depthwise" if groups == inputs[0][0] > 1 else "conv",
            work=work, work_min=float(FLOP_PER_MAC * out * channels * math.prod(least)), work_done=work,
            parameters=weights if self.parameters is None else count_of(self.parameters, sizes), weights=weights,
            spared=weights - out * channels * math.prod(used), inputs=elements_of(inputs[0]), outputs=elements_of(output),
            rows=positions, columns=out // groups * (taps if self.transposed else 1), channels=channels,
            taps=1 if self.transposed else taps, groups=groups,
        )  # fmt: skip
