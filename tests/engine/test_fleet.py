"""Fleets: a variant equals the machine of the same chip written as a spec, whatever stands beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import FORMS, catalog, chip, decades, network

from engine.accelerator import Accelerator
from engine.assembly import machine
from engine.calibration import Resolved, resolve
from engine.compiled import CAUSES, Estimate, estimate
from engine.errors import DomainError
from engine.fleet import CHIP_FIGURES, Fleet, estimate_fleet, fleet
from engine.machine import Machine
from engine.rows import COLUMNS
from engine.specimen import specimen

VALUES = {
    "bandwidth": decades(10, 13.5),
    "peak": decades(12, 16),
    "vector_peak": decades(11, 14),
    "clock": decades(8.5, 9.7),
    "units": st.integers(1, 300).map(float),
    "array_rows": st.sampled_from([32.0, 64.0, 128.0, 256.0]),
    "array_columns": st.sampled_from([32.0, 64.0, 128.0, 256.0]),
    "last_level_cache": decades(5, 9),
    "on_chip_memory": decades(5, 9),
    "unit_memory": decades(3, 6),
    "capacity": decades(9, 12),
    "tdp": decades(0.5, 3.3),
    "idle_power": decades(-1, 0.4),
    "process_node": st.sampled_from([3e-9, 5e-9, 7e-9, 16e-9]),
}
STANDS_ON = {
    "tiled": {"clock", "units", "unit_memory"},
    "systolic": {"clock", "units", "unit_memory", "array_rows", "array_columns"},
    "roof": set(),
}
"""Form -> figures that its chip in `strategies` publishes what they stand on."""
OPTIONAL = {"clock", "units", "unit_memory", "array_rows", "array_columns"}


@cache
def base(form: str) -> Accelerator:
    return chip(form)


@cache
def constants_of(form: str) -> Resolved:
    found = resolve(base(form), catalog().calibrations)
    assert found is not None
    return found


def variants_of(form: str, varied: Mapping[str, Any]) -> Fleet:
    return fleet(base(form), constants_of(form), "bf16", varied)


@st.composite
def figures(draw: st.DrawFn, form: str, size: int) -> dict[str, list[float]]:
    """Return some figures that chips of a form can vary, each with so many values."""
    names = sorted(VALUES.keys() - (OPTIONAL - STANDS_ON[form]))
    chosen = draw(st.lists(st.sampled_from(names), unique=True, min_size=1, max_size=6))
    return {name: draw(st.lists(VALUES[name], min_size=size, max_size=size)) for name in chosen}


def numbers(one: Machine) -> dict[str, float]:
    return {f.name: value for f in fields(Machine) if isinstance(value := getattr(one, f.name), float)}


def same(one: Estimate, other: Estimate, rows: Any) -> None:
    """Assert that an estimate equals some rows of another, to the last bit."""
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name)[rows], err_msg=name)


def test_every_figure_has_its_values_here() -> None:
    assert VALUES.keys() == CHIP_FIGURES.keys()


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=15)
@given(data=st.data())
def test_a_variant_is_the_machine_of_its_spec(form: str, data: st.DataObject) -> None:
    varied = data.draw(figures(form, 1))
    one = variants_of(form, varied).machine(0)
    written = specimen(base(form), "bf16", {name: values[0] for name, values in varied.items()}, "variant")
    built = machine(written, constants_of(form), "bf16")
    assert (one.form, one.assumed) == (form, built.assumed) == (built.form, one.assumed)
    exact, expected = numbers(one), numbers(built)
    # half of the last printed digit of a peak: of the base's own, and of the one that the spec prints
    slack = {"tiled": 1e-9, "systolic": 0.5 / 275, "roof": 0.5 / 13}[form] + (0 if form == "tiled" else 5e8 / one.peak)
    assert exact.pop("peak_max") == pytest.approx(expected.pop("peak_max"), rel=slack)
    assert exact == pytest.approx(expected, rel=1e-11, nan_ok=True)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=15)
@given(data=st.data())
def test_a_variant_is_estimated_as_its_machine_is(form: str, data: st.DataObject) -> None:
    variants = variants_of(form, data.draw(figures(form, 5)))
    batches = np.array([1.0, 7.0, 64.0])
    together = estimate_fleet(network("resnet18"), variants, batches)
    assert together.latency_estimate_s.shape == (5, 3)
    alone = estimate(network("resnet18"), [variants.machine(place) for place in range(5)], batches)
    same(together, alone, slice(None))
    for cause in CAUSES:
        np.testing.assert_array_equal(together.ladder_s[cause], alone.ladder_s[cause])


@pytest.mark.parametrize("name", ["resnet50", "bert-base", "mixtral-8x7b-decode"])
@pytest.mark.parametrize("form", FORMS)
def test_a_variant_does_not_depend_on_what_stands_beside_it(form: str, name: str) -> None:
    varied = {"bandwidth": np.geomspace(1e11, 8e12, 37), "peak": np.geomspace(2e15, 1e13, 37), "tdp": np.linspace(20, 700, 37)}
    whole = estimate_fleet(network(name), variants_of(form, varied), [1.0, 3.0, 16.0])
    for rows in (slice(0, 1), slice(5, 7), slice(30, 37)):
        part = {figure: values[rows] for figure, values in varied.items()}
        same(estimate_fleet(network(name), variants_of(form, part), [1.0, 3.0, 16.0]), whole, rows)
    lone = estimate_fleet(network(name), variants_of(form, part), [3.0])
    np.testing.assert_array_equal(lone.latency_p90_s[:, 0], whole.latency_p90_s[30:37, 1])


@pytest.mark.parametrize("runtime", ["graph", "compiled", "session", "eager", "eager_v1"])
def test_a_fleet_of_one_is_the_chip_itself(runtime: str) -> None:
    for name in ("nvidia-h100-sxm", "nvidia-l4", "google-tpu-v4", "hailo-8", "amd-epyc-9654", "stillwater-kpu-t768"):
        constants = catalog().constants[name]
        spec = catalog().accelerators[name]
        if not constants.runs(runtime):
            continue
        for dtype in spec.dtypes:
            one = fleet(spec, constants, dtype, {}, runtime)
            machines = [catalog().machine(name, dtype, runtime)]
            assert numbers(one.machine(0)) == pytest.approx(numbers(machines[0]), rel=0, abs=0, nan_ok=True)
            same(estimate_fleet(network("resnet18"), one, [8.0]), estimate(network("resnet18"), machines, [8.0]), slice(None))


def test_what_follows_from_a_figure() -> None:
    spec = chip("tiled", unit_memory={"value": 256, "unit": "KiB", "source": "us"})
    own = machine(spec, constants_of("tiled"), "bf16")

    def variant(**varied: float) -> Machine:
        return fleet(spec, constants_of("tiled"), "bf16", varied).machine(0)

    double = variant(units=264.0)
    assert (double.units, double.peak) == (264.0, 2 * own.peak)
    assert double.on_chip - own.on_chip == 132 * 256 * 1024
    assert (double.launch, double.tdp_w, double.cache) == (own.launch, own.tdp_w, own.cache)
    given_peak = variant(units=264.0, peak=own.peak)
    assert (given_peak.peak, given_peak.peak_max, given_peak.reference_peak) == (own.peak, own.peak_max, own.reference_peak)
    slow = variant(clock=915e6)
    assert (slow.peak, slow.peak_max) == (own.peak / 2, own.peak_max / 2)
    assert own.launch < slow.launch < 2 * own.launch
    narrow = variant(bandwidth=1e12)
    assert (narrow.bandwidth, narrow.bound_bandwidth) == (1e12, 1e12)
    assert variant(last_level_cache=1e8).on_chip - own.on_chip == 5e7
    assert variant(vector_peak=1e13).peak == own.peak


def test_a_power_limit_that_nobody_published_follows_the_peak() -> None:
    spec = chip("roof", tdp=None, idle_power=None)
    own = machine(spec, constants_of("roof"), "bf16")
    one = fleet(spec, constants_of("roof"), "bf16", {"peak": 3 * own.peak}).machine(0)
    assert one.tdp_w == pytest.approx(3 * own.tdp_w)
    assert one.idle_w == pytest.approx(3 * own.idle_w)


def test_rates_that_were_probed_on_a_machine_do_not_vary() -> None:
    rated = replace(constants_of("tiled"), form="rated")
    with pytest.raises(DomainError, match="rates that were probed on it"):
        fleet(base("tiled"), rated, "bf16", {"bandwidth": 1e12})


@pytest.mark.parametrize(
    ("form", "dtype", "name", "told"),
    [
        ("roof", "bf16", "clock", "publishes no clock"),
        ("roof", "bf16", "units", "publishes no number of parallel units"),
        ("tiled", "bf16", "array_rows", "publishes no systolic array"),
        ("tiled", "fp32", "vector_peak", "vary peak"),
    ],
)
def test_a_figure_that_stands_on_nothing_cannot_vary(form: str, dtype: str, name: str, told: str) -> None:
    with pytest.raises(DomainError, match=told):
        fleet(base(form), constants_of(form), dtype, {name: 1.0})
