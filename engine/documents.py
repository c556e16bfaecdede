"""Spec files as they stand on disk: read once, every fault with its file, line, column and JSON pointer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .errors import Fault, Severity, closest
from .places import line_column, places, pointer_of
from .quantity import Model

MAX_BYTES: Final = 4_000_000
MAX_VALUES: Final = 100_000
MAX_NESTING: Final = 100
MAX_POINTER: Final = 1000
MAX_FAULTS: Final = 200
"""So many faults of one file are told; a last one says that there are more."""
COMMENT: Final = "$comment"
"""A key that every object may have, with a text that nobody reads but people."""
TO_FILL: Final = "FILL: "
"""How a text begins that `advise new` wrote and that waits for its value."""
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, kw_only=True)
class Document:
    """A JSON file: its name, text and data, and the faults that reading it found."""

    file: str
    text: str
    data: Any
    faults: tuple[Fault, ...] = ()

    def fault(
        self, path: Sequence[str | int], found: str, expected: str, suggestion: str = "", *,
        rule: str = "", severity: Severity = "error",
    ) -> Fault:  # fmt: skip
        """Return the fault at a path into the data; the nearest part of the path that exists gives line and column."""
        pointer = pointer_of(path)
        line, column = line_column(self.text, _places(self.text).nearest(pointer)) if self.text else (1, 1)
        return Fault(self.file, line, column, _short(pointer), found, expected, suggestion, rule, severity)


@dataclass
class _Oddities:
    """Whether there is anything that json.loads lets through and we do not, and what it reads instead."""

    found: bool = False

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen = dict(pairs)
        self.found |= len(seen) < len(pairs)
        if isinstance(seen.get(COMMENT), str):
            del seen[COMMENT]
        return seen

    def constant(self, text: str) -> float:
        self.found = True
        return float(text)

    def whole(self, text: str) -> float:
        value = self.number(text)
        return int(text) if math.isfinite(value) else value

    def number(self, text: str) -> float:
        value = float(text)
        self.found |= not math.isfinite(value)
        return value


def read_file(path: Path) -> Document:
    """Return the document of a file; a file that cannot be read is a document with one fault."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)  # a file may grow, and a device may have no end
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return _unreadable(str(path), reason or "it cannot be read", "a readable file", "S001")
    return read_bytes(content, str(path))


def read_bytes(content: bytes, file: str) -> Document:
    """Return the document of the bytes of a file."""
    if len(content) > MAX_BYTES:
        return _unreadable(file, f"more than {MAX_BYTES:,} bytes", "fewer", "S001")
    try:
        return read_text(content.decode("utf-8"), file)
    except UnicodeDecodeError as error:
        return _unreadable(file, f"byte {error.start} is not UTF-8", "JSON in UTF-8", "S002")


def read_text(text: str, file: str) -> Document:
    """Return the document of a text; every fault of its JSON is in the document."""
    odd = _Oddities()
    if text.count(",") > 2 * MAX_VALUES:
        return _too_many(file)
    try:
        data = json.loads(
            text, object_pairs_hook=odd.pairs, parse_constant=odd.constant, parse_float=odd.number, parse_int=odd.whole
        )
    except json.JSONDecodeError as error:
        fault = Fault(file, error.lineno, error.colno, "", f"no JSON here ({error.msg})", "JSON", rule="S003")
        return Document(file=file, text=text, data=None, faults=(fault,))
    except RecursionError:
        return _unreadable(file, "nested too deeply", f"at most {MAX_NESTING} levels", "S006")
    levels, values = _extent(data)
    if levels > MAX_NESTING:
        return _unreadable(file, "nested too deeply", f"at most {MAX_NESTING} levels", "S006")
    if values > MAX_VALUES:
        return _too_many(file)
    document = Document(file=file, text=text, data=data)
    faults = list(_odd_faults(document)) if odd.found else []
    if "\\ud" in text.lower() and _half_surrogate(data):
        faults.append(document.fault((), "half of a surrogate pair", "text in Unicode", rule="S007"))
    return replace(document, faults=tuple(faults))


def _half_surrogate(data: Any) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in json.dumps(data, ensure_ascii=False))


def _too_many(file: str) -> Document:
    return _unreadable(file, f"more than {MAX_VALUES} values", "fewer", "S011")


def _unreadable(file: str, found: str, expected: str, rule: str) -> Document:
    return Document(file=file, text="", data=None, faults=(Fault(file, 1, 1, "", found, expected, rule=rule),))


def _extent(data: Any) -> tuple[int, int]:
    """Return how many levels data has, one more than are allowed at most, and how many values."""
    level, levels, values = [data], 0, 0
    while level and levels <= MAX_NESTING:
        values += len(level)
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        levels += 1
    return levels, values


def _odd_faults(document: Document) -> Iterator[Fault]:
    found = _places(document.text)
    marks = [(at, place, f"the key {_shown(key)} occurs twice", "each key once", "S004") for at, place, key in found.twice]
    marks += [(at, place, f"{n[:40]} is not a number in JSON", "a finite number", "S005") for at, place, n in found.odd]
    for pointer, offset, told, expected, rule in marks[: MAX_FAULTS + 1]:
        line, column = line_column(document.text, offset)
        yield Fault(document.file, line, column, _short(pointer), told, expected, rule=rule)


_places = lru_cache(maxsize=8)(places)


