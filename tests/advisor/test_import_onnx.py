"""ONNX graphs become workloads: totals, operators, batches, patterns, and what is said of graphs that cannot be imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, shape_inference

from advisor.cli import main
from advisor.importers.onnx import wire
from advisor.importers.onnx.batch import batching
from advisor.importers.onnx.importer import Imported, Wanted, import_onnx
from advisor.importers.onnx.inference import infer
from advisor.importers.onnx.model import parse
from advisor.inputs import RequestError
from advisor.report.spec import checked_text
from advisor.validation import validate_file
from engine import build, load, predict
from engine.network import Network
from engine.ops.attention import Attention

ROOT = Path(__file__).parents[2]
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
EXPORTED = ROOT / "tests" / "data" / "onnx"

TOTALS = {
    "light_resnet50": ("4.089", "25.56"),
    "light_vgg19": ("19.632", "143.67"),
    "light_densenet121": ("2.834", "8.06"),
    "light_squeezenet": ("0.349", "1.24"),
    "light_shufflenet": ("0.125", "1.39"),
    "light_inception_v1": ("1.432", "7.00"),
    "light_bvlc_alexnet": ("0.655", "60.97"),
    "light_inception_v2": ("2.019", None),
    "light_zfnet512": ("1.482", None),
}
"""GMAC and millions of parameters, without running mean and variance, that onnx's own inference and other counters give."""


@cache
def imported(path: Path) -> Imported:
    return import_onnx(path, Wanted(date="2026-11-25"))


def light(name: str) -> Imported:
    return imported(LIGHT / f"{name}.onnx")


@pytest.mark.parametrize("name", TOTALS)
def test_the_totals_of_the_light_networks_are_those_that_are_known(name: str) -> None:
    work, parameters = TOTALS[name]
    network = light(name).network
    assert f"{network.work / 2e9:.{len(work.partition('.')[2])}f}" == work
    if parameters is not None:
        assert f"{network.parameters / 1e6:.2f}" == parameters


def test_there_are_nine_light_networks() -> None:
    assert {path.stem for path in LIGHT.glob("*.onnx")} == TOTALS.keys()


def at_batch(name: str, batch: int) -> onnx.ModelProto:
    """Return a light network rewritten for a batch: its inputs, and the leading 1 of shapes on the way of the data."""
    model = onnx.load(LIGHT / f"{name}.onnx")
    stored = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        if value.name not in stored:
            value.type.tensor_type.shape.dim[0].dim_value = batch
    shapes = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name in shapes and values.size and values[0] == 1:
            tensor.CopyFrom(numpy_helper.from_array(np.array([batch, *values[1:]]), tensor.name))
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    return model


def counted(model: onnx.ModelProto) -> tuple[float, float, dict[str, tuple[int, ...]]]:
    """Return MACs, activation elements and shapes by the library's own inference, an independent count."""
    found = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    shapes = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim)
              for v in (*found.value_info, *found.input, *found.output)}  # fmt: skip
    shapes |= {tensor.name: tuple(tensor.dims) for tensor in found.initializer}
    macs = 0.0
    for node in found.node:
        if node.op_type == "Conv":
            macs += float(np.prod(shapes[node.output[0]])) * float(np.prod(shapes[node.input[1]][1:]))
        elif node.op_type == "Gemm":
            macs += float(np.prod(shapes[node.output[0]])) * shapes[node.input[0]][1]
    written = sum(float(np.prod(shapes[n.output[0]])) for n in found.node if n.op_type in ("Conv", "Gemm", "Relu", "Concat"))
    return macs, written, shapes


@pytest.mark.parametrize("name", TOTALS)
def test_work_and_traffic_are_affine_in_the_batch_as_the_librarys_inference_says(name: str) -> None:
    network = light(name).network
    graph = parse(wire.read(LIGHT / f"{name}.onnx"), name)
    how = batching(graph)
    base = infer(graph, how, 1, {}, None, frozenset())
    written = {}
    for batch in (1, 3, 64):
        macs, written[batch], shapes = counted(at_batch(name, batch))
        assert macs == batch * network.work / 2
        if batch == 3:
            run = infer(graph, how, batch, {}, base, frozenset())
            ours = {tensor: found.shape for tensor, found in run.tensors.items() if tensor in shapes}
            assert ours == {tensor: shapes[tensor] for tensor in ours}
            assert len(ours) >= len(graph.nodes) - 5
    assert written[3] == 3 * written[1]
    assert written[64] == 64 * written[1]


def products(network: Network) -> Counter[tuple[Any, ...]]:
    """Return every convolution and product by kind, work and sizes: what two descriptions of one network must share."""
    costs = [node.cost for node in network.nodes if node.cost.work]
    return Counter((c.kind, c.work, c.rows, c.columns, c.channels * c.taps, c.groups) for c in costs)


