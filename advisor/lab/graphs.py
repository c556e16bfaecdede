"""Small ONNX graphs with random weights, one for each class of kernels, as a runtime gets them; nothing is read from a file.

Each runs kernels of one class several times in a row, so that what a pass costs besides is small beside them, and so that what
depends on it comes from the last cache, as in a network, and not from a core's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Final

import numpy as np

OPSET: Final = 17
IR: Final = 8
MICROSOFT: Final = "com.microsoft"
"""The domain of operators that onnxruntime makes by fusing, such as its GELU."""

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A graph to probe: its bytes, the shapes that it takes, and what one run of it amounts to.

    `amount` is in FLOP, or in the elements that its class is counted by; `traffic` are bytes of operands and results.
    """

    name: str
    what: str
    model: bytes
    inputs: Mapping[str, Shape]
    amount: float
    traffic: float
    kernels: int


@dataclass
class Builder:
    """Collects nodes and stored tensors; every node reads the result of the one before, unless it says otherwise."""

    chance: Any = field(default_factory=lambda: np.random.default_rng(0))
    nodes: list[Any] = field(default_factory=list)
    stored: list[Any] = field(default_factory=list)
    inputs: dict[str, Shape] = field(default_factory=dict)
    last: str = ""

    def take(self, name: str, *shape: int) -> str:
        """Return the name of an input of the graph, which is what the next node reads."""
        self.inputs[name] = shape
        self.last = name
        return name

    def weight(self, *shape: int) -> str:
        """Return the name of a stored tensor of small random numbers, none of them 0."""
        from onnx import numpy_helper  # noqa: PLC0415

        values = (self.chance.random(shape, dtype=np.float32) - np.float32(0.5000001)) / np.float32(
            np.sqrt(max(1, prod(shape[1:])))
        )
        name = f"w{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(values, name))
        return name

    def node(self, kind: str, *names: str, domain: str = "", **attributes: Any) -> str:
        """Return the result of a node of the operands, without any of the node before."""
        from onnx import helper  # noqa: PLC0415

        result = f"r{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(names or (self.last,)), [result], domain=domain, **attributes))
        self.last = result
        return result

    def model(self, outputs: Sequence[str] = ()) -> bytes:
        """Return the bytes of the model; without `outputs` its result is that of the last node."""
        from onnx import TensorProto, helper  # noqa: PLC0415

        given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in self.inputs.items()]
        results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs or (self.last,)]
        graph = helper.make_graph(self.nodes, "probe", given, results, self.stored)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=IR).SerializeToString())


def _graph(name: str, what: str, made: Builder, amount: float, elements: float = 0.0, outputs: Sequence[str] = ()) -> Graph:
    return Graph(
        name=name, what=what, model=made.model(outputs), inputs=made.inputs, amount=amount, traffic=4.0 * elements,
        kernels=len(made.nodes),
    )  # fmt: skip


def gemm(rows: int, width: int, times: int) -> Graph:
    """Return products of rows x width with square weights."""
    made = Builder()
    made.take("x", rows, width)
    for _ in range(times):
        made.node("MatMul", made.last, made.weight(width, width))
    return _graph("gemm", f"{rows} x {width} x {width}", made, 2.0 * rows * width * width * times)


def streamed(rows: int, columns: int, contraction: int) -> Graph:
    """Return one product of few rows with weights that no cache holds."""
    made = Builder()
    made.take("x", rows, contraction)
    made.node("MatMul", made.last, made.weight(contraction, columns))
    elements = float(columns * contraction)
    return _graph("gemm", f"{rows} x {columns} x {contraction}, from memory", made, 2.0 * rows * elements, elements)


def batched(groups: int, rows: int, features: int, times: int) -> Graph:
    """Return the two products of attention, again and again."""
    made = Builder()
    query, keys = made.take("q", groups, rows, features), made.take("k", groups, features, rows)
    values = made.take("v", groups, rows, features)
    made.last = query
    for _ in range(times):
        made.node("MatMul", made.last, keys)
        made.node("MatMul", made.last, values)
    work = 4.0 * groups * rows * rows * features * times
    return _graph("batched", f"{groups} x {rows} x {rows} x {features}", made, work)


