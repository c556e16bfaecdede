"""Kernels that run by themselves, again and again, as microbenchmarks run them: products, attention, convolutions, streams.

Every function takes arrays of shapes (one element per kernel, broadcast against each other) for one chip and operator, and
returns times [s] of the same shape. Form: docs/model.md, "One kernel".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from . import _compiled as forms
from . import winograd
from .accelerator import Accelerator
from .assembly import bound_memory, clock_scale, energies_of, load_clock_hz, load_peaks, power, product_constants, si_of, tiles
from .calibration import KernelConstants, Resolved
from .errors import DomainError, unknown
from .machine import DTYPE_BYTES, Tiles

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelMachine:
    """One chip with one operator in one number format or recipe, resolved to SI numbers; NaN is unknown."""

    hardware: str
    operator: str
    format: str
    tile_set: Tiles
    operand_bytes: float
    weight_bytes: float
    result_bytes: float
    quantized_from: float
    load_peak: float
    peak_max: float
    reference_peak: float
    vector_peak: float
    bandwidth: float
    bound_bandwidth: float
    on_chip: float
    cache: float
    units: float
    contraction_step: float
    sustained: float
    bandwidth_share: float
    cache_ratio: float
    feed: float
    wave_sharing: float
    tile_drain: float
    overlap_loss: float
    clock_scale: float
    launch: float
    wave_fill: float
    split_cost: float
    host: float
    host_sharpness: float
    rotations: float
    quantize_share: float
    energy_share: float
    flop_j: float
    byte_j: float
    cache_byte_j: float
    tdp_w: float
    idle_w: float
    static_w: float
    voltage_span: float
    voltage_exponent: float
    softmax_work: float
    tile_efficiency: float
    head_loss: float
    kv_factor: float
    slice_tokens: float
    walk: float
    tile_fill: float
    tile_edge: float
    misalignment: float
    launch_growth: float
    winograd: float
    transform: float
    transform_weights: float
    ratio_p10: float
    ratio_p90: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a format or recipe means for a product: the peaks that it may run at, and the formats of operands and weights."""

    peaks: tuple[str, ...]
    operands: str
    weights: str | None = None

    @property
    def operand_bytes(self) -> float:
        """Return the size of an element of the activations [B]."""
        return DTYPE_BYTES[self.operands]

    @property
    def weight_bytes(self) -> float:
        """Return the size of an element of the weights [B]."""
        return DTYPE_BYTES[self.weights or self.operands]

    @property
    def quantized(self) -> bool:
        """Return whether activations come in 16 bits and are narrowed on the fly."""
        return self.operand_bytes < SIXTEEN_BIT_BYTES


RECIPES: Final = {
    "fp64": Recipe(peaks=("fp64",), operands="fp64"),
    "fp32": Recipe(peaks=("fp32",), operands="fp32"),
    "tf32": Recipe(peaks=("tf32",), operands="tf32"),
    "bf16": Recipe(peaks=("bf16", "fp16"), operands="bf16"),
    "fp16": Recipe(peaks=("fp16", "bf16"), operands="fp16"),
    "fp8": Recipe(peaks=("fp8",), operands="fp8"),
    "fp8_block": Recipe(peaks=("fp8",), operands="fp8"),
    "int8": Recipe(peaks=("int8",), operands="int8"),
    "fp4": Recipe(peaks=("fp4",), operands="fp4"),
    "int4": Recipe(peaks=("int4",), operands="int4"),
    "int8_weights": Recipe(peaks=("bf16", "fp16"), operands="bf16", weights="int8"),
}
"""Formats of single products."""

SIXTEEN_BIT_BYTES: Final = DTYPE_BYTES["bf16"]


