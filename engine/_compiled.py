"""The closed forms as numpy code, printed by `python -m engine.codegen`; edit the symbols instead."""

from typing import Any

import numpy as np


def ridge_point(*, bandwidth: Any, peak: Any) -> Any:
    """Intensity at which memory-bound turns compute-bound. [FLOP/B]"""
    return peak/bandwidth


def attainable_performance(*, bandwidth: Any, intensity: Any, peak: Any) -> Any:
    """The roof at an arithmetic intensity. [FLOP/s]"""
    return np.minimum(peak, bandwidth*intensity)


def roof_s(*, bandwidth: Any, peak: Any, traffic: Any, work: Any) -> Any:
    """Time of one operator on the plain roof. [s]"""
    return np.maximum(traffic/bandwidth, work/peak)


def ridge_batch(*, bandwidth: Any, peak: Any, traffic_each: Any, traffic_once: Any, work_each: Any) -> Any:
    """Batch at which an operator turns compute-bound; outside the domain it never does. [1]"""
    x0 = peak/bandwidth
    return traffic_once*x0/(-traffic_each*x0 + work_each)


def latency_lower_bound_s(*, bandwidth: Any, on_chip: Any, peak_max: Any, traffic_min: Any, work_min: Any) -> Any:
    """No implementation is faster: least arithmetic at the highest clock, compulsory bytes beyond the chip. [s]"""
    return np.maximum(work_min/peak_max, np.maximum(0.0, -on_chip + traffic_min)/bandwidth)


def peak_for_limit(*, limit: Any, work_min: Any) -> Any:
    """The least peak with which the bound admits a latency limit. [FLOP/s]"""
    return work_min/limit


def bandwidth_for_limit(*, limit: Any, on_chip: Any, traffic_min: Any) -> Any:
    """The least bandwidth with which the bound admits a latency limit. [B/s]"""
    return np.maximum(0.0, -on_chip + traffic_min)/limit


def total_work(*, batch: Any, work_each: Any) -> Any:
    """Arithmetic of one pass. [FLOP]"""
    return batch*work_each


def total_traffic(*, batch: Any, traffic_each: Any, traffic_once: Any) -> Any:
    """Traffic of one pass: weights once, activations of every sample. [B]"""
    return batch*traffic_each + traffic_once


def arithmetic_intensity(*, traffic: Any, work: Any) -> Any:
    """Arithmetic over traffic. [FLOP/B]"""
    return work/traffic


def arithmetic_lower_bound_s(*, peak_max: Any, work_min: Any) -> Any:
    """The lower bound where bandwidth or on-chip memory is unknown. [s]"""
    return work_min/peak_max


def mfu(*, latency: Any, peak: Any, work: Any) -> Any:
    """Model FLOP utilization: the model's own arithmetic over what the peak would do in the same time. [1]"""
    return work/(latency*peak)


def mbu(*, bandwidth: Any, latency: Any, traffic: Any) -> Any:
    """Model bandwidth utilization: compulsory bytes over what the bandwidth would carry in the same time. [1]"""
    return traffic/(bandwidth*latency)


def plain_s(*, peak: Any, sustained: Any, work: Any) -> Any:
    """Arithmetic of a kernel without tiles. [s]"""
    return work/(peak*sustained)


def tiled_s(*, alignment: Any, bandwidth: Any, cache_ratio: Any, channels: Any, clock: Any, columns: Any, derating: Any, feed: Any, groups: Any, operand_bytes: Any, peak: Any, rows: Any, split: Any, split_cost: Any, sustained: Any, taps: Any, tile_columns: Any, tile_rows: Any, units: Any, wave_fill: Any) -> Any:
    """Arithmetic of a matrix product with one tile shape and split, in whole waves of tiles. [s]"""
    x0 = 1.0/peak
    x1 = columns*rows
    x2 = groups*split
    x3 = np.ceil((1.0 / 64.0)*alignment*taps*np.ceil(channels/alignment)/split)
    return (derating*np.minimum(1.0, 2000.0*channels*groups*taps*x0*x1) + 1.0)*((wave_fill + np.maximum(128.0*tile_columns*tile_rows*units*x0*x3/sustained, 64.0*operand_bytes*x3*(tile_columns + tile_rows)/(clock*feed)))*np.ceil(x2*np.ceil(columns/tile_columns)*np.ceil(rows/tile_rows)/units) + np.where((split > 1.0), split_cost + 4.0*x1*x2/(bandwidth*cache_ratio), 0.0))


