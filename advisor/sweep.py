"""Sweeps: every point of models x chips x number formats x batches, with knee, ridge batch and Pareto front marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.catalog import Catalog
from engine.compiled import estimate
from engine.errors import DomainError
from engine.machine import DTYPE_BYTES, GRAPH, Machine
from engine.network import Network, build
from engine.rows import row
from engine.solve import roof_curve
from engine.workload import Workload

from .candidate import EVERY, knee_batch
from .inputs import RequestError

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


def sweep(asked: Sweep, catalog: Catalog, tick: Callable[[int], None] = lambda _: None) -> list[Row]:
    """Return one row for every point, those of a model together; `tick` is told how many points were added.

    A row is one of `engine.predict` with `fits` (whether it fits into memory), `knee_batch`, `ridge_batch` (None where the roof
    never turns compute-bound) and `pareto`. Raises RequestError for more than MOST_POINTS points and for a size that no model
    has.
    """
    models = _workloads(asked, catalog)
    networks = [build(workload, own_sizes(workload, models, asked.sizes)) for workload in models]
    machines = _machines(asked, catalog)
    count = len(networks) * len(machines) * len(asked.batches)
    if count > MOST_POINTS:
        raise RequestError(f"{count:,} points are more than {MOST_POINTS:,}; take fewer models, chips, formats or batches")
    rows: list[Row] = []
    for network in networks:
        points = [point for machine in machines for point in _points(network, machine, asked, catalog, tick)]
        fronts = [
            pareto([point if _competes(point, asked) and _is_narrow(point) is narrow else None for point in points])
            for narrow in (False, True)
        ]
        rows += [point | {"pareto": any(on)} for point, *on in zip(points, *fronts, strict=True)]
    return rows


def points_of(asked: Sweep, catalog: Catalog) -> int:
    """Return how many points a sweep has."""
    return len(asked.models) * len(_machines(asked, catalog)) * len(asked.batches)


def _workloads(asked: Sweep, catalog: Catalog) -> list[Workload]:
    return [catalog.workloads[name] for name in asked.models]


def own_sizes(workload: Workload, others: Sequence[Workload], sizes: Mapping[str, int]) -> dict[str, int]:
    """Return the sizes asked for that a model has. Raises RequestError for one that none of the models has."""
    every = {name for other in others for name in other.sizes}
    if strange := sorted(set(sizes) - every):
        raise RequestError(f"no model asked for has a size {strange[0]!r}; there are: {', '.join(sorted(every)) or 'none'}")
    return {name: value for name, value in sizes.items() if name in workload.sizes}


def _machines(asked: Sweep, catalog: Catalog) -> list[Machine]:
    """Return the machines of the chips asked for. A chip that lacks a format or a runtime has no points."""
    return [
        catalog.machine(chip, dtype, asked.runtime)
        for chip in dict.fromkeys(asked.hardware or catalog.accelerators.ids)
        if chip in catalog.constants and catalog.constants[chip].runs(asked.runtime)
        for dtype in catalog.accelerators[chip].dtypes
        if not asked.dtypes or dtype in asked.dtypes
    ]


def _points(network: Network, machine: Machine, asked: Sweep, catalog: Catalog, tick: Callable[[int], None]) -> Iterator[Row]:
    """Yield the rows of one network on one machine."""
    points = estimate(network, [machine], np.array(asked.batches, dtype=float))
    curve = {"knee_batch": _knee(network, machine), "ridge_batch": _ridge(network, machine)}
    for place in range(len(asked.batches)):
        point = row(network, machine, points, (0, place), catalog)
        capacity = point["memory_capacity_bytes"]
        yield point | {"fits": None if capacity is None else point["memory_bytes"] <= capacity} | curve
    tick(len(asked.batches))


def _knee(network: Network, machine: Machine) -> int | None:
    """Return the knee of the estimate, as the recommendation has it; None where nothing fits or nothing is known."""
    points = estimate(network, [machine], EVERY, ladder=False)
    fits = ~(points.memory_bytes > machine.capacity)
    knee = float(knee_batch(points.batch, np.where(fits, points.throughput_per_s, np.nan))[0, 0])
    return int(knee) if math.isfinite(knee) else None


def _ridge(network: Network, machine: Machine) -> float | None:
    try:
        ridge = roof_curve(network, machine).ridge_batch
    except DomainError:
        return None
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
