"""Abuses `advise` without end, by every kind of tests/abuse, and tells what broke: no traceback, no hang, no partial file.

    .venv/bin/python benchmarks/soak.py --minutes 60
    .venv/bin/python benchmarks/soak.py --seed 7 --case 1234      one case again

A worker runs the cases; another process watches it, so that a hang or a crash of the interpreter is found, too. What it writes
lies in a folder of its own, which must be empty in the end. The last line sums up; the exit code is 1 if anything was found.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # the checkout comes first, and not this folder

from abuse.kinds import KINDS  # noqa: E402
from abuse.processes import PROCESSES  # noqa: E402
from abuse.runner import SECONDS, HangError, left_behind, limit  # noqa: E402

IN_PROCESS: Final = 12
"""So many cases in the process for each of a process of its own, of every kind."""
HUNG: Final = 4 * SECONDS
"""A worker that says nothing for so long, in seconds, hangs."""
WARM: Final = 0.25
"""Memory and descriptors after this share of the time are held against those in the end."""
GROWTH_MB: Final = 150.0


def kind_of(seed: int, number: int) -> tuple[str, Callable[[random.Random, Path], list[str]], random.Random]:
    """Return the kind of a case, what runs it, and the random choice that makes it."""
    rng = random.Random(f"{seed}/{number}")  # noqa: S311 - a seed, no secret
    every = {**KINDS, **PROCESSES}
    name = rng.choice(sorted(KINDS) * IN_PROCESS + sorted(PROCESSES))
    return name, every[name], rng


def outcome(seed: int, number: int) -> tuple[str, float, list[str]]:
    """Return the kind of a case, how long it took in seconds, and what was wrong."""
    name, run, rng = kind_of(seed, number)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root, "a", "b", "c")
        folder.mkdir(parents=True)
        os.chdir(folder)
        try:
            with warnings.catch_warnings(action="error"), limit(HUNG):
                found = run(rng, folder)
        except HangError:
            found = [f"it hung:\n{traceback.format_exc()}"]
        except Exception:  # noqa: BLE001 - whatever it is, it is what is looked for
            found = [traceback.format_exc()]
        finally:
            os.chdir(ROOT)
        found += left_behind(Path(root))
        outside = [str(path) for path in Path(root).rglob("*") if path.is_file() and not path.is_relative_to(folder)]
        found += [f"a file outside its folder: {name}" for name in outside]
    return name, time.perf_counter() - start, found


def memory_mb() -> float:
    """Return the memory that this process holds, in MB."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def work(seed: int, first: int) -> None:
    """Run cases for ever, and say of each when it begins and how it ended."""
    number = first
    while True:
        print(json.dumps({"begins": number}), flush=True)
        name, seconds, found = outcome(seed, number)
        told = {"kind": name, "seconds": seconds, "found": found, "mb": memory_mb(), "open": len(os.listdir("/proc/self/fd"))}  # noqa: PTH208
        print(json.dumps(told), flush=True)
        number += 1


