"""What one kernel takes on one chip, in symbols: tiles and waves on GPUs, weight-stationary systolic arrays, attention.

Source: this project's own form (docs/model.md); tile and wave quantization as in NVIDIA's "Matrix Multiplication Background"
user's guide, split-K as CUTLASS runs it, FlashAttention's tiling of queries (Dao 2023), Winograd's minimal filtering (Lavin,
Gray, CVPR 2016), the systolic array of the TPU (Jouppi et al., ISCA 2017).
"""

from __future__ import annotations

from typing import Final

import sympy as sp

from . import winograd
from .closed_form import ClosedForm, maximum, minimum
from .symbols import (
    activations,
    alignment,
    array_columns,
    array_rows,
    bandwidth,
    bandwidth_share,
    batch,
    cache_ratio,
    channels,
    clock,
    clock_reference,
    clocked,
    columns,
    compute_s,
    contraction_step,
    feed,
    group_rows,
    groups,
    halvings,
    head_dim,
    head_loss,
    heads,
    key_splits,
    kv_heads,
    launch,
    launch_fitted,
    launch_growth,
    memory_s,
    misalignment,
    operand_bytes,
    overlap_loss,
    peak,
    query_tile,
    reference_peak,
    result_bytes,
    routed,
    rows,
    sample_s,
    sequences,
    slice_tokens,
    softmax_work,
    split,
    split_cost,
    sustained,
    taps,
    tile_columns,
    tile_drain,
    tile_edge,
    tile_efficiency,
    tile_fill,
    tile_rows,
    tokens,
    transform,
    transform_weights,
    tried,
    units,
    vector_peak,
    walk,
    wave_fill,
    wave_sharing,
    weight_bytes,
    winograd_tiles,
    work,
)

_OURS: Final = "this project, docs/model.md"
_JOUPPI: Final = "Jouppi et al., ISCA 2017; docs/model.md"
_DAO: Final = "Dao 2023, arXiv 2307.08691; docs/model.md"
_LAVIN: Final = "Lavin, Gray, CVPR 2016; docs/model.md"
_VECTOR: Final = 4
"""Elements that one load takes in where they lie at a multiple of it."""
_PARTIAL_BYTES: Final = 4
"""Split contractions exchange partial sums in 32 bits [B]."""
_HEAD: Final = 128
"""Features of a head up to which tiles of attention keep their rate."""
_WALKED: Final = 128
"""Tokens, and features of a head, that `walk` is the time of."""


def _waves(tiles: sp.Expr) -> sp.Expr:
    """Return the waves that tiles take on the units: whole ones, but for the share of the last that idle units take over."""
    filled = tiles / units
    return (1 - wave_sharing) * sp.ceiling(filled) + wave_sharing * maximum(1, filled)


_contraction = alignment * sp.ceiling(channels / alignment) * taps
_slice = contraction_step * sp.ceiling(_contraction / (contraction_step * split))
_tiles = sp.ceiling(rows / tile_rows) * sp.ceiling(columns / tile_columns) * groups * split
_tiled_waves = _waves(_tiles)
_tile_work = 2 * tile_rows * tile_columns * _slice
_work = 2 * rows * columns * channels * taps * groups
_fed = (tile_rows * operand_bytes + tile_columns * weight_bytes) * _slice * units / (feed * reference_peak)
_multiply = maximum(_tile_work * units / (sustained * peak), _fed)
_drain = tile_drain * tile_rows * tile_columns * result_bytes * units / (cache_ratio * bandwidth)
_split_up = sp.Piecewise((1, split > 1), (0, True))
_exchange = _split_up * (split_cost + _PARTIAL_BYTES * split * rows * columns * groups / (cache_ratio * bandwidth))
_tiled = _tiled_waves * (_multiply + wave_fill + _drain) + _exchange

_array_tiles = sp.ceiling(channels * taps / array_rows) * sp.ceiling(columns / array_columns) * groups
_passes = sp.ceiling(_array_tiles / units)
_shares = maximum(1, sp.floor(units / _array_tiles))
_streamed = sp.ceiling(rows / _shares)
_row_s = 2 * array_rows * array_columns * units / peak

_query_tile = minimum(query_tile, 16 * sp.ceiling(rows / 16))
_attention_tiles = groups * sp.ceiling(rows / _query_tile) * key_splits
_attention_waves = sp.ceiling(_attention_tiles / units) * units / _attention_tiles
_attention_padding = sp.ceiling(rows / _query_tile) * _query_tile / rows
_scores = work / (4 * channels)

_blocks = sp.ceiling(tokens / query_tile)
_prefill_waves = _waves(sequences * heads * _blocks)
_long_head = maximum(1, head_dim / _HEAD) ** head_loss
_score_s = 4 * head_dim * _long_head / (sustained * tile_efficiency**halvings * peak) + softmax_work / vector_peak
_longest_scores = maximum(_prefill_waves * query_tile**2 * (_blocks + 1) / 2, query_tile**2 * _blocks)

_decode_work = 4 * sequences * maximum(heads, group_rows * kv_heads) * head_dim * tokens
_walk_s = walk * minimum(tokens, slice_tokens) * head_dim / _WALKED**2
_queue_s = maximum(0, sequences * kv_heads / units - 1) * wave_fill

