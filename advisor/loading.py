"""The catalogue, the rules and the files that a command asks for, with those of the user's folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import typer

from engine.catalog import Catalog, Entry, load, load_document
from engine.documents import read_file
from engine.errors import SpecError
from engine.workload import Workload

from . import inputs
from .check import load_checks
from .claim import ClaimFile
from .report.leftout import told
from .rule import load_rulebook
from .rulebook import Rulebook
from .validation import validate_file


def load_specs(specs: Sequence[Path] | None, *, strict: bool = False) -> tuple[Catalog, Rulebook]:
    """Return the catalogue and the rules, with those of the user's folders; faults of the user's files go to stderr.

    Raises SpecError with every fault of every file: of ours always, of the user's if `strict`.
    """
    directories = inputs.spec_directories(specs or ())
    checks = load_checks(directories, strict=False)
    catalog = load(directories, checks.judge if directories else None, strict=False)
    book = load_rulebook(directories, strict=False)
    left = [*catalog.left_out, *book.left_out, *checks.left_out]
    faults = [*(fault for item in left for fault in item.faults), *catalog.warnings, *book.warnings, *checks.warnings]
    if strict and faults:
        raise SpecError(faults)
    for line in [*map(str, faults), *map(told, left)]:
        typer.echo(f"warning: {line}", err=True)
    return catalog, book


def load_models(
    models: Sequence[str], specs: Sequence[Path] | None, *, strict: bool = False
) -> tuple[Catalog, Rulebook, tuple[str, ...]]:
    """Return the same, and the ids of models; one that is a .json file joins the catalogue, in place of one with its id.

    Raises SpecError with every fault of every file.
    """
    catalog, book = load_specs(specs, strict=strict)
    read = {model: load_document(read_file(Path(model)), Workload) for model in models if Path(model).suffix == ".json"}
    faults = [fault for workload, found in read.values() for fault in found if workload is None]
    if faults:
        raise SpecError(faults)
    added = {file: Entry(model=workload, file=file, ours=False) for file, (workload, _) in read.items() if workload is not None}
    entries = {**catalog.workloads.entries, **{entry.model.id: entry for entry in added.values()}}
    ids = tuple(added[model].model.id if model in added else model for model in models)
    return replace(catalog, workloads=replace(catalog.workloads, entries=entries)), book, ids


def load_claims(path: Path) -> ClaimFile:
    """Return a file of claims. Raises SpecError for a faulty one, RequestError for a spec of another kind."""
    outcome = validate_file(path)
    if outcome.spec is None:
        raise SpecError(outcome.faults)
    if not isinstance(outcome.spec, ClaimFile):
        raise inputs.RequestError(f"{path}: it is no file of claims; its $schema must end in claim.schema.json")
    return outcome.spec
