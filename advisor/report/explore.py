"""A search for people: the best point, what binds it, what more of each figure would bring, the front, the space."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from engine.fleet import CHIP_FIGURES
from engine.units import render, significant

from ..body import GENERAL
from ..explore.answer import NOT_MODELLED, Answer, Bound, Found
from ..explore.axes import Axis
from ..explore.field import grid
from ..explore.space import Limit, Space
from ..facts import shown
from .field import lines as lines_of
from .layout import Paint, block, fitted, labelled, plain

_CARE: Final = {
    "clock": "without a model of voltage a high clock looks too thrifty",
    "tdp": "the power limit slows a chip down; what its cooling and its supply cost is not in the estimate",
    "process_node": "a process changes the energy of a FLOP only; clock and area are what you set them to",
    "last_level_cache": "a larger cache is as fast, relative to memory, as that of the base",
    "on_chip_memory": "a larger cache is as fast, relative to memory, as that of the base",
}
_LABEL: Final = 14
WIDE: Final = 80
"""Terminals of fewer columns have no field drawn."""


def figure_text(name: str, value: float) -> str:
    """Return a figure of a chip as people read it.

    >>> figure_text("bandwidth", 3.35e12), figure_text("units", 132.0), figure_text("process_node", 5e-9)
    ('3.35 TB/s', '132', '5 nm')
    """
    match CHIP_FIGURES[name].dimension:
        case "length":
            return f"{significant(value * 1e9)} nm"
        case "count":
            return significant(value, 6)
        case dimension:
            return render(value, dimension)


def text(answer: Answer, width: int, paint: Paint = plain) -> str:
    """Return what a search found, as text of `width` columns."""
    lines = [*_heading(answer, width, paint), ""]
    if answer.best is None:
        lines += _miss(answer, width)
    else:
        lines += [*_figures(answer, answer.best, width), "", *_bounds(answer, answer.best, width)]
        lines += ["", *_sensitivities(answer, width)] if answer.sensitivities else []
        lines += ["", *_front(answer, width)] if len(answer.front) > 1 else []
        lines += _field(answer, width)
    lines += ["", *_space(answer.space, width), "", *_care(answer, width), ""]
    lines += labelled("Not modelled", "; ".join([*GENERAL, *answer.space.network.not_modelled, *NOT_MODELLED]), width)
    return "\n".join(lines).rstrip() + "\n"


def _heading(answer: Answer, width: int, paint: Paint) -> list[str]:
    space, summary, best = answer.space, answer.summary, answer.best
    sizes = ", ".join(f"{name} {value}" for name, value in space.network.sizes.items())
    asked = [f"{space.network.name}{f' ({sizes})' if sizes else ''}", *map(limit_text, _asked(space.limits)), wanted(space)]
    share = summary.meeting / summary.points if summary.points else 0.0
    count = f"{summary.points:,} points, {space.chips:,} hypothetical chips"
    meet = f"{summary.meeting:,} meet the request ({significant(100 * share, 2)} %)"
    if best is None:
        return [*_wrapped(" · ".join(asked), width), paint(f"no point meets the request: {count}", "bad")]
    headline = " · ".join(dict.fromkeys([_objective(answer, best), *_chip(best)]))
    return [*_wrapped(" · ".join(asked), width), *(paint(line, "strong") for line in _wrapped(headline, width)),
            *_wrapped(f"{count}; {meet}", width)]  # fmt: skip


def _wrapped(text: str, width: int) -> list[str]:
    lines, rest = [], text
    while len(rest) > width and (cut := rest.rfind(" · ", 0, width)) > 0:
        lines.append(rest[:cut] + " ·")
        rest = "  " + rest[cut + 3 :]
    return [*lines, rest]


def wanted(space: Space) -> str:
    """Return what is best, in words."""
    return f"{'most' if space.objective.most else 'least'} {space.objective.word.replace('_', ' ')}"


def _asked(limits: Sequence[Limit]) -> list[Limit]:
    return [limit for limit in limits if limit.word != "capacity"]


def limit_text(limit: Limit) -> str:
    """Return a limit in words."""
    return f"{limit.word} {shown(limit.fact, limit.value)}"


def _objective(answer: Answer, found: Found) -> str:
    return f"{answer.space.objective.word.replace('_', ' ')} {objective_text(answer.space, found)}"


def objective_text(space: Space, found: Found) -> str:
    """Return the value of what shall be best at a point."""
    return worth_text(space, found.facts[space.objective.fact])


def worth_text(space: Space, value: float) -> str:
    """Return a value of what shall be best."""
    if space.objective.word in CHIP_FIGURES:
        return figure_text(space.objective.word, value)
    return significant(value, 4) if space.objective.word == "cost" else shown(space.objective.fact, value)


def _chip(found: Found) -> list[str]:
    figures = [f"{name.replace('_', ' ')} {figure_text(name, value)}" for name, value in found.figures.items()]
    return [*figures, found.base.dtype, f"batch {found.facts['batch']:.0f}"]


def _figures(answer: Answer, best: Found, width: int) -> list[str]:
    facts = best.facts
    limit = next((each for each in answer.space.limits if each.word == "latency"), None)
    latency = [
        f"bound {shown('latency_lower_bound_s', facts['latency_lower_bound_s'])}",
        f"estimate {shown('latency_estimate_s', facts['latency_estimate_s'])}",
        f"90 % sure {shown('latency_p90_s', facts['latency_p90_s'])}",
        *([f"limit {shown('latency_p90_s', limit.value)}"] if limit else []),
    ]
    capacity = facts["capacity_bytes"]
    memory = shown("memory_bytes", facts["memory_bytes"]) + (
        f" of {shown('memory_bytes', capacity)}" if math.isfinite(capacity) else ""
    )
    rates = [
        shown("throughput_per_s", facts["throughput_per_s"]),
        f"{shown('energy_per_inference_j', facts['energy_per_inference_j'])} each",
        f"{shown('power_w', facts['power_w'])} of {shown('power_w', facts['tdp_w'])}",
        memory,
        f"MFU {shown('mfu', facts['mfu'])}",
        f"MBU {shown('mbu', facts['mbu'])}",
    ]
    return [*labelled("latency", " · ".join(latency), width), *labelled("throughput", " · ".join(rates), width)]


def _bounds(answer: Answer, best: Found, width: int) -> list[str]:
    """Return which limits bind, and how far the others are."""
    binding = [_binds(answer, bound, best) for bound in answer.bounds if bound.binds]
    slack = [_spare(bound, best) for bound in answer.bounds if not bound.binds]
    lines = block("Binds", binding or ["no limit: the best point of the space meets all of them"], width, hang=2)
    return lines + (labelled("Spare", " · ".join(slack), width) if slack else [])


def _binds(answer: Answer, bound: Bound, best: Found) -> str:
    space = answer.space
    share = bound.failing / answer.summary.points
    told = f"{bound.limit.word} ({bound.limit.rule}): {significant(100 * share, 2)} % of the points break it"
    if bound.without is None:
        return told
    here, there = best.facts[space.objective.fact], bound.without.facts[space.objective.fact]
    change = abs(there / here - 1.0)
    less = "more" if there > here else "less"
    return f"{told}; without it {objective_text(space, bound.without)}, {significant(100 * change, 2)} % {less}"


def _spare(bound: Bound, best: Found) -> str:
    limit = best.facts["capacity_bytes"] if bound.limit.word == "capacity" else bound.limit.value
    ratio = best.facts[bound.limit.fact] / limit
    spare = 1.0 - ratio if bound.limit.most else 1.0 - 1.0 / ratio
    return f"{bound.limit.word} {significant(100 * spare, 2)} %"


def _sensitivities(answer: Answer, width: int) -> list[str]:
    objective = answer.space.objective.word.replace("_", " ")
    rows: list[tuple[str, ...]] = [("1 % more", "here", "latency", "plain roof", objective)]
    for each in answer.sensitivities:
        value = answer.best.figures[each.name] if answer.best else math.nan
        figures = map(_percent, (each.latency, each.roof, each.objective))
        rows.append((each.name.replace("_", " "), figure_text(each.name, value), *figures))
    table = fitted(rows, (False, True, True, True, True), width - _LABEL)
    lines = [f"{'Sensitivity' if place == 0 else '':<{_LABEL}}{line}" for place, line in enumerate(table)]
    return lines + _needs(answer, width)


def _percent(elasticity: float | None) -> str:
    return "unknown" if elasticity is None else f"{elasticity:+.2f} %".replace("+0.00", "0.00").replace("-0.00", "0.00")


def _needs(answer: Answer, width: int) -> list[str]:
    """Return what the latency limit needs on the plain roof, in closed form."""
    limit = next((each.value for each in answer.space.limits if each.word == "latency"), math.inf)
    if answer.roof is None or answer.best is None or not math.isfinite(limit):
        return []
    batch = answer.best.facts["batch"]
    parts = {
        "bandwidth": answer.roof.bandwidth_for_limit(batch, limit),
        "peak": answer.roof.peak_for_limit(batch, limit),
    }
    told = " or ".join(
        f"{name} {figure_text(name, value)}" if math.isfinite(value) else f"no {name} alone" for name, value in parts.items()
    )
    roof_s = shown("latency_estimate_s", answer.roof.latency_s(batch))
    return labelled("Plain roof", f"takes {roof_s}; {shown('latency_p90_s', limit)} needs {told}, the other as here", width)


def _front(answer: Answer, width: int) -> list[str]:
    """Return a few points that no other beats, from the fastest to the least of what is minimised."""
    space = answer.space
    second = {"latency_p90_s": "90 % sure", "power_w": "power"}[space.second]
    names = [axis.name for axis in space.axes if len(axis.values) > 1 and axis.name != space.objective.word]
    several = len(space.bases) > 1
    heading = (second, space.objective.word.replace("_", " "), *(name.replace("_", " ") for name in names),
               *(["batch"] if len(space.batches) > 1 else []), *(["chip", "dtype"] if several else []))  # fmt: skip
    rows = [
        (
            shown(space.second, each.facts[space.second]), objective_text(space, each),
            *(figure_text(name, each.figures[name]) for name in names),
            *([f"{each.facts['batch']:.0f}"] if len(space.batches) > 1 else []),
            *([each.base.chip.id, each.base.dtype] if several else []),
        )
        for each in answer.front
    ]  # fmt: skip
    right = tuple(title not in ("chip", "dtype") for title in heading)
    table = fitted([heading, *rows], right, width - _LABEL, keys=2)
    return [f"{'Front' if place == 0 else '':<{_LABEL}}{line}".rstrip() for place, line in enumerate(table)]


def _field(answer: Answer, width: int) -> list[str]:
    """Return the two longest axes as a field of what is best in each of its cells."""
    space, field = answer.space, answer.space.field
    sign = -1.0 if space.objective.most else 1.0
    values = {} if field is None else {cell: sign * value for cell, value in answer.summary.field.items()}
    if field is None or len(set(values.values())) < len(("best", "another")) or width < WIDE:
        return []
    down, across = field.axes[field.down], field.axes[field.across]
    ends = [(axis.name, sorted(axis.values)) for axis in (down, across)]
    worth = partial(worth_text, space)
    drawn = lines_of(grid(field, values), int(sign), ends[0], ends[1], figure_text, worth)
    what = f"{wanted(space)} by {down.name.replace('_', ' ')} (up) and {across.name.replace('_', ' ')} (right)"
    *rows, legend = drawn
    return ["", *labelled("Field", what, width), *(" " * _LABEL + row for row in rows), *labelled("", legend, width)]


def _space(space: Space, width: int) -> list[str]:
    bases = list(dict.fromkeys(base.chip.name for base in space.bases))
    dtypes = list(dict.fromkeys(base.dtype for base in space.bases))
    items = [f"{' and '.join(bases)} in {' and '.join(dtypes)}, with", *(_axis(axis) for axis in space.axes)]
    if len(space.batches) > 1:
        items.append(f"batch: {len(space.batches)} from {space.batches[0]} to {space.batches[-1]}")
    items += [f"cost: {space.cost}"] if space.cost else []
    return block("Space", items, width, hang=2)


def _axis(axis: Axis) -> str:
    name = axis.name.replace("_", " ")
    if len(axis.values) == 1:
        return f"{name}: {figure_text(axis.name, axis.values[0])}"
    how = {"log": ", in even ratios", "linear": ", in even steps", "list": ""}[axis.spacing]
    ends = f"{figure_text(axis.name, min(axis.values))} to {figure_text(axis.name, max(axis.values))}"
    return f"{name}: {len(axis.values):,} values from {ends}{how}"


def _care(answer: Answer, width: int) -> list[str]:
    space = answer.space
    items = [*([_ends(answer.ends)] if answer.ends else []), *answer.oddities]
    levels = {base.constants.interval.level for base in space.bases}
    items.append(
        "nobody built these chips: constants and interval are those of the base's family "
        f"({' and '.join(sorted(levels))}), and what an area or a package allows is for you to say"
    )
    items += [_CARE[axis.name] for axis in space.axes if axis.name in _CARE]
    return block("Take care", dict.fromkeys(items), width, hang=2)


def _ends(ends: Mapping[str, str]) -> str:
    sides = {side: [name.replace("_", " ") for name, end in ends.items() if end == side] for side in ("low", "high")}
    told = " and ".join(f"{' and '.join(names)} at the {side} end" for side, names in sides.items() if names)
    return f"{told} of what was searched: a better point may lie beyond"


def _miss(answer: Answer, width: int) -> list[str]:
    """Return for each limit how near the space comes to it, and what is best without it."""
    items = []
    for bound in answer.bounds:
        if not bound.failing or bound.nearest is None:
            continue
        nearest = shown(bound.limit.fact, bound.nearest.facts[bound.limit.fact])
        chip = ", ".join(_chip(bound.nearest))
        limit = "the chip's" if bound.limit.word == "capacity" else shown(bound.limit.fact, bound.limit.value)
        told = f"{bound.limit.word} ({bound.limit.rule}): at best {nearest} where {limit} is the limit, with {chip}"
        without = f"; without it {_objective(answer, bound.without)}" if bound.without else ""
        items.append(told + without)
    return block("Misses", items or ["no point has a finite objective"], width, hang=2)
