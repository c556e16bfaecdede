"""The arithmetic of shapes: small tensors whose values are known, computed by numpy, with every result bounded first.

Graphs compute shapes from shapes (Shape, Gather, Concat, Reshape); without these values a shape would be unknown. The same
functions move the numbers of elements around, which tells where each element of a tensor comes from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .model import MAX_RANK, Node, NodeError

Array = npt.NDArray[Any]
MAX_VALUES: Final = 2**18
"""Elements of the largest tensor whose values are computed."""

_TYPES: Final = {1: np.float32, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16, 11: np.float64, 2: np.uint8, 3: np.int8}


def evaluate(node: Node, inputs: Sequence[Array | None], opset: int, limit: int = MAX_VALUES) -> list[Array] | None:
    """Return the values of a node's outputs, or None where they are not known, not small, or no numbers of shapes.

    Raises NodeError where the node's own attributes or operands make no sense.
    """
    function = _FUNCTIONS.get(node.kind)
    if function is None or not inputs or inputs[0] is None:
        return None
    try:
        with np.errstate(all="ignore"):
            found = function(_Call(node, inputs, opset, limit))
    except (ValueError, TypeError, IndexError, OverflowError, ZeroDivisionError, MemoryError) as error:
        raise NodeError(f"its operands do not fit together ({str(error)[:120]})") from error
    if found is None:
        return None
    results = found if isinstance(found, list) else [found]
    return results if all(result.size <= limit and result.ndim <= MAX_RANK for result in results) else None


class _Call:
    """A node with the values of its operands; those that are not known are None."""

    def __init__(self, node: Node, inputs: Sequence[Array | None], opset: int, limit: int) -> None:
        self.node, self.inputs, self.opset, self.limit = node, inputs, opset, limit

    @property
    def data(self) -> Array:
        """Return the first operand."""
        first = self.inputs[0]
        if first is None:
            raise ValueError("the first operand has no value")
        return first

    def known(self) -> list[Array] | None:
        """Return all operands, or None where one has no value."""
        found = [value for value in self.inputs if value is not None]
        return found if len(found) == len(self.inputs) else None

    def operand(self, index: int, attribute: str) -> tuple[int, ...] | None:
        """Return whole numbers that stand in an attribute or, in later opsets, in an operand; None where neither is known."""
        return whole_numbers(self.node, self.inputs, index, attribute)

    def bounded(self, shape: Sequence[int]) -> tuple[int, ...] | None:
        """Return a shape of few enough elements, else None."""
        dims = tuple(int(dim) for dim in shape)
        fits = len(dims) <= MAX_RANK and min(dims, default=0) >= 0 and math.prod(dims) <= self.limit
        return dims if fits else None


def whole_numbers(node: Node, inputs: Sequence[Array | None], index: int, attribute: str) -> tuple[int, ...] | None:
    """Return whole numbers that stand in an attribute or in an operand, or None where they are not known."""
    if attribute in node.attributes:
        return node.integers(attribute)
    value = inputs[index] if index < len(inputs) else None
    if value is None:
        return None
    if value.ndim > 1 or value.size > 1024 or value.dtype.kind not in "iu":  # noqa: PLR2004 - an axis or a shape, not data
        raise NodeError(f"its operand {index} holds no list of whole numbers")
    return tuple(int(v) for v in value.reshape(-1))


def axis_of(axis: int, rank: int) -> int:
    """Return an axis counted from 0. Raises NodeError for one that is not there."""
    if not -rank <= axis < rank:
        raise NodeError(f"it has no axis {axis}: the tensor has {rank}")
    return axis % rank


def axes_of(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Return axes counted from 0, each once. Raises NodeError."""
    found = tuple(axis_of(axis, rank) for axis in axes)
    if len(set(found)) < len(found):
        raise NodeError(f"its axes {tuple(axes)} name one twice")
    return found


