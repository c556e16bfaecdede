"""How far the estimates lie from what was measured: point by point, in groups, and beside the roofline.

A point is one measured time with the bound, the estimate and its interval, and what the plain roofline says. An error is that
of the estimated time as a share of the measured one: 0.1 is 10 % too slow, -0.1 is 10 % too fast. Where the power was measured,
too, power and energy per sample are compared alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from engine import _compiled as forms
from engine.assembly import si_of
from engine.catalog import Catalog
from engine.compiled import estimate
from engine.errors import DomainError, UnknownNameError
from engine.machine import Machine
from engine.network import Network
from engine.passes import kernels_on
from engine.single import KernelMachine
from engine.solve import roof_curve

from . import bounds, names
from . import kernels as single
from .points import Array, Kernels, Mask, Published, Sweep

LABELS: Final = ("kind", "hardware", "dtype", "operator", "network", "runtime", "software")
"""What points may be grouped by. A kernel has no network and no runtime, a network no operator."""
DEFAULT_BY: Final = ("kind", "operator", "network", "dtype", "runtime")

Codes = npt.NDArray[np.int64]
Machines = Callable[[Sweep], Machine | None]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Label:
    """What points are about; an empty text does not apply. `sizes` are those of a network, as in "seq_len 128"."""

    kind: str
    hardware: str
    dtype: str
    operator: str = ""
    network: str = ""
    runtime: str = ""
    software: str = ""
    sizes: str = ""

    @property
    def what(self) -> str:
        """Return the operator or the network."""
        return self.operator or self.network


@dataclass(frozen=True, kw_only=True, eq=False)
class Points:
    """Measured times with what is said about them, as arrays of equal length; NaN is unknown.

    `labels[label[i]]` says what point i is about. `roof_s` is max(W/pi, Q/beta) of the whole, `layered_s` the sum over fused
    kernels of the same, for networks only. `launch_share` is the time of all launches, or of the host, over the estimate.
    `measured_w` and `estimate_w` are the mean power of the chip in a pass.
    """

    labels: tuple[Label, ...]
    label: Codes
    batch: Array
    measured_s: Array
    bound_s: Array
    p10_s: Array
    estimate_s: Array
    p90_s: Array
    roof_s: Array
    layered_s: Array
    launch_share: Array
    measured_w: Array
    estimate_w: Array

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.measured_s)

    def where(self, chosen: Mask | Codes) -> Points:
        """Return the points that a mask or places choose."""
        return Points(labels=self.labels, **{name: getattr(self, name)[chosen] for name in _COLUMNS})

    @property
    def estimated(self) -> Mask:
        """Return which points have an estimate."""
        return np.isfinite(self.estimate_s)

    @property
    def beaten(self) -> Mask:
        """Return which points are below the lower bound; there should be none."""
        return np.asarray(self.measured_s < self.bound_s, dtype=bool)


_COLUMNS: Final = tuple(field.name for field in fields(Points) if field.name != "labels")
_TIMES: Final = tuple(name for name in _COLUMNS if name not in ("label", "batch", "measured_s", "bound_s"))


def points_of(label: Label, measured_s: Array, bound_s: Array, batch: Array | None = None, **known: Array) -> Points:
    """Return points of one label; columns that are not given are unknown."""
    unknown = np.full(len(measured_s), np.nan)
    columns = {name: known.get(name, unknown) for name in _TIMES}
    return Points(
        labels=(label,), label=np.zeros(len(measured_s), dtype=np.int64), batch=unknown if batch is None else batch,
        measured_s=measured_s, bound_s=bound_s, **columns,
    )  # fmt: skip


def joined(parts: Sequence[Points]) -> Points:
    """Return all points together."""
    if not parts:
        return Points(labels=(), label=np.zeros(0, dtype=np.int64), **dict.fromkeys(_COLUMNS[1:], np.zeros(0)))
    starts = np.cumsum([0, *(len(part.labels) for part in parts[:-1])])
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS[1:]}
    return Points(
        labels=tuple(label for part in parts for label in part.labels),
        label=np.concatenate([part.label + start for part, start in zip(parts, starts, strict=True)]),
        **columns,
    )


# Networks.


def network_points(sweeps: Iterable[Sweep], catalog: Catalog, machines: Machines | None = None) -> Points:
    """Return every point of the sweeps; the estimate is that of `machines(sweep)`, without it the catalogue's.

    Without a machine (None) there is no estimate. The bound and the rooflines come from the chip alone.
    """
    machine_of = machines or partial(machine_for, catalog)
    return joined(
        [_sweep_points(sweep, catalog.network(sweep.workload, sweep.sizes), machine_of(sweep), catalog) for sweep in sweeps]
    )


def machine_for(catalog: Catalog, sweep: Sweep) -> Machine | None:
    """Return the catalogue's machine for a sweep, or None where nothing describes its runtime on the chip."""
    known = catalog.constants[sweep.hardware].runs(sweep.runtime)
    return catalog.machine(sweep.hardware, sweep.dtype, sweep.runtime) if known else None


