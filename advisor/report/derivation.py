"""A derivation as text, Markdown, LaTeX and JSON."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import sympy as sp

from engine.symbols import LATEX, MEANING

from ..formula import escaped
from ..step import FORMS, OURS, Step

_WIDTH: Final = 100
_FOOTNOTE: Final = "Where no source stands in brackets, the form is this project's own: docs/model.md."
_INDENT: Final = "      "


def as_text(steps: Sequence[Step], width: int = _WIDTH) -> str:
    """Return the derivation as text of `width` columns: formula, numbers and result of each step; then the symbols."""
    blocks = [_step_text(number, step, width) for number, step in enumerate(steps, start=1)]
    used = _symbols_of(steps)
    longest = max((len(symbol.name) for symbol in used), default=0)
    table = [line for s in used for line in _wrapped(MEANING[s], f"  {s.name:<{longest}}  ", width)]
    return "\n\n".join([*blocks, "\n".join(_wrapped(_FOOTNOTE, "", width)), "\n".join(["Symbols", *table])]) + "\n"


def _step_text(number: int, step: Step, width: int) -> str:
    formula, *parts = step.text.split("\n")
    numbers, *told = step.substituted.split("\n")
    lines = _wrapped(f"{step.title} = {step.result}", f"{number:>2}  ", width) + _wrapped(formula, _INDENT, width)
    lines += _wrapped(f"= {numbers}", "    ", width) if numbers else []
    for part, values in zip(parts, told, strict=True):
        lines += _wrapped(part + values.removeprefix(part.partition(" ")[0]), f"{_INDENT}  ", width)
    return "\n".join([*lines, *_wrapped(_reason(step), _INDENT, width)])


def _reason(step: Step) -> str:
    return step.why if step.source == OURS else f"{step.why} [{step.source}]"


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    """Return a text in lines; a number stays with its unit."""
    joined = re.sub(r"(?<=\d) (?=[kMGTPmunp]?(?:s|B|J|W|Hz|FLOP)\b)", "\N{NO-BREAK SPACE}", text)
    hanging = " " * max(len(indent), len(_INDENT))
    lines = textwrap.wrap(joined, width, initial_indent=indent, subsequent_indent=hanging, break_on_hyphens=False)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _symbols_of(steps: Sequence[Step]) -> list[sp.Symbol]:
    found = {symbol for step in steps if step.form for symbol in FORMS[step.form].symbols}
    return sorted(found, key=lambda symbol: str(symbol.name))


def as_markdown(steps: Sequence[Step]) -> str:
    """Return the derivation as Markdown with formulas in LaTeX."""
    parts = [
        f"**{number}. {step.title} = {step.result}**\n\n{_reason(step)}\n\n$$\n{step.latex}\n$$"
        for number, step in enumerate(steps, start=1)
    ]
    table = [f"- ${LATEX[symbol]}$ (`{symbol.name}`): {MEANING[symbol]}" for symbol in _symbols_of(steps)]
    return "\n\n".join([*parts, _FOOTNOTE, "\n".join(table)]) + "\n"


def as_latex(steps: Sequence[Step]) -> str:
    r"""Return the derivation as LaTeX to \input: a paragraph for each step, then the symbols; it needs amsmath."""
    parts = [
        f"\\paragraph{{{number}. {escaped(step.title)}.}} {escaped(_reason(step))}\n\\[\n{step.latex}\n\\]"
        for number, step in enumerate(steps, start=1)
    ]
    items = [f"  \\item ${LATEX[s]}$ (\\texttt{{{escaped(str(s.name))}}}): {escaped(MEANING[s])}" for s in _symbols_of(steps)]
    return "\n\n".join([*parts, _FOOTNOTE, "\n".join(["\\begin{itemize}", *items, "\\end{itemize}"])]) + "\n"


def as_json(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return the steps as plain objects; a value that is unknown or infinite is null, and its result says which."""
    return [
        asdict(step) | {"value": step.value if math.isfinite(step.value) else None, "result": step.result} for step in steps
    ]
