"""Sweeps for people: one line for each point, marked where the curve bends and where no other point is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from ..facts import shown
from .document import Document, Section, Table
from .layout import Paint, fitted, labelled, plain, table

Row = Mapping[str, Any]
_FIGURES: Final = {
    "latency_lower_bound_s": "bound",
    "latency_estimate_s": "estimate",
    "latency_p90_s": "90 % sure",
    "throughput_per_s": "throughput",
    "energy_per_inference_j": "energy",
    "power_w": "power",
    "mfu": "MFU",
    "memory_bytes": "memory",
}
_LEGEND: Final = {
    "front": "no point of the model is as fast, as productive and as thrifty with 90 % certainty, and better in one; formats "
    "of 8 bits and less have a front of their own",
    "knee": "the first batch of the sweep with 90 % of the throughput that the chip reaches at any batch that fits",
    "ridge": "the first batch of the sweep at which arithmetic takes as long as traffic, on the plain roof",
    "full": "more memory than the chip has",
}


def text(rows: Sequence[Row], width: int, paint: Paint = plain) -> str:
    """Return a sweep as tables, one for each model, and what the marks mean; points of the front stand out."""
    lines: list[str] = []
    for model, points in groupby(zip(rows, marks(rows), strict=True), key=lambda pair: pair[0]["workload"]):
        body = list(points)
        cells = [_HEADING, *(_cells(row, marked) for row, marked in body)]
        told = table(cells, _RIGHT)
        lines.append(model)
        if max(map(len, told)) > width:
            lines += fitted(cells, _RIGHT, width, keys=3)
        else:
            painted = zip(told[1:], body, strict=True)
            lines += [told[0], *(paint(line, "strong") if row["pareto"] else line for line, (row, _) in painted)]
        lines.append("")
    if not rows:
        return "no point: none of the chips has the number format and the runtime asked for\n"
    told = [line for name, meaning in _legend(rows) for line in labelled(name, meaning, width)]
    return "\n".join([*lines, *told]).rstrip() + "\n"


def as_document(rows: Sequence[Row]) -> Document:
    """Return the same as a document: a section for each model, and what the marks mean."""
    sections = []
    for model, points in groupby(zip(rows, marks(rows), strict=True), key=lambda pair: pair[0]["workload"]):
        table = Table(heading=_HEADING, rows=tuple(_cells(row, marked) for row, marked in points), right=_RIGHT)
        sections.append(Section(key=model, title=model, table=table))
    meanings = tuple(f"{name}: {meaning}" for name, meaning in _legend(rows))
    sections.append(Section(key="marks", title="What the marks mean", points=meanings))
    return Document(title="Sweep", about=(f"{len(rows):,} points.",), sections=tuple(sections))


def _legend(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Return the marks that occur, with what they mean."""
    found = {mark for marked in marks(rows) for mark in marked}
    return [(name, meaning) for name, meaning in _LEGEND.items() if name in found]


def marks(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return the marks of every point: front, knee, ridge, full."""
    found: list[tuple[str, ...]] = []
    for _, points in groupby(rows, key=lambda row: (row["workload"], row["hardware"], row["dtype"])):
        batch = 0
        for row in points:
            found.append(tuple(_marks(row, batch)))
            batch = row["batch"]
    return found


def _marks(row: Row, before: int) -> list[str]:
    """Return the marks of a point; `before` is the batch before it in the sweep, 0 for the first."""
    reached = {name: row[f"{name}_batch"] for name in ("knee", "ridge")}
    first = [name for name, batch in reached.items() if batch is not None and before < batch <= row["batch"]]
    return [*(["front"] if row["pareto"] else []), *first, *(["full"] if row["fits"] is False else [])]


_HEADING: Final = ("chip", "dtype", "batch", *_FIGURES.values(), "marks")
_RIGHT: Final = (False, False, True, *[True] * len(_FIGURES), False)


def _cells(row: Row, marked: Sequence[str]) -> tuple[str, ...]:
    figures = [shown(name, row[name]) for name in _FIGURES]
    return row["hardware"], row["dtype"], str(row["batch"]), *figures, " ".join(marked)
