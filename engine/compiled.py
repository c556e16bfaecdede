"""The numbers: closed forms over kernels x machines x batches in one pass. A machine is one chip with one number format.

`estimate` and its parts take batches of shape (c, b) for c machines and give arrays of that shape. NaN is a value that nobody
publishes, or what follows from one; it is never taken for 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from . import _compiled as forms
from .calibration import TileSet
from .machine import Machine
from .network import Network
from .ops.base import Cost

Array = npt.NDArray[np.float64]

PIECE: Final = 1 << 14
"""So many numbers at a time are faster than more, since they and what comes of them stay in a core's cache."""
CAUSES: Final = (
    "arithmetic",
    "bandwidth",
    "sequence",
    "dimension_fit",
    "unit_allocation",
    "dispatch",
    "sustained",
    "power_cap",
    "bound_clamp",
)
"""The rungs of the ladder, from the speed of light to the estimate; each switches one cause on."""


class _Table:
    """Records as columns: attribute `x` is the array of all records' x, shaped to broadcast along one axis."""

    def __init__(self, records: Sequence[Any], shape: tuple[int, ...]) -> None:
        for field in fields(records[0]):
            column = [getattr(record, field.name) for record in records]
            if isinstance(column[0], (float, int)):
                setattr(self, field.name, np.array(column, dtype=float).reshape(shape))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one pass over a network takes on each machine at each batch: arrays of shape (machines, batches)."""

    batch: Array
    latency_lower_bound_s: Array
    latency_p10_s: Array
    latency_estimate_s: Array
    latency_p90_s: Array
    throughput_per_s: Array
    throughput_upper_bound_per_s: Array
    energy_per_inference_j: Array
    energy_lower_bound_j: Array
    power_w: Array
    mfu: Array
    mfu_upper_bound: Array
    mbu: Array
    memory_bytes: Array
    ladder_s: Mapping[str, Array]


def estimate(network: Network, machines: Sequence[Machine], batches: npt.ArrayLike) -> Estimate:
    """Return bound, estimate, interval, energy, utilization, memory and ladder for every machine and batch.

    `batches` has shape (b,) for all machines or (c, b). Form: docs/model.md, "A whole network".
    """
    grid = np.broadcast_to(np.asarray(batches, dtype=float), (len(machines), np.shape(batches)[-1]))
    rows: dict[str, Array] = {name: np.full(grid.shape, np.nan) for name in _COLUMNS}
    with np.errstate(all="ignore"):
        for form in dict.fromkeys((m.form, m.tile_set, m.fused) for m in machines):
            chosen = [index for index, m in enumerate(machines) if (m.form, m.tile_set, m.fused) == form]
            first, same = _different(machines, grid, chosen)
            part = _evaluate(network, [machines[index] for index in first], grid[first])
            for name, values in part.items():
                rows[name][chosen] = values[same]
    ladder = {cause: rows.pop(cause) for cause in CAUSES}
    return Estimate(batch=grid, ladder_s=ladder, **rows)


def _different(machines: Sequence[Machine], grid: Array, chosen: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the machines that differ in a number or a batch, and for each of the chosen which of them it equals.

    Formats of one width are often one machine: bf16 and fp16 on most chips.
    """
    numbers = [f.name for f in fields(Machine) if isinstance(getattr(machines[chosen[0]], f.name), float)]
    places: dict[bytes, int] = {}
    first: list[int] = []
    same = []
    for index in chosen:
        figures = np.array([getattr(machines[index], name) for name in numbers], dtype=float)
        key = figures.tobytes() + grid[index].tobytes()
        if key not in places:
            places[key] = len(first)
            first.append(index)
        same.append(places[key])
    return first, same


_COLUMNS: Final = (*(f.name for f in fields(Estimate) if f.name not in ("batch", "ladder_s")), *CAUSES)


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """What each unique kernel of a network takes: arrays of shape (kernels, machines, batches)."""

    count: Array
    traffic: Array
    compute: Mapping[str, Array]
    launch_s: Array
    memory_s: Array
    seconds: Array
    energy_j: Array

    def total(self, values: Any) -> Array:
        """Return the sum over all kernels of the network: shape (machines, batches)."""
        return np.asarray((self.count * values).sum(axis=0), dtype=float)


