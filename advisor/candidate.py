"""Candidates: every chip with every number format and batch that a request admits, and what the rules may know of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.compiled import FIGURES, Lineup
from engine.machine import DTYPE_BYTES, Machine
from engine.roster import Roster
from engine.totals import Totals

from .requirements import Requirements
from .rulebook import Profile, Rule
from .stock import Card, Stock

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]
Facts = dict[str, Any]

LARGEST_BATCH: Final = 1024
COARSE: Final = tuple(sorted({2**k for k in range(11)} | {3 * 2**k for k in range(9)}))
"""Batches 2^k and 3*2^k up to 1024."""
EVERY: Final = np.arange(1.0, LARGEST_BATCH + 1)
"""Every batch that an answer may have."""
KNEE_SHARE: Final = 0.9
PREFERRED_BITS: Final = (16, 32, 64, 8, 4)
"""Number formats in the order in which they are offered: below 16 bits a model must be quantized first."""
NARROW_BITS: Final = 8
"""A model in so many bits or fewer must be quantized."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A chip with a number format, and where its machine stands in a roster: -1 for a chip that has none of those asked for."""

    chip: Card
    dtype: str
    place: int
    roster: Roster

    @property
    def machine(self) -> Machine | None:
        """Return the machine, None where there is none."""
        return None if self.place < 0 else self.roster.machine(self.place)

    @property
    def bits(self) -> int:
        """Return the bits of one operand."""
        return int(8 * DTYPE_BYTES[self.dtype])


def slots_of(stock: Stock, request: Requirements) -> list[Slot]:
    """Return a slot for every chip and number format that the request admits; every chip has at least one."""
    roster, slots = stock.roster(request.runtime), []
    for chip in stock.cards.values():
        wanted = [dtype for dtype in chip.dtypes if not request.dtypes or dtype in request.dtypes]
        known = request.runtime in chip.runtimes
        slots += [Slot(chip=chip, dtype=d, place=roster.places[chip.id, d], roster=roster) for d in wanted if known]
        if not wanted or not known:
            slots.append(Slot(chip=chip, dtype=chip.dtypes[0], place=-1, roster=roster))
    return slots


def knee_batch(batch: Array, throughput: Array) -> Array:
    """Return the least batch with KNEE_SHARE of the largest throughput at those of COARSE, of shape (slots, 1).

    Infinity where none is known. The staircase of single batches between them does not move what a knee is measured by.
    """
    sampled = np.where(is_coarse(batch), throughput, np.nan)
    largest = np.fmax.reduce(sampled, axis=1, keepdims=True)
    return np.asarray(np.where(throughput >= KNEE_SHARE * largest, batch, np.inf).min(axis=1, keepdims=True))


