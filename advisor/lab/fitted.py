"""What was fitted to a chip, as a calibration spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from engine import __version__
from engine.calibration import AppliesTo, Calibration, Correction, Interval, KernelConstants, Residual, Runtime
from engine.catalog import Catalog
from engine.machine import GRAPH
from engine.quantity import Fraction, Quantity, Share, Source, Time
from engine.units import factor

from .calibrate import ENOUGH, Fitted, KernelPart, NetworkPart, Part, Ratios, of_all
from .evidence import Evidence
from .networks import CLASS, class_factors
from .posterior import Constant

FIT: Final = "fit"
FAMILY: Final = "family"
SCHEMA: Final = "../../schemas/calibration.schema.json"
UNKNOWN: Final = (0.8, 1.25)
"""Measured over estimated time at the 10th and 90th percentile where a family does not say."""
_LONGEST: Final = 2000


def specification(fitted: Fitted, evidence: Evidence, catalog: Catalog, date: str) -> tuple[Calibration, tuple[str, ...]]:
    """Return the calibration of the chip, and what its reader should know besides.

    It has the id of the catalogue's calibration of this chip, where there is one, and so takes its place; what this fit did not
    touch is kept from it.
    """
    chip = fitted.chip
    before = _own(catalog, chip.id)
    parts: dict[str, Any] = {"kernels": tuple(_kernel(part) for part in fitted.parts if isinstance(part, KernelPart))}
    parts["runtimes"] = {p.runtime: _runtime(p, fitted) for p in _networks(fitted) if p.runtime != GRAPH}
    for part in _networks(fitted):
        if part.runtime == GRAPH:
            parts |= {"correction": correction(part), "interval": _interval(part.ratios)}
    sources = _sources(fitted, evidence, date)
    notes = [*_undecided(fitted.parts), *_about_networks(fitted)]
    if before is not None:
        parts, sources, kept = _joined(parts, sources, before)
        notes += [f"Kept from {before.id} as it was: {', '.join(kept)}."] if kept else []
    spec = Calibration.model_validate({
        "$schema": SCHEMA, "id": chip.id if before is None else before.id, "name": f"{chip.name}: calibrated on measurements",
        "applies_to": AppliesTo(hardware=(chip.id,)), "sources": sources, **parts, "notes": tuple(notes),
    })  # fmt: skip
    return spec, tuple(_besides(fitted, catalog, spec.id))


def _networks(fitted: Fitted) -> list[NetworkPart]:
    return [part for part in fitted.parts if isinstance(part, NetworkPart)]


def _own(catalog: Catalog, chip: str) -> Calibration | None:
    """Return the catalogue's calibration of this chip only, or None."""
    return next((c for c in catalog.calibrations if c.applies_to == AppliesTo(hardware=(chip,)) and c.rates is None), None)


# Parts.


def rounded(value: float) -> float:
    """Return a value with four digits.

    >>> rounded(0.123456)
    0.1235
    """
    return float(f"{value:.4g}")


def _note(constant: Constant) -> str:
    spread = f"+- {100 * constant.spread:.2g} %"
    if constant.at_limit:
        return f"{spread}, at its limit: the points would take it further"
    return spread if constant.decided else f"{spread}, undecided: the points say little"


def _fraction(part: Part, name: str) -> Fraction:
    constant = next(c for c in part.posterior.constants if c.name == name)
    return Fraction(value=rounded(constant.after), unit="1", source=FIT, note=_note(constant))


def correction(part: NetworkPart) -> Correction:
    """Return the two numbers that a measured chip adds to its family's constants, and those of classes where it was probed."""
    classes = {name: _fraction(part, f"{CLASS}{name}") for name in class_factors(part.posterior.values)}
    return Correction.model_validate({
        "launch_factor": _fraction(part, "launch_factor"), "time_factor": _fraction(part, "time_factor"),
        "class_factors": classes,
    })  # fmt: skip


def _interval(ratios: Ratios) -> Interval:
    p10, p90 = (Share(value=rounded(value), unit="1", source=FIT) for value in (ratios.p10, ratios.p90))
    return Interval(level="chip measured", p10=p10, p90=p90, basis=ratios.basis)


def _runtime(part: NetworkPart, fitted: Fitted) -> Runtime:
    """Return the profile of the family with what was fitted; all else says that it is the family's."""
    profile = fitted.family.runtimes[part.runtime]
    kept = {name: _of_family(getattr(profile, name)) for name in Runtime.model_fields if name != "interval"}
    known = {constant.name: constant for constant in part.constants}
    found: dict[str, Any] = {"device_share": _fraction(part, "device_share"), "interval": _interval(part.ratios)}
    found |= {name: _quantity(Time, "us", known[name]) for name in ("host", "launch") if name in known}
    return Runtime.model_validate(kept | found | {"formats": _formats(known)})


def _formats(known: Mapping[str, Constant]) -> dict[str, dict[str, Quantity]]:
    """Return what each number format has of its own."""
    found: dict[str, dict[str, Quantity]] = {}
    for name, constant in known.items():
        if whole := of_all(name):
            kind, unit = (Time, "us") if whole == "host" else (Fraction, "1")
            found.setdefault(name.removeprefix(f"{whole}_"), {})[whole] = _quantity(kind, unit, constant)
    return found


def _of_family(value: Any) -> Any:
    return value.model_copy(update={"source": FAMILY}) if isinstance(value, Quantity) else value


def _quantity(kind: type[Quantity], unit: str, constant: Constant) -> Quantity:
    value = rounded(constant.after / factor(kind.dimension, unit))
    return kind.model_validate({"value": value, "unit": unit, "source": FIT, "note": _note(constant)})


