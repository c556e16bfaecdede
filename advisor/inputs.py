"""From what people type to a request: every fault of it at once, each with the option, the value and the remedy."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from engine.errors import RoofwiseError, closest
from engine.machine import GRAPH, Dtype, Kind
from engine.sizes import choose_sizes
from engine.units import parse

from .requirements import Requirements
from .rulebook import Rulebook
from .stock import Stock, stock_of

if TYPE_CHECKING:
    from engine.catalog import Catalog

ENVIRONMENT: Final = "ROOFWISE_SPECS"
LARGEST_TYPED: Final = 10**9
MOST_BATCHES: Final = 100_000


class RequestError(RoofwiseError, ValueError):
    """A request is wrong; the message has one line for each fault."""


@dataclass
class Faults:
    """Collects what is wrong with a request, so that one run shows it all."""

    lines: list[str] = field(default_factory=list)

    def take(self, option: str, function: Callable[[], Any], default: Any) -> Any:
        """Return what the function gives, or the default after noting its error."""
        try:
            return function()
        except RoofwiseError as error:
            self.lines.append(f"{option}: {error}")
            return default

    def check(self) -> None:
        """Raise RequestError if anything was wrong."""
        if self.lines:
            raise RequestError("\n".join(self.lines))


def standard_input(most: int) -> bytes:
    """Return what stands on standard input, no more of it than one byte beyond `most`; nothing where it is closed."""
    return b"" if sys.stdin is None else sys.stdin.buffer.read(most + 1)


def spec_directories(options: Sequence[Path]) -> list[Path]:
    """Return the user's spec directories: those of ROOFWISE_SPECS, then those of --specs, which win."""
    inherited = [Path(part) for part in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if part]
    return [*inherited, *options]


def whole_numbers(text: str, least: int = 1) -> list[int]:
    """Return the whole numbers of a comma-separated list.

    >>> whole_numbers("1,2,4")
    [1, 2, 4]
    """
    return [_whole(part, least) for part in split(text)] or [_whole(text, least)]


def _whole(text: str, least: int) -> int:
    plain = text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST_TYPED))
    value = int(text) if plain else least - 1
    if not least <= value <= LARGEST_TYPED:
        raise RequestError(f"{text[:40]!r} is no whole number from {least} to {LARGEST_TYPED:,}")
    return value


_RANGE: Final = re.compile(r"(?P<first>\d{1,10})\.\.(?P<last>\d{1,10})(?:(?P<step>[x+])(?P<by>\d{1,10}))?")


def batches(text: str) -> list[int]:
    """Return the batches of a list of whole numbers and ranges, sorted: each once. Raises RequestError.

    >>> batches("1..4,8..32x2"), batches("10..30+10")
    ([1, 2, 3, 4, 8, 16, 32], [10, 20, 30])
    """
    found: set[int] = set()
    for part in split(text) or (text,):
        found.update(_range(part))
        if len(found) > MOST_BATCHES:
            raise RequestError(f"{part[:40]!r} makes more than {MOST_BATCHES:,} batches; a range may step, as in 1..1024x2")
    return sorted(found)


def _range(text: str) -> Iterable[int]:
    """Return the numbers of `8`, `1..64` (each), `1..64x2` (each twice the one before) or `8..64+8` (in steps of 8)."""
    if ".." not in text:
        return [_whole(text, 1)]
    match = _RANGE.fullmatch(text.replace(" ", ""))
    if match is None:
        raise RequestError(f"{text[:40]!r} is no range of batches; write 1..64, 1..64x2 for powers or 8..64+8 for steps")
    first, last = _whole(match["first"], 1), _whole(match["last"], 1)
    step = _whole(match["by"] or "1", 2 if match["step"] == "x" else 1)
    if first > last:
        raise RequestError(f"{text[:40]!r} ends before it begins")
    if match["step"] != "x":
        return range(first, min(last, first + (MOST_BATCHES + 1) * step) + 1, step)
    powers = [first]
    while powers[-1] * step <= last:
        powers.append(powers[-1] * step)
    return powers


