"""Operators: each declares its fields, its output shape and what it costs, in one place.

A module for each family; `AnyOperator` is every operator that a graph may name.
"""

from __future__ import annotations

from .attention import Attention
from .image import Conv2d, GlobalPool, Pool, Upsample
from .matrix import Linear, MatMul
from .movement import Concat, Embedding, FlattenSpatial, Prepend, Reshape, Slice
from .pointwise import Activation, BatchNorm, Elementwise, Gate, LayerNorm, Positions, Softmax

AnyOperator = (
    Conv2d
    | Linear
    | MatMul
    | Attention
    | Pool
    | GlobalPool
    | BatchNorm
    | LayerNorm
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
