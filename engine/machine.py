"""A machine: one chip with one number format and one runtime, its figures and calibrated constants resolved to SI numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

GRAPH: Final = "graph"
"""The runtime that everybody has: fused kernels launched from a graph, as TensorRT runs them."""

Dtype = Literal["fp64", "fp32", "tf32", "bf16", "fp16", "fp8", "int8", "fp4", "int4"]
"""Number formats of operands; the accumulator is not part of the name."""
Kind = Literal["gpu", "tpu", "npu", "cpu", "dataflow", "edge"]
DTYPE_BYTES: Final[dict[str, float]] = {
    "fp64": 8, "fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2, "fp8": 1, "int8": 1, "fp4": 0.5, "int4": 0.5,
}  # fmt: skip
"""Bytes of one stored element. tf32 is a way to multiply 32-bit elements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """The tile shapes (rows x columns) and contraction splits that the estimate chooses from, and what it aligns to."""

    version: str
    tiles: tuple[tuple[int, int], ...]
    splits: tuple[int, ...]
    contraction_step: float
    query_tile: float
    channel_alignment: float


Rates = tuple[tuple[str, float], ...]
"""The time of one FLOP or element of each class [s]."""


PEAKS: Final = ("peak", "peak_max", "load_peak", "conv_peak", "reference_peak", "vector_peak")
"""Numbers of a machine that go with its peak: twice the peak is twice the lanes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One chip with one number format, its constants resolved to SI numbers; NaN is unknown."""

    hardware: str
    dtype: str
    runtime: str
    form: str
    tile_set: Tiles
    fused: bool
    fused_attention: bool
    element_bytes: float
    peak: float
    peak_max: float
    load_peak: float
    """the peak at the clock that the chip holds under load, which times of kernels go by; so are the three below"""
    conv_peak: float
    """what convolutions go by: the peak of the vector units where the runtime's leave the matrix units idle"""
    reference_peak: float
    vector_peak: float
    bandwidth: float
    bound_bandwidth: float
    on_chip: float
    cache: float
    units: float
    array_rows: float
    array_columns: float
    capacity: float
    workspace: float
    tdp_w: float
    idle_w: float
    static_w: float
    voltage_span: float
    voltage_exponent: float
    flop_j: float
    conv_factor: float
    byte_j: float
    cache_byte_j: float
    floor_w: float
    floor_flop_j: float
    floor_byte_j: float
    launch: float
    sustained: float
    bandwidth_share: float
    product_share: float
    cache_ratio: float
    feed: float
    wave_fill: float
    wave_sharing: float
    tile_drain: float
    split_cost: float
    overlap_loss: float
    winograd: float
    """share of the peak in the products of Winograd's form, 0 where no convolution takes it"""
    transform: float
    transform_weights: float
    attention: float
    softmax_work: float
    time_factor: float
    energy_factor: float
    host: float
    host_sharpness: float
    ratio_p10: float
    ratio_p90: float
    launch_ratio_p10: float
    launch_ratio_p90: float
    level: str
    assumed: tuple[str, ...]
    rates: Rates = ()
    """of the form `rated`: the time of one FLOP or element of each class [s]"""
