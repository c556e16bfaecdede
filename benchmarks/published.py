"""Whole networks against published measurements: `python benchmarks/published.py [--data DIR]`.

ResNet-50: best throughput over batches up to 256 against the median over published sweeps; a mark of sanity, 2x at most.
BERT in TensorRT: error of the time, and how often bound and interval hold. Nothing is fitted here.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from engine import load, predict
from engine.catalog import Catalog

DATA: Final = Path(__file__).resolve().parents[2] / "shared" / "measurements"
SWEEPS: Final = "batch_sweeps.csv.gz"
INTERNAL: Final = "mlperf_inference.csv.gz"
BATCHES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
RESNET: Final = {
    "H100": "nvidia-h100-sxm",
    "A100-40GB": "nvidia-a100-sxm-80",
    "A100-80GB": "nvidia-a100-sxm-80",
    "T4": "nvidia-t4",
}
CHECKED = {"H100 SXM": "nvidia-h100-sxm", "A100": "nvidia-a100-sxm-80", "T4": "nvidia-t4"}
BERT: Final = {
    "A100-40GB": "nvidia-a100-sxm-80",
    "T4": "nvidia-t4",
    "L4": "nvidia-l4",
    "V100-16GB": "nvidia-v100-sxm2-32",
}
"""Published name -> chip of the catalogue. A100 40 GB and V100 16 GB stand in for their siblings with more memory."""
OPTIMISED: Final = ("TensorRT", "AITemplate")
SMALL: Final = 2
FACTOR: Final = 2.0
HOST_BOUND: Final = 0.5
"""Rows below this share of their group's median are host-bound submissions."""

Row = dict[str, str]
Point = tuple[float, Mapping[str, float]]
"""A measured time [s] and its prediction."""


def rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a compressed table."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from csv.DictReader(file)


# ResNet-50.


def resnet_sweeps(data: Path) -> dict[tuple[str, str, str], list[float]]:
    """Return the best throughput of each sweep [1/s] by chip, number format and how it was measured."""
    best: dict[tuple[str, str, str, str], float] = defaultdict(float)
    for row in rows(data / SWEEPS):
        wanted = row["model"].lower() == "resnet50" and row["backend"] in OPTIMISED and row["hardware"] in RESNET
        if wanted and row["samples_per_s"] and int(row["batch_size"]) <= max(BATCHES):
            way = f"{row['backend']}, {'client' if 'client' in row['scenario'] else 'device'} time"
            key = (RESNET[row["hardware"]], row["precision_norm"].lower(), way, row["sweep_id"])
            best[key] = max(best[key], float(row["samples_per_s"]))
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for (*group, _), throughput in best.items():
        found[group[0], group[1], group[2]].append(throughput)
    return found


def internal_median(data: Path, accelerator: str) -> float | None:
    """Return a median for int8 on a chip, which no open sweep has; None without figures. Only its ratio may be shown."""
    if not (data / INTERNAL).is_file():
        return None
    found = [
        float(row["samples_per_s_per_accel"])
        for row in rows(data / INTERNAL)
        if row["benchmark"].startswith("resnet") and row["scenario"] == "Offline" and accelerator in row["accelerator"]
        if row["dtype"] in {"int8", ""} and row["samples_per_s_per_accel"]
        if float(row["ratio_to_group_median"] or 1) >= HOST_BOUND
    ]
    return statistics.median(found) if found else None


def best_throughput(catalog: Catalog, chip: str, dtype: str) -> float:
    """Return the highest predicted throughput of ResNet-50 [1/s]."""
    return max(float(row["throughput_per_s"]) for row in predict("resnet50", [chip], BATCHES, [dtype], catalog=catalog))


def verdict(ratio: float) -> str:
    """Return the ratio and a mark where it is more than 2x off."""
    return f"{ratio:9.2f}   " + ("ok" if 1 / FACTOR <= ratio <= FACTOR else "MORE THAN 2x OFF")


def print_resnet(catalog: Catalog, data: Path) -> None:
    """Print predicted and measured best throughput of each chip, number format and way of measuring."""
    print("ResNet-50, best throughput over batches up to 256: predicted, and the median over published sweeps")
    print("Device time is what the estimate is about; client time has a server and copies from the host in it.")
    print(f"  {'chip':20}{'dtype':6}{'measured with':26}{'sweeps':>6}{'predicted/s':>13}{'measured/s':>12}{'ratio':>9}")
    sweeps = resnet_sweeps(data)
    for (chip, dtype, way), throughputs in sorted(sweeps.items()):
        best, measured = best_throughput(catalog, chip, dtype), statistics.median(throughputs)
        figures = f"{len(throughputs):6}{best:13,.0f}{measured:12,.0f}"
        print(f"  {chip:20}{dtype:6}{way:26}{figures}{verdict(best / measured)}")
    measured_kinds = {(chip, dtype) for chip, dtype, _ in sweeps}
    for accelerator, chip in CHECKED.items():
        if (internal := internal_median(data, accelerator)) is not None:
            ratio = verdict(best_throughput(catalog, chip, "int8") / internal)
            print(f"  {chip:20}{'int8':6}{'internal check':26}{'':31}{ratio}")
            measured_kinds.add((chip, "int8"))
    missing = [f"{chip} {dtype}" for chip in dict.fromkeys(RESNET.values()) for dtype in ("fp16", "int8")]
    print(f"  no sweep of: {', '.join(one for one in missing if tuple(one.split()) not in measured_kinds)}")


