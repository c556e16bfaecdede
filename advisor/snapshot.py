"""A snapshot of our own specs: what answers need of them as plain numbers, in a folder of the user's cache.

To read and judge every spec takes most of the time of an answer, and each time comes to the same. So the first answer writes
down what it came to, under the hash of everything that it came from: our specs and our code, byte by byte. Whoever changes
either gets another snapshot. A stamp of names, sizes and times says which hash the files have, so that they are not read
again; it is trusted only when all of them are older than it. Hashes and stamps are compared whole; names of files in the cache
are short sums, which may meet in one.

Nothing here is needed: where the cache cannot be written or read, or holds anything but what was written, the specs are read.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

from engine.columns import number_names, numbers_of
from engine.cost import Cost, KernelKind
from engine.machine import Machine, Tiles
from engine.passes import Form
from engine.roster import WIDTH, Entry, Roster
from engine.sizes import Sized, choose_sizes
from engine.totals import Totals

from .cachefiles import FOREIGN, Files, folder, prune, read, sources, write
from .inputs import spec_directories
from .rulebook import Profile, Rule, Rulebook
from .stock import Card, Documents, Stock, documents_of, stock_of

if TYPE_CHECKING:
    from engine.catalog import Catalog

SETTLED_S: Final = 2.0
"""Files that changed within so many seconds may change again under the same time."""
_HASH: Final = re.compile(r"[0-9a-f]{64}")


class Snapshot:
    """A snapshot that is there, or is to be: a folder named after a hash of contents."""

    def __init__(self, base: Path, files: Files) -> None:
        self._base = base
        self._files = files
        self._stamp, self._latest = files.stamp()
        self._stamp_file = base / "stamps" / f"{crc32(self._stamp.encode()):08x}"
        known = read(self._stamp_file)
        stamped = str(known[0].get("content")) if known and known[0].get("stamp") == self._stamp else ""
        self._stamped = _HASH.fullmatch(stamped) is not None
        self._content = stamped if self._stamped else files.content()
        self.path = base / self._content

    def stock(self, loaded: Catalog | None = None) -> tuple[Stock, Rulebook] | None:
        """Return the stock and the rules, or None where there is no snapshot; `loaded` are the specs, where they were read."""
        found = read(self.path / "catalogue")
        if found is None:
            return None
        try:
            told = _stock(*found, self, loaded), _rulebook(found[0]["rules"])
        except FOREIGN:
            return None
        self._keep_stamp()
        return told

    def write(self, catalog: Catalog) -> None:
        """Write down a catalogue and the rules; what cannot be written is left."""
        from .rule import load_rulebook  # noqa: PLC0415 - with the models of files

        data, numbers = _catalogue(catalog, stock_of(catalog), load_rulebook())
        if self._files.content() == self._content:  # else a file changed while it was read
            write(self.path / "documents", _documents(catalog), np.empty(0))
            write(self.path / "catalogue", data, numbers)
            self._keep_stamp()
            prune(self._base, self.path)

    def network(self, model: str, sizes: Mapping[str, int], build: Callable[[], Totals]) -> Totals:
        """Return a network, built and written down where it was not yet."""
        asked = json.dumps([model, dict(sorted(sizes.items()))])
        path = self.path / f"network-{crc32(asked.encode()):08x}"
        found = read(path)
        if found is not None and found[0].get("asked") == asked:
            with contextlib.suppress(*FOREIGN):
                return _network(*found)
        network = build()
        write(path, *_as_data(network, asked))
        return network

    def _keep_stamp(self) -> None:
        if not self._stamped and time.time_ns() - self._latest > SETTLED_S * 1e9:
            write(self._stamp_file, {"stamp": self._stamp, "content": self._content}, np.empty(0))
            self._stamped = True


def open_snapshot() -> Snapshot | None:
    """Return this installation's snapshot, there or not; None where there is no cache."""
    base = folder()
    try:
        return None if base is None else Snapshot(base, sources())
    except (OSError, ValueError):
        return None


# The catalogue and the rules.


