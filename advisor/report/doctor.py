"""What `advise doctor` found, as lines of text or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from textwrap import wrap
from typing import Any, Final

from ..doctor import Line, counted
from .layout import LABEL, Paint, plain

WIDTH: Final = 100
NAME: Final = 20
"""Columns of the name of what was looked at."""
_STYLES: Final = {"note": "strong", "finding": "bad"}


def text(lines: Sequence[Line], version: str, width: int, paint: Paint = plain) -> str:
    """Return a headline that says whether all is well, and the lines by section, each note with its remedy below it."""
    told = [_headline(lines, version, paint)]
    for section, inside in groupby(lines, key=lambda line: line.section):
        parts = [part for line in inside for part in _told(line, width, paint)]
        told += ["", f"{section.capitalize():<{LABEL}}{parts[0]}", *(" " * LABEL + part for part in parts[1:])]
    return "\n".join(line.rstrip() for line in told) + "\n"


def _headline(lines: Sequence[Line], version: str, paint: Paint) -> str:
    findings, notes = (sum(line.state == state for line in lines) for state in ("finding", "note"))
    verdict = counted(findings, "finding") if findings else "all is well"
    noted = f" · {counted(notes, 'note')}" if notes else ""
    return f"Roofwise {version} · {paint(verdict, 'bad' if findings else 'good')}{noted}"


def _told(line: Line, width: int, paint: Paint) -> list[str]:
    """Return a line and, below it, its remedy; paths and commands are never broken, so that they can be copied."""
    head, *rest = _wrapped(line.value, width - LABEL - NAME)
    head = head if line.state == "well" else paint(head, _STYLES[line.state])
    remedy = [f"-> {line.remedy}"] if line.remedy else []
    return [f"{line.name:<{NAME}}{head}", *(" " * NAME + part for part in (*rest, *remedy))]


def _wrapped(text_: str, width: int) -> list[str]:
    return wrap(text_, width, break_long_words=False, break_on_hyphens=False) or [""]


def as_json(lines: Sequence[Line], version: str) -> dict[str, Any]:
    """Return the same as an object."""
    well = all(line.state != "finding" for line in lines)
    return {"roofwise": version, "well": well, "lines": [asdict(line) for line in lines]}
