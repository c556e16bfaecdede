"""A snapshot of our own specs: what answers need of them as plain numbers, in a folder of the user's cache.

To read and judge every spec takes most of the time of an answer, and each time comes to the same. So the first answer writes
down what it came to, under the hash of everything that it came from: our specs and our code, byte by byte. Whoever changes
either gets another snapshot. A stamp of names, sizes and times says which hash the files have, so that they are not read
again; it is trusted only when all of them are older than it.

Nothing here is needed: where the cache cannot be written or read, or holds anything but what was written, the specs are read.
Files are written aside and then renamed, so that runs side by side see whole ones; they hold JSON and numbers, no code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

import engine
from engine.columns import number_names, numbers_of
from engine.cost import Cost, KernelKind
from engine.machine import Machine, Tiles
from engine.sizes import Sized, choose_sizes
from engine.totals import Totals

from .inputs import spec_directories
from .rulebook import Profile, Rule, Rulebook
from .stock import Card, Documents, Stock, documents_of, runtimes_of, stock_of

if TYPE_CHECKING:
    from engine.catalog import Catalog

ENVIRONMENT: Final = "ROOFWISE_CACHE"
"""Names the cache's folder; empty, there is none."""
KEPT: Final = 8
"""So many snapshots are kept, of several installations side by side."""
SETTLED_S: Final = 2.0
"""Files that changed within so many seconds may change again under the same time."""
LARGEST: Final = 1 << 28
"""No file of the cache has so many bytes."""
_STAMPS: Final = 64
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_FOREIGN: Final = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What comes of data whose hash fits, but which is not what was written."""
_MAGIC: Final = b"roofwise 1\n"


def folder() -> Path | None:
    """Return the folder of the cache, which need not be there; None where there is to be none."""
    named = os.environ.get(ENVIRONMENT)
    if named is not None:
        return Path(named) if named else None
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        return Path(base or Path.home() / ".cache") / "roofwise"
    except RuntimeError:
        return None


@dataclass(frozen=True)
class Files:
    """All that a snapshot comes from: the files of our packages and specs, each with its name, size and time."""

    roots: tuple[Path, ...]

    def stamp(self) -> tuple[str, int]:
        """Return a hash of places, sizes and times, and the latest of these [ns]."""
        seen, latest = hashlib.sha256(sys.version.encode()), 0
        for entry in self._all():
            status = entry.stat()
            seen.update(f"{entry.path}|{status.st_size}|{status.st_mtime_ns}|{status.st_ino}\n".encode())
            latest = max(latest, status.st_mtime_ns)
        return seen.hexdigest(), latest

    def content(self) -> str:
        """Return a hash of what the files say, wherever they lie."""
        seen = hashlib.sha256(sys.version.encode())
        for entry in self._all():
            data = Path(entry.path).read_bytes()
            seen.update(f"{entry.name}|{len(data)}\n".encode() + data)
        return seen.hexdigest()

    def _all(self) -> Iterator[os.DirEntry[str]]:
        for root in self.roots:
            yield from _below(str(root))


def _below(directory: str) -> Iterator[os.DirEntry[str]]:
    """Yield the sources below a folder, in order."""
    with os.scandir(directory) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir():
            if entry.name not in {"__pycache__", "_data"}:
                yield from _below(entry.path)
        elif entry.name.endswith((".py", ".js", ".json")):
            yield entry


def sources() -> Files:
    """Return the files of this installation."""
    package = Path(engine.__file__).parent
    packaged = package / "_data"
    root = packaged if packaged.is_dir() else package.parent
    return Files((package, Path(__file__).parent, root / "specs"))


class Snapshot:
    """A snapshot that is there, or is to be: a folder named after a hash of contents."""

    def __init__(self, base: Path, files: Files) -> None:
        self._base = base
        self._files = files
        self._stamp, self._latest = files.stamp()
        known = _read(base / "stamps" / self._stamp)
        stamped = str(known[0].get("content")) if known else ""
        self._stamped = _HASH.fullmatch(stamped) is not None
        self._content = stamped if self._stamped else files.content()
        self.path = base / self._content

    def stock(self, loaded: Catalog | None = None) -> tuple[Stock, Rulebook] | None:
        """Return the stock and the rules, or None where there is no snapshot; `loaded` are the specs, where they were read."""
        found = _read(self.path / "catalogue")
        if found is None:
            return None
        try:
            told = _stock(*found, self, loaded), _rulebook(found[0]["rules"])
        except _FOREIGN:
            return None
        self._keep_stamp()
        return told

    def write(self, catalog: Catalog) -> None:
        """Write down a catalogue and the rules; what cannot be written is left."""
        from .rule import load_rulebook  # noqa: PLC0415 - with the models of files

        data, numbers = _catalogue(catalog, stock_of(catalog), load_rulebook())
        if self._files.content() == self._content:  # else a file changed while it was read
            _write(self.path / "documents", _documents(catalog), np.empty(0))
            _write(self.path / "catalogue", data, numbers)
            self._keep_stamp()
            _prune(self._base, self.path)

    def network(self, model: str, sizes: Mapping[str, int], build: Callable[[], Totals]) -> Totals:
        """Return a network, built and written down where it was not yet."""
        asked = json.dumps([model, dict(sorted(sizes.items()))])
        path = self.path / f"network-{hashlib.sha256(asked.encode()).hexdigest()[:32]}"
        found = _read(path)
        if found is not None and found[0].get("asked") == asked:
            with contextlib.suppress(*_FOREIGN):
                return _network(*found)
        network = build()
        _write(path, *_as_data(network, asked))
        return network

    def _keep_stamp(self) -> None:
        if not self._stamped and time.time_ns() - self._latest > SETTLED_S * 1e9:
            _write(self._base / "stamps" / self._stamp, {"content": self._content}, np.empty(0))
            self._stamped = True


def open_snapshot() -> Snapshot | None:
    """Return this installation's snapshot, there or not; None where there is no cache."""
    base = folder()
    try:
        return None if base is None else Snapshot(base, sources())
    except (OSError, ValueError):
        return None


