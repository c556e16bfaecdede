"""Predictions: every requested batch of a workload on every requested chip and number format, one row for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .compiled import Estimate, estimate
from .errors import DomainError
from .machine import GRAPH, Machine
from .point import confidence, known, waterfall
from .totals import Totals

if TYPE_CHECKING:
    from .catalog import Catalog
    from .workload import Workload

MAX_BATCH: Final = 10**9
COLUMNS: Final = (
    "latency_lower_bound_s",
    "latency_p10_s",
    "latency_estimate_s",
    "latency_p90_s",
    "throughput_per_s",
    "throughput_upper_bound_per_s",
    "energy_per_inference_j",
    "energy_lower_bound_j",
    "power_w",
    "mfu",
    "mfu_upper_bound",
    "mbu",
    "memory_bytes",
)
"""The fields of an `Estimate` that a row carries, in order."""


def predict(
    workload: str | Workload,
    accelerators: Sequence[str],
    batches: Sequence[int],
    dtypes: Sequence[str] = (),
    *,
    sizes: Mapping[str, int] | None = None,
    runtime: str = GRAPH,
    catalog: Catalog | None = None,
) -> list[dict[str, Any]]:
    """Return one row for every accelerator, number format and batch; a value that follows from an unknown is None.

    Without `dtypes`, every format of each chip. `runtime` is "graph" for tuned kernels launched from a graph, "compiled" for
    fused kernels that are not all tuned, "session" for a framework that walks a stored graph, "eager" for one that launches
    operator by operator, "eager_v1" for the same before attention was one operator. Times are in s, energies in J, memory in
    B. Raises UnknownNameError for a name of no spec and a runtime that a chip has not, GraphError for a size, DomainError for
    a batch below 1.

    >>> row = predict("resnet50", ["nvidia-h100-sxm"], [1], ["int8"])[0]
    >>> row["latency_lower_bound_s"] <= row["latency_p10_s"] <= row["latency_estimate_s"] <= row["latency_p90_s"]
    True
    """
    from .catalog import load  # noqa: PLC0415 - with the models of all specs; so is the next
    from .network import build  # noqa: PLC0415

    specs = load() if catalog is None else catalog
    network = specs.network(workload, sizes) if isinstance(workload, str) else build(workload, sizes)
    machines = [
        specs.machine(chip, dtype, runtime) for chip in accelerators for dtype in dtypes or specs.accelerators[chip].dtypes
    ]
    return rows(network, machines, batches, lambda name: specs.accelerators[name])


def rows(
    network: Totals, machines: Sequence[Machine], batches: Sequence[int], chip_of: Callable[[str], Any]
) -> list[dict[str, Any]]:
    """Return one row for every machine and batch; `chip_of` gives the spec of a chip, or a card of it, by its id.

    Raises DomainError for a batch below 1.
    """
    for batch in batches:
        if not 1 <= batch <= MAX_BATCH:
            raise DomainError(f"batch {batch!r} is no whole number from 1 to {MAX_BATCH}")
    if not machines or not batches:
        return []
    points = estimate(network, machines, np.array(batches, dtype=float))
    return [
        row(network, machine, points, (index, place), chip_of(machine.hardware))
        for index, machine in enumerate(machines)
        for place in range(len(batches))
    ]


def row(network: Totals, machine: Machine, points: Estimate, place: tuple[int, int], chip: Any) -> dict[str, Any]:
    """Return one point of an estimate as a flat row; `chip` is the spec of the machine's chip, or a card of it."""
    figures = {name: known(getattr(points, name)[place]) for name in COLUMNS}
    return {
        "workload": network.id,
        "hardware": machine.hardware,
        "dtype": machine.dtype,
        "runtime": machine.runtime,
        "batch": int(points.batch[place]),
        **figures,
        "memory_capacity_bytes": known(machine.capacity),
        "confidence": confidence(chip, machine.level),
        **{f"waterfall_share_{cause}": share for cause, _, share in waterfall(points, place)},
    }
