"""Between candidates: what facts may be at the batches that were not looked at, by those on both sides of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.ranges import Range

from .candidate import LARGEST_BATCH, Array, Index, Pool, With
from .rulebook import Profile, Rule

SLACK: Final = 1e-12
"""Bounds are loosened by so much, for the rounding of what they are computed from."""


def gaps_of(pool: Pool, rows: Index) -> Gaps:
    """Return what lies between neighbouring candidates of slots, and beyond the last up to LARGEST_BATCH."""
    found: Gaps = pool.kept(f"gaps {rows.tobytes()!r}", lambda: _gaps(pool, rows))
    return found


def _gaps(pool: Pool, rows: Index) -> Gaps:
    last = np.append(pool.row[1:] != pool.row[:-1], True) if pool.row.size else np.empty(0, dtype=bool)
    upper = np.where(last, LARGEST_BATCH + 1, np.append(pool.batch[1:], 0.0))
    below = np.flatnonzero((upper - pool.batch > 1) & (pool.batch < LARGEST_BATCH) & pool.of(rows))
    return Gaps(pool, below, last[below])


class Gaps(Mapping[str, Range]):
    """What facts may be at batches that were not looked at: those above candidates `below`, up to the next of their slot.

    A pass takes time, energy and memory that rise with its batch; that and a slack for rounding bound all facts. `open_` is
    where the gap is beyond the last candidate of a slot, up to LARGEST_BATCH.
    """

    def __init__(self, pool: Pool, below: Index, open_: npt.NDArray[np.bool_]) -> None:
        self.pool, self.below, self.open = pool, below, open_
        self.row = pool.row[below]
        self._above = np.where(open_, below, below + 1)
        self.first = pool.batch[below] + 1
        self.last = np.where(open_, LARGEST_BATCH, pool.batch[self._above] - 1)
        self._known: dict[str, Range] = {}

    def __len__(self) -> int:
        """Return how many facts there are."""
        return len(self.pool)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all facts."""
        return iter(self.pool)

    def __getitem__(self, name: str) -> Range:
        """Return the range of a fact in every gap."""
        if name not in self._known:
            with np.errstate(all="ignore"):
                self._known[name] = self._range(name)
        return self._known[name]

    def _range(self, name: str) -> Range:
        pool = self.pool
        if name in pool.fixed or name in pool.asked:
            value = pool.fixed[name][self.row] if name in pool.fixed else np.float64(pool.asked[name])
            return Range.of(value, value)
        low, high = _BETWEEN[name](self) if name in _BETWEEN else self.rising(name)
        unknown = np.isnan(pool[name][self.below])
        low = np.where(np.isnan(low), -np.inf, low - SLACK * np.abs(low))
        high = np.where(np.isnan(high), np.inf, high + SLACK * np.abs(high))
        return Range.of(np.where(unknown, np.nan, low), np.where(unknown, np.nan, high))

    def may_live(self, rules: Sequence[Rule], profile: Profile | None = None) -> npt.NDArray[np.bool_]:
        """Return in which gaps there may be a candidate that no rule excludes or leaves undecided."""
        may = np.ones(self.row.size, dtype=bool)
        more = {} if profile is None else between_profile(self, profile)
        for rule in rules:
            if not rule.names.isdisjoint(more):
                may &= rule.between(With(more, self)).may_be_false
            else:
                key = f"rule {rule.when}"
                if key not in self._known:
                    self._known[key] = rule.between(self)
                may &= self._known[key].may_be_false
        return may

    def ends(self, values: Array) -> tuple[Array, Array]:
        """Return what rises with the batch at both ends of every gap; nothing bounds it beyond the last candidate."""
        return values[self.below], np.where(self.open, np.inf, values[self._above])

    def rising(self, name: str) -> tuple[Array, Array]:
        """Return bounds of a fact that rises with the batch."""
        return self.ends(self.pool[name])

    def rate(self, name: str, scale: float | Array = 1.0) -> tuple[Array, Array]:
        """Return bounds of what is done in a time that rises with the batch, for `scale` a sample."""
        low, high = self.rising(name)
        return scale * self.first / high, scale * self.last / low

    def share(self, name: str, time: str) -> tuple[Array, Array]:
        """Return bounds of a fact that is some work of a sample over a time."""
        pool = self.pool
        return self.rate(time, (pool[name] * pool[time] / pool.batch)[self.below])

    def energy(self, name: str) -> tuple[Array, Array]:
        """Return bounds of the energy of a pass, which a sample has its part of."""
        return self.ends(self.pool[name] * self.pool.batch)

    def each(self, name: str) -> tuple[Array, Array]:
        """Return bounds of an energy of one sample."""
        low, high = self.energy(name)
        return low / self.last, high / self.first