# BERT.


def bert_points(data: Path) -> dict[tuple[str, str, str, int, int], float]:
    """Return the median latency [s] over releases by published chip, format, model, tokens and batch; dense rows only."""
    found: dict[tuple[str, str, str, int, int], list[float]] = defaultdict(list)
    for row in rows(data / SWEEPS):
        wanted = row["source"] == "NVIDIA-TensorRT-demoBERT" and row["hardware"] in BERT
        latency = row["batch_latency_ms"] or row["latency_mean_ms"]
        if wanted and row["sparsity"] in {"", "dense"} and latency:
            chip, dtype, model = row["hardware"], row["precision_norm"].lower(), row["model"].lower()
            found[chip, dtype, model, int(row["seq_len"]), int(row["batch_size"])].append(float(latency) * 1e-3)
    return {key: statistics.median(values) for key, values in found.items()}


def predicted(catalog: Catalog, data: Path) -> tuple[dict[tuple[str, str], list[Point]], list[str]]:
    """Return measured and predicted times by chip and number format, and what the catalogue has no peak for."""
    groups: dict[tuple[str, str], list[Point]] = defaultdict(list)
    without: dict[str, None] = {}
    for (hardware, dtype, model, tokens, batch), measured in bert_points(data).items():
        chip = BERT[hardware]
        if dtype not in catalog.accelerators[chip].peak_dense:
            without[f"{chip} {dtype}"] = None
            continue
        row = predict(model, [chip], [batch], [dtype], sizes={"seq_len": tokens}, catalog=catalog)[0]
        groups[chip, dtype].append((measured, row))
    return groups, list(without)


def print_bert(catalog: Catalog, data: Path) -> None:
    """Print a line for each chip and number format."""
    groups, without = predicted(catalog, data)
    every = [point for points in groups.values() for point in points]
    if not every:
        print("BERT: no rows")
        return
    small = [(measured, row) for measured, row in every if row["batch"] <= SMALL]
    print("BERT base and large in TensorRT: error of the predicted time, shares of the points in %")
    print("A point is the median over releases. A100 40 GB and V100 16 GB stand in for 80 GB and 32 GB.")
    heading = f"{'median':>8}{'mean':>7}{'bias':>7}{'<= p90':>8}{'p10-p90':>9}{'< bound':>9}   actual/estimate, 10-90 %"
    print(f"  {'chip':22}{'dtype':6}{'points':>7}{heading}")
    for (chip, dtype), points in [*sorted(groups.items()), (("all", ""), every), (("batch 1 and 2", ""), small)]:
        print(f"  {chip:22}{dtype:6}{len(points):7}" + (figures(points) if points else ""))
    if without:
        print(f"  no published peak, so left out: {', '.join(without)}")


def figures(points: list[Point]) -> str:
    """Return errors and shares of a group; the column before the last counts points below the lower bound."""
    measured = np.array([seconds for seconds, _ in points])
    bound, p10, estimate, p90 = (
        np.array([row[f"latency_{name}_s"] for _, row in points], dtype=float)
        for name in ("lower_bound", "p10", "estimate", "p90")
    )
    error, actual = 100 * (estimate / measured - 1), measured / estimate
    held = measured <= p90
    return (
        f"{np.median(abs(error)):8.1f}{abs(error).mean():7.1f}{error.mean():7.1f}"
        f"{100 * held.mean():8.0f}{100 * (held & (measured >= p10)).mean():9.0f}{int((measured < bound).sum()):9}"
        f"{np.quantile(actual, 0.1):13.2f}{np.quantile(actual, 0.9):8.2f}"
    )


def main() -> None:
    """Print both comparisons, or say what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="folder of published measurements")
    data = parser.parse_args().data
    if not (data / SWEEPS).is_file():
        print(f"skipped: no published measurements, {data / SWEEPS} is not there; name their folder with --data DIR")
        return
    catalog = load()
    print_resnet(catalog, data)
    print()
    print_bert(catalog, data)


if __name__ == "__main__":
    main()
