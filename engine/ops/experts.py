"""Mixtures of experts: tokens choose some of many layers, and their results are summed again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from ..cost import Cost
from ..errors import GraphError
from .base import (
    FLOP_PER_MAC,
    Dim,
    Need,
    Operator,
    Shape,
    elements_of,
    size_of,
)


class ExpertLinear(Operator):
    """A fully connected layer of each of `experts`, of which every token takes `active`: one grouped product.

    Tokens x features go to their experts: tokens x active x out_features. Tokens x active x features are there already.
    """

    carries: ClassVar[bool] = True
    op: Literal["expert_linear"]
    experts: Dim
    active: Dim
    out_features: Dim

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return tokens x active x out_features."""
        experts, active, shape = size_of(self.experts, sizes), size_of(self.active, sizes), inputs[0]
        if active > experts:
            raise GraphError(f"no token can take {active} of {experts} experts")
        if not (len(shape) == 2 or (len(shape) == 3 and shape[1] == active)):  # noqa: PLR2004 - tokens, (experts,) features
            raise GraphError(f"expert_linear takes tokens x features, or tokens x {active} x features, not {shape}")
        return shape[0], active, size_of(self.out_features, sizes)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return W = 2*S*active*N*K; the weights are those of all experts, of which one token reads active/experts."""
        experts, (tokens, active, columns), channels = size_of(self.experts, sizes), output, inputs[0][-1]
        work, weights = float(FLOP_PER_MAC * tokens * active * columns * channels), experts * channels * columns
        return Cost(
            kind="gemm", work=work, work_min=work, work_done=work, parameters=weights, weights=weights,
            routed=active / experts, tokens=tokens, inputs=elements_of(inputs[0]), outputs=elements_of(output),
            rows=tokens * active / experts, columns=columns, channels=channels, groups=experts,
        )  # fmt: skip

    def least_weights(self, cost: Cost, output: Shape, need: Need) -> float:
        """Return the weights of as many experts as one token takes: all tokens may agree. Of parts of rows, as much."""
        return cost.weights * cost.routed * (1.0 if need.rows == need.elements > 0 else need.elements)


class Combine(Operator):
    """The sum of the results of a token's experts, weighted by a router: tokens x active x features to tokens x features."""

    arity: ClassVar[int] = 2
    op: Literal["combine"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return tokens x features."""
        results, scores = inputs
        if len(results) != 3 or len(scores) != 2 or results[0] != scores[0]:  # noqa: PLR2004 - tokens, (experts,) features
            raise GraphError(f"combine takes tokens x active x features and tokens x experts, not {results} and {scores}")
        return results[0], results[2]

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading both and writing the result."""
        return Cost(kind="memory", inputs=elements_of(*inputs), outputs=elements_of(output))