def validate(document: Document, model: type[M]) -> tuple[M | None, list[Fault]]:
    """Return the model of a document, or None and every fault of its structure."""
    if document.data is None:
        return None, list(document.faults)
    blanks = {fault.pointer: fault for fault in _to_fill(document)}
    told = blanks.keys() | {fault.pointer for fault in document.faults if fault.rule == "S005"}
    try:
        spec = model.model_validate(document.data)
        return None if blanks else spec, [*document.faults, *blanks.values()]
    except ValidationError as error:
        details = [d for d in error.errors(include_url=False) if not _long_enough(d)][: MAX_FAULTS + 1]
        found = _merged(_fault(document, detail, model) for detail in details)
        blanks |= {f.pointer: replace(blanks[f.pointer], expected=f.expected) for f in found if f.pointer in blanks}
        return None, [*document.faults, *blanks.values(), *(fault for fault in found if fault.pointer not in told)]


def capped(document: Document, faults: Iterable[Fault]) -> list[Fault]:
    """Return each fault once, at most MAX_FAULTS of them; then a last one says that there are more."""
    once = list(dict.fromkeys(faults))
    if len(once) <= MAX_FAULTS:
        return once
    more = document.fault((), f"more than {MAX_FAULTS} faults", "these mended first", rule="S012")
    return [*once[:MAX_FAULTS], more]


def walk(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield every value of data with its path, parents first."""
    yield path, data
    children: Iterable[tuple[Any, Any]]
    children = data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list) else ()
    for key, child in children:
        yield from walk(child, (*path, key))


def is_blank(value: Any) -> bool:
    """Return whether a value is a text that waits to be filled."""
    return isinstance(value, str) and value.startswith(TO_FILL)


def _to_fill(document: Document) -> Iterator[Fault]:
    if TO_FILL not in document.text:
        return
    for path, value in walk(document.data):
        if is_blank(value):
            yield document.fault(path, f"still to be filled: {value.removeprefix(TO_FILL)}", "what it asks for", rule="S110")


def _long_enough(detail: ErrorDetails) -> bool:
    """Return whether pydantic found too few items only because it did not count the faulty ones."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _merged(faults: Iterable[Fault]) -> list[Fault]:
    """Return one fault for each place; where a value may be of several kinds, what is expected is any of them."""
    merged: dict[tuple[str, str], Fault] = {}
    for fault in faults:
        key = (fault.pointer, fault.found)
        before = merged.get(key)
        merged[key] = fault if before is None else replace(before, expected=f"{before.expected}, or {fault.expected}")
    return list(merged.values())


def _fault(document: Document, detail: ErrorDetails, model: type[Model]) -> Fault:
    path = _path_in(document.data, detail["loc"], missing=detail["type"] == "missing")
    found, expected, suggestion = _explain(detail, path, model)
    return document.fault(path, found, expected, suggestion, rule=_rule(detail["type"]))


_RULES: Final = (
    ("missing", "S101"),
    ("extra_forbidden", "S102"),
    ("literal_error", "S104"),
    ("string_pattern_mismatch", "S106"),
    ("union_tag_", "S107"),
    ("too_", "S108"),
    ("string_too_", "S108"),
    ("greater_than", "S105"),
    ("less_than", "S105"),
    ("finite_number", "S105"),
    ("int_from_float", "S105"),
)
"""How the type of an error of pydantic begins -> id of the check."""


def _rule(kind: str) -> str:
    return next((rule for begins, rule in _RULES if kind.startswith(begins)), "S103")


def _path_in(data: Any, location: Sequence[str | int], *, missing: bool) -> list[str | int]:
    """Return the part of a pydantic location that is a path into the data; it also holds tags of unions."""
    path: list[str | int] = []
    for part in location:
        inside = (isinstance(data, dict) and part in data) or (
            isinstance(data, list) and isinstance(part, int) and part < len(data)
        )
        if inside:
            path.append(part)
            data = data[part]
    if missing and location:
        path.append(location[-1])
    return path


def _explain(detail: ErrorDetails, path: Sequence[str | int], model: type[Model]) -> tuple[str, str, str]:
    """Return what was found, what was expected, and the nearest valid name."""
    name = str(path[-1]) if path else ""
    context = detail.get("ctx", {})
    value = _shown(detail["input"])
    match detail["type"]:
        case "missing":
            return f"{_shown(name)} is missing", f"a value for {_shown(name)}", ""
        case "extra_forbidden":
            return f"unknown key {_shown(name)}", "a key of the schema", closest(name, _property_names(model))
        case "literal_error":
            expected = str(context["expected"])
            return value, f"one of {expected}", closest(str(detail["input"]), re.findall(r"'([^']+)'", expected))
        case "union_tag_invalid":
            tags = re.findall(r"'([^']+)'", str(context["expected_tags"]))
            return _shown(context["tag"]), f"one of {', '.join(tags)}", closest(str(context["tag"]), tags)
        case "union_tag_not_found":
            return "no key 'op'", "an object whose 'op' names an operator or a block", ""
        case _:
            return value, _plain(str(detail["msg"])), ""


def _plain(message: str) -> str:
    """Return pydantic's message as what was expected, in words of JSON."""
    message = re.sub(r"^(Input|String|Dictionary|Value|List|Tuple) should (be )?", "", message)
    message = re.sub(r"^a valid dictionary or instance of \w+$", "an object", message)
    message = re.sub(r"^match pattern", "a text that matches", message)
    return re.sub(r"^have (at (?:least|most) \S+ \w+) after validation, not \d+$", r"\1", message)


def _short(pointer: str) -> str:
    return pointer if len(pointer) <= MAX_POINTER else f"{pointer[: MAX_POINTER - 3]}..."


def _shown(value: object) -> str:
    text = json.dumps(value) if isinstance(value, (bool, type(None))) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - one line of a terminal


@lru_cache(maxsize=16)
def _property_names(model: type[Model]) -> frozenset[str]:
    schema = model.model_json_schema()
    objects = [schema, *schema.get("$defs", {}).values()]
    return frozenset(name for item in objects for name in item.get("properties", {}))
