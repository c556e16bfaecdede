"""Blocks: short names for the groups of operators that papers repeat, so that a workload is as short as its paper's table."""

from __future__ import annotations

from .convolutional import (
    BasicBlock,
    Bottleneck,
    ConvActivation,
    ConvNorm,
    DarkResidual,
    DenseLayer,
    Fire,
    GatedResidual,
    Inception,
    InvertedResidual,
    SeparableConv,
    ShuffleUnit,
)
from .detection import C3, C2f, DetectionHead, Sppf
from .diffusion import DitBlock
from .hierarchical import ChannelNorm, ConvNextBlock, PatchMerging, SwinBlock
from .recommendation import Mlp
from .transformer import (
    CrossDecoderBlock,
    DecoderBlock,
    EncoderBlock,
    GatedDecoderBlock,
    LatentDecoderBlock,
    PreNormEncoderBlock,
)

AnyBlock = (
    ConvNorm
    | ConvActivation
    | Bottleneck
    | BasicBlock
    | DarkResidual
    | InvertedResidual
    | SeparableConv
    | GatedResidual
    | DenseLayer
    | Fire
    | Inception
    | EncoderBlock
    | PreNormEncoderBlock
    | DecoderBlock
    | GatedDecoderBlock
    | LatentDecoderBlock
    | CrossDecoderBlock
    | C3
    | C2f
    | Sppf
    | DetectionHead
    | ChannelNorm
    | ConvNextBlock
    | SwinBlock
    | PatchMerging
    | DitBlock
    | Mlp
    | ShuffleUnit
)
"""Every block that a graph may name."""
