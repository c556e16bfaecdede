"""The lab: tables of measurements become values, what does not count is counted, and nothing published beats its bound."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import strategies

from advisor.lab import names, quality, tables
from advisor.lab.bounds import kernel_bound, sweep_bound
from advisor.lab.points import COLUMNS, Kernels, Operator, Published, Sweep
from advisor.lab.sweeps import SWEEP_COLUMNS
from engine import load, predict
from engine.catalog import data_root, measured_names
from engine.errors import SpecError

MEASUREMENTS = Path(__file__).parents[3] / "shared" / "measurements"
EVERY = 29
"""Every so many rows of a published table are read, so that all tables take seconds."""

GEMM = "chip,dtype,framework,m,n,k,latency_us\n"
ATTENTION = "chip,framework,phase,batch_size,isl,step,num_heads,num_key_value_heads,head_dim,kv_cache_dtype,latency_us\n"
MATMUL = "device,op,B,M,K_contract,N_out,latency_ms,kernel\n"
VECTOR = "device,op,rows,cols,latency_ms\n"
CONV = "device,B,in_ch,out_ch,ksize,in_hw,stride,pad,latency_ms,algo\n"

H100_PEAK = 132 * 1980e6 * 4096
H100_CHIP = 50 * 2**20 + 132 * 256 * 2**10
A100_PEAK = 19.495e12
"""In fp32, as printed, rounded up: 108 SMs at 1410 MHz of 128 FLOP per clock would be 19.492."""
A100_CHIP = 40 * 2**20 + 108 * 192 * 2**10


def read(tmp_path: Path, text: str, name: str = "table.csv") -> Published:
    """Return what a table of this text holds."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return tables.read(path, strategies.catalog())


def only(published: Published) -> Kernels:
    (found,) = published.kernels
    assert tuple(found.columns) == COLUMNS[found.operator]
    return found


def bound(found: Kernels) -> float:
    (seconds,) = kernel_bound(found, strategies.catalog())
    return float(seconds)


# Kernels.


def test_a_matrix_product_and_its_bound(tmp_path: Path) -> None:
    found = only(read(tmp_path, GEMM + "h100_sxm,bfloat16,vllm-1,1024,4096,2048,100\n"))
    assert (found.operator, found.hardware, found.format, found.software) == ("gemm", "nvidia-h100-sxm", "bf16", "vllm-1")
    assert {name: column.item() for name, column in found.columns.items()} == {
        "rows": 1024, "columns": 4096, "contraction": 2048, "groups": 1,
    }  # fmt: skip
    assert found.seconds == pytest.approx(100e-6)
    assert bound(found) == pytest.approx(2 * 1024 * 4096 * 2048 / H100_PEAK)


@pytest.mark.parametrize(
    ("published", "recipe", "activations", "weights"),
    [("bfloat16", "bf16", 2, 2), ("fp8", "fp8", 1, 1), ("fp8_block", "fp8_block", 1, 1), ("int8_wo", "int8_weights", 2, 1)],
)
def test_bytes_of_a_product_follow_its_format(
    tmp_path: Path, published: str, recipe: str, activations: float, weights: float
) -> None:
    m, n, k = 4, 65536, 65536
    found = only(read(tmp_path, GEMM + f"h100_sxm,{published},x,{m},{n},{k},9000\n"))
    assert found.format == recipe
    assert bound(found) == pytest.approx((m * k * activations + k * n * weights + m * n * 2 - H100_CHIP) / 3.35e12)


def test_a_product_of_four_bit_operands_needs_half_a_byte_for_each(tmp_path: Path) -> None:
    found = only(read(tmp_path, GEMM + "b200_sxm,nvfp4,x,4,65536,65536,9000\n"))
    chip = 126.5 * 2**20 + 148 * 256 * 2**10
    assert bound(found) == pytest.approx((4 * 65536 / 2 + 65536**2 / 2 + 4 * 65536 * 2 - chip) / 7.7e12)


