"""How searches grow, from 10^3 to 10^7 configurations: `python benchmarks/explore.py [MODEL]`. Everything in one run.

A configuration is one hypothetical chip in one number format at one batch. Its cost and the peak memory are measured in a
process of its own for each size, in CPU time of the search, the least of some runs; sizes take turns, so that what else the
machine does hits all alike. Wall times are those of the whole command on two processes, with start and answer.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

SIZES: Final = {10**3: (10, 100), 10**4: (100, 100), 10**5: (100, 1000), 10**6: (1000, 1000), 10**7: (1000, 10_000)}
"""Configurations -> values of bandwidth and of peak."""
RUNS: Final = {10**3: 50, 10**4: 10, 10**5: 3, 10**6: 1, 10**7: 1}
"""How often a child searches a space; its least time counts."""
TURNS: Final = 3
COMPARED: Final = (10**4, 10**7)
MILLION: Final = 10**6
COST: Final = "0.5*peak/1e12 + 40*bandwidth/1e12"
REQUEST: Final = ("--batch", "8", "--latency", "1ms", "--cost", COST)


def axes(size: int) -> list[str]:
    """Return what varies in a space of a size."""
    bandwidths, peaks = SIZES[size]
    return [f"bandwidth=0.5..8TB/s:{bandwidths}", f"peak=50..2000TFLOP/s:{peaks}"]


def child(model: str, size: int) -> None:
    """Print CPU time of the search of a space [s] and peak memory of this process [B], as JSON."""
    from advisor.explore.request import space_of  # noqa: PLC0415 - the parent needs none of it
    from advisor.explore.search import Means, search  # noqa: PLC0415
    from engine import load  # noqa: PLC0415

    options: dict[str, Any] = dict.fromkeys(
        ("dtype", "throughput", "power", "energy", "memory", "minimize", "maximize", "runtime", "seq_len", "size")
    )
    options |= {
        "model": model,
        "base": "nvidia-h100-sxm",
        "batch": "8",
        "latency": "1ms",
        "cost": COST,
        "vary": axes(size),
    }
    space = space_of(options, load())
    times = []
    for _ in range(RUNS[size]):
        start = time.process_time()
        search(space, Means())
        times.append(time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"seconds": min(times), "bytes": peak}))


def growth(model: str) -> None:
    """Print the cost of one configuration and the peak memory by size, and how the largest compares with 10^4."""
    found: dict[int, list[dict[str, float]]] = {size: [] for size in SIZES}
    for _ in range(TURNS):
        for size, results in found.items():
            command = (sys.executable, __file__, model, str(size))
            results.append(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))  # noqa: S603 - this file
    cost = {size: min(each["seconds"] for each in results) / size for size, results in found.items()}
    memory = {size: max(each["bytes"] for each in results) for size, results in found.items()}
    for size in SIZES:
        rate = f"{1 / cost[size]:>9,.0f} per core and second"
        print(f"{size:>12,} configurations  {1e6 * cost[size]:6.2f} us each  {rate}  {memory[size] / 1e6:5.0f} MB")
    small, large = COMPARED
    print(f"growth        {large:,} against {small:,}: {cost[large] / cost[small]:.2f} times the cost of one, "
          f"{memory[large] / memory[small]:.2f} times the memory")  # fmt: skip


def wall(model: str, *more: str) -> float:
    """Return the wall time of a search of 10^6 chips by the command, on two processes [s]."""
    varied = [part for axis in axes(MILLION) for part in ("--vary", axis)]
    command = (sys.executable, "-m", "advisor.cli", "explore", "--model", model, *REQUEST, *varied, "--workers", "2", *more)
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - our own command
    return time.perf_counter() - start


def walls(model: str) -> None:
    """Print wall times of 10^6 chips: for the answer alone, and with every point in Parquet."""
    plain, written = [], []
    for _ in range(TURNS):
        plain.append(wall(model))
        with tempfile.TemporaryDirectory() as folder:
            written.append(wall(model, "--points", str(Path(folder) / "points.parquet")))
    print(f"wall          {MILLION:,} chips, two processes: {min(plain):.1f} s for the answer, {min(written):.1f} s with every "
          f"point in Parquet (least of {TURNS}; most {max(plain):.1f} and {max(written):.1f} s)")  # fmt: skip


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) > 1:
        child(arguments[0], int(arguments[1]))
    else:
        chosen = arguments[0] if arguments else "resnet50"
        print(f"model         {chosen}, batch 8, bf16, variants of nvidia-h100-sxm")
        growth(chosen)
        walls(chosen)
