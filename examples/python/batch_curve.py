"""Prints latency, throughput and energy over the batch as CSV: batch_curve.py [MODEL HARDWARE DTYPE]."""

from __future__ import annotations

import csv
import sys

from engine import predict

BATCHES = [2**power for power in range(9)]
COLUMNS = ["batch", "latency_estimate_s", "latency_p90_s", "throughput_per_s", "energy_per_inference_j"]


def main(model: str = "resnet50", hardware: str = "nvidia-l4", dtype: str = "int8") -> None:
    """Print a row for each power of 2 up to 256."""
    writer = csv.DictWriter(sys.stdout, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(predict(model, [hardware], BATCHES, [dtype]))


if __name__ == "__main__":
    main(*sys.argv[1:])
