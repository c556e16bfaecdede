"""The numbers: closed forms over kernels x machines x batches in one pass. A machine is one chip with one number format.

`estimate` and its parts take batches of shape (c, b) for c machines and give arrays of that shape. NaN is a value that nobody
publishes, or what follows from one; it is never taken for 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from . import _compiled as forms
from .columns import Array, Table
from .machine import Machine
from .passes import FEW, PIECE, Form, Kernels, Pass, parts_of
from .roster import Roster
from .totals import Totals

PREPARED: Final = 1 << 17
"""So many numbers, at most, are worked out for the machines of a part before its batches are looked at."""
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


@dataclass(frozen=True, kw_only=True, eq=False)
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


FIGURES: Final = tuple(f.name for f in fields(Estimate) if f.name not in ("batch", "ladder_s"))


def estimate(network: Totals, machines: Sequence[Machine], batches: npt.ArrayLike, *, ladder: bool = True) -> Estimate:
    """Return bound, estimate, interval, energy, utilization, memory and ladder for every machine and batch.

    `batches` has shape (b,) for all machines or (c, b). Without `ladder` there is none, in less time. The figures of a machine
    at a batch do not depend on what is asked beside them, to the last bit. Form: docs/model.md, "A whole network".
    """
    given = np.atleast_1d(np.asarray(batches, dtype=float))
    grid = np.broadcast_to(given, (len(machines), given.shape[-1]))
    rows = Lineup(network, Roster.of(machines)).at(np.arange(len(machines)), given if given.ndim == 1 else grid, ladder=ladder)
    causes = {cause: rows.pop(cause) for cause in CAUSES} if ladder else {}
    return Estimate(batch=grid, ladder_s=causes, **rows)


class Lineup:
    """A network on machines of any forms, made ready to be evaluated again and again. Equal machines are one.

    Formats of one width often are: bf16 and fp16 on most chips.
    """

    def __init__(self, network: Totals, roster: Roster) -> None:
        self._network = network
        self._groups: list[tuple[Form, Kernels, Table]] = []
        self._group = roster.form
        self._place = np.empty(len(roster), dtype=np.intp)
        for index, form in enumerate(roster.forms):
            chosen = np.flatnonzero(roster.form == index)
            first, self._place[chosen] = _different(roster.numbers[chosen])
            self._groups.append((form, Kernels.of(network, form), Table(roster.columns(chosen[first]), (-1, 1))))

    @property
    def twins(self) -> list[tuple[int, int]]:
        """Return for each machine what it shares with those that are equal to it in every number."""
        return list(zip(self._group.tolist(), self._place.tolist(), strict=True))

    def at(self, rows: npt.NDArray[np.intp], batches: Array, *, ladder: bool = False) -> dict[str, Array]:
        """Return figures and, if asked for, rungs of some of the machines: arrays of shape (rows, batches).

        `batches` has shape (b,) for all of them or (rows, b).
        """
        shape = (len(rows), batches.shape[-1])
        found = {name: np.full(shape, np.nan) for name in (*FIGURES, *(CAUSES if ladder else ()))}
        for index, (form, kernels, table) in enumerate(self._groups):
            chosen = np.flatnonzero(self._group[rows] == index)
            if not chosen.size:
                continue
            places, own = self._place[rows[chosen]], batches
            if batches.ndim == 1:
                places, back = _distinct(places)
            else:
                own, back = batches[chosen], np.arange(chosen.size)
            for name, values in _in_pieces(self._network, kernels, form, table.take(places), own, ladder=ladder).items():
                found[name][chosen] = values[back]
        return found


def _distinct(places: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the numbers that occur, sorted, and where each stands among them; numpy's own loads its masked arrays."""
    there = np.zeros(int(places.max()) + 1, dtype=bool)
    there[places] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[places]


