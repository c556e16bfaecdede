"""Blocks of transformers: encoders and decoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ..errors import GraphError
from ..ops.attention import Attention, CrossAttention, LatentAttention
from ..ops.base import Dim, Operator, Shape, Tokens, size_of
from ..ops.experts import Combine, ExpertLinear
from ..ops.matrix import Linear
from ..ops.movement import Slice
from ..ops.pointwise import Activation, Elementwise, HeadNorm, LayerNorm, Softmax
from ..quantity import Integral, NodeName
from .base import ActivationName, Block, Chain


class _Transformer(Block):
    """What encoder and decoder blocks share: attention and a feed-forward network, each with a residual.

    A head has `head_dim` features, without it the width over the heads. Without `key_bias` the keys alone have no bias.
    """

    bias: ClassVar[bool] = True
    """Whether its linear layers have a bias."""
    scale_only: ClassVar[bool] = False
    """Whether its norms are RMS norms."""

    heads: Dim
    kv_heads: Dim | None = None
    head_dim: Dim | None = None
    intermediate: Dim
    activation: ActivationName = "gelu"
    key_bias: bool = True

    def _head_dim(self, width: int, sizes: Mapping[str, int]) -> int:
        if self.head_dim is not None:
            return size_of(self.head_dim, sizes)
        heads = size_of(self.heads, sizes)
        if width % heads:
            raise GraphError(f"{heads} heads do not divide a width of {width} evenly")
        return width // heads

    def _attend(self, chain: Chain, source: str, shape: Shape, sizes: Mapping[str, int], **fields: Any) -> str:
        self._attended(chain, source, sizes, shape[-1], **fields)
        return self._linear(chain, "attention_out", shape[-1])

    def _attended(self, chain: Chain, source: str, sizes: Mapping[str, int], width: int, **fields: Any) -> str:
        head_dim, heads = self._head_dim(width, sizes), size_of(self.heads, sizes)
        kv_heads = heads if self.kv_heads is None else size_of(self.kv_heads, sizes)
        self._project(chain, source, head_dim, heads, kv_heads)
        return chain.add("attention", Attention, op="attention", heads=heads, kv_heads=kv_heads, **fields)

    def _project(self, chain: Chain, source: str, head_dim: int, heads: int, kv_heads: int) -> str:
        return self._keyed(chain, "qkv", head_dim * (heads + 2 * kv_heads), head_dim * kv_heads, source)

    def _keyed(self, chain: Chain, suffix: str, features: int, keys: int, source: str) -> str:
        """Append a projection of which `keys` features are keys; return its name."""
        fields: dict[str, Any] = {"op": "linear", "out_features": features, "bias": self.bias}
        return chain.add(suffix, Linear, source, unbiased=0 if self.key_bias else keys, **fields)

    def _feed_forward(self, chain: Chain, source: str, shape: Shape) -> str:
        self._linear(chain, "ffn_in", self.intermediate, source)
        chain.add("ffn_activation", Activation, op="activation", function=self.activation)
        return self._linear(chain, "ffn_out", shape[-1])

    def _pre_norm(self, chain: Chain, source: str, shape: Shape, sizes: Mapping[str, int], **fields: Any) -> list[Operator]:
        middle = self._attention_part(chain, source, shape, sizes, **fields)
        self._feed_forward_part(chain, middle, middle, shape)
        return chain.operators

    def _attention_part(self, chain: Chain, source: str, shape: Shape, sizes: Mapping[str, int], **fields: Any) -> str:
        """Append a norm, attention and the residual sum; return its name."""
        normed = self._norm(chain, "attention_norm", source)
        attended = self._attend(chain, normed, shape, sizes, **fields)
        return self._residual(chain, "attention_add", attended, source)

    def _feed_forward_part(self, chain: Chain, source: str, residual: str, shape: Shape) -> str:
        """Append a norm, the feed-forward network and the sum with `residual`; return its name."""
        normed = self._norm(chain, "ffn_norm", source)
        fed = self._feed_forward(chain, normed, shape)
        return self._residual(chain, "ffn_add", fed, residual)

    def _norm(self, chain: Chain, suffix: str, source: str) -> str:
        return chain.add(suffix, LayerNorm, source, op="layer_norm", scale_only=self.scale_only)

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
    """What decoder blocks share: a causal mask, and tokens of earlier passes in the cache of keys and values.

    With a `window` a token sees itself and at most that many less one before it; every `global_every`-th layer sees all.
    """

    context: Tokens | None = None
    window: Dim | None = None
    global_every: Annotated[int, Field(ge=2, le=1000), Integral] | None = None

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return norm, causal attention, norm, feed-forward."""
        seen = self._seen(index)
        return self._pre_norm(Chain(name, source), source, shape, sizes, causal=True, context=self.context, **seen)

    def _seen(self, index: int) -> dict[str, Any]:
        """Return the window of layer `index`, nothing where it sees all tokens."""
        sees_all = self.window is None or (self.global_every is not None and (index + 1) % self.global_every == 0)
        return {} if sees_all else {"window": self.window}


