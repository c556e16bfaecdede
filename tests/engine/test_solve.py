"""The batch curve in closed form equals brute force, and keeps the laws of the plain roof."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.errors import DomainError
from engine.solve import RoofCurve, overtakes, roof_curve

SOME = st.one_of(st.just(0.0), st.floats(1.0, 1e6))


@st.composite
def curves(draw: st.DrawFn) -> RoofCurve:
    size = draw(st.integers(1, 6))
    columns = [np.array(draw(st.lists(SOME, min_size=size, max_size=size))) for _ in range(3)]
    work, once, each = columns
    assume((work + each).sum() > 0)
    return RoofCurve(
        names=tuple(f"k{i}" for i in range(size)), work=work, traffic_once=once, traffic_each=each,
        peak=draw(st.floats(1e3, 1e9)), bandwidth=draw(st.floats(1e3, 1e9)),
    )  # fmt: skip


BATCHES = st.integers(1, 4096)


@given(curves(), BATCHES)
def test_the_segments_are_the_curve(curve: RoofCurve, batch: int) -> None:
    (line,) = [s for s in curve.segments if s.start < batch <= s.stop]
    assert line.at(batch) == pytest.approx(curve.latency_s(batch), rel=1e-12)


@given(curves())
def test_the_segments_join_and_grow_steeper(curve: RoofCurve) -> None:
    segments = curve.segments
    assert (segments[0].start, segments[-1].stop) == (0.0, math.inf)
    for left, right in pairwise(segments):
        assert left.stop == right.start
        assert left.at(left.stop) == pytest.approx(right.at(right.start), rel=1e-9, abs=1e-300)
        assert right.slope >= left.slope * (1 - 1e-12)


@given(curves())
def test_at_a_ridge_batch_arithmetic_takes_as_long_as_traffic(curve: RoofCurve) -> None:
    for index, batch in enumerate(curve.ridge_batches):
        compute = curve.work[index] / curve.peak
        memory = curve.traffic_each[index] / curve.bandwidth
        if math.isinf(batch):
            assert compute <= memory
        else:
            assert batch * compute == pytest.approx(curve.traffic_once[index] / curve.bandwidth + batch * memory, rel=1e-6)


@given(curves())
def test_the_knee_is_the_first_batch_with_nine_tenths_of_the_limit(curve: RoofCurve) -> None:
    knee = curve.knee()
    goal = 0.9 * curve.throughput_limit_per_s
    assert curve.throughput_per_s(knee) >= goal * (1 - 1e-9)
    if knee > 1:
        assert curve.throughput_per_s(knee - 1) < goal * (1 + 1e-9)


@given(curves(), BATCHES, st.floats(0.5, 2.0))
def test_the_largest_batch_is_the_last_within_the_limit(curve: RoofCurve, batch: int, factor: float) -> None:
    limit = factor * curve.latency_s(batch)
    largest = curve.largest_batch(limit)
    if largest:
        assert curve.latency_s(largest) <= limit * (1 + 1e-9)
    assert curve.latency_s(largest + 1) > limit * (1 - 1e-9)


@given(curves(), BATCHES, st.floats(0.3, 3.0))
def test_the_needed_bandwidth_just_meets_the_limit(curve: RoofCurve, batch: int, factor: float) -> None:
    limit = factor * curve.latency_s(batch)
    needed = curve.bandwidth_for_limit(batch, limit)
    if math.isinf(needed):
        assert replace(curve, bandwidth=1e30).latency_s(batch) >= limit * (1 - 1e-9)
    elif needed > 0:
        assert replace(curve, bandwidth=needed * (1 + 1e-9)).latency_s(batch) <= limit * (1 + 1e-6)
        assert replace(curve, bandwidth=needed * 0.99).latency_s(batch) > limit * (1 - 1e-9)


@given(curves(), BATCHES, st.floats(0.3, 3.0))
def test_the_needed_peak_just_meets_the_limit(curve: RoofCurve, batch: int, factor: float) -> None:
    limit = factor * curve.latency_s(batch)
    needed = curve.peak_for_limit(batch, limit)
    if math.isinf(needed):
        assert replace(curve, peak=1e30).latency_s(batch) >= limit * (1 - 1e-9)
    elif needed > 0:
        assert replace(curve, peak=needed * (1 + 1e-9)).latency_s(batch) <= limit * (1 + 1e-6)
        assert replace(curve, peak=needed * 0.99).latency_s(batch) > limit * (1 - 1e-9)


@given(curves(), BATCHES)
def test_elasticities_are_the_slopes_of_the_logarithms(curve: RoofCurve, batch: int) -> None:
    step = 1e-6
    compute = batch * curve.work / curve.peak
    memory = (curve.traffic_once + batch * curve.traffic_each) / curve.bandwidth
    assume((np.abs(compute - memory) > 1e-4 * np.maximum(compute, memory) - 1e-300).all())  # a kink has no slope
    for name, elasticity in (("bandwidth", curve.bandwidth_elasticity(batch)), ("peak", curve.peak_elasticity(batch))):
        faster = replace(curve, **{name: getattr(curve, name) * math.exp(step)})
        slope = math.log(faster.latency_s(batch) / curve.latency_s(batch)) / step
        assert elasticity == pytest.approx(slope, abs=1e-4)
    assert curve.bandwidth_elasticity(batch) + curve.peak_elasticity(batch) == pytest.approx(-1)


@given(curves(), curves())
def test_between_two_crossings_one_curve_stays_ahead(first: RoofCurve, second: RoofCurve) -> None:
    crossings = [batch for batch in overtakes(first, second) if batch < 1e12]
    bounds = [0.0, *crossings, 2 * (crossings[-1] if crossings else 1.0)]
    for left, right in pairwise(bounds):
        points = [left + (right - left) * share for share in (0.25, 0.5, 0.75)]
        ahead = [first.latency_s(b) - second.latency_s(b) for b in points if b > 0]
        scale = max(first.latency_s(b) for b in points)
        signs = {math.copysign(1, gap) for gap in ahead if abs(gap) > 1e-9 * scale}
        assert len(signs) <= 1


@given(curves(), BATCHES)
def test_time_halves_when_peak_and_bandwidth_double(curve: RoofCurve, batch: int) -> None:
    doubled = replace(curve, peak=2 * curve.peak, bandwidth=2 * curve.bandwidth)
    assert doubled.latency_s(batch) == pytest.approx(curve.latency_s(batch) / 2)


@given(curves(), BATCHES, BATCHES)
def test_throughput_never_falls_with_the_batch(curve: RoofCurve, one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert curve.throughput_per_s(large) >= curve.throughput_per_s(small) * (1 - 1e-12)


def test_one_kernel_by_hand() -> None:
    # 10 FLOP and 2 B a sample, 36 B of weights; 10 FLOP/s, 4 B/s: T = max(B, 9 + B/2), ridge batch 18, knee where B/T = 0.9
    curve = RoofCurve(names=("k",), work=np.array([10.0]), traffic_once=np.array([36.0]), traffic_each=np.array([2.0]),
                      peak=10.0, bandwidth=4.0)  # fmt: skip
    assert curve.ridge_batches.tolist() == [18.0]
    assert curve.ridge_batch == 18.0
    assert curve.knee() == 15  # B/(9 + B/2) >= 0.9 from B = 14.7
    assert curve.largest_batch(12.0) == 6
    assert curve.bandwidth_for_limit(8, 13.0) == 4.0
    assert curve.peak_for_limit(20, 40.0) == 5.0


def test_a_chip_without_published_bandwidth_has_no_roof() -> None:
    from engine import build, load  # noqa: PLC0415

    catalog = load()
    with pytest.raises(DomainError, match="hailo-8 has no published bandwidth"):
        roof_curve(build(catalog.workloads["resnet18"]), catalog.machine("hailo-8", "int8"))
