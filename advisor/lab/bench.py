"""A model file on this machine: imported where the catalogue does not know it, measured, and written after every batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.catalog import load_document
from engine.documents import read_file
from engine.errors import SpecError
from engine.measurement import Measurement
from engine.workload import Workload

from ..importers.onnx.importer import Imported, import_onnx
from ..importers.onnx.importer import Wanted as Import
from ..inputs import RequestError
from ..output import write
from ..report.spec import checked_text
from .canary import Canary
from .measure import Wanted, measure
from .topology import topology

WORKLOAD: Final = ".workload.json"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What `advise measure` was asked for."""

    model: Path
    out: Path
    batches: Sequence[int]
    hardware: str
    workload: str
    threads: int | None
    device: str
    sizes: Mapping[str, int]
    seconds: float
    by: str
    date: str


def run(asked: Asked, tell: Callable[[str], None], canary: Canary | None = None) -> Measurement:
    """Return the record of a model file after writing it, and the workload beside it where it was imported."""
    before = _before(asked.out)
    imported = import_onnx(asked.model, Import(id=asked.workload or None, sizes=asked.sizes, date=asked.date))
    if not asked.workload:
        write(checked_text(imported.workload, workload_of(asked.out).name), workload_of(asked.out))
    wanted = _wanted(asked, imported)
    if before is not None and before.workload != wanted.workload:
        raise RequestError(f"--out: {asked.out} is a record of {before.workload}, not of {wanted.workload}; name another file")
    record = before
    for record in measure(wanted, before, canary):
        write(checked_text(record, asked.out.name), asked.out)
        tell(f"batch {', '.join(str(point.batch) for point in record.points)}")
    tell("")
    if record is None:
        raise RequestError("--batch: no batch to measure")
    return record


def workload_of(record: Path) -> Path:
    """Return the file of the workload that a record is of: beside it.

    >>> workload_of(Path("mine.json")).name
    'mine.workload.json'
    """
    return record.with_name(f"{record.name.removesuffix('.json')}{WORKLOAD}")


def _before(out: Path) -> Measurement | None:
    """Return the record that stands in a file already. Raises SpecError where something else does."""
    if not out.is_file():
        return None
    record, faults = load_document(read_file(out), Measurement)
    if record is None:
        raise SpecError(faults)
    return record


def _wanted(asked: Asked, imported: Imported) -> Wanted:
    sizes: dict[str, int] = {**imported.open, **imported.fixed, **asked.sizes}
    return Wanted(
        model=asked.model, workload=asked.workload or imported.workload.id, hardware=asked.hardware, batches=asked.batches,
        threads=asked.threads or topology().cores, device=asked.device, date=asked.date, digest=_digest(imported.workload),
        by=asked.by, budget_s=asked.seconds, sizes=sizes,
    )  # fmt: skip


def _digest(workload: Workload) -> str:
    """Return the digest of the file, which the import notes in the title of its source."""
    title: Any = workload.sources["file"].title
    return str(title).partition("SHA-256 ")[2].partition(",")[0][:64]
