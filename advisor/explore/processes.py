"""Processes of this machine as the crew of a search. One that dies is replaced, and its piece of work given to another."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final

from .run import Crew, Result, RunError, work

MOST_DEATHS: Final = 5
"""After so many deaths without a result between them a search gives up."""


@dataclass(kw_only=True)
class _Hand:
    """A process at work, and the piece that it has."""

    process: BaseProcess
    chunk: int | None = None


def processes(count: int) -> Crew:
    """Return a crew of so many processes."""

    def crew(packed: bytes, todo: deque[int], form: str | None) -> Iterator[tuple[int, Result]]:
        hands: dict[Any, _Hand] = {}
        deaths = 0
        try:
            while todo or any(hand.chunk is not None for hand in hands.values()):
                _hire(hands, min(count, len(todo) + len(hands)), packed, form)
                _hand_out(hands, todo)
                for pipe in wait([pipe for pipe, hand in hands.items() if hand.chunk is not None]):
                    chunk, result = _received(pipe, hands, todo)
                    deaths = 0 if result is not None else deaths + 1
                    if result is not None:
                        yield chunk, result
                if deaths >= MOST_DEATHS:
                    raise RunError(f"{deaths} processes died one after the other, perhaps for want of memory; try --workers 1")
        finally:
            _dismiss(hands)

    return crew


def _hire(hands: dict[Any, _Hand], count: int, packed: bytes, form: str | None) -> None:
    """Start processes until there are so many. They start afresh, since those that are forked may inherit locks."""
    context = get_context("spawn")
    while len(hands) < count:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, packed, form), daemon=True)
        with _deaf():
            process.start()
        theirs.close()
        hands[ours] = _Hand(process=process)


@contextmanager
def _deaf() -> Iterator[None]:
    """Ignore Ctrl-C for a moment: processes that start meanwhile ignore it for good, and end when this one says so or ends."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(pipe: Connection, packed: bytes, form: str | None) -> None:
    """Do pieces of work as they come through a pipe, until it closes, which it does when the other process ends, too."""
    try:
        while True:
            chunk: int = pipe.recv()
            try:
                pipe.send(work(packed, chunk, form))
            except Exception as error:  # noqa: BLE001 - it is raised where the work came from
                pipe.send(error)
    except (EOFError, OSError):
        return


def _hand_out(hands: dict[Any, _Hand], todo: deque[int]) -> None:
    """Give everyone without a piece of work the next; whoever is dead is found out when asked for the result."""
    for pipe, hand in hands.items():
        if hand.chunk is None and todo:
            hand.chunk = todo.popleft()
            try:
                pipe.send(hand.chunk)
            except OSError:
                continue


def _received(pipe: Any, hands: dict[Any, _Hand], todo: deque[int]) -> tuple[int, Result | None]:
    """Return a piece of work with its result, or with None where its process died; then it is to be done again."""
    hand = hands[pipe]
    chunk = hand.chunk
    if chunk is None:  # pragma: no cover - only those with work are asked
        raise RunError("a process without work sent a result")
    try:
        found = pipe.recv()
    except (EOFError, OSError):
        todo.appendleft(chunk)
        del hands[pipe]
        pipe.close()
        hand.process.join()
        return chunk, None
    if isinstance(found, Exception):
        raise found
    hand.chunk = None
    return chunk, found


def _dismiss(hands: dict[Any, _Hand]) -> None:
    """End all processes."""
    for pipe, hand in hands.items():
        hand.process.terminate()
        pipe.close()
    for hand in hands.values():
        hand.process.join()
