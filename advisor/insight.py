"""What a batch sweep of models on chips teaches: scaling, energy, tiers, causes of the plateau, and what would lift it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.accelerator import Accelerator
from engine.assembly import machine
from engine.catalog import Catalog
from engine.compiled import CAUSES, FIGURES, Estimate, estimate
from engine.errors import DomainError
from engine.machine import DTYPE_BYTES, GRAPH, Machine
from engine.network import Network, build
from engine.point import over
from engine.solve import RoofCurve, roof_curve

from .candidate import EVERY, knee_batch
from .claim import Variant, as_studied
from .sweep import own_sizes

GOAL: Final = 0.5
"""The utilization that the study asks how to pass."""
LOW_LATENCY: Final = 1.25
"""A batch has low latency while it takes at most so many times the latency of batch 1."""
MAX_THROUGHPUT: Final = 0.99
"""The least batch with this share of the best throughput ends the tier of throughput."""
SMALL_GAIN: Final = 0.1
"""A doubling of the batch that gains less throughput than this has diminishing returns."""
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Study:
    """What to study. Without `dtype`, 16 bits where a chip has them, else its first format.

    `hardware` names chips of the catalogue, or `variants`: chips as a study assumed them, which are never ranked.
    """

    models: tuple[str, ...]
    hardware: tuple[str, ...]
    batches: tuple[int, ...]
    dtype: str | None = None
    sizes: dict[str, int]
    runtime: str = GRAPH
    variants: Mapping[str, Variant] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Tiers:
    """Ranges of batches: low latency from 1 to `low`, balanced to `knee`, throughput to `most`."""

    low: int
    knee: int
    most: int


@dataclass(frozen=True, kw_only=True)
class Lift:
    """What it would take to pass GOAL at the last batch; None where nothing of that kind does.

    `batch` is the least that passes; `best_mfu` what the best batch reaches, at `best_batch`. `bandwidth` [B/s] and `intensity`
    [FLOP/B] are those of the plain roof. `larger` is how many times the work per launch. The MFU of `dimensions`, `fusion`
    and `precision` is what is left when that cause, or half of the bits, is gone.
    """

    batch: int | None
    best_mfu: float
    best_batch: int
    bandwidth: float | None
    intensity: float
    larger: float | None
    dimensions_mfu: float
    fusion_mfu: float
    narrow: tuple[str, float, float] | None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One model on one chip in one format, at the batches of the study and at all that are looked at."""

    network: Network
    hardware: str
    chip: Accelerator
    machine: Machine
    points: Estimate
    wide: Estimate

    @property
    def dtype(self) -> str:
        """Return the number format."""
        return self.machine.dtype

    @cached_property
    def fits(self) -> bool | None:
        """Return whether the largest batch of the study fits into memory; None where the capacity is unknown."""
        capacity = self.machine.capacity
        return None if math.isnan(capacity) else bool(self.points.memory_bytes[0, -1] <= capacity)

    @property
    def studied(self) -> bool:
        """Return whether the chip is one as a study assumed it."""
        return self.hardware != self.chip.id

    @property
    def modelled(self) -> bool:
        """Return whether nobody measured the chip on silicon."""
        return self.chip.confidence == "modelled"

    def at(self, name: str, place: int) -> float:
        """Return a figure at a batch of the study, by its place."""
        return float(getattr(self.points, name)[0, place])

    @property
    def work(self) -> float:
        """Return the work of the last batch [FLOP]."""
        return self.network.work * float(self.points.batch[0, -1])

    @cached_property
    def curve(self) -> RoofCurve | None:
        """Return the plain roof, or None where the bandwidth is unknown."""
        try:
            return roof_curve(self.network, self.machine)
        except DomainError:
            return None

    @cached_property
    def shares(self) -> dict[str, float]:
        """Return the share of each cause in the time of the last batch."""
        total = self.at("latency_estimate_s", -1)
        return {cause: over(float(self.points.ladder_s[cause][0, -1]), total) for cause in CAUSES}

    @cached_property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Return which of all batches fit into memory, or may where its capacity is unknown."""
        return np.asarray(~(self.wide.memory_bytes[0] > self.machine.capacity), dtype=bool)

    @cached_property
    def tiers(self) -> Tiers | None:
        """Return the tiers of batches, or None where no batch fits or nothing is known."""
        throughput = np.where(self.usable, self.wide.throughput_per_s[0], np.nan)
        if np.isnan(throughput).all():
            return None
        batch, latency = self.wide.batch[0], self.wide.latency_estimate_s[0]
        knee = float(knee_batch(batch[None], throughput[None])[0, 0])
        quick = batch[self.usable & (latency <= LOW_LATENCY * latency[0])].max()
        most = batch[throughput >= MAX_THROUGHPUT * np.nanmax(throughput)].min()
        return Tiers(low=int(min(quick, knee)), knee=int(knee), most=int(most))

    @cached_property
    def diminishing(self) -> int | None:
        """Return the first power of two whose doubling gains less than SMALL_GAIN throughput; None where none does."""
        powers = [place for place, batch in enumerate(self.wide.batch[0]) if float(batch).is_integer() and _power(int(batch))]
        throughput = np.where(self.usable, self.wide.throughput_per_s[0], np.nan)
        for before, after in pairwise(powers):
            if throughput[after] / throughput[before] - 1 < SMALL_GAIN:
                return int(self.wide.batch[0, before])
        return None


def _power(batch: int) -> bool:
    return batch & (batch - 1) == 0


def pairs(study: Study, catalog: Catalog) -> list[Pair]:
    """Return every model on every chip. A chip without the format or the runtime has no pair."""
    found = []
    models = [catalog.workloads[name] for name in study.models]
    for workload in models:
        network = build(workload, own_sizes(workload, models, study.sizes))
        for hardware in study.hardware:
            chip = _chip(study, hardware, catalog)
            dtype = study.dtype or _default(chip)
            constants = catalog.constants.get(chip.id)
            if constants is not None and dtype in chip.peak_dense and constants.runs(study.runtime):
                found.append(_pair(network, hardware, chip, machine(chip, constants, dtype, study.runtime), study.batches))
    return found


def _chip(study: Study, hardware: str, catalog: Catalog) -> Accelerator:
    """Return a chip of the catalogue, or one as a study assumed it."""
    variant = study.variants.get(hardware)
    return catalog.accelerators[hardware] if variant is None else as_studied(variant, catalog)


def _default(chip: Accelerator) -> str:
    return next((dtype for dtype in ("bf16", "fp16") if dtype in chip.dtypes), chip.dtypes[0])


def _pair(network: Network, hardware: str, chip: Accelerator, on: Machine, batches: Sequence[int]) -> Pair:
    points = _known(estimate(network, [on], np.array(batches, dtype=float)))
    wide = _known(estimate(network, [on], EVERY, ladder=False))
    return Pair(network=network, hardware=hardware, chip=chip, machine=on, points=points, wide=wide)


def _known(points: Estimate) -> Estimate:
    """Return the points, nothing known of those whose time is beyond all numbers, as constants of the user's may make it."""
    ends = np.isfinite(points.latency_estimate_s)
    known = {name: np.where(ends, getattr(points, name), np.nan) for name in FIGURES if name != "memory_bytes"}
    ladder = {cause: np.where(ends, seconds, np.nan) for cause, seconds in points.ladder_s.items()}
    return replace(points, ladder_s=ladder, **known)


