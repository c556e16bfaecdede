"""The search over batches finds what looking at every batch finds; and its bounds hold."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import strategies
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from advisor.between import gaps_of
from advisor.candidate import COARSE, EVERY, KNEE_SHARE, PREFERRED_BITS, Pool
from advisor.recommend import Advice, Choice, advise
from advisor.requirements import Requirements
from advisor.rule import load_rulebook
from advisor.rulebook import Profile
from advisor.search import add_curves
from advisor.stock import stock_of
from engine.compiled import FIGURES
from engine.expressions import parse
from engine.machine import DTYPE_BYTES
from engine.ranges import Range

CATALOG, BOOK = strategies.catalog(), load_rulebook()
STOCK = stock_of(CATALOG)
NO_SHRINKING = (Phase.explicit, Phase.generate)
"""An example takes a second."""
CHIPS = ("nvidia-l4", "nvidia-h100-sxm", "google-tpu-v5e", "intel-xeon-8592p", "nvidia-jetson-agx-orin-64", "aws-inferentia2")
"""One chip of each form and of each kind of memory, and some that tie."""


@lru_cache(maxsize=64)
def every(**request: Any) -> Pool:
    """Return every format of the chips asked for at every batch; without a choice of chips, those that are offered first."""
    asked = Requirements(**request)
    pool = Pool(STOCK.network(asked.model, asked.sizes), asked, STOCK)
    named = asked.hardware or tuple(STOCK.cards)
    wide = {slot.chip.id for slot in pool.slots if slot.bits == PREFERRED_BITS[0]} if not asked.hardware else set()
    rows = [i for i, slot in enumerate(pool.slots) if slot.chip.id in named and (slot.bits == 16 or slot.chip.id not in wide)]
    pool.look(np.array(rows), EVERY)
    return pool


class Exhaustive:
    """What an answer is by its definitions, slot by slot, from every batch."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.pool = every(**request)
        self.size = len(EVERY)
        self.rules = [rule for rule in BOOK.of("exclude") if not rule.names & {"profile_admits", "price_matters"}]
        self.living: Any = self._grid(np.logical_and.reduce([np.asarray(rule.over(self.pool) == 0.0) for rule in self.rules]))
        self.index = {int(row): place for place, row in enumerate(self.pool.row[:: self.size])}
        self.rows = {chip: self._preferred(chip) for chip in STOCK.cards}

    def _grid(self, values: Any) -> Any:
        return np.broadcast_to(values, self.pool.row.shape).reshape(-1, self.size)

    def _preferred(self, chip: str) -> list[int]:
        rows = [row for row, place in self.index.items() if self.pool.slots[row].chip.id == chip and self.living[place].any()]
        bits = [b for b in PREFERRED_BITS if any(self.pool.slots[row].bits == b for row in rows)]
        return [row for row in rows if self.pool.slots[row].bits == bits[0]]

    def alive(self, row: int) -> Any:
        """Return at which batches a slot meets every limit."""
        return self.living[self.index[row]]

    def knee(self, row: int) -> float:
        throughput, memory = (self._grid(self.pool[name])[self.index[row]] for name in ("throughput_per_s", "memory_bytes"))
        fits = memory <= self.pool.fixed["capacity_bytes"][row]
        most = max((throughput[b - 1] for b in COARSE if fits[b - 1]), default=math.nan)
        return next((b for b in EVERY if fits[int(b) - 1] and throughput[int(b) - 1] >= KNEE_SHARE * most), math.inf)

    def best(self, chip: str, profile: Profile) -> tuple[float, str, int] | None:
        """Return score, format and batch of the best candidate of a chip, the first format and the smallest batch of equals."""
        facts = self.pool
        admits = self._grid(np.asarray(profile.admits(facts)))
        score = self._grid(profile.score(facts))
        price = profile.objective != "cost" or not math.isnan(STOCK.cards[chip].price_usd_per_s)
        within = {row: self.alive(row) & (admits[self.index[row]] == 1.0) & price for row in self.rows[chip]}
        knees = {row: self.knee(row) >= EVERY if profile.batches == "up_to_knee" else EVERY > 0 for row in within}
        limited = any((within[row] & knees[row]).any() for row in within)
        found = [
            (float(score[self.index[row], place]), -row, -int(EVERY[place]))
            for row in within
            for place in np.flatnonzero(within[row] & (knees[row] | (not limited)) & ~np.isnan(score[self.index[row]]))
        ]
        if not found:
            return None
        value, row, batch = max(found)
        return value, self.pool.slots[-row].dtype, -batch


