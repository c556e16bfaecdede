"""Tells unrest that the system does not: guests of the same host that take cache, memory or clock.

A small kernel of a probe, run before and after something is timed. It is the same work each time, so where it takes longer
than at its best, so did what stood between; and it knows nothing of what was timed, so that choosing by it does not choose what
looks good.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from . import graphs
from .session import bound, open_session
from .stopwatch import clock_of, repeat

CALM: Final = 0.05
"""How much longer than at its best the canary takes while a machine is calm, at the most."""
READING_S: Final = 0.03
FIRST: Final = 10
"""Readings before anything is timed, of which the best is the first reference."""


class Canary:
    """A small sum of tensors that the last cache holds, and the least that it ever took [s]."""

    def __init__(self, threads: int, device: str) -> None:
        graph = graphs.add(400_000, 8)
        chance = np.random.default_rng(1)
        feeds = {name: chance.random(shape, dtype=np.float32) for name, shape in graph.inputs.items()}
        self._run = bound(open_session(graph.model, threads, device), feeds, device)
        self._clock, _ = clock_of(threads, device)
        self.best = min(self._read() for _ in range(FIRST))

    def _read(self) -> float:
        return float(np.median(repeat(self._run, self._clock, budget_s=READING_S)))

    def unrest(self) -> float:
        """Return how much longer it takes now than at its best, as a share."""
        now = self._read()
        self.best = min(self.best, now)
        return now / self.best - 1.0
