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


def load_peak(*, clock: Any, load_clock: Any, peak: Any) -> Any:
    """What a published peak becomes at the clock that a chip holds under load. [FLOP/s]"""
    return load_clock*peak/clock


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


def experts_read(*, batch: Any, routed: Any, tokens: Any) -> Any:
    """Share of the experts that a pass is expected to touch, where every token chooses some evenly. [1]"""
    return 1.0 - (1.0 - routed)**(batch*tokens)


def plain_s(*, peak: Any, sustained: Any, work: Any) -> Any:
    """Arithmetic of a kernel without tiles. [s]"""
    return work/(peak*sustained)


def tiled_s(*, alignment: Any, bandwidth: Any, cache_ratio: Any, channels: Any, columns: Any, contraction_step: Any, feed: Any, groups: Any, operand_bytes: Any, peak: Any, reference_peak: Any, result_bytes: Any, rows: Any, split: Any, split_cost: Any, sustained: Any, taps: Any, tile_columns: Any, tile_drain: Any, tile_rows: Any, units: Any, wave_fill: Any, wave_sharing: Any, weight_bytes: Any) -> Any:
    """Arithmetic of a matrix product with one tile shape and split, in whole waves of tiles. [s]"""
    x0 = groups*split
    x1 = 1.0/(bandwidth*cache_ratio)
    x2 = x0*np.ceil(columns/tile_columns)*np.ceil(rows/tile_rows)/units
    x3 = tile_columns*tile_rows
    x4 = contraction_step*units*np.ceil(alignment*taps*np.ceil(channels/alignment)/(contraction_step*split))
    return (wave_sharing*np.maximum(1.0, x2) + (1.0 - wave_sharing)*np.ceil(x2))*(result_bytes*tile_drain*units*x1*x3 + wave_fill + np.maximum(2.0*x3*x4/(peak*sustained), x4*(operand_bytes*tile_rows + tile_columns*weight_bytes)/(feed*reference_peak))) + (4.0*columns*rows*x0*x1 + split_cost)*np.where((split > 1.0), 1.0, 0.0)


def whole_tile_s(*, alignment: Any, bandwidth: Any, cache_ratio: Any, channels: Any, columns: Any, contraction_step: Any, feed: Any, groups: Any, operand_bytes: Any, peak: Any, reference_peak: Any, result_bytes: Any, rows: Any, sustained: Any, taps: Any, tile_columns: Any, tile_drain: Any, tile_rows: Any, units: Any, wave_fill: Any, wave_sharing: Any, weight_bytes: Any) -> Any:
    """The same where the contraction is not split. [s]"""
    x0 = groups*np.ceil(columns/tile_columns)*np.ceil(rows/tile_rows)/units
    x1 = tile_columns*tile_rows
    x2 = contraction_step*units*np.ceil(alignment*taps*np.ceil(channels/alignment)/contraction_step)
    return (wave_sharing*np.maximum(1.0, x0) + (1.0 - wave_sharing)*np.ceil(x0))*(wave_fill + np.maximum(2.0*x1*x2/(peak*sustained), x2*(operand_bytes*tile_rows + tile_columns*weight_bytes)/(feed*reference_peak)) + result_bytes*tile_drain*units*x1/(bandwidth*cache_ratio))


def tiled_padded_s(*, alignment: Any, channels: Any, columns: Any, contraction_step: Any, groups: Any, peak: Any, rows: Any, split: Any, taps: Any, tile_columns: Any, tile_rows: Any) -> Any:
    """The same at the peak, padded to whole tiles only. [s]"""
    return 2.0*contraction_step*groups*split*tile_columns*tile_rows*np.ceil(columns/tile_columns)*np.ceil(rows/tile_rows)*np.ceil(alignment*taps*np.ceil(channels/alignment)/(contraction_step*split))/peak


