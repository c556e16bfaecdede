"""The batch-size study of any models on any chips, section by section."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final

from engine.catalog import Catalog
from engine.point import over
from engine.units import render, significant

from ..facts import shown
from ..insight import (
    GOAL,
    LOW_LATENCY,
    MAX_THROUGHPUT,
    SMALL_GAIN,
    Lift,
    Pair,
    Study,
    architecture,
    intensity,
    lift,
    pairs,
)
from ..recommend import Choice, advise
from ..requirements import Requirements
from ..rulebook import Rulebook
from .document import Document, Section, Table
from .text import CAUSES

LINEAR: Final = 0.9
"""Throughput that reaches this share of the ideal scales with the batch."""
_PLATEAU: Final = ("bandwidth", "sequence", "dimension_fit", "unit_allocation", "dispatch", "sustained", "power_cap")
_ABOUT: Final = (
    "Every figure is an estimate of Roofwise, from closed forms over specs with sources. MFU is the model's own arithmetic "
    "over what the published dense peak would do in the same time; it is neither occupancy nor memory utilization."
)
_PAIR: Final = ("model", "chip", "dtype")


def insights(study: Study, catalog: Catalog, book: Rulebook) -> Document:
    """Return the study: what a larger batch buys, where it ends and why, and what would lift it."""
    found = pairs(study, catalog)
    lifts = [lift(pair, catalog) for pair in found]
    sections = [
        _utilization(found), _scaling(found), _energy(found), _latency(found), _matrix(study, catalog, book), _tiers(found),
        _plateau(found), _lifts(found, lifts), _architectures(found), _diminishing(found), _hypotheses(found),
    ]  # fmt: skip
    return Document(title=_title(study), about=_about(study, found), sections=tuple(sections))


def _title(study: Study) -> str:
    return f"Batch {study.batches[0]} to {study.batches[-1]}: {', '.join(study.models)} on {', '.join(study.hardware)}"


def _about(study: Study, found: Sequence[Pair]) -> tuple[str, ...]:
    said = [_ABOUT]
    said += [
        f"{_name(pair)} does not fit: {shown('memory_bytes', pair.at('memory_bytes', -1))} at batch {study.batches[-1]} of "
        f"{shown('capacity_bytes', pair.machine.capacity)}. It is computed as if it did, and marked with *."
        for pair in found
        if pair.fits is False
    ]
    if any(pair.studied for pair in found):
        said.append("Chips marked with ' are as a study assumed them. They are never ranked.")
    if any(pair.modelled for pair in found):
        said.append("Nobody measured the chips marked with ~ on silicon.")
    lacking = [f"{m} on {c}" for m in study.models for c in study.hardware if not _has(found, m, c)]
    if lacking:
        said.append(f"No figures for want of the number format or the runtime: {', '.join(lacking)}.")
    return tuple(said)


def _has(found: Sequence[Pair], model: str, chip: str) -> bool:
    return any((pair.network.id, pair.hardware) == (model, chip) for pair in found)


def _marks(pair: Pair) -> str:
    """Return the marks of a chip: ' as studied, ~ without silicon, * where the largest batch does not fit."""
    return ("'" if pair.studied else "") + ("~" if pair.modelled else "") + ("*" if pair.fits is False else "")


def _name(pair: Pair) -> str:
    return f"{pair.network.id} on {pair.hardware}{_marks(pair)} in {pair.dtype}"


def _cells(pair: Pair) -> tuple[str, str, str]:
    """Return model, chip and format; a chip as studied has a ', one without silicon a ~, a pair that does not fit a *."""
    return pair.network.id, pair.hardware + _marks(pair), pair.dtype


