"""Operators: each declares its fields, its output shape and what it costs, in one place.

A module for each family; `AnyOperator` is every operator that a graph may name.
"""

from __future__ import annotations

from .attention import Attention, CrossAttention, LatentAttention
from .conditioning import AdaptiveNorm, Frequencies, GatedSum
from .experts import Combine, ExpertLinear
from .general import Bundle, Convolution, Copy, Join, Normalize, Permute, Pointwise, Pooling, Product, Reduce, Section
from .image import Conv2d, ConvTranspose2d, GlobalPool, Pool, Upsample
from .layout import ChannelsFirst, ChannelShuffle, ChannelsLast, Part, PatchMerge
from .matrix import Linear, MatMul
from .movement import Concat, Embedding, FlattenSpatial, Prepend, Reshape, Slice
from .norms import GroupNorm, LayerScale
from .pointwise import Activation, BatchNorm, Elementwise, Gate, HeadNorm, LayerNorm, Positions, Softmax
from .recommendation import EmbeddingBags, Interaction
from .window import WindowAttention

AnyOperator = (
    Conv2d
    | Linear
    | MatMul
    | Attention
    | LatentAttention
    | CrossAttention
    | ExpertLinear
    | Combine
    | Pool
    | GlobalPool
    | BatchNorm
    | LayerNorm
    | HeadNorm
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
    | ConvTranspose2d
    | GroupNorm
    | LayerScale
    | ChannelsLast
    | ChannelsFirst
    | Part
    | PatchMerge
    | ChannelShuffle
    | WindowAttention
    | AdaptiveNorm
    | GatedSum
    | Frequencies
    | EmbeddingBags
    | Interaction
    | Pointwise
    | Normalize
    | Reduce
    | Permute
    | Section
    | Join
    | Bundle
    | Copy
    | Product
    | Pooling
    | Convolution
)
"""Every operator that a graph may name."""
