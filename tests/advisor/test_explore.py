"""Searches: the best by looking at every point, the same bits however the work is divided, parts that survive anything."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import re
import signal
import threading
import zlib
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import Table
from searches import ARGUMENTS, COST, asked
from strategies import catalog, network

from advisor import schemas
from advisor.cli import main
from advisor.commands import explore as command
from advisor.explore import parts, request, run, space
from advisor.explore.answer import Answer, answer
from advisor.explore.axes import Axis, axes, parse
from advisor.explore.contract import as_json
from advisor.explore.field import field_of
from advisor.explore.processes import _serve, processes
from advisor.explore.request import MOST_POINTS, request_json
from advisor.explore.space import Space, point, points_of, summary_of
from advisor.explore.summary import Record, Summary, from_json, merge, pareto, summarize
from advisor.inputs import RequestError
from engine import load, predict
from engine.fleet import CHIP_FIGURES
from engine.solve import roof_curve


def search(wanted: Space) -> Answer:
    """Return the answer of a search in this process."""
    return answer(wanted, merge(summary_of(wanted, chunk) for chunk in range(wanted.chunks)))


def explored(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(("explore", *arguments))
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


def every_point(wanted: Space) -> list[dict[str, float]]:
    """Return the facts of every point."""
    parts = [points.columns for chunk in range(wanted.chunks) for points in points_of(wanted, chunk)]
    columns = {name: np.concatenate([part[name] for part in parts]).tolist() for name in parts[0]}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


# Axes.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bandwidth=1..4TB/s:3", [1e12, 2e12, 4e12]),
        ("bandwidth=500GB/s..2TB/s:2", [5e11, 2e12]),
        ("peak=100..300TFLOP/s:3:linear", [1e14, 2e14, 3e14]),
        ("clock = 1.5 GHz", [1.5e9]),
        ("last_level_cache=512kB, 1, 2MB", [512e3, 1e6, 2e6]),
        ("units=8..11:40", [8.0, 9.0, 10.0, 11.0]),
        ("process_node=3,5nm", [3e-9, 5e-9]),
    ],
)
def test_the_values_of_an_axis(text: str, expected: list[float]) -> None:
    assert parse(text).values == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bandwdth=1..2TB/s:2", "did you mean bandwidth"),
        ("cost=1..2TB/s:2", "no figure 'cost'"),
        ("bandwidth", "says no values"),
        ("bandwidth=1..2:3", "its unit is missing"),
        ("bandwidth=1..2Tb/s:3", "did you mean TB/s"),
        ("bandwidth=2..1TB/s:3", "ends before it begins"),
        ("bandwidth=-1..1TB/s:3", "no number above 0"),
        ("bandwidth=0..1TB/s:3", "no number above 0"),
        ("bandwidth=nan..1TB/s:3", "no number above 0"),
        ("bandwidth=1..infTB/s:3", "no number above 0"),
        ("bandwidth=1..2TB/s", "says how many values"),
        ("bandwidth=1..2TB/s:0", "no number of values"),
        ("bandwidth=1..2TB/s:-4", "no number of values"),
        ("bandwidth=1..2TB/s:1e6", "no number of values"),
        ("bandwidth=1..2TB/s:1", "one value cannot reach"),
        ("bandwidth=1..2TB/s:999999", "more than 100,000"),
        ("bandwidth=1..2TB/s:9999999999999999999", "no number of values"),
        ("bandwidth=1..2TB/s:4:cubic", "no spacing 'cubic'"),
        ("bandwidth=a,bTB/s", "no list of numbers"),
        ("units=3.5", "no whole number"),
    ],
)
def test_a_faulty_axis_is_an_error(text: str, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        parse(text)


def test_every_fault_of_the_axes_is_told() -> None:
    with pytest.raises(RequestError) as raised:
        axes(["bandwdth=1TB/s", "peak=1TFLOP/s", "peak=2TFLOP/s", "tdp=-1W"])
    assert len(str(raised.value).splitlines()) == 3


@given(st.floats(1e-3, 1e3), st.floats(1.0, 1e3), st.integers(2, 200), st.sampled_from(["", ":linear"]))
def test_an_axis_rises_from_end_to_end(low: float, factor: float, count: int, how: str) -> None:
    values = parse(f"bandwidth={low!r}..{low * factor!r}TB/s:{count}{how}").values
    assert list(values) == sorted(set(values))
    assert (values[0], values[-1]) == pytest.approx((low * 1e12, low * factor * 1e12), rel=1e-8)


# Points and their order.


def test_points_are_numbered_base_by_base_the_last_figure_and_the_batch_fastest() -> None:
    wanted = asked(base="nvidia-l4,nvidia-a100-sxm-40", batch="1,4", vary=["tdp=50,100W", "bandwidth=1,2,3TB/s"])
    assert (wanted.variants, wanted.chips, wanted.points) == (6, 12, 24)
    seen = [point(wanted, index) for index in range(24)]
    assert [base.chip.id for base, _, _ in seen] == ["nvidia-l4"] * 12 + ["nvidia-a100-sxm-40"] * 12
    assert [figures["tdp"] for _, figures, _ in seen[:12]] == [50.0] * 6 + [100.0] * 6
    assert [figures["bandwidth"] for _, figures, _ in seen[:6]] == [1e12, 1e12, 2e12, 2e12, 3e12, 3e12]
    assert [facts["batch"] for _, _, facts in seen[:4]] == [1.0, 4.0, 1.0, 4.0]


def test_the_best_is_the_best_of_all_points() -> None:
    wanted = asked(cost=COST)
    found, points = search(wanted), every_point(wanted)
    meeting = [index for index, facts in enumerate(points) if facts["latency_p90_s"] <= 1e-3]
    costs = {i: 0.5 * points[i]["peak_flop_per_s"] / 1e12 + 40 * points[i]["bandwidth_bytes_per_s"] / 1e12 for i in range(56)}
    assert found.best is not None
    assert found.best.index == min(meeting, key=costs.__getitem__)
    assert found.best.facts["cost"] == pytest.approx(costs[found.best.index])
    assert (found.summary.points, found.summary.meeting) == (56, len(meeting))
    latency, capacity = found.bounds
    assert (latency.failing, latency.binds, capacity.binds) == (56 - len(meeting), True, False)
    assert latency.without is not None
    assert latency.without.index == min(costs, key=costs.__getitem__)


def test_the_front_is_of_points_that_no_other_beats() -> None:
    wanted = asked(cost=COST, latency=None, vary=["bandwidth=0.2..4TB/s:16", "peak=20..800TFLOP/s:16"])
    summary, points = search(wanted).summary, every_point(wanted)
    front = pareto(summary)
    assert len(front) > 5
    for record in front:
        beaten = [p for p in points if p["cost"] <= record.objective and p["latency_p90_s"] < record.second]
        assert beaten == []


@pytest.mark.parametrize("word", ["power", "energy", "latency", "memory", "bandwidth", "tdp"])
def test_what_shall_be_least(word: str) -> None:
    wanted = asked(minimize=word, throughput="2000/s")
    found = search(wanted)
    points = [facts for facts in every_point(wanted) if facts["meets"]]
    assert found.best is not None
    assert found.best.facts[wanted.objective.fact] == min(facts[wanted.objective.fact] for facts in points)


def test_what_shall_be_greatest() -> None:
    wanted = asked(maximize="throughput", batch="1..16x2")
    found = search(wanted)
    assert found.best is not None
    best = max(facts["throughput_sure_per_s"] for facts in every_point(wanted) if facts["meets"])
    assert found.best.facts["throughput_sure_per_s"] == best


def test_a_limit_that_nothing_keeps_has_its_nearest_point() -> None:
    found = search(asked(latency="1us"))
    assert found.best is None
    nearest = found.bounds[0].nearest
    assert nearest is not None
    assert nearest.facts["latency_p90_s"] == min(facts["latency_p90_s"] for facts in every_point(found.space))
    assert found.bounds[0].without is not None


def test_sensitivities_are_those_of_the_roof_and_of_the_estimate() -> None:
    found = search(asked(cost="2*bandwidth + peak"))
    best = found.best
    assert best is not None
    assert found.roof is not None
    bandwidth, peak = found.sensitivities
    assert bandwidth.roof == found.roof.bandwidth_elasticity(8)
    assert (bandwidth.roof or 0) + (peak.roof or 0) == pytest.approx(-1.0)
    cost = best.facts["cost"]
    assert bandwidth.objective == pytest.approx(2 * best.figures["bandwidth"] / cost, rel=1e-3)
    chip = replace(catalog().machine("nvidia-h100-sxm", "bf16"), **best.figures)
    assert found.roof.latency_s(8) == pytest.approx(roof_curve(network("resnet18"), chip).latency_s(8), rel=1e-12)
    assert (bandwidth.latency or 0) < 0
    assert (peak.latency or 0) < 0


@given(st.lists(st.integers(1, 60), min_size=2, max_size=3))
def test_a_field_divides_its_axes_evenly(sizes: list[int]) -> None:
    names = ("tdp", "bandwidth", "peak")
    made = [
        Axis(name=name, values=tuple(map(float, range(1, size + 1))), spacing="list", typed="")
        for name, size in zip(names, sizes, strict=False)
    ]
    field = field_of(made)
    assert (field is None) == (sorted(sizes)[-2] == 1)
    if field is not None:
        places = np.array(list(np.ndindex(*sizes)))
        rows, columns = field.shape
        expected = [places[:, which] * parts // sizes[which] for which, parts in ((field.down, rows), (field.across, columns))]
        found = field.cells(np.arange(len(places)))
        np.testing.assert_array_equal(found, expected[0] * columns + expected[1])
        assert set(found) == set(range(rows * columns))


def test_a_cell_of_the_field_has_the_best_that_meets_the_request() -> None:
    wanted = asked(cost=COST, vary=["bandwidth=0.2..4TB/s:20", "tdp=300,700W", "peak=20..800TFLOP/s:60"])
    values = as_json(search(wanted))["field"]["values"]
    best: dict[tuple[int, int], float] = {}
    for index, facts in enumerate(every_point(wanted)):
        cell = index // 120 * 10 // 20, index % 60 * 48 // 60
        if facts["meets"]:
            best[cell] = min(best.get(cell, np.inf), facts["cost"])
    assert values == [[best.get((row, column)) for column in range(48)] for row in range(10)]
    assert None in values[0]


def test_what_is_counted_is_compared_with_its_neighbours() -> None:
    wanted = asked(base="google-tpu-v4", vary=["array_rows=64,128,256", "units=8"], minimize="latency", latency=None)
    found = search(wanted)
    rows, units = found.sensitivities
    latencies = {facts["array_rows"]: facts["latency_estimate_s"] for facts in every_point(wanted)}
    assert found.best is not None
    assert found.best.figures["array_rows"] == 256.0
    assert rows.latency == pytest.approx(math.log(latencies[256.0] / latencies[128.0]) / math.log(2))
    assert units.latency is not None
    assert units.latency < 0


# Merging.


records = st.builds(Record, st.floats(0, 10), st.floats(0, 10), st.integers(0, 10**6))
summaries = st.builds(
    Summary,
    points=st.integers(0, 100), meeting=st.integers(0, 100), failing=st.dictionaries(st.sampled_from("ab"), st.integers(0, 9)),
    best=st.none() | records, without=st.dictionaries(st.sampled_from("ab"), records),
    reach=st.dictionaries(st.sampled_from("ab"), records), front=st.dictionaries(st.integers(0, 5), records),
    field=st.dictionaries(st.integers(0, 5), st.floats(0, 9)),
)  # fmt: skip


@settings(max_examples=25)
@given(st.lists(summaries, max_size=6), st.randoms(use_true_random=False))
def test_summaries_merge_in_any_order_and_survive_being_written(found: list[Summary], random: Any) -> None:
    shuffled = random.sample(found, len(found))
    half = len(found) // 2
    whole = merge(found)
    assert merge(shuffled) == whole
    assert merge([merge(shuffled[:half]), merge(shuffled[half:])]) == whole
    assert from_json(json.loads(json.dumps(whole.as_json()))) == whole


known_or_not = st.floats(0.1, 100) | st.just(math.nan)


@given(st.lists(st.tuples(known_or_not, known_or_not, st.booleans(), st.booleans()), min_size=1), st.data())
def test_a_summary_of_halves_is_that_of_the_whole(rows: list[tuple[float, float, bool, bool]], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(rows)))
    objective, second = (np.array([row[place] for row in rows]) for place in (0, 1))
    keeps = {"a": np.array([row[2] for row in rows]), "b": np.array([row[3] for row in rows])}

    def part(start: int, stop: int) -> Summary:
        here = {word: kept[start:stop] for word, kept in keeps.items()}
        ease = dict.fromkeys(keeps, objective[start:stop])
        return summarize(objective[start:stop], second[start:stop], here, ease, start)

    whole = part(0, len(rows))
    assert merge([part(0, cut), part(cut, len(rows))]) == whole
    known = [not math.isnan(row[0] + row[1]) for row in rows]
    meeting = [index for index, row in enumerate(rows) if row[2] and row[3] and known[index]]
    assert set(whole.reach) == (set(keeps) if any(known) else set())
    assert (whole.best and whole.best.place) == (min(meeting, key=lambda i: rows[i][:2]) if meeting else None)


# However the work is divided.


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pieces of work of 10 points in what is typed, and let 3 be held at a time."""
    real = request.space_of
    monkeypatch.setattr(request, "space_of", lambda options, catalog: replace(real(options, catalog), chunk=10))
    monkeypatch.setattr(space, "AT_ONCE", 3)


