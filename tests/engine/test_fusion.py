"""Fusion as a step: operators in, kernels out. Cases by hand, and laws over tangled graphs."""

from __future__ import annotations

from typing import Any

import pytest
import strategies
from hypothesis import given

from engine.fusion import fuse
from engine.network import Network

TOKENS = {"x": [4, 8]}


def linear(name: str, out: int, source: str | None = None) -> dict[str, Any]:
    return {"op": "linear", "name": name, "out_features": out, "bias": False} | ({"inputs": [source]} if source else {})


def relu(name: str, source: str | None = None) -> dict[str, Any]:
    return {"op": "activation", "name": name, "function": "relu"} | ({"inputs": [source]} if source else {})


def add(name: str, first: str, second: str) -> dict[str, Any]:
    return {"op": "elementwise", "name": name, "inputs": [first, second], "function": "add"}


def reshape(name: str, *to: int) -> dict[str, Any]:
    return {"op": "reshape", "name": name, "to": list(to)}


def operators(network: Network) -> list[tuple[str, ...]]:
    return [kernel.operators for kernel in network.kernels]


@pytest.mark.parametrize(
    ("graph", "kernels", "alone"),
    [
        ([linear("a", 8), relu("b")], [("a", "b")], {}),
        ([relu("a"), relu("b")], [("a", "b")], {"a": "it reads nothing but inputs of the network"}),
        # fan-out: the result must be written for its other reader
        ([linear("a", 8), relu("b"), linear("c", 8, "a")], [("a",), ("b",), ("c",)], {"b": "its input a is read 2 times"}),
        # the residual sum rides on the later of its producers
        ([linear("a", 8), linear("b", 8, "x"), add("c", "a", "b")], [("a",), ("b", "c")], {}),
        # and on the earlier one where others read the later, which the kernel then waits for
        (
            [linear("a", 8), linear("b", 8, "x"), add("c", "a", "b"), linear("d", 8, "b"), relu("e")],
            [("a", "c"), ("b",), ("d", "e")],
            {},
        ),
        # what broadcasts rides on the input of its own shape only
        (
            [linear("a", 8), linear("b", 1, "x"), {"op": "pointwise", "name": "c", "inputs": ["a", "b"], "function": "mul"}],
            [("a", "c"), ("b",)],
            {},
        ),
        # a kernel that carries nothing
        (
            [{"op": "softmax", "name": "a"}, relu("b")],
            [("a",), ("b",)],
            {"b": "its input a is of a kernel that carries nothing"},
        ),
        # nothing rides through a view, though a runtime could
        ([linear("a", 8), reshape("b", 8, 4), relu("c")], [("a",), ("c",)], {"c": "its input b is a view"}),
        # but what rides may read a view beside
        (
            [linear("a", 32), reshape("b", 16, 8), relu("c"), reshape("d", 4, 32), linear("e", 32, "x"), add("f", "d", "e")],
            [("a",), ("c",), ("e", "f")],
            {"c": "its input b is a view"},
        ),
    ],
)  # fmt: skip
def test_what_rides_on_what_by_hand(graph: list[dict[str, Any]], kernels: list[tuple[str, ...]], alone: dict[str, str]) -> None:
    network = strategies.tiny(graph, TOKENS)
    assert operators(network) == kernels
    assert network.alone == alone


def test_what_travels_before_and_after_by_hand() -> None:
    network = strategies.tiny([linear("a", 16), relu("b"), linear("c", 16), add("d", "c", "b")], TOKENS)
    before = [kernel.cost.inputs + kernel.cost.outputs for kernel in network.unfused]
    after = [kernel.cost.inputs + kernel.cost.outputs for kernel in network.kernels]
    narrow, wide = 4 * 8, 4 * 16
    assert before == [narrow + wide, wide + wide, wide + wide, wide + wide + wide]
    assert after == [narrow + wide, wide + wide + wide]


@given(strategies.tangles())
def test_every_operator_but_a_view_is_in_one_kernel_whose_inner_results_nobody_else_reads(network: Network) -> None:
    by_name = {node.name: node for node in network.nodes}
    assert sorted(name for kernel in network.kernels for name in kernel.operators) == sorted(
        node.name for node in network.nodes if not node.is_view
    )
    for kernel in network.kernels:
        for inner, rider in zip(kernel.operators, kernel.operators[1:], strict=False):
            assert [node.name for node in network.nodes for source in node.inputs if source == inner] == [rider]
            assert by_name[rider].operator.epilogue
            assert by_name[rider].shape == by_name[inner].shape


@given(strategies.tangles())
def test_kernels_in_the_order_of_their_last_operators_read_only_what_was_written(network: Network) -> None:
    order = {node.name: step for step, node in enumerate(network.nodes)}
    written = {"x", "y"}
    pending = sorted(network.kernels, key=lambda kernel: order[kernel.operators[-1]])
    for node in network.nodes:
        while pending and order[pending[0].operators[-1]] <= order[node.name]:
            kernel = pending.pop(0)
            reads = {source for name in kernel.operators for source in network.nodes[order[name]].inputs}
            assert reads - {*kernel.operators} <= written
            written.add(kernel.operators[-1])
        if node.is_view:
            assert {*node.inputs} <= written
            written.add(node.name)
    assert pending == []


@given(strategies.tangles())
def test_fusion_spares_the_writing_and_the_reading_of_every_inner_result(network: Network) -> None:
    elements = {node.name: node.cost.outputs for node in network.nodes}
    spared = sum(2 * elements[inner] for kernel in network.kernels for inner in kernel.operators[:-1])
    before, after = (
        sum(kernel.cost.inputs + kernel.cost.outputs for kernel in found) for found in (network.unfused, network.kernels)
    )
    assert before - after == spared


@given(strategies.tangles())
def test_what_could_ride_and_starts_a_kernel_says_why(network: Network) -> None:
    firsts = {kernel.name for kernel in network.kernels}
    assert {*network.alone} == {node.name for node in network.nodes if node.operator.epilogue and node.name in firsts}
    assert all(network.alone.values())
    assert fuse(network.nodes).kernels == network.kernels


def test_what_travels_in_resnet50_before_and_after_fusion() -> None:
    """The figures that are quoted for ResNet-50, 235 and 114 MB, are of 32 bits, before with norms folded already."""
    network = strategies.network("resnet50")
    elements = {node.name: node.cost.outputs for node in network.nodes}
    norms = {node.name for node in network.nodes if node.operator.op == "batch_norm"}  # type: ignore[attr-defined]
    traffic = [4 * sum(k.cost.inputs + k.cost.outputs for k in found) for found in (network.unfused, network.kernels)]
    folded = traffic[0] - 4 * sum(2 * elements[name] for name in norms)
    assert len(norms) == 53
    assert [round(value / 1e6, 1) for value in (traffic[0], folded, traffic[1])] == [323.6, 234.6, 113.6]