def _catalogue(catalog: Catalog, stock: Stock, book: Rulebook) -> tuple[dict[str, Any], npt.NDArray[np.float64]]:
    """Return what answers need of a catalogue."""
    rosters = {runtime: stock.roster(runtime) for runtime in sorted(stock.runtimes)}
    return {
        "cards": [_without_nan(asdict(card)) for card in stock.cards.values()],
        "rosters": {
            runtime: {
                "entries": roster.entries,
                "forms": [asdict(form) for form in roster.forms],
                "form": roster.form.tolist(),
            }
            for runtime, roster in rosters.items()
        },
        "models": {
            workload.id: {name: [size.default, size.minimum, size.maximum, size.unit] for name, size in workload.sizes.items()}
            for workload in catalog.workloads
        },
        "rules": {
            "rules": [asdict(rule) for rule in book.rules], "family": dict(book.family), "sources": dict(book.sources),
            "profiles": [asdict(profile) for profile in book.profiles.values()],
        },
    }, np.concatenate([roster.numbers for roster in rosters.values()])  # fmt: skip


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
    rosters = _rosters(data["rosters"], numbers)

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
        found = read(snapshot.path / "documents")
        known = {} if found is None else found[0].get(shelf, {})
        return known[name] if name in known else documents_of(getattr(catalog(), shelf)[name])

    def roster(runtime: str) -> Roster:
        return rosters[runtime] if runtime in rosters else Roster.of(())

    def machine(hardware: str, dtype: str, runtime: str) -> Machine:
        found = roster(runtime)
        place = found.places.get((hardware, dtype))
        return catalog().machine(hardware, dtype, runtime) if place is None else found.machine(place)

    return Stock(
        cards=cards, card=card, roster=roster, machine=machine, model=model, network=network, documents=documents,
        runtimes=frozenset(rosters), catalog=catalog,
    )  # fmt: skip


def _built(catalog: Callable[[], Catalog], name: str, sizes: Mapping[str, int]) -> Totals:
    return catalog().network(name, sizes)


def _rosters(data: Mapping[str, Any], numbers: npt.NDArray[np.float64]) -> dict[str, Roster]:
    """Return the machines in each runtime."""
    every, start = numbers.reshape(-1, WIDTH), 0
    found = {}
    for runtime, told in data.items():
        entries = [Entry._make((*named, tuple(assumed))) for *named, assumed in told["entries"]]
        found[runtime] = Roster(
            entries=entries, forms=[_form(form) for form in told["forms"]], form=np.array(told["form"], dtype=np.intp),
            numbers=every[start : start + len(entries)],
        )  # fmt: skip
        start += len(entries)
    return found


def _form(data: Mapping[str, Any]) -> Form:
    return Form(**{**data, "tiles": _tiles(data["tiles"]), "rates": tuple(map(tuple, data["rates"]))})


def _tiles(data: Mapping[str, Any]) -> Tiles:
    return Tiles(**{**data, "tiles": tuple(map(tuple, data["tiles"])), "splits": tuple(data["splits"])})


# Networks.

_COUNTED: Final = ("unique_kernels", "unique_unfused", "unique_eager", "unique_library")
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


def ready(
    models: Sequence[str], specs: Sequence[Path] | None, *, strict: bool = False
) -> tuple[Stock, Rulebook, tuple[str, ...]]:
    """Return what an answer is chosen from, the rules, and the ids of models: from the snapshot where only our specs count.

    Raises SpecError as `load_models` does.
    """
    ours = not spec_directories(specs or ()) and all(Path(model).suffix != ".json" for model in models)
    snapshot = open_snapshot() if ours else None
    if snapshot is not None and (found := snapshot.stock()) is not None:
        return (*found, tuple(models))
    from .loading import load_models  # noqa: PLC0415 - with the models of all specs

    catalog, book, names = load_models(models, specs, strict=strict)
    if snapshot is not None:
        snapshot.write(catalog)
        if (found := snapshot.stock(catalog)) is not None:
            return (*found, names)
    return stock_of(catalog), book, names
