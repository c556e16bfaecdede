"""Whole networks against published measurements: `python benchmarks/published.py [--data DIR]`.

ResNet-50: best throughput over batches up to 256 against the median of what others published for the chip; a mark of sanity,
2x at most. BERT in TensorRT: error of the time, and how often intervals hold. Nothing is fitted here.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import statistics
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine import load, predict
from engine.catalog import Catalog

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
RESNET = {"H100 SXM": "nvidia-h100-sxm", "A100": "nvidia-a100-sxm-80", "T4": "nvidia-t4"}
BERT = {"A100-40GB": "nvidia-a100-sxm-80", "T4": "nvidia-t4", "L4": "nvidia-l4", "V100-16GB": "nvidia-v100-sxm2-32"}
SMALL = 2
HOST_BOUND = 0.5
"""Rows below this share of their group's median are host-bound submissions."""

Row = dict[str, str]


def rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a compressed table."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def resnet_throughput(data: Path) -> dict[tuple[str, str], list[float]]:
    """Return published throughputs of one device [1/s] by chip and number format."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows(data / "mlperf_inference.csv.gz"):
        wanted = row["benchmark"].startswith("resnet") and row["scenario"] == "Offline" and row["samples_per_s_per_accel"]
        if not wanted or float(row["ratio_to_group_median"] or 1) < HOST_BOUND:
            continue
        chip = next((name for name in RESNET if name in row["accelerator"]), None)
        if chip and row["dtype"] in ("int8", ""):
            found[chip, "int8"].append(float(row["samples_per_s_per_accel"]))
    for row in rows(data / "batch_sweeps.csv.gz"):
        chip = {"A100-40GB": "A100", "A100-80GB": "A100", "T4": "T4"}.get(row["hardware"])
        if chip and row["model"].lower() == "resnet50" and row["backend"] == "AITemplate" and row["samples_per_s"]:
            found[chip, "fp16"].append(float(row["samples_per_s"]))
    return found


def print_resnet(catalog: Catalog, data: Path) -> None:
    """Print the ratio of predicted to published best throughput; figures of others are not repeated here."""
    print("ResNet-50, best throughput over batches up to 256: predicted over the median of what was published")
    published = resnet_throughput(data)
    for name, chip in RESNET.items():
        for dtype in ("int8", "fp16"):
            if not (values := published.get((name, dtype))):
                continue
            goal = max(values) if dtype == "fp16" else statistics.median(values)
            best = max(row["throughput_per_s"] for row in predict("resnet50", [chip], BATCHES, [dtype], catalog=catalog))
            mark = "ok" if 0.5 <= best / goal <= 2 else "MORE THAN 2x OFF"  # noqa: PLR2004 - the mark itself
            print(f"  {chip:22}{dtype:6}{len(values):4} figures   ratio {best / goal:.2f}   {mark}")


def bert_points(data: Path) -> dict[tuple[str, str, str, int, int], float]:
    """Return the median latency [s] over releases by chip, format, model, tokens and batch."""
    found: dict[tuple[str, str, str, int, int], list[float]] = defaultdict(list)
    for row in rows(data / "batch_sweeps.csv.gz"):
        if row["source"] != "NVIDIA-TensorRT-demoBERT" or row["hardware"] not in BERT or row["sparsity"] not in ("", "dense"):
            continue
        latency = row["batch_latency_ms"] or row["latency_mean_ms"]
        if latency:
            key = (
                row["hardware"],
                row["precision_norm"].lower(),
                row["model"].lower(),
                int(row["seq_len"]),
                int(row["batch_size"]),
            )
            found[key].append(float(latency) * 1e-3)
    return {key: statistics.median(values) for key, values in found.items()}


def print_bert(catalog: Catalog, data: Path) -> None:
    """Print a line for each chip and number format."""
    print("BERT base and large, TensorRT: error of the time; A100 80 GB stands in for 40 GB, batch 1 and 2 last")
    heading = f"{'median %':>10}{'mean %':>8}{'bias %':>8}{'<= p90 %':>10}{'p10-p90 %':>11}{'< bound':>9}   actual/estimate"
    print(f"  {'chip':22}{'dtype':6}{'points':>7}{heading}")
    groups: dict[tuple[str, str], list[tuple[float, Row]]] = defaultdict(list)
    for (hardware, dtype, model, tokens, batch), measured in bert_points(data).items():
        chip = BERT[hardware]
        if dtype in catalog.accelerators[chip].peak_dense:
            row = predict(model, [chip], [batch], [dtype], sizes={"seq_len": tokens}, catalog=catalog)[0]
            groups[chip, dtype].append((measured, row))
    every = [point for points in groups.values() for point in points]
    small = [(measured, row) for measured, row in every if int(row["batch"]) <= SMALL]
    for (chip, dtype), points in [*sorted(groups.items()), (("all", ""), every), (("batch 1 and 2", ""), small)]:
        print(f"  {chip:22}{dtype:6}{len(points):7}" + _figures(points))


def _figures(points: list[tuple[float, Row]]) -> str:
    measured = np.array([seconds for seconds, _ in points])
    bound, p10, estimate, p90 = (
        np.array([row[f"latency_{name}_s"] for _, row in points], dtype=float)
        for name in ("lower_bound", "p10", "estimate", "p90")
    )
    error = estimate / measured - 1
    held, inside = measured <= p90, (measured <= p90) & (measured >= p10)
    return (
        f"{100 * np.median(abs(error)):10.1f}{100 * abs(error).mean():8.1f}{100 * error.mean():8.1f}"
        f"{100 * held.mean():10.0f}{100 * inside.mean():11.0f}{int((measured < bound).sum()):9}"
        f"{np.quantile(measured / estimate, 0.1):13.2f}{np.quantile(measured / estimate, 0.9):8.2f}"
    )


def main() -> None:
    """Print both comparisons, or say what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/measurements"))
    data = parser.parse_args().data
    if not (data / "batch_sweeps.csv.gz").is_file():
        print(f"skipped: no published measurements in {data}")
        return
    catalog = load()
    print_resnet(catalog, data)
    print_bert(catalog, data)


if __name__ == "__main__":
    main()
