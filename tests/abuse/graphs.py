"""Broken ONNX files: bytes changed, cut or repeated, or a graph that makes no sense but is still protobuf.

Nodes dropped, doubled, turned around or put in circles, dimensions and attributes that make no sense, names that occur twice or
nowhere, initializers gone, graphs inside graphs, values that claim to stand in other files.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import onnx
from onnx import ModelProto, helper

ROOT: Final = Path(__file__).parents[2]
SHORT: Final = 200
LARGEST: Final = 1_000_000
HUGE: Final = (0, -1, 1, 2, 3, 7, 2**31 - 1, 2**31, 2**62, -(2**63), 10**9, 10**12, 10**12 + 1)


@cache
def models() -> tuple[bytes, ...]:
    """Return the files to break, the small ones of the onnx package and of the exported networks of the tests."""
    light = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    files = (*sorted(light.glob("*.onnx")), *sorted((ROOT / "tests" / "data" / "onnx").glob("*.onnx")))
    return tuple(data for data in (path.read_bytes() for path in files) if len(data) <= LARGEST)


def broken_bytes(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with some changed, cut out, repeated, or missing at the end."""
    broken = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        place = chance.randrange(max(len(broken), 1))
        match chance.randrange(5):
            case 0:
                broken[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del broken[place : place + chance.choice((1, 4, 100))]
            case 2:
                broken[place:place] = bytes(chance.randrange(256) for _ in range(chance.choice((1, 4, 30))))
            case 3:
                broken[place:place] = broken[place : place + chance.choice((10, 1000))]
            case _:
                broken = broken[: chance.randrange(len(broken) + 1)]
    return bytes(broken)


def _drop_nodes(graph: Any, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 3, 20))):
        if graph.node:
            del graph.node[chance.randrange(len(graph.node))]


def _double(graph: Any, chance: random.Random) -> None:
    graph.node.append(chance.choice(graph.node))


def _shuffle(graph: Any, chance: random.Random) -> None:
    nodes = list(graph.node)
    chance.shuffle(nodes)
    del graph.node[:]
    graph.node.extend(nodes)


def _circle(graph: Any, chance: random.Random) -> None:
    first, last = sorted((chance.randrange(len(graph.node)), chance.randrange(len(graph.node))))
    if graph.node[first].input and graph.node[last].output:
        graph.node[first].input[0] = graph.node[last].output[0]


def _rewire(graph: Any, chance: random.Random) -> None:
    names = [name for node in graph.node for name in (*node.input, *node.output)] + [t.name for t in graph.initializer]
    for _ in range(chance.choice((1, 3))):
        node = chance.choice(graph.node)
        if node.input:
            node.input[chance.randrange(len(node.input))] = chance.choice((*names, "", "nowhere"))


def _dims(graph: Any, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 3))):
        if not graph.initializer:
            return
        tensor = chance.choice(graph.initializer)
        match chance.randrange(3):
            case 0 if tensor.dims:
                tensor.dims[chance.randrange(len(tensor.dims))] = chance.choice(HUGE)
            case 1:
                tensor.dims.extend([chance.choice(HUGE)] * chance.choice((1, 12)))
            case _:
                del tensor.dims[:]


def _input_dims(graph: Any, chance: random.Random) -> None:
    value = chance.choice(graph.input)
    if value.type.tensor_type.shape.dim:
        dim = chance.choice(value.type.tensor_type.shape.dim)
        if chance.randrange(2):
            dim.dim_value = chance.choice(HUGE)
        else:
            dim.dim_param = chance.choice(("batch", "n", "", "a b", "x" * 300, "∞", "min"))


def _attributes(graph: Any, chance: random.Random) -> None:
    nodes = [node for node in graph.node if node.attribute]
    for _ in range(chance.choice((1, 3)) if nodes else 0):
        attribute = chance.choice(chance.choice(nodes).attribute)
        match chance.randrange(4):
            case 0:
                attribute.i = chance.choice(HUGE)
            case 1 if attribute.ints:
                attribute.ints[chance.randrange(len(attribute.ints))] = chance.choice(HUGE)
            case 2:
                attribute.type = chance.randrange(15)
            case _:
                attribute.ints.extend([chance.choice(HUGE)] * chance.choice((1, 3, 20)))


