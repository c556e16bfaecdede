"""Blocks of convolutional networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from ..ops.base import Dim, Extent, Operator, Padding, Shape, size_of
from ..ops.image import Conv2d, GlobalPool, Pool
from ..ops.layout import ChannelShuffle, Part
from ..ops.matrix import Linear
from ..ops.movement import Concat
from ..ops.pointwise import Activation, BatchNorm, Elementwise, Gate
from ..quantity import Tuple
from .base import ActivationName, Block, Chain


class Convolutions(Chain):
    """Convolutions as networks with batch normalisation write them: no bias, norm, activation."""

    def conv(self, suffix: str, source: str, activation: str | None, **fields: Any) -> str:
        """Append a convolution, its norm and an activation, if any; return the name of the result."""
        self.add(suffix, Conv2d, source, op="conv2d", bias=False, **fields)
        last = self.add(f"{suffix}_bn", BatchNorm, op="batch_norm")
        return last if activation is None else self.activate(suffix, activation)

    def biased(self, suffix: str, source: str, activation: str, **fields: Any) -> str:
        """Append a convolution with bias and an activation; return the name of the result."""
        self.add(suffix, Conv2d, source, op="conv2d", **fields)
        return self.activate(suffix, activation)

    def concat(self, *sources: str) -> str:
        """Append a concatenation; return its name."""
        return self.add("concat", Concat, *sources, op="concat")

    def activate(self, suffix: str, function: str) -> str:
        """Append an activation; return its name."""
        return self.add(f"{suffix}_{function}", Activation, op="activation", function=function)

    def residual(self, first: str, second: str, suffix: str = "add") -> str:
        """Append a sum; return its name."""
        return self.add(suffix, Elementwise, first, second, op="elementwise", function="add")


def _shortcut(chain: Convolutions, source: str, shape: Shape, out: int, stride: int) -> str:
    """Return the name of the shortcut: the source itself, or its projection where shape changes (He et al. 2015, option B)."""
    if stride == 1 and shape[0] == out:
        return source
    return chain.conv("shortcut", source, None, out_channels=out, kernel=1, stride=stride)


class _Conv(Block):
    """What both blocks of one convolution share; of a repeated one only the first has the stride."""

    out_channels: Dim
    kernel: Extent
    stride: Extent = 1
    padding: Padding = 0
    dilation: Extent = 1
    groups: Dim = 1

    def _fields(self, index: int) -> dict[str, Any]:
        shared = {name: getattr(self, name) for name in ("out_channels", "kernel", "padding", "dilation", "groups")}
        return shared | {"stride": self.stride if index == 0 else 1}


class ConvNorm(_Conv):
    """A convolution without bias, batch normalisation and an activation."""

    op: Literal["conv_norm"]
    activation: ActivationName | None = "relu"

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return convolution, norm and activation."""
        chain = Convolutions(name, source)
        chain.conv("conv", source, self.activation, **self._fields(index))
        return chain.operators


class ConvActivation(_Conv):
    """A convolution with bias and an activation, as networks before batch normalisation have it."""

    op: Literal["conv_activation"]
    activation: ActivationName = "relu"

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return convolution and activation."""
        chain = Convolutions(name, source)
        chain.biased("conv", source, self.activation, **self._fields(index))
        return chain.operators


class Bottleneck(Block):
    """ResNet's bottleneck: 1x1, 3x3 (stride here, as torchvision has it), 1x1 to 4*width, and a residual."""

    op: Literal["bottleneck"]
    width: Dim
    stride: Dim = 1
    groups: Dim = 1
    expansion: Dim = 4

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return three convolutions, the shortcut's where it changes shape, and the sum."""
        width, stride = size_of(self.width, sizes), size_of(self.stride, sizes) if index == 0 else 1
        out = width * size_of(self.expansion, sizes)
        chain = Convolutions(name, source)
        shortcut = _shortcut(chain, source, shape, out, stride)
        first = chain.conv("conv1", source, "relu", out_channels=width, kernel=1)
        second = chain.conv("conv2", first, "relu", out_channels=width, kernel=3, stride=stride, padding=1, groups=self.groups)
        third = chain.conv("conv3", second, None, out_channels=out, kernel=1)
        chain.residual(third, shortcut)
        chain.activate("out", "relu")
        return chain.operators


