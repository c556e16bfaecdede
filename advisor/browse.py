"""Looking at the catalogue: lists of specs, and one spec with every value's source."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from engine.accelerator import Accelerator
from engine.catalog import Catalog, load_document
from engine.documents import read_file
from engine.errors import SpecError, UnknownNameError, unknown
from engine.network import build
from engine.quantity import Model, Quantity, Source
from engine.units import render, significant
from engine.workload import Workload

from .check import Check, Checkbook
from .model_table import listed as listed_model
from .report.layout import table
from .rule import Profile, Rule, Rulebook
from .validation import Outcome, model_of

Rows = list[dict[str, Any]]
SHELVES: Final = ("hardware", "workloads", "rules", "checks", "profiles", "calibrations", "measurements")


def listed(what: str, catalog: Catalog, book: Rulebook, checks: Checkbook) -> Rows:
    """Return one flat object with an `id` for every spec of a kind. Raises UnknownNameError for no kind of SHELVES."""
    makers: dict[str, Callable[[], Rows]] = {
        "hardware": lambda: [_hardware(chip, catalog) for chip in catalog.accelerators],
        "workloads": lambda: [listed_model(workload) for workload in catalog.workloads],
        "rules": lambda: [_rule(rule, book) for rule in book.rules],
        "checks": lambda: [_check(check) for check in checks.checks.values()],
        "profiles": lambda: [_profile(profile) for profile in book.profiles.values()],
        "calibrations": lambda: [{"id": c.id, "name": c.name, "form": c.form} for c in catalog.calibrations],
        "measurements": lambda: [{"id": m.id, "workload": m.workload, "hardware": m.hardware} for m in catalog.measurements],
    }
    if what not in makers:
        raise unknown("list", what, makers)
    return makers[what]()


def _hardware(chip: Accelerator, catalog: Catalog) -> dict[str, Any]:
    wide = next((d for d in ("bf16", "fp16", "fp32", "int8") if d in chip.peak_dense), chip.dtypes[0])
    peak, bandwidth = chip.peak_dense[wide].si, chip.memory.bandwidth  # type: ignore[index]
    return {
        "id": chip.id,
        "name": chip.name,
        "kind": chip.kind,
        "dtypes": list(chip.dtypes),
        "peak_dtype": wide,
        "peak_flop_per_s": peak,
        "bandwidth_bytes_per_s": None if bandwidth is None else bandwidth.si,
        "capacity_bytes": None if chip.memory.capacity is None else chip.memory.capacity.si,
        "ridge_point_flop_per_byte": None if bandwidth is None else peak / bandwidth.si,
        "tdp_w": None if chip.tdp is None else chip.tdp.si,
        "confidence": chip.confidence,
        "ours": catalog.accelerators.entries[chip.id].ours,
    }


def _rule(rule: Rule, book: Rulebook) -> dict[str, Any]:
    return {"id": rule.id, "family": book.family[rule.id], "verdict": rule.verdict, "scope": rule.scope, "title": rule.title,
            "when": rule.when, "because": rule.because}  # fmt: skip


def _check(check: Check) -> dict[str, Any]:
    return {"id": check.id, "severity": check.severity, "scope": check.scope, "title": check.title, "when": check.when}


def _profile(profile: Profile) -> dict[str, Any]:
    goal = f"maximize {profile.maximize}" if profile.maximize else f"minimize {profile.minimize}"
    return {"id": profile.id, "objective": profile.objective, "goal": goal, "constraints": list(profile.constraints),
            "because": profile.because}  # fmt: skip


_UNITS: Final = {
    "peak_flop_per_s": ("peak", "rate"),
    "bandwidth_bytes_per_s": ("bandwidth", "bandwidth"),
    "capacity_bytes": ("capacity", "size"),
    "tdp_w": ("TDP", "power"),
    "work_flop_per_sample": ("work", "work"),
}
_HEADINGS: Final = {"ridge_point_flop_per_byte": "ridge FLOP/B"}
_HIDDEN: Final = ("ours", "when", "macs_per_sample", "peak_activation_elements_per_sample", "peak_dtype", "confidence")


def list_text(rows: Rows) -> str:
    """Return a list as an aligned table."""
    if not rows:
        return "none\n"
    hidden = {*_HIDDEN, "name"} if "peak_flop_per_s" in rows[0] else {*_HIDDEN}
    keys = [key for key in rows[0] if key not in hidden]
    heading = tuple(_HEADINGS.get(key) or _UNITS.get(key, (key.replace("_", " "), ""))[0] for key in keys)
    body = [tuple(_cell(key, row.get(key)) for key in keys) for row in rows]
    right = [all(isinstance(row.get(key), (int, float, type(None))) for row in rows) for key in keys]
    return "\n".join(table([heading, *body], right)) + "\n"


def _cell(key: str, value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value)) or "-"
    if isinstance(value, dict):
        return " ".join(f"{name}={part}" for name, part in value.items()) or "-"
    if key in _UNITS:
        return render(float(value), _UNITS[key][1])
    return significant(value) if isinstance(value, float) else str(value)


def find(name: str, catalog: Catalog, book: Rulebook, checks: Checkbook) -> Model:
    """Return the spec of an id, or of a file. Raises SpecError for a faulty file and UnknownNameError for no such id."""
    path = Path(name)
    if path.suffix == ".json" or os.path.isfile(path):  # noqa: PTH113 - a name that is no path is no file, and no error
        return _from_file(path)
    shelves = (catalog.accelerators, catalog.workloads, catalog.calibrations, catalog.measurements)
    for shelf in shelves:
        if name in shelf.entries:
            return shelf[name]
    if name in book.profiles:
        return book.profiles[name]
    if name.upper() in {rule.id for rule in book.rules}:
        return book[name]
    if name.upper() in checks.checks:
        return checks[name]
    rules = [*book.profiles, *(rule.id for rule in book.rules), *checks.checks]
    short = [*(key for shelf in shelves[:-1] for key in shelf.entries), *rules]
    raise _ambiguous_or_unknown(name, short, [*catalog.measurements.entries])


def _ambiguous_or_unknown(name: str, short: Sequence[str], records: Sequence[str]) -> UnknownNameError:
    """Return what to say of a name; the id of a measurement, made of others, is meant only where no other id fits."""
    every = short if any(_within(name, key) for key in short) else [*short, *records]
    begins = sorted({key for key in every if _within(name, key)})
    if len(begins) > 1:
        return UnknownNameError(f"{name!r} could be {' or '.join(begins)}; give the whole id")
    return unknown("spec", name, every)


def _within(name: str, key: str) -> bool:
    return key.startswith(name) or f"-{name}" in key


def _from_file(path: Path) -> Model:
    document = read_file(path)
    model, faults = model_of(document)
    if model is None:
        raise SpecError(faults)
    spec, faults = load_document(document, model)
    if spec is None:
        raise SpecError(faults)
    return spec


def show_json(spec: Model) -> dict[str, Any]:
    """Return a spec as its file has it, with derived facts of a chip: its ridge points. A model has a page of its own."""
    body = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(spec, Accelerator):
        body["derived"] = derived(spec)
    return body


def derived(chip: Accelerator) -> dict[str, Any]:
    """Return what follows from a chip's figures: ridge points, and the FLOP per clock that its peaks imply."""
    facts: dict[str, Any] = {}
    for dtype in chip.dtypes:
        peak = chip.peak_dense[dtype].si  # type: ignore[index]
        entry: dict[str, Any] = {"peak_max_flop_per_s": chip.peak_max_flop_per_s(dtype)}
        if chip.memory.bandwidth is not None:
            entry["ridge_point_flop_per_byte"] = peak / chip.memory.bandwidth.si
        if chip.parallel_units is not None and (clock := chip.clock_hz(dtype)) is not None:
            entry["implied_flop_per_clock_and_unit"] = peak / (chip.parallel_units.si * clock)
        if dtype in (peaks := chip.implied_peaks):
            entry["units_x_clock_x_flop_per_clock"] = peaks[dtype]
        facts[dtype] = entry
    return facts


