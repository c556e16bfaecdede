"""What recommenders have besides layers: many tables, and products of all pairs of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..cost import Cost
from ..errors import GraphError
from ..quantity import Tuple
from .base import FLOP_PER_MAC, Dim, Need, Operator, Shape, elements_of, size_of


class EmbeddingBags(Operator):
    """For every table, the sum of the `bag` rows that a sample looks up: tables*bag indices to tables x width.

    `rows` are those of each table. A framework launches a look-up for each; tuned runtimes have one kernel for all.
    """

    @property
    def launches(self) -> int:  # type: ignore[override]
        """Return the number of tables."""
        return len(self.rows)

    carries: ClassVar[bool] = True
    op: Literal["embedding_bags"]
    rows: Annotated[tuple[Dim, ...], Field(min_length=1, max_length=1000), Tuple]
    width: Dim
    bag: Dim = 1

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return tables x width."""
        indices = len(self.rows) * size_of(self.bag, sizes)
        if inputs[0] != (indices,):
            raise GraphError(f"embedding_bags takes {indices} indices, {indices // len(self.rows)} a table, not {inputs[0]}")
        return len(self.rows), size_of(self.width, sizes)

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the indices of the needed tables."""
        return Need(need.rows, need.rows)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the rows looked up and their sums; the tables are stored, but only what is looked up must travel."""
        rows, width, lookups = sum(size_of(dim, sizes) for dim in self.rows), output[1], inputs[0][0]
        return Cost(
            kind="memory", parameters=rows * width, lookups=lookups, table_rows=rows, table_width=width,
            inputs=float(lookups * (1 + width)), outputs=elements_of(output),
        )  # fmt: skip

    def tables(self, cost: Cost, need: Need, sizes: Mapping[str, int]) -> tuple[Cost, ...]:
        """Return a cost for each table where all are needed; else none is certain."""
        each = replace(cost, lookups=float(size_of(self.bag, sizes)))
        rows = (float(size_of(dim, sizes)) for dim in self.rows)
        return tuple(replace(each, table_rows=count) for count in rows) if need.elements == 1 else ()


class Interaction(Operator):
    """The products of all pairs of rows, each pair once: features x width to features*(features - 1)/2 (Naumov et al. 2019)."""

    launches: ClassVar[int] = 2
    op: Literal["interaction"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the number of pairs."""
        if len(inputs[0]) != 2 or inputs[0][0] < 2:  # noqa: PLR2004 - features, width; a pair
            raise GraphError(f"interaction takes two or more features x width, not {inputs[0]}")
        return (inputs[0][0] * (inputs[0][0] - 1) // 2,)

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return all or, since few features make many pairs, nothing."""
        share = float(need.elements == 1)
        return Need(share, share)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return W = 2*features^2*width, as a product of all with all; W_min is that of the pairs."""
        features, width = inputs[0]
        work = float(FLOP_PER_MAC * features**2 * width)
        return Cost(
            kind="gemm", work=work, work_min=float(FLOP_PER_MAC * output[0] * width), work_done=work,
            inputs=elements_of(inputs[0]), outputs=elements_of(output),
            rows=features, columns=features, channels=width, shared=False,
        )  # fmt: skip

    def unfused(self, cost: Cost) -> Cost:
        """Return the cost with all products written, and read again to choose the pairs."""
        products = cost.rows * cost.columns
        return replace(cost, inputs=cost.inputs + products, outputs=cost.outputs + products)
