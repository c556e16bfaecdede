"""Looking at one spec: finding it by name, and every value of it with its source."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from engine.accelerator import Accelerator
from engine.catalog import SHELVES, Catalog, Shelf, load_document
from engine.documents import read_file
from engine.errors import SpecError, UnknownNameError, closest, unknown
from engine.network import build
from engine.quantity import Model, Quantity, Source
from engine.units import significant
from engine.workload import Workload

from .check import Checkbook
from .datasheet import derived, sheet
from .report.datasheet import as_page, as_sheet
from .report.layout import Paint, markdown_table, plain, table
from .rulebook import Rulebook
from .validation import Outcome, model_of


def find(name: str, catalog: Catalog, book: Rulebook, checks: Checkbook) -> Model:
    """Return the spec of an id, or of a file; where kinds share an id, FOLDER/ID tells them apart.

    Raises SpecError for a faulty file and UnknownNameError for no such id.
    """
    path = Path(name)
    if path.suffix == ".json" or os.path.isfile(path):  # noqa: PTH113 - a name that is no path is no file, and no error
        return _from_file(path)
    for folder in SHELVES:
        shelf: Shelf[Any] = getattr(catalog, folder)
        if name.removeprefix(f"{folder}/") in shelf.entries:
            return cast("Model", shelf[name.removeprefix(f"{folder}/")])
    for key in (name, name.upper()):
        if key in book.specs:
            return cast("Model", book.specs[key])
    if name.upper() in checks.checks:
        return checks[name]
    tiers = (
        [*catalog.accelerators.entries, *catalog.workloads.entries],
        [*catalog.calibrations.entries, *book.profiles, *(rule.id for rule in book.rules), *checks.checks],
        [*catalog.measurements.entries],
    )
    raise _ambiguous_or_unknown(name, tiers)


def _ambiguous_or_unknown(name: str, tiers: Sequence[Sequence[str]]) -> UnknownNameError:
    """Return what to say of a name; ids of a later tier, which are made of others, are meant only where no earlier one fits."""
    meant = next((found for tier in tiers if (found := [key for key in tier if _within(name, key)])), [])
    if len(meant) > 1:
        return UnknownNameError(f"{name!r} could be {' or '.join(sorted(meant))}; give the whole id")
    every = [key for tier in tiers for key in tier]
    if not meant and not closest(name, every):
        return UnknownNameError(f"no spec {name[:100]!r}; `advise list hardware`, or workloads, rules, ..., shows the ids")
    return unknown("spec", name, meant or every)


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


def show_json(spec: Model, catalog: Catalog) -> dict[str, Any]:
    """Return a spec as its file has it, with the sheet of a chip beside it. A model has a page of its own."""
    body = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(spec, Accelerator):
        body |= sheet(spec, catalog)
    return body


def show_text(spec: Model, catalog: Catalog, width: int, paint: Paint = plain) -> str:
    """Return a spec as people read it: every value with its unit, source and confidence."""
    if isinstance(spec, Accelerator):
        return as_sheet(spec, catalog, width, paint)
    rows = _field_rows(spec)
    lines = table(rows, [False] * len(rows[0]))
    sources = _sources(getattr(spec, "sources", {}))
    return "\n".join([*lines, *([""] if sources else []), *sources]) + "\n"


def show_markdown(spec: Model, catalog: Catalog) -> str:
    """Return a spec as Markdown."""
    if isinstance(spec, Accelerator):
        return as_page(spec, catalog)
    rows = _field_rows(spec)
    lines = markdown_table(rows, [False] * len(rows[0]))
    sources = [f"- {line}" for line in _sources(getattr(spec, "sources", {}))]
    return "\n".join([f"# {getattr(spec, 'id')}", "", *lines, *([""] if sources else []), *sources]) + "\n"  # noqa: B009


def _field_rows(spec: Model) -> list[list[str]]:
    """Return a row for every value of a spec, below a heading, without the columns that are empty throughout."""
    rows = [("field", "value", "unit", "source", "note"), *_fields(spec, "")]
    used = [index for index in range(5) if any(row[index] for row in rows[1:])]
    return [[row[index] for index in used] for row in rows]


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


_DERIVED: Final = (
    ("ridge_point_flop_per_byte", 1.0),
    ("implied_flop_per_clock_and_unit", 1.0),
    ("peak_max_flop_per_s", 1e-12),
)


def _number(value: float | None, scale: float) -> str:
    return "unknown" if value is None else significant(value * scale, 4)


def outcome_text(outcome: Outcome) -> str:
    """Return what follows from a file that is valid."""
    lines = [f"{outcome.file}: valid {type(outcome.spec).__name__.lower()}"]
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