def lift(pair: Pair, catalog: Catalog) -> Lift:
    """Return what it would take to pass GOAL at the last batch, each by an inverse of the model."""
    mfu = np.where(pair.usable, pair.wide.mfu[0], np.nan)
    best = int(np.nanargmax(mfu)) if not np.isnan(mfu).all() else 0
    passing = np.flatnonzero(mfu > GOAL)
    total, peak = pair.at("latency_estimate_s", -1), pair.machine.peak
    seconds = {cause: pair.shares[cause] * total for cause in CAUSES}

    def without(*causes: str) -> float:
        return over(pair.work / peak, total - sum(seconds[cause] for cause in causes))

    return Lift(
        batch=int(pair.wide.batch[0, passing[0]]) if passing.size else None,
        best_mfu=float(mfu[best]), best_batch=int(pair.wide.batch[0, best]),
        bandwidth=_bandwidth(pair), intensity=GOAL * peak / pair.machine.bandwidth,
        larger=_larger(pair, seconds), dimensions_mfu=without("dimension_fit", "unit_allocation"),
        fusion_mfu=without("dispatch"), narrow=_narrow(pair, catalog),
    )  # fmt: skip


def _bandwidth(pair: Pair) -> float | None:
    """Return the bandwidth at which the plain roof passes GOAL, or None where no bandwidth does or it is unknown."""
    if pair.curve is None:
        return None
    needed = pair.curve.bandwidth_for_limit(float(pair.points.batch[0, -1]), pair.work / (GOAL * pair.machine.peak))
    return needed if math.isfinite(needed) else None


def _larger(pair: Pair, seconds: dict[str, float]) -> float | None:
    """Return how many times more work at the same launches passes GOAL: s W / (pi (s (T - K) + K)) = GOAL, K the launches."""
    launches = seconds["dispatch"]
    rest = pair.at("latency_estimate_s", -1) - launches
    ideal = pair.work / pair.machine.peak
    gain = ideal / GOAL - rest
    return max(1.0, launches / gain) if gain > 0 else None


def _narrow(pair: Pair, catalog: Catalog) -> tuple[str, float, float] | None:
    """Return the fastest format of half the bits, with its MFU and its throughput over this one's; None without one."""
    bits = DTYPE_BYTES[pair.dtype]
    formats = [dtype for dtype in pair.chip.dtypes if DTYPE_BYTES[dtype] == bits / 2]
    if not formats:
        return None
    dtype = max(formats, key=lambda name: pair.chip.peak_dense[name].si)  # type: ignore[index]
    narrow = machine(pair.chip, catalog.constants[pair.chip.id], dtype, pair.machine.runtime)
    points = estimate(pair.network, [narrow], pair.points.batch[:, -1:])
    return dtype, float(points.mfu[0, 0]), over(float(points.throughput_per_s[0, 0]), pair.at("throughput_per_s", -1))


def architecture(network: Network) -> str:
    """Return whether convolutions or attention do most of a network: CNN, transformer, or other.

    Products count for the attention that they feed.
    """
    work: dict[str, float] = {}
    for node in network.nodes:
        work[node.cost.kind] = work.get(node.cost.kind, 0.0) + node.cost.work
    convolved = work.get("conv", 0.0) + work.get("depthwise", 0.0)
    if convolved > network.work / 2:
        return "CNN"
    return "transformer" if work.get("attention") else "other"


def intensity(pair: Pair, place: int) -> float:
    """Return the arithmetic intensity of the fused network at a batch of the study [FLOP/B]."""
    batch = float(pair.points.batch[0, place])
    activations = sum(kernel.cost.inputs + kernel.cost.outputs for kernel in pair.network.kernels)
    elements = float(pair.network.read_weights(batch)) + batch * activations
    return float(pair.network.work * batch / (elements * pair.machine.element_bytes))
