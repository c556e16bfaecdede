"""What conditions a sample on a vector, such as the time step and class of a diffusion transformer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from ..cost import Cost
from ..errors import GraphError
from .base import Dim, Need, Operator, Shape, elements_of, size_of


class Frequencies(Operator):
    """Sine and cosine of a number at `width` / 2 frequencies: the time step of a diffusion model."""

    launches: ClassVar[int] = 5
    carries: ClassVar[bool] = True
    op: Literal["frequencies"]
    width: Dim

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the width."""
        if inputs[0] != (1,):
            raise GraphError(f"frequencies takes one number, not {inputs[0]}")
        return (size_of(self.width, sizes),)

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the number, where anything is needed."""
        return Need(1.0, 1.0) if need.elements else need

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the number and writing the result."""
        return Cost(kind="memory", inputs=1.0, outputs=elements_of(output))


class _Conditioned(Operator):
    """What takes vectors of one element for each feature besides its tokens x features."""

    tensors: ClassVar[int] = 1
    """How many of its inputs are tokens x features; they come first."""

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the shape of the first input."""
        tensors, vectors = inputs[: self.tensors], inputs[self.tensors :]
        if len({*tensors}) > 1 or any(vector != inputs[0][-1:] for vector in vectors):
            expected = f"{self.tensors} of one shape, then vectors of its last axis"
            raise GraphError(f"it takes {expected}, not {', '.join(map(str, inputs))}")
        return inputs[0]

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the share of whole rows: of the features that is the least; nothing where parts of rows are needed."""
        share = need.elements if need.rows == need.elements else 0.0
        return Need(share, share)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading all and writing the result."""
        return Cost(kind="memory", inputs=elements_of(*inputs), outputs=elements_of(output))

    def unfused(self, cost: Cost) -> Cost:
        """Return the cost with every intermediate result written and read."""
        between = (self.launches - 1) * cost.outputs
        return replace(cost, inputs=cost.inputs + between, outputs=cost.outputs + between)


class AdaptiveNorm(_Conditioned):
    """Layer normalisation without parameters, then shift and scale that are inputs: adaLN (Peebles, Xie 2022)."""

    arity: ClassVar[int] = 3
    launches: ClassVar[int] = 4
    op: Literal["adaptive_norm"]


class GatedSum(_Conditioned):
    """The second input plus the first times a factor for each feature, the third."""

    arity: ClassVar[int] = 3
    tensors: ClassVar[int] = 2
    launches: ClassVar[int] = 2
    op: Literal["gated_sum"]