def _kernel(part: KernelPart) -> KernelConstants:
    """Return the family's constants of an operator with what was fitted, and how far they are off."""
    family = part.family
    kept = {name: _of_family(getattr(family, name)) for name in KernelConstants.model_fields}
    for constant in part.posterior.constants:
        before: Quantity = getattr(family, constant.name)
        kept[constant.name] = _quantity(type(before), before.unit, constant)
    own = {"format": part.format, "software": part.software, "residual": _residual(part)}
    return KernelConstants.model_validate(kept | own)


def _residual(part: KernelPart) -> Residual:
    """Return how far the constants are off; percentiles of points that the fit saw, or of few, are widened by the family's."""
    off = part.after
    family = part.family.residual
    wide = (family.p10.si, family.p90.si) if family and family.p10 and family.p90 else UNKNOWN
    few = not part.held_out or off.points < ENOUGH
    p10, p90 = (min(off.p10, wide[0]), max(off.p90, wide[1])) if few else (off.p10, off.p90)
    note = {} if part.held_out else {"note": "of the points of the fit; too few to hold any out"}

    def share(value: float) -> dict[str, Any]:
        return {"value": rounded(value), "unit": "1", "source": FIT}

    shares = {"median": share(off.median) | note, "mean": share(off.mean), "p10": share(p10), "p90": share(p90)}
    return Residual.model_validate({"points": off.points, "bias": rounded(off.bias), **shares})


# Where it comes from, and what it does not say.


def _sources(fitted: Fitted, evidence: Evidence, date: str) -> dict[str, Source]:
    points = sum(part.points for part in fitted.parts)
    software = ", ".join(evidence.software)
    title = (
        f"Fit of Roofwise {__version__} (advise calibrate) to measurements of {fitted.chip.id}, points: {points}; {software}"
    )
    found = {FIT: Source(title=_short(title), publisher="Roofwise", date=date)}
    if any(not (isinstance(part, NetworkPart) and part.runtime == GRAPH) for part in fitted.parts):
        found[FAMILY] = Source(title="What the fit does not touch: constants of the chip's family in Roofwise's catalogue")
    return found | {f"m{number}": source for number, source in enumerate(evidence.sources, start=1)}


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."


def _undecided(parts: Iterable[Part]) -> list[str]:
    """Return a sentence for each part of which the points leave constants undecided."""
    names = {part.title: [c.name for c in part.constants if not c.decided] for part in parts}
    return [_short(f"Undecided in {title}: {', '.join(n)}.") for title, n in names.items() if n]


def _about_networks(fitted: Fitted) -> list[str]:
    """Return what single kernels leave open. They run hot, alone and again and again, which networks do not."""
    if _networks(fitted):
        return []
    return ["Fitted to single kernels only: estimates of networks stay as they were. One latency of a network changes them."]


def _besides(fitted: Fitted, catalog: Catalog, own: str) -> list[str]:
    """Return what was left out, and which calibrations of the chip besides this one there are."""
    named = [c for c in catalog.calibrations if fitted.chip.id in c.applies_to.hardware and c.rates is None]
    others = [c.id for c in named if c.id != own]
    rival = [f"calibrations besides this one name the chip: {', '.join(others)}; of equals the first by id wins"]
    return [*(f"left out: {reason}" for reason in fitted.left_out), *(rival if others else [])]


# What is kept of an earlier calibration.


def _joined(
    parts: dict[str, Any], sources: dict[str, Source], before: Calibration
) -> tuple[dict[str, Any], dict[str, Source], list[str]]:
    """Return parts and sources with those of an earlier calibration that no fit replaced, and the names of these."""
    keys = _free_keys(before.sources, sources)
    old = Calibration.model_validate(_renamed(before.model_dump(by_alias=True), keys))
    fitted = {(k.operator, k.format, k.software) for k in parts["kernels"]}
    kernels = tuple(k for k in old.kernels if (k.operator, k.format, k.software) not in fitted)
    runtimes = {name: profile for name, profile in old.runtimes.items() if name not in parts["runtimes"]}
    kept = [f"{k.operator} in {k.format}" for k in kernels] + [f"runtime {name}" for name in runtimes]
    whole = {} if "correction" in parts else {name: getattr(old, name) for name in ("correction", "interval")}
    kept += [name for name, value in whole.items() if value is not None]
    if not kept:
        return parts, sources, []
    parts = parts | whole | {"kernels": (*parts["kernels"], *kernels), "runtimes": {**runtimes, **parts["runtimes"]}}
    return parts, sources | old.sources, kept


def _free_keys(old: Mapping[str, Source], new: Mapping[str, Source]) -> dict[str, str]:
    """Return for every key of an earlier calibration one that no new source has."""
    taken, keys = {*new, *old}, {}
    for key in old:
        options = (f"{key[:35]}{number}" for number in range(2, 10_000))
        keys[key] = key if key not in new else next(name for name in options if name not in taken)
        taken.add(keys[key])
    return keys


def _renamed(data: Any, keys: Mapping[str, str]) -> Any:
    """Return a dumped spec with other keys of sources."""
    if isinstance(data, dict):
        moved = {name: _renamed(value, keys) for name, value in data.items()}
        if isinstance(data.get("source"), str):
            moved["source"] = keys[data["source"]]
        if isinstance(data.get("sources"), dict):
            moved["sources"] = {keys[name]: value for name, value in data["sources"].items()}
        return moved
    if isinstance(data, list | tuple):
        return tuple(_renamed(item, keys) for item in data)
    return data
