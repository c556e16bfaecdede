"""A chip on one sheet: every value, what follows from them, what is not published, what calibrates it, who measured it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.accelerator import Accelerator, half_last_digit
from engine.assembly import load_ratio
from engine.calibration import Calibration, Interval, Resolved, resolve
from engine.catalog import Catalog
from engine.machine import DTYPE_BYTES
from engine.quantity import Model, Quantity
from engine.units import factor, render, significant

from .gaps import missing

USUAL: Final = ("bf16", "fp16", "fp32", "int8")
OBTAINED: Final = {
    "chip measured": "fitted to measurements of this chip",
    "sibling measured": "fitted to measurements of a sibling, and wider for that",
    "family prior": "fitted to other chips of the family, and wider for that",
    "unknown kind": "assumed, since no chip of the kind was calibrated",
}
"""Level of an interval -> how its calibration was obtained."""


def usual_dtype(chip: Accelerator, dtypes: Sequence[str] = ()) -> str:
    """Return the number format whose peak stands for a chip: the first of `dtypes`, then of USUAL, that it has."""
    return next((dtype for dtype in (*dtypes, *USUAL) if dtype in chip.dtypes), chip.dtypes[0])


def sheet(chip: Accelerator, catalog: Catalog) -> dict[str, Any]:
    """Return what is known of a chip beside its spec: derived figures, gaps, calibration, measurements."""
    constants = resolve(chip, catalog.calibrations)
    return {
        "derived": derived(chip),
        "derived_chip": derived_chip(chip),
        "missing": lacking(chip, constants),
        "calibration": calibration(chip, catalog, constants),
        "measurements": records(chip, catalog),
    }


def figures(value: Any, path: str = "") -> list[tuple[str, Quantity]]:
    """Return every quantity of a spec below `path`, by its dotted name."""
    if isinstance(value, Quantity):
        return [(path, value)]
    items: Mapping[str, Any] = {}
    if isinstance(value, Model):
        items = {name: getattr(value, name) for name in type(value).model_fields}
    elif isinstance(value, dict):
        items = value
    return [pair for name, part in items.items() for pair in figures(part, f"{path}.{name}" if path else name)]


def confidence(chip: Accelerator, quantity: Quantity) -> str:
    """Return how far a figure can be trusted: what it says itself, else what its source or its chip says."""
    if quantity.confidence:
        return quantity.confidence
    return "assumed" if chip.sources[quantity.source].assumes else chip.confidence


# What follows from the figures.


def derived(chip: Accelerator) -> dict[str, Any]:
    """Return what follows from a chip's figures, by number format: ridge point, highest peak, the FLOP per clock implied."""
    implied = chip.implied_peaks
    facts: dict[str, Any] = {}
    for dtype in chip.dtypes:
        peak = chip.peak_dense[dtype].si  # type: ignore[index]
        entry: dict[str, Any] = {"peak_max_flop_per_s": chip.peak_max_flop_per_s(dtype)}
        if chip.memory.bandwidth is not None:
            entry["ridge_point_flop_per_byte"] = peak / chip.memory.bandwidth.si
            entry["balance_byte_per_flop"] = chip.memory.bandwidth.si / peak
        if chip.tdp is not None:
            entry["peak_per_tdp_flop_per_j"] = peak / chip.tdp.si
        if chip.parallel_units is not None and (clock := chip.clock_hz(dtype)) is not None:
            entry["implied_flop_per_clock_and_unit"] = peak / (chip.parallel_units.si * clock)
        if chip.load_clock is not None:
            entry["load_peak_flop_per_s"] = peak * load_ratio(chip, dtype)
        if dtype in implied:
            entry["units_x_clock_x_flop_per_clock"] = implied[dtype]
            entry["units_x_clock_x_flop_per_clock_over_peak"] = implied[dtype] / peak
        facts[dtype] = entry
    return facts


def derived_chip(chip: Accelerator) -> dict[str, float]:
    """Return what follows from a chip's figures whatever the number format: memory on the chip, bus times rate."""
    facts = {"cache_bytes": chip.cache_bytes, "on_chip_bytes": chip.on_chip_bytes}
    if chip.memory.bus_width and chip.memory.data_rate:
        facts["bus_x_rate_bytes_per_s"] = chip.memory.bus_width.si * chip.memory.data_rate.si / 8
    return {name: value for name, value in facts.items() if value is not None}


