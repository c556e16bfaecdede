"""Fits the constants that ship: `python benchmarks/calibrate_catalogue.py [--data DIR] [--only PART] [--write]`.

Networks: one fit for all GPUs in TensorRT, then two numbers for each measured chip; intervals come from the residuals of chips,
or sweeps, left out. Runtimes: what frameworks share. Kernels, which stand on the energy of networks: for every chip, operator
(or the one of --operator) and format that the measurements have, on three quarters of the shapes; the residuals beside them
are of the other quarter. A family's constants are fitted to all its chips together; their residuals are those of chips left
out, one by one. All fits begin at priors that no fit writes, so that the same data give the same files. Nothing is written
without --write.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import internal
import numpy as np
from scipy.optimize import minimize

from advisor.lab import kernels, networks, spread, tables
from advisor.lab.calibrate import MEASURED, NetworkPart, calibrate
from advisor.lab.evidence import Evidence
from advisor.lab.fit import Prior, fit
from advisor.lab.fitted import rounded as fitted_digits
from advisor.lab.kernels import Key
from advisor.lab.networks import Target
from advisor.lab.points import Array, Kernels, Published, Sweep
from advisor.report.spec import spec_text
from engine import load
from engine.calibration import SIXTEEN_BITS, Calibration, Correction, Interval, KernelConstants, Residual, Spread
from engine.catalog import Catalog, Entry
from engine.machine import GRAPH, Machine
from engine.quantity import Source
from engine.single import KernelMachine, kernel_machine

DATA: Final = Path(__file__).resolve().parents[2] / "shared" / "measurements"
SPECS: Final = Path(__file__).resolve().parents[1] / "specs" / "calibrations"
TUNED: Final = "NVIDIA-TensorRT-demoBERT"
AITEMPLATE: Final = "AITemplate-examples"
WEIGHTS: Final = {TUNED: 1.0, internal.BEST: 6.0, internal.ONE: 1.5}
"""How often the points of a source count in the fit, so that few points of many chips are heard beside many of few."""
ROTATIONS: Final = {"vllm": 6, "trtllm": 3}
"""Sets of weights that the benchmarks of a framework alternate between; TensorRT-LLM's have one to five."""
MOST: Final = 2000
STARTS: Final = 5
"""Fits of products begin at so many places: launch and fill, sustained share and drain can stand for each other."""
LOW, HIGH = 0.1, 0.9
"""The percentiles of an interval."""
FIT: Final = "fit"
ASSUMED: Final = "assumed, not fitted"
SCHEMA: Final = "../../schemas/calibration.schema.json"
FEW: Final = 20
"""Fewer points have one ratio for launches and all else."""
APART: Final = 1.6
"""Launches and all else may have ratios that far apart; more is the noise of few points."""
ENOUGH: Final = 12
"""Sweeps of a host that tell how far its sweeps lie apart."""
WIDER: Final = 1.2
"""The power of a chip's interval that its variants have."""
SIBLINGS: Final = {
    "nvidia-a100-sxm-40": ("nvidia-a100-sxm-80", "nvidia-a100-pcie-40", "nvidia-a100-pcie-80"),
    "nvidia-v100-sxm2-16": ("nvidia-v100-sxm2-32", "nvidia-v100-pcie-32"),
}
"""Measured chip -> variants of it that take its two numbers."""
UNMEASURED: Final = "gpu-kernels"
"""Calibration of kernels that nobody measured: round numbers, at which every fit of kernels begins."""
RUNTIMES: Final = "runtimes"
"""Calibration of what frameworks share."""
FAMILIES: Final = {"gpu-hbm": "HBM", "gpu-gddr": "GDDR"}
"""Calibration of a family -> what the memory of its chips is called."""


