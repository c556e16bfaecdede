"""Nodes as lines of a workload: a function for each family of operators, each writing what one sample costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from .batch import Sample
from .model import Node, NodeError
from .shapes import REDUCTIONS, Shape, Window, kernel_of, order_of, transposed_window, window
from .values import axis_of
from .writer import Line, Writer

MATRIX: Final = 2
IMAGE: Final = 3
ACTIVATIONS: Final[Mapping[str, str]] = {
    "Relu": "relu",
    "LeakyRelu": "leaky_relu",
    "Gelu": "gelu",
    "Swish": "silu",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "HardSwish": "hardswish",
    "HardSigmoid": "hardsigmoid",
}
SOFTMAX_ONE_AXIS: Final = 13
"""Opset since which softmax takes one axis; before, it took that axis and all after it."""

Function = Callable[[Writer, Node], None]
LINES: Final[dict[str, Function]] = {}
"""Operator -> what writes its line; all others are functions of elements."""


def _line(*kinds: str) -> Callable[[Function], Function]:
    def register(function: Function) -> Function:
        LINES.update(dict.fromkeys(kinds, function))
        return function

    return register


# Products.


@_line("MatMul")
def _matmul(w: Writer, node: Node) -> None:
    left, right = node.inputs[:2]
    a, b = w.sample(left), w.sample(right)
    if not w.program.data(right) and len(b.whole.shape) == MATRIX:
        w.sample(left).at(len(a.whole.shape) - 1)
        linear(w, node.outputs[0], left, right, None)
    elif not w.program.data(right) or not w.program.data(left):
        _stored_product(w, node, left, right)
    elif a.shape[:-2] == b.shape[:-2] and min(len(a.shape), len(b.shape)) >= MATRIX and node not in w.masked:
        w.make("matmul", node, [w.source(left), w.source(right)])
    else:
        w.make("product", node, [w.source(left), w.source(right)], masked=True if node in w.masked else None)


def _stored_product(w: Writer, node: Node, left: str, right: str) -> None:
    free, stored = (left, right) if w.program.data(left) else (right, left)
    shape, count = w.sample(stored).whole.shape, w.claim(stored)
    side = {"left" if stored == left else "right": list(shape)}
    if len(shape) < MATRIX:
        raise NodeError(f"it multiplies with a stored vector {shape}; only matrices are imported")
    w.make("product", node, [w.source(free)], **side, parameters=count if count != math.prod(shape) else None)


def linear(w: Writer, result: str, source: str, weights: str, bias: str | None, *, turned: bool = False) -> None:
    """Write a linear layer; with weights that an embedding stores, tied to it; with those of another layer, as a product."""
    shape = w.sample(weights).whole.shape
    channels, columns = shape[::-1] if turned else shape
    out = w.sample(result).shape
    name = w.view(w.source(source), (*out[:-1], channels), f"{result}_rows")
    tied = next((w.claimed[root] for root in w.sample(weights).whole.roots if root in w.claimed), None)
    count = w.claim(weights)
    shift = 0 if bias is None else w.claim(bias)
    biased = bias is not None and shift == columns
    table = next((line["name"] for line in w.lines if line["op"] == "embedding" and w.labels[line["name"]] == tied), None)
    fields = {"out_features": columns, "bias": None if biased else False}
    if count == channels * columns:
        made = w.line("linear", result, [name], out, **fields)
    elif count == 0 and table is not None:
        made = w.line("linear", result, [name], out, **fields, tied_to=table)
    else:
        rows = name if len(out) > 1 else w.view(name, (1, channels), f"{result}_row")
        made = w.line("product", result, [rows], (*w.shapes[rows][:-1], columns), right=[channels, columns],
                      parameters=count + (shift if biased else 0))  # fmt: skip
        made = w.view(made, out, f"{result}_vector")
    if bias is not None and not biased:
        read = w.read(bias)
        made = w.line("pointwise", f"{result}_shift", [made], out, function="add", weights=read or None,
                      parameters=shift if shift != read else None)  # fmt: skip
    w.names[result] = made


@_line("Gemm")
def _gemm(w: Writer, node: Node) -> None:
    left, right = node.inputs[:2]
    third = node.inputs[2] if len(node.inputs) > 2 and node.inputs[2] else None  # noqa: PLR2004 - the sum's third operand
    turned = bool(node.integer("transB", 0))
    if node.integer("transA", 0) or not w.program.data(left) or w.program.data(right):
        raise NodeError("a product with stored weights as its second operand is imported, and none that turns its first")
    stored = third is not None and not w.program.data(third)
    product = f"{node.outputs[0]}_product"
    w.sample(left).at(1)
    linear(w, node.outputs[0], left, right, third if stored else None, turned=turned)
    if third is not None and not stored:
        made = w.names[node.outputs[0]]
        w.names[node.outputs[0]] = w.line("pointwise", product, [made, w.source(third)], w.shapes[made], function="add")


# Windows.


def _plain(win: Window) -> bool:
    return len(win.kernel) == MATRIX and win.before == win.after and max(win.dilation) == 1


def _square(values: Shape) -> int | list[int]:
    return values[0] if len(set(values)) == 1 else list(values)


def _square_fields(win: Window) -> Line:
    stride, padding = _square(win.stride), _square(win.before)
    return {
        "kernel": _square(win.kernel),
        **({"stride": stride} if stride != 1 else {}),
        **({"padding": padding} if padding else {}),
    }


def _window_fields(win: Window) -> Line:
    given = {"stride": (win.stride, 1), "dilation": (win.dilation, 1), "before": (win.before, 0), "after": (win.after, 0)}
    return {"kernel": list(win.kernel)} | {
        key: list(values) for key, (values, plain) in given.items() if any(value != plain for value in values)
    }


def _channels_first(sample: Sample) -> None:
    if sample.at(1) != 0:
        raise NodeError("its channels are not the first axis of a sample, since its first axis holds more than the batch")


@_line("Conv")
def _conv(w: Writer, node: Node) -> None:
    x, weights = w.sample(node.inputs[0]), w.sample(node.inputs[1]).whole.shape
    if w.program.data(node.inputs[1]):
        raise NodeError("its weights depend on the samples; convolutions with stored weights are imported")
    _channels_first(x)
    win = window(node, x.whole.shape[2:], weights[2:])
    stored = [name for name in node.inputs[1:] if name]
    count, groups = w.claim(*stored), node.integer("group", 1)
    full = math.prod(weights) + (weights[0] if len(stored) > 1 else 0)
    fields = {"out_channels": weights[0], "groups": groups if groups != 1 else None, "bias": None if len(stored) > 1 else False}
    if _plain(win) and count == full:
        w.make("conv2d", node, [w.source(node.inputs[0])], **fields, **_square_fields(win))
    else:
        w.make("convolution", node, [w.source(node.inputs[0])], **fields, **_window_fields(win),
               parameters=count if count != full else None)  # fmt: skip


@_line("ConvTranspose")
def _conv_transpose(w: Writer, node: Node) -> None:
    x, weights = w.sample(node.inputs[0]), w.sample(node.inputs[1]).whole.shape
    if w.program.data(node.inputs[1]):
        raise NodeError("its weights depend on the samples; convolutions with stored weights are imported")
    _channels_first(x)
    win, extra = transposed_window(node, x.whole.shape[2:], weights[2:])
    stored = [name for name in node.inputs[1:] if name]
    groups, count = node.integer("group", 1), w.claim(*stored)
    out = weights[1] * groups
    full = math.prod(weights) + (out if len(stored) > 1 else 0)
    w.make("convolution", node, [w.source(node.inputs[0])], out_channels=out, groups=groups if groups != 1 else None,
           bias=None if len(stored) > 1 else False, transposed=True, extra=list(extra) if any(extra) else None,
           **_window_fields(win), parameters=count if count != full else None)  # fmt: skip


@_line("MaxPool", "AveragePool", "LpPool")
def _pool(w: Writer, node: Node) -> None:
    x = w.sample(node.inputs[0])
    _channels_first(x)
    spatial = x.whole.shape[2:]
    win = window(node, spatial, kernel_of(node, spatial))
    if _plain(win):
        w.make("pool", node, [w.source(node.inputs[0])], **_square_fields(win))
    else:
        w.make("pooling", node, [w.source(node.inputs[0])], **_window_fields(win))


@_line("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def _global_pool(w: Writer, node: Node) -> None:
    x = w.sample(node.inputs[0])
    _channels_first(x)
    _averaged(w, node, tuple(range(1, len(x.shape))))


def _averaged(w: Writer, node: Node, axes: Shape) -> None:
    """Write an average over axes of a sample; over height and width it is a global pooling."""
    x, out = w.sample(node.inputs[0]), w.sample(node.outputs[0]).shape
    source = w.source(node.inputs[0])
    function = node.kind.removeprefix("Reduce").removeprefix("Global").removesuffix("Pool").lower()
    if axes == (1, 2) and len(x.shape) == IMAGE and function in ("average", "mean", "max"):
        pooled = w.line("global_pool", node.outputs[0], [source], x.shape[:1])
        w.view_as(node.outputs[0], pooled)
    elif not axes:
        w.view_as(node.outputs[0], source)
    else:
        kept = len(out) == len(x.shape)
        w.make("reduce", node, [source], function=function, axes=list(axes), keep_axes=True if kept else None)


@_line(*REDUCTIONS, "ArgMax", "ArgMin")
def _reduce(w: Writer, node: Node) -> None:
    x, out = w.sample(node.inputs[0]), w.sample(node.outputs[0])
    rank = len(x.whole.shape)
    if node.kind.startswith("Arg"):
        axes: Sequence[int] = (axis_of(node.integer("axis", 0), rank),)
    elif "axes" in node.attributes:
        axes = node.integers("axes")
    else:
        value = w.sample(node.inputs[1]).whole.value if len(node.inputs) > 1 and node.inputs[1] else None
        axes = () if value is None else value.reshape(-1).tolist()
        if not axes:
            axes = () if node.integer("noop_with_empty_axes", 0) else tuple(range(rank))
    if x.axis is not None and out.axis is None:
        raise NodeError("it reduces the axis that holds the batch, so that samples would mix")
    _averaged(w, node, tuple(sorted(x.at(axis_of(axis, rank)) for axis in axes)))


# Norms.


def layer_norm_line(w: Writer, result: str, source: str, stored: Sequence[str]) -> None:
    """Write a norm over the last axis with the stored scale and shift that it has."""
    shape, count = w.sample(result).shape, w.claim(*stored)
    name = w.view(w.source(source), shape, result)
    if stored and count == len(stored) * shape[-1]:
        w.make_as("layer_norm", result, [name], scale_only=True if len(stored) == 1 else None)
    else:
        read = w.read(*stored)
        w.make_as(
            "normalize",
            result,
            [name],
            function="layer_norm",
            weights=read or None,
            parameters=count if count != read else None,
        )


@_line("BatchNormalization")
def _batch_norm(w: Writer, node: Node) -> None:
    x = w.sample(node.inputs[0])
    if len(node.inputs) < 5:  # noqa: PLR2004 - input, scale, shift, mean, variance
        raise NodeError("it lacks its scale, shift, mean or variance")
    _channels_first(x)
    count = w.claim(*node.inputs[1:3])
    w.claim(*node.inputs[3:5])
    source, channels = w.source(node.inputs[0]), x.shape[0]
    if count == 2 * channels:
        w.make("batch_norm", node, [source])
    else:
        w.make(
            "normalize",
            node,
            [source],
            function="batch_norm",
            weights=channels,
            parameters=count if count != channels else None,
        )


@_line("LayerNormalization", "RMSNormalization")
def _layer_norm(w: Writer, node: Node) -> None:
    x = w.sample(node.inputs[0])
    rank = len(x.whole.shape)
    axis = axis_of(node.integer("axis", -1), rank)
    stored = [name for name in node.inputs[1:] if name]
    for one in range(axis, rank):
        x.at(one)
    if axis == rank - 1:
        layer_norm_line(w, node.outputs[0], node.inputs[0], stored)
    else:
        w.make("normalize", node, [w.source(node.inputs[0])], function="layer_norm", **w.stored(stored))


@_line("Softmax", "LogSoftmax", "Hardmax")
def _softmax(w: Writer, node: Node) -> None:
    x = w.sample(node.inputs[0])
    rank, old = len(x.whole.shape), w.program.graph.opset < SOFTMAX_ONE_AXIS
    axis = axis_of(node.integer("axis", 1 if old else -1), rank)
    for one in range(axis, rank) if old else (axis,):
        if x.whole.shape[one] > 1:
            x.at(one)
    if axis == rank - 1 and node.kind != "Hardmax":
        w.make("softmax", node, [w.source(node.inputs[0])])
    else:
        w.make("normalize", node, [w.source(node.inputs[0])], function=node.kind.lower())


@_line("InstanceNormalization", "GroupNormalization", "LRN", "LpNormalization", "MeanVarianceNormalization")
def _normalize(w: Writer, node: Node) -> None:
    stored = [name for name in node.inputs[1:] if name]
    function = {"InstanceNormalization": "instance_norm", "GroupNormalization": "group_norm"}.get(node.kind, node.kind.lower())
    if node.kind in ("InstanceNormalization", "GroupNormalization", "LRN"):
        _channels_first(w.sample(node.inputs[0]))
    w.make("normalize", node, [w.source(node.inputs[0])], function=function, **w.stored(stored))


# Elements.


def _aligned(w: Writer, name: str, result: Sample, hint: str) -> str:
    """Return the line of an operand, its axes against those of the result counted from the last, without the batch."""
    sample = w.sample(name)
    line = w.source(name)
    if result.axis is None or not result.dropped or sample.axis is not None:
        return line
    place = len(result.whole.shape) - result.axis
    if len(sample.whole.shape) < place:
        return line
    shape = (*sample.shape[: len(sample.shape) - place], *sample.shape[len(sample.shape) - place + 1 :])
    return w.view(line, shape, f"{hint}_aligned") if shape else line


def pointwise(w: Writer, node: Node) -> None:
    """Write a function of elements: what has no line of its own."""
    result = w.sample(node.outputs[0])
    names = list(dict.fromkeys(_aligned(w, name, result, node.outputs[0]) for name in w.program.inputs(node)))
    stored = w.stored(w.program.constants(node))
    shapes = [w.shapes[name] for name in names]
    function = node.kind.rpartition("::")[2].lower() or "unnamed"
    if len(names) == MATRIX and node.kind in ("Add", "Sum", "Mul") and not stored and set(shapes) == {result.shape}:
        w.make("elementwise", node, names, function="mul" if node.kind == "Mul" else "add")
        return
    widest = max(shapes, key=lambda shape: (len(shape), math.prod(shape)))
    w.make("pointwise", node, names, function=function, to=None if widest == result.shape else list(result.shape), **stored)


@_line(*ACTIVATIONS)
def _activation(w: Writer, node: Node) -> None:
    w.make("activation", node, [w.source(node.inputs[0])], function=ACTIVATIONS[node.kind])


@_line("Clip")
def _clip(w: Writer, node: Node) -> None:
    bounds = [node.attributes.get(name) for name in ("min", "max")]
    for index, name in enumerate(node.inputs[1:3]):
        value = w.sample(name).whole.value if name else None
        bounds[index] = None if value is None or value.size != 1 else float(value.reshape(-1)[0])
    if bounds == [0.0, 6.0]:
        w.make("activation", node, [w.source(node.inputs[0])], function="relu6")
    else:
        pointwise(w, node)


# Views and moves.


@_line("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast")
def _view(w: Writer, node: Node) -> None:
    w.view_as(node.outputs[0], w.source(node.inputs[0]))


@_line("Transpose")
def _transpose(w: Writer, node: Node) -> None:
    x = w.sample(node.inputs[0])
    order = list(order_of(node, len(x.whole.shape)))
    if x.dropped:
        order = [x.at(axis) for axis in order if axis != x.axis]
    source = w.source(node.inputs[0])
    if order == sorted(order):
        w.view_as(node.outputs[0], source)
    else:
        w.make("permute", node, [source], order=order)


@_line("Concat")
def _concat(w: Writer, node: Node) -> None:
    result = w.sample(node.outputs[0])
    axis = result.at(axis_of(node.integer("axis", 1), len(result.whole.shape)))
    names = [w.source(name) for name in node.inputs if name and w.program.data(name)]
    constants = w.program.constants(node)
    shapes = [w.shapes[name] for name in names]
    if len(names) == 1 and not constants:
        w.view_as(node.outputs[0], names[0])
    elif not constants:
        w.make("concat" if axis == 0 else "join", node, names, axis=axis or None)
    else:
        rows, count = result.shape[axis] - sum(shape[axis] for shape in shapes), w.claim(*constants)
        elements = rows * math.prod(result.shape) // result.shape[axis]
        if len(names) == 1 and axis == 0 and count == elements:
            w.make("prepend", node, names, rows=rows if rows != 1 else None)
        else:
            w.make("copy", node, names, function="concat", to=list(result.shape), weights=elements,
                   parameters=count if count != elements else None)  # fmt: skip


@_line("Split")
def _split(w: Writer, node: Node) -> None:
    x = w.sample(node.inputs[0])
    axis = axis_of(node.integer("axis", 0), len(x.whole.shape))
    for name in node.outputs:
        if name and (w.program.readers.get(name) or name in w.program.outputs):
            _cut(w, name, w.source(node.inputs[0]), x, {axis: w.sample(name).whole.shape[axis]})


@_line("Slice")
def _slice(w: Writer, node: Node) -> None:
    x, out = w.sample(node.inputs[0]), w.sample(node.outputs[0]).whole.shape
    cuts = {axis: after for axis, (before, after) in enumerate(zip(x.whole.shape, out, strict=True)) if before != after}
    _cut(w, node.outputs[0], w.source(node.inputs[0]), x, cuts)


def _cut(w: Writer, result: str, source: str, x: Sample, cuts: Mapping[int, int], *, drop: bool = False) -> None:
    shape = list(x.shape)
    for axis, keep in cuts.items():
        place = x.at(axis)
        shape[place : place + 1] = [] if drop else [keep]
        source = w.line("section", result, [source], tuple(shape), axis=place, keep=keep if keep != 1 else None,
                        drop_axis=True if drop else None)  # fmt: skip
    w.view_as(result, source)


@_line("Gather")
def _gather(w: Writer, node: Node) -> None:
    table, index = node.inputs[:2]
    x, places = w.sample(table), w.sample(index)
    axis = axis_of(node.integer("axis", 0), len(x.whole.shape))
    if not w.program.data(table):
        _look_up(w, node, table, index, axis)
    elif w.program.data(index):
        x.at(axis)
        w.make("copy", node, [w.source(table), w.source(index)], function="gather", to=list(w.sample(node.outputs[0]).shape))
    elif not places.whole.shape:
        _cut(w, node.outputs[0], w.source(table), x, {axis: 1}, drop=True)
    elif len(places.whole.shape) == 1 and places.whole.elements <= x.whole.shape[axis]:
        _cut(w, node.outputs[0], w.source(table), x, {axis: places.whole.elements})
    else:
        x.at(axis)
        w.make("copy", node, [w.source(table)], function="gather", to=list(w.sample(node.outputs[0]).shape))


def _look_up(w: Writer, node: Node, table: str, index: str, axis: int) -> None:
    shape, result = w.sample(table).whole.shape, w.sample(node.outputs[0]).shape
    count = w.claim(table)
    if axis == 0 and len(shape) == MATRIX and count == math.prod(shape) and w.sample(index).shape:
        w.make("embedding", node, [w.source(index)], rows=shape[0], width=shape[1])
        return
    w.make("copy", node, [w.source(index)], function="gather", to=list(result), parameters=count,
           weights=min(math.prod(result), math.prod(shape)))  # fmt: skip


@_line("GatherElements", "GatherND", "ScatterElements", "ScatterND", "Scatter")
def _scattered(w: Writer, node: Node) -> None:
    constants = w.program.constants(node)
    stored = w.stored(constants)
    shape = w.sample(node.outputs[0]).shape
    stored["weights"] = min(stored.get("weights", 0), math.prod(shape))
    function = "gather" if "Gather" in node.kind else "scatter"
    names = [w.source(name) for name in w.program.inputs(node)]
    w.make("copy", node, names, function=function, to=list(shape), **{"parameters": 0, **stored})  # fmt: skip


@_line("Expand", "Tile", "Pad", "Resize", "Upsample", "DepthToSpace", "SpaceToDepth")
def _copy(w: Writer, node: Node) -> None:
    x, out = w.sample(node.inputs[0]), w.sample(node.outputs[0])
    if not w.program.data(node.inputs[0]):
        raise NodeError("it spreads a stored tensor by what the samples hold; only its own first operand may depend on them")
    source = w.source(node.inputs[0])
    function = {"DepthToSpace": "rearrange", "SpaceToDepth": "rearrange", "Upsample": "resize"}.get(
        node.kind, node.kind.lower()
    )
    factor = out.shape[1] // x.shape[1] if len(x.shape) == IMAGE == len(out.shape) else 0
    if x.shape == out.shape and function != "rearrange":
        w.view_as(node.outputs[0], source)
    elif function == "resize" and factor > 1 and out.shape == (x.shape[0], x.shape[1] * factor, x.shape[2] * factor):
        w.make("upsample", node, [source], factor=factor if factor != MATRIX else None)
    else:
        shrinks = any(after < before for before, after in zip(x.shape, out.shape, strict=False))
        name = "crop" if function == "pad" and shrinks else function
        w.make("copy", node, [source], function=name, to=list(out.shape))


@_line("TopK")
def _top(w: Writer, node: Node) -> None:
    x = w.sample(node.inputs[0])
    x.at(axis_of(node.integer("axis", -1), len(x.whole.shape)))
    for name in node.outputs:
        if name:
            w.make_as("copy", name, [w.source(node.inputs[0])], function="top_k", to=list(w.sample(name).shape))