def _different(rows: Array) -> tuple[list[int], list[int]]:
    """Return the places of the rows that differ in a number, and for each row which of these it equals."""
    seen: dict[bytes, int] = {}
    same = [seen.setdefault(row.tobytes(), len(seen)) for row in rows]
    first = dict(zip(reversed(same), reversed(range(len(same))), strict=True))
    return [first[place] for place in range(len(first))], same


def evaluate(network: Totals, form: Form, machines: Table, batches: Array, *, ladder: bool) -> dict[str, Array]:
    """Return figures and, if asked for, rungs of machines of one form: arrays of shape (machines, batches).

    `machines` has shape (machines, 1), `batches` (b,) or (machines, b). Many points are taken in pieces, so that memory does
    not grow with them but for the result.
    """
    return _in_pieces(network, Kernels.of(network, form), form, machines, batches, ladder=ladder)


def _in_pieces(
    network: Totals, kernels: Kernels, form: Form, machines: Table, batches: Array, *, ladder: bool
) -> dict[str, Array]:
    shape = (len(machines) if batches.ndim == 1 else max(len(machines), len(batches)), batches.shape[-1])
    found: dict[str, Array] = {}
    with np.errstate(all="ignore"):
        tried = len(form.tiles.tiles) * len(form.tiles.splits) * len(kernels.counts)
        for part in _parts_of(shape, max(1, PREPARED // tried) if shape[1] >= FEW else PIECE):
            batch = batches[np.newaxis, part[1]] if batches.ndim == 1 else batches[part]
            for name, values in _lengthwise(network, kernels, form, machines.take(part[0]), batch, ladder=ladder).items():
                found.setdefault(name, np.empty(shape))[part] = values
    return found


def _lengthwise(
    network: Totals, kernels: Kernels, form: Form, machines: Table, batch: Array, *, ladder: bool
) -> dict[str, Array]:
    """Return figures and rungs of machines at batches of shape (machines or 1, batches).

    Whichever there are more of are worked out along the last axis: numpy takes long rows in less time than many short ones.
    """
    batches = batch.shape[1]
    if max(len(machines), len(batch)) <= batches:
        return _evaluate(network, kernels, form, machines, batch, batches, ladder=ladder)
    turned, across = machines.shaped(1, -1), np.ascontiguousarray(batch.T)
    found = _evaluate(network, kernels, form, turned, across, batches, ladder=ladder)
    return {name: values.T for name, values in found.items()}


def _parts_of(shape: tuple[int, int], machines: int) -> Iterator[tuple[slice, slice]]:
    """Yield parts of a grid of machines and batches with about PIECE points each, and at most so many machines."""
    down, across = shape
    columns = -(-across // PIECE)
    rows = max(-(-down * min(across, PIECE) // PIECE), -(-down // machines))
    for row in range(rows):
        for column in range(columns):
            yield _share(down, row, rows), _share(across, column, columns)


def _share(size: int, index: int, parts: int) -> slice:
    return slice(size * index // parts, size * (index + 1) // parts)


def _evaluate(
    network: Totals, kernels: Kernels, form: Form, flat: Table, batch: Array, batches: int, *, ladder: bool
) -> dict[str, Array]:
    """Return figures and rungs of machines along one axis and so many batches of each along the other, in either order."""
    shape = np.broadcast_shapes(flat.shape, batch.shape)
    sums = _sums(Pass.of(kernels, form, flat.lifted(), batches), batch[np.newaxis], shape, ladder=ladder)
    bound = _bound(network, flat, batch)
    energy = flat.energy_factor * sums["energy_j"]
    sequence_s = flat.time_factor * sums["seconds"]
    watts = {"idle_w": flat.idle_w, "static_w": flat.static_w, "tdp_w": flat.tdp_w}
    power_s = forms.power_limit_s(dynamic_j=energy, sequence_s=sequence_s, **watts)
    # numpy takes another way to powers with a single exponent, with another last bit: each number gets an exponent of its own.
    exponent = np.broadcast_to(flat.voltage_exponent, sequence_s.shape).copy()
    limited = forms.power_limited_s(
        sequence_s=sequence_s, power_s=power_s, voltage_span=flat.voltage_span, voltage_exponent=exponent
    )
    spent = forms.limited_energy_j(dynamic_j=energy, idle_w=flat.idle_w, tdp_w=flat.tdp_w, limited_s=limited)
    host_s = flat.host * network.launches
    hosted = limited
    if (host_s > 0).any():
        sharpness = np.broadcast_to(flat.host_sharpness, limited.shape).copy()
        hosted = forms.host_limited_s(device_s=limited, host_s=np.broadcast_to(host_s, limited.shape), sharpness=sharpness)
        hosted = np.where(host_s > 0, hosted, limited)
    latency = np.maximum(hosted, bound)
    launch_s = sum(kernels.counts) * flat.launch
    launches_s = np.minimum(latency, np.maximum(flat.time_factor * launch_s, host_s))
    figures = _figures(network, flat, batch, bound, spent, latency, launches_s)
    if not ladder:
        return figures
    rungs = {cause: sums[cause] for cause in ("arithmetic", "sequence", "dimension_fit", "unit_allocation")}
    rungs["bandwidth"] = np.maximum(sums["arithmetic"], sums["memory"])
    rungs["dispatch"] = np.maximum(sums["unit_allocation"] + launch_s, host_s)
    rungs |= {"sustained": np.maximum(sequence_s, host_s), "power_cap": hosted, "bound_clamp": bound}
    return figures | _climb(rungs, latency)


def _sums(on: Pass, b: Array, shape: tuple[int, ...], *, ladder: bool) -> dict[str, Array]:
    """Return what all kernels take together, added one after the other, so that a sum is the same in any company."""
    names = ("seconds", "energy_j", *(_RUNGS if ladder else ()))
    sums = {name: np.zeros(shape) for name in names}
    for kind, chosen in on.kernels.pieces(shape[0] * shape[1]):
        parts = parts_of(kind, chosen, on, b, ladder=ladder)
        if ladder:
            parts |= {name: rung(parts, parts["traffic"] / on.m.bandwidth) for name, rung in _RUNGS.items()}
        for name in names:
            for place, values in zip(chosen, np.broadcast_to(parts[name], (chosen.size, *shape)), strict=True):
                sums[name] += on.kernels.counts[place] * values
    return sums


_RUNGS: Final[Mapping[str, Callable[[Mapping[str, Array], Array], Array]]] = {
    "arithmetic": lambda parts, _: parts["plain"],
    "memory": lambda _, memory: memory,
    "sequence": lambda parts, memory: np.maximum(parts["plain"], memory),
    "dimension_fit": lambda parts, memory: np.maximum(parts["padded"], memory),
    "unit_allocation": lambda parts, memory: np.maximum(parts["waves"], memory),
}
"""What the rungs below the sustained one add up, of a kernel's parts and the time of its traffic at the bandwidth."""


def _bound(network: Totals, m: Table, batch: Array) -> Array:
    """Return the sound lower bound on the latency [s]."""
    bound: Array = forms.latency_lower_bound_s(
        work_min=network.work_min * batch, peak_max=m.peak_max, bandwidth=m.bound_bandwidth, on_chip=m.on_chip,
        traffic_min=network.least_elements(batch) * m.element_bytes,
    )  # fmt: skip
    return bound


def _climb(ladder: Mapping[str, Array], latency: Array) -> dict[str, Array]:
    """Return what each rung adds over those below it [s]; none is negative and they sum to the latency."""
    added: dict[str, Array] = {}
    below = np.zeros_like(latency)
    for cause in CAUSES:
        reached = np.minimum(np.maximum(below, ladder[cause]), latency)
        added[cause] = reached - below
        below = reached
    return added


def _figures(
    network: Totals, m: Table, batch: Array, bound: Array, dynamic_j: Array, latency: Array, launches_s: Array
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
