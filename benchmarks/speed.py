"""How fast the main job is: `python benchmarks/speed.py`. Prints ratios measured side by side in one run.

Whole processes in turn, medians of ten: the main job against importing what it stands on; then configurations per second.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import numpy as np

from engine import build, load
from engine.compiled import estimate

RUNS = 10
MAIN_JOB = (sys.executable, "-m", "advisor.cli", "--model", "resnet50", "--latency", "10ms")
IMPORTS = (sys.executable, "-c", "import numpy, pydantic, typer")


def seconds(command: tuple[str, ...]) -> float:
    """Return the wall time of one run of a command [s]."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - our own command
    return time.perf_counter() - start


def cold_start() -> None:
    """Print the medians of paired runs and their ratio."""
    pairs = [(seconds(MAIN_JOB), seconds(IMPORTS)) for _ in range(RUNS + 1)][1:]
    job, imports = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"main job {job:.3f} s, importing numpy, pydantic and typer {imports:.3f} s")
    print(f"ratio {ratio:.2f} (medians of {RUNS} pairs)")


def throughput() -> None:
    """Print network evaluations per second on one machine."""
    catalog = load()
    network, machine = build(catalog.workloads["resnet50"]), catalog.machine("nvidia-h100-sxm", "bf16")
    batches = np.arange(1.0, 2001.0)
    estimate(network, [machine], batches)
    start = time.perf_counter()
    estimate(network, [machine], batches)
    taken = time.perf_counter() - start
    print(f"{batches.size / taken:,.0f} evaluations of resnet50 per second (kernel by kernel, tile set of the calibration)")


if __name__ == "__main__":
    cold_start()
    throughput()
