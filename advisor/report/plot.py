"""Predicted against measured times as a picture: a mark for each point, the diagonal, and the lower bound of each point."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import altair as alt
import numpy as np
import numpy.typing as npt

from ..inputs import RequestError
from ..lab.accuracy import Points

SUFFIXES: Final = (".svg", ".png", ".html")
MOST: Final = 3000
"""More marks than these make a picture slow and tell nothing more."""
COLOURS: Final = 9
"""So many operators and networks have a colour of their own; the others share the last one."""
_PALETTE: Final = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#72b7b2", "#eeca3b", "#9d755d", "#ff9da6", "#3b4a9f", "#1a1a1a")
_BOUND: Final = "lower bound"
_BEATEN: Final = "below its bound"
_OTHERS: Final = "others"
_SIDE: Final = 520
_MARGIN: Final = 1.3
_CUT: Final = 30.0
"""Lower bounds further than so many times below all measured times are cut off."""
_FEW_DECADES: Final = 8


def check(path: Path) -> None:
    """Raise RequestError unless a picture with this name can be drawn."""
    if path.suffix.lower() not in SUFFIXES:
        raise RequestError(f"{str(path)[:200]!r} is no picture; name a file that ends in {', '.join(SUFFIXES)}")


def draw(points: Points, suffix: str) -> bytes:
    """Return a picture of the points in the format of a suffix: .svg, .png, or .html, which needs no network."""
    suffix = suffix.lower()
    groups = _groups(points)
    chosen = np.union1d(sampled(groups, MOST), np.flatnonzero(points.beaten)[:MOST])
    chosen = np.random.default_rng(0).permutation(chosen)  # so that no group hides another
    chart = _chart(points.where(chosen), [groups[place] for place in chosen], len(points))
    if suffix == ".html":
        return str(chart.to_html(inline=True)).encode("utf-8")
    if suffix == ".svg":
        drawing = io.StringIO()
        chart.save(drawing, format="svg")
        return drawing.getvalue().encode("utf-8")
    picture = io.BytesIO()
    chart.save(picture, format="png", scale_factor=2)
    return picture.getvalue()


def _groups(points: Points) -> list[str]:
    """Return the operator or network of every point, "others" for those with the fewest points."""
    names = [label.what for label in points.labels]
    counts: Counter[str] = Counter()
    for name, count in zip(names, np.bincount(points.label, minlength=len(names)), strict=True):
        counts[name] += int(count)
    shown = {name for name, _ in counts.most_common(COLOURS if len(counts) > COLOURS + 1 else COLOURS + 1)}
    named = [name if name in shown else _OTHERS for name in names]
    return [named[code] for code in points.label]


def sampled(groups: Sequence[str], most: int) -> npt.NDArray[np.int64]:
    """Return the places of at most so many points, as many of each group as it has and evenly within it.

    >>> sampled(["a"] * 6 + ["b"], 4).tolist()
    [0, 2, 5, 6]
    """
    names = np.array(groups, dtype=str)
    members = sorted((np.flatnonzero(names == name) for name in np.unique(names)), key=len)
    chosen: list[npt.NDArray[np.int64]] = []
    left = most
    for index, places in enumerate(members):
        take = min(len(places), left // (len(members) - index))
        chosen.append(places[np.linspace(0, len(places) - 1, take).round().astype(np.int64)])
        left -= take
    return np.sort(np.concatenate([*chosen, np.zeros(0, dtype=np.int64)]))


def _chart(points: Points, groups: Sequence[str], of: int) -> Any:
    measured, low, high = _domains(points)
    names = [*sorted(set(groups) - {_OTHERS}), *([_OTHERS] if _OTHERS in groups else [])]
    extra = {_BOUND: "#8a8a8a"} | ({_BEATEN: "#d62728"} if points.beaten.any() else {})
    colour = alt.Color(
        "name:N", title=None, sort=None,
        scale=alt.Scale(domain=[*names, *extra], range=[*_PALETTE[: len(names)], *extra.values()]),
        legend=alt.Legend(symbolOpacity=1, symbolType="circle"),
    )  # fmt: skip
    where = {
        "x": alt.X("measured:Q", title="measured time", **_axis(measured, high)),
        "y": alt.Y("time:Q", title="predicted time, and lower bound", **_axis(low, high)),
    }
    seen = {"color": colour, "tooltip": [alt.Tooltip(name) for name in ("name:N", "about:N", "measured:Q", "time:Q")]}
    bounds = alt.Chart(_data(_bounds(points))).mark_tick(orient="horizontal", thickness=1.3, size=5, opacity=0.6, clip=True)
    line = alt.Chart(_data([{"measured": v, "time": v} for v in (measured, high)])).mark_line(
        color="#333333", strokeWidth=1, strokeDash=[5, 4], clip=True
    )
    marks = alt.Chart(_data(_marks(points, groups))).mark_circle(size=22, opacity=0.65, clip=True)
    layers = [bounds.encode(**where, **seen), line.encode(**where), marks.encode(**where, **seen)]
    cut = int(((points.bound_s > 0) & (points.bound_s < low)).sum())
    title = alt.TitleParams("Predicted against measured", subtitle=_subtitle(len(points), of, cut), anchor="start", offset=12)
    return alt.layer(*layers).properties(width=_SIDE, height=_SIDE, title=title).configure_view(stroke="#bbbbbb")


def _domains(points: Points) -> tuple[float, float, float]:
    """Return where measured times begin, where the other axis does, and where both end [s]; far lower bounds are cut."""
    if not len(points):
        return 1e-3, 1e-3, 1.0
    predicted = points.estimate_s[points.estimated]
    times = np.concatenate([points.measured_s, predicted])
    bounds = points.bound_s[points.bound_s > 0]
    least = float(points.measured_s.min())
    low = min([float(times.min()), max(float(bounds.min(initial=least)), least / _CUT)])
    high = max(float(times.max()), float(bounds.max(initial=0.0)))
    return least / _MARGIN, low / _MARGIN, high * _MARGIN


def _axis(low: float, high: float) -> dict[str, Any]:
    """Return a logarithmic axis with a few round ticks."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 3) if len(decades) < _FEW_DECADES else (1,)
    ticks = [float(f"{factor}e{decade}") for decade in decades for factor in factors]
    ticks = [tick for tick in ticks if low <= tick <= high]
    return {
        "scale": alt.Scale(type="log", domain=[low, high], nice=False),
        "axis": alt.Axis(values=ticks, labelExpr=_TICKS, gridColor="#e6e6e6"),
    }


