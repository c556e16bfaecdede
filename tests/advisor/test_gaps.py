"""The table of gaps against the engine: taking a figure out of a spec changes what the table says, and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import strategies

from advisor.gaps import GAPS, Gap, deciding, missing, value_at
from advisor.recommend import Advice, advise
from advisor.requirements import Requirements
from advisor.rule import load_rulebook
from engine.accelerator import Accelerator
from engine.assembly import machine
from engine.calibration import Resolved, resolve
from engine.catalog import Catalog, Entry, Shelf
from engine.compiled import estimate
from engine.rows import COLUMNS

BOOK = load_rulebook()
MODELS = ("resnet50", "bert-base")
BATCHES = (1.0, 8.0, 512.0)


def quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "source": "us"}


FLOORS = {"power": quantity(1, "W"), "flop": quantity(1, "fJ/FLOP"), "byte": quantity(1, "pJ/B")}
EVERY = {
    "process_node": quantity(12, "nm"),
    "unit_memory": quantity(1, "KiB"),
    "last_level_cache": quantity(1, "MB"),
    "price": quantity(2, "USD/h"),
    "energy_floors": FLOORS,
}
PEAKS = {"fp32": quantity(67, "TFLOP/s"), "bf16": quantity(989.4, "TFLOP/s")}
PER_CLOCK = {"fp32": quantity(256, "FLOP/clk"), "bf16": quantity(4096, "FLOP/clk")}
ARRAY = {"rows": quantity(128, "1"), "columns": quantity(128, "1")}
FORMS: dict[str, dict[str, Any]] = {
    "tiled": {"peak_dense": PEAKS, "flop_per_clock": PER_CLOCK},
    "systolic": {
        "peak_dense": {"bf16": quantity(275, "TFLOP/s")}, "flop_per_clock": {"bf16": quantity(32768, "FLOP/clk")},
        "max_clock": quantity(1100, "MHz"), "matrix_array": ARRAY, "tdp": quantity(150, "W"),
    },
    "roof": {
        "peak_dense": {"bf16": quantity(13, "TFLOP/s")}, "flop_per_clock": {"bf16": quantity(1000, "FLOP/clk")},
        "parallel_units": quantity(13, "core"), "max_clock": quantity(1100, "MHz"), "unit_memory": quantity(1, "KiB"),
        "tdp": quantity(80, "W"),
    },
}  # fmt: skip
"""Chips that meet their power limit at the largest batch, so that what the limit rests on tells."""
WIDE = {"peak_dense": {"fp32": quantity(67, "TFLOP/s")}, "flop_per_clock": {"fp32": quantity(256, "FLOP/clk")}}


@cache
def whole(form: str, *, wide: bool = False) -> Accelerator:
    """Return a chip that leaves nothing out; a `wide` one has no format of 16 bits or less."""
    return strategies.chip(form, **(EVERY | FORMS[form] | (WIDE if wide else {})))


def constants(chip: Accelerator) -> Resolved:
    found = resolve(chip, strategies.catalog().calibrations)
    assert found is not None
    return found


def without(chip: Accelerator, *fields: str) -> Accelerator:
    """Return a chip without some fields of its spec."""
    body = chip.model_dump(by_alias=True)
    for field in fields:
        *path, last = field.split(".")
        place = body
        for part in path:
            place = place[part]
        del place[last]
    return Accelerator.model_validate(body)


def points(chip: Accelerator) -> dict[str, Any]:
    """Return every column of the estimate of a chip, over models and batches, in the format that all its variants have."""
    one = machine(chip, constants(chip), "bf16" if "bf16" in chip.peak_dense else "fp32")
    runs = [estimate(strategies.network(model), [one], BATCHES) for model in MODELS]
    return {name: np.concatenate([getattr(run, name)[0] for run in runs]) for name in COLUMNS}


CASES = [
    *((form, fields, False) for form in FORMS for fields in (
        ("memory.bandwidth",), ("memory.capacity",), ("parallel_units",), ("tdp",), ("idle_power",), ("process_node",),
        ("last_level_cache",), ("unit_memory",), ("max_clock",), ("flop_per_clock",), ("price",), ("energy_floors",),
    )),
    ("systolic", ("matrix_array",), False),
    ("tiled", ("max_clock", "peak_clock"), False),
    ("tiled", ("peak_dense.fp32",), False),
    ("tiled", ("tdp",), True),
]  # fmt: skip


def cases() -> list[Any]:
    return [
        pytest.param(form, fields, wide, id=f"{form}-{'-'.join(fields)}{'-wide' if wide else ''}")
        for form, fields, wide in CASES
    ]


def test_the_whole_chips_lack_nothing() -> None:
    assert {form: missing(whole(form), constants(whole(form))) for form in FORMS} == dict.fromkeys(FORMS, ())


def test_every_gap_has_its_case() -> None:
    found = [item.gap for form, fields, wide in CASES for item in opened(whole(form, wide=wide), fields)]
    assert [gap.fields for gap in GAPS if gap not in found] == []


def opened(chip: Accelerator, fields: tuple[str, ...]) -> list[Any]:
    """Return what a chip lacks once it is without some fields."""
    less = without(chip, *fields)
    return list(missing(less, constants(less)))


@pytest.mark.parametrize(("form", "fields", "wide"), cases())
def test_a_figure_taken_out_of_a_spec_changes_what_the_table_says_and_nothing_else(
    form: str, fields: tuple[str, ...], wide: bool
) -> None:
    chip = whole(form, wide=wide)
    gaps = [item.gap for item in opened(chip, fields)]
    assert gaps
    before, after = points(chip), points(without(chip, *fields))
    unknown = {name for name in COLUMNS if np.isnan(after[name]).any()}
    other = {name for name in COLUMNS if name not in unknown and not np.array_equal(before[name], after[name])}
    said = {name for gap in gaps for name in gap.unknown}
    assert unknown == said
    clipped = {"latency_p10_s"} if "latency_lower_bound_s" in other else set()  # no percentile is below the bound
    assert other - clipped <= {name for gap in gaps for name in gap.other} - said
    assert all(set(gap.other) - said <= other for gap in gaps if "energy_floors" not in fields), (gaps, other)


def alone(chip: Accelerator) -> Catalog:
    """Return the catalogue with one chip only."""
    entry = Entry(model=chip, file="", ours=True)
    return replace(strategies.catalog(), accelerators=Shelf(kind="hardware", entries={chip.id: entry}))


def verdicts(chip: Accelerator, profile: str) -> Advice:
    return advise(Requirements(model="resnet50", profile=profile, latency_s=10.0, batch=8), alone(chip), BOOK)


def fired(advice: Advice) -> set[str]:
    """Return the rules that a gap can make fire: those that exclude, and those that warn."""
    warned = {reason["rule"] for reason in advice.rationale if reason["verdict"] == "warn"}
    return warned | {item.rule.id for item in advice.excluded}


@pytest.mark.parametrize(("form", "fields", "wide"), cases())
def test_without_a_figure_a_chip_is_undetermined_or_warned_of_as_the_table_says(
    form: str, fields: tuple[str, ...], wide: bool
) -> None:
    chip = whole(form, wide=wide)
    less = without(chip, *fields)
    gaps = [item.gap for item in opened(chip, fields)]
    before, after = verdicts(chip, "cost"), verdicts(less, "cost")
    assert before.recommendation
    (lacking,) = [item.missing for item in after.undetermined] or [()]
    assert lacking == deciding(less, constants(less))
    assert bool(lacking) == any(gap.decides for gap in gaps)
    if not lacking:
        assert fired(after) - fired(before) == {rule for gap in gaps for rule in gap.rules}


@pytest.mark.parametrize("gap", GAPS, ids=lambda gap: f"{'-'.join(gap.fields)}{'-decides' if gap.decides else ''}")
def test_the_words_of_a_gap_name_the_rules_that_tell_it(gap: Gap) -> None:
    named = set(re.findall(r"\b[A-Z]\d{3}\b", gap.blocks))
    assert set(gap.rules) <= named
    assert named <= {rule.id for rule in BOOK.rules}
    assert ("undetermined" in gap.blocks) == gap.decides


def test_a_gap_is_named_with_the_reason_that_the_spec_gives() -> None:
    chip = strategies.chip("tiled", tdp=None, not_published={"tdp": "its maker names none"})
    assert "tdp (its maker names none)" in [item.told for item in missing(chip, constants(chip))]


def test_a_chip_that_no_calibration_is_for_lacks_that() -> None:
    assert deciding(whole("tiled"), None) == ("a calibration that applies to it",)


def test_a_chip_that_no_calibration_runs_as_asked_lacks_that() -> None:
    catalog = alone(whole("tiled"))
    less = replace(
        catalog.calibrations, entries={k: v for k, v in catalog.calibrations.entries.items() if not v.model.runtimes}
    )
    advice = advise(Requirements(model="resnet50", runtime="eager"), replace(catalog, calibrations=less), BOOK)
    assert [item.missing for item in advice.undetermined] == [("a calibration of the runtime",)]


def test_what_the_catalogue_lacks_is_lacking_in_its_specs() -> None:
    for chip in strategies.catalog().accelerators:
        for item in missing(chip, constants(chip)):
            for name in re.split(r" or | and ", item.name):
                assert not value_at(chip, name), (chip.id, name)