def main() -> None:
    """Fit, print, and write when asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="folder of published measurements")
    parser.add_argument("--only", choices=("kernels", "networks", "runtimes"), help="one of the parts")
    parser.add_argument("--operator", choices=tuple(kernels.CONSTANTS), help="only kernels of this operator; others stay")
    parser.add_argument("--write", action="store_true", help="write specs/calibrations")
    arguments = parser.parse_args()
    catalog = load()
    published = tables.read(arguments.data, catalog)
    changed: dict[str, Calibration] = {}
    only = "kernels" if arguments.operator else arguments.only
    if only in (None, "networks"):
        changed |= calibrate_networks(catalog, published.sweeps, arguments.data)
    if only in (None, "runtimes"):
        changed |= calibrate_runtimes(with_calibrations(catalog, changed), published.sweeps)
    if only in (None, "kernels"):
        groups = kernels.grouped(published.kernels)
        wanted = {key: m for key, m in groups.items() if arguments.operator in (None, key.operator)}
        changed |= calibrate_kernels(with_calibrations(catalog, changed), wanted)
    for name, calibration in changed.items() if arguments.write else ():
        (SPECS / f"{name}.json").write_text(spec_text(calibration), encoding="utf-8")
        print(f"wrote specs/calibrations/{name}.json")


def with_calibrations(catalog: Catalog, changed: Mapping[str, Calibration]) -> Catalog:
    """Return the catalogue with other calibrations, for the fits that stand on them: kernels have the energy of networks."""
    shelf = catalog.calibrations
    entries = {name: Entry(model=model, file=str(SPECS / f"{name}.json"), ours=True) for name, model in changed.items()}
    return replace(catalog, calibrations=replace(shelf, entries=shelf.entries | entries))


def chip_family(hardware: str) -> str:
    """Return what is left out together: a chip and its variants."""
    return next((name for name in ("a100", "h100", "v100", "p100") if name in hardware), hardware)


def rounded(value: float) -> float:
    """Return a value to three digits."""
    return float(f"{value:.3g}")


def share(value: float) -> dict[str, Any]:
    """Return a ratio as a spec has it."""
    return {"value": rounded(value), "unit": "1", "source": FIT}


def ratio(value: float) -> dict[str, Any]:
    """Return a ratio of an interval, to the four digits that `advise calibrate` writes: choices turn on the third."""
    return {"value": fitted_digits(value), "unit": "1", "source": FIT}


# Kernels.


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A fit of kernels of one kind, and its relative errors on the shapes that it did not see."""

    key: Key
    constants: KernelConstants
    errors: Array


def calibrate_kernels(catalog: Catalog, groups: Mapping[Key, Kernels]) -> dict[str, Calibration]:
    """Return the calibrations of measured chips and of families, with their kernels."""
    family_catalog = networks.unmeasured(catalog)
    outcomes = [fitted(family_catalog, key, measured) for key, measured in groups.items()]
    changed: dict[str, Calibration] = {}
    for hardware in sorted({outcome.key.hardware for outcome in outcomes}):
        own = tuple(outcome.constants for outcome in outcomes if outcome.key.hardware == hardware)
        known = chip_calibration(catalog, hardware)
        fresh = {outcome.key.operator for outcome in outcomes}
        others = tuple(k for k in known.kernels if k.operator not in fresh)
        whole = sorted((*own, *others), key=lambda k: (k.operator, k.format, k.software or ""))
        changed[hardware] = known.model_copy(update={"kernels": tuple(whole)})
    for name, memory in FAMILIES.items():
        members = {key: m for key, m in groups.items() if memory in catalog.accelerators[key.hardware].memory.type}
        kinds = sorted({(key.operator, key.format) for key in members if key.operator == "gemm" and key.format == "bf16"})
        if not kinds:
            continue
        shared = tuple(family(family_catalog, name, {k: m for k, m in members.items() if (k.operator, k.format) == kind})
                       for kind in kinds)  # fmt: skip
        known = catalog.calibrations[name]
        others = tuple(k for k in known.kernels if (k.operator, k.format) not in kinds)
        changed[name] = known.model_copy(update={"kernels": (*shared, *others), "sources": known.sources | sources()})
    return changed


def fitted(catalog: Catalog, key: Key, measured: Kernels) -> Outcome:
    """Return the constants of one kind of kernels, fitted to three quarters of its shapes, at the clock of its chip."""
    begin = prototype(catalog, key).model_copy(update={"reference_clock": None, "clocked": None})
    machine, away = machine_of(catalog, key, begin), kernels.held_out(measured)
    found = kernels.fit_kernels(
        [(machine, measured.where(~away))],
        kernels.priors(begin, spread=1.0),
        most=MOST,
        starts=STARTS if key.operator == "gemm" else 1,
    )
    errors = relative(machine, found.values, measured.where(away))
    print(f"  {key.operator:12}{key.hardware:26}{key.format:13}{key.software:18}{figures(errors)}", flush=True)
    return Outcome(key=key, constants=with_values(begin, found.values, errors), errors=errors)


