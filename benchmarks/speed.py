"""How fast the main job is: `python benchmarks/speed.py`. Everything in one run, side by side.

Whole processes in turn, medians of ten: the main job, with compiled modules and a snapshot of the specs as a second run has
them, against importing what it stands on; and the first run of all, without a cache. Then the answer without the start, and
evaluations of a network per second of one core.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from advisor.cachefiles import ENVIRONMENT
from advisor.recommend import advise
from advisor.requirements import Requirements
from advisor.snapshot import ready
from engine import build, load
from engine.compiled import estimate

RUNS: Final = 10
SCRIPT: Final = Path(sys.executable).with_name("advise")
ADVISE: Final = (str(SCRIPT),) if SCRIPT.is_file() else (sys.executable, "-m", "advisor")
MAIN_JOB: Final = (*ADVISE, "--model", "resnet50", "--latency", "10ms")
IMPORTS: Final = (sys.executable, "-c", "import numpy, pydantic, typer")


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one process took: wall time and time of a core [s], and the most memory that it held [MB]."""

    wall_s: float
    core_s: float
    memory_mb: float


def run(command: tuple[str, ...], environment: Mapping[str, str]) -> Run:
    """Return what one run of a command takes, whose output is thrown away. Raises CalledProcessError where it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)  # noqa: S603
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Run(wall_s=wall, core_s=used.ru_utime + used.ru_stime, memory_mb=used.ru_maxrss / 1024)


def compiled() -> dict[str, str]:
    """Return the environment of a run that may keep its compiled modules, as runs usually do."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def wall(command: tuple[str, ...]) -> float:
    """Return the wall time of one run of a command [s]."""
    return run(command, compiled()).wall_s


def spent(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return the median time of a call after a first one [s], by a clock."""
    work()
    times = []
    for _ in range(RUNS):
        start = clock()
        work()
        times.append(clock() - start)
    return statistics.median(times)


def cold_start() -> None:
    """Print the medians of paired runs and their ratio; the first pair fills the cache and warms the disk."""
    with tempfile.TemporaryDirectory() as cache:
        environment = compiled() | {ENVIRONMENT: cache}
        first = run(MAIN_JOB, environment)
        pairs = [(run(MAIN_JOB, environment), run(IMPORTS, environment)) for _ in range(RUNS + 1)][1:]
        without = run(MAIN_JOB, environment | {ENVIRONMENT: ""})
    for name, told in (("wall_s", "wall time"), ("core_s", "time of a core")):
        job, imports = (statistics.median(getattr(one, name) for one in column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(getattr(a, name) / getattr(b, name) for a, b in pairs)
        print(
            f"cold start    {told}: advise {job:.3f} s, importing numpy, pydantic and typer {imports:.3f} s, ratio {ratio:.2f}"
        )
    print(f"              medians of {RUNS} pairs in turn; at most {max(a.memory_mb for a, _ in pairs):.0f} MB")
    print(f"              the first run of all {first.wall_s:.3f} s, a run without a cache {without.wall_s:.3f} s")


def in_process() -> None:
    """Print the time of the first answer of a process, with what it is chosen from, and of later ones."""
    request, start = Requirements(model="resnet50", latency_s=0.010), time.perf_counter()
    stock, book, _ = ready(["resnet50"], None)
    advise(request, stock, book)
    first = time.perf_counter() - start
    later = spent(lambda: advise(request, stock, book), time.perf_counter)
    print(f"in process    advise() {1e3 * first:.0f} ms with the snapshot, then {1e3 * later:.0f} ms (median of {RUNS})")


def throughput() -> None:
    """Print evaluations of a network on one machine per second of one core, for few batches and for many."""
    catalog = load()
    network, machine = build(catalog.workloads["resnet50"]), catalog.machine("nvidia-h100-sxm", "bf16")
    tiles = f"{len(machine.tile_set.tiles)} tiles x {len(machine.tile_set.splits)} splits, set {machine.tile_set.version}"
    print(f"evaluations   of resnet50 per core and second, {tiles}")
    for count in (1, 100, 2000):
        batches = np.arange(1.0, count + 1.0)
        passes = (partial(estimate, network, [machine], batches, ladder=ladder) for ladder in (False, True))
        alone, whole = (spent(one, time.process_time) for one in passes)
        rates = f"{count / alone:,.0f}, with the causes of the time {count / whole:,.0f}"
        print(f"              {rates}, batches at a time: {count}")


if __name__ == "__main__":
    cold_start()
    in_process()
    throughput()
