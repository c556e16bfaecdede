"""What the command says to the shell that ran it: exit codes, and errors on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Final

NOTHING_QUALIFIES: Final = 1
"""Exit code of a request that nothing meets."""
FAULTY: Final = 2
"""Exit code of a faulty request or spec."""
INTERRUPTED: Final = 130
"""Exit code of a run that was interrupted, as shells have it."""


class UsageError(Exception):
    """The command line does not take the arguments."""


def guarded(run: Callable[[], int]) -> int:
    """Return the exit code of a run; its errors of ours and of the system go to stderr, a line for each fault.

    What numpy says of numbers beyond all bounds does not: they come out as unknown.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            code = run()
        _flush()
    except UsageError as error:
        return report([str(error)])
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - which errors are ours is asked where there is one
        if isinstance(error, OSError):
            _give_up_output()
        return 0 if isinstance(error, BrokenPipeError) else report(_faults(error))
    return code


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _faults(error: Exception) -> list[str]:
    """Return the lines of an error of ours or of the system; any other is raised again."""
    from engine.errors import RoofwiseError, SpecError  # noqa: PLC0415 - help and completion need no engine

    if isinstance(error, SpecError):
        return [str(fault) for fault in error.faults]
    if isinstance(error, RoofwiseError):
        return str(error).splitlines()
    if isinstance(error, OSError):
        return [f"{error.filename or 'standard output'}: {error.strerror or error}; nothing more was written"]
    raise error


def _give_up_output() -> None:
    """Send what is still to be printed nowhere: at its end the interpreter would try again, and complain."""
    with contextlib.suppress(AttributeError, OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def report(lines: Iterable[str]) -> int:
    """Print errors and return the exit code of a faulty request."""
    if sys.stderr is not None:  # print() would take standard output instead
        with contextlib.suppress(OSError):
            for line in lines:
                print(f"error: {line}", file=sys.stderr)  # noqa: T201
    return FAULTY
