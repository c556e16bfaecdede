"""Single matrix products against published timings: `python benchmarks/kernels.py [--data DIR]`.

Median and mean absolute error of the kernel form, beside the plain roofline on the same points. Nothing is fitted here: the
constants are those of the shipped calibrations.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from pathlib import Path

import numpy as np

from engine import load
from engine.catalog import Catalog
from engine.compiled import kernel_latency_s
from engine.ops import matrix_product

CHIPS = {"h100_sxm": "nvidia-h100-sxm", "a100_sxm": "nvidia-a100-sxm-80", "l40s": "nvidia-l40s"}
DTYPES = {"bfloat16": ("bf16", None), "fp8": ("fp8", 2.0)}
EVERY = 7
"""Every seventh row is taken, so that a run takes seconds."""

Key = tuple[str, str]
Row = tuple[int, int, int, float]


def read(path: Path) -> dict[Key, list[Row]]:
    """Return (m, n, k, seconds) of the timings by chip and number format."""
    found: dict[Key, list[Row]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for index, row in enumerate(csv.DictReader(file)):
            if index % EVERY == 0 and row["chip"] in CHIPS and row["dtype"] in DTYPES:
                shape = (int(row["m"]), int(row["n"]), int(row["k"]))
                found.setdefault((row["chip"], row["dtype"]), []).append((*shape, float(row["latency_us"]) * 1e-6))
    return found


def errors(catalog: Catalog, key: Key, rows: list[Row]) -> tuple[np.ndarray, np.ndarray]:
    """Return the relative errors of the kernel form and of the plain roofline."""
    dtype, quantized_from = DTYPES[key[1]]
    machine = catalog.machine(CHIPS[key[0]], dtype, kernel=True)
    m, n, k, measured = np.array(rows).T
    kernels = [matrix_product(int(a), int(b), int(c)) for a, b, c, _ in rows]
    predicted = kernel_latency_s(kernels, [machine], [1], quantized_from=quantized_from)[:, 0, 0]
    traffic = (m * k + k * n + m * n) * machine.element_bytes
    roof = np.maximum(2 * m * n * k / machine.peak, traffic / machine.bandwidth)
    return predicted / measured - 1, roof / measured - 1


def main() -> None:
    """Print one line for each chip and number format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/measurements"))
    path = parser.parse_args().data / "gemm_kernels.csv.gz"
    if not path.is_file():
        print(f"skipped: no {path}")
        return
    catalog = load()
    print(f"{'chip':20}{'dtype':10}{'points':>8}{'median %':>10}{'mean %':>8}{'bias %':>8}   plain roofline: median %")
    for key, rows in sorted(read(path).items()):
        ours, roof = errors(catalog, key, rows)
        figures = [100 * value for value in (np.median(abs(ours)), abs(ours).mean(), ours.mean(), np.median(abs(roof)))]
        print(
            f"{CHIPS[key[0]]:20}{key[1]:10}{len(rows):8}{figures[0]:10.1f}{figures[1]:8.1f}{figures[2]:8.1f}{figures[3]:12.1f}"
        )


if __name__ == "__main__":
    main()
