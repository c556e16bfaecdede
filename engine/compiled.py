"""The numbers: closed forms over kernels x machines x batches in one pass. A machine is one chip with one number format.

`estimate` and its parts take batches of shape (c, b) for c machines and give arrays of that shape. NaN is a value that nobody
publishes, or what follows from one; it is never taken for 0.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from operator import attrgetter
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from . import _compiled as forms
from .cost import Cost, seconds_per_sample
from .machine import Machine, Rates, Tiles
from .totals import Totals

Array = npt.NDArray[np.float64]

PIECE: Final = 1 << 13
"""So many numbers at a time are faster than more, since they and what comes of them stay in a core's cache."""
FEW: Final = 4
"""Fewer batches of a machine share too little for it to be worked out beforehand."""
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


class Table:
    """Records as columns: attribute `x` is the array of all records' x, shaped to broadcast along one axis."""

    def __init__(self, columns: Mapping[str, Array], shape: tuple[int, ...]) -> None:
        self._columns = columns
        self._shape = shape

    def __getattr__(self, name: str) -> Any:
        if name not in self._columns:
            raise AttributeError(name)
        values = self._columns[name].reshape(self._shape)
        setattr(self, name, values)
        return values

    def shaped(self, *shape: int) -> Table:
        """Return the same records along another axis."""
        return Table(self._columns, shape)

    def __len__(self) -> int:
        """Return how many records there are."""
        return max(values.size for values in self._columns.values())

    def matrix(self) -> Array:
        """Return all numbers, a row for each record."""
        size = len(self)
        return np.column_stack([np.broadcast_to(values, (size,)) for values in self._columns.values()])

    def take(self, rows: Any) -> Table:
        """Return the table of some of the records; a column of one value for all stays as it is."""
        return Table({name: v[rows] if v.size > 1 else v for name, v in self._columns.items()}, self._shape)


def columns_of(records: Sequence[Any]) -> dict[str, Array]:
    """Return the numbers of records of one class by field: arrays of shape (records,)."""
    kind: Any = type(records[0])
    names = number_names(kind)
    values = np.array(list(map(attrgetter(*names), records)), dtype=float)
    return dict(zip(names, np.ascontiguousarray(values.T), strict=True))


def numbers_of(record: Any) -> tuple[float, ...]:
    """Return the numbers of a record, in the order of its fields."""
    found: tuple[float, ...] = attrgetter(*number_names(cast("Hashable", type(record))))(record)
    return found


@cache
def number_names(kind: Hashable) -> tuple[str, ...]:
    """Return the fields of a class of records that are numbers."""
    return tuple(field.name for field in fields(cast("Any", kind)) if field.type in ("float", "int", "bool"))


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


FIGURES: Final = tuple(f.name for f in fields(Estimate) if f.name not in ("batch", "ladder_s"))


@dataclass(frozen=True)
class Form:
    """How a machine runs a network: machines of one form are evaluated together."""

    form: str
    tiles: Tiles
    fused: bool
    rates: Rates = ()


def form_of(machine: Machine) -> Form:
    """Return the form of a machine."""
    return Form(machine.form, machine.tile_set, machine.fused, machine.rates)


def estimate(network: Totals, machines: Sequence[Machine], batches: npt.ArrayLike, *, ladder: bool = True) -> Estimate:
    """Return bound, estimate, interval, energy, utilization, memory and ladder for every machine and batch.

    `batches` has shape (b,) for all machines or (c, b). Without `ladder` there is none, in less time. The figures of a machine
    at a batch do not depend on what is asked beside them, to the last bit. Form: docs/model.md, "A whole network".
    """
    given = np.atleast_1d(np.asarray(batches, dtype=float))
    grid = np.broadcast_to(given, (len(machines), given.shape[-1]))
    rows = Lineup(network, machines).at(np.arange(len(machines)), given if given.ndim == 1 else grid, ladder=ladder)
    causes = {cause: rows.pop(cause) for cause in CAUSES} if ladder else {}
    return Estimate(batch=grid, ladder_s=causes, **rows)


