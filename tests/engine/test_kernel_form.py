"""The kernel form: one matrix product run by itself, by hand and by law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import _compiled as forms
from engine import load
from engine.compiled import kernel_latency_s
from engine.machine import Machine
from engine.ops import matrix_product

CATALOG = load()
CHIPS = ("nvidia-h100-sxm", "nvidia-a100-sxm-80", "nvidia-l40s", "nvidia-t4", "google-tpu-v4", "stillwater-kpu-t256")
SIZES = st.integers(1, 20_000)


def machine(hardware: str, dtype: str = "bf16") -> Machine:
    chip = CATALOG.accelerators[hardware]
    return CATALOG.machine(hardware, dtype if dtype in chip.peak_dense else "fp16", kernel=True)


def seconds(shape: tuple[int, int, int], on: Machine, **options: float) -> float:
    return float(kernel_latency_s([matrix_product(*shape)], [on], [1], **options)[0, 0, 0])


def test_a_skinny_product_takes_its_launch_and_its_traffic_by_hand() -> None:
    # 1 x 16384 times 16384 x 16384 in bf16: 537 MB of weights, ten times the L2 cache, so every byte comes from memory
    on = machine("nvidia-h100-sxm")
    traffic = 2 * (16384 * 16384 + 2 * 16384)
    memory = traffic / (0.912 * 3.35e12)
    assert seconds((1, 16384, 16384), on) >= 2.56e-6 + memory
    assert seconds((1, 16384, 16384), on) <= 2.56e-6 + memory * 1.30  # alpha 0.30 of the arithmetic is not hidden


def test_a_large_product_runs_at_the_sustained_share_of_the_peak() -> None:
    on = machine("nvidia-h100-sxm")
    assert seconds((16384, 16384, 16384), on) == pytest.approx(2 * 16384**3 / (0.948 * 989.4e12), rel=0.15)


def test_quantizing_on_the_fly_adds_its_pass() -> None:
    on = machine("nvidia-h100-sxm", "fp8")
    added = forms.quantize_s(launch=on.launch, rows=512, channels=4096, taps=1, source_bytes=2.0, operand_bytes=1.0,
                             bandwidth=on.bandwidth, bandwidth_share=on.bandwidth_share)  # fmt: skip
    shape = (512, 4096, 4096)
    assert seconds(shape, on, quantized_from=2.0) == pytest.approx(seconds(shape, on) + added)


@given(SIZES, SIZES, SIZES, st.sampled_from(CHIPS))
def test_no_product_is_faster_than_its_bound(rows: int, columns: int, contraction: int, hardware: str) -> None:
    on = machine(hardware)
    traffic = on.element_bytes * (rows * contraction + contraction * columns + rows * columns)
    bound = forms.latency_lower_bound_s(
        work_min=2.0 * rows * columns * contraction, peak_max=on.peak_max, traffic_min=float(traffic),
        on_chip=on.on_chip, bandwidth=on.bound_bandwidth,
    )  # fmt: skip
    assert seconds((rows, columns, contraction), on) >= bound


@given(SIZES, SIZES, SIZES, st.sampled_from(("nvidia-h100-sxm", "nvidia-t4", "stillwater-kpu-t256")))
def test_a_longer_product_is_never_faster(rows: int, columns: int, contraction: int, hardware: str) -> None:
    on = machine(hardware)
    assert seconds((2 * rows, columns, contraction), on) >= seconds((rows, columns, contraction), on) * (1 - 1e-12)


def test_the_shape_is_kernels_machines_batches() -> None:
    kernels = [matrix_product(8, 16, 32), matrix_product(64, 64, 64)]
    machines = [machine("nvidia-h100-sxm"), machine("nvidia-a100-sxm-80")]
    together = kernel_latency_s(kernels, machines, [1, 2, 4])
    assert together.shape == (2, 2, 3)
    alone = kernel_latency_s(kernels[1:], machines[:1], [4])
    assert np.array_equal(together[1:, :1, 2:], alone)