# Files of the cache: a line that says what they are, a hash of the rest, the length of the JSON, the JSON, the numbers.


def _write(path: Path, data: Mapping[str, Any], numbers: npt.NDArray[np.float64]) -> None:
    """Write a file of the cache in one step; where that fails, there is none."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":")).encode()
    body = b"%d\n" % len(text) + text + np.ascontiguousarray(numbers, dtype="<f8").tobytes()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary.write_bytes(_MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _read(path: Path) -> tuple[dict[str, Any], npt.NDArray[np.float64]] | None:
    """Return what a file of the cache holds, or None where there is none, or another one than was written."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            magic, digest, body = file.readline(99), file.readline(99).strip(), file.read(LARGEST)
    except (OSError, ValueError):
        return None
    if magic != _MAGIC or hashlib.sha256(body).hexdigest().encode() != digest:
        return None
    length, _, rest = body.partition(b"\n")
    try:
        text, numbers = rest[: int(length)], rest[int(length) :]
        data = json.loads(text)
        return (data, np.frombuffer(numbers, dtype="<f8")) if isinstance(data, dict) else None
    except _FOREIGN:
        return None


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; of a pipe there may be no other end, ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _prune(base: Path, own: Path) -> None:
    """Remove the oldest snapshots beyond KEPT, and the stamps that no file of a year had."""
    import shutil  # noqa: PLC0415 - with compressors that nothing else needs

    with contextlib.suppress(OSError):
        others = [path for path in base.iterdir() if path.is_dir() and path not in (own, base / "stamps")]
        for path in sorted(others, key=lambda path: path.stat().st_mtime)[: -KEPT + 1]:
            shutil.rmtree(path, ignore_errors=True)
        stamps = sorted((base / "stamps").iterdir(), key=lambda path: path.stat().st_mtime)
        for path in stamps[:-_STAMPS]:
            path.unlink(missing_ok=True)


# The catalogue and the rules.


