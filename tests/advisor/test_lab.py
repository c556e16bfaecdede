"""The lab: a probe and its specs, a measured model and its record, the whole loop on one small network.

What is asserted of times is that they are there: how fast or how quiet the machine of a test is, nobody knows.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from advisor.cli import main
from advisor.inputs import RequestError
from advisor.lab import accuracy, canary, feeds, graphs, measure, probe, probed, session, stopwatch
from advisor.lab.boxes import read_probe, write_probe
from advisor.lab.measure import Wanted, same
from advisor.lab.points import Published
from advisor.lab.probe import Memory, Probed, Result
from advisor.lab.stopwatch import Load, times
from advisor.lab.sweeps import of_spec
from advisor.lab.topology import Topology, size_of
from advisor.report import charts
from advisor.report import lab as shown
from advisor.validation import validate_file
from engine.calibration import ELEMENT_CLASSES, WORK_CLASSES
from engine.catalog import load
from engine.measurement import Measurement

DATE = "2026-11-29"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return exit code, output and errors of a command."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


def model(path: Path, batch: int | str = "batch", tokens: str | None = None) -> Path:
    """Write a small network over images, or over as many numbers as an open axis has."""
    chance = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> Any:
        return numpy_helper.from_array(chance.standard_normal(shape, dtype=np.float32), name)

    if tokens is None:
        shape: list[Any] = [batch, 3, 16, 16]
        stored = [weight("w0", 16, 3, 3, 3), weight("w1", 16, 16, 1, 1), weight("w2", 16, 10)]
        nodes = [
            helper.make_node("Conv", ["x", "w0"], ["a"]), helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Conv", ["b", "w1"], ["c"]), helper.make_node("GlobalAveragePool", ["c"], ["d"]),
            helper.make_node("Flatten", ["d"], ["e"]), helper.make_node("MatMul", ["e", "w2"], ["y"]),
        ]  # fmt: skip
    else:
        shape, stored = [batch, tokens, 16], [weight("w", 16, 16)]
        nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "tiny", [given], [result], stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


MACHINE = Topology(
    processor="A processor", vendor="Us", cores=2, logical=4, last_cache=32 << 20, core_cache=1 << 20, memory=8 << 30,
    clock=3e9, power_limit=None,
)  # fmt: skip


def result(**changes: Any) -> Result:
    """Return what a probe might find: 100 GFLOP/s, 1 ns for an element."""
    one = Probed(graph=graphs.tiny(1), times=times([1e-6, 2e-6, 3e-6]), rounds=(2e-6, 2e-6, 2e-6))
    found = Result(
        topology=MACHINE, threads=1, device="cpu", software="onnxruntime 1", clock="processor time of one thread",
        load=Load(others=0.0, got=1.0), seconds=20.0,
        times=dict.fromkeys(WORK_CLASSES, 1e-11) | dict.fromkeys(ELEMENT_CLASSES, 1e-9), launch=1e-6, peak=110e9,
        memory=Memory(cache=16 << 20, bandwidth=20e9, product_bandwidth=10e9, best_bandwidth=25e9, overlap_loss=0.5),
        probes=(one,),
    )  # fmt: skip
    return replace(found, **changes)


# What a probe becomes.


def test_a_probe_is_a_chip_that_answers(tmp_path: Path) -> None:
    box = write_probe(result(), tmp_path / "mybox.json", "mybox", "", DATE)
    assert [validate_file(path).faults for path in (box.file, box.beside)] == [(), ()]
    machine = load([tmp_path]).machine("mybox", "fp32")
    assert dict(machine.rates) == {name: pytest.approx(1e-11 if name in WORK_CLASSES else 1e-9) for name in result().times}
    assert (machine.peak, machine.bandwidth, machine.cache) == (110e9, 25e9, 16 << 20)
    assert (machine.bandwidth_share, machine.product_share) == (pytest.approx(0.8), pytest.approx(0.4))
    assert (machine.launch, machine.overlap_loss, machine.on_chip) == (1e-6, 0.5, 33 << 20)
    assert box.accelerator.confidence == "measured"


def test_a_power_limit_is_what_the_system_tells_else_the_familys_assumption_by_cores(tmp_path: Path) -> None:
    chip = write_probe(result(), tmp_path / "mybox.json", "mybox", "", DATE).accelerator
    catalog = load([tmp_path])
    per_core = catalog.calibrations["cpu"].energy
    assert chip.tdp is None
    assert per_core is not None
    assert per_core.tdp_per_unit is not None
    machine = catalog.machine("mybox", "fp32")
    assert machine.tdp_w == per_core.tdp_per_unit.si * 1  # one thread
    assert machine.idle_w == per_core.idle_share.si * machine.tdp_w
    assert {"tdp", "idle_power"} <= set(machine.assumed)
    told = probed.accelerator(result(topology=replace(MACHINE, power_limit=65.0)), "mybox", "", DATE)
    assert told.tdp is not None
    assert (told.tdp.si, told.tdp.source) == (65.0, "system")


def test_a_machine_that_was_not_quiet_says_so() -> None:
    loud = result(load=Load(others=0.6, got=0.7))
    chip, rates = probed.accelerator(loud, "mybox", "", DATE), probed.calibration(loud, "mybox", DATE)
    assert "Not quiet: other processes took 0.6 cores" in chip.notes[0]
    assert rates.probe is not None
    assert (rates.probe.quiet, rates.probe.load.si) == (False, 0.6)
    assert not any("quiet" in note.casefold() for note in probed.accelerator(result(), "mybox", "", DATE).notes)


def test_a_probe_whose_rounds_differ_says_so() -> None:
    (one,) = result().probes
    shaky = result(probes=(replace(one, rounds=(1e-6, 2e-6, 3e-6)),))
    assert not shaky.stable
    assert probed.calibration(shaky, "mybox", DATE).notes[0].startswith("Not stable")


def test_a_spec_without_rates_is_no_probe(tmp_path: Path) -> None:
    box = write_probe(result(), tmp_path / "mybox.json", "mybox", "", DATE)
    assert read_probe(box.file).calibration == box.calibration
    box.beside.unlink()
    with pytest.raises(RequestError, match=r"there is no mybox\.calibration\.json beside it"):
        read_probe(box.file)


# Numbers of a probe, by hand.


def test_what_comes_from_memory_is_timed_by_its_middle_round_and_all_else_by_its_calmest() -> None:
    graph = replace(graphs.tiny(1), name="gemm", amount=1e6, kernels=1)
    shaken = Probed(graph=graph, times=times([1e-3, 2e-3, 9e-3]), rounds=(9e-3, 1e-3, 2e-3))
    assert (shaken.seconds, shaken.usual) == (1e-3, 2e-3)
    assert probe._class_times([shaken], 0.0) == {"gemm": pytest.approx(1e-9)}
    far = replace(shaken, graph=replace(graph, name="elementwise", amount=1.0, traffic=1e6))
    one_row, few_rows = (replace(shaken, graph=replace(graph, amount=1.0, traffic=1e6)) for _ in range(2))
    found = probe._memory([far, far, one_row, few_rows], {"elementwise": 1e-12, "gemm": 1e-12}, MACHINE)
    assert (found.bandwidth, found.product_bandwidth) == (pytest.approx(1e6 / 2e-3), pytest.approx(1e6 / 2e-3))
    assert found.best_bandwidth == pytest.approx(1e6 / 1e-3)


def test_a_rate_is_the_geometric_mean_over_sizes_without_launches() -> None:
    def one(seconds: float, kernels: int) -> Probed:
        graph = replace(graphs.tiny(1), name="gemm", amount=1e6, kernels=kernels)
        return Probed(graph=graph, times=times([seconds]), rounds=(seconds,))

    found = probe._class_times([one(4e-3, 1), one(1e-3 + 2e-6, 2)], 1e-6)
    assert found["gemm"] == pytest.approx(np.sqrt((4e-3 - 1e-6) * 1e-3) / 1e6)


def test_memory_is_told_by_what_takes_longer_than_in_the_cache() -> None:
    near = {"elementwise": 1e-10, "gemm": 1e-11}

    def sums(elements: int, seconds: float) -> Probed:
        graph = replace(graphs.tiny(1), name="elementwise", amount=3.0 * elements, traffic=12.0 * elements, kernels=1)
        return Probed(graph=graph, times=times([seconds]), rounds=(seconds,))

    def product(rows: int, seconds: float) -> Probed:
        graph = replace(graphs.tiny(1), name="gemm", amount=2e7 * rows, traffic=4e7, kernels=1)
        return Probed(graph=graph, times=times([seconds]), rounds=(seconds,))

    beyond = sums(10_000_000, 3e-3 + 6e-3)  # 120 MB in 6 ms beside 3 ms in the cache
    half_near = sums(2_000_000, 0.6e-3 + 0.6e-3)  # fetches 12 of its 24 MB
    found = probe._memory([half_near, beyond, product(1, 2e-4 + 4e-3), product(16, 3.2e-3 + 0.8e-3)], near, MACHINE)
    assert found.bandwidth == pytest.approx(20e9)
    assert found.cache == pytest.approx(12e6)
    assert found.product_bandwidth == pytest.approx(10e9)
    assert found.overlap_loss == 0.0
    assert found.best_bandwidth == pytest.approx(20e9)


def test_times_have_quantiles_and_a_run_is_repeated_until_the_budget_is_spent() -> None:
    found = times([float(second) for second in range(1, 102)])
    assert (found.runs, found.median, found.quartile_1, found.quartile_3, found.p90, found.least) == (101, 51, 26, 76, 91, 1)
    ticks = iter(range(100))
    assert stopwatch.repeat(lambda: None, lambda: float(next(ticks)), budget_s=0.0, least=3) == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(("others", "got", "quiet"), [(0.1, 1.0, True), (0.3, 1.0, False), (0.0, 0.9, False)])
def test_a_machine_is_quiet_where_others_leave_it_alone(others: float, got: float, quiet: bool) -> None:
    assert Load(others=others, got=got).quiet == quiet


def test_the_canary_tells_how_much_longer_it_takes_than_at_its_best(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([2.0, 1.0, *[3.0] * (canary.FIRST - 2), 1.5, 0.5, 1.0])
    monkeypatch.setattr(canary.Canary, "_read", lambda _: next(seconds))
    bird = canary.Canary(1, "cpu")
    assert bird.best == 1.0
    assert [bird.unrest() for _ in range(3)] == [0.5, 0.0, 1.0]


def test_a_batch_is_timed_again_where_the_machine_is_not_calm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unrest = iter([0.0, 0.4, 0.1, 0.2, 0.3, 0.3])
    monkeypatch.setattr(canary.Canary, "unrest", lambda _: next(unrest))
    wanted = Wanted(
        model=model(tmp_path / "tiny.onnx"), workload="tiny", hardware="mybox", batches=(1,), threads=1, device="cpu",
        date=DATE, digest="d" * 64, budget_s=0.0,
    )  # fmt: skip
    *_, record = measure.measure(wanted, None)
    assert record.conditions is not None
    assert record.conditions.unrest is not None
    assert record.conditions.unrest.si == 0.2  # the calmest of three attempts
    assert next(unrest, None) is None


def test_sizes_of_caches_are_read_as_linux_writes_them() -> None:
    assert [size_of(text) for text in ("32768K", "1M", "64", "none")] == [32 << 20, 1 << 20, 64, 0]


def test_a_profile_leaves_the_first_pass_out() -> None:
    def event(name: str, microseconds: float) -> Mapping[str, Any]:
        return {"args": {"op_name": name}, "dur": microseconds}

    passes = [[event("Conv", 900), event("Add", 900)], *[[event("Conv", 30 + n), event("Add", 5)] for n in range(3)]]
    kinds = session._kinds([one for each in passes for one in each], 3)
    assert [(kind.operator, kind.count, pytest.approx(1e6 * kind.seconds)) for kind in kinds] == [
        ("Conv", 1, 31),
        ("Add", 1, 5),
    ]


@pytest.mark.parametrize("graph", list(graphs.classes()), ids=lambda graph: f"{graph.name}: {graph.what}")
def test_every_class_is_probed_by_a_graph_without_a_weight_of_0(graph: graphs.Graph) -> None:
    read = onnx.load_from_string(graph.model)
    assert graph.name in {*WORK_CLASSES, *ELEMENT_CLASSES}
    weights = [numpy_helper.to_array(one) for one in read.graph.initializer if one.data_type == TensorProto.FLOAT]
    assert all((weight != 0).all() for weight in weights)
    assert graph.kernels == len(read.graph.node)


def test_every_class_has_a_graph() -> None:
    assert {graph.name for graph in graphs.classes()} == {*WORK_CLASSES, *ELEMENT_CLASSES}


# What a model is fed.


class _Input:
    def __init__(self, name: str, kind: str, *shape: Any) -> None:
        self.name, self.type, self.shape = name, kind, list(shape)


class _Session:
    def __init__(self, *inputs: _Input) -> None:
        self.inputs = inputs

    def get_inputs(self) -> tuple[_Input, ...]:
        return self.inputs


def test_a_model_is_fed_what_its_inputs_take() -> None:
    inputs = [
        _Input("pixels", "tensor(float)", "N", 3), _Input("tokens", "tensor(int64)", "N", "s"),
        _Input("attention_mask", "tensor(int64)", "N", "s"), _Input("token_type_ids", "tensor(int32)", "N", "s"),
    ]  # fmt: skip
    fed = feeds.feeds(_Session(*inputs), 2, {"s": 5})
    assert {name: values.shape for name, values in fed.items()} == {
        "pixels": (2, 3), "tokens": (2, 5), "attention_mask": (2, 5), "token_type_ids": (2, 5),
    }  # fmt: skip
    assert (fed["attention_mask"] == 1).all()
    assert (fed["token_type_ids"] == 0).all()
    assert (fed["pixels"] != 0).all()


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (_Input("tokens", "tensor(int64)", "N", "s"), "leaves its axis s open; give it: --size s=N"),
        (_Input("words", "tensor(string)", "N"), r"is a tensor\(string\)"),
    ],
)
def test_an_input_that_cannot_be_fed_is_named(one: _Input, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        feeds.feeds(_Session(one), 1, {})


# Two campaigns, kept: each a probe and 72 points of twelve networks on a machine of two cores, one thread (benchmarks/lab.py).

CAMPAIGNS = Path(__file__).parents[1] / "data" / "lab"


@pytest.mark.parametrize(("campaign", "mean", "near"), [("second", 0.045, 9), ("third", 0.054, 7)])
def test_a_probe_predicts_networks_that_no_fit_saw(campaign: str, mean: float, near: int) -> None:
    catalog = load([CAMPAIGNS / campaign])
    records = [record for record in catalog.measurements if record.hardware == "mybox"]
    found = accuracy.report(sum((of_spec(one, catalog) for one in records), start=Published()), catalog, ("network",))
    assert (found.whole.points, found.whole.violations, found.whole.without_estimate) == (72, 0, 0)
    assert found.whole.error_mean_share is not None
    assert found.whole.error_mean_share < mean
    assert found.whole.below_p90_share is not None
    assert found.whole.below_p90_share > 0.9
    within = [row.name for row in found.rows if row.figures.error_mean_share and row.figures.error_mean_share < 0.05]
    assert len(within) >= near


# The whole loop, on this machine, without a word about how fast it is.


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make probes short and small."""
    for name, value in {"ROUNDS": 1, "MORE_ROUNDS": 0, "ROUND_S": 0.0, "LAUNCH_S": 0.0, "LARGEST": 1 << 20}.items():
        monkeypatch.setattr(probe, name, value)


