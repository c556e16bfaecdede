"""How fast the main job is: `python benchmarks/speed.py`. Everything in one run, side by side.

Whole processes in turn, medians of ten: the main job against importing what it stands on. Then the answer without the start,
and evaluations of a network per second of one core.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from advisor.recommend import advise
from advisor.requirements import Requirements
from advisor.rule import load_rulebook
from engine import build, load
from engine.compiled import estimate

RUNS: Final = 10
SCRIPT: Final = Path(sys.executable).with_name("advise")
ADVISE: Final = (str(SCRIPT),) if SCRIPT.is_file() else (sys.executable, "-m", "advisor.cli")
MAIN_JOB: Final = (*ADVISE, "--model", "resnet50", "--latency", "10ms")
IMPORTS: Final = (sys.executable, "-c", "import numpy, pydantic, typer")


def wall(command: tuple[str, ...]) -> float:
    """Return the wall time of one run of a command [s]."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)  # noqa: S603 - named in a benchmark
    return time.perf_counter() - start


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
    """Print the medians of paired runs and their ratio; the first pair warms the disk."""
    pairs = [(wall(MAIN_JOB), wall(IMPORTS)) for _ in range(RUNS + 1)][1:]
    job, imports = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"cold start    advise {job:.3f} s, importing numpy, pydantic and typer {imports:.3f} s")
    print(f"              ratio {ratio:.2f} (medians of {RUNS} pairs in turn)")


def in_process() -> None:
    """Print the time of the first answer of a process, with the specs it reads, and of later ones."""
    request, start = Requirements(model="resnet50", latency_s=0.010), time.perf_counter()
    catalog, book = load(), load_rulebook()
    advise(request, catalog, book)
    first = time.perf_counter() - start
    later = spent(lambda: advise(request, catalog, book), time.perf_counter)
    print(f"in process    advise() {1e3 * first:.0f} ms with reading specs, then {1e3 * later:.0f} ms (median of {RUNS})")


def throughput() -> None:
    """Print evaluations of a network on one machine per second of one core, for few batches and for many."""
    catalog = load()
    network, machine = build(catalog.workloads["resnet50"]), catalog.machine("nvidia-h100-sxm", "bf16")
    for count in (1, 100, 2000):
        batches = np.arange(1.0, count + 1.0)
        seconds = spent(lambda batches=batches: estimate(network, [machine], batches), time.process_time)  # type: ignore[misc]
        print(f"evaluations   {count / seconds:,.0f} of resnet50 per core and second, batches at a time: {count}")


if __name__ == "__main__":
    cold_start()
    in_process()
    throughput()