_TICKS: Final = " : ".join(
    [
        *(f"datum.value >= {0.99 / factor} ? format({factor} * datum.value, '.3~g') + ' {unit}'"
          for unit, factor in (("s", 1), ("ms", 1e3), ("us", 1e6))),
        "format(1e9 * datum.value, '.3~g') + ' ns'",
    ]
)  # fmt: skip
"""How a tick of an axis is written, in the words of Vega."""


def _subtitle(shown: int, of: int, cut: int) -> list[str]:
    """Return what the picture shows; where it leaves points out, how many."""
    told = f"{of:,} measured points" if shown == of else (
        f"{shown:,} of {of:,} measured points, as many of each operator or network up to the same number"
    )  # fmt: skip
    below = f" ({cut:,} are below the picture)" if cut else ""
    return [told, f"dashed: predicted = measured · grey: lower bound of each point{below}; above the dashes it would be wrong"]


def _data(rows: Sequence[Mapping[str, Any]]) -> Any:
    return alt.Data(values=list(rows))  # type: ignore[no-untyped-call]


def _about(points: Points, place: int) -> str:
    label = points.labels[points.label[place]]
    batch = points.batch[place]
    told = [
        label.hardware,
        label.dtype,
        label.runtime,
        label.software,
        label.sizes,
        "" if np.isnan(batch) else f"batch {batch:g}",
    ]
    return ", ".join(filter(None, told)).replace("<", "(")  # a page is no place for tags of a table


def _marks(points: Points, groups: Sequence[str]) -> list[Mapping[str, Any]]:
    return [
        _mark(groups[place], _about(points, place), points.measured_s[place], points.estimate_s[place])
        for place in np.flatnonzero(points.estimated).tolist()
    ]


def _bounds(points: Points) -> list[Mapping[str, Any]]:
    return [
        _mark(
            _BEATEN if points.beaten[place] else _BOUND, _about(points, place), points.measured_s[place], points.bound_s[place]
        )
        for place in np.flatnonzero(points.bound_s > 0).tolist()
    ]


def _mark(name: str, about: str, measured_s: float, time_s: float) -> Mapping[str, Any]:
    return {"name": name, "about": about, "measured": float(measured_s), "time": float(time_s)}