def tiled_padded_s(*, alignment: Any, channels: Any, columns: Any, groups: Any, peak: Any, rows: Any, split: Any, taps: Any, tile_columns: Any, tile_rows: Any) -> Any:
    """The same at the peak, padded to whole tiles only. [s]"""
    return 128.0*groups*split*tile_columns*tile_rows*np.ceil(columns/tile_columns)*np.ceil(rows/tile_rows)*np.ceil((1.0 / 64.0)*alignment*taps*np.ceil(channels/alignment)/split)/peak


def tiled_waves_s(*, alignment: Any, channels: Any, columns: Any, groups: Any, peak: Any, rows: Any, split: Any, taps: Any, tile_columns: Any, tile_rows: Any, units: Any) -> Any:
    """The same at the peak, padded to whole tiles and whole waves. [s]"""
    return 128.0*tile_columns*tile_rows*units*np.ceil((1.0 / 64.0)*alignment*taps*np.ceil(channels/alignment)/split)*np.ceil(groups*split*np.ceil(columns/tile_columns)*np.ceil(rows/tile_rows)/units)/peak


def systolic_s(*, array_columns: Any, array_rows: Any, channels: Any, columns: Any, groups: Any, peak: Any, rows: Any, sustained: Any, taps: Any, units: Any) -> Any:
    """A matrix product on weight-stationary arrays: each tile fills, then streams its rows. [s]"""
    x0 = np.ceil(columns/array_columns)
    x1 = np.ceil(channels*taps/array_rows)
    return 2.0*array_columns*array_rows*units*(array_columns + array_rows + np.ceil(rows/np.maximum(1.0, np.floor(units/(groups*x0*x1)))))*np.ceil(groups*x0*x1/units)/(peak*sustained)


def systolic_padded_s(*, array_columns: Any, array_rows: Any, channels: Any, columns: Any, groups: Any, peak: Any, rows: Any, taps: Any) -> Any:
    """The same at the peak, padded to whole arrays only. [s]"""
    return 2.0*array_columns*array_rows*groups*rows*np.ceil(columns/array_columns)*np.ceil(channels*taps/array_rows)/peak


def systolic_waves_s(*, array_columns: Any, array_rows: Any, channels: Any, columns: Any, groups: Any, peak: Any, rows: Any, taps: Any, units: Any) -> Any:
    """The same at the peak, with whole passes over all arrays. [s]"""
    x0 = np.ceil(columns/array_columns)
    x1 = np.ceil(channels*taps/array_rows)
    return 2.0*array_columns*array_rows*units*np.ceil(rows/np.maximum(1.0, np.floor(units/(groups*x0*x1))))*np.ceil(groups*x0*x1/units)/peak


def attention_s(*, groups: Any, peak: Any, query_tile: Any, rows: Any, sustained: Any, units: Any, work: Any) -> Any:
    """Arithmetic of fused attention in whole waves of query tiles. [s]"""
    x0 = np.minimum(query_tile, 16.0*np.ceil((1.0 / 16.0)*rows))
    return units*work*x0*np.ceil(groups*np.ceil(rows/x0)/units)/(groups*peak*rows*sustained)


def attention_padded_s(*, peak: Any, query_tile: Any, rows: Any, work: Any) -> Any:
    """The same at the peak, padded to whole query tiles only. [s]"""
    x0 = np.minimum(query_tile, 16.0*np.ceil((1.0 / 16.0)*rows))
    return work*x0*np.ceil(rows/x0)/(peak*rows)


def attention_waves_s(*, groups: Any, peak: Any, query_tile: Any, rows: Any, units: Any, work: Any) -> Any:
    """The same at the peak, padded to whole query tiles and waves. [s]"""
    x0 = np.minimum(query_tile, 16.0*np.ceil((1.0 / 16.0)*rows))
    return units*work*x0*np.ceil(groups*np.ceil(rows/x0)/units)/(groups*peak*rows)


