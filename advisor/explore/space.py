"""The space: every variant of every base in every number format at every batch, in one order, evaluated by the piece."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.accelerator import Accelerator
from engine.calibration import Resolved
from engine.expressions import parse
from engine.fleet import CHIP_FIGURES, Fleet, estimate_fleet, fleet
from engine.machine import GRAPH
from engine.rows import COLUMNS
from engine.totals import Totals

from .axes import Axis
from .field import Cells, Field, field_of
from .summary import Summary, merge, summarize

Array = npt.NDArray[np.float64]

CHUNK: Final = 1 << 17
"""So many points are one piece of work, and one part of what is written."""
AT_ONCE: Final = 1 << 14
"""So many points are held at a time, with all that is known of them."""
_SHARED: Final = {
    "bandwidth": "bandwidth",
    "peak": "peak",
    "vector_peak": "vector_peak",
    "units": "units",
    "array_rows": "array_rows",
    "array_columns": "array_columns",
    "capacity": "capacity",
    "tdp": "tdp_w",
    "idle_power": "idle_w",
}
"""Figure that every machine has -> its number there."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """A chip that variants are made of, with the constants of such a chip that nobody measured, in one number format."""

    chip: Accelerator
    constants: Resolved
    dtype: str


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit: the word and the rule for it, the fact that it holds, and its value in SI units; `inf` for the chip's own."""

    word: str
    rule: str
    fact: str
    value: float
    most: bool = True


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is best: a fact, or the figure of a chip, that shall be least, or if `most` greatest."""

    word: str
    fact: str
    most: bool = False


@dataclass(frozen=True, kw_only=True)
class Space:
    """A space of hypothetical chips under a request. Points are numbered: bases, then axes in order, then batches."""

    network: Totals
    bases: tuple[Base, ...]
    axes: tuple[Axis, ...]
    batches: tuple[int, ...]
    limits: tuple[Limit, ...]
    objective: Objective
    second: str
    cost: str | None = None
    runtime: str = GRAPH
    chunk: int = CHUNK
    """points of one piece of work"""

    @cached_property
    def variants(self) -> int:
        """Return how many variants of one base there are."""
        return math.prod(len(axis.values) for axis in self.axes)

    @property
    def chips(self) -> int:
        """Return how many chips there are."""
        return self.variants * len(self.bases)

    @property
    def points(self) -> int:
        """Return how many points there are."""
        return self.chips * len(self.batches)

    @property
    def _stride(self) -> int:
        """Return how many chips are one piece of work."""
        return max(1, self.chunk // len(self.batches))

    @property
    def chunks(self) -> int:
        """Return how many pieces of work there are."""
        return -(-self.chips // self._stride)

    def span(self, chunk: int) -> tuple[int, int]:
        """Return the first chip of a piece of work, and the one behind its last."""
        return chunk * self._stride, min(self.chips, (chunk + 1) * self._stride)

    @cached_property
    def _values(self) -> tuple[Array, ...]:
        return tuple(np.array(axis.values) for axis in self.axes)

    @cached_property
    def field(self) -> Field | None:
        """Return the two axes that the answer draws, or None where fewer than two vary."""
        return field_of(self.axes)

    def figures(self, first: int, last: int) -> dict[str, Array]:
        """Return what is set, for the variants from `first` up to `last` of a base; a figure with one value has length 1."""
        places = np.arange(first, last)
        found: dict[str, Array] = {}
        for axis, values in zip(reversed(self.axes), reversed(self._values), strict=True):
            places, here = np.divmod(places, values.size)
            found[axis.name] = values[here] if values.size > 1 else values
        return dict(reversed(found.items()))

    def pieces(self, start: int, stop: int) -> Iterator[tuple[Base, int, int]]:
        """Yield base, first variant and the one behind the last, for the chips from `start` up to `stop`, a piece at a time."""
        size = max(1, AT_ONCE // len(self.batches))
        while start < stop:
            base, first = divmod(start, self.variants)
            last = min(first + size, self.variants, first + stop - start)
            yield self.bases[base], first, last
            start += last - first


@dataclass(frozen=True, kw_only=True)
class Points:
    """Some points: facts and figures as columns of shape (points,), and what they come to."""

    base: Base
    columns: Mapping[str, Array]
    summary: Summary

    @property
    def meets(self) -> npt.NDArray[np.bool_]:
        """Return which points keep every limit."""
        return self.columns["meets"] > 0


def evaluate(
    space: Space, base: Base, figures: Mapping[str, npt.ArrayLike], start: int = 0, cells: Cells | None = None
) -> Points:
    """Return the points of some variants of a base at all batches; `start` is the number of the first.

    `cells` says where in the field of the space each variant lies.
    """
    variants = fleet(base.chip, base.constants, base.dtype, figures, space.runtime)
    shape = (len(variants), len(space.batches))
    facts = _facts(space, variants, figures)
    flat = {name: np.broadcast_to(values, shape).reshape(-1) for name, values in facts.items()}
    sign = -1.0 if space.objective.most else 1.0
    keeps = {limit.word: _keeps(limit, flat) for limit in space.limits}
    ease = {limit.word: flat[limit.fact] * (1.0 if limit.most else -1.0) for limit in space.limits}
    objective = sign * flat[space.objective.fact]
    places = None if cells is None else np.repeat(cells, len(space.batches))
    summary = summarize(objective, flat[space.second], keeps, ease, start, places)
    met = np.logical_and.reduce([np.isfinite(objective), *keeps.values()])
    return Points(base=base, columns={**flat, "meets": met.astype(float)}, summary=summary)


def _facts(space: Space, variants: Fleet, figures: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
    """Return what is known of points: figures of the chip of shape (chips, 1), facts of shape (chips, batches)."""
    points = estimate_fleet(space.network, variants, space.batches, ladder=False)
    table = variants.table
    shared = {CHIP_FIGURES[name].column: getattr(table, number) for name, number in _SHARED.items()}
    given = {CHIP_FIGURES[name].column: np.asarray(values, dtype=float).reshape(-1, 1) for name, values in figures.items()}
    facts = {"batch": points.batch, **shared, **given, **{name: getattr(points, name) for name in COLUMNS}}
    facts["throughput_sure_per_s"] = points.batch / points.latency_p90_s
    if space.cost is not None:
        names = {name: facts[CHIP_FIGURES[name].column] for name in CHIP_FIGURES if CHIP_FIGURES[name].column in facts}
        facts["cost"] = parse(space.cost).over({**facts, **names})
    return facts


def _keeps(limit: Limit, facts: Mapping[str, Array]) -> npt.NDArray[np.bool_]:
    """Return which points keep a limit; one whose fact is unknown does not."""
    if limit.fact == "memory_bytes" and limit.word == "capacity":
        return np.asarray(~(facts["memory_bytes"] > facts["capacity_bytes"]))
    value = facts[limit.fact]
    return np.asarray(value <= limit.value if limit.most else value >= limit.value)


def known_names(space_axes: tuple[Axis, ...]) -> frozenset[str]:
    """Return the names that a cost may use: figures of every chip and those that vary, the batch, and facts of a point."""
    return frozenset({*_SHARED, *(axis.name for axis in space_axes), "batch", *COLUMNS, "throughput_sure_per_s"})


def points_of(space: Space, chunk: int) -> Iterator[Points]:
    """Yield the points of one piece of work, some at a time."""
    start, stop = space.span(chunk)
    for base, first, last in space.pieces(start, stop):
        cells = None if space.field is None else space.field.cells(np.arange(first, last))
        yield evaluate(space, base, space.figures(first, last), start * len(space.batches), cells)
        start += last - first


def point(space: Space, index: int) -> tuple[Base, dict[str, float], dict[str, float]]:
    """Return base, figures and facts of one point."""
    chip, batch = divmod(index, len(space.batches))
    base, first = divmod(chip, space.variants)
    figures = space.figures(first, first + 1)
    found = evaluate(space, space.bases[base], figures)
    return (
        space.bases[base],
        {name: float(values[0]) for name, values in figures.items()},
        {name: float(values[batch]) for name, values in found.columns.items()},
    )


def summary_of(space: Space, chunk: int) -> Summary:
    """Return what one piece of work comes to."""
    return merge(points.summary for points in points_of(space, chunk))