def prototype(catalog: Catalog, key: Key) -> KernelConstants:
    """Return where a fit begins: the constants of kernels that nobody measured, in whatever else the family has of its own."""
    found = catalog.constants[key.hardware].kernel(key.operator, key.format)
    if found is None:
        raise LookupError(f"no constants to begin with for {key.operator} on {key.hardware}")
    known = {(k.operator, k.format): k for k in catalog.calibrations[UNMEASURED].kernels}
    begin = next(known[key.operator, f] for f in (key.format, *SIXTEEN_BITS, found.format) if (key.operator, f) in known)
    turns = next((n for name, n in ROTATIONS.items() if key.software.startswith(name)), 1)
    return found.model_copy(
        update={
            "format": key.format,
            "software": key.software,
            "rotations": turns if key.operator == "gemm" else 1,
            "residual": None,
        }
        | {name: getattr(begin, name) for name in kernels.CONSTANTS[key.operator]}
    )


def machine_of(catalog: Catalog, key: Key, constants: KernelConstants) -> KernelMachine:
    """Return the machine of some constants."""
    return kernel_machine(catalog.accelerators[key.hardware], catalog.constants[key.hardware], constants, key.format)


def relative(machine: KernelMachine, values: Mapping[str, float], measured: Kernels) -> Array:
    """Return estimate over measured time, less one."""
    return kernels.estimate(kernels.changed(machine, values), measured) / measured.seconds - 1.0


def family(catalog: Catalog, name: str, members: Mapping[Key, Kernels]) -> KernelConstants:
    """Return the constants of a family, with the residuals of its chips left out one by one."""
    begin = {key: prototype(catalog, key) for key in members}
    parts = {key: (machine_of(catalog, key, begin[key]), measured) for key, measured in members.items()}
    prior = kernels.priors(next(iter(begin.values())), spread=1.0)
    errors = []
    for left in sorted({chip_family(key.hardware) for key in members}):
        seen = [part for key, part in parts.items() if chip_family(key.hardware) != left]
        if not seen:
            continue
        found = kernels.fit_kernels(seen, prior, most=3 * MOST, starts=STARTS)
        away = [relative(machine, found.values, m) for key, (machine, m) in parts.items() if chip_family(key.hardware) == left]
        errors.append(np.concatenate(away))
        print(f"  {name} without {left:26}{figures(errors[-1])}", flush=True)
    whole = kernels.fit_kernels(list(parts.values()), prior, most=3 * MOST, starts=STARTS)
    constants = next(iter(begin.values())).model_copy(update={"software": None})
    return with_values(constants, whole.values, np.concatenate(errors), expected([1.0 / (1.0 + e) for e in errors]))


def with_values(
    constants: KernelConstants, values: Mapping[str, float], errors: Array, ratios: Sequence[Array] = ()
) -> KernelConstants:
    """Return constants with fitted values, to three digits, and their residuals; `ratios` make the interval, if given."""
    update: dict[str, Any] = {}
    for name, value in values.items():
        old = getattr(constants, name)
        scale = old.si / old.value if old.value else 1.0
        update[name] = old.model_copy(update={"value": rounded(value / scale), "source": FIT, "note": None})
    if constants.contraction_step is not None:
        update["contraction_step"] = constants.contraction_step.model_copy(update={"source": FIT})
    if constants.host_sharpness is not None:
        update["host_sharpness"] = constants.host_sharpness.model_copy(update={"source": FIT, "note": ASSUMED})
    return constants.model_copy(update=update | {"residual": residual(errors, ratios)})


def residual(errors: Array, ratios: Sequence[Array]) -> Residual:
    """Return what a spec says of relative errors, with an interval of measured over estimated time."""
    ratio = np.concatenate(ratios) if ratios else 1.0 / (1.0 + errors)
    return Residual.model_validate(
        {
            "points": len(errors),
            "median": share(float(np.median(abs(errors)))),
            "mean": share(float(abs(errors).mean())),
            "bias": round(float(errors.mean()), 3),
            "p10": share(float(np.quantile(ratio, LOW))),
            "p90": share(float(np.quantile(ratio, HIGH))),
        }
    )


def figures(errors: Array) -> str:
    """Return the errors of one kind in a line."""
    median, mean, bias = 100 * np.median(abs(errors)), 100 * abs(errors).mean(), 100 * errors.mean()
    return f"{len(errors):7} points  median {median:5.1f} %  mean {mean:5.1f} %  bias {bias:+5.1f} %"