class BasicBlock(Block):
    """ResNet's basic block: two 3x3 convolutions and a residual."""

    op: Literal["basic_block"]
    width: Dim
    stride: Dim = 1

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return two convolutions, the shortcut's where it changes shape, and the sum."""
        width, stride = size_of(self.width, sizes), size_of(self.stride, sizes) if index == 0 else 1
        chain = Convolutions(name, source)
        shortcut = _shortcut(chain, source, shape, width, stride)
        first = chain.conv("conv1", source, "relu", out_channels=width, kernel=3, stride=stride, padding=1)
        second = chain.conv("conv2", first, None, out_channels=width, kernel=3, padding=1)
        chain.residual(second, shortcut)
        chain.activate("out", "relu")
        return chain.operators


class DarkResidual(Block):
    """Darknet's residual: 1x1 to half the channels, 3x3 back, and the sum, with no activation after it."""

    op: Literal["dark_residual"]
    activation: ActivationName = "leaky_relu"

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return two convolutions and the sum."""
        chain = Convolutions(name, source)
        half = chain.conv("conv1", source, self.activation, out_channels=max(1, shape[0] // 2), kernel=1)
        whole = chain.conv("conv2", half, self.activation, out_channels=shape[0], kernel=3, padding=1)
        chain.residual(whole, source)
        return chain.operators


class InvertedResidual(Block):
    """MobileNet v2's inverted residual: widen by `expansion`, depthwise 3x3, narrow without activation."""

    op: Literal["inverted_residual"]
    expansion: Dim
    out_channels: Dim
    stride: Dim = 1
    kernel: Dim = 3
    activation: ActivationName = "relu6"

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return the convolutions, and the sum where input and output have one shape."""
        expansion, kernel = size_of(self.expansion, sizes), size_of(self.kernel, sizes)
        out, stride = size_of(self.out_channels, sizes), size_of(self.stride, sizes) if index == 0 else 1
        wide = shape[0] * expansion
        chain = Convolutions(name, source)
        last = source
        if expansion > 1:
            last = chain.conv("expand", last, self.activation, out_channels=wide, kernel=1)
        last = chain.conv("depthwise", last, self.activation, out_channels=wide, kernel=kernel, stride=stride,
                          padding=kernel // 2, groups=wide)  # fmt: skip
        last = chain.conv("project", last, None, out_channels=out, kernel=1)
        if stride == 1 and shape[0] == out:
            chain.residual(last, source)
        return chain.operators


class SeparableConv(Block):
    """MobileNet v1's depthwise separable convolution: depthwise, then 1x1, each with norm and activation."""

    op: Literal["separable_conv"]
    out_channels: Dim
    kernel: Dim = 3
    stride: Dim = 1
    activation: ActivationName = "relu"

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return both convolutions."""
        kernel, stride = size_of(self.kernel, sizes), self.stride if index == 0 else 1
        chain = Convolutions(name, source)
        last = chain.conv("depthwise", source, self.activation, out_channels=shape[0], kernel=kernel, stride=stride,
                          padding=kernel // 2, groups=shape[0])  # fmt: skip
        chain.conv("pointwise", last, self.activation, out_channels=self.out_channels, kernel=1)
        return chain.operators


class GatedResidual(Block):
    """The inverted residual of MobileNet v3 and EfficientNet: widen to `wide` channels, depthwise, gate, narrow.

    `squeeze` is the width between the gate's two layers (squeeze-and-excitation); left out, there is no gate.
    """

    op: Literal["gated_residual"]
    wide: Dim
    out_channels: Dim
    kernel: Dim = 3
    stride: Dim = 1
    squeeze: Dim | None = None
    activation: ActivationName = "silu"
    squeeze_activation: ActivationName = "silu"
    gate_activation: ActivationName = "sigmoid"

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return the convolutions, the gate between them, and the sum where input and output have one shape."""
        wide, kernel = size_of(self.wide, sizes), size_of(self.kernel, sizes)
        out, stride = size_of(self.out_channels, sizes), size_of(self.stride, sizes) if index == 0 else 1
        chain = Convolutions(name, source)
        last = source
        if wide != shape[0]:
            last = chain.conv("expand", last, self.activation, out_channels=wide, kernel=1)
        last = chain.conv("depthwise", last, self.activation, out_channels=wide, kernel=kernel, stride=stride,
                          padding=kernel // 2, groups=wide)  # fmt: skip
        if self.squeeze is not None:
            last = self._gate(chain, last, wide)
        last = chain.conv("project", last, None, out_channels=out, kernel=1)
        if stride == 1 and shape[0] == out:
            chain.residual(last, source)
        return chain.operators

    def _gate(self, chain: Convolutions, source: str, wide: int) -> str:
        chain.add("average", GlobalPool, source, op="global_pool")
        chain.add("squeeze", Linear, op="linear", out_features=self.squeeze)
        chain.activate("squeeze", self.squeeze_activation)
        chain.add("excite", Linear, op="linear", out_features=wide)
        factors = chain.activate("excite", self.gate_activation)
        return chain.add("gate", Gate, source, factors, op="gate")


class ShuffleUnit(Block):
    """ShuffleNet v2's unit: half of the channels pass, the others go through 1x1, depthwise and 1x1; then both are mixed.

    The first one of stride 2 has no halves: all channels go through both branches, the other being depthwise and 1x1.
    """

    op: Literal["shuffle_unit"]
    out_channels: Dim
    stride: Dim = 1

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return both branches, the concatenation and the shuffle."""
        half, stride = size_of(self.out_channels, sizes) // 2, size_of(self.stride, sizes) if index == 0 else 1
        chain = Convolutions(name, source)
        if stride > 1:
            last = self._depthwise(chain, "short", source, shape[0], stride)
            short, long = chain.conv("short_out", last, "relu", out_channels=half, kernel=1), source
        else:
            short, long = (chain.add(f"half{part}", Part, source, op="part", parts=2, index=part) for part in (0, 1))
        last = chain.conv("in", long, "relu", out_channels=half, kernel=1)
        last = self._depthwise(chain, "long", last, half, stride)
        last = chain.conv("out", last, "relu", out_channels=half, kernel=1)
        both = chain.concat(short, last)
        chain.add("shuffle", ChannelShuffle, both, op="channel_shuffle")
        return chain.operators

    def _depthwise(self, chain: Convolutions, suffix: str, source: str, width: int, stride: int) -> str:
        return chain.conv(
            f"{suffix}_depthwise", source, None, out_channels=width, kernel=3, stride=stride, padding=1, groups=width
        )


class DenseLayer(Block):
    """DenseNet's layer: norm, 1x1 to `wide` channels, norm, 3x3, and its `growth` channels behind those it read."""

    op: Literal["dense_layer"]
    growth: Dim
    wide: Dim

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return the norms before their convolutions, and the concatenation."""
        chain = Convolutions(name, source)
        chain.add("norm1", BatchNorm, source, op="batch_norm")
        last = chain.activate("norm1", "relu")
        last = chain.conv("conv1", last, "relu", out_channels=self.wide, kernel=1)
        last = chain.add("conv2", Conv2d, last, op="conv2d", out_channels=self.growth, kernel=3, padding=1, bias=False)
        chain.concat(source, last)
        return chain.operators


class Fire(Block):
    """SqueezeNet's module: 1x1 to `squeeze` channels, then 1x1 and 3x3 side by side to `out_channels_each`."""

    op: Literal["fire"]
    squeeze: Dim
    out_channels_each: Dim

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return three convolutions and the concatenation."""
        chain = Convolutions(name, source)
        squeezed = chain.biased("squeeze", source, "relu", out_channels=self.squeeze, kernel=1)
        ones = chain.biased("expand1", squeezed, "relu", out_channels=self.out_channels_each, kernel=1)
        threes = chain.biased("expand3", squeezed, "relu", out_channels=self.out_channels_each, kernel=3, padding=1)
        chain.concat(ones, threes)
        return chain.operators


class Inception(Block):
    """GoogLeNet's module: 1x1; 1x1 and 3x3; 1x1 and a larger kernel; pooling and 1x1, all behind each other.

    Branches of two convolutions have two widths.
    """

    op: Literal["inception"]
    ones: Dim
    threes: Annotated[tuple[Dim, Dim], Tuple]
    large: Annotated[tuple[Dim, Dim], Tuple]
    pooled: Dim
    large_kernel: Dim = 5

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return six convolutions, a pooling and the concatenation."""
        chain, large = Convolutions(name, source), size_of(self.large_kernel, sizes)
        ones = chain.conv("ones", source, "relu", out_channels=self.ones, kernel=1)
        last = chain.conv("threes_reduce", source, "relu", out_channels=self.threes[0], kernel=1)
        threes = chain.conv("threes", last, "relu", out_channels=self.threes[1], kernel=3, padding=1)
        last = chain.conv("large_reduce", source, "relu", out_channels=self.large[0], kernel=1)
        larges = chain.conv("large", last, "relu", out_channels=self.large[1], kernel=large, padding=large // 2)
        last = chain.add("pool", Pool, source, op="pool", kernel=3, padding=1)
        pooled = chain.conv("pooled", last, "relu", out_channels=self.pooled, kernel=1)
        chain.concat(ones, threes, larges, pooled)
        return chain.operators