def kernel_machine(chip: Accelerator, constants: Resolved, kernel: KernelConstants, format_: str) -> KernelMachine:
    """Return the machine of single kernels. Raises UnknownNameError for a format without a recipe or a peak."""
    if format_ not in RECIPES:
        raise unknown("recipe of single kernels", format_, RECIPES)
    recipe = RECIPES[format_]
    dtype = next((name for name in recipe.peaks if name in chip.peak_dense), None)
    if dtype is None:
        raise unknown(f"peak of {chip.id} in", format_, chip.dtypes)
    spread, tile_set = kernel.residual, tiles(constants.kernel_tiles)
    watts = {name: value for name, value in power(chip, constants).items() if name != "assumed"}
    return KernelMachine(
        hardware=chip.id, operator=kernel.operator, format=format_, tile_set=tile_set,
        operand_bytes=recipe.operand_bytes, weight_bytes=recipe.weight_bytes,
        result_bytes=max(recipe.operand_bytes, SIXTEEN_BIT_BYTES),
        quantized_from=SIXTEEN_BIT_BYTES if recipe.quantized else 0.0,
        peak_max=chip.peak_max_flop_per_s(dtype), **load_peaks(chip, dtype),
        bandwidth=si_of(chip.memory.bandwidth),
        cache=chip.cache_bytes or 1.0, units=si_of(chip.parallel_units),
        contraction_step=si_of(kernel.contraction_step, tile_set.contraction_step),
        clock_scale=clock_scale(kernel, load_clock_hz(chip, dtype)), launch=kernel.launch.si,
        wave_fill=si_of(kernel.wave_fill, 0.0), split_cost=si_of(kernel.split_cost, 0.0),
        host=si_of(kernel.host, 0.0), host_sharpness=si_of(kernel.host_sharpness, 1.0), rotations=float(kernel.rotations),
        quantize_share=si_of(kernel.quantize_share or kernel.bandwidth_share), softmax_work=si_of(kernel.softmax_work, 0.0),
        tile_efficiency=si_of(kernel.tile_efficiency, 1.0), head_loss=si_of(kernel.head_loss, 0.0),
        kv_factor=si_of(kernel.kv_factor, 1.0),
        slice_tokens=si_of(kernel.slice_tokens, math.inf), walk=si_of(kernel.walk, 0.0),
        tile_fill=si_of(kernel.tile_fill, 0.0), tile_edge=si_of(kernel.tile_edge, 0.0),
        misalignment=si_of(kernel.misalignment, 0.0), launch_growth=si_of(kernel.launch_growth, 0.0),
        winograd=si_of(kernel.winograd), transform=si_of(kernel.transform, 1.0),
        transform_weights=si_of(kernel.transform_weights, 1.0),
        ratio_p10=si_of(spread and spread.p10), ratio_p90=si_of(spread and spread.p90),
        energy_share=si_of(kernel.energy_share, 0.0), byte_j=constants.energy.byte.si, **watts,
        **energies_of(chip, constants, dtype),
        **product_constants(kernel), **bound_memory(chip),
    )  # fmt: skip


_HALVINGS: Final = 3
"""How often an attention tile of the set's queries may be halved."""
_GROUP_ROWS: Final = 16.0
"""Query heads of one key and value head run padded to this many rows."""
_INDEX_BYTES: Final = 4.0
"""The index of a looked-up row [B]."""


def latency_s(m: KernelMachine, columns: Mapping[str, npt.ArrayLike]) -> Array:
    """Return the time of each kernel of the machine's operator [s]; `columns` are its sizes by name.

    gemm: rows, columns, contraction, groups. prefill: batch, tokens, heads, kv_heads, head_dim, kv_bytes. decode: the same,
    `tokens` being those in the cache with the new one. conv: batch, in_channels, out_channels, kernel, height, stride, padding,
    groups, tried (shapes that the library tried before). depthwise: the same without groups and tried. embedding: rows of the
    table, tokens, width. elementwise (of two tensors), activation (of one), softmax, norm: traffic [B]. The columns groups and
    tried, and out_channels of depthwise, may be left out. Raises DomainError for an operator without a form, and for a
    convolution that is depthwise.
    """
    if m.operator not in _TIMES:
        raise DomainError(f"no form for single kernels of {m.operator!r}; there are: {', '.join(_TIMES)}")
    sizes = {name: np.asarray(values, dtype=float) for name, values in columns.items()}
    with np.errstate(all="ignore"):
        return hosted(m, _TIMES[m.operator](_at_its_clock(m), sizes))


