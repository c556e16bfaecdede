// One pass over a network on a machine at a batch, as engine/compiled.py has it, over the printed closed forms.
// A test runs it beside numpy. Unknown is NaN; JSON has it as null.

const CAUSES = [
  "arithmetic", "bandwidth", "sequence", "dimension_fit", "unit_allocation", "dispatch", "sustained", "power_cap", "bound_clamp",
];

function known(machine) {
  const table = {};
  for (const [name, value] of Object.entries(machine)) table[name] = value === null ? NaN : value;
  return table;
}

function sizeOf(kernel, machine, batch) {
  const read = kernel.routed === 1 ? 1 : forms.experts_read({ ...kernel, batch });
  return {
    rows: kernel.rows * (kernel.shared ? batch / read : 1),
    groups: kernel.groups * (kernel.shared ? read : batch),
    columns: kernel.columns, channels: kernel.channels, taps: kernel.taps, key_splits: kernel.key_splits,
    winograd_tiles: kernel.winograd_tiles * batch,
    peak: machine.load_peak, full_peak: kernel.kind === "conv" ? machine.conv_peak : machine.load_peak,
    weights: kernel.weights * read * machine.element_bytes,
    activations: (kernel.inputs + kernel.outputs) * batch * machine.element_bytes,
  };
}

function tiled(size, m) {
  let best = { full: Infinity };
  for (const [tile_rows, tile_columns] of m.tiles) {
    for (const split of m.splits) {
      const chosen = { ...size, ...m, tile_rows, tile_columns, split, peak: m.load_peak, operand_bytes: m.element_bytes,
        weight_bytes: m.element_bytes, result_bytes: m.element_bytes };
      const full = forms.tiled_s({ ...chosen, peak: size.full_peak });
      if (!(full >= best.full)) best = { full, chosen };
    }
  }
  return { full: best.full, padded: forms.tiled_padded_s(best.chosen), waves: forms.tiled_waves_s(best.chosen) };
}

// A convolution as the product of its windows, or in Winograd's form: time and energy each of the one that takes less of it.
function convolution(size, m, windows) {
  if (!(m.winograd > 0 && size.winograd_tiles > 0)) return windows;
  const moved = { ...m, ...size, operand_bytes: m.element_bytes };
  const work = forms.winograd_work(moved);
  const product = { ...size, rows: size.winograd_tiles, groups: forms.winograd_groups(size), taps: 1 };
  const lean = tiled(product, { ...m, sustained: m.winograd });
  const full = forms.winograd_s({ ...moved, compute_s: lean.full });
  const activations = forms.winograd_activations(moved);
  const joules = (given) =>
    forms.dynamic_energy_j({ ...m, flop_j: m.flop_j * m.conv_factor, ...given, traffic: 0, byte_j: 0, weights: 0 });
  const spent = { work: windows.work, activations: windows.activations };
  const energy = joules({ work, activations }) < joules(spent) ? { work, activations } : spent;
  const time = full < windows.full ? { ...lean, full, plain: work / m.load_peak } : windows;
  return { ...time, ...energy };
}

function systolic(size, m) {
  const given = { ...m, ...size };
  const full = forms.systolic_s({ ...given, peak: size.full_peak });
  return { full, padded: forms.systolic_padded_s(given), waves: forms.systolic_waves_s(given) };
}

function attention(size, m, work) {
  const given = { ...m, ...size, work, sustained: m.attention };
  return { full: forms.attention_s(given), padded: forms.attention_padded_s(given), waves: forms.attention_waves_s(given) };
}

function compute(kernel, size, m, batch) {
  const work = kernel.work_done * batch;
  const plain = work / m.load_peak;
  if (m.form === "rated") return { plain, padded: plain, waves: plain, full: forms.rated_s({ batch, sample_s: kernel.sample_s }) };
  if (m.form === "roof") {
    const sustained = kernel.kind === "attention" ? m.attention : m.sustained;
    return { plain, padded: plain, waves: plain, full: work / size.full_peak / sustained };
  }
  if (kernel.kind === "gemm" || kernel.kind === "conv") {
    const { activations } = size;
    return m.form === "tiled" ? convolution(size, m, { plain, work, activations, ...tiled(size, m) }) : { plain, ...systolic(size, m) };
  }
  if (kernel.kind === "attention") return { plain, ...attention(size, m, work) };
  return { plain, padded: plain, waves: plain, full: forms.plain_s({ work, peak: m.load_peak, sustained: m.sustained }) };
}

