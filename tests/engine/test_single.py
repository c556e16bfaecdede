"""Single kernels: by hand on the shape of the H100, by law on every chip with tiles, and what a recipe of formats means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from engine import _compiled as forms
from engine.accelerator import Accelerator
from engine.calibration import KernelConstants
from engine.errors import DomainError, UnknownNameError
from engine.single import RECIPES, KernelMachine, hosted, kernel_machine, latency_s

H100 = "nvidia-h100-sxm"
PEAK, BANDWIDTH = 989.4e12, 3.35e12
LAUNCH, SUSTAINED, SHARE, CACHE_RATIO = 2e-6, 0.9, 0.92, 2.5
CHIPS = sorted(name for name, constants in strategies.catalog().constants.items() if constants.form == "tiled")
SIZES = st.integers(1, 20_000)
ROUNDING = 1e-12
UNITS = {
    "launch": "s",
    "launch_growth": "s",
    "wave_fill": "s",
    "split_cost": "s",
    "host": "s",
    "walk": "s",
    "feed": "B/FLOP",
    "softmax_work": "FLOP",
}
UNITS |= {"reference_clock": "MHz"}
NOT_QUANTITIES = ("operator", "format", "software", "rotations")
SIMPLE: Mapping[str, Any] = {
    "launch": LAUNCH, "sustained": SUSTAINED, "bandwidth_share": SHARE, "cache_ratio": CACHE_RATIO, "wave_sharing": 1.0,
}  # fmt: skip
"""Constants with which a kernel can be counted by hand: nothing fills, drains, waits or is left over."""


def constants(operator: str = "gemm", format_: str = "bf16", **values: Any) -> KernelConstants:
    """Return constants of single kernels; a number gets its unit."""
    numbers = {
        name: value if name in NOT_QUANTITIES else {"value": value, "unit": UNITS.get(name, "1"), "source": "us"}
        for name, value in (dict(SIMPLE) | values).items()
    }
    return KernelConstants.model_validate({"operator": operator, "format": format_} | numbers)


def machine(operator: str = "gemm", format_: str = "bf16", hardware: str = H100, **values: Any) -> KernelMachine:
    catalog = strategies.catalog()
    found = constants(operator, format_, **values)
    return kernel_machine(catalog.accelerators[hardware], catalog.constants[hardware], found, format_)


def seconds(on: KernelMachine, **sizes: float) -> float:
    return float(latency_s(on, sizes))


def product(on: KernelMachine, rows: float, columns: float, contraction: float) -> float:
    return seconds(on, rows=rows, columns=columns, contraction=contraction)


# Products by hand.


def test_a_skinny_product_takes_its_launch_and_its_traffic() -> None:
    # 1 x 16384 times 16384 x 16384 in bf16: 537 MB of weights, ten times the L2 cache, so every byte comes from memory
    traffic = 2 * (16384 * 16384 + 2 * 16384)
    assert product(machine(), 1, 16384, 16384) == pytest.approx(LAUNCH + traffic / (SHARE * BANDWIDTH), rel=1e-12)


def test_a_product_that_the_cache_keeps_travels_at_the_rate_of_the_cache() -> None:
    # 1 x 2048 times 2048 x 2048: 8.4 MB, less than 0.7 of 52.4 MB; eight sets of weights are more than 1.2 of it
    weights, activations = 2 * 2048 * 2048, 2 * 2 * 2048
    kept = LAUNCH + (weights + activations) / (CACHE_RATIO * BANDWIDTH)
    assert product(machine(), 1, 2048, 2048) == pytest.approx(kept, rel=1e-12)
    rotated = LAUNCH + weights / (SHARE * BANDWIDTH) + activations / (CACHE_RATIO * BANDWIDTH)
    assert product(machine(rotations=8), 1, 2048, 2048) == pytest.approx(rotated, rel=1e-12)


def test_half_of_a_launch_is_spent_in_cycles_where_a_calibration_names_its_clock() -> None:
    # the product of the first test on the 1830 MHz of an H100: a launch fitted at twice that is half as long again
    traffic = 2 * (16384 * 16384 + 2 * 16384) / (SHARE * BANDWIDTH)
    on = machine(reference_clock=3660.0, clocked=0.5)
    assert product(on, 1, 16384, 16384) == pytest.approx(1.5 * LAUNCH + traffic, rel=1e-12)
    assert product(machine(reference_clock=1830.0, clocked=0.5), 1, 16384, 16384) == product(machine(), 1, 16384, 16384)
    # fill of waves and splits as well
    slow = {"wave_fill": 1e-6, "split_cost": 1e-6, "sustained": 1e3, "bandwidth_share": 1e9, "cache_ratio": 1e9}
    assert product(machine(reference_clock=3660.0, clocked=0.5, **slow), 64, 64, 64) == pytest.approx(
        1.5 * product(machine(**slow), 64, 64, 64), rel=1e-3
    )


def test_a_large_product_runs_at_the_sustained_share_of_the_peak() -> None:
    size = 16384
    expected = 2 * size**3 / (SUSTAINED * PEAK)
    assert product(machine(), size, size, size) == pytest.approx(LAUNCH + expected, rel=1e-12)
    # tiles of 256 x 128 would be 62.06 waves on 132 units; without sharing the small ones waste least, in 1985.94 waves
    whole = expected * 1986 * 132 / (1024 * 256)
    assert product(machine(wave_sharing=0.0), size, size, size) == pytest.approx(LAUNCH + whole, rel=1e-12)


def test_a_long_product_meets_the_power_limit_and_a_short_one_a_part_of_it() -> None:
    for size, traffic in (
        (16384, 6 * 16384**2),
        (1024, 0),
    ):  # 1.6 GB, all of which comes from memory; 6 MB, of which nothing does
        alone, on = product(machine(), size, size, size), machine(energy_share=3.0)
        joules = 2 * size**3 * on.flop_j + traffic * on.byte_j + 6 * size**2 * on.cache_byte_j
        power_s = (3 * joules + (on.idle_w - on.static_w) * alone) / (on.tdp_w - on.static_w)
        lowered = (alone**on.voltage_exponent * power_s) ** (1 / (1 + on.voltage_exponent))
        whole = max(alone, power_s / on.voltage_span, lowered)
        assert whole > alone
        held = min(1.0, alone / 1e-3)
        assert product(on, size, size, size) == pytest.approx(whole**held * alone ** (1 - held), rel=1e-12)
        assert (alone > 1e-3) == (size == 16384)
    unknown = replace(machine(energy_share=0.7), flop_j=math.nan)
    assert product(unknown, 1024, 1024, 1024) == product(machine(), 1024, 1024, 1024)


def test_a_short_contraction_is_padded_to_a_step_of_its_kernel_or_else_of_the_set() -> None:
    slow = {"sustained": 1e-3, "bandwidth_share": 1e9, "cache_ratio": 1e9}  # so that nothing but arithmetic counts
    whole = 2 * 16384**2 * 64 / (1e-3 * PEAK)
    assert product(machine(**slow), 16384, 16384, 40) == pytest.approx(LAUNCH + whole, rel=1e-9)
    for step, padded in ((8, 40), (16, 48), (32, 64), (128, 128)):
        on = machine(contraction_step=step, **slow)
        assert product(on, 16384, 16384, 40) == pytest.approx(LAUNCH + padded / 64 * whole, rel=1e-9)


def test_a_narrow_feed_holds_a_product_up() -> None:
    # a tile of 256 x 128 takes in (256 + 128) * 2 B for every 2 * 256 * 128 FLOP: 0.0117 B/FLOP, twice what is fed here
    on = machine(feed=0.5 * 384 * 2 / (2 * 256 * 128))
    size = 16384
    expected = 2 * 2 * size**3 / on.reference_peak
    assert product(on, size, size, size) == pytest.approx(LAUNCH + expected, rel=1e-12)


def test_what_the_longer_side_does_not_hide_comes_on_top() -> None:
    plain, lossy = (product(machine(overlap_loss=loss), 4096, 4096, 4096) for loss in (0.0, 0.3))
    memory_s = 3 * 2 * 4096**2 / (SHARE * BANDWIDTH)  # 101 MB, which no cache keeps
    assert lossy - plain == pytest.approx(0.3 * memory_s, rel=1e-9)


def test_kernels_come_as_arrays() -> None:
    rows, contraction = [1.0, 64.0, 4096.0], [64.0, 4096.0, 128.0]
    together = latency_s(machine(), {"rows": rows, "columns": 512.0, "contraction": contraction})
    alone = [product(machine(), m, 512, k) for m, k in zip(rows, contraction, strict=True)]
    assert together == pytest.approx(alone, rel=1e-15)


@pytest.mark.parametrize("hardware", ["nvidia-a100-sxm-80", "nvidia-h100-sxm", "nvidia-b200-sxm"])
def test_the_constants_that_ship_stay_near_the_peak_and_near_the_bandwidth(hardware: str) -> None:
    """A large product reaches 60 to 95 % of the peak in bf16; one of 16 rows takes 1 to 1.4 times its weights' way."""
    on = strategies.catalog().kernel(hardware, "gemm", "bf16")
    assert on is not None
    assert 0.6 <= 2 * 8192.0**3 / product(on, 8192, 8192, 8192) / on.load_peak <= 0.95
    assert 1.0 <= product(on, 16, 28672, 8192) / (2 * 28672 * 8192 / on.bandwidth) <= 1.4


