"""Operators over channels x height x width: convolution, pooling, resampling."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..errors import GraphError
from .base import (
    FLOP_PER_MAC,
    Cost,
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

    def used(self, extent: int, out: int) -> int:
        """Return how many of its taps meet an element of the axis at any of `out` places, at the least; others meet padding."""
        first, last = self.padding, self.padding - (out - 1) * self.stride
        if extent < self.stride:  # a place leaves gaps between the taps that it uses and those of the next: count one place
            first = last = self.padding - min(out - 1, self.padding // self.stride) * self.stride
        return max(0, min(self.kernel, first + extent) - max(0, last))

    def products(self, extent: int, out: int) -> int:
        """Return how many products of a tap and an element of the axis `out` places need, at the least.

        At stride 1 Winograd's limit is one for each result that is not of padding only.
        """
        if self.stride == 1:
            return max(0, min(out, extent + self.padding) - max(0, self.padding - self.kernel + 1))
        beyond = (out - 1) * self.stride + self.kernel - self.padding - extent
        return out * self.kernel - self._off(self.padding, out) - self._off(beyond, out)

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

    carries: ClassVar[bool] = True
    op: Literal["conv2d"]
    out_channels: Dim
    groups: Dim = 1
    bias: bool = True

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
            parameters=weights, weights=weights, inputs=elements_of(inputs[0]), outputs=elements_of(output),
            rows=height * width, columns=out // groups, channels=channels, taps=taps, groups=groups,
            spared=weights - out * channels * used,
        )  # fmt: skip


class Pool(_Windowed):
    """Max or average pooling over a window."""

    op: Literal["pool"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return channels x height x width."""
        channels, height, width = image_of(inputs[0], "pool")
        return channels, *self._results((height, width), sizes)

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
