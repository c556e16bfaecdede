"""The fit of networks in runtimes that tune every kernel: what all GPUs share, and two numbers for each measured chip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import internal
from residuals import Residuals, calibrated, common_of, interval, predictive, residuals
from shipped import (
    FAMILIES,
    SCHEMA,
    chip_calibration,
    chip_family,
    figures,
    ratio,
    refitted,
    rounded,
    share,
    sources,
    with_calibrations,
)

from advisor.lab import networks, spread
from advisor.lab.networks import Target
from advisor.lab.points import Array, Sweep
from engine.calibration import Calibration, Correction, Interval
from engine.catalog import Catalog
from engine.machine import Machine

TUNED: Final = "NVIDIA-TensorRT-demoBERT"
AITEMPLATE: Final = "AITemplate-examples"
WEIGHTS: Final = {TUNED: 1.0, internal.BEST: 6.0, internal.ONE: 1.5}
"""How often the points of a source count in the fit, so that few points of many chips are heard beside many of few."""
WIDER: Final = 1.2
"""The power of a chip's interval that its variants have."""
SIBLINGS: Final = {
    "nvidia-a100-sxm-40": ("nvidia-a100-sxm-80", "nvidia-a100-pcie-40", "nvidia-a100-pcie-80"),
    "nvidia-v100-sxm2-16": ("nvidia-v100-sxm2-32", "nvidia-v100-pcie-32"),
}
"""Measured chip -> variants of it that take its two numbers."""


def judged_sweep(sweep: Sweep) -> bool:
    """Return whether a sweep is of a runtime that tunes every kernel, on a GPU that runs in tiles and waves."""
    return sweep.runtime == "graph" and sweep.source in (TUNED, AITEMPLATE)


def calibrate_networks(catalog: Catalog, sweeps: Sequence[Sweep], data: Path) -> dict[str, Calibration]:
    """Return the family's calibrations with what all chips share, and those of measured chips with two numbers each."""
    base = networks.begun(catalog)
    tuned = networks.targets([s for s in sweeps if s.source == TUNED and s.runtime == "graph"], base)
    checks = internal.resnet50(data, base)
    judged = networks.targets([s for s in sweeps if judged_sweep(s)], base)
    machines = {t.sweep.id: base.machine(t.sweep.hardware, t.sweep.dtype) for t in [*judged, *tuned, *checks]}
    whole = networks.fit_family([*tuned, *checks], machines, WEIGHTS)
    print("  factors on the family's priors:", {k: rounded(v) for k, v in whole.values.items()})
    left = leave_chips_out([*tuned, *checks], judged, machines)
    changed = {name: with_family(catalog.calibrations[name], whole.values, left) for name in FAMILIES}
    changed["gpu-volta"] = with_network(catalog.calibrations["gpu-volta"], whole.values)
    changed["gpu-lpddr"] = with_energy(catalog.calibrations["gpu-lpddr"], changed["gpu-gddr"])
    adjusted = {name: networks.adjusted(machine, whole.values) for name, machine in machines.items()}
    each: dict[str, Measured] = {}
    for hardware in sorted({t.sweep.hardware for t in tuned}):
        found = measured_chip([t for t in judged if t.sweep.hardware == hardware], adjusted)
        errors, values = 1 / Residuals.joined(found.parts).ratio - 1, {k: rounded(v) for k, v in found.numbers.items()}
        print(f"  {hardware:26}{figures(errors)}  {values}", flush=True)
        each[hardware] = found
    return changed | chips(with_calibrations(catalog, changed), each)


def leave_chips_out(seen: Sequence[Target], judged: Sequence[Target], machines: Mapping[str, Machine]) -> Residuals:
    """Return the residuals to expect of a chip, from those of judged sweeps by constants that never saw theirs or a variant."""
    parts = []
    for left in sorted({chip_family(t.sweep.hardware) for t in judged}):
        found = networks.fit_family([t for t in seen if chip_family(t.sweep.hardware) != left], machines, WEIGHTS)
        away = [t for t in judged if chip_family(t.sweep.hardware) == left]
        parts.append(Residuals.joined(residuals(t, networks.adjusted(machines[t.sweep.id], found.values)) for t in away))
        print(f"  without {left:18}{figures(1 / parts[-1].ratio - 1)}", flush=True)
    print(f"  chips left out      {figures(1 / Residuals.joined(parts).ratio - 1)}")
    return predictive(parts)


