"""Blocks of transformers: encoders and decoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ..errors import GraphError
from ..ops.attention import Attention
from ..ops.base import Dim, Operator, Shape, size_of
from ..ops.matrix import Linear
from ..ops.pointwise import Activation, Elementwise, LayerNorm
from ..quantity import Integral
from .base import ActivationName, Block, Chain


class _Transformer(Block):
    """What encoder and decoder blocks share: attention and a feed-forward network, each with a residual."""

    bias: ClassVar[bool] = True
    """Whether its linear layers have a bias."""
    scale_only: ClassVar[bool] = False
    """Whether its norms are RMS norms."""

    heads: Dim
    kv_heads: Dim | None = None
    intermediate: Dim
    activation: ActivationName = "gelu"

    def _attend(self, chain: Chain, source: str, shape: Shape, sizes: Mapping[str, int], **fields: Any) -> str:
        hidden, heads = shape[-1], size_of(self.heads, sizes)
        if hidden % heads:
            raise GraphError(f"{heads} heads do not divide a width of {hidden} evenly")
        kv_heads = heads if self.kv_heads is None else size_of(self.kv_heads, sizes)
        self._linear(chain, "qkv", hidden // heads * (heads + 2 * kv_heads), source)
        chain.add("attention", Attention, op="attention", heads=heads, kv_heads=kv_heads, **fields)
        return self._linear(chain, "attention_out", hidden)

    def _feed_forward(self, chain: Chain, source: str, shape: Shape) -> str:
        self._linear(chain, "ffn_in", self.intermediate, source)
        chain.add("ffn_activation", Activation, op="activation", function=self.activation)
        return self._linear(chain, "ffn_out", shape[-1])

    def _pre_norm(self, chain: Chain, source: str, shape: Shape, sizes: Mapping[str, int], **fields: Any) -> list[Operator]:
        normed = chain.add("attention_norm", LayerNorm, source, op="layer_norm", scale_only=self.scale_only)
        attended = self._attend(chain, normed, shape, sizes, **fields)
        middle = self._residual(chain, "attention_add", attended, source)
        normed = chain.add("ffn_norm", LayerNorm, op="layer_norm", scale_only=self.scale_only)
        fed = self._feed_forward(chain, normed, shape)
        self._residual(chain, "ffn_add", fed, middle)
        return chain.operators

    def _linear(self, chain: Chain, suffix: str, features: Dim, *inputs: str) -> str:
        return chain.add(suffix, Linear, *inputs, op="linear", out_features=features, bias=self.bias)

    def _residual(self, chain: Chain, suffix: str, first: str, second: str) -> str:
        return chain.add(suffix, Elementwise, first, second, op="elementwise", function="add")


class EncoderBlock(_Transformer):
    """A transformer encoder block with norms after the residuals, as in BERT."""

    op: Literal["encoder_block"]

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return attention, norm, feed-forward, norm."""
        chain = Chain(name, source)
        attended = self._attend(chain, source, shape, sizes)
        self._residual(chain, "attention_add", attended, source)
        normed = chain.add("attention_norm", LayerNorm, op="layer_norm")
        fed = self._feed_forward(chain, normed, shape)
        self._residual(chain, "ffn_add", fed, normed)
        chain.add("ffn_norm", LayerNorm, op="layer_norm")
        return chain.operators


class PreNormEncoderBlock(_Transformer):
    """A transformer encoder block with norms before attention and feed-forward, as in vision transformers."""

    op: Literal["pre_norm_encoder_block"]

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return norm, attention, norm, feed-forward."""
        return self._pre_norm(Chain(name, source), source, shape, sizes)


class _Decoder(_Transformer):
    """What decoder blocks share: a causal mask, and tokens of earlier passes in the cache of keys and values."""

    context: Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=0), Integral] = 0

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return norm, causal attention, norm, feed-forward."""
        return self._pre_norm(Chain(name, source), source, shape, sizes, causal=True, context=self.context)


class DecoderBlock(_Decoder):
    """A transformer decoder block with norms before attention and feed-forward, as in GPT-2 and GPT-3."""

    op: Literal["decoder_block"]


class GatedDecoderBlock(_Decoder):
    """The decoder block of Llama: RMS norms, no biases, and a feed-forward network whose second input layer gates the first.

    Rotary positions ride on the projection before attention, at no cost of their own.
    """

    bias: ClassVar[bool] = False
    scale_only: ClassVar[bool] = True

    op: Literal["gated_decoder_block"]
    activation: ActivationName = "silu"

    def _feed_forward(self, chain: Chain, source: str, shape: Shape) -> str:
        self._linear(chain, "ffn_gate", self.intermediate, source)
        gate = chain.add("ffn_activation", Activation, op="activation", function=self.activation)
        wide = self._linear(chain, "ffn_in", self.intermediate, source)
        chain.add("ffn_gated", Elementwise, wide, gate, op="elementwise", function="mul")
        return self._linear(chain, "ffn_out", shape[-1])