# Networks.


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
    adjusted = {name: networks.adjusted(machine, whole.values) for name, machine in machines.items()}
    each: dict[str, Measured] = {}
    for hardware in sorted({t.sweep.hardware for t in tuned}):
        found = measured_chip([t for t in judged if t.sweep.hardware == hardware], adjusted)
        errors, values = 1 / Residuals.joined(found.parts).ratio - 1, {k: rounded(v) for k, v in found.numbers.items()}
        print(f"  {hardware:26}{figures(errors)}  {values}", flush=True)
        each[hardware] = found
    return changed | chips(with_calibrations(catalog, changed), each)


@dataclass(frozen=True, kw_only=True)
class Residuals:
    """Measured over estimated time of points that a fit did not see, and the share of launches in the estimate."""

    ratio: Array
    launch: Array
    batch: Array

    @staticmethod
    def joined(parts: Iterable[Residuals]) -> Residuals:
        """Return all together."""
        found = list(parts)
        return Residuals(
            ratio=np.concatenate([p.ratio for p in found]),
            launch=np.concatenate([p.launch for p in found]),
            batch=np.concatenate([p.batch for p in found]),
        )


def expected(groups: Sequence[Array]) -> list[Array]:
    """Return the ratios to expect of one more group, where those of a group (a chip, a sweep) go together.

    K groups tell little of how far groups lie apart. So the distances of their means count more by sqrt((K + 1) / (K - 1)):
    1.22 for five and 1.13 for eight, where Student's t of K - 1 over the normal quantile is 1.20 and 1.10 at 90 %.
    """
    count = len(groups)
    if count == 1:
        return [*groups]
    means = np.array([np.log(group).mean() for group in groups])
    further = np.exp((np.sqrt((count + 1) / (count - 1)) - 1.0) * (means - means.mean()))
    return [group * factor for group, factor in zip(groups, further, strict=True)]


def predictive(groups: Sequence[Residuals]) -> Residuals:
    """Return the residuals to expect of one more chip, or sweep."""
    ratios = expected([group.ratio for group in groups])
    return Residuals.joined(replace(group, ratio=ratio) for group, ratio in zip(groups, ratios, strict=True))


def residuals(target: Target, machine: Machine) -> Residuals:
    """Return how a machine's estimate stands to what was measured."""
    if target.best:
        ratio = target.sweep.seconds / networks.times(target, machine)
        return Residuals(ratio=ratio, launch=np.zeros_like(ratio), batch=target.sweep.batches)
    points = networks.points(target, machine)
    latency = points.latency_estimate_s[0]
    launches = machine.launch * machine.time_factor * len(target.network.kernels)
    return Residuals(ratio=target.sweep.seconds / latency, launch=np.minimum(1.0, launches / latency),
                     batch=target.sweep.batches)  # fmt: skip


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


def interval(found: Residuals, level: str, basis: str) -> Interval:
    """Return the ratios of an interval: quantiles of the residuals as a blend of launches and all else."""
    low, high = (blend(found, quantile) for quantile in (LOW, HIGH))
    return Interval.model_validate(
        {
            "level": level, "p10": ratio(min(low[0], 1.0)), "p90": ratio(max(high[0], 1.0)),
            "launch_p10": ratio(min(low[1], 1.0)), "launch_p90": ratio(max(high[1], 1.0)), "basis": basis,
        }
    )  # fmt: skip


def blend(found: Residuals, quantile: float) -> tuple[float, float]:
    """Return the ratios of all else and of launches that a share of the points stays below (quantile regression)."""

    def loss(pair: Array) -> float:
        over = found.ratio - (pair[0] * (1 - found.launch) + pair[1] * found.launch)
        return float(np.where(over > 0, quantile * over, (quantile - 1) * over).sum())

    begin = np.full(2, np.quantile(found.ratio, quantile))
    if len(found.ratio) < FEW:
        return float(begin[0]), float(begin[1])
    best = minimize(loss, begin, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-6, "maxiter": 2000}).x
    return float(best[0]), float(np.clip(best[1], best[0] / APART, best[0] * APART))


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


