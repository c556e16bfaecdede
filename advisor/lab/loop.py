"""The whole loop for one model: probe or reuse, import, predict, measure, calibrate, predict again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.calibration import Calibration
from engine.catalog import Catalog
from engine.compiled import Estimate, estimate
from engine.measurement import Measurement

from ..inputs import RequestError
from ..loading import load_specs
from ..output import write
from ..report.spec import checked_text
from . import calibrate, evidence, fitted
from .bench import Asked, run
from .boxes import Box, read_probe, write_probe
from .networks import unmeasured
from .probe import probe

MACHINE: Final = "mybox"
FIT: Final = ".fit.json"
DTYPE: Final = "fp32"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What `advise lab` was asked for; without `probe` the machine is probed first."""

    model: Path
    folder: Path
    probe: Path | None
    batches: Sequence[int]
    threads: int | None
    device: str
    sizes: Mapping[str, int]
    seconds: float
    by: str
    date: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One batch: the bound, the prediction from the probe alone, what was measured, the prediction after the fit [s]."""

    batch: int
    bound_s: float
    before_s: float
    measured_s: float
    after_s: float
    p10_s: float
    p90_s: float


@dataclass(frozen=True, kw_only=True)
class Loop:
    """What the loop found: the machine, the record, the fit, and a row for each batch. `files` are those it wrote."""

    box: Box
    record: Measurement
    fit: Calibration
    rows: tuple[Row, ...]
    files: tuple[Path, ...]

    def error(self, name: str) -> float:
        """Return the mean absolute error of a prediction, `before_s` or `after_s`, as a share of the measured time."""
        return float(np.mean([abs(getattr(row, name) / row.measured_s - 1.0) for row in self.rows]))


def loop(wanted: Wanted, tell: Callable[[str], None]) -> Loop:
    """Return what the loop found after writing its specs into the folder. Raises RequestError and SpecError."""
    wanted.folder.mkdir(parents=True, exist_ok=True)
    box = read_probe(wanted.probe) if wanted.probe else _probed(wanted, tell)
    rates = box.calibration.probe
    threads = wanted.threads or (rates.threads if rates else None)
    if rates is not None and threads != rates.threads:
        raise RequestError(f"--threads: {box.file} was probed with {rates.threads}, not with {threads}; probe again")
    record_file = wanted.folder / f"{wanted.model.stem}.json"
    record = run(_asked(wanted, box, threads, record_file), tell)
    folders = list(dict.fromkeys([box.file.parent.resolve(), wanted.folder.resolve()]))
    catalog, _ = load_specs(folders)
    before = _estimate(record, unmeasured(catalog))
    fit_file = wanted.folder / f"{box.accelerator.id}{FIT}"
    fit = _fit(record_file, catalog, wanted.date)
    write(checked_text(fit, fit_file.name), fit_file)
    after = _estimate(record, load_specs(folders)[0])
    return Loop(
        box=box, record=record, fit=fit, rows=tuple(_rows(record, before, after)),
        files=(box.file, box.beside, record_file, fit_file),
    )  # fmt: skip


def _probed(wanted: Wanted, tell: Callable[[str], None]) -> Box:
    """Return the machine of the folder, probed now where it is not yet."""
    file = wanted.folder / f"{MACHINE}.json"
    if file.is_file():
        return read_probe(file)
    return write_probe(probe(wanted.threads, wanted.device, tell), file, MACHINE, "", wanted.date)


def _asked(wanted: Wanted, box: Box, threads: int | None, out: Path) -> Asked:
    return Asked(
        model=wanted.model, out=out, batches=wanted.batches, hardware=box.accelerator.id, workload="", threads=threads,
        device=wanted.device, sizes=wanted.sizes, seconds=wanted.seconds, by=wanted.by, date=wanted.date,
    )  # fmt: skip


def _fit(record: Path, catalog: Catalog, date: str) -> Calibration:
    """Return the fit to all records of the folder that are about the machine."""
    chip, found = evidence.read([record], catalog)
    others = evidence.read([record.parent], catalog, chip)[1]
    result = calibrate.calibrate(chip, others if len(others.sweeps) > len(found.sweeps) else found, catalog)
    return fitted.specification(result, found, catalog, date)[0]


def _estimate(record: Measurement, catalog: Catalog) -> Estimate:
    network = catalog.network(record.workload, record.sizes)
    machine = catalog.machine(record.hardware, DTYPE)
    return estimate(network, [machine], [point.batch for point in record.points], ladder=False)


def _rows(record: Measurement, before: Estimate, after: Estimate) -> list[Row]:
    found = []
    for place, point in enumerate(record.points):
        figures: dict[str, Any] = {
            "bound_s": before.latency_lower_bound_s, "before_s": before.latency_estimate_s, "after_s": after.latency_estimate_s,
            "p10_s": after.latency_p10_s, "p90_s": after.latency_p90_s,
        }  # fmt: skip
        if point.latency is not None:
            seconds = {name: float(values[0, place]) for name, values in figures.items()}
            found.append(Row(batch=point.batch, measured_s=point.latency.si, **seconds))
    return found
