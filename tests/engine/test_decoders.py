"""Decoders by hand: windows, latent and cross attention, experts, and what the cache of keys and values holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from engine import _compiled as forms
from engine.compiled import estimate
from engine.errors import GraphError
from engine.network import Network
from engine.ops.attention import LatentAttention
from engine.ops.base import matrix_product
from engine.passes import breakdown
from engine.solve import roof_curve

SIZES = {"seq_len": (5, 1, 4096), "context": (0, 0, 4096)}


def decoder(width: int = 8, vocabulary: int = 0, **fields: Any) -> Network:
    """Return a block over tokens of some width; `vocabulary` adds logits of the last token."""
    chosen = {name: fields.pop(name) for name in SIZES if name in fields and name == "seq_len"}
    past = fields.pop("past", 0)
    graph: list[dict[str, Any]] = [{"context": "context"} | fields]
    if vocabulary:
        graph += [{"op": "slice", "keep": 1, "end": True}, {"op": "linear", "out_features": vocabulary, "bias": False}]
    return strategies.tiny(graph, {"x": ["seq_len", width]}, SIZES, context=past, **chosen)


def cost_of(network: Network, part: str) -> Any:
    """Return the cost of the operator whose name ends in `part`."""
    (found,) = [node.cost for node in network.nodes if node.name.endswith(part)]
    return found


GATED = {"op": "gated_decoder_block", "heads": 4, "kv_heads": 2, "intermediate": 12}


def test_a_head_may_be_wider_than_its_share_of_the_width() -> None:
    width, heads, kv, head, wide, tokens = 8, 4, 2, 6, 12, 5
    network = decoder(**GATED, head_dim=head)
    projections = width * head * (heads + 2 * kv) + heads * head * width
    assert network.parameters == projections + 3 * width * wide + 2 * width
    assert network.work == 2 * tokens * (projections + 3 * width * wide) + 4 * heads * head * tokens**2


def test_biases_norms_of_heads_and_norms_behind_count_their_parameters() -> None:
    width, heads, kv, wide = 8, 4, 2, 12
    plain = decoder(**GATED).parameters
    qkv = width + 2 * kv * width // heads
    assert decoder(**GATED, qkv_bias=True).parameters == plain + qkv
    assert decoder(**GATED, attention_bias=True).parameters == plain + qkv + width
    assert decoder(**GATED, ffn_bias=True).parameters == plain + 2 * wide + width
    assert decoder(**GATED, head_norm=True).parameters == plain + 2 * width // heads
    assert decoder(**GATED, post_norm=True).parameters == plain + 2 * width


def test_attention_and_feed_forward_may_read_the_same() -> None:
    fields = {"op": "decoder_block", "heads": 2, "intermediate": 16}
    apart, beside = decoder(**fields), decoder(**fields, parallel=True)
    assert (apart.work, apart.parameters) == (beside.work, beside.parameters)
    reads = {node.name.removeprefix("decoder_block_0_"): node.inputs for node in beside.nodes}
    assert reads["attention_norm"] == reads["ffn_norm"] == ("x",)


@pytest.mark.parametrize(("tokens", "past", "window"), [(5, 0, 3), (5, 7, 3), (1, 9, 4), (6, 2, 5), (4, 0, 9), (3, 2, 1)])
def test_a_window_leaves_the_pairs_that_are_near(tokens: int, past: int, window: int) -> None:
    width = 8
    network = decoder(op="decoder_block", heads=2, intermediate=16, window=window, past=past, seq_len=tokens)
    seen = [[key for key in range(past + tokens) if query - window < key <= query] for query in range(past, past + tokens)]
    cost = cost_of(network, "_attention")
    assert cost.work_min == cost.work_done == 4 * width * sum(map(len, seen))
    assert cost.work == 4 * width * tokens * max(map(len, seen))
    assert cost.cache_read == 2 * width * len({key for keys in seen for key in keys if key < past})
    assert cost.cache_held == 2 * width * min(window, past + tokens)


def test_every_third_layer_sees_all_tokens() -> None:
    network = decoder(op="decoder_block", heads=2, intermediate=16, window=2, global_every=3, repeat=6)
    pairs = [node.cost.work_min / (4 * 8) for node in network.nodes if node.cost.kind == "attention"]
    assert pairs == [9, 9, 15, 9, 9, 15]


def test_a_window_needs_a_mask() -> None:
    with pytest.raises(GraphError, match="causal"):
        strategies.tiny([{"op": "attention", "heads": 2, "window": 3}], {"x": [5, 24]})


LATENT = {
    "op": "latent_decoder_block", "heads": 2, "head_dim": 6, "rope_dim": 2, "value_dim": 4, "latent": 10, "intermediate": 12,
}  # fmt: skip


@pytest.mark.parametrize("rank", [None, 7])
def test_latent_attention_by_hand(rank: int | None) -> None:
    tokens, width, heads, head, rope, value, latent, wide = 5, 8, 2, 6, 2, 4, 10, 12
    network = decoder(**LATENT, query_rank=rank)
    query = heads * (head + rope)
    queries = width * query if rank is None else width * rank + rank * query
    linear = queries + width * (latent + rope) + latent * heads * (head + value) + heads * value * width + 3 * width * wide
    assert network.parameters == linear + 2 * width + latent + (rank or 0)
    assert network.work == 2 * tokens * linear + 2 * heads * (head + rope + value) * tokens**2
    assert network.cache_elements_per_token == latent + rope
    assert network.cache_elements == tokens * (latent + rope)


def test_latent_attention_over_a_long_context_reads_the_latent_rows_themselves() -> None:
    past, heads, head, rope, value, latent = 100, 2, 6, 2, 4, 10
    one = cost_of(decoder(**LATENT, seq_len=1, past=past), "_attention")
    assert one.work == one.work_min == 2 * heads * (head + rope + value) * (past + 1)
    assert one.work_done == 2 * heads * (2 * latent + rope) * (past + 1)
    assert one.cache_read == past * (latent + rope)
    many = cost_of(decoder(**LATENT, seq_len=64, past=past), "_attention")
    pairs, again = 64 * past + 64 * 65 // 2, past * latent * heads * (head + value)
    assert many.work_done == 2 * heads * (head + rope + value) * pairs + 2 * again
    assert many.work_done < 2 * heads * (2 * latent + rope) * pairs


def test_latent_attention_takes_widths_that_fit() -> None:
    node = {"op": "latent_attention", "heads": 2, "head_dim": 6, "rope_dim": 2, "value_dim": 4, "inputs": ["q", "l", "kv"]}
    strategies.tiny([node], {"q": [5, 16], "l": [5, 12], "kv": [5, 20]})
    for wrong in ({"q": [5, 15]}, {"l": [5, 2]}, {"kv": [5, 21]}, {"l": [4, 12]}):
        with pytest.raises(GraphError, match="latent_attention takes"):
            strategies.tiny([node], {"q": [5, 16], "l": [5, 12], "kv": [5, 20]} | wrong)


def test_cross_attention_makes_keys_and_values_once() -> None:
    tokens, encoded, width, wide = 5, 7, 8, 16
    fields = {"op": "cross_decoder_block", "heads": 2, "intermediate": wide, "encoded_tokens": encoded}
    inputs = {"x": [tokens, width], "sound": [encoded, width]}
    first = strategies.tiny([fields | {"context": 0, "encoded": "sound"}], inputs)
    own = 4 * width**2 + 2 * width * wide
    cross = 2 * tokens * 2 * width**2 + 2 * encoded * 2 * width**2 + 4 * width * tokens * encoded
    assert first.work == 2 * tokens * own + 4 * width * tokens**2 + cross
    assert first.cache_elements == 2 * width * tokens + 2 * width * encoded
    later = strategies.tiny([fields | {"context": 9}], {"x": [1, width]})
    assert later.work == 2 * (own + 2 * width**2) + 4 * width * 10 + 4 * width * encoded
    assert later.cache_reads == 2 * width * (9 + encoded)
    assert (later.cache_elements, later.cache_elements_per_token) == (2 * width * (10 + encoded), 2 * width)


EXPERTS = {**GATED, "experts": 8, "active": 2}


@pytest.mark.parametrize("shared", [None, 5])
def test_experts_are_stored_all_and_run_as_chosen(shared: int | None) -> None:
    tokens, width, wide, heads, kv = 5, 8, 12, 4, 2
    network = decoder(**EXPERTS, shared_intermediate=shared)
    beside = width * (width + 2 * kv * width // heads) + width**2 + width * 8 + 3 * width * (shared or 0)
    one = 3 * width * wide
    assert network.parameters == beside + 8 * one + 2 * width
    assert network.active_parameters == beside + 2 * one + 2 * width
    assert network.work == 2 * tokens * (beside + 2 * one) + 4 * width * tokens**2


def test_one_token_touches_its_experts_and_many_touch_all() -> None:
    network = decoder(**EXPERTS, seq_len=1)
    stored, one = network.weights, 3 * 8 * 12
    assert network.read_weights(1) == pytest.approx(stored - 6 * one, rel=1e-12)
    assert network.read_weights(2) == pytest.approx(stored - 8 * (3 / 4) ** 2 * one, rel=1e-12)
    assert network.read_weights(10_000) == pytest.approx(stored, rel=1e-12)
    assert network.least_elements(50)[()] == network.least_weights + 50 * 2 * 8
    assert network.least_weights == stored - 6 * one - 2 * 8  # norms may fold into what follows


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 300), st.integers(1, 300))
def test_the_experts_that_are_touched(experts: int, active: int, tokens: int, batch: int) -> None:
    active = min(active, experts)
    touched = [experts * forms.experts_read(batch=b, routed=active / experts, tokens=tokens) for b in (batch, batch + 1)]
    assert active - 1e-9 <= touched[0] <= touched[1] <= experts
    assert touched[0] <= active * batch * tokens + 1e-9


@pytest.mark.parametrize("form", strategies.FORMS)
def test_the_estimate_reads_the_experts_that_are_touched(form: str) -> None:
    network = decoder(**EXPERTS, seq_len=1, width=512)
    machine = replace(strategies.base_machine(form, "bf16"), cache=1.0)
    batches = np.array([1.0, 8.0, 512.0])
    parts = breakdown(network, [machine], batches[np.newaxis])
    index = next(i for i, (cost, _) in enumerate(network.unique_kernels) if cost.routed < 1)
    cost, _ = network.unique_kernels[index]
    touched = 512 * 12 * np.array([2, 8 * (1 - (3 / 4) ** 8), 8])
    moved = (touched + batches * (cost.inputs + cost.outputs)) * machine.element_bytes
    assert parts.traffic[index, 0] == pytest.approx(moved, rel=1e-3)
    assert (np.diff(parts.seconds[index, 0]) >= 0).all()
    points = estimate(network, [machine], batches)
    assert (points.latency_lower_bound_s <= points.latency_estimate_s).all()


@pytest.mark.parametrize("form", ["tiled", "systolic"])
def test_a_mixture_in_which_all_tokens_take_all_experts_multiplies_as_a_grouped_product(form: str) -> None:
    experts, tokens, width, out = 4, 96, 64, 48
    mixed = {"op": "expert_linear", "experts": experts, "active": experts, "out_features": out}
    grouped = replace(matrix_product(tokens, out, width), groups=experts, weights=experts * width * out)
    machine = strategies.base_machine(form, "bf16")
    network = strategies.tiny([mixed], {"x": [tokens, width]})
    cost = network.kernels[0].cost
    names = ("rows", "columns", "channels", "groups", "weights")
    assert {name: getattr(cost, name) for name in names} == {name: getattr(grouped, name) for name in names}
    compute = breakdown(network, [machine], np.array([[3.0]])).compute["plain"][0, 0, 0]
    assert compute == pytest.approx(3 * experts * 2 * tokens * out * width / machine.load_peak)


def test_the_plain_roof_reads_all_experts_unless_it_is_asked_for_a_batch() -> None:
    network, machine = decoder(**EXPERTS, seq_len=1), strategies.base_machine("tiled", "bf16")
    assert roof_curve(network, machine).traffic_once.sum() == machine.element_bytes * network.weights
    assert roof_curve(network, machine, 1).traffic_once.sum() == pytest.approx(2 * float(network.read_weights(1)))


def test_experts_that_do_not_fit_together() -> None:
    with pytest.raises(GraphError, match="active"):
        decoder(**{**EXPERTS, "active": None})
    with pytest.raises(GraphError, match="9 of 8"):
        decoder(**{**EXPERTS, "active": 9})
    with pytest.raises(GraphError, match="expert_linear takes"):
        strategies.tiny([{"op": "expert_linear", "experts": 4, "active": 2, "out_features": 8}], {"x": [5, 3, 8]})
    with pytest.raises(GraphError, match="combine takes"):
        strategies.tiny([{"op": "combine", "inputs": ["x", "x"]}], {"x": [5, 3]})


# The cache of keys and values.


def test_the_cache_takes_memory_for_every_sample() -> None:
    machine = strategies.base_machine("tiled", "bf16")
    kept, forgotten = decoder(**GATED, past=100), decoder(**{**GATED, "context": 100})
    without = strategies.tiny([GATED], {"x": [5, 8]})
    assert kept.cache_elements == forgotten.cache_elements == 105 * 2 * 2 * 2
    assert (without.cache_elements, without.cache_elements_per_token) == (0, 0)
    batches = np.array([1.0, 9.0])
    more = estimate(kept, [machine], batches).memory_bytes - estimate(without, [machine], batches).memory_bytes
    assert more[0] == pytest.approx(batches * 2 * kept.cache_elements)


def test_a_pass_must_read_the_cache_of_earlier_tokens() -> None:
    network = decoder(**GATED, past=100, seq_len=1, vocabulary=50)
    cached = 100 * 2 * 2 * 2
    assert network.cache_reads == network.least_cache == cached
    assert network.least_elements(3) == network.least_weights + 3 * (8 + 50 + cached)
    assert network.compulsory_elements(3) == network.weights + 3 * (8 + 50 + cached)


# What the logits of the last token need.


@pytest.mark.parametrize(
    "fields", [GATED, LATENT, EXPERTS, {**GATED, "window": 3}], ids=["gated", "latent", "experts", "window"]
)
def test_the_last_token_needs_all_layers_but_the_last_whole(fields: dict[str, Any]) -> None:
    network = decoder(**fields, vocabulary=50, repeat=3)
    for node in network.nodes:
        need = network.needs[node.name]
        if node.name.startswith(f"{fields['op']}_0_0_") and "window" not in fields:
            assert need.rows == 1
            assert network.nodes[-1].cost.work == 2 * 8 * 50
    last = network.needs[f"{fields['op']}_0_2_ffn_add"]
    assert (last.rows, last.elements, last.last) == (1 / 5, 1 / 5, True)


def test_the_last_query_has_the_most_pairs() -> None:
    network = decoder(**GATED, past=4, vocabulary=50)
    node = next(node for node in network.nodes if node.cost.kind == "attention")
    need = network.needs[node.name]
    assert node.operator.least_work(node.cost, need) == pytest.approx(4 * 8 * (4 + 5))
    qkv = network.needs["gated_decoder_block_0_qkv"]
    assert qkv.elements == pytest.approx((4 * 1 / 5 + 4) / 8)


def test_a_slice_keeps_the_last_rows_or_the_first_features() -> None:
    shapes: dict[tuple[int, ...], dict[str, Any]] = {
        (3, 8): {"keep": 3, "end": True},
        (5, 3): {"keep": 3, "axis": "last"},
        (8,): {"keep": 1, "end": True, "drop_axis": True},
    }
    for shape, fields in shapes.items():
        assert strategies.tiny([{"op": "slice"} | fields], {"x": [5, 8]}).nodes[0].shape == shape
    with pytest.raises(GraphError, match="9 of 8 features"):
        strategies.tiny([{"op": "slice", "keep": 9, "axis": "last"}], {"x": [5, 8]})
    first = strategies.tiny([{"op": "attention", "heads": 4}, {"op": "slice", "keep": 2, "axis": "last"}], {"x": [5, 24]})
    assert first.needs["x"].elements == pytest.approx(1 / 4 / 3)
    assert first.work_min == pytest.approx(first.work / 4)


# What kernels make of a step of generation.


def test_heads_that_share_keys_make_one_tile_of_a_step() -> None:
    step = cost_of(decoder(**GATED, seq_len=3, past=1000), "_attention")
    assert (step.rows, step.groups, step.splits, step.tokens) == (3 * 2, 2, 7, 3)
    prompt = cost_of(decoder(**GATED, seq_len=17, past=1000), "_attention")
    assert (prompt.rows, prompt.groups, prompt.splits) == (17, 4, 1)
    encoder = strategies.tiny([{"op": "attention", "heads": 4}], {"x": [3, 24]}).nodes[0].cost
    assert (encoder.rows, encoder.groups, encoder.splits) == (3, 4, 1)
    latent = cost_of(decoder(**LATENT, seq_len=1, past=1000), "_attention")
    assert (latent.rows, latent.groups) == (2, 1)


def test_slices_of_the_keys_fill_the_units() -> None:
    values = {"rows": 4.0, "groups": 8.0, "query_tile": 128.0, "units": 132.0, "peak": 1e12, "work": 1e9}
    whole, sliced = (forms.attention_waves_s(**values, key_splits=splits) for splits in (1.0, 33.0))
    assert whole == pytest.approx(1e9 / 1e12 * 16 / 4 * 132 / 8)  # 8 of the units work, on tiles of 16 queries
    assert sliced == pytest.approx(1e9 / 1e12 * 16 / 4)  # 2 whole waves


@pytest.mark.parametrize("latent", [8, 32, 128, 512])
def test_the_least_work_of_latent_attention_is_never_above_what_runs(latent: int) -> None:
    """With few latent features the products with latent rows are the cheaper ones: 2*latent + rope_dim a pair."""
    operator = LatentAttention(op="latent_attention", heads=16, head_dim=128, rope_dim=64, value_dim=128, context=4096)
    inputs = [(1, 16 * 192), (1, latent + 64), (1, 16 * 256)]
    cost = operator.cost(inputs, operator.shape(inputs, {}), {})
    assert cost.work_min <= cost.work_done
    assert cost.work_min == 2 * 16 * min(320, 2 * latent + 64) * 4097