def columns_of(path: Path) -> Table:
    return ds.dataset(path, format=path.suffix[1:]).to_table()


def test_pieces_are_every_point_once_and_the_answer_is_that_of_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = asked(cost=COST, base="nvidia-h100-sxm,nvidia-l4", batch="1,8")
    assert wanted.chunks == 1
    whole = as_json(search(wanted))
    divided = replace(wanted, chunk=10)
    assert divided.chunks == 23
    monkeypatch.setattr(space, "AT_ONCE", 3)
    assert as_json(search(divided)) == whole


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_every_point_is_written_and_equals_the_point_itself(form: str, tmp_path: Path) -> None:
    wanted = replace(asked(cost=COST, batch="1,8"), chunk=10)
    folder = parts.open_folder(tmp_path / f"points.{form}", request_json(wanted), wanted.chunks)
    for chunk in range(wanted.chunks):
        folder.write(chunk, *parts.encoded(wanted, chunk, form))
    rows = columns_of(folder.path).to_pylist()
    points = every_point(wanted)
    assert len(rows) == len(points) == 112
    assert [point(wanted, index)[2] for index in (0, 41, 111)] == [
        pytest.approx(points[i], rel=0, abs=0, nan_ok=True) for i in (0, 41, 111)
    ]
    for row, facts in zip(rows, points, strict=True):
        assert {name: row[name] for name in ("hardware", "dtype")} == {"hardware": "nvidia-h100-sxm", "dtype": "bf16"}
        assert {name: math.nan if row[name] is None else float(row[name]) for name in facts} == pytest.approx(
            facts, rel=0, abs=0, nan_ok=True
        )


