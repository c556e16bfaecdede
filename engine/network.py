"""The network: a workload at given sizes, as operators, as fused kernels (fusion.py), and as totals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from . import _compiled as forms
from .blocks.base import Block
from .errors import GraphError, closest
from .fusion import Kernel, Node, fuse
from .liveness import peak_live
from .ops.base import MAX_DIMENSION, Cost, Need, Operator, Shape, elements_of, size_of
from .workload import Workload

MAX_OPERATORS: Final = 100_000
NOTHING: Final = Need(0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Network:
    """A workload at given sizes. Counts are per sample unless they are weights.

    `alone` says of every operator that could ride on another's kernel and does not, why.
    """

    id: str
    name: str
    sizes: Mapping[str, int]
    input_shapes: Mapping[str, Shape]
    nodes: tuple[Node, ...]
    kernels: tuple[Kernel, ...]
    alone: Mapping[str, str]
    input_elements: float
    output_elements: float
    peak_activation_elements: float
    needs: Mapping[str, Need]
    input_needs: float

    @cached_property
    def unfused(self) -> tuple[Kernel, ...]:
        """Return the kernels of a framework that launches operator by operator; views are free there, too."""
        return tuple(
            Kernel(name=node.name, operators=(node.name,), cost=node.operator.unfused(node.cost))
            for node in self.nodes
            if node.cost.kind != "view"
        )

    @cached_property
    def launches(self) -> int:
        """Return how many operators such a framework launches for one pass."""
        return sum(node.operator.launches for node in self.nodes if node.cost.kind != "view")

    @cached_property
    def unique_kernels(self) -> tuple[tuple[Cost, int], ...]:
        """Return each different cost once, with how many kernels have it."""
        return tuple(Counter(kernel.cost for kernel in self.kernels).items())

    @cached_property
    def unique_unfused(self) -> tuple[tuple[Cost, int], ...]:
        """Return the same for the kernels that are not fused."""
        return tuple(Counter(kernel.cost for kernel in self.unfused).items())

    @property
    def work(self) -> float:
        """Return W of one sample [FLOP]."""
        return sum(node.cost.work for node in self.nodes)

    @cached_property
    def work_min(self) -> float:
        """Return the least arithmetic that any algorithm needs for the output of one sample [FLOP]."""
        return sum(node.operator.least_work(node.cost, self.needs[node.name]) for node in self.nodes)

    @property
    def parameters(self) -> float:
        """Return the stored elements, as papers count them."""
        return sum(node.cost.parameters for node in self.nodes)

    @cached_property
    def active_parameters(self) -> float:
        """Return the stored elements that one token asks for: of experts, those that it chooses."""
        return sum(node.cost.parameters * node.cost.routed for node in self.nodes)

    @property
    def weights(self) -> float:
        """Return the weight elements that passes read, those of all experts among them; embedding tables are not."""
        return sum(kernel.cost.weights for kernel in self.kernels)

    def read_weights(self, batch: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the weight elements that a pass over `batch` samples is expected to read: of experts, those it touches."""
        samples = np.asarray(batch, dtype=float)
        routed = [(cost, count) for cost, count in self.unique_kernels if cost.routed < 1]
        dense = self.weights - sum(count * cost.weights for cost, count in routed)
        read = dense * np.ones_like(samples)
        for cost, count in routed:
            share = forms.experts_read(batch=samples, routed=cost.routed, tokens=cost.tokens)
            read += count * cost.weights * share
        return read

    @cached_property
    def cache_elements(self) -> float:
        """Return the elements of the cache of keys and values that one sample holds after the pass."""
        return sum(node.cost.cache_held for node in self.nodes)

    @cached_property
    def cache_elements_per_token(self) -> float:
        """Return the elements that one more token adds to that cache, while no window is full."""
        return sum(node.cost.cache_token for node in self.nodes)

    @cached_property
    def cache_reads(self) -> float:
        """Return the elements that earlier passes left in that cache and this one reads, for one sample."""
        return sum(node.cost.cache_read for node in self.nodes)

    @cached_property
    def least_cache(self) -> float:
        """Return the elements among them that the output depends on."""
        return sum(n.operator.least_cache(n.cost, self.needs[n.name]) for n in self.nodes)

    @cached_property
    def least_weights(self) -> float:
        """Return the weight elements that the output depends on; every pass must read them."""
        return sum(n.operator.least_weights(n.cost, n.shape, self.needs[n.name]) for n in self.nodes)

    def compulsory_elements(self, batch: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the elements that a pass over `batch` samples has to move: weights, the cache before it, input and output."""
        each = self.input_elements + self.output_elements + self.cache_reads
        return self.read_weights(batch) + each * np.asarray(batch, dtype=float)

    @cached_property
    def tables(self) -> tuple[Cost, ...]:
        """Return the tables of which only looked-up rows travel, with the look-ups that the output depends on.

        A table tied to a layer is read whole, as that layer's weights.
        """
        tied = {getattr(node.operator, "tied_to", None) for node in self.nodes}
        free = (node for node in self.nodes if node.name not in tied)
        return tuple(t for node in free for t in node.operator.tables(node.cost, self.needs[node.name], self.sizes))

    def least_elements(self, batch: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the elements that a pass over `batch` samples must touch.

        Weights, min(rows, tokens) of tables, the cache of earlier tokens, input and output.
        """
        samples = np.asarray(batch, dtype=float)
        each = self.input_needs + self.output_elements + self.least_cache
        touched = [self.least_weights + each * samples]
        touched += [np.minimum(t.table_rows, samples * t.lookups) * t.table_width for t in self.tables]
        return np.asarray(np.sum(touched, axis=0), dtype=float)


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
        id=workload.id, name=workload.name, sizes=chosen, input_shapes=graph.inputs,
        nodes=nodes, kernels=fusion.kernels, alone=fusion.alone,
        input_elements=elements_of(*graph.inputs.values()),
        output_elements=elements_of(nodes[-1].shape),
        peak_activation_elements=peak_live(nodes, fusion.kernels, graph.inputs),
        needs=needs,
        input_needs=sum(elements_of(shape) * needs[name].elements for name, shape in graph.inputs.items()),
    )  # fmt: skip


def choose_sizes(workload: Workload, sizes: Mapping[str, int]) -> dict[str, int]:
    """Return every symbolic size of a workload: the one asked for, or its default.

    Raises GraphError for a size that the workload does not have, or one outside its range.
    """
    for name, value in sizes.items():
        if name not in workload.sizes:
            near = closest(name, workload.sizes)
            hint = f"did you mean {near}?" if near else f"its sizes are: {', '.join(workload.sizes) or 'none'}"
            raise GraphError(f"{workload.id} has no size {name!r}; {hint}")
        size = workload.sizes[name]
        if not size.minimum <= value <= size.maximum:
            raise GraphError(f"{workload.id}: {name} is {value}; it goes from {size.minimum} to {size.maximum} {size.unit}s")
    return {name: sizes.get(name, size.default) for name, size in workload.sizes.items()}


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
            raise GraphError(f"more than {MAX_OPERATORS} operators")
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