GEFORCE: Mapping[str, Mapping[str, Mapping[int, float]]] = {
    "nvidia-rtx4090": {
        "fp16": {2048: 159.38, 4096: 168.38, 8192: 155.50, 10240: 156.88},
        "bf16": {2048: 164.81, 4096: 151.50, 8192: 160.17, 10240: 158.54},
    },
    "nvidia-rtx5090": {
        "fp16": {2048: 173.86, 4096: 217.99, 8192: 223.98, 10240: 220.03},
        "bf16": {2048: 171.53, 4096: 182.19, 8192: 234.66, 10240: 236.99},
    },
}
"""Square products that users timed in PyTorch, chip -> format -> side -> TFLOP/s: zzc0721/torch-performance-test-data, issues
78 and 124. No fit saw them."""


MISSED: Final = pytest.mark.xfail(
    strict=True, reason="8.0 % off since products meet the power limit by clock and voltage; 5.6 before"
)


@pytest.mark.parametrize(
    ("hardware", "most"),
    [("nvidia-rtx4090", 0.045), ("nvidia-rtx5090", 0.085), pytest.param("nvidia-rtx5090", 0.06, marks=MISSED)],
)
def test_products_of_geforce_go_by_the_clock_that_it_holds_under_load(hardware: str, most: float) -> None:
    catalog = strategies.catalog()
    chip, constants = catalog.accelerators[hardware], catalog.constants[hardware]
    kernel = next(kernel for kernel in constants.kernels if kernel.operator == "gemm")

    def error(spec: Accelerator) -> float:
        return float(np.mean([
            abs(product(kernel_machine(spec, constants, kernel, format_), side, side, side) * rate * 1e12 / (2 * side**3) - 1)
            for format_, rates in GEFORCE[hardware].items() for side, rate in rates.items()
        ]))  # fmt: skip

    assert error(chip) < most
    assert error(chip) < error(chip.model_copy(update={"load_clock": None}))


