// The closed forms as JavaScript, printed by `python -m engine.codegen`; edit the symbols instead.
const forms = {
  // Intensity at which memory-bound turns compute-bound. [FLOP/B]
  ridge_point({ bandwidth, peak }) {
    return peak/bandwidth;
  },
  // The roof at an arithmetic intensity. [FLOP/s]
  attainable_performance({ bandwidth, intensity, peak }) {
    return Math.min(peak, bandwidth*intensity);
  },
  // Time of one operator on the plain roof. [s]
  roof_s({ bandwidth, peak, traffic, work }) {
    return Math.max(traffic/bandwidth, work/peak);
  },
  // What a published peak becomes at the clock that a chip holds under load. [FLOP/s]
  load_peak({ clock, load_clock, peak }) {
    return load_clock*peak/clock;
  },
  // Batch at which an operator turns compute-bound; outside the domain it never does. [1]
  ridge_batch({ bandwidth, peak, traffic_each, traffic_once, work_each }) {
    const x0 = peak/bandwidth;
    return traffic_once*x0/(-traffic_each*x0 + work_each);
  },
  // No implementation is faster: least arithmetic at the highest clock, compulsory bytes beyond the chip. [s]
  latency_lower_bound_s({ bandwidth, on_chip, peak_max, traffic_min, work_min }) {
    return Math.max(work_min/peak_max, Math.max(0, -on_chip + traffic_min)/bandwidth);
  },
  // The least peak with which the bound admits a latency limit. [FLOP/s]
  peak_for_limit({ limit, work_min }) {
    return work_min/limit;
  },
  // The least bandwidth with which the bound admits a latency limit. [B/s]
  bandwidth_for_limit({ limit, on_chip, traffic_min }) {
    return Math.max(0, -on_chip + traffic_min)/limit;
  },
  // Arithmetic of one pass. [FLOP]
  total_work({ batch, work_each }) {
    return batch*work_each;
  },
  // Traffic of one pass: weights once, activations of every sample. [B]
  total_traffic({ batch, traffic_each, traffic_once }) {
    return batch*traffic_each + traffic_once;
  },
  // Arithmetic over traffic. [FLOP/B]
  arithmetic_intensity({ traffic, work }) {
    return work/traffic;
  },
  // The lower bound where bandwidth or on-chip memory is unknown. [s]
  arithmetic_lower_bound_s({ peak_max, work_min }) {
    return work_min/peak_max;
  },
  // Model FLOP utilization: the model's own arithmetic over what the peak would do in the same time. [1]
  mfu({ latency, peak, work }) {
    return work/(latency*peak);
  },
  // Model bandwidth utilization: compulsory bytes over what the bandwidth would carry in the same time. [1]
  mbu({ bandwidth, latency, traffic }) {
    return traffic/(bandwidth*latency);
  },
  // Share of the experts that a pass is expected to touch, where every token chooses some evenly. [1]
  experts_read({ batch, routed, tokens }) {
    return 1 - Math.pow(1 - routed, batch*tokens);
  },
  // Arithmetic of a kernel without tiles. [s]
  plain_s({ peak, sustained, work }) {
    return work/(peak*sustained);
  },
  // Arithmetic of a matrix product with one tile shape and split, in whole waves of tiles. [s]
  tiled_s({ alignment, bandwidth, cache_ratio, channels, columns, contraction_step, feed, groups, operand_bytes, peak, reference_peak, result_bytes, rows, split, split_cost, sustained, taps, tile_columns, tile_drain, tile_rows, units, wave_fill, wave_sharing, weight_bytes }) {
    const x0 = groups*split;
    const x1 = 1/(bandwidth*cache_ratio);
    const x2 = x0*Math.ceil(columns/tile_columns)*Math.ceil(rows/tile_rows)/units;
    const x3 = tile_columns*tile_rows;
    const x4 = contraction_step*units*Math.ceil(alignment*taps*Math.ceil(channels/alignment)/(contraction_step*split));
    return (wave_sharing*Math.max(1, x2) + (1 - wave_sharing)*Math.ceil(x2))*(result_bytes*tile_drain*units*x1*x3 + wave_fill + Math.max(2*x3*x4/(peak*sustained), x4*(operand_bytes*tile_rows + tile_columns*weight_bytes)/(feed*reference_peak))) + (4*columns*rows*x0*x1 + split_cost)*(split > 1 ? 1 : 0);
  },
  // The same where the contraction is not split. [s]
  whole_tile_s({ alignment, bandwidth, cache_ratio, channels, columns, contraction_step, feed, groups, operand_bytes, peak, reference_peak, result_bytes, rows, sustained, taps, tile_columns, tile_drain, tile_rows, units, wave_fill, wave_sharing, weight_bytes }) {
    const x0 = groups*Math.ceil(columns/tile_columns)*Math.ceil(rows/tile_rows)/units;
    const x1 = tile_columns*tile_rows;
    const x2 = contraction_step*units*Math.ceil(alignment*taps*Math.ceil(channels/alignment)/contraction_step);
    return (wave_sharing*Math.max(1, x0) + (1 - wave_sharing)*Math.ceil(x0))*(wave_fill + Math.max(2*x1*x2/(peak*sustained), x2*(operand_bytes*tile_rows + tile_columns*weight_bytes)/(feed*reference_peak)) + result_bytes*tile_drain*units*x1/(bandwidth*cache_ratio));
  },
  // The same at the peak, padded to whole tiles only. [s]
  tiled_padded_s({ alignment, channels, columns, contraction_step, groups, peak, rows, split, taps, tile_columns, tile_rows }) {
    return 2*contraction_step*groups*split*tile_columns*tile_rows*Math.ceil(columns/tile_columns)*Math.ceil(rows/tile_rows)*Math.ceil(alignment*taps*Math.ceil(channels/alignment)/(contraction_step*split))/peak;
  },
  // The same at the peak, padded to whole tiles and whole waves. [s]
  tiled_waves_s({ alignment, channels, columns, contraction_step, groups, peak, rows, split, taps, tile_columns, tile_rows, units, wave_sharing }) {
    const x0 = groups*split*Math.ceil(columns/tile_columns)*Math.ceil(rows/tile_rows)/units;
    return 2*contraction_step*tile_columns*tile_rows*units*(wave_sharing*Math.max(1, x0) + (1 - wave_sharing)*Math.ceil(x0))*Math.ceil(alignment*taps*Math.ceil(channels/alignment)/(contraction_step*split))/peak;
  },
  // A matrix product on weight-stationary arrays: each tile fills, then streams its rows. [s]
  systolic_s({ array_columns, array_rows, channels, columns, groups, peak, rows, sustained, taps, units }) {
    const x0 = Math.ceil(columns/array_columns);
    const x1 = Math.ceil(channels*taps/array_rows);
    return 2*array_columns*array_rows*units*(array_columns + array_rows + Math.ceil(rows/Math.max(1, Math.floor(units/(groups*x0*x1)))))*Math.ceil(groups*x0*x1/units)/(peak*sustained);
  },
  // The same at the peak, padded to whole arrays only. [s]
  systolic_padded_s({ array_columns, array_rows, channels, columns, groups, peak, rows, taps }) {
    return 2*array_columns*array_rows*groups*rows*Math.ceil(columns/array_columns)*Math.ceil(channels*taps/array_rows)/peak;
  },
  // The same at the peak, with whole passes over all arrays. [s]
  systolic_waves_s({ array_columns, array_rows, channels, columns, groups, peak, rows, taps, units }) {
    const x0 = Math.ceil(columns/array_columns);
    const x1 = Math.ceil(channels*taps/array_rows);
    return 2*array_columns*array_rows*units*Math.ceil(rows/Math.max(1, Math.floor(units/(groups*x0*x1))))*Math.ceil(groups*x0*x1/units)/peak;
  },
  // Fused attention in whole waves of query tiles: products, and the vector work of its scores. [s]
  attention_s({ channels, groups, key_splits, peak, query_tile, rows, softmax_work, sustained, units, vector_peak, work }) {
    const x0 = Math.min(query_tile, 16*Math.ceil((1/16)*rows));
    return units*x0*(work/(peak*sustained) + (1/4)*softmax_work*work/(channels*vector_peak))*Math.ceil(groups*key_splits*Math.ceil(rows/x0)/units)/(groups*key_splits*rows);
  },
  // The same at the peak, padded to whole query tiles only. [s]
  attention_padded_s({ peak, query_tile, rows, work }) {
    const x0 = Math.min(query_tile, 16*Math.ceil((1/16)*rows));
    return work*x0*Math.ceil(rows/x0)/(peak*rows);
  },
  // The same at the peak, padded to whole query tiles and waves. [s]
  attention_waves_s({ groups, key_splits, peak, query_tile, rows, units, work }) {
    const x0 = Math.min(query_tile, 16*Math.ceil((1/16)*rows));
    return units*work*x0*Math.ceil(groups*key_splits*Math.ceil(rows/x0)/units)/(groups*key_splits*peak*rows);
  },
  // Launch, drain and fill of one kernel; a share of it is spent in clock cycles. [s]
  launch_s({ clock, clock_reference, clocked, launch_fitted }) {
    return launch_fitted*(-clocked + 1 + clock_reference*clocked/clock);
  },
  // Causal attention of a prompt in tiles of queries; the tile of the last queries is the longest. [s]
  prefill_s({ halvings, head_dim, head_loss, heads, peak, query_tile, sequences, softmax_work, sustained, tile_efficiency, tokens, units, vector_peak, wave_fill, wave_sharing }) {
    const x0 = Math.ceil(tokens/query_tile);
    const x1 = heads*sequences*x0/units;
    const x2 = wave_sharing*Math.max(1, x1) + (1 - wave_sharing)*Math.ceil(x1);
    const x3 = Math.pow(query_tile, 2);
    return units*(4*head_dim*Math.pow(tile_efficiency, -halvings)*Math.pow(Math.max(1, (1/128)*head_dim), head_loss)/(peak*sustained) + softmax_work/vector_peak)*Math.max(x0*x3, (1/2)*x2*x3*(x0 + 1)) + wave_fill*x2;
  },
  // Arithmetic of attention over cached keys and values, for one new token of each sequence. [s]
  decode_arithmetic_s({ group_rows, head_dim, heads, kv_heads, peak, sequences, sustained, tokens }) {
    return 4*head_dim*sequences*tokens*Math.max(heads, group_rows*kv_heads)/(peak*sustained);
  },
  // What decoding takes besides: one unit walks its slice of the cache, and heads beyond the units queue. [s]
  decode_walk_s({ head_dim, kv_heads, sequences, slice_tokens, tokens, units, walk, wave_fill }) {
    return (1/16384)*head_dim*walk*Math.min(slice_tokens, tokens) + wave_fill*Math.max(0, kv_heads*sequences/units - 1);
  },
  // Arithmetic of a convolution as a product with one tile shape, in whole waves of tiles. [s]
  window_product_s({ channels, columns, contraction_step, groups, misalignment, peak, rows, sustained, taps, tile_columns, tile_edge, tile_fill, tile_rows, units, wave_sharing }) {
    const x0 = 1/tile_columns;
    const x1 = 1/tile_rows;
    const x2 = (1/4)*rows;
    const x3 = groups*Math.ceil(columns*x0)*Math.ceil(rows*x1)/units;
    return 2*tile_columns*tile_rows*units*(contraction_step*Math.ceil(channels*taps/contraction_step) + tile_fill)*(misalignment*(Math.ceil(x2) - Math.floor(x2)) + 1)*(tile_edge*(x0 + x1) + 1)*(wave_sharing*Math.max(1, x3) + (1 - wave_sharing)*Math.ceil(x3))/(peak*sustained);
  },
  // Launch of a kernel that a library chose by trying, after other shapes that it tried in the same process. [s]
  tried_launch_s({ launch, launch_growth, tried }) {
    return launch + launch_growth*tried;
  },
  // A 3 x 3 convolution in Winograd's form, after its first launch: products, transforms of image, weights, result. [s]
  winograd_s({ activations, bandwidth, bandwidth_share, channels, columns, compute_s, groups, launch, operand_bytes, transform, transform_weights, winograd_tiles }) {
    return compute_s + 2*launch + (activations + operand_bytes*(45*channels*columns*groups*transform_weights + 36*groups*transform*winograd_tiles*(channels + columns)))/(bandwidth*bandwidth_share);
  },
  // Products of it side by side, of tiles by channels and of channels by columns. [1]
  winograd_groups({ groups }) {
    return 36*groups;
  },
  // Arithmetic of its products. [FLOP]
  winograd_work({ channels, columns, groups, winograd_tiles }) {
    return 72*channels*columns*groups*winograd_tiles;
  },
  // Activation bytes of it, with what is transformed. [B]
  winograd_activations({ activations, channels, columns, groups, operand_bytes, transform, winograd_tiles }) {
    return activations + 36*groups*operand_bytes*transform*winograd_tiles*(channels + columns);
  },
  // Parts of a kernel at the rates of their classes, as a probe found them in the cache. [s]
  rated_s({ batch, sample_s }) {
    return batch*sample_s;
  },
  // One kernel: launch, the longer of arithmetic and traffic, what the shorter cannot hide. [s]
  kernel_s({ compute_s, launch, memory_s, overlap_loss }) {
    return launch + overlap_loss*Math.min(compute_s, memory_s) + Math.max(compute_s, memory_s);
  },
  // Bytes from main memory of one kernel that runs again and again, its weights alternating between several sets. [B]
  kernel_traffic({ activations, cache, rotations, weights }) {
    const x0 = 1/cache;
    return activations*Math.max(0, Math.min(1, 2*x0*(activations + weights) - 7/5)) + weights*Math.max(0, Math.min(1, 2*x0*(activations + rotations*weights) - 7/5));
  },
  // Bytes of a kernel in a network from main memory: activations, which spill from the size of the cache on and all from twice of it, and its part of the weights beyond the cache. [B]
  network_traffic({ activations, all_weights, cache, weights }) {
    return activations*Math.max(0, Math.min(1, activations/cache - 1)) + weights*Math.max(0, all_weights - cache)/all_weights;
  },
  // The same where the cache is what a probe saw stay near, however long the activations. [B]
  probed_traffic({ activations, all_weights, cache, weights }) {
    const x0 = -cache;
    return Math.max(0, activations + x0) + weights*Math.max(0, all_weights + x0)/all_weights;
  },
  // Time of a kernel's bytes from main memory alone, where the rates of its parts contain the cache. [s]
  fetch_s({ bandwidth, bandwidth_share, traffic }) {
    return traffic/(bandwidth*bandwidth_share);
  },
  // Time of a kernel's bytes: from main memory and from the cache. [s]
  traffic_s({ activations, bandwidth, bandwidth_share, cache_ratio, traffic, weights }) {
    const x0 = 1/bandwidth;
    return x0*(activations - traffic + weights)/cache_ratio + traffic*x0/bandwidth_share;
  },
  // Energy of one FLOP, scaled from the reference process. [J/FLOP]
  flop_energy_j({ flop_j_reference, kind_factor, node, node_exponent, node_reference }) {
    return flop_j_reference*kind_factor*Math.pow(node/node_reference, node_exponent);
  },
  // Energy of one byte that a kernel reads or writes, on the chip, scaled from the reference process. [J/B]
  cache_byte_energy_j({ cache_byte_j_reference, node, node_exponent, node_reference }) {
    return cache_byte_j_reference*Math.pow(node/node_reference, node_exponent);
  },
  // Energy of arithmetic, of traffic to main memory and of all bytes on the chip, net of idle. [J]
  dynamic_energy_j({ activations, byte_j, cache_byte_j, flop_j, traffic, weights, work }) {
    return byte_j*traffic + cache_byte_j*(activations + weights) + flop_j*work;
  },
  // Time in which the power limit allows the energy of a pass, all but static power, at full clock and voltage. [s]
  power_limit_s({ dynamic_j, idle_w, sequence_s, static_w, tdp_w }) {
    return (dynamic_j + sequence_s*(idle_w - static_w))/(-static_w + tdp_w);
  },
  // Time of a network within the power limit: a lower clock needs less voltage, so a cycle takes less energy. [s]
  power_limited_s({ power_s, sequence_s, voltage_exponent, voltage_span }) {
    return Math.max(sequence_s, power_s/voltage_span, Math.pow(power_s*Math.pow(sequence_s, voltage_exponent), 1/(voltage_exponent + 1)));
  },
  // Energy net of idle at the clock that the power limit leaves: all of it, or what brings the power to the limit. [J]
  limited_energy_j({ dynamic_j, idle_w, limited_s, tdp_w }) {
    return Math.min(dynamic_j, limited_s*(-idle_w + tdp_w));
  },
  // Time of a kernel that a benchmark runs again and again: the longer it is, the more of the power limit it meets. [s]
  throttled_s({ device_s, limited_s }) {
    const x0 = Math.min(1, 1000*device_s);
    return Math.pow(device_s, 1 - x0)*Math.pow(limited_s, x0);
  },
  // Time of a network that a host launches operator by operator: a soft maximum of its device and of its host. [s]
  host_limited_s({ device_s, host_s, sharpness }) {
    return Math.pow(Math.pow(device_s, sharpness) + Math.pow(host_s, sharpness), 1/sharpness);
  },
  // A percentile of the measured time: one ratio for the launches, another for all else. [s]
  interval_s({ latency, launch_ratio, launches_s, ratio }) {
    return latency*ratio + launches_s*(launch_ratio - ratio);
  },
  // Energy of one pass. [J]
  energy_j({ dynamic_j, idle_w, latency }) {
    return dynamic_j + idle_w*latency;
  },
  // No implementation takes less energy, given floors of power, per FLOP and per byte. [J]
  energy_lower_bound_j({ bandwidth, byte_j, floor_w, flop_j, on_chip, peak_max, traffic_min, work_min }) {
    const x0 = Math.max(0, -on_chip + traffic_min);
    return byte_j*x0 + floor_w*Math.max(x0/bandwidth, work_min/peak_max) + flop_j*work_min;
  },
  // Reading activations as they are and writing them in the narrow type, as a kernel of its own. [s]
  quantize_s({ bandwidth, channels, operand_bytes, quantize_share, rows, source_bytes }) {
    return channels*rows*(operand_bytes + source_bytes)/(bandwidth*quantize_share);
  },
};