function kernelOn(kernel, m, batch, allWeights) {
  const size = sizeOf(kernel, m, batch);
  const activations = size.activations;
  const rated = m.form === "rated";
  const spilled = rated ? forms.probed_traffic : forms.network_traffic;
  const traffic = spilled({ activations, weights: size.weights, all_weights: allWeights, cache: m.cache });
  const memory_s = rated
    ? forms.fetch_s({ traffic, bandwidth: m.bandwidth, bandwidth_share: kernel.passes ? m.bandwidth_share : m.product_share })
    : forms.traffic_s({ ...m, activations, weights: size.weights, traffic });
  const overlap_loss = rated && kernel.passes ? 1 : m.overlap_loss;
  const times = compute(kernel, size, m, batch);
  return {
    ...times, traffic, memory_s,
    seconds: forms.kernel_s({ launch: m.launch, compute_s: times.full, memory_s, overlap_loss }),
    energy_j: forms.dynamic_energy_j({
      ...m, work: times.work ?? kernel.work_done * batch, flop_j: m.flop_j * (kernel.kind === "conv" ? m.conv_factor : 1), traffic,
      activations: times.activations ?? activations, weights: size.weights,
    }),
  };
}

function leastBytes(network, m, batch) {
  const tables = network.tables.map((t) => Math.min(t.rows, batch * t.lookups) * t.width);
  return (network.least_once + network.least_each * batch + tables.reduce((a, b) => a + b, 0)) * m.element_bytes;
}

// Return bound, estimate, interval, energy, utilization, memory and causes of one batch.
function pass(network, machine, batch) {
  const m = known(machine);
  const allWeights = Math.max(network.kernels.reduce((sum, k) => sum + k.count * k.weights, 0), 1) * m.element_bytes;
  const parts = network.kernels.map((kernel) => ({ count: kernel.count, ...kernelOn(kernel, m, batch, allWeights) }));
  const total = (value) => parts.reduce((sum, part) => sum + part.count * value(part), 0);
  const bound = forms.latency_lower_bound_s({
    work_min: network.work_min * batch, peak_max: m.peak_max, bandwidth: m.bound_bandwidth, on_chip: m.on_chip,
    traffic_min: leastBytes(network, m, batch),
  });
  const dynamic_j = m.energy_factor * total((p) => p.energy_j);
  const sequence_s = m.time_factor * total((p) => p.seconds);
  const watts = { idle_w: m.idle_w, static_w: m.static_w, tdp_w: m.tdp_w };
  const power_s = forms.power_limit_s({ dynamic_j, sequence_s, ...watts });
  const { voltage_span, voltage_exponent } = m;
  const device_s = forms.power_limited_s({ sequence_s, power_s, voltage_span, voltage_exponent });
  const host_s = m.host * network.launches;
  const hosted = host_s > 0 ? forms.host_limited_s({ device_s, host_s, sharpness: m.host_sharpness }) : device_s;
  const latency = Math.max(hosted, bound);
  const launch_s = total(() => m.launch);
  const launches_s = Math.min(latency, Math.max(m.time_factor * launch_s, host_s));
  const percentile = (ratio, launch_ratio) => forms.interval_s({ latency, launches_s, ratio, launch_ratio });
  const spent_j = forms.limited_energy_j({ dynamic_j, idle_w: m.idle_w, tdp_w: m.tdp_w, limited_s: device_s });
  const energy = forms.energy_j({ idle_w: m.idle_w, latency, dynamic_j: spent_j });
  const ladder = rungs(total, parts, m, { launch_s, host_s, sequence_s, hosted, bound });
  return {
    batch, bound, estimate: latency,
    p10: Math.min(Math.max(percentile(m.ratio_p10, m.launch_ratio_p10), bound), latency),
    p90: Math.max(latency, percentile(m.ratio_p90, m.launch_ratio_p90)),
    throughput: batch / latency, energy: energy / batch, power: energy / latency,
    mfu: forms.mfu({ work: network.work * batch, latency, peak: m.peak }),
    memory: (network.stored_once + network.stored_each * batch) * m.element_bytes + m.workspace,
    causes: climb(ladder, latency),
  };
}

function rungs(total, parts, m, times) {
  const memory = (part) => part.traffic / m.bandwidth;
  const arithmetic = total((p) => p.plain);
  const unit_allocation = total((p) => Math.max(p.waves, memory(p)));
  return {
    arithmetic, unit_allocation,
    bandwidth: Math.max(arithmetic, total(memory)),
    sequence: total((p) => Math.max(p.plain, memory(p))),
    dimension_fit: total((p) => Math.max(p.padded, memory(p))),
    dispatch: Math.max(unit_allocation + times.launch_s, times.host_s),
    sustained: Math.max(times.sequence_s, times.host_s),
    power_cap: times.hosted, bound_clamp: times.bound,
  };
}

function climb(ladder, latency) {
  const added = {};
  let below = 0;
  for (const cause of CAUSES) {
    const reached = Math.min(Math.max(below, ladder[cause]), latency);
    added[cause] = reached - below;
    below = reached;
  }
  return added;
}
