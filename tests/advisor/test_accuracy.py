"""The table of accuracy: exact figures of points made by hand, laws, and the command on records and tables."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from strategies import catalog

from advisor.cli import main
from advisor.lab import accuracy, kernels
from advisor.lab.accuracy import LABELS, Label, Points
from advisor.lab.contract import AccuracyPart
from advisor.lab.points import Kernels, Published, Sweep
from advisor.report import plot
from engine import predict
from engine.catalog import Catalog, data_root, load
from engine.machine import Machine
from engine.network import build
from engine.solve import roof_curve

Array = npt.NDArray[np.float64]
NETWORK = Label(kind="network", hardware="nvidia-t4", dtype="fp16", network="resnet50", runtime="graph", software="TensorRT")
HAND = {
    "measured_s": [1.0, 1.0, 1.0, 1.0, 2.0],
    "bound_s": [0.5, 0.5, 0.5, 0.5, 3.0],
    "p10_s": [0.9, 0.7, 0.9, 1.2, np.nan],
    "estimate_s": [1.1, 0.8, 1.0, 1.5, np.nan],
    "p90_s": [1.2, 0.9, 1.1, 1.6, np.nan],
    "roof_s": [0.5, 0.5, 0.25, 0.75, 1.0],
    "layered_s": [0.8, 0.8, 0.8, 0.8, 1.0],
    "measured_w": [100.0, 100.0, np.nan, 100.0, 100.0],
    "estimate_w": [90.0, 110.0, 100.0, np.nan, np.nan],
}
"""Errors of 10, -20, 0 and 50 %, and a point without an estimate that is faster than its bound. Two have both powers."""


def hand(label: Label = NETWORK) -> Points:
    columns: dict[str, Array] = {name: np.array(column) for name, column in HAND.items()}
    return accuracy.points_of(label, columns.pop("measured_s"), columns.pop("bound_s"), np.arange(1.0, 6.0), **columns)


# Figures.


def test_the_figures_of_points_made_by_hand() -> None:
    found = accuracy.summary(hand())
    assert (found.points, found.without_estimate, found.violations) == (4, 1, 1)
    assert found.error_median_share == pytest.approx((0.1 + 0.2) / 2)
    assert found.error_mean_share == pytest.approx((0.1 + 0.2 + 0.0 + 0.5) / 4)
    assert found.error_p90_share == pytest.approx(0.2 + 0.7 * (0.5 - 0.2))
    assert found.bias_share == pytest.approx((0.1 - 0.2 + 0.0 + 0.5) / 4)
    assert found.below_p90_share == 3 / 4
    assert found.within_interval_share == 2 / 4
    assert found.interval_width_ratio == pytest.approx((0.9 / 0.7 + 1.2 / 0.9) / 2)
    assert found.roofline_error_median_share == pytest.approx(0.5)
    assert found.layered_roofline_error_median_share == pytest.approx(0.2)


def test_energy_is_power_times_time() -> None:
    """The energies are 0.9 x 1.1 and 1.1 x 0.8 of those measured."""
    found = accuracy.summary(hand())
    assert found.powered_points == 2
    assert (found.power_error_median_share, found.power_bias_share) == pytest.approx((0.1, 0.0))
    assert found.energy_error_median_share == found.energy_error_mean_share == pytest.approx((0.01 + 0.12) / 2)
    assert found.energy_bias_share == pytest.approx(-(0.01 + 0.12) / 2)


def test_figures_without_points_are_unknown() -> None:
    found = accuracy.summary(accuracy.joined([]))
    assert (found.points, found.violations, found.error_median_share, found.below_p90_share) == (0, 0, None, None)


TIME = st.floats(1e-6, 10.0)


@given(st.lists(st.tuples(TIME, TIME, TIME, st.floats(0.5, 1.0), st.floats(1.0, 2.0)), min_size=1, max_size=30))
def test_laws_of_the_figures(rows: list[tuple[float, ...]]) -> None:
    measured, bound, estimate, low, high = np.array(rows).T
    points = accuracy.points_of(
        NETWORK, measured, bound, p10_s=estimate * low, estimate_s=estimate, p90_s=estimate * high, roof_s=estimate
    )
    found = accuracy.summary(points)
    figures = (found.error_median_share, found.error_p90_share, found.below_p90_share, found.within_interval_share)
    median, p90, below, within = (figure or 0.0 for figure in figures)
    assert median <= p90
    assert 0 <= within <= below <= 1
    assert abs(found.bias_share or 0.0) <= (found.error_mean_share or 0.0) + 1e-9
    assert found.roofline_error_median_share == pytest.approx(found.error_median_share)
    assert found.violations == sum(m < b for m, b in zip(measured, bound, strict=True))
    assert len(accuracy.violations(points, {})) == found.violations


def test_a_point_below_its_bound_is_told_with_its_sizes() -> None:
    (one,) = accuracy.violations(hand(replace(NETWORK, sizes="image 224")), {"batch": np.arange(1.0, 6.0)})
    assert (one.sizes, one.measured_s, one.bound_s) == ("image 224, batch 5", 2.0, 3.0)


def test_rows_are_groups_sorted_by_name_and_hold_every_point_once() -> None:
    labels = [replace(NETWORK, network=name, dtype=dtype) for name in ("vgg16", "alexnet") for dtype in ("int8", "fp16")]
    points = accuracy.joined([hand(label) for label in [*labels, labels[0]]])
    rows = accuracy.rows(points, ("network", "dtype"))
    assert [row.name for row in rows] == sorted(row.name for row in rows)
    assert [row.figures.points for row in rows] == [4, 4, 4, 8]
    assert accuracy.rows(points, ())[0].figures == accuracy.summary(points)


# Networks.


def sweep(**changes: Any) -> Sweep:
    batches = np.array([1.0, 8.0, 64.0])
    known = {
        "id": "s", "source": "s", "workload": "bert-base", "hardware": "nvidia-t4", "dtype": "fp16", "sizes": {"seq_len": 128},
        "runtime": "graph", "software": "TensorRT", "batches": batches, "seconds": batches * 1e-3, "power_w": batches * np.nan,
    }  # fmt: skip
    return Sweep(**{**known, **changes})


@pytest.mark.parametrize("runtime", ["graph", "eager"])
def test_points_of_networks_are_what_predict_says(runtime: str) -> None:
    points = accuracy.network_points([sweep(runtime=runtime), sweep(dtype="int8")], catalog())
    rows = predict("bert-base", ["nvidia-t4"], [1, 8, 64], ["fp16"], sizes={"seq_len": 128}, runtime=runtime, catalog=catalog())
    assert len(points) == 6
    for place, row in enumerate(rows):
        for ours, theirs in (("bound", "lower_bound"), ("p10", "p10"), ("estimate", "estimate"), ("p90", "p90")):
            assert getattr(points, f"{ours}_s")[place] == pytest.approx(row[f"latency_{theirs}_s"])
        assert points.estimate_w[place] == pytest.approx(row["power_w"])
        energy_j = points.estimate_w[place] * points.estimate_s[place] / row["batch"]
        assert energy_j == pytest.approx(row["energy_per_inference_j"])
    assert [points.labels[code].dtype for code in points.label] == ["fp16"] * 3 + ["int8"] * 3
    assert np.all((points.launch_share > 0) & (points.launch_share <= 1))


def test_the_rooflines_of_a_network_are_those_of_the_engine() -> None:
    points = accuracy.network_points([sweep()], catalog())
    network = build(catalog().workloads["bert-base"], {"seq_len": 128})
    curve = roof_curve(network, catalog().machine("nvidia-t4", "fp16"))
    assert points.layered_s == pytest.approx([curve.latency_s(batch) for batch in (1, 8, 64)])
    traffic = curve.traffic_once.sum() + 8 * curve.traffic_each.sum()
    assert points.roof_s[1] == pytest.approx(max(8 * network.work / curve.peak, traffic / curve.bandwidth))
    assert np.all(points.roof_s <= points.layered_s)


def test_another_machine_changes_the_estimate_and_nothing_else() -> None:
    def slow(one: Sweep) -> Machine | None:
        found = accuracy.machine_for(catalog(), one)
        return replace(found, time_factor=2 * found.time_factor) if found and one.dtype == "fp16" else None

    sweeps = [sweep(), sweep(dtype="int8")]
    before, after = (accuracy.network_points(sweeps, catalog(), machines) for machines in (None, slow))
    assert np.all(after.estimate_s[:3] > before.estimate_s[:3])
    assert not after.estimated[3:].any()
    for name in ("bound_s", "roof_s", "layered_s", "measured_s", "batch"):
        assert np.array_equal(getattr(before, name), getattr(after, name))


# Kernels.


def quantity(value: float, unit: str = "1") -> dict[str, Any]:
    return {"value": value, "unit": unit, "source": "us"}


RESIDUAL = {"points": 9, "median": quantity(0.1), "p10": quantity(0.8), "p90": quantity(1.25)}
CALIBRATION = {
    "id": "acme-kernels", "name": "Products of the H100", "applies_to": {"hardware": ["nvidia-h100-sxm"]},
    "sources": {"us": {"title": "a test", "assumes": "round numbers"}},
    "kernels": [
        {"operator": "gemm", "format": "bf16", "software": "acme", "launch": quantity(2, "us"), "sustained": quantity(0.8),
         "bandwidth_share": quantity(0.9), "cache_ratio": quantity(2), "residual": RESIDUAL},
    ],
}  # fmt: skip
TABLE = """chip,dtype,framework,m,n,k,latency_us
h100_sxm,bfloat16,acme,1024,1024,1024,8
h100_sxm,bfloat16,acme,4096,4096,4096,250
h100_sxm,bfloat16,broken,8192,8192,8192,1
a100_sxm,bfloat16,acme,1024,1024,1024,15
a100_sxm,bfloat16,broken,1024,1024,1024,0
elsewhere,bfloat16,acme,1024,1024,1024,15
"""
"""Two products with an estimate, one below its bound, one on a chip without constants, one without a time, one outside."""
RECORD = data_root() / "specs" / "measurements" / "nvidia-t4-bert-base-int8-128-tensorrt.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("specs")
    (root / "calibrations").mkdir()
    (root / "calibrations" / "acme-kernels.json").write_text(json.dumps(CALIBRATION), encoding="utf-8")
    (root / "products.csv").write_text(TABLE, encoding="utf-8")
    return root


@cache
def loaded(directories: tuple[Path, ...]) -> Catalog:
    return load(directories)


def with_kernels(folder: Path) -> Catalog:
    return loaded((folder,))


def product(size: float, seconds: float) -> Kernels:
    columns = {name: np.array([size]) for name in ("rows", "columns", "contraction")} | {"groups": np.ones(1)}
    return Kernels(
        operator="gemm",
        hardware="nvidia-h100-sxm",
        format="bf16",
        software="acme",
        columns=columns,
        seconds=np.array([seconds]),
    )


def test_points_of_kernels_have_the_estimate_and_the_interval_of_their_constants(folder: Path) -> None:
    ((key, group),) = kernels.grouped([product(1024, 8e-6)]).items()
    points = accuracy.kernel_points(key, group, with_kernels(folder))
    machine = kernels.machine_of(with_kernels(folder), key)
    assert machine is not None
    assert points.estimate_s == pytest.approx(kernels.estimate(machine, group))
    assert points.p90_s / points.p10_s == pytest.approx([1.25 / 0.8])
    chip = catalog().accelerators["nvidia-h100-sxm"]
    assert chip.memory.bandwidth is not None
    assert points.roof_s == pytest.approx(
        [max(2 * 1024**3 / chip.peak_dense["bf16"].si, 3 * 2 * 1024**2 / chip.memory.bandwidth.si)]
    )
    assert np.isnan(points.layered_s).all()


def test_a_convolution_has_all_its_work_on_the_roofline_and_the_least_in_its_bound() -> None:
    sizes = {"batch": 64, "in_channels": 512, "out_channels": 512, "kernel": 3, "height": 28, "stride": 1, "padding": 1}
    columns = {name: np.array([float(size)]) for name, size in sizes.items()}
    conv = Kernels(
        operator="conv", hardware="nvidia-t4", format="fp32", software="eager", columns=columns, seconds=np.array([0.1])
    )
    work = 2 * 64 * 28**2 * 512 * 512 * 9
    assert accuracy.kernel_roof(conv, catalog()) == pytest.approx(
        [work / catalog().accelerators["nvidia-t4"].peak_dense["fp32"].si]
    )


def test_a_kernel_that_nothing_calibrates_has_no_estimate_but_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "machine_of", lambda _catalog, _key: None)
    found = accuracy.report(Published(kernels=(product(8192, 1e-9),), rows_read=1), catalog())
    assert (found.whole.points, found.whole.without_estimate) == (0, 1)
    assert len(found.violations) == found.whole.violations == 1
    assert accuracy.rows(found.points, ("operator",))[0].name == ("gemm",)


def test_a_format_without_a_peak_on_the_chip_has_no_estimate(folder: Path) -> None:
    columns = {name: np.array([64.0]) for name in ("batch", "tokens", "context", "heads", "kv_heads", "head_dim")}
    cached = Kernels(
        operator="decode", hardware="nvidia-a100-sxm-80", format="bf16", software="acme", seconds=np.array([1e-3]),
        columns=columns | {"kv_bytes": np.ones(1)},
    )  # fmt: skip
    ((key, group),) = kernels.grouped([cached]).items()
    assert key.format == "fp8"
    assert not accuracy.kernel_points(key, group, with_kernels(folder)).estimated.any()


# The command.


class Run:
    """Runs `advise accuracy` in this process; keeps exit code, output and errors."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["accuracy", *map(str, arguments)])
        printed = self.capsys.readouterr()
        return int(stop.value.code or 0), printed.out, printed.err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("ROOFWISE_SPECS", raising=False)
    monkeypatch.setattr("advisor.loading.load", lambda directories, _judge, **_: loaded(tuple(directories)))
    return Run(capsys)


