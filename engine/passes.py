"""What the kernels of a network take on machines of one form, kernel by kernel: traffic, arithmetic, time, energy.

The machines stand along one of the last two axes and the batches along the other: arrays have shape (kernels, machines,
batches), or (kernels, batches, machines) where there are more machines than batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from . import _compiled as forms
from .columns import Array, Table, columns_of
from .cost import Cost, seconds_per_sample
from .machine import Machine, Rates, Tiles
from .totals import Totals

PIECE: Final = 1 << 13
"""So many numbers at a time are faster than more, since they and what comes of them stay in a core's cache."""
PRODUCTS: Final = ("products", "transformable")
"""Kinds of kernels that run in tiles; convolutions that may take Winograd's form are apart where the machine has it."""
FEW: Final = 4
"""Fewer batches of a machine share too little for it to be worked out beforehand."""


@dataclass(frozen=True)
class Form:
    """How a machine runs a network: machines of one form are evaluated together."""

    form: str
    tiles: Tiles
    fused: bool
    fused_attention: bool
    rates: Rates = ()
    conv_apart: bool = False
    """whether convolutions have a peak of their own"""
    winograd: bool = False
    """whether they may take Winograd's form"""


def form_of(machine: Machine) -> Form:
    """Return the form of a machine."""
    return Form(
        machine.form, machine.tile_set, machine.fused, machine.fused_attention, machine.rates,
        machine.conv_peak != machine.load_peak, machine.winograd > 0,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Kernels:
    """The different kernels of a network as a machine launches them, with how often each runs."""

    kernels: tuple[Cost, ...]
    table: Table
    counts: tuple[int, ...]
    all_weights: float
    products: npt.NDArray[np.intp]
    transformable: npt.NDArray[np.intp]
    attention: npt.NDArray[np.intp]
    others: npt.NDArray[np.intp]

    @classmethod
    def of(cls, network: Totals, form: Form) -> Kernels:
        """Return the kernels of a network on machines of a form."""
        kernels, counts = zip(*_launched(network, form), strict=True)
        kinds = np.array([kernel.kind for kernel in kernels])
        products, attention = (kinds == "gemm") | (kinds == "conv"), kinds == "attention"
        transformable = np.array([form.winograd and kernel.winograd_tiles > 0 for kernel in kernels])
        columns = columns_of(kernels) | {"conv": (kinds == "conv").astype(float)} | _rated_columns(kernels, kinds, form)
        return cls(
            kernels=kernels, table=Table(columns, (-1, 1, 1)), counts=counts,
            all_weights=max(float(sum(c * k.weights for k, c in zip(kernels, counts, strict=True))), 1.0),
            products=np.flatnonzero(products & ~transformable), transformable=np.flatnonzero(transformable),
            attention=np.flatnonzero(attention),
            others=np.flatnonzero(~products & ~attention),
        )  # fmt: skip

    def pieces(self, points: int) -> Iterator[tuple[str, npt.NDArray[np.intp]]]:
        """Yield the kernels of each kind, so many at a time that their numbers stay in a core's cache."""
        step = max(1, PIECE // max(points, 1))
        for kind in _COMPUTE:
            places = getattr(self, kind)
            for start in range(0, places.size, step):
                yield kind, places[start : start + step]


def _launched(network: Totals, form: Form) -> tuple[tuple[Cost, int], ...]:
    if form.form == "rated":
        return network.unique_library
    if form.fused:
        return network.unique_kernels
    return network.unique_eager if form.fused_attention else network.unique_unfused


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


@dataclass(frozen=True, kw_only=True, eq=False)
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
            for name, values in parts_of(kind, chosen, pass_, batch[np.newaxis], ladder=True).items():
                found[name][chosen] = values
    return Breakdown(
        count=np.array(kernels.counts, dtype=float).reshape(-1, 1, 1), traffic=found["traffic"],
        compute={name: found[name] for name in _ARITHMETIC}, launch_s=np.broadcast_to(m.launch, shape),
        memory_s=found["memory_s"], seconds=found["seconds"], energy_j=found["energy_j"],
    )  # fmt: skip


_ARITHMETIC: Final = ("plain", "padded", "waves", "full")
"""The arithmetic of a kernel: at the peak, padded, in whole waves, and as sustained."""
_PARTS: Final = ("traffic", "memory_s", "seconds", "energy_j", *_ARITHMETIC)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pass:
    """The kernels of a network on some machines of one form, and what their products take but for the batch.

    Of few batches there is nothing to work out beforehand: each tile and split is done with before the next begins.
    """

    kernels: Kernels
    form: Form
    m: Table
    prepared: Mapping[str, tuple[Option, ...]]

    @classmethod
    def of(cls, kernels: Kernels, form: Form, m: Table, batches: int) -> Pass:
        """Return the pass of kernels on machines, along the second or third axis, for so many batches of each."""
        places = {kind: getattr(kernels, kind) for kind in PRODUCTS} if form.form == "tiled" and batches >= FEW else {}
        prepared = {
            kind: tuple(_options(kernels.table.take(chosen), form, m, together=True))
            for kind, chosen in places.items()
            if chosen.size > 0
        }
        return cls(kernels=kernels, form=form, m=m, prepared=prepared)

    def options(self, some: _Some) -> Iterator[Option]:
        """Yield every tile and split for some products of a kind, of which none between the first and the last is missing."""
        if some.kind not in self.prepared:
            return _options(some.k, self.form, self.m, together=False)
        first = int(np.searchsorted(getattr(self.kernels, some.kind), some.chosen[0]))
        return (option.of(slice(first, first + some.chosen.size)) for option in self.prepared[some.kind])


def parts_of(kind: str, chosen: npt.NDArray[np.intp], on: Pass, b: Array, *, ladder: bool) -> dict[str, Array]:
    """Return what some kernels of one kind take: arrays of shape (kernels, machines, batches)."""
    kernels, m = on.kernels, on.m
    k = kernels.table.take(chosen)
    read = _read(k, b)
    activations, weights = (k.inputs + k.outputs) * b * m.element_bytes, k.weights * read * m.element_bytes
    all_weights = kernels.all_weights * m.element_bytes
    rated = on.form.form == "rated"
    overlap_loss = np.where(k.passes > 0, 1.0, m.overlap_loss) if rated else m.overlap_loss
    spilled = forms.probed_traffic if rated else forms.network_traffic
    traffic = spilled(activations=activations, weights=weights, all_weights=all_weights, cache=m.cache)
    memory_s = _memory_s(k, on, activations=activations, weights=weights, traffic=traffic)
    work = k.work_done * b
    some = _Some(kind=kind, k=k, read=read, b=b, work=work, activations=activations, chosen=chosen)
    compute = (_rated if rated else _COMPUTE[kind])(some, on, ladder)
    work, activations = compute.pop("work", work), compute.pop("activations", activations)
    return compute | {
        "traffic": traffic,
        "memory_s": memory_s,
        "seconds": forms.kernel_s(launch=m.launch, compute_s=compute["full"], memory_s=memory_s, overlap_loss=overlap_loss),
        "energy_j": forms.dynamic_energy_j(
            work=work,
            flop_j=m.flop_j * np.where(k.conv > 0, m.conv_factor, 1.0),
            traffic=traffic,
            byte_j=m.byte_j,
            activations=activations,
            weights=weights,
            cache_byte_j=m.cache_byte_j,
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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Some:
    """Some kernels of a kind at some batches: their table, the share of weights read, work, activation bytes, and places."""

    kind: str
    k: Table
    read: Array
    b: Array
    work: Array
    activations: Array
    chosen: npt.NDArray[np.intp]

    def size(self, m: Table) -> dict[str, Any]:
        """Return the sizes of products: the batch lengthens their rows where samples share weights, else it multiplies them."""
        k, shared = self.k, self.k.shared > 0
        return {
            "rows": k.rows * np.where(shared, self.b / self.read, 1.0) if shared.any() else k.rows,
            "groups": k.groups * self.read if shared.all() else k.groups * np.where(shared, self.read, self.b),
            "columns": k.columns, "channels": k.channels, "taps": k.taps, "peak": m.load_peak,
        }  # fmt: skip


def _products(some: _Some, on: Pass, ladder: bool) -> dict[str, Array]:
    if on.form.form == "roof":
        return _others(some, on, ladder)
    plain = {"plain": some.work / on.m.load_peak} if ladder else {}
    return plain | (_tiled(some, on, ladder) if on.form.form == "tiled" else _systolic(some, on, ladder))


@dataclass(frozen=True, kw_only=True, eq=False)
class Option:
    """A tile shape and a split, the form of a product with them, and what it is given.

    `early` are arrays of shape (products or 1, machines or 1, 1).
    """

    tile: tuple[int, int]
    split: int
    form: Callable[..., Array]
    early: tuple[Array, ...]

    def of(self, places: slice) -> Option:
        """Return the same for some of the products."""
        early = tuple(part[places] if len(part) > 1 else part for part in self.early)
        return Option(tile=self.tile, split=self.split, form=self.form, early=early)


def _peak(k: Table, form: Form, m: Table) -> Array:
    """Return what the full time of kernels goes by [FLOP/s]: convolutions may have a peak of their own.

    The rungs below the full time keep the peak of the format, so that what convolutions lose is a loss of sustained rates.
    """
    peak: Array = np.where(k.conv > 0, m.conv_peak, m.load_peak) if form.conv_apart else m.load_peak
    return peak


def _options(k: Table, on: Form, m: Table, *, together: bool, **other: Any) -> Iterator[Option]:
    """Yield every tile and split of a set with what does not change with the batch, for all at once or one by one.

    `other` stands in place of what the products or the machines have.
    """
    tiles = on.tiles
    shapes = [(tile, split) for split in sorted(tiles.splits) for tile in tiles.tiles]
    groups = [[s for s in shapes if s[1] == 1], [s for s in shapes if s[1] > 1]] if together else [[s] for s in shapes]
    given = {
        "alignment": tiles.channel_alignment, "contraction_step": tiles.contraction_step,
        "columns": k.columns, "channels": k.channels, "taps": k.taps,
        "peak": _peak(k, on, m), "units": m.units, "bandwidth": m.bandwidth, "cache_ratio": m.cache_ratio, "feed": m.feed,
        "operand_bytes": m.element_bytes, "weight_bytes": m.element_bytes, "result_bytes": m.element_bytes,
        "reference_peak": m.reference_peak, "sustained": m.sustained, "tile_drain": m.tile_drain, "wave_fill": m.wave_fill,
        "wave_sharing": m.wave_sharing, **other,
    }  # fmt: skip
    for group in filter(None, groups):
        rows, columns, split = np.array([(*tile, split) for tile, split in group], dtype=float).T.reshape(3, -1, 1, 1, 1)
        own = {**given, "tile_rows": rows, "tile_columns": columns}
        if group[0][1] == 1:
            form, found = forms.whole_tile_s_late, forms.whole_tile_s_early(**own)
        else:
            form, found = forms.tiled_s_late, forms.tiled_s_early(**own, split=split, split_cost=m.split_cost)
        early = [np.reshape(part, (1,) * (4 - np.ndim(part)) + np.shape(part)) for part in found]
        for index, (tile, times) in enumerate(group):
            parts = tuple(part[index if len(part) > 1 else 0] for part in early)
            yield Option(tile=tile, split=times, form=form, early=parts)


def _tiled(some: _Some, on: Pass, ladder: bool) -> dict[str, Array]:
    """Return the arithmetic of products with the best tile and split of the set."""
    return _fastest(on.options(some), some.size(on.m), on, ladder)


def _transformable(some: _Some, on: Pass, ladder: bool) -> dict[str, Array]:
    """Return the arithmetic of convolutions as products of their windows, or in Winograd's form where that takes less.

    Time and energy are each that of the form that takes less of it, so that neither falls with the batch: where the power
    limit decides, a runtime that tunes takes the form of less energy. Its arithmetic and bytes stand in place of the kernel's.
    """
    m, k = on.m, some.k
    size = {"channels": k.channels, "columns": k.columns, "groups": k.groups, "winograd_tiles": k.winograd_tiles * some.b}
    moved = {**size, "activations": some.activations, "operand_bytes": m.element_bytes, "transform": m.transform}
    work = forms.winograd_work(**size)
    product = {"rows": size["winograd_tiles"], "groups": forms.winograd_groups(groups=k.groups), "columns": k.columns,
               "channels": k.channels, "taps": 1.0, "peak": m.load_peak}  # fmt: skip
    options = _options(k, on.form, m, together=False, taps=1.0, sustained=m.winograd)
    lean = ({"plain": work / m.load_peak} if ladder else {}) | _fastest(options, product, on, ladder)
    lean["full"] = forms.winograd_s(
        **moved, launch=m.launch, compute_s=lean["full"], transform_weights=m.transform_weights, bandwidth=m.bandwidth,
        bandwidth_share=m.bandwidth_share,
    )  # fmt: skip
    lean |= {"work": work, "activations": forms.winograd_activations(**moved)}
    implicit = _products(some, on, ladder) | {"work": some.work, "activations": some.activations}
    faster = lean["full"] < implicit["full"]
    saving = convolution_j(m, lean["work"], lean["activations"]) < convolution_j(m, some.work, some.activations)
    by = dict.fromkeys(implicit, faster) | {"work": saving, "activations": saving}
    return {name: np.where(by[name], lean[name], values) for name, values in implicit.items()}


def convolution_j(m: Table | Machine, work: Any, activations: Any) -> Any:
    """Return the energy of a convolution's arithmetic and activations on the chip [J]; its weights are the same in any form."""
    return forms.dynamic_energy_j(
        work=work, flop_j=m.flop_j * m.conv_factor, traffic=0.0, byte_j=0.0, weights=0.0, activations=activations,
        cache_byte_j=m.cache_byte_j,
    )  # fmt: skip


def _fastest(options: Iterator[Option], size: Mapping[str, Any], on: Pass, ladder: bool) -> dict[str, Array]:
    """Return the arithmetic of products of some sizes with the best of some tiles and splits."""
    late = {"rows": size["rows"], "groups": size["groups"]}
    best: Any = np.inf
    choice: Any = 0
    shapes = []
    for index, option in enumerate(options):
        seconds = option.form(option.early, **late)
        shapes.append((*option.tile, option.split))
        choice = np.where(seconds < best, index, choice) if ladder else choice
        best = np.minimum(best, seconds, out=seconds)
    full = {"full": best}
    return full | _chosen(size, on, np.array(shapes, dtype=float)[choice]) if ladder else full


def _chosen(size: Mapping[str, Any], on: Pass, table: Array) -> dict[str, Array]:
    """Return the arithmetic at the peak, padded and in whole waves, with the rows, columns and split chosen for each kernel."""
    chosen: dict[str, Any] = {"tile_rows": table[..., 0], "tile_columns": table[..., 1], "split": table[..., 2]}
    chosen |= {"alignment": on.form.tiles.channel_alignment, "contraction_step": on.form.tiles.contraction_step}
    return {
        "padded": forms.tiled_padded_s(**size, **chosen),
        "waves": forms.tiled_waves_s(**size, **chosen, units=on.m.units, wave_sharing=on.m.wave_sharing),
    }


def _systolic(some: _Some, on: Pass, ladder: bool) -> dict[str, Array]:
    m = on.m
    size = {**some.size(m), "array_rows": m.array_rows, "array_columns": m.array_columns}
    own = {**size, "peak": _peak(some.k, on.form, m)}
    full = {"full": forms.systolic_s(**own, sustained=m.sustained, units=m.units)}
    if not ladder:
        return full
    return full | {"padded": forms.systolic_padded_s(**size), "waves": forms.systolic_waves_s(**size, units=m.units)}


def _attention(some: _Some, on: Pass, ladder: bool) -> dict[str, Array]:
    m, work = on.m, some.work
    if on.form.form == "roof":
        plain = work / m.load_peak
        return {"plain": plain, "padded": plain, "waves": plain, "full": plain / m.attention}
    size = some.size(m)
    common = {"rows": size["rows"], "peak": m.load_peak, "query_tile": on.form.tiles.query_tile, "work": work}
    waves = {**common, "groups": size["groups"], "key_splits": some.k.splits, "units": m.units}
    full = forms.attention_s(
        **waves, sustained=m.attention, channels=size["channels"], softmax_work=m.softmax_work, vector_peak=m.vector_peak
    )
    if not ladder:
        return {"full": full}
    padded, whole = forms.attention_padded_s(**common), forms.attention_waves_s(**waves)
    return {"plain": work / m.load_peak, "padded": padded, "waves": whole, "full": full}


def _others(some: _Some, on: Pass, ladder: bool) -> dict[str, Array]:
    m, work, peak = on.m, some.work, _peak(some.k, on.form, on.m)
    plain = work / m.load_peak
    if on.form.form == "roof":
        full = (work / peak if on.form.conv_apart else plain) / m.sustained
    else:
        full = forms.plain_s(work=work, peak=peak, sustained=m.sustained)
    return {"plain": plain, "padded": plain, "waves": plain, "full": full} if ladder else {"full": full}


def _rated(some: _Some, on: Pass, ladder: bool) -> dict[str, Array]:
    plain = some.work / on.m.load_peak
    full = {"full": forms.rated_s(batch=some.b, sample_s=some.k.sample_s) * np.ones_like(on.m.load_peak)}
    return {"plain": plain, "padded": plain, "waves": plain} | full if ladder else full


_COMPUTE: Final[Mapping[str, Callable[..., dict[str, Array]]]] = {
    "products": _products,
    "transformable": _transformable,
    "attention": _attention,
    "others": _others,
}
