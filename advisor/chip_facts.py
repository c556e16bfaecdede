"""The vocabulary of checks: facts of one chip, of one of its number formats and of one of its memories.

A number that follows from a figure that is not published is None: unknown, so that a check is silent on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from engine.accelerator import Accelerator, half_last_digit
from engine.machine import DTYPE_BYTES
from engine.quantity import Quantity, Size
from engine.units import factor

Scope = Literal["chip", "format", "size"]
"""What a check is asked about: the chip, each of its number formats, each size of a memory or cache."""

CHIP: Final[dict[str, tuple[str, str]]] = {
    "year": ("year", "year of release"),
    "cpu": ("truth", "whether the chip is a CPU, whose memory its buyer installs"),
    "modelled": ("truth", "whether the chip exists only as a model"),
    "hbm": ("truth", "whether the main memory is HBM of any generation"),
    "gddr": ("truth", "whether it is GDDR"),
    "lpddr": ("truth", "whether it is LPDDR"),
    "ddr": ("truth", "whether it is DDR, not LPDDR or GDDR"),
    "sram": ("truth", "whether it is SRAM on the chip"),
    "bandwidth_bytes_per_s": ("B/s", "published bandwidth of the main memory"),
    "bus_bandwidth_bytes_per_s": ("B/s", "bus width x data rate / 8"),
    "bus_ratio": ("1", "published bandwidth over bus width x data rate / 8"),
    "capacity_bytes": ("B", "capacity of the main memory"),
    "read_time_s": ("s", "time to read the whole memory once: capacity over bandwidth"),
    "reference_peak_flop_per_s": ("FLOP/s", "peak with 16-bit operands; narrower formats count by their width"),
    "ridge_point": ("FLOP/B", "16-bit peak over bandwidth; its inverse is the B/FLOP of the chip"),
    "max_clock_hz": ("Hz", "highest clock of the chip"),
    "load_clock_hz": ("Hz", "clock under load, where it is not the one behind the peak"),
    "tdp_w": ("W", "power limit of the chip"),
    "idle_power_w": ("W", "idle power of the chip"),
    "peak_per_watt": ("FLOP/s/W", "16-bit peak over TDP"),
    "priced": ("truth", "whether the spec has a price"),
    "price_dated": ("truth", "whether the source of the price has a date, of itself or of access"),
}
FORMAT: Final[dict[str, tuple[str, str]]] = {
    "element_bits": ("bit", "bits of one stored operand"),
    "peak_flop_per_s": ("FLOP/s", "published dense peak of the format"),
    "peak_vector_flop_per_s": ("FLOP/s", "published peak of the vector units, where that of the format is of matrix units"),
    "implied_known": ("truth", "whether units, clock and FLOP per clock are published"),
    "implied_peak_flop_per_s": ("FLOP/s", "units x clock x FLOP per clock"),
    "double_peak_flop_per_s": ("FLOP/s", "highest peak of the formats with twice the bits"),
    "wider_peak_flop_per_s": ("FLOP/s", "highest peak of all formats with more bits"),
    "clock_hz": ("Hz", "clock behind the peak of the format"),
}
SIZE: Final[dict[str, tuple[str, str]]] = {
    "size_bytes": ("B", "the size"),
    "printed": ("1", "the number as it is printed in the spec"),
    "half_digit": ("1", "half a unit of the last digit printed"),
    "decimal": ("truth", "whether its unit is decimal (kB, MB, GB, TB), not binary (KiB, MiB, GiB, TiB)"),
    "cache": ("truth", "whether it is a memory on the chip, not the capacity of the main memory"),
    "power_of_two": ("truth", "whether the number printed is a power of two"),
    "converted": ("1", "the size in the other kind of unit: a MB in MiB, a GiB in GB"),
    "misread": ("1", "the size as if the number belonged to the other kind of unit, in the unit printed"),
}
NUMBERS: Final[dict[Scope, dict[str, tuple[str, str]]]] = {"chip": CHIP, "format": CHIP | FORMAT, "size": CHIP | SIZE}
"""Scope -> the numbers that a check of it may use, each with its unit and meaning."""
TEXTS: Final[dict[Scope, dict[str, str]]] = {
    "chip": {"memory_type": "type of the main memory as the spec has it"},
    "format": {"dtype": "the number format", "wider": "the wider format with the highest peak"},
    "size": {
        "place": "where the size stands in the spec",
        "size": "the size as it is printed",
        "unit": "its unit",
        "other_unit": "the unit of the other kind: MiB for MB, GB for GiB",
    },
}
"""Scope -> the texts that its messages may use, beside the numbers."""
UNITS: Final = {name: unit for numbers in NUMBERS.values() for name, (unit, _) in numbers.items()}
_CLASSES: Final = ("hbm", "gddr", "lpddr", "ddr", "sram")
_BITS: Final = 8
_OTHER_KIND: Final = {f"{prefix}B": f"{prefix.upper()}iB" for prefix in "kMGT"}
_OTHER_KIND_OF: Final = _OTHER_KIND | {binary: decimal for decimal, binary in _OTHER_KIND.items()}

Facts = Mapping[str, Any]


def facts_of(chip: Accelerator) -> dict[Scope, list[Facts]]:
    """Return the facts that checks of each scope are asked about, once for each thing in the scope."""
    common = _chip(chip)
    return {
        "chip": [common],
        "format": [common | _format(chip, dtype) for dtype in chip.dtypes],
        "size": [common | _size(place, size) for place, size in _sizes(chip) if size.unit in _OTHER_KIND_OF],
    }


def _si(quantity: Quantity | None) -> float | None:
    return None if quantity is None else quantity.si


def _ratio(over: float | None, under: float | None) -> float | None:
    return None if over is None or not under else over / under


def _chip(chip: Accelerator) -> dict[str, Any]:
    memory, type_ = chip.memory, chip.memory.type.lower()
    bandwidth, bus = _si(memory.bandwidth), _bus_bandwidth(chip)
    peak, source = chip.reference_peak_flop_per_s, chip.sources.get(chip.price.source) if chip.price else None
    return {
        "year": _si(chip.released),
        "cpu": chip.kind == "cpu",
        "modelled": chip.confidence == "modelled",
        **{name: type_.startswith(name) for name in _CLASSES},
        "memory_type": memory.type,
        "bandwidth_bytes_per_s": bandwidth,
        "bus_bandwidth_bytes_per_s": bus,
        "bus_ratio": _ratio(bandwidth, bus),
        "capacity_bytes": _si(memory.capacity),
        "read_time_s": _ratio(_si(memory.capacity), bandwidth),
        "reference_peak_flop_per_s": peak,
        "ridge_point": _ratio(peak, bandwidth),
        "max_clock_hz": _si(chip.max_clock),
        "load_clock_hz": _si(chip.load_clock),
        "tdp_w": _si(chip.tdp),
        "idle_power_w": _si(chip.idle_power),
        "peak_per_watt": _ratio(peak, _si(chip.tdp)),
        "priced": chip.price is not None,
        "price_dated": source is not None and bool(source.date or source.accessed),
    }


def _bus_bandwidth(chip: Accelerator) -> float | None:
    width, rate = chip.memory.bus_width, chip.memory.data_rate
    return None if width is None or rate is None else float(width.si * rate.si / _BITS)


def _format(chip: Accelerator, dtype: str) -> dict[str, Any]:
    bits = _BITS * DTYPE_BYTES[dtype]
    peaks = {name: rate.si for name, rate in chip.peak_dense.items()}
    wider = {name: peak for name, peak in peaks.items() if _BITS * DTYPE_BYTES[name] > bits}
    double = [peak for name, peak in wider.items() if _BITS * DTYPE_BYTES[name] == 2 * bits]
    implied = chip.implied_peaks.get(dtype)
    widest = max(wider, key=lambda name: wider[name], default=None)
    return {
        "dtype": dtype,
        "element_bits": bits,
        "peak_flop_per_s": peaks[dtype],  # type: ignore[index]
        "peak_vector_flop_per_s": _si(chip.peak_vector.get(dtype)),  # type: ignore[call-overload]
        "implied_known": implied is not None,
        "implied_peak_flop_per_s": implied,
        "double_peak_flop_per_s": max(double, default=None),
        "wider": widest,
        "wider_peak_flop_per_s": None if widest is None else wider[widest],
        "clock_hz": chip.clock_hz(dtype),
    }


def _sizes(chip: Accelerator) -> Iterator[tuple[str, Size]]:
    """Yield every size of a memory with its place in the spec."""
    named = {
        "memory/capacity": chip.memory.capacity,
        "last_level_cache": chip.last_level_cache,
        "on_chip_memory": chip.on_chip_memory,
        "unit_memory": chip.unit_memory,
    }
    return ((place, size) for place, size in named.items() if size is not None)


def _size(place: str, size: Size) -> dict[str, Any]:
    other = _OTHER_KIND_OF[size.unit]
    ratio = factor("size", size.unit) / factor("size", other)
    return {
        "place": place,
        "size": f"{size.value:.10g} {size.unit}",
        "unit": size.unit,
        "other_unit": other,
        "size_bytes": size.si,
        "printed": size.value,
        "half_digit": half_last_digit(size.value),
        "decimal": size.unit in _OTHER_KIND,
        "cache": place != "memory/capacity",
        "power_of_two": math.frexp(size.value)[0] == 0.5,  # noqa: PLR2004 - the mantissa of every power of two
        "converted": size.value * ratio,
        "misread": size.value / ratio,
    }
