"""`advise show MODEL`: totals, fusion, memory, and kernel by kernel, on a chip or on none."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import strategies
from jsonschema import Draft202012Validator

from advisor.cli import main
from advisor.model_contract import ModelPart
from advisor.model_table import View, tabulate
from advisor.report.model import as_text, label, lines
from engine.catalog import data_root
from engine.rows import predict

Run = Callable[..., tuple[int, str, str]]
WORKLOADS = ("resnet50", "bert-base", "gpt2", "inception-v3", "mobilenet-v3-large", "vit-b-16", "yolov3")
L4 = ("--hardware", "nvidia-l4")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs `advise show` in this process and gives exit code, output and errors."""
    monkeypatch.delenv("ROOFWISE_SPECS", raising=False)

    def show(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["show", *arguments])
        printed = capsys.readouterr()
        return int(stop.value.code or 0), printed.out, printed.err

    return show


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Return the file of a small model: two layers of a size, an activation, and a reshape."""
    spec = {
        "$schema": "../../schemas/workload.schema.json", "id": "own", "name": "Own", "task": "an example", "source": "us",
        "sources": {"us": {"title": "our own network"}},
        "sizes": {"image": {"default": 33, "minimum": 8, "maximum": 64, "unit": "pixel", "source": "us"}},
        "inputs": {"pixels": ["image", "ceil(image / 2)"]},
        "graph": [
            {"op": "linear", "name": "first", "out_features": "min(40, 2 * image)", "bias": False},
            {"op": "activation", "name": "act", "function": "relu"},
            {"op": "reshape", "name": "flat", "to": ["image * min(40, 2 * image)"]},
            {"op": "linear", "name": "last", "out_features": "max(image // 8, 10)", "bias": False},
        ],
    }  # fmt: skip
    path = tmp_path / "own.json"
    path.write_text(json.dumps(spec), encoding="utf-8")
    return path


def shown(run: Run, *arguments: str) -> dict[str, Any]:
    """Return the JSON of a model, which must follow its schema."""
    code, out, err = run(*arguments, "--format", "json")
    assert (code, err) == (0, "")
    schema = json.loads((data_root() / "schemas" / "model.schema.json").read_text(encoding="utf-8"))
    answer: dict[str, Any] = json.loads(out)
    Draft202012Validator(schema).validate(answer)
    return answer


def table(name: str, **fields: Any) -> ModelPart:
    return tabulate(strategies.catalog().workloads[name], View(sizes={}, **fields))


def test_the_totals_of_resnet50_in_32_bits(run: Run) -> None:
    answer = shown(run, "resnet50", "--dtype", "fp32")
    assert (answer["dtype"], answer["element_bytes"], answer["hardware"]) == ("fp32", 4, None)
    assert answer["totals"] == {
        "macs_per_sample": 4_089_184_256,
        "work_flop_per_sample": 2 * 4_089_184_256,
        "parameters": 25_557_032,
        "active_parameters": 25_557_032,
        "weight_bytes": 4 * 25_557_032,
        "cache_bytes_per_token": 0,
        "cache_bytes_per_sample": 0,
        "activation_traffic_bytes_per_sample": 113_618_848,
        "peak_activation_bytes_per_sample": 4 * (64 * 56 * 56 + 2 * 256 * 56 * 56),  # operand, shortcut and result of a conv3
    }
    spared = norms = 64 * 112**2
    spared += norms  # the first activation
    for width, side, blocks, first in ((64, 56, 3, 56), (128, 28, 4, 56), (256, 14, 6, 28), (512, 7, 3, 14)):
        narrow, wide = width * (first**2 + (2 * blocks - 1) * side**2), 4 * width * side**2
        spared += 2 * narrow + wide  # norm and activation of the first two convolutions; the shortcut's norm
        spared += 3 * blocks * wide  # norm, sum and activation of the third
    assert answer["fusion"]["activation_traffic_unfused_bytes_per_sample"] == 113_618_848 + 4 * 2 * spared


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "int8", "int4"])
def test_bytes_are_those_of_the_number_format(dtype: str) -> None:
    width = {"fp32": 4, "bf16": 2, "int8": 1, "int4": 0.5}[dtype]
    made, single = table("bert-base", dtype=dtype), table("bert-base", dtype="int8")
    for name in ("weight_bytes", "activation_traffic_bytes_per_sample", "peak_activation_bytes_per_sample"):
        assert getattr(made.totals, name) == width * getattr(single.totals, name)
    assert made.totals.macs_per_sample == single.totals.macs_per_sample == 11_174_215_680


@pytest.mark.parametrize(
    "arguments",
    [
        ("resnet18",),
        ("resnet18", *L4, "--batch", "8"),
        ("bert-base", "--hardware", "nvidia-a100-sxm-80", "--runtime", "eager", "--seq-len", "384"),
        ("mobilenet-v2", "--hardware", "hailo-8"),
        ("gpt2", "--hardware", "google-tpu-v4"),
    ],
)  # fmt: skip
def test_the_json_follows_its_schema_and_keeps_the_spec(run: Run, arguments: tuple[str, ...]) -> None:
    answer = shown(run, *arguments)
    spec = json.loads((data_root() / "specs" / "workloads" / f"{arguments[0]}.json").read_text(encoding="utf-8"))
    assert {key: answer[key] for key in ("id", "name", "task", "source")} == {
        key: spec[key] for key in ("id", "name", "task", "source")
    }
    assert len(answer["graph"]) == len(spec["graph"])


def test_a_kernel_by_hand(run: Run, own: Path) -> None:
    answer = shown(run, str(own), "--size", "image=20", *L4, "--batch", "4")
    first, last = answer["kernels"]
    assert answer["input_shapes"] == {"pixels": [20, 10]}
    assert [(one["name"], one["op"], one["shape"]) for one in first["operators"]] == [
        ("first", "linear", [20, 40]),
        ("act", "activation", [20, 40]),
    ]
    work, weights, apart, fused = 2 * 20 * 10 * 40, 2 * 10 * 40, 2 * (20 * 10 + 3 * 20 * 40), 2 * (20 * 10 + 20 * 40)
    assert first["work_flop_per_sample"] == work
    assert first["weight_traffic_bytes"] == weights
    assert first["activation_traffic_unfused_bytes_per_sample"] == apart
    assert first["activation_traffic_bytes_per_sample"] == fused
    assert first["arithmetic_intensity_flop_per_byte"] == pytest.approx(4 * work / (weights + 4 * fused))
    assert first["ridge_batch"] == "never"  # 16 FLOP for two bytes in and out are below any ridge point
    chip = strategies.catalog().accelerators["nvidia-l4"]
    assert chip.memory.bandwidth is not None
    ratio = chip.peak_dense["bf16"].si / chip.memory.bandwidth.si
    work, weights, fused = 2 * 800 * 10, 2 * 800 * 10, 2 * (800 + 10)
    assert last["ridge_batch"] == (
        "never" if work <= fused * ratio else pytest.approx(weights * ratio / (work - fused * ratio))
    )


def test_a_runtime_that_fuses_nothing_says_so() -> None:
    eager = table("bert-base", machine=strategies.catalog().machine("nvidia-a100-sxm-80", "bf16", "eager"))
    told = "eager fuses none, and its kernels stand below"
    assert told in " ".join(as_text(eager, 100).split())
    assert told not in " ".join(as_text(table("bert-base"), 100).split())


def test_the_ridge_batch_by_hand() -> None:
    """A layer of 4096 x 4096 turns compute-bound where its weights are shared by enough samples."""
    layer = {"op": "linear", "name": "a", "out_features": 4096, "bias": False}
    machine = strategies.machine("tiled")
    made = tabulate(strategies.workload([layer], {"x": [4096]}), View(sizes={}, machine=machine))
    work, weights, each, ratio = 2 * 4096**2, 2 * 4096**2, 2 * 2 * 4096, 989.4e12 / 3.35e12
    assert made.kernels[0].ridge_batch == pytest.approx(weights * ratio / (work - each * ratio))
    assert made.time is not None
    assert made.time.ridge_batch == pytest.approx(weights * ratio / (work - each * ratio))


@pytest.mark.parametrize("runtime", ["graph", "eager"])
def test_the_shares_are_of_all_kernels_as_the_runtime_launches_them(runtime: str) -> None:
    network, machine = strategies.network("bert-base"), strategies.catalog().machine("nvidia-a100-sxm-80", "bf16", runtime)
    made = table("bert-base", machine=machine, batch=4)
    assert [kernel.name for kernel in made.kernels] == [
        kernel.name for kernel in (network.kernels if runtime == "graph" else network.unfused)
    ]
    assert sum(kernel.share_of_kernels or 0 for kernel in made.kernels) == pytest.approx(1)
    assert made.time is not None
    assert made.time.kernels_s == pytest.approx(sum(kernel.time_s or 0 for kernel in made.kernels))
    assert (made.time.latency_estimate_s or 0) >= (made.time.kernels_s or 0)


def test_time_and_memory_are_those_of_a_prediction() -> None:
    (row,) = predict("resnet50", ["nvidia-l4"], [8], ["int8"])
    made = table("resnet50", machine=strategies.catalog().machine("nvidia-l4", "int8"), dtype="int8", batch=8)
    assert made.time is not None
    assert made.time.latency_estimate_s == row["latency_estimate_s"]
    assert made.memory.memory_bytes == row["memory_bytes"]


def test_memory_by_hand(run: Run, own: Path) -> None:
    """Weights once, the live activations of every sample; without a chip no workspace."""
    memory = shown(run, str(own), "--size", "image=20", "--dtype", "fp32", "--batch", "3")["memory"]
    weights, live = 4 * (10 * 40 + 800 * 10), 3 * 4 * (20 * 10 + 20 * 40)
    assert memory == {
        "batch": 3, "weight_bytes": weights, "peak_activation_bytes": live, "cache_bytes": 0, "workspace_bytes": None,
        "memory_bytes": weights + live,
    }  # fmt: skip


@pytest.mark.parametrize("name", WORKLOADS)
def test_what_operators_spare_is_what_travels_less(name: str) -> None:
    fusion = table(name, dtype="int8").fusion
    spared = fusion.activation_traffic_unfused_bytes_per_sample - fusion.activation_traffic_bytes_per_sample
    assert sum(one.bytes_per_sample for one in fusion.saved) == spared


def test_the_text_says_what_fuses_and_what_does_not(run: Run, own: Path) -> None:
    _, out, _ = run("resnet50", "--dtype", "fp32")
    told = " ".join(out.split())
    assert "174 operators, in 56 kernels" in told
    assert "324 MB one by one, 114 MB fused, in fp32" in told
    assert "batch_norm rides on the kernel before, 53 times" in told
    assert "stem_conv + norm + relu" in told
    _, out, _ = run(str(own))
    assert "4 operators, 1 of them views, in 2 kernels" in out
    assert "activation rides on the kernel before, once" in out


@pytest.mark.parametrize("name", WORKLOADS)
def test_equal_kernels_of_repeated_blocks_are_one_line(name: str) -> None:
    made = table(name)
    folded = lines(made)
    assert sum(line.count for line in folded) == len(made.kernels)
    assert len({label(line) for line in folded}) == len(folded)
    asked = Counter((k.work_flop_per_sample, k.weight_traffic_bytes, tuple(k.shape)) for k in made.kernels)
    told: Counter[Any] = Counter()
    for line in folded:
        kernel = line.kernel
        told[kernel.work_flop_per_sample, kernel.weight_traffic_bytes, tuple(kernel.shape)] += line.count
    assert asked == told


def test_the_layers_of_bert_take_seven_lines_and_all_of_them_with_all(run: Run) -> None:
    _, out, _ = run("bert-base")
    rows = out.partition("\nkernel ")[2].splitlines()[1:]
    assert sum(row.startswith("layer_0..11_") for row in rows) == 7
    _, out, _ = run("bert-base", "--all")
    assert len(out.partition("\nkernel ")[2].splitlines()[1:]) == 89 + 1


def test_names_that_differ_in_more_than_a_number_by_itself_stay_apart() -> None:
    layer = {"op": "linear", "out_features": 8}
    graph = [
        layer | {"name": name} for name in ("fc1", "fc2", "head_3", "head_5", "head_4_x", "tail_1_2", "tail_2_2", "tail_9_2")
    ]
    made = tabulate(strategies.workload(graph, {"x": [8]}), View(sizes={}))
    found = [(line.name, line.count) for line in lines(made)]
    assert found == [("fc1", 1), ("fc2", 1), ("head_3,5", 2), ("head_4_x", 1), ("tail_1,2,9_2", 3)]


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("name", ["resnet50", "bert-base", "gpt2", "inception-v3"])
def test_no_line_is_wider_than_the_terminal(name: str, every: bool) -> None:
    for made in (table(name), table(name, machine=strategies.catalog().machine("nvidia-l4", "bf16"), batch=64)):
        for width in (80, 100, 140):
            assert max(map(len, as_text(made, width, every=every).splitlines())) <= width


def test_the_page_takes_the_width_of_the_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advisor.output.width", lambda: 80)
    assert max(map(len, run("resnet50", *L4)[1].splitlines())) <= 80
    monkeypatch.setattr("advisor.output.width", lambda: 140)
    assert "layer1_0..2_conv3 + norm + add + relu" in run("resnet50", *L4)[1]


def test_expressions_of_sizes_are_shown_with_their_values(run: Run, own: Path) -> None:
    _, out, _ = run(str(own), "--size", "image=20")
    assert "pixels image x ceil(image / 2) = 20 x 10" in out
    told = " ".join(out.split())
    for text in (
        "ceil(image / 2) = 10",
        "min(40, 2 * image) = 40",
        "image * min(40, 2 * image) = 800",
        "max(image // 8, 10) = 10",
    ):
        assert text in told
    answer = shown(run, str(own), "--size", "image=20")
    assert answer["expressions"]["max(image // 8, 10)"] == 10
    assert answer["chosen_sizes"] == {"image": 20}


def test_a_file_is_shown_as_a_model_of_ours(run: Run) -> None:
    path = data_root() / "specs" / "workloads" / "resnet18.json"
    for form in ("md", "json"):
        assert run(str(path), "--format", form) == run("resnet18", "--format", form)


def test_published_totals_are_compared_at_the_sizes_that_they_were_published_for(run: Run) -> None:
    small = shown(run, "resnet50", "--size", "image=64")
    assert small["totals"]["macs_per_sample"] < 1e9
    assert small["compared"] == shown(run, "resnet50")["compared"]
    assert [one["counted"] for one in small["compared"]] == [2 * 4_089_184_256, 25_557_032]


def test_csv_has_a_row_for_every_kernel(run: Run) -> None:
    _, out, _ = run("resnet18", "--format", "csv", *L4)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["name"] for row in rows] == [kernel.name for kernel in strategies.network("resnet18").kernels]
    assert rows[0]["operators"] == "stem_conv stem_conv_bn stem_conv_relu"
    assert sum(float(row["share_of_kernels"]) for row in rows) == pytest.approx(1)


def test_a_chip_that_lacks_a_figure_has_no_times_and_says_so(run: Run) -> None:
    answer = shown(run, "resnet18", "--hardware", "hailo-8")
    assert {(k["ridge_batch"], k["time_s"], k["share_of_kernels"]) for k in answer["kernels"]} == {(None, None, None)}
    _, out, _ = run("resnet18", "--hardware", "hailo-8")
    assert "unknown, for want of a figure of the chip" in " ".join(out.split())
    assert "ridge" not in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nvidia-l4", "--batch", "3", "--all"), ["--batch: nvidia-l4 is no model", "--all: nvidia-l4 is no model"]),
        (("L201", "--format", "csv"), ["--format: no 'csv'; use text, md, json"]),
        (
            ("resnet50", "--batch", "0", "--size", "imag=3", "--dtype", "bf17", "--runtime", "eager"),
            ["did you mean image?", "'0' is no whole number", "--runtime: how software runs a model", "did you mean bf16?"],
        ),
        (("resnet50", "--hardware", "nvidia-l4", "--dtype", "fp65"), ["--hardware: no peak of nvidia-l4 in 'fp65'"]),
        (("resnet50", "--hardware", "nvidia-l5"), ["did you mean nvidia-l4"]),
    ],
)
def test_faults_of_a_request_are_told_at_once(run: Run, arguments: tuple[str, ...], told: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == len(told)
    assert [text for text in told if text not in err] == []


def test_a_graph_of_5000_operators_is_shown_in_few_lines(run: Run, own: Path) -> None:
    spec = json.loads(own.read_text(encoding="utf-8"))
    spec["inputs"], spec["sizes"] = {"x": [64]}, {}
    spec["graph"] = [
        {"op": "linear", "name": f"layer_{index}_fc", "out_features": 64} if index % 2 == 0
        else {"op": "activation", "name": f"layer_{index - 1}_act", "function": "relu"}
        for index in range(5000)
    ]  # fmt: skip
    own.write_text(json.dumps(spec), encoding="utf-8")
    code, out, _ = run(str(own), *L4)
    assert code == 0
    assert "5000 operators, in 2500 kernels" in out
    assert len(out.splitlines()) < 25
