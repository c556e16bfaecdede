"""Specs as files of ours look: one quantity a line; names, values and units in columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from engine.catalog import load_document
from engine.documents import read_text
from engine.errors import SpecError
from engine.quantity import Model

M = TypeVar("M", bound=Model)
_INDENT: Final = "  "
_FIRST: Final = ("operator", "format", "software", "fused", "rotations", "launch", "reference_clock", "clocked", "host")
"""What stands first in an object, whatever the order of the model's fields: what it is about, then times."""


def spec_text(spec: Model) -> str:
    """Return a spec as JSON in the style of ours.

    What is at its default is left out, so that reading the text gives an equal spec.
    """
    return _text(spec.model_dump(mode="json", by_alias=True, exclude_defaults=True), "") + "\n"


def checked_text(spec: M, name: str) -> str:
    """Return a spec as text that was read again and found valid. Raises SpecError, as if it were the file `name`."""
    text = spec_text(spec)
    again, faults = load_document(read_text(text, name), type(spec))
    if again is None:
        raise SpecError(faults)
    return text


def _text(value: Any, indent: str) -> str:
    """Return a value; objects of objects have a line for each member, all else fits on one line."""
    if isinstance(value, dict) and _nested(value):
        return _lines("{", _members(value, indent + _INDENT), "}", indent)
    if isinstance(value, list) and (_nested(value) or _several_texts(value)):
        return _lines("[", [_text(item, indent + _INDENT) for item in value], "]", indent)
    return _flat(value)


def _nested(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value
    return any(isinstance(item, dict) for item in items)


def _several_texts(value: list[Any]) -> bool:
    return len(value) > 1 and all(isinstance(item, str) and " " in item for item in value)


def _lines(begin: str, items: list[str], end: str, indent: str) -> str:
    joined = ",\n".join(f"{indent}{_INDENT}{item}" for item in items)
    return f"{begin}\n{joined}\n{indent}{end}"


def _members(value: Mapping[str, Any], indent: str) -> list[str]:
    """Return the members of an object; its quantities stand in columns."""
    value = {name: value[name] for name in (*_FIRST, *value) if name in value}
    quantities = [(name, item) for name, item in value.items() if _is_quantity(item)]
    names = max((len(json.dumps(name)) for name, _ in quantities), default=0)
    digits = max((len(_flat(item["value"])) for _, item in quantities), default=0)
    return [
        f"{json.dumps(name) + ':':{names + 1}} {_quantity(item, digits)}"
        if _is_quantity(item)
        else f"{json.dumps(name)}: {_text(item, indent)}"
        for name, item in value.items()
    ]


def _is_quantity(value: Any) -> bool:
    return isinstance(value, dict) and "value" in value


def _quantity(value: Mapping[str, Any], digits: int) -> str:
    rest = ", ".join(f"{json.dumps(name)}: {_flat(item)}" for name, item in value.items() if name != "value")
    return f'{{"value": {_flat(value["value"]) + ",":{digits + 1}} {rest}}}'


def _flat(value: Any) -> str:
    """Return a value on one line; a whole number has no decimals."""
    if isinstance(value, dict):
        value = {name: value[name] for name in ("op", *value) if name in value}
        return "{" + ", ".join(f"{json.dumps(name)}: {_flat(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flat, value)) + "]"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