def test_fp32_products_fold_the_batch_of_a_linear_layer_and_keep_that_of_a_batched_one(tmp_path: Path) -> None:
    rows = "NVIDIA A100-PCIE-40GB,linear,2,512,256,1024,1,x\nNVIDIA A100-PCIE-40GB,bmm,2,512,256,1024,1,x\n"
    linear, batched = read(tmp_path, MATMUL + rows).kernels
    assert (linear.columns["rows"], linear.columns["groups"]) == (1024, 1)
    assert (batched.columns["rows"], batched.columns["groups"]) == (512, 2)
    assert (linear.format, linear.software) == ("fp32", "eager")
    assert bound(linear) == bound(batched) == pytest.approx(2 * 2 * 512 * 256 * 1024 / A100_PEAK)


def test_causal_prefill_needs_half_the_pairs_and_no_kv_heads_means_as_many_as_heads(tmp_path: Path) -> None:
    found = only(read(tmp_path, ATTENTION + "h100_sxm,x,context,2,1024,0,32,0,128,bfloat16,500\n"))
    assert (found.operator, found.columns["kv_heads"], found.columns["kv_bytes"]) == ("prefill", 32, 2)
    assert bound(found) == pytest.approx(2 * 32 * (1024 * 1025 / 2) * 4 * 128 / H100_PEAK)


def test_with_a_cache_in_fp8_attention_may_multiply_in_fp8(tmp_path: Path) -> None:
    found = only(read(tmp_path, ATTENTION + "h100_sxm,x,context,2,1024,0,32,0,128,fp8,500\n"))
    assert (found.format, found.columns["kv_bytes"]) == ("bf16", 1)
    assert bound(found) == pytest.approx(2 * 32 * (1024 * 1025 / 2) * 4 * 128 / (2 * H100_PEAK))


def test_decode_reads_the_cache_and_has_one_query_row(tmp_path: Path) -> None:
    found = only(read(tmp_path, ATTENTION + "h100_sxm,x,generation,64,1,8191,32,8,128,bfloat16,5000\n"))
    assert (found.operator, found.columns["tokens"], found.columns["context"]) == ("decode", 1, 8191)
    traffic = 64 * 128 * (2 * 8192 * 8 * 2 + 2 * 32 * 2)
    assert bound(found) == pytest.approx((traffic - H100_CHIP) / 3.35e12)


def test_a_prefill_of_one_token_stays_a_prefill(tmp_path: Path) -> None:
    found = only(read(tmp_path, ATTENTION + "h100_sxm,x,context,1,1,0,8,8,64,bfloat16,10\n"))
    assert (found.operator, found.columns["tokens"], found.columns["context"]) == ("prefill", 1, 0)


def test_a_convolution_may_gain_what_winograd_gains_at_stride_1_only(tmp_path: Path) -> None:
    rows = "NVIDIA A100 80GB PCIe,8,64,128,3,56,1,1,1,x\nNVIDIA A100 80GB PCIe,8,64,128,3,56,2,1,1,x\n"
    found = only(read(tmp_path, CONV + rows))
    by_one, by_two = kernel_bound(found, strategies.catalog())
    assert by_one == pytest.approx(2 * 8 * 56 * 56 * 64 * 128 / A100_PEAK)
    assert by_two == pytest.approx(2 * 8 * 28 * 28 * 64 * 128 * 9 / A100_PEAK)


def test_a_convolution_counts_the_shapes_that_its_chip_tried_before(tmp_path: Path) -> None:
    chips = ["Tesla T4", "Tesla P4", "Tesla T4", "Tesla P4", "Tesla P4"]
    rows = [f"{chip},8,64,{128 + i},3,56,1,1,{1 + i / 100},x\n" for i, chip in enumerate(chips)]
    found = {kernels.hardware: kernels.columns["tried"].tolist() for kernels in read(tmp_path, CONV + "".join(rows)).kernels}
    assert found == {"nvidia-t4": [0, 1], "nvidia-p4": [0, 1, 2]}


def test_the_order_of_measurement_makes_no_point_of_its_own(tmp_path: Path) -> None:
    # the same shape twice, 4x apart: rows of one point that disagree, whenever they were measured
    found = read(tmp_path, CONV + "Tesla T4,8,64,128,3,56,1,1,1,x\nTesla T4,8,64,128,3,56,1,1,4,x\n")
    assert found.dropped == {"disagreement": 2}