def _sweep_points(sweep: Sweep, network: Network, machine: Machine | None, catalog: Catalog) -> Points:
    chip = catalog.machine(sweep.hardware, sweep.dtype)
    found = estimate(network, [machine or chip], sweep.batches)
    known = {} if machine is None else {
        "p10_s": found.latency_p10_s[0],
        "estimate_s": found.latency_estimate_s[0],
        "p90_s": found.latency_p90_s[0],
        "launch_share": _launch_share(network, machine, found.latency_estimate_s[0]),
        "estimate_w": found.power_w[0],
    }  # fmt: skip
    roof_s, layered_s = network_roofs(network, chip, sweep.batches)
    label = Label(
        kind="network", hardware=sweep.hardware, dtype=sweep.dtype, network=sweep.workload, runtime=sweep.runtime,
        software=sweep.software, sizes=", ".join(f"{name} {size}" for name, size in sweep.sizes.items()),
    )  # fmt: skip
    return points_of(
        label, sweep.seconds, found.latency_lower_bound_s[0], sweep.batches, roof_s=roof_s, layered_s=layered_s,
        measured_w=sweep.power_w, **known,
    )  # fmt: skip


def _launch_share(network: Network, machine: Machine, latency_s: Array) -> Array:
    launches = sum(count for _, count in kernels_on(network, machine))
    seconds = max(machine.time_factor * machine.launch * launches, machine.host * network.launches)
    return np.minimum(1.0, seconds / latency_s)


def network_roofs(network: Network, machine: Machine, batches: Array) -> tuple[Array, Array]:
    """Return the roofline of the whole network and the sum over its fused kernels [s], NaN without a published bandwidth.

    Every kernel reads its operands from memory and writes its result to it, once.
    """
    try:
        curve = roof_curve(network, machine)
    except DomainError:
        return np.full(len(batches), np.nan), np.full(len(batches), np.nan)
    batch = batches[:, np.newaxis]
    compute = batch * curve.work / curve.peak
    memory = (curve.traffic_once + batch * curve.traffic_each) / curve.bandwidth
    return np.maximum(compute.sum(axis=1), memory.sum(axis=1)), np.maximum(compute, memory).sum(axis=1)


# Kernels.


def kernel_points(key: single.Key, kernels: Kernels, catalog: Catalog) -> Points:
    """Return the points of kernels of one kind; without constants for the operator they have no estimate."""
    machine = _kernel_machine(catalog, key)
    known = {} if machine is None else _kernel_estimate(machine, kernels)
    label = Label(
        kind="kernel", hardware=key.hardware, dtype=key.format, operator=key.operator, software=key.software
    )  # fmt: skip
    bound_s = bounds.kernel_bound(kernels, catalog)
    return points_of(
        label, kernels.seconds, bound_s, kernels.columns.get("batch"), roof_s=kernel_roof(kernels, catalog), **known
    )


def _kernel_machine(catalog: Catalog, key: single.Key) -> KernelMachine | None:
    """Return the machine of a kind of kernels, or None where its chip has no constants or no peak for them."""
    try:
        return single.machine_of(catalog, key)
    except UnknownNameError:
        return None


def _kernel_estimate(machine: KernelMachine, kernels: Kernels) -> dict[str, Array]:
    seconds = single.estimate(machine, kernels)
    return {"p10_s": seconds * machine.ratio_p10, "estimate_s": seconds, "p90_s": seconds * machine.ratio_p90}


def kernel_roof(kernels: Kernels, catalog: Catalog) -> Array:
    """Return max(W/pi, Q/beta) of every kernel [s] at the published peak, NaN without a published bandwidth."""
    chip = catalog.accelerators[kernels.hardware]
    work, traffic = bounds.need(kernels)
    if kernels.operator == "conv":
        work = work * np.where(kernels.columns["stride"] == 1, kernels.columns["kernel"] ** 2, 1.0)
    peak = chip.peak_dense[names.peak_dtype(kernels.format)].si  # type: ignore[index]
    roof = forms.roof_s(work=work, peak=peak, traffic=traffic, bandwidth=si_of(chip.memory.bandwidth))
    return np.asarray(roof, dtype=float)


