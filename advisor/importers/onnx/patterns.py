"""Recognition: groups of nodes that are one operator of ours, which exporters spell out node by node.

Only names change: what is not recognised is imported node by node, with the same work. An activation or a norm is a closed
group of nodes between one tensor and one result whose operators, counted, are those of its formula. Attention is recognised by
its products and its softmax; where its operands come from is told by moving the numbers of elements through the graph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .model import Node, NodeError
from .program import Match, Program
from .values import MOVES, evaluate

MAX_GROUP: Final = 14
MAX_INDEX: Final = 2**23
MAX_TRACED: Final = 2**29
"""Elements of the largest tensor that is traced, and of all together; what is larger is imported node by node."""
_GROUPED: Final = frozenset({
    "Add", "Clip", "Div", "Erf", "HardSigmoid", "Mul", "Pow", "Reciprocal", "ReduceMean", "Sigmoid", "Softplus", "Sqrt",
    "Sub", "Tanh", "Cast", "Identity",
})  # fmt: skip

MAX_SPREAD: Final = 64
FEW: Final = 6
MASKED: Final = -1e3
"""A number that is added to a score to leave it out; learned biases of positions are far above."""
_SPREADS: Final = frozenset({
    "Expand", "Where", "Add", "Mul", "Sub", "Cast", "Identity", "Not", "Equal", "Unsqueeze", "And", "Or",
})  # fmt: skip
"""Nodes whose result differs from query to query only where an operand does."""

Index = npt.NDArray[np.int64]


def find(program: Program) -> list[Match]:
    """Return what is recognised; no node is in two groups."""
    matches: list[Match] = []
    taken: set[Node] = set()
    for match in chain(_biases(program), _functions(program, taken), _attentions(program)):
        if taken.isdisjoint(match.nodes):
            matches.append(match)
            taken |= match.nodes
    return matches


def _biases(program: Program) -> Iterator[Match]:
    """Yield products with stored weights whose result gets a stored bias."""
    for node in program.nodes:
        if node.kind != "MatMul" or program.data(node.inputs[1]) or len(program.sample(node.inputs[1]).whole.shape) != 2:  # noqa: PLR2004
            continue
        add = program.sole_reader(node.outputs[0])
        columns = program.sample(node.inputs[1]).whole.shape[-1]
        if add is None or add.kind != "Add" or not program.constants(add):
            continue
        bias = program.sample(program.constants(add)[0]).whole
        if bias.roots and bias.elements == columns and bias.shape[-1] == columns:
            yield Match(what="bias", nodes=frozenset({node, add}), last=add, sources=(node.inputs[0],), result=add.outputs[0],
                        fields={"weights": node.inputs[1], "bias": program.constants(add)[0]})  # fmt: skip


def _functions(program: Program, taken: set[Node]) -> Iterator[Match]:
    """Yield activations and norms that are spelled out."""
    for end in program.nodes:
        if end.kind not in ("Mul", "Div") or end in taken:
            continue
        found = [match for source in _forks(program, end, taken) if (match := _function(program, end, source, taken))]
        if found:
            match = max(found, key=lambda match: len(match.nodes))
            taken = taken | match.nodes
            yield _with_scale(program, match) if match.what.endswith("norm") else match


def _function(program: Program, end: Node, source: str, taken: set[Node]) -> Match | None:
    """Return the function of one tensor that a node ends, or None."""
    group = _closed(program, end, source, taken)
    what = "" if group is None else _named(program, group)
    if group is None or not what or program.sample(source).shape != program.sample(end.outputs[0]).shape:
        return None
    return Match(what=what, nodes=frozenset(group), last=end, sources=(source,), result=end.outputs[0])


def _forks(program: Program, end: Node, taken: set[Node]) -> list[str]:
    """Return the tensors shortly before a node that several nodes read, the nearest first."""
    found, level, seen = [], [end], {end}
    while level and len(seen) <= 2 * MAX_GROUP:
        names = [name for node in level for name in program.inputs(node)]
        found += [name for name in names if len(program.readers[name]) > 1]
        makers = [program.maker[name] for name in names if name in program.maker]
        level = [node for node in dict.fromkeys(makers) if node.kind in _GROUPED and node not in seen and node not in taken]
        seen.update(level)
    return list(dict.fromkeys(found))


def _closed(program: Program, end: Node, source: str, taken: set[Node]) -> set[Node] | None:
    """Return the nodes between one tensor and the result of `end`, or None where anything else goes in or out."""
    group, stack = {end}, [end]
    while stack:
        node = stack.pop()
        if not program.scalars(node) and node.kind != "ReduceMean":
            return None
        for name in program.inputs(node):
            maker = program.maker.get(name)
            if name == source:
                continue
            if maker is None or maker in taken or maker.kind not in _GROUPED or len(group) > MAX_GROUP:
                return None
            if maker not in group:
                group.add(maker)
                stack.append(maker)
    inner = [name for node in group - {end} for name in node.outputs]
    return group if program.inside(inner, group) else None


def _named(program: Program, group: set[Node]) -> str:
    """Return the name of the function whose formula has the operators of a group, or an empty text."""
    count = Counter(node.kind for node in group if node.kind not in ("Cast", "Identity"))
    products = count["Mul"] + count["Pow"] + count["Div"]
    rest = {kind: times for kind, times in count.items() if kind not in ("Mul", "Pow", "Div")}
    names: list[tuple[dict[str, int], range, str]] = [
        ({"Erf": 1, "Add": 1}, range(3, 4), "gelu"),
        ({"Tanh": 1, "Add": 2}, range(5, 7), "gelu"),
        ({"Sigmoid": 1}, range(1, 2), "silu"),
        ({"Sigmoid": 1}, range(2, 3), "gelu"),
        ({"HardSigmoid": 1}, range(1, 2), "hardswish"),
        ({"Add": 1, "Clip": 1}, range(2, 3), "hardswish"),
        ({"Softplus": 1, "Tanh": 1}, range(1, 2), "mish"),
    ]
    for operators, times, name in names:
        if rest == operators and products in times:
            return name
    return _norm_named(program, group, rest, products)


def _norm_named(program: Program, group: set[Node], rest: dict[str, int], products: int) -> str:
    means = [node for node in group if node.kind == "ReduceMean"]
    if not means or not all(_over_last(program, node) for node in means):
        return ""
    rest = {kind: times for kind, times in rest.items() if kind != "Reciprocal"}
    products += sum(node.kind == "Reciprocal" for node in group)
    if rest in ({"ReduceMean": 2, "Add": 1, "Sqrt": 1, "Sub": times} for times in (1, 2)) and products in (2, 3):
        return "layer_norm"
    return "rms_norm" if rest == {"ReduceMean": 1, "Add": 1, "Sqrt": 1} and products in (2, 3) else ""


def _over_last(program: Program, node: Node) -> bool:
    shape, mean = (program.sample(name).whole.shape for name in (node.inputs[0], node.outputs[0]))
    return bool(shape) and mean == (*shape[:-1], 1)


def _with_scale(program: Program, norm: Match) -> Match:
    """Return a norm with the scale and the shift that follow it."""
    nodes, result, stored = set(norm.nodes), norm.result, {}
    width = program.sample(result).whole.shape[-1]
    last = norm.last
    for kind, field in (("Mul", "scale"), ("Add", "shift")):
        node = program.sole_reader(result)
        constants = [] if node is None else program.constants(node)
        if node is None or node.kind != kind or len(constants) != 1:
            break
        weight = program.sample(constants[0]).whole
        if weight.elements != width or weight.shape[-1:] != (width,):
            break
        nodes.add(node)
        result, last = node.outputs[0], node
        stored[field] = constants[0]
    return Match(what=norm.what, nodes=frozenset(nodes), last=last, sources=norm.sources, result=result, fields=stored)


def _attentions(program: Program) -> Iterator[Match]:
    """Yield softmaxes between two products, with all between them and all that only moves their operands and their result."""
    for node in program.nodes:
        if node.kind == "Softmax" and (match := _attention(program, node)) is not None:
            yield match


def _attention(program: Program, softmax: Node) -> Match | None:
    around = _between(program, softmax)
    if around is None or program.batch != 1:
        return None
    scores, mix, nodes, masks = around
    shape = program.sample(scores.outputs[0]).shape
    query, key, value = (program.sample(name).shape for name in (scores.inputs[0], scores.inputs[1], mix.inputs[1]))
    heads, tokens = (shape[0] if len(shape) == 3 else 1), shape[-2]  # noqa: PLR2004 - heads, queries, keys
    if not 2 <= len(shape) <= 3 or shape[-1] != tokens or query[-1] != value[-1] or len({len(query), len(key), len(value)}) > 1:  # noqa: PLR2004
        return None
    width = query[-1]
    traced = [
        _traced(program, scores.inputs[0], (heads, tokens, width), turn=False),
        _traced(program, scores.inputs[1], (heads, tokens, width), turn=True),
        _traced(program, mix.inputs[1], (heads, tokens, width), turn=False),
    ]
    if any(one is None for one in traced):
        return None
    result, moved = _merged(program, mix, (heads, tokens, width))
    fields: dict[str, Any] = {
        "heads": heads, "tokens": tokens, "width": width, "operands": tuple(traced), "merged": bool(moved),
        "causal": any(varies(program, mask, tokens) for mask in masks),
    }  # fmt: skip
    return Match(what="attention", nodes=frozenset({*nodes, *moved}), last=moved[-1] if moved else mix,
                 sources=tuple(one[0] for one in traced if one), result=result, fields=fields)  # fmt: skip


def masked(program: Program, softmax: Node) -> set[Node]:
    """Return the products around a softmax whose mask may differ from query to query: of each a bound may count half only."""
    before = _scores(program, softmax.inputs[0], alone=False)
    if before is None:
        return set()
    scores, _, masks = before
    tokens = program.sample(scores.outputs[0]).whole.shape[-2]
    if not any(varies(program, mask, tokens) for mask in masks):
        return set()
    found, waiting, seen = {scores}, [softmax.outputs[0]], {softmax.outputs[0]}
    while waiting and len(seen) <= MAX_SPREAD:
        name = waiting.pop()
        readers = program.readers.get(name, [])
        found |= {node for node in readers if node.kind == "MatMul" and node.inputs[0] == name}
        on = [node.outputs[0] for node in readers if node.kind in ("Cast", "Dropout", "Identity", "Where")]
        waiting += [name for name in on if name not in seen]
        seen.update(on)
    return found


def _between(program: Program, softmax: Node) -> tuple[Node, Node, set[Node], list[str]] | None:
    """Return the product before a softmax and the one after it, all nodes from one to the other, and the masks; or None."""
    before, after = _scores(program, softmax.inputs[0]), _mix(program, softmax.outputs[0])
    if before is None or after is None:
        return None
    scores, above, masks = before
    mix, below = after
    return scores, mix, {softmax, scores, mix, *above, *below}, masks


def _scores(
    program: Program, name: str, *, alone: bool = True, seen: frozenset[str] = frozenset()
) -> tuple[Node, list[Node], list[str]] | None:
    """Return the product that makes scores, the nodes that scale and mask them, and the masks.

    `alone` says that nothing else may read what is between.
    """
    node = program.maker.get(name)
    if node is None or (alone and program.sole_reader(name) is None) or len(seen) > (MAX_GROUP if alone else FEW):
        return None
    if node.kind == "MatMul":
        return (node, [], []) if all(program.data(operand) for operand in node.inputs) else None
    if node.kind not in ("Mul", "Div", "Add", "Where", "Cast", "Identity"):
        return None
    shape = program.sample(name).whole.shape
    for operand in program.inputs(node):
        if (
            program.sample(operand).whole.shape == shape
            and (found := _scores(program, operand, alone=alone, seen=seen | {name})) is not None
        ):
            product, nodes, masks = found
            others = [other for other in node.inputs if other and other != operand]
            return product, [*nodes, node], [*masks, *others]
    return None


def _mix(program: Program, name: str) -> tuple[Node, list[Node]] | None:
    """Return the product that takes probabilities, and what stands between: casts, and the guard against rows without a key."""
    nodes: list[Node] = []
    for _ in range(MAX_GROUP):
        readers = program.readers.get(name, [])
        kinds = sorted(node.kind for node in readers)
        if name in program.outputs or not readers:
            return None
        if kinds == ["IsNaN", "Where"]:
            guard, where = sorted(readers, key=lambda node: node.kind)
            if program.sole_reader(guard.outputs[0]) is not where:
                return None
            nodes += [guard, where]
            name = where.outputs[0]
        elif kinds == ["MatMul"] and readers[0].inputs[0] == name and program.data(readers[0].inputs[1]):
            return readers[0], nodes
        elif len(kinds) == 1 and kinds[0] in ("Cast", "Dropout", "Identity"):
            nodes += readers
            name = readers[0].outputs[0]
        else:
            return None
    return None


def varies(program: Program, name: str, tokens: int) -> bool:
    """Return whether a mask may differ from query to query, as a causal one does: whether it was made so, not only spread."""
    waiting, seen = [name], {name}
    while waiting:
        operands = _spread_from(program, waiting.pop(), tokens)
        if operands is None or len(seen) > MAX_SPREAD:
            return True
        waiting += [operand for operand in operands if operand not in seen]
        seen.update(operands)
    return False


def _spread_from(program: Program, name: str, tokens: int) -> list[str] | None:
    """Return the operands of which one must differ from query to query if a mask does, or None where the mask itself may."""
    sample = program.samples.get(name)
    shape = () if sample is None else sample.whole.shape
    if sample is None or len(shape) < 2 or shape[-2] == 1 or shape[-2] != tokens:  # noqa: PLR2004 - queries, keys
        return []
    if (value := sample.whole.value) is not None:
        hides = value.dtype.kind == "b" or np.any(value <= MASKED)
        return None if hides and np.any(value != value[..., :1, :]) else []
    node = program.makers.get(name)
    if node is None or node.kind not in _SPREADS:
        return None
    operands = node.inputs[:1] if node.kind in ("Expand", "Unsqueeze") else node.inputs
    return [operand for operand in dict.fromkeys(operands) if operand]


def _traced(program: Program, name: str, shape: tuple[int, int, int], *, turn: bool) -> tuple[str, int, int, bool] | None:
    """Return where a product's operand of heads x tokens x width comes from, or None where its order is another.

    That is the tensor, the feature that the operand begins at, the heads that are stored, and whether the tensor holds tokens x
    features; else it holds heads x tokens x width.
    """
    source, steps = _origin(program, name)
    for start in range(len(steps) + 1):
        tensor = source if start == 0 else steps[start - 1][1]
        index = _moved(program, tensor, steps[start:])
        if index is None or index.size != shape[0] * shape[1] * shape[2]:
            continue
        heads, tokens, width = shape
        index = index.reshape(heads, width, tokens).transpose(0, 2, 1) if turn else index.reshape(shape)
        elements = program.sample(tensor).elements
        if elements % tokens == 0 and (found := _placed(index, elements // tokens, width)) is not None:
            return tensor, *found, True
        if elements % (tokens * width) == 0 and (found := _placed(index, width, tokens * width)) is not None and not found[0]:
            return tensor, *found, False
    return None


def _placed(index: Index, row: int, step: int) -> tuple[int, int] | None:
    """Return the first feature and the number of stored heads, where tokens are `row` elements apart and heads `step`."""
    heads, tokens, width = index.shape
    first = int(index[0, 0, 0])
    jumps = index[:, 0, 0] - first
    kept = int(jumps[-1]) // step + 1
    if kept < 1 or heads % kept or np.any(jumps != np.arange(heads) // (heads // kept) * step):
        return None
    expected = first + jumps[:, None, None] + row * np.arange(tokens)[:, None] + np.arange(width)
    return (first, kept) if np.array_equal(index, expected) else None


Steps = list[tuple[Node, str]]


def _origin(program: Program, name: str) -> tuple[str, Steps]:
    """Return the tensor that an operand was moved from, and the nodes that moved it, with their results; scales are passed."""
    steps: Steps = []
    while len(steps) < 2 * MAX_GROUP:
        node = program.maker.get(name)
        if node is None or not _moves(program, node):
            break
        steps.append((node, name))
        name = program.inputs(node)[0]
    return name, steps[::-1]


def _moves(program: Program, node: Node) -> bool:
    if len(program.inputs(node)) != 1:
        return False
    return node.kind in MOVES or node.kind == "Cast" or (node.kind in ("Mul", "Div") and program.scalars(node))


def _moved(program: Program, source: str, steps: Steps) -> Index | None:
    """Return, for every element that the steps make, the number of the element of the source that it is."""
    shape, elements = program.sample(source).whole.shape, program.sample(source).whole.elements
    program.traced += elements
    if elements > MAX_INDEX or program.traced > MAX_TRACED:
        return None
    index: Any = np.arange(elements).reshape(shape)
    for node, name in steps:
        if node.kind not in MOVES:
            continue
        values = [None if program.data(operand) else program.sample(operand).whole.value for operand in node.inputs if operand]
        try:
            found = evaluate(node, [index, *values[1:]], program.graph.opset, MAX_INDEX)
        except NodeError:
            return None
        if found is None:
            return None
        index = found[node.outputs.index(name)]
    return np.asarray(index, dtype=np.int64)


def _merged(program: Program, mix: Node, shape: tuple[int, int, int]) -> tuple[str, list[Node]]:
    """Return the tensor where heads stand behind each other for every token, and the nodes that move them there.

    Where there is none, the product's own result and no nodes.
    """
    heads, tokens, width = shape
    wanted = np.arange(heads * tokens * width).reshape(shape).transpose(1, 0, 2).reshape(-1)
    name, steps = mix.outputs[0], list[tuple[Node, str]]()
    for _ in range(MAX_GROUP):
        node = program.sole_reader(name)
        if node is None or node.kind not in MOVES or not _moves(program, node) or len(node.outputs) > 1:
            break
        name = node.outputs[0]
        steps.append((node, name))
        index = _moved(program, mix.outputs[0], steps)
        if index is not None and np.array_equal(index.reshape(-1), wanted):
            return name, [node for node, _ in steps]
    return mix.outputs[0], []