def kernels_on(network: Network, machine: Machine) -> tuple[tuple[Cost, int], ...]:
    """Return each different kernel of a network as a machine's runtime launches it, with how often it does."""
    return network.unique_kernels if machine.fused else network.unique_unfused


def breakdown(network: Network, machines: Sequence[Machine], batch: Array) -> Breakdown:
    """Return the parts of the estimate, kernel by kernel, in the order of `kernels_on(network, machines[0])`.

    The machines must be of one form, tile set and way of running kernels; `batch` has shape (machines, batches).
    """
    kernels, counts = zip(*kernels_on(network, machines[0]), strict=True)
    k, m, b = _Table(kernels, (-1, 1, 1)), _Table(machines, (1, -1, 1)), batch[np.newaxis]
    count = np.array(counts, dtype=float).reshape(-1, 1, 1)
    traffic, memory_s = _memory(k, count, m, b)
    compute = _compute(kernels, machines[0], k, m, b)
    flop_j = m.flop_j * np.where(_is(kernels, "conv"), m.conv_factor, 1.0)
    return Breakdown(
        count=count,
        traffic=traffic,
        compute=compute,
        launch_s=m.launch * np.ones_like(memory_s),
        memory_s=memory_s,
        seconds=forms.kernel_s(launch=m.launch, compute_s=compute["full"], memory_s=memory_s, overlap_loss=m.overlap_loss),
        energy_j=forms.dynamic_energy_j(work=k.work_done * b, flop_j=flop_j, traffic=traffic, byte_j=m.byte_j),
    )


def _evaluate(network: Network, machines: Sequence[Machine], batch: Array) -> dict[str, Array]:
    parts = breakdown(network, machines, batch)
    flat = _Table(machines, (-1, 1))
    bound = _bound(network, flat, batch)
    energy = flat.energy_factor * parts.total(parts.energy_j)
    power_s = forms.power_limit_s(dynamic_j=energy, idle_w=flat.idle_w, tdp_w=flat.tdp_w)
    sequence_s = flat.time_factor * parts.total(parts.seconds)
    limited = forms.power_limited_s(sequence_s=sequence_s, power_s=power_s, sharpness=flat.power_exponent)
    host_s = flat.host * network.launches * np.ones_like(limited)
    hosted = np.where(host_s > 0, forms.host_limited_s(device_s=limited, host_s=host_s, sharpness=flat.host_sharpness), limited)
    ladder = _ladder(parts, _Table(machines, (1, -1, 1)))
    ladder["dispatch"] = np.maximum(ladder["dispatch"], host_s)
    ladder |= {"sustained": np.maximum(sequence_s, host_s), "power_cap": hosted, "bound_clamp": bound}
    latency = np.maximum(hosted, bound)
    launches_s = np.minimum(latency, np.maximum(flat.time_factor * parts.total(parts.launch_s), host_s))
    return _results(network, flat, batch, bound, energy, latency, launches_s) | _climb(ladder, latency)


def _memory(k: Any, count: Array, m: Any, b: Array) -> tuple[Any, Any]:
    """Return each kernel's bytes from main memory, and the time of all its bytes."""
    activations = (k.inputs + k.outputs) * b * m.element_bytes
    weights = k.weights * _read(k, b) * m.element_bytes
    all_weights = np.maximum((k.weights * count).sum(), 1.0) * m.element_bytes
    traffic = forms.network_traffic(activations=activations, weights=weights, all_weights=all_weights, cache=m.cache)
    seconds = forms.traffic_s(
        activations=activations, weights=weights, traffic=traffic, bandwidth=m.bandwidth,
        bandwidth_share=m.bandwidth_share, cache_ratio=m.cache_ratio,
    )  # fmt: skip
    return traffic, seconds


def _read(k: Any, b: Array) -> Array:
    """Return the share of each kernel's weights that a pass reads: all, but for experts."""
    if (k.routed == 1).all():
        return np.ones((1, 1, 1))
    read: Array = forms.experts_read(batch=b, routed=k.routed, tokens=k.tokens)
    return read


def _is(kernels: Sequence[Cost], *kinds: str) -> npt.NDArray[np.bool_]:
    return np.array([kernel.kind in kinds for kernel in kernels]).reshape(-1, 1, 1)


