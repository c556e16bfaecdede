"""Reality: no published timing of a matrix product is below the sound bound of its chip."""

from __future__ import annotations

import csv
import gzip
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import strategies

from engine import _compiled

MEASUREMENTS = Path(__file__).parents[3] / "shared" / "measurements" / "gemm_kernels.csv.gz"
CHIPS = {"h100_sxm": "nvidia-h100-sxm", "a100_sxm": "nvidia-a100-sxm-80", "l40s": "nvidia-l40s"}
DTYPES = {"bfloat16": ("bf16", 2, 2), "fp8": ("fp8", 1, 2)}
"""Name in the measurements -> ours, bytes of an operand, bytes of the result."""
CASES = [("h100_sxm", "bfloat16"), ("h100_sxm", "fp8"), ("a100_sxm", "bfloat16"), ("l40s", "bfloat16"), ("l40s", "fp8")]

pytestmark = pytest.mark.skipif(not MEASUREMENTS.is_file(), reason="the published measurements are not beside this checkout")


@cache
def timings() -> dict[tuple[str, str], npt.NDArray[np.float64]]:
    """Return rows of m, n, k and latency [us] by chip and dtype."""
    rows: dict[tuple[str, str], list[list[str]]] = {case: [] for case in CASES}
    with gzip.open(MEASUREMENTS, "rt", encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        assert next(reader) == ["chip", "dtype", "framework", "m", "n", "k", "latency_us"]
        for chip, dtype, _, *numbers in reader:
            if (chip, dtype) in rows:
                rows[chip, dtype].append(numbers)
    return {case: np.array(found, dtype=float) for case, found in rows.items()}


@pytest.mark.parametrize(("chip", "dtype"), CASES)
def test_no_measured_product_beats_the_bound(chip: str, dtype: str) -> None:
    m, n, k, latency_us = timings()[chip, dtype].T
    name, operand, result = DTYPES[dtype]
    machine = strategies.catalog().machine(CHIPS[chip], name)
    assert machine.on_chip < np.inf
    bound = _compiled.latency_lower_bound_s(
        work_min=2 * m * n * k,
        traffic_min=(m * k + k * n) * operand + m * n * result,
        peak_max=machine.peak_max,
        bandwidth=machine.bound_bandwidth,
        on_chip=machine.on_chip,
    )
    assert m.size > 1000
    assert np.all(bound > 0)
    beaten = np.flatnonzero(latency_us * 1e-6 < bound)
    shown = [f"{m[i]:.0f} x {n[i]:.0f} x {k[i]:.0f}: {latency_us[i]} us, bound {bound[i] * 1e6:.3f} us" for i in beaten[:5]]
    assert not beaten.size, f"{beaten.size} of {m.size}: {shown}"
