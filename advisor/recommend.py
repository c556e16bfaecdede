"""The recommendation: rules exclude, the profile ranks, and every chip of the catalogue ends up in exactly one place."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.accelerator import Accelerator
from engine.catalog import Catalog
from engine.compiled import CAUSES, estimate
from engine.expressions import parse
from engine.machine import Machine
from engine.network import Network, build
from engine.predict import waterfall
from engine.solve import roof_curve

from .candidate import (
    COARSE,
    LARGEST_BATCH,
    LOOKED_AT,
    PREFERRED_BITS,
    Array,
    Facts,
    Grid,
    Slot,
    evaluate,
    knee_batch,
    sieve,
    single,
    slots_of,
    with_profile,
)
from .exclusion import (
    Exclusion,
    Undetermined,
    dead_chips,
    exclusion,
    open_chips,
    qualifying,
    rows_by_chip,
    texts,
    undetermined,
)
from .gaps import deciding
from .requirements import Requirements
from .rule import Profile, Rule, Rulebook, messages

ONE_SIDED: Final = re.compile(
    r"(latency|memory|energy|power)_\w+ > limit_\w+|throughput_\w+ < limit_\w+|memory_bytes > capacity_bytes"
)
"""Rules that fire above or below a limit only, so that they are silent on the best facts where they are on any."""
NARROW_BITS: Final = 8


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The best candidate of one chip under a profile."""

    slot: Slot
    place: tuple[int, int]
    score: float
    facts: Facts
    grid: Grid

    @property
    def chip(self) -> Accelerator:
        """Return the chip."""
        return self.slot.chip

    @property
    def machine(self) -> Machine:
        """Return the machine; a choice always has one."""
        if self.slot.machine is None:  # pragma: no cover - a slot without machine is never alive
            raise AssertionError
        return self.slot.machine


@dataclass(frozen=True, kw_only=True)
class Advice:
    """The answer to a request; every chip of the catalogue is in exactly one of its four places."""

    request: Requirements
    profile: Profile
    network: Network
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


def advise(request: Requirements, catalog: Catalog, book: Rulebook) -> Advice:
    """Return the advice for a request.

    Raises UnknownNameError for a model or profile that is not there and GraphError for a size out of range.
    """
    network = build(catalog.workloads[request.model], request.sizes)
    profile = book.profile(request.profile)
    rules = book.of("exclude")
    survey = _survey(network, catalog, request, _free(rules), slots_of(catalog, request))
    verdict = sieve(rules, with_profile(survey.facts, profile), survey.batch.shape)
    excluded = [exclusion(survey, verdict, rows, profile) for rows in dead_chips(survey, verdict)]
    open_ = [undetermined(survey, rows, catalog) for rows in open_chips(survey, verdict)]
    choose = _chooser(network, catalog, request, rules, survey)
    choices = choose(profile)
    ranked, barred = _headline_order(choices, book)
    best = next((choice for choice in ranked if choice.chip.id not in barred), None)
    blocked = sorted(qualifying(survey, verdict) - {choice.chip.id for choice in choices})
    open_ += [
        Undetermined(hardware=name, missing=deciding(catalog.accelerators[name], catalog.constants.get(name)))
        for name in blocked
    ]
    winners = {p.id: w for p in book.profiles.values() if p.in_matrix and (w := _winner(choose(p), book)) is not None}
    others = tuple((c, _lost_on(c, best, barred)) for c in ranked if c is not best)
    advice = Advice(
        request=request, profile=profile, network=network, recommendation=best, rationale=(), winners=winners,
        alternatives=others, excluded=tuple(excluded), undetermined=tuple(open_),
    )  # fmt: skip
    return advice if best is None else _explain(advice, best, catalog, book)


# The survey: which chips and number formats qualify at some batch.


def _survey(network: Network, catalog: Catalog, request: Requirements, rules: Sequence[Rule], slots: Sequence[Slot]) -> Grid:
    """Return all slots at the batch asked for, or at those of COARSE and at one more of each slot that qualifies between them.

    Power, energy and throughput are sawtooths: between two batches that break a limit, one may keep it.
    """
    grid = evaluate(network, catalog, request, slots, [request.batch] if request.batch else COARSE)
    if request.batch or not _sawtooth(request):
        return grid
    between = np.ones(len(slots))
    open_ = _promising(rules, grid)
    for column, (low, high) in enumerate(pairwise(COARSE)):
        rows = np.flatnonzero(open_[:, column] & (between == 1)).tolist()
        if rows and high - low > 1:
            part = evaluate(network, catalog, request, [slots[row] for row in rows], np.arange(low + 1.0, high))
            alive = sieve(rules, part.facts, part.batch.shape).alive
            between[rows] = np.where(alive, part.batch, 1.0).max(axis=1)
    if (between == 1).all():
        return grid
    return evaluate(network, catalog, request, slots, np.hstack([grid.batch, between[:, None]]))


