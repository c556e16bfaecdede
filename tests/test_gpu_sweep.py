"""The sweep on a GPU, without one and without PyTorch: its order, its state, its records and tables, and what it does when."""

from __future__ import annotations

import doctest
import importlib
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from advisor import validation
from advisor.lab import calibrate, evidence, tables
from engine import load
from engine.catalog import Catalog, load_document
from engine.documents import read_file
from engine.measurement import Measurement
from engine.network import build

FOLDER = Path(__file__).parents[1] / "benchmarks"
CHIP = "nvidia-h200-sxm"
SAMPLES = {"median_s": 0.002, "quartile_1_s": 0.002, "quartile_3_s": 0.002, "p90_s": 0.003, "p99_s": 0.004, "runs": 7}


@pytest.fixture(scope="module", name="script")
def imported() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield importlib.import_module("gpu_sweep")


@pytest.fixture
def plan(script: ModuleType) -> Any:
    return script.plan


@pytest.fixture
def records(script: ModuleType) -> Any:
    return script.records


@pytest.fixture
def power(script: ModuleType) -> Any:
    return script.power


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load()


def facts(**changed: Any) -> dict[str, Any]:
    """Return what a run says of its machine."""
    about = {
        "device": "cuda",
        "dry": False,
        "hardware": CHIP,
        "board": "NVIDIA H200, 132 SM",
        "machine": "NVIDIA H200, driver 1",
    }
    run = {"software": "PyTorch 2", "threads": 8, "seconds": 2.0, "by": "Roofwise", "meter": "NVML"}
    return about | run | changed


