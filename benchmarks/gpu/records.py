"""Measured points as records in the project's schema, single kernels as tables for `advise calibrate`, and a summary."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from statistics import quantiles
from typing import Any, Final

from .plan import COMPILE, EAGER, GRAPH, Job

SCHEMA: Final = "../../schemas/measurement.schema.json"
SOURCE: Final = "run"
DRY: Final = "dry-run"
"""The chip of a dry run, which no catalogue has."""
NOT_FINITE: Final = 1e300
"""The error of results that are not finite, since JSON has no infinity."""
QUIET: Final = 0.25
"""Cores that other processes may take before a machine is not quiet."""

CHIPS: Final = (
    ("GH200", "nvidia-gh200"),
    ("H200", "nvidia-h200-sxm"),
    ("H100 NVL", "nvidia-h100-nvl"),
    ("H100 PCIe", "nvidia-h100-pcie"),
    ("H100 80GB HBM3", "nvidia-h100-sxm"),
    ("A100-SXM4-40GB", "nvidia-a100-sxm-40"),
    ("A100-SXM4-80GB", "nvidia-a100-sxm-80"),
)
"""A part of what the driver calls a board -> the chip of the catalogue. H200 NVL is another board."""
UNITS: Final = 132
"""Units of a whole Hopper: a slice of fewer is no chip of the catalogue."""

RUNTIMES: Final = {EAGER: "eager", GRAPH: "compiled", COMPILE: "compiled"}
"""Mode -> how the schema calls it. A replayed CUDA graph has the kernels of a framework, and no host between them; of the three
words that there are, `compiled` is the one without a host."""
MODES: Final = {
    EAGER: "eager",
    GRAPH: "eager kernels replayed as a CUDA graph",
    COMPILE: "torch.compile in mode reduce-overhead",
}

TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "gemm": ("chip", "dtype", "framework", "m", "n", "k", "latency_us"),
    "attention": (
        "chip", "framework", "phase", "batch_size", "isl", "step", "num_heads", "num_key_value_heads", "head_dim",
        "kv_cache_dtype", "latency_us",
    ),
    "gemm-fp32": ("device", "op", "B", "M", "K_contract", "N_out", "latency_ms"),
    "vectors-fp32": ("device", "op", "rows", "cols", "latency_ms"),
    "convolutions-fp32": ("device", "B", "in_ch", "out_ch", "ksize", "in_hw", "stride", "pad", "latency_ms"),
}  # fmt: skip
"""Name of a table of single kernels -> its columns, which are those of `advisor/lab/tables.py`."""


def chip_of(board: str, units: int = UNITS) -> str | None:
    """Return the id of the chip that the driver calls `board`, None where that does not decide it.

    >>> chip_of("NVIDIA H200"), chip_of("NVIDIA H100 80GB HBM3"), chip_of("NVIDIA H200 NVL")
    ('nvidia-h200-sxm', 'nvidia-h100-sxm', None)
    """
    if "H200 NVL" in board or ("MIG" in board and units < UNITS):
        return None
    return next((chip for part, chip in CHIPS if part in board), None)


def statistics(seconds: Sequence[float]) -> dict[str, float]:
    """Return median, quartiles, 90th and 99th percentile [s], and the number of passes.

    >>> statistics([3.0, 1.0, 2.0])["median_s"]
    2.0
    """
    cuts = quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else [seconds[0]] * 99
    named = {"quartile_1_s": 25, "median_s": 50, "quartile_3_s": 75, "p90_s": 90, "p99_s": 99}
    return {name: cuts[percent - 1] for name, percent in named.items()} | {"runs": len(seconds)}


def _rounded(value: float, digits: int = 5) -> float:
    return float(f"{value:.{digits}g}")


def _quantity(value: float, unit: str, note: str = "") -> dict[str, Any]:
    found = {"value": _rounded(value), "unit": unit, "source": SOURCE}
    return found | ({"note": note} if note else {})


def _meanwhile(point: Mapping[str, Any]) -> str:
    """Return what a point says of clocks, heat and memory, for which the schema has no words of their own."""
    parts = [
        ("sm_mhz", "SM clock {:.0f} MHz in the median"),
        ("sm_mhz_least", "{:.0f} MHz at the least"),
        ("memory_mhz", "memory clock {:.0f} MHz"),
        ("celsius", "{:.0f} C at the most"),
        ("memory_bytes", "memory of the allocator at the most {:,.0f} B"),
    ]
    return "; ".join(text.format(point[name]) for name, text in parts if point.get(name) is not None)


def point_of(batch: int, point: Mapping[str, Any]) -> dict[str, Any]:
    """Return a measured batch as the schema has it. Energy, which it has no field for, stands beside the power."""
    latencies = {
        "latency": "median_s", "latency_quartile_1": "quartile_1_s", "latency_quartile_3": "quartile_3_s",
        "latency_p90": "p90_s", "latency_p99": "p99_s",
    }  # fmt: skip
    spec: dict[str, Any] = {"batch": batch}
    spec |= {name: _quantity(1e3 * point[key], "ms") for name, key in latencies.items()}
    meanwhile = _meanwhile(point)
    if meanwhile:
        spec["latency"]["note"] = meanwhile
    spec["runs"] = point["runs"]
    spec["throughput"] = _quantity(point["throughput_per_s"], "/s")
    if point.get("watts"):
        energy = point["watts"] / point["throughput_per_s"]
        spec["power"] = _quantity(point["watts"], "W", f"{point['power_from']}; {_rounded(energy)} J for each sample")
    return spec


def _share(value: float) -> str:
    return f"{value:.2e}" if value < NOT_FINITE else "they are not finite"


def _notes(job: Job, known: Mapping[str, Any], dry: bool) -> list[str]:
    notes = ["A dry run, to try the script: no measurement of any chip."] if dry else []
    if job.mode == GRAPH:
        notes.append(
            "The kernels are those of the framework, unfused, and no host stands between them: `compiled` is the nearest word."
        )
    error = known["error"]
    if "value" in error:
        notes.append(f"Relative error of the results (L2) against {error['against']}: {_share(error['value'])}.")
    if "mode" in error:
        notes.append(
            f"Relative difference (L2) between the results of this mode and of eager execution: {_share(error['mode'])}."
        )
    if job.about.tag == "decode-1024":
        notes.append("One token after 1,023 in a cache of random keys and values, so that 1,024 are attended to.")
    skipped = sorted(known["skipped"].items(), key=lambda item: int(item[0]))
    notes += [f"Batch {batch} is left out: {reason}."[:2000] for batch, reason in skipped]
    return notes


def method(job: Job, known: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Return how a sweep was timed."""
    timed = "wall time" if facts["device"] == "cpu" else "device events between passes"
    layout = "channels last" if known.get("channels_last") else "contiguous"
    how = f"median of passes back to back over at least {facts['seconds']:g} s after a warm-up, {timed}; "
    how += f"{MODES[job.mode]}; random operands and weights, in place; {layout}"
    how += "; cuDNN chooses its algorithms by trial" if "image" in job.about.sizes else ""
    power = "" if facts["meter"] == "none" else f"; power of the board over the same passes by {facts['meter']}"
    return f"{how}{power}"