def test_processes_give_the_same_bits_and_a_killed_one_loses_nothing() -> None:
    wanted = replace(asked(cost=COST, vary=["bandwidth=0.2..4TB/s:60", "peak=20..800TFLOP/s:60"]), chunk=100)
    assert wanted.chunks == 36
    killed = False
    found: dict[int, Summary] = {}
    for chunk, (summary, _) in processes(2)(run.pack(wanted), deque(range(wanted.chunks)), None):
        found[chunk] = summary
        if not killed:
            os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)
            killed = True
    assert killed
    assert found == {chunk: summary_of(wanted, chunk) for chunk in range(wanted.chunks)}


def test_a_fault_of_a_process_comes_back_and_it_ends_with_its_pipe() -> None:
    ours, theirs = multiprocessing.Pipe()
    serving = threading.Thread(target=_serve, args=(theirs, b"no space", None))
    serving.start()
    ours.send(0)
    assert isinstance(ours.recv(), zlib.error)
    ours.close()
    serving.join(timeout=60)
    assert not serving.is_alive()


# The command.


def test_the_answer_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = explored(capsys, *ARGUMENTS, "--latency", "1ms", "--cost", COST)
    assert (code, err) == (0, "")
    assert out.startswith("ResNet-18 (image 224) · latency 1 ms · least cost\ncost ")
    for part in (
        "56 points",
        "Binds         latency (L204)",
        "Sensitivity   1 % more",
        "Plain roof",
        "Front ",
        "Field ",
        "◆",
        "Take care",
    ):
        assert part in out
    assert max(map(len, out.splitlines())) <= 100