def _percent(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{significant(100 * value, 2)} %"


def _share(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{100 * value:.1f} %"


def _times(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{significant(value, 3)}x"


def _batch(pair: Pair, place: int) -> int:
    return int(pair.points.batch[0, place])


def _per_pair(found: Sequence[Pair], heading: Sequence[str], cells: Callable[[Pair], Sequence[str]]) -> Table:
    """Return a table with a row for every pair, its figures at the right."""
    rows = tuple((*_cells(pair), *cells(pair)) for pair in found)
    return Table(heading=(*_PAIR, *heading), rows=rows, right=(False,) * 3 + (True,) * len(heading))


def _utilization(found: Sequence[Pair]) -> Section:
    def cells(pair: Pair) -> Sequence[str]:
        first, last = pair.at("mfu", 0), pair.at("mfu", -1)
        used = (_percent(pair.at("mbu", place)) for place in (0, -1))
        return _percent(first), _percent(last), _times(over(last, first)), *used

    heading = ("MFU first", "MFU last", "improvement", "MBU first", "MBU last")
    text = "What the last batch makes of the chip's peak, beside the first. MBU counts compulsory bytes only."
    return Section(key="utilization", title="Utilization", text=(text,), table=_per_pair(found, heading, cells))


def _scaling(found: Sequence[Pair]) -> Section:
    def cells(pair: Pair) -> Sequence[str]:
        first, last = (shown("throughput_per_s", pair.at("throughput_per_s", place)) for place in (0, -1))
        return first, last, _times(_reached(pair)), _times(_ideal(pair)), _percent(_reached(pair) / _ideal(pair))

    text = "Ideal scaling multiplies the throughput as the batch; efficiency is what is reached of it."
    heading = ("first", "last", "reached", "ideal", "efficiency")
    return Section(key="scaling", title="Throughput scaling", text=(text,), table=_per_pair(found, heading, cells))


def _reached(pair: Pair) -> float:
    return over(pair.at("throughput_per_s", -1), pair.at("throughput_per_s", 0))


def _ideal(pair: Pair) -> float:
    return _batch(pair, -1) / _batch(pair, 0)


def _energy(found: Sequence[Pair]) -> Section:
    def cells(pair: Pair) -> Sequence[str]:
        place = _thriftiest(pair)
        first, last, least = (
            shown("energy_per_inference_j", pair.at("energy_per_inference_j", at)) for at in (0, -1, place)
        )  # fmt: skip
        return first, last, least, str(_batch(pair, place)), shown("power_w", pair.at("power_w", -1))

    heading = ("first", "last", "least", "at batch", "power, last")
    winners = [_energy_winner(model, list(group)) for model, group in groupby(found, key=lambda pair: pair.network.id)]
    text = "Energy of one inference, with the idle power in it."
    table = _per_pair(found, heading, cells)
    return Section(key="energy", title="Energy per inference", text=(text,), table=table, points=tuple(filter(None, winners)))


def _thriftiest(pair: Pair) -> int:
    energies = pair.points.energy_per_inference_j[0]
    return min(range(energies.size), key=lambda place: (math.isnan(energies[place]), energies[place]))


def _energy_winner(model: str, found: Sequence[Pair]) -> str:
    """Return which chip takes least for a model, among those that exist, fit and are known."""
    known = [
        (pair.at("energy_per_inference_j", _thriftiest(pair)), pair) for pair in found if _exists(pair) and not pair.studied
    ]
    known = [(energy, pair) for energy, pair in known if not math.isnan(energy)]
    if not known:
        return ""
    energy, pair = min(known, key=lambda each: each[0])
    return f"{model}: {pair.hardware} at batch {_batch(pair, _thriftiest(pair))}, {render(energy, 'energy')}"


def _exists(pair: Pair) -> bool:
    return not pair.modelled and pair.fits is not False


def _latency(found: Sequence[Pair]) -> Section:
    def cells(pair: Pair) -> Sequence[str]:
        first, last = pair.at("latency_estimate_s", 0), pair.at("latency_estimate_s", -1)
        sure = shown("latency_p90_s", pair.at("latency_p90_s", -1))
        return shown("latency_estimate_s", first), shown("latency_estimate_s", last), _times(over(last, first)), sure

    text = "What the larger batch costs each request: the time of one pass."
    heading = ("first", "last", "increase", "last, 90 % sure")
    return Section(key="latency", title="Latency", text=(text,), table=_per_pair(found, heading, cells))


def _matrix(study: Study, catalog: Catalog, book: Rulebook) -> Section:
    rows: list[tuple[str, ...]] = []
    built = tuple(name for name in study.hardware if name not in study.variants)
    for model in study.models if built else ():
        sizes = {name: value for name, value in study.sizes.items() if name in catalog.workloads[model].sizes}
        dtypes = (study.dtype,) if study.dtype else ()
        request = Requirements(
            model=model, hardware=built, dtypes=dtypes, sizes=sizes, runtime=study.runtime
        )  # fmt: skip
        winners = advise(request, catalog, book).winners
        rows += [(model, profile, *_winner(choice)) for profile, choice in winners.items()]
    reasons = {row[1]: f"{row[1]}: {book.profiles[row[1]].because}" for row in rows}
    text = "The best of these chips by each profile, at any batch, with 90 % certainty; chips without silicon do not win."
    heading = ("model", "profile", "chip", "dtype", "batch", "90 % sure", "throughput", "energy")
    table = Table(heading=heading, rows=tuple(rows), right=(False,) * 4 + (True,) * 4)
    return Section(key="matrix", title="Decision matrix", text=(text,), table=table, points=tuple(reasons.values()))


def _winner(choice: Choice) -> tuple[str, ...]:
    names = ("latency_p90_s", "throughput_per_s", "energy_per_inference_j")
    figures = [shown(name, choice.facts[name]) for name in names]
    return choice.chip.id, choice.slot.dtype, f"{choice.facts['batch']:g}", *figures


def _tiers(found: Sequence[Pair]) -> Section:
    def cells(pair: Pair) -> Sequence[str]:
        tiers = pair.tiers
        if tiers is None:
            return ("nothing fits or is known", "", "")
        return _range(1, tiers.low), _range(tiers.low + 1, tiers.knee), _range(max(tiers.knee, tiers.low) + 1, tiers.most)

    text = (
        f"Low latency: at most {LOW_LATENCY:g}x the latency of batch 1. Balanced: from there to the knee, the least batch with "
        f"90 % of the throughput that the chip reaches. Max throughput: from the knee to the least batch with "
        f"{100 * MAX_THROUGHPUT:g} % of it. Batches to 1024 that fit were looked at."
    )
    table = _per_pair(found, ("low latency", "balanced", "max throughput"), cells)
    return Section(key="tiers", title="Which batch", text=(text,), table=table)


def _range(first: int, last: int) -> str:
    return "-" if last < first else str(first) if last == first else f"{first} to {last}"


def _plateau(found: Sequence[Pair]) -> Section:
    def cells(pair: Pair) -> Sequence[str]:
        return tuple(_share(pair.shares[cause]) for cause in ("arithmetic", *_PLATEAU))

    text = (
        "Where the time of the last batch goes. Arithmetic at the peak is the MFU, but for algorithms that save "
        "arithmetic and for a clock under load that is not the one behind the peak; each other column is a cause, "
        "switched on one after the other. The first four are those that the study names: bandwidth (memory), layers that "
        "wait for each other (layer after layer), dimensions that do not fit the unit (padding), and whole-unit "
        "allocation (whole waves)."
    )
    heading = tuple(CAUSES[cause] for cause in ("arithmetic", *_PLATEAU))
    known = [pair for pair in found if not math.isnan(pair.shares["arithmetic"])]
    points = tuple(f"{_name(pair)}: mostly {_cause(pair)}" for pair in known)
    return Section(key="plateau", title="Why the plateau", text=(text,), table=_per_pair(found, heading, cells), points=points)


def _cause(pair: Pair) -> str:
    cause = _main_cause(pair)
    return f"{CAUSES[cause]}, {_percent(pair.shares[cause])}"


def _main_cause(pair: Pair) -> str:
    return max(_PLATEAU, key=lambda cause: pair.shares[cause])


def _lifts(found: Sequence[Pair], lifts: Sequence[Lift]) -> Section:
    text = (
        f"What would bring the last batch past {100 * GOAL:g} % MFU, each change alone. Bandwidth and intensity are inverses "
        "of the plain roof; a larger model does more work at each launch; the others are the MFU without that cause."
    )
    points = tuple(
        f"{_name(pair)} ({_percent(pair.at('mfu', -1))}): {_lift(pair, one)}"
        for pair, one in zip(found, lifts, strict=True)
        if not math.isnan(pair.at("mfu", -1))
    )
    return Section(key="lift", title=f"What would pass {100 * GOAL:g} %", text=(text,), points=points)


def _lift(pair: Pair, one: Lift) -> str:
    if pair.at("mfu", -1) > GOAL:
        return "it does" if pair.fits is not False else "it would, if it fitted"
    has = intensity(pair, len(pair.points.batch[0]) - 1)
    parts = [
        _larger_batch(pair, one),
        f"a model with {_times(one.larger)} the work at each launch" if one.larger else "no larger model of the same shapes",
        _beside("intensity", one.intensity, has, lambda value: f"{significant(value)} FLOP/B"),
        _beside("bandwidth", one.bandwidth, pair.machine.bandwidth, lambda value: render(value, "bandwidth")),
        f"with dimensions that fit {_percent(one.dimensions_mfu)}",
        f"with one launch for all (fusion) {_percent(one.fusion_mfu)}",
    ]
    if one.narrow:
        dtype, mfu, gain = one.narrow
        parts.append(f"precision: {dtype} reaches {_percent(mfu)} of its own peak, at {_times(gain)} the throughput")
    return "; ".join(parts)


def _larger_batch(pair: Pair, one: Lift) -> str:
    if not pair.usable.any():
        return "no batch fits"
    return f"batch {one.batch}" if one.batch else f"no batch: {_percent(one.best_mfu)} at {one.best_batch} is the most"


def _beside(name: str, needed: float | None, has: float, show: Callable[[float], str]) -> str:
    """Return what is needed of something beside what there is; where there is enough, it is not what lacks."""
    if needed is None or math.isnan(needed):
        return f"no {name} does"
    enough = f"its {name} is not what lacks ({show(has)}, where {show(needed)} would do)"
    return enough if needed <= has else f"{name} of {show(needed)} instead of {show(has)}"


def _architectures(found: Sequence[Pair]) -> Section:
    rows = []
    for model, group in groupby(found, key=lambda pair: pair.network.id):
        each = list(group)
        work = render(each[0].network.work, "work")
        mfus = [pair.at("mfu", -1) for pair in each if not math.isnan(pair.at("mfu", -1))]
        first, last = (significant(intensity(each[0], place)) for place in (0, len(each[0].points.batch[0]) - 1))
        spread = f"{_percent(min(mfus))} to {_percent(max(mfus))}" if mfus else "unknown"
        rows.append((model, architecture(each[0].network), work, first, last, spread))
    heading = ("model", "kind", "work of a sample", "FLOP/B first", "FLOP/B last", "MFU last")
    text = "Arithmetic intensity at main memory with fused kernels, in the format of the first chip; MFU over the chips."
    table = Table(heading=heading, rows=tuple(rows), right=(False, False, True, True, True, True))
    return Section(key="architectures", title="CNN against transformer", text=(text,), table=table)


def _diminishing(found: Sequence[Pair]) -> Section:
    def cells(pair: Pair) -> Sequence[str]:
        tiers = pair.tiers
        return (str(pair.diminishing or "none to 1024"), str(tiers.knee)) if tiers else ("-", "-")

    text = f"From this batch on, doubling it gains less than {100 * SMALL_GAIN:g} % throughput."
    table = _per_pair(found, ("from batch", "knee"), cells)
    return Section(key="diminishing", title="Diminishing returns", text=(text,), table=table)


# Hypotheses: each is decided by numbers of the pairs that exist, fit and are known.


def _hypotheses(found: Sequence[Pair]) -> Section:
    known = [pair for pair in found if _exists(pair) and not pair.studied and not math.isnan(pair.at("mfu", -1))]
    if known and _ideal(known[0]) == 1:
        return Section(key="hypotheses", title="Hypotheses", text=("Not decided: the study has one batch.",))
    points = tuple(decide(known) for decide in _HYPOTHESES) if known else ("no pair exists, fits and is known",)
    return Section(key="hypotheses", title="Hypotheses", text=(f"Decided over {len(known)} pairs.",), points=points)


def _verdict(statement: str, holds: int, count: int, numbers: str) -> str:
    word = "holds" if holds == count else "does not hold" if holds == 0 else f"holds for {holds} of {count}"
    return f"{statement}: {word}. {numbers}"


def _raises(known: Sequence[Pair]) -> str:
    gains = [over(pair.at("mfu", -1), pair.at("mfu", 0)) for pair in known]
    numbers = f"The last batch has {_times(min(gains))} to {_times(max(gains))} the MFU of the first."
    return _verdict("A larger batch raises utilization", sum(gain > 1 for gain in gains), len(gains), numbers)


def _plateaus(known: Sequence[Pair]) -> str:
    best = [max(pair.points.mfu[0]) for pair in known]
    numbers = f"The best MFU of the study is {_percent(min(best))} to {_percent(max(best))}."
    return _verdict(f"Utilization stays below {100 * GOAL:g} %", sum(mfu < GOAL for mfu in best), len(best), numbers)


def _linear(known: Sequence[Pair]) -> str:
    shares = [_reached(pair) / _ideal(pair) for pair in known]
    spread = f"{_percent(min(shares))} to {_percent(max(shares))}"
    numbers = f"The efficiency is {spread}, the median {_percent(statistics.median(shares))}."
    return _verdict("Throughput scales with the batch", sum(share >= LINEAR for share in shares), len(shares), numbers)


def _thriftier(known: Sequence[Pair]) -> str:
    ratios = [over(pair.at("energy_per_inference_j", -1), pair.at("energy_per_inference_j", 0)) for pair in known]
    numbers = f"The last batch takes {_times(min(ratios))} to {_times(max(ratios))} the energy of the first per inference."
    return _verdict("A larger batch saves energy", sum(ratio < 1 for ratio in ratios), len(ratios), numbers)


def _dearer(known: Sequence[Pair]) -> str:
    ratios = [over(pair.at("latency_estimate_s", -1), pair.at("latency_estimate_s", 0)) for pair in known]
    slower = sum(ratio < _ideal(pair) for ratio, pair in zip(ratios, known, strict=True))
    numbers = f"The batch grows {_times(_ideal(known[0]))}, the latency {_times(min(ratios))} to {_times(max(ratios))}."
    return _verdict("Latency grows less than the batch", slower, len(ratios), numbers)


def _bandwidth_is_the_cause(known: Sequence[Pair]) -> str:
    causes = [_main_cause(pair) for pair in known]
    counted = ", ".join(f"{CAUSES[cause]} {causes.count(cause)}" for cause in dict.fromkeys(causes))
    numbers = f"Largest cause below the peak: {counted}."
    return _verdict("Memory bandwidth limits the last batch most", causes.count("bandwidth"), len(causes), numbers)


def _transformers_do_better(known: Sequence[Pair]) -> str:
    kinds = {kind: [p.at("mfu", -1) for p in known if architecture(p.network) == kind] for kind in ("CNN", "transformer")}
    statement = "Transformers use a chip better than CNNs"
    if not all(kinds.values()):
        return f"{statement}: not decided. The study has models of one kind only."
    means = {kind: statistics.fmean(values) for kind, values in kinds.items()}
    transformer, cnn = _percent(means["transformer"]), _percent(means["CNN"])
    numbers = f"The mean MFU of the last batch is {transformer} for transformers, {cnn} for CNNs."
    return _verdict(statement, int(means["transformer"] > means["CNN"]), 1, numbers)


_HYPOTHESES: Final = (
    _raises, _plateaus, _linear, _thriftier, _dearer, _bandwidth_is_the_cause, _transformers_do_better,
)  # fmt: skip
