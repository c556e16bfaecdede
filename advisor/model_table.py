"""A model as a table: totals, fusion, memory, and kernel by kernel what it asks of a chip and how long it takes there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from engine._compiled import experts_read
from engine.checks import dimensions
from engine.compiled import estimate
from engine.errors import DomainError
from engine.expressions import parse
from engine.fusion import Kernel, Node
from engine.machine import DTYPE_BYTES, GRAPH, Machine
from engine.network import Network, build
from engine.ops.base import Operator
from engine.passes import breakdown, kernels_on
from engine.point import known
from engine.solve import RoofCurve, kernel_curve
from engine.workload import Workload

from .model_contract import (
    AlonePart,
    ComparedPart,
    FusionPart,
    KernelPart,
    MemoryPart,
    ModelPart,
    OperatorPart,
    RidgeBatch,
    SavedPart,
    TimePart,
    TotalsPart,
)

DTYPE: Final = "bf16"
"""The number format of a model without a chip."""


@dataclass(frozen=True, kw_only=True)
class View:
    """How a model is looked at: sizes, number format, batch, and the machine whose chip it would run on, if any."""

    sizes: Mapping[str, int]
    dtype: str = DTYPE
    batch: int = 1
    machine: Machine | None = None

    @property
    def element_bytes(self) -> float:
        """Return the bytes of one stored element."""
        return DTYPE_BYTES[self.dtype]

    @property
    def runtime(self) -> str:
        """Return how software runs it: a graph of tuned kernels where no machine says otherwise."""
        return self.machine.runtime if self.machine else GRAPH


def tabulate(workload: Workload, view: View) -> ModelPart:
    """Return the table of a model. Raises GraphError for a size that it has not."""
    network = build(workload, view.sizes)
    kernels = network.kernels if view.machine is None else network.launched(view.machine)
    seconds = _seconds(network, kernels, view)
    return ModelPart(
        **workload.model_dump(mode="json", by_alias=True, exclude_none=True),
        dtype=view.dtype,
        element_bytes=view.element_bytes,
        batch=view.batch,
        hardware=view.machine.hardware if view.machine else None,
        runtime=view.runtime,
        chosen_sizes=dict(network.sizes),
        input_shapes={name: list(shape) for name, shape in network.input_shapes.items()},
        expressions=expressions(workload, network.sizes),
        totals=totals(network, view.element_bytes),
        compared=_compared(workload, build(workload) if view.sizes else network),
        fusion=_fusion(network, view.element_bytes),
        memory=_memory(network, view),
        time=_time(network, kernels, seconds, view),
        kernels=list(_kernels(network, kernels, seconds, view)),
    )


def totals(network: Network, element_bytes: float) -> TotalsPart:
    """Return the totals of a network whose elements have as many bytes."""
    return TotalsPart(
        macs_per_sample=network.work / 2,
        work_flop_per_sample=network.work,
        parameters=network.parameters,
        active_parameters=network.active_parameters,
        weight_bytes=network.parameters * element_bytes,
        cache_bytes_per_token=network.cache_elements_per_token * element_bytes,
        cache_bytes_per_sample=network.cache_elements * element_bytes,
        activation_traffic_bytes_per_sample=_activations(network.kernels) * element_bytes,
        peak_activation_bytes_per_sample=network.peak_activation_elements * element_bytes,
    )


def listed(workload: Workload) -> dict[str, Any]:
    """Return the row of a model in the list of models: its totals, in elements, for a list has no number format."""
    network = build(workload)
    return {
        "id": workload.id,
        "name": workload.name,
        "task": workload.task,
        "sizes": dict(network.sizes),
        "macs_per_sample": network.work / 2,
        "work_flop_per_sample": network.work,
        "parameters": network.parameters,
        "active_parameters": network.active_parameters,
        "cache_elements_per_token": network.cache_elements_per_token,
        "kernels": len(network.kernels),
        "peak_activation_elements_per_sample": network.peak_activation_elements,
    }


def expressions(workload: Workload, sizes: Mapping[str, int]) -> dict[str, float]:
    """Return the value of every expression of sizes that the spec has, in order: dimensions of inputs, then of the graph."""
    found = sorted(dimensions(workload.model_dump(mode="json")), key=lambda place: place[0][0] != "inputs")
    return {text: float(parse(text)(sizes)) for _, text in found}


def _activations(kernels: Sequence[Kernel]) -> float:
    return sum(kernel.cost.inputs + kernel.cost.outputs for kernel in kernels)


def _compared(workload: Workload, network: Network) -> list[ComparedPart]:
    published = workload.published
    pairs = (("work_flop_per_sample", published.work, network.work), ("parameters", published.parameters, network.parameters))
    return [
        ComparedPart(
            quantity=name, published=told.si, counted=counted, off_share=counted / told.si - 1, within_share=told.within,
            source=told.source,
        )
        for name, told, counted in pairs if told is not None
    ]  # fmt: skip


def _fusion(network: Network, element_bytes: float) -> FusionPart:
    return FusionPart(
        operators=len(network.nodes),
        views=sum(node.is_view for node in network.nodes),
        kernels=len(network.kernels),
        activation_traffic_unfused_bytes_per_sample=_activations(network.unfused) * element_bytes,
        activation_traffic_bytes_per_sample=_activations(network.kernels) * element_bytes,
        saved=[
            SavedPart(op=op, operators=len(spared), bytes_per_sample=sum(spared) * element_bytes)
            for op, spared in _spared(network).items()
        ],
        alone=[AlonePart(operator=name, because=reason) for name, reason in network.alone.items()],
    )


def _spared(network: Network) -> dict[str, list[float]]:
    """Return by kind of operator the elements of a sample that each spares by riding, or by running as one kernel itself."""
    by_name = {node.name: node for node in network.nodes}
    found: dict[str, list[float]] = {}
    for kernel in network.kernels:
        first, *riders = (by_name[name] for name in kernel.operators)
        apart = first.operator.unfused(first.cost)
        if own := apart.inputs + apart.outputs - first.cost.inputs - first.cost.outputs:
            found.setdefault(op_of(first.operator), []).append(own)
        for inner, rider in zip([first, *riders], riders, strict=False):
            found.setdefault(op_of(rider.operator), []).append(2 * inner.cost.outputs)
    return found


def op_of(operator: Operator) -> str:
    """Return the kind of an operator, as specs write it."""
    return str(getattr(operator, "op"))  # noqa: B009 - every operator has one


def _memory(network: Network, view: View) -> MemoryPart:
    weights = network.parameters * view.element_bytes
    live = network.peak_activation_elements * view.element_bytes * view.batch
    cache = network.cache_elements * view.element_bytes * view.batch
    workspace = view.machine.workspace if view.machine else None
    return MemoryPart(
        batch=view.batch, weight_bytes=weights, peak_activation_bytes=live, cache_bytes=cache, workspace_bytes=workspace,
        memory_bytes=weights + live + cache + (workspace or 0.0),
    )  # fmt: skip


def _time(network: Network, kernels: Sequence[Kernel], seconds: Sequence[float], view: View) -> TimePart | None:
    if view.machine is None:
        return None
    found = estimate(network, [view.machine], np.array([view.batch], dtype=float))
    curve = _curve(kernels, view.machine)
    ridge = None if curve is None else _ridge(curve.ridge_batch)
    return TimePart(latency_estimate_s=known(found.latency_estimate_s[0, 0]), kernels_s=known(sum(seconds)), ridge_batch=ridge)


def _seconds(network: Network, kernels: Sequence[Kernel], view: View) -> list[float]:
    """Return the time of each kernel [s], NaN where nobody can tell."""
    if view.machine is None:
        return [math.nan] * len(kernels)
    with np.errstate(all="ignore"):
        parts = breakdown(network, [view.machine], np.array([[view.batch]], dtype=float))
    times = view.machine.time_factor * parts.seconds[:, 0, 0]
    by_cost = {cost: float(time) for (cost, _), time in zip(kernels_on(network, view.machine), times, strict=True)}
    return [by_cost[kernel.cost] for kernel in kernels]


def _curve(kernels: Sequence[Kernel], machine: Machine | None) -> RoofCurve | None:
    try:
        return None if machine is None else kernel_curve(kernels, machine)
    except DomainError:
        return None


def _ridge(batch: float) -> RidgeBatch:
    return "never" if math.isinf(batch) else batch


def _kernels(network: Network, kernels: Sequence[Kernel], seconds: Sequence[float], view: View) -> Iterator[KernelPart]:
    by_name = {node.name: node for node in network.nodes}
    curve = _curve(kernels, view.machine)
    ridges = [None] * len(kernels) if curve is None else [_ridge(float(batch)) for batch in curve.ridge_batches]
    total = sum(seconds)
    for kernel, ridge, time in zip(kernels, ridges, seconds, strict=True):
        yield _kernel(kernel, [by_name[name] for name in kernel.operators], view).model_copy(
            update={"ridge_batch": ridge, "time_s": known(time), "share_of_kernels": known(time / total)}
        )


def _operator(node: Node) -> OperatorPart:
    function = getattr(node.operator, "function", None)
    return OperatorPart(name=node.name, op=op_of(node.operator), function=function, shape=list(node.shape))


def _kernel(kernel: Kernel, nodes: Sequence[Node], view: View) -> KernelPart:
    cost, each = kernel.cost, view.element_bytes
    apart = [node.operator.unfused(node.cost) for node in nodes]
    weights = cost.weights * float(experts_read(batch=view.batch, routed=cost.routed, tokens=cost.tokens))
    traffic = weights + (cost.inputs + cost.outputs) * view.batch
    return KernelPart(
        name=kernel.name,
        kind=cost.kind,
        operators=[_operator(node) for node in nodes],
        shape=list(nodes[-1].shape),
        rows=cost.rows,
        columns=cost.columns,
        contraction=cost.channels * cost.taps,
        groups=cost.groups,
        work_flop_per_sample=cost.work,
        weight_traffic_bytes=weights * each,
        activation_traffic_unfused_bytes_per_sample=sum(one.inputs + one.outputs for one in apart) * each,
        activation_traffic_bytes_per_sample=(cost.inputs + cost.outputs) * each,
        arithmetic_intensity_flop_per_byte=cost.work * view.batch / (traffic * each),
        ridge_batch=None,
        time_s=None,
        share_of_kernels=None,
    )
