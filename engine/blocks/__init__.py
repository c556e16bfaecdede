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
)
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
)
"""Every block that a graph may name."""
