"""Lists of the catalogue: a flat object for every spec, the columns of each list, their order and what narrows them down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, get_args

from engine.accelerator import Accelerator
from engine.calibration import Calibration
from engine.catalog import Catalog
from engine.errors import unknown
from engine.machine import Dtype, Kind
from engine.measurement import Measurement
from engine.quantity import Quantity
from engine.workload import Workload

from .check import Check, Checkbook
from .datasheet import applies_to, usual_dtype
from .model_table import listed as listed_model
from .report.columns import ALWAYS, Column
from .rulebook import Profile, Rule, Rulebook

Rows = list[dict[str, Any]]
SHELVES: Final = ("hardware", "workloads", "rules", "checks", "profiles", "calibrations", "measurements")


def _number(key: str, word: str, unit: str, scale: float, rank: int | None, heading: str = "") -> Column:
    return Column(key=key, word=word, heading=heading, unit=unit, scale=scale, rank=rank, right=True)


COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {
    "hardware": (
        Column(key="id", word="id", say=lambda row: marked(row["id"], row)),
        Column(key="name", word="name", rank=None),
        Column(key="kind", word="kind", rank=2),
        Column(key="made_for", word="made for", rank=None, absent="-"),
        Column(key="vendor", word="vendor", rank=8),
        Column(key="family", word="family", rank=10),
        Column(key="released", word="released", heading="year", rank=4, right=True, plain=True),
        _number("peak_flop_per_s", "peak", "TFLOP/s", 1e12, 1),
        Column(key="peak_dtype", word="dtype", heading="in", rank=1),
        _number("bandwidth_bytes_per_s", "bandwidth", "GB/s", 1e9, 1),
        _number("capacity_bytes", "capacity", "GB", 1e9, 1),
        _number("cache_bytes", "cache", "MB", 1e6, 7),
        _number("ridge_point_flop_per_byte", "ridge", "FLOP/B", 1.0, 3),
        _number("tdp_w", "tdp", "W", 1.0, 1, "TDP"),
        _number("peak_per_tdp_flop_per_j", "efficiency", "GFLOP/J", 1e9, 6, "peak/TDP"),
        _number("price_usd_per_h", "price", "USD/h", 1.0, 5),
        Column(key="interval", word="interval", heading="interval of", rank=9),
        Column(key="dtypes", word="dtypes", heading="formats", rank=11),
        Column(key="confidence", word="confidence", rank=None),
        Column(key="ours", word="ours", rank=None),
    ),
    "workloads": (
        Column(key="id", word="id"),
        Column(key="name", word="name", rank=6),
        Column(key="task", word="task", rank=3),
        Column(key="inputs", word="inputs", heading="input of one sample", rank=4),
        Column(key="sizes", word="sizes", rank=2),
        _number("work_flop_per_sample", "work", "GFLOP", 1e9, 1),
        _number("macs_per_sample", "macs", "GMAC", 1e9, None),
        _number("parameters", "parameters", "M", 1e6, 1),
        _number("active_parameters", "active", "M", 1e6, None),
        _number("cache_elements_per_token", "cache", "k", 1e3, None, "cache of a token"),
        Column(key="kernels", word="kernels", rank=1, right=True),
        _number("peak_activation_elements_per_sample", "activations", "M", 1e6, 5),
    ),
    "rules": (
        Column(key="id", word="id"),
        Column(key="family", word="family", rank=2),
        Column(key="verdict", word="verdict", rank=1),
        Column(key="scope", word="scope", rank=None),
        Column(key="title", word="title", rank=1),
        Column(key="when", word="when", rank=None),
        Column(key="because", word="because", rank=1, wraps=24),
    ),
    "checks": (
        Column(key="id", word="id"),
        Column(key="severity", word="severity", rank=1),
        Column(key="scope", word="scope", rank=2),
        Column(key="title", word="title", rank=1),
        Column(key="when", word="when", rank=3, wraps=24),
    ),
    "profiles": (
        Column(key="id", word="id"),
        Column(key="objective", word="objective", rank=1),
        Column(key="goal", word="goal", heading="best is", rank=3),
        Column(key="constraints", word="constraints", heading="admits", rank=2),
        Column(key="because", word="because", rank=1, wraps=24),
    ),
    "calibrations": (
        Column(key="id", word="id"),
        Column(key="form", word="form", rank=4, absent="-"),
        Column(key="level", word="level", heading="interval of", rank=2, absent="-"),
        Column(key="p10", word="p10", heading="80 % of times", rank=3, say=lambda row: span(row["p10"], row["p90"])),
        Column(key="p90", word="p90", rank=None, absent="-"),
        Column(key="parts", word="parts", rank=5),
        Column(key="applies_to", word="for", rank=1, wraps=24),
        Column(key="name", word="name", rank=None),
    ),
    "measurements": (
        Column(key="id", word="id"),
        Column(key="hardware", word="hardware", rank=4),
        Column(key="workload", word="workload", rank=4),
        Column(key="sizes", word="sizes", rank=5),
        Column(key="dtype", word="dtype", rank=3),
        Column(key="runtime", word="runtime", rank=2),
        Column(key="points", word="points", rank=1, right=True),
        Column(key="software", word="software", rank=1, wraps=24),
    ),
}
"""Shelf -> its columns, in order."""


def listed(what: str, catalog: Catalog, book: Rulebook, checks: Checkbook, dtypes: Sequence[str] = ()) -> Rows:
    """Return one flat object with an `id` for every spec of a kind, in the units of its keys.

    The peak of a chip is that in the first of `dtypes` that it has. Raises UnknownNameError for no kind of SHELVES.
    """
    makers: dict[str, Callable[[], Rows]] = {
        "hardware": lambda: [hardware_row(chip, catalog, dtypes) for chip in catalog.accelerators],
        "workloads": lambda: [workload_row(workload) for workload in catalog.workloads],
        "rules": lambda: [_rule(rule, book) for rule in book.rules],
        "checks": lambda: [_check(check) for check in checks.checks.values()],
        "profiles": lambda: [_profile(profile) for profile in book.profiles.values()],
        "calibrations": lambda: [calibration_row(calibration) for calibration in catalog.calibrations],
        "measurements": lambda: [_measurement(measurement) for measurement in catalog.measurements],
    }
    if what not in makers:
        raise unknown("list", what, makers)
    return makers[what]()


def _si(quantity: Quantity | None) -> float | None:
    return None if quantity is None else quantity.si


def _over(part: float | None, whole: float | None) -> float | None:
    return None if part is None or whole is None else part / whole


def hardware_row(chip: Accelerator, catalog: Catalog, dtypes: Sequence[str] = ()) -> dict[str, Any]:
    """Return a chip as a flat object."""
    dtype = usual_dtype(chip, dtypes)
    peak, bandwidth, tdp = chip.peak_dense[dtype].si, _si(chip.memory.bandwidth), _si(chip.tdp)  # type: ignore[index]
    constants = catalog.constants.get(chip.id)
    return {
        "id": chip.id,
        "name": chip.name,
        "kind": chip.kind,
        "made_for": chip.made_for,
        "vendor": chip.vendor,
        "family": chip.family,
        "released": chip.released and int(chip.released.si),
        "dtypes": list(chip.dtypes),
        "peak_dtype": dtype,
        "peak_flop_per_s": peak,
        "bandwidth_bytes_per_s": bandwidth,
        "capacity_bytes": _si(chip.memory.capacity),
        "cache_bytes": chip.cache_bytes,
        "ridge_point_flop_per_byte": _over(peak, bandwidth),
        "tdp_w": tdp,
        "peak_per_tdp_flop_per_j": _over(peak, tdp),
        "price_usd_per_h": chip.price and chip.price.value,
        "interval": constants and constants.interval.level,
        "confidence": chip.confidence,
        "ours": catalog.accelerators.entries[chip.id].ours,
    }


def workload_row(workload: Workload) -> dict[str, Any]:
    """Return a workload as a flat object, with the totals of one sample at its default sizes."""
    inputs = {name: list(shape) for name, shape in workload.inputs.items()}
    return {"id": workload.id, "name": workload.name, "task": workload.task, "inputs": inputs, **listed_model(workload)}


def _rule(rule: Rule, book: Rulebook) -> dict[str, Any]:
    return {"id": rule.id, "family": book.family[rule.id], "verdict": rule.verdict, "scope": rule.scope, "title": rule.title,
            "when": rule.when, "because": rule.because}  # fmt: skip


def _check(check: Check) -> dict[str, Any]:
    return {"id": check.id, "severity": check.severity, "scope": check.scope, "title": check.title, "when": check.when}


def _profile(profile: Profile) -> dict[str, Any]:
    goal = f"maximize {profile.maximize}" if profile.maximize else f"minimize {profile.minimize}"
    return {"id": profile.id, "objective": profile.objective, "goal": goal, "constraints": list(profile.constraints),
            "because": profile.because}  # fmt: skip


PARTS: Final = ("form", "tile_set", "network", "correction", "energy", "interval", "workspace", "kernel_tiles", "kernels",
                "runtimes")  # fmt: skip
"""What a calibration may hold, in the order in which people read it."""


def calibration_row(calibration: Calibration) -> dict[str, Any]:
    """Return a calibration as a flat object: the chips it is for, the parts it has, and its interval."""
    interval = calibration.interval
    return {
        "id": calibration.id,
        "name": calibration.name,
        "form": calibration.form,
        "applies_to": applies_to(calibration),
        "parts": [part for part in PARTS if getattr(calibration, part)],
        "level": interval.level if interval else None,
        "p10": interval.p10.si if interval else None,
        "p90": interval.p90.si if interval else None,
    }


def span(low: float | None, high: float | None) -> str:
    """Return an interval of measured over estimated time."""
    return "-" if low is None or high is None else f"{low:g} to {high:g} x"


def _measurement(measurement: Measurement) -> dict[str, Any]:
    return {
        "id": measurement.id,
        "workload": measurement.workload,
        "hardware": measurement.hardware,
        "sizes": dict(measurement.sizes),
        "dtype": measurement.dtype,
        "runtime": measurement.runtime,
        "software": measurement.software,
        "points": len(measurement.points),
    }


def marked(text: str, row: Mapping[str, Any]) -> str:
    """Return a text with what sets a chip apart: that nobody measured it on silicon, that its spec is the user's."""
    marks = [*(["modelled"] if row["confidence"] == "modelled" else []), *([] if row["ours"] else ["yours"])]
    return f"{text} ({', '.join(marks)})" if marks else text