DIFFERENT = {
    "light_resnet50": ("resnet50", []),
    "light_vgg19": ("vgg19", []),
    "light_densenet121": ("densenet121", [("conv", 2048000.0, 1, 1000, 1024, 1), ("gemm", 2048000.0, 1, 1000, 1024, 1)]),
    "light_squeezenet": ("squeezenet1-1", []),
}
"""Light network -> ours, and what only one of them has: DenseNet's classifier is a 1x1 convolution in theirs."""


@pytest.mark.parametrize("name", DIFFERENT)
def test_specs_by_hand_have_the_same_convolutions_and_products(name: str) -> None:
    ours, difference = DIFFERENT[name]
    left, right = products(light(name).network), products(build(load().workloads[ours]))
    assert [*(left - right), *(right - left)] == difference


def test_inception_v1_has_the_channels_of_our_googlenet() -> None:
    """Theirs rounds down where it pools (27, 13 and 6 pixels, not 28, 14 and 7) and has the 5x5 that torchvision made 3x3."""

    def channels(network: Network) -> Counter[tuple[float, float]]:
        return Counter((node.cost.columns, node.cost.channels) for node in network.nodes if node.cost.work)

    assert channels(light("light_inception_v1").network) == channels(build(load().workloads["googlenet"]))


def test_alexnet_has_the_layers_of_ours_in_two_groups_and_other_widths() -> None:
    """Theirs is Krizhevsky's first network, for two GPUs; ours is torchvision's, after his second paper."""
    ours, theirs = (
        [(node.cost.kind, node.cost.groups) for node in network.nodes if node.cost.work]
        for network in (build(load().workloads["alexnet"]), light("light_bvlc_alexnet").network)
    )
    assert [kind for kind, _ in theirs] == [kind for kind, _ in ours] == ["conv"] * 5 + ["gemm"] * 3
    assert [groups for _, groups in theirs] == [1, 2, 1, 2, 2, 1, 1, 1]


def test_the_imported_resnet50_is_estimated_as_the_one_by_hand_but_for_its_softmax() -> None:
    catalog = load()
    entry = next(iter(catalog.workloads.entries.values()))
    mine = light("light_resnet50").workload
    catalog.workloads.entries[mine.id] = type(entry)(model=mine, file="", ours=False)  # type: ignore[index]
    rows = {name: predict(name, ["nvidia-l4"], [1, 64], ["fp16"], catalog=catalog) for name in (mine.id, "resnet50")}
    for theirs, ours in zip(rows[mine.id], rows["resnet50"], strict=True):
        assert theirs["latency_lower_bound_s"] == pytest.approx(ours["latency_lower_bound_s"], rel=1e-9)
        assert theirs["latency_estimate_s"] == pytest.approx(ours["latency_estimate_s"], rel=0.01)
    kernels = {name: Counter(k.cost.kind for k in build(catalog.workloads[name]).kernels) for name in rows}
    assert kernels[mine.id] - kernels["resnet50"] == Counter({"memory": 1})
    assert kernels["resnet50"] - kernels[mine.id] == Counter()


# Exports of PyTorch.

TINY = {path.stem: path for path in sorted(EXPORTED.glob("*.onnx"))}
WIDTH, HEADS, MIDDLE, WORDS, PLACES, LAYERS = 8, 2, 16, 11, 16, 2


def encoder_macs(tokens: int, queries: int) -> int:
    """Return the MACs of a tiny layer: four projections, two products of attention, two layers of the feed-forward network."""
    return queries * 4 * WIDTH * WIDTH + 2 * tokens * tokens * WIDTH + queries * 2 * WIDTH * MIDDLE


def test_the_tiny_exports_are_there() -> None:
    assert {name.split("-")[0] for name in TINY} == {"bert", "gpt2", "vit"}
    assert {name.split("-")[1] for name in TINY} == {"legacy", "opset14", "dynamo"}


@pytest.mark.parametrize("name", [name for name in TINY if name.startswith("bert")])
def test_bert_is_recognised_whatever_wrote_it(name: str) -> None:
    found = imported(TINY[name])
    tokens = next(iter(found.open.values()), 6)
    norm = 2 * WIDTH
    layer = 4 * WIDTH * WIDTH + 4 * WIDTH + 2 * WIDTH * MIDDLE + MIDDLE + WIDTH + 2 * norm
    assert found.network.work / 2 == LAYERS * encoder_macs(tokens, tokens) + WIDTH * WIDTH
    tables = (WORDS + PLACES + 2) * WIDTH
    dropped = 0 if found.open or "dynamo" not in name else (PLACES - 6) * WIDTH + WIDTH  # constants that the exporter folded
    assert found.network.parameters >= tables + norm + LAYERS * layer + WIDTH * WIDTH + WIDTH - dropped
    assert (found.recognised["attention"], found.causal) == (LAYERS, 0)
    kinds = Counter(node.operator.op for node in found.network.nodes)  # type: ignore[attr-defined]
    assert (kinds["attention"], kinds["layer_norm"], kinds["activation"]) == (LAYERS, 2 * LAYERS + 1, LAYERS + 1)
    assert kinds["linear"] == 4 * LAYERS + 1
    assert not {"softmax", "matmul", "product", "permute"} & kinds.keys()


