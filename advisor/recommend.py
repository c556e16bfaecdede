"""The recommendation: rules exclude, the profile ranks, and every chip of the catalogue ends up in exactly one place."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from engine.compiled import CAUSES, estimate
from engine.machine import Machine
from engine.point import over, waterfall
from engine.totals import Totals

from .candidate import NARROW_BITS, Facts, Index, Pool, Slot, is_coarse, profile_facts, sieve
from .exclusion import Exclusion, Undetermined, exclusion, texts, undetermined
from .requirements import Requirements
from .rulebook import Profile, Rule, Rulebook, messages
from .search import Found, add_curves, barred, best_of_each, rows_by_chip, survey
from .stock import Card, Stock, stock_of

if TYPE_CHECKING:
    from engine.catalog import Catalog


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """The best candidate of one chip under a profile; `steps` are the causes of its time, their seconds and shares."""

    pool: Pool
    row: int
    batch: int
    place: int
    score: float
    profile: Profile

    @property
    def slot(self) -> Slot:
        """Return the chip with its number format."""
        return self.pool.slots[self.row]

    @property
    def is_wide(self) -> bool:
        """Return whether its number format needs no quantized model."""
        return self.slot.bits > NARROW_BITS

    @property
    def chip(self) -> Card:
        """Return the chip."""
        return self.slot.chip

    @cached_property
    def machine(self) -> Machine:
        """Return the machine; a choice always has one."""
        machine = self.slot.machine
        if machine is None:  # pragma: no cover - a slot without machine is never alive
            raise AssertionError
        return machine

    @cached_property
    def facts(self) -> Facts:
        """Return what rules may know of it, as plain numbers and texts."""
        pool, place = self.pool, self.place
        return pool.at(place) | profile_facts(pool, place, self.profile) | texts(self.slot, self.profile)

    def fact(self, name: str) -> float:
        """Return one number among its facts."""
        values = self.pool[name]
        return float(values[self.place] if np.ndim(values) else values)

    def of_machine(self, name: str) -> float:
        """Return one number of the machine."""
        return float(self.pool.roster.column(name)[self.slot.place])

    @cached_property
    def steps(self) -> list[tuple[str, float | None, float | None]]:
        """Return each cause of the time with its seconds and its share."""
        points = estimate(self.pool.network, [self.machine], [self.batch])
        return waterfall(points, (0, 0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Advice:
    """The answer to a request; every chip of the catalogue is in exactly one of its four places."""

    request: Requirements
    profile: Profile
    network: Totals
    recommendation: Choice | None
    rationale: tuple[Mapping[str, str], ...]
    winners: Mapping[str, Choice]
    alternatives: tuple[tuple[Choice, str], ...]
    excluded: tuple[Exclusion, ...]
    undetermined: tuple[Undetermined, ...]

    @property
    def nearest_miss(self) -> Exclusion | None:
        """Return the excluded chip that passed most rules and missed the next by least, of those that may be recommended."""
        missed = [item for item in self.excluded if math.isfinite(item.shortfall) and item.recommendable]
        return min(missed, key=lambda item: (-item.passed, item.shortfall, item.hardware), default=None)


def advise(request: Requirements, specs: Catalog | Stock, book: Rulebook) -> Advice:
    """Return the advice for a request.

    Raises UnknownNameError for a model or profile that is not there and GraphError for a size out of range.
    """
    stock = stock_of(specs)
    network = stock.network(request.model, request.sizes)
    profile, rules, headline = book.profile(request.profile), book.of("exclude"), book.of("exclude", scope="headline")
    pool = Pool(network, request, stock)
    free = [rule for rule in rules if not rule.names & {"profile_admits", "price_matters"}]
    rows = np.array(survey(pool, free, request.batch), dtype=np.intp)
    if rows.size:
        add_curves(pool, rows, free)
    wanted = [profile, *(p for p in book.profiles.values() if p.in_matrix and p.id != profile.id)]
    found = _choices(pool, rows, rules, request.batch, wanted, headline)
    choices = found[profile.id]
    excluded, open_ = _others(pool, rules, profile, {choice.chip.id for choice in choices}, request.batch)
    ranked, out = _headline_order(choices, headline)
    best, reasons = _first(ranked, out), _reasons(ranked, out, headline)
    others = tuple((c, _lost_on(c, best, reasons)) for c in ranked if c is not best)
    matrix = [p.id for p in book.profiles.values() if p.in_matrix]
    winners = {name: best if name == profile.id else _first(*_headline_order(found[name], headline)) for name in matrix}
    advice = Advice(
        request=request, profile=profile, network=network, recommendation=best, rationale=(),
        winners={name: winner for name, winner in winners.items() if winner is not None},
        alternatives=others, excluded=tuple(excluded), undetermined=tuple(open_),
    )  # fmt: skip
    return advice if best is None else _explain(advice, best, stock, book)


def _choices(
    pool: Pool, rows: Index, rules: Sequence[Rule], batch: int | None, profiles: Sequence[Profile], headline: Sequence[Rule]
) -> dict[str, list[Choice]]:
    """Return by profile the best candidate of every chip: exactly for the first, for others only where it may be the winner."""
    if not rows.size:
        return {profile.id: [] for profile in profiles}
    best = best_of_each(pool, rows, rules, profiles, batch, headline)
    return {profile.id: list(_chosen(pool, profile, best[profile.id])) for profile in profiles}


def _chosen(pool: Pool, profile: Profile, best: Found) -> Iterator[Choice]:
    """Yield candidates as choices, once no more join the pool."""
    places = pool.places(best.row, best.batch).tolist()
    columns = zip(best.row.tolist(), best.batch.tolist(), places, best.score.tolist(), strict=True)
    for row, batch, place, score in columns:
        yield Choice(pool=pool, row=row, batch=int(batch), place=place, score=score, profile=profile)


def _others(
    pool: Pool, rules: Sequence[Rule], profile: Profile, chosen: Collection[str], batch: int | None
) -> tuple[list[Exclusion], list[Undetermined]]:
    """Return the chips that a rule excludes, and those about which nothing can be concluded.

    They are judged at the batches of COARSE, or at the one asked for.
    """
    verdict = sieve(rules, pool, profile)
    judged = is_coarse(pool.batch) if batch is None else pool.batch == batch
    excluded, open_ = [], []
    for chip, parts in rows_by_chip(pool).items():
        places = np.flatnonzero(judged & pool.of(parts))
        if chip in chosen:
            continue
        if (verdict.killer[places] >= 0).all():
            excluded.append(exclusion(pool, verdict, places, profile))
        else:
            slots = [pool.slots[row] for row in parts]
            open_.append(undetermined(slots[0].chip, modelled=any(slot.place >= 0 for slot in slots)))
    return excluded, open_


# The ranking: rules that bar from the headline, ties, and what each alternative lost on.


def _headline_order(choices: Sequence[Choice], headline: Sequence[Rule]) -> tuple[list[Choice], list[bool]]:
    """Return the choices from best to worst, and which of them a rule bars from being recommended."""
    if not choices:
        return [], []
    pool = choices[0].pool
    power = pool["power_w"]
    ranked = sorted(choices, key=lambda c: (-c.score, c.batch, power[c.place], c.chip.id))
    return ranked, barred(pool, np.array([choice.place for choice in ranked], dtype=np.intp), headline).tolist()


def _reasons(ranked: Sequence[Choice], out: Sequence[bool], headline: Sequence[Rule]) -> dict[str, str]:
    """Return by chip why those that may not be recommended may not."""
    wide = {"wide_meets": float(any(_allowed(choice) and choice.is_wide for choice in ranked))}
    reasons: dict[str, str] = {}
    for choice in (choice for choice, bars in zip(ranked, out, strict=True) if bars):
        facts = choice.facts | wide
        reasons[choice.chip.id] = next(f"{r.id}: {r.message(facts)}" for r in headline if r.fires(facts) is True)
    return reasons


def _allowed(choice: Choice) -> bool:
    """Return whether a chip may be recommended at all: it exists, or the request admits those without silicon."""
    return not choice.fact("modelled") or bool(choice.fact("allow_modelled"))


def _first(ranked: Sequence[Choice], out: Sequence[bool]) -> Choice | None:
    """Return the best choice that may be recommended."""
    return next((choice for choice, bars in zip(ranked, out, strict=True) if not bars), None)


def _lost_on(choice: Choice, best: Choice | None, reasons: Mapping[str, str]) -> str:
    """Return why a chip that meets the request is not the recommendation."""
    if choice.chip.id in reasons or best is None:
        return reasons.get(choice.chip.id, "")
    throughput = over(choice.fact("throughput_per_s"), best.fact("throughput_per_s"))
    energy = over(choice.fact("energy_per_inference_j"), best.fact("energy_per_inference_j"))
    told = f"{throughput:.2g}x throughput, {energy:.2g}x energy"
    if _tied(choice, best):
        return f"tie: {told}"
    return f"unsure: {told}" if _estimated(choice) < _estimated(best) else told


def _tied(choice: Choice, best: Choice) -> bool:
    """Return whether the estimates behind two scores lie inside each other's p10 to p90."""
    better, worse = sorted((_estimated(best), _estimated(choice)))
    if better <= 0:
        return False
    first, second = (best, choice) if _estimated(best) <= _estimated(choice) else (choice, best)
    return worse / better <= min(first.of_machine("ratio_p90"), 1.0 / second.of_machine("ratio_p10"))


