"""Checks of chips: what silences them, what a fault seeded into a shipped chip is caught by, and checks of one's own."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from advisor.check import load_checks, standing
from advisor.chip_facts import CHIP, FORMAT, NUMBERS, SIZE, TEXTS, UNITS, facts_of
from advisor.facts import with_unit
from advisor.report.findings import line
from advisor.validation import validate_file
from engine.accelerator import Accelerator
from engine.catalog import load
from engine.errors import SpecError
from engine.machine import DTYPE_BYTES

BOOK = load_checks()
CHIPS = {chip.id: chip for chip in load().accelerators}
VALID = Path(__file__).parents[1] / "specs" / "valid" / "accelerator"
Data = dict[str, Any]


def spec(chip: Accelerator) -> Data:
    """Return a chip as the data of its file."""
    data: Data = chip.model_dump(mode="json", by_alias=True, exclude_none=True)
    return data


def keys(data: Data) -> list[tuple[str, str]]:
    """Return check and place of every finding that stands on the data of a chip."""
    chip = Accelerator.model_validate(data)
    return [finding.key for finding in standing(chip, BOOK.findings(chip))]


def found(data: Data) -> set[str]:
    """Return the ids of the checks that find something."""
    return {check for check, _ in keys(data)}


def with_figure(data: Data, *path: str, times: float) -> Data:
    """Return the data with one figure multiplied."""
    changed = json.loads(json.dumps(data))
    place = changed
    for key in path:
        place = place[key]
    place["value"] *= times
    return dict(changed)


# Every shipped chip, with one figure made wrong.


def having(*names: str) -> list[str]:
    """Return the chips with known facts of these names."""
    return [name for name, chip in CHIPS.items() if all(facts_of(chip)["chip"][0][fact] is not None for fact in names)]


@pytest.mark.parametrize("name", having("bus_ratio"))
def test_bits_for_bytes_are_caught_on_every_chip_with_a_bus(name: str) -> None:
    for times in (8.0, 1 / 8):
        assert found(with_figure(spec(CHIPS[name]), "memory", "bandwidth", times=times)) & {"P106", "P107", "P108"} == {"P107"}


@pytest.mark.parametrize("name", having("bus_ratio"))
def test_a_bandwidth_that_is_off_otherwise_is_caught_on_every_chip_with_a_bus(name: str) -> None:
    for times in (1.2, 0.8, 3.0):
        assert "P106" in found(with_figure(spec(CHIPS[name]), "memory", "bandwidth", times=times))


@pytest.mark.parametrize("name", [name for name, chip in CHIPS.items() if chip.implied_peaks])
def test_a_sparse_peak_is_caught_in_every_format_whose_peak_is_implied(name: str) -> None:
    for dtype in CHIPS[name].implied_peaks:
        assert ("P102", f"/peak_dense/{dtype}") in keys(with_figure(spec(CHIPS[name]), "peak_dense", dtype, times=2))


@pytest.mark.parametrize("name", having("idle_power_w", "tdp_w"))
def test_an_idle_power_of_tdp_is_caught(name: str) -> None:
    data = spec(CHIPS[name])
    data["idle_power"] = dict(data["tdp"])
    assert "P109" in found(data)


@pytest.mark.parametrize("name", having("read_time_s"))
def test_a_capacity_a_thousand_times_off_is_caught_by_the_check_of_its_memory(name: str) -> None:
    of_memory = {"hbm": "P121", "gddr": "P122", "lpddr": "P123", "ddr": "P123", "sram": "P124"}
    (kind,) = (kind for kind in of_memory if facts_of(CHIPS[name])["chip"][0][kind])
    for times in (1000, 1 / 1000):
        assert of_memory[kind] in found(with_figure(spec(CHIPS[name]), "memory", "capacity", times=times))


@pytest.mark.parametrize("name", having("year", "tdp_w"))
def test_a_tdp_a_thousand_times_off_is_caught(name: str) -> None:
    assert "P113" in found(with_figure(spec(CHIPS[name]), "tdp", times=1 / 1000))
    assert "P114" in found(with_figure(spec(CHIPS[name]), "tdp", times=1000))


@pytest.mark.parametrize("name", CHIPS)
def test_a_chip_of_little_but_its_peak_has_no_finding_on_what_is_missing(name: str) -> None:
    kept = ("id", "name", "vendor", "kind", "family", "sources", "peak_dense")
    data = {key: spec(CHIPS[name])[key] for key in kept} | {"memory": {"type": CHIPS[name].memory.type}}
    assert found(data) <= {"P103", "P104"}


# How checks speak.


def test_facts_are_those_of_the_vocabulary() -> None:
    for chip in CHIPS.values():
        for scope, rows in facts_of(chip).items():
            known = {*NUMBERS[scope], *TEXTS["chip"], *TEXTS[scope]}
            assert all(row.keys() == known for row in rows)


def test_units_of_facts_are_written_out_and_a_year_has_no_comma() -> None:
    assert {unit for numbers in (CHIP, FORMAT, SIZE) for unit, _ in numbers.values()} == set(UNITS.values())
    assert with_unit(1.83e9, "Hz") == "1.83 GHz"
    assert with_unit(2025.0, "year") == "2025"
    assert with_unit(295.3, "FLOP/B") == "295 FLOP/B"


def test_facts_by_hand() -> None:
    data = json.loads((VALID / "full.json").read_text(encoding="utf-8"))
    (chip,), formats, sizes = facts_of(Accelerator.model_validate(data)).values()
    assert chip["bus_ratio"] == pytest.approx(1e12 / (2000 * 4e9 / 8))
    assert chip["ridge_point"] == pytest.approx(20.48e12 / 1e12)
    assert chip["peak_per_watt"] == pytest.approx(20.48e12 / 100)
    assert chip["read_time_s"] == pytest.approx(16e9 / 1e12)
    assert (chip["hbm"], chip["gddr"], chip["year"]) == (True, False, None)
    bf16, int8 = formats
    assert (bf16["wider"], bf16["wider_peak_flop_per_s"], bf16["double_peak_flop_per_s"]) == (None, None, None)
    assert (int8["wider"], int8["wider_peak_flop_per_s"]) == ("bf16", 20.48e12)
    assert int8["implied_peak_flop_per_s"] == pytest.approx(10 * 1e9 * 4096)
    capacity, cache = sizes
    assert (capacity["place"], capacity["cache"], capacity["power_of_two"]) == ("memory/capacity", False, True)
    assert capacity["converted"] == pytest.approx(16e9 / 2**30)
    assert (cache["size"], cache["decimal"], cache["other_unit"]) == ("8 MiB", False, "MB")
    assert cache["misread"] == pytest.approx(8e6 / 2**20)


def test_a_finding_names_its_check_and_a_warning_says_so() -> None:
    (fault,) = validate_file(VALID.parents[1] / "invalid" / "accelerator" / "p133-cache-power-of-two.json").faults
    assert ": warning: /last_level_cache: 8 MB, a power of two" in line(fault)
    assert line(fault).endswith(" [P133]")
    (fault,) = validate_file(VALID.parents[1] / "invalid" / "accelerator" / "p109-idle-at-tdp.json").faults
    assert ": error: /idle_power: 100 W idle; expected less than" in line(fault)
    assert line(fault).endswith(" [P109]")


def test_figures_too_large_to_reckon_with_are_no_crash() -> None:
    data = json.loads((VALID / "full.json").read_text(encoding="utf-8"))
    data["memory"]["bandwidth"]["value"] = 1e300
    data["parallel_units"]["value"] = 1e308
    assert found(data) >= {"P101"}


# Exceptions.


def excused(*exempt: tuple[str, str]) -> list[Data]:
    """Return exceptions of a spec whose source is `ds`."""
    return [{"check": check, "at": at, "because": "so it is", "source": "ds"} for check, at in exempt]


def test_an_excused_finding_does_not_keep_other_checks_from_being_asked() -> None:
    data = json.loads((VALID / "full.json").read_text(encoding="utf-8"))
    data["peak_dense"]["bf16"]["value"] = 40.96
    data["peak_dense"]["int8"]["value"] = 20.48
    assert keys(data) == [
        ("P101", "/peak_dense/int8"),
        ("P102", "/peak_dense/bf16"),
    ]
    data["exceptions"] = excused(("P102", "/peak_dense/bf16"), ("P101", "/peak_dense/int8"))
    assert keys(data) == [("P104", "/peak_dense/int8")]


@pytest.mark.parametrize("name", [name for name, chip in CHIPS.items() if chip.exceptions])
def test_an_exception_that_ships_excuses_a_finding_and_none_without_it(name: str) -> None:
    data = spec(CHIPS[name])
    exempt = {(one["check"], one["at"]) for one in data.pop("exceptions")}
    assert set(keys(data)) == exempt


# Checks and chips of one's own.


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a spec directory with one chip and one check."""

    def write(chip: Data, **check: Any) -> Path:
        body = {
            "id": "X901", "scope": "chip", "title": "too hot", "when": "tdp_w > 90", "at": "tdp", "found": "{tdp_w}",
            "expected": "at most 90 W", "source": "us", "examples": {"fires": {"tdp_w": 91}, "silent": {"tdp_w": 90}},
        }  # fmt: skip
        files = {"accelerators": chip}
        if check:
            files["checks"] = {"id": "desk", "about": "Ours.", "sources": {"us": {"title": "us"}}, "checks": [body | check]}
        for kind, data in files.items():
            (tmp_path / kind).mkdir()
            (tmp_path / kind / "toy.json").write_text(json.dumps(data), encoding="utf-8")
        return tmp_path

    return write


