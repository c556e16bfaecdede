"""General operators: costs written out by hand, shapes, and what they say when their inputs do not fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import strategies

from engine.cost import Cost
from engine.errors import GraphError
from engine.ops.general import broadcast


def result(op: str, *shapes: tuple[int, ...], **fields: Any) -> tuple[tuple[int, ...], Cost]:
    """Return the shape and the cost of one operator over inputs of given shapes."""
    inputs = {f"in{index}": shape for index, shape in enumerate(shapes)}
    node = strategies.tiny([{"op": op, "name": "it", "inputs": list(inputs), **fields}], inputs).nodes[0]
    return node.shape, node.cost


def test_pointwise_reads_every_operand_once_and_writes_the_broadcast() -> None:
    shape, cost = result("pointwise", (4, 1, 6), (5, 1), function="pow", weights=6, parameters=0)
    assert shape == (4, 5, 6)
    assert (cost.kind, cost.work, cost.weights, cost.parameters) == ("memory", 0, 6, 0)
    assert (cost.inputs, cost.outputs) == (4 * 6 + 5, 4 * 5 * 6)


def test_stored_operands_may_widen_the_result_and_are_stored_as_often_as_read() -> None:
    shape, cost = result("pointwise", (5, 1), function="add", weights=30, to=[5, 6])
    assert shape == (5, 6)
    assert cost.weights == cost.parameters == 30


def test_an_epilogue_reads_of_a_smaller_operand_only_its_elements() -> None:
    graph = [
        {"op": "linear", "name": "wide", "out_features": 8, "inputs": ["x"], "bias": False},
        {"op": "pointwise", "name": "shifted", "function": "add", "inputs": ["wide", "y"]},
    ]
    (kernel,) = strategies.tiny(graph, {"x": (4, 3), "y": (8,)}).kernels
    assert (kernel.cost.inputs, kernel.cost.outputs) == (4 * 3 + 8, 4 * 8)


def test_reduce_leaves_axes_out_or_keeps_them() -> None:
    assert result("reduce", (3, 4, 5), function="mean", axes=[0, 2])[0] == (4,)
    shape, cost = result("reduce", (3, 4, 5), function="mean", axes=[0, 2], keep_axes=True)
    assert shape == (1, 4, 1)
    assert (cost.inputs, cost.outputs) == (60, 4)


def test_permute_copies_unless_no_element_changes_its_place() -> None:
    shape, cost = result("permute", (3, 4, 5), order=[2, 0, 1])
    assert shape == (5, 3, 4)
    assert (cost.kind, cost.inputs, cost.outputs) == ("memory", 60, 60)
    assert result("permute", (3, 1, 5), order=[1, 0, 2])[1] == Cost(kind="view")
    assert result("permute", (3, 4, 5), order=[1, 0, 2], moves=False)[1] == Cost(kind="view")


def test_section_and_join_are_views_along_any_axis() -> None:
    assert result("section", (3, 4, 5), axis=1, keep=2) == ((3, 2, 5), Cost(kind="view"))
    assert result("section", (3, 4, 5), axis=2, drop_axis=True) == ((3, 4), Cost(kind="view"))
    assert result("join", (3, 4), (3, 2), (3, 1), axis=1) == ((3, 7), Cost(kind="view"))
    assert result("bundle", (3, 4), (5,)) == ((12 + 5,), Cost(kind="view"))


def test_copy_reads_its_input_and_a_gather_no_more_than_it_takes() -> None:
    shape, cost = result("copy", (3, 4), function="pad", to=[5, 6])
    assert (shape, cost.inputs, cost.outputs) == ((5, 6), 12, 30)
    _, cost = result("copy", (1000, 4), (5,), function="gather", to=[5, 4])
    assert (cost.inputs, cost.outputs) == (5 + 20, 20)


def test_normalize_reads_and_writes_once() -> None:
    shape, cost = result("normalize", (6, 4, 4), function="instance_norm", weights=12)
    assert (shape, cost.inputs, cost.outputs, cost.parameters) == ((6, 4, 4), 96, 96, 12)


def test_product_broadcasts_its_leading_axes() -> None:
    heads, m, k, n = 3, 4, 5, 6
    shape, cost = result("product", (heads, m, k), (k, n))
    assert shape == (heads, m, n)
    assert cost.work == cost.work_min == 2 * heads * m * n * k
    assert (cost.rows, cost.columns, cost.channels, cost.groups, cost.shared) == (m, n, k, heads, False)
    assert (cost.inputs, cost.outputs) == (heads * m * k + k * n, heads * m * n)


def test_a_product_with_a_stored_matrix_has_the_cost_of_a_linear_layer() -> None:
    product, linear = result("product", (7, 5), right=[5, 6])[1], result("linear", (7, 5), out_features=6, bias=False)[1]
    assert replace(product, spared=0.0) == replace(linear, spared=0.0)
    assert result("product", (7, 5), right=[5, 6], parameters=0)[1].parameters == 0


def test_a_stored_left_matrix_multiplies_every_sample() -> None:
    shape, cost = result("product", (5, 6), left=[4, 5])
    assert shape == (4, 6)
    assert (cost.work, cost.weights, cost.shared) == (2 * 4 * 5 * 6, 20, False)


def test_a_masked_product_needs_half_at_the_least() -> None:
    _, cost = result("product", (4, 5), (5, 4), masked=True)
    assert cost.work_min == cost.work / 2


@pytest.mark.parametrize("stride", [1, 2])
def test_an_even_convolution_costs_what_conv2d_costs(stride: int) -> None:
    plain = result("conv2d", (4, 9, 11), out_channels=6, kernel=3, stride=stride, padding=1, groups=2)
    general = result("convolution", (4, 9, 11), out_channels=6, kernel=[3, 3], stride=[stride] * 2, before=[1, 1], after=[1, 1],
                     groups=2)  # fmt: skip
    assert plain == general


def test_convolution_with_dilation_and_uneven_padding_in_one_and_three_axes() -> None:
    shape, cost = result("convolution", (2, 20), out_channels=3, kernel=[4], dilation=[2], before=[1], after=[2], bias=False)
    out = 20 + 1 + 2 - (3 * 2 + 1) + 1
    assert (shape, cost.work) == ((3, out), 2 * out * 3 * 2 * 4)
    assert cost.work_min == cost.work / 4  # the middle tap of every result meets an element
    assert cost.spared == 0
    shape, cost = result("convolution", (2, 4, 5, 6), out_channels=3, kernel=[1, 2, 3])
    assert shape == (3, 4, 4, 4)
    assert (cost.work, cost.weights) == (2 * 64 * 3 * 2 * 6, 3 * 2 * 6 + 3)


def test_a_transposed_convolution_counts_the_elements_that_it_spreads() -> None:
    shape, cost = result("convolution", (8, 5, 5), out_channels=4, kernel=[4, 4], stride=[2, 2], before=[1, 1], after=[1, 1],
                         transposed=True)  # fmt: skip
    assert shape == (4, 10, 10)
    assert cost.work == 2 * 25 * 8 * 4 * 16
    assert cost.work_min == 2 * 8 * 4 * (3 * 4 / 2) ** 2  # three of five elements along each axis reach no padding
    assert result("convolution", (8, 5), out_channels=4, kernel=[3], stride=[2], extra=[1], transposed=True)[0] == (4, 12)


def test_pooling_with_uneven_padding() -> None:
    shape, cost = result("pooling", (3, 8, 8), kernel=[3, 3], stride=[2, 2], after=[1, 1])
    assert (shape, cost.inputs, cost.outputs) == ((3, 4, 4), 192, 48)


def test_shapes_broadcast_as_numpy_does() -> None:
    assert broadcast([(4, 1, 6), (5, 1), ()]) == (4, 5, 6)
    assert broadcast([]) == ()
    with pytest.raises(GraphError):
        broadcast([(2,), (3,)])


@pytest.mark.parametrize(
    ("op", "shapes", "fields", "message"),
    [
        ("pointwise", [(4, 5), (3,)], {"function": "add"}, "do not broadcast"),
        ("pointwise", [(4, 5)], {"function": "add", "to": [4, 6]}, "do not broadcast"),
        ("pointwise", [(4, 5)], {"function": "add", "to": [5]}, "add cannot broadcast (4, 5) to (5,)"),
        ("reduce", [(4, 5)], {"function": "sum", "axes": [2]}, "reduce cannot take the axes (2,) of (4, 5)"),
        ("reduce", [(4, 5)], {"function": "sum", "axes": [1, 1]}, "reduce cannot take the axes (1, 1)"),
        ("permute", [(4, 5)], {"order": [0, 0]}, "permute needs every axis of (4, 5) once"),
        ("section", [(4, 5)], {"axis": 2}, "section cannot keep 1 along axis 2 of (4, 5)"),
        ("section", [(4, 5)], {"axis": 1, "keep": 6}, "section cannot keep 6 along axis 1"),
        ("join", [(4, 5), (3, 5)], {"axis": 1}, "join takes inputs that differ along axis 1 only"),
        ("join", [(4,), (3,)], {"axis": 1}, "join takes inputs that differ along axis 1 only"),
        ("product", [(4, 5), (6, 7)], {}, "product cannot multiply (4, 5) with (6, 7)"),
        ("product", [(4, 5)], {}, "product takes 2 inputs beside what is stored, not 1"),
        ("product", [(4,)], {"right": [4, 5]}, "product cannot multiply (4,) with (4, 5)"),
        ("convolution", [(4, 5)], {"out_channels": 2, "kernel": [3, 3]}, "a window of 2 axes"),
        ("convolution", [(4, 5)], {"out_channels": 2, "kernel": [6]}, "a window of 6 does not fit into 5"),
        ("convolution", [(4, 5)], {"out_channels": 2, "kernel": [3], "groups": 3}, "3 groups divide neither"),
        ("convolution", [(4, 2)], {"out_channels": 2, "kernel": [1], "before": [2], "transposed": True}, "leave nothing"),
        ("pooling", [(4, 5)], {"kernel": [3], "stride": [1, 1]}, "a window of 1 axes"),
    ],
)
def test_what_does_not_fit_is_named(op: str, shapes: list[tuple[int, ...]], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError) as caught:
        result(op, *shapes, **fields)
    assert message in str(caught.value)


def test_dimensions_may_be_expressions_of_sizes() -> None:
    graph = [{"op": "pointwise", "function": "add", "weights": "8 * seq_len - 8", "parameters": 72}]
    sizes = {"seq_len": (6, 1, 9)}
    (node,) = strategies.tiny(graph, {"x": ["seq_len", 8]}, sizes, seq_len=1).nodes
    assert (node.shape, node.cost.weights, node.cost.parameters) == ((1, 8), 0, 72)
    (node,) = strategies.tiny(graph, {"x": ["seq_len", 8]}, sizes).nodes
    assert (node.shape, node.cost.weights) == ((6, 8), 40)


def test_a_transposed_convolution_is_the_product_of_the_operator_of_detectors() -> None:
    shared = {"out_channels": 64, "bias": False}
    _, ours = result("convolution", (128, 28, 28), kernel=[2, 2], stride=[2, 2], transposed=True, **shared)
    _, theirs = result("conv_transpose2d", (128, 28, 28), kernel=2, stride=2, **shared)
    names = ("work", "weights", "rows", "columns", "channels", "taps", "groups")
    assert [getattr(ours, name) for name in names] == [getattr(theirs, name) for name in names]