class DecoderBlock(_Decoder):
    """A transformer decoder block with norms before attention and feed-forward, as in GPT-2 and GPT-3.

    `parallel`: the feed-forward network reads what attention reads, as in GPT-NeoX.
    """

    op: Literal["decoder_block"]
    parallel: bool = False

    def _pre_norm(self, chain: Chain, source: str, shape: Shape, sizes: Mapping[str, int], **fields: Any) -> list[Operator]:
        middle = self._attention_part(chain, source, shape, sizes, **fields)
        self._feed_forward_part(chain, source if self.parallel else middle, middle, shape)
        return chain.operators


class CrossDecoderBlock(_Decoder):
    """A decoder block with a second attention, over the tokens of an encoder, as in Whisper.

    `encoded` names the encoder's result, which `encoded_tokens` counts; without it their keys and values stand in the cache.
    """

    op: Literal["cross_decoder_block"]
    encoded: NodeName | None = None
    encoded_tokens: Dim

    def _pre_norm(self, chain: Chain, source: str, shape: Shape, sizes: Mapping[str, int], **fields: Any) -> list[Operator]:
        attended = self._attention_part(chain, source, shape, sizes, **fields)
        middle = self._cross_part(chain, attended, shape, sizes)
        self._feed_forward_part(chain, middle, middle, shape)
        return chain.operators

    def _cross_part(self, chain: Chain, source: str, shape: Shape, sizes: Mapping[str, int]) -> str:
        width = self._head_dim(shape[-1], sizes) * size_of(self.heads, sizes)
        normed = self._norm(chain, "cross_norm", source)
        inputs = [self._linear(chain, "cross_query", width, normed)]
        if self.encoded is not None:
            inputs.append(self._keyed(chain, "cross_kv", 2 * width, width, self.encoded))
        chain.add(
            "cross_attention", CrossAttention, *inputs, op="cross_attention", heads=self.heads,
            encoded_tokens=self.encoded_tokens, context=self.context,
        )  # fmt: skip
        attended = self._linear(chain, "cross_out", shape[-1])
        return self._residual(chain, "cross_add", attended, source)


class _Gated(_Decoder):
    """What gated decoder blocks share: RMS norms, no biases, and a feed-forward network with a gate, or experts of that kind.

    With `experts` a token takes `active` of that many feed-forward networks, besides one of `shared_intermediate` features
    that all tokens take.
    """

    bias: ClassVar[bool] = False
    scale_only: ClassVar[bool] = True

    activation: ActivationName = "silu"
    ffn_bias: bool = False
    experts: Dim | None = None
    active: Dim | None = None
    shared_intermediate: Dim | None = None

    def _feed_forward(self, chain: Chain, source: str, shape: Shape) -> str:
        if self.experts is None:
            return self._gated(chain, "ffn", source, self.intermediate, shape[-1])
        mixed = self._mixture(chain, source, self.experts, shape[-1])
        if self.shared_intermediate is None:
            return mixed
        shared = self._gated(chain, "shared", source, self.shared_intermediate, shape[-1])
        return self._residual(chain, "shared_add", shared, mixed)

    def _gated(self, chain: Chain, prefix: str, source: str, wide: Dim, width: int) -> str:
        fields: dict[str, Any] = {"op": "linear", "bias": self.ffn_bias}
        gate = chain.add(f"{prefix}_gate", Linear, source, out_features=wide, **fields)
        gate = chain.add(f"{prefix}_activation", Activation, gate, op="activation", function=self.activation)
        read = chain.add(f"{prefix}_in", Linear, source, out_features=wide, **fields)
        chain.add(f"{prefix}_gated", Elementwise, read, gate, op="elementwise", function="mul")
        return chain.add(f"{prefix}_out", Linear, out_features=width, **fields)

    def _mixture(self, chain: Chain, source: str, experts: Dim, width: int) -> str:
        if self.active is None:
            raise GraphError("experts need `active`: how many of them a token takes")
        fields: dict[str, Any] = {"op": "expert_linear", "experts": experts, "active": self.active}
        chain.add("router", Linear, source, op="linear", out_features=experts, bias=False)
        scores = chain.add("router_scores", Softmax, op="softmax")
        gate = chain.add("expert_gate", ExpertLinear, source, out_features=self.intermediate, **fields)
        gate = chain.add("expert_activation", Activation, gate, op="activation", function=self.activation)
        read = chain.add("expert_in", ExpertLinear, source, out_features=self.intermediate, **fields)
        chain.add("expert_gated", Elementwise, read, gate, op="elementwise", function="mul")
        results = chain.add("expert_out", ExpertLinear, out_features=width, **fields)
        return chain.add("combine", Combine, results, scores, op="combine")


