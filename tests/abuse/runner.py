"""Runs `advise`, in this process or as one of its own, and says what was wrong with how it ended.

Whatever the input, a run must end in time, with exit code 0, 1 or 2, without a traceback or a warning of a library, with a line
of `error:` where the code is 2, and with nothing half written.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, Final
from unittest import mock

from advisor.cli import main

ROOT: Final = Path(__file__).parents[2]
SECONDS: Final = 60.0
"""No run of the suite may take longer; one that does counts as hung."""
CODES: Final = frozenset({0, 1, 2})


class HangError(BaseException):
    """A run did not end in time. No handler of errors may catch it."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a run ended: exit code, or None where it raised; what it printed; how long it took in seconds."""

    arguments: tuple[str, ...]
    code: int | None
    out: bytes
    err: str
    seconds: float

    @property
    def text(self) -> str:
        """Return what stands on standard output."""
        return self.out.decode("utf-8", "replace")

    def faults(self, codes: frozenset[int] = CODES) -> list[str]:
        """Return what is wrong with how it ended; nothing for most."""
        return [f"advise {' '.join(map(shown, self.arguments))}: {fault}" for fault in self._faults(codes)]

    def _faults(self, codes: frozenset[int]) -> Iterator[str]:
        if "Traceback" in self.err or "Exception ignored" in self.err or self.code is None:
            yield f"it ended with a traceback:\n{self.err[-3000:]}"
            return
        if self.code not in codes:
            yield f"exit code {self.code}: {self.err[-500:]}"
        if self.code == 2 and "error" not in (self.err + self.text).lower() and not self.to_a_file:
            yield f"exit code 2 without a word of what is wrong: {self.text[:300]!r}"
        if "Warning: " in self.err:
            yield f"a warning of a library: {self.err[:300]}"
        if self.asks_json and self.code in (0, 1):
            yield from self._no_json()

    @property
    def to_a_file(self) -> bool:
        """Return whether what it says may stand in a file."""
        return any(name.startswith(("-o", "--out")) for name in self.arguments)

    @property
    def asks_json(self) -> bool:
        """Return whether JSON, and nothing else, was asked for on standard output."""
        formats = [value for name, value in pairwise(self.arguments) if name in ("--format", "-f")]
        other = {"import", "calibrate", "--help", "-h", "--version"} & set(self.arguments)
        return formats[-1:] == ["json"] and not other and not self.to_a_file

    def _no_json(self) -> Iterator[str]:
        try:
            json.loads(self.text, parse_constant=_refuse)
        except ValueError as error:
            yield f"what it printed is no JSON ({error}): {self.text[:200]!r}"


def _refuse(name: str) -> None:
    raise ValueError(name)


def shown(text: str) -> str:
    """Return an argument as a shell or Python would show it, cut where it is long."""
    return text if text.isascii() and text.isprintable() and text and " " not in text else ascii(text)[:120]


def _alarm(_signal: int, _frame: FrameType | None) -> None:
    raise HangError


@contextlib.contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Raise HangError where the inside takes longer; only in the main thread of a system that has alarms."""
    before = signal.signal(signal.SIGALRM, _alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _streams(stdin: bytes, encoding: str) -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    out, err = io.BytesIO(), io.BytesIO()
    fake = {
        "stdin": io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"),
        "stdout": io.TextIOWrapper(out, encoding=encoding),
        "stderr": io.TextIOWrapper(err, encoding=encoding, errors="backslashreplace"),
    }
    with mock.patch.multiple(sys, **fake):
        yield out, err
        for name in ("stdout", "stderr"):
            fake[name].flush()
    for stream in fake.values():
        stream.detach()


def run(
    *arguments: str, stdin: bytes = b"", encoding: str = "utf-8", seconds: float = SECONDS, env: Mapping[str, str] | None = None
) -> Ran:
    """Run `advise` in this process. What it raises becomes a traceback in `err`, as a shell would show it."""
    start = time.perf_counter()
    code: int | None = None
    told = ""
    with (
        _streams(stdin, encoding) as (out, err),
        mock.patch.dict(os.environ, env or {}),
        warnings.catch_warnings(action="error"),
    ):
        try:
            with limit(seconds):
                main(arguments)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        except HangError:
            told = f"Traceback: it hung for {seconds:g} s in\n{traceback.format_exc()}"
        except BaseException:  # noqa: BLE001 - whatever it is, it is what is looked for
            told = traceback.format_exc()
    return Ran(
        arguments=arguments, code=code, out=out.getvalue(), err=err.getvalue().decode(encoding, "replace") + told,
        seconds=time.perf_counter() - start,
    )  # fmt: skip


# Processes.

COMMAND: Final = (sys.executable, "-m", "advisor")
QUIET: Final[Mapping[str, str]] = {"ROOFWISE_SPECS": "", "COLUMNS": "", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


def environment(**changes: str) -> dict[str, str]:
    """Return the environment of a process, with this checkout in front; an empty text takes a variable away."""
    return {name: value for name, value in {**os.environ, **QUIET, **changes}.items() if value}


def process(
    *arguments: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None, seconds: float = SECONDS, **how: Any
) -> Ran:
    """Run `advise` as a process of its own. One that does not end in time is killed, and told as a hang."""
    start = time.perf_counter()
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
    if stdin is None:
        how.setdefault("stdin", subprocess.DEVNULL)
    try:
        done = subprocess.run(
            [*COMMAND, *map(os.fsencode, arguments)],
            input=stdin,
            env=environment(**env or {}),
            timeout=seconds,
            check=False,
            **how,
        )
        code: int | None = done.returncode
        out, err = done.stdout or b"", (done.stderr or b"").decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        code, out, err = None, b"", f"Traceback: it hung for {seconds:g} s"
    return Ran(arguments=arguments, code=code, out=out, err=err, seconds=time.perf_counter() - start)


# What is left behind.


def left_behind(folder: Path) -> list[str]:
    """Return the files below a folder that only a run that went wrong leaves: temporary ones, and ones without a byte."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [f"left behind: {path.relative_to(folder)}" for path in files if path.suffix == ".tmp" or ".tmp" in path.name]