def arithmetic(chip: Accelerator, dtype: str) -> list[tuple[str, str]]:
    """Return how the derived figures come about, each with its numbers, in one number format."""
    facts, whole = derived(chip)[dtype], derived_chip(chip)
    peak, bandwidth = chip.peak_dense[dtype], chip.memory.bandwidth  # type: ignore[index]
    steps = []
    if bandwidth is not None:
        ridge = significant(facts["ridge_point_flop_per_byte"])
        steps += [("ridge point", f"peak / bandwidth = {said(peak)} / {said(bandwidth)} = {ridge} FLOP/B")]
        steps += [("balance", f"bandwidth / peak = {significant(facts['balance_byte_per_flop'])} B/FLOP")]
    if chip.tdp is not None:
        each = significant(facts["peak_per_tdp_flop_per_j"] / 1e9)
        steps += [("peak/TDP", f"{said(peak)} / {said(chip.tdp)} = {each} GFLOP/J, the most that the TDP allows at the peak")]
    steps += _units(chip, dtype, facts)
    if chip.memory.bus_width and chip.memory.data_rate:
        rate = whole["bus_x_rate_bytes_per_s"]
        held = f", {_percent(rate / bandwidth.si)} of the bandwidth" if bandwidth else ""
        product = f"{said(chip.memory.bus_width)} x {said(chip.memory.data_rate)} / 8"
        steps += [("bus x rate", f"{product} = {render(rate, 'bandwidth')}{held}")]
    if chip.cache_bytes is not None:
        steps += [("on the chip", _on_chip(chip, whole))]
    return steps


def said(quantity: Quantity) -> str:
    """Return a quantity as its source prints it."""
    return f"{quantity.value:.10g} {quantity.unit}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _units(chip: Accelerator, dtype: str, facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the steps of units x clock x FLOP per clock, at the clock of the peak and at the highest."""
    units, per_clock = chip.parallel_units, chip.flop_per_clock.get(dtype)  # type: ignore[call-overload]
    clock, steps = chip.clock_hz(dtype), []
    if units and per_clock and clock:
        product = f"{said(units)} x {clock / 1e6:.10g} MHz x {said(per_clock)}"
        value, share = facts["units_x_clock_x_flop_per_clock"], facts["units_x_clock_x_flop_per_clock_over_peak"]
        steps += [("units x clock", f"{product} = {render(value, 'rate', 4)}, {_percent(share)} of the published peak")]
    elif units and clock:
        each = significant(facts["implied_flop_per_clock_and_unit"])
        steps += [("FLOP/clk implied", f"peak / ({said(units)} x {clock / 1e6:.10g} MHz) = {each} in each unit")]
    if clock and chip.load_clock:
        value, ratio = facts["load_peak_flop_per_s"], load_ratio(chip, dtype)
        product = f"peak x {said(chip.load_clock)} / {clock / 1e6:.10g} MHz"
        steps += [("peak under load", f"{product} = {render(value, 'rate', 4)}, {_percent(ratio)} of the published peak")]
    highest, peak = facts["peak_max_flop_per_s"], chip.peak_dense[dtype]  # type: ignore[index]
    rounded = peak.si + half_last_digit(peak.value) * factor("rate", peak.unit)
    by_clock = units and per_clock and chip.max_clock and highest > rounded
    how = (
        f"{said(units)} x highest clock {said(chip.max_clock)} x {said(per_clock)}"
        if units and per_clock and chip.max_clock and by_clock
        else f"{said(peak)} plus half of its last digit"
    )
    return [*steps, ("highest peak", f"{how} = {render(highest, 'rate', 4)}, which the bound uses")]


def _on_chip(chip: Accelerator, whole: Mapping[str, float]) -> str:
    parts = [said(size) for size in (chip.last_level_cache, chip.on_chip_memory) if size is not None]
    if chip.unit_memory and chip.parallel_units:
        parts.append(f"{said(chip.parallel_units)} x {said(chip.unit_memory)}")
    cache = f"; the estimate's cache is {render(whole['cache_bytes'], 'size')} of it" if len(parts) > 1 else ""
    return f"{' + '.join(parts)} = {render(whole['on_chip_bytes'], 'size')}, which the bound counts as on the chip{cache}"


# What is missing, what calibrates the chip, who measured it.


