"""Where things stand in a JSON text: the place of every key and item, keys that occur twice, numbers that JSON has not."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

_TOKENS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[][{}:,]|[^\s"\][{}:,]+')
"""The tokens of a text that json.loads has read."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Offset of every value by its JSON pointer: of its key in an object, of itself in a list.

    `twice` has an entry for every key that repeats one of its object, `odd` for every number that is not finite: its pointer,
    offset and text.
    """

    offsets: dict[str, int] = field(default_factory=dict)
    twice: list[tuple[str, int, str]] = field(default_factory=list)
    odd: list[tuple[str, int, str]] = field(default_factory=list)

    def nearest(self, pointer: str) -> int:
        """Return the offset of a pointer, or of the nearest part of it that exists."""
        while pointer and pointer not in self.offsets:
            pointer = pointer.rpartition("/")[0]
        return self.offsets.get(pointer, 0)


@dataclass
class _Open:
    """An object or a list whose end is not reached: its pointer, the pointer of its next value, what it holds so far."""

    pointer: str
    is_list: bool
    next_: str = ""
    keys: set[str] = field(default_factory=set)
    count: int = 0

    def item(self) -> str:
        self.count += 1
        return f"{self.pointer}/{self.count - 1}"

    def key(self, name: str) -> bool:
        """Note a key; return whether the object has it already."""
        self.next_ = self.pointer + pointer_of([name])
        again = name in self.keys
        self.keys.add(name)
        return again


def pointer_of(path: Iterable[str | int]) -> str:
    """Return the JSON pointer (RFC 6901) of a path.

    >>> pointer_of(["peak_dense", "a/b", 0])
    '/peak_dense/a~1b/0'
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def line_column(text: str, offset: int) -> tuple[int, int]:
    r"""Return line and column of an offset, both from 1.

    >>> line_column("{\n  1}", 4)
    (2, 3)
    """
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def places(text: str) -> Places:
    """Return the places of a text that is JSON; NaN and infinities are allowed.

    >>> places('{"a": [1, {"b": 2}]}').offsets
    {'': 0, '/a': 1, '/a/0': 7, '/a/1': 10, '/a/1/b': 11}
    """
    found = Places()
    for pointer, offset, part, role in _values(text):
        if role != "value":
            found.offsets[pointer] = offset
        if role == "again":
            found.twice.append((pointer, offset, _text(part)))
        if role in ("value", "item") and part[0] not in '"{[tfn' and not math.isfinite(float(part)):
            found.odd.append((pointer, offset, part))
    return found


def _values(text: str) -> Iterator[tuple[str, int, str, str]]:
    """Yield pointer, offset, part and role: of a "key", of one that comes "again", of an "item" or the "value" of a key."""
    inside: list[_Open] = []
    for match in _TOKENS.finditer(text):
        part, around = match[0], inside[-1] if inside else None
        if part in "]}":
            inside.pop()
        elif part == ",":
            if around:
                around.next_ = ""
        elif around and not around.is_list and not around.next_:
            again = around.key(_text(part))
            yield around.next_, match.start(), part, "again" if again else "key"
        elif part != ":":
            pointer = "" if around is None else around.item() if around.is_list else around.next_
            yield pointer, match.start(), part, "value" if around and not around.is_list else "item"
            if part in "[{":
                inside.append(_Open(pointer, part == "["))


def _text(part: str) -> str:
    """Return the text of a JSON string."""
    return str(json.loads(part)) if "\\" in part else part[1:-1]