def _at_its_clock(m: KernelMachine) -> KernelMachine:
    """Return the machine with what is spent in cycles as long as its clock makes it."""
    scale = m.clock_scale
    return replace(m, clock_scale=1.0, launch=scale * m.launch, wave_fill=scale * m.wave_fill, split_cost=scale * m.split_cost)


def hosted(m: KernelMachine, seconds: Array) -> Array:
    """Return the time of a kernel that a host launches [s]: a soft maximum of both, where the host's is known."""
    if not m.host:
        return np.asarray(seconds, dtype=float)
    limited = forms.host_limited_s(device_s=seconds, host_s=m.host, sharpness=m.host_sharpness)
    return np.asarray(limited, dtype=float)


def _product(m: KernelMachine, sizes: Mapping[str, Array]) -> Array:
    rows, columns, contraction = sizes["rows"], sizes["columns"], sizes["contraction"]
    groups = sizes.get("groups", np.ones_like(rows))
    compute_s = _tiled(m, rows, columns, contraction, groups=groups)
    weights = columns * contraction * groups * m.weight_bytes
    activations = groups * rows * (contraction * m.operand_bytes + columns * m.result_bytes)
    seconds = _kernel(m, compute_s, weights, activations)
    if m.quantized_from:
        seconds = seconds + forms.quantize_s(
            rows=rows * groups, channels=contraction, source_bytes=m.quantized_from, operand_bytes=m.operand_bytes,
            quantize_share=m.quantize_share, bandwidth=m.bandwidth,
        )  # fmt: skip
    work = 2 * rows * columns * contraction * groups
    return _throttled(m, seconds, work, weights, activations) if m.energy_share else seconds


def _throttled(m: KernelMachine, seconds: Array, work: Array, weights: Array, activations: Array) -> Array:
    """Return the time of a kernel under the chip's power limit [s]; where its energy is not known, as it is."""
    joules = forms.dynamic_energy_j(
        work=work, flop_j=m.flop_j, traffic=_far(m, weights, activations), byte_j=m.byte_j,
        activations=activations, weights=weights, cache_byte_j=m.cache_byte_j,
    )  # fmt: skip
    power_s = forms.power_limit_s(
        dynamic_j=m.energy_share * joules, sequence_s=seconds, tdp_w=m.tdp_w, idle_w=m.idle_w, static_w=m.static_w
    )
    limited = forms.power_limited_s(
        sequence_s=seconds, power_s=power_s, voltage_span=m.voltage_span, voltage_exponent=m.voltage_exponent
    )
    throttled = forms.throttled_s(device_s=seconds, limited_s=limited)
    return np.where(np.isnan(throttled), seconds, throttled)


def _tiled(m: KernelMachine, rows: Array, columns: Array, contraction: Array, *, groups: Array) -> Array:
    """Return the arithmetic of products with the best tile and split of the machine's set [s]."""
    best: Any = np.inf
    for tile_rows, tile_columns in m.tile_set.tiles:
        for split in m.tile_set.splits:
            seconds = forms.tiled_s(
                rows=rows, columns=columns, channels=contraction, taps=1.0, groups=groups, alignment=1.0,
                tile_rows=float(tile_rows), tile_columns=float(tile_columns), split=float(split), units=m.units,
                contraction_step=m.contraction_step,
                operand_bytes=m.operand_bytes, weight_bytes=m.weight_bytes, result_bytes=m.result_bytes, peak=m.load_peak,
                reference_peak=m.reference_peak, bandwidth=m.bandwidth, cache_ratio=m.cache_ratio, feed=m.feed,
                split_cost=m.split_cost, sustained=m.sustained, wave_fill=m.wave_fill,
                wave_sharing=m.wave_sharing, tile_drain=m.tile_drain,
            )  # fmt: skip
            best = np.fmin(best, seconds)
    return np.asarray(best, dtype=float)


def _kernel(m: KernelMachine, compute_s: Array, weights: Any, activations: Any, *, launch: Any = None) -> Array:
    """Return the time of one kernel with its launch, arithmetic and traffic [s]."""
    memory_s = _traffic_s(m, weights, activations)
    return np.asarray(
        forms.kernel_s(
            launch=m.launch if launch is None else launch, compute_s=compute_s, memory_s=memory_s, overlap_loss=m.overlap_loss
        ),
        dtype=float,
    )