def tiled_waves_s(*, alignment: Any, channels: Any, columns: Any, contraction_step: Any, groups: Any, peak: Any, rows: Any, split: Any, taps: Any, tile_columns: Any, tile_rows: Any, units: Any, wave_sharing: Any) -> Any:
    """The same at the peak, padded to whole tiles and whole waves. [s]"""
    x0 = groups*split*np.ceil(columns/tile_columns)*np.ceil(rows/tile_rows)/units
    return 2.0*contraction_step*tile_columns*tile_rows*units*(wave_sharing*np.maximum(1.0, x0) + (1.0 - wave_sharing)*np.ceil(x0))*np.ceil(alignment*taps*np.ceil(channels/alignment)/(contraction_step*split))/peak


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


def attention_s(*, channels: Any, groups: Any, key_splits: Any, peak: Any, query_tile: Any, rows: Any, softmax_work: Any, sustained: Any, units: Any, vector_peak: Any, work: Any) -> Any:
    """Fused attention in whole waves of query tiles: products, and the vector work of its scores. [s]"""
    x0 = np.minimum(query_tile, 16.0*np.ceil((1.0 / 16.0)*rows))
    return units*x0*(work/(peak*sustained) + (1.0 / 4.0)*softmax_work*work/(channels*vector_peak))*np.ceil(groups*key_splits*np.ceil(rows/x0)/units)/(groups*key_splits*rows)


def attention_padded_s(*, peak: Any, query_tile: Any, rows: Any, work: Any) -> Any:
    """The same at the peak, padded to whole query tiles only. [s]"""
    x0 = np.minimum(query_tile, 16.0*np.ceil((1.0 / 16.0)*rows))
    return work*x0*np.ceil(rows/x0)/(peak*rows)


def attention_waves_s(*, groups: Any, key_splits: Any, peak: Any, query_tile: Any, rows: Any, units: Any, work: Any) -> Any:
    """The same at the peak, padded to whole query tiles and waves. [s]"""
    x0 = np.minimum(query_tile, 16.0*np.ceil((1.0 / 16.0)*rows))
    return units*work*x0*np.ceil(groups*key_splits*np.ceil(rows/x0)/units)/(groups*key_splits*peak*rows)


def launch_s(*, clock: Any, clock_reference: Any, clocked: Any, launch_fitted: Any) -> Any:
    """Launch, drain and fill of one kernel; a share of it is spent in clock cycles. [s]"""
    return launch_fitted*(-clocked + 1.0 + clock_reference*clocked/clock)


def prefill_s(*, halvings: Any, head_dim: Any, head_loss: Any, heads: Any, peak: Any, query_tile: Any, sequences: Any, softmax_work: Any, sustained: Any, tile_efficiency: Any, tokens: Any, units: Any, vector_peak: Any, wave_fill: Any, wave_sharing: Any) -> Any:
    """Causal attention of a prompt in tiles of queries; the tile of the last queries is the longest. [s]"""
    x0 = np.ceil(tokens/query_tile)
    x1 = heads*sequences*x0/units
    x2 = wave_sharing*np.maximum(1.0, x1) + (1.0 - wave_sharing)*np.ceil(x1)
    x3 = query_tile**2.0
    return units*(4.0*head_dim*tile_efficiency**(-halvings)*np.maximum(1.0, (1.0 / 128.0)*head_dim)**head_loss/(peak*sustained) + softmax_work/vector_peak)*np.maximum(x0*x3, (1.0 / 2.0)*x2*x3*(x0 + 1.0)) + wave_fill*x2


def decode_arithmetic_s(*, group_rows: Any, head_dim: Any, heads: Any, kv_heads: Any, peak: Any, sequences: Any, sustained: Any, tokens: Any) -> Any:
    """Arithmetic of attention over cached keys and values, for one new token of each sequence. [s]"""
    return 4.0*head_dim*sequences*tokens*np.maximum(heads, group_rows*kv_heads)/(peak*sustained)


def decode_walk_s(*, head_dim: Any, kv_heads: Any, sequences: Any, slice_tokens: Any, tokens: Any, units: Any, walk: Any, wave_fill: Any) -> Any:
    """What decoding takes besides: one unit walks its slice of the cache, and heads beyond the units queue. [s]"""
    return (1.0 / 16384.0)*head_dim*walk*np.minimum(slice_tokens, tokens) + wave_fill*np.maximum(0.0, kv_heads*sequences/units - 1.0)