def with_family(family: Calibration, factors: Mapping[str, float], left: Residuals) -> Calibration:
    """Return a family's calibration with the fitted factors taken in, and the interval of chips left out."""
    known = with_network(family, factors)
    energy, prior = known.energy, known.prior
    if energy is None or prior is None or prior.flop is None or prior.int8 is None or prior.conv_factor is None:
        raise LookupError(f"{known.id} has no energy model, or no prior of it")
    int8 = energy.dtype_factor["int8"]
    joules = energy.model_copy(
        update={"flop": refitted(energy.flop, prior.flop.si * factors["flop_j"]),
                "dtype_factor": energy.dtype_factor | {"int8": refitted(int8, prior.int8.si * factors["int8"])},
                "conv_factor": refitted(energy.conv_factor, prior.conv_factor.si * factors["conv_factor"])}
    )  # fmt: skip
    basis = "chips that the fit never saw, in runtimes that tune every kernel"
    return known.model_copy(
        update={"energy": joules, "interval": interval(left, "family prior", basis),
                "sources": known.sources | sources()}
    )  # fmt: skip


def with_energy(known: Calibration, fitted: Calibration) -> Calibration:
    """Return a calibration with the energies that were fitted to another, which differs from it in what it assumes of power."""
    energy, own = fitted.energy, known.energy
    if energy is None or own is None:
        raise LookupError(f"{known.id} or {fitted.id} has no energy model")
    taken = {name: getattr(energy, name) for name in ("flop", "dtype_factor", "conv_factor")}
    return known.model_copy(update={"energy": own.model_copy(update=taken), "sources": known.sources | sources()})


def with_network(known: Calibration, factors: Mapping[str, float]) -> Calibration:
    """Return a calibration with its constants of networks as fitted: its priors by the factors."""
    network, prior = known.network, known.prior
    if network is None or prior is None:
        raise LookupError(f"{known.id} has no constants of networks, or no priors of them")
    constants = network.model_copy(
        update={n: refitted(getattr(network, n), getattr(prior, n).si * factors[n]) for n in networks.NETWORK}
    )
    return known.model_copy(update={"network": constants, "sources": known.sources | sources()})


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A measured chip: its two numbers, and the residuals of each of its sweeps by those that the others give."""

    numbers: Mapping[str, float]
    parts: tuple[Residuals, ...]

    @property
    def own(self) -> tuple[Array, ...]:
        """Return the residuals, sweep by sweep, as of a fit to any number of sweeps."""
        return tuple(spread.standardized(part.ratio, len(self.parts) - 1) for part in self.parts)


def measured_chip(own: Sequence[Target], machines: Mapping[str, Machine]) -> Measured:
    """Return the two numbers of a measured chip, and the residuals of sweeps left out."""
    parts = []
    for left in own:
        found = networks.fit_chip([t for t in own if t is not left], machines)
        parts.append(residuals(left, networks.corrected(machines[left.sweep.id], found.values)))
    return Measured(numbers=networks.fit_chip(own, machines).values, parts=tuple(parts))


def chips(catalog: Catalog, each: Mapping[str, Measured]) -> dict[str, Calibration]:
    """Return the calibrations of measured chips and of their variants, and what they have in common, with their families."""
    common = calibrated([one.own for one in each.values()], f"{len(each)} measured chips, each sweep by a fit to the others")
    changed: dict[str, Calibration] = {}
    for name in FAMILIES:
        family = catalog.calibrations[name]
        if family.interval is not None:
            interval = family.interval.model_copy(update={"calibrated": common})
            changed[name] = family.model_copy(update={"interval": interval})
    for hardware, one in each.items():
        low, high = spread.interval(one.own, common_of(common))
        numbers = Correction.model_validate({name: share(value) for name, value in one.numbers.items()})
        basis = "sweeps of this chip that the fit of its two numbers did not see, and those of other measured chips"
        own = {"level": "chip measured", "p10": ratio(low), "p90": ratio(high), "basis": basis}
        known = chip_calibration(catalog, hardware)
        changed[hardware] = known.model_copy(update={"correction": numbers, "interval": Interval.model_validate(own)})
        if hardware in SIBLINGS:
            changed[f"{hardware}-siblings"] = sibling(catalog, hardware, numbers, (low**WIDER, high**WIDER))
    return changed


def sibling(catalog: Catalog, hardware: str, numbers: Correction, wide: spread.Pair) -> Calibration:
    """Return the calibration of a measured chip's variants; a file of their kernels may stand beside it."""
    name = catalog.accelerators[hardware].name
    basis = f"measured is {name}; its residuals are widened by a fifth"
    own = {"level": "sibling measured", "p10": ratio(wide[0]), "p90": ratio(wide[1]), "basis": basis}
    return Calibration.model_validate(
        {"$schema": SCHEMA, "id": f"{hardware}-siblings", "name": f"Variants of {name}: its two numbers",
         "applies_to": {"hardware": list(SIBLINGS[hardware])}, "sources": sources(), "correction": numbers, "interval": own}
    )  # fmt: skip