def test_vectors_move_every_operand_and_the_result_once(tmp_path: Path) -> None:
    rows = [f"NVIDIA A100-PCIE-40GB,{op},16384,16384,9\n" for op in ("add", "relu", "softmax", "ln")]
    found = read(tmp_path, VECTOR + "".join(rows)).kernels
    assert [kernels.operator for kernels in found] == ["elementwise", "elementwise", "softmax", "norm"]
    moved = [(16384**2 * size - A100_CHIP) / 1.555e12 for size in (12, 8, 8, 8)]
    assert [bound(kernels) for kernels in found] == pytest.approx(moved)


def test_what_no_statement_is_made_about_is_counted_by_reason(tmp_path: Path) -> None:
    rows = ["h100_sxm,bfloat16", "mi210,bfloat16", "A100,bfloat16", "a100_sxm,fp8", "h100_sxm,posit"]
    found = read(tmp_path, GEMM + "".join(f"{row},x,8,8,8,5\n" for row in rows))
    assert (found.rows_read, found.rows_kept) == (5, 1)
    assert found.outside == {"chip": 2, "format": 2}
    assert found.outside.keys() <= names.OUTSIDE.keys()


# The filter.


def gemm_rows(*rows: tuple[int, int, int, float]) -> str:
    return GEMM + "".join(f"h100_sxm,bfloat16,x,{m},{n},{k},{time}\n" for m, n, k, time in rows)


def test_a_time_of_0_is_dropped(tmp_path: Path) -> None:
    found = read(tmp_path, gemm_rows((1, 32, 32, 0), (2, 32, 32, 5)))
    assert (found.dropped, len(only(found)), found.rows_kept) == ({"no time": 1}, 1, 1)


def test_rows_for_one_point_that_disagree_are_all_dropped(tmp_path: Path) -> None:
    found = read(tmp_path, gemm_rows((1, 32, 32, 5), (1, 32, 32, 16), (2, 32, 32, 5), (2, 32, 32, 6)))
    assert (found.dropped, len(only(found))) == ({"disagreement": 2}, 2)


@pytest.mark.parametrize(("times", "wrong"), [((5, 6, 20, 7, 8), 20), ((5, 6, 2, 7, 8), 2)])
def test_of_points_that_contradict_each_other_that_of_most_pairs_is_dropped(
    tmp_path: Path, times: tuple[float, ...], wrong: float
) -> None:
    sizes = [32, 64, 128, 256, 512]
    found = read(tmp_path, gemm_rows(*((size, size, size, time) for size, time in zip(sizes, times, strict=True))))
    assert found.dropped == {"contradiction": 1}
    assert wrong * 1e-6 not in only(found).seconds


def test_more_along_one_size_only_is_no_contradiction(tmp_path: Path) -> None:
    found = read(tmp_path, gemm_rows((1, 64, 8192, 30), (64, 64, 8192, 9), (32, 128, 32, 5)))
    assert found.dropped == {}


def test_queries_beyond_32_bit_indices_are_dropped(tmp_path: Path) -> None:
    found = read(tmp_path, ATTENTION + "h100_sxm,x,context,8,12288,0,96,2,256,fp8,47063\n")
    assert found.dropped == {"overflow": 1}
    assert found.dropped.keys() <= quality.REASONS.keys()


# Networks.

BERT = {
    "source": "demo", "hardware": "T4", "n_devices": "1", "software": "TensorRT 8.0", "backend": "TensorRT",
    "precision_norm": "FP16", "model": "BERT-base", "seq_len": "128", "batch_size": "8", "scenario": "native",
    "batch_latency_ms": "10",
}  # fmt: skip
RESNET = {**BERT, "model": "resnet50", "seq_len": "", "input_shape": "3x160x160", "gmacs": "2.1"}


def sweeps(tmp_path: Path, *rows: Mapping[str, str]) -> Published:
    """Return what a table of batch sweeps holds."""
    path = tmp_path / "sweeps.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*SWEEP_COLUMNS, "another"], restval="")
        writer.writeheader()
        writer.writerows(rows)
    return tables.read(path, strategies.catalog())