def with_network(known: Calibration, factors: Mapping[str, float]) -> Calibration:
    """Return a calibration with its constants of networks as fitted: its priors by the factors."""
    network, prior = known.network, known.prior
    if network is None or prior is None:
        raise LookupError(f"{known.id} has no constants of networks, or no priors of them")
    constants = network.model_copy(
        update={n: refitted(getattr(network, n), getattr(prior, n).si * factors[n]) for n in networks.NETWORK}
    )
    return known.model_copy(update={"network": constants, "sources": known.sources | sources()})


def refitted(known: Any, si: float) -> Any:
    """Return a quantity with a fitted value in its own unit, given in the base unit; its note stays."""
    return known.model_copy(update={"value": rounded(si * known.value / known.si), "source": FIT})


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


def calibrated(groups: Sequence[Sequence[Array]], basis: str) -> Spread:
    """Return the interval of one more sweep that chips, or hosts, have in common once they are calibrated."""
    low, high = spread.pooled(groups)
    return Spread.model_validate({"p10": ratio(low), "p90": ratio(high), "basis": basis})


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


def common_of(known: Spread) -> spread.Common:
    """Return what a family says of its calibrated chips, or hosts, as a fit takes it."""
    return spread.Common(p10=known.p10.si, p90=known.p90.si, sweeps=MEASURED, basis=known.basis)


def sibling(catalog: Catalog, hardware: str, numbers: Correction, wide: spread.Pair) -> Calibration:
    """Return the calibration of a measured chip's variants; a file of their kernels may stand beside it."""
    name = catalog.accelerators[hardware].name
    basis = f"measured is {name}; its residuals are widened by a fifth"
    own = {"level": "sibling measured", "p10": ratio(wide[0]), "p90": ratio(wide[1]), "basis": basis}
    return Calibration.model_validate(
        {"$schema": SCHEMA, "id": f"{hardware}-siblings", "name": f"Variants of {name}: its two numbers",
         "applies_to": {"hardware": list(SIBLINGS[hardware])}, "sources": sources(), "correction": numbers, "interval": own}
    )  # fmt: skip


# Runtimes that do not tune every kernel.


def calibrate_runtimes(catalog: Catalog, sweeps: Sequence[Sweep]) -> dict[str, Calibration]:
    """Return the calibration of what frameworks share: how far they stay behind, their hosts' time, how much both differ."""
    known = catalog.calibrations[RUNTIMES]
    base = networks.unmeasured(catalog)
    profiles = dict(known.runtimes)
    for names in ALIKE:
        name = names[0]
        each = [t for t in networks.targets([s for s in sweeps if s.runtime in names], base) if catalog_kind(base, t) == "gpu"]
        machines = {t.sweep.id: base.machine(t.sweep.hardware, t.sweep.dtype, t.sweep.runtime) for t in each}
        values = fit_runtime(each, machines, name)
        hosts: dict[tuple[str, str], list[Residuals]] = defaultdict(list)
        for one in each:
            found = runtime_residuals(one, with_host(machines[one.sweep.id], values))
            hosts[one.sweep.hardware, one.sweep.software].append(found)
        parts = [Residuals.joined(found) for found in hosts.values()]
        errors = 1 / Residuals.joined(parts).ratio - 1
        print(f"  {name:12}{figures(errors)}  { ({k: rounded(v) for k, v in values.items()}) }", flush=True)
        profile = known.runtimes[name]
        update = {"device_share": refitted(profile.device_share, values["device_share"])}
        if profile.host is not None:
            update["host"] = refitted(profile.host, values["host"])
        basis = profile.interval.basis if profile.interval else name
        update["interval"] = interval(predictive(parts), "family prior", basis)
        profiles |= {one: known.runtimes[one].model_copy(update=update) for one in names}
    changed = known.model_copy(update={"runtimes": profiles, "sources": known.sources | sources()})
    found_hosts = calibrated_hosts(with_calibrations(catalog, {known.id: changed}), sweeps)
    return {known.id: with_calibrated(changed, list(found_hosts.values()))}


Host = tuple[str, str, str]
"""Chip, software and source of sweeps that were measured on one host."""


def host_of(sweep: Sweep) -> Host:
    """Return the host of a sweep."""
    return sweep.hardware, sweep.software, sweep.source


