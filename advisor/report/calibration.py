"""Calibrations for people: a spec as a file of ours looks, and what a fit of one found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from engine.calibration import Calibration
from engine.catalog import load_document
from engine.documents import read_text
from engine.errors import SpecError
from engine.quantity import Quantity, Time
from engine.units import render, significant

from ..lab.calibrate import Candidate, Errors, Fitted, KernelPart, NetworkPart, Part
from ..lab.fit import NOISE
from ..lab.posterior import Constant
from .layout import block, labelled, table

_INDENT: Final = "  "
_FIRST: Final = ("operator", "format", "software", "fused", "rotations", "launch", "reference_clock", "clocked", "host")
"""What stands first in an object, whatever the order of the model's fields: what it is about, then times."""


def spec_text(calibration: Calibration) -> str:
    """Return a calibration as JSON in the style of ours: one quantity a line, names, values and units in columns.

    What is at its default is left out, so that reading the text gives an equal calibration.
    """
    data = calibration.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return _text(data, "") + "\n"


def checked_text(calibration: Calibration) -> str:
    """Return a calibration as text that was read again and found valid. Raises SpecError."""
    text = spec_text(calibration)
    spec, faults = load_document(read_text(text, f"{calibration.id}.json"), Calibration)
    if spec is None:
        raise SpecError(faults)
    return text


def _text(value: Any, indent: str) -> str:
    """Return a value; objects of objects have a line for each member, all else fits on one line."""
    if isinstance(value, dict) and _nested(value):
        return _lines("{", _members(value, indent + _INDENT), "}", indent)
    if isinstance(value, list) and (_nested(value) or _several_texts(value)):
        return _lines("[", [_text(item, indent + _INDENT) for item in value], "]", indent)
    return _flat(value)


def _nested(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value
    return any(isinstance(item, dict) for item in items)


def _several_texts(value: list[Any]) -> bool:
    return len(value) > 1 and all(isinstance(item, str) and " " in item for item in value)


def _lines(begin: str, items: list[str], end: str, indent: str) -> str:
    joined = ",\n".join(f"{indent}{_INDENT}{item}" for item in items)
    return f"{begin}\n{joined}\n{indent}{end}"


def _members(value: Mapping[str, Any], indent: str) -> list[str]:
    """Return the members of an object; its quantities stand in columns."""
    value = {name: value[name] for name in (*_FIRST, *value) if name in value}
    quantities = [(name, item) for name, item in value.items() if _is_quantity(item)]
    names = max((len(json.dumps(name)) for name, _ in quantities), default=0)
    digits = max((len(_flat(item["value"])) for _, item in quantities), default=0)
    return [
        f"{json.dumps(name) + ':':{names + 1}} {_quantity(item, digits)}"
        if _is_quantity(item)
        else f"{json.dumps(name)}: {_text(item, indent)}"
        for name, item in value.items()
    ]


def _is_quantity(value: Any) -> bool:
    return isinstance(value, dict) and "value" in value


def _quantity(value: Mapping[str, Any], digits: int) -> str:
    rest = ", ".join(f"{json.dumps(name)}: {_flat(item)}" for name, item in value.items() if name != "value")
    return f'{{"value": {_flat(value["value"]) + ",":{digits + 1}} {rest}}}'


def _flat(value: Any) -> str:
    """Return a value on one line; a whole number has no decimals."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {_flat(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flat, value)) + "]"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


# What a fit found.


def report(fitted: Fitted, spec: Calibration, besides: Sequence[str], width: int) -> str:
    """Return constants before and after, errors before and after, what is undecided, and what to measure next."""
    lines = [f"{fitted.chip.name} · {spec.id} · beneath it {', '.join(fitted.family.ids)}"]
    for part in fitted.parts:
        lines += ["", f"{part.title}: {part.about}", *_constants(part), "", *_errors(part), *_after(part, width)]
    told = [*besides, *(note for note in spec.notes if not note.startswith("Undecided"))]
    lines += ["", *block("Note", told, width, 2)] if told else []
    return "\n".join(lines) + "\n"


def _constants(part: Part) -> list[str]:
    heading = ("constant", "family", "fitted", "+- %", "learned %", "")
    body = [
        (c.name, _shown(part, c, c.before), _shown(part, c, c.after), f"{100 * c.spread:.2g}", f"{100 * c.learned:.0f}",
         "at its limit" if c.at_limit else "" if c.decided else "undecided")
        for c in part.posterior.constants
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
    return "s" if constant.name == "host" else "1"


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
    undecided = [c.name for c in part.posterior.constants if not c.decided]
    lines += labelled("  Undecided", ", ".join(undecided), width) if undecided else []
    if isinstance(part, NetworkPart):
        lines += labelled("  Interval", _interval(part), width)
    lines += labelled("  Next", _next(part.following), width) if part.following else []
    return lines


def _interval(part: NetworkPart) -> str:
    r = part.ratios
    launches = f", where launches take all {r.launch_p10:.2f} to {r.launch_p90:.2f}" if r.launch_p10 and r.launch_p90 else ""
    return f"{r.p10:.2f} to {r.p90:.2f} of the estimate{launches} ({r.basis})"


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
        for c in part.posterior.constants
    ]  # fmt: skip
    unseen: Errors | None = part.unseen if isinstance(part, NetworkPart) else None
    return {
        "title": part.title, "points": part.points, "constants": constants, "errors_of": part.errors_of,
        "errors_family": asdict(part.before), "errors_fitted": asdict(part.after),
        "errors_unseen": None if unseen is None else asdict(unseen),
        "interval": asdict(part.ratios) if isinstance(part, NetworkPart) else None,
        "next": None if part.following is None else asdict(part.following),
    }  # fmt: skip
