"""The batch curve in closed form: the plain roof of a network over the batch, and its inverses.

T(B) = sum over operators of max(B*w/pi, (q_w + B*q_a)/beta) is convex and piecewise linear in B, with a break at every
operator's ridge batch. So are the same sums over 1/beta and over 1/pi, which gives the bandwidth and the peak that a limit
needs. Source: docs/model.md, "The batch curve". The estimate's staircase of tiles, waves and cache is not convex; it is
evaluated, not solved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from . import _compiled as forms
from .cost import Cost
from .errors import DomainError
from .machine import Machine

if TYPE_CHECKING:
    from .fusion import Kernel
    from .network import Network

KNEE_SHARE: Final = 0.9
_ROUNDING: Final = 1e-12
"""Relative difference below which two times are taken for equal."""
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Segment:
    """T(B) = intercept + slope*B [s] for start <= B <= stop."""

    start: float
    stop: float
    intercept: float
    slope: float

    def at(self, batch: float) -> float:
        """Return T(batch) [s] on this segment's line."""
        return self.intercept + self.slope * batch

    def last_within(self, limit_s: float) -> float:
        """Return the largest batch of this segment with T(batch) <= limit_s; minus infinity if there is none."""
        if self.slope > 0:
            batch = min((limit_s - self.intercept) / self.slope, self.stop)
        else:
            batch = self.stop if self.intercept <= limit_s else -math.inf
        return batch if batch >= self.start else -math.inf


