"""Liveness: how many activation elements of one sample are alive at once while the kernels of a network run.

The network's inputs are there from the start. A kernel holds what it reads and its result; what it passes on inside stays on
the chip. What a view looks at lives as long as the view is read, and the network's output to the end. Source: this project's
own, docs/model.md, "Memory and utilization".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from .fusion import Kernel, Node
from .ops.base import Shape, elements_of


def peak_live(nodes: Sequence[Node], kernels: Iterable[Kernel], inputs: Mapping[str, Shape]) -> float:
    """Return the largest sum of live elements, of kernels that run one after the other."""
    by_name = {node.name: node for node in nodes}
    running = schedule(nodes, kernels, inputs)
    elements = {name: elements_of(shape) for name, shape in inputs.items()}
    elements |= {kernel.operators[-1]: kernel.cost.outputs for kernel in running}
    ends = _ends(nodes, running, inputs, by_name)
    live = peak = sum(elements[name] for name in inputs)
    for step, kernel in enumerate(running):
        live += elements[kernel.operators[-1]]
        peak = max(peak, live)
        live -= sum(elements[name] for name in ends.get(step, ()))
    return peak


def _reads(kernel: Kernel, by_name: Mapping[str, Node]) -> Iterator[str]:
    """Yield what a kernel reads from outside, views as such."""
    inside = {*kernel.operators}
    yield from (source for name in kernel.operators for source in by_name[name].inputs if source not in inside)


def schedule(nodes: Sequence[Node], kernels: Iterable[Kernel], inputs: Mapping[str, Shape]) -> list[Kernel]:
    """Return the kernels in the order in which they run: that of their first operators, or once all operands are there.

    A sum that rides on the earlier of its operands makes that kernel wait for the later one.
    """
    order = {node.name: step for step, node in enumerate(nodes)}
    by_name = {node.name: node for node in nodes}
    ending = {kernel.operators[-1]: kernel for kernel in kernels}
    ready = dict.fromkeys(inputs, -1)
    turns: list[tuple[int, int, Kernel]] = []
    for step, node in enumerate(nodes):
        if node.is_view:
            ready[node.name] = max(ready[source] for source in node.inputs)
        if kernel := ending.get(node.name):
            turn = max([order[kernel.name], *(ready[source] for source in _reads(kernel, by_name))])
            ready[node.name] = turn
            turns.append((turn, step, kernel))
    return [kernel for *_, kernel in sorted(turns, key=lambda turn: turn[:2])]


def _ends(
    nodes: Sequence[Node], running: Sequence[Kernel], inputs: Mapping[str, Shape], by_name: Mapping[str, Node]
) -> dict[int, list[str]]:
    """Return by step of `running` what nobody reads afterwards: at the earliest when it was written, of inputs at the first."""
    last = dict.fromkeys(inputs, 0)
    last |= {kernel.operators[-1]: step for step, kernel in enumerate(running)}
    held = [*last]
    for step, kernel in enumerate(running):
        last |= dict.fromkeys(_reads(kernel, by_name), step)
    last[nodes[-1].name] = len(running)
    for view in (node for node in reversed(nodes) if node.is_view):
        for source in view.inputs:
            last[source] = max(last.get(source, -1), last.get(view.name, -1))
    ends: dict[int, list[str]] = {}
    for name in held:
        ends.setdefault(last[name], []).append(name)
    return ends
