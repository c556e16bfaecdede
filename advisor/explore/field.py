"""The field: a space seen along two of its axes, in few cells, each with the best of its points that meet the request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from .axes import Axis

Array = npt.NDArray[np.float64]
Cells = npt.NDArray[np.int64]

ROWS: Final = 10
COLUMNS: Final = 48
"""Cells of a field, at the most."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """Two axes of a space, by their place among its axes: one down, one across."""

    axes: tuple[Axis, ...]
    down: int
    across: int

    @property
    def shape(self) -> tuple[int, int]:
        """Return rows and columns."""
        return min(ROWS, len(self.axes[self.down].values)), min(COLUMNS, len(self.axes[self.across].values))

    def cells(self, variants: Cells) -> Cells:
        """Return the cell that each variant of a base lies in, by its number."""
        rows, columns = self.shape
        return self._place(variants, self.down, rows) * columns + self._place(variants, self.across, columns)

    def _place(self, variants: Cells, which: int, parts: int) -> Cells:
        sizes = [len(axis.values) for axis in self.axes]
        stride = int(np.prod(sizes[which + 1 :], dtype=np.int64))
        return variants // stride % sizes[which] * parts // sizes[which]


def field_of(axes: Sequence[Axis]) -> Field | None:
    """Return the field along the two axes with the most values, or None where fewer than two vary."""
    longest = sorted(range(len(axes)), key=lambda place: (-len(axes[place].values), place))[:2]
    if len(longest) < len(("down", "across")) or min(len(axes[place].values) for place in longest) == 1:
        return None
    return Field(axes=tuple(axes), down=min(longest), across=max(longest))


def least(cells: Cells, objective: Array, meets: npt.NDArray[np.bool_]) -> dict[int, float]:
    """Return the least objective of the points in each cell that meet the request."""
    found = np.full(ROWS * COLUMNS, np.inf)
    np.minimum.at(found, cells[meets], objective[meets])
    return {int(cell): float(found[cell]) for cell in np.flatnonzero(np.isfinite(found))}


def grid(field: Field, values: Mapping[int, float]) -> list[list[float | None]]:
    """Return the cells as rows of values, None where no point meets the request."""
    rows, columns = field.shape
    return [[values.get(row * columns + column) for column in range(columns)] for row in range(rows)]
