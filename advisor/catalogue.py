"""The page `docs/catalogue.md`: every chip, model, calibration and record that ships, printed from the specs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from engine.accelerator import Accelerator
from engine.calibration import Calibration
from engine.catalog import Catalog
from engine.measurement import Measurement
from engine.quantity import Source
from engine.units import significant
from engine.workload import Workload

from .datasheet import confidence, figures, kernels
from .gaps import GAPS, deciding
from .listing import calibration_row, hardware_row, span, workload_row
from .report.layout import markdown_table

INTRODUCTION: Final = """# The catalogue

Printed by `python -m advisor.docs --write` from `specs/`: change those, not this page. `advise list` prints such tables,
`advise show` all of one spec with the source of every value, `advise compare` chips side by side.

There are {chips} chips, {workloads} workloads, {calibrations} calibrations and {measurements} records of measurements.
"""
HARDWARE: Final = """## Hardware

Peaks are dense, without sparsity: in 16 bits, or in fp32 where a chip has no other, and in 8 bits. The ridge point is the first
of these peaks over the bandwidth. *Interval of*: whose measurements the chip's interval rests on. *Values*: how many values of
the spec have which confidence. *From*: who published them, *ours* where we derived or assumed. ? is not published; what that
blocks is [below](#what-is-not-published).
"""
NOT_PUBLISHED: Final = """## What is not published

A value that nobody publishes is left out, never guessed. What an answer lacks without it:
"""
WORKLOADS: Final = """## Workloads

Totals are those of one sample at the default sizes. *From* is what the graph follows.
"""
CALIBRATIONS: Final = """## Calibrations

The constants behind estimates, the most specific first for each chip. *80 % of times*: measured over estimated time.
"""
MEASUREMENTS: Final = """## Measurements

What estimates are compared with. A record is a sweep over batches with one software.
"""
KINDS: Final = {
    "gpu": "GPUs",
    "tpu": "TPUs",
    "npu": "NPUs",
    "cpu": "CPUs",
    "dataflow": "Dataflow chips",
    "edge": "Other chips for the edge",
}
WIDE: Final = ("bf16", "fp16", "fp32")
NARROW: Final = ("int8", "fp8")
Row = tuple[str, ...]


def table(heading: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[str] = ()) -> str:
    """Return a Markdown table; the columns named in `right` are aligned right."""
    return "\n".join(markdown_table([heading, *rows], [name in right for name in heading])) + "\n"


def number(value: float | None, scale: float = 1.0) -> str:
    """Return a value as people read it in a unit of `scale` base units, ? where it is unknown."""
    return "?" if value is None else significant(value / scale)


def linked(text: str, file: str) -> str:
    """Return a link to a spec's file from the folder of the page."""
    path = Path(file)
    return f"[{text}](../specs/{path.parent.name}/{path.name})"


def peak(chip: Accelerator, dtypes: Sequence[str]) -> str:
    """Return the highest peak in those of some number formats that a chip has, with its format, or nothing."""
    found = [(chip.peak_dense[dtype].si, dtype) for dtype in dtypes if dtype in chip.dtypes]  # type: ignore[index]
    value, name = max(found, key=lambda pair: pair[0], default=(None, ""))
    return "-" if value is None else f"{number(value, 1e12)} {name}"


def _wide_peak(chip: Accelerator) -> str:
    return peak(chip, [dtype for dtype in WIDE if dtype in chip.dtypes][:1])


def publishers(chip: Accelerator) -> str:
    """Return who published the values of a chip, in the order of how many, and ours where we derived or assumed some."""
    by = Counter(_publisher(chip.sources[value.source]) for _, value in figures(chip))
    return "; ".join(name for name, _ in by.most_common())


def _publisher(source: Source) -> str:
    return source.publisher or ("ours" if source.assumes else source.title)


def confidences(chip: Accelerator) -> str:
    """Return how many values of a chip have which confidence, the most frequent first."""
    return ", ".join(f"{count} {name}" for name, count in Counter(confidence(chip, v) for _, v in figures(chip)).most_common())


def hardware_rows(catalog: Catalog, kind: str) -> Iterator[Row]:
    """Yield the cells of every chip of a kind."""
    for chip in catalog.accelerators:
        if chip.kind == kind:
            row = hardware_row(chip, catalog, WIDE)
            yield (
                f"{linked(chip.name, catalog.accelerators.entries[chip.id].file)}<br>`{chip.id}`{_marks(chip)}",
                str(row["released"] or "?"), _wide_peak(chip), peak(chip, NARROW), number(row["bandwidth_bytes_per_s"], 1e9),
                number(row["capacity_bytes"], 1e9), number(row["cache_bytes"], 1e6), number(row["ridge_point_flop_per_byte"]),
                number(row["tdp_w"]), number(row["price_usd_per_h"]), row["interval"] or "none", confidences(chip),
                publishers(chip),
            )  # fmt: skip


def _marks(chip: Accelerator) -> str:
    marks = [*(["modelled"] if chip.confidence == "modelled" else []), *(["for the edge"] if "edge" in chip.kinds else [])]
    return "".join(f", {mark}" for mark in marks)


def hardware(catalog: Catalog) -> str:
    """Return the sections of the chips, by kind."""
    heading = ("Chip", "Year", "TFLOP/s, 16 bits", "8 bits", "GB/s", "GB", "Cache, MB", "Ridge, FLOP/B", "TDP, W", "USD/h",
               "Interval of", "Values", "From")  # fmt: skip
    parts = [HARDWARE]
    for kind, title in KINDS.items():
        if rows := list(hardware_rows(catalog, kind)):
            parts.append(f"### {title} ({len(rows)})\n\n{table(heading, rows, heading[1:10])}")
    return "\n".join(parts)


def not_published(catalog: Catalog) -> str:
    """Return the section of what missing values block, and of the chips that they leave undetermined."""
    rows = [
        (
            (" and " if gap.every else " or ").join(f"`{field}`" for field in gap.fields),
            gap.blocks,
            f"{_lacking(catalog, gap.lacks)}",
        )
        for gap in GAPS
    ]
    open_ = [
        f"- `{chip.id}` lacks {'; '.join(lacks)}"
        for chip in catalog.accelerators
        if (lacks := deciding(chip, catalog.constants.get(chip.id)))
    ]
    told = "Chips that are undetermined unless something else excludes them:\n\n" + "\n".join(open_) + "\n"
    return f"{NOT_PUBLISHED}\n{table(('Value', 'Without it', 'Chips'), rows, ['Chips'])}\n{told}"


def _lacking(catalog: Catalog, lacks: Any) -> int:
    return sum(lacks(chip, catalog.constants.get(chip.id)) for chip in catalog.accelerators)


def sizes(workload: Workload) -> str:
    """Return the sizes of a workload: default, and the least and the most that it may have."""
    return (
        ", ".join(f"{name} {size.default} ({size.minimum} to {size.maximum})" for name, size in workload.sizes.items()) or "-"
    )


def workloads(catalog: Catalog) -> str:
    """Return the section of the models."""
    heading = ("Workload", "Task", "Input", "Sizes", "GMAC", "Parameters, M", "Kernels", "From")
    return f"{WORKLOADS}\n{table(heading, map(_workload, catalog.workloads, [catalog] * len(catalog.workloads)), heading[4:7])}"


def _workload(workload: Workload, catalog: Catalog) -> Row:
    row, source = workload_row(workload), workload.sources[workload.source]
    inputs = ", ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in row["inputs"].items())
    name = f"{linked(workload.name, catalog.workloads.entries[workload.id].file)}<br>`{workload.id}`"
    cited = f"[{source.title}]({source.url})" if source.url else source.title
    return (name, workload.task, inputs, sizes(workload), significant(row["macs_per_sample"] / 1e9, 4),
            significant(row["parameters"] / 1e6, 4), str(row["kernels"]), cited)  # fmt: skip


def calibrations(catalog: Catalog) -> str:
    """Return the section of the calibrations."""
    heading = ("Calibration", "For", "Interval of", "80 % of times", "Holds", "Kernels")
    return f"{CALIBRATIONS}\n{table(heading, (_calibration(one, catalog) for one in catalog.calibrations))}"


def _calibration(one: Calibration, catalog: Catalog) -> Row:
    row = calibration_row(one)
    told = "; ".join(f"{operator} {', '.join(formats)}" for operator, formats in kernels(one).items())
    parts = ", ".join(part.replace("_", " ") for part in row["parts"])
    name = f"{linked(one.name, catalog.calibrations.entries[one.id].file)}<br>`{one.id}`"
    return name, row["applies_to"], row["level"] or "-", span(row["p10"], row["p90"]), parts, told or "-"


def measurements(catalog: Catalog) -> str:
    """Return the section of the records, by chip and workload."""
    found: dict[tuple[str, str], list[Measurement]] = {}
    for one in catalog.measurements:
        found.setdefault((one.hardware, one.workload), []).append(one)
    rows = [
        (f"`{chip}`", f"`{model}`", str(len(of)), str(sum(len(one.points) for one in of)), _ways(of))
        for (chip, model), of in sorted(found.items())
    ]
    return f"{MEASUREMENTS}\n{table(('Chip', 'Workload', 'Records', 'Points', 'In'), rows, ('Records', 'Points'))}"


def _ways(records: Iterable[Measurement]) -> str:
    return ", ".join(sorted({f"{one.dtype} {one.runtime}" for one in records}))


def catalogue_text(catalog: Catalog) -> str:
    """Return the whole text of `docs/catalogue.md`."""
    counts: Mapping[str, int] = {
        "chips": len(catalog.accelerators),
        "workloads": len(catalog.workloads),
        "calibrations": len(catalog.calibrations),
        "measurements": len(catalog.measurements),
    }
    parts = (hardware, not_published, workloads, calibrations, measurements)
    return "\n".join([INTRODUCTION.format(**counts), *(part(catalog) for part in parts)])
