"""Times that can be trusted: repeated until they are stable, and with what else the machine did meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

LOUD: Final = 0.25
"""Cores that other processes may take before a machine is not quiet."""
STARVED: Final = 0.95
"""Least share of a core that one thread gets on a quiet machine."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """What repeated runs took [s]: their number, the median, the quartiles, the 90th and 99th percentile, the least."""

    runs: int
    median: float
    quartile_1: float
    quartile_3: float
    p90: float
    p99: float
    least: float


def times(seconds: Sequence[float]) -> Times:
    """Return the figures of runs [s].

    >>> times([3.0, 1.0, 2.0]).median
    2.0
    """
    first, middle, third, p90, p99 = np.quantile(seconds, (0.25, 0.5, 0.75, 0.9, 0.99))
    return Times(
        runs=len(seconds), median=float(middle), quartile_1=float(first), quartile_3=float(third), p90=float(p90),
        p99=float(p99), least=float(min(seconds)),
    )  # fmt: skip


def clock_of(threads: int, device: str) -> tuple[Clock, str]:
    """Return the clock for so many threads, and what it is called.

    One thread on a processor is timed by the time that the process had a core, which other processes do not lengthen.
    """
    if threads == 1 and device == "cpu":
        return time.process_time, "processor time of one thread"
    return time.perf_counter, "wall time"


def repeat(run: Callable[[], None], clock: Clock, *, budget_s: float, least: int = 3, most: int = 1000) -> list[float]:
    """Return the times of runs [s]: until the budget is spent, from `least` to `most` of them."""
    end = time.perf_counter() + budget_s
    seconds: list[float] = []
    while len(seconds) < least or (len(seconds) < most and time.perf_counter() < end):
        start = clock()
        run()
        seconds.append(clock() - start)
    return seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the machine did while something was timed: cores that other processes took, and the share of a core that we got."""

    others: float
    got: float

    @property
    def quiet(self) -> bool:
        """Return whether it was quiet."""
        return self.others <= LOUD and self.got >= STARVED


class Watch:
    """Watches the machine from its start to each reading."""

    def __init__(self, threads: int) -> None:
        import psutil  # noqa: PLC0415

        self._psutil, self._process, self._threads = psutil, psutil.Process(), threads
        self._start = self._now()

    def _now(self) -> tuple[float, float, float]:
        """Return wall time, the busy time of all cores, and that of this process [s]."""
        system, own = self._psutil.cpu_times(), self._process.cpu_times()
        return time.perf_counter(), _busy(system), own.user + own.system

    def read(self) -> Load:
        """Return the load since the start."""
        wall, busy, own = (after - before for after, before in zip(self._now(), self._start, strict=True))
        wall = max(wall, 1e-9)
        return Load(others=max(0.0, busy - own) / wall, got=min(1.0, own / wall) if self._threads == 1 else 1.0)


def _busy(system: Any) -> float:
    """Return the time that cores worked for anyone, other guests of a virtual machine's host among them [s]."""
    idle = {"idle", "iowait", "guest", "guest_nice"}
    return float(sum(value for name, value in system._asdict().items() if name not in idle))