@pytest.mark.parametrize("name", [name for name in TINY if name.startswith("gpt2")])
def test_gpt2_is_recognised_with_its_mask(name: str) -> None:
    found = imported(TINY[name])
    tokens = next(iter(found.open.values()), 6)
    assert (
        found.network.work / 2
        == LAYERS * encoder_macs(tokens, tokens) * 1
        + LAYERS * tokens * 2 * WIDTH * (4 * WIDTH - MIDDLE)
        + tokens * WIDTH * WORDS
    )
    attentions = [node.operator for node in found.network.nodes if isinstance(node.operator, Attention)]
    assert [one.causal for one in attentions] == [True] * LAYERS
    assert found.causal == LAYERS
    assert found.recognised["gelu"] == LAYERS
    assert any("causal" in note for note in found.workload.notes)


@pytest.mark.parametrize("name", [name for name in TINY if name.startswith("vit")])
def test_vit_is_recognised_though_it_keeps_the_batch_in_the_second_axis(name: str) -> None:
    found = imported(TINY[name])
    tokens, patch = 5, 3 * 4 * 4
    assert found.network.work / 2 == 4 * patch * WIDTH + LAYERS * encoder_macs(tokens, tokens) + WIDTH * 3
    assert (found.recognised["attention"], found.causal) == (LAYERS, 0)
    kinds = Counter(node.operator.op for node in found.network.nodes)  # type: ignore[attr-defined]
    assert (kinds["prepend"], kinds["attention"], kinds["softmax"]) == (1, LAYERS, 0)


def test_a_symbolic_axis_stays_open_or_is_fixed() -> None:
    path = TINY["bert-opset14-symbolic"]
    free = imported(path)
    assert free.open == {"seq_len": 16}  # the table of positions has 16 rows
    assert (free.workload.sizes["seq_len"].minimum, free.workload.sizes["seq_len"].maximum) == (1, 16)
    fixed = import_onnx(path, Wanted(sizes={"seq_len": 8}, date="2026-11-25"))
    assert not fixed.workload.sizes
    assert build(free.workload, {"seq_len": 8}).work == fixed.network.work == 2 * (LAYERS * encoder_macs(8, 8) + WIDTH * WIDTH)
    assert "fixed by the request: seq_len = 8" in fixed.workload.notes
    with pytest.raises(RequestError, match="no axis 'seqlen'; did you mean seq_len"):
        import_onnx(path, Wanted(sizes={"seqlen": 8}, date="2026-11-25"))
    with pytest.raises(RequestError, match="do not broadcast"):
        import_onnx(path, Wanted(sizes={"seq_len": 17}, date="2026-11-25"))


def test_what_is_not_recognised_has_the_same_work(tmp_path: Path) -> None:
    """Scores that are a result of the network, too, must be written, so that no single attention makes them."""
    model = onnx.load(TINY["gpt2-opset14-fixed"])
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    model.graph.output.append(helper.make_empty_tensor_value_info(softmax.input[0]))
    path = tmp_path / "open.onnx"
    path.write_bytes(model.SerializeToString())
    plain, whole = import_onnx(path, Wanted(date="2026-11-25")), imported(TINY["gpt2-opset14-fixed"])
    assert (plain.recognised["attention"], whole.recognised["attention"]) == (LAYERS - 1, LAYERS)
    assert plain.network.work == whole.network.work
    assert plain.network.parameters == whole.network.parameters


# Single operators: our shapes beside those of the library's inference, and the line that each becomes.

F = TensorProto.FLOAT


def graph_of(
    nodes: Sequence[onnx.NodeProto], inputs: dict[str, Sequence[Any]], outputs: Sequence[str], opset: int = 20, **stored: Any
) -> onnx.ModelProto:
    """Return a model; lists of whole numbers become shapes and axes, tuples the shapes of weights without values."""
    tensors = []
    for name, value in stored.items():
        if isinstance(value, tuple):
            tensors.append(TensorProto(name=name, dims=value, data_type=F, raw_data=bytes(4 * int(np.prod(value)))))
        else:
            tensors.append(numpy_helper.from_array(np.asarray(value), name))
    made = helper.make_graph(
        list(nodes), "g", [helper.make_tensor_value_info(name, F, dims) for name, dims in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs], tensors,
    )  # fmt: skip
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)])