def conv(name: str, channels: int, side: int, kernel: int, groups: int, times: int) -> Graph:
    """Return convolutions that keep their shape."""
    made = Builder()
    made.take("x", 1, channels, side, side)
    for _ in range(times):
        weight = made.weight(channels, channels // groups, kernel, kernel)
        made.node("Conv", made.last, weight, pads=[kernel // 2] * 4, group=groups, kernel_shape=[kernel] * 2)
    work = 2.0 * channels * (channels // groups) * kernel**2 * side**2 * times
    what = f"{channels} channels, {side} x {side}, window {kernel}" + (f", {groups} groups" if groups > 1 else "")
    return _graph(name, what, made, work)


def stem(side: int, channels: int, kernel: int, stride: int) -> Graph:
    """Return the first convolution of a network over images, and the mean of its result, which is small beside it."""
    made = Builder()
    made.take("x", 1, 3, side, side)
    weight = made.weight(channels, 3, kernel, kernel)
    made.node("Conv", made.last, weight, pads=[kernel // 2] * 4, strides=[stride] * 2, kernel_shape=[kernel] * 2)
    made.node("GlobalAveragePool")
    out = (side + 2 * (kernel // 2) - kernel) // stride + 1
    work = 2.0 * 3 * channels * kernel**2 * out**2
    return _graph("conv_stem", f"3 to {channels} channels, {side} x {side}, window {kernel} in steps of {stride}", made, work)


def add(elements: int, times: int) -> Graph:
    """Return sums of two tensors; what is counted is what is read and written."""
    made = Builder()
    other = made.take("y", elements)
    made.take("x", elements)
    for _ in range(times):
        made.node("Add", made.last, other)
    moved = 3.0 * elements * times
    return _graph("elementwise", f"sums of {elements:,} elements", made, moved, moved)


def passes(name: str, kind: str, shape: Shape, times: int, *, domain: str = "", stored: int = 0, **attributes: Any) -> Graph:
    """Return an operator on one tensor and on `stored` vectors, which keeps its shape; what is counted is what is written."""
    made = Builder()
    made.take("x", *shape)
    for _ in range(times):
        made.node(kind, made.last, *(made.weight(shape[-1]) for _ in range(stored)), domain=domain, **attributes)
    return _graph(name, f"{kind} of {' x '.join(map(str, shape))}", made, float(prod(shape) * times))


def residual_norm(rows: int, width: int, times: int) -> Graph:
    """Return layer norms of sums with another tensor, each one kernel."""
    made = Builder()
    other = made.take("y", rows, width)
    made.take("x", rows, width)
    for _ in range(times):
        made.node("SkipLayerNormalization", made.last, other, made.weight(width), made.weight(width), domain=MICROSOFT)
    return _graph("residual_norm", f"of {rows} x {width}", made, float(rows * width * times))


def pool(channels: int, side: int, times: int) -> Graph:
    """Return the greatest of 3 x 3 elements at every place; what is counted is what is read in a window."""
    made = Builder()
    made.take("x", 1, channels, side, side)
    for _ in range(times):
        made.node("MaxPool", kernel_shape=[3, 3], pads=[1] * 4)
    return _graph("pool", f"greatest of 3 x 3 of {channels} x {side} x {side}", made, 9.0 * channels * side**2 * times)


def reduce(channels: int, side: int, times: int) -> Graph:
    """Return means over the pixels of several tensors; what is counted is what is read."""
    made = Builder()
    results = [made.node("GlobalAveragePool", made.take(f"x{index}", 1, channels, side, side)) for index in range(times)]
    made.node("Concat", *results, axis=1)
    return _graph("reduce", f"means of {channels} x {side} x {side}", made, float(channels * side**2 * times))


def copy(channels: int, side: int, times: int) -> Graph:
    """Return a tensor and another behind each other, of which the first half is cut off again, several times."""
    from onnx import numpy_helper  # noqa: PLC0415

    made = Builder()
    other = made.take("y", 1, channels, side, side)
    made.take("x", 1, channels, side, side)
    for name, value in (("start", 0), ("end", channels), ("axis", 1)):
        made.stored.append(numpy_helper.from_array(np.array([value]), name))
    for _ in range(times):
        made.node("Concat", made.last, other, axis=1)
        made.node("Slice", made.last, "start", "end", "axis")
    return _graph("copy", f"joined and cut, {channels} x {side} x {side}", made, 3.0 * channels * side**2 * times)


def transpose(tokens: int, heads: int, features: int, times: int) -> Graph:
    """Return heads brought before tokens, of several tensors: two in a row would cancel."""
    made = Builder()
    results = [
        made.node("Transpose", made.take(f"x{index}", 1, tokens, heads, features), perm=[0, 2, 1, 3]) for index in range(times)
    ]
    elements = float(tokens * heads * features * times)
    return _graph("transpose", f"{tokens} x {heads} x {features}", made, elements, outputs=results)


def tiny(times: int) -> Graph:
    """Return kernels with next to nothing to do."""
    made = Builder()
    other = made.take("y", 1)
    made.take("x", 1)
    for _ in range(times):
        made.node("Add", made.last, other)
    return _graph("launch", f"{times} sums of one element", made, float(times))


def classes() -> Iterator[Graph]:
    """Yield the graphs of every class, in sizes that networks have."""
    yield gemm(128, 768, 4)
    yield gemm(1024, 1024, 1)
    yield batched(12, 128, 64, 4)
    yield conv("conv", 64, 56, 3, 1, 3)
    yield conv("conv", 256, 14, 3, 1, 3)
    yield stem(224, 64, 7, 2)
    yield stem(224, 64, 3, 1)
    yield conv("conv1x1", 128, 28, 1, 1, 6)
    yield conv("conv1x1", 512, 14, 1, 1, 4)
    yield conv("grouped", 136, 28, 1, 4, 32)
    yield conv("grouped", 272, 14, 1, 4, 32)
    yield conv("grouped", 544, 7, 1, 4, 32)
    yield conv("depthwise", 128, 28, 3, 128, 8)
    yield conv("depthwise", 512, 14, 3, 512, 8)
    yield add(400_000, 8)
    yield passes("gelu", "BiasGelu", (128, 3072), 4, domain=MICROSOFT, stored=1)
    yield passes("gelu", "FastGelu", (128, 3072), 4, domain=MICROSOFT)
    yield passes("tanh", "Tanh", (128, 3072), 4)
    yield passes("sigmoid", "Sigmoid", (128, 3072), 4)
    yield passes("exp", "Exp", (128, 3072), 4)
    yield passes("softmax", "Softmax", (12, 128, 128), 8, axis=-1)
    yield passes("layer_norm", "LayerNormalization", (128, 768), 8, stored=2, axis=-1)
    yield residual_norm(128, 768, 6)
    yield passes("lrn", "LRN", (1, 64, 56, 56), 2, size=5)
    yield pool(64, 56, 4)
    yield reduce(256, 28, 8)
    yield copy(64, 56, 4)
    yield transpose(512, 12, 64, 4)
