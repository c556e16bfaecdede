"""The batch curve in closed form equals brute force, and keeps the laws of the plain roof."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine import build, load
from engine.errors import DomainError
from engine.solve import RoofCurve, overtakes, roof_curve

LARGEST = 4096
BATCHES = st.integers(1, LARGEST)
SOME = st.one_of(st.just(0.0), st.floats(1.0, 1e6), st.floats(-3.0, 12.0).map(lambda exponent: 10.0**exponent))
RATES = st.floats(3.0, 15.0).map(lambda exponent: 10.0**exponent)
SLACK = 1e-9


def curve_of(
    work: list[float], once: list[float], each: list[float], *, peak: float = 10.0, bandwidth: float = 4.0
) -> RoofCurve:
    """Return a curve of kernels given as columns."""
    return RoofCurve(
        names=tuple(f"k{index}" for index in range(len(work))), work=np.array(work), traffic_once=np.array(once),
        traffic_each=np.array(each), peak=peak, bandwidth=bandwidth,
    )  # fmt: skip


@st.composite
def curves(draw: st.DrawFn) -> RoofCurve:
    """Return one to six kernels; any of work, weights and activations may be 0, but not all work and activations."""
    size = draw(st.integers(1, 6))
    work, once, each = (draw(st.lists(SOME, min_size=size, max_size=size)) for _ in range(3))
    assume(sum(work) + sum(each) > 0)
    return curve_of(work, once, each, peak=draw(RATES), bandwidth=draw(RATES))


def scanned(curve: RoofCurve) -> npt.NDArray[np.float64]:
    """Return T at batches 1 to LARGEST [s], from the definition: a sum of maxima."""
    batch = np.arange(1.0, LARGEST + 1)[:, np.newaxis]
    compute, memory = batch * curve.work / curve.peak, (curve.traffic_once + batch * curve.traffic_each) / curve.bandwidth
    return np.asarray(np.maximum(compute, memory).sum(axis=1), dtype=float)


def bisected(holds: Callable[[float], bool]) -> float:
    """Return where, on the way from 1e-30 to 1e30, a condition begins to hold; infinity if it does not."""
    low, high = -30.0, 30.0
    if not holds(10.0**high):
        return math.inf
    if holds(10.0**low):
        return 0.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(10.0**middle) else (middle, high)
    return float(10.0**high)


# Segments.


@given(curves())
def test_the_segments_are_the_curve(curve: RoofCurve) -> None:
    latency = scanned(curve)
    stops = [segment.stop for segment in curve.segments]
    for batch in (1, 2, 3, 7, 64, 1000, LARGEST):
        line = curve.segments[int(np.searchsorted(stops, batch))]
        assert line.start < batch <= line.stop
        assert line.at(batch) == pytest.approx(latency[batch - 1], rel=SLACK)
        assert curve.latency_s(batch) == pytest.approx(latency[batch - 1], rel=1e-12)


@given(curves())
def test_the_segments_join_and_grow_steeper(curve: RoofCurve) -> None:
    segments = curve.segments
    assert (segments[0].start, segments[-1].stop) == (0.0, math.inf)
    for left, right in pairwise(segments):
        assert left.stop == right.start
        assert left.at(left.stop) == pytest.approx(right.at(right.start), rel=SLACK, abs=1e-300)
        assert right.slope >= left.slope * (1 - 1e-12)


# Ridge batches.


@given(curves())
def test_ridge_batches_are_where_arithmetic_overtakes_traffic(curve: RoofCurve) -> None:
    for index, ridge in enumerate(curve.ridge_batches):
        compute, memory = curve.work[index] / curve.peak, curve.traffic_each[index] / curve.bandwidth
        once = curve.traffic_once[index] / curve.bandwidth
        if not 1 - 1e-6 < compute / (memory or math.inf) < 1 + 1e-6:  # else both are parallel but for rounding
            found = bisected(lambda batch: batch * compute > once + batch * memory)  # noqa: B023 - called at once
            assert ridge == pytest.approx(found, rel=1e-6, abs=1e-29)


@given(curves())
def test_the_ridge_batch_of_the_network_is_that_of_its_sums(curve: RoofCurve) -> None:
    compute, memory = curve.work.sum() / curve.peak, curve.traffic_each.sum() / curve.bandwidth
    once = curve.traffic_once.sum() / curve.bandwidth
    if not 1 - 1e-6 < compute / (memory or math.inf) < 1 + 1e-6:
        found = bisected(lambda batch: batch * compute > once + batch * memory)
        assert curve.ridge_batch == pytest.approx(found, rel=1e-6, abs=1e-29)


# The knee and the largest batch.


def first(holds: npt.NDArray[np.bool_]) -> float:
    """Return the smallest batch at which it holds, infinity if that is beyond LARGEST."""
    return float(holds.argmax()) + 1 if holds.any() else math.inf


@given(curves(), st.sampled_from([0.5, 0.9, 0.99]))
def test_the_knee_is_the_first_batch_with_its_share_of_the_limit(curve: RoofCurve, share: float) -> None:
    throughput = np.arange(1, LARGEST + 1) / scanned(curve)
    steepest = np.maximum(curve.work / curve.peak, curve.traffic_each / curve.bandwidth).sum()
    assert curve.throughput_limit_per_s == pytest.approx(1 / steepest)
    goal, knee = share / steepest, curve.knee(share)
    earliest, latest = first(throughput >= goal * (1 - SLACK)), first(throughput >= goal * (1 + SLACK))
    assert min(earliest, LARGEST + 1) <= knee <= latest


@given(curves(), BATCHES, st.floats(-3.0, 3.0))
def test_the_largest_batch_is_the_last_within_the_limit(curve: RoofCurve, batch: int, exponent: float) -> None:
    latency = scanned(curve)
    limit = 10.0**exponent * latency[batch - 1]
    largest = curve.largest_batch(limit)
    surely, perhaps = (int((latency <= limit * (1 + slack)).sum()) for slack in (-SLACK, SLACK))
    assert min(largest, LARGEST) >= surely
    assert largest <= perhaps or perhaps == LARGEST
    assert largest == 0 or curve.latency_s(largest) <= limit * (1 + SLACK)
    assert curve.latency_s(largest + 1) > limit * (1 - SLACK)


@given(curves())
def test_a_batch_is_its_own_largest_within_its_time(curve: RoofCurve) -> None:
    latency = scanned(curve)
    for batch in (1, 5, 100):
        if latency[batch] > latency[batch - 1] * (1 + SLACK):  # no flat stretch
            assert curve.largest_batch(float(latency[batch - 1])) == batch


def test_no_batch_meets_a_limit_below_a_flat_start() -> None:
    curve = curve_of([10.0], [36.0], [0.0])  # T = max(B, 9): weights alone take 9 s up to batch 9
    assert [curve.largest_batch(limit) for limit in (5.0, 8.9, 9.0, 12.5)] == [0, 0, 9, 12]


def test_without_cost_per_sample_there_is_no_knee_and_no_largest_batch() -> None:
    curve = curve_of([0.0], [36.0], [0.0])  # T = 9 at every batch
    assert curve.throughput_limit_per_s == math.inf
    assert curve.largest_batch(8.0) == 0
    with pytest.raises(DomainError, match="throughput grows without end"):
        curve.knee()
    with pytest.raises(DomainError, match="every batch"):
        curve.largest_batch(10.0)


def test_every_batch_is_within_an_infinite_limit() -> None:
    with pytest.raises(DomainError, match="every batch"):
        curve_of([10.0], [36.0], [2.0]).largest_batch(math.inf)


# What a limit needs.


@given(curves(), BATCHES, st.floats(0.2, 5.0))
def test_the_needed_bandwidth_is_the_least_that_meets_the_limit(curve: RoofCurve, batch: int, factor: float) -> None:
    limit = factor * curve.latency_s(batch)
    assume(abs(limit / (batch * curve.work.sum() / curve.peak or math.inf) - 1) > 1e-6)  # there the answer is a jump
    found = bisected(lambda bandwidth: replace(curve, bandwidth=bandwidth).latency_s(batch) <= limit)
    assert curve.bandwidth_for_limit(batch, limit) == pytest.approx(found, rel=1e-6)


@given(curves(), BATCHES, st.floats(0.2, 5.0))
def test_the_needed_peak_is_the_least_that_meets_the_limit(curve: RoofCurve, batch: int, factor: float) -> None:
    limit = factor * curve.latency_s(batch)
    traffic = (curve.traffic_once.sum() + batch * curve.traffic_each.sum()) / curve.bandwidth
    assume(abs(limit / (traffic or math.inf) - 1) > 1e-6)
    found = bisected(lambda peak: replace(curve, peak=peak).latency_s(batch) <= limit)
    assert curve.peak_for_limit(batch, limit) == pytest.approx(found, rel=1e-6)


@given(curves(), BATCHES)
def test_elasticities_are_the_slopes_of_the_logarithms(curve: RoofCurve, batch: int) -> None:
    step = 1e-5
    compute = batch * curve.work / curve.peak
    memory = (curve.traffic_once + batch * curve.traffic_each) / curve.bandwidth
    longer = np.maximum(compute, memory)
    assume((abs(compute - memory)[longer > 0] > 1e-4 * longer[longer > 0]).all())  # a kink has no slope
    for name, elasticity in (("bandwidth", curve.bandwidth_elasticity(batch)), ("peak", curve.peak_elasticity(batch))):
        times = [replace(curve, **{name: getattr(curve, name) * math.exp(sign * step)}).latency_s(batch) for sign in (1, -1)]
        assert elasticity == pytest.approx(math.log(times[0] / times[1]) / (2 * step), abs=1e-6)
    assert curve.bandwidth_elasticity(batch) + curve.peak_elasticity(batch) == pytest.approx(-1)


# Where one chip overtakes another.


def leads(one: RoofCurve, other: RoofCurve, batch: float) -> int:
    """Return 1 where the first curve is slower, -1 where it is faster, 0 where rounding decides."""
    times = one.latency_s(batch), other.latency_s(batch)
    return 0 if abs(times[0] - times[1]) <= SLACK * max(times) else 1 if times[0] > times[1] else -1


@given(curves(), curves())
def test_at_a_crossing_both_take_as_long_and_the_lead_changes(one: RoofCurve, other: RoofCurve) -> None:
    crossings = overtakes(one, other)
    assert list(crossings) == sorted(set(crossings))
    for batch in crossings:
        assert one.latency_s(batch) == pytest.approx(other.latency_s(batch), rel=1e-6)
    between = [math.sqrt(left * right) for left, right in pairwise((1e-40, *crossings, 1e40))]
    signs = [leads(one, other, batch) for batch in between]
    assert all(before * after <= 0 for before, after in pairwise(signs))


@given(curves(), curves())
def test_the_lead_changes_nowhere_else(one: RoofCurve, other: RoofCurve) -> None:
    gaps = (scanned(one) - scanned(other)) / np.maximum(scanned(one), scanned(other))
    batches = np.flatnonzero(abs(gaps) > SLACK) + 1
    crossings = np.array(overtakes(one, other))
    for left, right in pairwise(batches[:: max(1, len(batches) // 200)]):
        changed = (gaps[left - 1] > 0) != (gaps[right - 1] > 0)
        assert ((crossings > left) & (crossings < right)).sum() % 2 == int(changed)


@given(curves())
def test_nothing_overtakes_itself(curve: RoofCurve) -> None:
    backwards = replace(
        curve, work=curve.work[::-1], traffic_once=curve.traffic_once[::-1], traffic_each=curve.traffic_each[::-1]
    )  # the same but for rounding
    assert overtakes(curve, curve) == overtakes(curve, backwards) == ()


def test_a_touch_is_no_crossing() -> None:
    kinked = curve_of([10.0], [36.0], [0.0])  # max(B, 9), above the other but for B = 9
    line = curve_of([5.0], [18.0], [2.0])  # 4.5 + B/2
    assert kinked.latency_s(9) == line.latency_s(9) == 9.0
    assert overtakes(kinked, line) == ()


def test_a_crossing_at_a_break_is_found_once() -> None:
    raised = curve_of([10.0, 0.0], [36.0, 40.0], [0.0, 0.0])  # max(B, 9) + 10
    assert overtakes(raised, curve_of([0.0], [4.0], [8.0])) == (9.0,)  # 1 + 2 B
    kinked = curve_of([10.0], [36.0], [0.0])  # max(B, 9)
    assert overtakes(kinked, curve_of([0.0], [0.0], [4.0])) == ()  # B: faster before the break, the same after it
    assert overtakes(kinked, curve_of([20.0], [0.0], [0.0])) == (4.5,)  # 2 B
    assert overtakes(curve_of([0.0], [36.0], [1.0]), kinked) == (12.0,)  # 9 + B/4, faster from 12 on


# Laws of the plain roof.


@given(curves(), BATCHES)
def test_time_halves_when_peak_and_bandwidth_double(curve: RoofCurve, batch: int) -> None:
    doubled = replace(curve, peak=2 * curve.peak, bandwidth=2 * curve.bandwidth)
    assert doubled.latency_s(batch) == pytest.approx(curve.latency_s(batch) / 2)
    assert doubled.knee() == curve.knee()


@given(curves())
def test_throughput_never_falls_and_time_bends_upwards(curve: RoofCurve) -> None:
    latency = scanned(curve)
    throughput = np.arange(1, LARGEST + 1) / latency
    assert (throughput[1:] >= throughput[:-1] * (1 - SLACK)).all()
    assert (latency[2:] + latency[:-2] - 2 * latency[1:-1] >= -SLACK * latency[2:]).all()


# By hand.


def test_one_kernel_by_hand() -> None:
    # 10 FLOP and 2 B a sample, 36 B of weights; 10 FLOP/s, 4 B/s: T = max(B, 9 + B/2), ridge batch 18, knee where B/T = 0.9
    curve = curve_of([10.0], [36.0], [2.0])
    assert curve.ridge_batches.tolist() == [18.0]
    assert curve.ridge_batch == 18.0
    assert curve.knee() == 15  # B/(9 + B/2) >= 0.9 from B = 14.7
    assert curve.largest_batch(12.0) == 6
    assert curve.bandwidth_for_limit(8, 13.0) == 4.0
    assert curve.peak_for_limit(20, 40.0) == 5.0
    assert (curve.bandwidth_elasticity(8), curve.peak_elasticity(8)) == (-1.0, 0.0)


def test_a_chip_without_published_bandwidth_has_no_roof() -> None:
    catalog = load()
    with pytest.raises(DomainError, match="hailo-8 has no published bandwidth"):
        roof_curve(build(catalog.workloads["resnet18"]), catalog.machine("hailo-8", "int8"))
