"""Blocks of detectors: partial stages, pyramids of pooling, heads on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from ..ops.base import Dim, Operator, Shape, size_of
from ..ops.image import Conv2d, Pool
from ..ops.layout import Part
from ..ops.movement import FlattenSpatial
from ..quantity import Integral, NodeName
from .base import ActivationName, Block
from .convolutional import Convolutions


class _Partial(Block):
    """A stage that sends half of its channels through `bottlenecks` and joins them with the rest (CSPNet, Wang et al. 2019)."""

    out_channels: Dim
    bottlenecks: Dim = 1
    shortcut: bool = True
    activation: ActivationName = "silu"

    def _bottleneck(self, chain: Convolutions, name: str, source: str, width: int, kernel: int) -> str:
        """Append two convolutions and, where there is a shortcut, the sum; return the name of the result."""
        first = chain.conv(f"{name}_conv1", source, self.activation, out_channels=width, kernel=kernel, padding=kernel // 2)
        second = chain.conv(f"{name}_conv2", first, self.activation, out_channels=width, kernel=3, padding=1)
        return chain.residual(second, source, f"{name}_add") if self.shortcut else second


class C3(_Partial):
    """YOLOv5's C3: one 1x1 to half the channels and bottlenecks of 1x1 and 3x3, another 1x1 beside them, and 1x1 over both."""

    op: Literal["c3"]

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return both branches, the concatenation and the last convolution."""
        out, chain = size_of(self.out_channels, sizes), Convolutions(name, source)
        half = out // 2
        last = chain.conv("conv1", source, self.activation, out_channels=half, kernel=1)
        for step in range(size_of(self.bottlenecks, sizes)):
            last = self._bottleneck(chain, f"m{step}", last, half, 1)
        beside = chain.conv("conv2", source, self.activation, out_channels=half, kernel=1)
        both = chain.concat(last, beside)
        chain.conv("conv3", both, self.activation, out_channels=out, kernel=1)
        return chain.operators


class C2f(_Partial):
    """YOLOv8's C2f: 1x1, bottlenecks of two 3x3 on the second half of its channels, and 1x1 over all of their results."""

    op: Literal["c2f"]

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return the convolutions, the bottlenecks and the concatenation."""
        out, chain = size_of(self.out_channels, sizes), Convolutions(name, source)
        half = out // 2
        results = [chain.conv("conv1", source, self.activation, out_channels=2 * half, kernel=1)]
        last = chain.add("half", Part, op="part", parts=2, index=1)
        for step in range(size_of(self.bottlenecks, sizes)):
            last = self._bottleneck(chain, f"m{step}", last, half, 3)
            results.append(last)
        both = chain.concat(*results)
        chain.conv("conv2", both, self.activation, out_channels=out, kernel=1)
        return chain.operators


class Sppf(Block):
    """YOLO's fast pyramid of pooling: 1x1 to half the channels, three poolings in a row, and 1x1 over all four."""

    op: Literal["sppf"]
    out_channels: Dim
    kernel: Dim = 5
    activation: ActivationName = "silu"

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return two convolutions with three poolings and the concatenation between them."""
        chain, kernel = Convolutions(name, source), size_of(self.kernel, sizes)
        results = [chain.conv("conv1", source, self.activation, out_channels=max(1, shape[0] // 2), kernel=1)]
        for step in range(3):
            results.append(chain.add(f"pool{step}", Pool, results[-1], op="pool", kernel=kernel, padding=kernel // 2))
        both = chain.concat(*results)
        chain.conv("conv2", both, self.activation, out_channels=self.out_channels, kernel=1)
        return chain.operators


class DetectionHead(Block):
    """A detector's head on one scale: convolutions to `classes` numbers of a pixel, others to `boxes`, a row for each pixel.

    `depth` convolutions of the given widths stand before the last. `tied_to` names the head whose convolutions it takes.
    Without `norm` they have a bias.
    """

    op: Literal["detection_head"]
    classes: Dim
    boxes: Dim
    class_width: Dim = 256
    box_width: Dim = 256
    depth: Annotated[int, Field(ge=0, le=100), Integral] = 2
    kernel: Dim = 1
    norm: bool = True
    activation: ActivationName = "silu"
    tied_to: NodeName | None = None

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return both towers, the concatenation and its view as rows."""
        chain = Convolutions(name, source)
        boxes = self._tower(chain, "boxes", source, self.box_width, self.boxes, sizes)
        classes = self._tower(chain, "classes", source, self.class_width, self.classes, sizes)
        chain.concat(boxes, classes)
        chain.add("rows", FlattenSpatial, op="flatten_spatial")
        return chain.operators

    def _tower(self, chain: Convolutions, what: str, source: str, width: Dim, out: Dim, sizes: Mapping[str, int]) -> str:
        last, kernel = source, size_of(self.kernel, sizes)
        for step in range(self.depth):
            suffix, add = f"{what}{step}", chain.conv if self.norm else chain.biased
            last = add(suffix, last, self.activation, out_channels=width, kernel=3, padding=1, tied_to=self._tied(suffix))
        return chain.add(what, Conv2d, last, op="conv2d", out_channels=out, kernel=kernel, padding=kernel // 2,
                         tied_to=self._tied(what))  # fmt: skip

    def _tied(self, suffix: str) -> str | None:
        return f"{self.tied_to}_{suffix}" if self.tied_to else None
