"""Rosters: machines of any forms as columns of numbers, so that hundreds of them are one array and not as many objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .columns import Array, number_names, numbers_of
from .machine import Machine
from .passes import Form, form_of

_NUMBERS: Final = {name: place for place, name in enumerate(number_names(Machine))}
WIDTH: Final = len(_NUMBERS)
"""So many numbers has a machine."""


class Entry(NamedTuple):
    """What a machine of a roster has besides its numbers and its form."""

    hardware: str
    dtype: str
    runtime: str
    level: str
    assumed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Roster:
    """Machines of any forms.

    `numbers` has shape (machines, WIDTH): the fields of Machine that are numbers, in its order and its SI
    units; NaN is unknown. `form` has shape (machines,): the place of each machine's form among `forms`.
    """

    entries: Sequence[Entry]
    forms: Sequence[Form]
    form: npt.NDArray[np.intp]
    numbers: Array

    @classmethod
    def of(cls, machines: Iterable[Machine]) -> Roster:
        """Return the roster of some machines, in their order."""
        listed = list(machines)
        forms: dict[Form, int] = {}
        form = [forms.setdefault(form_of(machine), len(forms)) for machine in listed]
        return cls(
            entries=[Entry(m.hardware, m.dtype, m.runtime, m.level, m.assumed) for m in listed],
            forms=list(forms), form=np.array(form, dtype=np.intp),
            numbers=np.array([numbers_of(machine) for machine in listed], dtype=float).reshape(-1, WIDTH),
        )  # fmt: skip

    @cached_property
    def places(self) -> Mapping[tuple[str, str], int]:
        """Return where the machine of a chip and a number format stands."""
        return {(entry.hardware, entry.dtype): place for place, entry in enumerate(self.entries)}

    def __len__(self) -> int:
        """Return how many machines it has."""
        return len(self.entries)

    def column(self, name: str) -> Array:
        """Return a number of every machine: an array of shape (machines,)."""
        return self.numbers[:, _NUMBERS[name]]

    def columns(self, rows: npt.NDArray[np.intp]) -> dict[str, Array]:
        """Return every number of some machines: arrays of shape (rows,)."""
        return dict(zip(_NUMBERS, np.ascontiguousarray(self.numbers[rows].T), strict=True))

    def machine(self, place: int) -> Machine:
        """Return one machine as an object of its own."""
        entry, form = self.entries[place], self.forms[self.form[place]]
        figures: dict[str, Any] = dict(zip(_NUMBERS, self.numbers[place].tolist(), strict=True))
        figures |= {"fused": form.fused, "fused_attention": form.fused_attention}
        return Machine(
            hardware=entry.hardware, dtype=entry.dtype, runtime=entry.runtime, form=form.form, tile_set=form.tiles,
            rates=form.rates, level=entry.level, assumed=entry.assumed, **figures,
        )  # fmt: skip