def _sawtooth(request: Requirements) -> bool:
    """Return whether a limit is on a figure that neither rises nor falls with the batch throughout."""
    return math.isfinite(request.power_w) or math.isfinite(request.energy_j) or request.throughput_per_s > 0


def _promising(rules: Sequence[Rule], grid: Grid) -> npt.NDArray[np.bool_]:
    """Return which slots may qualify between which neighbours of a grid where they qualify at none of its batches.

    A chip that qualifies in one format is not asked about those that are offered after it.
    """
    shape = (len(grid.slots), grid.batch.shape[1] - 1)
    alive: Any = sieve(rules, grid.facts, grid.batch.shape).alive.any(axis=1)
    best = _favourable(grid.facts)
    constant = {name for name, values in best.items() if np.shape(values)[-1] == 1}
    judges = [r for r in rules if _names(r) <= constant or (ONE_SIDED.fullmatch(r.when) and _names(r) <= best.keys())]
    silent = np.array([np.broadcast_to(rule.over(best), shape) == 0.0 for rule in judges])
    open_: npt.NDArray[np.bool_] = silent.all(axis=0) & ~alive[:, None]
    place = [PREFERRED_BITS.index(slot.bits) for slot in grid.slots]
    for rows in rows_by_chip(grid):
        first = min((place[row] for row in rows if alive[row]), default=len(PREFERRED_BITS))
        open_[[row for row in rows if place[row] > first]] = False
    return open_


def _favourable(facts: Facts) -> Facts:
    """Return facts that no batch between two neighbours can better: a pass takes time and energy that rise with its batch."""
    low, high = ({name: np.asarray(values)[:, part] for name, values in facts.items() if np.shape(values)[-1] > 1}
                 for part in (np.s_[:-1], np.s_[1:]))  # fmt: skip
    energy = low["energy_per_inference_j"] * low["batch"]
    with np.errstate(all="ignore"):  # what no float holds is unknown, and decides nothing
        return {name: values for name, values in facts.items() if np.shape(values)[-1] == 1} | {
            "latency_lower_bound_s": low["latency_lower_bound_s"],
            "latency_p90_s": low["latency_p90_s"],
            "memory_bytes": low["memory_bytes"],
            "throughput_upper_bound_per_s": high["batch"] / low["latency_lower_bound_s"],
            "throughput_sure_per_s": high["batch"] / low["latency_p90_s"],
            "energy_per_inference_j": energy / high["batch"],
            "power_w": energy / high["latency_estimate_s"],
        }


# The choice: for each chip the number format, then the batch.

Chooser = Callable[[Profile], list[Choice]]


def _chooser(network: Network, catalog: Catalog, request: Requirements, rules: Sequence[Rule], survey: Grid) -> Chooser:
    """Return a function that gives the best candidate of every qualifying chip under a profile."""
    free = _free(rules)
    alive = sieve(free, survey.facts, survey.batch.shape).alive
    chosen = [row for rows in rows_by_chip(survey) for row in _preferred(survey, alive, rows)]
    if not chosen:
        return lambda _: []
    slots = [survey.slots[row] for row in chosen]
    grid = evaluate(network, catalog, request, slots, _batches(network, catalog, request, free, slots))
    grid.facts.update(_curve_facts(network, grid, sieve(free, grid.facts, grid.batch.shape).alive))

    def choose(profile: Profile) -> list[Choice]:
        facts = with_profile(grid.facts, profile)
        admitted = sieve(rules, facts, grid.batch.shape).alive
        if request.batch:
            admitted &= grid.batch == request.batch
        return list(_best_of_each(grid, facts, admitted, profile))

    return choose


def _free(rules: Sequence[Rule]) -> list[Rule]:
    """Return the rules that do not ask for the profile."""
    return [rule for rule in rules if not {"profile_admits", "price_matters"} & _names(rule)]


def _names(rule: Rule) -> frozenset[str]:
    return parse(rule.when).names


def _preferred(grid: Grid, alive: Any, rows: list[int]) -> list[int]:
    """Return the slots of a chip in the first width of PREFERRED_BITS that qualifies."""
    for bits in PREFERRED_BITS:
        found = [row for row in rows if grid.slots[row].bits == bits and alive[row].any()]
        if found:
            return found
    return []


