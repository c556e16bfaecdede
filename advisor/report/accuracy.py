"""The tables of accuracy as text and as Markdown: figures in groups, then what was read, rejected and left out.

The second table, of energy and power, is about the points whose power was measured; without any it is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np

from engine.units import render, significant

from ..body import GENERAL
from ..lab.accuracy import Label, Report, Row, Summary, Violation
from ..lab.names import OUTSIDE
from ..lab.quality import REASONS
from .layout import Paint, block, labelled, markdown_table, plain, table

MAX_LISTED: Final = 20
_MOST_SHOWN: Final = 999
_Columns = tuple[tuple[str, str, int], ...]
"""Of each column its group, its heading, and the blanks before it."""
_Span = tuple[int, int]
"""The blanks before a column, and its width."""
COLUMNS: Final[_Columns] = (
    ("", "points", 2),
    ("error of the time [%]", "median", 2),
    ("error of the time [%]", "mean", 1),
    ("error of the time [%]", "90th", 1),
    ("error of the time [%]", "bias", 1),
    ("held [%]", "<p90", 2),
    ("held [%]", "in", 1),
    ("p90/", "p10", 2),
    ("roofline [%]", "plain", 2),
    ("roofline [%]", "layers", 1),
    ("below", "bound", 2),
)
"""The figures of a row in the text, in the order of `cells`."""
ENERGY_COLUMNS: Final[_Columns] = (
    ("", "points", 2),
    ("energy error [%]", "median", 2),
    ("energy error [%]", "mean", 1),
    ("energy error [%]", "bias", 1),
    ("power error [%]", "median", 2),
    ("power error [%]", "bias", 1),
)
"""The same of energy and power, in the order of `energy_cells`."""
LEGEND: Final[Mapping[str, str]] = {
    "Error": "estimated against measured time; nine in ten points err less than the 90th percentile; bias is the mean with its "
    "sign, below 0 where the estimate is too fast",
    "Held": "measured within the latency that is called 90 % sure (<p90), and between p10 and p90 (in), of the points with "
    "an interval; p90/p10 is its median width",
    "Roofline": "median error of max(W/pi, Q/beta) on the same points: of the whole (plain), and summed over the fused kernels "
    "of a network (layers)",
}
ENERGY_LEGEND: Final = (
    "per sample, of the points whose power was measured; bias is below 0 where the estimate takes too little; energy is power "
    "x time, and errs by both"
)
_HEADED: Final = ("kind", "runtime")
"""Labels that stand above the rows that share them, always; others do where the rows would be too wide."""
_ROOM: Final = ("hardware", "software", "dtype")
_MARKDOWN: Final = (
    "points", "error, median [%]", "error, mean [%]", "error, 90th percentile [%]", "bias [%]", "below p90 [%]",
    "within p10-p90 [%]", "p90/p10", "roofline error, median [%]", "layered roofline error, median [%]", "below the bound",
)  # fmt: skip
_ENERGY_MARKDOWN: Final = (
    "points", "energy error, median [%]", "energy error, mean [%]", "energy bias [%]", "power error, median [%]",
    "power bias [%]",
)  # fmt: skip


def text(report: Report, *, width: int = 100, paint: Paint = plain) -> str:
    """Return the table as text, as narrow as `width` columns where names allow it, and beneath it what does not count."""
    parts = [[f"Predicted against measured: {_count(report)}"], _table(report, _TIMES, width, paint)]
    parts += [[paint(line, "faint") for label, told in LEGEND.items() for line in labelled(label, told, width)]]
    if report.whole.powered_points:
        legend = [paint(line, "faint") for line in labelled("Energy", ENERGY_LEGEND, width)]
        parts += [_table(report, _ENERGY, width, paint), legend]
    parts += [_rows_read(report, width), _without_estimate(report, width), _violations(report, width)]
    parts += [labelled("Not modelled", "; ".join(GENERAL), width)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _count(report: Report) -> str:
    kinds = Counter(dict.fromkeys(("network", "kernel"), 0))
    for code, count in zip(*np.unique(report.points.label, return_counts=True), strict=True):
        kinds[report.points.labels[code].kind] += int(count)
    told = {"network": "{:,} passes of networks", "kernel": "{:,} kernels"}
    return ", ".join(told[kind].format(count) for kind, count in kinds.items() if count) or "no points"


def cells(figures: Summary) -> tuple[str, ...]:
    """Return the figures of a row as text, one for each of COLUMNS; empty is a figure without points."""
    f = figures
    errors = (f.error_median_share, f.error_mean_share, f.error_p90_share, f.bias_share)
    return (
        f"{f.points:,}",
        *map(_percent, errors),
        *(_whole(share) for share in (f.below_p90_share, f.within_interval_share)),
        "" if f.interval_width_ratio is None else f"{f.interval_width_ratio:.2f}",
        *map(_percent, (f.roofline_error_median_share, f.layered_roofline_error_median_share)),
        str(f.violations),
    )


def energy_cells(figures: Summary) -> tuple[str, ...]:
    """Return the figures of energy and power of a row as text, one for each of ENERGY_COLUMNS."""
    f = figures
    energy = (f.energy_error_median_share, f.energy_error_mean_share, f.energy_bias_share)
    return (f"{f.powered_points:,}", *map(_percent, (*energy, f.power_error_median_share, f.power_bias_share)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A kind of table: its columns, its headings in Markdown, how many points of a row are in it, and what it says of a row."""

    columns: _Columns
    markdown: tuple[str, ...]
    points: Callable[[Summary], int]
    cells: Callable[[Summary], tuple[str, ...]]


