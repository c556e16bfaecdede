"""Every symbol of the closed forms, made once: two symbols of one name with other assumptions would not be equal.

A symbol's name is its name in code; `LATEX` is how it is written in a derivation; `MEANING` says what it is, with its unit.
"""

from __future__ import annotations

from typing import Final

import sympy as sp

LATEX: Final[dict[sp.Symbol, str]] = {}
MEANING: Final[dict[sp.Symbol, str]] = {}


def _symbol(name: str, latex: str, meaning: str, *, positive: bool = True) -> sp.Symbol:
    symbol = sp.Symbol(name, positive=True) if positive else sp.Symbol(name, nonnegative=True)
    LATEX[symbol], MEANING[symbol] = latex, meaning
    return symbol


batch = _symbol("batch", "B", "samples per pass")
work = _symbol("work", "W", "arithmetic [FLOP]", positive=False)
work_min = _symbol("work_min", r"W_{\min}", "least arithmetic any algorithm needs [FLOP]", positive=False)
traffic = _symbol("traffic", "Q", "bytes between chip and main memory [B]", positive=False)
traffic_min = _symbol("traffic_min", r"Q_{\min}", "bytes any implementation must touch once [B]", positive=False)
on_chip = _symbol("on_chip", "C", "memory on the chip that can keep data between passes [B]", positive=False)
peak = _symbol("peak", r"\pi", "published dense peak [FLOP/s]")
peak_max = _symbol("peak_max", r"\pi_{\max}", "units x highest clock x FLOP per clock [FLOP/s]")
bandwidth = _symbol("bandwidth", r"\beta", "memory bandwidth [B/s]")
intensity = _symbol("intensity", "I", "arithmetic intensity [FLOP/B]")
limit = _symbol("limit", "L", "latency limit [s]")
work_each = _symbol("work_each", "w", "arithmetic of one sample [FLOP]")
traffic_each = _symbol("traffic_each", "q_a", "activation traffic of one sample [B]", positive=False)
traffic_once = _symbol("traffic_once", "q_w", "weight traffic of one pass [B]", positive=False)

rows = _symbol("rows", "M", "rows of the product")
columns = _symbol("columns", "N", "columns of the product")
channels = _symbol("channels", "K_c", "contraction of one tap")
taps = _symbol("taps", "K_t", "taps of the kernel window")
groups = _symbol("groups", "G", "independent products")
routed = _symbol("routed", "r_e", "share of the experts that one token chooses")
tile_rows = _symbol("tile_rows", "t_m", "rows of a tile")
tile_columns = _symbol("tile_columns", "t_n", "columns of a tile")
split = _symbol("split", "S", "parts of the contraction that run side by side")
contraction_step = _symbol("contraction_step", "k_0", "contraction elements that a tile takes at a time")
alignment = _symbol("alignment", "a_c", "channels are padded to a multiple of this")
units = _symbol("units", "U", "parallel units")
operand_bytes = _symbol("operand_bytes", "a", "bytes of one operand element")
weight_bytes = _symbol("weight_bytes", "b", "bytes of one element of the second operand")
result_bytes = _symbol("result_bytes", "o", "bytes of one element of the result")
reference_peak = _symbol("reference_peak", r"\pi_{16}", "dense peak of 16-bit operands, which the feed is measured by [FLOP/s]")
vector_peak = _symbol("vector_peak", r"\pi_v", "peak of the vector units in fp32 [FLOP/s]")
feed = _symbol("feed", "u", "operand bytes that a unit takes in per FLOP of the 16-bit peak [B/FLOP]")
clock = _symbol("clock", r"\mathit{clk}", "clock [Hz]")
load_clock = _symbol("load_clock", r"\mathit{clk}_l", "clock that a chip holds under load, below its power limit [Hz]")
clock_reference = _symbol("clock_reference", r"\mathit{clk}_0", "clock at which a launch was fitted [Hz]")
clocked = _symbol("clocked", "c", "share of a launch that is spent in clock cycles", positive=False)
launch = _symbol("launch", "t_0", "launch, drain and fill of one kernel [s]", positive=False)
launch_fitted = _symbol("launch_fitted", "K", "the same at the reference clock [s]", positive=False)
sustained = _symbol("sustained", r"\eta", "sustained share of the peak")
bandwidth_share = _symbol("bandwidth_share", r"\beta_e", "sustained share of the bandwidth")
cache_ratio = _symbol("cache_ratio", r"\lambda", "cache over memory bandwidth")
wave_fill = _symbol("wave_fill", "t_w", "fill of one wave [s]", positive=False)
wave_sharing = _symbol("wave_sharing", r"\sigma", "share of a last, part-filled wave that idle units take over", positive=False)
tile_drain = _symbol("tile_drain", r"\kappa", "share of the way of a tile's result that nothing hides", positive=False)
split_cost = _symbol("split_cost", "t_s", "fixed cost of a split contraction [s]", positive=False)
overlap_loss = _symbol("overlap_loss", r"\alpha", "share of the shorter side that is not hidden", positive=False)
array_rows = _symbol("array_rows", "r", "rows of a systolic array, along the contraction")
array_columns = _symbol("array_columns", "c", "columns of a systolic array, along the outputs")
query_tile = _symbol("query_tile", "t_q", "queries of an attention tile")
key_splits = _symbol("key_splits", "S_k", "parts of the keys that attention walks side by side")
head_dim = _symbol("head_dim", "D", "features of one attention head")
softmax_work = _symbol("softmax_work", "w_s", "vector arithmetic of one attention score [FLOP]", positive=False)
tile_efficiency = _symbol("tile_efficiency", r"\epsilon", "rate of an attention tile over that of one of twice the queries")
head_loss = _symbol("head_loss", r"x_D", "exponent by which the rate falls with heads longer than 128 features", positive=False)
halvings = _symbol("halvings", "n_h", "how often the query tile was halved from 128", positive=False)
tokens = _symbol("tokens", "S", "tokens of one sequence")
sequences = _symbol("sequences", "B_s", "sequences side by side")
heads = _symbol("heads", "h", "query heads")
kv_heads = _symbol("kv_heads", "h_{kv}", "key and value heads")
group_rows = _symbol("group_rows", "g", "query heads that share one key and value head, as the unit runs them")
slice_tokens = _symbol("slice_tokens", "x_s", "tokens of the cache that one unit walks at most")
walk = _symbol("walk", "t_x", "time of walking 128 tokens of 128 features [s]", positive=False)
winograd_tiles = _symbol("winograd_tiles", "n_W", "tiles of results of a convolution in Winograd's form", positive=False)
transform = _symbol("transform", "r_x", "trips of the transformed tensors of Winograd's form", positive=False)
transform_weights = _symbol("transform_weights", "r_w", "trips of its transformed weights", positive=False)
tile_fill = _symbol("tile_fill", "k_f", "contraction elements that fill and drain of a tile are worth", positive=False)
tile_edge = _symbol("tile_edge", "e_t", "side of a tile at which loading takes as long as multiplying", positive=False)
misalignment = _symbol("misalignment", r"\mu", "slowdown of products whose rows are no multiple of four", positive=False)
launch_growth = _symbol("launch_growth", "t_g", "what each shape that was tried before adds to a launch [s]", positive=False)
tried = _symbol("tried", "n_t", "shapes that the library tried before in the same process", positive=False)

