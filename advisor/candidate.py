"""Candidates: every chip with every number format and batch that a request admits, as arrays of facts for the rules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.accelerator import DTYPE_BYTES, Accelerator
from engine.catalog import Catalog
from engine.compiled import Estimate, estimate
from engine.machine import Machine
from engine.network import Network
from engine.predict import COLUMNS

from .requirements import Requirements
from .rule import Profile, Rule

Array = npt.NDArray[np.float64]
Facts = dict[str, Any]

LARGEST_BATCH: Final = 1024
COARSE: Final = tuple(sorted({2**k for k in range(11)} | {3 * 2**k for k in range(9)}))
"""Batches 2^k and 3*2^k up to 1024."""
LOOKED_AT: Final = np.union1d(np.arange(1.0, 129.0), np.array(COARSE, dtype=float))
"""Every batch up to 128, then 2^k and 3*2^k; the exact largest batch within the limits joins them."""
KNEE_SHARE: Final = 0.9
PREFERRED_BITS: Final = (16, 32, 64, 8, 4)
"""Number formats in the order in which they are offered: below 16 bits a model must be quantized first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A chip with a number format; `machine` is None for a chip that has none of those asked for."""

    chip: Accelerator
    dtype: str
    machine: Machine | None

    @property
    def bits(self) -> int:
        """Return the bits of one operand."""
        return int(8 * DTYPE_BYTES[self.dtype])


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Estimates and facts of some slots, each at its own batches: arrays of shape (slots, batches)."""

    slots: tuple[Slot, ...]
    points: Estimate
    facts: Facts

    @property
    def batch(self) -> Array:
        """Return the batches."""
        return self.points.batch


def slots_of(catalog: Catalog, request: Requirements) -> list[Slot]:
    """Return a slot for every chip and number format that the request admits; every chip has at least one."""
    slots = []
    for chip in catalog.accelerators:
        wanted = [dtype for dtype in chip.dtypes if not request.dtypes or dtype in request.dtypes]
        known = chip.id in catalog.constants and catalog.constants[chip.id].runs(request.runtime)
        slots += [Slot(chip=chip, dtype=d, machine=catalog.machine(chip.id, d, request.runtime)) for d in wanted if known]
        if not wanted or not known:
            slots.append(Slot(chip=chip, dtype=chip.dtypes[0], machine=None))
    return slots


def knee_batch(batch: Array, throughput: Array) -> Array:
    """Return the least batch with KNEE_SHARE of the largest throughput, of shape (slots, 1); infinity where none is known."""
    largest = np.fmax.reduce(throughput, axis=1, keepdims=True)
    return np.asarray(np.where(throughput >= KNEE_SHARE * largest, batch, np.inf).min(axis=1, keepdims=True))


def evaluate(network: Network, catalog: Catalog, request: Requirements, slots: Sequence[Slot], batches: npt.ArrayLike) -> Grid:
    """Return estimates and facts of slots at batches of shape (b,) or (slots, b)."""
    grid = np.broadcast_to(np.asarray(batches, dtype=float), (len(slots), np.shape(batches)[-1]))
    points = _points(network, slots, grid)
    return Grid(slots=tuple(slots), points=points, facts=_facts(network, catalog, request, slots, points))


def _points(network: Network, slots: Sequence[Slot], grid: Array) -> Estimate:
    """Return the estimate; a slot without a machine is unknown throughout."""
    chosen = [index for index, slot in enumerate(slots) if slot.machine is not None]
    machines = [slot.machine for slot in slots if slot.machine is not None]
    if len(chosen) == len(slots):
        return estimate(network, machines, grid)
    unknown = np.full(grid.shape, np.nan)
    part = estimate(network, machines, grid[chosen]) if machines else None

    def spread(values: Array | None) -> Array:
        whole = unknown.copy()
        if values is not None:
            whole[chosen] = values
        return whole

    ladder = {cause: spread(values) for cause, values in part.ladder_s.items()} if part else {}
    return Estimate(batch=grid, ladder_s=ladder, **{name: spread(getattr(part, name, None)) for name in COLUMNS})


