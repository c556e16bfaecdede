"""The parts that a search writes: a folder with a file for each piece of work, each complete or not there.

A Parquet file cannot grow once it is closed, and one that is not closed cannot be read. So every piece of work is a file of its
own, written to a temporary name and then renamed: whenever a search stops, the folder is a valid data set, and what is missing
is what a later run has to do. `_request.json` says what was asked; `_part-000000.json` what a part comes to, with sums by which
damage is told. Readers of data sets leave out names that begin with `_`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import numpy as np

from engine.rows import COLUMNS

from ..ending import aside
from ..inputs import RequestError
from .space import Points, Space, points_of
from .summary import Summary, from_json, merge

FORMATS: Final = ("parquet", "csv")
FACTS: Final = frozenset({*COLUMNS, "throughput_sure_per_s", "cost"}) - {"memory_bytes"}
"""Columns in which hardly a value occurs twice, so that a dictionary of them would be as long as they are."""
REQUEST: Final = "_request.json"


def format_of(out: Path) -> str:
    """Return the format of a folder's parts, by its name. Raises RequestError for a name that says none."""
    suffix = out.suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        raise RequestError(f"{str(out)[:100]!r} says no format; end its name in .parquet or .csv")
    if find_spec("pyarrow") is None:
        raise RequestError("points are written with PyArrow, of the extra scale: pip install 'roofwise[scale]'")
    return suffix


def encoded(space: Space, chunk: int, form: str) -> tuple[bytes, Summary]:
    """Return one piece of work as a file, and what it comes to."""
    import pyarrow as pa  # noqa: PLC0415 - of the extra scale
    from pyarrow import csv, parquet  # noqa: PLC0415

    batches = []
    summaries = []
    for points in points_of(space, chunk):
        batches.append(pa.table(_columns(points)))
        summaries.append(points.summary)
    table = pa.concat_tables(batches).unify_dictionaries().combine_chunks()
    sink = io.BytesIO()
    if form == "parquet":
        repeated = [name for name in table.column_names if name not in FACTS]
        parquet.write_table(table, sink, compression="zstd", compression_level=1, use_dictionary=repeated)
    else:
        csv.write_csv(table, sink)
    return sink.getvalue(), merge(summaries)


def _columns(points: Points) -> dict[str, Any]:
    """Return points as columns of a table; what is unknown is null."""
    import pyarrow as pa  # noqa: PLC0415

    size = points.summary.points
    names = {"hardware": points.base.chip.id, "dtype": points.base.dtype}
    texts = {
        name: pa.DictionaryArray.from_arrays(np.zeros(size, dtype=np.int32), pa.array([text])) for name, text in names.items()
    }
    numbers = {name: pa.array(values, from_pandas=True) for name, values in points.columns.items()}
    whole = {"batch": pa.array(points.columns["batch"].astype(np.int64)), "meets": pa.array(points.meets)}
    return texts | numbers | whole


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder of parts of one request."""

    path: Path
    form: str
    chunks: int

    def _name(self, chunk: int) -> str:
        return f"part-{chunk:06d}"

    def done(self) -> Iterator[tuple[int, Summary]]:
        """Yield the pieces of work that are there, each with what it comes to; one that is damaged, or its note, is none."""
        for chunk in range(self.chunks):
            part, note = self._files(chunk)
            if part.is_file() and note.is_file():
                with contextlib.suppress(AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError):
                    told = json.loads(note.read_text(encoding="utf-8"))
                    if (told["part"], told["sum"]) == (_sum_of(part), _sum(told["comes_to"])):
                        yield chunk, from_json(told["comes_to"])

    def write(self, chunk: int, data: bytes, summary: Summary) -> None:
        """Write a part: first what it comes to, with sums of both, then the part, each in one step. Raises RequestError."""
        part, note = self._files(chunk)
        comes_to = summary.as_json()
        _replace(note, json.dumps({"comes_to": comes_to, "sum": _sum(comes_to), "part": crc32(data)}).encode())
        _replace(part, data)

    def _files(self, chunk: int) -> tuple[Path, Path]:
        return self.path / f"{self._name(chunk)}.{self.form}", self.path / f"_{self._name(chunk)}.json"


def _sum(comes_to: Mapping[str, Any]) -> int:
    """Return a sum that tells damage of what a part comes to, however its JSON is laid out."""
    return crc32(json.dumps(comes_to, sort_keys=True).encode())


def _sum_of(part: Path) -> int:
    """Return the same of a file, which may be larger than what one wants to hold."""
    found = 0
    with part.open("rb") as file:
        while piece := file.read(1 << 20):
            found = crc32(piece, found)
    return found


def open_folder(out: Path, request: Mapping[str, Any], chunks: int) -> Folder:
    """Return the folder of a request, made where it is not there yet. Raises RequestError where it belongs to another.

    What a run that was killed left half written is removed.
    """
    folder = Folder(path=out, form=format_of(out), chunks=chunks)
    try:
        if out.exists() and not out.is_dir():
            raise RequestError(
                f"--points: {str(out)[:200]!r} is a file, and parts go into a folder; name another, or remove it"
            )
        out.mkdir(exist_ok=True)
        known = out / REQUEST
        if known.is_file():
            _check(known, request, out)
        elif any(out.iterdir()):
            raise RequestError(f"--points: {str(out)[:200]!r} holds something else; name a new folder")
        else:
            _replace(known, json.dumps(request, indent=2).encode())
        _tidy(out)
    except OSError as error:
        raise _unwritable(out, error) from error
    return folder


def _tidy(out: Path) -> None:
    """Remove what processes that are no more left half written."""
    for left in out.glob(".*.tmp"):
        writer = left.suffixes[-2].removeprefix(".")
        if not (writer.isdecimal() and _alive(int(writer))):
            left.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    """Return whether a process runs; where asking would end it, that is taken for granted."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except (OSError, OverflowError):
        return False
    return True


def _check(known: Path, request: Mapping[str, Any], out: Path) -> None:
    """Raise RequestError where a folder holds the parts of another request, or nobody knows of which."""
    try:
        there = json.loads(known.read_text(encoding="utf-8"))
        differs = [name for name in {**request, **there} if json.dumps(request.get(name)) != json.dumps(there.get(name))]
    except (ValueError, TypeError, AttributeError) as error:
        raise RequestError(f"--points: {str(known)[:200]!r} is damaged; remove its folder, or name a new one") from error
    if differs:
        told = f"another request, with other {', '.join(differs)}"
        raise RequestError(f"--points: {str(out)[:200]!r} holds the points of {told}; name a new folder, or remove it")


def _replace(target: Path, data: bytes) -> None:
    """Write a file in one step: to a temporary one beside it, then renamed. Raises RequestError."""
    try:
        with aside(target) as temporary, temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _unwritable(target, error) from error


def _unwritable(path: Path, error: OSError) -> RequestError:
    reason = error.strerror or error
    return RequestError(
        f"--points: {str(path)[:200]!r} cannot be written ({reason}); make room or name another folder: what is written stays, "
        "and the same command goes on from there"
    )