def slices(call_node: Node, inputs: Sequence[Array | None], shape: Sequence[int]) -> list[slice] | None:
    """Return how Slice cuts every axis, or None where its operands have no values."""
    starts = whole_numbers(call_node, inputs, 1, "starts")
    ends = whole_numbers(call_node, inputs, 2, "ends")
    if starts is None or ends is None:
        return None
    axes = whole_numbers(call_node, inputs, 3, "axes")
    if axes is None and len(inputs) > 3 and inputs[3] is None and len(call_node.inputs) > 3 and call_node.inputs[3]:  # noqa: PLR2004 - axes
        return None
    steps = whole_numbers(call_node, inputs, 4, "steps") or (1,) * len(starts)
    axes = axes_of(axes or range(len(starts)), len(shape))
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise NodeError("its starts, ends, axes and steps do not belong together")
    cuts = [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        cuts[axis] = _cut(start, end, step, shape[axis])
    return cuts


def _cut(start: int, end: int, step: int, extent: int) -> slice:
    """Return a slice with bounds clamped as ONNX says; a negative step may run off the first element."""
    low, high = (0, extent) if step > 0 else (-1, extent - 1)
    start, end = (min(max(v + extent if v < 0 else v, low), high) for v in (start, end))
    return slice(start, None if end < 0 else end, step)


def reshaped(target: Sequence[int], shape: Sequence[int], *, zeros: bool = False) -> tuple[int, ...]:
    """Return the shape that Reshape makes: 0 keeps a dimension (unless `zeros`), -1 is what is left. Raises NodeError."""
    if len(target) > MAX_RANK or (not zeros and any(v == 0 and i >= len(shape) for i, v in enumerate(target))):
        raise NodeError(f"it cannot make {list(target)[:10]} of {tuple(shape)}")
    dims = [shape[i] if v == 0 and not zeros else int(v) for i, v in enumerate(target)]
    rest, total = math.prod(d for d in dims if d != -1), math.prod(shape)
    if dims.count(-1) > 1 or min(dims, default=0) < -1:
        raise NodeError(f"it cannot make {dims} of {tuple(shape)}")
    if -1 in dims:
        dims[dims.index(-1)] = total // rest if rest else 0
    if math.prod(dims) != total:
        raise NodeError(f"it cannot make {dims} of {tuple(shape)}: the number of elements differs")
    return tuple(dims)


def parts(node: Node, inputs: Sequence[Array | None], extent: int) -> list[int] | None:
    """Return the lengths into which Split cuts an axis, or None where they are not known. Raises NodeError."""
    given = whole_numbers(node, inputs, 1, "split")
    count = len(node.outputs)
    if given is None:
        if len(inputs) > 1 and len(node.inputs) > 1 and node.inputs[1]:
            return None
        size = -(-extent // count)
        given = tuple(max(0, min(size, extent - size * index)) for index in range(count))
    if len(given) != count or sum(given) != extent or min(given, default=0) < 0:
        raise NodeError(f"it cannot split {extent} into {list(given)[:10]}")
    return list(given)


def _reshape(call: _Call) -> Array | None:
    target = call.operand(1, "shape")
    zeros = bool(call.node.integer("allowzero", 0))
    return None if target is None else call.data.reshape(reshaped(target, call.data.shape, zeros=zeros))


def _flatten(call: _Call) -> Array:
    rank = call.data.ndim
    axis = call.node.integer("axis", 1)
    axis = axis if axis == rank else axis_of(axis, max(rank, 1))
    return call.data.reshape(math.prod(call.data.shape[:axis]), -1) if call.data.size else call.data


def _squeeze(call: _Call) -> Array | None:
    axes = call.operand(1, "axes")
    if axes is None and len([name for name in call.node.inputs if name]) > 1:
        return None
    return np.squeeze(call.data, None if axes is None else axes_of(axes, call.data.ndim))


def _unsqueeze(call: _Call) -> Array | None:
    axes = call.operand(1, "axes")
    return None if axes is None else np.expand_dims(call.data, axes_of(axes, call.data.ndim + len(axes)))


def _transpose(call: _Call) -> Array:
    order = call.node.integers("perm") or tuple(range(call.data.ndim))[::-1]
    return np.transpose(call.data, axes_of(order, call.data.ndim))


def _gather(call: _Call) -> Array | None:
    if (index := call.inputs[1]) is None:
        return None
    axis = axis_of(call.node.integer("axis", 0), max(call.data.ndim, 1))
    shape = (*call.data.shape[:axis], *index.shape, *call.data.shape[axis + 1 :])
    return None if call.bounded(shape) is None else np.take(call.data, index.astype(np.int64), axis)


def _slice(call: _Call) -> Array | None:
    cuts = slices(call.node, call.inputs, call.data.shape)
    return None if cuts is None else call.data[tuple(cuts)]


def _split(call: _Call) -> list[Array] | None:
    axis = axis_of(call.node.integer("axis", 0), call.data.ndim)
    lengths = parts(call.node, call.inputs, call.data.shape[axis])
    return None if lengths is None else list(np.split(call.data, np.cumsum(lengths)[:-1], axis))


def _concat(call: _Call) -> Array | None:
    known = call.known()
    if known is None or sum(value.size for value in known) > call.limit:
        return None
    return np.concatenate(known, axis_of(call.node.integer("axis", 0), known[0].ndim))


def _expand(call: _Call) -> Array | None:
    target = call.operand(1, "shape")
    if target is None or call.bounded(target) is None:
        return None
    shape = np.broadcast_shapes(call.data.shape, target)
    return None if call.bounded(shape) is None else np.broadcast_to(call.data, shape)


def _tile(call: _Call) -> Array | None:
    repeats = call.operand(1, "repeats")
    if repeats is None or len(repeats) != call.data.ndim or min(repeats, default=0) < 0:
        return None
    fits = call.bounded([dim * times for dim, times in zip(call.data.shape, repeats, strict=True)])
    return None if fits is None else np.tile(call.data, repeats)


def _range(call: _Call) -> Array | None:
    known = call.known()
    if known is None or len(known) != 3 or any(value.size != 1 for value in known):  # noqa: PLR2004 - start, end, step
        return None
    start, end, step = (value.reshape(-1)[0] for value in known)
    if not step or not abs((float(end) - float(start)) / float(step)) <= call.limit:
        return None
    return np.arange(start, end, step)


def _constant_of_shape(call: _Call) -> Array | None:
    shape = call.operand(0, "")
    if shape is None or (dims := call.bounded(shape)) is None:
        return None
    fill = call.node.tensor("value")
    value = np.zeros(1, np.float32) if fill is None else fill.value
    return None if value is None or value.size != 1 else np.full(dims, value.reshape(-1)[0])


def _cast(call: _Call) -> Array | None:
    dtype = _TYPES.get(call.node.integer("to", 0))
    return None if dtype is None else call.data.astype(dtype)


def _where(call: _Call) -> Array | None:
    known = call.known()
    if known is None or call.bounded(np.broadcast_shapes(*(value.shape for value in known))) is None:
        return None
    return np.where(*known)


def _reduced(function: Callable[..., Any]) -> Callable[[_Call], Array | None]:
    def reduce(call: _Call) -> Array | None:
        axes = call.operand(1, "axes")
        chosen = None if axes is None else axes_of(axes, call.data.ndim)
        return np.asarray(function(call.data, axis=chosen, keepdims=bool(call.node.integer("keepdims", 1))))

    return reduce


def _binary(function: Callable[..., Any]) -> Callable[[_Call], Array | None]:
    def apply(call: _Call) -> Array | None:
        known = call.known()
        if known is None or call.bounded(np.broadcast_shapes(*(value.shape for value in known))) is None:
            return None
        result = known[0]
        for value in known[1:]:
            result = function(result, value)
        return np.asarray(result)

    return apply


def _unary(function: Callable[..., Any]) -> Callable[[_Call], Array | None]:
    return lambda call: np.asarray(function(call.data))


def _divide(a: Array, b: Array) -> Array:
    return np.asarray(np.trunc(a / b).astype(a.dtype) if a.dtype.kind in "iu" and np.all(b) else np.divide(a, b))


MOVES: Final[Mapping[str, Callable[[_Call], Any]]] = {
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Gather": _gather,
    "Slice": _slice,
    "Split": _split,
    "Expand": _expand,
    "Identity": _unary(np.asarray),
    "Dropout": _unary(np.asarray),
}
"""What moves or repeats elements and changes none."""

_FUNCTIONS: Final[Mapping[str, Callable[[_Call], Any]]] = {
    **MOVES,
    "Concat": _concat,
    "Tile": _tile,
    "Range": _range,
    "ConstantOfShape": _constant_of_shape,
    "Cast": _cast,
    "Where": _where,
    "ReduceProd": _reduced(np.prod),
    "ReduceSum": _reduced(np.sum),
    "ReduceMax": _reduced(np.max),
    "ReduceMin": _reduced(np.min),
    "Add": _binary(np.add),
    "Sub": _binary(np.subtract),
    "Mul": _binary(np.multiply),
    "Div": _binary(_divide),
    "Mod": _binary(np.mod),
    "Min": _binary(np.minimum),
    "Max": _binary(np.maximum),
    "Pow": _binary(np.power),
    "Equal": _binary(np.equal),
    "Less": _binary(np.less),
    "LessOrEqual": _binary(np.less_equal),
    "Greater": _binary(np.greater),
    "GreaterOrEqual": _binary(np.greater_equal),
    "And": _binary(np.logical_and),
    "Or": _binary(np.logical_or),
    "Not": _unary(np.logical_not),
    "Neg": _unary(np.negative),
    "Abs": _unary(np.abs),
    "Floor": _unary(np.floor),
    "Ceil": _unary(np.ceil),
    "Sqrt": _unary(np.sqrt),
}
