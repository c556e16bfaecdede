"""The sizes that a request may choose of a model, such as the length of a text in tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .errors import GraphError, closest


class Size(Protocol):
    """A size with its default, and the range in which another may be chosen."""

    @property
    def default(self) -> int:
        """Return what holds where nothing is chosen."""

    @property
    def minimum(self) -> int:
        """Return the least."""

    @property
    def maximum(self) -> int:
        """Return the largest."""

    @property
    def unit(self) -> str:
        """Return what it counts."""


class Sized(Protocol):
    """What has an id, and sizes by name: a workload."""

    @property
    def id(self) -> str:
        """Return its id."""

    @property
    def sizes(self) -> Mapping[str, Size]:
        """Return its sizes."""


def choose_sizes(workload: Sized, sizes: Mapping[str, int]) -> dict[str, int]:
    """Return every symbolic size of a workload: the one asked for, or its default.

    Raises GraphError for a size that the workload does not have, or one outside its range.
    """
    for name, value in sizes.items():
        if name not in workload.sizes:
            near = closest(name, workload.sizes)
            hint = f"did you mean {near}?" if near else f"its sizes are: {', '.join(workload.sizes) or 'none'}"
            raise GraphError(f"{workload.id} has no size {name!r}; {hint}")
        size = workload.sizes[name]
        if not size.minimum <= value <= size.maximum:
            raise GraphError(f"{workload.id}: {name} is {value}; it goes from {size.minimum} to {size.maximum} {size.unit}s")
    return {name: sizes.get(name, size.default) for name, size in workload.sizes.items()}
