"""Measurements with the documents that they come from, file by file, and the chip that they are about."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.catalog import Catalog
from engine.documents import read_file, validate
from engine.errors import SpecError
from engine.measurement import Measurement
from engine.quantity import Source

from .. import validation
from ..inputs import RequestError
from . import names, quality, tables
from .points import Kernels, Published, Sweep


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What was read, and the documents behind it: the sources of a measurement spec, or the name of a table's file."""

    published: Published
    sources: tuple[Source, ...]

    @property
    def sweeps(self) -> tuple[Sweep, ...]:
        """Return the sweeps of networks."""
        return self.published.sweeps

    @property
    def kernels(self) -> tuple[Kernels, ...]:
        """Return the single kernels."""
        return self.published.kernels

    @property
    def software(self) -> tuple[str, ...]:
        """Return the software that was measured, each once."""
        return tuple(sorted({*(sweep.software for sweep in self.sweeps), *(part.software for part in self.kernels)}))


def read(paths: Sequence[Path], catalog: Catalog, hardware: str | None = None) -> tuple[str, Evidence]:
    """Return the chip, and what the files say about it. Raises SpecError, and RequestError where it is not one chip.

    `hardware` is the id of a chip; without one the measurements must be about one chip only.
    """
    parts = [(file, tables.read(file, catalog)) for file in _files(paths, catalog)]
    whole = sum((part for _, part in parts), start=Published())
    chip = hardware or _only_chip(whole)
    about = [(file, _of_chip(part, chip)) for file, part in parts]
    used = [(file, part) for file, part in about if part.sweeps or part.kernels]
    if not used:
        raise RequestError(f"no measurement of {chip}: {_what_there_is(whole)}")
    sources = dict.fromkeys(_hashable(source) for file, _ in used for source in _sources(file))
    return chip, Evidence(
        published=sum((part for _, part in used), start=Published()), sources=tuple(Source(**dict(s)) for s in sources)
    )


def _files(paths: Sequence[Path], catalog: Catalog) -> list[Path]:
    """Return every file once; a folder without any is the fault that reading it is."""
    found: dict[str, Path] = {}
    for path in paths:
        files = list(tables.files_of(path))
        for file in files:
            _refuse_other_specs(file)
        if not files:
            tables.read(path, catalog)
        found |= {os.path.realpath(file): file for file in files if os.path.realpath(file) not in found}
    return list(found.values())


def _refuse_other_specs(file: Path) -> None:
    """Raise SpecError for a spec of another kind, whose every line would be a fault of a measurement."""
    document = read_file(file) if file.suffix == ".json" else None
    if document is None or not isinstance(document.data, dict):
        return
    model, faults = validation.model_of(document)
    if model is not Measurement:
        kind = f"the spec of a {model.__name__.lower()}" if model else "JSON that says not what it is"
        raise SpecError(faults or [document.fault((), kind, "a measurement spec, a table or a folder of them")])


def _of_chip(part: Published, chip: str) -> Published:
    return replace(
        part,
        sweeps=tuple(sweep for sweep in part.sweeps if sweep.hardware == chip),
        kernels=tuple(kernels for kernels in part.kernels if kernels.hardware == chip and len(kernels)),
    )


def _counts(published: Published) -> Counter[str]:
    counts: Counter[str] = Counter()
    for sweep in published.sweeps:
        counts[sweep.hardware] += len(sweep.batches)
    for kernels in published.kernels:
        counts[kernels.hardware] += len(kernels)
    return +counts


def _only_chip(published: Published) -> str:
    counts = _counts(published)
    if len(counts) > 1:
        raise RequestError(f"the measurements are of several chips; choose one with --hardware: {_listed(counts)}")
    if not counts:
        raise RequestError(f"nothing to fit: {_what_there_is(published)}")
    return next(iter(counts))


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{chip} ({number} point{'s' * (number > 1)})" for chip, number in sorted(counts.items()))


def _what_there_is(published: Published) -> str:
    """Return what the files hold instead of points of the chip."""
    if counts := _counts(published):
        return f"the files are about {_listed(counts)}"
    reasons = [f"{number} x {names.OUTSIDE.get(reason, reason)}" for reason, number in sorted(published.outside.items())]
    reasons += [f"{number} x {quality.REASONS[reason]}" for reason, number in sorted(published.dropped.items())]
    return f"of {published.rows_read} rows none counts: {'; '.join(reasons) or 'there are none'}"


def _sources(file: Path) -> Iterator[Source]:
    """Yield the documents behind a file."""
    if file.suffix != ".json":
        yield Source(title=f"Measurements in {file.name}"[:2000])
        return
    record, _ = validate(read_file(file), Measurement)
    yield from record.sources.values() if record else ()


def _hashable(source: Source) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(source.model_dump(exclude_none=True).items()))


def points(sweeps: Iterable[Sweep]) -> int:
    """Return how many points sweeps have together."""
    return sum(len(sweep.batches) for sweep in sweeps)
