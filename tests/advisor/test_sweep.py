"""Sweeps: every point once, equal to a prediction; the front by its definition; marks where the curve bends."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from strategies import catalog

from advisor.cli import main
from advisor.inputs import RequestError, batches
from advisor.report.sweep import marks, text
from advisor.sweep import MOST_POINTS, Sweep, pareto, points_of, sweep
from engine import predict

L4, T4 = "nvidia-l4", "nvidia-t4"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(("sweep", *arguments))
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", [7]),
        ("1..5", [1, 2, 3, 4, 5]),
        ("3..50x2", [3, 6, 12, 24, 48]),
        ("8..31+8", [8, 16, 24]),
        ("4,1..4, 2", [1, 2, 3, 4]),
        ("5..5x2", [5]),
    ],
)
def test_a_list_of_batches(text: str, expected: list[int]) -> None:
    assert batches(text) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no whole number"),
        ("0..4", "no whole number"),
        ("1...4", "no range"),
        ("1..4x1", "no whole number from 2"),
        ("1..4+0", "no whole number from 1"),
        ("9..4", "ends before"),
        ("1..1000000", "more than 100,000"),
        ("1..99999999999", "no range"),
    ],
)
def test_a_faulty_list_of_batches_is_an_error(text: str, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        batches(text)


def test_every_point_is_there_once_and_equals_its_prediction() -> None:
    asked = Sweep(models=("resnet18", "bert-base"), hardware=(L4, T4), dtypes=("fp16", "int8"), batches=(1, 8, 64))
    rows = sweep(asked, catalog())
    assert len(rows) == points_of(asked, catalog()) == 2 * 2 * 2 * 3
    plain = [row for model in asked.models for row in predict(model, (L4, T4), [1, 8, 64], ["fp16", "int8"], catalog=catalog())]
    assert [{name: row[name] for name in plain[0]} for row in rows] == plain


def test_a_size_goes_to_the_models_that_have_it() -> None:
    asked = Sweep(models=("resnet18", "bert-base"), hardware=(L4,), dtypes=("fp16",), batches=(1,), sizes={"seq_len": 384})
    resnet, bert = sweep(asked, catalog())
    at_128 = predict("bert-base", [L4], [1], ["fp16"], catalog=catalog())[0]
    assert bert["latency_estimate_s"] > at_128["latency_estimate_s"]
    assert resnet["latency_estimate_s"] == predict("resnet18", [L4], [1], ["fp16"], catalog=catalog())[0]["latency_estimate_s"]
    with pytest.raises(RequestError, match="no model asked for has a size 'tokens'"):
        sweep(Sweep(models=("resnet18",), hardware=(L4,), batches=(1,), sizes={"tokens": 1}), catalog())


def test_a_sweep_that_is_too_large_is_refused_before_it_starts() -> None:
    every = tuple(catalog().workloads.ids)
    with pytest.raises(RequestError, match=f"more than {MOST_POINTS:,}"):
        sweep(Sweep(models=every, batches=tuple(range(1, 1001))), catalog())


def point(latency: float, batch: int, energy: float | None) -> dict[str, Any]:
    return {"latency_p90_s": latency, "latency_estimate_s": latency, "batch": batch, "energy_per_inference_j": energy}


def test_the_front_by_hand() -> None:
    points = [
        point(1.0, 1, 5.0),  # fastest
        point(2.0, 4, 4.0),  # more per second, thriftier
        point(2.0, 3, 4.0),  # beaten by the one before
        point(9.0, 4, 1.0),  # thriftiest
        point(1.0, 1, None),  # as fast as the first, but nobody knows its energy
        None,
        point(2.0, 4, 4.0),  # equal to one on the front
    ]
    assert pareto(points) == [True, True, False, True, False, False, True]


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)), max_size=30))
def test_the_front_is_what_no_other_point_beats(figures: list[tuple[int, int, int]]) -> None:
    points = [point(float(latency), batch, float(energy)) for latency, batch, energy in figures]
    goals = [(latency, latency / batch, energy) for latency, batch, energy in figures]
    beaten = [any(all(a <= b for a, b in zip(o, g, strict=True)) and o != g for o in goals) for g in goals]
    assert pareto(points) == [not lost for lost in beaten]


def test_a_chip_without_silicon_and_a_point_without_room_stand_on_no_front() -> None:
    rows = sweep(Sweep(models=("resnet50",), hardware=("stillwater-kpu-t256",), dtypes=("bf16",), batches=(1, 2)), catalog())
    assert not any(row["pareto"] for row in rows)
    asked = Sweep(models=("gpt3-175b",), hardware=(L4, "nvidia-h100-sxm"), dtypes=("fp16",), batches=(1,))
    rows = sweep(asked, catalog())
    assert [(row["fits"], row["pareto"]) for row in rows] == [(False, False), (False, False)]
    assert all("full" in marked for marked in marks(rows))


def test_narrow_formats_have_a_front_of_their_own() -> None:
    rows = sweep(Sweep(models=("resnet50",), hardware=(L4,), dtypes=("fp16", "int8"), batches=(1,)), catalog())
    assert [row["pareto"] for row in rows] == [True, True]


def test_knee_and_ridge_are_marked_once_at_the_first_batch_that_reaches_them() -> None:
    asked = Sweep(models=("vgg16",), hardware=(L4,), dtypes=("fp16",), batches=(1, 2, 4, 8, 16, 32, 64, 128))
    rows = sweep(asked, catalog())
    for name in ("knee", "ridge"):
        batch = rows[0][f"{name}_batch"]
        marked = [row["batch"] for row, found in zip(rows, marks(rows), strict=True) if name in found]
        assert marked == [min(row["batch"] for row in rows if row["batch"] >= batch)]


def test_the_knee_is_that_of_the_recommendation(capsys: pytest.CaptureFixture[str]) -> None:
    asked = Sweep(models=("resnet50",), hardware=(L4,), dtypes=("fp16",), batches=(1,))
    with pytest.raises(SystemExit):
        main(("--model", "resnet50", "--hardware", L4, "--dtype", "fp16"))
    assert f"knee {sweep(asked, catalog())[0]['knee_batch']} " in capsys.readouterr().out


def test_every_format_tells_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    asked = ("--models", "resnet18,resnet50", "--hardware", L4, "--dtype", "int8", "--batch", "1..4x2")
    code, told, _ = run(capsys, *asked, "--format", "json")
    rows = json.loads(told)
    assert (code, len(rows)) == (0, 6)
    assert [row["batch"] for row in csv.DictReader(io.StringIO(run(capsys, *asked, "--format", "csv")[1]))] == [*"124124"]
    assert run(capsys, *asked, "--format", "parquet", "--out", str(tmp_path / "s.parquet")) == (0, "", "")
    assert parquet.read_table(tmp_path / "s.parquet").to_pylist() == rows
    told, markdown = run(capsys, *asked)[1], run(capsys, *asked, "--format", "md")[1]
    assert (told.count("nvidia-l4"), markdown.count("| nvidia-l4 |")) == (6, 6)
    assert "## resnet50" in markdown


def test_faults_are_told_together(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--model", "resnet5", "--hardware", "l5", "--batch", "4..1", "--format", "parquet")
    assert (code, out) == (2, "")
    assert [line.split(": ")[1] for line in err.splitlines()] == ["--format", "--model", "--hardware", "--batch"]


def test_nothing_to_sweep_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--model", "resnet50", "--hardware", "nvidia-t4", "--dtype", "fp8")[1].startswith("no point: ")


@pytest.mark.parametrize("width", [80, 160])
def test_a_sweep_fits_the_terminal(width: int) -> None:
    rows = sweep(Sweep(models=("resnet18",), hardware=(L4, "nvidia-h100-sxm"), dtypes=("fp16",), batches=(1, 64)), catalog())
    assert max(map(len, text(rows, width).splitlines())) <= width
