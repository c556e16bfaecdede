"""A whole search: what is there already, what is left to do, who does it, and what it all comes to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import RoofwiseError

from . import cluster, processes, run
from .parts import Folder, open_folder
from .request import request_json
from .space import Space
from .summary import Summary, merge

Tick = Callable[[int], None]


class StoppedError(RoofwiseError):
    """A search was stopped before its end; the message says what is kept."""


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a search may use: a folder for its points, processes of this machine, or a cluster instead."""

    points: Path | None = None
    workers: int = 1
    scheduler: str | None = None


def search(space: Space, means: Means, tick: Tick = lambda _: None) -> Summary:
    """Return what a space comes to; `tick` is told how many points were added. What a folder has is not evaluated again.

    Raises RequestError where folder or cluster cannot be used, StoppedError at Ctrl-C.
    """
    folder = None if means.points is None else open_folder(means.points, request_json(space), space.chunks)
    total, there = Summary(), set()
    for chunk, summary in () if folder is None else folder.done():
        total = merge((total, summary))
        there.add(chunk)
    tick(total.points)
    todo = deque(chunk for chunk in range(space.chunks) if chunk not in there)
    try:
        for chunk, (summary, data) in _crew(means, len(todo))(run.pack(space), todo, folder.form if folder else None):
            if folder is not None and data is not None:
                folder.write(chunk, data, summary)
            total = merge((total, summary))
            tick(summary.points)
    except KeyboardInterrupt:
        raise StoppedError(_kept(folder, total.points, space.points)) from None
    return total


def _crew(means: Means, chunks: int) -> run.Crew:
    """Return who does so many pieces of work: a cluster, processes, or nobody else where there is little to do."""
    if means.scheduler is not None and chunks:
        return cluster.dask(means.scheduler)
    workers = min(means.workers, chunks)
    return processes.processes(workers) if workers > 1 and means.scheduler is None else run.alone


def _kept(folder: Folder | None, points: int, of: int) -> str:
    kept = (
        "--points keeps what is done" if folder is None else f"{folder.path} is valid, and the same command goes on from there"
    )
    return f"stopped after {points:,} of {of:,} points; {kept}"