def _values(graph: Any, chance: random.Random) -> None:
    """Give the stored numbers of shapes and axes other values."""
    tensors = [t for t in graph.initializer if t.data_type == onnx.TensorProto.INT64 and len(t.raw_data) <= SHORT]
    tensors += [
        a.t
        for node in graph.node
        if node.op_type == "Constant"
        for a in node.attribute
        if a.t.data_type == onnx.TensorProto.INT64
    ]
    for _ in range(chance.choice((1, 3)) if tensors else 0):
        tensor = chance.choice(tensors)
        count = max(1, len(tensor.raw_data) // 8)
        tensor.raw_data = b"".join(chance.choice(HUGE).to_bytes(8, "little", signed=True) for _ in range(count))


def _missing(graph: Any, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 5))):
        if graph.initializer:
            del graph.initializer[chance.randrange(len(graph.initializer))]


def _names(graph: Any, chance: random.Random) -> None:
    a, b = chance.choice(graph.node), chance.choice(graph.node)
    if a.output and b.output:
        a.output[0] = b.output[0]


def _operators(graph: Any, chance: random.Random) -> None:
    kinds = [node.op_type for node in graph.node]
    others = (
        "If",
        "Loop",
        "Scan",
        "LSTM",
        "Einsum",
        "",
        "Range",
        "Expand",
        "Tile",
        "Pad",
        "Resize",
        "ConvTranspose",
        "TopK",
        "Slice",
    )
    for _ in range(chance.choice((1, 3))):
        chance.choice(graph.node).op_type = chance.choice((*kinds, *others))


def _nested(graph: Any, chance: random.Random) -> None:
    inner = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "inner", [], [])
    for _ in range(chance.choice((1, 30, 90))):
        inner = helper.make_graph([helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)][:1], "g", [], [])
        if inner.ByteSize() > 10**6:
            break
    chance.choice(graph.node).attribute.append(helper.make_attribute("body", inner))


PLACES: Final = (
    "../outside",
    "/etc/hostname",
    "..",
    ".",
    "a/b",
    "",
    "a\\0b",
    "x" * 300,
    "link",
    "broken.onnx",
    "/dev/zero",
    "~",
)
"""Where a tensor may say that its values stand; none may be read but what lies in the folder of the model."""


def _elsewhere(graph: Any, chance: random.Random) -> None:
    """Let stored values claim to stand in other files."""
    for _ in range(chance.choice((1, 3)) if graph.initializer else 0):
        tensor = chance.choice(graph.initializer)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, values in (
            ("location", PLACES),
            ("offset", ("0", "-1", "1e9", str(2**70))),
            ("length", ("8", "-8", str(2**40))),
        ):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, chance.choice(values)


def _grow(graph: Any, chance: random.Random) -> None:
    """Chain nodes that each double a constant, or a shape."""
    graph.initializer.append(helper.make_tensor("seed_of_growth", 7, [2], [3, 3]))
    name = "seed_of_growth"
    for index in range(chance.choice((10, 60))):
        kind = chance.choice(("Concat", "Mul", "Tile", "ConstantOfShape"))
        inputs = [name, name] if kind != "ConstantOfShape" else [name]
        attributes = {"axis": 0} if kind == "Concat" else {}
        graph.node.insert(index, helper.make_node(kind, inputs, [f"growth_{index}"], **attributes))
        name = f"growth_{index}"


CHANGES: tuple[Callable[[Any, random.Random], None], ...] = (
    _drop_nodes, _double, _shuffle, _circle, _rewire, _dims, _input_dims, _attributes, _values, _missing, _names, _operators,
    _nested, _grow, _elsewhere,
)  # fmt: skip


def broken_model(data: bytes, chance: random.Random) -> bytes:
    """Return a model with its graph changed; it stays protobuf."""
    model = ModelProto()
    model.ParseFromString(data)
    for change in chance.sample(CHANGES, chance.choice((1, 1, 2, 3))):
        if model.graph.node and model.graph.input:
            try:
                change(model.graph, chance)
            except (ValueError, TypeError, OverflowError):
                continue
    return model.SerializeToString()


def broken(chance: random.Random) -> bytes:
    """Return a broken file."""
    data = chance.choice(models())
    return chance.choice((broken_bytes, broken_model))(data, chance)
