"""What is kept of the points of a space: the best, what each limit costs, the front. Of any number of points as little.

Two summaries merge into that of both, in any order, so that it does not matter who evaluated which points.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as made
from functools import reduce
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .field import Cells, least

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

BINS: Final = 8
"""The front keeps one point for so many steps of every doubling of its second figure."""


class Record(NamedTuple):
    """One point: its objective, less being better; the figure that the front sets beside it; its place in the space."""

    objective: float
    second: float
    place: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What some points come to.

    `points` were evaluated, `meeting` of them keep every limit, `failing` each limit by its word; `best` is the best of those
    that meet all, `without` the best where one limit is waived; `reach` has the point that keeps each limit most easily;
    `front` the best point of every step of the second figure; `field` the least objective that meets all in each of its cells.
    """

    points: int = 0
    meeting: int = 0
    failing: Mapping[str, int] = made(default_factory=dict)
    best: Record | None = None
    without: Mapping[str, Record] = made(default_factory=dict)
    reach: Mapping[str, Record] = made(default_factory=dict)
    front: Mapping[int, Record] = made(default_factory=dict)
    field: Mapping[int, float] = made(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, which `from_json` takes."""
        return {
            "points": self.points, "meeting": self.meeting, "failing": dict(self.failing), "best": self.best,
            "without": dict(self.without), "reach": dict(self.reach),
            "front": [[step, *record] for step, record in sorted(self.front.items())],
            "field": sorted(self.field.items()),
        }  # fmt: skip


def from_json(value: Mapping[str, Any]) -> Summary:
    """Return the summary of plain values."""
    return Summary(
        points=value["points"], meeting=value["meeting"], failing=value["failing"],
        best=None if value["best"] is None else Record(*value["best"]),
        without={word: Record(*record) for word, record in value["without"].items()},
        reach={word: Record(*record) for word, record in value["reach"].items()},
        front={step: Record(*record) for step, *record in value["front"]}, field=dict(value["field"]),
    )  # fmt: skip


def summarize(
    objective: Array,
    second: Array,
    keeps: Mapping[str, Mask],
    ease: Mapping[str, Array],
    start: int,
    cells: Cells | None = None,
) -> Summary:
    """Return the summary of points from `start` on: `keeps` says for each limit which points keep it, `ease` how well.

    `cells` says where in the field they lie. A point whose objective is not finite meets nothing.
    """
    known = np.isfinite(objective) & np.isfinite(second)
    missed = np.sum([~kept for kept in keeps.values()], axis=0, dtype=np.int64) if keeps else np.zeros(objective.shape, int)
    meets = known & (missed == 0)
    places = {word: known & (missed == 1) & ~kept for word, kept in keeps.items()}
    without = {word: _best(objective, second, meets | only, start) for word, only in places.items()}
    nearest = {word: _best(values, second, np.isfinite(values) & np.isfinite(second), start) for word, values in ease.items()}
    return Summary(
        points=objective.size, meeting=int(meets.sum()),
        failing={word: int(objective.size - kept.sum()) for word, kept in keeps.items()},
        best=_best(objective, second, meets, start),
        without={word: record for word, record in without.items() if record},
        reach={word: record for word, record in nearest.items() if record},
        front=_front(objective, second, meets, start), field={} if cells is None else least(cells, objective, meets),
    )  # fmt: skip


def merge(summaries: Iterable[Summary]) -> Summary:
    """Return the summary of all points of some summaries."""
    return reduce(_together, summaries, Summary())


def pareto(summary: Summary) -> list[Record]:
    """Return the points of the front, by their second figure: no other has less of both."""
    found: list[Record] = []
    for record in sorted(summary.front.values(), key=lambda each: (each.second, each.objective, each.place)):
        if not found or record.objective < found[-1].objective:
            found.append(record)
    return found


def _best(objective: Array, second: Array, among: Mask, start: int) -> Record | None:
    """Return the least objective; of equal ones that with the least second figure, then the first."""
    places = np.flatnonzero(among)
    if not places.size:
        return None
    for values in (objective, second):
        chosen = values[places]
        places = places[chosen == chosen.min()]
    first = int(places[0])
    return Record(float(objective[first]), float(second[first]), start + first)


def _front(objective: Array, second: Array, among: Mask, start: int) -> dict[int, Record]:
    """Return the best of every step of the second figure."""
    places = np.flatnonzero(among & (second > 0))
    if not places.size:
        return {}
    steps = np.floor(BINS * np.log2(second[places])).astype(np.int64)
    order = np.lexsort((places, second[places], objective[places], steps))
    found, firsts = np.unique(steps[order], return_index=True)
    chosen = places[order[firsts]]
    records = zip(objective[chosen].tolist(), second[chosen].tolist(), (start + chosen).tolist(), strict=True)
    return {int(step): Record(*record) for step, record in zip(found, records, strict=True)}


def _together(one: Summary, other: Summary) -> Summary:
    return Summary(
        points=one.points + other.points, meeting=one.meeting + other.meeting,
        failing={word: one.failing.get(word, 0) + other.failing.get(word, 0) for word in {**one.failing, **other.failing}},
        best=min((record for record in (one.best, other.best) if record), default=None),
        without=_least(one.without, other.without), reach=_least(one.reach, other.reach),
        front=_least(one.front, other.front), field=_least(one.field, other.field),
    )  # fmt: skip


def _least(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the lesser of every key."""
    return {key: min(record for record in (one.get(key), other.get(key)) if record is not None) for key in {**one, **other}}