def narrowed(rows: Rows, what: str, name: str, wanted: Sequence[str]) -> Rows:
    """Return the rows that have one of the wanted values of a filter, all where none is wanted; case does not matter.

    Raises UnknownNameError for a filter that the list has not, and for a value that no row has.
    """
    if not wanted:
        return rows
    if not any(name in row or f"{name}s" in row for row in rows):
        raise unknown(f"column of {what}", name, [column.word for column in COLUMNS[what]])
    known = {value for row in rows for value in _values(row, name)} | _valid(name)
    for value in wanted:
        if value.casefold() not in map(str.casefold, known):
            raise unknown(name, value, known)
    given = {value.casefold() for value in wanted}
    return [row for row in rows if not given.isdisjoint(map(str.casefold, _values(row, name)))]


def _valid(name: str) -> set[str]:
    """Return the values of a filter that are valid though no spec has them."""
    return {*get_args({"kind": Kind, "dtype": Dtype}.get(name))}


def _values(row: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return what a row has under a filter: a chip is of its kind and of what it is made for, and has several formats."""
    found = (row.get(name), row.get("made_for") if name == "kind" else None)
    return (*(value for value in found if value), *row.get(f"{name}s", ()))


def ordered(rows: Rows, what: str, key: str) -> Rows:
    """Return rows by a column, named by its word or key; a `-` before it turns the order round. Unknown values are last.

    Raises UnknownNameError for a column that the list has not.
    """
    name = _named(what, key.removeprefix("-")).key
    known = sorted((row for row in rows if row[name] is not None), key=lambda row: _sortable(row[name]), reverse=key[:1] == "-")
    return [*known, *(row for row in rows if row[name] is None)]


def columns(what: str, key: str | None = None) -> tuple[Column, ...]:
    """Return the columns of a list; the one that it is sorted by is always shown."""
    chosen = None if key is None else _named(what, key.removeprefix("-"))
    return tuple(replace(column, rank=ALWAYS) if column == chosen else column for column in COLUMNS[what])


def _named(what: str, word: str) -> Column:
    names = {name: column for column in COLUMNS[what] for name in (column.word, column.key)}
    if word.lower() not in names:
        raise unknown(f"column of {what}", word, [column.word for column in COLUMNS[what]])
    return names[word.lower()]


def _sortable(value: Any) -> Any:
    if isinstance(value, str):
        return value.casefold()
    return len(value) if isinstance(value, (list, tuple, dict)) else value
