"""Mutates specs by the thousands: each must be judged in time, without a traceback, with findings of known ids or none.

Deleted, retyped, nested, huge, in Unicode, NaN, 1e400, keys twice, 10 MB, 1,000 levels deep: `python benchmarks/fuzz_specs.py`.
The seed makes every case; a finding of the fuzz names it. `--command N` also runs N files through the whole command.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from advisor.cli import main  # noqa: E402 - the checkout comes first
from advisor.report import findings  # noqa: E402
from advisor.validation import Report, validate_document  # noqa: E402
from engine.documents import read_bytes  # noqa: E402

SECONDS: Final = 2.0
"""Judging one file may take this long, in time of the processor: others may use the machine, too."""
WORDS: Final = (
    "", " ", "text", "bf16", "TB/s", "ds", "a b", "http://", "é", "日本語", "\u202e", "\0", "\ud800", "2 * seq_len", "9**9**9",
    "__import__('os')", "x" * 41, "y" * 100_000, "batch", "1e400", "NaN", "{tdp_w}", "{", "%s", "../../x", "FILL: it",
)  # fmt: skip
SCALARS: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 3, 3.5, 1e308, -1e308, 5e-324, 2**63, 10**400, float("nan"), float("inf"), *WORDS,
)  # fmt: skip
EMPTY: Final[tuple[Any, ...]] = ([], {}, [[]], [{}], {"": {}}, {"value": 1}, {"op": "conv2d"}, {"$comment": 3})
KEYS: Final = (
    "extra",
    "note",
    "unit",
    "value",
    "source",
    "fp8",
    "default",
    "op",
    "repeat",
    "inputs",
    "$comment",
    "$schema",
    "é",
    "",
)


@dataclass
class Tally:
    """What the cases came to."""

    count: int = 0
    valid: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    wrong: list[str] = field(default_factory=list)

    def add(self, name: str, seconds: float, rules: Sequence[str]) -> None:
        """Note a case that was judged."""
        self.count += 1
        self.valid += not rules
        self.rules.update(set(rules))
        self.slowest = max(self.slowest, (seconds, name))
        if seconds > SECONDS:
            self.wrong.append(f"{name}: {seconds:.1f} s")
        if unknown := set(rules) - findings.codes().keys():
            self.wrong.append(f"{name}: findings without a known id {sorted(unknown)}")


def bases() -> list[tuple[str, Any]]:
    """Return name and data of every spec that ships and of every valid case of the corpus."""
    files = [*sorted((ROOT / "specs").glob("*/*.json")), *sorted((ROOT / "tests" / "specs" / "valid").glob("*/*.json"))]
    return [(str(path.relative_to(ROOT)), json.loads(path.read_text(encoding="utf-8"))) for path in files]


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
    if isinstance(value, (int, float)) and abs(value) < 1e100:  # noqa: PLR2004 - larger whole numbers are no floats
        place[key] = value * rng.choice([0, -1, 1e3, 1e-9, 1e12, 1e200])
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


def swap(rng: random.Random, data: Any) -> None:
    """Put a part of the spec where another part was."""
    place, key = pick(rng, data)
    other, other_key = pick(rng, data)
    place[key] = copy.deepcopy(other[other_key])


def nest(rng: random.Random, data: Any) -> None:
    """Wrap something into up to 150 lists or objects; deeper ones are written as text."""
    place, key = pick(rng, data)
    value = place[key]
    for _ in range(rng.choice([1, 2, 50, 99, 150])):
        value = [value] if rng.random() < 0.5 else {"a": value}  # noqa: PLR2004 - one or the other
    place[key] = value


def multiply(rng: random.Random, data: Any) -> None:
    """Make a list, or an object, much longer."""
    place, key = pick(rng, data)
    many = rng.choice([10, 1000, 6000])
    if isinstance(place, list):
        place += [copy.deepcopy(place[key]) for _ in range(many)]
    else:
        place |= {f"key_{index}": place[key] for index in range(many)}


CHANGES: Final = (delete, retype, scale, insert, swap)
RARE: Final = (nest, multiply)


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
    return (
        text[:at]
        + rng.choice(["", "{", "[", '"', ",", "\\", "\x00", "\ufeff", "//", "\\ud800"])
        + text[at + rng.randrange(3) :]
    )


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


TEXTS: Final[tuple[Callable[[random.Random, str], str], ...]] = (nan_text, twice_text, cut_text)
RARE_TEXTS: Final[tuple[Callable[[random.Random, str], str], ...]] = (huge_text, deep_text)


def case(base: Any, rng: random.Random) -> bytes:
    """Return the bytes of one mutated spec."""
    data = copy.deepcopy(base)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        rng.choice(RARE if rng.random() < 0.05 else CHANGES)(rng, data)  # noqa: PLR2004 - seldom, since they are slow
    text = json.dumps(data, indent=rng.choice([None, 1, 2]), ensure_ascii=rng.random() < 0.5)  # noqa: PLR2004
    if rng.random() < 0.3:  # noqa: PLR2004 - most cases stay JSON
        text = rng.choice(RARE_TEXTS if rng.random() < 0.03 else TEXTS)(rng, text)  # noqa: PLR2004
    content = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.01:  # noqa: PLR2004
        content = content[: len(content) // 2] + bytes([rng.randrange(256)]) + content[len(content) // 2 :]
    return content


def cases(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of mutated specs."""
    known = bases()
    for index in range(count):
        rng = random.Random(f"{seed}/{index}")  # noqa: S311 - no secret
        name, base = rng.choice(known)
        yield f"{seed}/{index} of {name}", case(base, rng)


