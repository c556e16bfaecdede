"""`advise validate`: every fault of every file in one run, and what follows from a file that is valid."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.accelerator import Accelerator
from engine.calibration import Calibration
from engine.catalog import data_root, load_document
from engine.documents import Document, read_file, validate
from engine.errors import Fault, SpecError, closest
from engine.measurement import Measurement
from engine.quantity import Model
from engine.workload import Workload

from .check import FOLDER, CheckFile, check_checks, load_checks
from .claim import ClaimFile, check_claims
from .rule import Profile, RuleFile, check_rules

MODELS: Final[dict[str, type[Model]]] = {
    "accelerator": Accelerator,
    "workload": Workload,
    "calibration": Calibration,
    "measurement": Measurement,
    "rule": RuleFile,
    "profile": Profile,
    "claim": ClaimFile,
    "check": CheckFile,
}
_MARKS: Final = {
    "peak_dense": "accelerator",
    "graph": "workload",
    "applies_to": "calibration",
    "points": "measurement",
    "rules": "rule",
    "objective": "profile",
    "claims": "claim",
    "checks": "check",
}
"""A key that only one kind of spec has -> that kind, for files without $schema."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What validating one file found: the spec where it is valid, and its faults, which may be warnings."""

    file: str
    spec: Model | None
    faults: tuple[Fault, ...]

    @property
    def valid(self) -> bool:
        """Return whether the file has no fault but warnings."""
        return all(fault.severity == "warning" for fault in self.faults)


def files_of(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the JSON files that are named, or lie below a folder that is named."""
    for path in paths:
        yield from sorted(path.rglob("*.json")) if os.path.isdir(path) else [path]  # noqa: PTH112 - any text is a path here


def validate_file(path: Path) -> Outcome:
    """Return the outcome of validating one file, structure and meaning."""
    document = read_file(path)
    model, faults = model_of(document)
    if model is None:
        return Outcome(file=str(path), spec=None, faults=tuple(faults))
    spec, faults = load_document(document, model)
    structure, _ = validate(document, model)
    faults += [*check_rules(document, structure), *check_claims(document, structure)]
    faults += check_checks(document, structure, frozenset(load_checks().checks))
    if isinstance(structure, Accelerator):
        faults += _checked(document, structure, path)
    valid = all(fault.severity == "warning" for fault in faults)
    return Outcome(file=str(path), spec=spec if valid else None, faults=tuple(dict.fromkeys(faults)))


def _checked(document: Document, chip: Accelerator, path: Path) -> Iterator[Fault]:
    """Yield what our checks find on a chip, and those of the spec directory that its file stands in."""
    directory = path.resolve().parent.parent
    ours = directory == data_root() / "specs"
    try:
        book = load_checks([] if ours else [directory])
    except SpecError:
        yield document.fault((), f"no checks, since files in {directory / FOLDER} are faulty", "valid files there")
        book = load_checks()
    yield from book.judge(document, chip)


def model_of(document: Document) -> tuple[type[Model] | None, list[Fault]]:
    """Return the model that a document follows: that of its $schema, else that of a key which only one kind has."""
    if document.data is None:
        return None, list(document.faults)
    if not isinstance(document.data, dict):
        return None, [document.fault((), f"a JSON {type(document.data).__name__}", "an object")]
    named = str(document.data.get("$schema", "")).rpartition("/")[2].removesuffix(".schema.json")
    kind = named or next((kind for key, kind in _MARKS.items() if key in document.data), "")
    if kind in MODELS:
        return MODELS[kind], []
    expected = f"a $schema that ends in one of {', '.join(MODELS)}.schema.json"
    found = f"the schema {named!r}" if named else "no $schema"
    path = ("$schema",) if named else ()
    return None, [*document.faults, document.fault(path, found, expected, closest(named, MODELS))]