def _traffic_s(m: KernelMachine, weights: Any, activations: Any) -> Any:
    far = _far(m, weights, activations)
    return forms.traffic_s(
        activations=activations, weights=weights, traffic=far, bandwidth=m.bandwidth, bandwidth_share=m.bandwidth_share,
        cache_ratio=m.cache_ratio,
    )  # fmt: skip


def _far(m: KernelMachine, weights: Any, activations: Any) -> Any:
    """Return the bytes of a kernel from main memory [B]."""
    return forms.kernel_traffic(weights=weights, activations=activations, rotations=m.rotations, cache=m.cache)


def _prefill(m: KernelMachine, sizes: Mapping[str, Array]) -> Array:
    batch, tokens, heads, head_dim = (sizes[name] for name in ("batch", "tokens", "heads", "head_dim"))
    best: Any = np.inf
    for halvings in range(_HALVINGS + 1):
        seconds = forms.prefill_s(
            sequences=batch, tokens=tokens, heads=heads, head_dim=head_dim, query_tile=m.tile_set.query_tile / 2**halvings,
            halvings=float(halvings),
            peak=m.load_peak, vector_peak=m.vector_peak, units=m.units, sustained=m.sustained, softmax_work=m.softmax_work,
            tile_efficiency=m.tile_efficiency, head_loss=m.head_loss, wave_fill=m.wave_fill, wave_sharing=m.wave_sharing,
        )  # fmt: skip
        best = np.fmin(best, seconds)
    queries = 2 * batch * tokens * heads * head_dim * m.result_bytes
    cached = 2 * batch * tokens * sizes["kv_heads"] * head_dim * sizes["kv_bytes"]
    return np.asarray(m.launch + best + _traffic_s(m, 0.0, queries + m.kv_factor * cached), dtype=float)


def _decode(m: KernelMachine, sizes: Mapping[str, Array]) -> Array:
    batch, tokens, heads, kv_heads, head_dim = (sizes[name] for name in ("batch", "tokens", "heads", "kv_heads", "head_dim"))
    cached = 2 * batch * tokens * kv_heads * head_dim * sizes["kv_bytes"]
    memory_s = _traffic_s(m, 0.0, cached + 2 * batch * heads * head_dim * m.result_bytes)
    compute_s = forms.decode_arithmetic_s(
        sequences=batch, tokens=tokens, heads=heads, kv_heads=kv_heads, head_dim=head_dim, group_rows=_GROUP_ROWS,
        sustained=m.sustained, peak=m.load_peak,
    )  # fmt: skip
    besides = forms.decode_walk_s(
        sequences=batch, tokens=tokens, kv_heads=kv_heads, head_dim=head_dim, slice_tokens=m.slice_tokens, walk=m.walk,
        units=m.units, wave_fill=m.wave_fill,
    )  # fmt: skip
    return np.asarray(m.launch + np.maximum(memory_s, compute_s) + besides, dtype=float)


def _convolution(m: KernelMachine, sizes: Mapping[str, Array]) -> Array:
    """Return the faster of the implicit product and, where it applies, of Winograd's form; groups run side by side."""
    batch, kernel, stride = sizes["batch"], sizes["kernel"], sizes["stride"]
    groups = sizes.get("groups", np.ones_like(batch))
    channels, out = sizes["in_channels"] / groups, sizes["out_channels"] / groups
    if np.any((groups > 1) & (channels == 1)):
        raise DomainError("a convolution with a group for each channel is no product; ask for the operator 'depthwise'")
    side = _result_side(sizes)
    launch = forms.tried_launch_s(
        launch=m.launch, launch_growth=m.launch_growth, tried=sizes.get("tried", np.zeros_like(batch))
    )
    one = replace(m, misalignment=0.0)
    compute_s = _windows(one, batch * side**2, out, kernel**2 * channels, groups=groups)
    implicit = _kernel(m, compute_s, *_image_bytes(m, sizes, side), launch=launch)
    if not m.winograd > 0:
        return implicit
    lean = replace(m, sustained=m.winograd)
    tiles = batch * np.ceil(side / winograd.TILE) ** 2
    products = _windows(lean, tiles, out, channels, groups=winograd.PRODUCTS * groups)
    transformed = launch + forms.winograd_s(
        launch=m.launch, compute_s=products, activations=batch * side**2 * groups * (channels + out) * m.operand_bytes,
        winograd_tiles=tiles, channels=channels, columns=out, groups=groups, operand_bytes=m.operand_bytes,
        transform=m.transform, transform_weights=m.transform_weights, bandwidth=m.bandwidth, bandwidth_share=m.bandwidth_share,
    )  # fmt: skip
    applies = (stride == 1) & (kernel == winograd.KERNEL)
    return np.where(applies, np.minimum(implicit, transformed), implicit)


