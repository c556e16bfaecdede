"""Chips side by side as people read them: a table that goes on below where it is too wide, and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from engine.accelerator import Accelerator
from engine.units import significant

from ..comparison import Line
from .columns import UNKNOWN
from .layout import Paint, hung, markdown_table, plain

GAP: Final = "  "


def said(line: Line, index: int) -> str:
    """Return a chip's value of a figure as people read it; `~` stands before one that is assumed or modelled."""
    one = line.values[index]
    if one.value is None:
        return "-" if one.lacks else UNKNOWN
    if isinstance(one.value, str):
        return one.value
    number = significant(one.value / line.scale, 4) if line.unit else f"{one.value:g}"
    return f"~{number}" if one.doubtful else number


def beside(line: Line, index: int) -> str:
    """Return a value's ratio to the first chip's, or nothing where there is none."""
    ratio = line.ratio[index]
    if ratio is None:
        return ""
    return "1x" if ratio == 1 else f"{significant(ratio)}x"


def _numeric(line: Line) -> bool:
    return any(isinstance(one.value, float) for one in line.values)


def column(told: Sequence[Line], index: int) -> list[str]:
    """Return a chip's cells, all of one width: values on the right of theirs, then `*` at the best and the ratio, or a text."""
    values = [said(line, index) for line in told]
    ratios = [beside(line, index) for line in told]
    digits = max((len(value) for line, value in zip(told, values, strict=True) if _numeric(line)), default=0)
    room = max(map(len, ratios), default=0)
    cells = [
        f"{value:>{digits}}{'*' if index in line.winners else ' '} {ratio:>{room}}".rstrip() if _numeric(line) else value
        for line, value, ratio in zip(told, values, ratios, strict=True)
    ]
    width = max(map(len, cells), default=0)
    return [f"{cell:<{width}}" for cell in cells]


def as_table(chips: Sequence[Accelerator], told: Sequence[Line], width: int, paint: Paint = plain) -> str:
    """Return a comparison as text of at most `width` columns, where two chips fit: what has no room goes on below.

    The first chip, which ratios are beside, begins every part. Lines that are equal throughout are faint.
    """
    names = [f"{line.name:<{max(len(one.name) for one in told)}}{GAP}{line.unit}" for line in told]
    label = max(map(len, names), default=0)
    columns = [column(told, index) for index in range(len(chips))]
    widths = [max(len(chip.id), *map(len, cells)) for chip, cells in zip(chips, columns, strict=True)]
    parts = []
    for group in _groups(widths, width - label):
        heading = GAP.join([" " * label, *(f"{chips[index].id:<{widths[index]}}" for index in group)]).rstrip()
        lines = [paint(heading, "strong")]
        for row, line in enumerate(told):
            cells = [_painted(f"{columns[index][row]:<{widths[index]}}", line, index, paint) for index in group]
            lines.append(_shade(GAP.join([f"{names[row]:<{label}}", *cells]).rstrip(), line, paint))
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, "\n".join(paint(part, "faint") for part in hung(legend(chips, told), 0, width))]) + "\n"


def _painted(cell: str, line: Line, index: int, paint: Paint) -> str:
    return paint(cell, "good") if index in line.winners else cell


def _shade(text: str, line: Line, paint: Paint) -> str:
    return paint(text, "faint") if line.equal else text


def _groups(widths: Sequence[int], room: int) -> Iterator[list[int]]:
    """Yield the places of the chips that stand beside each other, the first one in every group."""
    group = [0]
    for index in range(1, len(widths)):
        if len(group) > 1 and sum(widths[one] + len(GAP) for one in [*group, index]) > room:
            yield group
            group = [0]
        group.append(index)
    yield group


def legend(chips: Sequence[Accelerator], told: Sequence[Line]) -> str:
    """Return what the marks of a comparison mean, those only that it has."""
    found = {
        "* best": any(line.winners for line in told),
        f"x beside {chips[0].id}": any(any(line.ratio) for line in told),
        "~ modelled or assumed": any(one.doubtful for line in told for one in line.values),
        f"{UNKNOWN} not published": any(one.value is None and not one.lacks for line in told for one in line.values),
        "- not a format of the chip": any(one.lacks for line in told for one in line.values),
    }
    return " · ".join(text for text, there in found.items() if there)


def as_markdown(chips: Sequence[Accelerator], told: Sequence[Line]) -> str:
    """Return a comparison as a Markdown table, the best in bold."""
    heading = ("figure", *(chip.id for chip in chips))
    rows = [(f"{line.name} [{line.unit}]" if line.unit else line.name, *_cells(line, len(chips))) for line in told]
    return "\n".join([*markdown_table([heading, *rows], [False, *[True] * len(chips)]), "", legend(chips, told)]) + "\n"


def _cells(line: Line, count: int) -> Iterator[str]:
    for index in range(count):
        value, ratio = said(line, index), beside(line, index)
        strong = f"**{value}**" if index in line.winners else value
        yield f"{strong} ({ratio})" if ratio else strong