def _estimated(choice: Choice) -> float:
    """Return a score as something that grows with time, without its margin for 90 % certainty."""
    costly = 1.0 / choice.score if choice.score > 0 else -choice.score
    return costly / choice.of_machine("ratio_p90")


def _explain(advice: Advice, best: Choice, stock: Stock, book: Rulebook) -> Advice:
    """Return the advice with the rules that fire on the recommendation."""
    total = len(stock.cards)
    eligible = [best, *(c for c, _ in advice.alternatives if _allowed(c))]
    facts = (
        best.facts
        | _comparison(best, eligible)
        | _shares(best)
        | {
            "chips_total": total,
            "chips_meeting": len(eligible),
            "ties": sum(_tied(c, best) for c, lost in advice.alternatives if lost.startswith("tie")),
            "narrow_speedup": _narrow_speedup(best, advice.network),
            "interval_basis": best.chip.basis,
            "assumed": ", ".join(best.machine.assumed).replace("_", " "),
        }
    )
    fired = messages((*book.of("prefer"), *book.of("warn", "advise")), facts)
    return replace(advice, rationale=tuple(fired))


def _comparison(best: Choice, choices: Sequence[Choice]) -> Facts:
    """Return the places of the recommendation among all that meet the request, and its lead over the next."""
    facts: Facts = {"score_rank": 1.0}
    for name, key, sign in (
        ("latency", "latency_p90_s", 1),
        ("throughput", "throughput_sure_per_s", -1),
        ("energy", "energy_sure_j", 1),
    ):
        order = sorted(choices, key=lambda c: sign * c.fact(key))
        facts[f"{name}_rank"] = float(order.index(best) + 1)
        following = next((c for c in order if c is not best), None)
        ratio = over(following.fact(key), best.fact(key)) if following else math.nan
        facts[f"{name}_lead"] = ratio if sign > 0 else over(1.0, ratio)
        facts[f"{name}_next"] = following.chip.id if following else "none"
    return facts


def _shares(best: Choice) -> Facts:
    shares = {cause: share or 0.0 for cause, _, share in best.steps}
    main = max((cause for cause in CAUSES if cause != "arithmetic"), key=lambda cause: shares[cause])
    return {f"share_{cause}": share for cause, share in shares.items()} | {"main_cause": main}


def _narrow_speedup(best: Choice, network: Totals) -> float:
    """Return the throughput of the chip's fastest 8-bit format over that of the recommendation, NaN where it has none."""
    roster = best.pool.roster
    own = (place for place, entry in enumerate(roster.entries) if entry.hardware == best.chip.id)
    machines = [roster.machine(place) for place in own if roster.entries[place].dtype in ("int8", "fp8")]
    if not machines:
        return math.nan
    points = estimate(network, machines, [best.batch], ladder=False)
    return over(float(points.throughput_per_s.max()), best.fact("throughput_per_s"))