def window_product_s(*, channels: Any, columns: Any, contraction_step: Any, groups: Any, misalignment: Any, peak: Any, rows: Any, sustained: Any, taps: Any, tile_columns: Any, tile_edge: Any, tile_fill: Any, tile_rows: Any, units: Any, wave_sharing: Any) -> Any:
    """Arithmetic of a convolution as a product with one tile shape, in whole waves of tiles. [s]"""
    x0 = 1.0/tile_columns
    x1 = 1.0/tile_rows
    x2 = (1.0 / 4.0)*rows
    x3 = groups*np.ceil(columns*x0)*np.ceil(rows*x1)/units
    return 2.0*tile_columns*tile_rows*units*(contraction_step*np.ceil(channels*taps/contraction_step) + tile_fill)*(misalignment*(np.ceil(x2) - np.floor(x2)) + 1.0)*(tile_edge*(x0 + x1) + 1.0)*(wave_sharing*np.maximum(1.0, x3) + (1.0 - wave_sharing)*np.ceil(x3))/(peak*sustained)


def tried_launch_s(*, launch: Any, launch_growth: Any, tried: Any) -> Any:
    """Launch of a kernel that a library chose by trying, after other shapes that it tried in the same process. [s]"""
    return launch + launch_growth*tried


def winograd_s(*, activations: Any, bandwidth: Any, bandwidth_share: Any, channels: Any, columns: Any, compute_s: Any, groups: Any, launch: Any, operand_bytes: Any, transform: Any, transform_weights: Any, winograd_tiles: Any) -> Any:
    """A 3 x 3 convolution in Winograd's form, after its first launch: products, transforms of image, weights, result. [s]"""
    return compute_s + 2.0*launch + (activations + operand_bytes*(45.0*channels*columns*groups*transform_weights + 36.0*groups*transform*winograd_tiles*(channels + columns)))/(bandwidth*bandwidth_share)


def winograd_groups(*, groups: Any) -> Any:
    """Products of it side by side, of tiles by channels and of channels by columns. [1]"""
    return 36.0*groups


def winograd_work(*, channels: Any, columns: Any, groups: Any, winograd_tiles: Any) -> Any:
    """Arithmetic of its products. [FLOP]"""
    return 72.0*channels*columns*groups*winograd_tiles


def winograd_activations(*, activations: Any, channels: Any, columns: Any, groups: Any, operand_bytes: Any, transform: Any, winograd_tiles: Any) -> Any:
    """Activation bytes of it, with what is transformed. [B]"""
    return activations + 36.0*groups*operand_bytes*transform*winograd_tiles*(channels + columns)


def rated_s(*, batch: Any, sample_s: Any) -> Any:
    """Parts of a kernel at the rates of their classes, as a probe found them in the cache. [s]"""
    return batch*sample_s


def kernel_s(*, compute_s: Any, launch: Any, memory_s: Any, overlap_loss: Any) -> Any:
    """One kernel: launch, the longer of arithmetic and traffic, what the shorter cannot hide. [s]"""
    return launch + overlap_loss*np.minimum(compute_s, memory_s) + np.maximum(compute_s, memory_s)


def kernel_traffic(*, activations: Any, cache: Any, rotations: Any, weights: Any) -> Any:
    """Bytes from main memory of one kernel that runs again and again, its weights alternating between several sets. [B]"""
    x0 = 1.0/cache
    return activations*np.maximum(0.0, np.minimum(1.0, 2.0*x0*(activations + weights) - 7.0 / 5.0)) + weights*np.maximum(0.0, np.minimum(1.0, 2.0*x0*(activations + rotations*weights) - 7.0 / 5.0))


def network_traffic(*, activations: Any, all_weights: Any, cache: Any, weights: Any) -> Any:
    """Bytes of a kernel in a network from main memory: activations, which spill from the size of the cache on and all from twice of it, and its part of the weights beyond the cache. [B]"""
    return activations*np.maximum(0.0, np.minimum(1.0, activations/cache - 1.0)) + weights*np.maximum(0.0, all_weights - cache)/all_weights


