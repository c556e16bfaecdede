"""A probe of this machine: the rate of every class of kernels in the runtime that will run networks, and its memory.

A rate is that of a class in the cache. What comes from memory takes its own time: the bandwidth is what sums of long tensors
show beyond their time in the cache, the cache is what such sums still find near, and the overlap is what a product of few rows
shows whose weights no cache holds. docs/lab.md has the reasons.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any, Final

import numpy as np

from engine.calibration import WORK_CLASSES

from . import graphs
from .graphs import Graph
from .session import bound, open_session, version
from .stopwatch import Clock, Load, Times, Watch, clock_of, repeat, times
from .topology import Topology, gpu_topology, topology

ROUNDS: Final = 3
"""Every probe runs in so many rounds, so that a moment of unrest meets all of them alike."""
MORE_ROUNDS: Final = 3
STABLE: Final = 0.03
"""A probe whose rounds differ by less than this is stable."""
ROUND_S: Final = 0.1
LAUNCH_S: Final = 0.2
LONGEST_S: Final = 50.0
"""After this nothing is probed again [s]; on a slow machine there may be one round only."""
CACHE_BYTES: Final = 32 << 20
"""What the last cache is taken for where the system does not say."""
BEYOND: Final = 6
"""A tensor sum moves so many times the last cache where it is to come from memory."""
LARGEST: Final = 1 << 30
"""No probe holds more than this [B]."""
FEW_ROWS: Final = (1, 16)
"""Rows of the products whose weights stream: the arithmetic of the first is nothing, that of the second takes as long."""


@dataclass(frozen=True, kw_only=True)
class Probed:
    """One probe: its graph, what it took [s], and the median of each round."""

    graph: Graph
    times: Times
    rounds: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """Return the time of one run [s]: the median of its calmest round, since what disturbs only ever lengthens."""
        return min(self.rounds)

    @property
    def usual(self) -> float:
        """Return the time of one run [s] in the round in the middle: where tensors lie in memory may be luck, too."""
        return float(np.median(self.rounds))


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Two levels of memory: what stays near [B], the bandwidth beyond of passes and of products, the most seen [B/s].

    `overlap_loss` is the share of the shorter of arithmetic and traffic that a product does not hide.
    """

    cache: float
    bandwidth: float
    product_bandwidth: float
    best_bandwidth: float
    overlap_loss: float


@dataclass(frozen=True, kw_only=True)
class Result:
    """A probed machine. `times` are of one FLOP or element by class [s], `peak` is the highest rate of any run [FLOP/s]."""

    topology: Topology
    threads: int
    device: str
    software: str
    clock: str
    load: Load
    seconds: float
    times: Mapping[str, float]
    launch: float
    memory: Memory
    peak: float
    probes: tuple[Probed, ...]

    @property
    def stable(self) -> bool:
        """Return whether every probe of a class was stable in the end."""
        return all(_spread(probe.rounds) <= STABLE for probe in self.probes)


Told = Callable[[str], None]


def probe(threads: int | None = None, device: str = "cpu", tell: Told = lambda _: None) -> Result:
    """Return what a probe of this machine finds, with so many threads; without a number, with all its cores."""
    found = topology() if device == "cpu" else gpu_topology()
    threads = threads or found.cores
    start, watch = time.perf_counter(), Watch(threads)
    clock, clock_name = clock_of(threads, device)
    bench = _Bench(threads, device, clock)
    launch = _launch(bench)
    classes = bench.rounds(list(graphs.classes()), start + LONGEST_S, tell)
    far = _far(found)
    tell("memory")
    memory_probes = bench.rounds([*far.sums, *far.streamed], start + LONGEST_S, lambda _: None)
    near = _class_times(classes, launch)
    return Result(
        topology=found, threads=threads, device=device, software=version(), clock=clock_name, load=watch.read(),
        seconds=time.perf_counter() - start, times=near, launch=launch,
        memory=_memory(memory_probes, near, found), peak=_peak([*classes, *memory_probes]), probes=(*classes, *memory_probes),
    )  # fmt: skip


class _Bench:
    """Opens a session for each graph, and runs all of them in rounds."""

    def __init__(self, threads: int, device: str, clock: Clock) -> None:
        self.threads, self.device, self.clock = threads, device, clock

    def open(self, graph: Graph) -> Callable[[], None]:
        """Return what runs a graph once, warmed up."""
        chance = np.random.default_rng(1)
        feeds: dict[str, Any] = {name: chance.random(s, dtype=np.float32) for name, s in graph.inputs.items()}
        run = bound(open_session(graph.model, self.threads, self.device), feeds, self.device)
        run()
        run()
        return run

    def rounds(self, each: Sequence[Graph], end: float, tell: Told) -> list[Probed]:
        """Return all graphs probed, once at least: in some rounds, the unstable ones in some more, while there is time.

        A round opens a graph anew, since where its tensors lie in memory changes what it takes.
        """
        seconds: list[list[list[float]]] = [[] for _ in each]
        for number in range(ROUNDS + MORE_ROUNDS):
            for graph, found in zip(each, seconds, strict=True):
                stable = number >= ROUNDS and _spread([float(np.median(one)) for one in found]) <= STABLE
                if not found or (not stable and time.perf_counter() < end):
                    tell(f"{graph.name}, {graph.what}")
                    found.append(repeat(self.open(graph), self.clock, budget_s=ROUND_S))
        return [
            Probed(
                graph=graph, times=times([second for one in found for second in one]),
                rounds=tuple(float(np.median(one)) for one in found),
            )
            for graph, found in zip(each, seconds, strict=True)
        ]  # fmt: skip


