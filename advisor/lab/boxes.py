"""The files of a probed machine: its spec, and beside it the calibration with its rates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.accelerator import Accelerator
from engine.calibration import Calibration
from engine.catalog import load_document
from engine.documents import read_file
from engine.errors import SpecError

from ..inputs import RequestError
from ..output import write
from ..report.spec import checked_text
from . import probed
from .probe import Result

CALIBRATION: Final = ".calibration.json"


@dataclass(frozen=True, kw_only=True)
class Box:
    """A probed machine: its spec and its rates, and the files of both."""

    accelerator: Accelerator
    calibration: Calibration
    file: Path

    @property
    def beside(self) -> Path:
        """Return the file of the calibration."""
        return calibration_of(self.file)


def calibration_of(file: Path) -> Path:
    """Return the file of a machine's calibration: beside that of its spec.

    >>> calibration_of(Path("my/box.json")).name
    'box.calibration.json'
    """
    return file.with_name(f"{file.name.removesuffix('.json')}{CALIBRATION}")


def write_probe(result: Result, file: Path, identifier: str, name: str, date: str) -> Box:
    """Return a probed machine after writing its two files, each read again and found valid."""
    box = Box(
        accelerator=probed.accelerator(result, identifier, name, date),
        calibration=probed.calibration(result, identifier, date), file=file,
    )  # fmt: skip
    texts = [(checked_text(box.accelerator, file.name), file), (checked_text(box.calibration, box.beside.name), box.beside)]
    for text, path in texts:
        write(text, path)
    return box


def read_probe(file: Path) -> Box:
    """Return a probed machine. Raises SpecError for a faulty file, RequestError for a machine without rates."""
    chip = _read(file, Accelerator)
    beside = calibration_of(file)
    if not beside.is_file():
        raise RequestError(f"{file}: there is no {beside.name} beside it; advise probe -o {file} writes both")
    calibration = _read(beside, Calibration)
    if calibration.rates is None or chip.id not in calibration.applies_to.hardware:
        raise RequestError(f"{beside}: it holds no rates of {chip.id}; advise probe -o {file} writes both")
    return Box(accelerator=chip, calibration=calibration, file=file)


def _read(file: Path, model: Any) -> Any:
    spec, faults = load_document(read_file(file), model)
    if spec is None:
        raise SpecError(faults)
    return spec


def only(paths: Iterable[Path], what: str) -> Path:
    """Return the only path. Raises RequestError where there is none, or several."""
    found = list(paths)
    if len(found) != 1:
        raise RequestError(f"{'no' if not found else 'more than one'} {what}")
    return found[0]