def probed_traffic(*, activations: Any, all_weights: Any, cache: Any, weights: Any) -> Any:
    """The same where the cache is what a probe saw stay near, however long the activations. [B]"""
    x0 = -cache
    return np.maximum(0.0, activations + x0) + weights*np.maximum(0.0, all_weights + x0)/all_weights


def fetch_s(*, bandwidth: Any, bandwidth_share: Any, traffic: Any) -> Any:
    """Time of a kernel's bytes from main memory alone, where the rates of its parts contain the cache. [s]"""
    return traffic/(bandwidth*bandwidth_share)


def traffic_s(*, activations: Any, bandwidth: Any, bandwidth_share: Any, cache_ratio: Any, traffic: Any, weights: Any) -> Any:
    """Time of a kernel's bytes: from main memory and from the cache. [s]"""
    x0 = 1.0/bandwidth
    return x0*(activations - traffic + weights)/cache_ratio + traffic*x0/bandwidth_share


def flop_energy_j(*, flop_j_reference: Any, kind_factor: Any, node: Any, node_exponent: Any, node_reference: Any) -> Any:
    """Energy of one FLOP, scaled from the reference process. [J/FLOP]"""
    return flop_j_reference*kind_factor*(node/node_reference)**node_exponent


def cache_byte_energy_j(*, cache_byte_j_reference: Any, node: Any, node_exponent: Any, node_reference: Any) -> Any:
    """Energy of one byte that a kernel reads or writes, on the chip, scaled from the reference process. [J/B]"""
    return cache_byte_j_reference*(node/node_reference)**node_exponent


def dynamic_energy_j(*, activations: Any, byte_j: Any, cache_byte_j: Any, flop_j: Any, traffic: Any, weights: Any, work: Any) -> Any:
    """Energy of arithmetic, of traffic to main memory and of all bytes on the chip, net of idle. [J]"""
    return byte_j*traffic + cache_byte_j*(activations + weights) + flop_j*work


def power_limit_s(*, dynamic_j: Any, idle_w: Any, sequence_s: Any, static_w: Any, tdp_w: Any) -> Any:
    """Time in which the power limit allows the energy of a pass, all but static power, at full clock and voltage. [s]"""
    return (dynamic_j + sequence_s*(idle_w - static_w))/(-static_w + tdp_w)


def power_limited_s(*, power_s: Any, sequence_s: Any, voltage_exponent: Any, voltage_span: Any) -> Any:
    """Time of a network within the power limit: a lower clock needs less voltage, so a cycle takes less energy. [s]"""
    return np.maximum(np.maximum(sequence_s, power_s/voltage_span), (power_s*sequence_s**voltage_exponent)**(1.0/(voltage_exponent + 1.0)))


def limited_energy_j(*, dynamic_j: Any, idle_w: Any, limited_s: Any, tdp_w: Any) -> Any:
    """Energy net of idle at the clock that the power limit leaves: all of it, or what brings the power to the limit. [J]"""
    return np.minimum(dynamic_j, limited_s*(-idle_w + tdp_w))


def throttled_s(*, device_s: Any, limited_s: Any) -> Any:
    """Time of a kernel that a benchmark runs again and again: the longer it is, the more of the power limit it meets. [s]"""
    x0 = np.minimum(1.0, 1000.0*device_s)
    return device_s**(1.0 - x0)*limited_s**x0


def host_limited_s(*, device_s: Any, host_s: Any, sharpness: Any) -> Any:
    """Time of a network that a host launches operator by operator: a soft maximum of its device and of its host. [s]"""
    return (device_s**sharpness + host_s**sharpness)**(1.0/sharpness)


def interval_s(*, latency: Any, launch_ratio: Any, launches_s: Any, ratio: Any) -> Any:
    """A percentile of the measured time: one ratio for the launches, another for all else. [s]"""
    return latency*ratio + launches_s*(launch_ratio - ratio)


def energy_j(*, dynamic_j: Any, idle_w: Any, latency: Any) -> Any:
    """Energy of one pass. [J]"""
    return dynamic_j + idle_w*latency