@pytest.mark.parametrize("hardware", ["google-tpu-v4", "stillwater-kpu-t256"])
def test_a_chip_that_nobody_measured_kernels_of_has_no_constants_of_them(hardware: str) -> None:
    assert strategies.catalog().kernel(hardware, "gemm", "bf16") is None


def test_a_format_without_constants_of_its_own_pays_for_narrowing_at_the_rate_of_other_traffic() -> None:
    on = machine(format_="int8")
    assert on.quantize_share == SHARE


# Recipes.


def test_a_quantized_product_adds_the_pass_that_narrows_its_activations() -> None:
    shape = (512, 4096, 4096)
    for recipe in ("fp8", "fp8_block", "int8"):
        without = product(machine(format_=recipe, quantize_share=1e12), *shape)
        slow = product(machine(format_=recipe, quantize_share=0.5), *shape)
        assert slow - without == pytest.approx(512 * 4096 * (2 + 1) / (0.5 * BANDWIDTH), rel=1e-9)


def test_8_bit_weights_halve_the_traffic_of_weights_and_keep_16_bit_arithmetic() -> None:
    size, wide, narrow = 16384, machine(), machine(format_="int8_weights")
    activations = 2 * 2 * size
    assert narrow.load_peak == wide.load_peak == PEAK
    expected = LAUNCH + (size * size + activations) / (SHARE * BANDWIDTH)
    assert product(narrow, 1, size, size) == pytest.approx(expected, rel=1e-12)
    assert product(narrow, size, size, size) == pytest.approx(product(wide, size, size, size), rel=1e-12)


def test_a_recipe_without_a_peak_on_the_chip_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="fp4"):
        machine(format_="fp4")