def _facts(network: Network, catalog: Catalog, request: Requirements, slots: Sequence[Slot], points: Estimate) -> Facts:
    facts: Facts = {name: getattr(points, name) for name in COLUMNS}
    facts |= {name: np.full((1, 1), value) for name, value in _request_facts(request).items()}
    rows = [_chip_facts(catalog, request, slot) for slot in slots]
    facts |= {name: np.array([[row[name]] for row in rows], dtype=float) for name in rows[0]}
    with np.errstate(all="ignore"):
        facts["throughput_sure_per_s"] = points.batch / points.latency_p90_s
        facts["energy_sure_j"] = points.energy_per_inference_j * points.latency_p90_s / points.latency_estimate_s
        facts["price_per_million_usd"] = 1e6 * facts.pop("price_usd_per_s") / facts["throughput_sure_per_s"]
        facts["margin"] = 1.0 - points.latency_p90_s / facts["limit_latency_s"]
    facts["batch"] = points.batch
    facts["work_min_flop"] = network.work_min * points.batch
    return facts


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


def _chip_facts(catalog: Catalog, request: Requirements, slot: Slot) -> dict[str, float]:
    chip, machine = slot.chip, slot.machine
    level = machine.level if machine else "unknown kind"
    in_kinds = not request.kinds or any(kind in request.kinds for kind in chip.kinds)
    in_names = not request.hardware or chip.id in request.hardware
    supported = not request.dtypes or any(dtype in request.dtypes for dtype in chip.dtypes)
    return {
        "selected": float(in_kinds and in_names),
        "dtype_supported": float(supported),
        "modelled": float(chip.confidence == "modelled"),
        "user_spec": float(not catalog.accelerators.entries[chip.id].ours),
        "family_prior": float(level == "family prior"),
        "unknown_kind": float(level == "unknown kind"),
        "assumed_power": float(bool(machine and machine.assumed)),
        "cache_known": float(chip.cache_bytes is not None),
        "element_bits": float(slot.bits),
        "capacity_bytes": machine.capacity if machine else math.nan,
        "tdp_w": machine.tdp_w if machine else math.nan,
        "bandwidth_bytes_per_s": machine.bandwidth if machine else math.nan,
        "peak_max_flop_per_s": machine.peak_max if machine else math.nan,
        "priced": float(chip.price is not None),
        "price_usd_per_s": chip.price.si if chip.price else math.nan,
    }


def with_profile(facts: Mapping[str, Any], profile: Profile) -> Facts:
    """Return the facts with those that a profile adds."""
    return {
        **facts,
        "profile_admits": profile.admits(facts),
        "price_matters": np.full((1, 1), float(profile.objective == "cost")),
    }


@dataclass(frozen=True, kw_only=True)
class Sieved:
    """What the excluding rules leave: `killer` is the index of the rule that fired first, -1 where none did."""

    rules: tuple[Rule, ...]
    killer: npt.NDArray[np.int64]
    unknown: npt.NDArray[np.bool_]

    @property
    def alive(self) -> npt.NDArray[np.bool_]:
        """Return where no rule fires and none is undecided."""
        return (self.killer < 0) & ~self.unknown


def sieve(rules: Sequence[Rule], facts: Mapping[str, Any], shape: tuple[int, int]) -> Sieved:
    """Return which rule excludes each candidate first, and where an unknown value leaves a rule undecided."""
    killer = np.full(shape, -1, dtype=np.int64)
    unknown = np.zeros(shape, dtype=bool)
    for index, rule in enumerate(rules):
        truth = np.broadcast_to(rule.over(facts), shape)
        killer = np.where((killer < 0) & (truth == 1.0), index, killer)
        unknown |= np.isnan(truth)
    return Sieved(rules=tuple(rules), killer=killer, unknown=unknown)


def single(facts: Mapping[str, Any], shape: tuple[int, int], place: tuple[int, int]) -> Facts:
    """Return the facts of one candidate as plain numbers."""
    return {name: _at(np.asarray(values), shape, place) for name, values in facts.items()}


def _at(values: Array, shape: tuple[int, int], place: tuple[int, int]) -> float:
    """Return a value at a place of a grid that the values broadcast to."""
    if values.ndim != len(shape):
        return float(np.broadcast_to(values, shape)[place])
    return float(values[place[0] if values.shape[0] > 1 else 0, place[1] if values.shape[1] > 1 else 0])
