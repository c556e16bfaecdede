"""Prints `engine/_compiled.py` and `engine/_compiled.js` from the symbolic forms: `python -m engine.codegen --write`.

SymPy is the source of truth and numpy does the arithmetic, so that `advise` starts without importing SymPy; JavaScript does it
in a report that a browser recomputes. A test prints both again and compares them with what is checked in.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import sympy as sp
from sympy.printing.jscode import JavascriptCodePrinter
from sympy.printing.pycode import PythonCodePrinter

from . import cache, energy, kernels, quantization, roofline
from .closed_form import ClosedForm

FORMS: Final[tuple[ClosedForm, ...]] = (
    *roofline.FORMS,
    *kernels.FORMS,
    *cache.FORMS,
    *energy.FORMS,
    *quantization.FORMS,
)

STAGED: Final[dict[str, tuple[str, ...]]] = {
    "tiled_s": ("groups", "rows"),
    "whole_tile_s": ("groups", "rows"),
}
"""Form that is evaluated for many batches -> its symbols that change with the batch; the rest is worked out once."""

_HEADER: Final = '''"""The closed forms as numpy code, printed by `python -m engine.codegen`; edit the symbols instead."""

from typing import Any

import numpy as np
'''


_JAVASCRIPT_HEADER: Final = (
    "// The closed forms as JavaScript, printed by `python -m engine.codegen`; edit the symbols instead.\n"
)


class _NumpyPrinter(PythonCodePrinter):  # type: ignore[misc]
    """Prints expressions that broadcast: nested two-argument maxima instead of numpy.amax over a stack."""

    def _nested(self, function: str, expression: sp.Expr) -> str:
        first, *rest = [self._print(argument) for argument in expression.args]
        for argument in rest:
            first = f"{function}({first}, {argument})"
        return str(first)

    def _print_Max(self, expression: sp.Expr) -> str:  # noqa: N802 - SymPy names its hooks
        return self._nested("np.maximum", expression)

    def _print_Min(self, expression: sp.Expr) -> str:  # noqa: N802
        return self._nested("np.minimum", expression)

    def _print_ceiling(self, expression: sp.Expr) -> str:
        return f"np.ceil({self._print(expression.args[0])})"

    def _print_floor(self, expression: sp.Expr) -> str:
        return f"np.floor({self._print(expression.args[0])})"

    def _print_Rational(self, expression: sp.Rational) -> str:  # noqa: N802
        return f"{expression.p}.0 / {expression.q}.0" if expression.q != 1 else f"{expression.p}.0"

    def _print_Integer(self, expression: sp.Integer) -> str:  # noqa: N802
        return f"{expression.p}.0"

    def _print_Piecewise(self, expression: sp.Piecewise) -> str:  # noqa: N802
        (value, condition), (otherwise, _) = expression.args
        return f"np.where({self._print(condition)}, {self._print(value)}, {self._print(otherwise)})"


class _JavascriptPrinter(JavascriptCodePrinter):  # type: ignore[misc]
    """Prints rationals as quotients of floats, as numpy has them, and a choice as a conditional expression."""

    def _print_Rational(self, expression: sp.Rational) -> str:  # noqa: N802 - SymPy names its hooks
        return f"{expression.p}/{expression.q}"

    def _print_Piecewise(self, expression: sp.Piecewise) -> str:  # noqa: N802
        (value, condition), (otherwise, _) = expression.args
        return f"({self._print(condition)} ? {self._print(value)} : {self._print(otherwise)})"


def function_text(form: ClosedForm) -> str:
    """Return a form as the text of a Python function of its symbols, shared subexpressions named once."""
    printer = _NumpyPrinter({"fully_qualified_modules": False})
    shared, (result,) = sp.cse(form.expression, order="canonical")
    names = sorted(symbol.name for symbol in form.expression.free_symbols)
    lines = [f"    {name} = {printer.doprint(value)}" for name, value in shared]
    return "\n".join(
        [
            f"def {form.name}(*, {', '.join(f'{name}: Any' for name in names)}) -> Any:",
            f'    """{form.doc} [{form.unit}]"""',
            *lines,
            f"    return {printer.doprint(result)}",
        ]
    )


def staged_text(form: ClosedForm, late: Sequence[str]) -> str:
    """Return a form as the text of two functions: what is free of the late symbols, and the form of that and of those."""
    printer = _NumpyPrinter({"fully_qualified_modules": False})
    counted = frozenset(rounded.args[0] for rounded in form.expression.atoms(sp.ceiling, sp.floor))
    stages = _Stages(tuple(symbol for symbol in form.symbols if symbol.name in late), counted)
    rest = stages.rest(form.expression)
    early = sorted({str(symbol.name) for part in stages.parts for symbol in part.free_symbols})
    shared, parts = sp.cse(list(stages.parts), symbols=sp.numbered_symbols("y"), order="canonical")
    inner, (result,) = sp.cse(rest, order="canonical")
    return "\n".join(
        [
            f"def {form.name}_early(*, {', '.join(f'{name}: Any' for name in early)}) -> tuple[Any, ...]:",
            f'    """What does not change with {" and ".join(late)}, for `{form.name}_late`."""',
            *(f"    {name} = {printer.doprint(value)}" for name, value in shared),
            f"    return ({', '.join(printer.doprint(part) for part in parts)},)",
            "",
            "",
            f"def {form.name}_late(early: tuple[Any, ...], *, {', '.join(f'{name}: Any' for name in late)}) -> Any:",
            f'    """{form.doc} [{form.unit}]"""',
            f"    {', '.join(str(name) for name in stages.parts.values())}, = early",
            *(f"    {name} = {printer.doprint(value)}" for name, value in inner),
            f"    return {printer.doprint(result)}",
        ]
    )


@dataclass
class _Stages:
    """Takes the largest parts out of an expression that are free of the late symbols, each under a name.

    In what is `counted`, the arguments of ceilings and floors, divisors stay divisors: a product with a rounded reciprocal may
    pass a whole number.
    """

    late: tuple[sp.Symbol, ...]
    counted: frozenset[sp.Expr]
    parts: dict[sp.Expr, sp.Symbol] = field(default_factory=dict)

    def rest(self, expression: sp.Expr, *, exact: bool = False) -> sp.Expr:
        """Return the expression with names for the parts that were taken out; `exact` where it is counted in wholes."""
        if not self._late(expression):
            return self._named(expression)
        if not expression.args:
            return expression
        exact |= expression in self.counted
        if not isinstance(expression, (sp.Add, sp.Mul)):
            return expression.func(*(self.rest(part, exact=exact) for part in expression.args), evaluate=False)
        early = [part for part in expression.args if not self._late(part)]
        late = [part for part in expression.args if self._late(part)]
        if early and not exact and isinstance(expression, sp.Mul) and len(late) == 1 and late[0].is_Add:
            return self.rest(sp.Add(*(sp.Mul(*early, part) for part in late[0].args)))
        under = [part for part in early if exact and expression.is_Mul and part.as_base_exp()[1].is_negative]
        over = [part for part in early if part not in under]
        named = [self._named(expression.func(*over))] if over else []
        named += [sp.Pow(self._named(1 / sp.Mul(*under)), -1, evaluate=False)] if under else []
        return expression.func(*named, *(self.rest(part, exact=exact) for part in late), evaluate=False)

    def _late(self, expression: sp.Expr) -> bool:
        return bool(expression.has_free(*self.late))

    def _named(self, part: sp.Expr) -> sp.Expr:
        if part.is_Number:
            return part
        return self.parts.setdefault(part, sp.Symbol(f"z{len(self.parts)}", real=True))


def javascript_function(form: ClosedForm) -> str:
    """Return a form as the text of a JavaScript function of an object with its symbols."""
    printer = _JavascriptPrinter()
    shared, (result,) = sp.cse(form.expression, order="canonical")
    names = sorted(symbol.name for symbol in form.expression.free_symbols)
    lines = [f"    const {name} = {printer.doprint(value)};" for name, value in shared]
    head = f"  // {form.doc} [{form.unit}]\n  {form.name}({{ {', '.join(names)} }}) {{"
    return "\n".join([head, *lines, f"    return {printer.doprint(result)};", "  },"])


def javascript_text() -> str:
    """Return the whole text of `engine/_compiled.js`: one object with a function for each form."""
    body = "\n".join(javascript_function(form) for form in FORMS)
    return f"{_JAVASCRIPT_HEADER}const forms = {{\n{body}\n}};\n"


def module_text() -> str:
    """Return the whole text of `engine/_compiled.py`."""
    staged = [staged_text(form, STAGED[form.name]) for form in FORMS if form.name in STAGED]
    return _HEADER + "".join(f"\n\n{text}\n" for text in [*map(function_text, FORMS), *staged])


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        Path(__file__).with_name("_compiled.py").write_text(module_text(), encoding="utf-8")
        Path(__file__).with_name("_compiled.js").write_text(javascript_text(), encoding="utf-8")
    else:
        sys.stdout.write(module_text())