def test_a_format_that_nobody_calibrated_takes_the_constants_of_16_bits() -> None:
    kernels = (constants(), constants(format_="int8", software="one"), constants(format_="int8", software="two"))
    resolved = replace(strategies.catalog().constants[H100], kernels=kernels)
    assert resolved.kernel("gemm", "fp8") == kernels[0]
    assert resolved.kernel("gemm", "int8") == kernels[1]
    assert resolved.kernel("gemm", "int8", "two") == kernels[2]
    assert resolved.kernel("decode", "bf16") is None


# Other kernels by hand.


@pytest.mark.parametrize("operator", ["elementwise", "softmax", "norm"])
def test_a_stream_is_its_launch_and_its_traffic(operator: str) -> None:
    on = machine(operator)
    assert seconds(on, traffic=1e9) == pytest.approx(LAUNCH + 1e9 / (SHARE * BANDWIDTH), rel=1e-12)
    assert seconds(on, traffic=1e7) == pytest.approx(LAUNCH + 1e7 / (CACHE_RATIO * BANDWIDTH), rel=1e-12)


def test_a_prompt_by_hand() -> None:
    # 33 sequences of 4096 tokens, 4 heads of 128: 33 * 4 * 32 tiles of 128 queries are 32 waves on 132 units; a tile sees 16.5
    # blocks on average
    on = machine("prefill", softmax_work=20.0, sustained=0.8, tile_efficiency=0.5)
    score_s = 4 * 128 / (0.8 * PEAK) + 20 / 66.91e12
    arithmetic = 33 * 4 * 128**2 * 32 * 33 / 2 * score_s
    traffic = 2 * 33 * 4096 * 4 * 128 * 2 + 2 * 33 * 4096 * 1 * 128 * 2
    sizes = {"batch": 33, "tokens": 4096, "heads": 4, "kv_heads": 1, "head_dim": 128, "kv_bytes": 2}
    assert seconds(on, **sizes) == pytest.approx(LAUNCH + arithmetic + traffic / (SHARE * BANDWIDTH), rel=1e-12)


def test_heads_beyond_128_features_run_slower_where_a_calibration_says_so() -> None:
    # 16384 tokens, 132 heads of 256: whole waves of 128 blocks; a rate that falls with the root of the length
    sizes = {"batch": 1, "tokens": 16384, "heads": 132, "kv_heads": 1, "kv_bytes": 2}
    fast = {"bandwidth_share": 1e6, "tile_efficiency": 0.5}
    plain, loss = machine("prefill", **fast), machine("prefill", **fast, head_loss=0.5)
    assert seconds(loss, **sizes, head_dim=128) == seconds(plain, **sizes, head_dim=128)
    scores = 132 * 128**2 * 128 * 129 / 2
    expected = LAUNCH + scores * 4 * 256 * math.sqrt(2) / (SUSTAINED * PEAK)
    assert seconds(loss, **sizes, head_dim=256) == pytest.approx(expected, rel=1e-6)


def test_a_decoded_token_by_hand() -> None:
    # 64 sequences with 8192 cached tokens, 8 key and value heads of 128: 512 heads queue on 132 units
    on = machine("decode", slice_tokens=256.0, walk=1e-6, wave_fill=2e-6)
    cached = 2 * 64 * 8192 * 8 * 128 * 2
    traffic = cached + 2 * 64 * 32 * 128 * 2
    besides = 1e-6 * 2 + 2e-6 * (64 * 8 / 132 - 1)
    sizes = {"batch": 64, "tokens": 8192, "heads": 32, "kv_heads": 8, "head_dim": 128, "kv_bytes": 2}
    assert seconds(on, **sizes) == pytest.approx(LAUNCH + traffic / (SHARE * BANDWIDTH) + besides, rel=1e-12)
    narrow = LAUNCH + (traffic - cached / 2) / (SHARE * BANDWIDTH) + besides
    assert seconds(on, **sizes | {"kv_bytes": 1}) == pytest.approx(narrow, rel=1e-12)


WINDOW = {"kernel": 3, "stride": 1, "padding": 1}


