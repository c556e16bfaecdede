"""Whole networks: what a sweep should take on a machine, and the fit of the constants that all chips of a family share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from engine.calibration import Calibration
from engine.catalog import Catalog, Shelf
from engine.compiled import Estimate, estimate
from engine.machine import Machine
from engine.network import Network

from .fit import Fit, Prior, fit
from .points import Array, Sweep

FACTORS: Final = ("launch", "attention", "softmax_work", "cache_ratio", "flop_j", "int8", "conv_factor")
"""Constants of whole networks that a fit moves, each by a factor on the family's prior; `int8` is on top of `flop_j`."""
NETWORK: Final = ("launch", "attention", "softmax_work", "cache_ratio")
"""Those of them that stand among a calibration's constants of networks."""
SPREAD: Final = 0.3
"""Standard deviation of the logarithm of such a factor."""
BEST_BATCHES: Final = tuple(float(2**power) for power in range(3, 11))
"""Batches among which a throughput without a batch is taken as the best."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """A measured sweep with its network; `best` says that it is one time per sample, at whatever batch is fastest [s]."""

    sweep: Sweep
    network: Network
    best: bool = False


Adjust = Callable[[Machine], Machine]


def targets(sweeps: Sequence[Sweep], catalog: Catalog) -> list[Target]:
    """Return the sweeps with their networks, each network built once."""
    return [Target(sweep=sweep, network=catalog.network(sweep.workload, sweep.sizes)) for sweep in sweeps]


def unmeasured(catalog: Catalog) -> Catalog:
    """Return the catalogue without what was fitted to single chips: every chip has its family's constants, or its own rates."""
    entries = {
        name: entry
        for name, entry in catalog.calibrations.entries.items()
        if not entry.model.applies_to.hardware or entry.model.rates is not None
    }
    return replace(catalog, calibrations=Shelf(kind=catalog.calibrations.kind, entries=entries))


def begun(catalog: Catalog) -> Catalog:
    """Return the catalogue without what was fitted to networks: no chip's own constants, and families at their priors."""
    bare = unmeasured(catalog)
    entries = {name: replace(entry, model=at_prior(entry.model)) for name, entry in bare.calibrations.entries.items()}
    return replace(bare, calibrations=Shelf(kind=bare.calibrations.kind, entries=entries))


def at_prior(known: Calibration) -> Calibration:
    """Return a family's calibration with its constants where a fit begins; one without a prior as it is."""
    prior = known.prior
    if prior is None:
        return known
    network = known.network and known.network.model_copy(update={name: getattr(prior, name) for name in NETWORK})
    energy = known.energy and known.energy.model_copy(
        update={
            "flop": prior.flop or known.energy.flop,
            "conv_factor": prior.conv_factor or known.energy.conv_factor,
            "dtype_factor": known.energy.dtype_factor | ({"int8": prior.int8} if prior.int8 else {}),
        }
    )
    return known.model_copy(update={"network": network, "energy": energy})


def points(target: Target, machine: Machine) -> Estimate:
    """Return the estimate of every batch of a sweep, or of the batches among which the best is sought."""
    batches = np.array(BEST_BATCHES) if target.best else target.sweep.batches
    return estimate(target.network, [machine], batches)


def times(target: Target, machine: Machine) -> Array:
    """Return the estimated time of every point of a sweep [s]; for a best throughput, the least time of a sample."""
    found = points(target, machine)
    if target.best:
        return np.array([(found.latency_estimate_s[0] / found.batch[0]).min()])
    return np.asarray(found.latency_estimate_s[0], dtype=float)


def adjusted(machine: Machine, factors: Mapping[str, float]) -> Machine:
    """Return the machine with the family's constants changed by factors."""
    flop = factors.get("flop_j", 1.0) * (factors.get("int8", 1.0) if machine.dtype == "int8" else 1.0)
    return replace(
        machine,
        launch=machine.launch * factors.get("launch", 1.0),
        attention=machine.attention * factors.get("attention", 1.0),
        softmax_work=machine.softmax_work * factors.get("softmax_work", 1.0),
        cache_ratio=machine.cache_ratio * factors.get("cache_ratio", 1.0),
        flop_j=machine.flop_j * flop,
        conv_factor=machine.conv_factor * factors.get("conv_factor", 1.0),
    )


