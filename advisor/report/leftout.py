"""Faults of the user's files, and what an answer does without for them, in words and as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from engine.errors import Fault
    from engine.folders import LeftOut

FINDING: Final = ("rule", "severity", "file", "line", "column", "pointer", "found", "expected", "suggestion")
"""What the JSON contract has of a fault."""


def told(item: LeftOut) -> str:
    """Return which file is left out, and what stands in for what it would have defined."""
    instead = "".join(f", {name} is that of {where}" for name, where in item.instead.items())
    return f"{one_line(item.file)} is left out{instead}"


def left_out(item: LeftOut) -> dict[str, Any]:
    """Return what is left out as the JSON contract has it."""
    kept = {"file": item.file, "kind": item.kind, "ids": list(item.ids), "instead": dict(item.instead)}
    return kept | {"faults": [finding(fault) for fault in item.faults]}


def first(faults: Iterable[Fault]) -> str:
    """Return the first of some faults in a few words, and how many more there are."""
    told, *more = faults
    rest = f" and {counted(len(more), 'more fault')}" if more else ""
    return f"line {told.line}: {one_line(in_words(told))}{rest}"


def finding(fault: Fault) -> dict[str, Any]:
    """Return a fault as the JSON contract has it."""
    return {name: getattr(fault, name) for name in FINDING}


def in_words(fault: Fault) -> str:
    """Return the place of a fault inside its file, and what is wrong there."""
    return f"{fault.pointer or '/'}: {fault.message}"


def counted(number: int, what: str) -> str:
    """Return a number of things."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def one_line(value: str) -> str:
    """Return a text without what would break a line or steer a terminal."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in value)
