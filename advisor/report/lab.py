"""What the lab found, in words: a probed machine, a measured model, the whole loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from engine.measurement import Measurement

from ..facts import shown
from ..lab.boxes import Box
from ..lab.loop import Loop, Row
from ..lab.probe import Result, figures
from .document import Document, Section, Table
from .layout import table


def probe_text(result: Result, box: Box) -> str:
    """Return the summary of a probe."""
    chip, memory, load = box.accelerator, result.memory, result.load
    quiet = "quiet" if load.quiet else "NOT QUIET"
    stable = "stable" if result.stable else "not all probes are stable"
    levels = (
        f"near {memory.cache / 2**20:.3g} MiB, beyond {memory.bandwidth * 1e-9:.3g} GB/s, "
        f"of products {memory.product_bandwidth * 1e-9:.3g} GB/s"
    )
    head = [
        f"{chip.id}: {chip.name}, {result.software}",
        f"{quiet}: others took {load.others:.2f} cores · {stable} · {len(result.probes)} probes in {result.seconds:.0f} s",
        f"peak {result.peak * 1e-9:.4g} GFLOP/s · memory {levels} · launch {result.launch * 1e6:.2g} us",
    ]
    rows = [("class", "rate", ""), *((name, f"{value:.4g}", unit) for name, value, unit in figures(result))]
    told = [f"wrote {box.file} and {box.beside}", *_next(box)]
    return "\n".join([*head, "", *table(rows, (False, True, False)), "", *told]) + "\n"


def _next(box: Box) -> Iterator[str]:
    yield f"next: advise --specs {box.file.parent} --model resnet50 --latency 50ms --hardware {box.accelerator.id}"
    if any("quiet" in note.casefold() for note in box.accelerator.notes):
        yield "the spec says that the machine was not quiet; probe again when nothing else computes"


def probe_json(result: Result, box: Box) -> dict[str, Any]:
    """Return the same as JSON."""
    return {
        "hardware": box.accelerator.id,
        "files": [str(box.file), str(box.beside)],
        "threads": result.threads,
        "quiet": result.load.quiet,
        "stable": result.stable,
        "load_cores": result.load.others,
        "seconds_s": result.seconds,
        "peak_flop_per_s": result.peak,
        "class_seconds_s": dict(result.times),
        "launch_s": result.launch,
        "cache_bytes": result.memory.cache,
        "bandwidth_bytes_per_s": result.memory.bandwidth,
        "product_bandwidth_bytes_per_s": result.memory.product_bandwidth,
    }


def record_text(record: Measurement, out: Path) -> str:
    """Return a measured model as a table of its batches, and where its time goes."""
    conditions = record.conditions
    quiet = "" if conditions is None or conditions.quiet else f" · NOT QUIET, others took {conditions.load.si:.2f} cores"
    threads = "" if conditions is None else f", {conditions.threads} thread{'s' if conditions.threads > 1 else ''}"
    lines = [f"{record.workload} on {record.hardware}: {record.software}{threads}{quiet}", ""]
    lines += table([("batch", "latency", "quartiles", "p90", "throughput", "runs"), *_points(record)], (True,) * 6)
    for profile in record.profiles[:1]:
        whole = sum(line.time.si for line in profile.kernels)
        top = [f"{line.operator} {line.time.si / whole:.0%} ({line.count})" for line in profile.kernels[:6]]
        lines += ["", f"time of batch {profile.batch}: {', '.join(top)}"]
    folder = out.parent
    lines += ["", f"wrote {out}", f"next: advise accuracy --data {out} --specs {folder}"]
    return "\n".join(lines) + "\n"


def _points(record: Measurement) -> Iterator[tuple[str, ...]]:
    for point in record.points:
        if point.latency is None:
            continue
        seconds = point.latency.si
        both = (point.latency_quartile_1, point.latency_quartile_3)
        quartiles = ["?" if one is None else shown("latency_estimate_s", one.si) for one in both]
        p90 = "" if point.latency_p90 is None else shown("latency_estimate_s", point.latency_p90.si)
        yield (
            str(point.batch), shown("latency_estimate_s", seconds), " to ".join(quartiles), p90,
            shown("throughput_per_s", point.batch / seconds), str(point.runs or ""),
        )  # fmt: skip


def record_json(record: Measurement) -> dict[str, Any]:
    """Return a record as it stands in its file."""
    return record.model_dump(mode="json", by_alias=True, exclude_defaults=True)


# The loop.

LINES: Final = {
    "bound_s": "lower bound",
    "before_s": "predicted from the probe",
    "after_s": "predicted after the fit",
    "measured_s": "measured",
}
"""The times of a row and what a picture calls them."""


def loop_document(found: Loop) -> Document:
    """Return the page of a loop: how far both predictions are off, a row for each batch, what the fit changed, the files."""
    record, box = found.record, found.box
    threads = "" if record.conditions is None else f", threads: {record.conditions.threads}"
    errors = (
        f"From the probe alone the time is off by {found.error('before_s'):.1%} on average, after the fit by "
        f"{found.error('after_s'):.1%}; the fit has seen these points."
    )
    about = (f"{record.workload} on {box.accelerator.name}, {record.software}{threads}.", errors, *_unquiet(found))
    folder = found.files[2].parent
    specs = " ".join(f"--specs {one}" for one in dict.fromkeys([box.file.parent, folder]))
    sections = (
        Section(key="batches", title="Predicted and measured", table=_table(found.rows)),
        Section(key="fit", title="What the fit changed", table=_factors(found)),
        Section(key="files", title="Files", points=tuple(map(str, found.files))),
        Section(
            key="next", title="Next",
            points=(
                f"advise {specs} --model {record.workload} --latency 100ms --hardware {box.accelerator.id}",
                f"advise accuracy --data {folder} {specs}",
            ),
        ),
    )  # fmt: skip
    return Document(title=f"The lab: {record.workload}", about=about, sections=sections)


def _unquiet(found: Loop) -> Iterator[str]:
    below = [row.batch for row in found.rows if row.measured_s < row.bound_s]
    if below:
        yield f"Batch {below[0]} is faster than the lower bound: the probe saw less than this machine can do; probe again."
    probed = found.box.calibration.probe
    if probed is not None and not probed.quiet:
        yield f"The machine was not quiet while it was probed: others took {probed.load.si:.2f} cores."
    conditions = found.record.conditions
    if conditions is not None and not conditions.quiet:
        yield f"The machine was not quiet while the model ran: others took {conditions.load.si:.2f} cores."


def _table(rows: Sequence[Row]) -> Table:
    heading = ("batch", "bound", "before", "measured", "after", "before is off", "after is off", "within p10-p90")
    return Table(heading=heading, rows=tuple(map(_row, rows)), right=(True,) * len(heading))


def _row(row: Row) -> tuple[str, ...]:
    times = (row.bound_s, row.before_s, row.measured_s, row.after_s)
    off = (f"{one / row.measured_s - 1.0:+.1%}" for one in (row.before_s, row.after_s))
    within = "yes" if row.p10_s <= row.measured_s <= row.p90_s else "no"
    return (str(row.batch), *(shown("latency_estimate_s", seconds) for seconds in times), *off, within)


def _factors(found: Loop) -> Table:
    correction = found.fit.correction
    factors = [] if correction is None else [
        ("all", correction.time_factor), ("launches", correction.launch_factor), *correction.class_factors.items()
    ]  # fmt: skip
    rows = tuple((name, f"{factor.si:.3g}", factor.note or "") for name, factor in factors)
    return Table(heading=("time of", "factor", "how sure"), rows=rows, right=(False, True, False))


def loop_lines(found: Loop) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the points of the picture, and the names of its lines."""
    points = [
        {"batch": float(row.batch), "is": told, "seconds": float(getattr(row, name))}
        for row in found.rows
        for name, told in LINES.items()
    ]
    return points, list(LINES.values())


def loop_json(found: Loop) -> dict[str, Any]:
    """Return a loop as JSON: errors as shares of the measured time, a row for each batch, the files."""
    return {
        "workload": found.record.workload,
        "hardware": found.box.accelerator.id,
        "error_before_share": found.error("before_s"),
        "error_after_share": found.error("after_s"),
        "rows": [asdict(row) for row in found.rows],
        "files": [str(file) for file in found.files],
    }
