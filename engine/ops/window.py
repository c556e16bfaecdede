"""Attention inside the windows of an image, as Swin has it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from ..cost import Cost
from ..errors import GraphError
from .attention import SCORE_STEPS
from .base import FLOP_PER_MAC, Dim, Need, Operator, Shape, elements_of, size_of


class WindowAttention(Operator):
    """Fused attention inside square windows of height x width x 3*features, with a learned bias for each distance and head.

    `shifted` moves the windows by half their side, cyclically; pixels that were no neighbours do not see each other. An image
    that windows do not fill is padded. Unfused it is what a framework launches: shift and its reverse, windows and heads split
    off and merged again, two products, scaling, bias, mask, softmax.
    """

    launches: ClassVar[int] = 12
    op: Literal["window_attention"]
    heads: Dim
    window: Dim = 7
    shifted: bool = False

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return height x width x features."""
        heads = size_of(self.heads, sizes)
        if len(inputs[0]) != 3 or inputs[0][2] % (3 * heads):  # noqa: PLR2004 - height, width, features
            raise GraphError(f"window_attention takes height x width x 3*{heads}*head_dim, not {inputs[0]}")
        return (*inputs[0][:2], inputs[0][2] // 3)

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return all, or the needed queries, which are a third of the features."""
        return need if need.elements == 1 else Need(need.rows, need.elements / 3)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return W = 4*features*window^2 for every pixel of the padded image; W_min only that of pixels that see each other."""
        (height, width, features), heads, window = output, size_of(self.heads, sizes), size_of(self.window, sizes)
        windows, tokens = -(-height // window) * -(-width // window), window**2
        per_pair = 2 * FLOP_PER_MAC * features
        work = float(per_pair * windows * tokens**2)
        seen = math.prod(sum(count * side**2 for side, count in self._sides(extent, window)) for extent in (height, width))
        biases = (2 * window - 1) ** 2 * heads
        return Cost(
            kind="attention", work=work, work_min=float(per_pair * seen), work_done=work,
            parameters=biases, weights=biases, inputs=elements_of(inputs[0]), outputs=elements_of(output),
            rows=tokens, columns=tokens, channels=features // heads, groups=heads * windows, shared=False,
        )  # fmt: skip

    def _sides(self, extent: int, window: int) -> tuple[tuple[int, int], ...]:
        """Return the sides of the groups of pixels along one axis that see each other, and how many groups have each."""
        first = window // 2 if self.shifted and extent > window else 0
        whole, rest = divmod(extent - first, window)
        return (first, 1), (window, whole), (rest, 1)

    def unfused(self, cost: Cost) -> Cost:
        """Return the cost with copies of input and result for heads and windows, and the scores written and read at each step.

        The bias of distances stands for scaling, which is on the queries; only windows that are shifted have a mask.
        """
        scores = (SCORE_STEPS if self.shifted else SCORE_STEPS - 1) * cost.groups * cost.rows * cost.columns
        copies = (7 if self.shifted else 5) * cost.outputs
        return replace(cost, inputs=cost.inputs + scores + copies, outputs=cost.outputs + scores + copies)

    def least_work(self, cost: Cost, need: Need) -> float:
        """Return all where all of the result is needed, else nothing: windows at the border have few pairs."""
        return cost.work_min * float(need.elements == 1)

    def least_weights(self, cost: Cost, output: Shape, need: Need) -> float:
        """Return the biases of distances inside the image where all of the result is needed, else nothing."""
        window = round(math.sqrt(cost.rows))
        largest = [max(side for side, count in self._sides(extent, window) if count) for extent in output[:2]]
        share = math.prod((2 * side - 1) / (2 * window - 1) for side in largest)
        return cost.weights * share * float(need.elements == 1)
