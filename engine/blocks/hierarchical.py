"""Blocks of hierarchical vision networks after transformers: ConvNeXt and Swin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ..errors import GraphError
from ..ops.base import Dim, Operator, Shape, image_of, size_of
from ..ops.image import Conv2d
from ..ops.layout import ChannelsFirst, ChannelsLast, PatchMerge
from ..ops.matrix import Linear
from ..ops.norms import LayerScale
from ..ops.pointwise import Activation, Elementwise, LayerNorm
from ..ops.window import WindowAttention
from .base import Block, Chain


def _feed_forward(chain: Chain, features: int, expansion: int) -> str:
    """Append a layer to `expansion` times the features, GELU and a layer back; return the name of the result."""
    chain.add("ffn_in", Linear, op="linear", out_features=expansion * features)
    chain.add("ffn_activation", Activation, op="activation", function="gelu")
    return chain.add("ffn_out", Linear, op="linear", out_features=features)


class ChannelNorm(Block):
    """Layer normalisation over the channels of each pixel of channels x height x width."""

    op: Literal["channel_norm"]

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return the norm between two views."""
        chain = Chain(name, source)
        chain.add("last", ChannelsLast, source, op="channels_last")
        chain.add("norm", LayerNorm, op="layer_norm")
        chain.add("first", ChannelsFirst, op="channels_first")
        return chain.operators


class ConvNextBlock(Block):
    """ConvNeXt's block: depthwise 7x7, norm, two layers on the channels of each pixel, a learned scale, and a residual."""

    op: Literal["convnext_block"]
    kernel: Dim = 7
    expansion: Dim = 4

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return the convolution, norm, both layers, scale and sum; all but the first work on channels that stand last."""
        channels, kernel = image_of(shape, "convnext_block")[0], size_of(self.kernel, sizes)
        chain = Chain(name, source)
        chain.add("depthwise", Conv2d, source, op="conv2d", out_channels=channels, kernel=kernel, padding=kernel // 2,
                  groups=channels)  # fmt: skip
        chain.add("last", ChannelsLast, op="channels_last")
        chain.add("norm", LayerNorm, op="layer_norm")
        _feed_forward(chain, channels, size_of(self.expansion, sizes))
        scaled = chain.add("scale", LayerScale, op="layer_scale")
        shortcut = chain.add("shortcut", ChannelsLast, source, op="channels_last")
        chain.add("add", Elementwise, scaled, shortcut, op="elementwise", function="add")
        chain.add("first", ChannelsFirst, op="channels_first")
        return chain.operators


class SwinBlock(Block):
    """Swin's block on height x width x features: norm, attention in windows, norm, feed-forward, each pair with a residual.

    Every second one in a row shifts its windows.
    """

    op: Literal["swin_block"]
    heads: Dim
    window: Dim = 7
    expansion: Dim = 4

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return norm, window attention between its projections, sum, norm, two layers, sum."""
        if len(shape) != 3:  # noqa: PLR2004 - height, width, features
            raise GraphError(f"swin_block takes a sample of height x width x features, not {shape}")
        features, chain = shape[2], Chain(name, source)
        chain.add("attention_norm", LayerNorm, source, op="layer_norm")
        chain.add("qkv", Linear, op="linear", out_features=3 * features)
        chain.add("attention", WindowAttention, op="window_attention", heads=self.heads, window=self.window,
                  shifted=index % 2 == 1)  # fmt: skip
        attended = chain.add("attention_out", Linear, op="linear", out_features=features)
        middle = chain.add("attention_add", Elementwise, attended, source, op="elementwise", function="add")
        chain.add("ffn_norm", LayerNorm, op="layer_norm")
        fed = _feed_forward(chain, features, size_of(self.expansion, sizes))
        chain.add("ffn_add", Elementwise, fed, middle, op="elementwise", function="add")
        return chain.operators


class PatchMerging(Block):
    """Swin's step between stages: 2 x 2 pixels become one of twice the features."""

    op: Literal["patch_merging"]

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return the merge, norm and layer."""
        chain = Chain(name, source)
        chain.add("merge", PatchMerge, source, op="patch_merge")
        chain.add("norm", LayerNorm, op="layer_norm")
        chain.add("reduce", Linear, op="linear", out_features=2 * shape[-1], bias=False)
        return chain.operators
