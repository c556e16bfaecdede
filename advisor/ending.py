"""How a command ends that is told to, by Ctrl-C or SIGTERM: at once, in silence, and without the files that it is writing.

No exception is raised for it. A library that is being loaded may swallow one and go on with half of what it needs: numpy then
calls its installation broken, and pydantic refuses texts that are right. Only where there is more to keep or to put away than
files, an exception is raised (`raising`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

_WRITTEN: Final[set[str]] = set()
"""Files that are being written, each beside the one whose place it will take."""
_RAISING: Final = [False]


def begin(*, interrupts: bool) -> None:
    """Take over what ends this process, and what interrupts it unless it was started to ignore that."""
    signal.signal(signal.SIGTERM, _end)
    if interrupts:
        signal.signal(signal.SIGINT, _end)


def _end(number: int, _frame: object) -> NoReturn:
    if _RAISING[-1]:
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)
    for name in tuple(_WRITTEN):
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108 - no new objects here
    os._exit(128 + number)


@contextlib.contextmanager
def raising() -> Iterator[None]:
    """Let what ends the process raise KeyboardInterrupt or SystemExit inside, where something is to be kept or put away."""
    _RAISING.append(True)
    try:
        yield
    finally:
        _RAISING.pop()


@contextlib.contextmanager
def aside(target: Path) -> Iterator[Path]:
    """Yield a file to write beside a target, whose place it takes in the end; where that fails, nothing is left of it."""
    temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}.tmp")
    _WRITTEN.add(str(temporary))
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
        _WRITTEN.discard(str(temporary))