@pytest.mark.usefixtures("quick")
def test_the_loop_from_a_probe_to_what_it_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    box, record = tmp_path / "mybox.json", tmp_path / "tiny.json"
    tiny = model(tmp_path / "tiny.onnx")
    code, out, err = run(capsys, "probe", "--threads", "1", "-o", str(box))
    assert (code, err) == (0, "")
    assert f"next: advise --specs {tmp_path} --model resnet50 --latency 50ms --hardware mybox" in out
    assert run(capsys, "validate", str(tmp_path))[0] == 0

    quickly = ("--threads", "1", "--seconds", "0.01", "-o", str(record))
    assert run(capsys, "measure", str(tiny), "--batch", "1", *quickly)[0] == 0
    first = json.loads(record.read_text(encoding="utf-8"))
    code, out, _ = run(capsys, "measure", str(tiny), "--batch", "1,2", *quickly, "--format", "json")
    assert code == 0
    second = json.loads(out)
    assert [point["batch"] for point in second["points"]] == [1, 2]
    assert second["points"][0] == first["points"][0]  # kept, not measured again
    assert second["profiles"] == first["profiles"]
    assert {"Conv", "MatMul"} <= {line["operator"].removeprefix("Fused") for line in second["profiles"][0]["kernels"]}
    assert second["conditions"]["threads"] == 1

    specs = ("--specs", str(tmp_path))
    code, out, err = run(capsys, "accuracy", "--data", str(record), *specs, "--by", "hardware,network", "--format", "json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert [(row["hardware"], row["network"], row["points"]) for row in told["rows"]] == [("mybox", "tiny", 2)]
    assert told["outside"] == {}
    code, out, _ = run(capsys, "calibrate", str(record), *specs, "-o", str(tmp_path / "fit.json"))
    assert code == 0
    fit = json.loads((tmp_path / "fit.json").read_text(encoding="utf-8"))
    assert set(fit["correction"]) >= {"launch_factor", "time_factor", "class_factors"}
    assert run(capsys, "predict", "--model", "resnet50", "--hardware", "mybox", "--batch", "1", *specs)[0] == 0


@pytest.mark.usefixtures("quick")
def test_the_lab_writes_one_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny, folder = model(tmp_path / "tiny.onnx"), tmp_path / "my-lab"
    asked = ("lab", str(tiny), "--folder", str(folder), "--batch", "1,2", "--threads", "1", "--seconds", "0.01")
    code, out, err = run(capsys, *asked, "--format", "json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert [row["batch"] for row in told["rows"]] == [1, 2]
    assert all(row["bound_s"] <= min(row["before_s"], row["after_s"]) for row in told["rows"])
    assert {Path(file).name for file in told["files"]} == {
        "mybox.json",
        "mybox.calibration.json",
        "tiny.json",
        "mybox.fit.json",
    }
    before = {path: path.read_bytes() for path in folder.iterdir()}
    code, page, _ = run(capsys, *asked, "--format", "md")
    assert code == 0
    assert all(word in page for word in ("# The lab: tiny", "## What the fit changed", "| batch | bound | before | measured"))
    kept = [path for path, data in before.items() if path.name != "mybox.fit.json" and path.read_bytes() != data]
    assert kept == []  # neither probed nor measured again
    code, _, err = run(capsys, *asked[:-4], "--threads", "2")
    assert code == 2
    assert "was probed with 1, not with 2" in err


def test_the_picture_of_a_loop_has_a_line_for_each_kind_of_time() -> None:
    names = list(shown.LINES.values())
    rows = [{"batch": 1.0, "is": name, "seconds": 1e-3} for name in names]
    drawn = charts.times(rows, names)
    assert drawn.spec["encoding"]["color"]["scale"]["domain"] == names
    assert [row["is"] for row in drawn.spec["data"]["values"]] == names


def test_a_model_that_fixes_its_batch_runs_that_batch_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fixed, out = model(tmp_path / "fixed.onnx", 1), str(tmp_path / "fixed.json")
    code, _, err = run(capsys, "measure", str(fixed), "--batch", "1,4", "-o", out)
    assert code == 2
    assert "fixes its batch at 1, so 4 cannot be run; ask for --batch 1" in err
    assert run(capsys, "measure", str(fixed), "--batch", "1", "-o", out, "--seconds", "0.01", "--threads", "1")[0] == 0


def test_an_axis_that_the_file_leaves_open_may_be_fixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokens, out = model(tmp_path / "tokens.onnx", tokens="seq"), tmp_path / "tokens.json"
    asked = ("measure", str(tokens), "--batch", "2", "-o", str(out), "--seconds", "0.01", "--threads", "1", "--size", "seq=7")
    assert run(capsys, *asked)[0] == 0
    workload = json.loads((tmp_path / "tokens.workload.json").read_text(encoding="utf-8"))
    assert workload["inputs"] == {"x": [7, 16]}


def test_a_file_that_is_no_record_of_the_model_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny, out = model(tmp_path / "tiny.onnx"), tmp_path / "other.json"
    out.write_text('{"$schema": "measurement.schema.json", "id": "x"}', encoding="utf-8")
    before = out.read_bytes()
    code, _, err = run(capsys, "measure", str(tiny), "--batch", "1", "-o", str(out))
    assert code == 2
    assert str(out) in err
    assert out.read_bytes() == before


def test_a_model_that_is_none_is_an_error_that_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "not.onnx").write_bytes(b"nothing of the kind")
    code, _, err = run(capsys, "measure", str(tmp_path / "not.onnx"), "-o", str(tmp_path / "x.json"))
    assert code == 2
    assert "not.onnx" in err


def test_points_join_only_a_record_of_the_same_conditions(tmp_path: Path) -> None:
    wanted = Wanted(
        model=tmp_path / "m.onnx", workload="tiny", hardware="mybox", batches=(1,), threads=2, device="cpu", date=DATE,
        digest="d" * 64,
    )  # fmt: skip
    record = Measurement.model_validate({
        "id": "a", "workload": "tiny", "hardware": "mybox", "dtype": "fp32", "software": session.version(), "method": "m",
        "conditions": {"machine": "m", "threads": 2, "quiet": True, "load": {"value": 0, "unit": "1", "source": "run"}},
        "sources": {"run": {"title": f"advise measure: m.onnx, SHA-256 {'d' * 64}"}},
        "points": [{"batch": 1, "latency": {"value": 1, "unit": "ms", "source": "run"}}],
    })  # fmt: skip
    assert same(record, wanted)
    others = ({"threads": 1}, {"hardware": "yours"}, {"workload": "big"}, {"digest": "e" * 64})
    assert [same(record, replace(wanted, **other)) for other in others] == [False] * 4


def test_the_library_is_loaded_without_what_numbers_the_machine(tmp_path: Path) -> None:
    code = "from advisor.lab.session import library; print(library().__version__)"
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    told = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True).stdout
    assert told.strip()
    assert list(tmp_path.iterdir()) == []
