"""Every tensor of a graph at one batch: a walk over its nodes, each by the rule of its operator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.errors import RoofwiseError

from .model import UNFIT, Graph, Node, NodeError, check_dims, told
from .shapes import RULES, Batching, Call, Shape, Tensor, elementwise, shape_part
from .values import MAX_VALUES, evaluate

MAX_ROOTS: Final = 100
MAX_COMPUTED: Final = 2**24
"""Elements of all tensors together whose values are computed at one batch; after that, values are unknown."""
MAX_FAULTS: Final = 50


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """Every tensor of a graph at one batch, and what could not be inferred: the node's label and why."""

    batch: int
    tensors: Mapping[str, Tensor]
    faults: tuple[tuple[str, str], ...] = ()


CONSTANTS: Final = frozenset({"Constant"})
KNOWN: Final = frozenset({*RULES, *CONSTANTS})
"""Operators that are imported; another is an error unless the request accepts it."""


def infer(
    graph: Graph, batching: Batching, batch: int, sizes: Mapping[str, int], base: Run | None, accepted: frozenset[str]
) -> Run:
    """Return every tensor at a batch. `base` is the run at the batch that a graph is fixed at; `accepted` are elementwise."""
    return _Inference(graph, batching, batch, sizes, base, accepted).run()


class _Inference:
    """Walks the nodes once, in order; what a faulty node makes is unknown, and what follows from it is passed over."""

    def __init__(self, graph: Graph, batching: Batching, batch: int, sizes: Mapping[str, int], base: Run | None,
                 accepted: frozenset[str]) -> None:  # fmt: skip
        self.graph, self.batching, self.batch, self.base, self.accepted = graph, batching, batch, base, accepted
        self.sizes = {**sizes, **({batching.symbol: batch} if batching.symbol else {})}
        self.unknown: set[str] = set()
        self.beyond: dict[str, str] = {}
        self.faults: list[tuple[str, str]] = []
        self.tensors: dict[str, Tensor] = {}
        self.room = MAX_COMPUTED

    def run(self) -> Run:
        for name, stored in self.graph.stored.items():
            roots = frozenset({name}) if stored.weight and stored.dims else frozenset[str]()
            self.tensors[name] = Tensor(shape=stored.dims, value=stored.value, roots=roots)
        for value in self.graph.inputs:
            self.tensors[value.name] = self._input(value.name, value.dims)
        for node in self.graph.nodes:
            if len(self.faults) < MAX_FAULTS:
                self._visit(node)
        for name in (name for name in self.graph.outputs if name in self.beyond):
            self.faults.append(
                (f"output {name[:80]!r}", f"it is {self.beyond[name]}, which is none that is known; leave it out")
            )
        return Run(batch=self.batch, tensors=self.tensors, faults=tuple(self.faults))

    def _input(self, name: str, dims: Sequence[int | str]) -> Tensor:
        grows = name in self.batching.inputs
        shape = [self.sizes[dim] if isinstance(dim, str) else dim for dim in dims]
        if grows:
            shape[0] = self.batch
        return Tensor(shape=tuple(shape), data=True, grows=grows)

    def _visit(self, node: Node) -> None:
        try:
            made = self._made(node)
        except (RoofwiseError, *UNFIT) as error:
            self.faults.append((node.label, told(error)))
            made = None
        for index, name in enumerate(node.outputs):
            if not name:
                continue
            if name in self.tensors or name in self.unknown or name in self.beyond:
                self.faults.append((node.label, f"its result {name[:60]!r} has the name of another tensor; export it again"))
            elif made is None:
                self.unknown.add(name)
            elif index >= len(made):
                self.beyond[name] = f"result {index + 1} of {node.label}"
            else:
                self.tensors[name] = made[index]

    def _made(self, node: Node) -> list[Tensor] | None:
        """Return the results of a node, or None where an operand is unknown because of an earlier fault."""
        if any(name in self.unknown for name in node.inputs):
            return None
        for name in (name for name in node.inputs if name in self.beyond):
            raise NodeError(f"it reads {name[:60]!r}, {self.beyond[name]}, which is none that is known; leave it out")
        if not any(node.outputs):
            raise NodeError("it makes nothing; export the model again")
        missing = [name for name in node.inputs if name and name not in self.tensors]
        if missing:
            raise NodeError(f"it reads {missing[0][:60]!r}, which nothing before it makes; export it again, its nodes in order")
        if node.kind in CONSTANTS:
            return [_constant(node)]
        inputs = [self.tensors[name] if name else None for name in node.inputs]
        call = Call(node=node, inputs=inputs, opset=self.graph.opset, batch=self.batch, fixed=self.batching.fixed,
                    base=self._at_base(node), values=[None if t is None else t.value for t in inputs])  # fmt: skip
        return self._results(call)

    def _at_base(self, node: Node) -> list[Tensor | None] | None:
        if self.base is None:
            return None
        return [self.base.tensors.get(name) if name else None for name in node.inputs]

    def _results(self, call: Call) -> list[Tensor]:
        node, operands = call.node, [operand for operand in call.inputs if operand is not None]
        like = _kind(node, operands)
        values = [_shape_value(node, call.x)] if node.kind in ("Shape", "Size") else (
            evaluate(node, call.values, self.graph.opset, min(MAX_VALUES, self.room))
        )  # fmt: skip
        if values is not None:
            self.room -= sum(value.size for value in values)
            shapes: list[Shape] = [value.shape for value in values]
        else:
            shapes = RULES.get(node.kind, elementwise if node.kind in self.accepted else _no_rule)(call)
        for shape in shapes:
            check_dims(shape, "its result")
            if like.data and 0 in shape:
                raise NodeError(f"its result {shape} has no elements; fix the sizes of the model with --size NAME=N")
        filled = values or [None] * len(shapes)
        before = self.base.tensors.get(node.outputs[0]) if self.base is not None and node.outputs else None
        outer = _outer(call, shapes[0], before) if shapes else 1
        results = [replace(like, shape=shape, value=value, outer=outer) for shape, value in zip(shapes, filled, strict=True)]
        if node.kind == "ConstantOfShape" and results[0].shape and not like.sized and _fills_weights(node):
            results[0] = replace(results[0], roots=frozenset({node.outputs[0]}))
        return results


