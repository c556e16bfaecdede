"""A report as data: sections of paragraphs and tables, printed as text or as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .layout import Paint, fitted, markdown_table, plain

BULLET: Final = "- "


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table: its heading, rows of as many cells, and which columns stand at the right."""

    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section: a key that is stable, a title, paragraphs, a table, and points below it."""

    key: str
    title: str
    text: tuple[str, ...] = ()
    table: Table | None = None
    points: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Document:
    """A report with a title, what it is about, and its sections."""

    title: str
    about: tuple[str, ...]
    sections: tuple[Section, ...]


def text(document: Document, width: int, paint: Paint = plain) -> str:
    """Return a report as plain text; paragraphs wrap to `width` columns, wide tables are split."""
    title = [paint(line, "strong") for line in textwrap.wrap(document.title, width)]
    lines = [*title, "", *_paragraphs(document.about, width)]
    for section in document.sections:
        lines += [paint(section.title, "strong"), "-" * len(section.title), "", *_paragraphs(section.text, width)]
        if section.table is not None and section.table.rows:
            lines += [*fitted([section.table.heading, *section.table.rows], section.table.right, width), ""]
        lines += [line for point in section.points for line in _wrapped(point, width, BULLET)]
        lines += [""] if section.points else []
    return "\n".join(lines).rstrip() + "\n"


def markdown(document: Document) -> str:
    """Return a report as Markdown."""
    lines = [f"# {document.title}", "", *_spaced(document.about)]
    for section in document.sections:
        lines += [f"## {section.title}", "", *_spaced(section.text)]
        if section.table is not None and section.table.rows:
            lines += [*markdown_table([section.table.heading, *section.table.rows], section.table.right), ""]
        lines += [*(f"{BULLET}{point}" for point in section.points), ""] if section.points else []
    return "\n".join(lines).rstrip() + "\n"


def as_json(document: Document) -> dict[str, object]:
    """Return a report as an object: its sections by key, each with its paragraphs, its table as rows, and its points."""
    return {
        "title": document.title,
        "about": list(document.about),
        "sections": {
            section.key: {
                "title": section.title,
                "text": list(section.text),
                "rows": [dict(zip(section.table.heading, row, strict=True)) for row in section.table.rows]
                if section.table
                else [],
                "points": list(section.points),
            }
            for section in document.sections
        },
    }


def _paragraphs(texts: Sequence[str], width: int) -> list[str]:
    return [line for paragraph in texts for line in (*_wrapped(paragraph, width, ""), "")]


def _spaced(texts: Sequence[str]) -> list[str]:
    return [line for paragraph in texts for line in (paragraph, "")]


def _wrapped(paragraph: str, width: int, bullet: str) -> list[str]:
    hang = " " * len(bullet)
    return textwrap.wrap(paragraph, width, initial_indent=bullet, subsequent_indent=hang, break_on_hyphens=False) or [""]