def _result_side(sizes: Mapping[str, Array]) -> Array:
    """Return the height and width of a convolution's result."""
    return np.asarray(np.floor((sizes["height"] + 2 * sizes["padding"] - sizes["kernel"]) / sizes["stride"]) + 1, dtype=float)


def _image_bytes(m: KernelMachine, sizes: Mapping[str, Array], side: Array) -> tuple[Array, Array]:
    """Return the bytes of a convolution's weights, and those of its image and result."""
    channels, out = sizes["in_channels"], sizes["out_channels"]
    weights = sizes["kernel"] ** 2 * channels / sizes.get("groups", 1.0) * out * m.weight_bytes
    image = sizes["batch"] * (channels * sizes["height"] ** 2 * m.operand_bytes + out * side**2 * m.result_bytes)
    return weights, image


def _windows(m: KernelMachine, rows: Array, columns: Array, contraction: Array, *, groups: Array) -> Array:
    """Return the arithmetic of a convolution's products with the best tile of the machine's set [s]."""
    best: Any = np.inf
    for tile_rows, tile_columns in m.tile_set.tiles:
        seconds = forms.window_product_s(
            rows=rows, columns=columns, channels=contraction, taps=1.0, groups=groups, tile_rows=float(tile_rows),
            tile_columns=float(tile_columns), contraction_step=m.contraction_step,
            units=m.units, peak=m.load_peak, sustained=m.sustained, tile_fill=m.tile_fill,
            tile_edge=m.tile_edge, misalignment=m.misalignment, wave_sharing=m.wave_sharing,
        )  # fmt: skip
        best = np.fmin(best, seconds)
    return np.asarray(best, dtype=float)


def _depthwise(m: KernelMachine, sizes: Mapping[str, Array]) -> Array:
    """Return the longer of the traffic and of the arithmetic, which runs on the vector units."""
    side, out = _result_side(sizes), sizes.get("out_channels", sizes["in_channels"])
    each = {**sizes, "out_channels": out, "groups": sizes["in_channels"]}
    work = 2 * sizes["kernel"] ** 2 * sizes["batch"] * out * side**2
    compute_s = forms.plain_s(work=work, sustained=1.0, peak=min(m.load_peak, m.vector_peak))
    return _kernel(m, np.asarray(compute_s, dtype=float), *_image_bytes(m, each, side))


def _embedding(m: KernelMachine, sizes: Mapping[str, Array]) -> Array:
    """Return the traffic of the rows that are looked up, each row of the table once, of their indices and of the result."""
    tokens, width = sizes["tokens"], sizes["width"]
    looked_up = np.minimum(sizes["rows"], tokens) * width * m.weight_bytes
    return np.asarray(m.launch + _traffic_s(m, looked_up, tokens * (width * m.result_bytes + _INDEX_BYTES)), dtype=float)


def _stream(m: KernelMachine, sizes: Mapping[str, Array]) -> Array:
    return np.asarray(m.launch + _traffic_s(m, 0.0, sizes["traffic"]), dtype=float)


_TIMES: Final = {
    "gemm": _product,
    "prefill": _prefill,
    "decode": _decode,
    "conv": _convolution,
    "depthwise": _depthwise,
    "elementwise": _stream,
    "activation": _stream,
    "softmax": _stream,
    "norm": _stream,
    "embedding": _embedding,
}