def energy_lower_bound_j(*, bandwidth: Any, byte_j: Any, floor_w: Any, flop_j: Any, on_chip: Any, peak_max: Any, traffic_min: Any, work_min: Any) -> Any:
    """No implementation takes less energy, given floors of power, per FLOP and per byte. [J]"""
    x0 = np.maximum(0.0, -on_chip + traffic_min)
    return byte_j*x0 + floor_w*np.maximum(x0/bandwidth, work_min/peak_max) + flop_j*work_min


def quantize_s(*, bandwidth: Any, channels: Any, operand_bytes: Any, quantize_share: Any, rows: Any, source_bytes: Any) -> Any:
    """Reading activations as they are and writing them in the narrow type, as a kernel of its own. [s]"""
    return channels*rows*(operand_bytes + source_bytes)/(bandwidth*quantize_share)


def tiled_s_early(*, alignment: Any, bandwidth: Any, cache_ratio: Any, channels: Any, columns: Any, contraction_step: Any, feed: Any, operand_bytes: Any, peak: Any, reference_peak: Any, result_bytes: Any, split: Any, split_cost: Any, sustained: Any, taps: Any, tile_columns: Any, tile_drain: Any, tile_rows: Any, units: Any, wave_fill: Any, wave_sharing: Any, weight_bytes: Any) -> tuple[Any, ...]:
    """What does not change with groups and rows, for `tiled_s_late`."""
    y0 = np.where((split > 1.0), 1.0, 0.0)
    y1 = 1.0/(bandwidth*cache_ratio)
    y2 = tile_columns*tile_rows
    y3 = contraction_step*units*np.ceil(alignment*taps*np.ceil(channels/alignment)/(contraction_step*split))
    y4 = result_bytes*tile_drain*units*y1*y2 + wave_fill + np.maximum(2.0*y2*y3/(peak*sustained), y3*(operand_bytes*tile_rows + tile_columns*weight_bytes)/(feed*reference_peak))
    return (split_cost*y0, 4.0*columns*split*y0*y1, wave_sharing*y4, split*np.ceil(columns/tile_columns), units, tile_rows, y4*(1.0 - wave_sharing),)


def tiled_s_late(early: tuple[Any, ...], *, groups: Any, rows: Any) -> Any:
    """Arithmetic of a matrix product with one tile shape and split, in whole waves of tiles. [s]"""
    z0, z1, z2, z3, z4, z5, z6, = early
    x0 = groups*z3*np.ceil(rows/z5)/z4
    return groups*rows*z1 + z0 + z2*np.maximum(1.0, x0) + z6*np.ceil(x0)


def whole_tile_s_early(*, alignment: Any, bandwidth: Any, cache_ratio: Any, channels: Any, columns: Any, contraction_step: Any, feed: Any, operand_bytes: Any, peak: Any, reference_peak: Any, result_bytes: Any, sustained: Any, taps: Any, tile_columns: Any, tile_drain: Any, tile_rows: Any, units: Any, wave_fill: Any, wave_sharing: Any, weight_bytes: Any) -> tuple[Any, ...]:
    """What does not change with groups and rows, for `whole_tile_s_late`."""
    y0 = tile_columns*tile_rows
    y1 = contraction_step*units*np.ceil(alignment*taps*np.ceil(channels/alignment)/contraction_step)
    y2 = wave_fill + np.maximum(2.0*y0*y1/(peak*sustained), y1*(operand_bytes*tile_rows + tile_columns*weight_bytes)/(feed*reference_peak)) + result_bytes*tile_drain*units*y0/(bandwidth*cache_ratio)
    return (wave_sharing*y2, np.ceil(columns/tile_columns), units, tile_rows, y2*(1.0 - wave_sharing),)


def whole_tile_s_late(early: tuple[Any, ...], *, groups: Any, rows: Any) -> Any:
    """The same where the contraction is not split. [s]"""
    z0, z1, z2, z3, z4, = early
    x0 = groups*z1*np.ceil(rows/z3)/z2
    return z0*np.maximum(1.0, x0) + z4*np.ceil(x0)
