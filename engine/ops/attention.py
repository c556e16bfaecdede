"""Attention over the tokens of a sample and those in the cache of keys and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Literal

from ..cost import Cost
from ..errors import GraphError
from .base import (
    FLOP_PER_MAC,
    Dim,
    Need,
    Operator,
    Shape,
    Tokens,
    count_of,
    elements_of,
    size_of,
)

_STEP: Final = 16
"""Tokens of a pass up to which it is a step of generation, with kernels of its own: one tile of queries, keys in slices."""
_SLICE: Final = 128
"""Keys of one slice at least."""
SCORE_STEPS: Final = 4
"""Steps of unfused attention that write scores, which the next one reads: first product, scaling, mask, softmax."""
_SOME: Final = 1 - 1e-9
"""Share of a row below which a part of it is not needed."""


@dataclass(frozen=True, slots=True)
class _Span:
    """The tokens of a pass, those before it in the cache, and how many of all a query sees at most."""

    tokens: int
    context: int
    window: int
    causal: bool

    @property
    def last(self) -> int:
        """Return the keys that the last query sees."""
        return min(self.tokens + self.context, self.window)

    @property
    def seen(self) -> int:
        """Return the pairs of query and key that no mask hides."""
        if not self.causal:
            return self.tokens * self.last
        growing = min(max(self.window - self.context, 0), self.tokens)
        return growing * self.context + growing * (growing + 1) // 2 + (self.tokens - growing) * self.window

    @property
    def read(self) -> int:
        """Return the tokens of the cache that any query sees."""
        return min(self.context, self.window - 1)


class _Cached(Operator):
    """What every attention shares: a mask, and keys and values that stay in memory for later tokens."""

    launches: ClassVar[int] = 8
    fuses: ClassVar[bool] = True
    heads: Dim
    context: Tokens | None = None

    def _span(self, tokens: int, sizes: Mapping[str, int], *, causal: bool, window: int | None = None) -> _Span:
        context = 0 if self.context is None else count_of(self.context, sizes)
        return _Span(tokens, context, tokens + context if window is None else window, causal)

    def _tiles(self, span: _Span, heads: int, shared: int) -> dict[str, Any]:
        """Return queries and groups of a kernel's tiles: in a step `shared` heads that read the same keys make one tile.

        Source: Flash-Decoding (Dao, Haziza, Massa, Sizov, 2023), where the keys are walked in slices side by side.
        """
        if self.context is None or span.tokens > _STEP:
            return {"rows": span.tokens, "groups": heads}
        return {"rows": span.tokens * shared, "groups": heads / shared, "splits": max(1, span.last // _SLICE)}

    def unfused(self, cost: Cost) -> Cost:
        """Return the cost with query, key, value and result copied, and the scores written and read at each of their steps."""
        scores, copies = SCORE_STEPS * cost.groups * cost.rows * cost.columns, 3 * cost.outputs
        return replace(cost, inputs=cost.inputs + scores + copies, outputs=cost.outputs + scores + copies)

    def _fewest_pairs(self, cost: Cost, need: Need, *, causal: bool) -> float:
        """Return the least pairs of query and key: under a mask the first queries have the fewest; the last may be needed."""
        queries, context = cost.tokens * need.elements, max(cost.columns - cost.tokens, 0)
        if not causal:
            return queries * cost.columns
        one = 1.0 if need.last and queries >= 1 and _whole(need) else 0.0
        others = min(queries - one, cost.columns - context)
        pairs = others * context + others * (others + 1) / 2 + max(queries - one - others, 0.0) * cost.columns
        return pairs + one * cost.columns


def _whole(need: Need) -> bool:
    """Return whether the rows that are needed are needed whole."""
    return need.elements >= need.rows * _SOME


class Attention(_Cached):
    """Fused scaled-dot-product attention over one projected tensor, tokens x (heads + 2*kv_heads)*head_dim.

    `context` tokens stand in the key-value cache before the tokens of this pass, which join them there; without a context
    nothing is kept. Of a causal pass each query sees itself and at most `window` - 1 tokens before it. Unfused it is what a
    framework launches: heads split off and merged again, two products, scaling, mask, softmax.
    """

    op: Literal["attention"]
    kv_heads: Dim | None = None
    causal: bool = False
    window: Dim | None = None

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return tokens x heads*head_dim."""
        heads, total = size_of(self.heads, sizes), self._heads_in_all(sizes)
        if len(inputs[0]) != 2 or inputs[0][1] % total:  # noqa: PLR2004 - tokens, features
            raise GraphError(
                f"attention takes tokens x (heads + 2*kv_heads)*head_dim, with {total} heads in all, not {inputs[0]}"
            )
        if heads % ((total - heads) // 2):
            raise GraphError(
                f"{heads} heads do not share {(total - heads) // 2} of keys evenly; heads is a multiple of kv_heads"
            )
        if self.window is not None and not self.causal:
            raise GraphError("a window needs a causal mask")
        return inputs[0][0], heads * (inputs[0][1] // total)

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the needed queries, and the keys and values that they see: under a mask those of the last query, if any."""
        heads, total = size_of(self.heads, sizes), self._heads_in_all(sizes)
        if not _whole(need):
            return Need(need.rows, need.elements * heads / total, need.last)
        if need.rows == 0 or (self.causal and need.rows < 1 and not need.last):
            return Need(need.rows, need.rows)
        tokens = inputs[0][0]
        keys = min(self._window(sizes) or tokens, tokens) / tokens if self.causal and need.rows < 1 else 1.0
        keys = max(keys, need.rows)
        return Need(keys, min(keys, ((total - heads) * keys + heads * need.rows) / total), need.last)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return W = 4*heads*head_dim*S*(S + context), at most the window; the mask leaves the pairs below it to W_min."""
        tokens, heads = inputs[0][0], size_of(self.heads, sizes)
        head_dim = output[1] // heads
        span = self._span(tokens, sizes, causal=self.causal, window=self._window(sizes))
        per_pair = 2 * FLOP_PER_MAC * heads * head_dim
        each = (self._heads_in_all(sizes) - heads) * head_dim
        kept = 0 if self.context is None else each
        return Cost(
            kind="attention", work=float(per_pair * tokens * span.last),
            work_min=float(per_pair * span.seen), work_done=float(per_pair * span.seen),
            inputs=elements_of(inputs[0]) + span.read * each, outputs=elements_of(output),
            cache_read=span.read * each, cache_held=span.last * kept, cache_token=kept,
            tokens=tokens, columns=span.last, channels=head_dim, shared=False,
            **self._tiles(span, heads, 2 * heads // (self._heads_in_all(sizes) - heads)),
        )  # fmt: skip

    def least_work(self, cost: Cost, need: Need) -> float:
        """Return the arithmetic of the score pairs that the needed queries have at the least."""
        if need.elements == 1:
            return cost.work_min
        return cost.work * self._fewest_pairs(cost, need, causal=self.causal) / (cost.tokens * cost.columns)

    def least_cache(self, cost: Cost, need: Need) -> float:
        """Return the keys and values of the cache that any needed query sees; a part of a row may leave heads out."""
        if need.elements == 1:
            return cost.cache_read
        seen = min(cost.cache_token * max(cost.columns - cost.tokens, 0), cost.cache_read)
        return seen * float(need.elements > 0 and _whole(need))

    def _window(self, sizes: Mapping[str, int]) -> int | None:
        return None if self.window is None else size_of(self.window, sizes)

    def _heads_in_all(self, sizes: Mapping[str, int]) -> int:
        heads = size_of(self.heads, sizes)
        return heads + 2 * (heads if self.kv_heads is None else size_of(self.kv_heads, sizes))


class LatentAttention(_Cached):
    """Causal attention whose cache holds one latent row for each token, as in DeepSeek-V2 (arXiv 2405.04434, section 2.1).

    It reads queries, tokens x heads*(head_dim + rope_dim); latent rows, tokens x (latent + rope_dim), which the cache keeps;
    and the keys and values made of them, tokens x heads*(head_dim + value_dim). Over a context it runs as what takes less
    arithmetic: keys and values of the context made again from the latent rows, or products with the latent rows themselves.
    """

    arity: ClassVar[int] = 3
    op: Literal["latent_attention"]
    head_dim: Dim
    rope_dim: Dim
    value_dim: Dim

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return tokens x heads*value_dim."""
        heads, head_dim, rope_dim, value_dim = self._dims(sizes)
        widths = (heads * (head_dim + rope_dim), inputs[1][-1], heads * (head_dim + value_dim))
        if [shape[-1] for shape in inputs] != list(widths) or inputs[1][-1] <= rope_dim or len({s[:-1] for s in inputs}) > 1:
            raise GraphError(
                f"latent_attention takes queries of {widths[0]} features, latent rows of more than {rope_dim}, and keys and "
                f"values of {widths[2]}, for the same tokens, not {', '.join(map(str, inputs))}"
            )
        return inputs[0][0], heads * value_dim

    def demands(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Sequence[Need]:
        """Return the needed queries; of the other inputs all rows where the last query is needed whole."""
        share = need.elements if _whole(need) else 0.0
        others = Need(1.0, 1.0, last=True) if need.last and share else Need(need.rows, share, need.last)
        return Need(need.rows, share, need.last), others, others

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return W = 2*heads*(head_dim + rope_dim + value_dim)*S*(S + context).

        W_min has the narrower of both products of a pair, and makes no key or value again.
        """
        heads, head_dim, rope_dim, value_dim = self._dims(sizes)
        tokens, each = inputs[0][0], inputs[1][-1]
        latent, span = each - rope_dim, self._span(tokens, sizes, causal=True)
        made, held = head_dim + rope_dim + value_dim, 2 * latent + rope_dim
        per_pair = FLOP_PER_MAC * heads * made
        again = FLOP_PER_MAC * heads * span.context * latent * (head_dim + value_dim)
        as_made, as_held = per_pair * span.seen + again, FLOP_PER_MAC * heads * held * span.seen
        kept = 0 if self.context is None else each
        return Cost(
            kind="attention", work=float(per_pair * tokens * span.last),
            work_min=float(FLOP_PER_MAC * heads * min(made, held) * span.seen), work_done=float(min(as_made, as_held)),
            inputs=elements_of(*inputs) + span.read * each, outputs=elements_of(output),
            cache_read=span.read * each, cache_held=span.last * kept, cache_token=kept,
            tokens=tokens, columns=span.last, channels=(made if as_made <= as_held else held) / 2, shared=False,
            **self._tiles(span, heads, 1 if as_made <= as_held else heads),
        )  # fmt: skip

    def least_work(self, cost: Cost, need: Need) -> float:
        """Return the arithmetic of the score pairs that the needed queries have at the least."""
        if need.elements == 1:
            return cost.work_min
        every = self._fewest_pairs(cost, Need(1.0, 1.0, last=True), causal=True)
        return cost.work_min * min(1.0, self._fewest_pairs(cost, need, causal=True) / every)

    def _dims(self, sizes: Mapping[str, int]) -> tuple[int, int, int, int]:
        heads, head_dim, rope_dim, value_dim = (
            size_of(dim, sizes) for dim in (self.heads, self.head_dim, self.rope_dim, self.value_dim)
        )
        return heads, head_dim, rope_dim, value_dim


class CrossAttention(_Cached):
    """Attention of a decoder over the tokens of an encoder: queries, tokens x heads*head_dim, and keys and values.

    Without a second input the keys and values stand in the cache, those of `encoded_tokens`, as in every pass but the first.
    """

    variadic: ClassVar[bool] = True
    op: Literal["cross_attention"]
    encoded_tokens: Dim

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the shape of the queries."""
        heads, encoded = size_of(self.heads, sizes), size_of(self.encoded_tokens, sizes)
        queries, *others = inputs
        if len(queries) != 2 or queries[1] % heads or others not in ([], [(encoded, 2 * queries[1])]):  # noqa: PLR2004
            raise GraphError(
                f"cross_attention takes tokens x {heads} heads, and keys and values of {encoded} tokens or none, "
                f"not {', '.join(map(str, inputs))}"
            )
        return queries

    def demands(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Sequence[Need]:
        """Return the needed queries, and all keys and values where any query is needed whole."""
        share = need.elements if _whole(need) else 0.0
        queries, others = Need(need.rows, share, need.last), Need(1.0, 1.0, last=True) if share else Need(0.0, 0.0)
        return (queries, others)[: len(inputs)]

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return W = 4*heads*head_dim*S*encoded_tokens."""
        (tokens, width), heads = output, size_of(self.heads, sizes)
        encoded = size_of(self.encoded_tokens, sizes)
        work, held = float(2 * FLOP_PER_MAC * width * tokens * encoded), 2 * width * encoded
        read = held if len(inputs) == 1 else 0
        return Cost(
            kind="attention", work=work, work_min=work, work_done=work, inputs=elements_of(*inputs) + read,
            outputs=elements_of(output), cache_read=read, cache_held=0 if self.context is None else held,
            tokens=tokens, columns=encoded, channels=width // heads, shared=False,
            **self._tiles(_Span(tokens, encoded - tokens, encoded, causal=False), heads, 1),
        )  # fmt: skip

    def least_cache(self, cost: Cost, need: Need) -> float:
        """Return the keys and values that any query needs whole; a part of a row may leave heads out."""
        return cost.cache_read * float(need.elements > 0 and _whole(need))