def choices(advice: Advice) -> list[Choice]:
    return ([advice.recommendation] if advice.recommendation else []) + [choice for choice, _ in advice.alternatives]


LIMITS: dict[str, st.SearchStrategy[float]] = {
    "latency_s": st.floats(-4.5, -1).map(lambda exponent: 10.0**exponent),
    "throughput_per_s": st.floats(1, 5).map(lambda exponent: 10.0**exponent),
    "power_w": st.floats(10, 800),
    "energy_j": st.floats(-3, -0.5).map(lambda exponent: 10.0**exponent),
}


@given(
    model=st.sampled_from(["resnet50", "bert-base"]),
    profile=st.sampled_from(sorted(BOOK.profiles)),
    limits=st.dictionaries(st.sampled_from(sorted(LIMITS)), st.none(), max_size=2),
    data=st.data(),
)
@settings(max_examples=12, phases=NO_SHRINKING)
def test_the_search_finds_what_every_batch_would_show(
    model: str, profile: str, limits: dict[str, None], data: st.DataObject
) -> None:
    request = {"model": model, "hardware": CHIPS, **{name: data.draw(LIMITS[name]) for name in sorted(limits)}}
    exhaustive, advice = Exhaustive(request), advise(Requirements(**request, profile=profile), STOCK, BOOK)
    found = {choice.chip.id: (choice.score, choice.slot.dtype, choice.batch) for choice in choices(advice)}
    wanted = {chip: exhaustive.best(chip, advice.profile) for chip in STOCK.cards}
    assert found == {chip: best for chip, best in wanted.items() if best is not None}
    for choice in choices(advice):
        row = next(row for row in exhaustive.rows[choice.chip.id] if exhaustive.pool.slots[row].dtype == choice.slot.dtype)
        assert choice.fact("knee_batch") == exhaustive.knee(row)
        assert choice.fact("largest_batch") == EVERY[np.flatnonzero(exhaustive.alive(row))[-1]]
    for name, winner in advice.winners.items():
        bests = [best for chip in STOCK.cards if (best := exhaustive.best(chip, BOOK.profiles[name])) is not None]
        wide = [best for best in bests if DTYPE_BYTES[best[1]] > 1]  # the narrow are barred where one of these meets the limits
        assert winner.score == max(wide or bests)[0]


def test_the_main_job_over_the_whole_catalogue_is_what_every_batch_would_show() -> None:
    request = {"model": "resnet50", "latency_s": 0.010}
    exhaustive, advice = Exhaustive(request), advise(Requirements(**request), STOCK, BOOK)
    found = {choice.chip.id: (choice.score, choice.slot.dtype, choice.batch) for choice in choices(advice)}
    wanted = {chip: exhaustive.best(chip, advice.profile) for chip in STOCK.cards}
    assert found == {chip: best for chip, best in wanted.items() if best is not None}