def _catalogue(catalog: Catalog, stock: Stock, book: Rulebook) -> tuple[dict[str, Any], npt.NDArray[np.float64]]:
    """Return what answers need of a catalogue."""
    machines = [
        stock.machine(card.id, dtype, runtime)
        for card in stock.cards.values()
        for runtime in card.runtimes
        for dtype in card.dtypes
    ]
    tiles = list(dict.fromkeys(machine.tile_set for machine in machines))
    return {
        "cards": [_without_nan(asdict(card)) for card in stock.cards.values()],
        "machines": [
            [m.hardware, m.dtype, m.runtime, m.form, tiles.index(m.tile_set), m.fused, m.level, m.assumed, m.rates]
            for m in machines
        ],
        "tiles": [asdict(tile_set) for tile_set in tiles],
        "models": {
            workload.id: {name: [size.default, size.minimum, size.maximum, size.unit] for name, size in workload.sizes.items()}
            for workload in catalog.workloads
        },
        "rules": {
            "rules": [asdict(rule) for rule in book.rules], "family": dict(book.family), "sources": dict(book.sources),
            "profiles": [asdict(profile) for profile in book.profiles.values()],
        },
    }, np.array([numbers_of(machine) for machine in machines])  # fmt: skip


def _documents(catalog: Catalog) -> dict[str, Any]:
    shelves: Mapping[str, Iterable[Any]] = {
        "accelerators": catalog.accelerators,
        "workloads": catalog.workloads,
        "calibrations": catalog.calibrations,
    }
    return {name: {spec.id: documents_of(spec) for spec in shelf} for name, shelf in shelves.items()}


def _without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in values.items()}


def _card(data: Mapping[str, Any]) -> Card:
    price: float | None = data["price_usd_per_s"]
    calibrations = {runtime: tuple(ids) for runtime, ids in data["calibrations"].items()}
    listed = {name: tuple(data[name]) for name in ("kinds", "dtypes", "runtimes", "missing")}
    return Card(**{**data, **listed, "calibrations": calibrations, "price_usd_per_s": math.nan if price is None else price})


@dataclass(frozen=True, slots=True)
class _Size:
    default: int
    minimum: int
    maximum: int
    unit: str


@dataclass(frozen=True, slots=True)
class _Model:
    id: str
    sizes: Mapping[str, _Size]


def _rulebook(data: Mapping[str, Any]) -> Rulebook:
    profiles = [Profile(**{**profile, "constraints": tuple(profile["constraints"])}) for profile in data["profiles"]]
    return Rulebook(
        rules=tuple(Rule(**rule) for rule in data["rules"]), family=data["family"], sources=data["sources"],
        profiles={profile.id: profile for profile in profiles},
    )  # fmt: skip


def _stock(data: Mapping[str, Any], numbers: npt.NDArray[np.float64], snapshot: Snapshot, loaded: Catalog | None) -> Stock:
    """Return the stock of a snapshot; what it does not know is asked of the specs, which say what is wrong."""
    cards = {card["id"]: _card(card) for card in data["cards"]}
    machines = _Machines(data, numbers)

    @cache
    def catalog() -> Catalog:
        from engine.catalog import load  # noqa: PLC0415 - with the models of all specs

        return load() if loaded is None else loaded

    def card(name: str) -> Card:
        return cards[name] if name in cards else cards[catalog().accelerators[name].id]

    def model(name: str) -> Sized:
        if name not in data["models"]:
            return catalog().workloads[name]
        return _Model(name, {size: _Size(*values) for size, values in data["models"][name].items()})

    def network(name: str, sizes: Mapping[str, int]) -> Totals:
        from_specs = partial(_built, catalog, name, sizes)
        return snapshot.network(name, choose_sizes(model(name), sizes), from_specs)

    def documents(shelf: str, name: str) -> Documents:
        found = _read(snapshot.path / "documents")
        known = {} if found is None else found[0].get(shelf, {})
        return known[name] if name in known else documents_of(getattr(catalog(), shelf)[name])

    return Stock(
        cards=cards, card=card, machine=machines.machine, model=model, network=network, documents=documents,
        runtimes=runtimes_of(cards.values()), catalog=catalog,
    )  # fmt: skip


def _built(catalog: Callable[[], Catalog], name: str, sizes: Mapping[str, int]) -> Totals:
    return catalog().network(name, sizes)


