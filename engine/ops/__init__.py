"""Operators: each declares its fields, its output shape and what it costs, in one place.

A module for each family; `AnyOperator` is every operator that a graph may name.
"""

from __future__ import annotations

from .attention import Attention, CrossAttention, LatentAttention
from .experts import Combine, ExpertLinear
from .image import Conv2d, GlobalPool, Pool, Upsample
from .matrix import Linear, MatMul
from .movement import Concat, Embedding, FlattenSpatial, Prepend, Reshape, Slice
from .pointwise import Activation, BatchNorm, Elementwise, Gate, HeadNorm, LayerNorm, Positions, Softmax

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
)
"""Every operator that a graph may name."""
