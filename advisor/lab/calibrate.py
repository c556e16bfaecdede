"""The constants of one chip from measurements: what was fitted, how far it is off, and what to measure next."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from engine.accelerator import Accelerator
from engine.assembly import machine, si_of
from engine.calibration import Correction, KernelConstants, Resolved
from engine.catalog import Catalog
from engine.compiled import estimate
from engine.errors import UnknownNameError
from engine.machine import GRAPH, Machine
from engine.network import Network
from engine.quantity import Fraction
from engine.single import KernelMachine, kernel_machine

from ..inputs import RequestError
from . import kernels as single
from .evidence import Evidence, points
from .fit import Prior
from .networks import (
    CLASS,
    CLASS_PRIOR,
    CORRECTION,
    PROBED_PRIOR,
    Target,
    class_factors,
    corrected,
    targets,
    times,
    unmeasured,
    weighty,
)
from .points import Array, Kernels
from .posterior import Constant, Posterior, Predict, about, posterior
from .spread import Common, interval, standardized

HOST_SPREAD: Final = 0.5
SHARE_SPREAD: Final = 0.3
"""Standard deviations of the logarithms of a framework's host time and device share, about those of its family."""
LAUNCH_SPREAD: Final = 0.25
"""The same of a launch in a runtime whose host does not count, as chips differ from their family in a graph."""
FORMAT_SPREAD: Final = 0.1
"""The same of how far the host and the kernels of a number format lie from those of all formats."""
OF_FORMAT: Final = ("host", "device_share")
"""Constants of a runtime that a number format may have of its own."""
USUAL: Final = np.log(1.25 / 0.82)
"""Width of a family's interval to which the priors of a chip's correction belong; a wider interval means wider priors."""
FARTHEST: Final = 2.0
FOLDS: Final = 12
"""At most so many fits find the error of sweeps that a fit did not see."""
ENOUGH: Final = 10
"""Kernels below which their 10th and 90th percentile say too little by themselves."""
HELD_OUT_FROM: Final = 20
SHARED: Final = 0.5
"""The part of a family's squared error that is the chip's own, so that measuring the chip takes it away."""
MEASURED: Final = 8.0
GUESSED: Final = 1.0
"""Sweeps that an interval which chips or hosts have in common counts as, where many were measured and where it is a guess."""

BATCHES: Final = tuple(2**power for power in range(9))
ROWS: Final = (1, 16, 128, 1024, 8192)
WIDTHS: Final = ((1024, 1024), (4096, 4096), (16384, 4096), (4096, 16384))
"""What is looked at for what to measure next: batches of measured networks; rows, and columns and contraction, of products."""


@dataclass(frozen=True, kw_only=True)
class Errors:
    """How far estimates lie from what was measured: shares of the measured time, and measured over estimated."""

    points: int
    median: float
    mean: float
    bias: float
    p10: float
    p90: float


@dataclass(frozen=True, kw_only=True)
class Ratios:
    """The interval of a chip: measured over estimated time."""

    p10: float
    p90: float
    basis: str


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Something to measure next, and the standard deviation of the logarithm of its estimate."""

    what: str
    uncertainty: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """What was fitted together. `errors_of` says which points the errors before and after are about."""

    title: str
    about: str
    points: int
    posterior: Posterior
    errors_of: str
    before: Errors
    after: Errors
    following: Candidate | None

    @property
    def constants(self) -> tuple[Constant, ...]:
        """Return what was fitted; a number format's factor on a constant of a runtime as what it makes of that constant."""
        whole = [(constant, of_all(constant.name)) for constant in self.posterior.constants]
        return tuple(self.posterior.times(name, constant.name) if name else constant for constant, name in whole)