def judge(name: str, content: bytes, tally: Tally) -> None:
    """Validate one file in this process, and print what was found in every form."""
    start = time.process_time()
    try:
        document = read_bytes(content, name)
        outcome = validate_document(document)
        report = Report(outcomes=(outcome,))
        for form in findings.FORMATS:
            findings.printed(report, form).encode("utf-8", "replace")
        lines = document.text.split("\n")
        beyond = [fault for fault in outcome.faults if document.text and fault.column > len(lines[fault.line - 1]) + 1]
        if beyond:
            tally.wrong.append(f"{name}: a place outside the file: {beyond[0]}")
    except Exception:  # noqa: BLE001 - whatever it is, it is what the fuzz looks for
        tally.wrong.append(f"{name}:\n{traceback.format_exc()}")
        return
    tally.add(name, time.process_time() - start, [fault.rule for fault in outcome.faults])


def judge_by_command(name: str, content: bytes, folder: Path, tally: Tally) -> None:
    """Validate one file through the whole command: exit code 0 or 2, and no traceback."""
    file = folder / "case.json"
    file.write_bytes(content)
    printed = io.StringIO()
    start = time.process_time()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            main(["validate", str(file), "--format", "json"])
    except SystemExit as stop:
        body = json.loads(printed.getvalue())
        rules = [fault["rule"] for fault in body["files"][0]["faults"]]
        if stop.code != (2 if rules else 0):
            tally.wrong.append(f"{name}: exit code {stop.code}")
        tally.add(name, time.process_time() - start, rules)
    except Exception:  # noqa: BLE001 - the same
        tally.wrong.append(f"{name} by the command:\n{traceback.format_exc()}")


def told(what: str, tally: Tally) -> str:
    """Return the figures of a run."""
    rules = ", ".join(f"{rule} {count}" for rule, count in sorted(tally.rules.items()))
    seconds, name = tally.slowest
    return (
        f"{what}: {tally.count} files, {tally.valid} accepted, {tally.count - tally.valid} with findings, "
        f"{len(tally.wrong)} wrong; slowest {seconds:.2f} s ({name})\n  {rules}"
    )


def run(seed: int, count: int, by_command: int) -> list[Tally]:
    """Return the tallies of `count` files judged in this process, and of `by_command` others through the command."""
    inside, outside = Tally(), Tally()
    for name, content in cases(seed, count):
        judge(name, content, inside)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in cases(seed + 1, by_command):
            judge_by_command(name, content, Path(folder), outside)
    return [inside, outside]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--command", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tallies = run(options.seed, options.count, options.command)
    for label, result in zip(("in process", "by the command"), tallies, strict=True):
        print(told(label, result))
    for line in [line for result in tallies for line in result.wrong][:20]:
        print(line)
    sys.exit(any(result.wrong for result in tallies))