def test_the_answer_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = explored(capsys, *ARGUMENTS, "--latency", "1ms", "--format", "json")
    found = json.loads(out)
    jsonschema.validate(found, json.loads(schemas.text("exploration")))
    assert (code, found["points"], found["objective"]["word"]) == (0, 56, "power")
    assert found["best"]["latency_p90_s"] <= 1e-3
    assert {axis["name"] for axis in found["axes"]} == {"bandwidth", "peak"}


def test_nothing_qualifies(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = explored(capsys, *ARGUMENTS, "--latency", "1us", "--power", "1W")
    assert code == 1
    assert "no point meets the request" in out
    assert "latency (L204): at best " in out
    assert "power (J403): at best " in out


def test_the_best_chip_is_a_spec_with_the_same_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "best.json"
    code, out, _ = explored(
        capsys, *ARGUMENTS, "--vary", "tdp=300W", "--latency", "1ms", "--best", str(spec), "--format", "json"
    )
    assert code == 0
    best = json.loads(out)["best"]
    with pytest.raises(SystemExit) as stop:
        main(("validate", str(spec)))
    assert stop.value.code == 0
    assert capsys.readouterr().out.endswith("1 file, 0 errors, 0 warnings\n")
    (row,) = predict("resnet18", ["best"], [8], ["bf16"], catalog=load([tmp_path]))
    assert row["confidence"] == "modelled"
    for name in ("latency_estimate_s", "latency_p90_s", "power_w", "energy_per_inference_j", "memory_bytes"):
        assert row[name] == pytest.approx(best[name], rel=1e-12)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"vary": ["bandwidths=1TB/s"]}, "--vary: no figure 'bandwidths' to vary; did you mean bandwidth?"),
        ({"vary": None}, "--vary: nothing varies"),
        ({"model": "resnet5"}, "--model: no workload"),
        ({"minimize": "costs"}, "no objective 'costs'; did you mean cost?"),
        ({"minimize": "clock"}, "no objective 'clock'"),
        ({"minimize": "cost"}, "a cost is yours to state"),
        ({"minimize": "power", "maximize": "throughput"}, "give one of them"),
        ({"cost": "peakk * 2"}, "unknown name 'peakk'; did you mean peak?"),
        ({"cost": "__import__('os')"}, "--cost: "),
        ({"latency": "10"}, "--latency: "),
        ({"base": "nvidia-h100"}, "--base: "),
        ({"base": ","}, "--base: none is named"),
        ({"base": "nvidia-t4", "dtype": "fp8"}, "nvidia-t4 has no fp8"),
        ({"base": "hailo-8", "vary": ["clock=1..2GHz:4"]}, "hailo-8 publishes no clock, so clock cannot vary"),
        ({"base": "hailo-8", "vary": ["tdp=5W"]}, "publishes no bandwidth of its memory"),
        ({"base": "amd-epyc-9654"}, "publishes no capacity of its memory"),
        ({"batch": "0"}, "--batch: "),
        ({"runtime": "turbo"}, "--runtime: "),
        ({"size": ["image=7777777777777"]}, "--size: "),
    ],
)
def test_a_faulty_request_is_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestError) as raised:
        asked(**options)
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--workers", "0"), "no whole number from 1"),
        (("--workers", "9999"), "9,999 processes are more than 256"),
        (("--workers", "2", "--scheduler", "tcp://localhost:1"), "give one of them"),
        (("--points", "points.txt"), "end its name in .parquet or .csv"),
        (("--points", "no/where/points.parquet"), "cannot be written"),
        (("--latency", "1ns", "--best", "x.json"), "no chip to write"),
        (("--best", "Best Chip.json"), "is no id"),
        (("--cost", "1/0"), "no point meets"),
    ],
)
def test_a_faulty_command_is_told(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = explored(capsys, *ARGUMENTS, *arguments)
    assert code == (1 if "1/0" in arguments else 2)
    assert told in out + err
    assert [path.name for path in tmp_path.iterdir()] == []


def test_too_many_points_are_refused_with_their_number(capsys: pytest.CaptureFixture[str]) -> None:
    many = [f"{name}:10000" for name in ("bandwidth=1..2TB/s", "peak=1..2PFLOP/s", "tdp=100..700W")]
    code, _, err = explored(capsys, "--model", "resnet18", *(part for text in many for part in ("--vary", text)))
    assert code == 2
    assert "1,000,000,000,000 points are more than 10,000,000,000; take fewer values" in err
    assert MOST_POINTS == 10**10


# What is written.


@pytest.mark.usefixtures("small_chunks")
def test_a_search_that_was_stopped_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "points.parquet"
    command = (*ARGUMENTS, "--latency", "1ms", "--workers", "1", "--format", "json", "--points")
    whole = explored(capsys, *command, str(tmp_path / "whole.parquet"))
    real, calls = run.work, []

    def interrupted(*arguments: Any) -> run.Result:
        calls.append(arguments[1])
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(run, "work", interrupted)
    code, _, err = explored(capsys, *command, str(out))
    assert code == 130
    assert "stopped after 30 of 56 points" in err
    assert columns_of(out).num_rows == 30
    (out / ".part-000003.parquet.999999999.tmp").write_bytes(b"half")
    (out / f".part-000004.parquet.{os.getppid()}.tmp").write_bytes(b"half")
    assert explored(capsys, *command, str(out)) == whole
    assert calls == [0, 1, 2, 3, 3, 4, 5]
    assert columns_of(out) == columns_of(tmp_path / "whole.parquet")
    assert [path.name for path in out.glob(".*")] == [f".part-000004.parquet.{os.getppid()}.tmp"]
    assert explored(capsys, *command, str(out)) == whole
    assert len(calls) == 7
    note, part = out / "_part-000002.json", out / "part-000002.parquet"
    damages: list[tuple[Path, bytes]] = [
        (note, b'{"comes_to": 10'),
        (note, re.sub(rb'"points": \d', b'"points": 9', note.read_bytes())),
        (note, b'{"comes_to": {}, "sum": 0}'),
        (part, part.read_bytes()[:-1]),
        (part, part.read_bytes().replace(b"nvidia", b"nvidib", 1)),
    ]
    for file, content in damages:
        assert content != file.read_bytes()
        file.write_bytes(content)
        assert explored(capsys, *command, str(out)) == whole
    assert calls[7:] == [2] * len(damages)
    assert columns_of(out) == columns_of(tmp_path / "whole.parquet")


def test_a_folder_of_another_request_is_left_alone(tmp_path: Path) -> None:
    def opened(name: str, **options: Any) -> parts.Folder:
        wanted = asked(**options)
        return parts.open_folder(tmp_path / name, request_json(wanted), wanted.chunks)

    assert opened("points.parquet") == opened("points.parquet")
    with pytest.raises(RequestError, match="holds the points of another request, with other limits; name a new folder"):
        opened("points.parquet", latency="2ms")
    with pytest.raises(RequestError, match="with other vary, numbers;"):
        opened("points.parquet", vary=["bandwidth=0.2..4TB/s:9", "peak=20..800TFLOP/s:7"])
    (tmp_path / "points.parquet" / "_request.json").write_text("{", encoding="utf-8")
    with pytest.raises(RequestError, match="is damaged"):
        opened("points.parquet")
    (tmp_path / "full.csv").mkdir()
    (tmp_path / "full.csv" / "thesis.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(RequestError, match="holds something else"):
        opened("full.csv")
    with pytest.raises(RequestError, match="cannot be written"):
        opened(f"{'long' * 100}.csv")
    (tmp_path / "file.csv").write_text("dear", encoding="utf-8")
    with pytest.raises(RequestError, match="is a file"):
        opened("file.csv")
    assert (tmp_path / "file.csv").read_text(encoding="utf-8") == "dear"


@pytest.mark.usefixtures("small_chunks")
def test_a_full_disk_keeps_what_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "points.parquet"
    real, synced = os.fsync, []

    def full(file: int) -> None:
        synced.append(file)
        if len(synced) == 7:  # the request, two notes with their parts, the third note, and its part
            raise OSError(28, "No space left on device")
        real(file)

    monkeypatch.setattr(os, "fsync", full)
    code, _, err = explored(capsys, *ARGUMENTS, "--workers", "1", "--points", str(out))
    assert code == 2
    assert "No space left on device" in err
    assert "the same command goes on from there" in err
    monkeypatch.undo()
    assert columns_of(out).num_rows == 20


@pytest.mark.parametrize(("name", "values"), command._NAMES.items())
def test_what_a_shell_offers_is_an_axis(name: str, values: str) -> None:
    assert parse(f"{name}={values}").name == name


def test_a_shell_offers_every_figure() -> None:
    assert command._NAMES.keys() == CHIP_FIGURES.keys()
