"""Rosters: machines as columns, and back."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from engine import build, load
from engine.compiled import FIGURES, Lineup, estimate
from engine.machine import GRAPH, Machine
from engine.roster import Roster

CATALOG = load()
MACHINES = [
    CATALOG.machine(chip.id, dtype) for chip in CATALOG.accelerators if chip.id in CATALOG.constants for dtype in chip.dtypes
]


def repr_of(machine: Machine, name: str) -> str:
    """Return a field in a form in which NaN equals NaN, and 1 equals 1.0."""
    value = getattr(machine, name)
    return repr(float(value) if isinstance(value, int) else value)


def test_a_machine_comes_out_of_a_roster_as_it_went_in() -> None:
    roster = Roster.of(MACHINES)
    assert len(roster) == len(MACHINES)
    for place, wanted in enumerate(MACHINES):
        found = roster.machine(place)
        assert [repr_of(found, field.name) for field in fields(Machine)] == [
            repr_of(wanted, field.name) for field in fields(Machine)
        ]
    assert {entry.runtime for entry in roster.entries} == {GRAPH}


def test_columns_are_the_numbers_of_the_machines() -> None:
    roster, rows = Roster.of(MACHINES), np.array([5, 0, 5])
    for name in ("peak", "bandwidth", "tdp_w", "fused"):
        told = np.array([float(getattr(machine, name)) for machine in MACHINES])
        np.testing.assert_array_equal(roster.column(name), told)
        np.testing.assert_array_equal(roster.columns(rows)[name], told[rows])


def test_forms_stand_in_a_roster_once_each() -> None:
    roster = Roster.of(MACHINES)
    assert len(set(roster.forms)) == len(roster.forms) < len(MACHINES)
    assert {form.form for form in roster.forms} == {machine.form for machine in MACHINES}


@pytest.mark.parametrize("none", [(), []])
def test_a_roster_may_be_empty(none: list[Machine]) -> None:
    roster = Roster.of(none)
    assert len(roster) == 0
    assert roster.column("peak").shape == (0,)


def test_a_lineup_finds_a_machine_by_its_place_in_the_roster() -> None:
    network, places = build(CATALOG.workloads["resnet18"]), np.array([7, 3])
    found = Lineup(network, Roster.of(MACHINES)).at(places, np.array([1.0, 8.0]))
    alone = estimate(network, [MACHINES[place] for place in places], [1, 8], ladder=False)
    for name in FIGURES:
        np.testing.assert_array_equal(found[name], getattr(alone, name))