def _batches(network: Network, catalog: Catalog, request: Requirements, rules: Sequence[Rule], slots: Sequence[Slot]) -> Array:
    """Return the batches to look at: those of LOOKED_AT, the one asked for, and the exact largest of each slot."""
    common = np.union1d(LOOKED_AT, [request.batch or 1])
    largest = _largest(network, catalog, request, rules, slots)
    return np.sort(np.hstack([np.broadcast_to(common, (len(slots), common.size)), largest[:, None]]), axis=1)


def _largest(network: Network, catalog: Catalog, request: Requirements, rules: Sequence[Rule], slots: Sequence[Slot]) -> Array:
    """Return the largest batch of each slot that the rules admit, up to LARGEST_BATCH, exactly.

    Latency and memory rise with the batch, so a search finds it. Power, energy and throughput are sawtooths; with a limit on
    one of them every batch is looked at.
    """
    if _sawtooth(request):
        every = evaluate(network, catalog, request, slots, np.arange(1.0, LARGEST_BATCH + 1))
        alive = sieve(rules, every.facts, every.batch.shape).alive
        return np.asarray(np.where(alive, every.batch, 1.0).max(axis=1), dtype=float)
    grid = evaluate(network, catalog, request, slots, COARSE)
    alive = sieve(rules, grid.facts, grid.batch.shape).alive
    coarse = np.array([*COARSE, 2 * LARGEST_BATCH], dtype=float)
    last = np.array([np.flatnonzero(row)[-1] if row.any() else 0 for row in alive])
    low, high = coarse[last], np.minimum(coarse[last + 1], LARGEST_BATCH + 1)
    while (high - low > 1).any():
        steps = np.unique(np.linspace(0, 1, 18)[1:-1])
        probe = np.clip(
            np.round(low[:, None] + (high - low)[:, None] * steps), low[:, None], np.maximum(high - 1, low)[:, None]
        )
        tried = evaluate(network, catalog, request, slots, probe)
        good = sieve(rules, tried.facts, probe.shape).alive
        new_low = np.where(good, probe, low[:, None]).max(axis=1)
        above = np.where(~good & (probe > new_low[:, None]), probe, high[:, None]).min(axis=1)
        if (new_low == low).all() and (above == high).all():
            break
        low, high = new_low, above
    return np.asarray(low, dtype=float)


def _curve_facts(network: Network, grid: Grid, alive: Any) -> Facts:
    """Return knee, largest batch and ridge batch of every slot, and what the largest batch adds, shaped to broadcast."""
    fits = (grid.facts["memory_bytes"] <= grid.facts["capacity_bytes"]) & np.isin(grid.batch, LOOKED_AT)
    knee = knee_batch(grid.batch, np.where(fits, grid.points.throughput_per_s, np.nan))
    largest = np.where(alive, grid.batch, 0).max(axis=1, keepdims=True)
    place = np.where(alive, grid.batch, 0).argmax(axis=1)[:, None]
    top = {n: np.take_along_axis(getattr(grid.points, n), place, axis=1) for n in ("throughput_per_s", "latency_estimate_s")}
    ridge = [[roof_curve(network, slot.machine).ridge_batch] for slot in grid.slots if slot.machine is not None]
    return {
        "knee_batch": knee,
        "largest_batch": largest,
        "ridge_batch": np.array(ridge),
        "more_throughput": top["throughput_per_s"] / grid.points.throughput_per_s - 1.0,
        "more_latency": top["latency_estimate_s"] / grid.points.latency_estimate_s - 1.0,
    }


def _best_of_each(grid: Grid, facts: Facts, admitted: Any, profile: Profile) -> Iterator[Choice]:
    """Yield the best candidate of every chip: the profile's objective, then the smaller batch."""
    score = np.broadcast_to(profile.score(facts), grid.batch.shape)
    offered = admitted & (grid.batch <= grid.facts["knee_batch"]) if profile.batches == "up_to_knee" else admitted
    for rows in rows_by_chip(grid):
        allowed = offered[rows] if offered[rows].any() else admitted[rows]
        values = np.where(allowed & ~np.isnan(score[rows]), score[rows], -np.inf)
        if not np.isfinite(values).any():
            continue
        row, column = np.unravel_index(int(np.argmax(values)), values.shape)
        place = (rows[int(row)], int(column))
        slot = grid.slots[place[0]]
        one = single(facts, grid.batch.shape, place) | texts(slot, profile)
        yield Choice(slot=slot, place=place, score=float(score[place]), facts=one, grid=grid)


