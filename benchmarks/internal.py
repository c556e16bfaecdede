"""A set of throughputs that serves internal checks only: its owner's terms forbid publishing it beside other figures.

No figure of it is printed or stored: only errors over all of it, and what a fit of shared constants takes from it.
"""

from __future__ import annotations

import csv
import gzip
import statistics
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from advisor.lab.networks import Target, targets
from advisor.lab.points import Sweep
from engine.catalog import Catalog

FILE: Final = "mlperf_inference.csv.gz"
BEST: Final = "internal: best batch"
ONE: Final = "internal: batch 1"
CHIPS: Final = {
    "NVIDIA A10": "nvidia-a10",
    "NVIDIA A100 PCIe 40GB": "nvidia-a100-pcie-40",
    "NVIDIA A100 PCIe 80GB": "nvidia-a100-pcie-80",
    "NVIDIA A100 SXM 40GB": "nvidia-a100-sxm-40",
    "NVIDIA A100 SXM 80GB": "nvidia-a100-sxm-80",
    "NVIDIA A2": "nvidia-a2",
    "NVIDIA A40": "nvidia-a40",
    "NVIDIA H100 PCIe": "nvidia-h100-pcie",
    "NVIDIA H100 SXM": "nvidia-h100-sxm",
    "NVIDIA L40": "nvidia-l40",
    "NVIDIA RTX 4090": "nvidia-rtx4090",
    "NVIDIA T4": "nvidia-t4",
}
"""GPUs alone: modules whose submissions use a second engine on the chip are left aside."""
_HOST_BOUND: Final = 0.5
"""Submissions below this share of their group's median are bound by their host."""


def resnet50(folder: Path, catalog: Catalog) -> list[Target]:
    """Return ResNet-50 in int8 on each chip: the time of a sample at the best batch, and of one at batch 1 [s]."""
    if not (folder / FILE).is_file():
        return []
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    with gzip.open(folder / FILE, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            kept = row["benchmark"].startswith("resnet") and row["power_mode"] == "default" and row["accelerator"] in CHIPS
            if kept and float(row["ratio_to_group_median"] or 1.0) >= _HOST_BOUND:
                for source, seconds in _times(row):
                    found[CHIPS[row["accelerator"]], source].append(seconds)
    sweeps = [_sweep(chip, source, statistics.median(seconds)) for (chip, source), seconds in sorted(found.items())]
    made = targets(sweeps, catalog)
    return [Target(sweep=one.sweep, network=one.network, best=one.sweep.source == BEST) for one in made]


def _times(row: dict[str, str]) -> Iterable[tuple[str, float]]:
    if row["scenario"] == "Offline" and row["samples_per_s_per_accel"]:
        yield BEST, 1.0 / float(row["samples_per_s_per_accel"])
    if row["scenario"] == "SingleStream" and row["lat_mean_ms"]:
        yield ONE, float(row["lat_mean_ms"]) * 1e-3


def _sweep(chip: str, source: str, seconds: float) -> Sweep:
    return Sweep(
        id=f"{chip}/{source}", source=source, workload="resnet50", hardware=chip, dtype="int8", sizes={}, runtime="graph",
        software="", batches=np.array([1.0]), seconds=np.array([seconds]), power_w=np.array([np.nan]),
    )  # fmt: skip