def _power(gaps: Gaps) -> tuple[Array, Array]:
    energy, time = gaps.energy("energy_per_inference_j"), gaps.rising("latency_estimate_s")
    return energy[0] / time[1], energy[1] / time[0]


def _mbu(gaps: Gaps) -> tuple[Array, Array]:
    traffic, time = gaps.ends(gaps.pool["mbu"] * gaps.pool["latency_estimate_s"]), gaps.rising("latency_estimate_s")
    return traffic[0] / time[1], traffic[1] / time[0]


def _energy_sure(gaps: Gaps) -> tuple[Array, Array]:
    """Return bounds of energy times p90 over estimate, a ratio that goes one way only: the share of launches falls."""
    low, high = gaps.each("energy_per_inference_j")
    ratio = gaps.pool["latency_p90_s"] / gaps.pool["latency_estimate_s"]
    first, last = gaps.ends(ratio)
    return low * np.where(gaps.open, 1.0, np.minimum(first, last)), high * np.maximum(first, last)


def _margin(gaps: Gaps) -> tuple[Array, Array]:
    low, high = gaps.rising("latency_p90_s")
    limit = gaps.pool.asked["limit_latency_s"]
    return 1.0 - high / limit, 1.0 - low / limit


def _price(gaps: Gaps) -> tuple[Array, Array]:
    low, high = gaps.rate("latency_p90_s")
    price = 1e6 * gaps.pool.fixed["price_usd_per_s"][gaps.row]
    return price / high, price / low


def _more(top: str, name: str) -> Callable[[Gaps], tuple[Array, Array]]:
    def bounds(gaps: Gaps) -> tuple[Array, Array]:
        low, high = gaps.rate("latency_estimate_s") if name == "throughput_per_s" else gaps.rising(name)
        most = gaps.pool.fixed[top][gaps.row]
        return most / high - 1.0, most / low - 1.0

    return bounds


_BETWEEN: Final[Mapping[str, Callable[[Gaps], tuple[Array, Array]]]] = {
    "batch": lambda gaps: (gaps.first, gaps.last),
    "throughput_per_s": lambda gaps: gaps.rate("latency_estimate_s"),
    "throughput_upper_bound_per_s": lambda gaps: gaps.rate("latency_lower_bound_s"),
    "throughput_sure_per_s": lambda gaps: gaps.rate("latency_p90_s"),
    "energy_per_inference_j": lambda gaps: gaps.each("energy_per_inference_j"),
    "energy_lower_bound_j": lambda gaps: gaps.each("energy_lower_bound_j"),
    "energy_sure_j": _energy_sure,
    "power_w": _power,
    "mfu": lambda gaps: gaps.share("mfu", "latency_estimate_s"),
    "mfu_upper_bound": lambda gaps: gaps.share("mfu_upper_bound", "latency_lower_bound_s"),
    "mbu": _mbu,
    "margin": _margin,
    "price_per_million_usd": _price,
    "work_min_flop": lambda gaps: (gaps.pool.network.work_min * gaps.first, gaps.pool.network.work_min * gaps.last),
    "more_throughput": _more("largest_throughput_per_s", "throughput_per_s"),
    "more_latency": _more("largest_latency_s", "latency_estimate_s"),
}
"""Facts that do not just rise with the batch -> their bounds in gaps."""


def between_profile(facts: Gaps, profile: Profile) -> dict[str, Range]:
    """Return the ranges of the facts that a profile adds."""
    matters = np.float64(profile.objective == "cost")
    return {"profile_admits": profile.admits_between(facts), "price_matters": Range.of(matters, matters)}