def test_a_convolution_is_the_product_of_its_windows_or_winograds_form() -> None:
    # 64 samples of 1024 channels, 56 x 56, 3 x 3, stride 1: (64*56*56) x 9216 times 9216 x 1024
    on, batch, channels = machine("conv"), 64, 1024
    sizes = {"batch": batch, "in_channels": channels, "out_channels": channels, "height": 56} | WINDOW
    implicit = LAUNCH + 2 * batch * 56**2 * 9 * channels**2 / (SUSTAINED * PEAK)
    assert seconds(on, **sizes) == pytest.approx(implicit, rel=1e-12)
    # Winograd's form: 14 x 14 tiles of 4 x 4 results are 36 products each; image, weights and result are transformed
    winograd = machine("conv", winograd=0.6, transform=1.0, transform_weights=1.0)
    tiles = batch * 14**2
    products = 36 * 2 * tiles * channels**2 / (0.6 * PEAK)
    moved = 2 * (batch * 56**2 * 2 * channels + 36 * tiles * 2 * channels + (36 + 9) * channels**2)
    expected = 3 * LAUNCH + moved / (SHARE * BANDWIDTH) + products
    assert expected < implicit
    assert seconds(winograd, **sizes) == pytest.approx(expected, rel=1e-12)


def test_a_tile_of_a_convolution_fills_and_loads_its_edges() -> None:
    # 1 x 1: 128*32*32 = 131072 rows, 128 columns, contraction 61, padded to 64; the tile of 256 x 128 pays least for its edges
    sizes = {"batch": 128, "in_channels": 61, "out_channels": 128, "kernel": 1, "height": 32, "stride": 1, "padding": 0}
    on = machine("conv", "fp32", contraction_step=8, bandwidth_share=1e3, cache_ratio=1e3, tile_fill=16.0, tile_edge=12.8)
    work = 2 * 131072 * 128 * (64 + 16)
    expected = LAUNCH + work / (SUSTAINED * 66.91e12) * (1 + 12.8 * (1 / 256 + 1 / 128))
    assert seconds(on, **sizes) == pytest.approx(expected, rel=1e-12)


def test_winograds_products_are_slower_where_their_rows_are_no_multiple_of_four() -> None:
    # 10 samples of 28 x 28 are 490 tiles of 4 x 4, 8 samples 392
    def products(batch: int, **values: float) -> float:
        on = machine("conv", winograd=0.6, sustained=1e-3, launch=0.0, bandwidth_share=1e9, **values)
        return seconds(on, batch=batch, in_channels=512, out_channels=512, height=28, **WINDOW)

    assert products(10, misalignment=0.25) == pytest.approx(1.25 * products(10), rel=1e-6)
    assert products(8, misalignment=0.25) == products(8)


def test_every_shape_that_was_tried_before_adds_to_a_launch() -> None:
    on = machine("conv", launch_growth=1e-7)
    sizes = {"batch": 4, "in_channels": 64, "out_channels": 64, "height": 28} | WINDOW
    assert seconds(on, **sizes) == seconds(on, **sizes, tried=0)
    assert seconds(on, **sizes, tried=3000) == pytest.approx(seconds(on, **sizes) + 3e-4, rel=1e-12)


def test_groups_of_a_convolution_run_side_by_side_in_one_launch() -> None:
    # 32 groups of 32 channels, 64 samples of 56 x 56, 3 x 3, stride 2 to 28 x 28: as many products of 50176 x 288 x 32, each
    # in 392 tiles of 128 x 64 of which half is padding, or in 784 of 64 x 32, which fit
    sizes = {"batch": 64, "in_channels": 1024, "out_channels": 1024, "height": 56, "kernel": 3, "stride": 2, "padding": 1}
    on = machine("conv", contraction_step=8, bandwidth_share=1e3, cache_ratio=1e3)
    assert seconds(on, **sizes, groups=32) == pytest.approx(
        LAUNCH + 32 * 2 * 64 * 28**2 * 288 * 32 / (SUSTAINED * PEAK), rel=1e-12
    )
    # its weights are those of one group's channels: 9 * 32 * 1024 elements
    slow = machine("conv", sustained=1e6)
    moved = 2 * (64 * 1024 * (56**2 + 28**2) + 9 * 32 * 1024)
    assert seconds(slow, **sizes, groups=32) == pytest.approx(LAUNCH + moved / (SHARE * BANDWIDTH), rel=1e-12)


