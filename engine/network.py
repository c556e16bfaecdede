"""The network: a workload at given sizes, as operators, as fused kernels (fusion.py), and as totals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, Final

from pydantic import ValidationError

from .blocks.base import Block
from .cost import Cost
from .errors import GraphError, closest
from .fusion import Kernel, Node, fuse
from .library import library_kernels
from .liveness import peak_live
from .machine import Machine
from .ops.base import MAX_DIMENSION, MAX_OPERATORS, Need, Operator, Shape, elements_of, size_of
from .sizes import choose_sizes
from .totals import Totals
from .workload import Workload

NOTHING: Final = Need(0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Network(Totals):
    """A workload at given sizes, operator by operator and kernel by kernel.

    `alone` says of every operator that could ride on another's kernel and does not, why.
    """

    input_shapes: Mapping[str, Shape]
    nodes: tuple[Node, ...]
    kernels: tuple[Kernel, ...]
    alone: Mapping[str, str]
    needs: Mapping[str, Need]

    @cached_property
    def unfused(self) -> tuple[Kernel, ...]:
        """Return the kernels of a framework that launches operator by operator; views are free there, too."""
        return _unfused(self.nodes)

    @cached_property
    def eager(self) -> tuple[Kernel, ...]:
        """Return the same where attention is one kernel."""
        return _unfused(self.nodes, fused_attention=True)

    @cached_property
    def library(self) -> tuple[Kernel, ...]:
        """Return the kernels of a library that folds little and runs the rest one by one, with their parts."""
        return tuple(library_kernels(self.nodes, self.kernels))

    def launched(self, machine: Machine) -> tuple[Kernel, ...]:
        """Return the kernels as a machine's runtime launches them."""
        if machine.form == "rated":
            return self.library
        if machine.fused:
            return self.kernels
        return self.eager if machine.fused_attention else self.unfused


def build(workload: Workload, sizes: Mapping[str, int] | None = None) -> Network:
    """Return the network of a workload; `sizes` overrides the defaults of its symbolic sizes.

    Raises GraphError, naming the operator, when operators do not fit together or a size is unknown or out of range.
    """
    chosen = choose_sizes(workload, sizes or {})
    graph = _Graph(workload, chosen)
    nodes = tuple(graph.nodes.values())
    fusion = fuse(nodes)
    needs = _needs(graph)
    return Network(
        id=workload.id, name=workload.name, sizes=chosen, not_modelled=workload.not_modelled, input_shapes=graph.inputs,
        nodes=nodes, kernels=fusion.kernels, alone=fusion.alone, needs=needs,
        input_elements=elements_of(*graph.inputs.values()),
        output_elements=elements_of(nodes[-1].shape),
        peak_activation_elements=peak_live(nodes, fusion.kernels, graph.inputs),
        input_needs=sum(elements_of(shape) * needs[name].elements for name, shape in graph.inputs.items()),
        unique_kernels=_unique(k.cost for k in fusion.kernels), unique_unfused=_unique(k.cost for k in _unfused(nodes)),
        unique_eager=_unique(k.cost for k in _unfused(nodes, fused_attention=True)),
        unique_library=_unique(k.cost for k in library_kernels(nodes, fusion.kernels)), tables=_tables(nodes, needs, chosen),
        **_sums(nodes), **_least(nodes, needs),
    )  # fmt: skip


def _unfused(nodes: Sequence[Node], *, fused_attention: bool = False) -> tuple[Kernel, ...]:
    """Return the kernels of operators one by one; attention may be one kernel, but not where windows are cut out for it."""
    whole = {node.name for node in nodes if fused_attention and node.operator.fuses}
    costs = [(node.name, node.cost if node.name in whole else node.operator.unfused(node.cost)) for node in nodes]
    return tuple(Kernel(name=name, operators=(name,), cost=cost) for name, cost in costs if cost.kind != "view")


def _unique(costs: Iterable[Cost]) -> tuple[tuple[Cost, int], ...]:
    """Return each different cost once, with how many kernels have it."""
    return tuple(Counter(costs).items())


def _sums(nodes: Sequence[Node]) -> dict[str, Any]:
    """Return what all operators add up to."""
    costs = [node.cost for node in nodes]
    return {
        "launches": sum(node.operator.launches for node in nodes if node.cost.kind != "view"),
        "work": sum(cost.work for cost in costs),
        "parameters": sum(cost.parameters for cost in costs),
        "active_parameters": sum(cost.parameters * cost.routed for cost in costs),
        "cache_elements": sum(cost.cache_held for cost in costs),
        "cache_elements_per_token": sum(cost.cache_token for cost in costs),
        "cache_reads": sum(cost.cache_read for cost in costs),
    }


def _least(nodes: Sequence[Node], needs: Mapping[str, Need]) -> dict[str, Any]:
    """Return what the output depends on, at the least."""
    return {
        "work_min": sum(node.operator.least_work(node.cost, needs[node.name]) for node in nodes),
        "least_cache": sum(node.operator.least_cache(node.cost, needs[node.name]) for node in nodes),
        "least_weights": sum(node.operator.least_weights(node.cost, node.shape, needs[node.name]) for node in nodes),
    }


def _tables(nodes: Sequence[Node], needs: Mapping[str, Need], sizes: Mapping[str, int]) -> tuple[Cost, ...]:
    """Return the tables of which only looked-up rows travel; one tied to a layer is read whole, as that layer's weights."""
    tied = {getattr(node.operator, "tied_to", None) for node in nodes}
    free = (node for node in nodes if node.name not in tied)
    return tuple(table for node in free for table in node.operator.tables(node.cost, needs[node.name], sizes))


