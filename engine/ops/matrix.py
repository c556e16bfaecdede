"""Matrix products: of activations with weights, and of two activations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from ..cost import Cost
from ..errors import GraphError
from ..quantity import NodeName
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


class Linear(Operator):
    """A fully connected layer on the last axis: M = all other axes, K = in, N = out features.

    `tied_to` names the embedding whose table serves as its weights, so that they are stored once; `unbiased` of the out
    features have no bias where the others have one.
    """

    carries: ClassVar[bool] = True
    op: Literal["linear"]
    out_features: Dim
    bias: bool = True
    unbiased: Tokens = 0
    tied_to: NodeName | None = None

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape with out_features last."""
        return (*inputs[0][:-1], size_of(self.out_features, sizes))

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return W = 2*M*N*K."""
        rows, channels, columns = math.prod(inputs[0][:-1]), inputs[0][-1], output[-1]
        biases = max(columns - count_of(self.unbiased, sizes), 0) if self.bias else 0
        weights = channels * columns + biases
        work = float(FLOP_PER_MAC * rows * columns * channels)
        return Cost(
            kind="gemm", work=work, work_min=work, work_done=work,
            parameters=biases if self.tied_to else weights, weights=weights,
            inputs=elements_of(inputs[0]), outputs=elements_of(output), rows=rows, columns=columns, channels=channels,
            spared=biases,
        )  # fmt: skip

    def least_weights(self, cost: Cost, output: Shape, need: Need) -> float:
        """Return all weights where a row is needed whole, else those of the features that the needed elements are of.

        On two axes equal shares of rows and elements are whole rows: no operator demands parts of rows in equal shares. A bias
        may fold into what follows.
        """
        whole = len(output) == 2 and need.rows == need.elements > 0  # noqa: PLR2004 - rows and features
        return (cost.weights - cost.spared) * (1.0 if whole else need.elements)


class MatMul(Operator):
    """A batched product of two activations: ... x M x K with ... x K x N (or N x K when `transposed`)."""

    arity: ClassVar[int] = 2
    carries: ClassVar[bool] = True
    op: Literal["matmul"]
    transposed: bool = False

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return ... x M x N."""
        a, b = inputs
        matrices = min(len(a), len(b)) >= 2  # noqa: PLR2004 - a matrix has two axes
        inner, columns = (b[-2:] if not self.transposed else b[:-3:-1]) if matrices else (0, 0)
        if not matrices or a[:-2] != b[:-2] or a[-1] != inner:
            raise GraphError(f"matmul cannot multiply {a} with {b}{' transposed' if self.transposed else ''}")
        return (*a[:-1], columns)

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return all or, since a part of the result may depend on little, nothing."""
        share = float(need.elements == 1)
        return Need(share, share)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return W = 2*M*N*K for each product."""
        groups, channels = math.prod(output[:-2]), inputs[0][-1]
        work = float(FLOP_PER_MAC * math.prod(output) * channels)
        return Cost(
            kind="gemm", work=work, work_min=work, work_done=work, inputs=elements_of(*inputs), outputs=elements_of(output),
            rows=output[-2], columns=output[-1], channels=channels, groups=groups, shared=False,
        )  # fmt: skip
