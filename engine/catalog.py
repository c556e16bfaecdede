"""The catalogue: every spec that ships with Roofwise, and those that users add; theirs wins over ours."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Generic, TypeVar

from .accelerator import Accelerator
from .calibration import GRAPH, Calibration, Resolved, resolve
from .checks import check
from .documents import Document, read_file, validate
from .errors import Fault, SpecError, UnknownNameError, unknown
from .machine import Machine, machine
from .measurement import Measurement
from .quantity import Model
from .single import KernelMachine, kernel_machine
from .workload import Workload

KINDS: Final[dict[str, type[Model]]] = {
    "accelerators": Accelerator,
    "workloads": Workload,
    "calibrations": Calibration,
    "measurements": Measurement,
}
"""Folder of a spec directory -> model of the files in it."""

M = TypeVar("M", bound=Model)
Judge = Callable[[Document, Model], Iterable[Fault]]
"""What finds faults in a user's specs beyond those of meaning."""


def data_root() -> Path:
    """Return the folder that holds `specs` and `schemas`: beside this module in a wheel, else the checkout."""
    packaged = Path(__file__).parent / "_data"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent


@dataclass(frozen=True, kw_only=True)
class Entry(Generic[M]):
    """One spec of the catalogue, with its file and whether a user added it."""

    model: M
    file: str
    ours: bool


