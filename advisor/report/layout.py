"""Lines and tables of plain text, coloured where the terminal wants colour."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Final

LABEL: Final = 14
NARROW: Final = 8
"""A column of fewer characters is not wrapped."""
Paint = Callable[[str, str], str]
"""Colours a text with a style: "good", "bad", "strong", "faint"."""


def plain(text: str, style: str) -> str:
    """Return the text as it is."""
    del style
    return text


def labelled(label: str, text: str, width: int) -> list[str]:
    """Return a text wrapped to `width` columns, its first line after a label; only a word longer than a line is broken."""
    lines = textwrap.wrap(text, width - LABEL, break_on_hyphens=False) or [""]
    return [f"{label:<{LABEL}}{lines[0]}", *(" " * LABEL + line for line in lines[1:])]


def block(label: str, items: Iterable[str], width: int, hang: int = 0) -> list[str]:
    """Return items below each other, the first after a label; long ones wrap, indented by `hang`."""
    lines = []
    for item in items:
        wrapped = textwrap.wrap(item, width - LABEL, subsequent_indent=" " * hang, break_long_words=False) or [""]
        lines += wrapped
    return [f"{label if index == 0 else '':<{LABEL}}{line}" for index, line in enumerate(lines)]


def table(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """Return rows as aligned columns; the first row is the heading.

    >>> table([("chip", "ms"), ("L4", "4.8")], (False, True))
    ['chip   ms', 'L4    4.8']
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(_cell(text, width, at_right) for text, width, at_right in zip(row, widths, right, strict=True)).rstrip()
        for row in rows
    ]


def fitted(rows: Sequence[Sequence[str]], right: Sequence[bool], width: int, keys: int | None = None) -> list[str]:
    """Return rows as aligned columns within `width`, in several tables where one is too wide.

    The first `keys` columns, which say what a row is about, stand in each of them: without a number, those at the left.

    >>> fitted([("chip", "ms", "mJ"), ("L4", "4.8", "55")], (False, True, True), 10)
    ['chip   ms', 'L4    4.8', '', 'chip  mJ', 'L4    55']
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(right))]
    if keys is None:
        keys = next((column for column, at_right in enumerate(right) if at_right), len(right))
    room = width - sum(widths[:keys]) - 2 * keys + 2
    groups: list[list[int]] = [[]]
    for column in range(keys, len(right)):
        if groups[-1] and sum(widths[each] + 2 for each in [*groups[-1], column]) > room:
            groups.append([])
        groups[-1].append(column)
    lines: list[str] = []
    for group in groups:
        chosen = [*range(keys), *group]
        lines += [
            *([""] if lines else []),
            *table([[row[each] for each in chosen] for row in rows], [right[each] for each in chosen]),
        ]
    return lines


def hung(line: str, start: int, width: int) -> list[str]:
    """Return a line of a table whose last column starts at `start`, that column wrapped to `width` columns, or the line cut.

    >>> hung("L4   4.8  slower and dearer", 10, 18)
    ['L4   4.8  slower', '          and', '          dearer']
    """
    room = width - start
    if len(line) <= width:
        return [line]
    if room < NARROW:
        return [line[: width - 1] + "…"]
    head, *rest = textwrap.wrap(line[start:], room)
    return [line[:start] + head, *(" " * start + text for text in rest)]


def _cell(text: str, width: int, at_right: bool) -> str:
    return text.rjust(width) if at_right else text.ljust(width)


def markdown_table(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """Return rows as a Markdown table; the first row is the heading."""
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    rule = ["---:" if at_right else "---" for at_right in right]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *body)]
