"""The steps of a derivation: each a formula, the same with numbers, and what comes out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from engine.closed_form import ClosedForm
from engine.codegen import FORMS as ALL_FORMS
from engine.errors import DomainError

from .formula import LATEX_OF, Tex, Writing, aligned, escaped, result_text, tex_quantity, words

FORMS: Final[dict[str, ClosedForm]] = {form.name: form for form in ALL_FORMS}
OURS: Final = "this project, docs/model.md"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: a formula, the same with numbers, and what comes out.

    `value` is NaN where something that nobody publishes is needed, and infinity for "never". In `text` and `substituted` the
    first line is the formula; the others are its named parts, if it has any. `latex` is all of the step.
    """

    title: str
    form: str
    latex: str
    text: str
    substituted: str
    value: float
    unit: str
    source: str
    why: str

    @property
    def result(self) -> str:
        """Return the value as people read it."""
        return result_text(self.value, self.unit)


def formula(title: str, name: str, values: Mapping[str, float], why: str) -> Step:
    """Return the step of a closed form at a point; where it does not hold, or lacks a value, the step says so."""
    form = FORMS[name]
    point = {symbol.name: float(values[symbol.name]) for symbol in form.symbols}
    writing = Writing(form, point)
    value = math.nan
    if unknown := [key for key, number in point.items() if math.isnan(number)]:
        why = f"{why}; {' and '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} unknown"
    else:
        try:
            value = form.at(point)
        except DomainError:
            value, why = math.inf, f"never, because {_violated(form, point)}"
    return Step(
        title=title, form=name, latex=writing.latex(result_text(value, form.unit)), text=writing.words(),
        substituted=writing.numbers(), value=value, unit=form.unit, source=form.source, why=why,
    )  # fmt: skip


def _violated(form: ClosedForm, point: Mapping[str, float]) -> str:
    """Return the conditions of a form that do not hold at a point, with numbers."""
    number = Writing(form, point).quantity
    broken = [condition.negated for condition in form.domain]
    return " and ".join(f"{words(one, {}, str)}: {words(one, {}, number)}" for one in broken)


def told(
    title: str, text: str, value: float, unit: str, why: str, *, numbers: str = "", form: str = "", latex: str = ""
) -> Step:
    """Return a step told in words: a sum over kernels, or what is read off the curve."""
    lines = [f"&{latex or _tex_text(text)}", *([f"&= {_tex_text(numbers)}"] if numbers else [])]
    return Step(
        title=title, form=form, latex=aligned([*lines, f"&= {tex_quantity(result_text(value, unit))}"]), text=text,
        substituted=numbers, value=float(value), unit=unit, source=OURS, why=why,
    )  # fmt: skip


def _tex_text(text: str) -> str:
    return rf"\text{{{escaped(text)}}}"


def summed(title: str, name: str, value: float, why: str, *, numbers: str = "", scale: float = 1.0) -> Step:
    """Return the step of a closed form summed over all kernels of the network."""
    form = FORMS[name]
    symbolic = Tex({}, LATEX_OF.__getitem__, numbers=False).doprint(form.expression)
    latex = rf"\sum_{{\mathrm{{kernels}}}} \left({symbolic}\right)"
    text = f"sum over kernels of ({words(form.expression, {}, str)})"
    if scale != 1:
        text, latex = f"{scale:g} * {text}", rf"{scale:g} \cdot {latex}"
    step = told(title, text, value, form.unit, why, numbers=numbers, form=name, latex=latex)
    return replace(step, source=form.source)