# The ranking: rules that bar from the headline, ties, and what each alternative lost on.


def _headline_order(choices: Sequence[Choice], book: Rulebook) -> tuple[list[Choice], dict[str, str]]:
    """Return the choices from best to worst, and for each chip that may not be recommended the reason."""
    ranked = sorted(choices, key=lambda c: (-c.score, c.facts["batch"], c.facts["power_w"], c.chip.id))
    allowed = [c for c in choices if not c.facts["modelled"] or c.facts["allow_modelled"]]
    wide = float(any(c.slot.bits > NARROW_BITS for c in allowed))
    barred: dict[str, str] = {}
    for choice in ranked:
        facts = choice.facts | {"wide_meets": wide}
        reasons = [f"{r.id}: {r.message(facts)}" for r in book.of("exclude", scope="headline") if r.fires(facts) is True]
        if reasons:
            barred[choice.chip.id] = reasons[0]
    return ranked, barred


def _winner(choices: Sequence[Choice], book: Rulebook) -> Choice | None:
    ranked, barred = _headline_order(choices, book)
    return next((choice for choice in ranked if choice.chip.id not in barred), None)


def _lost_on(choice: Choice, best: Choice | None, barred: Mapping[str, str]) -> str:
    """Return why a chip that meets the request is not the recommendation."""
    if choice.chip.id in barred or best is None:
        return barred.get(choice.chip.id, "")
    throughput = choice.facts["throughput_per_s"] / best.facts["throughput_per_s"]
    energy = choice.facts["energy_per_inference_j"] / best.facts["energy_per_inference_j"]
    told = f"{throughput:.2g}x throughput, {energy:.2g}x energy"
    return f"tie: {told}" if _tied(choice, best) else told


def _tied(choice: Choice, best: Choice) -> bool:
    """Return whether the estimates behind two scores lie inside each other's p10 to p90."""
    better, worse = sorted((_estimated(best), _estimated(choice)))
    if better <= 0:
        return False
    first, second = (best, choice) if _estimated(best) <= _estimated(choice) else (choice, best)
    return worse / better <= min(first.machine.ratio_p90, 1.0 / second.machine.ratio_p10)


def _estimated(choice: Choice) -> float:
    """Return a score as something that grows with time, without its margin for 90 % certainty."""
    costly = 1.0 / choice.score if choice.score > 0 else -choice.score
    return costly / choice.machine.ratio_p90


def _explain(advice: Advice, best: Choice, catalog: Catalog, book: Rulebook) -> Advice:
    """Return the advice with the rules that fire on the recommendation."""
    total = len(catalog.accelerators)
    eligible = [best, *(c for c, _ in advice.alternatives if not c.facts["modelled"] or c.facts["allow_modelled"])]
    facts = (
        best.facts
        | _comparison(best, eligible)
        | _shares(best)
        | {
            "chips_total": total,
            "chips_meeting": len(eligible),
            "ties": sum(_tied(c, best) for c, lost in advice.alternatives if lost.startswith("tie")),
            "narrow_speedup": _narrow_speedup(best, advice.network, catalog),
            "interval_basis": catalog.constants[best.chip.id].interval.basis,
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
        order = sorted(choices, key=lambda c: sign * c.facts[key])
        facts[f"{name}_rank"] = float(order.index(best) + 1)
        following = next((c for c in order if c is not best), None)
        ratio = following.facts[key] / best.facts[key] if following else math.nan
        facts[f"{name}_lead"] = ratio if sign > 0 else 1 / ratio
        facts[f"{name}_next"] = following.chip.id if following else "none"
    return facts


def _shares(best: Choice) -> Facts:
    shares = {cause: share or 0.0 for cause, _, share in waterfall(best.grid.points, best.place)}
    main = max((cause for cause in CAUSES if cause != "arithmetic"), key=lambda cause: shares[cause])
    return {f"share_{cause}": share for cause, share in shares.items()} | {"main_cause": main}


def _narrow_speedup(best: Choice, network: Network, catalog: Catalog) -> float:
    """Return the throughput of the chip's fastest 8-bit format over that of the recommendation, NaN where it has none."""
    narrow = [d for d in best.chip.dtypes if d in ("int8", "fp8")]
    if not narrow:
        return math.nan
    machines = [catalog.machine(best.chip.id, dtype, best.machine.runtime) for dtype in narrow]
    points = estimate(network, machines, [best.facts["batch"]])
    return float(points.throughput_per_s.max() / best.facts["throughput_per_s"])