@dataclass(frozen=True, kw_only=True)
class RoofCurve:
    """The plain roof of one network on one machine, as a function of the batch."""

    names: tuple[str, ...]
    work: Array  # FLOP per sample, by kernel
    traffic_once: Array  # weight bytes per pass, by kernel
    traffic_each: Array  # activation bytes per sample, by kernel
    peak: float
    bandwidth: float

    def latency_s(self, batch: float) -> float:
        """Return T(batch) [s]."""
        return float(np.maximum(self._compute_s(batch), self._memory_s(batch)).sum())

    def throughput_per_s(self, batch: float) -> float:
        """Return batch/T(batch) [1/s]."""
        return batch / self.latency_s(batch)

    def _compute_s(self, batch: float) -> Array:
        return batch * self.work / self.peak

    def _memory_s(self, batch: float) -> Array:
        return (self.traffic_once + batch * self.traffic_each) / self.bandwidth

    @property
    def ridge_batches(self) -> Array:
        """Return the batch at which each kernel turns compute-bound; infinity where it never does."""
        turns = self.work > self.traffic_each * self.peak / self.bandwidth
        with np.errstate(all="ignore"):
            ridge = forms.ridge_batch(
                bandwidth=self.bandwidth,
                peak=self.peak,
                traffic_each=self.traffic_each,
                traffic_once=self.traffic_once,
                work_each=self.work,
            )
        return np.where(turns, ridge, np.inf)

    @property
    def ridge_batch(self) -> float:
        """Return the batch at which the whole network's arithmetic takes as long as its traffic; infinity if none."""
        work, once, each = self.work.sum(), self.traffic_once.sum(), self.traffic_each.sum()
        ratio = self.peak / self.bandwidth
        return float(once * ratio / (work - each * ratio)) if work > each * ratio else math.inf

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Return T(B) for B > 0 as lines, in order of B; the last one reaches to infinity."""
        ridge = self.ridge_batches
        breaks = [0.0, *sorted({float(b) for b in ridge if 0 < b < math.inf}), math.inf]
        lines = []
        for start, stop in pairwise(breaks):
            computing = ridge <= start
            slope = np.where(computing, self.work / self.peak, self.traffic_each / self.bandwidth).sum()
            intercept = np.where(computing, 0.0, self.traffic_once / self.bandwidth).sum()
            lines.append(Segment(start, stop, float(intercept), float(slope)))
        return tuple(lines)

    @property
    def throughput_limit_per_s(self) -> float:
        """Return the throughput that ever larger batches approach [1/s]; infinity if samples cost no time."""
        slope = self.segments[-1].slope
        return 1.0 / slope if slope > 0 else math.inf

    def knee(self, share: float = KNEE_SHARE) -> int:
        """Return the smallest whole batch with `share` of the throughput that ever larger batches approach.

        Raises DomainError when samples cost no time, so that there is no such throughput.
        """
        goal = share * self.throughput_limit_per_s
        if math.isinf(goal):
            raise DomainError("the batch curve has no knee: samples cost no time, and throughput grows without end")
        for segment in self.segments:
            # B/(i + s*B) >= goal  <=>  B*(1 - goal*s) >= goal*i
            gain = 1.0 - goal * segment.slope
            batch = goal * segment.intercept / gain if gain > 0 else math.inf
            if max(batch, segment.start) <= segment.stop:
                return _whole_from(max(batch, segment.start), lambda b: self.throughput_per_s(b) >= goal)
        raise DomainError(f"no batch reaches {share:g} of the throughput limit")  # pragma: no cover - the last one does

    def largest_batch(self, limit_s: float) -> int:
        """Return the largest whole batch with T(batch) <= limit_s, 0 if there is none.

        Raises DomainError when every batch is within the limit.
        """
        batch = max(segment.last_within(limit_s) for segment in self.segments)
        if batch == math.inf:
            raise DomainError(f"every batch takes at most {limit_s:g} s; there is no largest")
        whole = max(0, math.floor(max(batch, 0.0)))
        near = (whole - 1, whole, whole + 1)  # the quotient's last digit may lie on either side of a whole number
        return max([0, *(b for b in near if b > 0 and self.latency_s(b) <= limit_s * (1 + _ROUNDING))])

    def bandwidth_for_limit(self, batch: float, limit_s: float) -> float:
        """Return the least bandwidth [B/s] with T(batch) <= limit_s; infinity if the arithmetic alone takes longer."""
        inverse = _largest_argument(self._compute_s(batch), self.traffic_once + batch * self.traffic_each, limit_s)
        return 1.0 / inverse if inverse > 0 else math.inf

    def peak_for_limit(self, batch: float, limit_s: float) -> float:
        """Return the least peak [FLOP/s] with T(batch) <= limit_s; infinity if the traffic alone takes longer."""
        inverse = _largest_argument(self._memory_s(batch), batch * self.work, limit_s)
        return 1.0 / inverse if inverse > 0 else math.inf

    def bandwidth_elasticity(self, batch: float) -> float:
        """Return d ln T / d ln beta: minus the share of the time in kernels that wait for memory."""
        compute, memory = self._compute_s(batch), self._memory_s(batch)
        return float(-memory[memory > compute].sum() / np.maximum(compute, memory).sum())

    def peak_elasticity(self, batch: float) -> float:
        """Return d ln T / d ln pi: minus the share of the time in kernels that wait for arithmetic."""
        compute, memory = self._compute_s(batch), self._memory_s(batch)
        return float(-compute[memory <= compute].sum() / np.maximum(compute, memory).sum())


def roof_curve(network: Network, machine: Machine, batch: float = math.inf) -> RoofCurve:
    """Return the plain roof of a network on a machine: fused kernels, every byte from memory.

    Of experts it reads those that a pass of `batch` samples touches, which are all of them for large ones; their number is no
    line in the batch, so that elsewhere the curve is off where it counts too many or too few.

    Raises DomainError when the chip's bandwidth is not published.
    """
    return kernel_curve(network.kernels, machine, batch)


def kernel_curve(kernels: Sequence[Kernel], machine: Machine, batch: float = math.inf) -> RoofCurve:
    """Return the plain roof of kernels that run one after the other, as `roof_curve` does for those of a network."""
    if math.isnan(machine.bandwidth):
        raise DomainError(f"{machine.hardware} has no published bandwidth, so its roof is unknown")
    costs = [kernel.cost for kernel in kernels]
    return RoofCurve(
        names=tuple(kernel.name for kernel in kernels),
        work=np.array([cost.work for cost in costs], dtype=float),
        traffic_once=np.array([_read(cost, batch) for cost in costs], dtype=float) * machine.element_bytes,
        traffic_each=np.array([cost.inputs + cost.outputs for cost in costs], dtype=float) * machine.element_bytes,
        peak=machine.peak,
        bandwidth=machine.bandwidth,
    )


def _read(cost: Cost, batch: float) -> float:
    """Return the weight elements that a pass of `batch` samples reads."""
    return cost.weights * float(forms.experts_read(batch=batch, routed=cost.routed, tokens=cost.tokens))


def overtakes(first: RoofCurve, second: RoofCurve) -> tuple[float, ...]:
    """Return the batches at which the faster of two chips changes, in order; where the curves only touch, it does not."""
    breaks = sorted({s.start for s in (*first.segments, *second.segments)})
    pairs = [(_segment_from(first.segments, start), _segment_from(second.segments, start)) for start in breaks]
    lead = _sign(pairs[0][0].intercept, pairs[0][1].intercept)
    crossings = []
    for start, stop, (a, b) in zip(breaks, [*breaks[1:], math.inf], pairs, strict=True):
        ahead = _sign(a.at(stop), b.at(stop)) if stop < math.inf else _sign(a.slope, b.slope) or _sign(a.intercept, b.intercept)
        if ahead * lead < 0:
            batch = (b.intercept - a.intercept) / (a.slope - b.slope)
            crossings.append(min(max(batch, start), stop))
        lead = ahead or lead
    return tuple(crossings)


def _sign(one: float, other: float) -> int:
    """Return which of two numbers >= 0 is larger: 1 the first, -1 the second, 0 if they are equal but for rounding."""
    return 0 if abs(one - other) <= _ROUNDING * max(one, other) else 1 if one > other else -1


def _segment_from(segments: Sequence[Segment], start: float) -> Segment:
    return next(segment for segment in reversed(segments) if segment.start <= start)


def _whole_from(batch: float, holds: Callable[[int], bool]) -> int:
    """Return the smallest whole number from `batch` on that holds, mending the last digit of a float."""
    whole = max(1, math.ceil(batch * (1 - _ROUNDING)))
    return whole if holds(whole) else whole + 1


def _largest_argument(fixed: Array, slopes: Array, limit: float) -> float:
    """Return the largest x >= 0 with sum(max(fixed, slopes*x)) <= limit, or 0: the sum is convex and piecewise linear in x."""
    if fixed.sum() > limit:
        return 0.0
    moving = slopes > 0
    breaks = np.sort(np.unique(fixed[moving] / slopes[moving]))
    if not breaks.size:
        return math.inf
    totals = np.array([np.maximum(fixed, slopes * x).sum() for x in breaks])
    index = int(np.searchsorted(totals, limit, side="right")) - 1
    start, reached = (breaks[index], totals[index]) if index >= 0 else (0.0, fixed.sum())
    rising = slopes[moving & (fixed <= slopes * start * (1 + 1e-15))].sum() if index >= 0 else 0.0
    if rising == 0.0:
        return float(start)
    return float(start + (limit - reached) / rising)
