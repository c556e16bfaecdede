"""One piece of work, and who does it: this process, processes beside it, or a cluster. All give the same bits."""

from __future__ import annotations

import os
import pickle
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache

from engine.errors import RoofwiseError

from .parts import encoded
from .space import Space, summary_of
from .summary import Summary

Result = tuple[Summary, bytes | None]
"""What a piece of work comes to, and its part where points are written."""
Crew = Callable[[bytes, deque[int], str | None], Iterator[tuple[int, Result]]]
"""Does the pieces of work of a packed space, and yields each with its result, as they come."""


class RunError(RoofwiseError, RuntimeError):
    """The processes or machines that a search runs on fail again and again."""


def work(packed: bytes, chunk: int, form: str | None) -> Result:
    """Return what one piece of work of a packed space comes to, and its part where a form is asked for."""
    space = _unpacked(packed)
    if form is None:
        return summary_of(space, chunk), None
    data, summary = encoded(space, chunk, form)
    return summary, data


def pack(space: Space) -> bytes:
    """Return a space as bytes, which go with every piece of work: a worker that joins late needs nothing else."""
    return zlib.compress(pickle.dumps(space), 1)


@lru_cache(maxsize=2)
def _unpacked(packed: bytes) -> Space:
    space: Space = pickle.loads(zlib.decompress(packed))  # noqa: S301 - what `pack` made
    return space


def alone(packed: bytes, todo: deque[int], form: str | None) -> Iterator[tuple[int, Result]]:
    """Do one piece of work after the other in this process."""
    while todo:
        chunk = todo.popleft()
        yield chunk, work(packed, chunk, form)


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
