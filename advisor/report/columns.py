"""Tables whose columns are declared: what a column is called, its unit, and which ones a terminal has room for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.units import significant

from .layout import Paint, hung, markdown_table, plain, table

UNKNOWN: Final = "?"
"""A value that nobody publishes, in a table."""
ALWAYS: Final = 0
"""Rank of a column that every table has."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its key in rows, the word that sorts by it, its heading, and the unit that people read it in.

    `scale` is how many base units one such unit is. Text shows columns of low rank first and those of rank None never.
    The last column wraps where it does not fit, down to `wraps` characters if that is above 0. `say` makes a cell of a row.
    """

    key: str
    word: str
    heading: str = ""
    unit: str = ""
    scale: float = 1.0
    rank: int | None = ALWAYS
    right: bool = False
    digits: int = 3
    wraps: int = 0
    plain: bool = False
    absent: str = UNKNOWN
    say: Callable[[Mapping[str, Any]], str] | None = None

    @property
    def title(self) -> str:
        """Return what stands above the column, without its unit."""
        return self.heading or self.word

    def cell(self, row: Mapping[str, Any]) -> str:
        """Return the value of a row as people read it; a `plain` number has no thousands separator."""
        value = self.say(row) if self.say else row.get(self.key)
        match value:
            case None:
                return self.absent
            case bool():
                return "yes" if value else "no"
            case dict():
                return ", ".join(f"{name} {_flat(part)}" for name, part in value.items()) or "-"
            case list() | tuple():
                return " ".join(map(str, value)) or "-"
            case int() | float():
                return f"{value:g}" if self.plain else significant(value / self.scale, self.digits)
            case _:
                return str(value)


def _flat(value: Any) -> str:
    return " x ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def fitting(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], width: int) -> list[Column]:
    """Return the columns that a table of `width` has room for: those of lowest rank, in their order."""
    chosen: list[Column] = []
    room = width
    for column in sorted((c for c in columns if c.rank is not None), key=lambda c: c.rank or ALWAYS):
        longest = max([len(column.title), len(column.unit), *(len(column.cell(row)) for row in rows)])
        needed = (min(longest, column.wraps) if column.wraps else longest) + (2 if chosen else 0)
        if column.rank == ALWAYS or needed <= room:
            chosen.append(column)
            room -= needed
    return [column for column in columns if column in chosen]


def as_text(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], width: int, paint: Paint = plain) -> list[str]:
    """Return rows as an aligned table of at most `width` columns, names above units; what has no room is named below."""
    shown = fitting(columns, rows, width)
    right = [column.right for column in shown]
    units = [tuple(column.unit for column in shown)] if any(column.unit for column in shown) else []
    heading = [tuple(column.title for column in shown), *units]
    body = [tuple(column.cell(row) for column in shown) for row in rows]
    lines = table([*heading, *body], right)
    if shown[-1].wraps:
        start = 2 + max(map(len, table([row[:-1] for row in [*heading, *body]], right[:-1])))
        lines = [part for line in lines for part in hung(line, start, width)]
    left = [column.title for column in columns if column.rank is not None and column not in shown]
    more = [f"no room for {', '.join(left)}: --format md, csv and json have all columns"] if left else []
    unknown = [f"{UNKNOWN} not published"] if any(UNKNOWN in row for row in body) else []
    notes = [paint(line, "faint") for note in [*unknown, *more] for line in hung(note, 0, width)]
    return [*(paint(line, "faint") for line in lines[: len(heading)]), *lines[len(heading) :], *([""] if notes else []), *notes]


def as_markdown(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return rows as a Markdown table with every column, its unit in the heading."""
    heading = tuple(f"{c.title} [{c.unit}]" if c.unit else c.title for c in columns)
    body = [tuple(column.cell(row) for column in columns) for row in rows]
    return markdown_table([heading, *body], [column.right for column in columns])
