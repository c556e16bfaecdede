"""The axes of a space: what `--vary` says, as values in SI units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.errors import closest
from engine.fleet import CHIP_FIGURES, Figure
from engine.units import UNITS

from ..inputs import RequestError

Array = npt.NDArray[np.float64]

MOST_VALUES: Final = 100_000
"""More values of one figure than these are refused."""
DIGITS: Final = 9
"""Values are rounded to so many significant digits in the unit that was typed, so that a spec can print them."""
SPACINGS: Final = ("log", "linear")
_NUMBER: Final = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)"
_RANGE: Final = re.compile(
    rf"(?P<low>{_NUMBER})\s*(?P<low_unit>[^.:,]*?)\s*\.\.\s*(?P<high>{_NUMBER})\s*(?P<unit>[^.:,]*?)\s*"
    r":\s*(?P<count>[^:]*)(?::\s*(?P<spacing>[^:]*))?",
    re.IGNORECASE,
)
_VALUE: Final = re.compile(rf"(?P<value>{_NUMBER})\s*(?P<unit>[^.:,]*)", re.IGNORECASE)
_EXAMPLE: Final = {
    "bandwidth": "0.5..8TB/s:64",
    "rate": "100..2000TFLOP/s:64",
    "frequency": "1..2.5GHz:16",
    "count": "16..256:32",
    "size": "16..256MB:8",
    "power": "75..700W:16",
    "length": "3..7nm:5",
}


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One figure that varies: its values in SI units, and how they were asked for."""

    name: str
    values: tuple[float, ...]
    spacing: str
    typed: str

    @property
    def figure(self) -> Figure:
        """Return what the figure is."""
        return CHIP_FIGURES[self.name]


def axes(texts: Sequence[str]) -> tuple[Axis, ...]:
    """Return the axes of all `--vary`, in order. Raises RequestError with a line for each fault."""
    found: dict[str, Axis] = {}
    faults = []
    for text in texts:
        try:
            axis = parse(text)
        except RequestError as error:
            faults.append(str(error))
            continue
        if axis.name in found:
            faults.append(f"{axis.name} varies twice; write its values in one list or range")
        found[axis.name] = axis
    if faults:
        raise RequestError("\n".join(faults))
    return tuple(found.values())


def parse(text: str) -> Axis:
    """Return the axis of `NAME=LOW..HIGHUNIT:COUNT`, with `:linear` for even steps, or of `NAME=A,B,CUNIT`.

    Raises RequestError.

    >>> axis = parse("bandwidth=1..4TB/s:3")
    >>> axis.name, axis.values
    ('bandwidth', (1000000000000.0, 2000000000000.0, 4000000000000.0))
    >>> parse("units=8, 16, 108").values
    (8.0, 16.0, 108.0)
    """
    name, equals, told = (part.strip() for part in text.partition("="))
    if name not in CHIP_FIGURES:
        near = closest(name, CHIP_FIGURES)
        hint = f"did you mean {near}?" if near else f"there are: {', '.join(CHIP_FIGURES)}"
        raise RequestError(f"no figure {name[:40]!r} to vary; {hint}")
    figure = CHIP_FIGURES[name]
    example = f"{name}={_EXAMPLE[figure.dimension]}"
    if not equals or not told:
        raise RequestError(f"{text[:60]!r} says no values; write {example}, or a list")
    if ".." in told:
        numbers, spacing = _range(told, name, example)
    else:
        numbers, spacing = _list(told, name, example), "list"
    values = _distinct(numbers, figure)
    return Axis(name=name, values=values, spacing=spacing, typed=told)


def _range(told: str, name: str, example: str) -> tuple[Iterable[tuple[float, float]], str]:
    """Return numbers with the factor of their unit, and the spacing."""
    match = _RANGE.fullmatch(told)
    if match is None:
        raise RequestError(f"{name}: {told[:60]!r} is no range; write {example}, where the last number says how many values")
    spacing = _spacing_of(match["spacing"], name)
    count = _count(match["count"], name, example)
    factor = _factor(match["unit"], name, example)
    low_factor = _factor(match["low_unit"], name, example) if match["low_unit"] else factor
    low, high = _number(match["low"], name) * low_factor / factor, _number(match["high"], name)
    if low > high:
        raise RequestError(f"{name}: {told[:60]!r} ends before it begins")
    if count == 1 and low != high:
        raise RequestError(f"{name}: one value cannot reach from {low:g} to {high:g}; ask for 2 or more, or name the value")
    spread = np.geomspace if spacing == "log" else np.linspace
    return [(float(value), factor) for value in spread(low, high, count)], spacing


def _spacing_of(text: str | None, name: str) -> str:
    """Return the spacing of a word; without one, "log"."""
    word = (text or "log").strip()
    if word not in SPACINGS:
        raise RequestError(f"{name}: no spacing {word[:20]!r}; write log or linear after the number of values")
    return word


def _count(text: str, name: str, example: str) -> int:
    plain = text.strip().replace(",", "").replace("_", "")
    if not plain.isdecimal() or not plain.isascii() or int(plain[:12]) < 1 or len(plain) > len(str(MOST_VALUES)):
        raise RequestError(
            f"{name}: {text.strip()[:20]!r} is no number of values from 1 to {MOST_VALUES:,}; write it last, as in {example}"
        )
    if int(plain) > MOST_VALUES:
        raise RequestError(f"{name}: {int(plain):,} values are more than {MOST_VALUES:,}")
    return int(plain)


def _list(told: str, name: str, example: str) -> list[tuple[float, float]]:
    parts = [_VALUE.fullmatch(part.strip()) for part in told.split(",")]
    if any(part is None for part in parts):
        raise RequestError(f"{name}: {told[:60]!r} is no list of numbers and a unit; write {example} for a range")
    last = next((part["unit"] for part in reversed(parts) if part and part["unit"]), "")
    numbers = [(_number(part["value"], name), _factor(part["unit"] or last, name, example)) for part in parts if part]
    if CHIP_FIGURES[name].whole and (broken := [value for value, each in numbers if not (value * each).is_integer()]):
        raise RequestError(f"{name}: {broken[0]:g} is no whole number")
    return numbers


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not 0 < value < np.inf:
        raise RequestError(f"{name}: {text[:30]!r} is no number above 0")
    return value


def _factor(unit: str, name: str, example: str) -> float:
    table = UNITS[CHIP_FIGURES[name].dimension]
    if CHIP_FIGURES[name].dimension == "count" and not unit:
        return 1.0
    if unit not in table:
        near = closest(unit, table) if unit else ""
        hint = f"did you mean {near}?" if near else f"write {example}"
        raise RequestError(f"{name}: {f'{unit[:20]!r} is no unit of it' if unit else 'its unit is missing'}; {hint}")
    return table[unit]


def _distinct(numbers: Iterable[tuple[float, float]], figure: Figure) -> tuple[float, ...]:
    """Return the values in SI units, each once, the least first; of what is counted whole numbers."""
    values = [float(f"{number:.{DIGITS}g}") * factor for number, factor in numbers]
    whole = [float(max(1, round(value))) for value in values] if figure.whole else values
    return tuple(sorted(set(whole)))
