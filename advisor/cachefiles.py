"""The user's cache: its folder, files in it that are whole or not there, and what the files of our installation say.

A file of the cache is a line that says what it is, a sum of the rest, the length of its JSON, the JSON, and numbers. It is
written aside and then renamed, and holds no code. The sum tells damage only: whoever may write there may write anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

import engine

from .ending import aside

ENVIRONMENT: Final = "ROOFWISE_CACHE"
"""Names the cache's folder; empty, there is none."""
KEPT: Final = 8
"""So many snapshots are kept, of several installations side by side."""
LARGEST: Final = 1 << 28
"""No file of the cache has so many bytes."""
_STAMPS: Final = 64
FOREIGN: Final = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What comes of data whose hash fits, but which is not what was written."""
_MAGIC: Final = b"roofwise 2\n"


def folder() -> Path | None:
    """Return the folder of the cache, which need not be there; None where there is to be none."""
    named = os.environ.get(ENVIRONMENT)
    if named is not None:
        return Path(named) if named else None
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        return Path(base or Path.home() / ".cache") / "roofwise"
    except RuntimeError:
        return None


@dataclass(frozen=True)
class Files:
    """All that a snapshot comes from: the files of our packages and specs, each with its name, size and time."""

    roots: tuple[Path, ...]

    def stamp(self) -> tuple[str, int]:
        """Return places, sizes and times, a line for each file, and the latest of the times [ns]."""
        seen, latest = [sys.version], 0
        for entry in self._all():
            status = entry.stat()
            seen.append(f"{entry.path}|{status.st_size}|{status.st_mtime_ns}|{status.st_ino}")
            latest = max(latest, status.st_mtime_ns)
        return "\n".join(seen), latest

    def content(self) -> str:
        """Return a hash of what the files say, wherever they lie."""
        import hashlib  # noqa: PLC0415 - loading it takes a while, and few runs need it

        seen = hashlib.sha256(sys.version.encode())
        for entry in self._all():
            data = Path(entry.path).read_bytes()
            seen.update(f"{entry.name}|{len(data)}\n".encode() + data)
        return seen.hexdigest()

    def _all(self) -> Iterator[os.DirEntry[str]]:
        for root in self.roots:
            yield from _below(str(root))


def _below(directory: str) -> Iterator[os.DirEntry[str]]:
    """Yield the sources below a folder, in order."""
    with os.scandir(directory) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir():
            if entry.name not in {"__pycache__", "_data"}:
                yield from _below(entry.path)
        elif entry.name.endswith((".py", ".js", ".json")):
            yield entry


def sources() -> Files:
    """Return the files of this installation."""
    package = Path(engine.__file__).parent
    packaged = package / "_data"
    root = packaged if packaged.is_dir() else package.parent
    return Files((package, Path(__file__).parent, root / "specs"))


def write(path: Path, data: Mapping[str, Any], numbers: npt.NDArray[np.float64]) -> None:
    """Write a file of the cache in one step; where that fails, there is none."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":")).encode()
    body = b"%d\n" % len(text) + text + np.ascontiguousarray(numbers, dtype="<f8").tobytes()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with aside(path) as temporary:
            temporary.write_bytes(_MAGIC + _sum(body) + b"\n" + body)


def read(path: Path) -> tuple[dict[str, Any], npt.NDArray[np.float64]] | None:
    """Return what a file of the cache holds, or None where there is none, or another one than was written."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            magic, digest, body = file.readline(99), file.readline(99).strip(), file.read(LARGEST)
    except (OSError, ValueError):
        return None
    if magic != _MAGIC or _sum(body) != digest:
        return None
    length, _, rest = body.partition(b"\n")
    try:
        text, numbers = rest[: int(length)], rest[int(length) :]
        data = json.loads(text)
        return (data, np.frombuffer(numbers, dtype="<f8")) if isinstance(data, dict) else None
    except FOREIGN:
        return None


def _sum(body: bytes) -> bytes:
    return b"%08x" % crc32(body)


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; of a pipe there may be no other end, ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def prune(base: Path, own: Path) -> None:
    """Remove the oldest snapshots and stamps but for the latest few; a folder's own snapshot stays."""
    import shutil  # noqa: PLC0415 - with compressors that nothing else needs

    with contextlib.suppress(OSError):
        others = [path for path in base.iterdir() if path.is_dir() and path not in (own, base / "stamps")]
        for path in sorted(others, key=lambda path: path.stat().st_mtime)[: -KEPT + 1]:
            shutil.rmtree(path, ignore_errors=True)
        stamps = sorted((base / "stamps").iterdir(), key=lambda path: path.stat().st_mtime)
        for path in stamps[:-_STAMPS]:
            path.unlink(missing_ok=True)