class _Machines:
    """The machines of a snapshot, each made when it is asked for."""

    def __init__(self, data: Mapping[str, Any], numbers: npt.NDArray[np.float64]) -> None:
        self._rows = {(row[0], row[1], row[2]): (index, row) for index, row in enumerate(data["machines"])}
        self._numbers = numbers.reshape(len(self._rows), -1)
        self._tiles = [_tiles(tile_set) for tile_set in data["tiles"]]
        self._names = number_names(Machine)

    def machine(self, hardware: str, dtype: str, runtime: str) -> Machine:
        """Return a machine."""
        index, (*_, form, tile_set, fused, level, assumed, rates) = self._rows[hardware, dtype, runtime]
        figures = dict(zip(self._names, self._numbers[index].tolist(), strict=True))
        figures["fused"] = fused
        return Machine(
            hardware=hardware, dtype=dtype, runtime=runtime, form=form, tile_set=self._tiles[tile_set], level=level,
            assumed=tuple(assumed), rates=tuple(map(tuple, rates)), **figures,
        )  # fmt: skip


def _tiles(data: Mapping[str, Any]) -> Tiles:
    return Tiles(**{**data, "tiles": tuple(map(tuple, data["tiles"])), "splits": tuple(data["splits"])})


# Networks.

_COUNTED: Final = ("unique_kernels", "unique_unfused", "unique_library")
_LISTED: Final = (*_COUNTED, "tables")
_PLAIN: Final = tuple(field.name for field in fields(Totals) if field.name not in _LISTED)
_COSTS: Final = number_names(Cost)


def _as_data(network: Totals, asked: str) -> tuple[dict[str, Any], npt.NDArray[np.float64]]:
    """Return the totals of a network."""
    costs = [*(cost for name in _COUNTED for cost, _ in getattr(network, name)), *network.tables]
    plain = {name: getattr(network, name) for name in _PLAIN} | {"sizes": dict(network.sizes)}
    counts = [[count for _, count in getattr(network, name)] for name in _COUNTED]
    data = {"asked": asked, "plain": plain, "counts": counts, "kinds": [[cost.kind, cost.parts] for cost in costs]}
    return data, np.array([numbers_of(cost) for cost in costs])


def _network(data: Mapping[str, Any], numbers: npt.NDArray[np.float64]) -> Totals:
    rows = numbers.reshape(len(data["kinds"]), -1).tolist()
    costs = iter([_cost(kind, parts, row) for (kind, parts), row in zip(data["kinds"], rows, strict=True)])
    counted: dict[str, Any] = {
        name: tuple((next(costs), count) for count in counts) for name, counts in zip(_COUNTED, data["counts"], strict=True)
    }
    plain = {**data["plain"], "not_modelled": tuple(data["plain"]["not_modelled"])}
    return Totals(**counted, tables=tuple(costs), **plain)


def _cost(kind: KernelKind, parts: Sequence[Sequence[Any]], numbers: Sequence[float]) -> Cost:
    figures: dict[str, Any] = dict(zip(_COSTS, numbers, strict=True))
    named = tuple((name, amount) for name, amount in parts)
    return Cost(kind=kind, parts=named, **(figures | {"shared": bool(figures["shared"])}))


def ready(model: str, specs: Sequence[Path] | None, *, strict: bool = False) -> tuple[Stock, Rulebook, str]:
    """Return what an answer is chosen from, the rules, and the id of the model: from the snapshot where only our specs count.

    Raises SpecError as `load_models` does.
    """
    ours = not spec_directories(specs or ()) and Path(model).suffix != ".json"
    snapshot = open_snapshot() if ours else None
    if snapshot is not None and (found := snapshot.stock()) is not None:
        return (*found, model)
    from .loading import load_models  # noqa: PLC0415 - with the models of all specs

    catalog, book, (name,) = load_models([model], specs, strict=strict)
    if snapshot is not None:
        snapshot.write(catalog)
        if (found := snapshot.stock(catalog)) is not None:
            return (*found, name)
    return stock_of(catalog), book, name
