"""Sweeps in runtimes that tune every kernel, each on machines that did not see it: chips, sweeps and networks left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import fit_networks
import internal
import numpy as np
import residuals
import shipped

from advisor.lab import networks, spread
from advisor.lab.networks import Target
from advisor.lab.points import Array, Published
from engine.calibration import Interval
from engine.catalog import Catalog
from engine.machine import Machine
from engine.passes import breakdown


@dataclass(frozen=True, kw_only=True)
class Case:
    """A measured sweep, and the machine that judges it without having seen it, with what its interval rests on."""

    target: Target
    machine: Machine


@dataclass(frozen=True, kw_only=True)
class Study:
    """Sweeps of runtimes that tune every kernel, on family constants, and the cases of each split."""

    catalog: Catalog
    judged: list[Target]
    checks: list[Target]
    machines: Mapping[str, Machine]
    unseen: list[Case]
    unseen_checks: list[Case]
    calibrated: list[Case]
    other_network: list[Case]

    @staticmethod
    def of(catalog: Catalog, published: Published, data: Path) -> Study:
        """Return all splits: chips left out, sweeps of a calibrated chip left out, networks of one left out."""
        base = networks.begun(catalog)
        judged = networks.targets([s for s in published.sweeps if fit_networks.judged_sweep(s)], base)
        checks = internal.resnet50(data, base)
        machines = {t.sweep.id: base.machine(t.sweep.hardware, t.sweep.dtype) for t in [*judged, *checks]}
        seen = [t for t in [*judged, *checks] if t.sweep.source in fit_networks.WEIGHTS]
        left: dict[str, Mapping[str, float]] = {
            name: networks.fit_family(
                [t for t in seen if shipped.chip_family(t.sweep.hardware) != name], machines, fit_networks.WEIGHTS
            ).values
            for name in sorted({shipped.chip_family(t.sweep.hardware) for t in [*judged, *checks]})
        }
        cases = [
            Case(target=t, machine=networks.adjusted(machines[t.sweep.id], left[shipped.chip_family(t.sweep.hardware)]))
            for t in [*judged, *checks]
        ]
        known, internals = cases[: len(judged)], cases[len(judged) :]
        return Study(
            catalog=catalog, judged=judged, checks=checks, machines=machines,
            unseen=list(unseen(known)), unseen_checks=internals,
            calibrated=list(left_out(known, lambda a, b: a.sweep.id == b.sweep.id)),
            other_network=list(left_out([*known, *internals], lambda a, b: a.sweep.workload == b.sweep.workload)),
        )  # fmt: skip


def unseen(cases: Sequence[Case]) -> Iterator[Case]:
    """Yield every case with the interval that the residuals of other chips give."""
    chips: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        chips[shipped.chip_family(case.target.sweep.hardware)].append(case)
    for name, own in chips.items():
        found = interval_of([group for other, group in chips.items() if other != name])
        yield from (with_interval(case, found) for case in own)


def interval_of(groups: Sequence[Sequence[Case]]) -> Interval:
    """Return the interval to expect from the residuals of cases, those of a group going together."""
    parts = [residuals.Residuals.joined(residuals.residuals(c.target, c.machine) for c in group) for group in groups]
    return residuals.interval(residuals.predictive(parts), "family prior", "residuals of others")


def with_interval(case: Case, found: Interval) -> Case:
    """Return the case with an interval."""
    launch = found.launch_p10, found.launch_p90
    return replace(
        case,
        machine=replace(
            case.machine, ratio_p10=found.p10.si, ratio_p90=found.p90.si,
            launch_ratio_p10=launch[0].si if launch[0] else found.p10.si,
            launch_ratio_p90=launch[1].si if launch[1] else found.p90.si,
        ),
    )  # fmt: skip


def left_out(cases: Sequence[Case], same: Callable[[Target, Target], bool]) -> Iterator[Case]:
    """Yield every case on its chip calibrated with two numbers from the others, those that are the same left out.

    The family's constants are those that never saw the chip, so that the two numbers are all that is known of it. The interval
    comes from the residuals of the others, each in turn by what is left of them, and from those of other chips.
    """
    found: list[tuple[Case, list[Case]]] = []
    for case in cases:
        others = [c for c in cases if c.target.sweep.hardware == case.target.sweep.hardware and not same(c.target, case.target)]
        if others and not case.target.best:
            found.append((measured(case, others), others))
    for case, others in found:
        own = [standardized(measured(c, [o for o in others if o is not c] or [c]), max(1, len(others) - 1)) for c in others]
        elsewhere: dict[str, list[Array]] = defaultdict(list)
        for other, rest in found:
            chip = shipped.chip_family(other.target.sweep.hardware)
            if chip != shipped.chip_family(case.target.sweep.hardware):
                elsewhere[chip].append(standardized(other, len(rest)))
        common = residuals.calibrated(list(elsewhere.values()), "other chips")
        low, high = spread.interval(own, residuals.common_of(common))
        yield replace(case, machine=with_ratios(case.machine, low, high))


def standardized(case: Case, others: int) -> Array:
    """Return the residuals of a case by a fit to so many others, as of a fit to any number."""
    return spread.standardized(residuals.residuals(case.target, case.machine).ratio, others)


def with_ratios(machine: Machine, low: float, high: float) -> Machine:
    """Return a machine with an interval."""
    return replace(machine, ratio_p10=low, ratio_p90=high, launch_ratio_p10=low, launch_ratio_p90=high)


def measured(case: Case, others: Sequence[Case]) -> Case:
    """Return a case on its chip calibrated with two numbers from other cases."""
    numbers = networks.fit_chip([c.target for c in others], {c.target.sweep.id: c.machine for c in others}).values
    return replace(case, machine=networks.corrected(case.machine, numbers))


def ratios(case: Case) -> Array:
    """Return estimate over measured time, less one."""
    return networks.times(case.target, case.machine) / case.target.sweep.seconds - 1.0


def roofs(case: Case) -> tuple[Array, Array]:
    """Return the plain and the layered roofline over the measured time, less one."""
    plain, layered = roof_times(case)
    return plain / case.target.sweep.seconds - 1.0, layered / case.target.sweep.seconds - 1.0


def roof_times(case: Case) -> tuple[Array, Array]:
    """Return the plain and the layered roofline of every point [s]; every byte comes from memory."""
    bare = replace(case.machine, cache=1.0, load_peak=case.machine.peak, conv_peak=case.machine.peak)
    batches = np.array(networks.BEST_BATCHES) if case.target.best else case.target.sweep.batches
    with np.errstate(all="ignore"):
        parts = breakdown(case.target.network, [bare], batches[np.newaxis])
    arithmetic, memory = parts.compute["plain"], parts.traffic / bare.bandwidth
    plain = np.maximum(parts.total(arithmetic), parts.total(memory))[0]
    layered = parts.total(np.maximum(arithmetic, memory))[0]
    if case.target.best:
        return np.array([(plain / batches).min()]), np.array([(layered / batches).min()])
    return plain, layered
