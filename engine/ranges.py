"""What an expression may be where its facts lie between bounds: interval arithmetic over the grammar of specs.

The bounds are sound, never tight: where a name occurs twice, it may stand for two values of its range. They say which batches
need not be looked at one by one.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Range:
    """Values between `low` and `high`; `known` where there may be any, `unknown` where the value may be unknown.

    A truth is 0, 1, or between.
    """

    low: Any
    high: Any
    known: Any = True
    unknown: Any = False

    @classmethod
    def of(cls, low: Any, high: Any) -> Range:
        """Return the range between two values; NaN at both ends is unknown."""
        known = ~(np.isnan(low) | np.isnan(high))
        return cls(np.where(known, low, 0.0), np.where(known, high, 0.0), known, ~known)

    @property
    def may_be_false(self) -> Any:
        """Return where the value may be 0."""
        return self.known & (self.low <= 0) & (self.high >= 0)

    @property
    def may_be_true(self) -> Any:
        """Return where the value may be other than 0."""
        return self.known & ((self.low != 0) | (self.high != 0))


Bounds = tuple[Any, Any, Any]
"""Low, high, and where the value may not be a number, which the grammar takes for unknown."""


def _corners(function: Callable[[Any, Any], Any]) -> Callable[[Range, Range], Bounds]:
    """Return the bounds of a function of two values that is monotone in each."""

    def bounds(a: Range, b: Range) -> Bounds:
        found = np.broadcast_arrays(*(function(one, other) for one in (a.low, a.high) for other in (b.low, b.high)))
        wild = np.isnan(found).any(axis=0)
        low, high = np.minimum.reduce(found), np.maximum.reduce(found)
        return np.where(wild, -np.inf, low), np.where(wild, np.inf, high), wild

    return bounds


def _quotient(function: Callable[[Any, Any], Any]) -> Callable[[Range, Range], Bounds]:
    """Return the bounds of a quotient, which are infinite where the divisor may be 0."""
    corners = _corners(function)

    def bounds(a: Range, b: Range) -> Bounds:
        low, high, wild = corners(a, b)
        wild = wild | ((b.low <= 0) & (b.high >= 0))
        return np.where(wild, -np.inf, low), np.where(wild, np.inf, high), wild

    return bounds


def _remainder(a: Range, b: Range) -> Bounds:
    exact = np.mod(a.low, b.low)
    wild = (a.low != a.high) | (b.low != b.high) | np.isnan(exact)
    return np.where(wild, -np.inf, exact), np.where(wild, np.inf, exact), wild


def _power(a: Range, b: Range) -> Bounds:
    """Return the bounds of a power; the grammar lets exponents be numbers from 0 only."""
    low, high, wild = _corners(np.power)(a, b)
    across = (a.low < 0) & (a.high > 0)
    return np.where(across, np.minimum(low, 0.0), low), high, wild


def _ordered(function: Callable[[Any, Any], Any]) -> Callable[[Range, Range], Bounds]:
    return lambda a, b: (function(a.low, b.low), function(a.high, b.high), False)


def _compared(sure: Callable[[Range, Range], Any], never: Callable[[Range, Range], Any]) -> Callable[[Range, Range], Bounds]:
    """Return the bounds of a comparison, given where it surely holds and where it never does."""
    return lambda a, b: (np.where(sure(a, b), 1.0, 0.0), np.where(never(a, b), 0.0, 1.0), False)


def _same(a: Range, b: Range) -> Any:
    return (a.low == a.high) & (b.low == b.high) & (a.low == b.low)


def _apart(a: Range, b: Range) -> Any:
    return (a.high < b.low) | (a.low > b.high)


def _log2(a: Range) -> Bounds:
    wild = a.low <= 0
    return np.where(wild, -np.inf, np.log2(a.low)), np.where(a.high > 0, np.log2(a.high), np.inf), wild


_TWO: Final[dict[Any, Callable[[Range, Range], Bounds]]] = {
    operator.add: _corners(np.add),
    operator.sub: _corners(np.subtract),
    operator.mul: _corners(np.multiply),
    operator.truediv: _quotient(np.divide),
    operator.floordiv: _quotient(np.floor_divide),
    operator.mod: _remainder,
    operator.pow: _power,
    min: _ordered(np.minimum),
    max: _ordered(np.maximum),
    operator.lt: _compared(lambda a, b: a.high < b.low, lambda a, b: a.low >= b.high),
    operator.le: _compared(lambda a, b: a.high <= b.low, lambda a, b: a.low > b.high),
    operator.gt: _compared(lambda a, b: a.low > b.high, lambda a, b: a.high <= b.low),
    operator.ge: _compared(lambda a, b: a.low >= b.high, lambda a, b: a.high < b.low),
    operator.eq: _compared(_same, _apart),
    operator.ne: _compared(_apart, _same),
}
_ONE: Final[dict[Any, Callable[[Range], Bounds]]] = {
    math.ceil: lambda a: (np.ceil(a.low), np.ceil(a.high), False),
    math.floor: lambda a: (np.floor(a.low), np.floor(a.high), False),
    math.log2: _log2,
    operator.pos: lambda a: (a.low, a.high, False),
    operator.neg: lambda a: (-a.high, -a.low, False),
}
"""Functions and operators as the grammar has them for single values."""


def apply(function: Any, *operands: Range) -> Range:
    """Return the range of a function of the grammar over ranges; it is unknown where an operand is."""
    first, *rest = operands
    if not rest:
        low, high, wild = _ONE[function](first)
        return Range(low, high, first.known, first.unknown | wild)
    for other in rest:
        low, high, wild = _TWO[function](first, other)
        first = Range(low, high, first.known & other.known, first.unknown | other.unknown | wild)
    return first


def connect(parts: Sequence[Range], deciding: bool) -> Range:
    """Return the range of Kleene's or (`deciding` True) or and (`deciding` False)."""
    decided, other = ("may_be_true", "may_be_false") if deciding else ("may_be_false", "may_be_true")
    may_decide = _any([getattr(part, decided) for part in parts])
    may_pass = _all([getattr(part, other) for part in parts])
    may_lack = _any([part.unknown for part in parts]) & _all([getattr(part, other) | part.unknown for part in parts])
    true, false = (may_decide, may_pass) if deciding else (may_pass, may_decide)
    return Range(np.where(false, 0.0, 1.0), np.where(true, 1.0, 0.0), true | false, may_lack)


def negate(part: Range) -> Range:
    """Return the range of a negation."""
    true, false = part.may_be_true, part.may_be_false
    return Range(np.where(true, 0.0, 1.0), np.where(false, 1.0, 0.0), part.known, part.unknown)


def _any(flags: Sequence[Any]) -> Any:
    return np.logical_or.reduce(np.broadcast_arrays(*flags))


def _all(flags: Sequence[Any]) -> Any:
    return np.logical_and.reduce(np.broadcast_arrays(*flags))
