"""The sheet of a chip: every value with its source, what follows from them by hand, gaps, calibration, records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import strategies

from advisor import browse
from advisor.check import load_checks
from advisor.cli import main
from advisor.datasheet import arithmetic, confidence, derived, derived_chip, figures, sheet
from advisor.gaps import missing
from advisor.report.datasheet import as_page, as_sheet
from advisor.rule import load_rulebook
from engine.accelerator import Accelerator
from engine.calibration import resolve
from engine.catalog import SHELVES

CATALOG = strategies.catalog()
CHIPS = [pytest.param(chip, id=chip.id) for chip in CATALOG.accelerators]


def quantity(value: float, unit: str, **more: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "source": "us", **more}


def chip(**changes: Any) -> Accelerator:
    """Return a chip of round numbers: 100 TFLOP/s, 1 TB/s, 50 W, 10 units of 4 KiB at 1 GHz, 1 MiB of cache."""
    fields = {
        "peak_dense": {"bf16": quantity(100, "TFLOP/s")},
        "flop_per_clock": {"bf16": quantity(10000, "FLOP/clk")},
        "parallel_units": quantity(10, "SM"),
        "peak_clock": {"default": quantity(1000, "MHz")},
        "max_clock": quantity(1.5, "GHz"),
        "load_clock": quantity(1.2, "GHz"),
        "memory": {"type": "HBM", "bandwidth": quantity(1, "TB/s"), "capacity": quantity(10, "GB"),
                   "bus_width": quantity(1000, "bit"), "data_rate": quantity(8, "GT/s")},
        "last_level_cache": quantity(1, "MiB"),
        "unit_memory": quantity(4, "KiB"),
        "tdp": quantity(50, "W"),
    }  # fmt: skip
    return strategies.chip("tiled", **(fields | changes))


def test_derived_figures_by_hand() -> None:
    assert derived(chip()) == {
        "bf16": {
            "peak_max_flop_per_s": 10 * 1.5e9 * 10000,
            "ridge_point_flop_per_byte": 100e12 / 1e12,
            "balance_byte_per_flop": 1e12 / 100e12,
            "peak_per_tdp_flop_per_j": 100e12 / 50,
            "load_peak_flop_per_s": 1.2 * 100e12,
            "implied_flop_per_clock_and_unit": 100e12 / (10 * 1e9),
            "units_x_clock_x_flop_per_clock": 10 * 1e9 * 10000,
            "units_x_clock_x_flop_per_clock_over_peak": 1.0,
        }
    }
    assert derived_chip(chip()) == {
        "cache_bytes": 2**20, "on_chip_bytes": 2**20 + 10 * 4096, "bus_x_rate_bytes_per_s": 1000 * 8e9 / 8,
    }  # fmt: skip


def test_the_arithmetic_names_the_numbers_as_they_are_printed() -> None:
    assert dict(arithmetic(chip(), "bf16")) == {
        "ridge point": "peak / bandwidth = 100 TFLOP/s / 1 TB/s = 100 FLOP/B",
        "balance": "bandwidth / peak = 0.01 B/FLOP",
        "peak/TDP": "100 TFLOP/s / 50 W = 2,000 GFLOP/J, the most that the TDP allows at the peak",
        "units x clock": "10 SM x 1000 MHz x 10000 FLOP/clk = 100 TFLOP/s, 100.0 % of the published peak",
        "peak under load": "peak x 1.2 GHz / 1000 MHz = 120 TFLOP/s, 120.0 % of the published peak",
        "highest peak": "10 SM x highest clock 1.5 GHz x 10000 FLOP/clk = 150 TFLOP/s, which the bound uses",
        "bus x rate": "1000 bit x 8 GT/s / 8 = 1 TB/s, 100.0 % of the bandwidth",
        "on the chip": "1 MiB + 10 SM x 4 KiB = 1.09 MB, which the bound counts as on the chip; "
        "the estimate's cache is 1.05 MB of it",
    }


def test_without_a_clock_the_highest_peak_is_the_published_one_and_half_its_last_digit() -> None:
    bare = chip(max_clock=None, peak_clock={}, load_clock=None, tdp=None, memory={"type": "none"}, last_level_cache=None)
    assert arithmetic(bare, "bf16") == [
        ("highest peak", "100 TFLOP/s plus half of its last digit = 100.5 TFLOP/s, which the bound uses")
    ]


def test_a_value_says_how_far_it_can_be_trusted() -> None:
    sources = {"us": {"title": "ours", "assumes": "so"}, "ds": {"title": "a datasheet"}}
    one = chip(
        sources=sources, tdp={"value": 50, "unit": "W", "source": "ds"}, idle_power=quantity(5, "W", confidence="measured")
    )
    told = {name: confidence(one, value) for name, value in figures(one)}
    assert (told["tdp"], told["idle_power"], told["last_level_cache"]) == ("published", "measured", "assumed")
    modelled = chip(sources={"us": {"title": "a design"}}, confidence="modelled")
    assert {confidence(modelled, value) for _, value in figures(modelled)} == {"modelled"}


@pytest.mark.parametrize("one", CHIPS)
def test_a_sheet_has_every_value_every_source_and_every_gap_of_its_spec(one: Accelerator) -> None:
    text, page = as_sheet(one, CATALOG, 140), as_page(one, CATALOG)
    lines = [line.split() for line in text.splitlines()]
    for name, value in figures(one):
        (row,) = (line for line in lines if line[:1] == [name])
        assert row[1:5] == [f"{value.value:.10g}", value.unit, confidence(one, value), value.source]
        assert f"| {name} | {value.value:.10g} | {value.unit} |" in page
    flat = " ".join(text.split())
    for key, source in one.sources.items():
        assert f"{key} {' '.join(source.title.split())}" in flat
    for item in missing(one, resolve(one, CATALOG.calibrations)):
        assert f"{item.name}{': ' + item.reason if item.reason else ''} without it: {item.gap.blocks}" in flat
    for exempt in one.exceptions:
        assert f"{exempt.check} at {exempt.at}: {exempt.because}" in flat
    for reason in one.not_published.values():
        assert " ".join(reason.split()) in flat


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("name", ["nvidia-l4", "google-tpu-v7", "hailo-8", "nvidia-h100-sxm", "stillwater-kpu-t768"])
def test_no_line_of_a_sheet_is_wider_than_the_terminal_but_an_address(name: str, width: int) -> None:
    lines = as_sheet(CATALOG.accelerators[name], CATALOG, width).splitlines()
    assert [line for line in lines if len(line) > width and "://" not in line] == []


@pytest.mark.parametrize("one", CHIPS)
def test_what_calibrates_a_chip_is_what_its_machine_is_made_of(one: Accelerator) -> None:
    facts, constants = sheet(one, CATALOG)["calibration"], CATALOG.constants[one.id]
    assert (facts["level"], facts["p10"], facts["p90"]) == (
        constants.interval.level, constants.interval.p10.si, constants.interval.p90.si,
    )  # fmt: skip
    for part, owner in constants.owners.items():
        assert part in facts["parts"][owner]["parts"]
        assert getattr(CATALOG.calibrations[owner], part) == getattr(constants, part)
    assert set(constants.ids) <= facts["parts"].keys()
    counted = [(k.operator, k.format) for k in constants.kernels]
    told = [(op, fmt) for found in facts["kernels"].values() for op, formats in found.items() for fmt in formats]
    assert set(told) == set(counted)


def test_a_chip_that_was_measured_says_so_and_its_sibling_too() -> None:
    told = {
        name: sheet(CATALOG.accelerators[name], CATALOG)["calibration"] for name in ("nvidia-a100-sxm-40", "nvidia-a100-sxm-80")
    }
    assert told["nvidia-a100-sxm-40"]["parts"]["nvidia-a100-sxm-40"]["applies_to"] == "this chip alone"
    assert [told[name]["level"] for name in told] == ["chip measured", "sibling measured"]


def test_records_of_a_chip_add_up() -> None:
    for one in CATALOG.accelerators:
        found = sheet(one, CATALOG)["measurements"]
        mine = [record for record in CATALOG.measurements if record.hardware == one.id]
        assert sum(row["records"] for row in found) == len(mine)
        assert sum(row["points"] for row in found) == sum(len(record.points) for record in mine)


# The command.


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_json_has_the_spec_and_the_sheet(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "show", "nvidia-l4", "--format", "json")
    body = json.loads(out)
    spec = json.loads(Path(CATALOG.accelerators.entries["nvidia-l4"].file).read_text(encoding="utf-8"))
    assert code == 0
    assert body["peak_dense"]["bf16"] == spec["peak_dense"]["bf16"]
    assert body["derived"]["bf16"]["ridge_point_flop_per_byte"] == pytest.approx(121e12 / 300.1e9)
    assert {gap["figure"]: gap["rules"] for gap in body["missing"]}["idle_power"] == ["J406"]
    assert body["calibration"]["level"] == "chip measured"
    assert sum(row["records"] for row in body["measurements"]) == 11


@pytest.mark.parametrize(
    "name", ["nvidia-l4", "resnet18", "balanced", "L201", "P101", "gpu-hbm", "nvidia-l4-bert-base-int8-128-tensorrt"]
)
def test_every_kind_of_spec_has_a_markdown_page(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, out, _ = run(capsys, "show", name, "--format", "md")
    assert code == 0
    assert out.startswith("# ")
    assert "|" in out or "```" in out
    assert "****" not in out


def test_where_kinds_share_an_id_the_folder_tells_them_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "show", "nvidia-l4")[1].startswith("NVIDIA L4 (nvidia-l4)")
    assert "correction.time_factor" in run(capsys, "show", "calibrations/nvidia-l4")[1]
    shelves = [getattr(CATALOG, folder) for folder in SHELVES]
    shared = {name for shelf in shelves for name in shelf.entries if sum(name in other.entries for other in shelves) > 1}
    assert shared
    assert all(name in CATALOG.accelerators.entries for name in shared)


VARIANTS = {
    "h100": ["nvidia-h100-nvl", "nvidia-h100-pcie", "nvidia-h100-sxm"],
    "a100": ["nvidia-a100-pcie-40", "nvidia-a100-pcie-80", "nvidia-a100-sxm-40", "nvidia-a100-sxm-80"],
    "orin": [name for name in CATALOG.accelerators.ids if "-orin" in name],
}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("h100", ("show", "h100")),
        ("a100", ("show", "a100")),
        ("orin", ("compare", "orin", "nvidia-t4")),
        ("h100", ("compare", "nvidia-t4", "h100")),
        ("orin", ("--model", "resnet50", "--hardware", "orin")),
        ("a100", ("predict", "--model", "resnet50", "--hardware", "a100")),
        ("h100", ("derive", "resnet50", "--hardware", "h100")),
    ],
)
def test_a_name_of_several_chips_is_answered_with_the_variants(
    capsys: pytest.CaptureFixture[str], name: str, arguments: tuple[str, ...]
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert f"'{name}' could be {' or '.join(VARIANTS[name])}; give the whole id" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["calibrations/", "qqqq", "nvidia/nvidia-l4"])
def test_a_name_that_is_like_nothing_says_where_the_names_are(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, _, err = run(capsys, "show", name)
    assert code == 2
    assert len(err) < 200


def test_a_file_that_is_in_no_catalogue_has_its_sheet(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    body = chip(id="mine", idle_power=None).model_dump(mode="json", by_alias=True, exclude_none=True)
    path.write_text(json.dumps(body | {"$schema": "accelerator.schema.json"}), encoding="utf-8")
    spec = browse.find(str(path), CATALOG, load_rulebook(), load_checks())
    text = browse.show_text(spec, CATALOG, 100)
    assert "Calibration" in text
    assert "a spec of your own" in " ".join(text.split())
