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
from engine.passes import kernels_on
from engine.quantity import Fraction
from engine.single import KernelMachine, kernel_machine

from ..inputs import RequestError
from . import kernels as single
from .evidence import Evidence, points
from .fit import NOISE, Prior
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
"""Points below which their 10th and 90th percentile say too little by themselves."""
HELD_OUT_FROM: Final = 20
SHARED: Final = 0.5
"""The part of a family's squared error that is the chip's own, so that measuring the chip takes it away."""
HALF: Final = 0.5

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
    """The interval of a chip: measured over estimated time, also where launches take all of it."""

    p10: float
    p90: float
    launch_p10: float | None
    launch_p90: float | None
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
    """Networks in one runtime; `unseen` are the errors of every sweep when it is predicted without itself."""

    runtime: str
    unseen: Errors | None
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

    def launch_shares(self, values: Mapping[str, float]) -> Array:
        """Return what share of each point's estimate launches are, of the device or of the host."""
        shares = []
        for target in self.each:
            m = self.change(self.machines[target.sweep.dtype], values)
            count = sum(number for _, number in kernels_on(target.network, m))
            launches_s = max(m.time_factor * m.launch * count, m.host * target.network.launches)
            shares.append(launches_s / times(target, m))
        return np.concatenate(shares)


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
        part = _network_part(runtime, _networks(chip, constants, runtime, each))
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


def _network_part(runtime: str, data: _Networks) -> NetworkPart | None:
    """Return what was fitted, or None where the chip has no estimate."""
    measured, family = data.measured, data.family
    if not np.isfinite(family).all():
        return None
    found = posterior(data.predict, measured, data.priors)
    estimated = data.predict(found.values)
    alone = _unseen(data)
    sweeps = len(data.each)
    return NetworkPart(
        title=f"networks, {runtime}", runtime=runtime, points=len(measured), posterior=found,
        about=f"{_plural(points(t.sweep for t in data.each), 'point')} in {_plural(sweeps, 'sweep')}",
        errors_of="all points", before=errors(family, measured), after=errors(estimated, measured),
        unseen=None if alone is None else errors(alone, measured),
        ratios=_ratios(data, found, estimated if alone is None else alone, sweeps),
        following=_next_network(data, found),
    )  # fmt: skip


def _plural(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _unseen(data: _Networks) -> Array | None:
    """Return the estimate of every sweep by a fit to the others [s], or None where there are no others."""
    count = min(len(data.each), FOLDS)
    if count <= 1:
        return None
    estimates: list[Array] = [np.empty(0)] * len(data.each)
    for fold in range(count):
        inside = [index for index in range(len(data.each)) if index % count != fold]
        train = data.only([data.each[index] for index in inside])
        values = posterior(train.predict, train.measured, data.priors).values
        for index in set(range(len(data.each))) - set(inside):
            estimates[index] = data.only([data.each[index]]).predict(values)
    return np.concatenate(estimates)


def _ratios(data: _Networks, found: Posterior, estimated: Array, sweeps: int) -> Ratios:
    """Return the interval of the chip, with one of its own for launches where they are over half of some points."""
    ratio = data.measured / estimated
    launching = data.launch_shares(found.values) > HALF
    m = next(iter(data.machines.values()))
    learned = next(c.learned for c in found.constants if c.name in {"time_factor", "device_share"})
    rest = ratio[~launching]
    p10, p90 = interval(rest, (m.ratio_p10, m.ratio_p90), learned, sweeps)
    launch: tuple[float | None, float | None] = (None, None)
    if launching.any():
        launch = interval(ratio[launching], (m.launch_ratio_p10, m.launch_ratio_p90), learned, sweeps)
    how = ", each predicted without itself" if sweeps > 1 else ""
    halves = [rest, ratio[launching]] if launching.any() else [rest]
    few = sweeps <= 1 or any(len(half) < ENOUGH for half in halves)
    how += "; few, so widened by the family's interval" if few else ""
    about_ = f"{_plural(len(ratio), 'point')} in {_plural(sweeps, 'sweep')}{how}"
    return Ratios(p10=p10, p90=p90, launch_p10=launch[0], launch_p90=launch[1], basis=about_)


def interval(ratio: Array, family: tuple[float, float], learned: float, sweeps: int) -> tuple[float, float]:
    """Return the 10th and 90th percentile of measured over estimated time that a chip is given.

    Beside them stands the family's interval without the part of its squared error that is the chip's own, as far as the chip's
    factor is learned: [10th and 90th percentile]^sqrt(1 - learned / 2). Points of one sweep go together, so that sweeps count:
    of K the interval is own^(K / (K + 1)) family^(1 / (K + 1)). One sweep, or fewer than ten points, say too little: the
    interval is at least the family's. It is never narrower than the noise of measurements, 5 %.

    >>> interval(np.array([1.02]), (0.8, 1.25), 0.0, 1)
    (0.8, 1.25)
    >>> [round(ratio, 3) for ratio in interval(np.ones(10), (0.8, 1.25), 1.0, 2)]
    [0.918, 1.089]
    """
    low, high = 1.0 / (1.0 + NOISE), 1.0 + NOISE
    if len(ratio):
        low, high = min(low, float(np.quantile(ratio, 0.1))), max(high, float(np.quantile(ratio, 0.9)))
    kept = float(np.sqrt(1.0 - SHARED * learned))
    wide = family[0] ** kept, family[1] ** kept
    if len(ratio) < ENOUGH or sweeps <= 1:
        return min(low, wide[0]), max(high, wide[1])
    own = sweeps / (sweeps + 1)
    return min(low**own * wide[0] ** (1 - own), 1 / (1 + NOISE)), max(high**own * wide[1] ** (1 - own), 1 + NOISE)


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