def test_a_point_is_the_median_over_releases(tmp_path: Path) -> None:
    rows = [BERT | {"batch_latency_ms": time, "software": f"TensorRT {time}"} for time in ("9", "11", "10")]
    found = sweeps(tmp_path, *rows, BERT | {"batch_size": "16", "batch_latency_ms": "21", "power_w": "70"})
    (sweep,) = found.sweeps
    assert (sweep.workload, sweep.hardware, sweep.dtype, sweep.runtime) == ("bert-base", "nvidia-t4", "fp16", "graph")
    assert (sweep.source, sweep.software, dict(sweep.sizes)) == ("demo", "TensorRT", {"seq_len": 128})
    assert sweep.batches.tolist() == [8, 16]
    assert sweep.seconds == pytest.approx([0.010, 0.021])
    assert sweep.power_w == pytest.approx([np.nan, 70], nan_ok=True)
    assert found.rows_kept == found.rows_read == 4
    row = predict("bert-base", ["nvidia-t4"], [8], ["fp16"], sizes={"seq_len": 128}, catalog=strategies.catalog())[0]
    assert sweep_bound(sweep, strategies.catalog())[0] == row["latency_lower_bound_s"]


def test_a_time_is_that_of_the_batch_then_the_mean_then_from_the_throughput(tmp_path: Path) -> None:
    given = {"batch_latency_ms": "10", "latency_mean_ms": "20", "samples_per_s": "100"}
    seconds = []
    for name in given:
        (sweep,) = sweeps(tmp_path, BERT | {"batch_latency_ms": ""} | given).sweeps
        seconds.append(sweep.seconds[0])
        given |= {name: ""}
    assert seconds == pytest.approx([0.010, 0.020, 0.080])
    assert sweeps(tmp_path, BERT | given).outside == {"no time": 1}


@pytest.mark.parametrize("shape", ["3x160x160", "160x160x3", "160x160"])
def test_the_image_of_a_row_is_a_size_of_the_network(tmp_path: Path, shape: str) -> None:
    (sweep,) = sweeps(tmp_path, RESNET | {"input_shape": shape}).sweeps
    assert (sweep.workload, dict(sweep.sizes)) == ("resnet50", {"image": 160})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hardware": "A100"}, "chip"),
        ({"model": "bert"}, "network"),
        ({"precision_norm": "W4A16"}, "format"),
        ({"precision_norm": "BF16"}, "format"),
        ({"scenario": "triton-online"}, "load"),
        ({"n_devices": "8"}, "devices"),
        ({"n_devices": ""}, "devices"),
        ({"sparsity": "2:4"}, "sparse"),
        ({"backend": "EFF-FT [PyTorch]"}, "padding"),
        ({"output_len": "32"}, "generation"),
        ({"backend": "FT Decoding"}, "generation"),
        ({"seq_len": ""}, "sizes"),
        ({"seq_len": "4096"}, "sizes"),
        ({"model": "resnet50", "seq_len": "", "gmacs": "1.1"}, "another network"),
        ({"model": "vgg16", "seq_len": "", "input_shape": "3x299x299"}, "sizes"),
        ({"model": "resnet50", "seq_len": "", "input_shape": "3x224x448"}, "sizes"),
    ],
)
def test_a_row_that_is_not_one_dense_pass_of_a_known_network_is_outside(
    tmp_path: Path, change: Mapping[str, str], reason: str
) -> None:
    found = sweeps(tmp_path, BERT | change)
    assert (found.outside, found.sweeps) == ({reason: 1}, ())
    assert reason in names.OUTSIDE


def test_releases_that_disagree_and_batches_that_contradict_are_dropped(tmp_path: Path) -> None:
    apart = [BERT | {"batch_latency_ms": time} for time in ("5", "16")]
    curve = [BERT | {"batch_size": size, "batch_latency_ms": time} for size, time in (("1", "90"), ("2", "3"), ("4", "4"))]
    found = sweeps(tmp_path, *apart, *curve)
    assert found.dropped == {"disagreement": 2, "contradiction": 1}
    assert found.sweeps[0].batches.tolist() == [2, 4]


def test_32_bit_products_of_a_network_run_in_tf32_where_a_chip_has_it(tmp_path: Path) -> None:
    rows = [BERT | {"precision_norm": "FP32", "hardware": chip} for chip in ("T4", "A30")]
    assert [sweep.dtype for sweep in sweeps(tmp_path, *rows).sweeps] == ["fp32", "tf32"]


