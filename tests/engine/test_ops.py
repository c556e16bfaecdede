"""Every operator's cost as a formula, written out by hand, and what an operator says when its inputs do not fit."""

from __future__ import annotations

from typing import Any

import pytest
import strategies
from pydantic import ValidationError

from engine.cost import Cost
from engine.errors import GraphError
from engine.ops.base import size_of


def result(op: str, *shapes: tuple[int, ...], **fields: Any) -> tuple[tuple[int, ...], Cost]:
    """Return the shape and the cost of one operator over inputs of given shapes."""
    inputs = {f"in{index}": shape for index, shape in enumerate(shapes)}
    node = strategies.tiny([{"op": op, "name": "it", "inputs": list(inputs), **fields}], inputs).nodes[0]
    return node.shape, node.cost


def test_linear() -> None:
    m, k, n = 4, 2, 8
    shape, cost = result("linear", (m, k), out_features=n)
    assert shape == (m, n)
    assert cost.work == cost.work_min == cost.work_done == 2 * m * k * n
    assert cost.weights == cost.parameters == k * n + n
    assert (cost.inputs, cost.outputs) == (m * k, m * n)
    assert (cost.rows, cost.channels * cost.taps, cost.columns, cost.groups, cost.shared) == (m, k, n, 1, True)


def test_linear_without_bias_over_several_axes() -> None:
    a, b, k, n = 3, 5, 7, 11
    shape, cost = result("linear", (a, b, k), out_features=n, bias=False)
    assert shape == (a, b, n)
    assert cost.work == 2 * a * b * k * n
    assert cost.weights == k * n
    assert cost.rows == a * b


def test_tied_weights_are_read_but_stored_once() -> None:
    tokens, width, rows = 6, 16, 100
    embed = {"op": "embedding", "name": "words", "rows": rows, "width": width}
    head = {"op": "linear", "out_features": rows, "bias": False, "tied_to": "words"}
    network = strategies.tiny([embed, head], {"tokens": [tokens]})
    assert network.parameters == rows * width
    assert network.weights == rows * width


@pytest.mark.parametrize("bias", [True, False])
def test_conv2d(bias: bool) -> None:
    cin, height, width, cout, r, stride, pad = 3, 17, 11, 8, 5, 2, 2
    ho, wo = (height + 2 * pad - r) // stride + 1, (width + 2 * pad - r) // stride + 1
    shape, cost = result("conv2d", (cin, height, width), out_channels=cout, kernel=r, stride=stride, padding=pad, bias=bias)
    assert shape == (cout, ho, wo) == (8, 9, 6)
    assert cost.kind == "conv"
    assert cost.work == cost.work_done == 2 * ho * wo * cout * cin * r * r
    # of nine windows over 17 rows the first and the last lie two rows beyond; of six over 11 columns likewise
    assert cost.work_min == 2 * (9 * 5 - 2 * 2) * (6 * 5 - 2 * 2) * cout * cin
    assert cost.weights == cost.parameters == cout * cin * r * r + (cout if bias else 0)
    assert cost.spared == (cout if bias else 0)
    assert (cost.inputs, cost.outputs) == (cin * height * width, cout * ho * wo)
    assert (cost.rows, cost.columns, cost.channels, cost.taps, cost.groups) == (ho * wo, cout, cin, r * r, 1)


