"""What moves or views elements: look-ups, views, concatenation, learned rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..cost import Cost
from ..errors import GraphError
from ..quantity import Tuple
from .base import Dim, Need, Operator, Shape, elements_of, image_of, scattered, size_of


class Embedding(Operator):
    """A look-up of one row per token: tokens to tokens x width."""

    carries: ClassVar[bool] = True
    op: Literal["embedding"]
    rows: Dim
    width: Dim

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return tokens x width."""
        return (*inputs[0], size_of(self.width, sizes))

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the rows looked up and written; the table is stored, but only min(rows, tokens) of it must travel."""
        rows, width = size_of(self.rows, sizes), output[-1]
        return Cost(
            kind="memory", parameters=rows * width, lookups=elements_of(inputs[0]), table_rows=rows, table_width=width,
            inputs=elements_of(inputs[0], output), outputs=elements_of(output),
        )  # fmt: skip


class Reshape(Operator):
    """Another view of the same elements; it moves nothing."""

    op: Literal["reshape"]
    to: Annotated[tuple[Dim, ...], Field(min_length=1, max_length=8), Tuple]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the new shape, which must have as many elements."""
        shape = tuple(size_of(dim, sizes) for dim in self.to)
        if math.prod(shape) != math.prod(inputs[0]):
            raise GraphError(f"reshape cannot make {shape} of {inputs[0]}: the number of elements differs")
        return shape

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return all or, since a part of the result may depend on little, nothing."""
        share = float(need.elements == 1)
        return Need(share, share)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return nothing: a view is free."""
        return Cost(kind="view")


class Slice(Operator):
    """The first `keep` rows, or with `end` the last, as a view: the class token of BERT, the last token of a prompt.

    `axis` "last" keeps features instead of rows.
    """

    op: Literal["slice"]
    keep: Dim = 1
    end: bool = False
    axis: Literal["first", "last"] = "first"
    drop_axis: Annotated[bool, Field(description="leave the first axis out when one row is kept")] = False

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape with `keep` rows, or features."""
        keep, shape = size_of(self.keep, sizes), inputs[0]
        if self.axis == "last":
            return (*shape[:-1], self._kept(keep, shape[-1], "features"))
        kept = self._kept(keep, shape[0], "rows")
        return shape[1:] if self.drop_axis and kept == 1 else (kept, *shape[1:])

    def _kept(self, keep: int, extent: int, what: str) -> int:
        if keep > extent:
            raise GraphError(f"slice cannot keep {keep} of {extent} {what}")
        return keep

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the rows or features that are kept."""
        keep = size_of(self.keep, sizes)
        if self.axis == "last":
            share = need.elements * keep / inputs[0][-1]
            return Need(need.rows, share, need.last) if len(output) > 1 else Need(share, share)
        kept = keep / inputs[0][0] * float(need.elements == 1)
        return Need(kept, kept, kept == 1 or (self.end and kept > 0))

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return nothing: a view is free."""
        return Cost(kind="view")


class Concat(Operator):
    """Results behind each other along the first axis, channels or rows; a view, since each is written where it belongs."""

    arity: ClassVar[int] = 2
    variadic: ClassVar[bool] = True
    op: Literal["concat"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the sum of the first axes, and the other axes, which all must share."""
        if len({shape[1:] for shape in inputs}) > 1:
            raise GraphError(f"concat takes inputs that differ in their first axis only, not {', '.join(map(str, inputs))}")
        return (sum(shape[0] for shape in inputs), *inputs[0][1:])

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return all or, since a part of the result may leave any one input out, nothing."""
        share = float(need.elements == 1)
        return Need(share, share)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return nothing: a view is free."""
        return Cost(kind="view")


class Prepend(Operator):
    """Learned rows before those of the input, the same for every sample: the class token of a vision transformer."""

    carries: ClassVar[bool] = True
    op: Literal["prepend"]
    rows: Dim = 1

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape with as many rows more."""
        return (inputs[0][0] + size_of(self.rows, sizes), *inputs[0][1:])

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return what is left of the need when the learned rows are the first to serve it."""
        rows, learned = inputs[0][0], output[0] - inputs[0][0]
        some, elements = (max(0.0, share * output[0] - learned) / rows for share in (need.rows, need.elements))
        return Need(some, elements)

    def least_weights(self, cost: Cost, output: Shape, need: Need) -> float:
        """Return all where all of the result is needed, else nothing: the input may serve the need."""
        return cost.weights * float(need.elements == 1)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the input and writing the result, and the learned rows."""
        weights = elements_of(output) - elements_of(inputs[0])
        return Cost(
            kind="memory", parameters=weights, weights=weights, inputs=elements_of(inputs[0]), outputs=elements_of(output)
        )


class FlattenSpatial(Operator):
    """Channels x height x width as height*width tokens of as many features, as a view."""

    op: Literal["flatten_spatial"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return tokens x channels."""
        channels, height, width = image_of(inputs[0], "flatten_spatial")
        return height * width, channels

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return as many elements, spread over at least that share of the channels."""
        return scattered(need.elements)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return nothing: a view is free."""
        return Cost(kind="view")
