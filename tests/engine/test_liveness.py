"""Liveness: what is alive at once, by hand and against a count from first principles."""

from __future__ import annotations

from typing import Any

import pytest
import strategies
from hypothesis import given

from engine.fusion import Kernel
from engine.liveness import schedule
from engine.network import Network

INPUTS = {"x": (4, 8), "y": (2, 8)}


def linear(name: str, out: int, source: str | None = None) -> dict[str, Any]:
    return {"op": "linear", "name": name, "out_features": out, "bias": False} | ({"inputs": [source]} if source else {})


def add(name: str, first: str, second: str) -> dict[str, Any]:
    return {"op": "elementwise", "name": name, "inputs": [first, second], "function": "add"}


def view(name: str, source: str, *to: int) -> dict[str, Any]:
    return {"op": "reshape", "name": name, "to": list(to), "inputs": [source]}


def concat(name: str, *sources: str) -> dict[str, Any]:
    return {"op": "concat", "name": name, "inputs": list(sources)}


@pytest.mark.parametrize(
    ("graph", "inputs", "peak"),
    [
        # a residual: its operand lives until the sum: x10 + a40, then b10 reads a40 while x10 waits
        ([linear("a", 40), linear("b", 10), add("c", "b", "x")], {"x": [10]}, 10 + 40 + 10),
        # a branch that lives long: a30 waits for the last layer: a30 + c50 + d5
        ([linear("a", 30), linear("b", 2), linear("c", 50), linear("d", 5), concat("e", "d", "a"), linear("f", 1)], {"x": [10]},
         30 + 50 + 5),
        # a concatenation of views: both parts live while it is read: a6 + b4 + d20
        ([linear("a", 6, "x"), linear("b", 4, "x"), view("v", "b", 4), concat("c", "a", "v"),
          linear("d", 20)], {"x": [3]}, 6 + 4 + 20),
        # a slice holds all it was cut from: a100 + b2
        ([linear("a", 100), {"op": "slice", "name": "s", "keep": 1}, linear("b", 2)], {"x": [10]}, 10 + 100),
        # the output is alive at the end, though it is a view of what was written first
        ([linear("a", 7), linear("b", 9, "y"), view("v", "a", 7, 1)], {"x": [1], "y": [50]},
         50 + 7 + 9),
        # two inputs, of which one is read late
        ([linear("a", 1, "x"), linear("b", 1), linear("c", 1, "y")], {"x": [5], "y": [70]}, 70 + 5 + 1),
        # a sum rides on a, for others read b; so a's kernel runs when b is there, and x100 waits for it
        ([linear("a", 10, "x"), linear("b", 10, "y"), add("c", "a", "b"), linear("d", 1, "b"), concat("e", "c", "d")],
         {"x": [100], "y": [1]}, 100 + 10 + 10),
    ],
)  # fmt: skip
def test_the_peak_by_hand(graph: list[dict[str, Any]], inputs: dict[str, list[int]], peak: int) -> None:
    assert strategies.tiny(graph, inputs).peak_activation_elements == peak


def bases(network: Network, name: str) -> set[str]:
    """Return the inputs and results of kernels that a result looks at, itself where it is no view."""
    node = next((node for node in network.nodes if node.name == name), None)
    if node is None or not node.is_view:
        return {name}
    return {base for source in node.inputs for base in bases(network, source)}


def operands(network: Network, kernel: Kernel) -> set[str]:
    """Return what a kernel reads from memory."""
    nodes = {node.name: node for node in network.nodes}
    read = {source for name in kernel.operators for source in nodes[name].inputs if source not in kernel.operators}
    return {base for source in read for base in bases(network, source)}


def sizes(network: Network) -> dict[str, float]:
    """Return the elements of inputs and results of kernels."""
    results = {kernel.operators[-1]: kernel.cost.outputs for kernel in network.kernels}
    return {name: float(rows * columns) for name, (rows, columns) in INPUTS.items()} | results


@given(strategies.tangles())
def test_the_peak_is_that_of_a_count_at_every_kernel(network: Network) -> None:
    running = schedule(network.nodes, network.kernels, INPUTS)
    elements, output = sizes(network), bases(network, network.nodes[-1].name)
    there, peak = {*INPUTS}, sum(elements[name] for name in INPUTS)
    for step, kernel in enumerate(running):
        assert operands(network, kernel) <= there
        there.add(kernel.operators[-1])
        peak = max(peak, sum(elements[name] for name in there))
        there &= output.union(*(operands(network, later) for later in running[step + 1 :]))
    assert {*running} == {*network.kernels}
    assert network.peak_activation_elements == peak


@given(strategies.tangles())
def test_the_peak_lies_between_the_largest_kernel_and_all_results(network: Network) -> None:
    elements = sizes(network)
    largest = [sum(elements[name] for name in operands(network, k) | {k.operators[-1]}) for k in network.kernels]
    assert max([*largest, network.input_elements]) <= network.peak_activation_elements <= sum(elements.values())
