"""Networks: published totals, fusion, liveness by hand, and the faults of a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import GraphError
from engine.network import Network, build
from engine.passes import kernels_on
from engine.sizes import choose_sizes

WORKLOADS = sorted(path.stem for path in (strategies.ROOT / "specs" / "workloads").glob("*.json"))
TOKENS = {"x": [4, 8]}


def linear(name: str, out: int, source: str | None = None) -> dict[str, Any]:
    return {"op": "linear", "name": name, "out_features": out, "bias": False} | ({"inputs": [source]} if source else {})


def relu(name: str, source: str | None = None) -> dict[str, Any]:
    return {"op": "activation", "name": name, "function": "relu"} | ({"inputs": [source]} if source else {})


def add(name: str, first: str, second: str) -> dict[str, Any]:
    return {"op": "elementwise", "name": name, "inputs": [first, second], "function": "add"}


def kernels(network: Network) -> list[tuple[str, ...]]:
    return [kernel.operators for kernel in network.kernels]


@pytest.mark.parametrize("name", WORKLOADS)
def test_published_totals_are_reproduced(name: str) -> None:
    published = strategies.catalog().workloads[name].published
    network = strategies.network(name)
    assert published.work or published.parameters
    if published.work:
        assert network.work == pytest.approx(published.work.si, rel=published.work.within)
    if published.parameters:
        assert network.parameters == pytest.approx(published.parameters.si, rel=published.parameters.within)


@pytest.mark.parametrize(
    ("name", "mac", "parameters"),
    [
        ("resnet18", 1_814_073_344, 11_689_512),
        ("resnet50", 4_089_184_256, 25_557_032),
        ("mobilenet-v2", 300_774_272, 3_504_872),
        ("bert-base", 11_174_215_680, 109_482_240),
        ("bert-large", 39_461_060_608, 335_141_888),
        ("vit-b-16", 17_563_828_224, 86_567_656),
        ("vgg19", 19_632_062_464, 143_667_240),
        ("densenet121", 2_834_161_664, 7_978_856),
        ("squeezenet1-1", 349_151_936, 1_235_496),
    ],
)
def test_totals_are_those_that_frameworks_count(name: str, mac: int, parameters: int) -> None:
    network = strategies.network(name)
    assert network.work == 2 * mac
    assert network.parameters == parameters


def test_a_short_prompt_of_gpt2_counts_as_frameworks_count() -> None:
    network = build(strategies.catalog().workloads["gpt2"], {"seq_len": 128})
    assert network.work == 2 * 16_114_089_984
    assert network.parameters + 50257 * 768 == 163_037_184  # with a head of its own


@pytest.mark.parametrize(("name", "published_bytes"), [("resnet50", 113_618_848), ("resnet18", 25_798_560)])
def test_fused_activation_traffic_in_fp32(name: str, published_bytes: int) -> None:
    assert 4 * sum(k.cost.inputs + k.cost.outputs for k in strategies.network(name).kernels) == published_bytes


@pytest.mark.parametrize("name", WORKLOADS)
def test_fusion_keeps_work_parameters_and_operators(name: str) -> None:
    network = strategies.network(name)
    assert sum(kernel.cost.work for kernel in network.kernels) == pytest.approx(network.work, rel=1e-12)
    assert sum(kernel.cost.parameters for kernel in network.kernels) == network.parameters
    assert sum(count for _, count in network.unique_kernels) == len(network.kernels)
    views = {node.name for node in network.nodes if node.cost.kind == "view"}
    fused = [name for kernel in network.kernels for name in kernel.operators]
    assert sorted(fused) == sorted({node.name for node in network.nodes} - views)


@given(strategies.networks())
def test_fusion_never_adds_traffic_and_least_work_is_least(network: Network) -> None:
    fused = sum(kernel.cost.inputs + kernel.cost.outputs for kernel in network.kernels)
    assert fused <= sum(node.cost.inputs + node.cost.outputs for node in network.nodes)
    for kernel in network.kernels:
        assert kernel.cost.work_min <= kernel.cost.work_done <= kernel.cost.work


def test_an_epilogue_joins_the_kernel_that_only_it_reads() -> None:
    network = strategies.tiny([linear("a", 16), relu("b")], TOKENS)
    assert kernels(network) == [("a", "b")]
    assert (network.kernels[0].cost.inputs, network.kernels[0].cost.outputs) == (4 * 8, 4 * 16)


def test_a_result_with_two_readers_is_written() -> None:
    network = strategies.tiny([linear("a", 16), relu("b"), linear("c", 16, "a"), add("d", "b", "c")], TOKENS)
    assert kernels(network) == [("a",), ("b",), ("c", "d")]
    assert network.kernels[2].cost.inputs == 4 * 16 + 4 * 16
    assert network.kernels[2].cost.outputs == 4 * 16


def test_unfused_every_operator_is_a_kernel_with_trips_of_its_own() -> None:
    network = strategies.tiny([linear("a", 16), relu("b"), {"op": "reshape", "name": "c", "to": [2, 32]}], TOKENS)
    assert [kernel.operators for kernel in network.unfused] == [("a",), ("b",)]  # a view is free there, too
    assert [(kernel.cost.inputs, kernel.cost.outputs) for kernel in network.unfused] == [(4 * 8, 4 * 16), (4 * 16, 4 * 16)]
    assert network.launches == 2


def test_unfused_attention_is_eight_launches_and_writes_its_scores() -> None:
    tokens, heads, head_dim = 100, 4, 8
    attention = {"op": "attention", "name": "a", "heads": heads, "causal": True}
    network = strategies.tiny([attention, linear("b", 16)], {"x": [tokens, 3 * heads * head_dim]})
    assert network.launches == 8 + 1
    fused, unfused = (found[0].cost for found in (network.kernels, network.unfused))
    scores, result = heads * tokens * tokens, tokens * heads * head_dim
    # scores are written and read after product, scaling, mask and softmax; query, key and value are copied
    assert unfused.inputs == 3 * result + 4 * scores + 3 * result
    assert unfused.outputs == result + 4 * scores + 3 * result
    assert (fused.inputs, fused.outputs) == (3 * result, result)
    assert (unfused.work, unfused.work_done) == (fused.work, fused.work_done)
    assert network.eager[0].cost == fused  # where attention is one operator


def test_where_attention_is_one_operator_windows_are_still_cut_out_and_nothing_else_fuses() -> None:
    swin, vit = (strategies.network(name) for name in ("swin-tiny", "vit-b-16"))
    assert swin.eager == swin.unfused
    whole = [one for one, apart in zip(vit.eager, vit.unfused, strict=True) if one != apart]
    assert {kernel.cost.kind for kernel in whole} == {"attention"}
    assert len(whole) == 12
    assert {cost for cost, _ in vit.unique_eager} == {kernel.cost for kernel in vit.eager}


@pytest.mark.parametrize(("runtime", "found"), [("eager", "eager"), ("eager_v1", "unfused"), ("session", "unfused")])
def test_frameworks_of_two_times_differ_in_their_attention(runtime: str, found: str) -> None:
    network, machine = strategies.network("bert-base"), strategies.catalog().machine("nvidia-t4", "fp16", runtime)
    assert network.launched(machine) == getattr(network, found)
    assert dict(kernels_on(network, machine)) == Counter(kernel.cost for kernel in getattr(network, found))


@pytest.mark.parametrize("name", WORKLOADS)
def test_unfused_kernels_do_the_same_work_with_the_same_weights_and_more_traffic(name: str) -> None:
    network = strategies.network(name)
    fused, unfused = ([kernel.cost for kernel in found] for found in (network.kernels, network.unfused))
    for count in ("work_done", "weights"):
        assert sum(getattr(cost, count) for cost in unfused) == sum(getattr(cost, count) for cost in fused)
    assert sum(cost.inputs + cost.outputs for cost in unfused) >= sum(cost.inputs + cost.outputs for cost in fused)
    assert sum(count for _, count in network.unique_unfused) == len(network.unfused) <= network.launches


def test_a_residual_rides_on_its_latest_operand() -> None:
    network = strategies.tiny([linear("a", 8), relu("b"), linear("c", 8), add("d", "c", "b"), relu("e")], TOKENS)
    assert kernels(network) == [("a", "b"), ("c", "d", "e")]
    assert network.kernels[1].cost.inputs == 4 * 8 + 4 * 8


def test_a_sum_of_one_result_with_itself_is_not_fused() -> None:
    network = strategies.tiny([linear("a", 8), add("b", "a", "a")], TOKENS)
    assert kernels(network) == [("a",), ("b",)]


def test_a_sum_with_the_input_rides_and_reads_it() -> None:
    network = strategies.tiny([linear("a", 8), add("b", "a", "x")], TOKENS)
    assert kernels(network) == [("a", "b")]
    assert network.kernels[0].cost.inputs == 4 * 8 + 4 * 8


def test_pools_and_norms_over_features_start_a_kernel_and_carry_none() -> None:
    graph = [linear("a", 8), {"op": "layer_norm", "name": "b"}, relu("c")]
    assert kernels(strategies.tiny(graph, TOKENS)) == [("a",), ("b",), ("c",)]


def test_a_folded_norm_leaves_its_shift_to_read() -> None:
    conv = {"op": "conv2d", "name": "a", "out_channels": 5, "kernel": 3, "bias": False}
    network = strategies.tiny([conv, {"op": "batch_norm", "name": "b"}, relu("c")], {"x": [3, 8, 8]})
    assert kernels(network) == [("a", "b", "c")]
    assert network.weights == 5 * 3 * 9 + 5
    assert network.parameters == 5 * 3 * 9 + 2 * 5


def test_views_are_no_kernels() -> None:
    graph = [linear("a", 16), {"op": "reshape", "name": "b", "to": [8, 8]}, linear("c", 2)]
    assert kernels(strategies.tiny(graph, TOKENS)) == [("a",), ("c",)]


@pytest.mark.parametrize(
    ("graph", "inputs", "peak"),
    [
        # a chain holds two neighbours: 10 + 20, then 20 + 5
        ([linear("a", 20), linear("b", 5)], {"x": [10]}, 30),
        # the result of a residual's branch waits: x10 + a40, a40 + b10 + (x waits) 10
        ([linear("a", 40), linear("b", 10), add("c", "b", "x")], {"x": [10]}, 60),
        # a fused activation takes no room of its own
        ([linear("a", 20), relu("b")], {"x": [10]}, 30),
        # one that is not fused does: a20 + b20, then b20 + c3 with a20 still to be read
        ([linear("a", 20), {"op": "softmax", "name": "b"}, linear("c", 3), linear("d", 1, "a")], {"x": [10]}, 43),
        # all inputs are there from the start, and go when they were read: 10 + 30 + a5; 30 + a5 + b5
        ([linear("a", 5, "x"), linear("b", 5, "y"), add("c", "a", "b")], {"x": [10], "y": [30]}, 45),
        # what nobody reads is gone after it was written
        ([linear("a", 50), linear("b", 1, "x"), linear("c", 20)], {"x": [10]}, 60),
    ],
)
def test_live_activations_by_hand(graph: list[dict[str, Any]], inputs: dict[str, list[int]], peak: int) -> None:
    assert strategies.tiny(graph, inputs).peak_activation_elements == peak


def test_a_view_keeps_what_it_views_alive() -> None:
    graph = [linear("a", 100), {"op": "reshape", "name": "b", "to": [10, 10]}, linear("c", 50)]
    assert strategies.tiny(graph, {"x": [10]}).peak_activation_elements == 10 * 10 + 10 * 50


def concat(name: str, *sources: str) -> dict[str, Any]:
    return {"op": "concat", "name": name, "inputs": list(sources)}


def test_a_concatenation_keeps_all_that_it_views_alive() -> None:
    graph = [linear("a", 100), linear("b", 30, "x"), concat("c", "a", "b"), {"op": "reshape", "name": "d", "to": [13, 10]}]
    assert strategies.tiny([*graph, linear("e", 50)], {"x": [10]}).peak_activation_elements == 100 + 30 + 13 * 50


def test_concatenations_of_one_result_hold_it_once() -> None:
    graph = [linear("a", 8), concat("b", "a", "x"), linear("c", 4), concat("d", "b", "c"), linear("e", 1)]
    assert strategies.tiny(graph, {"x": [8]}).peak_activation_elements == 8 + 8 + 4 + 1


@given(strategies.networks())
def test_live_activations_hold_at_least_every_kernels_result_and_largest_operand(network: Network) -> None:
    shapes = {node.name: float(np.prod(node.shape)) for node in network.nodes}
    assert network.peak_activation_elements >= max(shapes[kernel.operators[-1]] for kernel in network.kernels)
    total = network.input_elements + sum(node.cost.outputs for node in network.nodes)
    assert network.peak_activation_elements <= total


def test_input_and_output_elements() -> None:
    network = strategies.tiny([linear("a", 3, "x"), linear("b", 3, "y"), add("c", "a", "b")], {"x": [2, 5], "y": [2, 7]})
    assert (network.input_elements, network.output_elements) == (2 * 5 + 2 * 7, 2 * 3)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"seq_len": 0}, "bert-base: seq_len is 0; it goes from 1 to 512 tokens"),
        ({"seq_len": 513}, "bert-base: seq_len is 513; it goes from 1 to 512 tokens"),
        ({"seq_lem": 5}, "bert-base has no size 'seq_lem'; did you mean seq_len?"),
        ({"image": 5}, "bert-base has no size 'image'; its sizes are: seq_len"),
    ],
)
def test_a_size_out_of_range_or_unknown_is_refused_with_a_remedy(sizes: Mapping[str, int], message: str) -> None:
    with pytest.raises(GraphError) as caught:
        build(strategies.catalog().workloads["bert-base"], sizes)
    assert str(caught.value) == message


def test_a_size_that_is_no_whole_number_is_refused() -> None:
    with pytest.raises(GraphError):
        build(strategies.catalog().workloads["bert-base"], {"seq_len": 12.5})  # type: ignore[dict-item]


def test_sizes_are_the_chosen_ones_and_defaults() -> None:
    workload = strategies.workload([linear("a", 3)], {"x": ["s", "h"]}, {"s": (4, 1, 9), "h": (5, 1, 9)})
    assert choose_sizes(workload, {"h": 7}) == {"s": 4, "h": 7}
    assert build(workload, {"h": 7}).nodes[0].cost.work == 2 * 4 * 7 * 3


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        ([linear("a", 3), linear("a", 3)], "tiny, /graph/1 (a): the name 'a' occurs twice"),
        ([linear("x", 3)], "tiny, /graph/0 (x): the name 'x' occurs twice"),
        ([linear("a", 3, "b"), linear("b", 3, "x")], "tiny, /graph/0 (a): nothing before it is called 'b'"),
        ([linear("layer9", 3), relu("r", "layer8")], "nothing before it is called 'layer8'; did you mean layer9?"),
        ([linear("a", 3, "a")], "nothing before it is called 'a'"),
        (
            [{"op": "encoder_block", "name": "l", "heads": 2, "intermediate": 3}, linear("l_qkv", 3)],
            "the name 'l_qkv' occurs twice",
        ),
    ],
)
def test_a_graph_reads_only_what_stands_before_under_one_name(graph: Sequence[dict[str, Any]], message: str) -> None:
    with pytest.raises(GraphError) as caught:
        strategies.tiny(graph, TOKENS)
    assert message in str(caught.value)


CONV = {"op": "conv_norm", "kernel": 3, "padding": 1}


def test_a_block_reads_what_it_names_and_its_name_stands_for_its_result() -> None:
    graph = [
        CONV | {"name": "stem", "out_channels": 4},
        CONV | {"name": "left", "out_channels": 5, "repeat": 2},
        CONV | {"name": "right", "out_channels": 6, "inputs": ["stem"]},
        concat("joined", "left", "right", "pixels"),
    ]
    network = strategies.tiny(graph, {"pixels": [3, 8, 8]})
    by_name = {node.name: node for node in network.nodes}
    assert by_name["right_conv"].inputs == ("stem_conv_relu",)
    assert by_name["joined"].inputs == ("left_1_conv_relu", "right_conv_relu", "pixels")
    assert by_name["joined"].shape == (5 + 6 + 3, 8, 8)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        ([CONV | {"name": "a", "out_channels": 4, "inputs": ["stem"]}], "nothing before it is called 'stem'"),
        ([CONV | {"name": "stem", "out_channels": 4}, relu("r", "stm")], "did you mean stem?"),
        ([CONV | {"name": "a", "out_channels": 4}, relu("a", "x")], "the name 'a' occurs twice"),
        ([CONV | {"name": "x", "out_channels": 4}], "the name 'x' occurs twice"),
        ([{"op": "bottleneck", "name": "a", "width": 10**12}], "it makes an operator whose out_channels is out of range"),
    ],
)
def test_what_a_block_cannot_be_is_said(graph: Sequence[dict[str, Any]], message: str) -> None:
    with pytest.raises(GraphError) as caught:
        strategies.tiny(graph, {"x": [3, 8, 8]})
    assert message in str(caught.value)


def test_a_norm_that_nothing_carries_carries_its_activation() -> None:
    network = strategies.tiny([{"op": "batch_norm", "name": "a"}, relu("b")], {"x": [3, 8, 8]})
    assert kernels(network) == [("a", "b")]


def test_learned_positions_ride_on_what_prepends_the_class_token() -> None:
    graph = [{"op": "prepend", "name": "a"}, {"op": "positions", "name": "b"}]
    network = strategies.tiny(graph, TOKENS)
    assert kernels(network) == [("a", "b")]
    assert (network.weights, network.kernels[0].cost.outputs) == (8 + 5 * 8, 5 * 8)


def test_a_block_may_have_the_longest_name() -> None:
    block = {"op": "encoder_block", "name": "n" * 40, "heads": 2, "intermediate": 3, "repeat": 2}
    assert strategies.tiny([block], TOKENS).nodes[0].name.startswith("n" * 40)


@pytest.mark.parametrize("op", ["encoder_block", "decoder_block"])
def test_heads_that_do_not_divide_the_width_are_refused(op: str) -> None:
    with pytest.raises(GraphError):
        strategies.tiny([{"op": op, "heads": 3, "intermediate": 8}], TOKENS)


def _second_difference(value: Callable[[int], float], at: int, step: int) -> float:
    return value(at) - 2 * value(at + step) + value(at + 2 * step)


@given(st.integers(1, 200), st.integers(1, 150))
def test_work_is_affine_in_tokens_but_for_the_score_pairs(tokens: int, step: int) -> None:
    bert = strategies.catalog().workloads["bert-base"]
    layers, hidden = 12, 768
    found = _second_difference(lambda s: build(bert, {"seq_len": s}).work, tokens, step)
    assert found == pytest.approx(2 * 4 * layers * hidden * step**2, rel=1e-9)


@given(st.integers(1, 200), st.integers(1, 150))
def test_activation_traffic_is_affine_in_tokens(tokens: int, step: int) -> None:
    bert = strategies.catalog().workloads["bert-base"]

    def traffic(seq_len: int) -> float:
        return sum(k.cost.inputs + k.cost.outputs for k in build(bert, {"seq_len": seq_len}).kernels)

    assert _second_difference(traffic, tokens, step) == 0
    assert traffic(tokens + step) > traffic(tokens)


@given(st.integers(1, 60), st.integers(1, 60))
def test_work_and_traffic_of_convolutions_are_affine_in_the_area(side: int, step: int) -> None:
    graph = [
        {"op": "conv_norm", "out_channels": 8, "kernel": 3, "padding": 1},
        {"op": "basic_block", "width": 8},
        {"op": "conv_norm", "out_channels": 4, "kernel": 1},
    ]

    def total(extent: int) -> tuple[float, float]:
        network = strategies.tiny(graph, {"x": [3, "side", "side"]}, {"side": (8, 1, 999)}, side=extent)
        return network.work, sum(k.cost.inputs + k.cost.outputs for k in network.kernels)

    (work, traffic), (unit_work, unit_traffic) = total(side + step), total(1)
    assert work == unit_work * (side + step) ** 2
    assert traffic == unit_traffic * (side + step) ** 2


@given(st.integers(1, 40), st.integers(1, 6))
def test_repeating_a_block_that_keeps_its_shape_multiplies_its_cost(intermediate: int, repeat: int) -> None:
    block = {"op": "encoder_block", "name": "l", "heads": 2, "intermediate": intermediate}
    once = strategies.tiny([block], TOKENS)
    often = strategies.tiny([block | {"repeat": repeat}], TOKENS)
    assert (often.work, often.weights) == (repeat * once.work, repeat * once.weights)
    assert len(often.kernels) == repeat * len(once.kernels)


@pytest.mark.parametrize(
    "block",
    [
        {"op": "basic_block", "width": 8},
        {"op": "bottleneck", "width": 2},
        {"op": "conv_norm", "out_channels": 8, "kernel": 3, "padding": 1},
        {"op": "inverted_residual", "expansion": 2, "out_channels": 8},
    ],
)
def test_only_the_first_of_repeated_blocks_strides(block: dict[str, Any]) -> None:
    graph = [block | {"name": "b", "stride": 2, "repeat": 3}]
    assert strategies.tiny(graph, {"x": [4, 16, 16]}).nodes[-1].shape == (8, 8, 8)
