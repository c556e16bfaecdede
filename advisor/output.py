"""Where answers go: JSON, CSV, tables; the terminal or a file that is written in one step."""

from __future__ import annotations

import codecs
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from .ending import aside
from .facts import shown
from .inputs import RequestError
from .report.layout import Paint, plain, table

WIDTH: Final = 100


def as_json(value: Any) -> str:
    """Return a value as JSON text, without NaN."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return flat rows as CSV with a heading; a list becomes words, an object NAME=VALUE."""
    if not rows:
        return ""
    import csv  # noqa: PLC0415 - on the way to an answer there is none
    import io  # noqa: PLC0415

    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _in_words(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _in_words(value: Any) -> Any:
    if isinstance(value, Mapping):
        return " ".join(
            f"{name}={'x'.join(map(str, part)) if isinstance(part, list) else part}" for name, part in value.items()
        )
    return " ".join(map(str, value)) if isinstance(value, list) else value


def as_parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return flat rows as a Parquet file; needs PyArrow."""
    import pyarrow as pa  # noqa: PLC0415 - of the extra scale
    from pyarrow import parquet  # noqa: PLC0415

    sink = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(list(rows)), sink)
    return bytes(sink.getvalue())


_FIGURES: Final = {
    "latency_lower_bound_s": "bound",
    "latency_p10_s": "p10",
    "latency_estimate_s": "estimate",
    "latency_p90_s": "p90",
    "throughput_per_s": "throughput",
    "energy_per_inference_j": "energy",
    "power_w": "power",
    "mfu": "MFU",
    "mbu": "MBU",
    "memory_bytes": "memory",
}


def predictions(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return predictions as an aligned table."""
    body = [(row["hardware"], row["dtype"], str(row["batch"]), *(shown(name, row[name]) for name in _FIGURES)) for row in rows]
    heading = ("chip", "dtype", "batch", *_FIGURES.values())
    return "\n".join(table([heading, *body], (False, False, *[True] * 11))) + "\n"


_LOOKALIKES: Final = {"·": "-", "█": "#", "…": "~"}
"""What stands for a sign of ours where the terminal has not it; of the same width, so that columns stay where they are."""


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Return what is printed for characters that an encoding has not: a sign that looks like it, else its escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_LOOKALIKES.get(sign) or ascii(sign)[1:-1] for sign in lost), error.end


_SIGNS: Final = "roofwise.signs"
"""How text is encoded: what an encoding has not, half a surrogate pair of a path included, becomes a sign or an escape."""
codecs.register_error(_SIGNS, _in_ascii)


def terminal() -> TextIO:
    """Return standard output. Raises RequestError where the program was started without one."""
    if sys.stdout is None:
        raise RequestError("standard output is closed; name a file with --out")
    return sys.stdout


def width() -> int:
    """Return the columns of the terminal, or those of COLUMNS where that is set, from 60 to 160; 100 where there is neither."""
    asked = os.environ.get("COLUMNS", "")
    try:
        columns = int(asked) if asked.isdecimal() else os.get_terminal_size(sys.stdout.fileno()).columns
    except (AttributeError, OSError, ValueError):  # there may be no output, or no terminal
        return WIDTH
    return max(60, min(columns, 160))


_STYLES: Final[dict[str, dict[str, Any]]] = {
    "good": {"fg": "green"},
    "bad": {"fg": "red", "bold": True},
    "strong": {"bold": True},
    "faint": {"dim": True},
}


def paint(out: Path | None) -> Paint:
    """Return how to colour a text: not at all in a file, in a pipe, or with NO_COLOR."""
    if out is not None or not terminal().isatty() or os.environ.get("NO_COLOR"):
        return plain
    from typer import style as styled  # noqa: PLC0415 - only a terminal has colours

    return lambda text, style: styled(text, **_STYLES[style])


def progress() -> Callable[[str], None]:
    """Return what tells of each step on one line of the terminal that the next overwrites; nothing where it is no terminal."""
    if not sys.stderr.isatty():
        return lambda _: None

    def line(text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text[: width() - 1]}")
        sys.stderr.flush()

    return line


def write(text: str, out: Path | None) -> None:
    """Print a text, or write it to a file in one step: to a temporary file beside it, then renamed.

    A device or a pipe, as /dev/stdout, is written to as it is. Raises RequestError when that fails, leaving nothing behind.
    """
    if out is None:
        stream = terminal()
        encoding = stream.encoding or "utf-8"
        stream.write(text.encode(encoding, _SIGNS).decode(encoding))
        return
    write_bytes(text.encode("utf-8", _SIGNS), out, "--out")


def write_new(text: str, out: Path) -> None:
    """Write a text to a file in one step, as `write` does. Raises RequestError where there is a file already."""
    if os.path.isfile(out):  # noqa: PTH113 - any text may come
        raise RequestError(f"--out: {str(out)[:200]!r} exists and is not overwritten; name another file")
    write_bytes(text.encode("utf-8", _SIGNS), out, "--out")


def write_bytes(data: bytes, out: Path, option: str) -> None:
    """Write bytes to a file in one step, as `write` does; the error names the option that named the file."""
    try:
        if out.exists() and not out.is_file():
            out.write_bytes(data)
        else:
            _replace(data, out)
    except (OSError, RuntimeError, ValueError) as error:  # before Python 3.13 a loop of links is a RuntimeError
        reason = getattr(error, "strerror", None) or error
        told = f"{option}: {str(out)[:200]!r} cannot be written ({reason}); name a file in a folder that exists"
        raise RequestError(told) from error


def _replace(data: bytes, out: Path) -> None:
    with aside(out.resolve() if out.is_symlink() else out) as temporary, temporary.open("xb") as file:
        file.write(data)
