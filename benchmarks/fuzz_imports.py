"""Imports broken ONNX files, and reports what comes of them: a workload, or errors that name a place; nothing else may happen.

    .venv/bin/python benchmarks/fuzz_imports.py --count 5000 --seed 0

Each file is one of the networks of the onnx package, or of the exported ones in tests/data/onnx, with its bytes changed, cut
or repeated, or with its graph changed: nodes dropped, doubled, turned around or put in circles, dimensions and attributes
that make no sense, names that occur twice or nowhere, initializers gone, graphs inside graphs.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, helper

from advisor.importers.onnx.importer import Wanted, import_onnx
from advisor.inputs import RequestError
from advisor.report.spec import checked_text
from engine.errors import RoofwiseError

SHORT = 200
HUGE = (0, -1, 1, 2, 3, 7, 2**31 - 1, 2**31, 2**62, -(2**63), 10**9, 10**12, 10**12 + 1)


def seeds(root: Path) -> list[bytes]:
    """Return the files to break, the small ones of a few hundred kB."""
    light = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    return [path.read_bytes() for path in (*sorted(light.glob("*.onnx")), *sorted((root / "tests/data/onnx").glob("*.onnx")))]


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
    _nested, _grow,
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


def broken(files: list[bytes], number: int, seed: int) -> bytes:
    """Return the broken file of a number; the same for the same seed."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - a file must be the same again
    data = chance.choice(files)
    return (broken_bytes if number % 2 else broken_model)(data, chance)


def outcome(path: Path) -> str:
    """Return what comes of a file: `imported`, or `refused` by an error of ours. Anything else is raised."""
    try:
        found = import_onnx(path, Wanted(date="2026-01-01"))
        checked_text(found.workload, "fuzzed.json")
    except RoofwiseError as error:
        if not isinstance(error, RequestError) or not str(error).strip():
            raise
        return "refused"
    return "imported"


def main() -> int:
    """Break files, import them, and print how many were imported, refused, or did what they must not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    files = seeds(Path(__file__).parents[1])
    counts: Counter[str] = Counter()
    slowest = (0.0, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "broken.onnx"
        for number in range(arguments.count):
            path.write_bytes(broken(files, number, arguments.seed))
            begun = time.perf_counter()
            try:
                counts[outcome(path)] += 1
            except Exception as error:  # noqa: BLE001 - this is what is looked for
                counts["failed"] += 1
                print(f"file {number}: {type(error).__name__}: {str(error)[:200]}")
            slowest = max(slowest, (time.perf_counter() - begun, number))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{arguments.count} files of {len(files)}: {dict(counts)}")
    print(f"slowest {slowest[0]:.2f} s (file {slowest[1]}), memory at most {memory:.0f} MB")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