def _spread(rounds: Sequence[float]) -> float:
    """Return how far the two rounds in the middle of all lie apart, as a share: one bad round is no unrest."""
    ordered = sorted(rounds)
    middle = ordered[(len(ordered) - 1) // 4 : len(ordered) - (len(ordered) - 1) // 4]
    return middle[-1] / middle[0] - 1.0


def _launch(bench: _Bench) -> float:
    """Return the time of a kernel with nothing to do [s]: what more of them in a pass take more."""
    few, many = graphs.tiny(1), graphs.tiny(101)
    found = [float(np.median(repeat(bench.open(graph), bench.clock, budget_s=LAUNCH_S))) for graph in (few, many)]
    return max(0.0, (found[1] - found[0]) / (many.amount - few.amount))


def _class_times(probes: Sequence[Probed], launch: float) -> dict[str, float]:
    """Return the time of one FLOP or element of each class [s]: the geometric mean over its sizes, without launches."""
    logs: dict[str, list[float]] = {}
    for one in probes:
        seconds = max(one.seconds - launch * one.graph.kernels, 0.5 * one.seconds)
        logs.setdefault(one.graph.name, []).append(log(seconds / one.graph.amount))
    return {name: exp(sum(values) / len(values)) for name, values in logs.items()}


def _peak(probes: Sequence[Probed]) -> float:
    """Return the highest rate of any single run of a product or convolution [FLOP/s]."""
    return max(one.graph.amount / one.times.least for one in probes if one.graph.name in WORK_CLASSES)


# Memory.


@dataclass(frozen=True, kw_only=True)
class _Far:
    sums: list[Graph]
    streamed: list[Graph]


def _far(machine: Topology) -> _Far:
    """Return sums of tensors about as large as the last cache and far larger, and products whose weights stream."""
    cache = machine.last_cache or CACHE_BYTES
    most = min(LARGEST, machine.memory // 8)
    sizes = [min(most, int(share * cache)) for share in (0.5, 1, 2, BEYOND)]
    columns = max(1024, int(min(most, 4 * cache) / 4 / 4096))
    return _Far(
        sums=[graphs.add(int(size / 12), 2 if size < BEYOND * cache else 1) for size in sizes],
        streamed=[graphs.streamed(rows, columns, 4096) for rows in FEW_ROWS],
    )


def _memory(probes: Sequence[Probed], near: Mapping[str, float], machine: Topology) -> Memory:
    """Return what sums of long tensors, and products with weights from memory, say about memory."""
    *sums, one_row, few_rows = probes
    farthest = sums[-1]
    beyond = max(farthest.usual - near["elementwise"] * farthest.graph.amount, 0.05 * farthest.usual)
    bandwidth = farthest.graph.traffic / beyond
    of_products = one_row.graph.traffic / max(one_row.usual - near["gemm"] * one_row.graph.amount, 0.5 * one_row.usual)
    seen = [one.graph.traffic / one.times.least for one in (farthest, one_row)]
    return Memory(
        cache=_near_bytes(sums[:-1], near["elementwise"], bandwidth, float(machine.last_cache or CACHE_BYTES)),
        bandwidth=bandwidth, product_bandwidth=of_products, best_bandwidth=max(bandwidth, of_products, *seen),
        overlap_loss=_overlap(few_rows, near["gemm"], of_products),
    )  # fmt: skip


def _near_bytes(sums: Sequence[Probed], near: float, bandwidth: float, most: float) -> float:
    """Return what stays near from one kernel to the next [B]: what sums of several sizes did not fetch, in the median."""
    found = []
    for one in sums:
        footprint = one.graph.traffic / one.graph.kernels
        fetched = (one.usual - near * one.graph.amount) * bandwidth / one.graph.kernels
        found.append(min(max(footprint - fetched, 0.05 * most), most))
    return float(np.median(found))


def _overlap(few_rows: Probed, near: float, bandwidth: float) -> float:
    """Return the share of the shorter of arithmetic and traffic that a product of few rows does not hide, from 0 to 1."""
    compute, memory = near * few_rows.graph.amount, few_rows.graph.traffic / bandwidth
    return min(1.0, max(0.0, (few_rows.usual - max(compute, memory)) / min(compute, memory)))


def figures(result: Result) -> Iterator[tuple[str, float, str]]:
    """Yield the class, the value and the unit of each rate, in words for people."""
    for name, seconds in result.times.items():
        if name in WORK_CLASSES:
            yield name, 1e-9 / seconds, "GFLOP/s"
        else:
            yield name, seconds * 1e9, "ns per element"