def split(text: str | None) -> tuple[str, ...]:
    """Return the parts of a comma-separated list, without blanks."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def names(texts: Iterable[str], valid: Iterable[str], what: str) -> tuple[str, ...]:
    """Return the names; raise RequestError for one that is not valid, with the nearest that is."""
    known = sorted(valid)
    for text in texts:
        if text not in known:
            near = closest(text, known)
            hint = f"did you mean {near}?" if near else f"there are: {', '.join(known)}"
            raise RequestError(f"no {what} {text[:60]!r}; {hint}")
    return tuple(texts)


def identifier(text: str) -> str:
    """Return the id of a spec, or nothing for none. Raises RequestError for a text that is no id."""
    if text and not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,79}", text):
        raise RequestError(f"{text[:60]!r} is no id; write small letters, digits, and . _ - between them, at most 80")
    return text


def made_id(stem: str) -> str:
    """Return an id made of the name of a file.

    >>> made_id("My Box (old)")
    'my-box-old'
    """
    return re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._")[:80] or "mine"


def choice(option: str, value: str, valid: Sequence[str]) -> None:
    """Raise RequestError where the value of an option is none of the valid ones."""
    if value not in valid:
        near = closest(value, valid)
        hint = f"did you mean {near}?" if near else f"use {', '.join(valid)}"
        raise RequestError(f"{option}: no {value[:40]!r}; {hint}")


def form(value: str, valid: Sequence[str]) -> str:
    """Return the format asked for, "table" being another word for "text". Raises RequestError for one that is not valid.

    >>> form("table", ("text", "json"))
    'text'
    """
    choice("--format", value, (*valid, "table") if "text" in valid else valid)
    return "text" if value == "table" else value


def dtypes(text: str | None) -> tuple[str, ...]:
    """Return the number formats of a comma-separated list. Raises RequestError for one that is none."""
    return names(split(text), get_args(Dtype), "number format")


def kinds(text: str | None) -> tuple[str, ...]:
    """Return the kinds of hardware of a comma-separated list. Raises RequestError for one that is none."""
    return names(split(text), get_args(Kind), "kind of hardware")


def hardware(text: str | None, specs: Catalog | Stock) -> tuple[str, ...]:
    """Return the ids of a comma-separated list. Raises UnknownNameError for one that is no chip, or could be several."""
    chip: Callable[[str], Any] = specs.card if isinstance(specs, Stock) else specs.accelerators.__getitem__
    return tuple(chip(part).id for part in split(text))


def wide(catalog: Catalog, hardware: str) -> str:
    """Return the 16-bit format of a chip, or its first. Raises UnknownNameError for one that is no chip."""
    dtypes = catalog.accelerators[hardware].dtypes
    return next((dtype for dtype in ("bf16", "fp16") if dtype in dtypes), dtypes[0])


def runtime(text: str | None, specs: Catalog | Stock) -> str:
    """Return a runtime that a calibration describes; without a text, the graph. Raises RequestError for one that none does."""
    if isinstance(specs, Stock):
        return names([text or GRAPH], specs.runtimes, "runtime")[0]
    known = {GRAPH, *(name for constants in specs.constants.values() for name in constants.runtimes)}
    return names([text or GRAPH], known, "runtime")[0]


def sizes(pairs: Sequence[str], seq_len: str | None) -> dict[str, int]:
    """Return symbolic sizes from NAME=VALUE pairs and --seq-len. Raises RequestError."""
    found = {} if seq_len is None else {"seq_len": _whole(seq_len, 1)}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise RequestError(f"{pair[:40]!r} is no size; write NAME=VALUE, as in image=320")
        found[name.strip()] = _whole(value.strip(), 0)
    return found


def requirements(options: Mapping[str, Any], specs: Catalog | Stock, book: Rulebook) -> Requirements:
    """Return the request of typed options. Raises RequestError with a line for each fault."""
    stock, faults = stock_of(specs), Faults()
    limits = {
        name: faults.take(f"--{option}", partial(parse, options[option], dimension), None)
        for name, option, dimension in (
            ("latency_s", "latency", "time"),
            ("throughput_per_s", "throughput", "throughput"),
            ("power_w", "power", "power"),
            ("energy_j", "energy", "energy"),
            ("memory_bytes", "memory", "size"),
        )
        if options.get(option) is not None
    }
    model = options["model"]
    workload = faults.take("--model", lambda: stock.model(model), None)
    batch = options.get("batch")
    request: dict[str, Any] = {
        "batch": None if batch is None else faults.take("--batch", lambda: _whole(batch, 1), None),
        "dtypes": faults.take("--dtype", lambda: dtypes(options.get("dtype")), ()),
        "hardware": faults.take("--hardware", lambda: hardware(options.get("hardware"), stock), ()),
        "kinds": faults.take("--kind", lambda: kinds(options.get("kind")), ()),
        "sizes": faults.take("--size", lambda: sizes(options.get("size") or (), options.get("seq_len")), {}),
        "runtime": faults.take("--runtime", lambda: runtime(options.get("runtime"), stock), GRAPH),
        "profile": faults.take("--profile", lambda: book.profile(options.get("profile") or "balanced").id, "balanced"),
    }
    if workload is not None:
        faults.take("--size", lambda: choose_sizes(workload, request["sizes"]), {})
    faults.check()
    request |= {name: value for name, value in limits.items() if value is not None}
    return Requirements(model=workload.id, allow_modelled=options["allow_modelled"], **request)
