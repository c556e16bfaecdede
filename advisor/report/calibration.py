"""Calibrations for people: a spec as a file of ours looks, and what a fit of one found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from engine.calibration import Calibration
from engine.quantity import Quantity, Time
from engine.units import render, significant

from ..lab.calibrate import Candidate, Errors, Fitted, KernelPart, NetworkPart, Part, of_all
from ..lab.fit import NOISE
from ..lab.posterior import Constant
from .layout import block, labelled, table

# What a fit found.


def report(fitted: Fitted, spec: Calibration, besides: Sequence[str], width: int) -> str:
    """Return constants before and after, errors before and after, what is undecided, and what to measure next."""
    lines = [f"{fitted.chip.name} · {spec.id} · beneath it {', '.join(fitted.family.ids)}"]
    for part in fitted.parts:
        lines += ["", f"{part.title}: {part.about}", *_constants(part), "", *_errors(part), *_after(part, width)]
    told = [*besides, *(note for note in spec.notes if not note.startswith("Undecided"))]
    lines += ["", *block("Note", told, width, 2)] if told else []
    return "\n".join(lines) + "\n"


TIMES: Final = ("host", "launch")
"""Constants of a runtime that are times."""


def _constants(part: Part) -> list[str]:
    heading = ("constant", "family", "fitted", "+- %", "learned %", "")
    body = [
        (c.name, _shown(part, c, c.before), _shown(part, c, c.after), f"{100 * c.spread:.2g}", f"{100 * c.learned:.0f}",
         "at its limit" if c.at_limit else "" if c.decided else "undecided")
        for c in part.constants
    ]  # fmt: skip
    return ["  " + line for line in table([heading, *body], (False, True, True, True, True, False))]


def _shown(part: Part, constant: Constant, value: float) -> str:
    """Return a constant as people read it: a time with its unit, all else as a number."""
    return render(value, "time") if unit_of(part, constant) == "s" else significant(value, 3)


def unit_of(part: Part, constant: Constant) -> str:
    """Return the base unit of a constant: "s" for a time, else "1" or what its quantity has."""
    if isinstance(part, KernelPart):
        quantity: Quantity = getattr(part.family, constant.name)
        return "s" if isinstance(quantity, Time) else quantity.unit
    return "s" if (of_all(constant.name) or constant.name) in TIMES else "1"


def _errors(part: Part) -> list[str]:
    rows = [("family", part.before), ("fitted", part.after)]
    if isinstance(part, NetworkPart) and part.unseen is not None:
        rows.append(("fitted to the other sweeps", part.unseen))
    heading = ("error of the time, %", "median", "mean", "bias", "measured/estimated, 10-90 %")
    body = [(name, *_percent(e.median, e.mean, e.bias), f"{e.p10:.2f} to {e.p90:.2f}") for name, e in rows]
    return ["  " + line for line in table([heading, *body], (False, True, True, True, True))]


def _percent(*shares: float) -> list[str]:
    return [f"{100 * share:.1f}" for share in shares]


def _after(part: Part, width: int) -> list[str]:
    lines = []
    if isinstance(part, KernelPart):
        lines += labelled("  Errors of", f"{part.errors_of}: {part.after.points}", width)
    undecided = [c.name for c in part.constants if not c.decided]
    lines += labelled("  Undecided", ", ".join(undecided), width) if undecided else []
    if isinstance(part, NetworkPart):
        lines += labelled("  Interval", _interval(part), width)
    lines += labelled("  Next", _next(part.following), width) if part.following else []
    return lines


def _interval(part: NetworkPart) -> str:
    r = part.ratios
    return f"{r.p10:.2f} to {r.p90:.2f} of the estimate ({r.basis})"


def _next(candidate: Candidate) -> str:
    uncertain = f"{100 * candidate.uncertainty:.2g} %"
    if candidate.uncertainty <= NOISE:
        return f"nothing: the least certain estimate, {candidate.what}, is uncertain by {uncertain}, less than measurements are"
    return f"measure {candidate.what}: its estimate is uncertain by {uncertain}"


def report_json(fitted: Fitted, spec: Calibration, besides: Sequence[str]) -> dict[str, Any]:
    """Return the same as an object: constants in SI units, shares from 0 to 1."""
    return {
        "hardware": fitted.chip.id, "calibration": spec.id, "family": list(fitted.family.ids),
        "parts": [_part_json(part) for part in fitted.parts], "notes": [*besides, *spec.notes],
    }  # fmt: skip


def _part_json(part: Part) -> dict[str, Any]:
    constants = [
        {
            "name": c.name, "unit": unit_of(part, c), "family": c.before, "fitted": c.after, "spread": c.spread,
            "learned": c.learned, "decided": c.decided,
        }
        for c in part.constants
    ]  # fmt: skip
    unseen: Errors | None = part.unseen if isinstance(part, NetworkPart) else None
    return {
        "title": part.title, "points": part.points, "constants": constants, "errors_of": part.errors_of,
        "errors_family": asdict(part.before), "errors_fitted": asdict(part.after),
        "errors_unseen": None if unseen is None else asdict(unseen),
        "interval": asdict(part.ratios) if isinstance(part, NetworkPart) else None,
        "next": None if part.following is None else asdict(part.following),
    }  # fmt: skip
