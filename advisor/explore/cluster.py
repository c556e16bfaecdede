"""A Dask cluster as the crew of a search. The scheduler gives the work of a worker that dies to others."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from engine import __version__

from ..inputs import RequestError
from .run import Crew, Result, RunError, work

_ADDRESS: Final = re.compile(r"(tcp|tls|ws|wss|ucx)://[^\s/]+:\d{1,5}")
WAIT_S: Final = 10
"""How long a scheduler and its first worker may take to answer."""
RETRIES: Final = 3
"""How often a piece of work that fails, other than by the death of its worker, is tried again."""


def dask(address: str) -> Crew:
    """Return the workers of a scheduler. Raises RequestError where it or they cannot be used."""
    if find_spec("distributed") is None:
        raise RequestError("a cluster needs Dask, of the extra scale: pip install 'roofwise[scale]'")
    client = _client(address)

    def crew(packed: bytes, todo: deque[int], form: str | None) -> Iterator[tuple[int, Result]]:
        executor = client.get_executor(pure=False, retries=RETRIES)
        flying: dict[Future[Result], int] = {}
        try:
            while todo or flying:
                while todo and len(flying) < _room(client):
                    chunk = todo.popleft()
                    flying[executor.submit(work, packed, chunk, form)] = chunk
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    yield flying.pop(future), _result(future)
        finally:
            client.close()

    return crew


def _room(client: Any) -> int:
    """Return how many pieces of work the workers should have, those that joined later, too: two for each of their threads."""
    threads: dict[str, int] = client.nthreads()
    return 2 * max(1, sum(threads.values()))


def _result(future: Future[Result]) -> Result:
    from distributed import KilledWorker  # noqa: PLC0415 - of the extra scale

    try:
        return future.result()
    except KilledWorker as error:
        raise RunError(f"a piece of work was lost with several workers, one after the other: {error}") from error


def _client(address: str) -> Any:
    if not _ADDRESS.fullmatch(address):
        raise RequestError(
            f"{address[:100]!r} is no address of a scheduler; write tcp://HOST:PORT, as `dask scheduler` prints it"
        )
    from distributed import Client  # noqa: PLC0415 - of the extra scale

    client: Any
    try:
        client = Client(address, timeout=WAIT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise RequestError(f"no scheduler answers at {address[:100]!r} ({error}); start one with `dask scheduler`") from error
    try:
        _check(client, address)
    except BaseException:
        client.close()
        raise
    return client


def _check(client: Any, address: str) -> None:
    """Raise RequestError where there are no workers, or they run another version."""
    try:
        client.wait_for_workers(1, timeout=WAIT_S)
        found = client.run(version)
    except TimeoutError as error:
        told = f"the scheduler at {address[:100]!r} has no workers; start some with `dask worker {address[:100]}`"
        raise RequestError(told) from error
    except Exception as error:  # Dask raises what went wrong on a worker as whatever it can
        told = f"the workers of {address[:100]!r} cannot do it ({error}); install roofwise[scale] {__version__} there"
        raise RequestError(told) from error
    if others := {theirs for theirs in found.values() if theirs != version()}:
        told = f"the workers of {address[:100]!r} have {', '.join(sorted(others))}, this is {version()}"
        raise RequestError(f"{told}; install the same, or the last digits may differ")


def version() -> str:
    """Return the versions that decide the digits of a result."""
    return f"roofwise {__version__} with numpy {np.__version__}"
