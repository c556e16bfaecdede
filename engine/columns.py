"""Records as columns: the same number of all of them as one array, so that a formula is evaluated for all at once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, cast

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Table:
    """Records as columns: attribute `x` is the array of all records' x, shaped to broadcast along one axis."""

    def __init__(self, columns: Mapping[str, Array], shape: tuple[int, ...]) -> None:
        self._columns = columns
        self._shape = shape

    def __getattr__(self, name: str) -> Any:
        if name not in self._columns:
            raise AttributeError(name)
        values = self._columns[name].reshape(self._shape)
        setattr(self, name, values)
        return values

    def shaped(self, *shape: int) -> Table:
        """Return the same records along another axis."""
        return Table(self._columns, shape)

    def lifted(self) -> Table:
        """Return the same records with one more axis before all others."""
        return Table(self._columns, (1, *self._shape))

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape that a column has, or broadcasts to where it is one value for all."""
        return tuple(len(self) if length < 0 else length for length in self._shape)

    def __len__(self) -> int:
        """Return how many records there are."""
        return max(values.size for values in self._columns.values())

    def take(self, rows: Any) -> Table:
        """Return the table of some of the records; a column of one value for all stays as it is."""
        return Table({name: v[rows] if v.size > 1 else v for name, v in self._columns.items()}, self._shape)


def columns_of(records: Sequence[Any]) -> dict[str, Array]:
    """Return the numbers of records of one class by field: arrays of shape (records,)."""
    kind: Any = type(records[0])
    names = number_names(kind)
    values = np.array(list(map(attrgetter(*names), records)), dtype=float)
    return dict(zip(names, np.ascontiguousarray(values.T), strict=True))


def numbers_of(record: Any) -> tuple[float, ...]:
    """Return the numbers of a record, in the order of its fields."""
    found: tuple[float, ...] = attrgetter(*number_names(cast("Hashable", type(record))))(record)
    return found


@cache
def number_names(kind: Hashable) -> tuple[str, ...]:
    """Return the fields of a class of records that are numbers."""
    return tuple(field.name for field in fields(cast("Any", kind)) if field.type in ("float", "int", "bool"))
