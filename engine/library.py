"""Kernels as a library of kernels runs them (onnxruntime on a CPU): each of a class that a probe has a rate of.

Such a library folds norms, scales, residual sums and simple activations into convolutions, and little into products; all else
is a pass of its own. Concatenations and cuts copy. What a kernel does for one sample are its `parts`: FLOP of a product,
elements of a pass. The classes are what differs by more than its size: onnxruntime's kernels, by their names in its profile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Final

from .cost import Cost
from .fusion import Kernel, Node, fused_cost
from .ops.base import elements_of

_BLOCK: Final = 16
"""Channels that kernels of convolutions work on at a time: fewer, or a group of no whole number of blocks, run otherwise."""
_FOLDED: Final = frozenset({"batch_norm", "layer_scale"})
_CLIPS: Final = frozenset({"relu", "relu6", "leaky_relu", "clip"})
_COPIES: Final = frozenset({"concat", "join", "section", "slice", "part"})
_MOVES: Final = frozenset({"channels_last", "channels_first", "permute", "channel_shuffle", "patch_merge"})
_FUNCTIONS: Final[Mapping[str, str]] = {
    "gelu": "gelu", "erf": "gelu", "tanh": "tanh", "sigmoid": "sigmoid", "silu": "sigmoid",
    **dict.fromkeys(("exp", "log", "pow", "sin", "cos", "softplus", "mish", "elu", "selu", "celu"), "exp"),
}  # fmt: skip
_PASSES: Final[Mapping[str, str]] = {
    "softmax": "softmax", "layer_norm": "layer_norm", "head_norm": "layer_norm", "group_norm": "layer_norm",
    "embedding": "copy", "prepend": "copy", "copy": "copy", "bundle": "copy", **dict.fromkeys(_MOVES, "transpose"),
}  # fmt: skip

Parts = tuple[tuple[str, float], ...]


def library_kernels(nodes: Sequence[Node], kernels: Sequence[Kernel]) -> Iterator[Kernel]:
    """Yield each kernel that a library launches for a network, its cost with its parts.

    `kernels` are those of a runtime that fuses all that can ride; what this one does not fold is taken out of them.
    """
    by_name = {node.name: node for node in nodes}
    joined = _joined_norms(nodes)
    for kernel in kernels:
        yield from _apart([by_name[name] for name in kernel.operators], joined)
    for node in nodes:
        if node.is_view and node.operator.op in _COPIES | _MOVES:
            elements = elements_of(node.shape)
            parts = ((_PASSES.get(_op(node), "copy"), elements),)
            yield _kernel([node], Cost(kind="memory", inputs=elements, outputs=elements, parts=parts))


def _joined_norms(nodes: Sequence[Node]) -> dict[str, str]:
    """Return the layer norms that are one kernel with the residual sum before them, and these sums: each by the other's name.

    A sum that something else reads, too, stays by itself.
    """
    readers = Counter(source for node in nodes for source in node.inputs)
    sums = {node.name for node in nodes if _adds(node) and readers[node.name] == 1}
    norms = {node.name: node.inputs[0] for node in nodes if _op(node) == "layer_norm" and node.inputs[0] in sums}
    return norms | {source: norm for norm, source in norms.items()}


def _adds(node: Node) -> bool:
    return _op(node) == "elementwise" and getattr(node.operator, "function", "") == "add"


def _apart(group: Sequence[Node], joined: Mapping[str, str]) -> Iterator[Kernel]:
    """Yield the kernels of a fused group: its first operator with what folds into it, then each other operator by itself."""
    launched = [node for node in group if not node.is_view and not (_op(node) == "elementwise" and node.name in joined)]
    if not launched:
        return
    first, *rest = launched
    if first.name in joined:
        elements = first.cost.outputs
        yield _kernel([first], replace(first.cost, inputs=2 * elements, parts=(("residual_norm", elements),)))
        return
    folded = [first]
    while rest and _folds(first, rest[0]):
        folded.append(rest.pop(0))
    parts = _parts(first)
    if _passes_for_bias(first) and not (rest and _class_of(rest[0]) == "gelu"):
        parts = (*parts, ("elementwise", 2 * first.cost.outputs))
    yield _kernel(folded, replace(fused_cost(folded), parts=parts)) if len(folded) > 1 else _alone(first, parts)
    for node in rest:
        yield _alone(node, _parts(node))


def _kernel(group: Sequence[Node], cost: Cost) -> Kernel:
    return Kernel(name=group[0].name, operators=tuple(node.name for node in group), cost=cost)


def _alone(node: Node, parts: Parts) -> Kernel:
    return _kernel([node], replace(node.operator.unfused(node.cost), parts=parts))


def _op(node: Node) -> str:
    return str(node.operator.op)


def _folds(first: Node, node: Node) -> bool:
    """Return whether an operator costs no pass of its own behind the first of its kernel."""
    function = getattr(node.operator, "function", "")
    if first.cost.kind not in ("conv", "depthwise"):
        return first.cost.kind == "gemm" and first.cost.rows == 1 and function == "relu"
    if _adds(node):
        return _product_class(first.cost) != "grouped"
    stored = _op(node) == "pointwise" and function in ("add", "mul", "sub") and len(node.inputs) == 1
    return _op(node) in _FOLDED or function in _CLIPS or stored


def _passes_for_bias(node: Node) -> bool:
    """Return whether a bias is added in a pass of its own: behind a product of more than two axes, the batch among them."""
    return _op(node) == "linear" and len(node.shape) > 1 and node.cost.spared > 0


def _parts(node: Node) -> Parts:
    cost = node.cost
    if cost.kind == "attention":
        scores = cost.rows * cost.groups * cost.columns
        moved = cost.inputs + cost.outputs
        return (("batched", cost.work_done), ("softmax", scores), ("elementwise", 2 * scores), ("transpose", moved))
    if cost.kind != "memory":
        name = _product_class(cost)
        parts: Parts = ((name, cost.work_done),)
        return (*parts, ("transpose", cost.outputs)) if name == "grouped" else parts
    name = _class_of(node)
    parts = ((name, _amount(node, name)),)
    return (*parts, ("transpose", 2 * cost.outputs)) if _leaves_blocks(node) else parts


def _leaves_blocks(node: Node) -> bool:
    """Return whether an image leaves blocks of channels and returns: for a stored term, which a factor before it need not."""
    added = _op(node) == "pointwise" and getattr(node.operator, "function", "") in ("add", "sub")
    return added and node.cost.weights > 0 and len(node.shape) == 3  # noqa: PLR2004 - channels, height, width


def _product_class(cost: Cost) -> str:
    if cost.kind == "gemm":
        return "gemm" if cost.shared else "batched"
    if cost.kind == "depthwise":
        return "depthwise"
    if cost.groups > 1 and (cost.channels % _BLOCK or cost.columns % _BLOCK):
        return "grouped"
    if cost.channels < _BLOCK:
        return "conv_stem"
    return "conv1x1" if cost.taps == 1 else "conv"


def _class_of(node: Node) -> str:
    """Return the class of an operator that is no product."""
    op, function = _op(node), getattr(node.operator, "function", "")
    if op == "normalize":
        return "lrn" if function == "lrn" else "softmax" if "softmax" in function else "layer_norm"
    if op in ("pool", "pooling"):
        return "pool"
    if op in ("global_pool", "reduce"):
        return "reduce"
    return _PASSES.get(op) or _FUNCTIONS.get(function, "elementwise")


def _amount(node: Node, name: str) -> float:
    """Return the elements that a pass of a class is counted by."""
    if name == "elementwise":
        return node.cost.inputs + node.cost.outputs
    if name == "reduce":
        return node.cost.inputs
    return node.cost.outputs * _taps(node) if name == "pool" else node.cost.outputs


def _taps(node: Node) -> int:
    """Return the elements of a window, as far as it says them in numbers."""
    kernel = getattr(node.operator, "kernel", 1)
    sides = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    return prod(side for side in sides if isinstance(side, int))
