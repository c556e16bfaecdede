"""The catalogue: every spec that ships with Roofwise, and those that users add; theirs wins over ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from .accelerator import Accelerator
from .assembly import machine
from .calibration import Calibration, Resolved, resolve
from .checks import check
from .documents import MAX_FAULTS, Document, capped, read_file, validate
from .errors import Fault, SpecError, UnknownNameError, unknown
from .folders import Layer, LeftOut, check_directories, left_out, our_layer, unknown_kinds, user_layer
from .kinds import FOLDERS
from .machine import GRAPH, Machine
from .measurement import Measurement
from .network import Network, build
from .quantity import Model
from .single import KernelMachine, kernel_machine
from .workload import Workload

MODELS: Final[dict[str, Any]] = {
    "accelerator": Accelerator,
    "workload": Workload,
    "calibration": Calibration,
    "measurement": Measurement,
}
"""Kind of a spec of the catalogue -> its model."""
SHELVES: Final = {
    "accelerators": "hardware",
    "workloads": "workload",
    "calibrations": "calibration",
    "measurements": "measurement",
}
"""Shelf of the catalogue, which is also the folder of its files -> what a message calls one of them."""
MEASURED: Final = ("accelerator", "workload")
"""Kinds that tables of measurements name."""
OURS: Final = "our catalogue"
"""Where a spec of ours comes from, in words."""

M = TypeVar("M", bound=Model)
Judge = Callable[[Document, Model], Iterable[Fault]]
"""What finds faults in a user's accelerators beyond those of meaning."""


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
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Id -> file of what the user meant to stand here, and what was left out for its faults."""

    def __getitem__(self, name: str) -> M:
        """Return the spec of an id. Raises UnknownNameError."""
        if name not in self.entries:
            raise self._unknown(name)
        return self.entries[name].model

    def _unknown(self, name: str) -> UnknownNameError:
        if name in self.left_out:
            return UnknownNameError(f"{self.kind} {name!r} was left out: mend the faults of {self.left_out[name]}")
        begins = [known for known in self.entries if name and (known.startswith(name) or f"-{name}" in known)]
        if len(begins) > 1:
            return UnknownNameError(f"{name!r} could be {' or '.join(sorted(begins))}; give the whole id")
        return unknown(self.kind, name, self.entries)

    def __contains__(self, name: object) -> bool:
        """Return whether there is a spec of an id."""
        return name in self.entries

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
    """Accelerators, workloads, calibrations and measurements, validated.

    `left_out` are the user's files that are missing for their faults, `warnings` the findings that leave a spec valid.
    """

    accelerators: Shelf[Accelerator]
    workloads: Shelf[Workload]
    calibrations: Shelf[Calibration]
    measurements: Shelf[Measurement]
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[Fault, ...] = ()

    @cached_property
    def constants(self) -> Mapping[str, Resolved]:
        """Return the resolved constants of every accelerator, by id."""
        found = {chip.id: resolve(chip, self.calibrations) for chip in self.accelerators}
        return {name: constants for name, constants in found.items() if constants is not None}

    def machine(self, hardware: str, dtype: str, runtime: str = GRAPH) -> Machine:
        """Return the machine of a chip, a number format and a runtime. Raises UnknownNameError for one that it has not."""
        key = hardware, dtype, runtime
        if key not in self._machines:
            chip = self.accelerators[hardware]
            if dtype not in chip.peak_dense:
                raise unknown(f"peak of {hardware} in", dtype, chip.dtypes)
            self._machines[key] = machine(chip, self.constants[hardware], dtype, runtime)
        return self._machines[key]

    def network(self, workload: str, sizes: Mapping[str, int] | None = None) -> Network:
        """Return the network of a workload, built once for each choice of sizes. Raises UnknownNameError and GraphError."""
        key = workload, tuple(sorted((sizes or {}).items()))
        if key not in self._networks:
            self._networks[key] = build(self.workloads[workload], sizes)
        return self._networks[key]

    @cached_property
    def _machines(self) -> dict[tuple[str, str, str], Machine]:
        return {}

    @cached_property
    def _networks(self) -> dict[tuple[str, tuple[tuple[str, int], ...]], Network]:
        return {}

    def kernel(self, hardware: str, operator: str, format_: str, software: str | None = None) -> KernelMachine | None:
        """Return the machine of single kernels of a chip, or None where nothing calibrates the operator for it.

        Raises UnknownNameError for a chip, or where it has no peak for the format.
        """
        chip, constants = self.accelerators[hardware], self.constants[hardware]
        found = constants.kernel(operator, format_, software)
        return None if found is None else kernel_machine(chip, constants, found, format_)


@dataclass
class Reading:
    """What reading spec folders finds besides specs: faults of ours, files of the user's that are left out, warnings."""

    ours: list[Fault] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    def accept(self, document: Document, kind: str, faults: Sequence[Fault], *, ours: bool) -> bool:
        """Note the faults of a document, and return whether it is valid: none of them is an error."""
        valid = all(fault.severity == "warning" for fault in faults)
        if ours:
            self.ours += faults
        elif valid:
            self.warnings += faults
        else:
            self.left_out.append(left_out(document, kind, faults))
        return valid

    def check(self, *, strict: bool) -> None:
        """Raise SpecError where a spec of ours is faulty, and if `strict` where one of the user's is."""
        theirs = [fault for item in self.left_out for fault in item.faults] if strict else []
        if self.ours or theirs:
            raise SpecError([*self.ours, *theirs])