def toy() -> Data:
    """Return a chip that no check of ours finds anything on."""
    data: Data = json.loads((VALID / "full.json").read_text(encoding="utf-8"))
    return data


def rules_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield check and severity of what validating a chip finds."""
    for fault in validate_file(path / "accelerators" / "toy.json").faults:
        yield fault.rule, fault.severity


def test_a_check_of_ones_own_is_asked_of_the_chips_beside_it_when_they_are_validated_or_loaded(
    folder: Callable[..., Path],
) -> None:
    path = folder(toy(), severity="error")
    assert list(rules_of(path)) == [("X901", "error")]
    with pytest.raises(SpecError, match=r"/tdp: 100 W; expected at most 90 W \[X901\]"):
        load([path], load_checks([path]).judge)
    assert load([path]).accelerators["toy-chip"].tdp is not None


def test_a_check_of_ones_own_may_be_excused_and_may_replace_ours(folder: Callable[..., Path]) -> None:
    data = toy() | {"exceptions": excused(("P109", "/tdp"))}
    path = folder(data, id="P109", severity="warning")
    assert list(rules_of(path)) == []
    assert load_checks([path])["P109"].title == "too hot"
    assert load_checks()["P109"].title == "idle < TDP"


def test_a_warning_about_ones_own_chip_leaves_it_in_the_catalogue(folder: Callable[..., Path]) -> None:
    path = folder(toy(), severity="warning")
    catalog = load([path], load_checks([path]).judge)
    assert [fault.rule for fault in catalog.warnings] == ["X901"]
    assert "toy-chip" in catalog.accelerators.ids


def test_faulty_checks_are_told_where_they_stand_and_where_they_would_be_asked(folder: Callable[..., Path]) -> None:
    path = folder(toy() | {"idle_power": {"value": 100, "unit": "W", "source": "ds"}}, when="tpd_w > 90")
    with pytest.raises(SpecError, match="did you mean tdp_w"):
        load_checks([path])
    blocked, idle = validate_file(path / "accelerators" / "toy.json").faults
    assert "no checks" in blocked.found
    assert idle.rule == "P109"


def test_the_envelopes_hold_every_chip_with_the_margin_that_their_source_names() -> None:
    """By hand: the farthest chip of each range is at a factor of 1.5 from its limit."""
    chips = [facts_of(chip)["chip"][0] for chip in CHIPS.values() if not chip.exceptions and chip.confidence == "published"]
    per_watt = [
        math.log2(facts["peak_per_watt"] / 1e12) - 0.225 * (facts["year"] - 2020)
        for facts in chips
        if facts["peak_per_watt"] and facts["year"] and not facts["cpu"]
    ]
    assert 2 ** (2 - max(per_watt)) == pytest.approx(1.5, rel=0.05)
    assert 2 ** (5.09 + min(per_watt)) == pytest.approx(1.5, rel=0.05)
    ridge = [
        math.log2(facts["ridge_point"]) - 0.268 * (facts["year"] - 2020)
        for facts in chips
        if (facts["hbm"] or facts["gddr"]) and facts["ridge_point"] and facts["year"]
    ]
    assert 2 ** (8.79 - max(ridge)) == pytest.approx(1.5, rel=0.05)
    assert 2 ** (min(ridge) - 5.19) == pytest.approx(1.5, rel=0.05)


def test_the_ladder_knows_the_bits_of_every_format() -> None:
    assert {facts["element_bits"] for chip in CHIPS.values() for facts in facts_of(chip)["format"]} <= {
        8 * size for size in DTYPE_BYTES.values()
    }