class _Graph:
    """Expands blocks and infers shapes, in order; an operator may read only what stands before it.

    The name of a block stands for the result of its last operator.
    """

    def __init__(self, workload: Workload, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes
        self.nodes: dict[str, Node] = {}
        self.blocks: dict[str, str] = {}
        self.inputs = {name: tuple(size_of(dim, sizes) for dim in dims) for name, dims in workload.inputs.items()}
        self.last = next(iter(self.inputs))
        for index, item in enumerate(workload.graph):
            name = item.name or f"{item.op}_{index}"
            try:
                self._add(name, item)
            except GraphError as error:
                fault = GraphError(f"{workload.id}, /graph/{index} ({name}): {error}")
                fault.index = index
                raise fault from error

    def _add(self, name: str, item: Operator | Block) -> None:
        if isinstance(item, Operator):
            self._append(name, item)
            return
        self._claim(name)
        self.last = self._result(item.inputs[0]) if item.inputs else self.last
        for index in range(item.repeat):
            prefix = f"{name}_{index}" if item.repeat > 1 else name
            for operator in self._expanded(item, prefix, index):
                self._append(operator.name or prefix, operator)
        self.blocks[name] = self.last

    def _expanded(self, block: Block, prefix: str, index: int) -> list[Operator]:
        try:
            return block.expand(prefix, self.last, self._shape(self.last), self.sizes, index)
        except ValidationError as error:
            fields = ", ".join(sorted({str(fault["loc"][0]) for fault in error.errors()}))
            raise GraphError(f"it makes an operator whose {fields} is out of range") from error

    def _claim(self, name: str) -> None:
        if name in self.nodes or name in self.inputs or name in self.blocks:
            raise GraphError(f"the name {name!r} occurs twice")

    def _append(self, name: str, operator: Operator) -> None:
        self._claim(name)
        if len(self.nodes) >= MAX_OPERATORS:
            raise GraphError(f"more than {MAX_OPERATORS:,} operators")
        inputs = tuple(self._result(source) for source in operator.inputs) or (self.last,)
        if len(inputs) < operator.arity or (len(inputs) > operator.arity and not operator.variadic):
            raise GraphError(f"it takes {operator.arity} inputs{' or more' if operator.variadic else ''}, not {len(inputs)}")
        shapes = [self._shape(source) for source in inputs]
        if any(len(shape) < operator.least_axes for shape in shapes):
            raise GraphError(f"it takes samples of at least {operator.least_axes} axes, not {', '.join(map(str, shapes))}")
        shape = operator.shape(shapes, self.sizes)
        if max(shape, default=0) > MAX_DIMENSION:
            raise GraphError(f"the result is {' x '.join(map(str, shape))}; no dimension may pass 10^12")
        if tied := getattr(operator, "tied_to", None):
            self._shape(tied)
        cost = operator.cost(shapes, shape, self.sizes)
        self.nodes[name] = Node(name=name, operator=operator, inputs=inputs, shape=shape, cost=cost)
        self.last = name

    def _result(self, name: str) -> str:
        return self.blocks.get(name, name)

    def _shape(self, name: str) -> Shape:
        if name in self.nodes:
            return self.nodes[name].shape
        if name in self.inputs:
            return self.inputs[name]
        near = closest(name, [*self.nodes, *self.inputs, *self.blocks])
        raise GraphError(f"nothing before it is called {name!r}" + (f"; did you mean {near}?" if near else ""))


def _needs(graph: _Graph) -> dict[str, Need]:
    """Return how much of every result and input the network's output depends on, at the least.

    Where several operators read a result, the largest of their demands is certain, and the sum of those for different parts;
    their union may be more.
    """
    needs = dict.fromkeys([*graph.inputs, *graph.nodes], NOTHING)
    needs[graph.last] = Need(1.0, 1.0, last=True)
    parts: dict[str, dict[tuple[Hashable, Hashable], Need]] = defaultdict(dict)
    for node in reversed(graph.nodes.values()):
        needs[node.name] = _with_parts(needs[node.name], parts[node.name])
        shapes = [graph.nodes[s].shape if s in graph.nodes else graph.inputs[s] for s in node.inputs]
        demands = node.operator.demands(needs[node.name], shapes, node.shape, graph.sizes)
        region = node.operator.region(graph.sizes)
        for source, demand in zip(node.inputs, demands, strict=True):
            if region is None:
                needs[source] = _larger(needs[source], demand)
            else:
                parts[source][region] = _larger(parts[source].get(region, NOTHING), demand)
    return needs | {name: _with_parts(needs[name], parts[name]) for name in graph.inputs}


def _with_parts(need: Need, parts: Mapping[tuple[Hashable, Hashable], Need]) -> Need:
    """Return the larger of a need and of what the parts of any one partition need together."""
    sums: dict[Hashable, Need] = defaultdict(lambda: NOTHING)
    for (partition, _), part in parts.items():
        before = sums[partition]
        rows, elements = _together(before.rows, part.rows), _together(before.elements, part.elements)
        sums[partition] = Need(rows, elements, before.last or part.last)
    return reduce(_larger, sums.values(), need)


def _together(first: float, second: float) -> float:
    """Return the sum of two shares; six sixths are 1, whatever the last bit."""
    return min(1.0, round(first + second, 12))


def _larger(first: Need, second: Need) -> Need:
    return Need(max(first.rows, second.rows), max(first.elements, second.elements), first.last or second.last)