def _compute(kernels: Sequence[Cost], kind: Machine, k: Any, m: Any, b: Array) -> dict[str, Array]:
    """Return the time of each kernel's arithmetic: `plain` at the peak, `padded`, in whole `waves`, and `full` as sustained."""
    work = k.work_done * b
    plain = work / m.peak
    products, attention = _is(kernels, "gemm", "conv"), _is(kernels, "attention")
    other = {"padded": plain, "waves": plain, "full": forms.plain_s(work=work, peak=m.peak, sustained=m.sustained)}
    if kind.form == "roof":
        other["full"] = plain / np.where(attention, m.attention, m.sustained)
        return {"plain": plain} | other
    size = {
        "rows": k.rows * np.where(k.shared > 0, b / _read(k, b), 1.0),
        "groups": k.groups * np.where(k.shared > 0, _read(k, b), b),
        "columns": k.columns, "channels": k.channels, "taps": k.taps, "peak": m.peak,
    }  # fmt: skip
    found = {name: np.array(np.broadcast_to(values, plain.shape)) for name, values in other.items()}
    for chosen in _pieces(products, plain[0].size):
        part = {name: _rows(values, chosen) for name, values in size.items()}
        product = _tiled(part, kind.tile_set, m) if kind.form == "tiled" else _systolic(part, m)
        for name, values in product.items():
            found[name][chosen] = values
    if (chosen := np.flatnonzero(attention)).size:
        part = {name: _rows(values, chosen) for name, values in (size | {"key_splits": k.splits}).items()}
        for name, values in _attention(part, kind, m, plain[chosen] * m.peak).items():
            found[name][chosen] = values
    return {"plain": plain} | found