def of_all(name: str) -> str:
    """Return the constant of all formats that one of a format is a factor on, or nothing.

    >>> of_all("host_fp16"), of_all("host")
    ('host', '')
    """
    return next((whole for whole in OF_FORMAT if name.startswith(f"{whole}_")), "")


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkPart(Part):
    """Networks in one runtime; `unseen` are the errors of every sweep when it is predicted without itself.

    `own` are the residuals that the interval rests on, sweep by sweep, as lab/spread.py has them.
    """

    runtime: str
    unseen: Errors | None
    own: tuple[Array, ...]
    ratios: Ratios


@dataclass(frozen=True, kw_only=True, eq=False)
class KernelPart(Part):
    """Single kernels of one operator in one format."""

    family: KernelConstants
    format: str
    software: str
    held_out: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """All that was fitted to a chip, the family's constants that it began with, and what was left out and why."""

    chip: Accelerator
    family: Resolved
    parts: tuple[Part, ...]
    left_out: tuple[str, ...]


def errors(estimated: Array, measured: Array) -> Errors:
    """Return how far estimates [s] lie from measurements [s].

    >>> errors(np.array([1.1, 0.9]), np.array([1.0, 1.0])).bias
    0.0
    """
    error, ratio = estimated / measured - 1.0, measured / estimated
    return Errors(
        points=len(measured), median=float(np.median(abs(error))), mean=float(abs(error).mean()),
        bias=round(float(error.mean()), 12), p10=float(np.quantile(ratio, 0.1)), p90=float(np.quantile(ratio, 0.9)),
    )  # fmt: skip


def calibrate(hardware: str, evidence: Evidence, catalog: Catalog) -> Fitted:
    """Return what measurements of a chip say about its constants, about those of its family. Raises RequestError.

    What the catalogue has for this very chip is left aside, so that a fit does not depend on an earlier one. Without a graph
    among the measurements the correction that the chip has stays in force, so the other runtimes are fitted on top of it.
    """
    chip, family = catalog.accelerators[hardware], unmeasured(catalog).constants[hardware]
    left_out: list[str] = []
    parts = [*_network_parts(chip, family, evidence, catalog, left_out), *_kernel_parts(chip, family, evidence, left_out)]
    if not parts:
        raise RequestError(f"nothing of {hardware} can be fitted: {'; '.join(left_out)}")
    return Fitted(chip=chip, family=family, parts=tuple(parts), left_out=tuple(left_out))


# Whole networks.


@dataclass(frozen=True, kw_only=True, eq=False)
class _Networks:
    """Sweeps in one runtime: their estimates as a function of the constants that are fitted."""

    each: tuple[Target, ...]
    machines: Mapping[str, Machine]
    priors: Mapping[str, Prior]
    change: Callable[[Machine, Mapping[str, float]], Machine]

    @property
    def measured(self) -> Array:
        return np.concatenate([target.sweep.seconds for target in self.each])

    def predict(self, values: Mapping[str, float]) -> Array:
        return np.concatenate([times(t, self.change(self.machines[t.sweep.dtype], values)) for t in self.each])

    @property
    def family(self) -> Array:
        return self.predict({name: prior.value for name, prior in self.priors.items()})

    def only(self, each: Sequence[Target]) -> _Networks:
        return replace(self, each=tuple(each))

    def by_sweep(self, values: Array) -> tuple[Array, ...]:
        """Return what is of all points, sweep by sweep."""
        return tuple(np.split(values, np.cumsum([len(target.sweep.seconds) for target in self.each])[:-1]))


def _network_parts(
    chip: Accelerator, family: Resolved, evidence: Evidence, catalog: Catalog, left_out: list[str]
) -> Iterator[NetworkPart]:
    """Yield what networks say in each runtime. What a graph says about the chip holds in the others, too."""
    constants = family
    if all(sweep.runtime != GRAPH for sweep in evidence.sweeps):
        constants = replace(family, correction=catalog.constants[chip.id].correction)
    runtimes = sorted({sweep.runtime for sweep in evidence.sweeps}, key=lambda name: (name != GRAPH, name))
    for runtime in runtimes:
        if not family.runs(runtime):
            left_out.append(f"the catalogue has no constants of the runtime {runtime}")
            continue
        each = targets([sweep for sweep in evidence.sweeps if sweep.runtime == runtime], catalog)
        part = _network_part(runtime, _networks(chip, constants, runtime, each), _common(constants, runtime))
        if part is None:
            left_out.append(f"networks in {runtime}: the spec of {chip.id} lacks figures that an estimate needs")
            continue
        if runtime == GRAPH:
            constants = _with_correction(constants, part)
        yield part