def load_shelf(kind: str, name: str, layers: Sequence[Layer], reading: Reading, judge: Judge | None = None) -> Shelf[Any]:
    """Return all valid specs of a kind; the first layer is ours, later ones win, and `judge` finds more faults in them.

    What is wrong goes to `reading`.
    """
    entries: dict[str, Entry[Any]] = {}
    for number, layer in enumerate(layers):
        fresh: dict[str, Entry[Any]] = {}
        for document in layer.get(kind, ()):
            spec, faults = load_document(document, MODELS[kind], trusted=number == 0)
            if spec is not None:
                faults += [] if judge is None or number == 0 else judge(document, spec)
                faults += twice(document, str(spec.id), {id_: entry.file for id_, entry in fresh.items()})
            if reading.accept(document, kind, faults, ours=number == 0) and spec is not None:
                fresh[spec.id] = Entry(model=spec, file=document.file, ours=number == 0)
        entries |= fresh
    return Shelf(kind=name, entries=entries)


def twice(document: Document, name: str, files: Mapping[str, str]) -> list[Fault]:
    """Return a fault where another file of the same folder has the id, too."""
    if name not in files:
        return []
    return [document.fault(("id",), f"{name!r} is also the id of {files[name]}", "an id of its own", rule="S214")]


def measured_names(shelf: Shelf[Accelerator] | Shelf[Workload]) -> dict[str, str]:
    """Return the id of every name under which measurements know a spec, case folded; a user's spec wins over ours."""
    return {
        name.casefold(): model.id
        for ours in (True, False)
        for model in shelf
        if shelf.entries[model.id].ours is ours
        for name in model.measured_as
    }


def shared_names(shelf: Shelf[Any]) -> Iterator[tuple[str, Document, Fault]]:
    """Yield id, document and fault of every spec with a name of measurements that another has, both ours or both the user's."""
    owners: dict[tuple[str, bool], tuple[str, int]] = {}
    for model in shelf:
        entry = shelf.entries[model.id]
        for index, name in enumerate(model.measured_as):
            owner = owners.setdefault((name.casefold(), entry.ours), (model.id, index))
            if owner != (model.id, index):
                document, found = read_file(Path(entry.file)), f"{name!r} is also measured as {owner[0]}"
                expected = "a name that belongs to one spec only"
                yield model.id, document, document.fault(("measured_as", index), found, expected, rule="S215")


def without_shared_names(shelf: Shelf[Any], kind: str, layers: Sequence[Layer], reading: Reading) -> Shelf[Any]:
    """Return a shelf without the user's specs whose names of measurements are not theirs alone; ours stand in for them."""
    shared = list(shared_names(shelf))
    for name, document, fault in shared:
        reading.accept(document, kind, [fault], ours=shelf.entries[name].ours)
    removed = {name for name, _, _ in shared if not shelf.entries[name].ours}
    if not removed:
        return shelf
    ours = load_shelf(kind, shelf.kind, layers[:1], Reading()).entries
    kept = {name: entry for name, entry in shelf.entries.items() if name not in removed}
    return replace(shelf, entries={**kept, **{name: ours[name] for name in removed if name in ours}})


def load_document(document: Document, model: type[M], *, trusted: bool = False) -> tuple[M | None, list[Fault]]:
    """Return the spec of a document, or None and its faults; `trusted` skips the checks of meaning, which our tests run."""
    spec, faults = validate(document, model)
    if not (trusted and spec is not None and not faults):
        faults = capped(document, [*faults, *islice(check(document, spec), MAX_FAULTS + 1)])
    return (None, faults) if any(fault.severity == "error" for fault in faults) else (spec, faults)


def load(extra: Sequence[Path] = (), judge: Judge | None = None, *, strict: bool = True) -> Catalog:
    """Return the catalogue of our specs and those in `extra` directories, which win and which `judge` judges.

    Raises SpecError with every fault of every file. If not `strict`, files of the user's with errors are left out instead, and
    the catalogue says which.
    """
    check_directories(extra)
    reading = Reading()
    layers = [our_layer(data_root() / "specs", tuple(SHELVES)), *map(user_layer, extra)]
    reading.left_out += unknown_kinds(layers[1:])
    shelves: dict[str, Shelf[Any]] = {}
    for folder, name in SHELVES.items():
        kind = FOLDERS[folder]
        shelf = load_shelf(kind, name, layers, reading, judge if kind == "accelerator" else None)
        shelves[folder] = without_shared_names(shelf, kind, layers, reading) if kind in MEASURED else shelf
    reading.check(strict=strict)
    left = tuple(_with_stand_ins(item, shelves) for item in reading.left_out)
    told = {folder: replace(shelf, left_out=_files_of(left, FOLDERS[folder])) for folder, shelf in shelves.items()}
    return Catalog(**told, left_out=left, warnings=tuple(reading.warnings))


def _files_of(items: Sequence[LeftOut], kind: str) -> dict[str, str]:
    """Return the file of every id that was left out, for those of a kind and of none that could be told."""
    return {name: item.file for item in items if item.kind in (kind, "") for name in item.ids}


def _with_stand_ins(item: LeftOut, shelves: Mapping[str, Shelf[Any]]) -> LeftOut:
    """Return what is left out with what stands in for it: our spec of that id, or that of another folder."""
    entries = [entry for folder, shelf in shelves.items() if item.kind in (FOLDERS[folder], "")
               for name, entry in shelf.entries.items() if name in item.ids]  # fmt: skip
    return replace(item, instead={entry.model.id: OURS if entry.ours else entry.file for entry in entries})
