"""Operators: each declares its fields, its output shape and what it costs, in one place.

A module for each family. `AnyOperator` is every operator that these modules declare: a class is all that a new one takes.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Final, TypeVar, Union

from . import (
    attention,
    conditioning,
    experts,
    general,
    image,
    layout,
    matrix,
    movement,
    norms,
    pointwise,
    recommendation,
    window,
)
from .base import Operator

K = TypeVar("K")

FAMILIES: Final = (
    matrix, image, attention, window, pointwise, norms, movement, layout, experts, conditioning, recommendation, general
)  # fmt: skip
"""The modules of operators; general ones, which importers write, come last."""


def declared(module: ModuleType, base: type[K]) -> list[type[K]]:
    """Return the classes that a module declares below a base and that graphs may name, in order: those with an `op`."""
    found = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, base)]
    return [each for each in found if each.__module__ == module.__name__ and "op" in getattr(each, "model_fields", {})]


if TYPE_CHECKING:
    AnyOperator = Operator
else:
    AnyOperator = Union[tuple(kind for module in FAMILIES for kind in declared(module, Operator))]  # noqa: UP007
    """Every operator that a graph may name."""