def _with_correction(family: Resolved, part: NetworkPart) -> Resolved:
    factors = {name: Fraction(value=value, unit="1", source="fit") for name, value in part.posterior.values.items()}
    classes = {name: factors.pop(f"{CLASS}{name}") for name in class_factors(part.posterior.values)}
    return replace(family, correction=Correction.model_validate({**factors, "class_factors": classes}))


def _networks(chip: Accelerator, constants: Resolved, runtime: str, each: Sequence[Target]) -> _Networks:
    machines = {dtype: machine(chip, constants, dtype, runtime) for dtype in {target.sweep.dtype for target in each}}
    if runtime == GRAPH:
        priors = _correction_priors(constants)
        if constants.form == "rated":
            priors |= {"time_factor": PROBED_PRIOR} | {f"{CLASS}{name}": CLASS_PRIOR for name in weighty(each, machines)}
        return _Networks(each=tuple(each), machines=machines, priors=priors, change=corrected)
    priors = _runtime_priors(constants, runtime, sorted(machines))

    def change(m: Machine, values: Mapping[str, float]) -> Machine:
        def changed(name: str) -> float:
            parts = [part for part in (name, f"{name}_{m.dtype}") if part in priors]
            return math.prod(values[part] / priors[part].value for part in parts)

        return replace(
            m, host=m.host * changed("host"), launch=m.launch * changed("launch"),
            time_factor=m.time_factor / changed("device_share"),
        )  # fmt: skip

    return _Networks(each=tuple(each), machines=machines, priors=priors, change=change)


def _runtime_priors(constants: Resolved, runtime: str, dtypes: Sequence[str]) -> dict[str, Prior]:
    """Return the priors of a runtime: of its host, or of its launch where none counts, and of the share of its kernels.

    Of several number formats each has factors of its own on host and share: a framework casts, or has slower kernels in some.
    What the family has for a format is where its factors begin.
    """
    profile = constants.runtimes[runtime]
    share = si_of(profile.device_share, 1.0)
    if profile.host and profile.host.si > 0:
        priors = {"host": Prior(value=profile.host.si, spread=HOST_SPREAD)}
    else:
        launch = constants.network.launch if profile.launch is None else profile.launch
        priors = {"launch": Prior(value=launch.si, spread=LAUNCH_SPREAD)}
    priors |= {"device_share": Prior(value=share, spread=SHARE_SPREAD)}
    for dtype in sorted({*(dtypes if len(dtypes) > 1 else ()), *profile.formats}):
        own = profile.within(dtype)
        begin = {"host": si_of(own.host), "device_share": si_of(own.device_share, 1.0)}
        priors |= {
            f"{name}_{dtype}": Prior(value=begin[name] / priors[name].value, spread=FORMAT_SPREAD)
            for name in OF_FORMAT
            if name in priors
        }
    return priors


def _correction_priors(constants: Resolved) -> dict[str, Prior]:
    """Return the priors of a chip's correction: as wide as chips of a family differ, wider where the family is a guess.

    It stays within two of their spreads. Beyond, the factors would make up for something else that the form lacks: the loss is
    soft, and many points of one kind could take them anywhere.
    """
    given = constants.interval
    wider = max(1.0, float(np.log(given.p90.si / given.p10.si) / USUAL))
    return {name: _held(prior.value, prior.spread * wider) for name, prior in CORRECTION.items()}


