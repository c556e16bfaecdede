"""Mutations of JSON: of its data, of its text, of its bytes. A `random.Random` makes every choice, so a seed makes a case.

Deleted, retyped, swapped, nested, huge, in Unicode, NaN, 1e400, keys twice, 10 MB, 1,000 levels deep.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
WORDS: Final = (
    "", " ", "text", "bf16", "TB/s", "ds", "a b", "http://", "é", "日本語", "\u202e", "\0", "\ud800", "2 * seq_len", "9**9**9",
    "__import__('os')", "x" * 41, "y" * 100_000, "batch", "1e400", "NaN", "{tdp_w}", "{", "%s", "../../x", "FILL: it",
    "LlamaForCausalLM", "llama", "silu", "[bold red]x[/]", "<script>alert(1)</script>", "\x1b[2J", "a\nb", "=1+1",
)  # fmt: skip
"""Texts that have broken a reader somewhere."""
SCALARS: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2, 3, 7, 255, 0.5, 3.5, -0.0, 10**6, 10**9, 10**12, 1e308, -1e308, 5e-324, 2**63, 10**400,
    -(10**30), float("nan"), float("inf"), *WORDS,
)  # fmt: skip
EMPTY: Final[tuple[Any, ...]] = (
    [], {}, [[]], [{}], [1], {"": {}}, {"a": 1}, {"value": 1}, {"op": "conv2d"}, {"$comment": 3}, ["BertModel"], {"0": "L"},
)  # fmt: skip
KEYS: Final = ("extra", "note", "unit", "value", "source", "fp8", "default", "op", "repeat", "inputs", "$comment", "$schema",
               "é", "")  # fmt: skip


@cache
def specs() -> tuple[tuple[str, str], ...]:
    """Return name and text of every spec that ships and of every valid case of the corpus."""
    files = [*sorted((ROOT / "specs").glob("*/*.json")), *sorted((ROOT / "tests" / "specs" / "valid").glob("*/*.json"))]
    return tuple((str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in files)


@cache
def configs() -> tuple[tuple[str, str], ...]:
    """Return name and text of every configuration of a Hugging Face model that the tests have."""
    return tuple((path.name, path.read_text(encoding="utf-8")) for path in sorted((ROOT / "tests" / "configs").glob("*.json")))


# Data.


def containers(data: Any) -> list[Any]:
    """Return every object and list that is not empty, wherever in data."""
    found, open_ = [], [data]
    while open_:
        item = open_.pop()
        children = list(item.values()) if isinstance(item, dict) else item if isinstance(item, list) else []
        found += [item] if children else []
        open_ += children
    return found


def pick(rng: random.Random, data: Any) -> tuple[Any, Any]:
    """Return a container of data and a key or an index of it."""
    place = rng.choice(containers(data) or [{"x": 0}])
    return place, rng.choice(list(place) if isinstance(place, dict) else range(len(place)))


def delete(rng: random.Random, data: Any) -> None:
    """Take something out."""
    place, key = pick(rng, data)
    del place[key]


def retype(rng: random.Random, data: Any) -> None:
    """Write something of another type."""
    place, key = pick(rng, data)
    place[key] = copy.deepcopy(rng.choice([*SCALARS, *EMPTY]))


def scale(rng: random.Random, data: Any) -> None:
    """Change a number, or make a text longer."""
    place, key = pick(rng, data)
    value = place[key]
    if isinstance(value, (int, float)) and abs(value) < 1e100:  # larger whole numbers are no floats
        place[key] = value * rng.choice([0, -1, 2, 3, 10, 1e3, 1e-9, 1e12, 1e200]) + rng.choice([0, 0, 0, 1, -1])
    elif isinstance(value, str):
        place[key] = rng.choice([value * 3, value.upper(), value[::-1], value + "é", value[: len(value) // 2]])


def insert(rng: random.Random, data: Any) -> None:
    """Put something in."""
    place, _ = pick(rng, data)
    value = copy.deepcopy(rng.choice([*SCALARS, *EMPTY]))
    if isinstance(place, dict):
        place[rng.choice(KEYS)] = value
    else:
        place.insert(rng.randrange(len(place) + 1), value)


def rename(rng: random.Random, data: Any) -> None:
    """Give a key another name."""
    place, key = pick(rng, data)
    if isinstance(place, dict):
        place[rng.choice([key.upper(), key[:-1], f"{key}s", "x" * 300])] = place.pop(key)


def swap(rng: random.Random, data: Any) -> None:
    """Put a part of the data where another part was."""
    place, key = pick(rng, data)
    other, other_key = pick(rng, data)
    place[key] = copy.deepcopy(other[other_key])


MULTIPLIED: Final = 2_000_000


def nest(rng: random.Random, data: Any) -> None:
    """Wrap something into up to 150 lists or objects; deeper ones are written as text."""
    place, key = pick(rng, data)
    value = place[key]
    for _ in range(rng.choice([1, 2, 50, 99, 150])):
        value = [value] if rng.random() < 0.5 else {"a": value}
    place[key] = value


def multiply(rng: random.Random, data: Any) -> None:
    """Make a list, or an object, much longer, by up to MULTIPLIED characters: what was multiplied may be again."""
    place, key = pick(rng, data)
    many = min(rng.choice([10, 1000, 6000]), MULTIPLIED // len(json.dumps(place[key])))
    copies = [copy.deepcopy(place[key]) for _ in range(many)]
    if isinstance(place, list):
        place += copies
    else:
        place |= {f"key_{index}": value for index, value in enumerate(copies)}


Change = Callable[[random.Random, Any], None]
CHANGES: Final[tuple[Change, ...]] = (delete, retype, scale, insert, swap, rename)
RARE: Final[tuple[Change, ...]] = (nest, multiply)


# Text.


def nan_text(rng: random.Random, text: str) -> str:
    """Write a number that JSON has not."""
    return text.replace(rng.choice("123456789"), rng.choice(["NaN", "Infinity", "-Infinity", "1e400", "1" * 5000]), 1)


def twice_text(rng: random.Random, text: str) -> str:
    """Write keys twice: the first of an object, up to many times."""
    at = text.find("{", rng.randrange(max(len(text) - 1, 1)))
    return text if at < 0 else text[: at + 1] + '"a": 1, ' * rng.choice([2, 3, 3000]) + text[at + 1 :]


def cut_text(rng: random.Random, text: str) -> str:
    """Cut the text, or write something into it."""
    at = rng.randrange(len(text) + 1)
    middle = rng.choice(["", "{", "[", '"', ",", "\\", "\x00", "\ufeff", "//", "\\ud800"])
    return text[:at] + middle + text[at + rng.randrange(3) :]


def garbled_text(rng: random.Random, text: str) -> str:
    """Write other characters into the text."""
    letters = list(text or " ")
    for _ in range(rng.randrange(1, 6)):
        letters[rng.randrange(len(letters))] = rng.choice('{}[]",:0129-+.eE \\u\x00\x7f\ud800é')
    return "".join(letters)


def huge_text(rng: random.Random, text: str) -> str:
    """Write up to 10 MB."""
    filler = rng.choice([" ", '"a",', "[],", '{"source": "x"},', "1,", '"k": 1,', '"' + "x" * 1000 + '",'])
    size = rng.choice([100_000, 1_000_000, 3_900_000, 10_000_000])
    opened, closed = ("{", '"z": 0}') if filler == '"k": 1,' else ('{"notes": [', "0]}")
    return opened + filler * (size // len(filler)) + closed + text[: rng.choice([0, 0, 0, len(text)])]


def deep_text(rng: random.Random, text: str) -> str:
    """Write many levels."""
    levels = rng.choice([99, 100, 101, 1000, 100_000])
    return rng.choice(
        ["[" * levels + "]" * levels, '{"a":' * levels + "1" + "}" * levels, "[" * levels, text.replace(":", ":[" * levels, 1)]
    )


Rewrite = Callable[[random.Random, str], str]
TEXTS: Final[tuple[Rewrite, ...]] = (nan_text, twice_text, cut_text, garbled_text)
RARE_TEXTS: Final[tuple[Rewrite, ...]] = (huge_text, deep_text)


# Bytes.


def encoded(rng: random.Random, text: str) -> bytes:
    """Return a text as bytes: nearly always UTF-8; seldom with a mark, other ends of lines, in another encoding, or broken."""
    content = text.encode("utf-8", "surrogatepass")
    if rng.random() > 0.04:
        return content
    return rng.choice([
        content[: len(content) // 2] + bytes([rng.randrange(256)]) + content[len(content) // 2 :],
        b"\xef\xbb\xbf" + content,
        content.replace(b"\n", b"\r\n"),
        content.replace(b"\n", b"\r"),
        text.encode("utf-16", "surrogatepass"),
        text.encode("utf-32", "surrogatepass"),
        content + b"\0",
        b"",
    ])  # fmt: skip


def mutated(rng: random.Random, text: str) -> bytes:
    """Return the bytes of mutated JSON."""
    data = json.loads(text)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        rng.choice(RARE if rng.random() < 0.05 else CHANGES)(rng, data)
    text = json.dumps(data, indent=rng.choice([None, 1, 2]), ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.3:
        text = rng.choice(RARE_TEXTS if rng.random() < 0.03 else TEXTS)(rng, text)
    return encoded(rng, text)


def nudged(rng: random.Random, text: str) -> str:
    """Return JSON with one to three of its numbers changed: what a reader often accepts, and the figures must then bear."""
    data = json.loads(text)
    numbers = [
        (place, key)
        for place in containers(data)
        for key in (place if isinstance(place, dict) else range(len(place)))
        if isinstance(place[key], (int, float)) and not isinstance(place[key], bool)
    ]
    for place, key in rng.sample(numbers, min(len(numbers), rng.choice([1, 1, 2, 3]))):
        value = place[key] * rng.choice([0, 0.5, 2, 10, 0.1, 1e3, 1e-3, 1e6, 1e-6, 1e9, 1e-9, 1e18, 1e-18, 1e100, 1e-100])
        place[key] = int(value) if isinstance(place[key], int) and abs(value) < 1e18 else value
    return json.dumps(data)
