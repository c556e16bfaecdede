"""A closed form: a formula that travels with its unit, its source and the domain on which it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from .errors import DomainError
from .symbols import LATEX


@dataclass(frozen=True, kw_only=True)
class ClosedForm:
    """A named formula. `domain` lists conditions that must hold where it is evaluated."""

    name: str
    expression: sp.Expr
    unit: str
    source: str
    doc: str
    domain: tuple[sp.Rel, ...] = ()

    @property
    def symbols(self) -> tuple[sp.Symbol, ...]:
        """Return the symbols of the formula and its domain, by name."""
        found = set(self.expression.free_symbols).union(*(condition.free_symbols for condition in self.domain))
        return tuple(sorted(found, key=lambda symbol: str(symbol.name)))

    def at(self, values: Mapping[str, float]) -> float:
        """Return the value at a point, in `unit`.

        Raises DomainError when a condition of the domain does not hold there, or a symbol has no value.
        """
        missing = [symbol.name for symbol in self.symbols if symbol.name not in values]
        if missing:
            raise DomainError(f"{self.name} needs a value for {', '.join(missing)}")
        point = {symbol: _exact(values[symbol.name]) for symbol in self.symbols}
        for condition in self.domain:
            if condition.xreplace(point) != sp.true:
                raise DomainError(f"{self.name} holds only where {condition}; here {_point_text(point, condition)}")
        # Not subs: it takes one symbol after the other, and every Max between searches for what is larger.
        return float(self.expression.xreplace(point).evalf(17))

    def latex(self) -> str:
        """Return the formula as LaTeX."""
        return str(sp.latex(self.expression, symbol_names=LATEX))


def _exact(value: float) -> sp.Number:
    """Return a number for SymPy; a whole one as an integer, so that no ceiling is taken of a quotient's rounding."""
    return sp.Integer(int(value)) if float(value).is_integer() else sp.Float(value, 17)


def _point_text(point: Mapping[sp.Symbol, sp.Number], condition: sp.Rel) -> str:
    names = sorted(condition.free_symbols, key=lambda symbol: str(symbol.name))
    return ", ".join(f"{symbol.name} = {float(point[symbol]):.4g}" for symbol in names)


def maximum(*terms: sp.Expr) -> sp.Expr:
    """Return Max without SymPy's search for a simplification, which takes most of the time of large sums."""
    return sp.Max(*terms, evaluate=False)


def minimum(*terms: sp.Expr) -> sp.Expr:
    """Return Min without SymPy's search for a simplification."""
    return sp.Min(*terms, evaluate=False)