class Pool(Mapping[str, Any]):
    """Candidates that were looked at, slots at batches, in that order: a mapping from facts to their values for each.

    `fixed` are facts of a slot alone, those about its batch curve among them once they are known; `asked` those of the request.
    """

    def __init__(self, network: Totals, request: Requirements, stock: Stock) -> None:
        self.network = network
        self.slots = tuple(_without_twins(slots_of(stock, request)))
        self.roster = stock.roster(request.runtime)
        names = {name: index for index, name in enumerate(dict.fromkeys(slot.chip.id for slot in self.slots))}
        self.chip: Index = np.array([names[slot.chip.id] for slot in self.slots], dtype=np.intp)
        self.asked = _request_facts(request)
        self._machine: Index = np.array([slot.place for slot in self.slots], dtype=np.intp)
        rows = [_chip_facts(request, slot) for slot in self.slots]
        self.fixed: dict[str, Array] = {name: np.array([row[name] for row in rows], dtype=float) for name in rows[0]}
        self.fixed |= {name: self.of_machine(column) for name, column in _OF_MACHINES.items()}
        self.row: Index = np.empty(0, dtype=np.intp)
        self.batch: Array = np.empty(0)
        self._figures: dict[str, Array] = {name: np.empty(0) for name in FIGURES}
        self._derived: dict[str, Any] = {}
        self._lineup = Lineup(network, self.roster)

    def __getitem__(self, name: str) -> Any:
        """Return a fact of every candidate."""
        if name in self._figures:
            return self._figures[name]
        if name in self.asked:
            return np.float64(self.asked[name])
        if name not in self._derived:
            with np.errstate(all="ignore"):
                self._derived[name] = self.fixed[name][self.row] if name in self.fixed else _DERIVED[name](self)
        return self._derived[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all facts."""
        known = (name for name in _DERIVED if name not in _OF_CURVES or "knee_batch" in self.fixed)
        return iter([*self._figures, *self.fixed, *self.asked, *known])

    def __len__(self) -> int:
        """Return how many facts there are."""
        return len(list(iter(self)))

    def of_machine(self, name: str) -> Array:
        """Return a number of the machine of every slot, NaN where there is none."""
        there = self._machine >= 0
        found = np.full(there.size, np.nan)
        found[there] = self.roster.column(name)[self._machine[there]]
        return found

    def look(self, rows: Index, batches: Sequence[float] | Array) -> None:
        """Look at some slots at all of some batches."""
        if rows.size:
            own = np.asarray(batches, dtype=float)
            found = self._evaluated(rows, own)
            self._join(np.repeat(rows, own.size), np.tile(own, rows.size), {name: v.ravel() for name, v in found.items()})

    def look_at(self, rows: Index, batches: Array) -> None:
        """Look at slots at batches of their own, of shape (rows, k); what was looked at stays as it was."""
        if rows.size:
            found = self._evaluated(rows, batches)
            each = batches.shape[1]
            self._join(np.repeat(rows, each), batches.ravel(), {name: v.ravel() for name, v in found.items()})

    def _evaluated(self, rows: Index, batches: Array) -> dict[str, Array]:
        """Return the figures of slots; those of a slot without a machine are unknown."""
        machines = self._machine[rows]
        if (machines >= 0).all():
            return self._lineup.at(machines, batches)
        there = np.flatnonzero(machines >= 0)
        found = {name: np.full((rows.size, batches.shape[-1]), np.nan) for name in FIGURES}
        if there.size:
            part = self._lineup.at(machines[there], batches if batches.ndim == 1 else batches[there])
            for name, values in part.items():
                found[name][there] = values
        return found

    def _join(self, rows: Index, batches: Array, figures: Mapping[str, Array]) -> None:
        rows, batches = np.concatenate([self.row, rows]), np.concatenate([self.batch, batches])
        codes = rows * _CODE + batches.astype(np.intp)
        order = np.argsort(codes, kind="stable")
        order = order[np.append(True, np.diff(codes[order]) > 0)]
        self.row, self.batch = rows[order], batches[order]
        self._figures = {name: np.concatenate([self._figures[name], values])[order] for name, values in figures.items()}
        self._derived = {}

    def truth(self, rule: Rule) -> Array:
        """Return where a rule fires: 1.0, 0.0, or NaN for unknown; of facts of slots alone it is asked once for each slot."""
        key = f"rule {rule.when}"
        if key not in self._derived:
            if rule.names <= self.fixed.keys() | self.asked.keys():
                facts = With(self.asked, self.fixed)
                truth = np.broadcast_to(rule.over(facts), (len(self.slots),))[self.row]
            else:
                truth = np.broadcast_to(rule.over(self), self.row.shape)
            self._derived[key] = truth
        found: Array = self._derived[key]
        return found

    def places(self, rows: Index, batches: Array) -> Index:
        """Return where slots at batches stand among the candidates, which moves as others join."""
        return np.searchsorted(self.row * _CODE + self.batch.astype(np.intp), rows * _CODE + batches.astype(np.intp))

    def of(self, rows: Any) -> npt.NDArray[np.bool_]:
        """Return which candidates are of some slots."""
        chosen = np.zeros(len(self.slots), dtype=bool)
        chosen[rows] = True
        return chosen[self.row]

    def at(self, place: int) -> Facts:
        """Return the facts of one candidate as plain numbers."""
        told = (name for name in self if name not in _UNTOLD)
        return {name: float(values[place] if np.ndim(values := self[name]) else values) for name in told}

    def kept(self, key: str, make: Callable[[], Any]) -> Any:
        """Return what was made of the candidates under a key, made once until more of them join."""
        if key not in self._derived:
            self._derived[key] = make()
        return self._derived[key]


class With(Mapping[str, Any]):
    """Facts with a few more."""

    def __init__(self, more: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        self._more, self._facts = more, facts

    def __getitem__(self, name: str) -> Any:
        """Return a fact."""
        return self._more[name] if name in self._more else self._facts[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all facts."""
        return iter([*self._facts, *self._more])

    def __len__(self) -> int:
        """Return how many facts there are."""
        return len(self._facts) + len(self._more)


class Some(Mapping[str, Any]):
    """The facts of some candidates of a pool."""

    def __init__(self, pool: Pool, places: Index) -> None:
        self._pool, self._places = pool, places

    def __getitem__(self, name: str) -> Any:
        """Return a fact of each of them."""
        values = self._pool[name]
        return values[self._places] if np.ndim(values) else values

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all facts."""
        return iter(self._pool)

    def __len__(self) -> int:
        """Return how many facts there are."""
        return len(self._pool)


def is_coarse(batch: Array) -> npt.NDArray[np.bool_]:
    """Return which batches are among those of COARSE."""
    whole = np.minimum(batch, LARGEST_BATCH + 1).astype(np.intp)
    return np.asarray(_COARSE[whole] & (whole == batch))


_COARSE: Final = np.zeros(LARGEST_BATCH + 2, dtype=bool)
_COARSE[list(COARSE)] = True
_CODE: Final = 1 << 40
"""A slot and a batch as one whole number; batches that people type are smaller."""


def _without_twins(slots: Sequence[Slot]) -> Iterator[Slot]:
    """Yield the slots without those that are the same machine as another of the chip, in every number."""
    seen = set()
    for slot in slots:
        key = (slot.chip.id, slot.dtype if slot.place < 0 else slot.roster.numbers[slot.place].tobytes())
        if key not in seen:
            seen.add(key)
            yield slot


_UNTOLD: Final = ("price_usd_per_s", "largest_throughput_per_s", "largest_latency_s")
"""What facts are computed from, and is none itself."""
_OF_CURVES: Final = ("more_throughput", "more_latency")
_DERIVED: Final[Mapping[str, Callable[[Pool], Array]]] = {
    "batch": lambda pool: pool.batch,
    "throughput_sure_per_s": lambda pool: pool.batch / pool["latency_p90_s"],
    "energy_sure_j": lambda pool: pool["energy_per_inference_j"] * pool["latency_p90_s"] / pool["latency_estimate_s"],
    "price_per_million_usd": lambda pool: 1e6 * pool["price_usd_per_s"] / pool["throughput_sure_per_s"],
    "margin": lambda pool: 1.0 - pool["latency_p90_s"] / pool["limit_latency_s"],
    "work_min_flop": lambda pool: pool.network.work_min * pool.batch,
    "more_throughput": lambda pool: pool["largest_throughput_per_s"] / pool["throughput_per_s"] - 1.0,
    "more_latency": lambda pool: pool["largest_latency_s"] / pool["latency_estimate_s"] - 1.0,
}
"""Facts of candidates that follow from others."""


_OF_MACHINES: Final[Mapping[str, str]] = {
    "capacity_bytes": "capacity", "tdp_w": "tdp_w", "bandwidth_bytes_per_s": "bandwidth", "peak_max_flop_per_s": "peak_max",
}  # fmt: skip
"""Facts that are a number of the machine -> its field."""


def _request_facts(request: Requirements) -> dict[str, float]:
    return {
        "limit_latency_s": request.latency_s,
        "limit_throughput_per_s": request.throughput_per_s,
        "limit_power_w": request.power_w,
        "limit_energy_j": request.energy_j,
        "limit_memory_bytes": request.memory_bytes,
        "has_latency_limit": float(math.isfinite(request.latency_s)),
        "dtype_asked": float(bool(request.dtypes)),
        "batch_asked": float(request.batch is not None),
        "allow_modelled": float(request.allow_modelled),
    }


def _chip_facts(request: Requirements, slot: Slot) -> dict[str, float]:
    chip, entry = slot.chip, slot.roster.entries[slot.place] if slot.place >= 0 else None
    level = entry.level if entry else "unknown kind"
    in_kinds = not request.kinds or any(kind in request.kinds for kind in chip.kinds)
    in_names = not request.hardware or chip.id in request.hardware
    supported = not request.dtypes or any(dtype in request.dtypes for dtype in chip.dtypes)
    return {
        "selected": float(in_kinds and in_names),
        "dtype_supported": float(supported),
        "modelled": float(chip.confidence == "modelled"),
        "user_spec": float(not chip.ours),
        "family_prior": float(level == "family prior"),
        "unknown_kind": float(level == "unknown kind"),
        "assumed_power": float(bool(entry and entry.assumed)),
        "cache_known": float(chip.cache_known),
        "element_bits": float(slot.bits),
        "priced": float(not math.isnan(chip.price_usd_per_s)),
        "price_usd_per_s": chip.price_usd_per_s,
    }


def of_profile(facts: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    """Return the facts that a profile adds."""
    return {"profile_admits": profile.admits(facts), "price_matters": np.float64(profile.objective == "cost")}


def with_profile(facts: Mapping[str, Any], profile: Profile) -> Mapping[str, Any]:
    """Return the facts with those that a profile adds."""
    return With(of_profile(facts, profile), facts)


def profile_facts(pool: Pool, place: int, profile: Profile) -> Facts:
    """Return the facts that a profile adds to those of one candidate, as plain numbers."""
    admits = np.broadcast_to(profile.admits(Some(pool, np.array([place]))), (1,))
    return {"profile_admits": float(admits[0]), "price_matters": float(profile.objective == "cost")}


@dataclass(frozen=True, kw_only=True, eq=False)
class Sieved:
    """What the excluding rules leave: `killer` is the index of the rule that fired first, -1 where none did."""

    rules: tuple[Rule, ...]
    killer: npt.NDArray[np.int64]
    unknown: npt.NDArray[np.bool_]

    @property
    def alive(self) -> npt.NDArray[np.bool_]:
        """Return where no rule fires and none is undecided."""
        return (self.killer < 0) & ~self.unknown


def sieve(rules: Sequence[Rule], pool: Pool, profile: Profile | None = None) -> Sieved:
    """Return which rule excludes each candidate first, and where an unknown value leaves a rule undecided."""
    size = pool.row.size
    more = {} if profile is None else of_profile(pool, profile)
    killer = np.full(size, -1, dtype=np.int64)
    unknown = np.zeros(size, dtype=bool)
    for index, rule in reversed(list(enumerate(rules))):
        truth = pool.truth(rule) if rule.names.isdisjoint(more) else np.broadcast_to(rule.over(With(more, pool)), (size,))
        killer[truth == 1.0] = index
        unknown |= np.isnan(truth)
    return Sieved(rules=tuple(rules), killer=killer, unknown=unknown)