class GatedDecoderBlock(_Gated):
    """The decoder block of Llama: RMS norms, no biases, and a feed-forward network whose second input layer gates the first.

    Rotary positions ride on the projection before attention, at no cost of their own. `qkv_bias` gives that projection a bias
    (Qwen2), `attention_bias` that behind attention, too; `head_norm` norms queries and keys head by head (Qwen3), `post_norm`
    what comes out of attention and feed-forward (Gemma 2).
    """

    op: Literal["gated_decoder_block"]
    qkv_bias: bool = False
    attention_bias: bool = False
    head_norm: bool = False
    post_norm: bool = False

    def _project(self, chain: Chain, source: str, head_dim: int, heads: int, kv_heads: int) -> str:
        features, bias = head_dim * (heads + 2 * kv_heads), self.qkv_bias or self.attention_bias
        projected = chain.add("qkv", Linear, source, op="linear", out_features=features, bias=bias)
        return chain.add("head_norm", HeadNorm, op="head_norm", head_dim=head_dim) if self.head_norm else projected

    def _attend(self, chain: Chain, source: str, shape: Shape, sizes: Mapping[str, int], **fields: Any) -> str:
        self._attended(chain, source, sizes, shape[-1], **fields)
        out = chain.add("attention_out", Linear, op="linear", out_features=shape[-1], bias=self.attention_bias)
        return self._norm(chain, "attention_post_norm", out) if self.post_norm else out

    def _feed_forward(self, chain: Chain, source: str, shape: Shape) -> str:
        fed = super()._feed_forward(chain, source, shape)
        return self._norm(chain, "ffn_post_norm", fed) if self.post_norm else fed


class LatentDecoderBlock(_Gated):
    """The decoder block of DeepSeek-V2: latent attention, whose cache holds `latent` + `rope_dim` elements for each token.

    Queries come through `query_rank` features, where there are that many; `head_dim` leaves the rotary features out.
    """

    op: Literal["latent_decoder_block"]
    head_dim: Dim
    rope_dim: Dim
    value_dim: Dim
    latent: Dim
    query_rank: Dim | None = None

    def _attend(self, chain: Chain, source: str, shape: Shape, sizes: Mapping[str, int], **fields: Any) -> str:
        heads, head_dim, rope_dim, value_dim, latent = (
            size_of(dim, sizes) for dim in (self.heads, self.head_dim, self.rope_dim, self.value_dim, self.latent)
        )
        if self.query_rank is not None:
            self._linear(chain, "query_down", self.query_rank, source)
            source_of_queries = self._norm(chain, "query_norm", chain.last)
        else:
            source_of_queries = source
        queries = self._linear(chain, "query", heads * (head_dim + rope_dim), source_of_queries)
        rows = self._linear(chain, "latent", latent + rope_dim, source)
        chain.add("latent_kept", Slice, op="slice", keep=latent, axis="last")
        self._norm(chain, "latent_norm", chain.last)
        made = self._linear(chain, "kv", heads * (head_dim + value_dim))
        chain.add(
            "attention", LatentAttention, queries, rows, made, op="latent_attention", heads=heads, head_dim=head_dim,
            rope_dim=rope_dim, value_dim=value_dim, context=self.context,
        )  # fmt: skip
        return self._linear(chain, "attention_out", shape[-1])