def _no_rule(call: Call) -> list[Shape]:
    raise NodeError(f"no rule for {call.node.kind}")


def _kind(node: Node, operands: Sequence[Tensor]) -> Tensor:
    """Return what the results of a node depend on, as a tensor without shape."""
    if node.kind in ("Shape", "Size"):
        return Tensor(shape=(), sized=any(t.grows or t.sized for t in operands))
    data = any(operand.data for operand in operands)
    roots = frozenset[str]()
    for operand in () if data else dict.fromkeys(operands):
        roots |= operand.roots
        if len(roots) > MAX_ROOTS:
            raise NodeError(f"it is made of more than {MAX_ROOTS} stored tensors, and of nothing that samples hold")
    grows, sized = any(t.grows for t in operands), any(t.sized for t in operands)
    return Tensor(shape=(), data=data, grows=grows, sized=sized, roots=roots)


def _outer(call: Call, shape: Shape, before: Tensor | None) -> int:
    """Return how many elements stand before the batch inside its own axis: as in the operands, or as Reshape merges them."""
    axis = call.batch_axis(0) if call.node.kind in ("Reshape", "Flatten") and call.inputs else None
    if axis is None or before is None or len(before.shape) != len(shape):
        return max((operand.outer for operand in call.inputs if operand is not None and operand.grows), default=1)
    stands = math.prod(call.x.shape[:axis]) * call.x.outer
    differ = [place for place, pair in enumerate(zip(before.shape, shape, strict=True)) if pair[0] != pair[1]]
    passed = math.prod(shape[: differ[0]]) if differ else 0
    return stands // passed if passed and stands % passed == 0 else 1


def _shape_value(node: Node, x: Tensor) -> npt.NDArray[np.int64]:
    return np.asarray(x.elements if node.kind == "Size" else shape_part(node, x.shape), dtype=np.int64)


def _fills_weights(node: Node) -> bool:
    """Return whether ConstantOfShape stands for a stored weight, as in networks that were published without theirs."""
    fill = node.tensor("value")
    return fill is None or fill.weight


def _constant(node: Node) -> Tensor:
    if (stored := node.tensor("value")) is not None:
        roots = frozenset({node.outputs[0]}) if stored.weight and stored.elements > 1 else frozenset[str]()
        return Tensor(shape=stored.dims, value=stored.value, roots=roots)
    for name in ("value_int", "value_ints", "value_float", "value_floats"):
        if name in node.attributes:
            value = np.asarray(node.attributes[name])
            if value.size > MAX_VALUES:
                raise NodeError(f"a constant of {value.size} listed values; at most {MAX_VALUES}")
            return Tensor(shape=value.shape, value=value)
    raise NodeError("a constant without a value that is read (numbers are)")