def _pieces(which: npt.NDArray[np.bool_], each: int) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the kernels of a kind, so many at a time that their numbers, `each` a kernel, stay in a core's cache."""
    places = np.flatnonzero(which)
    step = max(1, PIECE // max(each, 1))
    for start in range(0, places.size, step):
        yield places[start : start + step]


def _rows(values: Any, chosen: npt.NDArray[np.intp]) -> Any:
    """Return the values of some kernels; what is the same for all stays as it is."""
    return values[chosen] if np.ndim(values) and np.shape(values)[0] > 1 else values


def _tiled(size: Mapping[str, Any], tile_set: TileSet, m: Any) -> dict[str, Array]:
    """Return the arithmetic of products with the best tile and split of the set."""
    size = {**size, "alignment": tile_set.channel_alignment.si}
    shape = np.broadcast_shapes(size["rows"].shape, size["groups"].shape, m.peak.shape, size["columns"].shape)
    best = np.full(shape, np.inf)
    choice = np.zeros(shape, dtype=np.int16)
    options = [(tile, split) for tile in tile_set.tiles for split in tile_set.splits]
    for index, ((tile_rows, tile_columns), split) in enumerate(options):
        seconds = forms.tiled_s(
            **size, tile_rows=float(tile_rows), tile_columns=float(tile_columns), split=float(split), units=m.units,
            bandwidth=m.bandwidth, cache_ratio=m.cache_ratio, derating=m.derating, feed=m.feed, operand_bytes=m.element_bytes,
            weight_bytes=m.element_bytes, result_bytes=m.element_bytes, reference_peak=m.reference_peak,
            split_cost=m.split_cost, sustained=m.sustained, tile_drain=m.tile_drain, wave_fill=m.wave_fill,
            wave_sharing=m.wave_sharing,
        )  # fmt: skip
        better = ~(seconds >= best)
        best, choice = np.where(better, seconds, best), np.where(better, index, choice)
    table = np.array([(*tile, split) for tile, split in options], dtype=float)[choice]
    chosen = {"tile_rows": table[..., 0], "tile_columns": table[..., 1], "split": table[..., 2]}
    return {
        "full": best,
        "padded": forms.tiled_padded_s(**size, **chosen),
        "waves": forms.tiled_waves_s(**size, **chosen, units=m.units, wave_sharing=m.wave_sharing),
    }


def _systolic(size: Mapping[str, Any], m: Any) -> dict[str, Array]:
    size = {**size, "array_rows": m.array_rows, "array_columns": m.array_columns}
    return {
        "full": forms.systolic_s(**size, sustained=m.sustained, units=m.units),
        "padded": forms.systolic_padded_s(**size),
        "waves": forms.systolic_waves_s(**size, units=m.units),
    }


def _attention(size: Mapping[str, Any], kind: Machine, m: Any, work: Array) -> dict[str, Array]:
    common = {"rows": size["rows"], "peak": m.peak, "query_tile": kind.tile_set.query_tile.si, "work": work}
    waves = {**common, "groups": size["groups"], "key_splits": size["key_splits"], "units": m.units}
    return {
        "full": forms.attention_s(
            **waves, sustained=m.attention, channels=size["channels"], softmax_work=m.softmax_work, vector_peak=m.vector_peak
        ),
        "padded": forms.attention_padded_s(**common),
        "waves": forms.attention_waves_s(**waves),
    }


def _bound(network: Network, m: Any, batch: Array) -> Array:
    """Return the sound lower bound on the latency [s]."""
    bound: Array = forms.latency_lower_bound_s(
        work_min=network.work_min * batch, peak_max=m.peak_max, bandwidth=m.bound_bandwidth, on_chip=m.on_chip,
        traffic_min=network.least_elements(batch) * m.element_bytes,
    )  # fmt: skip
    return bound


def _ladder(parts: Breakdown, m: Any) -> dict[str, Array]:
    """Return the time of the network at each rung below the sustained one."""
    compute, memory = parts.compute, parts.traffic / m.bandwidth
    rungs = {
        "arithmetic": parts.total(compute["plain"]),
        "bandwidth": np.maximum(parts.total(compute["plain"]), parts.total(memory)),
        "sequence": parts.total(np.maximum(compute["plain"], memory)),
        "dimension_fit": parts.total(np.maximum(compute["padded"], memory)),
        "unit_allocation": parts.total(np.maximum(compute["waves"], memory)),
    }
    return rungs | {"dispatch": rungs["unit_allocation"] + parts.total(parts.launch_s)}


def _climb(ladder: Mapping[str, Array], latency: Array) -> dict[str, Array]:
    """Return what each rung adds over those below it [s]; none is negative and they sum to the latency."""
    added: dict[str, Array] = {}
    below = np.zeros_like(ladder["arithmetic"])
    for cause in CAUSES:
        reached = np.minimum(np.maximum(below, ladder[cause]), latency)
        added[cause] = reached - below
        below = reached
    return added


def _results(
    network: Network, m: Any, batch: Array, bound: Array, dynamic_j: Array, latency: Array, launches_s: Array
) -> dict[str, Array]:
    work = network.work * batch
    energy = forms.energy_j(idle_w=m.idle_w, latency=latency, dynamic_j=dynamic_j)
    elements = network.compulsory_elements(batch)
    floor = forms.energy_lower_bound_j(
        floor_w=m.floor_w, work_min=network.work_min * batch, peak_max=m.peak_max,
        traffic_min=network.least_elements(batch) * m.element_bytes,
        on_chip=m.on_chip, bandwidth=m.bound_bandwidth, flop_j=m.floor_flop_j, byte_j=m.floor_byte_j,
    )  # fmt: skip
    stored = network.parameters + (network.peak_activation_elements + network.cache_elements) * batch
    return {
        "latency_lower_bound_s": bound,
        "latency_p10_s": np.clip(_percentile(latency, launches_s, m.ratio_p10, m.launch_ratio_p10), bound, latency),
        "latency_estimate_s": latency,
        "latency_p90_s": np.maximum(latency, _percentile(latency, launches_s, m.ratio_p90, m.launch_ratio_p90)),
        "throughput_per_s": batch / latency,
        "throughput_upper_bound_per_s": batch / bound,
        "energy_per_inference_j": energy / batch,
        "energy_lower_bound_j": floor / batch,
        "power_w": energy / latency,
        "mfu": forms.mfu(work=work, latency=latency, peak=m.peak),
        "mfu_upper_bound": np.where(work > 0, forms.mfu(work=work, latency=bound, peak=m.peak), 0.0),
        "mbu": forms.mbu(traffic=elements * m.element_bytes, latency=latency, bandwidth=m.bandwidth),
        "memory_bytes": stored * m.element_bytes + m.workspace,
    }


def _percentile(latency: Array, launches_s: Array, ratio: Array, launch_ratio: Array) -> Array:
    percentile: Array = forms.interval_s(latency=latency, launches_s=launches_s, ratio=ratio, launch_ratio=launch_ratio)
    return percentile
