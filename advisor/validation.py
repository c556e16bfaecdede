"""`advise validate`: every fault of every file in one run, and what follows from a file that is valid."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, Final

from engine.accelerator import Accelerator
from engine.calibration import Calibration
from engine.catalog import data_root, load_document, twice
from engine.documents import Document, capped, read_bytes, read_file, validate
from engine.errors import Fault, RoofwiseError
from engine.folders import json_files
from engine.kinds import FOLDERS, is_foreign, kind_of
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
STDIN: Final = "-"
"""The path that stands for standard input."""


class NoFilesError(RoofwiseError, LookupError):
    """A path names no spec file; the message says which."""


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


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run found: an outcome for every spec, and the JSON files in folders that nobody meant for us."""

    outcomes: tuple[Outcome, ...]
    passed_over: tuple[str, ...] = ()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Return the faults of all files, in order."""
        return tuple(fault for outcome in self.outcomes for fault in outcome.faults)

    def count(self, severity: str) -> int:
        """Return the number of faults of a severity."""
        return sum(fault.severity == severity for fault in self.faults)


def validate_paths(paths: Iterable[str], stdin: bytes | None = None, stdin_name: str = "<stdin>") -> Report:
    """Return what validating files, folders, patterns and `-` for standard input finds. Raises NoFilesError.

    In folders, JSON that shows no sign of being a spec is passed over; a file that is named is always meant.
    """
    outcomes, passed_over, documents = [], [], []
    for document, named in dict(_documents(paths, stdin, stdin_name)).values():
        if not named and is_foreign(document):
            passed_over.append(document.file)
            continue
        outcomes.append(validate_document(document))
        documents.append(document)
    if not outcomes:
        raise NoFilesError("no spec file there; name files that end in .json, folders of them, patterns, or - for stdin")
    return Report(outcomes=tuple(_unique(outcomes, documents)), passed_over=tuple(passed_over))


def _documents(paths: Iterable[str], stdin: bytes | None, name: str) -> Iterator[tuple[str, tuple[Document, bool]]]:
    """Yield name, document, and whether the user named it, of every file."""
    for text in paths:
        if text == STDIN:
            yield STDIN, (read_bytes(stdin or b"", name), True)
            continue
        for path, named in files_of(text):
            yield os.path.normpath(path), (read_file(path), named)


def files_of(text: str) -> list[tuple[Path, bool]]:
    """Return the files of a path or a pattern, and for each whether it was named itself rather than found in a folder.

    Raises NoFilesError for a folder without JSON files and for a pattern that nothing matches.
    """
    matches = [text]
    if not os.path.lexists(text) and glob.has_magic(text):
        matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 - an absolute pattern is fine, too
    found = [pair for match in matches for pair in _below(Path(match))]
    if not found:
        raise NoFilesError(f"no JSON file at {text[:200]!r}; name files, folders of them, patterns, or - for stdin")
    return found


def _below(path: Path) -> list[tuple[Path, bool]]:
    if not os.path.isdir(path):  # noqa: PTH112 - any text is a path here
        return [(path, True)]
    return [(file, False) for file in json_files(path)]


def validate_file(path: Path) -> Outcome:
    """Return the outcome of validating one file, structure and meaning."""
    return validate_document(read_file(path))


def validate_document(document: Document) -> Outcome:
    """Return the outcome of validating one document, structure and meaning."""
    model, faults = model_of(document)
    if model is None:
        return Outcome(file=document.file, spec=None, faults=tuple(capped(document, faults)))
    spec, faults = load_document(document, model)
    if meaning := MEANINGS.get(model):
        faults += meaning(document, spec or validate(document, model)[0])
    if model is Accelerator:
        faults += _checked(document, spec or validate(document, model)[0])
    valid = all(fault.severity == "warning" for fault in faults)
    return Outcome(file=document.file, spec=spec if valid else None, faults=tuple(capped(document, faults)))


def _checked(document: Document, chip: Model | None) -> Iterator[Fault]:
    """Yield what our checks find on a chip, and those of the spec directory that its file stands in."""
    if chip is None:
        return
    directory = Path(spec_root(os.path.abspath(document.file)))  # noqa: PTH100 - the file may be standard input
    book = load_checks([] if directory == data_root() / "specs" else [directory], strict=False)
    if book.left_out:
        found = f"no checks, since files in {directory / FOLDER} are faulty"
        yield document.fault((), found, "valid files there", rule="S216")
    yield from book.judge(document, chip)


def _check_checks(document: Document, model: Model | None) -> Iterator[Fault]:
    return check_checks(document, model, frozenset(load_checks().checks))


MEANINGS: Final[dict[type[Model], Callable[[Document, Any], Iterable[Fault]]]] = {
    RuleFile: check_rules,
    Profile: check_rules,
    ClaimFile: check_claims,
    CheckFile: _check_checks,
}
"""Model -> what finds its faults of meaning, where that is not the engine."""


def model_of(document: Document) -> tuple[type[Model] | None, list[Fault]]:
    """Return the model that a document follows, or None and the faults that say why there is none."""
    kind, faults = kind_of(document)
    return MODELS.get(kind), faults


def _unique(outcomes: Sequence[Outcome], documents: Sequence[Document]) -> Iterator[Outcome]:
    """Yield the outcomes; where two specs of a kind in one spec folder have the same id, the later one has a fault more."""
    owners: dict[tuple[type[Model], PurePath], dict[str, str]] = {}
    for outcome, document in zip(outcomes, documents, strict=True):
        if outcome.spec is None or isinstance(outcome.spec, RuleFile):
            yield outcome
            continue
        name = str(getattr(outcome.spec, "id"))  # noqa: B009 - every kind has an id
        files = owners.setdefault((type(outcome.spec), spec_root(document.file)), {})
        faults = twice(document, name, files)
        files.setdefault(name, document.file)
        yield replace(outcome, spec=None, faults=(*outcome.faults, *faults)) if faults else outcome


def spec_root(file: str) -> PurePath:
    """Return the spec folder that a file belongs to: above `accelerators/` and the like, else the one it stands in."""
    parent = PurePath(file).parent
    return parent.parent if parent.name in FOLDERS else parent