def test_groups_of_winograds_form_have_weights_of_their_own() -> None:
    # two groups of 512 channels at stride 1; half the products and half the transformed weights of one group of 1024
    on = machine("conv", winograd=0.6, sustained=1e-3, transform=1.0, transform_weights=1.0)
    tiles = 64 * 14**2
    products = 2 * 36 * 2 * tiles * 512**2 / (0.6 * PEAK)
    moved = 2 * (64 * 56**2 * 2 * 1024 + 36 * tiles * 2 * 1024 + 2 * (36 + 9) * 512**2)
    sizes = {"batch": 64, "in_channels": 1024, "out_channels": 1024, "height": 56} | WINDOW
    assert seconds(on, **sizes, groups=2) == pytest.approx(3 * LAUNCH + moved / (SHARE * BANDWIDTH) + products, rel=1e-12)


def test_a_group_for_each_channel_is_depthwise_and_no_product() -> None:
    sizes = {"batch": 64, "in_channels": 256, "height": 56, "kernel": 3, "stride": 1, "padding": 1}
    with pytest.raises(DomainError, match="ask for the operator 'depthwise'"):
        seconds(machine("conv"), **sizes, out_channels=256, groups=256)
    # image and result of 64 * 256 * 56 * 56 elements, 103 MB each, and 9 * 256 weights, all from memory
    moved = 2 * (2 * 64 * 256 * 56**2 + 9 * 256)
    assert seconds(machine("depthwise"), **sizes) == pytest.approx(LAUNCH + moved / (SHARE * BANDWIDTH), rel=1e-12)


def test_a_depthwise_convolution_with_a_large_window_is_bound_by_the_vector_units() -> None:
    # 31 x 31 on 64 * 256 images of 56 x 56: 1922 FLOP for each of 51 million results, in fp32 units though its format is bf16
    sizes = {"batch": 64, "in_channels": 256, "height": 56, "kernel": 31, "stride": 1, "padding": 15}
    work = 2 * 31**2 * 64 * 256 * 56**2
    assert seconds(machine("depthwise"), **sizes) == pytest.approx(LAUNCH + work / 66.91e12, rel=1e-12)
    # two results for each channel
    assert seconds(machine("depthwise"), **sizes, out_channels=512) == pytest.approx(LAUNCH + 2 * work / 66.91e12, rel=1e-12)


def test_an_embedding_reads_each_row_of_its_table_once() -> None:
    on = machine("embedding")
    # 1 000 000 tokens of 4096 features out of 32 000 rows: every row once, every result, every index
    moved = 2 * 4096 * 32_000 + 1_000_000 * (2 * 4096 + 4)
    assert seconds(on, rows=32_000, tokens=1e6, width=4096) == pytest.approx(LAUNCH + moved / (SHARE * BANDWIDTH), rel=1e-12)
    # 100 000 tokens out of a million rows: as many rows as tokens
    moved = 100_000 * (2 * 2 * 4096 + 4)
    assert seconds(on, rows=1e6, tokens=1e5, width=4096) == pytest.approx(LAUNCH + moved / (SHARE * BANDWIDTH), rel=1e-12)


@pytest.mark.parametrize("operator", ["depthwise", "embedding"])
def test_what_nobody_measured_streams_as_elementwise_kernels_of_the_chip_do(operator: str) -> None:
    catalog = strategies.catalog()
    on, elementwise = (catalog.kernel("nvidia-t4", name, "fp32") for name in (operator, "elementwise"))
    assert on is not None
    assert elementwise is not None
    assert (on.operator, on.launch, on.bandwidth_share) == (operator, elementwise.launch, elementwise.bandwidth_share)
    assert math.isnan(on.ratio_p90)  # nobody measured it, so that it has no interval
    half = catalog.kernel(H100, operator, "bf16")
    assert half is not None
    assert half.operand_bytes == 2
    assert catalog.kernel("google-tpu-v4", operator, "bf16") is None


def test_an_operator_without_a_form_is_an_error() -> None:
    with pytest.raises(DomainError, match="no form for single kernels of 'fft'; there are: gemm, prefill"):
        seconds(replace(machine(), operator="fft"), rows=1.0)


# Laws.


