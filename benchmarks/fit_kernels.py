"""The fit of single kernels: of each chip, operator and format, and of families with chips left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from residuals import expected
from shipped import FAMILIES, FIT, chip_calibration, chip_family, figures, rounded, share, sources

from advisor.lab import kernels, networks
from advisor.lab.kernels import Key
from advisor.lab.points import Array, Kernels
from advisor.lab.spread import HIGH, LOW
from engine.calibration import SIXTEEN_BITS, Calibration, KernelConstants, Residual
from engine.catalog import Catalog
from engine.single import KernelMachine, kernel_machine

ROTATIONS: Final = {"vllm": 6, "trtllm": 3}
"""Sets of weights that the benchmarks of a framework alternate between; TensorRT-LLM's have one to five."""
MOST: Final = 2000
STARTS: Final = 5
"""Fits of products begin at so many places: launch and fill, sustained share and drain can stand for each other."""
ASSUMED: Final = "assumed, not fitted"
UNMEASURED: Final = "gpu-kernels"
"""Calibration of kernels that nobody measured: round numbers, at which every fit of kernels begins."""


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