def show_text(spec: Model) -> str:
    """Return a spec as people read it: every value with its unit, source and confidence."""
    if isinstance(spec, Accelerator):
        return _accelerator_text(spec)
    rows = [("field", "value", "unit", "source", "note"), *_fields(spec, "")]
    used = [index for index in range(5) if any(row[index] for row in rows[1:])]
    lines = table([[row[index] for index in used] for row in rows], [False] * len(used))
    sources = _sources(getattr(spec, "sources", {}))
    return "\n".join([*lines, *([""] if sources else []), *sources]) + "\n"


def _fields(value: Any, path: str) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield a row for every value of a spec below `path`: its name, value, unit, source and note."""
    if isinstance(value, Quantity):
        yield path, f"{value.value:.10g}", value.unit, value.source, value.note or ""
    elif isinstance(value, Model):
        parts = {name: getattr(value, name) for name in type(value).model_fields if name not in ("schema_", "sources")}
        yield from _fields(parts, path)
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _fields(part, f"{path}.{name}" if path else name)
    elif isinstance(value, (list, tuple)) and any(isinstance(part, (Model, Mapping)) for part in value):
        for index, part in enumerate(value):
            yield from _fields(part, f"{path}[{index}]")
    elif isinstance(value, (list, tuple)):
        yield from _fields(" ".join(map(str, value)), path)
    elif value not in (None, ""):
        yield path, f"{value:.10g}" if isinstance(value, float) else str(value), "", "", ""


def _sources(sources: Mapping[str, Source]) -> list[str]:
    """Return a line for every source: its key, title, address, and what it assumes."""
    lines = []
    for key, source in sources.items():
        address = f", {source.url}" if source.url else ""
        assumed = f" ({source.assumes})" if source.assumes else ""
        lines.append(f"{key}: {source.title}{address}{assumed}")
    return lines


def _accelerator_text(chip: Accelerator) -> str:
    rows = [("figure", "value", "unit", "source", "confidence")]
    rows += [_figure(name, q, chip) for name, q in _quantities(chip, "")]
    facts: list[tuple[str, ...]] = [("dtype", "ridge point [FLOP/B]", "implied FLOP/clk/unit", "pi max [TFLOP/s]")]
    facts += [(dtype, *(_number(entry.get(key), scale) for key, scale in _DERIVED)) for dtype, entry in derived(chip).items()]
    unknown_ = [f"{name}: {reason}" for name, reason in chip.not_published.items()]
    parts = [
        [f"{chip.name} ({chip.id}): {chip.kind} of {chip.vendor}, family {chip.family}, {chip.confidence}"],
        table(rows, (False, True, False, False, False)),
        table(facts, (False, True, True, True)),
        [f"not published: {line}" for line in unknown_],
        [f"exception to {exempt.check} at {exempt.at}: {exempt.because}" for exempt in chip.exceptions],
        _sources(chip.sources),
        list(chip.notes),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


_DERIVED: Final = (
    ("ridge_point_flop_per_byte", 1.0),
    ("implied_flop_per_clock_and_unit", 1.0),
    ("peak_max_flop_per_s", 1e-12),
)


def _number(value: float | None, scale: float) -> str:
    return "unknown" if value is None else significant(value * scale, 4)


def _quantities(value: Any, path: str) -> list[tuple[str, Quantity]]:
    if isinstance(value, Quantity):
        return [(path, value)]
    items: Mapping[str, Any] = {}
    if isinstance(value, Model):
        items = {name: getattr(value, name) for name in type(value).model_fields}
    elif isinstance(value, dict):
        items = value
    return [pair for name, part in items.items() for pair in _quantities(part, f"{path}.{name}" if path else name)]


def _figure(name: str, quantity: Quantity, chip: Accelerator) -> tuple[str, str, str, str, str]:
    assumes = chip.sources[quantity.source].assumes
    return (
        name,
        f"{quantity.value:.10g}",
        quantity.unit,
        quantity.source,
        quantity.confidence or ("assumed" if assumes else ""),
    )


def outcome_text(outcome: Outcome) -> str:
    """Return the faults of a file, a line each, and what follows from it when it is valid."""
    lines = [str(fault) for fault in outcome.faults]
    if not outcome.valid:
        return "\n".join(lines) + "\n"
    lines += [f"{outcome.file}: valid {type(outcome.spec).__name__.lower()}"]
    if isinstance(outcome.spec, Accelerator):
        for dtype, entry in derived(outcome.spec).items():
            told = [
                f"{label} {_number(entry[key], scale)}"
                for (key, scale), label in zip(_DERIVED, _LABELS, strict=True)
                if key in entry
            ]
            lines.append(f"  {dtype}: {' · '.join(told)}")
    if isinstance(outcome.spec, Workload):
        network = build(outcome.spec)
        lines.append(f"  {significant(network.work / 2e9, 6)} GMAC per sample, {network.parameters:,.0f} parameters")
    return "\n".join(lines) + "\n"


_LABELS: Final = ("ridge point [FLOP/B]", "implied FLOP per clock and unit", "pi max [TFLOP/s]")