def answer(run: Run, *arguments: object) -> dict[str, Any]:
    code, out, err = run(*arguments, "--format", "json")
    found: dict[str, Any] = json.loads(out)
    schema = json.loads((data_root() / "schemas" / "accuracy.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(found)
    AccuracyPart.model_validate(found)
    assert (code, err) == (0, "")
    return found


def test_the_records_that_ship_are_all_read_and_none_beats_its_bound(run: Run) -> None:
    found = answer(run)
    assert found["read"] == sum(len(record.points) for record in catalog().measurements)
    assert (found["outside"], found["violations"], found["all"]["violations"]) == ({}, [], 0)
    assert sum(row["points"] for row in found["rows"]) == found["all"]["points"] > 100
    assert {row["kind"] for row in found["rows"]} == {"network"}
    names = [(row["network"], row["dtype"], row["runtime"]) for row in found["rows"]]
    assert names == sorted(names)


def test_the_text_fits_the_screen_and_says_what_is_left_out(run: Run) -> None:
    code, out, err = run()
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert max(map(len, lines)) <= 100
    for word in ("networks · eager", "networks · graph", "all", "Rows", "Below bound", "Not modelled"):
        assert any(line.startswith(word) for line in lines), word


def test_more_labels_than_fit_move_above_the_rows(run: Run) -> None:
    _, out, _ = run("--by", "hardware,software,network")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 100
    assert "nvidia-t4 · TensorRT" in "\n".join(lines)


@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_line_is_wider_than_the_terminal(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr("advisor.output.width", lambda: width)
    for by in ("kind,operator,network,dtype,runtime", "hardware,software,network,operator"):
        _, out, _ = run("--data", RECORD, "--data", folder / "products.csv", "--specs", folder, "--by", by)
        assert max(map(len, out.splitlines())) <= width


def test_energy_has_a_table_of_its_own_where_power_was_measured(run: Run, tmp_path: Path) -> None:
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    measured = 60.0
    record["points"][0]["power"] = {"value": measured, "unit": "W", "source": next(iter(record["sources"]))}
    (tmp_path / "powered.json").write_text(json.dumps(record), encoding="utf-8")
    batch = record["points"][0]["batch"]
    sizes = record.get("sizes", {})
    (ours,) = predict(record["workload"], [record["hardware"]], [batch], [record["dtype"]], sizes=sizes, catalog=catalog())

    found = answer(run, "--data", tmp_path / "powered.json", "--by", "hardware")["all"]
    assert found["powered_points"] == 1
    assert found["power_bias_share"] == pytest.approx(ours["power_w"] / measured - 1)
    assert "energy error [%]" in run("--data", tmp_path / "powered.json")[1]
    assert "## Energy and power" in run("--data", tmp_path / "powered.json", "--format", "md")[1]
    assert answer(run, "--data", RECORD)["all"]["powered_points"] == 0
    assert "energy" not in run("--data", RECORD)[1]


def test_a_table_of_products_is_told_in_full(run: Run, folder: Path) -> None:
    found = answer(run, "--data", folder / "products.csv", "--specs", folder, "--by", "hardware,operator")
    rows: dict[str, Mapping[str, Any]] = {row["hardware"]: row for row in found["rows"]}
    assert found["read"] == 6
    assert found["outside"] == {"chip": 1}
    assert found["dropped"] == {"no time": 1}
    assert rows["nvidia-h100-sxm"]["points"] == 3
    assert rows["nvidia-h100-sxm"]["interval_width_ratio"] == pytest.approx(1.25 / 0.8)
    assert rows["nvidia-h100-sxm"]["layered_roofline_error_median_share"] is None
    (beaten,) = found["violations"]
    assert (beaten["software"], beaten["network"], beaten["measured_s"]) == ("broken", None, pytest.approx(1e-6))
    assert beaten["sizes"] == "rows 8192, columns 8192, contraction 8192, groups 1"


def test_the_text_of_a_table_names_reasons_and_violations(run: Run, folder: Path) -> None:
    _, out, _ = run("--data", folder / "products.csv", "--specs", folder)
    flat = " ".join(out.split())
    assert "6 read: 4 count (4 points), 1 rejected, 1 outside" in flat
    assert "1 no time: its time is not above 0" in flat
    assert "1 chip: the chip is not in the catalogue" in flat
    assert "nvidia-h100-sxm, gemm, bf16, broken, rows 8192, columns 8192, contraction 8192, groups 1: 1 us measured" in flat


def test_markdown_has_the_same_rows_as_csv(run: Run, folder: Path) -> None:
    arguments = ("--data", folder / "products.csv", "--data", RECORD, "--specs", folder)
    _, out, _ = run(*arguments, "--by", "network,operator", "--format", "csv")
    _, page, _ = run(*arguments, "--by", "network,operator", "--format", "md")
    rows = list(csv.DictReader(io.StringIO(out)))
    table = [line.split("|") for line in page.splitlines() if line.startswith("| ")][2:]
    assert [(row["network"], row["points"]) for row in rows] == [(c[1].strip(), c[3].strip().replace(",", "")) for c in table]
    assert rows[-1]["network"] == "all"
    assert "## Not modelled" in page


def test_without_labels_there_is_one_row(run: Run) -> None:
    _, out, _ = run("--data", RECORD, "--by", "", "--format", "csv")
    assert len(out.splitlines()) == 2
    assert run("--data", RECORD, "--by", "")[0] == 0


def test_a_table_without_points_is_no_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text(TABLE.splitlines()[0] + "\n" + TABLE.splitlines()[-1] + "\n", encoding="utf-8")
    assert run("--data", tmp_path / "none.csv", "--plot", tmp_path / "none.svg")[0] == 0
    for form in ("text", "md", "csv"):
        assert run("--data", tmp_path / "none.csv", "--format", form)[0] == 0
    found = answer(run, "--data", tmp_path / "none.csv")
    assert (found["rows"], found["all"]["points"], found["all"]["bias_share"]) == ([], 0, None)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--data", "/nowhere/at-all.csv"), "it cannot be read (No such file or directory)"),
        (("--data", "/nowhere"), "it cannot be read (No such file or directory)"),
        (("--format", "jsn"), "did you mean json?"),
        (("--by", "kind,netwrk"), "--by: no label 'netwrk'; did you mean network?"),
        (("--plot", "picture.pdf"), "name a file that ends in .svg, .png, .html"),
        (("--data", str(RECORD), "--plot", "/nowhere/picture.svg"), "--plot: '/nowhere/picture.svg' cannot be written"),
        (("--data", str(RECORD), "--out", "/nowhere/out.txt"), "--out: '/nowhere/out.txt' cannot be written"),
        (("--specs", "/nowhere"), "no such directory"),
    ],
)
def test_a_faulty_request_exits_2_with_one_clear_line(run: Run, arguments: tuple[str, ...], told: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: ")
    assert told in err


def test_every_fault_is_told_at_once(run: Run) -> None:
    code, _, err = run("--by", "x", "--plot", "x.pdf")
    assert code == 2
    assert [line.split(":")[1].strip() for line in err.splitlines()] == ["--by", "--plot"]


def test_the_labels_of_the_help_are_those_there_are(run: Run) -> None:
    _, out, _ = run("--help")
    assert ", ".join(LABELS) in " ".join(out.split())
    assert ",".join(accuracy.DEFAULT_BY) in " ".join(out.split())


# The picture.


def test_the_picture_is_a_valid_svg_with_a_mark_for_each_point(run: Run, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "picture.svg"
    code, _, err = run("--data", folder / "products.csv", "--specs", folder, "--plot", path)
    root = ET.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314 - we drew it
    texts = {element.text for element in root.iter() if element.text}
    assert (code, err) == (0, "")
    assert root.tag.endswith("svg")
    assert {"4 measured points", "lower bound", "below its bound", "gemm"} <= texts
    assert [found.name for found in tmp_path.iterdir()] == ["picture.svg"]


@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG"), (".html", b"<!DOCTYPE html>")])
def test_other_kinds_of_picture(suffix: str, begins: bytes) -> None:
    drawn = plot.draw(hand(replace(NETWORK, software="</script>")), suffix)
    assert drawn.startswith(begins)
    assert b"</script>, " not in drawn


def test_a_sample_is_even_over_groups_and_within_them() -> None:
    groups = ["many"] * 1000 + ["few"] * 10 + ["some"] * 100
    chosen = plot.sampled(groups, 150)
    counts = {name: sum(groups[place] == name for place in chosen) for name in set(groups)}
    assert counts == {"few": 10, "some": 70, "many": 70}
    assert len(set(chosen.tolist())) == 150
    assert plot.sampled(groups, 5000).tolist() == list(range(1110))