# Figures.


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of a group of points; None is a figure without points. Errors are shares of the measured time.

    `points` have an estimate, and all figures but the last two are about them. `below_p90_share` and `within_interval_share`
    are about those with an interval; `interval_width_ratio` is the median of p90/p10. Errors of power and energy
    are shares of those, and about the `powered_points`, whose power was measured and is estimated.
    """

    points: int
    error_median_share: float | None
    error_mean_share: float | None
    error_p90_share: float | None
    bias_share: float | None
    below_p90_share: float | None
    within_interval_share: float | None
    interval_width_ratio: float | None
    roofline_error_median_share: float | None
    layered_roofline_error_median_share: float | None
    powered_points: int
    power_error_median_share: float | None
    power_bias_share: float | None
    energy_error_median_share: float | None
    energy_error_mean_share: float | None
    energy_bias_share: float | None
    without_estimate: int
    violations: int


def summary(points: Points) -> Summary:
    """Return the figures of points."""
    known = points.where(points.estimated)
    error = known.estimate_s / known.measured_s - 1.0
    interval = known.where(np.isfinite(known.p10_s) & np.isfinite(known.p90_s))
    held = interval.measured_s <= interval.p90_s
    powered = known.where(np.isfinite(known.measured_w) & np.isfinite(known.estimate_w))
    watts = powered.estimate_w / powered.measured_w
    power, energy = watts - 1.0, watts * powered.estimate_s / powered.measured_s - 1.0
    return Summary(
        points=len(known),
        error_median_share=_figure(np.median, abs(error)),
        error_mean_share=_figure(np.mean, abs(error)),
        error_p90_share=_figure(partial(np.quantile, q=0.9), abs(error)),
        bias_share=_figure(np.mean, error),
        below_p90_share=_figure(np.mean, held),
        within_interval_share=_figure(np.mean, held & (interval.measured_s >= interval.p10_s)),
        interval_width_ratio=_figure(np.median, interval.p90_s / interval.p10_s),
        roofline_error_median_share=_median_error(known.roof_s, known.measured_s),
        layered_roofline_error_median_share=_median_error(known.layered_s, known.measured_s),
        powered_points=len(powered),
        power_error_median_share=_figure(np.median, abs(power)),
        power_bias_share=_figure(np.mean, power),
        energy_error_median_share=_figure(np.median, abs(energy)),
        energy_error_mean_share=_figure(np.mean, abs(energy)),
        energy_bias_share=_figure(np.mean, energy),
        without_estimate=len(points) - len(known),
        violations=int(points.beaten.sum()),
    )


def _figure(function: Callable[..., np.floating | np.bool_], values: Array | Mask) -> float | None:
    return float(function(values)) if len(values) else None


def _median_error(predicted_s: Array, measured_s: Array) -> float | None:
    known = np.isfinite(predicted_s)
    return _figure(np.median, abs(predicted_s[known] / measured_s[known] - 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A group of points: its name for each of the labels it is grouped by, and its figures."""

    name: tuple[str, ...]
    figures: Summary


def rows(points: Points, by: Sequence[str]) -> tuple[Row, ...]:
    """Return the figures of every group of points, sorted by name."""
    named = [tuple(str(getattr(label, name)) for name in by) for label in points.labels]
    order = sorted(set(named))
    place = {name: index for index, name in enumerate(order)}
    group = np.array([place[name] for name in named], dtype=np.int64)[points.label] if len(points) else points.label
    sorted_, starts = np.argsort(group, kind="stable"), np.searchsorted(np.sort(group), np.arange(len(order) + 1))
    parts = [points.where(sorted_[start:stop]) for start, stop in pairwise(starts)]
    return tuple(Row(name=name, figures=summary(part)) for name, part in zip(order, parts, strict=True) if len(part))


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A measured time below the lower bound: what was measured, its sizes, and both times [s]."""

    label: Label
    sizes: str
    measured_s: float
    bound_s: float


def violations(points: Points, sizes: Mapping[str, Array]) -> list[Violation]:
    """Return every point below its bound; `sizes` are columns that say which point it is."""
    return [
        Violation(
            label=(label := points.labels[points.label[place]]),
            sizes=", ".join([*filter(None, [label.sizes]), *(f"{name} {column[place]:g}" for name, column in sizes.items())]),
            measured_s=float(points.measured_s[place]),
            bound_s=float(points.bound_s[place]),
        )
        for place in np.flatnonzero(points.beaten)
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """What `advise accuracy` says: figures in groups and of all points, points below the bound, and rows that do not count."""

    by: tuple[str, ...]
    points: Points
    rows: tuple[Row, ...]
    whole: Summary
    violations: tuple[Violation, ...]
    rows_read: int
    rows_kept: int
    outside: Mapping[str, int]
    dropped: Mapping[str, int]


def report(published: Published, catalog: Catalog, by: Sequence[str] = DEFAULT_BY) -> Report:
    """Return how well the catalogue's estimates meet what was published."""
    networks = network_points(published.sweeps, catalog)
    parts, beaten = [networks], violations(networks, {"batch": networks.batch})
    for key, kernels in single.grouped(published.kernels).items():
        parts.append(kernel_points(key, kernels, catalog))
        beaten += violations(parts[-1], kernels.columns)
    points = joined(parts)
    return Report(
        by=tuple(by), points=points, rows=rows(points, by), whole=summary(points), violations=tuple(beaten),
        rows_read=published.rows_read, rows_kept=published.rows_kept,
        outside=_most_first(published.outside), dropped=_most_first(published.dropped),
    )  # fmt: skip


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if count}
