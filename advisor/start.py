"""Which way a request goes: a plain request goes straight to its answer, all else through the command line's library.

That library takes longer to set up its commands than the answer takes to find. So the options of the main job that need no
more than their value are read here; help, completion, other commands, and whatever looks unusual are left to it. A test holds
the table to the command's own parameters, and the two ways to the same answers.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .exits import guarded

VALUES: Final[Mapping[str, str]] = {
    "--model": "model", "-m": "model", "--latency": "latency", "--throughput": "throughput", "--power": "power",
    "--energy": "energy", "--memory": "memory", "--dtype": "dtype", "--hardware": "hardware", "--kind": "kind",
    "--profile": "profile", "--objective": "objective", "--runtime": "runtime", "--batch": "batch", "--seq-len": "seq_len",
    "--size": "size", "--specs": "specs", "--top": "top", "--explain": "explain", "--format": "form", "-f": "form",
    "--out": "out", "-o": "out",
}  # fmt: skip
"""Option with a value -> name of its parameter."""
FLAGS: Final[Mapping[str, str]] = {"--strict": "strict", "--allow-modelled": "allow_modelled"}
"""Option without a value -> the same."""
LISTS: Final = ("size", "specs")
"""Parameters that may be given again and again."""
DEFAULTS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(VALUES.values()), **dict.fromkeys(FLAGS.values(), False), "top": "5", "form": "text",
}  # fmt: skip
_PATHS: Final = ("specs", "out")


def plain(arguments: Sequence[str]) -> dict[str, Any] | None:
    """Return the options of a plain request for an answer by name, or None where the arguments are anything else.

    >>> plain(["--model", "resnet50", "--latency=10ms"])["latency"], plain(["list", "hardware"]), plain(["--help"])
    ('10ms', None, None)
    """
    found: dict[str, Any] = {}
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if word in FLAGS:
            found[FLAGS[word]] = True
            continue
        if option not in VALUES or (equals and not option.startswith("--")):
            return None
        typed = value if equals else next(words, None)
        name = VALUES[option]
        if typed is None or (typed.startswith("-") and not equals) or (name in found and name not in LISTS):
            return None
        given = Path(typed) if name in _PATHS else typed
        found[name] = [*found.get(name, []), given] if name in LISTS else given
    return {**DEFAULTS, **found} if found.get("model") else None


def _run(arguments: Sequence[str]) -> int:
    options = None if "_ADVISE_COMPLETE" in os.environ else plain(arguments)
    if options is not None:
        # A process that ends after one answer has little to collect, and looking for it takes a while; so does it to start the
        # threads of a library for linear algebra, of which an answer needs none.
        gc.disable()
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        from .answering import answer  # noqa: PLC0415 - with numpy

        return answer(options)
    from .cli import run  # noqa: PLC0415 - with typer

    return run(arguments)


def main() -> None:
    """Run the command and exit with its code."""
    sys.exit(guarded(lambda: _run(sys.argv[1:])))