@given(model=st.sampled_from(["resnet50", "bert-base", "gpt2"]), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=6, phases=NO_SHRINKING)
def test_every_fact_between_two_batches_lies_in_its_range(model: str, seed: int) -> None:
    request = Requirements(model=model, latency_s=0.01, hardware=CHIPS)
    random = np.random.default_rng(seed)
    whole = every(model=model, latency_s=0.01, hardware=CHIPS)
    pool = Pool(whole.network, request, STOCK)
    rows = whole.row[:: len(EVERY)]
    place = {int(row): index for index, row in enumerate(rows)}
    pool.look(rows, np.unique([1.0, *random.integers(1, 1025, 9)]))
    gaps = gaps_of(pool, rows)
    names = {*FIGURES, "batch", "throughput_sure_per_s", "energy_sure_j", "price_per_million_usd", "margin", "work_min_flop"}
    for name in sorted(names):
        values = np.broadcast_to(whole[name], whole.row.shape).reshape(-1, len(EVERY))
        bounds = gaps[name]
        for index in random.integers(0, gaps.row.size, 200):
            inside = values[place[int(gaps.row[index])], int(gaps.first[index]) - 1 : int(gaps.last[index])]
            known, unknown = (np.broadcast_to(flags, gaps.row.shape)[index] for flags in (bounds.known, bounds.unknown))
            low, high = (np.broadcast_to(ends, gaps.row.shape)[index] for ends in (bounds.low, bounds.high))
            assert unknown or not np.isnan(inside).any()
            assert np.isnan(inside).all() or (known and (inside >= low).all() and (inside <= high).all()), name


OPERATORS = ("+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or")


def expressions() -> st.SearchStrategy[str]:
    """Return texts of the grammar over a, b and c."""
    leaves = st.sampled_from(["a", "b", "c", "2", "0.5", "3", "0"])

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.tuples(inner, st.sampled_from(OPERATORS), inner).map(lambda parts: f"({' '.join(parts)})"),
            st.tuples(st.sampled_from(["ceil", "floor", "log2", "not ", "-"]), inner).map(
                lambda parts: f"({parts[0]}({parts[1]}))"
            ),
            st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda parts: f"{parts[0]}({parts[1]}, {parts[2]})"),
            st.tuples(inner, st.sampled_from(["2", "3", "0.5", "0"])).map(lambda parts: f"(({parts[0]}) ** {parts[1]})"),
        )

    return st.recursive(leaves, grow, max_leaves=8)


def is_expression(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


@given(text=expressions().filter(is_expression), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=300)
def test_an_expression_between_bounds_contains_its_value_anywhere_between_them(text: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    shape = (3, 100)
    low = random.choice([0.0, 1.0, 2.0, -1.0, 5.0, 0.3], shape)
    high = low + random.choice([0.0, 0.0, 1.0, 3.0], shape)
    low = np.where(random.random(shape) < 0.1, np.nan, low)
    point = low + (high - low) * random.choice([0.0, 1.0, 0.37], shape)
    value = np.broadcast_to(parse(text).over(dict(zip("abc", point, strict=True))), shape[1:])
    found = parse(text).between(
        {name: Range.of(low[i], np.where(np.isnan(low[i]), np.nan, high[i])) for i, name in enumerate("abc")}
    )
    least, most, known, unknown = (
        np.broadcast_to(part, shape[1:]) for part in (found.low, found.high, found.known, found.unknown)
    )
    inside = known & (value >= least - 1e-9 * np.abs(least)) & (value <= most + 1e-9 * np.abs(most))
    assert np.where(np.isnan(value), unknown, inside).all()


@pytest.mark.parametrize("batch", [1, 7, 2000])
def test_a_batch_that_is_asked_for_is_the_only_one(batch: int) -> None:
    advice = advise(Requirements(model="resnet50", batch=batch), STOCK, BOOK)
    assert choices(advice)
    assert {choice.batch for choice in choices(advice)} == {batch}


def test_a_batch_beyond_the_largest_that_is_asked_for_widens_no_search() -> None:
    curve = every(model="resnet50", hardware=("nvidia-l4",))
    limit = float(np.sort(curve["latency_p90_s"][curve.batch == 1024.0])[0]) * 1.2  # 1,024 is within it, 4,000 is not
    asked = Requirements(model="resnet50", hardware=("nvidia-l4",), batch=4000, latency_s=limit)
    assert advise(asked, STOCK, BOOK).recommendation is None
    pool = Pool(STOCK.network("resnet50", {}), asked, STOCK)
    rows = np.array([row for row, slot in enumerate(pool.slots) if slot.chip.id == "nvidia-l4"])
    pool.look(rows, [4000.0])
    add_curves(pool, rows, [BOOK["L204"]])
    assert pool.batch[pool.batch < 4000].max() == 1024
