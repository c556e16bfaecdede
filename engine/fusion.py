"""Fusion as a step of its own: operators in, the kernels that a runtime launches out.

An operator that can ride (`epilogue`: a folded norm, an activation, a sum, learned positions) joins the kernel that produces
its input where that kernel can carry it (`carries`) and nothing else reads the intermediate result. Views are no kernels, and
nothing rides through one. Source: this project's own, docs/model.md, "Fusion".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .cost import Cost
from .ops.base import Operator, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator of a network, with the operators it reads, its shapes for one sample, and its cost."""

    name: str
    operator: Operator
    inputs: tuple[str, ...]
    shape: Shape
    cost: Cost

    @property
    def is_view(self) -> bool:
        """Return whether it only looks at elements that others wrote."""
        return self.cost.kind == "view"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """Operators that run as one launch: the name of the first, the names of all, and the cost of the whole."""

    name: str
    operators: tuple[str, ...]
    cost: Cost


@dataclass(frozen=True, kw_only=True)
class Fusion:
    """The kernels in the order of their first operators, and why each operator that could ride does not."""

    kernels: tuple[Kernel, ...]
    alone: Mapping[str, str]


def fuse(nodes: Sequence[Node]) -> Fusion:
    """Return the kernels of operators, which stand in an order in which each reads only what stands before it.

    Every operator that is no view is in exactly one kernel. The first operator of a kernel gives it its kind and its product;
    those behind it keep the shape of its result. What a kernel passes on inside is read by nobody else, so that kernels never
    wait for each other in a circle.
    """
    readers = Counter(source for node in nodes for source in node.inputs)
    order = {node.name: step for step, node in enumerate(nodes)}
    groups: dict[str, list[Node]] = {}
    member: dict[str, list[Node]] = {}
    alone: dict[str, str] = {}
    for node in nodes:
        sources = sorted((source for source in node.inputs if source in order), key=order.__getitem__, reverse=True)
        carrier, refusal = _carrier(node, [(source, member[source]) for source in sources], readers)
        if refusal:
            alone[node.name] = refusal
        member[node.name] = groups.setdefault(node.name, []) if carrier is None else carrier
        member[node.name].append(node)
    kernels = tuple(
        Kernel(name=name, operators=tuple(node.name for node in group), cost=fused_cost(group))
        for name, group in groups.items()
        if not group[0].is_view
    )
    return Fusion(kernels=kernels, alone=alone)


def _carrier(
    node: Node, sources: Sequence[tuple[str, list[Node]]], readers: Mapping[str, int]
) -> tuple[list[Node] | None, str]:
    """Return the group that a node rides on, that of the latest of its sources that can take it; or None, and why not."""
    if not node.operator.epilogue:
        return None, ""
    refusals = [_refusal(source, group, readers) or _reshaped(node, source, group) for source, group in sources]
    if "" in refusals:
        return sources[refusals.index("")][1], ""
    return None, refusals[0] if refusals else "it reads nothing but inputs of the network"


def _refusal(source: str, group: Sequence[Node], readers: Mapping[str, int]) -> str:
    """Return why an operator that reads `source` cannot join the kernel of it, or nothing where it can."""
    first = group[0]
    if first.is_view:
        return f"its input {source} is a view"
    if not first.operator.carries:
        return f"its input {source} is of a kernel that carries nothing"
    return "" if readers[source] == 1 else f"its input {source} is read {readers[source]} times"


def _reshaped(node: Node, source: str, group: Sequence[Node]) -> str:
    """Return why an operator that broadcasts cannot join a kernel whose result has another shape, or nothing where it can."""
    same = group[-1].shape == node.shape
    return "" if same else f"its input {source} has another shape"


def fused_cost(group: Sequence[Node]) -> Cost:
    """Return the cost of a kernel: the first operator's, with what its epilogue reads besides, and what the last writes."""
    first, *rest = group
    extra = sum(_extra_inputs(node, group) for node in rest)
    return replace(
        first.cost,
        parameters=sum(node.cost.parameters for node in group),
        weights=sum(node.cost.weights for node in group),
        inputs=first.cost.inputs + extra,
        outputs=group[-1].cost.outputs,
    )


def _extra_inputs(node: Node, group: Sequence[Node]) -> float:
    """Return the elements that an epilogue reads from outside its kernel."""
    inside = sum(other.cost.outputs for other in group if other.name in node.inputs)
    return max(0.0, node.cost.inputs - inside)
