"""What a search found: the best point, the limits that bind, what more of each figure would bring, the front."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from engine.errors import DomainError
from engine.fleet import fleet
from engine.fusion import Kernel
from engine.passes import kernels_on
from engine.solve import RoofCurve, kernel_curve

from .axes import Axis
from .hypothetical import oddities
from .space import Base, Limit, Space, evaluate, point
from .summary import Record, Summary, pareto

STEP: Final = 0.01
"""A sensitivity is measured over so large a step to both sides, but for what is counted."""
FRONT_ROWS: Final = 8
NOT_MODELLED: Final = ("voltage, so that energy per FLOP does not rise with the clock", "area, yield, package and their cost")
"""What a search leaves out beside what every answer does."""
_FOLLOWS_PEAK: Final = ("clock", "units", "array_rows", "array_columns")
"""Figures that the peak follows, unless it varies itself."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """One point with its base, the figures of its chip and its facts."""

    index: int
    base: Base
    figures: Mapping[str, float]
    facts: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """Elasticities at the best point: d ln / d ln of a figure, of the estimate and of the objective by differences.

    `roof` is that of the latency on the plain roof, in closed form; None where the roof is unknown.
    """

    name: str
    latency: float | None
    objective: float | None
    roof: float | None


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A limit at the best point: how many points break it, the best without it, and whether that is better."""

    limit: Limit
    failing: int
    nearest: Found | None
    without: Found | None
    binds: bool


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a search found."""

    space: Space
    summary: Summary
    best: Found | None
    bounds: tuple[Bound, ...]
    sensitivities: tuple[Sensitivity, ...]
    roof: RoofCurve | None
    front: tuple[Found, ...]
    ends: Mapping[str, str]
    oddities: tuple[str, ...]


def answer(space: Space, summary: Summary) -> Answer:
    """Return what a search found, its points evaluated again."""
    best = _found(space, summary.best)
    roof = None if best is None else _roof(space, best)
    return Answer(
        space=space, summary=summary, best=best, roof=roof,
        bounds=tuple(_bound(space, summary, limit) for limit in space.limits),
        sensitivities=() if best is None else _sensitivities(space, best, roof),
        front=tuple(found for record in _thinned(pareto(summary)) if (found := _found(space, record))),
        ends={} if best is None else {axis.name: end for axis in space.axes if (end := _end(axis, best.figures[axis.name]))},
        oddities=() if best is None else oddities(best.base, best.figures),
    )  # fmt: skip


def _found(space: Space, record: Record | None) -> Found | None:
    if record is None:
        return None
    base, figures, facts = point(space, record.place)
    return Found(index=record.place, base=base, figures=figures, facts=facts)


def _bound(space: Space, summary: Summary, limit: Limit) -> Bound:
    without, best = summary.without.get(limit.word), summary.best
    binds = without is not None and (best is None or without.objective < best.objective)
    return Bound(
        limit=limit, failing=summary.failing.get(limit.word, 0), nearest=_found(space, summary.reach.get(limit.word)),
        without=_found(space, without) if binds else None, binds=binds,
    )  # fmt: skip


def _thinned(records: list[Record]) -> list[Record]:
    """Return a few points of a front, its ends among them."""
    if len(records) <= FRONT_ROWS:
        return records
    places = np.unique(np.linspace(0, len(records) - 1, FRONT_ROWS).round().astype(int))
    return [records[int(place)] for place in places]


def _end(axis: Axis, value: float) -> str:
    """Return the end of its range at which a figure stands: "low", "high", or nothing."""
    low, high = min(axis.values), max(axis.values)
    if low == high or low < value < high:
        return ""
    return "low" if value == low else "high"


def _roof(space: Space, best: Found) -> RoofCurve | None:
    """Return the plain roof of the best chip, or None where its bandwidth is unknown."""
    variant = fleet(best.base.chip, best.base.constants, best.base.dtype, best.figures, space.runtime).machine(0)
    launched = kernels_on(space.network, variant)
    kernels = [Kernel(name=cost.kind, operators=(), cost=cost) for cost, count in launched for _ in range(count)]
    try:
        return kernel_curve(kernels, variant, best.facts["batch"])
    except DomainError:
        return None


def _sensitivities(space: Space, best: Found, roof: RoofCurve | None) -> tuple[Sensitivity, ...]:
    """Return the elasticities of every figure that varies, from one evaluation of all steps."""
    names = list(best.figures)
    steps = {axis.name: _steps(axis, best.figures[axis.name]) for axis in space.axes}
    figures = {
        name: np.array([steps[name][side] if name == moved else best.figures[name] for moved in names for side in (0, 1)])
        for name in names
    }
    if not names:
        return ()
    batch = best.facts["batch"]
    facts = evaluate(replace(space, batches=(int(batch),)), best.base, figures).columns
    return tuple(
        Sensitivity(
            name=name,
            latency=_elasticity(facts["latency_estimate_s"][2 * place : 2 * place + 2], steps[name]),
            objective=_elasticity(facts[space.objective.fact][2 * place : 2 * place + 2], steps[name]),
            roof=None if roof is None else _on_roof(roof, name, batch, names),
        )
        for place, name in enumerate(names)
    )


def _steps(axis: Axis, value: float) -> tuple[float, float]:
    """Return the values below and above: a small step to both sides; of what is counted the neighbours that were searched."""
    if not axis.figure.whole:
        return value * (1.0 - STEP), value * (1.0 + STEP)
    place = axis.values.index(value)
    low, high = axis.values[max(0, place - 1)], axis.values[min(len(axis.values) - 1, place + 1)]
    return (low, high) if low < high else (value, value + 1.0)


def _elasticity(values: Any, steps: tuple[float, float]) -> float | None:
    low, high = (float(value) for value in values)
    if not (low > 0 and high > 0 and math.isfinite(low) and math.isfinite(high)):
        return None
    return math.log(high / low) / math.log(steps[1] / steps[0])


def _on_roof(roof: RoofCurve, name: str, batch: float, varied: list[str]) -> float:
    """Return d ln T / d ln of a figure on the plain roof, which knows peak and bandwidth only."""
    if name == "bandwidth":
        return roof.bandwidth_elasticity(batch)
    if name == "peak" or (name in _FOLLOWS_PEAK and "peak" not in varied):
        return roof.peak_elasticity(batch)
    return 0.0
