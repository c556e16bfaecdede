"""Sweeps: every point of models x chips x number formats x batches, with knee, ridge batch and Pareto front marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from engine.compiled import estimate
from engine.machine import DTYPE_BYTES, GRAPH, Machine
from engine.rows import row
from engine.sizes import Sized
from engine.totals import Totals, ridge_batch

from .candidate import EVERY, knee_batch
from .inputs import RequestError
from .stock import Card, Stock, stock_of

if TYPE_CHECKING:
    from engine.catalog import Catalog

MOST_POINTS: Final = 1_000_000
Array = npt.NDArray[np.float64]
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What to sweep. Without `hardware`, every chip; without `dtypes`, every format of each chip."""

    models: tuple[str, ...]
    batches: tuple[int, ...]
    hardware: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    runtime: str = GRAPH
    allow_modelled: bool = False


def sweep(asked: Sweep, specs: Catalog | Stock, tick: Callable[[int], None] = lambda _: None) -> list[Row]:
    """Return one row for every point, those of a model together; `tick` is told how many points were added.

    A row is one of `engine.predict` with `fits` (whether it fits into memory), `knee_batch`, `ridge_batch` (None where the roof
    never turns compute-bound) and `pareto`. Raises RequestError for more than MOST_POINTS points and for a size that no model
    has.
    """
    stock = stock_of(specs)
    models = [stock.model(name) for name in asked.models]
    networks = [stock.network(model.id, own_sizes(model, models, asked.sizes)) for model in models]
    machines = _machines(asked, stock)
    count = len(networks) * len(machines) * len(asked.batches)
    if count > MOST_POINTS:
        raise RequestError(f"{count:,} points are more than {MOST_POINTS:,}; take fewer models, chips, formats or batches")
    rows: list[Row] = []
    for network in networks:
        points = [point for machine in machines for point in _points(network, machine, asked, stock.cards, tick)]
        fronts = [
            pareto([point if _competes(point, asked) and _is_narrow(point) is narrow else None for point in points])
            for narrow in (False, True)
        ]
        rows += [point | {"pareto": any(on)} for point, *on in zip(points, *fronts, strict=True)]
    return rows


def points_of(asked: Sweep, specs: Catalog | Stock) -> int:
    """Return how many points a sweep has."""
    return len(asked.models) * len(_machines(asked, stock_of(specs))) * len(asked.batches)


def own_sizes(workload: Sized, others: Sequence[Sized], sizes: Mapping[str, int]) -> dict[str, int]:
    """Return the sizes asked for that a model has. Raises RequestError for one that none of the models has."""
    every = {name for other in others for name in other.sizes}
    if strange := sorted(set(sizes) - every):
        raise RequestError(f"no model asked for has a size {strange[0]!r}; there are: {', '.join(sorted(every)) or 'none'}")
    return {name: value for name, value in sizes.items() if name in workload.sizes}


def _machines(asked: Sweep, stock: Stock) -> list[Machine]:
    """Return the machines of the chips asked for. A chip that lacks a format or a runtime has no points."""
    return [
        stock.machine(chip, dtype, asked.runtime)
        for chip in dict.fromkeys(asked.hardware or stock.cards)
        if asked.runtime in stock.cards[chip].runtimes
        for dtype in stock.cards[chip].dtypes
        if not asked.dtypes or dtype in asked.dtypes
    ]


def _points(
    network: Totals, machine: Machine, asked: Sweep, cards: Mapping[str, Card], tick: Callable[[int], None]
) -> Iterator[Row]:
    """Yield the rows of one network on one machine."""
    points = estimate(network, [machine], np.array(asked.batches, dtype=float))
    curve = {"knee_batch": _knee(network, machine), "ridge_batch": _ridge(network, machine)}
    for place in range(len(asked.batches)):
        point = row(network, machine, points, (0, place), cards[machine.hardware])
        capacity = point["memory_capacity_bytes"]
        yield point | {"fits": None if capacity is None else point["memory_bytes"] <= capacity} | curve
    tick(len(asked.batches))


def _knee(network: Totals, machine: Machine) -> int | None:
    """Return the knee of the estimate, as the recommendation has it; None where nothing fits or nothing is known."""
    points = estimate(network, [machine], EVERY, ladder=False)
    fits = ~(points.memory_bytes > machine.capacity)
    knee = float(knee_batch(points.batch, np.where(fits, points.throughput_per_s, np.nan))[0, 0])
    return int(knee) if math.isfinite(knee) else None


def _ridge(network: Totals, machine: Machine) -> float | None:
    """Return the batch at which the network turns compute-bound on the plain roof, None where it never does or is unknown."""
    chip = {name: np.array([getattr(machine, name)]) for name in ("peak", "bandwidth", "element_bytes")}
    ridge = float(ridge_batch(network, **chip)[0])
    return ridge if math.isfinite(ridge) else None


def _competes(point: Row, asked: Sweep) -> bool:
    """Return whether a point may stand on the front: it is known, fits, and is of a chip that exists or is allowed."""
    exists = asked.allow_modelled or point["confidence"] != "modelled"
    return exists and point["fits"] is not False and point["latency_p90_s"] is not None


def _is_narrow(point: Row) -> bool:
    """Return whether a model must be quantized first; such formats have a front of their own."""
    return DTYPE_BYTES[point["dtype"]] < DTYPE_BYTES["bf16"]


def pareto(points: Sequence[Row | None]) -> list[bool]:
    """Return which points no other beats: no other is as fast, as productive and as thrifty, and better in one of them.

    All three with 90 % certainty: the p90 of the latency, the throughput and the energy that it implies. An unknown energy
    loses to a known one. None does not compete.
    """
    known = [index for index, point in enumerate(points) if point is not None]
    goals = np.array([_goals(point) for point in points if point is not None], dtype=float).reshape(-1, 3)
    front = np.zeros((0, 3))
    on = [False] * len(points)
    for place in np.lexsort(goals.T[::-1]):
        goal = goals[place]
        beaten = (front <= goal).all(axis=1) & (front < goal).any(axis=1)
        if not beaten.any():
            front = np.vstack([front, goal])
            on[known[int(place)]] = True
    return on


def _goals(point: Row) -> tuple[float, float, float]:
    """Return latency, seconds per sample and energy per sample, all with 90 % certainty; less is better."""
    sure = point["latency_p90_s"]
    energy = point["energy_per_inference_j"]
    return sure, sure / point["batch"], math.inf if energy is None else energy * sure / point["latency_estimate_s"]