def fit_family(
    each: Sequence[Target], machines: Mapping[str, Machine], weights: Mapping[str, float], names: Sequence[str] = FACTORS
) -> Fit:
    """Return the factors on the family's constants that bring the estimates closest; `machines` are by the sweep's id.

    `weights` says by a sweep's source how often its points count.
    """
    measured = np.concatenate([target.sweep.seconds for target in each])
    weight = np.concatenate([np.full(len(t.sweep.seconds), weights.get(t.sweep.source, 1.0)) for t in each])

    def predicted(values: Mapping[str, float]) -> Array:
        return np.concatenate([times(target, adjusted(machines[target.sweep.id], values)) for target in each])

    priors = {name: Prior(value=1.0, spread=SPREAD) for name in names}
    if "attention" in priors:  # a share of the peak
        priors["attention"] = replace(priors["attention"], high=1.0 / max(machine.attention for machine in machines.values()))
    return fit(predicted, measured, priors, weights=weight)


CLASS: Final = "class_"
"""What the name of a factor begins with that is on the time of one class of a probed machine."""


def corrected(machine: Machine, values: Mapping[str, float]) -> Machine:
    """Return the machine with the two numbers that a measured chip adds, and those of classes where it was probed."""
    factors = class_factors(values)
    return replace(
        machine,
        launch=machine.launch * values["launch_factor"],
        time_factor=machine.time_factor * values["time_factor"],
        energy_factor=machine.energy_factor * values["time_factor"],
        rates=tuple((name, seconds * factors.get(name, 1.0)) for name, seconds in machine.rates),
    )


def class_factors(values: Mapping[str, float]) -> dict[str, float]:
    """Return the factors of classes among those of a chip, by class.

    >>> class_factors({"time_factor": 1.0, "class_gemm": 1.1})
    {'gemm': 1.1}
    """
    return {name.removeprefix(CLASS): value for name, value in values.items() if name.startswith(CLASS)}


def weighty(each: Sequence[Target], machines: Mapping[str, Machine]) -> list[str]:
    """Return the classes of a probed machine that take a share of the time of any network that measurements can tell."""
    found: dict[str, float] = {}
    for target in each:
        rates = dict(machines[target.sweep.dtype].rates)
        parts = [(name, n * amount * rates[name]) for cost, n in target.network.unique_library for name, amount in cost.parts]
        whole = sum(seconds for _, seconds in parts)
        shares: dict[str, float] = {}
        for name, seconds in parts:
            shares[name] = shares.get(name, 0.0) + seconds / whole
        found |= {name: max(share, found.get(name, 0.0)) for name, share in shares.items()}
    return [name for name, share in found.items() if share >= WEIGHTY]


WEIGHTY: Final = 0.03
"""Share of a network's time below which a class has no factor of its own."""


CORRECTION: Final[Mapping[str, Prior]] = {
    "launch_factor": Prior(value=1.0, spread=0.25),
    "time_factor": Prior(value=1.0, spread=0.12),
}
"""How far chips lie from their family: their launches, and all of their time."""
CLASS_PRIOR: Final = Prior(value=1.0, spread=0.15)
"""How far a class of kernels of a network lies from its probe."""
PROBED_PRIOR: Final = Prior(value=1.0, spread=0.05)
"""How far all of a network's time lies from the rates of a probe, beside its classes."""


def fit_chip(each: Sequence[Target], machines: Mapping[str, Machine]) -> Fit:
    """Return the two numbers of a measured chip."""
    measured = np.concatenate([target.sweep.seconds for target in each])

    def predicted(values: Mapping[str, float]) -> Array:
        return np.concatenate([times(target, corrected(machines[target.sweep.id], values)) for target in each])

    return fit(predicted, measured, CORRECTION)
