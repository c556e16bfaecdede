"""Choosing the batch for a latency limit from predictions alone: what comes of it, beside simpler ways."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import fit_runtimes
import numpy as np
import shipped
from study import Case, Study, roof_times

from advisor.lab import networks
from advisor.lab.calibrate import calibrate
from advisor.lab.evidence import Evidence
from advisor.lab.fitted import specification
from advisor.lab.points import Array, Published, Sweep
from engine.catalog import Catalog
from engine.machine import GRAPH, Machine

LIMITS: Final = 9
LEAST_BATCHES: Final = 4
DATE: Final = "2026"
"""A calibration has a date; one that nobody writes may have any."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What came of decisions: violated limits, throughput over the best measured choice, and limits wrongly given up."""

    decided: int
    violated: int
    abstained: int
    share: Array

    def __str__(self) -> str:
        """Return it in a line."""
        total = self.decided + self.abstained
        kept = self.share if self.share.size else np.zeros(1)
        return (
            f"{total:7}{100 * self.violated / max(self.decided, 1):12.1f}{np.median(kept):10.2f}"
            f"{np.quantile(kept, 0.1):8.2f}{100 * self.abstained / max(total, 1):12.1f}"
        )


def print_decisions(study: Study, published: Published) -> None:
    """Print what choosing the batch from predictions alone comes to, beside simpler ways, and in other runtimes."""
    print(f"Decisions: the batch of highest throughput within a latency limit; {LIMITS} limits for each sweep of at least")
    print(f"{LEAST_BATCHES} batches, log-spaced above its fastest batch. Violations in % of decisions; throughput over that of")
    print("the best measured batch within the limit, 0 where it is violated; abstained in %, though a measured batch qualifies")
    print(f"  {'choice by':44}{'limits':>7}{'violated %':>12}{'median':>10}{'p10':>8}{'abstained %':>12}")
    for title, cases in (("chip left out", study.unseen), ("two numbers, sweep left out", study.calibrated)):
        enough = [c for c in cases if len(c.target.sweep.batches) >= LEAST_BATCHES]
        ways: dict[str, Callable[[Case], Array]] = {
            "90 % certainty": ninety,
            "the estimate": lambda c: networks.times(c.target, c.machine),
            "plain roofline": lambda c: roof_times(c)[0],
        }
        for name, predicted in ways.items():
            print(f"  {f'{title}: {name}':44}{tally(enough, predicted)}", flush=True)
        for name, place in (("batch 1", 0), ("largest batch", -1)):
            print(f"  {f'{title}: {name}':44}{tally_fixed(enough, place)}", flush=True)
    others = other_runtimes(study.catalog, published)
    calibrated = list(on_their_hosts(others, study.catalog, published))
    for title, cases, tuned in (("host unknown", others, study.unseen), ("calibrated", calibrated, study.calibrated)):
        for runtime in sorted({c.target.sweep.runtime for c in cases}):
            own = [c for c in cases if c.target.sweep.runtime == runtime]
            print(f"  {f'{runtime}, {title}: 90 % certainty':44}{tally(own, ninety)}", flush=True)
        every = [*cases, *(c for c in tuned if len(c.target.sweep.batches) >= LEAST_BATCHES)]
        print(f"  {f'all runtimes, {title}: 90 % certainty':44}{tally(every, ninety)}", flush=True)


def ninety(case: Case) -> Array:
    """Return the latency that is called 90 % sure [s]."""
    return np.asarray(networks.points(case.target, case.machine).latency_p90_s[0], dtype=float)


def other_runtimes(catalog: Catalog, published: Published) -> list[Case]:
    """Return the sweeps of the other runtimes, with constants of theirs that saw them, and none of the chip."""
    base = networks.unmeasured(catalog)
    sweeps = [s for s in published.sweeps if s.runtime != GRAPH and len(s.batches) >= LEAST_BATCHES]
    return [
        Case(target=t, machine=base.machine(t.sweep.hardware, t.sweep.dtype, t.sweep.runtime))
        for t in networks.targets(sweeps, base)
    ]


def limits_of(seconds: Array) -> Array:
    """Return limits log-spaced above the fastest batch, up to the slowest [s]."""
    return np.geomspace(seconds.min(), seconds.max(), LIMITS + 1)[1:]


def tally(cases: Sequence[Case], predicted: Callable[[Case], Array]) -> Tally:
    """Return what came of choosing, for every limit, the batch of highest predicted throughput that is predicted to hold."""
    results = [
        outcome(case.target.sweep, chosen(case.target.sweep.batches, seconds, limit), limit)
        for case in cases
        for seconds in (predicted(case),)
        for limit in limits_of(case.target.sweep.seconds)
    ]
    return summed(results)


def tally_fixed(cases: Sequence[Case], place: int) -> Tally:
    """Return what came of always choosing the smallest, or the largest batch."""
    results = [
        outcome(c.target.sweep, int(np.argsort(c.target.sweep.batches)[place]), limit)
        for c in cases
        for limit in limits_of(c.target.sweep.seconds)
    ]
    return summed(results)


def chosen(batches: Array, seconds: Array, limit: float) -> int | None:
    """Return the place of the batch with the highest predicted throughput within a limit, or None."""
    within = np.flatnonzero(seconds <= limit)
    return int(within[np.argmax((batches / seconds)[within])]) if within.size else None


def outcome(sweep: Sweep, place: int | None, limit: float) -> tuple[bool, bool, float]:
    """Return whether it abstained, whether the limit was violated, and the throughput over the best measured one."""
    if place is None:
        return True, False, 0.0
    throughput = sweep.batches / sweep.seconds
    best = throughput[sweep.seconds <= limit].max()
    violated = bool(sweep.seconds[place] > limit)
    return False, violated, 0.0 if violated else float(throughput[place] / best)


def summed(results: Sequence[tuple[bool, bool, float]]) -> Tally:
    """Return the tally of outcomes."""
    decided = [r for r in results if not r[0]]
    return Tally(
        decided=len(decided), violated=sum(r[1] for r in decided), abstained=len(results) - len(decided),
        share=np.array([r[2] for r in decided]),
    )  # fmt: skip


def on_their_hosts(cases: Sequence[Case], base: Catalog, published: Published) -> Iterator[Case]:
    """Yield every case as `advise calibrate` leaves it with the other sweeps of the same software on the same chip.

    What calibrated hosts have in common comes from the other hosts.
    """
    hosts = fit_runtimes.calibrated_hosts(base, published.sweeps)
    known = base.calibrations[fit_runtimes.RUNTIMES]
    groups: dict[fit_runtimes.Host, list[Case]] = defaultdict(list)
    for case in cases:
        groups[fit_runtimes.host_of(case.target.sweep)].append(case)
    for host, group in groups.items():
        others = fit_runtimes.with_calibrated(known, [own for name, own in hosts.items() if name != host])
        catalog = shipped.with_calibrations(base, {others.id: others})
        for case in group:
            rest = tuple(c.target.sweep for c in group if c is not case)
            if rest:
                yield replace(case, machine=on_its_host(case.target.sweep, rest, catalog))


def on_its_host(sweep: Sweep, others: tuple[Sweep, ...], base: Catalog) -> Machine:
    """Return the machine of a sweep, calibrated with others."""
    evidence = Evidence(published=Published(sweeps=others), sources=())
    found, _ = specification(calibrate(sweep.hardware, evidence, base), evidence, base, DATE)
    return shipped.with_calibrations(base, {found.id: found}).machine(sweep.hardware, sweep.dtype, sweep.runtime)