_window_slice = contraction_step * sp.ceiling(channels * taps / contraction_step) + tile_fill
_window_tiles = sp.ceiling(rows / tile_rows) * sp.ceiling(columns / tile_columns) * groups
_edges = 1 + tile_edge * (1 / tile_rows + 1 / tile_columns)
_misaligned = 1 + misalignment * (sp.ceiling(rows / _VECTOR) - sp.floor(rows / _VECTOR))
_window_tile_s = 2 * tile_rows * tile_columns * _window_slice * units / (sustained * peak) * _edges * _misaligned

_transformed = winograd.PRODUCTS * winograd_tiles * groups * (channels + columns)
_transformed_weights = (winograd.PRODUCTS + winograd.TAPS) * groups * channels * columns
_moved = activations + operand_bytes * (transform * _transformed + transform_weights * _transformed_weights)

FORMS: Final = (
    ClosedForm(
        name="experts_read", expression=1 - (1 - routed) ** (batch * tokens), unit="1", source=_OURS,
        doc="Share of the experts that a pass is expected to touch, where every token chooses some evenly.",
    ),
    ClosedForm(
        name="plain_s", expression=work / (sustained * peak), unit="s", source=_OURS,
        doc="Arithmetic of a kernel without tiles.",
    ),
    ClosedForm(
        name="tiled_s", expression=_tiled, unit="s", source=_OURS,
        doc="Arithmetic of a matrix product with one tile shape and split, in whole waves of tiles.",
    ),
    ClosedForm(
        name="whole_tile_s", expression=_tiled.subs(split, 1), unit="s", source=_OURS,
        doc="The same where the contraction is not split.",
    ),
    ClosedForm(
        name="tiled_padded_s", expression=_tiles * _tile_work / peak, unit="s", source=_OURS,
        doc="The same at the peak, padded to whole tiles only.",
    ),
    ClosedForm(
        name="tiled_waves_s", expression=_tiled_waves * units * _tile_work / peak, unit="s", source=_OURS,
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
        name="attention_s",
        expression=(work / (sustained * peak) + _scores * softmax_work / vector_peak) * _attention_padding * _attention_waves,
        unit="s", source=_OURS,
        doc="Fused attention in whole waves of query tiles: products, and the vector work of its scores.",
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
        name="launch_s",
        expression=launch_fitted * (1 - clocked + clocked * clock_reference / clock), unit="s", source=_OURS,
        doc="Launch, drain and fill of one kernel; a share of it is spent in clock cycles.",
    ),
    ClosedForm(
        name="prefill_s", expression=_longest_scores * units * _score_s + _prefill_waves * wave_fill, unit="s", source=_DAO,
        doc="Causal attention of a prompt in tiles of queries; the tile of the last queries is the longest.",
    ),
    ClosedForm(
        name="decode_arithmetic_s", expression=_decode_work / (sustained * peak), unit="s", source=_DAO,
        doc="Arithmetic of attention over cached keys and values, for one new token of each sequence.",
    ),
    ClosedForm(
        name="decode_walk_s", expression=_walk_s + _queue_s, unit="s", source=_DAO,
        doc="What decoding takes besides: one unit walks its slice of the cache, and heads beyond the units queue.",
    ),
    ClosedForm(
        name="window_product_s", expression=_waves(_window_tiles) * _window_tile_s, unit="s", source=_OURS,
        doc="Arithmetic of a convolution as a product with one tile shape, in whole waves of tiles.",
    ),
    ClosedForm(
        name="tried_launch_s", expression=launch + launch_growth * tried, unit="s", source=_OURS,
        doc="Launch of a kernel that a library chose by trying, after other shapes that it tried in the same process.",
    ),
    ClosedForm(
        name="winograd_s",
        expression=(winograd.LAUNCHES - 1) * launch + compute_s + _moved / (bandwidth_share * bandwidth),
        unit="s", source=_LAVIN,
        doc="A 3 x 3 convolution in Winograd's form, after its first launch: products, transforms of image, weights, result.",
    ),
    ClosedForm(
        name="winograd_groups", expression=winograd.PRODUCTS * groups, unit="1", source=_LAVIN,
        doc="Products of it side by side, of tiles by channels and of channels by columns.",
    ),
    ClosedForm(
        name="winograd_work", expression=2 * winograd.PRODUCTS * winograd_tiles * groups * channels * columns, unit="FLOP",
        source=_LAVIN, doc="Arithmetic of its products.",
    ),
    ClosedForm(
        name="winograd_activations", expression=activations + operand_bytes * transform * _transformed, unit="B",
        source=_LAVIN, doc="Activation bytes of it, with what is transformed.",
    ),
    ClosedForm(
        name="rated_s", expression=batch * sample_s, unit="s", source=_OURS,
        doc="Parts of a kernel at the rates of their classes, as a probe found them in the cache.",
    ),
    ClosedForm(
        name="kernel_s",
        expression=launch + maximum(compute_s, memory_s) + overlap_loss * minimum(compute_s, memory_s),
        unit="s", source=_OURS, doc="One kernel: launch, the longer of arithmetic and traffic, what the shorter cannot hide.",
    ),
)  # fmt: skip