def test_grouped_conv2d() -> None:
    cin, side, cout, r, groups = 12, 7, 18, 3, 6
    shape, cost = result("conv2d", (cin, side, side), out_channels=cout, kernel=r, padding=1, groups=groups, bias=False)
    assert shape == (cout, side, side)
    assert cost.kind == "conv"
    assert cost.work == 2 * side * side * cout * (cin // groups) * r * r
    assert cost.weights == cout * (cin // groups) * r * r
    assert (cost.columns, cost.channels, cost.groups) == (cout // groups, cin // groups, groups)
    assert 2 * cost.rows * cost.columns * cost.channels * cost.taps * cost.groups == cost.work


def test_depthwise_conv2d() -> None:
    channels, side, r = 32, 10, 3
    _, cost = result("conv2d", (channels, side, side), out_channels=channels, kernel=r, padding=1, groups=channels)
    assert cost.kind == "depthwise"
    assert cost.work == 2 * side * side * channels * r * r


def test_one_channel_is_no_depthwise_conv2d() -> None:
    _, cost = result("conv2d", (1, 9, 9), out_channels=4, kernel=3)
    assert cost.kind == "conv"


@pytest.mark.parametrize(("kernel", "stride", "divisor"), [(3, 1, 9), (5, 1, 25), (3, 2, 1), (1, 1, 1), (7, 2, 1)])
def test_winograd_lowers_the_least_work_of_stride_1_from_kernel_3(kernel: int, stride: int, divisor: int) -> None:
    _, cost = result("conv2d", (4, 21, 21), out_channels=6, kernel=kernel, stride=stride)
    assert cost.work_min == cost.work / divisor
    assert cost.work_done == cost.work


def test_a_window_may_have_two_extents() -> None:
    cin, height, width, cout, r, s = 6, 9, 17, 4, 1, 7
    shape, cost = result("conv2d", (cin, height, width), out_channels=cout, kernel=[r, s], padding=[0, 3], bias=False)
    assert shape == (cout, height, width)
    assert cost.work == 2 * height * width * cout * cin * r * s
    assert (cost.weights, cost.taps) == (cout * cin * r * s, r * s)
    shape, _ = result("pool", (cin, height, width), kernel=[3, 5], stride=[2, 4], padding=[1, 0])
    assert shape == (cin, (height + 2 - 3) // 2 + 1, (width - 5) // 4 + 1) == (6, 5, 4)


@pytest.mark.parametrize(("kernel", "stride", "divisor"), [([1, 7], 1, 7), ([7, 1], 1, 7), ([3, 5], [2, 1], 5), ([3, 5], 2, 1)])
def test_winograd_lowers_the_least_work_along_axes_of_stride_1(kernel: list[int], stride: Any, divisor: int) -> None:
    _, cost = result("conv2d", (4, 21, 21), out_channels=6, kernel=kernel, stride=stride)
    assert cost.work_min == cost.work / divisor


@pytest.mark.parametrize("transposed", [False, True])
def test_matmul(transposed: bool) -> None:
    groups, m, k, n = 3, 4, 5, 6
    second = (groups, n, k) if transposed else (groups, k, n)
    shape, cost = result("matmul", (groups, m, k), second, transposed=transposed)
    assert shape == (groups, m, n)
    assert cost.work == cost.work_min == 2 * groups * m * k * n
    assert cost.weights == cost.parameters == 0
    assert (cost.inputs, cost.outputs) == (groups * (m * k + k * n), groups * m * n)
    assert (cost.rows, cost.columns, cost.channels, cost.groups, cost.shared) == (m, n, k, groups, False)


def test_attention() -> None:
    s, heads, d = 10, 4, 8
    shape, cost = result("attention", (s, 3 * heads * d), heads=heads)
    assert shape == (s, heads * d)
    assert cost.kind == "attention"
    assert cost.work == cost.work_min == cost.work_done == 4 * heads * d * s * s
    assert (cost.inputs, cost.outputs) == (3 * s * heads * d, s * heads * d)
    assert (cost.rows, cost.columns, cost.groups, cost.shared) == (s, s, heads, False)


def test_a_causal_mask_halves_the_least_work_of_attention_only() -> None:
    s, heads, d = 10, 4, 8
    _, cost = result("attention", (s, 3 * heads * d), heads=heads, causal=True)
    assert cost.work == 4 * heads * d * s * s
    assert cost.work_min == cost.work_done == 4 * heads * d * s * (s + 1) // 2


def test_attention_over_a_cached_context_with_fewer_key_value_heads() -> None:
    s, context, heads, kv, d = 3, 100, 8, 2, 16
    shape, cost = result("attention", (s, (heads + 2 * kv) * d), heads=heads, kv_heads=kv, causal=True, context=context)
    assert shape == (s, heads * d)
    assert cost.work == 4 * heads * d * s * (s + context)
    assert cost.work_min == 4 * heads * d * (s * context + s * (s + 1) // 2)
    assert cost.inputs == s * (heads + 2 * kv) * d + 2 * context * kv * d
    assert cost.outputs == s * heads * d


def test_a_context_may_be_a_size_and_0() -> None:
    graph = [{"op": "attention", "heads": 2, "context": "past // 2"}]
    for past in (0, 1, 40):
        node = strategies.tiny(graph, {"x": [1, 24]}, {"past": (0, 0, 64)}, past=past).nodes[0]
        assert node.cost.columns == 1 + past // 2


def test_embedding() -> None:
    tokens, rows, width = 7, 1000, 12
    shape, cost = result("embedding", (tokens,), rows=rows, width=width)
    assert shape == (tokens, width)
    assert (cost.work, cost.weights) == (0, 0)
    assert cost.parameters == rows * width
    assert (cost.inputs, cost.outputs) == (tokens + tokens * width, tokens * width)
    assert (cost.lookups, cost.table_rows, cost.table_width) == (tokens, rows, width)


def test_of_a_table_only_the_rows_looked_up_must_travel() -> None:
    tokens, rows, width = 7, 20, 12
    network = strategies.tiny([{"op": "embedding", "rows": rows, "width": width}], {"tokens": [tokens]})
    beside = [batch * (tokens + tokens * width) for batch in (1, 2, 3)]  # input and output
    touched = [network.least_elements(batch) for batch in (1, 2, 3)]
    assert touched == [7 * width + beside[0], 14 * width + beside[1], rows * width + beside[2]]


@pytest.mark.parametrize(
    ("op", "fields"),
    [
        ("softmax", {}),
        ("activation", {"function": "gelu"}),
        ("activation", {"function": "hardswish"}),
        ("layer_norm", {}),
        ("batch_norm", {}),
    ],
)
def test_what_keeps_its_shape_costs_its_traffic(op: str, fields: dict[str, Any]) -> None:
    shape, cost = result(op, (6, 5), **fields)
    assert shape == (6, 5)
    assert cost.kind == "memory"
    assert cost.work == cost.work_min == cost.work_done == 0
    assert (cost.inputs, cost.outputs) == (30, 30)


def test_norms_store_scale_and_shift_and_a_folded_one_leaves_the_shift_to_read() -> None:
    channels, features = 6, 5
    _, batch_norm = result("batch_norm", (channels, 3, 3))
    _, layer_norm = result("layer_norm", (4, features))
    _, rms_norm = result("layer_norm", (4, features), scale_only=True)
    assert (batch_norm.parameters, batch_norm.weights) == (2 * channels, channels)
    assert (layer_norm.parameters, layer_norm.weights) == (2 * features, 2 * features)
    assert (rms_norm.parameters, rms_norm.weights) == (features, features)


def test_elementwise_reads_both_and_writes_one() -> None:
    shape, cost = result("elementwise", (4, 5), (4, 5), function="mul")
    assert shape == (4, 5)
    assert (cost.work, cost.inputs, cost.outputs) == (0, 40, 20)


def test_pool() -> None:
    shape, cost = result("pool", (64, 112, 112), kernel=3, stride=2, padding=1)
    assert shape == (64, 56, 56)
    assert (cost.work, cost.inputs, cost.outputs) == (0, 64 * 112 * 112, 64 * 56 * 56)


def test_global_pool() -> None:
    shape, cost = result("global_pool", (64, 7, 9))
    assert shape == (64,)
    assert (cost.inputs, cost.outputs) == (64 * 7 * 9, 64)


def test_gate_reads_an_image_and_a_factor_for_each_channel() -> None:
    channels, height, width = 6, 4, 5
    shape, cost = result("gate", (channels, height, width), (channels,))
    assert shape == (channels, height, width)
    assert (cost.kind, cost.work, cost.weights) == ("memory", 0, 0)
    assert (cost.inputs, cost.outputs) == (channels * height * width + channels, channels * height * width)


def test_upsample_writes_every_element_often() -> None:
    channels, height, width, factor = 6, 4, 5, 3
    shape, cost = result("upsample", (channels, height, width), factor=factor)
    assert shape == (channels, height * factor, width * factor)
    assert (cost.kind, cost.work) == ("memory", 0)
    assert (cost.inputs, cost.outputs) == (channels * height * width, channels * height * width * factor**2)


def test_prepended_rows_are_weights() -> None:
    tokens, width, rows = 9, 8, 2
    shape, cost = result("prepend", (tokens, width), rows=rows)
    assert shape == (tokens + rows, width)
    assert cost.weights == cost.parameters == rows * width
    assert (cost.inputs, cost.outputs) == (tokens * width, (tokens + rows) * width)


def test_positions_are_one_weight_for_each_element_of_a_sample() -> None:
    tokens, width = 9, 8
    shape, cost = result("positions", (tokens, width))
    assert shape == (tokens, width)
    assert cost.weights == cost.parameters == tokens * width
    assert (cost.inputs, cost.outputs) == (tokens * width, tokens * width)


@pytest.mark.parametrize("rest", [(), (4,), (5, 7)])
def test_concat_is_a_free_view_of_all_its_inputs(rest: tuple[int, ...]) -> None:
    shape, cost = result("concat", (3, *rest), (1, *rest), (6, *rest))
    assert shape == (3 + 1 + 6, *rest)
    assert cost == Cost(kind="view")


def test_an_image_is_flattened_to_a_token_for_each_pixel() -> None:
    channels, height, width = 6, 4, 5
    shape, cost = result("flatten_spatial", (channels, height, width))
    assert shape == (height * width, channels)
    assert cost == Cost(kind="view")


@pytest.mark.parametrize(
    ("op", "fields", "shape"),
    [
        ("reshape", {"to": [3, 8]}, (3, 8)),
        ("slice", {"keep": 2}, (2, 4)),
        ("slice", {"keep": 1}, (1, 4)),
        ("slice", {"keep": 1, "drop_axis": True}, (4,)),
    ],
)
def test_views_are_free(op: str, fields: dict[str, Any], shape: tuple[int, ...]) -> None:
    made, cost = result(op, (6, 4), **fields)
    assert made == shape
    assert cost == Cost(kind="view")


@pytest.mark.parametrize(
    ("op", "shapes", "fields", "message"),
    [
        ("conv2d", [(4, 9)], {"out_channels": 2, "kernel": 3}, "channels x height x width, not (4, 9)"),
        ("conv2d", [(4, 2, 2)], {"out_channels": 2, "kernel": 3}, "a window of 3 does not fit into 2 with padding 0"),
        ("conv2d", [(4, 9, 9)], {"out_channels": 6, "kernel": 3, "groups": 3}, "3 groups divide neither 4 input nor 6 output"),
        ("pool", [(4, 2, 2)], {"kernel": 5, "padding": 1}, "a window of 5 does not fit into 2 with padding 1"),
        ("pool", [(4,)], {"kernel": 1}, "pool takes a sample of channels x height x width"),
        ("global_pool", [(4, 4)], {}, "global_pool takes a sample of channels x height x width"),
        ("matmul", [(4, 5), (6, 7)], {}, "matmul cannot multiply (4, 5) with (6, 7)"),
        ("matmul", [(4, 5), (5, 7)], {"transposed": True}, "matmul cannot multiply (4, 5) with (5, 7) transposed"),
        ("matmul", [(2, 4, 5), (3, 5, 7)], {}, "matmul cannot multiply"),
        ("matmul", [(4,), (4, 7)], {}, "matmul cannot multiply (4,) with"),
        ("matmul", [(4, 5), (5,)], {}, "matmul cannot multiply (4, 5) with (5,)"),
        ("attention", [(10, 100)], {"heads": 4}, "tokens x (heads + 2*kv_heads)*head_dim, with 12 heads in all"),
        ("attention", [(10, 80)], {"heads": 4, "kv_heads": 8}, "4 heads do not share 8 of keys evenly"),
        ("attention", [(10, 100)], {"heads": 4, "kv_heads": 3}, "4 heads do not share 3 of keys evenly"),
        ("attention", [(2, 10, 12)], {"heads": 4}, "tokens x (heads + 2*kv_heads)*head_dim"),
        ("elementwise", [(4, 5), (5, 4)], {"function": "add"}, "add takes two tensors of one shape, not (4, 5) and (5, 4)"),
        ("elementwise", [(4, 5)], {"function": "add"}, "it takes 2 inputs, not 1"),
        ("linear", [(4, 5), (4, 5)], {"out_features": 3}, "it takes 1 inputs, not 2"),
        ("reshape", [(4, 5)], {"to": [3, 7]}, "reshape cannot make (3, 7) of (4, 5)"),
        ("slice", [(4, 5)], {"keep": 6}, "slice cannot keep 6 of 4 rows"),
        ("gate", [(6, 4, 5), (4,)], {}, "gate takes one factor for each of 6 channels, not (4,)"),
        ("gate", [(6, 4, 5), (6, 4, 5)], {}, "gate takes one factor for each of 6 channels, not (6, 4, 5)"),
        ("upsample", [(4, 5)], {}, "upsample takes a sample of channels x height x width, not (4, 5)"),
        ("upsample", [(4, 5, 5)], {"factor": 10**12}, "the result is 4 x 5000000000000 x"),
        ("concat", [(4, 5), (4, 6)], {}, "concat takes inputs that differ in their first axis only, not (4, 5), (4, 6)"),
        ("concat", [(4, 5)], {}, "it takes 2 inputs or more, not 1"),
        ("concat", [(10**12, 5), (1, 5)], {}, "the result is 1000000000001 x 5; no dimension may pass 10^12"),
        ("flatten_spatial", [(4, 5)], {}, "flatten_spatial takes a sample of channels x height x width, not (4, 5)"),
        ("conv2d", [(4, 2, 9)], {"out_channels": 2, "kernel": [3, 1]}, "a window of 3 does not fit into 2 with padding 0"),
        ("linear", [(4, 5)], {"out_features": "hidden2"}, "no value for 'hidden2'"),
        ("linear", [(4, 5)], {"out_features": "7 / 2"}, "the dimension '7 / 2' is 3.5; it must be a whole number"),
        ("linear", [(4, 5)], {"out_features": "3 - 3"}, "the dimension '3 - 3' is 0; it must be a whole number"),
        ("linear", [(4, 5)], {"out_features": "1 < 2"}, "the dimension '1 < 2' is True; it must be a whole number"),
        ("linear", [(4, 5)], {"out_features": "1e13"}, "it must be a whole number from 1 to 10^12"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(op: str, shapes: list[tuple[int, ...]], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError) as caught:
        result(op, *shapes, **fields)
    assert message in str(caught.value)
    assert "tiny, /graph/0 (it)" in str(caught.value)


@pytest.mark.parametrize("op", ["linear", "layer_norm", "batch_norm"])
def test_an_operator_over_a_sample_without_axes_is_refused(op: str) -> None:
    fields = {"out_features": 3} if op == "linear" else {}
    graph = [{"op": "slice", "drop_axis": True}, {"op": op, **fields}]
    with pytest.raises(GraphError):
        strategies.tiny(graph, {"x": [5]})


@pytest.mark.parametrize("text", ["((((9**8)**8)**8)**8)**8", "1e18**8 * 1e18**8 * 1e18**8", "(0-8)**0.5"])
def test_a_dimension_beyond_all_numbers_is_a_graph_error(text: str) -> None:
    with pytest.raises(GraphError):
        size_of(text, {})


def test_sizes_of_dimensions() -> None:
    assert size_of(7, {}) == 7
    assert size_of("4 * hidden", {"hidden": 768}) == 3072
    assert size_of("ceil(tokens / 16) * 16", {"tokens": 33}) == 48


@pytest.mark.parametrize(
    "line",
    [
        {"op": "conv3d", "out_channels": 3},
        {"op": "linear", "out_features": 0},
        {"op": "linear", "out_features": 2.5},
        {"op": "linear", "out_features": True},
        {"op": "linear", "out_features": 3, "speed": 1},
        {"op": "activation", "function": "swoosh"},
        {"op": "conv2d", "out_channels": 1, "kernel": 1, "padding": -1},
    ],
)
def test_a_line_that_is_no_operator_is_refused(line: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        strategies.workload([line], {"x": [4]})
