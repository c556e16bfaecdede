"""Blocks: short names for the groups of operators that papers repeat, so that a workload is as short as its paper's table."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ..errors import GraphError
from ..ops.base import MAX_OPERATORS, Operator, Shape
from ..quantity import Integral, Key, Model, NodeName, Tuple

ActivationName = Literal["relu", "relu6", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "hardswish", "hardsigmoid"]


class Block(Model):
    """Base of all blocks; `repeat` of them stand in a row, the first reading what `inputs` names, or what stands before."""

    if TYPE_CHECKING:
        op: str
        """The word for it in graphs; each block says its own."""
    name: Key | None = None
    inputs: Annotated[tuple[NodeName, ...], Field(max_length=1), Tuple] = ()
    repeat: Annotated[int, Field(ge=1, le=1000), Integral] = 1

    @abstractmethod
    def expand(self, name: str, source: str, shape: Shape, sizes: Mapping[str, int], index: int) -> list[Operator]:
        """Return the operators of repetition `index` (from 0), named `name_...`, reading `source` of `shape`."""


class Chain:
    """Collects operators in a row, each reading the one before unless it names its inputs."""

    def __init__(self, prefix: str, source: str) -> None:
        self.prefix, self.last = prefix, source
        self.operators: list[Operator] = []

    def add(self, suffix: str, kind: type[Operator], *inputs: str, **fields: Any) -> str:
        """Append an operator and return its name; without inputs it reads the operator before.

        Raises GraphError where a block has more than MAX_OPERATORS.
        """
        if len(self.operators) >= MAX_OPERATORS:
            raise GraphError(f"it stands for more than {MAX_OPERATORS:,} operators; one of its counts is too large")
        self.last = f"{self.prefix}_{suffix}"
        before = self.operators[-1].name if self.operators else None
        names = inputs or ((before,) if before else ())
        self.operators.append(kind(name=self.last, inputs=names, **fields))
        return self.last