@st.composite
def machines(draw: st.DrawFn, operator: str, formats: tuple[str, ...] = ("bf16",)) -> KernelMachine:
    """Return the machine of an operator on any chip with tiles, with any constants in their range."""
    usable = [(name, f) for name in CHIPS for f in formats if chip_formats(name) & set(RECIPES[f].peaks)]
    hardware, format_ = draw(st.sampled_from(usable))
    share, more = st.floats(0.2, 1.0), st.floats(0.0, 1.0)
    return machine(
        operator, format_, hardware, sustained=draw(share), bandwidth_share=draw(share), cache_ratio=draw(st.floats(1.0, 5.0)),
        launch=draw(st.floats(0.0, 1e-5)), wave_fill=draw(st.floats(0.0, 2e-6)), wave_sharing=draw(more), tile_drain=draw(more),
        overlap_loss=draw(more), split_cost=draw(st.floats(0.0, 5e-6)), rotations=draw(st.integers(1, 8)),
        energy_share=draw(more), feed=draw(strategies.decades(-3, -1)), softmax_work=draw(st.floats(0.0, 90.0)),
        tile_efficiency=draw(share),
        slice_tokens=draw(st.sampled_from([128.0, 512.0, 4096.0])), walk=draw(st.floats(0.0, 2e-6)), quantize_share=draw(share),
        tile_fill=draw(st.floats(0.0, 64.0)), tile_edge=draw(st.floats(0.0, 64.0)), misalignment=draw(more),
        launch_growth=draw(st.sampled_from([0.0, 1e-7])), head_loss=draw(more),
        winograd=draw(share), transform=draw(more), transform_weights=draw(more), host=draw(st.sampled_from([0.0, 1e-5])),
        host_sharpness=draw(st.floats(1.0, 8.0)),
    )  # fmt: skip


def chip_formats(hardware: str) -> set[str]:
    return set(strategies.catalog().accelerators[hardware].dtypes)


def bound(on: KernelMachine, work_min: float, traffic_min: float) -> float:
    """Return the sound lower bound of a kernel."""
    return float(
        forms.latency_lower_bound_s(
            work_min=work_min, peak_max=on.peak_max, traffic_min=traffic_min, on_chip=on.on_chip, bandwidth=on.bound_bandwidth
        )
    )


@given(SIZES, SIZES, SIZES, machines("gemm", tuple(RECIPES)))
def test_no_product_is_faster_than_its_bound(rows: int, columns: int, contraction: int, on: KernelMachine) -> None:
    elements = rows * contraction * on.operand_bytes + columns * contraction * on.weight_bytes
    least = bound(on, 2.0 * rows * columns * contraction, elements + rows * columns * on.result_bytes)
    assert product(on, rows, columns, contraction) >= least * (1 - ROUNDING)


ATTENTION = {
    "batch": st.integers(1, 256), "tokens": st.integers(1, 16_384), "heads": st.sampled_from([8, 32, 96]),
    "kv_heads": st.sampled_from([1, 8]), "head_dim": st.sampled_from([64, 128, 256]), "kv_bytes": st.sampled_from([1, 2]),
}  # fmt: skip


@given(st.fixed_dictionaries(ATTENTION), machines("prefill"))
def test_no_prompt_is_faster_than_its_bound(sizes: dict[str, float], on: KernelMachine) -> None:
    tokens, side = sizes["tokens"], sizes["batch"] * sizes["head_dim"]
    traffic = 2 * side * tokens * (sizes["heads"] * on.operand_bytes + sizes["kv_heads"] * sizes["kv_bytes"])
    work = 4 * side * sizes["heads"] * tokens * (tokens + 1) / 2
    assert seconds(on, **sizes) >= bound(on, work, traffic) * (1 - ROUNDING)


@given(st.fixed_dictionaries(ATTENTION), machines("decode"))
def test_no_decoded_token_is_faster_than_its_bound(sizes: dict[str, float], on: KernelMachine) -> None:
    side = sizes["batch"] * sizes["head_dim"]
    cached = 2 * side * sizes["tokens"] * sizes["kv_heads"] * sizes["kv_bytes"]
    traffic = cached + 2 * side * sizes["heads"] * on.operand_bytes
    assert seconds(on, **sizes) >= bound(on, 4 * side * sizes["heads"] * sizes["tokens"], traffic) * (1 - ROUNDING)


