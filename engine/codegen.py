"""Prints `engine/_compiled.py` and `engine/_compiled.js` from the symbolic forms: `python -m engine.codegen --write`.

SymPy is the source of truth and numpy does the arithmetic, so that `advise` starts without importing SymPy; JavaScript does it
in a report that a browser recomputes. A test prints both again and compares them with what is checked in.
"""

from __future__ import annotations

import sys
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
    return _HEADER + "".join(f"\n\n{function_text(form)}\n" for form in FORMS)


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        Path(__file__).with_name("_compiled.py").write_text(module_text(), encoding="utf-8")
        Path(__file__).with_name("_compiled.js").write_text(javascript_text(), encoding="utf-8")
    else:
        sys.stdout.write(module_text())