def record(job: Job, known: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a sweep, which has one point at least."""
    dry = facts["dry"]
    load = max(point.get("load", 0.0) for point in known["points"].values())
    alone = all(point.get("alone", True) for point in known["points"].values())
    points = sorted(known["points"].items(), key=lambda item: int(item[0]))
    title = "benchmarks/gpu_sweep.py of Roofwise" + (", dry run: no measurement" if dry else "")
    return {
        "$schema": SCHEMA,
        "id": job.id(facts["hardware"]),
        "workload": job.about.workload,
        "hardware": facts["hardware"],
        "dtype": job.dtype,
        "sizes": dict(job.about.sizes),
        "software": f"{facts['software']}, {MODES[job.mode]}",
        "runtime": RUNTIMES[job.mode],
        "method": method(job, known, facts),
        "date": known["date"],
        "conditions": {
            "machine": " | ".join(known["machines"])[:2000],
            "threads": facts["threads"],
            "quiet": alone and load <= QUIET,
            "load": {"value": _rounded(load, 4), "unit": "1", "source": SOURCE},
        },
        "sources": {SOURCE: {"title": title, "publisher": facts["by"], "date": known["date"]}},
        "points": [point_of(int(batch), point) for batch, point in points],
        "notes": _notes(job, known, dry),
    }


def text_of(spec: Mapping[str, Any]) -> str:
    """Return a record as text, a point a line.

    >>> print(text_of({"id": "x", "points": [{"batch": 1}, {"batch": 2}]}), end="")
    {
      "id": "x",
      "points": [
        {"batch": 1},
        {"batch": 2}
      ]
    }
    """
    lines = []
    for name, value in spec.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list) and value:
            text = "[\n" + ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in value) + "\n  ]"
        lines.append(f"  {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def csv_of(name: str, rows: Iterable[Mapping[str, Any]]) -> str:
    r"""Return a table of single kernels; every row has its columns, and no others.

    >>> csv_of("vectors-fp32", [{"device": "x", "op": "add", "rows": 1, "cols": 2, "latency_ms": 0.5}])
    'device,op,rows,cols,latency_ms\nx,add,1,2,0.5\n'
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, TABLES[name], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def tables(micro: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the tables of single kernels by name, from the parts of the micro-measurements that are done."""
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for part in micro.values():
        for name, found in part.get("tables", {}).items():
            rows.setdefault(name, []).extend(found)
    return {name: csv_of(name, found) for name, found in rows.items() if found}


COLUMNS: Final = ("sweep", "points", "b1 ms", "best 1/s", "at", "W", "J", "error", "out")


def summary(done: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """Return a short table: latency of batch 1, highest throughput with its batch and power, error, batches left out."""
    rows = [COLUMNS, *(_row(name, known) for name, known in done if known["points"] or known["skipped"])]
    widths = [max(len(row[index]) for row in rows) for index in range(len(COLUMNS))]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
    return "  ".join([first.strip().ljust(widths[0]), *others])


def _row(name: str, known: Mapping[str, Any]) -> tuple[str, ...]:
    points = known["points"]
    if not points:
        return (name, "0", *["-"] * 6, str(len(known["skipped"])))
    batch, best = max(points.items(), key=lambda item: item[1]["throughput_per_s"])
    watts, error = best.get("watts"), known["error"].get("value")
    first = points.get("1")
    return (
        name, str(len(points)), f"{1e3 * first['median_s']:.4g}" if first else "-", f"{best['throughput_per_s']:.4g}", batch,
        f"{watts:.0f}" if watts else "-", f"{watts / best['throughput_per_s']:.3g}" if watts else "-",
        f"{error:.1e}" if error is not None else "-", str(len(known["skipped"])),
    )  # fmt: skip