@given(
    st.fixed_dictionaries(
        {
            "batch": st.integers(1, 128), "in_channels": st.integers(2, 1024), "kernel": st.sampled_from([1, 3, 7, 31]),
            "height": st.integers(31, 224), "stride": st.sampled_from([1, 2]),
        }
    ).map(lambda drawn: drawn | {"padding": drawn["kernel"] // 2}),
    machines("depthwise"),
)  # fmt: skip
def test_no_depthwise_convolution_is_faster_than_its_bound(sizes: dict[str, float], on: KernelMachine) -> None:
    kernel, stride = sizes["kernel"], sizes["stride"]
    side = math.floor((sizes["height"] + 2 * sizes["padding"] - kernel) / stride) + 1
    read = (sizes["height"] if kernel >= stride else side) ** 2
    images = sizes["batch"] * sizes["in_channels"]
    work = 2 * images * side**2 * (1 if stride == 1 else kernel**2)
    assert seconds(on, **sizes) >= bound(on, work, 2 * (images * (read + side**2) + kernel**2)) * (1 - ROUNDING)


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 8192), machines("embedding"))
def test_no_embedding_is_faster_than_its_bound(rows: int, tokens: int, width: int, on: KernelMachine) -> None:
    traffic = 2 * width * (min(rows, tokens) + tokens)
    assert seconds(on, rows=rows, tokens=tokens, width=width) >= bound(on, 0.0, traffic) * (1 - ROUNDING)


IMAGES: Mapping[str, st.SearchStrategy[float]] = {
    "batch": st.integers(1, 128), "in_channels": st.integers(1, 1024), "out_channels": st.integers(1, 1024),
    "kernel": st.sampled_from([1, 3, 5]), "height": st.integers(5, 224), "stride": st.sampled_from([1, 2]),
}  # fmt: skip


def convolution(drawn: dict[str, float]) -> dict[str, float]:
    return drawn | {"padding": drawn["kernel"] // 2}


@given(st.fixed_dictionaries(dict(IMAGES)).map(convolution), machines("conv"))
def test_no_convolution_is_faster_than_its_bound(sizes: dict[str, float], on: KernelMachine) -> None:
    kernel, stride, channels, out = (sizes[name] for name in ("kernel", "stride", "in_channels", "out_channels"))
    side = math.floor((sizes["height"] + 2 * sizes["padding"] - kernel) / stride) + 1
    work = 2 * sizes["batch"] * side**2 * out * channels * kernel**2
    least = min(kernel, stride)  # a window of 1 with a stride of 2 reads one element of four
    read = channels * (sizes["height"] if least == stride else side) ** 2
    traffic = 2 * (sizes["batch"] * (read + out * side**2) + kernel**2 * channels * out)
    assert seconds(on, **sizes) >= bound(on, work / kernel**2 if stride == 1 else work, traffic) * (1 - ROUNDING)


@given(SIZES, SIZES, SIZES, machines("gemm", tuple(RECIPES)))
def test_a_longer_product_is_never_faster(rows: int, columns: int, contraction: int, on: KernelMachine) -> None:
    base = product(on, rows, columns, contraction) * (1 - ROUNDING)
    assert product(on, 2 * rows, columns, contraction) >= base
    assert product(on, rows, 2 * columns, contraction) >= base
    assert product(on, rows, columns, 2 * contraction) >= base


@given(st.sampled_from(["prefill", "decode"]).flatmap(machines), st.fixed_dictionaries(ATTENTION), st.integers(1, 5000))
def test_attention_takes_longer_with_more_tokens(on: KernelMachine, sizes: dict[str, float], more: int) -> None:
    longer = sizes | {"tokens": sizes["tokens"] + more}
    assert seconds(on, **longer) >= seconds(on, **sizes) * (1 - ROUNDING)


@given(st.fixed_dictionaries(dict(IMAGES)).map(convolution), machines("conv"))
def test_winograds_form_is_taken_only_where_it_is_faster(sizes: dict[str, float], on: KernelMachine) -> None:
    implicit = seconds(replace(on, winograd=math.nan), **sizes)
    assert seconds(on, **sizes) <= implicit * (1 + ROUNDING)
    if (sizes["kernel"], sizes["stride"]) != (3, 1):
        assert seconds(on, **sizes) == implicit


@given(strategies.decades(-7, 0), strategies.decades(-7, -3), st.floats(1.0, 8.0))
def test_host_and_device_together_are_never_faster_than_either(device_s: float, host_s: float, sharpness: float) -> None:
    on = machine(host=host_s, host_sharpness=sharpness)
    both = float(hosted(on, np.asarray(device_s)))
    assert both >= max(device_s, host_s) * (1 - ROUNDING)
    assert both <= (device_s + host_s) * (1 + ROUNDING)
    assert float(hosted(replace(on, host=0.0), np.asarray(device_s))) == device_s