def known(points: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """Return what a state knows of a sweep."""
    about: dict[str, Any] = {"skipped": {}, "tried": {}, "error": {"value": 1e-3, "against": "fp32"}, "date": "2026-11-29"}
    return about | {"points": points, "machines": ["NVIDIA H200, driver 1"]} | changed


# What is measured, in which order.


def test_every_network_is_that_of_the_catalogue(plan: Any, catalog: Catalog) -> None:
    for name, about in plan.NETWORKS.items():
        network = build(catalog.workloads[about.workload], dict(about.sizes))
        assert (network.parameters, network.work) == (about.parameters, about.work), name


def test_the_study_leads_and_every_network_comes_in_every_precision(plan: Any) -> None:
    jobs = plan.jobs()
    assert {(job.network, job.dtype, job.mode) for job in jobs[:4]} == {
        (network, dtype, plan.GRAPH) for network in ("resnet18", "resnet50") for dtype in ("fp32", "fp16")
    }
    pairs = [(job.network, job.dtype) for job in jobs]
    assert {(network, dtype) for network in plan.NETWORKS for dtype in plan.DTYPES} == set(pairs)
    assert len({job.id(CHIP) for job in jobs}) == len(jobs)


def test_every_sweep_has_the_batches_of_the_study(plan: Any) -> None:
    assert sorted(plan.BATCHES) == [2**power for power in range(9)]
    assert all(set(job.batches) <= set(plan.BATCHES) for job in plan.jobs())


def test_a_choice_keeps_the_order(plan: Any) -> None:
    found = list(plan.chosen(plan.jobs(), ["resnet50"], ["fp16", "bf16"], []))
    assert [job for job in plan.jobs() if job.network == "resnet50" and job.dtype in {"fp16", "bf16"}] == found


def test_the_order_is_printed_without_pytorch(
    script: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["gpu_sweep.py", "--list", "--hardware", CHIP])
    assert script.main() == 0
    assert f"1 {CHIP}-resnet18-fp32-pytorch-cuda-graph" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--device", "cpu"], ["--device", "cpu", "--quick", "--hardware", CHIP]])
def test_a_dry_run_never_names_a_chip(script: ModuleType, wrong: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["gpu_sweep.py", *wrong])
    with pytest.raises(SystemExit):
        script.arguments()


# Statistics and power.


def test_quantiles_are_those_of_all_passes(records: Any) -> None:
    found = records.statistics([float(number) for number in range(1, 102)])
    assert (found["median_s"], found["p90_s"], found["p99_s"], found["runs"]) == (51.0, 91.0, 100.0, 101)
    assert records.statistics([2.0])["p99_s"] == 2.0


def test_power_is_counted_between_steps_of_the_counter(power: Any) -> None:
    """The counter steps each half second by 150 J; before the first step and after the last one nobody knows."""
    samples = [power.Sample(at=0.1 * tick, watts=1.0, joules=150.0 * (tick // 5)) for tick in range(24)]
    assert power.reading(samples, 0.0, 2.3).watts == pytest.approx(300.0)


def test_without_a_counter_power_is_the_mean_after_the_first_second(power: Any) -> None:
    samples = [power.Sample(at=0.1 * tick, watts=100.0 if tick < 10 else 400.0, sm_mhz=1980.0) for tick in range(21)]
    found = power.reading(samples, 0.0, 2.0)
    assert (found.watts, found.sm_mhz) == (400.0, 1980.0)


def test_without_samples_nothing_is_known(power: Any) -> None:
    assert power.reading([], 0.0, 2.0) == power.Reading()
    assert power.parsed("No devices were found", 0.0) is None


# Records.


@pytest.mark.parametrize("mode", ["cuda-graph", "eager", "torch-compile"])
def test_a_record_is_valid_and_says_what_was_measured(
    mode: str, script: ModuleType, records: Any, catalog: Catalog, tmp_path: Path
) -> None:
    job = script.plan.Job(network="bert-base-128", dtype="fp16", mode=mode)
    board = {
        "watts": 500.0,
        "power_from": "energy counter of the board",
        "sm_mhz": 1755.0,
        "celsius": 61.0,
        "memory_bytes": 2e9,
    }
    points = {
        "8": SAMPLES | {"throughput_per_s": 4000.0} | board,
        "1": SAMPLES | {"throughput_per_s": 500.0, "watts": None, "load": 0.1},
    }
    spec = records.record(job, known(points, skipped={"256": "out of memory"}, channels_last=True), facts())
    path = tmp_path / f"{spec['id']}.json"
    path.write_text(records.text_of(spec), encoding="utf-8")

    assert validation.validate_file(path).faults == ()
    record, _ = load_document(read_file(path), Measurement)
    assert record is not None
    assert record.id.startswith(f"{CHIP}-bert-base-fp16-")
    assert [point.batch for point in record.points] == [1, 8]
    eight = record.points[1]
    assert eight.latency is not None
    assert eight.power is not None
    assert (eight.latency.si, eight.power.si, eight.runs) == (0.002, 500.0, 7)
    assert "0.125 J for each sample" in (eight.power.note or "")
    assert "1755 MHz" in (eight.latency.note or "")
    assert record.points[0].power is None
    assert record.conditions is not None
    assert (record.conditions.quiet, record.conditions.load.si) == (True, 0.1)
    assert any("Batch 256 is left out: out of memory" in note for note in record.notes)
    (sweep,) = tables.read(path, catalog).sweeps
    assert sweep.runtime == ("eager" if mode == "eager" else "compiled")


def test_every_planned_record_is_about_the_catalogue(
    script: ModuleType, records: Any, catalog: Catalog, tmp_path: Path
) -> None:
    for job in script.plan.jobs():
        spec = records.record(job, known({"1": SAMPLES | {"throughput_per_s": 500.0}}), facts())
        path = tmp_path / "record.json"
        path.write_text(records.text_of(spec), encoding="utf-8")
        assert tables.read(path, catalog).outside == {}, spec["id"]


def test_a_dry_run_says_that_it_measured_nothing(script: ModuleType, records: Any) -> None:
    (job, *_) = script.plan.quick_jobs(gpu=False)
    spec = records.record(job, known({"1": SAMPLES | {"throughput_per_s": 500.0}}), facts(dry=True, hardware=records.DRY))
    assert spec["hardware"] == "dry-run"
    assert "no measurement" in spec["notes"][0]
    assert "no measurement" in spec["sources"]["run"]["title"]


@pytest.mark.parametrize(
    ("board", "units", "chip"),
    [
        ("NVIDIA H200", 132, "nvidia-h200-sxm"),
        ("NVIDIA H100 80GB HBM3", 132, "nvidia-h100-sxm"),
        ("NVIDIA H100 PCIe", 114, "nvidia-h100-pcie"),
        ("NVIDIA H100 NVL", 132, "nvidia-h100-nvl"),
        ("NVIDIA GH200 480GB", 132, "nvidia-gh200"),
        ("NVIDIA H200 MIG 1g.18gb", 16, None),
        ("NVIDIA T4", 40, None),
    ],
)
def test_boards_are_chips_of_the_catalogue(board: str, units: int, chip: str | None, records: Any, catalog: Catalog) -> None:
    assert records.chip_of(board, units) == chip
    assert chip is None or chip in catalog.accelerators.ids


# Tables of single kernels.


def products(dtype: str) -> list[dict[str, Any]]:
    """Return products that take 3 us and what 600 TFLOP/s take."""
    shapes = [(rows, *inner) for rows in (1, 16, 128, 1024, 8192) for inner in ((1024, 1024), (4096, 4096), (16384, 4096))]
    return [
        {"chip": CHIP, "dtype": dtype, "framework": "pytorch-2", "m": m, "n": n, "k": k, "latency_us": 3 + 2 * m * n * k / 6e8}
        for m, n, k in shapes
    ]


def test_the_tables_are_read_and_fitted_as_they_are(records: Any, catalog: Catalog, tmp_path: Path) -> None:
    attention = {"chip": CHIP, "framework": "pytorch-2", "num_heads": 12, "num_key_value_heads": 12, "head_dim": 64}
    attention |= {"kv_cache_dtype": "bfloat16", "batch_size": 1, "latency_us": 50.0}
    convolution = {"B": 1, "in_ch": 64, "out_ch": 64, "ksize": 3, "in_hw": 56, "stride": 1, "pad": 1, "latency_ms": 0.1}
    parts = {
        "one": {"tables": {"gemm": products("float16")}},
        "two": {"tables": {"gemm": products("tf32")}},
        "idle": {"idle_w": 70.0},
        "three": {
            "tables": {
                "gemm-fp32": [
                    {"device": CHIP, "op": "linear", "B": 1, "M": 64, "K_contract": 64, "N_out": 64, "latency_ms": 0.01}
                ],
                "vectors-fp32": [{"device": CHIP, "op": "ln", "rows": 64, "cols": 768, "latency_ms": 0.01}],
                "convolutions-fp32": [{"device": CHIP} | convolution],
                "attention": [attention | {"phase": "context", "isl": 128, "step": 0}],
            }
        },
    }
    found = records.tables(parts)
    assert found.keys() == records.TABLES.keys()
    for name, text in found.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    published = tables.read(tmp_path, catalog)
    assert (published.rows_read, published.rows_kept) == (34, 34)

    chip, read = evidence.read([tmp_path / "gemm.csv"], catalog)
    fitted = calibrate.calibrate(chip, read, catalog)
    assert {part.title for part in fitted.parts} == {"gemm in fp16, pytorch-2", "gemm in tf32, pytorch-2"}


@pytest.mark.parametrize("name", ["plan", "records", "power"])
def test_examples_run(name: str, script: ModuleType) -> None:
    found = doctest.testmod(getattr(script, name))
    assert found.attempted > 0
    assert found.failed == 0


# State.


def test_a_state_is_of_one_machine(script: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.json"
    script.State(path, {"hardware": CHIP}).save()
    assert [file.name for file in path.parent.iterdir()] == ["state.json"]
    with pytest.raises(script.StateError, match="nvidia-h200-sxm"):
        script.State(path, {"hardware": "nvidia-h100-sxm"})
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(script.StateError, match="no state"):
        script.State(path, {"hardware": CHIP})


# A run, with a device that is none.


class OutOfMemoryError(RuntimeError):
    """What a device raises."""


class Run:
    """Makes sweeps whose device answers by a table: an exception for each batch that fails."""

    def __init__(self, script: ModuleType, out: Path, **fails: Exception) -> None:
        self.script, self.out, self.fails, self.ran, self.now = script, out, fails, [], 0.0

    def go(self, *jobs: Any, minutes: float = 60.0) -> int:
        """Run the jobs for so long; each batch takes ten seconds."""
        sweep = self.script.Sweep.__new__(self.script.Sweep)
        nothing = SimpleNamespace(free=lambda: None, precision=lambda _: None, forget=lambda: None)
        torch = SimpleNamespace(cuda=SimpleNamespace(OutOfMemoryError=OutOfMemoryError), ones=lambda *_, **__: self)
        sweep.__dict__ |= {
            "torch": torch, "asked": SimpleNamespace(device="cuda"), "out": self.out, "bench": nothing, "seconds": 2.0,
            "longest": self.script.plan.LONGEST_S,
            "budget": self.script.plan.Budget(seconds=60 * minutes, clock=lambda: self.now), "facts": facts(),
            "meter": SimpleNamespace(alone=True), "state": self.script.State(self.out / "state.json", {"hardware": CHIP}),
            "_made": lambda *_: (None, False), "_point": self.point,
        }  # fmt: skip
        left: int = sweep.networks(jobs)
        return left

    def sum(self) -> Any:
        """Answer as a tensor does; the device lives unless it is told to be dead."""
        if "dead" in self.fails:
            raise self.fails["dead"]
        return SimpleNamespace(item=lambda: 1.0)

    def point(self, *of: Any) -> dict[str, Any]:
        """Take ten seconds, then answer or fail."""
        batch = of[3]
        self.now += 10
        self.ran.append(batch)
        if f"b{batch}" in self.fails:
            raise self.fails[f"b{batch}"]
        return SAMPLES | {"throughput_per_s": 500.0}

    def record(self, job: Any) -> Any:
        """Return the record of a job on the disk."""
        return json.loads((self.out / "records" / f"{job.id(CHIP)}.json").read_text(encoding="utf-8"))


def test_a_batch_without_memory_is_noted_and_the_sweep_goes_on(script: ModuleType, plan: Any, tmp_path: Path) -> None:
    job = plan.Job(network="resnet18", dtype="fp32", mode=plan.GRAPH, batches=(1, 8, 64, 2))
    run = Run(script, tmp_path, b64=OutOfMemoryError("too much"), b8=RuntimeError("no such kernel"))
    assert run.go(job) == 0
    assert run.ran == [1, 8, 64, 2]
    spec = run.record(job)
    assert [point["batch"] for point in spec["points"]] == [1, 2]
    assert [note for note in spec["notes"] if note.startswith("Batch")] == [
        "Batch 8 is left out: RuntimeError: no such kernel.", "Batch 64 is left out: out of memory."
    ]  # fmt: skip


def test_time_is_asked_between_batches_and_the_next_run_does_what_is_left(
    script: ModuleType, plan: Any, tmp_path: Path
) -> None:
    jobs = [plan.Job(network=name, dtype="fp32", mode=plan.GRAPH, batches=(1, 8, 64)) for name in ("resnet18", "resnet50")]
    run = Run(script, tmp_path)
    assert run.go(*jobs, minutes=0.35) == 2
    assert run.ran == [1, 8]
    assert len(run.record(jobs[0])["points"]) == 2
    again = Run(script, tmp_path)
    assert again.go(*jobs) == 0
    assert again.ran == [64, 1, 8, 64]
    assert Run(script, tmp_path).go(*jobs) == 0
    assert len(again.record(jobs[0])["points"]) == 3


def test_a_batch_that_never_comes_back_is_tried_twice(script: ModuleType, plan: Any, tmp_path: Path) -> None:
    job = plan.Job(network="resnet18", dtype="fp32", mode=plan.GRAPH, batches=(1, 8))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            Run(script, tmp_path, b1=KeyboardInterrupt()).go(job)  # type: ignore[arg-type]
    run = Run(script, tmp_path)
    assert run.go(job) == 0
    assert run.ran == [8]
    assert "Batch 1 is left out: it did not come back in earlier runs." in run.record(job)["notes"]


def test_a_device_that_is_gone_ends_the_run(script: ModuleType, plan: Any, tmp_path: Path) -> None:
    jobs = [plan.Job(network=name, dtype="fp32", mode=plan.GRAPH, batches=(1, 8)) for name in ("resnet18", "resnet50")]
    run = Run(script, tmp_path, b1=RuntimeError("illegal access"), dead=RuntimeError("illegal access"))
    with pytest.raises(script.Broken):
        run.go(*jobs)
    assert run.ran == [1]


def test_what_would_take_too_long_is_left_out(script: ModuleType, plan: Any, tmp_path: Path) -> None:
    """Batch 1 takes 2 ms, so batch 1000 up to 2 s."""
    job = plan.Job(network="resnet18", dtype="fp32", mode=plan.GRAPH, batches=(1, 1000))
    run = Run(script, tmp_path)
    assert run.go(job) == 0
    assert run.ran == [1]
    assert "Batch 1000 is left out: a pass is expected to take up to 2.0 s." in run.record(job)["notes"]
    assert plan.needed(job, 2.0, 1.0) == plan.PASSES + plan.OVERHEAD_S


def test_the_summary_has_a_line_for_each_sweep(records: Any) -> None:
    points = {"1": SAMPLES | {"throughput_per_s": 500.0}, "8": SAMPLES | {"throughput_per_s": 4000.0, "watts": 500.0}}
    header, one, two = records.summary([("a", known(points)), ("bb", known({}, skipped={"1": "why"}))]).splitlines()
    assert header.split() == ["sweep", "points", "b1", "ms", "best", "1/s", "at", "W", "J", "error", "out"]
    assert one.split() == ["a", "2", "2", "4000", "8", "500", "0.125", "1.0e-03", "0"]
    assert two.split()[0::8] == ["bb", "1"]