class Lineup:
    """A network on machines of any forms, made ready to be evaluated again and again. Equal machines are one.

    Formats of one width often are: bf16 and fp16 on most chips.
    """

    def __init__(self, network: Totals, machines: Sequence[Machine]) -> None:
        self._network = network
        self._groups: list[tuple[Form, Kernels, Table]] = []
        self._group = np.empty(len(machines), dtype=np.intp)
        self._place = np.empty(len(machines), dtype=np.intp)
        members: dict[Form, list[int]] = {}
        for index, machine in enumerate(machines):
            members.setdefault(form_of(machine), []).append(index)
        for form, chosen in members.items():
            table = Table(columns_of([machines[index] for index in chosen]), (-1, 1))
            first, same = _different(table)
            self._group[chosen], self._place[chosen] = len(self._groups), same
            self._groups.append((form, Kernels.of(network, form), table.take(first)))

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


def _different(machines: Table) -> tuple[list[int], list[int]]:
    """Return the machines that differ in a number, and for each machine which of them it equals."""
    first: dict[bytes, int] = {}
    same = [first.setdefault(row.tobytes(), len(first)) for row in machines.matrix()]
    return [same.index(place) for place in range(len(first))], same


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
            for name, values in _evaluate(network, kernels, form, machines.take(part[0]), batch, ladder=ladder).items():
                found.setdefault(name, np.empty(shape))[part] = values
    return found


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


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """The different kernels of a network as a machine launches them, with how often each runs."""

    kernels: tuple[Cost, ...]
    table: Table
    counts: tuple[int, ...]
    all_weights: float
    products: npt.NDArray[np.intp]
    attention: npt.NDArray[np.intp]
    others: npt.NDArray[np.intp]

    @classmethod
    def of(cls, network: Totals, form: Form) -> Kernels:
        """Return the kernels of a network on machines of a form."""
        kernels, counts = zip(*_launched(network, form), strict=True)
        kinds = np.array([kernel.kind for kernel in kernels])
        products, attention = (kinds == "gemm") | (kinds == "conv"), kinds == "attention"
        columns = columns_of(kernels) | {"conv": (kinds == "conv").astype(float)} | _rated_columns(kernels, kinds, form)
        return cls(
            kernels=kernels, table=Table(columns, (-1, 1, 1)), counts=counts,
            all_weights=max(float(sum(c * k.weights for k, c in zip(kernels, counts, strict=True))), 1.0),
            products=np.flatnonzero(products), attention=np.flatnonzero(attention),
            others=np.flatnonzero(~products & ~attention),
        )  # fmt: skip

    def pieces(self, points: int) -> Iterator[tuple[str, npt.NDArray[np.intp]]]:
        """Yield the kernels of each kind, so many at a time that their numbers stay in a core's cache."""
        step = max(1, PIECE // max(points, 1))
        for kind in ("products", "attention", "others"):
            places = getattr(self, kind)
            for start in range(0, places.size, step):
                yield kind, places[start : start + step]


def _launched(network: Totals, form: Form) -> tuple[tuple[Cost, int], ...]:
    if form.form == "rated":
        return network.unique_library
    return network.unique_kernels if form.fused else network.unique_unfused


def _rated_columns(kernels: Sequence[Cost], kinds: npt.NDArray[np.str_], form: Form) -> dict[str, Array]:
    """Return of a machine with rates the time of each kernel's parts for one sample [s], and which are passes over memory."""
    if form.form != "rated":
        return {}
    rates = dict(form.rates)
    seconds = [seconds_per_sample(kernel, rates) for kernel in kernels]
    return {"sample_s": np.array(seconds), "passes": ((kinds == "memory") | (kinds == "attention")).astype(float)}


def kernels_on(network: Totals, machine: Machine) -> tuple[tuple[Cost, int], ...]:
    """Return each different kernel of a network as a machine's runtime launches it, with how often it does."""
    return _launched(network, form_of(machine))


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


def breakdown(network: Totals, machines: Sequence[Machine], batch: Array) -> Breakdown:
    """Return the parts of the estimate, kernel by kernel, in the order of `kernels_on(network, machines[0])`.

    The machines must be of one form, tile set and way of running kernels; `batch` has shape (machines, batches).
    """
    form, m = form_of(machines[0]), Table(columns_of(machines), (1, -1, 1))
    kernels = Kernels.of(network, form)
    shape = (len(kernels.counts), *batch.shape)
    found = {name: np.empty(shape) for name in _PARTS}
    with np.errstate(all="ignore"):
        pass_ = Pass.of(kernels, form, m, batch.shape[1])
        for kind, chosen in kernels.pieces(batch.size):
            for name, values in _parts(kind, chosen, pass_, batch[np.newaxis], ladder=True).items():
                found[name][chosen] = values
    return Breakdown(
        count=np.array(kernels.counts, dtype=float).reshape(-1, 1, 1), traffic=found["traffic"],
        compute={name: found[name] for name in _ARITHMETIC}, launch_s=np.broadcast_to(m.launch, shape),
        memory_s=found["memory_s"], seconds=found["seconds"], energy_j=found["energy_j"],
    )  # fmt: skip


_ARITHMETIC: Final = ("plain", "padded", "waves", "full")
"""The arithmetic of a kernel: at the peak, padded, in whole waves, and as sustained."""
_PARTS: Final = ("traffic", "memory_s", "seconds", "energy_j", *_ARITHMETIC)


@dataclass(frozen=True, kw_only=True)
class Pass:
    """The kernels of a network on some machines of one form, and what their products take but for the batch.

    Of few batches there is nothing to work out beforehand: each tile and split is done with before the next begins.
    """

    kernels: Kernels
    form: Form
    m: Table
    prepared: tuple[Option, ...]

    @classmethod
    def of(cls, kernels: Kernels, form: Form, m: Table, batches: int) -> Pass:
        """Return the pass of kernels on machines, along the second axis, for so many batches of each."""
        many = form.form == "tiled" and kernels.products.size > 0 and batches >= FEW
        prepared = tuple(_options(kernels.table.take(kernels.products), form.tiles, m, together=True)) if many else ()
        return cls(kernels=kernels, form=form, m=m, prepared=prepared)

    def options(self, chosen: npt.NDArray[np.intp]) -> Iterator[Option]:
        """Yield every tile and split for some products."""
        if not self.prepared:
            return _options(self.kernels.table.take(chosen), self.form.tiles, self.m, together=False)
        places = np.searchsorted(self.kernels.products, chosen)
        return (option.of(places) for option in self.prepared)


def _parts(kind: str, chosen: npt.NDArray[np.intp], on: Pass, b: Array, *, ladder: bool) -> dict[str, Array]:
    """Return what some kernels of one kind take: arrays of shape (kernels, machines, batches)."""
    kernels, m = on.kernels, on.m
    k = kernels.table.take(chosen)
    read = _read(k, b)
    activations, weights = (k.inputs + k.outputs) * b * m.element_bytes, k.weights * read * m.element_bytes
    all_weights = kernels.all_weights * m.element_bytes
    rated = on.form.form == "rated"
    overlap_loss = np.where(k.passes > 0, 1.0, m.overlap_loss) if rated else m.overlap_loss
    traffic = forms.network_traffic(activations=activations, weights=weights, all_weights=all_weights, cache=m.cache)
    memory_s = _memory_s(k, on, activations=activations, weights=weights, traffic=traffic)
    work = k.work_done * b
    compute = (_rated if rated else _COMPUTE[kind])(_Some(k=k, read=read, b=b, work=work, chosen=chosen), on, ladder)
    return compute | {
        "traffic": traffic,
        "memory_s": memory_s,
        "seconds": forms.kernel_s(launch=m.launch, compute_s=compute["full"], memory_s=memory_s, overlap_loss=overlap_loss),
        "energy_j": forms.dynamic_energy_j(
            work=work, flop_j=m.flop_j * np.where(k.conv > 0, m.conv_factor, 1.0), traffic=traffic, byte_j=m.byte_j
        ),
    }


def _memory_s(k: Table, on: Pass, *, activations: Array, weights: Array, traffic: Array) -> Array:
    """Return the time of kernels' bytes [s]; of a machine with rates that of those from memory, at the bandwidth of their kind.

    A pass of such a machine hides nothing: its loads and stores in the cache are its time already, what comes from memory adds.
    """
    m = on.m
    if on.form.form == "rated":
        share = np.where(k.passes > 0, m.bandwidth_share, m.product_share)
        fetched: Array = forms.fetch_s(traffic=traffic, bandwidth=m.bandwidth, bandwidth_share=share)
        return fetched
    seconds: Array = forms.traffic_s(
        activations=activations, weights=weights, traffic=traffic, bandwidth=m.bandwidth,
        bandwidth_share=m.bandwidth_share, cache_ratio=m.cache_ratio,
    )  # fmt: skip
    return seconds


def _read(k: Table, b: Array) -> Array:
    """Return the share of each kernel's weights that a pass reads: all, but for experts."""
    if (k.routed == 1).all():
        return np.ones((1, 1, 1))
    read: Array = forms.experts_read(batch=b, routed=k.routed, tokens=k.tokens)
    return read


@dataclass(frozen=True, kw_only=True)
class _Some:
    """Some kernels of one kind at some batches: their table, the share of weights read, their work, and their places."""

    k: Table
    read: Array
    b: Array
    work: Array
    chosen: npt.NDArray[np.intp]

    def size(self, m: Table) -> dict[str, Any]:
        """Return the sizes of products: the batch lengthens their rows where samples share weights, else it multiplies them."""
        k, shared = self.k, self.k.shared > 0
        return {
            "rows": k.rows * np.where(shared, self.b / self.read, 1.0) if shared.any() else k.rows,
            "groups": k.groups * self.read if shared.all() else k.groups * np.where(shared, self.read, self.b),
            "columns": k.columns, "channels": k.channels, "taps": k.taps, "peak": m.peak,
        }  # fmt: skip


def _products(some: _Some, on: Pass, ladder: bool) -> dict[str, Array]:
    if on.form.form == "roof":
        return _others(some, on, ladder)
    plain = {"plain": some.work / on.m.peak} if ladder else {}
    return plain | (_tiled(some, on, ladder) if on.form.form == "tiled" else _systolic(some.size(on.m), on.m, ladder))


@dataclass(frozen=True, kw_only=True)
class Option:
    """A tile shape and a split, the form of a product with them, and what it is given.

    `early` are arrays of shape (products or 1, machines or 1, 1).
    """

    tile: tuple[int, int]
    split: int
    form: Callable[..., Array]
    early: tuple[Array, ...]

    def of(self, places: npt.NDArray[np.intp]) -> Option:
        """Return the same for some of the products."""
        early = tuple(part[places] if len(part) > 1 else part for part in self.early)
        return Option(tile=self.tile, split=self.split, form=self.form, early=early)


def _options(k: Table, tiles: Tiles, m: Table, *, together: bool) -> Iterator[Option]:
    """Yield every tile and split of a set with what does not change with the batch, for all at once or one by one."""
    shapes = [(tile, split) for split in sorted(tiles.splits) for tile in tiles.tiles]
    groups = [[s for s in shapes if s[1] == 1], [s for s in shapes if s[1] > 1]] if together else [[s] for s in shapes]
    given = {
        "alignment": tiles.channel_alignment, "columns": k.columns, "channels": k.channels, "taps": k.taps,
        "peak": m.peak, "units": m.units, "bandwidth": m.bandwidth, "cache_ratio": m.cache_ratio, "feed": m.feed,
        "operand_bytes": m.element_bytes, "weight_bytes": m.element_bytes, "result_bytes": m.element_bytes,
        "reference_peak": m.reference_peak, "sustained": m.sustained, "tile_drain": m.tile_drain, "wave_fill": m.wave_fill,
        "wave_sharing": m.wave_sharing,
    }  # fmt: skip
    for group in filter(None, groups):
        rows, columns, split = np.array([(*tile, split) for tile, split in group], dtype=float).T.reshape(3, -1, 1, 1, 1)
        own = {**given, "tile_rows": rows, "tile_columns": columns}
        if group[0][1] == 1:
            form, found = forms.whole_tile_s_late, forms.whole_tile_s_early(**own)
        else:
            form, found = forms.tile_option_s_late, forms.tile_option_s_early(**own, split=split, split_cost=m.split_cost)
        early = [np.reshape(part, (1,) * (4 - np.ndim(part)) + np.shape(part)) for part in found]
        for index, (tile, times) in enumerate(group):
            parts = tuple(part[index if len(part) > 1 else 0] for part in early)
            yield Option(tile=tile, split=times, form=form, early=parts)


def _tiled(some: _Some, on: Pass, ladder: bool) -> dict[str, Array]:
    """Return the arithmetic of products with the best tile and split of the set."""
    size, m = some.size(on.m), on.m
    late = {"rows": size["rows"], "groups": size["groups"]}
    best: Any = np.inf
    choice: Any = 0
    shapes = []
    for index, option in enumerate(on.options(some.chosen)):
        seconds = option.form(option.early, **late)
        shapes.append((*option.tile, option.split))
        choice = np.where(seconds < best, index, choice) if ladder else choice
        best = np.minimum(best, seconds, out=seconds)
    derating = forms.derated_early(
        channels=size["channels"], columns=size["columns"], derating=m.derating, peak=m.peak, taps=size["taps"]
    )
    full = {"full": best * forms.derated_late(derating, **late)}
    return full | _chosen(size, on, np.array(shapes, dtype=float)[choice]) if ladder else full


def _chosen(size: Mapping[str, Any], on: Pass, table: Array) -> dict[str, Array]:
    """Return the arithmetic at the peak, padded and in whole waves, with the rows, columns and split chosen for each kernel."""
    chosen: dict[str, Any] = {"tile_rows": table[..., 0], "tile_columns": table[..., 1], "split": table[..., 2]}
    chosen["alignment"] = on.form.tiles.channel_alignment
    return {
        "padded": forms.tiled_padded_s(**size, **chosen),
        "waves": forms.tiled_waves_s(**size, **chosen, units=on.m.units, wave_sharing=on.m.wave_sharing),
    }


def _systolic(size: Mapping[str, Any], m: Table, ladder: bool) -> dict[str, Array]:
    size = {**size, "array_rows": m.array_rows, "array_columns": m.array_columns}
    full = {"full": forms.systolic_s(**size, sustained=m.sustained, units=m.units)}
    if not ladder:
        return full
    return full | {"padded": forms.systolic_padded_s(**size), "waves": forms.systolic_waves_s(**size, units=m.units)}


def _attention(some: _Some, on: Pass, ladder: bool) -> dict[str, Array]:
    m, work = on.m, some.work
    if on.form.form == "roof":
        plain = work / m.peak
        return {"plain": plain, "padded": plain, "waves": plain, "full": plain / m.attention}
    size = some.size(m)
    common = {"rows": size["rows"], "peak": m.peak, "query_tile": on.form.tiles.query_tile, "work": work}
    waves = {**common, "groups": size["groups"], "key_splits": some.k.splits, "units": m.units}
    full = forms.attention_s(
        **waves, sustained=m.attention, channels=size["channels"], softmax_work=m.softmax_work, vector_peak=m.vector_peak
    )
    if not ladder:
        return {"full": full}
    padded, whole = forms.attention_padded_s(**common), forms.attention_waves_s(**waves)
    return {"plain": work / m.peak, "padded": padded, "waves": whole, "full": full}


def _others(some: _Some, on: Pass, ladder: bool) -> dict[str, Array]:
    m, plain = on.m, some.work / on.m.peak
    full = plain / m.sustained if on.form.form == "roof" else forms.plain_s(work=some.work, peak=m.peak, sustained=m.sustained)
    return {"plain": plain, "padded": plain, "waves": plain, "full": full} if ladder else {"full": full}


def _rated(some: _Some, on: Pass, ladder: bool) -> dict[str, Array]:
    plain = some.work / on.m.peak
    full = {"full": forms.rated_s(batch=some.b, sample_s=some.k.sample_s) * np.ones_like(on.m.peak)}
    return {"plain": plain, "padded": plain, "waves": plain} | full if ladder else full


_COMPUTE: Final[Mapping[str, Callable[..., dict[str, Array]]]] = {
    "products": _products,
    "attention": _attention,
    "others": _others,
}


def _evaluate(network: Totals, kernels: Kernels, form: Form, flat: Table, batch: Array, *, ladder: bool) -> dict[str, Array]:
    """Return figures and rungs of machines at batches of shape (machines or 1, batches)."""
    shape = (max(len(flat), len(batch)), batch.shape[1])
    sums = _sums(Pass.of(kernels, form, flat.shaped(1, -1, 1), shape[1]), batch[np.newaxis], shape, ladder=ladder)
    bound = _bound(network, flat, batch)
    energy = flat.energy_factor * sums["energy_j"]
    power_s = forms.power_limit_s(dynamic_j=energy, idle_w=flat.idle_w, tdp_w=flat.tdp_w)
    sequence_s = flat.time_factor * sums["seconds"]
    # numpy takes another way to powers with a single exponent, with another last bit: each number gets an exponent of its own.
    sharpness = np.broadcast_to(flat.power_exponent, sequence_s.shape).copy()
    limited = forms.power_limited_s(sequence_s=sequence_s, power_s=power_s, sharpness=sharpness)
    host_s = flat.host * network.launches
    hosted = limited
    if (host_s > 0).any():
        sharpness = np.broadcast_to(flat.host_sharpness, limited.shape).copy()
        hosted = forms.host_limited_s(device_s=limited, host_s=np.broadcast_to(host_s, limited.shape), sharpness=sharpness)
        hosted = np.where(host_s > 0, hosted, limited)
    latency = np.maximum(hosted, bound)
    launch_s = sum(kernels.counts) * flat.launch
    launches_s = np.minimum(latency, np.maximum(flat.time_factor * launch_s, host_s))
    figures = _figures(network, flat, batch, bound, energy, latency, launches_s)
    if not ladder:
        return figures
    rungs = {cause: sums[cause] for cause in ("arithmetic", "sequence", "dimension_fit", "unit_allocation")}
    rungs["bandwidth"] = np.maximum(sums["arithmetic"], sums["memory"])
    rungs["dispatch"] = np.maximum(sums["unit_allocation"] + launch_s, host_s)
    rungs |= {"sustained": np.maximum(sequence_s, host_s), "power_cap": hosted, "bound_clamp": bound}
    return figures | _climb(rungs, latency)


def _sums(on: Pass, b: Array, shape: tuple[int, int], *, ladder: bool) -> dict[str, Array]:
    """Return what all kernels take together, added one after the other, so that a sum is the same in any company."""
    names = ("seconds", "energy_j", *(_RUNGS if ladder else ()))
    sums = {name: np.zeros(shape) for name in names}
    for kind, chosen in on.kernels.pieces(shape[0] * shape[1]):
        parts = _parts(kind, chosen, on, b, ladder=ladder)
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
