"""Winograd's form in networks: by hand, where a network takes it, what it does to time and energy, and that it never costs."""

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.compiled import estimate
from engine.machine import Machine
from engine.network import Network

PEAK, BANDWIDTH = 10e12, 500e9
BARE: dict[str, Any] = {
    "launch": 2e-6, "host": 0.0, "peak": PEAK, "load_peak": PEAK, "conv_peak": PEAK, "reference_peak": PEAK, "peak_max": PEAK,
    "bandwidth": BANDWIDTH, "bound_bandwidth": BANDWIDTH, "bandwidth_share": 1.0, "feed": math.inf, "tdp_w": 1e9,
    "units": 1.0, "sustained": 0.9, "time_factor": 1.0, "energy_factor": 1.0, "wave_fill": 0.0, "tile_drain": 0.0,
    "split_cost": 0.0, "winograd": 0.5, "transform": 1.0, "transform_weights": 2.0, "cache": 1.0, "flop_j": 1e-12,
    "byte_j": 0.0, "cache_byte_j": 1e-12, "conv_factor": 1.0, "idle_w": 0.0, "static_w": 0.0,
}  # fmt: skip
"""One unit whose tiles divide all sizes below, so that times are work over rates."""


@cache
def convolution(**changes: Any) -> Network:
    """Return a convolution of 64 to 256 channels over 64 x 64 pixels."""
    graph = [{"op": "conv2d", "out_channels": 256, "kernel": 3, "padding": 1, "bias": False} | changes]
    return strategies.tiny(graph, {"x": [64, 64, 64]})


def machine(**changes: Any) -> Machine:
    return replace(strategies.catalog().machine("nvidia-t4", "fp32"), **BARE | changes)


def seconds(network: Network, on: Machine, batch: float = 1.0) -> float:
    return float(estimate(network, [on], [batch]).latency_estimate_s[0, 0])


WORK = 2 * 64 * 64 * 256 * 64 * 9
TILES = 16 * 16
IMAGE, TRANSFORMED, WEIGHTS = 64 * 64 * (64 + 256), 36 * TILES * (64 + 256), (36 + 9) * 64 * 256


def test_a_convolution_in_winograds_form_by_hand() -> None:
    products = 36 * 2 * TILES * 64 * 256
    moved = 4 * (IMAGE + TRANSFORMED + 2 * WEIGHTS)
    expected = 3 * 2e-6 + products / (0.5 * PEAK) + moved / BANDWIDTH
    assert expected < 2e-6 + WORK / (0.9 * PEAK)
    points = estimate(convolution(), [machine()], [1.0])
    assert points.latency_estimate_s[0, 0] == pytest.approx(expected, rel=1e-12)
    energy = 1e-12 * (products + 4 * (IMAGE + TRANSFORMED) + 4 * 9 * 64 * 256)  # products, and bytes on the chip
    assert points.energy_per_inference_j[0, 0] == pytest.approx(energy, rel=1e-12)


def test_it_stays_the_product_of_its_windows_where_that_is_faster() -> None:
    slow = machine(transform=20.0)
    assert seconds(convolution(), slow) == pytest.approx(2e-6 + WORK / (0.9 * PEAK), rel=1e-12)
    assert seconds(convolution(), slow) == seconds(convolution(), machine(winograd=0.0))


@pytest.mark.parametrize(
    "changes",
    [{"kernel": 1, "padding": 0}, {"kernel": 5, "padding": 2}, {"stride": 2}, {"dilation": 2, "padding": 2}, {"groups": 2},
     {"kernel": [3, 1], "padding": [1, 0]}],
)  # fmt: skip
def test_other_windows_strides_and_groups_never_take_it(changes: dict[str, Any]) -> None:
    graph = [{"op": "conv2d", "out_channels": 256, "kernel": 3, "padding": 1} | changes]
    other = strategies.tiny(graph, {"x": [64, 64, 64]})
    assert seconds(other, machine(winograd=1.0, transform=0.0, transform_weights=0.0)) == seconds(other, machine(winograd=0.0))


def test_networks_take_it_in_fp32_on_vector_units_only() -> None:
    catalog = strategies.catalog()
    found = {
        (name, dtype)
        for name, constants in catalog.constants.items()
        for dtype in catalog.accelerators[name].dtypes
        if catalog.machine(name, dtype).winograd > 0
    }
    gpus = [chip for chip in catalog.accelerators if chip.kind == "gpu" and chip.id in catalog.constants]
    assert found == {(gpu.id, "fp32") for gpu in gpus if "fp32" in gpu.dtypes and "fp32" not in gpu.peak_vector}
    assert {name for name, _ in found} >= {"nvidia-v100-sxm2-16", "nvidia-t4", "nvidia-h100-sxm"}
    assert not {"amd-mi100", "amd-mi210", "amd-mi250x"} & {name for name, _ in found}  # their fp32 is of matrix cores


def test_vgg_in_fp32_on_v100_runs_above_the_rate_of_its_windows() -> None:
    network, v100 = strategies.network("vgg16"), strategies.catalog().machine("nvidia-v100-sxm2-16", "fp32")
    rate = network.work * 64 / seconds(network, v100, 64.0)
    assert rate > v100.peak > network.work_min * 64 / seconds(network, v100, 64.0)


@settings(max_examples=30)
@given(on=strategies.machines(forms=["tiled"]), batch=st.sampled_from([1.0, 7.0, 64.0]))
def test_it_never_takes_longer_than_the_product_of_windows_but_for_the_energy(on: Machine, batch: float) -> None:
    network, free = strategies.network("resnet18"), replace(on, tdp_w=1e12, idle_w=0.0, static_w=0.0)
    assert seconds(network, free, batch) <= seconds(network, replace(free, winograd=0.0), batch) * (1 + 1e-12)


def test_a_machine_with_it_beside_others_and_at_many_batches_is_the_machine_alone_at_one() -> None:
    network, catalog = strategies.network("vgg16"), strategies.catalog()
    machines = [catalog.machine(chip, dtype) for chip in ("nvidia-t4", "nvidia-v100-sxm2-16") for dtype in ("fp32", "fp16")]
    batches = [1.0, 2.0, 8.0, 32.0, 64.0, 100.0]
    together = estimate(network, machines, batches)
    for row, on in enumerate(machines):
        for column, batch in enumerate(batches):
            alone = estimate(network, [on], [batch])
            for name in ("latency_estimate_s", "energy_per_inference_j"):
                np.testing.assert_array_equal(getattr(together, name)[row, column], getattr(alone, name)[0, 0])