def test_frameworks_launch_operators_or_walk_a_graph() -> None:
    assert {names.runtime_of(software) for software in ("PyTorch", "PyTorch 2.4", "eager NHWC", "Huggingface")} == {"eager"}
    old = ("PyTorch 1.12 eager", "TorchScript [PyTorch]", "torchscript", "torch.jit.trace")
    assert {names.runtime_of(software) for software in old} == {"eager_v1"}
    found = [names.runtime_of(software, "NVIDIA-FasterTransformer") for software in ("torch", "TF [TensorFlow]", "FT cpp")]
    assert found == ["eager_v1", "session", "compiled"]
    walking = ("TF [TensorFlow]", "TF-FP16 [TensorFlow]", "TensorFlow1", "MXNet", "PaddlePaddle")
    assert {names.runtime_of(software) for software in walking} == {"session"}
    runtimes = {
        software: names.runtime_of(software) for software in ("Paddle-TRT", "FT-INT8-v2 [PyTorch]", "torch.compile NCHW")
    }
    assert set(runtimes.values()) == {"compiled"}
    assert {names.runtime_of(software) for software in ("TensorRT 8", "AITemplate", "HailoRT")} == {"graph"}


def test_a_measurement_spec_is_a_sweep(tmp_path: Path) -> None:
    name = "nvidia-l4-bert-base-fp16-384-tensorrt.json"
    record = json.loads((data_root() / "specs" / "measurements" / name).read_text(encoding="utf-8"))
    (sweep,) = read(tmp_path, json.dumps(record), name).sweeps
    assert (sweep.source, sweep.hardware, sweep.workload, sweep.runtime) == ("demo", "nvidia-l4", "bert-base", "graph")
    assert sweep.seconds[0] == pytest.approx(2.09e-3)
    assert read(tmp_path, json.dumps(record | {"devices": 2}), name).outside == {"devices": len(record["points"])}
    assert read(tmp_path, json.dumps(record | {"hardware": "acme"}), name).outside == {"chip": len(record["points"])}


def test_a_folder_is_all_that_is_known_in_it(tmp_path: Path) -> None:
    (tmp_path / "gemm.csv").write_text(gemm_rows((8, 8, 8, 5)), encoding="utf-8")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    sweeps(tmp_path, BERT)
    found = tables.read(tmp_path, strategies.catalog())
    assert (found.rows_read, len(found.kernels), len(found.sweeps)) == (2, 1, 1)


# Faults.


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1,2\n", r":1:1: /: columns a, b; expected those of a known table; .*Known: matrix products: chip, dtype"),
        (GEMM.replace("latency_us", "latency"), r".*matrix products misses latency_us \(is it latency\?\)"),
        ("", r":1:1: /: columns nothing"),
        (
            gemm_rows((8, 8, 8, 5)) + "h100_sxm,fp8,x,8,8,eight,5\n",
            r":3:1: /: k: 'eight'; expected a whole number of at least 1",
        ),
        (gemm_rows((8, 8, 8, 5)) + "\nh100_sxm,fp8,x,8,8,,5\n", r":4:1: /: k: ''"),
        (gemm_rows((8, 0, 8, 5)), r":2:1: /: n: '0'; expected a whole number of at least 1"),
        (GEMM + "h100_sxm,fp8,x,8.5,8,8,5\n", r":2:1: /: m: '8.5'"),
        (GEMM + 'h100_sxm,fp8,"a\nb",8,8,8,5\nh100_sxm,fp8,x,8,8,8,nan\n', r":4:1: /: latency_us: 'nan'; expected a finite"),
        (GEMM + "h100_sxm,fp8,x,8,8,8\n", r":2:1: /: 6 cells; expected 7"),
        (ATTENTION + "h100_sxm,x,context,1,8,-1,8,8,64,fp8,5\n", r":2:1: /: step: '-1'; expected a whole number of at least 0"),
    ],
)
def test_a_wrong_table_is_told_with_its_file_and_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SpecError, match=r"table\.csv" + told):
        read(tmp_path, text)