@dataclass(frozen=True, kw_only=True)
class Shelf(Generic[M]):
    """All specs of one kind by id. Asking for an id that is not there suggests the nearest."""

    kind: str
    entries: Mapping[str, Entry[M]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> M:
        """Return the spec of an id. Raises UnknownNameError."""
        if name not in self.entries:
            raise self._unknown(name)
        return self.entries[name].model

    def _unknown(self, name: str) -> UnknownNameError:
        begins = [known for known in self.entries if name and (known.startswith(name) or f"-{name}" in known)]
        if len(begins) > 1:
            return UnknownNameError(f"{name!r} could be {' or '.join(sorted(begins))}; give the whole id")
        return unknown(self.kind, name, self.entries)

    def __iter__(self) -> Iterator[M]:
        """Iterate over the specs by id."""
        return iter([self.entries[name].model for name in sorted(self.entries)])

    def __len__(self) -> int:
        """Return the number of specs."""
        return len(self.entries)

    @property
    def ids(self) -> tuple[str, ...]:
        """Return all ids, sorted."""
        return tuple(sorted(self.entries))


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """Accelerators, workloads, calibrations and measurements, validated; `warnings` are findings that leave a spec valid."""

    accelerators: Shelf[Accelerator]
    workloads: Shelf[Workload]
    calibrations: Shelf[Calibration]
    measurements: Shelf[Measurement]
    warnings: tuple[Fault, ...] = ()

    @cached_property
    def constants(self) -> Mapping[str, Resolved]:
        """Return the resolved constants of every accelerator, by id."""
        found = {chip.id: resolve(chip, self.calibrations) for chip in self.accelerators}
        return {name: constants for name, constants in found.items() if constants is not None}

    def machine(self, hardware: str, dtype: str, runtime: str = GRAPH) -> Machine:
        """Return the machine of a chip, a number format and a runtime. Raises UnknownNameError for one that it has not."""
        chip = self.accelerators[hardware]
        if dtype not in chip.peak_dense:
            raise unknown(f"peak of {hardware} in", dtype, chip.dtypes)
        return machine(chip, self.constants[hardware], dtype, runtime)

    def kernel(self, hardware: str, operator: str, format_: str, software: str | None = None) -> KernelMachine | None:
        """Return the machine of single kernels of a chip, or None where nothing calibrates the operator for it.

        Raises UnknownNameError for a chip, or where it has no peak for the format.
        """
        chip, constants = self.accelerators[hardware], self.constants[hardware]
        found = constants.kernel(operator, format_, software)
        return None if found is None else kernel_machine(chip, constants, found, format_)


def spec_files(directory: Path, folder: str) -> list[Path]:
    """Return the spec files of one kind below a spec directory, in order."""
    return sorted(path for path in (directory / folder).glob("*.json") if path.is_file())


def load_shelf(
    kind: str, folder: str, model: type[M], directories: Sequence[Path], judge: Judge | None = None
) -> tuple[Shelf[M], list[Fault]]:
    """Return all valid specs of one kind in the directories, later ones winning, and the faults of the others.

    The first directory is ours and trusted; `judge` finds more faults in the specs of the others.
    """
    entries: dict[str, Entry[M]] = {}
    faults: list[Fault] = []
    for number, directory in enumerate(directories):
        fresh: dict[str, Entry[M]] = {}
        for path in spec_files(directory, folder):
            document = read_file(path)
            spec, found = load_document(document, model, trusted=number == 0)
            faults += found
            if spec is None:
                continue
            if judge is not None and number:
                faults += judge(document, spec)
            name = str(getattr(spec, "id"))  # noqa: B009 - every kind on a shelf has an id
            if name in fresh:
                faults.append(document.fault(("id",), f"{name!r} is also the id of {fresh[name].file}", "an id of its own"))
            fresh[name] = Entry(model=spec, file=str(path), ours=number == 0)
        entries |= fresh
    return Shelf(kind=kind, entries=entries), faults


def measured_names(shelf: Shelf[Accelerator] | Shelf[Workload]) -> dict[str, str]:
    """Return the id of every name under which measurements know a spec, case folded; a user's spec wins over ours."""
    return {
        name.casefold(): model.id
        for ours in (True, False)
        for model in shelf
        if shelf.entries[model.id].ours is ours
        for name in model.measured_as
    }


def shared_names(shelf: Shelf[Accelerator] | Shelf[Workload]) -> Iterator[Fault]:
    """Yield a fault for every name of measurements that two specs have, both ours or both the user's: it would tell nothing."""
    owners: dict[tuple[str, bool], tuple[str, int]] = {}
    for model in shelf:
        entry = shelf.entries[model.id]
        for index, name in enumerate(model.measured_as):
            owner = owners.setdefault((name.casefold(), entry.ours), (model.id, index))
            if owner != (model.id, index):
                found = f"{name!r} is also measured as {owner[0]}"
                expected = "a name that belongs to one spec only"
                yield read_file(Path(entry.file)).fault(("measured_as", index), found, expected)


def load_document(document: Document, model: type[M], *, trusted: bool = False) -> tuple[M | None, list[Fault]]:
    """Return the spec of a document, or None and its faults; `trusted` skips the checks of meaning, which our tests run."""
    spec, faults = validate(document, model)
    if not (trusted and spec is not None and not faults):
        faults += check(document, spec)
    return (None, faults) if any(fault.severity == "error" for fault in faults) else (spec, faults)


def load(extra: Sequence[Path] = (), judge: Judge | None = None) -> Catalog:
    """Return the catalogue of our specs and those in `extra` directories, which win and which `judge` judges.

    Raises SpecError with every fault of every file.
    """
    directories = [data_root() / "specs", *extra]
    absent = [str(directory) for directory in extra if not os.path.isdir(directory)]  # noqa: PTH112 - any text may come
    if absent:
        raise SpecError(Fault(name, 1, 1, "", "no such directory", "a directory of specs") for name in absent)
    accelerators, faults_a = load_shelf("hardware", "accelerators", Accelerator, directories, judge)
    workloads, faults_w = load_shelf("workload", "workloads", Workload, directories)
    calibrations, faults_c = load_shelf("calibration", "calibrations", Calibration, directories)
    measurements, faults_m = load_shelf("measurement", "measurements", Measurement, directories)
    faults = [*faults_a, *faults_w, *faults_c, *faults_m, *shared_names(accelerators), *shared_names(workloads)]
    if any(fault.severity == "error" for fault in faults):
        raise SpecError(faults)
    return Catalog(
        accelerators=accelerators,
        workloads=workloads,
        calibrations=calibrations,
        measurements=measurements,
        warnings=tuple(faults),
    )