sample_s = _symbol(
    "sample_s", "t_b", "time of a kernel's parts for one sample, at the rates of their classes [s]", positive=False
)
compute_s = _symbol("compute_s", "T_c", "time of the arithmetic [s]", positive=False)
memory_s = _symbol("memory_s", "T_m", "time of the traffic [s]", positive=False)
cache = _symbol("cache", "C_l", "last-level cache [B]")
activations = _symbol("activations", "Q_x", "activation bytes of a kernel [B]", positive=False)
weights = _symbol("weights", "Q_w", "weight bytes of a kernel [B]", positive=False)
all_weights = _symbol("all_weights", "W_{net}", "weight bytes of the network [B]")

rotations = _symbol("rotations", "r", "sets of weights that alternate between runs of one kernel")
device_s = _symbol("device_s", "T_{dev}", "time on the device alone [s]")
host_s = _symbol("host_s", "T_{host}", "time that the host needs to launch a network's operators [s]", positive=False)
launches_s = _symbol("launches_s", "T_0", "launches of all kernels [s]", positive=False)
ratio = _symbol("ratio", r"\rho", "measured over estimated time at a percentile")
launch_ratio = _symbol("launch_ratio", r"\rho_0", "the same where launches take all of the time")
sequence_s = _symbol("sequence_s", r"T_{\mathrm{seq}}", "time of all kernels in a row [s]")
power_s = _symbol("power_s", r"T_{\mathrm{pow}}", "time that the power limit allows [s]", positive=False)
sharpness = _symbol("sharpness", "p", "exponent of the soft maximum")
energy_share = _symbol("energy_share", r"\gamma", "energy of a benchmark's product over that of a network's", positive=False)
idle_w = _symbol("idle_w", r"P_{\mathrm{idle}}", "idle power [W]", positive=False)
tdp_w = _symbol("tdp_w", r"\mathit{TDP}", "power limit [W]")
dynamic_j = _symbol("dynamic_j", "E_d", "energy of arithmetic and traffic, net of idle [J]", positive=False)
latency = _symbol("latency", "T", "time of one pass [s]")
flop_j = _symbol("flop_j", "e", "energy of one FLOP, net of idle [J/FLOP]", positive=False)
flop_j_reference = _symbol("flop_j_reference", "e_0", "the same on the reference process [J/FLOP]")
byte_j = _symbol("byte_j", "e_B", "energy of one byte from memory [J/B]", positive=False)
cache_byte_j = _symbol("cache_byte_j", "e_C", "energy on the chip of one byte of a kernel [J/B]", positive=False)
cache_byte_j_reference = _symbol("cache_byte_j_reference", "e_{C0}", "the same on the reference process [J/B]", positive=False)
node = _symbol("node", "n", "feature size of the process [m]")
node_reference = _symbol("node_reference", "n_0", "feature size of the reference process [m]")
node_exponent = _symbol("node_exponent", "x", "exponent of the feature size")
kind_factor = _symbol("kind_factor", "f", "factor of dtype and operator class")
floor_w = _symbol("floor_w", r"P_{\mathrm{floor}}", "least power of the chip [W]", positive=False)
source_bytes = _symbol("source_bytes", "a_s", "bytes of one element before quantization")
quantize_share = _symbol("quantize_share", r"\beta_q", "share of the bandwidth of the pass that quantizes")