def one(
    kind: str, *shapes: Sequence[int], opset: int = 20, attributes: dict[str, Any] | None = None, **stored: Any
) -> onnx.ModelProto:
    """Return a model of one node over inputs of shapes, whose first axis is the batch, and over stored tensors."""
    inputs = {f"x{index}": shape for index, shape in enumerate(shapes)}
    node = helper.make_node(kind, [*inputs, *stored], ["y"], **(attributes or {}))
    return graph_of([node], dict(inputs), ["y"], opset, **stored)


def save(model: onnx.ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def bring(model: onnx.ModelProto, folder: Path, **wanted: Any) -> Imported:
    return import_onnx(save(model, folder), Wanted(date="2026-11-25", **wanted))


SINGLE: list[tuple[onnx.ModelProto, str]] = [
    (one("Conv", (2, 4, 9, 9), w=(6, 4, 3, 3), attributes={"pads": [1, 1, 1, 1], "strides": [2, 2]}), "conv2d"),
    (one("Conv", (2, 4, 9, 9), w=(6, 4, 3, 3), attributes={"auto_pad": "SAME_UPPER", "strides": [2, 2]}), "conv2d"),
    (one("Conv", (2, 4, 8, 8), w=(6, 4, 3, 3), attributes={"auto_pad": "SAME_LOWER", "strides": [2, 2]}), "convolution"),
    (one("Conv", (2, 4, 9), w=(6, 4, 3), attributes={"dilations": [2]}), "convolution"),
    (one("Conv", (2, 4, 5, 6, 7), w=(6, 2, 3, 2, 1), attributes={"group": 2}), "convolution"),
    (one("ConvTranspose", (2, 4, 5, 5), w=(4, 6, 4, 4), attributes={"strides": [2, 2], "pads": [1, 1, 1, 1]}), "convolution"),
    (one("ConvTranspose", (2, 4, 5), w=(4, 6, 3), attributes={"strides": [2], "output_padding": [1]}), "convolution"),
    (one("ConvTranspose", (2, 4, 5), w=(4, 6, 3), attributes={"strides": [2], "output_shape": [10]}), "convolution"),
    (one("MaxPool", (2, 4, 9, 9), attributes={"kernel_shape": [3, 3], "strides": [2, 2]}), "pool"),
    (one("MaxPool", (2, 4, 10, 10), attributes={"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}), "pooling"),
    (one("MaxPool", (2, 4, 6, 6), attributes={"kernel_shape": [1, 1], "strides": [4, 4], "ceil_mode": 1}, opset=22), "pool"),
    (one("AveragePool", (2, 4, 9), attributes={"kernel_shape": [3], "pads": [0, 1]}), "pooling"),
    (one("GlobalAveragePool", (2, 4, 5, 5)), "global_pool"),
    (one("GlobalMaxPool", (2, 4, 5)), "reduce"),
    (one("InstanceNormalization", (2, 4, 5, 5), s=(4,), b=(4,)), "normalize"),
    (one("LRN", (2, 4, 5, 5), attributes={"size": 3}), "normalize"),
    (one("LayerNormalization", (2, 4, 6), s=(6,), b=(6,)), "layer_norm"),
    (one("LayerNormalization", (2, 4, 6), s=(4, 6), attributes={"axis": 1}), "normalize"),
    (one("Softmax", (2, 4, 6)), "softmax"),
    (one("Softmax", (2, 4, 6), attributes={"axis": 1}), "normalize"),
    (one("Gemm", (2, 6), w=(5, 6), b=(5,), attributes={"transB": 1}), "linear"),
    (one("MatMul", (2, 4, 6), w=(6, 5)), "linear"),
    (one("MatMul", (2, 3, 4, 6), w=(3, 6, 5)), "product"),
    (one("MatMul", (2, 3, 4, 6), (2, 3, 6, 5)), "matmul"),
    (one("MatMul", (2, 3, 4, 6), (2, 1, 6, 5)), "product"),
    (one("Add", (2, 4, 6), (2, 4, 6)), "elementwise"),
    (one("Add", (2, 4, 6), (2, 1, 6)), "pointwise"),
    (one("Mul", (2, 4, 6), w=(6,)), "pointwise"),
    (one("Where", (2, 4), (2, 4), (2, 4)), "pointwise"),
    (one("Erf", (2, 4, 6)), "pointwise"),
    (one("Clip", (2, 4), lo=np.float32(0), hi=np.float32(6)), "activation"),
    (one("Clip", (2, 4), lo=np.float32(0), hi=np.float32(5)), "pointwise"),
    (one("PRelu", (2, 4, 6), w=(4, 1)), "pointwise"),
    (one("Transpose", (2, 4, 6), attributes={"perm": [0, 2, 1]}), "permute"),
    (one("Concat", (2, 4, 6), (2, 3, 6), attributes={"axis": 1}), "concat"),
    (one("Concat", (2, 4, 6), (2, 4, 3), attributes={"axis": -1}), "join"),
    (one("Slice", (2, 4, 6), s=[1], e=[2**62], a=[2], t=[2]), "section"),
    (one("Slice", (2, 4, 6), opset=9, attributes={"starts": [0], "ends": [-1], "axes": [1]}), "section"),
    (one("Gather", (2, 4, 6), i=np.int64(0), attributes={"axis": 1}), "section"),
    (one("Gather", (2, 4, 6), i=[3, 1, 0, 0, 0], attributes={"axis": 1}), "copy"),
    (one("Expand", (2, 1, 6), s=[1, 4, 1]), "copy"),
    (one("Tile", (2, 4, 6), r=[1, 2, 1]), "copy"),
    (one("Pad", (2, 4, 6), p=[0, 1, 0, 0, 2, 0]), "copy"),
    (one("ReduceMean", (2, 4, 5, 6), a=[2, 3], attributes={"keepdims": 0}), "global_pool"),
    (one("ReduceMean", (2, 4, 6), opset=13, attributes={"axes": [-1]}), "reduce"),
    (one("ArgMax", (2, 4, 6), attributes={"axis": 1, "keepdims": 0}), "reduce"),
    (one("DepthToSpace", (2, 8, 3, 3), attributes={"blocksize": 2}), "copy"),
    (one("SpaceToDepth", (2, 2, 6, 6), attributes={"blocksize": 2}), "copy"),
    (one("Upsample", (2, 4, 3, 3), opset=9, s=np.float32([1, 1, 2, 2])), "upsample"),
]


@pytest.mark.parametrize(("model", "op"), SINGLE, ids=[f"{m.graph.node[0].op_type}-{i}" for i, (m, _) in enumerate(SINGLE)])
def test_an_operator_has_the_shape_that_the_library_infers(model: onnx.ModelProto, op: str, tmp_path: Path) -> None:
    found = bring(model, tmp_path)
    inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph.output[0].type.tensor_type.shape
    whole = tuple(dim.dim_value for dim in inferred.dim)
    assert op in [node.operator.op for node in found.network.nodes]  # type: ignore[attr-defined]
    assert found.network.nodes[-1].shape == whole[1:]
    assert whole[0] == 2
    for batch in (3, 5):
        for value in model.graph.input:
            value.type.tensor_type.shape.dim[0].dim_value = batch
        assert bring(model, tmp_path).network.nodes[-1].shape == whole[1:]


def test_the_widths_of_a_split_and_its_parts(tmp_path: Path) -> None:
    nodes = [helper.make_node("Split", ["x", "n"], ["a", "b"], axis=2), helper.make_node("Mul", ["a", "b"], ["y"])]
    network = bring(graph_of(nodes, {"x": [1, 4, 6]}, ["y"], n=[3, 3]), tmp_path).network
    assert [node.shape for node in network.nodes] == [(4, 3), (4, 3), (4, 3)]


def test_several_outputs_stand_behind_each_other(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Softmax", ["a"], ["b"])]
    network = bring(graph_of(nodes, {"x": [1, 4, 6]}, ["a", "b"]), tmp_path).network
    assert network.output_elements == 2 * 24
    assert network.needs["a"].elements == 1


def test_shared_weights_are_stored_once(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("MatMul", ["a", "w"], ["y"])]
    network = bring(graph_of(nodes, {"x": [1, 4, 6]}, ["y"], w=(6, 6)), tmp_path).network
    assert (network.parameters, network.weights, network.work) == (36, 72, 2 * 2 * 4 * 36)


def test_a_batch_of_four_that_is_fixed_in_a_reshape_is_one_sample(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Reshape", ["x", "s"], ["a"]), helper.make_node("MatMul", ["a", "w"], ["b"]),
        helper.make_node("Reshape", ["b", "t"], ["y"]),
    ]  # fmt: skip
    network = bring(graph_of(nodes, {"x": [4, 3, 6]}, ["y"], s=[12, 6], w=(6, 5), t=[4, 15]), tmp_path).network
    assert network.work == 2 * 3 * 6 * 5
    assert network.nodes[-1].shape == (15,)


def test_windows_that_a_fixed_batch_is_cut_into_belong_to_their_sample(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Reshape", ["x", "cut"], ["a"]),
        helper.make_node("Transpose", ["a"], ["b"], perm=[0, 1, 3, 2, 4, 5]),
        helper.make_node("Reshape", ["b", "windows"], ["c"]),
        helper.make_node("MatMul", ["c", "w"], ["y"]),
    ]
    model = graph_of(nodes, {"x": [1, 4, 4, 6]}, ["y"], cut=[1, 2, 2, 2, 2, 6], windows=[4, 4, 6], w=(6, 5))
    network = bring(model, tmp_path).network
    assert network.nodes[-1].shape == (4, 4, 5)
    assert network.work == 2 * 16 * 6 * 5


LOWER = np.tril(np.ones((4, 4), dtype=bool))


@pytest.mark.parametrize(
    ("mask", "causal"),
    [
        (np.where(LOWER, 0, -np.inf).astype(np.float32), True),
        (np.where(LOWER, 0, -1e4).astype(np.float32), True),
        (np.where(LOWER[3:], 0, -np.inf).astype(np.float32), False),
        (np.tile(np.float32([0, 0, 0, -np.inf]), (4, 1)), False),
        (np.arange(16, dtype=np.float32).reshape(4, 4) / 16, False),
    ],
    ids=["causal", "large", "one row", "keys left out", "learned bias"],
)
def test_a_mask_is_causal_where_it_leaves_out_other_keys_for_other_queries(
    mask: np.ndarray[Any, Any], causal: bool, tmp_path: Path
) -> None:
    nodes = [
        helper.make_node("Transpose", ["k"], ["t"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["q", "t"], ["s"]),
        helper.make_node("Add", ["s", "mask"], ["m"]),
        helper.make_node("Softmax", ["m"], ["p"]),
        helper.make_node("MatMul", ["p", "v"], ["y"]),
    ]
    inputs = {name: [1, 2, 4, 8] for name in "qkv"}
    found = bring(graph_of(nodes, inputs, ["y"], mask=mask), tmp_path)
    (one_,) = [node.operator for node in found.network.nodes if isinstance(node.operator, Attention)]
    assert (one_.causal, found.causal) == (causal, int(causal))
    assert found.network.work == 2 * 2 * 2 * 4 * 4 * 8
    assert found.network.nodes[-1].shape == (2, 4, 8)
    opened = graph_of(nodes, inputs, ["y", "p"], mask=mask)
    plain = bring(opened, tmp_path).network
    assert plain.work == found.network.work
    assert plain.work_min == plain.work / (2 if causal else 1)


# What cannot be imported.


def refused(model: onnx.ModelProto, folder: Path, **wanted: Any) -> str:
    with pytest.raises(RequestError) as caught:
        bring(model, folder, **wanted)
    return str(caught.value)


def with_two_results(*more: onnx.NodeProto, outputs: Sequence[str]) -> onnx.ModelProto:
    """Return a model whose first node, a global pool, claims a second result, which that operator does not have."""
    return graph_of(
        [helper.make_node("GlobalAveragePool", ["x"], ["a", "b"], name="first"), *more], {"x": [1, 4, 6, 6]}, outputs
    )


def test_a_result_that_an_operator_does_not_have_is_left_out_where_nobody_reads_it(tmp_path: Path) -> None:
    plain = graph_of([helper.make_node("GlobalAveragePool", ["x"], ["a"], name="first")], {"x": [1, 4, 6, 6]}, ["a"])
    assert bring(with_two_results(outputs=["a"]), tmp_path).network.work == bring(plain, tmp_path).network.work


def test_a_result_that_an_operator_does_not_have_is_refused_where_it_is_read(tmp_path: Path) -> None:
    told = refused(with_two_results(helper.make_node("Relu", ["b"], ["y"], name="next"), outputs=["y"]), tmp_path)
    assert "it reads 'b', result 2 of " in told
    assert "leave it out" in told
    told = refused(with_two_results(outputs=["a", "b"]), tmp_path)
    assert "output 'b': it is result 2 of " in told


def test_every_unknown_operator_is_named_with_its_remedy_in_one_run(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Fancy", ["x"], ["a"], name="first"), helper.make_node("Odd", ["a"], ["b"], domain="acme"),
        helper.make_node("Relu", ["b"], ["y"]),
    ]  # fmt: skip
    model = graph_of(nodes, {"x": [1, 4]}, ["y"])
    first, second = refused(model, tmp_path).splitlines()
    assert first.startswith("node 'first' (Fancy): the operator Fancy is not known")
    assert "--assume-elementwise Fancy accepts it" in first
    assert second.startswith("node 'b' (acme::Odd)")
    assert "node 'b'" in refused(model, tmp_path, elementwise=("Fancy",))
    found = bring(model, tmp_path, elementwise=("Fancy", "acme::Odd"))
    assert [node.operator.op for node in found.network.nodes] == ["pointwise", "pointwise", "activation"]  # type: ignore[attr-defined]
    assert "taken to be elementwise, as the request says: Fancy, 1 nodes" in found.workload.notes
    assert "no node is one; did you mean Fancy?" in refused(model, tmp_path, elementwise=("Fansy",))
    assert "--assume-elementwise Relu: it is imported as what it is" in refused(model, tmp_path, elementwise=("Relu",))


def test_control_flow_is_refused_and_cannot_be_accepted(tmp_path: Path) -> None:
    inner = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["z"])], "inner", [], [helper.make_empty_tensor_value_info("z")]
    )
    node = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    for accepted in ((), ("If",)):
        assert "node 'y' (If): control flow is not imported" in refused(
            graph_of([node], {"x": [1]}, ["y"]), tmp_path, elementwise=accepted
        )


MIXED = [
    (one("ReduceMean", (1, 4), a=[0]), "is the same at every batch, so that samples would mix"),
    (one("Softmax", (3, 4), attributes={"axis": 0}), "works along axis 0, which holds the batch, so that samples would mix"),
    (one("Slice", (3, 4), s=[0], e=[1], a=[0]), "the same at every batch"),
    (one("MatMul", (3, 4), w=(5, 3)), "cannot multiply"),
    (one("Transpose", (3, 4), attributes={"perm": [1]}), "its order (1,) does not name all of 2 axes"),
    (one("Transpose", (3, 4), attributes={"perm": [1, 5]}), "it has no axis 5: the tensor has 2"),
    (one("Reshape", (1, 4), s=[3, 5]), "the number of elements differs"),
    (one("Conv", (1, 4, 9), w=(6, 3, 3)), "its weights (6, 3, 3) in 1 groups do not fit its input (1, 4, 9)"),
    (one("Conv", (1, 4, 9), w=(6, 4, 3), attributes={"pads": [-1, 0]}), "its pads from 0"),
    (one("Conv", (1, 4, 9), w=(6, 4, 3), attributes={"strides": [0]}), "from 1 to 10^6"),
    (one("Expand", (1, 1), s=[1, 10**12, 10**12]), "at most 8 axes and 10^15 elements"),
    (one("Range", (1, 4)), "depends on the data"),
    (one("Relu", (1, 4), opset=6), "opset 6; opset 7 or later is read"),
]


@pytest.mark.parametrize(("model", "message"), MIXED, ids=range(len(MIXED)))
def test_a_fault_names_its_node_and_what_is_wrong(model: onnx.ModelProto, message: str, tmp_path: Path) -> None:
    told = refused(model, tmp_path)
    assert message in told
    assert told.startswith("node 'y' (") or "opset" in message


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([("Relu", ["z"], ["y"])], "reads 'z', which nothing before it makes"),
        ([("Relu", ["b"], ["a"]), ("Relu", ["a"], ["b"]), ("Relu", ["b"], ["y"])], "reads 'b', which nothing before it makes"),
        ([("Relu", ["x"], ["y"]), ("Sigmoid", ["x"], ["y"])], "has the name of another tensor"),
        ([("Relu", ["x"], ["y"]), ("Relu", ["x"], [])], "it makes nothing"),
        ([("MatMul", ["x"], ["y"])], "its operand 1 is missing"),
        ([("Identity", ["x"], ["y"])], "no output depends on its inputs by more than a view"),
    ],
)
def test_a_graph_that_does_not_hang_together_is_refused(
    nodes: list[tuple[str, list[str], list[str]]], message: str, tmp_path: Path
) -> None:
    assert message in refused(graph_of([helper.make_node(*node) for node in nodes], {"x": [1, 4]}, ["y"]), tmp_path)


def test_an_input_that_holds_the_batch_twice_is_named(tmp_path: Path) -> None:
    told = refused(graph_of([helper.make_node("Relu", ["x"], ["y"])], {"x": ["n", "n"]}, ["y"]), tmp_path)
    assert told.startswith("input 'x': it is not in proportion to the batch: (1, 1) at 1, (2, 2) at 2")


def test_files_that_are_no_models_are_refused(tmp_path: Path) -> None:
    for content in (b"", b"not protobuf at all", b"\xff" * 100, b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"{}"):
        (tmp_path / "no.onnx").write_bytes(content)
        with pytest.raises(RequestError, match=r"no\.onnx: "):
            import_onnx(tmp_path / "no.onnx", Wanted(date="2026-11-25"))
    os.mkfifo(tmp_path / "pipe.onnx")
    for path in (tmp_path, tmp_path / "absent.onnx", tmp_path / "pipe.onnx", Path("/dev/zero"), Path("a\0b")):
        with pytest.raises(RequestError):
            import_onnx(path, Wanted(date="2026-11-25"))


def test_weights_are_not_read_and_may_be_missing(tmp_path: Path) -> None:
    model = one("MatMul", (1, 4, 600), w=(600, 600))
    whole = save(model, tmp_path)
    assert len(wire.read(whole).model) < 1000 < whole.stat().st_size
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for place in ("../../../../etc/passwd", "absent.bin", "/dev/zero"):
        del tensor.external_data[:]
        tensor.external_data.add(key="location", value=place)
        assert bring(model, tmp_path).network.work == 2 * 4 * 600 * 600


def test_a_mask_beside_the_model_is_read_from_its_own_folder_and_through_no_link(tmp_path: Path) -> None:
    """A mask that is the same for every query is known not to be causal; one that cannot be read is taken for one."""
    folder, name = tmp_path / "inside", "mask.bin"
    folder.mkdir()
    (folder / "sub").mkdir()
    values = np.tile(np.float32([0, 0, 0, -np.inf]), (4, 1)).tobytes()
    for place in (tmp_path / name, folder / name, folder / "sub" / name):
        place.write_bytes(bytes(4) + values)
    (folder / "link.bin").symlink_to(tmp_path / name)
    (folder / "short.bin").write_bytes(values[:-1])
    nodes = [
        helper.make_node("MatMul", ["q", "k"], ["s"]),
        helper.make_node("Add", ["s", "mask"], ["m"]),
        helper.make_node("Softmax", ["m"], ["p"]),
        helper.make_node("MatMul", ["p", "v"], ["y"]),
    ]
    model = graph_of(nodes, {"q": [1, 2, 4, 8], "k": [1, 2, 8, 4], "v": [1, 2, 4, 8]}, ["y"], mask=(4, 4))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL

    def masked(location: str, offset: str = "4") -> bool:
        del tensor.external_data[:]
        for key, value in {"location": location, "offset": offset}.items():
            tensor.external_data.add(key=key, value=value)
        network = bring(model, folder).network
        return network.work_min < network.work

    assert not masked(name)
    outside = [f"../{name}", str(tmp_path / name), f"sub/{name}", "link.bin", "short.bin", "absent.bin", "..", "sub", ""]
    assert [place for place in outside if not masked(place)] == []
    assert all(masked(name, offset) for offset in ("-4", "8", "9" * 30, "x"))


def test_fields_and_bytes_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(graph_of([helper.make_node("Relu", ["x"], ["y"])] * 50, {"x": [1, 4]}, ["y"]), tmp_path)
    monkeypatch.setattr(wire, "MAX_FIELDS", 100)
    with pytest.raises(RequestError, match="more than 100 fields"):
        wire.read(path)
    monkeypatch.undo()
    monkeypatch.setattr(wire, "MAX_SKELETON", 100)
    with pytest.raises(RequestError, match="more than 100 bytes beside the weights"):
        wire.read(path)


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advisor.importers.onnx.importer.find_spec", lambda _: None)
    with pytest.raises(RequestError, match=r"roofwise\[import\]"):
        import_onnx(TINY["bert-dynamo-fixed"], Wanted(date="2026-11-25"))


# The command.


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


def test_an_imported_model_is_asked_about_like_one_of_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "net.json")
    code, out, err = run(
        capsys, "import", "onnx", str(TINY["bert-opset14-symbolic"]), "-o", file, "--id", "net", "--name", "Net"
    )
    assert (code, err) == (0, "")
    assert "2 x attention" in out
    assert validate_file(Path(file)).faults == ()
    spec = json.loads(Path(file).read_text(encoding="utf-8"))
    assert (spec["id"], spec["name"]) == ("net", "Net")
    assert "SHA-256" in spec["sources"]["file"]["title"]
    code, out, err = run(capsys, "--model", file, "--latency", "10ms", "--seq-len", "8", "--hardware", "nvidia-l4")
    assert (code, err) == (0, "")
    assert out.startswith("Net (seq_len 8)")
    code, out, _ = run(capsys, "predict", "--model", file, "--hardware", "nvidia-l4", "--dtype", "fp16", "--format", "json")
    assert (code, len(json.loads(out))) == (0, 1)
    assert run(capsys, "derive", file, "--hardware", "nvidia-l4")[0] == 0
    assert run(capsys, "show", file)[1].startswith("Net (net)")


