"""What one kernel takes on one chip, in symbols: tiles and waves on GPUs, weight-stationary systolic arrays, attention.

Source: this project's own form (docs/model.md); tile and wave quantization as in NVIDIA's "Matrix Multiplication Background"
user's guide, split-K as CUTLASS runs it, FlashAttention's tiling of queries (Dao 2023), the systolic array of the TPU
(Jouppi et al., ISCA 2017).
"""

from __future__ import annotations

from typing import Final

import sympy as sp

from .closed_form import ClosedForm, maximum, minimum
from .symbols import (
    alignment,
    array_columns,
    array_rows,
    bandwidth,
    cache_ratio,
    channels,
    clock,
    columns,
    compute_s,
    derating,
    feed,
    groups,
    launch,
    memory_s,
    operand_bytes,
    overlap_loss,
    peak,
    query_tile,
    rows,
    split,
    split_cost,
    sustained,
    taps,
    tile_columns,
    tile_rows,
    units,
    wave_fill,
    work,
)

_OURS: Final = "this project, docs/model.md"
_JOUPPI: Final = "Jouppi et al., ISCA 2017; docs/model.md"
_STEP: Final = 64
"""Contraction elements that a tile takes at a time."""
_LONG: Final = sp.Rational(1, 1000)
"""Kernels of 1 ms and more run at the fully derated clock [s]."""
_RESULT_BYTES: Final = 4
"""Split contractions exchange partial sums in 32 bits [B]."""

_contraction = alignment * sp.ceiling(channels / alignment) * taps
_slice = _STEP * sp.ceiling(_contraction / (_STEP * split))
_tiles = sp.ceiling(rows / tile_rows) * sp.ceiling(columns / tile_columns) * groups * split
_waves = sp.ceiling(_tiles / units)
_tile_work = 2 * tile_rows * tile_columns * _slice
_work = 2 * rows * columns * channels * taps * groups
_multiply = maximum(
    _tile_work * units / (sustained * peak), (tile_rows + tile_columns) * operand_bytes * _slice / (feed * clock)
)
_exchange = sp.Piecewise(
    (split_cost + _RESULT_BYTES * split * rows * columns * groups / (cache_ratio * bandwidth), split > 1), (0, True)
)

_array_tiles = sp.ceiling(channels * taps / array_rows) * sp.ceiling(columns / array_columns) * groups
_passes = sp.ceiling(_array_tiles / units)
_shares = maximum(1, sp.floor(units / _array_tiles))
_streamed = sp.ceiling(rows / _shares)
_row_s = 2 * array_rows * array_columns * units / peak

_query_tile = minimum(query_tile, 16 * sp.ceiling(rows / 16))
_attention_tiles = groups * sp.ceiling(rows / _query_tile)
_attention_waves = sp.ceiling(_attention_tiles / units) * units / _attention_tiles
_attention_padding = sp.ceiling(rows / _query_tile) * _query_tile / rows

FORMS: Final = (
    ClosedForm(
        name="plain_s", expression=work / (sustained * peak), unit="s", source=_OURS,
        doc="Arithmetic of a kernel without tiles.",
    ),
    ClosedForm(
        name="tiled_s",
        expression=(1 + derating * minimum(1, _work / peak / _LONG)) * (_waves * (_multiply + wave_fill) + _exchange),
        unit="s", source=_OURS, doc="Arithmetic of a matrix product with one tile shape and split, in whole waves of tiles.",
    ),
    ClosedForm(
        name="tiled_padded_s", expression=_tiles * _tile_work / peak, unit="s", source=_OURS,
        doc="The same at the peak, padded to whole tiles only.",
    ),
    ClosedForm(
        name="tiled_waves_s", expression=_waves * units * _tile_work / peak, unit="s", source=_OURS,
        doc="The same at the peak, padded to whole tiles and whole waves.",
    ),
    ClosedForm(
        name="systolic_s", expression=_passes * (_streamed + array_rows + array_columns) * _row_s / sustained, unit="s",
        source=_JOUPPI, doc="A matrix product on weight-stationary arrays: each tile fills, then streams its rows.",
    ),
    ClosedForm(
        name="systolic_padded_s", expression=_array_tiles * rows * _row_s / units, unit="s", source=_JOUPPI,
        doc="The same at the peak, padded to whole arrays only.",
    ),
    ClosedForm(
        name="systolic_waves_s", expression=_passes * _streamed * _row_s, unit="s", source=_JOUPPI,
        doc="The same at the peak, with whole passes over all arrays.",
    ),
    ClosedForm(
        name="attention_s", expression=work / (sustained * peak) * _attention_padding * _attention_waves,
        unit="s", source=_OURS, doc="Arithmetic of fused attention in whole waves of query tiles.",
    ),
    ClosedForm(
        name="attention_padded_s", expression=work / peak * _attention_padding, unit="s", source=_OURS,
        doc="The same at the peak, padded to whole query tiles only.",
    ),
    ClosedForm(
        name="attention_waves_s", expression=work / peak * _attention_padding * _attention_waves, unit="s", source=_OURS,
        doc="The same at the peak, padded to whole query tiles and waves.",
    ),
    ClosedForm(
        name="kernel_s",
        expression=launch + maximum(compute_s, memory_s) + overlap_loss * minimum(compute_s, memory_s),
        unit="s", source=_OURS, doc="One kernel: launch, the longer of arithmetic and traffic, what the shorter cannot hide.",
    ),
)  # fmt: skip