def kernel_s(*, compute_s: Any, launch: Any, memory_s: Any, overlap_loss: Any) -> Any:
    """One kernel: launch, the longer of arithmetic and traffic, what the shorter cannot hide. [s]"""
    return launch + overlap_loss*np.minimum(compute_s, memory_s) + np.maximum(compute_s, memory_s)


def spilled_share(*, cache: Any, footprint: Any) -> Any:
    """Share of one kernel's traffic that goes to main memory when it runs again and again. [1]"""
    return np.maximum(0.0, np.minimum(1.0, -7.0 / 5.0 + 2.0*footprint/cache))


def kernel_memory_s(*, bandwidth: Any, bandwidth_share: Any, cache: Any, cache_ratio: Any, footprint: Any, traffic: Any) -> Any:
    """Time of one kernel's traffic, part of it from the cache. [s]"""
    x0 = 1.0/bandwidth
    x1 = np.maximum(0.0, np.minimum(1.0, -7.0 / 5.0 + 2.0*footprint/cache))
    return traffic*(x0*(1.0 - x1)/cache_ratio + x0*x1/bandwidth_share)


def network_traffic(*, activations: Any, all_weights: Any, cache: Any, weights: Any) -> Any:
    """Bytes of a kernel in a network from main memory: activations, and its part of the weights, beyond the cache. [B]"""
    x0 = -cache
    return np.maximum(0.0, activations + x0) + weights*np.maximum(0.0, all_weights + x0)/all_weights


def network_memory_s(*, activations: Any, bandwidth: Any, bandwidth_share: Any, cache_ratio: Any, traffic: Any, weights: Any) -> Any:
    """Time of a kernel's bytes in a network: from main memory and from the cache. [s]"""
    x0 = 1.0/bandwidth
    return x0*(activations - traffic + weights)/cache_ratio + traffic*x0/bandwidth_share


def flop_energy_j(*, flop_j_reference: Any, kind_factor: Any, node: Any, node_exponent: Any, node_reference: Any) -> Any:
    """Energy of one FLOP, scaled from the reference process. [J/FLOP]"""
    return flop_j_reference*kind_factor*(node/node_reference)**node_exponent


def dynamic_energy_j(*, byte_j: Any, flop_j: Any, traffic: Any, work: Any) -> Any:
    """Energy of arithmetic and of traffic to main memory, net of idle. [J]"""
    return byte_j*traffic + flop_j*work


def power_limit_s(*, dynamic_j: Any, idle_w: Any, tdp_w: Any) -> Any:
    """The shortest time in which the chip can spend that energy within its power limit. [s]"""
    return dynamic_j/(-idle_w + tdp_w)


def power_limited_s(*, power_s: Any, sequence_s: Any, sharpness: Any) -> Any:
    """Time of a network: a soft maximum of its kernels in a row and the time that the power limit allows. [s]"""
    return (power_s**sharpness + sequence_s**sharpness)**(1.0/sharpness)


def energy_j(*, dynamic_j: Any, idle_w: Any, latency: Any) -> Any:
    """Energy of one pass. [J]"""
    return dynamic_j + idle_w*latency


def energy_lower_bound_j(*, bandwidth: Any, byte_j: Any, floor_w: Any, flop_j: Any, on_chip: Any, peak_max: Any, traffic_min: Any, work_min: Any) -> Any:
    """No implementation takes less energy, given floors of power, per FLOP and per byte. [J]"""
    x0 = np.maximum(0.0, -on_chip + traffic_min)
    return byte_j*x0 + floor_w*np.maximum(x0/bandwidth, work_min/peak_max) + flop_j*work_min


def quantize_s(*, bandwidth: Any, bandwidth_share: Any, channels: Any, launch: Any, operand_bytes: Any, rows: Any, source_bytes: Any, taps: Any) -> Any:
    """Reading activations as they are and writing them in the narrow type, as a kernel of its own. [s]"""
    return launch + channels*rows*taps*(operand_bytes + source_bytes)/(bandwidth*bandwidth_share)