def lacking(chip: Accelerator, constants: Resolved | None) -> list[dict[str, Any]]:
    """Return every figure that conclusions need and the spec leaves out, and what its reasons name beside them."""
    gaps = [
        {"figure": item.name, "reason": item.reason, "without_it": item.gap.blocks, "unknown": list(item.gap.unknown),
         "rules": list(item.gap.rules)}
        for item in missing(chip, constants)
    ]  # fmt: skip
    told = " ".join(str(gap["reason"]) for gap in gaps)
    others: list[dict[str, Any]] = [
        {"figure": name, "reason": reason, "without_it": _elsewhere(name), "unknown": [], "rules": []}
        for name, reason in chip.not_published.items()
        if reason not in told
    ]
    return [*gaps, *others]


def _elsewhere(name: str) -> str | None:
    """Return what an absent figure blocks that is no gap: a number format has no answers; all else blocks nothing."""
    return "no answer in this number format: a request for it excludes the chip (F102)" if name in DTYPE_BYTES else None


def calibration(chip: Accelerator, catalog: Catalog, constants: Resolved | None) -> dict[str, Any] | None:
    """Return what the constants of a chip's estimate are and where each part comes from, or None where none apply."""
    if constants is None:
        return None
    owners: dict[str, list[str]] = {}
    for part, owner in constants.owners.items():
        owners.setdefault(owner, []).append(part)
    for one in _with_kernels(chip, catalog):
        owners.setdefault(one.id, []).append("kernels")
    return {
        "level": constants.interval.level,
        "obtained": OBTAINED[constants.interval.level],
        **_interval(constants.interval),
        "form": constants.form,
        "parts": {
            owner: {"applies_to": _scope(catalog.calibrations[owner], chip), "parts": parts} for owner, parts in owners.items()
        },
        "correction": constants.correction
        and {"launch_factor": constants.correction.launch_factor.si, "time_factor": constants.correction.time_factor.si},
        "runtimes": {
            name: {"from": constants.runtime_ids[name], **(_interval(runtime.interval) if runtime.interval else {})}
            for name, runtime in sorted(constants.runtimes.items())
        },
        "kernels": {one.id: kernels(one) for one in _with_kernels(chip, catalog)},
    }  # fmt: skip


def _with_kernels(chip: Accelerator, catalog: Catalog) -> list[Calibration]:
    """Return the calibrations of a chip that have constants of single kernels, the closest first."""
    ranked = [(one.applies_to.specificity(chip), one) for one in catalog.calibrations if one.kernels]
    return [one for rank, one in sorted(ranked, key=lambda pair: (-(pair[0] or 0), pair[1].id)) if rank is not None]


def kernels(one: Calibration) -> dict[str, list[str]]:
    """Return the operators that a calibration has constants of single kernels for, with their formats."""
    found: dict[str, dict[str, None]] = {}
    for kernel in one.kernels:
        found.setdefault(kernel.operator, {})[kernel.format] = None
    return {operator: list(formats) for operator, formats in sorted(found.items())}


def _interval(interval: Interval) -> dict[str, Any]:
    launch = (interval.launch_p10, interval.launch_p90)
    low, high = (None if ratio is None else ratio.si for ratio in launch)
    return {"p10": interval.p10.si, "p90": interval.p90.si, "launch_p10": low, "launch_p90": high, "basis": interval.basis}


def _scope(one: Calibration, chip: Accelerator) -> str:
    """Return for what chips a calibration is, as this chip sees it."""
    return "this chip alone" if one.applies_to.hardware == (chip.id,) else applies_to(one)


def applies_to(one: Calibration) -> str:
    """Return the chips that a calibration is for, in a few words."""
    criteria = (getattr(one.applies_to, name) for name in ("hardware", "family", "vendor", "memory", "kind"))
    given = [" or ".join(names) for names in criteria if names]
    return ", ".join(given) or "all chips"


def records(chip: Accelerator, catalog: Catalog) -> list[dict[str, Any]]:
    """Return how many records and points there are of a chip, by workload, number format and runtime."""
    found, points = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    for one in catalog.measurements:
        if one.hardware == chip.id:
            found[one.workload, one.dtype, one.runtime] += 1
            points[one.workload, one.dtype, one.runtime] += len(one.points)
    return [
        {"workload": workload, "dtype": dtype, "runtime": runtime, "records": count, "points": points[workload, dtype, runtime]}
        for (workload, dtype, runtime), count in sorted(found.items())
    ]
