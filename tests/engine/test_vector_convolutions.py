"""Convolutions that leave the matrix units idle: they go by the peak of the vector units, and nothing else changes."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import strategies

from engine.accelerator import Accelerator
from engine.assembly import machine as machine_of
from engine.compiled import estimate
from engine.fleet import fleet
from engine.machine import Machine
from engine.network import Network
from engine.specimen import specimen

A100 = "nvidia-a100-sxm-80"
VECTOR, MATRIX = 9.746e12, 19.49e12
BARE: dict[str, Any] = {
    "launch": 0.0, "host": 0.0, "bandwidth": 1e18, "bound_bandwidth": 1e18, "feed": math.inf, "tdp_w": 1e9, "units": 1.0,
    "sustained": 1.0, "time_factor": 1.0, "wave_fill": 0.0, "tile_drain": 0.0, "split_cost": 0.0,
}  # fmt: skip
"""A machine that does nothing but multiply, at its peak."""


@cache
def convolution() -> Network:
    """Return a convolution whose rows, columns and channels are whole tiles: 64 x 64 pixels, 64 to 256 channels, 9 taps."""
    graph = [{"op": "conv2d", "out_channels": 256, "kernel": 3, "padding": 1}]
    return strategies.tiny(graph, {"x": [64, 64, 64]})


WORK = 2 * 64 * 64 * 256 * 64 * 9


@cache
def product() -> Network:
    return strategies.tiny([{"op": "linear", "out_features": 256}], {"x": [4096, 576]})


def seconds(network: Network, machine: Machine, **changes: Any) -> float:
    return float(estimate(network, [replace(machine, **BARE | changes)], [1.0]).latency_estimate_s[0, 0])


def on(chip: Accelerator, runtime: str = "eager", dtype: str = "fp64") -> Machine:
    return machine_of(chip, strategies.catalog().constants[A100], dtype, runtime)


def a100(**changes: Any) -> Accelerator:
    return strategies.catalog().accelerators[A100].model_copy(update=changes)


def test_a_convolution_in_fp64_goes_by_the_vector_units_in_frameworks_and_by_the_matrix_units_in_a_graph() -> None:
    assert convolution().work == product().work == WORK
    for runtime, peak in {"eager": VECTOR, "session": VECTOR, "graph": MATRIX, "compiled": MATRIX}.items():
        machine = on(a100(), runtime)
        assert (machine.conv_peak, machine.load_peak) == (peak, MATRIX)
        assert seconds(convolution(), machine) == pytest.approx(WORK / peak, rel=1e-12)
        assert seconds(product(), machine) == pytest.approx(WORK / MATRIX, rel=1e-12)


def test_the_bound_and_the_utilization_keep_the_peak_of_the_format() -> None:
    eager, graph = (estimate(convolution(), [on(a100(), runtime)], [8.0]) for runtime in ("eager", "graph"))
    np.testing.assert_array_equal(eager.latency_lower_bound_s, graph.latency_lower_bound_s)
    assert eager.mfu == pytest.approx(8 * WORK / (eager.latency_estimate_s * MATRIX))


def test_what_a_convolution_loses_is_a_loss_of_sustained_rates() -> None:
    ladder = estimate(convolution(), [replace(on(a100()), **BARE)], [1.0]).ladder_s
    assert ladder["arithmetic"][0, 0] == pytest.approx(WORK / MATRIX)
    assert ladder["sustained"][0, 0] == pytest.approx(WORK / VECTOR - WORK / MATRIX)
    assert sum(float(rung[0, 0]) for rung in ladder.values()) == pytest.approx(WORK / VECTOR)


@pytest.mark.parametrize("form", strategies.FORMS)
def test_in_every_form_half_the_peak_of_convolutions_doubles_their_time(form: str) -> None:
    machine = strategies.base_machine(form, "bf16")
    half = {"conv_peak": machine.load_peak / 2}
    assert seconds(convolution(), machine, **half) == pytest.approx(2 * seconds(convolution(), machine), rel=1e-12)
    assert seconds(product(), machine, **half) == seconds(product(), machine)


@pytest.mark.parametrize("batches", [[1.0, 3.0], [1.0, 2.0, 4.0, 8.0, 16.0]])
def test_a_machine_beside_others_is_the_machine_alone(batches: list[float]) -> None:
    network = strategies.network("resnet18")
    machines = [on(a100(), runtime, dtype) for runtime in ("eager", "graph") for dtype in ("fp64", "fp32")]
    together = estimate(network, machines, batches)
    for row, machine in enumerate(machines):
        alone = estimate(network, [machine], batches)
        np.testing.assert_array_equal(together.latency_estimate_s[row], alone.latency_estimate_s[0])


def test_a_chip_that_states_no_peak_of_its_vector_units_is_as_before() -> None:
    without, graph = on(a100(peak_vector={})), on(a100(), "graph")
    assert without.conv_peak == without.load_peak == graph.load_peak
    assert seconds(convolution(), without) == seconds(convolution(), graph)


def test_only_fp64_in_frameworks_on_chips_that_multiply_it_on_matrix_units_has_a_peak_of_its_own() -> None:
    catalog = strategies.catalog()
    apart = set()
    for name, constants in catalog.constants.items():
        for dtype in catalog.accelerators[name].dtypes:
            for runtime in filter(constants.runs, ("graph", "compiled", "session", "eager", "eager_v1")):
                machine = catalog.machine(name, dtype, runtime)
                assert machine.conv_peak <= machine.load_peak
                if machine.conv_peak != machine.load_peak:
                    apart.add((name, dtype, runtime))
    chips = {name for name in catalog.constants if "fp64" in catalog.accelerators[name].peak_vector}
    assert {A100, "nvidia-a30", "nvidia-h100-sxm", "amd-mi300x"} <= chips
    assert apart == {(name, "fp64", runtime) for name in chips for runtime in ("session", "eager", "eager_v1")}


def test_the_peak_of_convolutions_follows_the_clock_under_load_and_the_peak() -> None:
    clock = {"value": 705, "unit": "MHz", "source": "us"}  # half of 1410
    locked = Accelerator.model_validate(a100().model_dump(by_alias=True, exclude_none=True) | {"load_clock": clock})
    assert on(locked).conv_peak == pytest.approx(VECTOR / 2)
    varied: Mapping[str, float] = {"peak": 2 * MATRIX}
    found = fleet(a100(), strategies.catalog().constants[A100], "fp64", varied, "eager").machine(0)
    assert found.conv_peak == 2 * VECTOR
    assert on(specimen(a100(), "fp64", varied, "twice")).conv_peak == pytest.approx(2 * VECTOR, rel=1e-12)
