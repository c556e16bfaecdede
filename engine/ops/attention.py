"""Attention over the tokens of a sample and those in the cache of keys and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..errors import GraphError
from ..quantity import Integral
from .base import (
    FLOP_PER_MAC,
    Cost,
    Dim,
    Need,
    Operator,
    Shape,
    elements_of,
    size_of,
)


class Attention(Operator):
    """Fused scaled-dot-product attention over one projected tensor, tokens x (heads + 2*kv_heads)*head_dim.

    `context` tokens stand in the key-value cache before the tokens of this pass. Unfused it is what a framework launches: heads
    split off and merged again, two products, scaling, mask, softmax.
    """

    launches: ClassVar[int] = 8
    op: Literal["attention"]
    heads: Dim
    kv_heads: Dim | None = None
    causal: bool = False
    context: Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=0), Integral] = 0

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return tokens x heads*head_dim."""
        heads, total = size_of(self.heads, sizes), self._heads_in_all(sizes)
        if len(inputs[0]) != 2 or inputs[0][1] % total:  # noqa: PLR2004 - tokens, features
            raise GraphError(
                f"attention takes tokens x (heads + 2*kv_heads)*head_dim, with {total} heads in all, not {inputs[0]}"
            )
        return inputs[0][0], heads * (inputs[0][1] // total)

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the keys and values of all tokens, and the needed queries; under a causal mask only the needed rows."""
        if need.rows == 0 or (self.causal and need.rows < 1):
            return Need(need.rows, need.rows)
        heads, total = size_of(self.heads, sizes), self._heads_in_all(sizes)
        return Need(1.0, (total - heads + heads * need.rows) / total)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return W = 4*heads*head_dim*S*(S + context); a causal mask leaves S*(S+1)/2 + S*context score pairs to W_min."""
        tokens, heads = inputs[0][0], size_of(self.heads, sizes)
        head_dim, context = output[1] // heads, self._context(sizes)
        per_pair = 2 * FLOP_PER_MAC * heads * head_dim
        pairs = tokens * (tokens + context)
        needed = tokens * context + tokens * (tokens + 1) // 2 if self.causal else pairs
        cached = context * (self._heads_in_all(sizes) - heads) * head_dim
        return Cost(
            kind="attention",
            work=float(per_pair * pairs), work_min=float(per_pair * needed), work_done=float(per_pair * needed),
            inputs=elements_of(inputs[0]) + cached, outputs=elements_of(output),
            rows=tokens, columns=tokens + context, channels=head_dim, groups=heads, shared=False,
        )  # fmt: skip

    def unfused(self, cost: Cost) -> Cost:
        """Return the cost with the scores written and read twice, and query, key and value, and the result, copied."""
        scores, copies = 2 * cost.groups * cost.rows * cost.columns, 3 * cost.outputs
        return replace(cost, inputs=cost.inputs + scores + copies, outputs=cost.outputs + scores + copies)

    def least_work(self, cost: Cost, need: Need) -> float:
        """Return the score pairs of the needed queries; with a causal mask the first queries have the fewest."""
        tokens, context, queries = cost.rows, cost.columns - cost.rows, cost.rows * need.elements
        pairs = queries * context + queries * (queries + 1) / 2 if self.causal else queries * (tokens + context)
        return min(cost.work_min * need.elements, cost.work * pairs / (tokens * (tokens + context)))

    def _heads_in_all(self, sizes: Mapping[str, int]) -> int:
        heads = size_of(self.heads, sizes)
        return heads + 2 * (heads if self.kv_heads is None else size_of(self.kv_heads, sizes))

    def _context(self, sizes: Mapping[str, int]) -> int:
        if isinstance(self.context, int):
            return self.context
        return size_of(f"({self.context}) + 1", sizes) - 1