_TIMES: Final = _Kind(columns=COLUMNS, markdown=_MARKDOWN, points=lambda figures: figures.points, cells=cells)
_ENERGY: Final = _Kind(
    columns=ENERGY_COLUMNS, markdown=_ENERGY_MARKDOWN, points=lambda figures: figures.powered_points, cells=energy_cells
)


def _percent(share: float | None) -> str:
    """Return a share in percent: to a tenth below 100, and above 999 only that it is."""
    if share is None:
        return ""
    percent = 100 * share
    return f"{percent:.1f}" if abs(percent) < 100 else f"{percent:.0f}" if percent <= _MOST_SHOWN else f">{_MOST_SHOWN}"  # noqa: PLR2004


def _whole(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f}"


# The table as text.


def _table(report: Report, kind: _Kind, width: int, paint: Paint) -> list[str]:
    """Return a table, labels that sections share above them; on a narrow screen names stand above their figures."""
    shown = [row for row in report.rows if kind.points(row.figures) and report.by]
    figures = [kind.cells(row.figures) for row in shown]
    whole = kind.cells(report.whole)
    spans = _spans(kind.columns, [*figures, whole])
    room = width - len(_line("", whole, spans, 0))
    above = _above(report.by, shown, room)
    names, sections = _names(report.by, shown, above), [_section(report.by, row, above) for row in shown]
    longest = max([len("all"), *map(len, names)])
    stacked = longest > room
    longest = max(len("all"), room) if stacked else longest
    lines = _headings(kind.columns, spans, longest, paint)
    order = sorted(range(len(shown)), key=lambda place: (sections[place], names[place]))
    for section, places in groupby(order, key=sections.__getitem__):
        lines += ["", paint(" · ".join(section), "strong")] if section else []
        for place in places:
            lines += [names[place]] if stacked else []
            lines += [_line("" if stacked else names[place], figures[place], spans, longest)]
    return [*lines, "", paint(_line("all", whole, spans, longest), "strong")]


def _spans(columns: _Columns, figures: Sequence[Sequence[str]]) -> list[_Span]:
    """Return blanks and width of every column: its longest text, the last of a group also what the group's name needs."""
    widths = [max(map(len, column)) for column in zip(*figures, [heading for _, heading, _ in columns], strict=True)]
    for group, members in groupby(range(len(columns)), key=lambda place: columns[place][0]):
        places = list(members)
        span = sum(widths[place] for place in places) + sum(columns[place][2] for place in places[1:])
        widths[places[-1]] += max(0, len(group) - span)
    return [(blanks, width) for (_, _, blanks), width in zip(columns, widths, strict=True)]


def _above(by: Sequence[str], rows: Sequence[Row], room: int) -> list[str]:
    """Return the labels that stand above the rows that share them: as many as it takes for the others to fit the room."""
    above = [name for name in by if name in _HEADED]
    for name in (name for name in _ROOM if name in by):
        if max(map(len, _names(by, rows, above)), default=0) <= room:
            break
        above.append(name)
    return above