def test_a_wrong_number_of_a_sweep_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=re.escape("sweeps.csv.gz:2:1: /: batch_latency_ms: 'fast'; expected a finite number")):
        sweeps(tmp_path, BERT | {"batch_latency_ms": "fast"})


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"a,b\n1,2\n")[:-9], gzip.compress(b"\xff\xfe,\x81\n")],
    ids=["no gzip", "cut off", "no UTF-8"],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=r"table\.csv\.gz:1:1"):
        tables.read(path, strategies.catalog())
    with pytest.raises(SpecError, match="it cannot be read"):
        tables.read(tmp_path / "absent.csv", strategies.catalog())
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpecError, match="a folder without measurements"):
        tables.read(tmp_path / "empty", strategies.catalog())


# Names.


def test_a_name_of_measurements_belongs_to_one_spec(tmp_path: Path) -> None:
    chip = json.loads((data_root() / "specs" / "accelerators" / "nvidia-t4.json").read_text(encoding="utf-8"))
    (tmp_path / "accelerators").mkdir()
    for name, called in (("mine", ["Tesla T4", "M"]), ("other", ["m"])):
        spec = json.dumps(chip | {"id": name, "measured_as": called})
        (tmp_path / "accelerators" / f"{name}.json").write_text(spec, encoding="utf-8")
    with pytest.raises(SpecError, match=r"other\.json:1:\d+: /measured_as/0: 'm' is also measured as mine; expected a name"):
        load([tmp_path])
    (tmp_path / "accelerators" / "other.json").unlink()
    assert measured_names(load([tmp_path]).accelerators)["tesla t4"] == "mine"


def test_a_name_that_several_products_share_belongs_to_none() -> None:
    known = measured_names(strategies.catalog().accelerators)
    assert known.keys().isdisjoint({"a100", "v100", "h100"})
    assert known["tesla t4"] == "nvidia-t4"


# Reality.


def sample(path: Path, folder: Path) -> Path:
    """Return a table of every 29th row of another."""
    out = folder / path.name
    with gzip.open(path, "rt", encoding="utf-8", newline="") as source, gzip.open(out, "wt", 1, "utf-8", newline="") as target:
        rows = csv.reader(source)
        csv.writer(target).writerows(itertools.chain([next(rows)], itertools.islice(rows, 0, None, EVERY)))
    return out


@pytest.mark.skipif(not MEASUREMENTS.is_dir(), reason="the published measurements are not beside this checkout")
@pytest.mark.parametrize(
    ("name", "points", "cases", "bounded"),
    [
        ("gemm", 8000, 12, 1.0),
        ("attention", 7000, 3, 1.0),
        ("matmul_fp32", 4000, 5, 1.0),
        ("vector_fp32", 5000, 7, 0.4),
        ("conv_fp32", 800, 5, 1.0),
        ("batch_sweeps", 100, 20, 1.0),
    ],
)
def test_no_published_measurement_beats_the_bound(name: str, points: int, cases: int, bounded: float, tmp_path: Path) -> None:
    """Of chips in formats there are `cases`; a vector that stays on the chip has no bound, all else has one."""
    (path,) = MEASUREMENTS.glob(f"{name}*.csv.gz")
    catalog = strategies.catalog()
    found = tables.read(sample(path, tmp_path), catalog)
    assert sum(found.dropped.values()) < 0.005 * found.rows_read
    bounds = [(kernels.seconds, kernel_bound(kernels, catalog)) for kernels in found.kernels]
    bounds += [(sweep.seconds, sweep_bound(sweep, catalog)) for sweep in found.sweeps]
    measured, least = (np.concatenate(column) for column in zip(*bounds, strict=True))
    kinds = {(one.hardware, one.dtype if isinstance(one, Sweep) else one.format) for one in (*found.kernels, *found.sweeps)}
    assert len(measured) >= points
    assert len(kinds) >= cases
    assert (least > 0).mean() >= bounded
    assert np.flatnonzero(measured < least).tolist() == []


def test_every_operator_has_its_bound() -> None:
    one = {name: np.ones(3) for columns in COLUMNS.values() for name in columns}
    operators: tuple[Operator, ...] = tuple(COLUMNS)
    for operator in operators:
        columns = {name: one[name] for name in COLUMNS[operator]}
        kernels = Kernels(
            operator=operator, hardware="hailo-8", format="int8", software="x", columns=columns, seconds=np.ones(3)
        )
        assert kernel_bound(kernels, strategies.catalog()).shape == (3,)
