"""Laws of the estimate, on machines and networks that Hypothesis makes and on everything in the catalogue."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.assembly import machine as machine_of
from engine.calibration import Correction, Runtime, resolve
from engine.compiled import CAUSES, Estimate, estimate
from engine.errors import UnknownNameError
from engine.machine import GRAPH, Machine
from engine.network import Network

BATCHES = np.array([1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 32, 33, 64, 100, 128, 129, 256], dtype=float)
ROUNDING = 1e-12
"""What the last digits of a float may differ by, relative."""

Array = npt.NDArray[np.float64]


def one(network: Network, machine: Machine, batches: npt.ArrayLike = BATCHES) -> Estimate:
    return estimate(network, [machine], batches)


def never_falls(values: Array) -> bool:
    return bool(np.all(values[..., 1:] >= values[..., :-1] * (1 - ROUNDING)))


def not_above(low: Array, high: Array) -> bool:
    return bool(np.all(low <= high * (1 + ROUNDING)))


def ratio_of_works(network: Network) -> float:
    return network.work / network.work_min if network.work_min else 0.0


def least(network: Network) -> float:
    """Return what every bound lies above: 0, but for a network without products, which may fit on the chip whole."""
    return 0.0 if network.work_min else -math.ulp(0.0)


@given(strategies.networks(), strategies.machines())
def test_bound_interval_and_estimate_are_in_order(network: Network, machine: Machine) -> None:
    points = one(network, machine)
    assert np.all(points.latency_lower_bound_s > least(network))
    assert np.all(points.latency_lower_bound_s <= points.latency_p10_s)
    assert np.all(points.latency_p10_s <= points.latency_estimate_s)
    assert np.all(points.latency_estimate_s <= points.latency_p90_s)


@settings(max_examples=80)
@given(strategies.networks(), strategies.machines(), st.integers(1, 200))
def test_latency_never_falls_with_batch(network: Network, machine: Machine, first: int) -> None:
    batches = np.concatenate([np.arange(first, first + 40), first * np.array([50, 51, 99, 1000])]).astype(float)
    assert never_falls(one(network, machine, batches).latency_estimate_s)


@given(strategies.networks(), strategies.machines())
def test_bound_never_falls_with_batch(network: Network, machine: Machine) -> None:
    points = one(network, machine, np.arange(1.0, 300.0))
    assert never_falls(points.latency_lower_bound_s)
    assert np.all(points.energy_lower_bound_j * points.batch > least(network))


@given(strategies.networks(), strategies.machines(), st.floats(1.0, 10.0))
def test_more_peak_never_hurts(network: Network, machine: Machine, more: float) -> None:
    faster = replace(machine, peak=machine.peak * more, peak_max=machine.peak_max * more)
    points = estimate(network, [faster, machine], BATCHES)
    assert not_above(points.latency_estimate_s[0], points.latency_estimate_s[1])
    assert not_above(points.latency_lower_bound_s[0], points.latency_lower_bound_s[1])


@given(strategies.networks(), strategies.machines(), st.floats(1.0, 10.0))
def test_more_bandwidth_never_hurts(network: Network, machine: Machine, more: float) -> None:
    wider = replace(machine, bandwidth=machine.bandwidth * more, bound_bandwidth=machine.bound_bandwidth * more)
    points = estimate(network, [wider, machine], BATCHES)
    assert not_above(points.latency_estimate_s[0], points.latency_estimate_s[1])
    assert not_above(points.latency_lower_bound_s[0], points.latency_lower_bound_s[1])


@given(strategies.networks(), strategies.machines(), st.floats(1.0, 10.0))
def test_more_cache_and_more_power_never_hurt(network: Network, machine: Machine, more: float) -> None:
    larger = replace(machine, cache=machine.cache * more, on_chip=machine.on_chip * more)
    stronger = replace(machine, tdp_w=machine.tdp_w * more)
    points = estimate(network, [larger, stronger, machine], BATCHES)
    assert not_above(points.latency_estimate_s[:2], points.latency_estimate_s[2])


@given(strategies.networks(), strategies.machines())
def test_utilization_stays_below_its_bounds(network: Network, machine: Machine) -> None:
    points = one(network, machine)
    assert not_above(points.mfu, points.mfu_upper_bound)
    faster = max(1.0, machine.load_peak / machine.peak)
    assert not_above(points.mfu, np.full_like(points.mfu, faster * ratio_of_works(network)))
    work = network.work * BATCHES
    assert points.mfu == pytest.approx(work / (points.latency_estimate_s * machine.peak))
    if network.work:
        assert points.mfu_upper_bound == pytest.approx(work / (points.latency_lower_bound_s * machine.peak))
    highest = ratio_of_works(network) * machine.peak_max / machine.peak
    assert not_above(points.mfu_upper_bound, np.full_like(points.mfu, highest))


def test_a_clock_under_load_moves_what_goes_by_the_clock_and_nothing_else() -> None:
    whole = {"peak_clock": {"default": {"value": 1800, "unit": "MHz", "source": "us"}}}
    plain = strategies.machine("tiled", **whole, load_clock=None)
    locked = strategies.machine("tiled", **whole, load_clock={"value": 900, "unit": "MHz", "source": "us"})
    assert plain.load_peak == plain.peak == locked.peak == 2 * locked.load_peak
    assert plain.reference_peak == 2 * locked.reference_peak
    in_cycles = {"launch", "wave_fill", "split_cost"}  # a share of each
    assert plain.conv_peak == 2 * locked.conv_peak
    same = {"load_peak": 1.0, "conv_peak": 1.0, "reference_peak": 1.0} | {name: getattr(plain, name) for name in in_cycles}
    rest = [repr(replace(one, **same)) for one in (locked, plain)]  # as texts, since NaN equals nothing
    assert rest[0] == rest[1]
    assert locked.launch > plain.launch


@given(strategies.networks(), strategies.machines(), st.floats(0.5, 1.0))
def test_a_higher_clock_under_load_never_slows_and_leaves_the_bound(network: Network, machine: Machine, share: float) -> None:
    slower = {name: getattr(machine, name) * share for name in ("load_peak", "conv_peak", "reference_peak", "vector_peak")}
    fast, slow = one(network, machine), one(network, replace(machine, **slower))
    assert not_above(fast.latency_estimate_s, slow.latency_estimate_s)
    np.testing.assert_array_equal(fast.latency_lower_bound_s, slow.latency_lower_bound_s)


@given(strategies.networks(), strategies.machines())
def test_power_lies_between_idle_and_tdp(network: Network, machine: Machine) -> None:
    points = one(network, machine)
    assert not_above(points.power_w, np.full_like(points.power_w, machine.tdp_w))
    assert not_above(np.full_like(points.power_w, machine.idle_w), points.power_w)


@given(strategies.networks(), strategies.machines())
def test_energy_is_power_times_time_and_above_idle_and_its_bound(network: Network, machine: Machine) -> None:
    points = one(network, machine)
    energy = points.energy_per_inference_j * BATCHES
    assert energy == pytest.approx(points.power_w * points.latency_estimate_s)
    assert not_above(machine.idle_w * points.latency_estimate_s, energy)
    least = replace(machine, floor_w=machine.idle_w, floor_flop_j=0.0, floor_byte_j=0.0)
    assert not_above(one(network, least).energy_lower_bound_j, points.energy_per_inference_j)


def dynamic_j(line: dict[str, Any], shape: list[int], machine: Machine, batch: float) -> float:
    """Return the energy of one pass over one operator, less what the idle chip takes."""
    points = one(strategies.tiny([line], {"x": shape}), machine, [batch])
    return float((points.energy_per_inference_j * batch - machine.idle_w * points.latency_estimate_s)[0, 0])


def test_energy_by_hand() -> None:
    machine = strategies.base_machine("tiled", "bf16")
    batch, side, cin, cout = 4, 14, 32, 64
    conv = {"op": "conv2d", "out_channels": cout, "kernel": 1, "bias": False}
    work = batch * 2 * side * side * cin * cout
    moved = 2 * (batch * side * side * (cin + cout) + cin * cout)  # what it reads and writes, all of which stays in the cache
    expected = work * machine.flop_j * machine.conv_factor + moved * machine.cache_byte_j
    assert dynamic_j(conv, [cin, side, side], machine, batch) == pytest.approx(expected)
    k, n = 8192, 8192  # 134 MB of weights, of which the cache holds 50 MB
    product = {"op": "linear", "out_features": n, "bias": False}
    expected = batch * 2 * k * n * machine.flop_j
    expected += (2 * k * n - 50e6) * machine.byte_j + 2 * (k * n + batch * (k + n)) * machine.cache_byte_j
    assert dynamic_j(product, [1, k], machine, batch) == pytest.approx(expected)


@given(strategies.networks(), strategies.machines())
def test_throughput_is_batch_over_latency(network: Network, machine: Machine) -> None:
    points = one(network, machine)
    assert points.throughput_per_s == pytest.approx(BATCHES / points.latency_estimate_s, rel=ROUNDING)
    with np.errstate(divide="ignore"):  # a network without arithmetic that lies on the chip has no bound on its throughput
        most = BATCHES / points.latency_lower_bound_s
    assert points.throughput_upper_bound_per_s == pytest.approx(most, rel=ROUNDING)
    assert not_above(points.throughput_per_s, points.throughput_upper_bound_per_s)


def ladder_adds_up(points: Estimate) -> None:
    assert tuple(points.ladder_s) == CAUSES
    rungs = np.array([points.ladder_s[cause] for cause in CAUSES])
    assert np.all(rungs >= 0)
    assert rungs.sum(axis=0) == pytest.approx(points.latency_estimate_s, rel=1e-9)


@given(strategies.networks(), strategies.machines())
def test_the_ladder_has_no_negative_rung_and_sums_to_the_estimate(network: Network, machine: Machine) -> None:
    ladder_adds_up(one(network, machine))


MEASURED = [(form, factor) for form in strategies.FORMS for factor in (0.5, 0.9, 1.3)]
"""Forms, with factors on the time that a measured chip may have."""


@pytest.mark.parametrize("name", ["resnet50", "bert-base"])
@pytest.mark.parametrize(("form", "time_factor"), MEASURED)
def test_a_measured_time_factor_keeps_the_ladder(name: str, form: str, time_factor: float) -> None:
    machine = replace(strategies.base_machine(form, "bf16"), time_factor=time_factor)
    ladder_adds_up(one(strategies.network(name), machine))


@pytest.mark.parametrize(("form", "time_factor"), MEASURED)
def test_a_measured_time_factor_keeps_power_below_tdp(form: str, time_factor: float) -> None:
    machine = replace(strategies.base_machine(form, "bf16"), time_factor=time_factor, tdp_w=150.0)
    points = one(strategies.network("resnet50"), machine)
    assert not_above(points.power_w, np.full_like(points.power_w, machine.tdp_w))


def test_the_ladder_starts_at_the_speed_of_light() -> None:
    network, machine = strategies.network("resnet50"), strategies.base_machine("tiled", "bf16")
    points = one(network, machine)
    assert points.ladder_s["arithmetic"][0] == pytest.approx(network.work * BATCHES / machine.load_peak)
    launches = machine.launch * len(network.kernels)
    assert np.all(points.ladder_s["dispatch"][0] == pytest.approx(launches))


@pytest.mark.parametrize("form", strategies.FORMS)
def test_an_estimate_below_the_bound_is_clamped_and_the_ladder_says_so(form: str) -> None:
    machine = replace(strategies.base_machine(form, "bf16"), time_factor=1e-3, tdp_w=1e9)
    points = one(strategies.network("resnet50"), machine)
    assert np.all(points.latency_estimate_s == points.latency_lower_bound_s)
    ladder_adds_up(points)


@pytest.mark.parametrize("form", strategies.FORMS)
def test_attention_and_products_are_sustained_at_their_own_shares(form: str) -> None:
    machine = replace(
        strategies.base_machine(form, "bf16"), launch=0.0, bandwidth=1e18, bound_bandwidth=1e18, feed=math.inf, tdp_w=1e9,
        units=1.0, sustained=0.5, attention=0.25, softmax_work=0.0, split_cost=0.0,
    )  # fmt: skip
    heads, tokens, width = 8, 1536, 64
    attention = strategies.tiny([{"op": "attention", "heads": heads}], {"x": [tokens, 3 * heads * width]})
    expected = attention.work / (0.25 * machine.load_peak)
    assert one(attention, machine, [1]).latency_estimate_s[0, 0] == pytest.approx(expected, rel=1e-3)
    if form != "systolic":  # there the fill of the arrays comes on top; its form is held by hand elsewhere
        product = strategies.tiny([{"op": "linear", "out_features": 1024}], {"x": [tokens, 1024]})
        expected = product.work / (0.5 * machine.load_peak)
        assert one(product, machine, [1]).latency_estimate_s[0, 0] == pytest.approx(expected, rel=1e-3)


@given(strategies.networks(), st.sampled_from(strategies.FORMS), st.sampled_from(["bf16", "int8"]))
def test_unknown_bandwidth_leaves_the_bound_and_no_estimate(network: Network, form: str, dtype: str) -> None:
    memory = {"type": "HBM3" if form == "tiled" else "LPDDR4X"}
    machine = strategies.machine(form, dtype, memory=memory)
    points = one(network, machine)
    assert np.all(np.isnan(points.latency_estimate_s))
    assert np.all(np.isnan(points.throughput_per_s))
    assert np.all(np.isnan(points.mbu))
    assert points.latency_lower_bound_s[0] == pytest.approx(network.work_min * BATCHES / machine.peak_max)


def test_an_unknown_cache_takes_the_memory_term_out_of_the_bound() -> None:
    network = strategies.network("gpt3-175b")
    machine = strategies.machine("tiled", last_level_cache=None)
    points = one(network, machine, [1.0])
    assert points.latency_lower_bound_s[0] == pytest.approx(network.work_min / machine.peak_max)
    assert np.all(np.isfinite(points.latency_estimate_s))


def test_the_memory_term_of_the_bound_by_hand() -> None:
    m, k, n = 1, 20_000, 30_000
    network = strategies.tiny([{"op": "linear", "out_features": n, "bias": False}], {"x": [m, k]})
    machine = strategies.base_machine("tiled", "bf16")
    for batch in (1, 2, 3):
        traffic = 2 * (k * n + batch * (m * k + m * n))
        points = one(network, machine, [batch])
        assert points.latency_lower_bound_s[0, 0] == pytest.approx((traffic - 50e6) / 3.35e12)
        assert points.mbu[0, 0] == pytest.approx(traffic / 3.35e12 / points.latency_estimate_s[0, 0])
        assert points.memory_bytes[0, 0] == 2 * (k * n + batch * m * (k + n)) + machine.workspace


def the_same(first: Estimate, second: Estimate) -> None:
    """Compare every number of two estimates, to the last bit."""
    for name, values in numbers(first).items():
        assert np.array_equal(values, numbers(second)[name], equal_nan=True), name


def numbers(points: Estimate) -> dict[str, Array]:
    return {f.name: getattr(points, f.name) for f in fields(Estimate) if f.name != "ladder_s"} | dict(points.ladder_s)


def part(points: Estimate, chips: slice, batches: slice) -> Estimate:
    values = {name: array[chips, batches] for name, array in numbers(points).items()}
    return Estimate(ladder_s={cause: values.pop(cause) for cause in CAUSES}, **values)


@given(strategies.networks(), st.lists(strategies.machines(), min_size=2, max_size=4))
def test_machines_together_and_one_by_one_give_the_same_numbers(network: Network, machines: Sequence[Machine]) -> None:
    together = estimate(network, machines, BATCHES)
    for index, machine in enumerate(machines):
        the_same(part(together, slice(index, index + 1), slice(None)), one(network, machine))


@given(strategies.networks(), strategies.machines())
def test_batches_together_and_one_by_one_give_the_same_numbers(network: Network, machine: Machine) -> None:
    together = one(network, machine)
    for index, batch in enumerate(BATCHES[:8]):
        the_same(part(together, slice(None), slice(index, index + 1)), one(network, machine, [batch]))


@given(strategies.networks(), st.lists(strategies.machines(), min_size=2, max_size=4))
def test_each_machine_may_have_its_own_batches(network: Network, machines: Sequence[Machine]) -> None:
    grid = np.array([BATCHES[:3] + index for index in range(len(machines))])
    together = estimate(network, machines, grid)
    for index, machine in enumerate(machines):
        alone = one(network, machine, grid[index])
        assert np.array_equal(together.latency_estimate_s[index], alone.latency_estimate_s[0], equal_nan=True)
        assert np.all(together.batch[index] == grid[index])


def every_machine() -> list[Machine]:
    specs = strategies.catalog()
    return [specs.machine(chip.id, dtype) for chip in specs.accelerators for dtype in chip.dtypes]


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet-v2", "bert-base", "gpt3-175b"])
def test_every_machine_of_the_catalogue_keeps_the_laws(name: str) -> None:
    machines, network = every_machine(), strategies.network(name)
    assert machines
    points = estimate(network, machines, np.arange(1.0, 65.0))
    known = ~np.isnan(points.latency_estimate_s)
    tdp = np.broadcast_to(np.array([[machine.tdp_w] for machine in machines]), known.shape)
    assert np.all(np.isfinite(points.latency_lower_bound_s))
    assert np.all(points.latency_lower_bound_s[known] <= points.latency_p10_s[known])
    assert np.all(points.latency_p10_s[known] <= points.latency_estimate_s[known])
    assert np.all(points.latency_estimate_s[known] <= points.latency_p90_s[known])
    assert never_falls(points.latency_lower_bound_s)
    assert never_falls(points.latency_estimate_s[known.all(axis=1)])
    # a chip may run above the clock of its peak, and a measured one be better than its family, as far as the highest clock goes
    faster = [max(machine.load_peak / machine.peak, 1.0) / min(machine.time_factor, 1.0) for machine in machines]
    better = [min(machine.peak_max / machine.peak, ratio) for machine, ratio in zip(machines, faster, strict=True)]
    most = ratio_of_works(network) * np.array(better)[:, None]
    assert not_above(points.mfu[known], np.broadcast_to(most, known.shape)[known])
    assert not_above(points.power_w[known], tdp[known])
    rungs = np.array([points.ladder_s[cause][known] for cause in CAUSES])
    assert np.all(rungs >= 0)
    assert rungs.sum(axis=0) == pytest.approx(points.latency_estimate_s[known], rel=1e-9)


def test_only_an_unpublished_figure_of_the_form_leaves_an_estimate_unknown() -> None:
    """The estimate is unknown where bandwidth is, or what the form counts in; nowhere else."""
    network = strategies.network("resnet50")
    needed = {"tiled": ("units",), "systolic": ("units", "array_rows", "array_columns"), "roof": ()}
    for machine in every_machine():
        missing = [
            name for name in ("bandwidth", "tdp_w", "flop_j", *needed[machine.form]) if math.isnan(getattr(machine, name))
        ]
        unknown = np.isnan(one(network, machine, [1.0]).latency_estimate_s).all()
        assert unknown == bool(missing), (machine.hardware, machine.dtype, missing)


# Runtimes and corrections.


@given(strategies.networks(), strategies.machines(), strategies.decades(-6, -3), st.floats(1.0, 8.0))
def test_a_host_is_a_floor_under_the_estimate(network: Network, machine: Machine, host: float, sharpness: float) -> None:
    hosted = replace(machine, host=host, host_sharpness=sharpness)
    points, alone = one(network, hosted), one(network, replace(machine, host=0.0))
    floor = np.full_like(points.latency_estimate_s, host * network.launches)
    assert not_above(floor, points.latency_estimate_s)
    assert not_above(alone.latency_estimate_s, points.latency_estimate_s)
    assert not_above(points.latency_estimate_s, alone.latency_estimate_s + floor)
    assert np.all(points.latency_lower_bound_s == alone.latency_lower_bound_s)
    ladder_adds_up(points)


@pytest.mark.parametrize("name", ["resnet50", "bert-base", "mobilenet-v2"])
def test_eager_is_never_faster_than_its_host_on_any_chip(name: str) -> None:
    specs, network = strategies.catalog(), strategies.network(name)
    machines = [specs.machine(chip.id, dtype, "eager") for chip in specs.accelerators for dtype in chip.dtypes]
    points = estimate(network, machines, BATCHES)
    floor = np.array([[machine.host * network.launches] for machine in machines])
    known = ~np.isnan(points.latency_estimate_s)
    assert known.any()
    assert np.all(floor > 0)
    assert not_above(np.broadcast_to(floor, known.shape)[known], points.latency_estimate_s[known])
    assert np.all(points.latency_p10_s[known] <= points.latency_p90_s[known])


@given(strategies.networks(), strategies.machines(), st.floats(1.0, 8.0))
def test_a_host_of_0_changes_nothing(network: Network, machine: Machine, sharpness: float) -> None:
    quiet = replace(machine, host=0.0)
    the_same(one(network, quiet), one(network, replace(quiet, host_sharpness=sharpness)))


def test_a_graph_needs_no_calibration_of_a_runtime() -> None:
    specs = strategies.catalog()
    graph = specs.machine("nvidia-l4", "bf16")
    assert graph == specs.machine("nvidia-l4", "bf16", GRAPH)
    assert (graph.runtime, graph.fused, graph.host) == (GRAPH, True, 0.0)
    with pytest.raises(UnknownNameError, match=r"no runtime of nvidia-l4 'eger'; did you mean eager\?"):
        specs.machine("nvidia-l4", "bf16", "eger")


def test_a_runtime_by_hand() -> None:
    spec = strategies.chip("tiled")
    resolved = resolve(spec, strategies.catalog().calibrations)
    assert resolved is not None
    profile = Runtime.model_validate(
        {
            "fused": False, "host": quantity(20, "us"), "host_sharpness": quantity(4), "device_share": quantity(0.8),
            "launch": quantity(3, "us"),
        }
    )  # fmt: skip
    eager = machine_of(spec, replace(resolved, runtimes={"own": profile}), "bf16", "own")
    graph = machine_of(spec, resolved, "bf16")
    # at the clock of the chip, as that of a graph
    assert eager.launch == pytest.approx(3e-6 * graph.launch / resolved.network.launch.si)
    assert eager.time_factor == pytest.approx(graph.time_factor / 0.8)
    assert (eager.ratio_p90, eager.level) == (graph.ratio_p90, graph.level)  # without an interval of its own
    network = strategies.network("resnet18")
    device_s = one(network, replace(eager, host=0.0), [1.0]).latency_estimate_s
    expected = (device_s**4 + (20e-6 * network.launches) ** 4) ** 0.25
    assert one(network, eager, [1.0]).latency_estimate_s == pytest.approx(expected, rel=1e-12)


def test_a_runtime_has_what_is_its_own_in_a_number_format() -> None:
    spec = strategies.chip("tiled")
    resolved = resolve(spec, strategies.catalog().calibrations)
    assert resolved is not None
    profile = Runtime.model_validate(
        {
            "fused": False, "host": quantity(20, "us"), "host_sharpness": quantity(4), "device_share": quantity(0.8),
            "formats": {"bf16": {"host": quantity(25, "us")}, "int8": {"device_share": quantity(0.5)}},
        }
    )  # fmt: skip
    own = replace(resolved, runtimes={"own": profile})
    bf16, int8 = (machine_of(spec, own, dtype, "own") for dtype in ("bf16", "int8"))
    assert (bf16.host, int8.host) == (pytest.approx(25e-6), pytest.approx(20e-6))
    assert (bf16.time_factor, int8.time_factor) == (1 / 0.8, 1 / 0.5)


def test_a_correction_is_a_factor_on_the_launch_and_one_on_all_kernels() -> None:
    spec = strategies.chip("tiled", tdp=quantity(1e6, "W"))
    resolved = resolve(spec, strategies.catalog().calibrations)
    assert resolved is not None
    plain = machine_of(spec, resolved, "bf16")
    found = Correction.model_validate({"launch_factor": quantity(0.5), "time_factor": quantity(1.25)})
    corrected = machine_of(spec, replace(resolved, correction=found), "bf16")
    assert corrected.launch == pytest.approx(0.5 * plain.launch, rel=1e-15)
    assert (corrected.time_factor, corrected.energy_factor) == (1.25, 1.25)
    the_others = {"launch": plain.launch, "time_factor": plain.time_factor, "energy_factor": plain.energy_factor}
    assert repr(replace(corrected, **the_others)) == repr(plain)
    network = strategies.network("resnet50")
    before, after = one(network, plain), one(network, corrected)
    launches = plain.launch * len(network.kernels)
    expected = 1.25 * (before.latency_estimate_s - 0.5 * launches)
    assert after.latency_estimate_s == pytest.approx(expected, rel=1e-9)
    dynamic = [
        p.energy_per_inference_j * BATCHES - m.idle_w * p.latency_estimate_s for p, m in ((before, plain), (after, corrected))
    ]
    assert dynamic[1] == pytest.approx(1.25 * dynamic[0], rel=1e-6)


def test_the_interval_follows_the_share_of_launches() -> None:
    machine = replace(
        strategies.base_machine("tiled", "bf16"), tdp_w=1e6, ratio_p10=0.9, ratio_p90=1.1, launch_ratio_p10=0.5,
        launch_ratio_p90=2.0,
    )  # fmt: skip
    network = strategies.network("resnet50")
    points = one(network, machine)
    share = machine.launch * len(network.kernels) / points.latency_estimate_s
    assert points.latency_p90_s == pytest.approx(points.latency_estimate_s * (1.1 + 0.9 * share), rel=1e-9)
    assert points.latency_p10_s == pytest.approx(points.latency_estimate_s * (0.9 - 0.4 * share), rel=1e-9)
    assert share[0, 0] > 0.5 > share[0, -1]


def quantity(value: float, unit: str = "1") -> dict[str, Any]:
    return {"value": value, "unit": unit, "source": "us"}


def test_an_assumed_power_limit_lies_above_the_published_idle_power() -> None:
    machine = strategies.machine("tiled", tdp=None, idle_power={"value": 900, "unit": "W", "source": "us"})
    assert "tdp" in machine.assumed
    assert machine.idle_w < machine.tdp_w
