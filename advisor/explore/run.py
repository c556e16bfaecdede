"""Running a search: pieces of work in this process, in processes of this machine, or on a cluster. All give the same bits."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from engine.errors import RoofwiseError

from .parts import encoded
from .space import Space, summary_of
from .summary import Summary

MOST_BROKEN: Final = 5
"""After so many breakdowns of the processes without a result between them, a search gives up."""
Result = tuple[Summary, bytes | None]


class RunError(RoofwiseError, RuntimeError):
    """The processes or machines that a search runs on fail again and again."""


@dataclass(frozen=True, kw_only=True)
class Crew:
    """Who does the work: `start` gives an executor, `room` how many pieces of work it should have at a time."""

    start: Callable[[], AbstractContextManager[Executor]]
    room: Callable[[], int]


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


def results(space: Space, chunks: Iterable[int], form: str | None, crew: Crew | None) -> Iterator[tuple[int, Result]]:
    """Yield every piece of work with its result, as they come; without a crew, one after the other in this process."""
    if crew is not None:
        yield from _with_crew(pack(space), deque(chunks), form, crew)
        return
    packed = pack(space)
    for chunk in chunks:
        yield chunk, work(packed, chunk, form)


def _with_crew(packed: bytes, todo: deque[int], form: str | None, crew: Crew) -> Iterator[tuple[int, Result]]:
    """Yield results; where workers die, whatever they had is given to new ones."""
    broken = 0
    while todo:
        with crew.start() as executor:
            flying: dict[Future[Result], int] = {}
            try:
                while todo or flying:
                    while todo and len(flying) < crew.room():
                        flying[executor.submit(work, packed, todo[0], form)] = todo[0]
                        todo.popleft()
                    for future in wait(flying, return_when=FIRST_COMPLETED).done:
                        result = future.result()
                        broken = 0
                        yield flying.pop(future), result
            except BrokenExecutor as error:
                todo.extendleft(sorted(flying.values(), reverse=True))
                broken += 1
                if broken >= MOST_BROKEN:
                    raise RunError(f"the processes died {broken} times in a row ({error}); try --workers 1") from error
            except BaseException:
                executor.shutdown(wait=False, cancel_futures=True)
                raise


def local(workers: int) -> Crew:
    """Return so many processes of this machine. They start afresh, ignore Ctrl-C, and end when this process ends."""

    def start() -> Executor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(max_workers=workers, mp_context=context, initializer=_begin)

    return Crew(start=start, room=lambda: 2 * workers)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
