"""The bound counts only what the output depends on: what nobody reads, a perfect implementation leaves out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import build, load
from engine.network import Network
from engine.workload import Workload

CATALOG = load()
SOURCES = {"us": {"title": "a toy"}}


def toy(graph: list[dict[str, Any]], **inputs: list[int]) -> Network:
    spec = {"id": "toy", "name": "Toy", "task": "none", "source": "us", "sources": SOURCES, "inputs": inputs, "graph": graph}
    return build(Workload.model_validate(spec))


def linear(name: str, features: int, *inputs: str) -> dict[str, Any]:
    return {"op": "linear", "name": name, "out_features": features, "bias": False, "inputs": list(inputs)}


def test_rows_that_a_slice_drops_need_no_arithmetic_but_their_weights_are_read() -> None:
    network = toy([linear("wide", 32), {"op": "slice", "keep": 1, "drop_axis": True}, linear("last", 4)], x=[8, 16])
    assert network.work == 2 * 8 * 16 * 32 + 2 * 32 * 4
    assert network.work_min == 2 * 1 * 16 * 32 + 2 * 32 * 4
    assert network.least_weights == 16 * 32 + 32 * 4
    assert network.least_elements(3) == network.least_weights + 3 * (1 * 16 + 4)


def test_an_operator_that_nobody_reads_needs_nothing() -> None:
    network = toy(
        [linear("read", 4), linear("dead", 1000, "x"), {"op": "activation", "function": "relu", "inputs": ["read"]}], x=[8, 16]
    )
    assert network.needs["dead"].elements == 0
    assert network.work_min == 2 * 8 * 16 * 4
    assert network.least_weights == 16 * 4


def test_one_reader_of_all_is_enough() -> None:
    graph = [
        linear("first", 16), {"op": "slice", "name": "cut", "keep": 2}, linear("small", 4),
        linear("all", 4, "first"), {"op": "slice", "name": "top", "keep": 2},
        {"op": "elementwise", "function": "add", "inputs": ["small", "top"]},
    ]  # fmt: skip
    network = toy(graph, x=[8, 16])
    assert network.needs["first"].elements == 2 / 8
    whole = [*graph[:2], linear("all", 4, "first")]
    assert toy(whole, x=[8, 16]).needs["first"].elements == 1


def test_attention_over_few_queries_still_needs_all_keys_and_values() -> None:
    encoder = {"op": "encoder_block", "name": "layer", "heads": 2, "intermediate": 8}
    network = toy([encoder, {"op": "slice", "keep": 1}], x=[16, 8])
    by_name = {node.name: node for node in network.nodes}
    qkv, attention, out = (by_name[f"layer_{part}"] for part in ("qkv", "attention", "attention_out"))
    least = [node.operator.least_work(node.cost, network.needs[node.name]) for node in (qkv, attention, out)]
    assert least == [2 * 8 * 8 * (16 + 16 + 1), 4 * 8 * 16 * 1, 2 * 8 * 8 * 1]
    assert network.needs["x"].elements == 1


def test_the_class_token_of_bert_spares_most_of_its_last_layer_by_hand() -> None:
    network = build(CATALOG.workloads["bert-base"])
    tokens, hidden, layers = 128, 768, 12
    layer = 2 * tokens * (4 * hidden**2 + 2 * 4 * hidden**2) + 4 * tokens**2 * hidden
    last = 2 * (2 * tokens + 1) * hidden**2 + 2 * hidden**2 + 2 * 2 * 4 * hidden**2 + 4 * tokens * hidden
    assert network.work_min == pytest.approx((layers - 1) * layer + last + 2 * hidden**2, rel=1e-12)


@pytest.mark.parametrize(
    ("extent", "kernel", "stride", "read"), [(7, 1, 2, 16 / 49), (8, 2, 2, 1), (9, 2, 2, 64 / 81), (9, 3, 2, 1)]
)
def test_windows_that_skip_rows_need_less_of_their_input(extent: int, kernel: int, stride: int, read: float) -> None:
    network = toy([
        {"op": "conv2d", "name": "before", "out_channels": 4, "kernel": 1},
        {"op": "pool", "name": "windows", "kernel": kernel, "stride": stride},
    ], x=[3, extent, extent])  # fmt: skip
    assert network.needs["before"].elements == pytest.approx(read)


@given(st.sampled_from(CATALOG.workloads.ids), st.integers(1, 64))
def test_the_needed_is_never_more_than_the_whole(name: str, batch: int) -> None:
    network = build(CATALOG.workloads[name])
    assert 0 < network.work_min <= sum(node.cost.work_min for node in network.nodes) * (1 + 1e-12)
    assert 0 < network.least_weights <= network.weights
    assert all(0 <= need.rows <= 1 and 0 <= need.elements <= 1 for need in network.needs.values())
    assert network.least_elements(batch + 1) >= network.least_elements(batch)