def _held(value: float, spread: float) -> Prior:
    far = float(np.exp(FARTHEST * spread))
    return Prior(value=value, spread=spread, low=value / far, high=value * far)


def _network_part(runtime: str, data: _Networks, common: Common) -> NetworkPart | None:
    """Return what was fitted, or None where the chip has no estimate."""
    measured, family = data.measured, data.family
    if not np.isfinite(family).all():
        return None
    found = posterior(data.predict, measured, data.priors)
    estimated = data.predict(found.values)
    alone, others = _unseen(data)
    sweeps = len(data.each)
    own = data.by_sweep(standardized(measured / (estimated if alone is None else alone), others))
    return NetworkPart(
        title=f"networks, {runtime}", runtime=runtime, points=len(measured), posterior=found,
        about=f"{_plural(points(t.sweep for t in data.each), 'point')} in {_plural(sweeps, 'sweep')}",
        errors_of="all points", before=errors(family, measured), after=errors(estimated, measured),
        unseen=None if alone is None else errors(alone, measured),
        own=own, ratios=_interval(own, common, len(measured)),
        following=_next_network(data, found),
    )  # fmt: skip


def _plural(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _unseen(data: _Networks) -> tuple[Array | None, int]:
    """Return the estimate of every sweep by a fit to the others [s], or None where there are no others, and how many.

    Of one sweep the fit itself has to do, which saw one.
    """
    count = min(len(data.each), FOLDS)
    if count <= 1:
        return None, 1
    estimates: list[Array] = [np.empty(0)] * len(data.each)
    for fold in range(count):
        inside = [index for index in range(len(data.each)) if index % count != fold]
        train = data.only([data.each[index] for index in inside])
        values = posterior(train.predict, train.measured, data.priors).values
        for index in set(range(len(data.each))) - set(inside):
            estimates[index] = data.only([data.each[index]]).predict(values)
    return np.concatenate(estimates), len(data.each) * (count - 1) // count


def _interval(own: Sequence[Array], common: Common, number: int) -> Ratios:
    """Return the interval of one more sweep of the chip, from its own and what chips or hosts have in common."""
    p10, p90 = interval(own, common)
    how = "a fit that saw it" if len(own) == 1 else "each predicted without itself"
    about_ = f"{_plural(number, 'point')} in {_plural(len(own), 'sweep')}, {how}, beside {common.basis}"
    return Ratios(p10=p10, p90=p90, basis=about_)


def _common(constants: Resolved, runtime: str) -> Common:
    """Return what calibrated chips, or hosts, of a family have in common: as measured, or a part of the family's interval.

    Half of a family's squared error is taken for the chip's own, which measuring it takes away, so that what was known of the
    chip before counts as one sweep; that is a guess, and counts as one sweep, too.
    """
    profile = constants.runtimes.get(runtime)
    known = (profile and profile.interval) or constants.interval
    if known.calibrated is not None:
        found = known.calibrated
        return Common(p10=found.p10.si, p90=found.p90.si, sweeps=MEASURED, basis=found.basis)
    kept = float(np.sqrt(1.0 - SHARED))
    low, high, basis = known.p10.si**kept, known.p90.si**kept, "a part of the family's interval"
    return Common(p10=low, p90=high, sweeps=GUESSED, before=SHARED / (1.0 - SHARED), basis=basis)


def _next_network(data: _Networks, found: Posterior) -> Candidate | None:
    """Return the batch of a measured network whose estimate is the least certain, of those that fit into memory."""
    measured = {(_label(t), int(batch)) for t in data.each for batch in t.sweep.batches}
    options = []
    for target in {_label(target): target for target in data.each}.values():
        fits = _batches_that_fit(target.network, data.machines[target.sweep.dtype])
        left = [batch for batch in fits if (_label(target), batch) not in measured]
        if left:
            options.append(replace(target, sweep=replace(target.sweep, batches=np.array(left, dtype=float))))
    if not options:
        return None
    names = [f"{_label(t)} at batch {batch:.0f}" for t in options for batch in t.sweep.batches]
    return _least_certain(names, data.only(options).predict, found)


def _batches_that_fit(network: Network, m: Machine) -> list[int]:
    memory = estimate(network, [m], np.array(BATCHES, dtype=float)).memory_bytes[0]
    return [batch for batch, used in zip(BATCHES, memory, strict=True) if not used > m.capacity]


def _label(target: Target) -> str:
    sizes = "".join(f", {name} {size}" for name, size in sorted(target.sweep.sizes.items()))
    return f"{target.sweep.workload} ({target.sweep.dtype}{sizes})"


def _least_certain(names: Sequence[str], predict: Predict, found: Posterior) -> Candidate:
    uncertainty = found.uncertainty(predict)
    index = int(np.argmax(uncertainty))
    return Candidate(what=names[index], uncertainty=float(uncertainty[index]))


# Single kernels.


def _kernel_parts(chip: Accelerator, family: Resolved, evidence: Evidence, left_out: list[str]) -> Iterator[KernelPart]:
    """Yield what single kernels say, for each operator, format and software for which the family has constants."""
    for key, measured in single.grouped(evidence.kernels).items():
        name = f"{key.operator} in {key.format}"
        constants = family.kernel(key.operator, key.format, key.software)
        if constants is None:
            left_out.append(f"{name}: the family has no constants of it")
            continue
        try:
            priors = single.priors(constants)
            base = kernel_machine(chip, family, constants, key.format)
        except (LookupError, UnknownNameError) as error:
            left_out.append(f"{name}: {error}")
            continue
        part = _kernel_part(base, constants, key, measured, priors)
        if part is None:
            left_out.append(f"{name}: the spec of {chip.id} lacks figures that an estimate needs")
        else:
            yield part


def _kernel_part(
    base: KernelMachine, constants: KernelConstants, key: single.Key, measured: Kernels, priors: dict[str, Prior]
) -> KernelPart | None:
    held = single.held_out(measured)
    some_held = len(measured) >= HELD_OUT_FROM and bool(held.any()) and not held.all()
    seen, judged = (measured.where(~held), measured.where(held)) if some_held else (measured, measured)
    errors_of = "shapes that the fit did not see" if some_held else "the points of the fit; too few to hold any out"

    def predicted(some: Kernels) -> Predict:
        return lambda values: single.estimate(single.changed(base, values), some)

    if not np.isfinite(single.estimate(base, measured)).all():
        return None
    values = single.fit_kernels([(base, seen)], priors).values
    few = single.sample(seen, 1000)
    found = about(predicted(few), few.seconds, priors, values)
    return KernelPart(
        title=f"{key.operator} in {key.format}, {key.software}", format=key.format, software=key.software, family=constants,
        held_out=some_held,
        about=_plural(len(measured), "point"), points=len(measured), posterior=found, errors_of=errors_of,
        before=errors(single.estimate(base, judged), judged.seconds),
        after=errors(predicted(judged)(values), judged.seconds),
        following=_next_product(key, predicted, found) if key.operator == "gemm" else None,
    )  # fmt: skip


def _next_product(key: single.Key, predicted: Callable[[Kernels], Predict], found: Posterior) -> Candidate:
    """Return the matrix product of a small grid whose estimate is the least certain."""
    shapes = np.array([(rows, *inner) for rows in ROWS for inner in WIDTHS], dtype=float)
    sizes: dict[str, Any] = dict(zip(("rows", "columns", "contraction"), shapes.T, strict=True))
    grid = Kernels(
        operator="gemm", hardware=key.hardware, format=key.format, software=key.software,
        columns=sizes | {"groups": np.ones(len(shapes))}, seconds=np.ones(len(shapes)),
    )  # fmt: skip
    names = [f"the product {rows:.0f} x {columns:.0f} x {inner:.0f} in {key.format}" for rows, columns, inner in shapes]
    return _least_certain(names, predicted(grid), found)