@dataclass
class Tally:
    """What the cases came to."""

    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    slowest: dict[str, tuple[float, int]] = field(default_factory=dict)
    found: Counter[str] = field(default_factory=Counter)
    marks: list[tuple[float, int]] = field(default_factory=list)

    def add(self, number: int, told: Mapping[str, Any]) -> None:
        """Note a case that ended."""
        kind = told["kind"]
        self.counts[kind] += 1
        self.slowest[kind] = max(self.slowest.get(kind, (0.0, 0)), (told["seconds"], number))
        self.marks.append((told["mb"], told["open"]))
        for line in told["found"]:
            self.tell(kind, number, line)

    def tell(self, kind: str, number: int, line: str) -> None:
        """Print what was found, with the command that shows it again."""
        self.found[kind] += 1
        print(f"FOUND {kind}: {line}\n  again: python benchmarks/soak.py --seed {self.seed} --case {number}", flush=True)

    def grown(self) -> list[str]:
        """Return what grew since the cases were warm: memory, open files."""
        if len(self.marks) < 400:  # noqa: PLR2004 - too few to be warm
            return []
        (warm_mb, warm_open), (mb, open_) = self.marks[int(len(self.marks) * WARM)], self.marks[-1]
        wrong = [f"memory grew from {warm_mb:.0f} to {mb:.0f} MB"] if mb > warm_mb + GROWTH_MB else []
        return wrong + ([f"open files grew from {warm_open} to {open_}"] if open_ > warm_open else [])

    def summary(self, minutes: float) -> str:
        """Return the last line."""
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.counts.items()))
        slow = ", ".join(f"{kind} {worst:.1f} s (case {at})" for kind, (worst, at) in sorted(self.slowest.items()))
        first, last = (self.marks[int(len(self.marks) * WARM)], self.marks[-1]) if self.marks else ((0, 0), (0, 0))
        found = ", ".join(f"{kind} {count}" for kind, count in sorted(self.found.items())) or "none"
        return (
            f"soak: {minutes:.1f} min, seed {self.seed}, {self.counts.total():,} cases ({kinds}); slowest {slow}; "
            f"memory {first[0]:.0f} MB warm, {last[0]:.0f} MB in the end; open files {first[1]}, {last[1]}; findings: {found}"
        )


class Worker:
    """A process that runs cases, and what it says."""

    def __init__(self, seed: int, first: int, home: Path) -> None:
        env = os.environ | {"TMPDIR": str(home / "tmp"), "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
        arguments = [sys.executable, __file__, "--worker", "--seed", str(seed), "--first", str(first)]
        self.process = subprocess.Popen(  # noqa: S603 - this file again
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, start_new_session=True
        )
        self.waiting = selectors.DefaultSelector()
        self.waiting.register(self._out, selectors.EVENT_READ)

    @property
    def _out(self) -> IO[bytes]:
        assert self.process.stdout is not None  # noqa: S101 - it is a pipe
        return self.process.stdout

    def line(self) -> dict[str, Any] | None:
        """Return what it says next; None where it is gone or says nothing."""
        if not self.waiting.select(HUNG * 1.5):
            return None
        text = self._out.readline()
        return json.loads(text) if text else None

    def end(self) -> str:
        """End it, with all that it started, and return its last words."""
        ended = self.process.poll()
        if ended is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        _, err = self.process.communicate()
        self.waiting.close()
        state = "it hung" if ended is None else f"it ended with {ended}"
        return f"{state}: {err.decode(errors='replace')[-2000:]}"


def watch(tally: Tally, minutes: float, first: int) -> None:
    """Run cases for so long, or until interrupted, a new worker wherever one was lost, and note what they came to."""
    number, end = first, time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        home = Path(folder)
        (home / "tmp").mkdir()
        worker = Worker(tally.seed, number, home)
        try:
            while time.monotonic() < end:
                begins, told = worker.line(), worker.line()
                if begins is None or told is None:
                    tally.tell("worker", number, worker.end())
                    worker = Worker(tally.seed, number + 1, home)
                else:
                    tally.add(number, told)
                number += 1
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        finally:
            worker.end()
        left = [path for path in home.rglob("*") if path.relative_to(home).parts[0] not in ("tmp", "cache")]
        for path in left:
            tally.tell("left behind", number, str(path))
    for line in tally.grown():
        tally.tell("growth", number, line)


def main() -> int:
    """Run one case, or the cases of so many minutes; 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="one of the clock without it")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--case", type=int, default=None, help="run this case only")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    seed = int(time.time()) if options.seed is None else options.seed
    if options.worker:
        work(seed, options.first)
    if options.case is not None:
        name, seconds, found = outcome(seed, options.case)
        print(f"{name}: {seconds:.2f} s", *found, sep="\n")
        return int(bool(found))
    print(f"soak: seed {seed}", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    start = time.monotonic()
    tally = Tally(seed)
    watch(tally, options.minutes, options.first)
    print(tally.summary((time.monotonic() - start) / 60))
    return int(tally.found.total() > 0)


if __name__ == "__main__":
    sys.exit(main())
