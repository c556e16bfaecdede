"""A probed machine as specs: an accelerator, and a calibration with the rates of its classes and what every probe saw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from engine import __version__
from engine.accelerator import Accelerator
from engine.calibration import WORK_CLASSES, Calibration

from .fitted import rounded
from .probe import Probed, Result

FAMILY: Final = "probed"
"""The family of probed machines: the catalogue has a calibration of it for what a probe does not tell."""
SUFFIX: Final = "-probe"
"""What the id of a probe's calibration has beside that of its machine."""


def accelerator(result: Result, identifier: str, name: str, date: str) -> Accelerator:
    """Return the spec of a probed machine; what it does not tell is left out, or assumed and says so."""
    machine = result.topology
    spec: dict[str, Any] = {
        "$schema": "../../schemas/accelerator.schema.json", "id": identifier,
        "name": name or f"{machine.processor}, {_threads(result)}", "vendor": machine.vendor,
        "kind": "gpu" if result.device == "cuda" else "cpu", "family": FAMILY, "confidence": "measured",
        "sources": _sources(result, date),
        "peak_dense": {"fp32": _quantity(result.peak * 1e-9, "GFLOP/s", note="the fastest run of any product")},
        "parallel_units": _quantity(result.threads, "core", "system", note="threads of the runtime"),
        "memory": {
            "type": "as installed",
            "bandwidth": _quantity(result.memory.best_bandwidth * 1e-9, "GB/s", note="the most that any probe saw"),
            "capacity": _quantity(machine.memory / 2**20, "MiB", "system"),
        },
        "notes": [*_unrest(result), f"Probed with {_threads(result)}, {result.clock}."],
    }  # fmt: skip
    spec |= dict(_caches(result))
    if machine.power_limit is not None:
        spec["tdp"] = _quantity(machine.power_limit, "W", "system")
    return Accelerator.model_validate(spec)


def calibration(result: Result, identifier: str, date: str) -> Calibration:
    """Return the calibration of a probed machine: a rate for each class, and the summary of every probe."""
    memory = result.memory
    work = {name: _quantity(1e-9 / s, "GFLOP/s") for name, s in result.times.items() if name in WORK_CLASSES}
    element = {name: _quantity(1e9 * s, "ns") for name, s in result.times.items() if name not in WORK_CLASSES}
    return Calibration.model_validate({
        "$schema": "../../schemas/calibration.schema.json", "id": f"{identifier}{SUFFIX}"[:80],
        "name": f"{identifier}: rates of a probe", "applies_to": {"hardware": [identifier]}, "sources": _sources(result, date),
        "rates": {
            "work": work, "element": element, "cache": _quantity(memory.cache / 2**20, "MiB"),
            "bandwidth": _quantity(memory.bandwidth * 1e-9, "GB/s"),
            "product_bandwidth": _quantity(memory.product_bandwidth * 1e-9, "GB/s"),
        },
        "network": {
            "launch": _quantity(1e6 * result.launch, "us"),
            "overlap_loss": _quantity(memory.overlap_loss, "1"),
            **{name: {"value": 1, "unit": "1", "source": "us", "note": "rates say it"} for name in _IN_RATES},
        },
        "probe": {
            "date": date, "software": result.software, "threads": result.threads, "quiet": result.load.quiet,
            "load": _quantity(result.load.others, "1"), "samples": [_sample(one) for one in result.probes],
        },
        "notes": _unrest(result),
    })  # fmt: skip


_IN_RATES: Final = ("sustained", "bandwidth_share", "cache_ratio")
"""Constants that other forms have, and which the rates of a probe contain."""


def _threads(result: Result) -> str:
    return f"{result.threads} thread{'s' if result.threads > 1 else ''}"


def _unrest(result: Result) -> list[str]:
    """Return in a sentence what disturbed the probe, or nothing."""
    if not result.load.quiet:
        got = f", which got {result.load.got:.0%} of one" if result.threads == 1 else ""
        told = (
            f"Not quiet: other processes took {result.load.others:.2g} cores during the probe{got}; probe again without them."
        )
        return [told]
    return [] if result.stable else ["Not stable: rounds of a probe differ by more than 3 %; the clock may vary."]


def _sources(result: Result, date: str) -> dict[str, Any]:
    title = f"advise probe of Roofwise {__version__} with {result.software}, {_threads(result)}, on {result.topology.processor}"
    return {
        "probe": {"title": title, "publisher": "who probed it", "date": date},
        "system": {"title": "what the operating system tells of the machine", "date": date},
        "us": {
            "title": "our assumption",
            "assumes": "the rates were sustained within the power limit, and tell what other constants would",
        },
    }


def _quantity(value: float, unit: str, source: str = "probe", **rest: str) -> dict[str, Any]:
    measured = {"confidence": "measured"} if source == "probe" else {}
    return {"value": rounded(value), "unit": unit, "source": source} | measured | rest


def _caches(result: Result) -> Iterator[tuple[str, dict[str, Any]]]:
    machine = result.topology
    if machine.last_cache:
        yield "last_level_cache", _quantity(machine.last_cache / 2**20, "MiB", "system")
    if machine.core_cache:
        yield "unit_memory", _quantity(machine.core_cache / 2**10, "KiB", "system")
    if machine.clock:
        yield "max_clock", _quantity(machine.clock * 1e-6, "MHz", "system")


def _sample(one: Probed) -> dict[str, Any]:
    found = one.times
    figures = {"median": found.median, "quartile_1": found.quartile_1, "quartile_3": found.quartile_3, "least": found.least}
    return {
        "what": f"{one.graph.name}: {one.graph.what}", "runs": found.runs,
        **{name: _quantity(1e6 * value, "us") for name, value in figures.items()},
    }  # fmt: skip
