"""The search over batches: coarse ones first, then those between them that bounds do not rule out, to an exact end.

What it finds is what looking at every batch up to LARGEST_BATCH would find; a test compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.totals import ridge_batch

from .between import Gaps, between_profile, gaps_of
from .candidate import (
    COARSE,
    KNEE_SHARE,
    NARROW_BITS,
    PREFERRED_BITS,
    Array,
    Index,
    Pool,
    Some,
    With,
    is_coarse,
    sieve,
    with_profile,
)
from .rulebook import Profile, Rule

AT_A_TIME: Final = 16
"""So many batches of a gap are looked at before its parts are judged again."""
Flags = npt.NDArray[np.bool_]


def look_between(pool: Pool, gaps: Gaps, chosen: Flags) -> None:
    """Look at some batches of the chosen gaps: all of a short one, evenly spread ones of a long one.

    Beyond the last candidate of a slot, at the batches of COARSE.
    """
    pool.look(_slots(pool, gaps.row[chosen & gaps.open]), COARSE)
    inner = np.flatnonzero(chosen & ~gaps.open)
    for places in _of_a_length(inner, (gaps.last - gaps.first)[inner]):
        first, last = gaps.first[places], gaps.last[places]
        steps = np.linspace(0.0, 1.0, int(min(AT_A_TIME, (last - first).max() + 1)))
        pool.look_at(gaps.row[places], np.round(first[:, np.newaxis] + (last - first)[:, np.newaxis] * steps))


def _of_a_length(places: Index, length: Array) -> list[Index]:
    """Return gaps in two parts, short and long, so that few batches of the short ones are looked at twice."""
    short = length < AT_A_TIME / 2
    return [part for part in (places[short], places[~short]) if part.size]


def rows_by_chip(pool: Pool) -> dict[str, list[int]]:
    """Return the slots of each chip, by its id."""
    rows: dict[str, list[int]] = {}
    for index, slot in enumerate(pool.slots):
        rows.setdefault(slot.chip.id, []).append(index)
    return rows


def alive_rows(pool: Pool, rules: Sequence[Rule]) -> Index:
    """Return the slots with a candidate that the rules admit."""
    return _slots(pool, pool.row[sieve(rules, pool).alive])


def _slots(pool: Pool, rows: Index) -> Index:
    """Return the slots that occur, each once, in order."""
    there = np.zeros(len(pool.slots), dtype=bool)
    there[rows] = True
    return np.flatnonzero(there)


def survey(pool: Pool, rules: Sequence[Rule], batch: int | None) -> list[int]:
    """Return the slots to choose from: of each chip those that qualify, in the first width of PREFERRED_BITS that does.

    Chips that do not qualify in that are looked at in every format at the batches of COARSE.
    """
    chips = rows_by_chip(pool)
    if batch is not None:
        pool.look(np.arange(len(pool.slots)), [float(batch)])
        living = set(alive_rows(pool, rules).tolist())
        return [row for rows in chips.values() for row in _preferred(pool, rows, living)]
    chosen: list[int] = []
    for bits in PREFERRED_BITS:
        rows = {name: [row for row in rows if pool.slots[row].bits == bits] for name, rows in chips.items()}
        others = chips if bits == PREFERRED_BITS[1] else rows
        _look_once(pool, np.array([row for part in others.values() for row in part], dtype=np.intp))
        asked = np.array([row for part in rows.values() for row in part], dtype=np.intp)
        living = _qualifying(pool, rules, asked)
        found = {name: [row for row in part if row in living] for name, part in rows.items()}
        chosen += [row for part in found.values() for row in part]
        chips = {name: part for name, part in chips.items() if not found[name]}
    return chosen


def _preferred(pool: Pool, rows: Sequence[int], living: set[int]) -> list[int]:
    """Return the slots of a chip in the first width of PREFERRED_BITS that qualifies."""
    for bits in PREFERRED_BITS:
        if found := [row for row in rows if pool.slots[row].bits == bits and row in living]:
            return found
    return []


def _qualifying(pool: Pool, rules: Sequence[Rule], asked: Index) -> set[int]:
    """Return which of some slots qualify at a batch."""
    while True:
        living = set(alive_rows(pool, rules).tolist())
        gaps = gaps_of(pool, np.array([row for row in asked.tolist() if row not in living], dtype=np.intp))
        open_ = gaps.may_live(rules)
        if not open_.any():
            return living & set(asked.tolist())
        look_between(pool, gaps, open_)


def _look_once(pool: Pool, rows: Index) -> None:
    """Look at slots at the batches of COARSE, but for those that were looked at at all of them."""
    there = np.bincount(pool.row[is_coarse(pool.batch)], minlength=len(pool.slots))
    pool.look(rows[there[rows] < len(COARSE)], COARSE)


def add_curves(pool: Pool, rows: Index, rules: Sequence[Rule]) -> None:
    """Add knee, largest and ridge batch of slots, each exactly, to the facts; and what the largest batch adds."""
    _look_once(pool, rows)
    while True:
        curves = _curves(pool, rules)
        gaps = gaps_of(pool, rows)
        beyond = (gaps.last > curves["largest_batch"][gaps.row]) & gaps.may_live(rules)
        before = gaps.first < curves["knee_batch"][gaps.row]
        enough = gaps["throughput_per_s"].high >= KNEE_SHARE * curves["most"][gaps.row]
        fits = ~(gaps["memory_bytes"].low > pool.fixed["capacity_bytes"][gaps.row])
        open_ = beyond | (before & enough & fits)
        if not open_.any():
            break
        look_between(pool, gaps, open_)
    del curves["most"]
    pool.fixed |= curves | {"ridge_batch": _ridge(pool)}


def _ridge(pool: Pool) -> Array:
    """Return the batch at which the network turns compute-bound on the plain roof of every slot, NaN where that is unknown."""
    peak, bandwidth, element_bytes = (pool.of_machine(name) for name in ("peak", "bandwidth", "element_bytes"))
    return ridge_batch(pool.network, peak=peak, bandwidth=bandwidth, element_bytes=element_bytes)


def _curves(pool: Pool, rules: Sequence[Rule]) -> dict[str, Array]:
    """Return the batch curve of every slot as far as it was looked at."""
    size = len(pool.slots)
    alive = sieve(rules, pool).alive
    throughput = np.where(pool["memory_bytes"] <= pool["capacity_bytes"], pool["throughput_per_s"], np.nan)
    most = _most(pool.row, np.where(is_coarse(pool.batch), throughput, np.nan), size)
    with np.errstate(invalid="ignore"):
        knee = -_most(pool.row, np.where(throughput >= KNEE_SHARE * most[pool.row], -pool.batch, np.nan), size)
    largest = np.fmax(_most(pool.row, np.where(alive, pool.batch, np.nan), size), 0.0)
    top = np.flatnonzero(pool.batch == largest[pool.row])
    reached = {name: np.full(size, np.nan) for name in ("throughput_per_s", "latency_estimate_s")}
    for name, values in reached.items():
        values[pool.row[top]] = pool[name][top]
    return {
        "most": most,
        "knee_batch": np.where(np.isnan(knee), np.inf, knee),
        "largest_batch": largest,
        "largest_throughput_per_s": reached["throughput_per_s"],
        "largest_latency_s": reached["latency_estimate_s"],
    }


def _most(rows: Index, values: Array, size: int) -> Array:
    """Return the largest known value of every slot, NaN where there is none."""
    most = np.full(size, np.nan)
    np.fmax.at(most, rows, values)
    return most


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """The best candidate of every chip under a profile: its slot, batch and score, and its place among those looked at then."""

    row: Index
    batch: Array
    score: Array
    place: Index


def best_of_each(
    pool: Pool, rows: Index, rules: Sequence[Rule], profiles: Sequence[Profile], batch: int | None, headline: Sequence[Rule]
) -> dict[str, Found]:
    """Return by profile the best candidate of every chip of some slots: the objective, then the format, then the smaller batch.

    Under the first profile every chip's is exact; under others only those that may be the best of all that the rules about the
    headline admit. What any of them needs is looked at in the same rounds.
    """
    best: dict[str, Found] = {}
    left = tuple(profiles)
    while left:
        gaps = gaps_of(pool, rows)
        look = np.zeros(gaps.row.size, dtype=bool)
        unsure = []
        for profile in left:
            judged = _Judged(pool, rows, rules, profile, batch)
            best[profile.id] = found = judged.found()
            open_ = judged.open(gaps, _to_beat(pool, found, () if profile is profiles[0] else headline))
            look |= open_
            unsure += [profile] if open_.any() else []
        look_between(pool, gaps, look)
        left = tuple(unsure)
    return best


def _to_beat(pool: Pool, found: Found, headline: Sequence[Rule]) -> float:
    """Return the score that a candidate must reach to be the best of all that the headline's rules admit.

    Where such a rule depends on the batch, another batch of a chip that it bars may be the best.
    """
    if not headline or not all(rule.names <= {*pool.fixed, *pool.asked, "wide_meets"} for rule in headline):
        return -math.inf
    return float(np.max(found.score[~barred(pool, found.place, headline)], initial=-math.inf))


def barred(pool: Pool, places: Index, headline: Sequence[Rule]) -> Flags:
    """Return which candidates a rule about the headline bars from it."""
    facts = Some(pool, places)
    allowed = (facts["modelled"] == 0) | (facts["allow_modelled"] != 0)
    wide = np.float64((allowed & (facts["element_bits"] > NARROW_BITS)).any())
    given = With({"wide_meets": wide}, facts)
    fired = [np.broadcast_to(rule.over(given) == 1.0, places.shape) for rule in headline]
    return np.logical_or.reduce(fired) if fired else np.zeros(places.shape, dtype=bool)


class _Judged:
    """The candidates of some slots under a profile: which may be chosen, and their scores."""

    def __init__(self, pool: Pool, rows: Index, rules: Sequence[Rule], profile: Profile, batch: int | None) -> None:
        self.pool, self.rules, self.profile, self.batch = pool, rules, profile, batch
        facts = with_profile(pool, profile)
        admitted = sieve(rules, pool, profile).alive & pool.of(rows)
        if batch is not None:
            admitted &= pool.batch == batch
        self.limited = profile.batches == "up_to_knee"
        offered = admitted & (pool.batch <= pool["knee_batch"]) if self.limited else admitted
        chip = pool.chip[pool.row]
        self.offers = np.zeros(pool.chip.size, dtype=bool)
        self.offers[chip[offered]] = True
        score = np.broadcast_to(profile.score(facts), pool.batch.shape)
        chosen = np.where(self.offers[chip], offered, admitted) & ~np.isnan(score)
        self.score = np.where(chosen, score, -np.inf)
        self.best = np.full(pool.chip.size, -np.inf)
        np.maximum.at(self.best, chip, self.score)

    def found(self) -> Found:
        """Return the best candidate of every chip that has one."""
        chip = self.pool.chip[self.pool.row]
        best = np.flatnonzero((self.score > -np.inf) & (self.score == self.best[chip]))
        first = np.full(self.best.size, -1)
        first[chip[best][::-1]] = best[::-1]
        places = first[first >= 0]
        pool = self.pool
        return Found(row=pool.row[places], batch=pool.batch[places], score=self.score[places], place=places)

    def open(self, gaps: Gaps, to_beat: float) -> Flags:
        """Return the gaps in which there may be a better candidate of a chip that reaches the score to beat.

        There is none where a request names its batch.
        """
        if self.batch is not None:
            return np.zeros(gaps.row.size, dtype=bool)
        chip = self.pool.chip[gaps.row]
        may = gaps.may_live(self.rules, self.profile)
        score = self.profile.score_between(With(between_profile(gaps, self.profile), gaps))
        better = np.broadcast_to(score.known & (score.high >= np.maximum(self.best[chip], to_beat)), may.shape)
        if not self.limited:
            return np.asarray(may & better)
        inside = gaps.first <= self.pool.fixed["knee_batch"][gaps.row]
        return np.asarray(may & np.where(self.offers[chip], inside & better, inside | better))