def test_the_spec_is_printed_and_the_summary_told_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "import", "onnx", str(LIGHT / "light_resnet50.onnx"), "--format", "json")
    assert code == 0
    assert json.loads(out)["id"] == "light_resnet50"
    told = json.loads(err)
    assert (told["macs_per_sample"], told["parameters"], told["batch"]) == (4089184256, 25557032, "fixed at 1")


def test_a_faulty_request_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "net.json"
    path = save(one("Fancy", (1, 4)), tmp_path)
    code, out, err = run(capsys, "import", "onnx", str(path), "-o", str(file))
    assert (code, out) == (2, "")
    assert err.startswith("error: node 'y' (Fancy)")
    assert not file.exists()
    assert (
        run(capsys, "import", "onnx", str(path), "--size", "n=0")[2]
        == "error: --size: n is 0; an axis has at least 1 element\n"
    )
    code, _, err = run(capsys, "--model", str(tmp_path / "absent.json"), "--latency", "10ms")
    assert code == 2
    assert "absent.json:1:1" in err


def test_the_written_spec_gives_the_same_network() -> None:
    for found in (light("light_shufflenet"), imported(TINY["gpt2-dynamo-symbolic"])):
        text = checked_text(found.workload, "spec.json")
        again = build(type(found.workload).model_validate(json.loads(text)))
        assert (again.work, again.parameters, again.kernels) == (
            found.network.work,
            found.network.parameters,
            found.network.kernels,
        )


def test_onnx_is_not_imported_where_no_graph_is() -> None:
    code = "import sys, advisor.cli; sys.exit('onnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
