"""The fit of runtimes that do not tune every kernel: their hosts, the rate of their kernels, and how far hosts differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from residuals import Residuals, calibrated, interval, predictive
from shipped import figures, refitted, rounded, sources, with_calibrations

from advisor.lab import networks
from advisor.lab.calibrate import NetworkPart, calibrate
from advisor.lab.evidence import Evidence
from advisor.lab.fit import Prior, fit
from advisor.lab.networks import Target
from advisor.lab.points import Array, Published, Sweep
from engine.calibration import Calibration
from engine.catalog import Catalog
from engine.machine import GRAPH, Machine

ENOUGH: Final = 12
"""Sweeps of a host that tell how far its sweeps lie apart."""
RUNTIMES: Final = "runtimes"
"""Calibration of what frameworks share."""
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
Host = tuple[str, str, str]
"""Chip, software and source of sweeps that were measured on one host."""


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
