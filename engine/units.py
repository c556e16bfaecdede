"""Units: the one table that turns what people type and read into SI-coherent numbers.

Prefixes live here only. Inside the engine a value is a float in the base unit of its dimension
(s, J, W, B, B/s, FLOP, FLOP/s, Hz), and its name carries that unit.
"""

from __future__ import annotations

import math
import re
from typing import Final

from .errors import UnitError, closest

_SI: Final = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY: Final = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}
_SMALL: Final = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}


def _scaled(base: str, prefixes: dict[str, float], factor: float = 1.0) -> dict[str, float]:
    return {prefix + base: scale * factor for prefix, scale in prefixes.items()}


MAX_LENGTH: Final = 100
UNITS: Final[dict[str, dict[str, float]]] = {
    "time": _scaled("s", _SMALL) | {"min": 60.0, "h": 3600.0},
    "energy": _scaled("J", _SMALL) | _scaled("J", _SI),
    "power": _scaled("W", _SMALL) | _scaled("W", _SI),
    "size": _scaled("B", _SI) | _scaled("B", _BINARY),
    "bandwidth": _scaled("B/s", _SI) | _scaled("B/s", _BINARY),
    # Vendors of integer machines count "OP" where we count FLOP: the same two for one multiply-accumulate.
    "rate": _scaled("FLOP/s", _SI) | _scaled("OP/s", _SI),
    "work": _scaled("FLOP", _SI) | _scaled("MAC", _SI, 2.0),
    "frequency": _scaled("Hz", _SI),
    "per_clock": {"FLOP/clk": 1.0, "OP/clk": 1.0},
    "feed": {"B/FLOP": 1.0},
    "score_work": {"FLOP": 1.0},
    "length": {"nm": 1e-9},
    "width": {"bit": 1.0},
    "transfer": _scaled("T/s", _SI),
    "flop_energy": _scaled("J/FLOP", _SMALL),
    "byte_energy": _scaled("J/B", _SMALL),
    "power_per_rate": {"W/(TFLOP/s)": 1e-12},
    "price": {"USD/h": 1.0 / 3600.0},
    "year": {"year": 1.0},
    "count": {"1": 1.0, "k": 1e3, "M": 1e6, "G": 1e9},
    "throughput": {"/s": 1.0},
    "intensity": {"FLOP/B": 1.0},
    "share": {"1": 1.0, "%": 0.01},
}
"""Dimension -> unit -> factor to the base unit."""

_BASE: Final = {
    "time": "s",
    "energy": "J",
    "power": "W",
    "size": "B",
    "bandwidth": "B/s",
    "rate": "FLOP/s",
    "work": "FLOP",
    "throughput": "/s",
    "frequency": "Hz",
    "flop_energy": "J/FLOP",
    "byte_energy": "J/B",
}
_ENGINEERING: Final = (
    (1e15, "P"),
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "u"),
    (1e-9, "n"),
    (1e-12, "p"),
)


def factor(dimension: str, unit: str) -> float:
    """Return how many base units one `unit` of `dimension` is.

    Raises UnitError when the unit does not belong to the dimension.

    >>> factor("bandwidth", "TB/s")
    1000000000000.0
    >>> factor("work", "GMAC")
    2000000000.0
    """
    table = UNITS[dimension]
    if unit not in table:
        near = closest(unit, table)
        hint = f"; did you mean {near}?" if near else f"; use one of {', '.join(table)}"
        raise UnitError(f"{unit!r} is no unit of {dimension}{hint}")
    return table[unit]


def parse(text: str, dimension: str) -> float:
    """Return a typed quantity ("10ms", "3.35 TB/s", "24 GiB", "2000/s") in the base unit of its dimension.

    Raises UnitError for anything else, a missing unit, a number that is not finite and one that is not above 0.

    >>> parse("10ms", "time"), parse("3.35 TB/s", "bandwidth"), parse("2000/s", "throughput")
    (0.01, 3350000000000.0, 2000.0)
    """
    example = {"time": "10ms", "power": "75W", "energy": "5mJ", "size": "16GB", "throughput": "2000/s"}.get(dimension, "")
    remedy = f"write a number above 0 and a unit, as in {example}" if example else "write a number above 0 and a unit"
    if len(text) > MAX_LENGTH:
        raise UnitError(f"{text[:20]!r}... has {len(text)} characters, and is no {dimension}; {remedy}")
    number, scale, unit = _number_and_unit(text.strip(), dimension)
    try:
        value, units = _value(number)
    except ValueError as error:
        raise UnitError(f"{text[:100]!r} is no {dimension}; {remedy}") from error
    value *= scale
    if math.isfinite(value) and units != unit:
        raise UnitError(f"{text[:100]!r} {f'is no {dimension}' if units else 'has no unit'}; {remedy}")
    if not (math.isfinite(value) and value > 0):
        raise UnitError(f"{text[:100]!r} is not a {dimension} above 0; {remedy}")
    return value


def _value(text: str) -> tuple[float, str]:
    """Return the number of a text and the unit behind it, "" where there is none. Raises ValueError for any other text."""
    if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text, re.ASCII):
        return float(text), ""
    from quantiphy import QuantiPhyError, Quantity  # noqa: PLC0415 - only what is more than a number pays for it

    try:
        quantity = Quantity(text, binary=True)
    except QuantiPhyError as error:
        raise ValueError(str(error)) from error
    return float(quantity), str(quantity.units)


def _number_and_unit(typed: str, dimension: str) -> tuple[str, float, str]:
    """Return what is left to parse, the factor of a unit of our table, and the unit that must be left ("" after a factor)."""
    plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", typed)
    if dimension == "throughput":
        number, rate = re.subn(r"\s*/\s*s$", "", plain)
        return number, 1.0, "" if rate else "/s"
    match = re.fullmatch(r"([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(\S+)", plain)
    if match and match[2] in UNITS[dimension]:
        return match[1], UNITS[dimension][match[2]], ""
    return plain, 1.0, _BASE[dimension]


def render(value: float, dimension: str, digits: int = 3) -> str:
    """Return a value in the base unit of its dimension as people read it.

    >>> render(0.0048, "time"), render(3.35e12, "bandwidth"), render(24e9, "size")
    ('4.8 ms', '3.35 TB/s', '24 GB')
    """
    base = _BASE[dimension]
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {base}"
    if dimension == "throughput":
        return f"{significant(value, digits)}{base}"
    scale, prefix = next((row for row in _ENGINEERING if abs(value) >= 0.9995 * row[0]), _ENGINEERING[-1])
    return f"{significant(value / scale, digits)} {prefix}{base}"


def significant(value: float, digits: int = 3) -> str:
    """Return a number with `digits` significant digits, thousands separated, without an exponent.

    >>> significant(12345.6), significant(0.01234), significant(24.0)
    ('12,346', '0.0123', '24')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
