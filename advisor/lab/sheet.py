"""A table on disk as columns: CSV, plain or gzipped, every fault with its file and line."""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

import numpy as np

from engine.errors import Fault, SpecError

from .points import Array

SUFFIXES: Final = (".csv", ".csv.gz")
MAX_LINE: Final = 1_000_000
MAX_CHARACTERS: Final = 1_000_000_000
"""No table has longer lines, or more in all: a device has no end, and a few packed bytes may hold as much as one likes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sheet:
    """A table as text: its columns by name, all of the same length."""

    path: Path
    columns: dict[str, Sequence[str]]
    rows: int

    def fault(self, index: int, column: str, expected: str) -> SpecError:
        """Return the error that the cell of a row and column is wrong."""
        found = repr(self.columns[column][index])
        shown = found if len(found) <= 60 else f"{found[:57]}..."  # noqa: PLR2004 - one line of a terminal
        return fault(self.path, _line_of(self.path, index), f"{column}: {shown}", expected)

    def numbers(self, column: str, *, least: float | None = None, whole: bool = False, empty: bool = False) -> Array:
        """Return a column as finite numbers, each at least `least`; an empty cell is NaN where `empty` allows it.

        Raises SpecError for the first cell that is none.
        """
        cells = self.columns[column]
        try:
            values = np.array([cell or "nan" for cell in cells] if empty else cells, dtype=float)
        except ValueError:
            values = np.array([_number(cell) for cell in cells])
        bad = ~np.isfinite(values)
        if empty:
            bad &= np.array([cell != "" for cell in cells], dtype=bool)
        with np.errstate(invalid="ignore"):
            bad |= values < (-math.inf if least is None else least)
            bad |= whole & (values != np.floor(values)) & ~np.isnan(values)
        if bad.any():
            kind = "a whole number" if whole else "a finite number"
            raise self.fault(int(np.argmax(bad)), column, kind + ("" if least is None else f" of at least {least:g}"))
        return values


def fault(path: Path, line: int, found: str, expected: str) -> SpecError:
    """Return the error that a line of a file is wrong."""
    return SpecError([Fault(str(path), line, 1, "", found, expected)])


def _number(cell: str) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return math.inf


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """Open a table as text; whatever keeps it from being read is a SpecError."""
    opener: Callable[..., TextIO] = gzip.open if path.name.endswith(".gz") else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        raise fault(path, 1, "text that is not UTF-8", "a table in UTF-8") from error
    except csv.Error as error:
        raise fault(path, 1, f"no table ({error})", "comma-separated values") from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise fault(path, 1, f"it cannot be read ({reason})", "a readable table") from error


def _lines(file: TextIO) -> Iterator[str]:
    """Yield the lines of a table. Raises csv.Error for more than a table has."""
    read = 0
    while line := file.readline(MAX_LINE + 1):
        read += len(line)
        if len(line) > MAX_LINE or read > MAX_CHARACTERS:
            raise csv.Error(f"a line of more than {MAX_LINE:,} characters, or more than {MAX_CHARACTERS:,} in all")
        yield line


def header(path: Path) -> tuple[str, ...]:
    """Return the names of a table's columns. Raises SpecError where there is no table."""
    with _opened(path) as file:
        return tuple(next(csv.reader(_lines(file)), ()))


def sheet(path: Path) -> Sheet:
    """Return a table. Raises SpecError for a file that is none, and for a row with too few or too many cells."""
    with _opened(path) as file:
        reader = csv.reader(_lines(file))
        names = next(reader, [])
        rows = [row for row in reader if row]
    for index, row in enumerate(rows):
        if len(row) != len(names):
            raise fault(path, _line_of(path, index), f"{len(row)} cells", f"{len(names)}, as in the first line")
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return Sheet(path=path, columns=dict(zip(names, columns, strict=True)), rows=len(rows))


def _line_of(path: Path, index: int) -> int:
    """Return the line on which a row begins; the first row after the header is row 0, empty lines are none."""
    with _opened(path) as file:
        reader = csv.reader(_lines(file))
        next(reader, None)
        begins = reader.line_num + 1
        for row in reader:
            if row and index == 0:
                break
            index -= bool(row)
            begins = reader.line_num + 1
    return begins