def calibrated_hosts(catalog: Catalog, sweeps: Sequence[Sweep]) -> dict[Host, tuple[Array, ...]]:
    """Return the residuals of the sweeps of every framework's host of two and more, each by `advise calibrate` to the others.

    Of many sweeps of a host some are enough, from all over them.
    """
    groups: dict[Host, list[Sweep]] = defaultdict(list)
    for sweep in sweeps:
        if sweep.runtime != GRAPH and catalog.accelerators[sweep.hardware].kind == "gpu":
            groups[host_of(sweep)].append(sweep)
    found = {}
    for host, own in groups.items():
        some = [own[place] for place in np.unique(np.linspace(0, len(own) - 1, ENOUGH).round().astype(int))]
        if len(own) > 1:
            evidence = Evidence(published=Published(sweeps=tuple(some)), sources=())
            parts = [part for part in calibrate(host[0], evidence, catalog).parts if isinstance(part, NetworkPart)]
            found[host] = tuple(sweep for part in parts if len(part.own) > 1 for sweep in part.own)
    return {host: own for host, own in found.items() if own}


def with_calibrated(known: Calibration, hosts: Sequence[Sequence[Array]]) -> Calibration:
    """Return the calibration of runtimes with the interval that calibrated hosts have in common, whatever they run."""
    common = calibrated(hosts, f"{len(hosts)} calibrated hosts, each sweep by a fit to the others")
    profiles = {
        name: profile.model_copy(update={"interval": profile.interval.model_copy(update={"calibrated": common})})
        if profile.interval and name != GRAPH
        else profile
        for name, profile in known.runtimes.items()
    }
    return known.model_copy(update={"runtimes": profiles})


def catalog_kind(catalog: Catalog, target: Target) -> str:
    """Return the kind of a sweep's chip."""
    return catalog.accelerators[target.sweep.hardware].kind


HOST: Final = {"host": Prior(value=3e-5, spread=0.7), "device_share": Prior(value=0.75, spread=0.4)}
RUNTIME: Final = {
    "compiled": {"device_share": Prior(value=0.7, spread=0.4)},
    "session": HOST,
    "eager": HOST,
    "eager_v1": HOST,
}
"""What is fitted of a runtime: time of the host per operator [s], and the rate of its kernels over tuned ones."""
ALIKE: Final = (("compiled",), ("session",), ("eager", "eager_v1"))
"""Runtimes that have what is fitted in common: frameworks of two times differ in their attention."""


def with_host(machine: Machine, values: Mapping[str, float]) -> Machine:
    """Return a machine with other numbers of its runtime."""
    return replace(machine, host=values.get("host", machine.host), time_factor=1.0 / values["device_share"])


def fit_runtime(each: Sequence[Target], machines: Mapping[str, Machine], name: str) -> Mapping[str, float]:
    """Return the numbers of a runtime, every sweep counting the same."""
    measured = np.concatenate([t.sweep.seconds for t in each])
    weights = np.concatenate([np.full(len(t.sweep.seconds), 1.0 / len(t.sweep.seconds)) for t in each])

    def predicted(values: Mapping[str, float]) -> Array:
        return np.concatenate([networks.times(t, with_host(machines[t.sweep.id], values)) for t in each])

    return fit(predicted, measured, RUNTIME[name], weights=weights).values


def runtime_residuals(target: Target, machine: Machine) -> Residuals:
    """Return how the estimate stands to what was measured; what the host takes counts as launches."""
    latency = networks.times(target, machine)
    launches = machine.launch * machine.time_factor * len(target.network.kernels)
    host = machine.host * target.network.launches
    share_of_launches = np.minimum(1.0, np.maximum(launches, host) / latency)
    return Residuals(ratio=target.sweep.seconds / latency, launch=share_of_launches, batch=target.sweep.batches)


def sources() -> dict[str, Source]:
    """Return the source of everything that this benchmark fits."""
    return {
        FIT: Source(
            title="Fit by benchmarks/calibrate_catalogue.py to published measurements; docs/accuracy.md has data and errors",
            publisher="Roofwise", date=datetime.now(tz=UTC).date().isoformat(),
        )
    }  # fmt: skip


def chip_calibration(catalog: Catalog, hardware: str) -> Calibration:
    """Return the calibration that a chip has, or an empty one."""
    if hardware in catalog.calibrations.entries:
        return catalog.calibrations[hardware]
    chip = catalog.accelerators[hardware]
    return Calibration.model_validate(
        {
            "$schema": SCHEMA,
            "id": hardware,
            "name": f"{chip.name}, as measured",
            "applies_to": {"hardware": [hardware]},
            "sources": sources(),
        }
    )


if __name__ == "__main__":
    main()
