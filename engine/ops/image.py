"""Operators over channels x height x width: convolution, also transposed, pooling, resampling."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from .. import winograd
from ..cost import Cost
from ..errors import GraphError
from ..quantity import NodeName
from .base import (
    FLOP_PER_MAC,
    Dim,
    Extent,
    Need,
    Operator,
    Padding,
    Shape,
    elements_of,
    extent_of,
    image_of,
    size_of,
)

_COUNTED: Final = 1000
"""So many taps of a dilated window are counted one by one; more would take long, and leaving them out is sound."""


@dataclass(frozen=True, slots=True)
class Window:
    """Kernel, stride, padding before and after, and dilation along one axis."""

    kernel: int
    stride: int
    before: int
    after: int
    dilation: int = 1

    @property
    def span(self) -> int:
        """Return how many elements lie between the first it reads and the last, both counted."""
        return self.dilation * (self.kernel - 1) + 1

    def results(self, extent: int, *, ceil: bool = False) -> int:
        """Return how many results it has along an axis of `extent` elements; with `ceil` also one that the end cuts short."""
        free = extent + self.before + self.after - self.span
        if free < 0:
            padding = self.before if self.before == self.after else f"{self.before} and {self.after}"
            raise GraphError(f"a window of {self.span} does not fit into {extent} with padding {padding}")
        out = -(-free // self.stride) + 1 if ceil else free // self.stride + 1
        return out - 1 if (out - 1) * self.stride >= extent + self.before and ceil else out

    def covered(self, extent: int, out: int) -> float:
        """Return the share of an axis that `out` results read, at the least."""
        if self.dilation > 1 and (self.stride > 1 or out < self.dilation):
            return self._places(self.kernel // 2, extent, out) / extent
        end, padded = (out - 1) * self.stride + self.span, extent + self.before + self.after
        outside = self.before + self.after + max(0, end - padded)
        reached = end - self.before if self.span >= self.stride else out * self.kernel - outside
        return min(extent, max(reached, 0)) / extent

    def used(self, extent: int, out: int) -> int:
        """Return how many of its taps meet an element of the axis at any of `out` places, at the least; others meet padding."""
        if self.dilation > 1:
            return sum(self._places(tap, extent, out) > 0 for tap in range(min(self.kernel, _COUNTED)))
        first, last = self.before, self.before - (out - 1) * self.stride
        if extent < self.stride:  # a place leaves gaps between the taps that it uses and those of the next: count one place
            first = last = self.before - min(out - 1, self.before // self.stride) * self.stride
        return max(0, min(self.kernel, first + extent) - max(0, last))

    def products(self, extent: int, out: int) -> int:
        """Return how many products of a tap and an element of the axis `out` places need, at the least.

        At stride 1 Winograd's limit is one for each result that is not of padding only.
        """
        if self.dilation > 1:
            taps = range(min(self.kernel, _COUNTED)) if self.stride > 1 else [self.kernel // 2]
            return sum(self._places(tap, extent, out) for tap in taps)
        if self.stride == 1:
            return max(0, min(out, extent + self.before) - max(0, self.before - self.kernel + 1))
        beyond = (out - 1) * self.stride + self.kernel - self.before - extent
        return out * self.kernel - self._off(self.before, out) - self._off(beyond, out)

    @property
    def transformable(self) -> bool:
        """Return whether Winograd's form is for it."""
        return (self.kernel, self.stride, self.dilation) == (winograd.KERNEL, 1, 1)

    def centred(self, extent: int, out: int) -> bool:
        """Return whether every result reads an element of its own, its middle one."""
        return self._places(self.kernel // 2, extent, out) == out

    def _places(self, tap: int, extent: int, out: int) -> int:
        """Return at how many of `out` places a tap meets an element of the axis, not padding."""
        offset = tap * self.dilation - self.before
        first, last = max(0, -(offset // self.stride)), min(out - 1, (extent - 1 - offset) // self.stride)
        return max(0, last - first + 1)

    def _off(self, most: int, out: int) -> int:
        """Return how many taps lie on padding at one side, of which the outermost place has `most`, the next a stride less."""
        return _falling(most, self.stride, out) - _falling(most - self.kernel, self.stride, out)


def _falling(first: int, step: int, most: int) -> int:
    """Return first + (first - step) + (first - 2*step) + ..., of at most `most` terms above 0.

    >>> _falling(7, 3, 10), _falling(7, 3, 2), _falling(-1, 3, 2)
    (12, 11, 0)
    """
    terms = min(most, -(-max(first, 0) // step))
    return terms * first - step * terms * (terms - 1) // 2


class _Windowed(Operator):
    """What slides a window over channels x height x width.

    `padding` is that of both sides, unless `padding_end` gives that after the last row and column. A window of `dilation` d
    reads every d-th element.
    """

    kernel: Extent
    stride: Extent = 1
    padding: Padding = 0
    padding_end: Padding | None = None
    dilation: Extent = 1

    def _windows(self, sizes: Mapping[str, int]) -> tuple[Window, Window]:
        """Return the windows along height and width."""
        end = self.padding if self.padding_end is None else self.padding_end
        fields = (self.kernel, self.stride, self.padding, end, self.dilation)
        axes = zip(*(extent_of(extent, sizes) for extent in fields), strict=True)
        height, width = (Window(*axis) for axis in axes)
        return height, width

    def _results(self, image: tuple[int, int], sizes: Mapping[str, int], *, ceil: bool = False) -> tuple[int, int]:
        """Return height and width of the result."""
        height, width = self._windows(sizes)
        return height.results(image[0], ceil=ceil), width.results(image[1], ceil=ceil)

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return what its windows read: all they cover, or at least one element for each result."""
        axes = [*zip(self._windows(sizes), inputs[0][1:], output[1:], strict=True)]
        covered = math.prod(window.covered(extent, out) for window, extent, out in axes)
        if need.elements == 1:
            return Need(covered, covered)
        centred = all(window.centred(extent, out) for window, extent, out in axes)
        share = min(covered, need.elements * math.prod(output[1:]) / math.prod(inputs[0][1:])) if centred else 0.0
        return Need(share, share)


class Conv2d(_Windowed):
    """A 2-d convolution over channels x height x width, as implicit GEMM: M = Ho*Wo, N = Cout, K = Cin*R*S per group.

    `tied_to` names the convolution whose weights it takes, so that they are stored once: the heads of a feature pyramid.
    """

    carries: ClassVar[bool] = True
    op: Literal["conv2d"]
    out_channels: Dim
    groups: Dim = 1
    bias: bool = True
    tied_to: NodeName | None = None

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return out_channels x height x width."""
        channels, height, width = image_of(inputs[0], "conv2d")
        out, groups = size_of(self.out_channels, sizes), size_of(self.groups, sizes)
        if channels % groups or out % groups:
            raise GraphError(f"{groups} groups divide neither {channels} input nor {out} output channels evenly")
        return out, *self._results((height, width), sizes)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return W = 2*Ho*Wo*Cout*(Cin/groups)*R*S; W_min leaves padding out, and the kernel at stride 1 (Winograd)."""
        groups, windows = size_of(self.groups, sizes), self._windows(sizes)
        taps = math.prod(window.kernel for window in windows)
        channels, (out, height, width) = inputs[0][0] // groups, output
        weights = out * channels * taps + (out if self.bias else 0)
        work = float(FLOP_PER_MAC * height * width * out * channels * taps)
        axes = list(zip(windows, inputs[0][1:], output[1:], strict=True))
        least = math.prod(window.products(*axis) for window, *axis in axes)
        used = math.prod(window.used(*axis) for window, *axis in axes)
        return Cost(
            kind="depthwise" if groups == inputs[0][0] > 1 else "conv",
            work=work, work_min=float(FLOP_PER_MAC * out * channels * least), work_done=work,
            parameters=0 if self.tied_to else weights, weights=weights,
            inputs=elements_of(inputs[0]), outputs=elements_of(output),
            rows=height * width, columns=out // groups, channels=channels, taps=taps, groups=groups,
            winograd_tiles=winograd.tiles_of(height, width) if groups == 1 and all(w.transformable for w in windows) else 0,
            spared=weights - out * channels * used,
        )  # fmt: skip

    def least_weights(self, cost: Cost, output: Shape, need: Need) -> float:
        """Return the weights of the needed channels; tied ones may have been read already."""
        return 0.0 if self.tied_to else super().least_weights(cost, output, need)


class ConvTranspose2d(Operator):
    """A transposed 2-d convolution: every element of the input is spread over a window of the result."""

    carries: ClassVar[bool] = True
    op: Literal["conv_transpose2d"]
    out_channels: Dim
    kernel: Extent
    stride: Extent = 1
    padding: Padding = 0
    bias: bool = True

    def _axes(self, image: Shape, sizes: Mapping[str, int]) -> list[tuple[int, ...]]:
        """Return extent of the input, kernel, stride and padding along height and width."""
        fields = (extent_of(extent, sizes) for extent in (self.kernel, self.stride, self.padding))
        return [*zip(image[1:], *fields, strict=True)]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return out_channels x height x width."""
        image_of(inputs[0], "conv_transpose2d")
        axes = self._axes(inputs[0], sizes)
        sides = [(extent - 1) * stride + kernel - 2 * padding for extent, kernel, stride, padding in axes]
        if min(sides) < 1:
            raise GraphError(f"the padding leaves nothing of a result of {' x '.join(map(str, sides))}")
        return size_of(self.out_channels, sizes), *sides

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return W = 2*H*W*Cin*Cout*R*S; W_min leaves out what the padding cuts off, over the kernel in strides (Winograd)."""
        (channels, height, width), out, axes = inputs[0], output[0], self._axes(inputs[0], sizes)
        taps = math.prod(kernel for _, kernel, _, _ in axes)
        work = float(FLOP_PER_MAC * height * width * channels * out * taps)
        weights = channels * out * taps + (out if self.bias else 0)
        return Cost(
            kind="conv", work=work, work_min=work * math.prod(_least_share(*axis) for axis in axes), work_done=work,
            parameters=weights, weights=weights, inputs=elements_of(inputs[0]), outputs=elements_of(output),
            rows=height * width, columns=out * taps, channels=channels, spared=out if self.bias else 0,
        )  # fmt: skip

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return what the result reads: an element serves at most a window of every channel."""
        axes = self._axes(inputs[0], sizes)
        if any(padding >= kernel or kernel < stride for _, kernel, stride, padding in axes):
            return Need(0.0, 0.0)
        window = math.prod(kernel for _, kernel, _, _ in axes)
        share = min(1.0, need.elements * math.prod(output[1:]) / (window * math.prod(inputs[0][1:])))
        return Need(1.0, 1.0) if need.elements == 1 else Need(share, share)

    def least_weights(self, cost: Cost, output: Shape, need: Need) -> float:
        """Return all where all of a result without padding is needed, else nothing: some taps may serve what nobody needs."""
        return (cost.weights - cost.spared) * float(need.elements == 1 and self.padding in (0, (0, 0)))


def _least_share(extent: int, kernel: int, stride: int, padding: int) -> float:
    """Return the share of the products of a transposed convolution along one axis that any algorithm needs."""
    together = -(-kernel // stride)
    return max(0, extent * kernel - 2 * padding * together) / (extent * kernel) / together


class Pool(_Windowed):
    """Max or average pooling over a window; `ceil` keeps a last window that the end of the input cuts short."""

    op: Literal["pool"]
    ceil: bool = False

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return channels x height x width."""
        channels, height, width = image_of(inputs[0], "pool")
        return channels, *self._results((height, width), sizes, ceil=self.ceil)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the input and writing the result."""
        return Cost(kind="memory", inputs=elements_of(inputs[0]), outputs=elements_of(output))


class GlobalPool(Operator):
    """The average over height and width: channels x height x width to channels."""

    op: Literal["global_pool"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the channels."""
        return (image_of(inputs[0], "global_pool")[0],)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the input and writing the result."""
        return Cost(kind="memory", inputs=elements_of(inputs[0]), outputs=elements_of(output))


class Upsample(Operator):
    """The nearest neighbour, `factor` times along height and width."""

    op: Literal["upsample"]
    factor: Dim = 2

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return channels x height x width."""
        channels, height, width = image_of(inputs[0], "upsample")
        factor = size_of(self.factor, sizes)
        return channels, height * factor, width * factor

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same share: every element becomes equally many."""
        return need

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the input and writing the result."""
        return Cost(kind="memory", inputs=elements_of(inputs[0]), outputs=elements_of(output))
