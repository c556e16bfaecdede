"""Blocks of diffusion models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ..errors import GraphError
from ..ops.attention import Attention
from ..ops.base import Dim, Operator, Shape, size_of
from ..ops.conditioning import AdaptiveNorm, GatedSum
from ..ops.layout import Part
from ..ops.matrix import Linear
from ..ops.pointwise import Activation
from ..quantity import NodeName
from .base import Block, Chain

_FACTORS = 6
"""Shift, scale and gate of attention and of the feed-forward network."""


class DitBlock(Block):
    """The block of a diffusion transformer with adaLN-Zero (Peebles, Xie 2022).

    A layer over `conditioning`, a vector, gives shift, scale and gate of attention and of the feed-forward network.
    """

    op: Literal["dit_block"]
    heads: Dim
    conditioning: NodeName
    expansion: Dim = 4

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return the layer of the factors, then norm, attention, gated sum, norm, feed-forward, gated sum."""
        hidden, heads = shape[-1], size_of(self.heads, sizes)
        if hidden % heads:
            raise GraphError(f"{heads} heads do not divide a width of {hidden} evenly")
        chain = Chain(name, source)
        factors = chain.add("factors", Linear, self.conditioning, op="linear", out_features=_FACTORS * hidden)
        parts = [chain.add(f"factor{i}", Part, factors, op="part", parts=_FACTORS, index=i) for i in range(_FACTORS)]
        chain.add("attention_norm", AdaptiveNorm, source, *parts[:2], op="adaptive_norm")
        chain.add("qkv", Linear, op="linear", out_features=3 * hidden)
        chain.add("attention", Attention, op="attention", heads=heads)
        attended = chain.add("attention_out", Linear, op="linear", out_features=hidden)
        middle = chain.add("attention_add", GatedSum, attended, source, parts[2], op="gated_sum")
        chain.add("ffn_norm", AdaptiveNorm, middle, *parts[3:5], op="adaptive_norm")
        chain.add("ffn_in", Linear, op="linear", out_features=size_of(self.expansion, sizes) * hidden)
        chain.add("ffn_activation", Activation, op="activation", function="gelu")
        fed = chain.add("ffn_out", Linear, op="linear", out_features=hidden)
        chain.add("ffn_add", GatedSum, fed, middle, parts[5], op="gated_sum")
        return chain.operators
