"""What a shell completes: ids of the catalogue and of the user's folders, words of options, files.

It runs at every press of the tab key. So nothing is validated: the files of the catalogue bear their ids, and what a file is
called is the first name in it. What cannot be read is left out, and nothing is ever printed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Final

import typer

Item = tuple[str, str]
"""What is completed, and what shells with room for it say beside it."""
Source = Callable[[typer.Context], Iterable[Item]]
"""Gives everything that may stand at a place."""
Completer = Callable[[typer.Context, str], list[Item]]
"""Gives what begins as the word that is typed."""

MOST_FILES: Final = 1000
"""Files of a user's folder that are looked into."""
MOST_READ: Final = 65_536
"""Bytes of a file that are looked into."""
HEAD: Final = 2048
"""Bytes of a spec of ours that hold its name."""


def one(*sources: Source) -> Completer:
    """Return what completes one word; where nothing fits, the shell goes on with files."""

    def complete(ctx: typer.Context, incomplete: str) -> list[Item]:
        try:
            return [item for source in sources for item in source(ctx) if item[0].startswith(incomplete)]
        except Exception:  # noqa: BLE001 - a shell shows nothing but completions
            return []

    return complete


def several(*sources: Source) -> Completer:
    """Return what completes the last word of a list with commas; words that it has already are not offered again."""
    last = one(*sources)

    def complete(ctx: typer.Context, incomplete: str) -> list[Item]:
        before, comma, word = incomplete.rpartition(",")
        taken = set(before.split(","))
        return [(f"{before}{comma}{value}", told) for value, told in last(ctx, word) if value not in taken]

    return complete


def files(ctx: typer.Context, incomplete: str) -> list[Item]:
    """Return nothing: where nothing is offered, shells complete files."""
    del ctx, incomplete
    return []


def words(*texts: str, **told: str) -> Source:
    """Return a source of words, and of words with what is said beside them.

    >>> list(words("text", graph="every kernel is tuned")(None))
    [('text', ''), ('graph', 'every kernel is tuned')]
    """
    items = [*((text, "") for text in texts), *told.items()]
    return lambda _: items


DTYPES: Final = words("fp64", "fp32", "tf32", "bf16", "fp16", "fp8", "int8", "fp4", "int4")
KINDS: Final = words("gpu", "tpu", "npu", "cpu", "dataflow", "edge")
RUNTIMES: Final = words(
    graph="every kernel is tuned, as TensorRT does",
    compiled="torch.compile, Paddle-TRT and the like",
    session="a framework that walks a stored graph: TensorFlow, MXNet, PaddlePaddle",
    eager="a framework that launches operator by operator, as PyTorch does",
    eager_v1="the same where attention is no operator of its own, as before PyTorch 2.0",
)
BATCHES: Final = words("1", "1..64x2", "1..64", "1,2,4,8")
TIMES: Final = words("1ms", "10ms", "100ms")
RATES: Final = words("100/s", "1000/s", "10000/s")
POWERS: Final = words("15W", "75W", "300W", "700W")
ENERGIES: Final = words("1mJ", "10mJ", "100mJ")
MEMORIES: Final = words("8GB", "24GB", "80GB")


def begin(environment: MutableMapping[str, str]) -> None:
    """Make ready for what a shell asks; where none asks, nothing changes."""
    if "_ADVISE_COMPLETE" in environment:
        split_equals(environment)
        sys.modules["rich"] = None  # type: ignore[assignment] # typer would render what is said of each word with it, for longer


def split_equals(environment: MutableMapping[str, str]) -> None:
    """Take away the words `=` that Bash makes of `--option=value`, so that the value is completed as in `--option value`.

    >>> told = {"COMP_WORDS": "advise --model = resn", "COMP_CWORD": "3"}
    >>> split_equals(told)
    >>> told
    {'COMP_WORDS': 'advise --model resn', 'COMP_CWORD': '2'}
    """
    words, place = re.split("([ \n])", environment.get("COMP_WORDS", "")), environment.get("COMP_CWORD", "")
    if not place.isdecimal():
        return
    equals = [index for index, word in enumerate(words[: 2 * int(place)]) if word == "="]
    kept = [word for index, word in enumerate(words) if index not in equals and index + 1 not in equals]
    environment.update(COMP_WORDS="".join(kept), COMP_CWORD=str(int(place) - len(equals)))


# The catalogue and the user's folders.


def data_root() -> Path:
    """Return the folder of our specs and schemas, as `engine.catalog` has it, without importing the engine."""
    found = find_spec("engine")
    engine = Path(found.origin).parent if found and found.origin else Path()
    return engine / "_data" if (engine / "_data").is_dir() else engine.parent


def ids(folder: str) -> Source:
    """Return a source of the ids of a kind of spec, by the folder of its files: ours and the user's."""

    def source(ctx: typer.Context) -> Iterator[Item]:
        ours = {path.stem: _name(path) for path in sorted((data_root() / "specs" / folder).glob("*.json"))}
        yield from (ours | dict(theirs(ctx, folder))).items()

    return source


def inside(folder: str, pattern: str = r"[A-Z]\d{3}") -> Source:
    """Return a source of the ids that stand inside the files of a folder, as those of rules do."""
    found = re.compile(rf'"id"\s*:\s*"({pattern})"')

    def source(_: typer.Context) -> Iterator[Item]:
        for path in sorted((data_root() / "specs" / folder).glob("*.json")):
            yield from ((name, folder.removesuffix("s")) for name in found.findall(path.read_text(encoding="utf-8")))

    return source


def objectives(_: typer.Context) -> Iterator[Item]:
    """Yield the words of our profiles."""
    for path in sorted((data_root() / "specs" / "profiles").glob("*.json")):
        if word := re.search(r'"objective"\s*:\s*"([a-z]+)"', path.read_text(encoding="utf-8")):
            yield word[1], path.stem


def schemas(_: typer.Context) -> Iterator[Item]:
    """Yield the names of the schemas."""
    suffix = ".schema.json"
    yield from ((path.name.removesuffix(suffix), "") for path in sorted((data_root() / "schemas").glob(f"*{suffix}")))


def _name(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        named = re.search(r'"name"\s*:\s*"([^"\\]+)"', file.read(HEAD))
    return named[1] if named else ""


def theirs(ctx: typer.Context, folder: str) -> Iterator[Item]:
    """Yield ids and names of the user's specs of a kind: in the folders of ROOFWISE_SPECS and of the --specs typed so far."""
    inherited = [part for part in os.environ.get("ROOFWISE_SPECS", "").split(os.pathsep) if part]
    for directory in [*inherited, *(ctx.params.get("specs") or ())]:
        for path in islice(Path(directory).rglob("*.json"), MOST_FILES):
            if not path.is_file():  # a pipe would wait for its writer
                continue
            with path.open(encoding="utf-8", errors="replace") as file:
                text = file.read(MOST_READ)
            kind = re.search(r'"\$schema"\s*:\s*"[^"]*?(\w+)(?:\.v\w+)?\.schema\.json', text)
            named = re.search(r'"id"\s*:\s*"([a-z0-9][a-z0-9._-]*)"', text)
            if named and (f"{kind[1]}s" if kind else path.parent.name) == folder:
                yield named[1], "yours"


def everything(ctx: typer.Context) -> Iterator[Item]:
    """Yield the ids of all specs that can be shown."""
    for source in (*map(ids, ("accelerators", "workloads", "profiles")), inside("rules"), inside("checks")):
        yield from source(ctx)
    for folder in ("calibrations", "measurements"):
        yield from ((f"{folder}/{name}", told) for name, told in ids(folder)(ctx))
