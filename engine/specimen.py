"""Specimens: one variant of a chip as a spec of its own, which every command reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, get_args

from .accelerator import Accelerator
from .assembly import si_of
from .quantity import Bandwidth, Count, Length, Power, Quantity, Rate, Size, Source
from .units import factor

GIVEN: Final = "given"
"""The key of the source of what was set."""
FINEST: Final = "GFLOP/s"
"""The bound allows for half of the last digit that a peak is printed with; in this unit that is next to nothing."""
_PLAIN: Final[dict[str, tuple[str, type[Quantity]]]] = {
    "last_level_cache": ("last_level_cache", Size),
    "on_chip_memory": ("on_chip_memory", Size),
    "unit_memory": ("unit_memory", Size),
    "tdp": ("tdp", Power),
    "idle_power": ("idle_power", Power),
    "process_node": ("process_node", Length),
}
"""Figures that are a field of a spec as they stand -> the field and its kind of quantity."""


def specimen(chip: Accelerator, dtype: str, figures: Mapping[str, float], name: str) -> Accelerator:
    """Return one variant of a chip as a spec of its own, of which nothing was measured; `figures` as in `fleet`.

    What stood on the figures that changed, such as bus width, price or year, is left out.
    """
    source = {GIVEN: Source(title=f"a variant of {chip.id} that nobody built", assumes=_assumption(chip, figures))}
    parts: dict[str, Any] = {
        "id": name, "name": f"Variant of {chip.name}", "confidence": "modelled", "measured_as": (), "released": None,
        "price": None, "exceptions": (), "not_published": {}, "sources": {**chip.sources, **source},
        "memory": chip.memory.model_copy(update=_memory(figures)),
        **_arithmetic(chip, dtype, figures),
        **{field: _quantity(kind, figures[figure]) for figure, (field, kind) in _PLAIN.items() if figure in figures},
    }  # fmt: skip
    if {"array_rows", "array_columns"} & figures.keys() and chip.matrix_array is not None:
        sides = {side: _quantity(Count, figures[f"array_{side}"]) for side in ("rows", "columns") if f"array_{side}" in figures}
        parts["matrix_array"] = chip.matrix_array.model_copy(update=sides)
    return chip.model_copy(update=parts)


def _assumption(chip: Accelerator, figures: Mapping[str, float]) -> str:
    told = ", ".join(f"{name} {value:.9g}" for name, value in figures.items())
    return f"{told} in base units; everything else as {chip.id} has it"[:2000]


def _quantity(kind: type[Quantity], si: float, unit: str | None = None) -> Quantity:
    """Return a figure in the largest unit that gives back the same number, or in the one asked for."""
    units = [unit] if unit is not None else sorted(_units_of(kind), key=lambda each: -factor(kind.dimension, each))
    found = [(float(f"{si / factor(kind.dimension, each):.12g}"), each) for each in units]
    exact = [(value, each) for value, each in found if value >= 1 and value * factor(kind.dimension, each) == si]
    value, each = (exact or [found[-1]])[0]
    return kind(value=value, unit=each, source=GIVEN)


def _units_of(kind: type[Quantity]) -> tuple[str, ...]:
    return get_args(kind.model_fields["unit"].annotation)


def _memory(figures: Mapping[str, float]) -> dict[str, Any]:
    """Return what changes of main memory."""
    changed: dict[str, Any] = {"bus_width": None, "data_rate": None} if "bandwidth" in figures else {}
    kinds: dict[str, type[Quantity]] = {"bandwidth": Bandwidth, "capacity": Size}
    return changed | {name: _quantity(kind, figures[name]) for name, kind in kinds.items() if name in figures}


def _arithmetic(chip: Accelerator, dtype: str, figures: Mapping[str, float]) -> dict[str, Any]:
    """Return peaks, FLOP per clock, clocks and units, scaled as `_peaks` says."""
    units = figures["units"] / si_of(chip.parallel_units) if "units" in figures else 1.0
    clock = figures["clock"] / (chip.clock_hz(dtype) or math.nan) if "clock" in figures else 1.0
    sides = [figures[f"array_{side}"] / getattr(chip.matrix_array, side).si
             for side in ("rows", "columns") if f"array_{side}" in figures]  # fmt: skip
    lanes = math.prod(sides)
    peak = chip.peak_dense[dtype].si  # type: ignore[index]
    ratio = figures["peak"] / peak if "peak" in figures else units * clock * lanes
    peaks: dict[str, Quantity] = {name: _scaled(rate, ratio) for name, rate in chip.peak_dense.items()}
    exact = {"vector_peak": "fp32", "peak": dtype}
    peaks |= {format_: _quantity(Rate, figures[name], FINEST) for name, format_ in exact.items() if name in figures}
    per_clock = ratio / (units * clock)
    return {
        "peak_dense": peaks,
        "peak_vector": {name: _scaled(rate, ratio) for name, rate in chip.peak_vector.items()},
        "flop_per_clock": {name: _scaled(each, per_clock) for name, each in chip.flop_per_clock.items()},
        "parallel_units": chip.parallel_units and _scaled(chip.parallel_units, units),
        "peak_clock": {name: _scaled(each, clock) for name, each in chip.peak_clock.items()},
        "max_clock": chip.max_clock and _scaled(chip.max_clock, clock),
        "load_clock": chip.load_clock and _scaled(chip.load_clock, clock),
    }


def _scaled(quantity: Quantity, ratio: float) -> Quantity:
    """Return a figure times a ratio; one that does not change keeps its source."""
    if ratio == 1.0:
        return quantity
    return quantity.model_copy(update={"value": quantity.value * ratio, "source": GIVEN, "note": None, "confidence": None})