def _section(by: Sequence[str], row: Row, above: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of a row that stand above it."""
    label = dict(zip(by, row.name, strict=True))
    return tuple(f"{label[name]}s" if name == "kind" else label[name] for name in above if label[name])


def _names(by: Sequence[str], rows: Sequence[Row], above: Sequence[str]) -> list[str]:
    """Return the other labels of every row, aligned; an operator and a network share a column, for no row has both."""
    left = [name for name in by if name not in above]
    columns = list(dict.fromkeys("what" if name in ("operator", "network") else name for name in left))
    labels = [dict(zip(by, row.name, strict=True)) for row in rows]
    named = [tuple(_cell(label, column) for column in columns) for label in labels]
    return table(named, [False] * len(columns)) if columns and rows else [""] * len(rows)


def _cell(label: Mapping[str, str], column: str) -> str:
    return label.get("operator") or label.get("network") or "" if column == "what" else label[column]


def _headings(columns: _Columns, spans: Sequence[_Span], longest: int, paint: Paint) -> list[str]:
    """Return two lines: what columns have in common, and their headings."""
    upper = " " * longest
    for group, members in groupby(zip(columns, spans, strict=True), key=lambda column: column[0][0]):
        taken = [span for _, span in members]
        upper += " " * taken[0][0] + group.rjust(sum(map(sum, taken)) - taken[0][0])
    return [paint(upper.rstrip(), "faint"), paint(_line("", [h for _, h, _ in columns], spans, longest), "faint")]


def _line(name: str, figures: Sequence[str], spans: Sequence[_Span], longest: int) -> str:
    columns = zip(figures, spans, strict=True)
    return name.ljust(longest) + "".join(" " * blanks + figure.rjust(width) for figure, (blanks, width) in columns)


# Beneath the table.


def _rows_read(report: Report, width: int) -> list[str]:
    outside, dropped = sum(report.outside.values()), sum(report.dropped.values())
    kept = f"{report.rows_kept:,} count ({len(report.points):,} points)"
    lines = labelled("Rows", f"{report.rows_read:,} read: {kept}, {dropped:,} rejected, {outside:,} outside", width)
    lines += block("Rejected", _reasons(report.dropped, REASONS), width, hang=2)
    return lines + block("Outside", _reasons(report.outside, OUTSIDE), width, hang=2)


def _reasons(counts: Mapping[str, int], sentences: Mapping[str, str]) -> list[str]:
    digits = max((len(f"{count:,}") for count in counts.values()), default=0)
    return [f"{count:>{digits},} {reason}: {sentences[reason]}" for reason, count in counts.items()]


def without_estimate(report: Report) -> str:
    """Return how many points have no estimate, by operator or network; an empty text where all have one."""
    points = report.points
    codes, counts = np.unique(points.label[~points.estimated], return_counts=True)
    found: Counter[str] = Counter()
    for code, count in zip(codes, counts, strict=True):
        found[points.labels[code].what] += int(count)
    told = ", ".join(f"{name} {count:,}" for name, count in found.most_common())
    return f"{report.whole.without_estimate:,}: {told}" if told else ""


def _without_estimate(report: Report, width: int) -> list[str]:
    told = without_estimate(report)
    why = "nothing is calibrated for them on their chips; their bounds were checked"
    return labelled("No estimate", f"{told}; {why}", width) if told else []


def _violations(report: Report, width: int) -> list[str]:
    if not report.violations:
        return (
            labelled("Below bound", f"none of {len(report.points):,}: nothing was faster than is possible", width)
            if len(report.points)
            else []
        )
    told = [violation(one) for one in report.violations[:MAX_LISTED]]
    left = len(report.violations) - len(told)
    return block("Below bound", [*told, *([f"and {left:,} more: --format json has all"] if left else [])], width, hang=2)


def violation(one: Violation) -> str:
    """Return a point below the bound in a line."""
    times = f"{render(one.measured_s, 'time')} measured, bound {render(one.bound_s, 'time')}"
    ratio = significant(one.measured_s / one.bound_s, 3)
    return f"{_about(one.label)}, {one.sizes}: {times} ({ratio}x)"


def _about(label: Label) -> str:
    return ", ".join(filter(None, [label.hardware, label.what, label.dtype, label.software]))


# Markdown.


def markdown(report: Report) -> str:
    """Return the table and what stands beneath it as Markdown."""
    lines = [f"# Predicted against measured: {_count(report)}", "", *_markdown_table(report, _TIMES), ""]
    lines += [*_items(f"{label}: {told}" for label, told in LEGEND.items())]
    if report.whole.powered_points:
        lines += ["## Energy and power", "", *_markdown_table(report, _ENERGY), "", f"Energy {ENERGY_LEGEND}.", ""]
    outside, dropped = sum(report.outside.values()), sum(report.dropped.values())
    kept = f"{report.rows_kept:,} of {report.rows_read:,} rows count, {dropped:,} are rejected, {outside:,} are outside."
    lines += ["## Rows", "", kept, "", *_items([*_reasons(report.dropped, REASONS), *_reasons(report.outside, OUTSIDE)])]
    if told := without_estimate(report):
        lines += ["## Without estimate", "", f"{told}.", ""]
    lines += ["## Below the bound", "", *_items([violation(one) for one in report.violations[:MAX_LISTED]] or ["none"])]
    return "\n".join([*lines, "## Not modelled", "", *_items(GENERAL)]).rstrip("\n") + "\n"


def _markdown_table(report: Report, kind: _Kind) -> list[str]:
    whole = ["all", *[""] * (len(report.by) - 1)] if report.by else []
    rows = [[*row.name, *kind.cells(row.figures)] for row in report.rows if kind.points(row.figures) and report.by]
    right = [*[False] * len(report.by), *[True] * len(kind.markdown)]
    return markdown_table([[*report.by, *kind.markdown], *rows, [*whole, *kind.cells(report.whole)]], right)


def _items(texts: Iterable[str]) -> list[str]:
    items = [f"- {item.strip()}" for item in texts]
    return [*items, ""] if items else []
