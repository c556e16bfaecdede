"""Blocks of recommenders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from ..ops.base import Dim, Operator, Shape
from ..ops.matrix import Linear
from ..ops.pointwise import Activation
from ..quantity import Tuple
from .base import ActivationName, Block, Chain


class Mlp(Block):
    """Fully connected layers of given `widths`, each with an activation."""

    op: Literal["mlp"]
    widths: Annotated[tuple[Dim, ...], Field(min_length=1, max_length=100), Tuple]
    activation: ActivationName = "relu"

    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return a layer and an activation for each width."""
        chain = Chain(name, source)
        last = source
        for step, width in enumerate(self.widths):
            chain.add(f"layer{step}", Linear, last, op="linear", out_features=width)
            last = chain.add(f"activation{step}", Activation, op="activation", function=self.activation)
        return chain.operators
