"""What a sweep has measured so far, as one file that is replaced in one step, so that a run that was stopped goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

VERSION: Final = 1
ATTEMPTS: Final = 2
"""A batch that never came back is tried so often at the most."""


class StateError(ValueError):
    """A folder holds a sweep of another machine or software, or none that can be read."""


def write(path: Path, text: str) -> None:
    """Write a file beside its place, then move it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with beside.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


class State:
    """The points of every sweep and the parts of the micro-measurements, by what was measured with what.

    `machine` is what must not change between two runs that are one sweep: chip, board and versions.
    """

    def __init__(self, path: Path, machine: Mapping[str, Any]) -> None:
        self.path, self.machine = path, dict(machine)
        self.data: dict[str, Any] = {"version": VERSION, "machine": self.machine, "micro": {}, "jobs": {}}
        if path.is_file():
            self.data = self._read()

    def _read(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
            machine = found["machine"]
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(f"{self.path} is no state of a sweep; name another --out") from error
        differ = [name for name in self.machine if machine.get(name) != self.machine[name]]
        if found.get("version") != VERSION or differ:
            told = ", ".join(f"{name} {machine.get(name)!r}, now {self.machine[name]!r}" for name in differ)
            raise StateError(f"{self.path} is of another machine ({told or 'another version'}); name another --out")
        return found

    def save(self) -> None:
        """Write what is known."""
        write(self.path, json.dumps(self.data, indent=1))

    def job(self, name: str) -> dict[str, Any]:
        """Return what is known of a sweep, by batch: points, why batches are left out, attempts; error; whether it is done."""
        empty: dict[str, Any] = {"points": {}, "skipped": {}, "tried": {}, "error": {}, "done": False}
        known: dict[str, Any] = self.data["jobs"].setdefault(name, empty)
        return known

    def left(self, name: str, batches: tuple[int, ...]) -> list[int]:
        """Return the batches of a sweep that are neither measured nor skipped, in their order."""
        job = self.job(name)
        return [batch for batch in batches if str(batch) not in job["points"] and str(batch) not in job["skipped"]]

    def attempt(self, known: dict[str, Any], key: str) -> bool:
        """Note that something is tried, and save; return False where it was tried often enough without an answer."""
        tried = known["tried"].get(key, 0)
        if tried >= ATTEMPTS:
            return False
        known["tried"][key] = tried + 1
        self.save()
        return True

    def seconds(self, name: str) -> dict[int, float]:
        """Return the median time of a pass [s] of the batches of a sweep that are measured."""
        return {int(batch): point["median_s"] for batch, point in self.job(name)["points"].items()}


def short(error: BaseException) -> str:
    """Return the first line of an error."""
    return f"{type(error).__name__}: {(str(error).strip() or '?').splitlines()[0][:200]}"
