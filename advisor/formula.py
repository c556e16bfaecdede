"""A closed form at a point, written out: in words and in LaTeX, with symbols and with numbers, long ones part by part."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import sympy as sp
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from engine.closed_form import ClosedForm
from engine.symbols import LATEX, MEANING
from engine.units import factor, render, significant

_DIMENSIONS: Final = {
    "s": "time",
    "B": "size",
    "B/s": "bandwidth",
    "FLOP": "work",
    "FLOP/s": "rate",
    "J": "energy",
    "W": "power",
}
_SCALED: Final = {"Hz": ("frequency", "GHz"), "J/FLOP": ("flop_energy", "pJ/FLOP"), "J/B": ("byte_energy", "pJ/B")}
_UNITS: Final = {
    symbol.name: found[1] if (found := re.search(r"\[(.+)\]$", meaning)) else "1" for symbol, meaning in MEANING.items()
}
_LONG: Final = 25
"""A formula of more operations than this has its ceilings, maxima and minima named and told one by one."""
_WHOLE: Final = 1e9


def shown_quantity(value: float, unit: str, digits: int = 4) -> str:
    """Return a number with its unit, scaled for reading."""
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else "infinite"
    if unit in _DIMENSIONS:
        return render(value, _DIMENSIONS[unit], digits)
    if unit in _SCALED:
        return f"{significant(value / factor(*_SCALED[unit]), digits)} {_SCALED[unit][1]}"
    whole = float(value).is_integer() and abs(value) < _WHOLE
    number = f"{value:.0f}" if whole else significant(value, digits)
    return number if unit == "1" else f"{number} {unit}"


def result_text(value: float, unit: str) -> str:
    """Return what comes out of a step as people read it; infinity is "never"."""
    return "never" if math.isinf(value) else shown_quantity(value, unit)


class _Naming:
    """What both printers share: named parts, symbols as `show` has them, and what is subtracted last."""

    parts: Mapping[sp.Expr, str]
    show: Callable[[str], str]

    def _print(self, expression: Any, **kwargs: Any) -> str:
        name = self.parts.get(expression) if isinstance(expression, sp.Expr) else None
        return self.show(name) if name else str(super()._print(expression, **kwargs))  # type: ignore[misc]

    def _print_Symbol(self, symbol: sp.Symbol, **_: Any) -> str:  # noqa: N802 - SymPy names its hooks
        return self.show(str(symbol.name))

    def _as_ordered_terms(self, expression: sp.Expr, order: str | None = None) -> list[sp.Expr]:
        terms = super()._as_ordered_terms(expression, order)  # type: ignore[misc]
        return sorted(terms, key=lambda term: bool(term.could_extract_minus_sign()))


class _Words(_Naming, StrPrinter):  # type: ignore[misc]
    """Prints a formula as plain text, symbols and parts in brackets that `words` takes away."""

    def __init__(self, parts: Mapping[sp.Expr, str]) -> None:
        super().__init__()
        self.parts, self.show = parts, "⟦{}⟧".format

    def _print_Max(self, expression: sp.Expr) -> str:  # noqa: N802
        return f"max({', '.join(self._print(part) for part in expression.args)})"

    def _print_Min(self, expression: sp.Expr) -> str:  # noqa: N802
        return f"min({', '.join(self._print(part) for part in expression.args)})"

    def _print_ceiling(self, expression: sp.Expr) -> str:
        return f"ceil({self._print(expression.args[0])})"

    def _print_Piecewise(self, expression: sp.Piecewise) -> str:  # noqa: N802
        (value, condition), (otherwise, _) = expression.args
        return f"({self._print(value)} if {self._print(condition)} else {self._print(otherwise)})"


class Tex(_Naming, LatexPrinter):  # type: ignore[misc]
    """Prints a formula as LaTeX; between numbers it sets a dot."""

    def __init__(self, parts: Mapping[sp.Expr, str], show: Callable[[str], str], *, numbers: bool) -> None:
        super().__init__({"mul_symbol": "dot"} if numbers else {})
        self.parts, self.show, self.numbers = parts, show, numbers

    def parenthesize_super(self, text: str) -> str:
        """Return the base of a power; a number with a unit stands in parentheses."""
        return rf"\left({text}\right)" if self.numbers else str(super().parenthesize_super(text))


def words(expression: sp.Expr, parts: Mapping[sp.Expr, str], show: Callable[[str], str]) -> str:
    """Return a formula as plain text, its symbols and named parts as `show` has them."""
    spaced = re.sub(r"(?<=[\w)⟧])([*/])(?=[(\w⟦])", r" \1 ", str(_Words(parts).doprint(expression)))
    guarded = re.sub(r"⟦(\w+)⟧(?=\*\*)", lambda match: _guarded(show(match[1]), " "), spaced)
    guarded = re.sub(r"(?<=[*/] )⟦(\w+)⟧|⟦(\w+)⟧(?= [*/])", lambda match: _guarded(show(match[1] or match[2]), "/"), guarded)
    return re.sub(r"⟦(\w+)⟧", lambda match: show(match[1]), guarded)


def _guarded(text: str, mark: str) -> str:
    """Return a text in parentheses if it has a mark that a neighbouring sign could be read with."""
    return f"({text})" if mark in text else text


def escaped(text: str) -> str:
    """Return a text as LaTeX sets it within a paragraph."""
    plain = re.sub(r"([_%&#$])", r"\\\1", text).replace("<=", r"$\le$").replace(">=", r"$\ge$").replace("^", r"\^{}")
    return re.sub(r"`([^`]*)`", r"\\texttt{\1}", re.sub(r"[<>]", r"$\g<0>$", plain))


def tex_quantity(quantity: str) -> str:
    """Return a number with its unit as LaTeX sets it in a formula."""
    number, _, unit = quantity.partition(" ")
    if not number[:1].isdigit() and not number.startswith("-"):
        return rf"\text{{{quantity}}}"
    micro = re.sub(r"^u(?=[sJWB])", r"\\mu ", unit)
    return number.replace(",", "{,}") + (rf"\,\mathrm{{{micro}}}" if unit else "")


class Writing:
    """A closed form at a point in words and in LaTeX, the parts of a long one named x1, x2, ... and told one by one."""

    def __init__(self, form: ClosedForm, point: Mapping[str, float]) -> None:
        self.form, self.point = form, point
        self.parts = {node: f"x{number}" for number, node in enumerate(_parts(form.expression), start=1)}
        self.units = {name: self._unit(node) for node, name in self.parts.items()}
        self.values = {name: self._value(node, name) for node, name in self.parts.items()}

    def _unit(self, node: sp.Expr) -> str:
        """Return "1" for what counts or clips, else the unit of the whole."""
        counts = isinstance(node, (sp.ceiling, sp.floor)) or sp.Integer(1) in node.args
        return "1" if counts or {_UNITS[symbol.name] for symbol in node.free_symbols} == {"1"} else self.form.unit

    def _value(self, node: sp.Expr, name: str) -> float:
        if any(math.isnan(self.point[symbol.name]) for symbol in node.free_symbols):
            return math.nan
        return ClosedForm(name=name, expression=node, unit=self.units[name], source="", doc="").at(self.point)

    def quantity(self, name: str) -> str:
        """Return the value of a symbol or of a part."""
        part = name in self.values
        return shown_quantity(self.values[name] if part else self.point[name], self.units[name] if part else _UNITS[name])

    def _inner(self, node: sp.Expr) -> dict[sp.Expr, str]:
        return {part: name for part, name in self.parts.items() if part != node}

    def words(self) -> str:
        """Return the formula with the names of its symbols, then its parts."""
        parts = [f"{name} = {words(node, self._inner(node), str)}" for node, name in self.parts.items()]
        return "\n".join([words(self.form.expression, self.parts, str), *parts])

    def numbers(self) -> str:
        """Return the same with values."""
        parts = [
            f"{name} = {words(node, self._inner(node), self.quantity)} = {self.quantity(name)}"
            for node, name in self.parts.items()
        ]
        return "\n".join([words(self.form.expression, self.parts, self.quantity), *parts])

    def latex(self, result: str) -> str:
        """Return formula, numbers, result and parts as LaTeX."""
        whole = self.form.expression
        parts = [
            f"&{self._symbol(name)} = {self._tex(node)} = {self._tex_numbers(node)} = {self._tex_number(name)}"
            for node, name in self.parts.items()
        ]
        return aligned([f"&{self._tex(whole)}", f"&= {self._tex_numbers(whole)}", f"&= {tex_quantity(result)}", *parts])

    def _symbol(self, name: str) -> str:
        return f"x_{{{name[1:]}}}" if name in self.values else LATEX_OF[name]

    def _tex_number(self, name: str) -> str:
        return tex_quantity(self.quantity(name))

    def _tex(self, node: sp.Expr) -> str:
        return str(Tex(self._inner(node), self._symbol, numbers=False).doprint(node))

    def _tex_numbers(self, node: sp.Expr) -> str:
        return str(Tex(self._inner(node), self._tex_number, numbers=True).doprint(node))


LATEX_OF: Final = {symbol.name: text for symbol, text in LATEX.items()}


def _parts(expression: sp.Expr) -> list[sp.Expr]:
    """Return the ceilings, maxima and minima inside a long formula, the inner ones first."""
    if expression.count_ops() <= _LONG:
        return []
    named = (sp.ceiling, sp.floor, sp.Max, sp.Min, sp.Piecewise)
    nodes = dict.fromkeys(sp.postorder_traversal(expression))
    return [node for node in nodes if isinstance(node, named) and node != expression]


def aligned(lines: Sequence[str]) -> str:
    """Return lines of LaTeX in an `aligned` environment."""
    body = " \\\\\n".join(f"  {line}" for line in lines)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"
