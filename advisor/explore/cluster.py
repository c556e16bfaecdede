"""A Dask cluster as the crew of a search. The scheduler gives the work of a worker that dies to others."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Final

from engine import __version__

from ..inputs import RequestError
from .run import Crew

WAIT_S: Final = 10
"""How long a scheduler and its first worker may take to answer."""
RETRIES: Final = 3
"""How often a piece of work that fails, other than by the death of its worker, is tried again."""


def dask(address: str) -> Crew:
    """Return the workers of a scheduler. Raises RequestError where it or they cannot be used."""
    if find_spec("distributed") is None:
        raise RequestError("a cluster needs Dask, of the extra scale: pip install 'roofwise[scale]'")
    client = _client(address)

    @contextmanager
    def start() -> Iterator[Executor]:
        try:
            yield client.get_executor(pure=False, retries=RETRIES)
        finally:
            client.close()

    return Crew(start=start, room=lambda: 2 * max(1, sum(client.nthreads().values())))


def _client(address: str) -> Any:
    from distributed import Client  # noqa: PLC0415 - of the extra scale

    client: Any

    try:
        client = Client(address, timeout=WAIT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise RequestError(f"no scheduler answers at {address[:100]!r} ({error}); start one with `dask scheduler`") from error
    try:
        client.wait_for_workers(1, timeout=WAIT_S)
        found = client.run(version)
    except TimeoutError as error:
        client.close()
        raise RequestError(
            f"the scheduler at {address[:100]!r} has no workers; start some with `dask worker {address}`"
        ) from error
    except ModuleNotFoundError as error:
        client.close()
        raise RequestError(f"the workers of {address[:100]!r} lack {error.name}; install roofwise[scale] there") from error
    if others := {theirs for theirs in found.values() if theirs != version()}:
        client.close()
        raise RequestError(
            f"the workers of {address[:100]!r} run roofwise {', '.join(sorted(others))}, this is {version()}; install the same"
        )
    return client


def version() -> str:
    """Return the version of Roofwise that runs here."""
    return __version__
