"""Spec files as they stand on disk: read once, every fault with its file, line, column and JSON pointer."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .errors import Fault, Severity, closest
from .quantity import Model

MAX_BYTES: Final = 8_000_000
MAX_NESTING: Final = 100
MAX_FAULTS: Final = 200
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, kw_only=True)
class Document:
    """A JSON file: its name, text and data, and the faults that reading it found."""

    file: str
    text: str
    data: Any
    faults: tuple[Fault, ...] = ()

    def fault(
        self,
        path: Sequence[str | int],
        found: str,
        expected: str,
        suggestion: str = "",
        *,
        rule: str = "",
        severity: Severity = "error",
    ) -> Fault:
        """Return the fault at a path into the data; the nearest part of the path that exists gives line and column."""
        pointer = pointer_of(path)
        line, column = _position(self.text, pointer)
        return Fault(self.file, line, column, pointer, found, expected, suggestion, rule, severity)


@dataclass
class _Oddities:
    """What json.loads lets through and we do not."""

    duplicates: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen = dict(pairs)
        if len(seen) < len(pairs):
            keys = [key for key, _ in pairs]
            self.duplicates += sorted({key for key in keys if keys.count(key) > 1})
        return seen

    def constant(self, text: str) -> float:
        self.constants.append(text)
        return math.nan

    def whole(self, text: str) -> int:
        value = int(text)
        if abs(value) > sys.float_info.max:
            self.constants.append(text)
        return value

    def number(self, text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            self.constants.append(text)
        return value


def pointer_of(path: Iterable[str | int]) -> str:
    """Return the JSON pointer (RFC 6901) of a path.

    >>> pointer_of(["peak_dense", "a/b", 0])
    '/peak_dense/a~1b/0'
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def read_file(path: Path) -> Document:
    """Return the document of a file; a file that cannot be read is a document with one fault."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return _unreadable(str(path), f"a file of {path.stat().st_size} bytes", f"at most {MAX_BYTES}")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        return _unreadable(str(path), f"byte {error.start} is not UTF-8", "JSON in UTF-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return _unreadable(str(path), reason or "it cannot be read", "a readable file")
    return read_text(text, str(path))


def read_text(text: str, file: str) -> Document:
    """Return the document of a text; every fault of its JSON is in the document."""
    odd = _Oddities()
    try:
        data = json.loads(
            text, object_pairs_hook=odd.pairs, parse_constant=odd.constant, parse_float=odd.number, parse_int=odd.whole
        )
    except json.JSONDecodeError as error:
        return Document(file=file, text=text, data=None, faults=(
            Fault(file, error.lineno, error.colno, "", f"no JSON here ({error.msg})", "JSON"),
        ))  # fmt: skip
    except (RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else "a number with too many digits"
        return Document(file=file, text="", data=None, faults=(Fault(file, 1, 1, "", reason, "plain JSON"),))
    if _depth_exceeds(data, MAX_NESTING):
        return Document(file=file, text="", data=None, faults=(
            Fault(file, 1, 1, "", "nested too deeply", f"at most {MAX_NESTING} levels"),
        ))  # fmt: skip
    faults = list(_odd_faults(text, file, odd))
    if "\\ud" in text.lower() and _half_surrogate(data):
        faults.append(Fault(file, 1, 1, "", "half of a surrogate pair", "text in Unicode"))
    return Document(file=file, text=text, data=data, faults=tuple(faults))


def _half_surrogate(data: Any) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in json.dumps(data, ensure_ascii=False))


def _unreadable(file: str, found: str, expected: str) -> Document:
    return Document(file=file, text="", data=None, faults=(Fault(file, 1, 1, "", found, expected),))


def _depth_exceeds(data: Any, depth: int) -> bool:
    level = [data]
    for _ in range(depth):
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


def _odd_faults(text: str, file: str, odd: _Oddities) -> Iterator[Fault]:
    for key in odd.duplicates:
        places = [match.start() for match in re.finditer(re.escape(json.dumps(key)) + r"\s*:", text)]
        line, column = _line_column(text, places[-1] if places else 0)
        yield Fault(file, line, column, "", f"the key {key!r} occurs twice", "each key once")
    for constant in odd.constants:
        line, column = _line_column(text, max(text.find(constant), 0))
        yield Fault(file, line, column, "", f"{constant[:40]} is not a number in JSON", "a finite number")


def _line_column(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


@lru_cache(maxsize=8)
def _source_map(text: str) -> Any:
    import json_source_map  # noqa: PLC0415 - only a faulty file needs places

    try:
        return json_source_map.calculate(text)
    except Exception:  # noqa: BLE001 - a place is a courtesy; the fault itself is what counts
        return {}


def _position(text: str, pointer: str) -> tuple[int, int]:
    places = _source_map(text) if text else {}
    while pointer and pointer not in places:
        pointer = pointer.rpartition("/")[0]
    entry = places.get(pointer)
    if entry is None:
        return 1, 1
    start = entry.key_start or entry.value_start
    return start.line + 1, start.column + 1


def validate(document: Document, model: type[M]) -> tuple[M | None, list[Fault]]:
    """Return the model of a document, or None and every fault of its structure."""
    if document.data is None:
        return None, list(document.faults)
    try:
        return model.model_validate(document.data), list(document.faults)
    except ValidationError as error:
        details = [d for d in error.errors(include_url=False) if not _long_enough(d)][:MAX_FAULTS]
        return None, [*document.faults, *_merged(_fault(document, detail, model) for detail in details)]
    except RecursionError:
        return None, [*document.faults, document.fault((), "nested too deeply", "a plain spec")]


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
    return document.fault(path, found, expected, suggestion)


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
            return f"{name!r} is missing", f"a value for {name!r}", ""
        case "extra_forbidden":
            return f"unknown key {name!r}", "a key of the schema", closest(name, _property_names(model))
        case "literal_error":
            expected = str(context["expected"])
            return value, f"one of {expected}", closest(str(detail["input"]), re.findall(r"'([^']+)'", expected))
        case "union_tag_invalid":
            tags = re.findall(r"'([^']+)'", str(context["expected_tags"]))
            return f"{context['tag']!r}", f"one of {', '.join(tags)}", closest(str(context["tag"]), tags)
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


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - one line of a terminal


@lru_cache(maxsize=16)
def _property_names(model: type[Model]) -> frozenset[str]:
    schema = model.model_json_schema()
    objects = [schema, *schema.get("$defs", {}).values()]
    return frozenset(name for item in objects for name in item.get("properties", {}))
