"""Operators of detectors, hierarchical vision networks, diffusion models and recommenders: each cost written out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import strategies

from engine.cost import Cost
from engine.errors import GraphError
from engine.network import Node
from engine.ops.base import Need


def made(op: str, *shapes: tuple[int, ...], **fields: Any) -> Node:
    """Return the node of one operator over inputs of given shapes."""
    inputs = {f"in{index}": shape for index, shape in enumerate(shapes)}
    return strategies.tiny([{"op": op, "name": "it", "inputs": list(inputs), **fields}], inputs).nodes[0]


# Windows.


def test_a_dilated_window_skips_elements_and_counts_its_taps_only() -> None:
    cin, side, cout, r, dilation = 3, 20, 5, 3, 4
    node = made("conv2d", (cin, side, side), out_channels=cout, kernel=r, dilation=dilation, bias=False)
    span = dilation * (r - 1) + 1
    assert node.shape == (cout, side - span + 1, side - span + 1) == (5, 12, 12)
    assert node.cost.work == 2 * 12 * 12 * cout * cin * r * r
    assert node.cost.weights == cout * cin * r * r
    same = made("conv2d", (cin, side, side), out_channels=cout, kernel=r, dilation=dilation, padding=dilation)
    assert same.shape == (cout, side, side)


def test_padding_at_the_end_may_differ() -> None:
    node = made("conv2d", (3, 224, 225), out_channels=2, kernel=3, stride=2, padding=0, padding_end=[1, 0])
    assert node.shape == (2, (224 + 0 + 1 - 3) // 2 + 1, (225 - 3) // 2 + 1) == (2, 112, 112)
    assert made("pool", (1, 6, 6), kernel=3, padding=1, padding_end=0).shape == (1, 5, 5)


@pytest.mark.parametrize(
    ("extent", "kernel", "stride", "padding", "out"),
    [
        (112, 3, 2, 0, 56),  # SqueezeNet's and GoogLeNet's: 55.5 rounded up
        (75, 2, 2, 0, 38),  # SSD's third pooling
        (19, 3, 1, 1, 19),
        (5, 2, 2, 1, 3),  # a fourth window would begin in the padding
        (4, 1, 3, 0, 2),
    ],
)
def test_a_pooling_may_keep_a_last_window_cut_short(extent: int, kernel: int, stride: int, padding: int, out: int) -> None:
    node = made("pool", (1, extent, extent), kernel=kernel, stride=stride, padding=padding, ceil=True)
    assert node.shape == (1, out, out)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize(("padding", "end"), [(0, 0), (2, 2), (3, 1), (0, 4), (5, 0)])
def test_taps_on_padding_are_spared_and_need_no_products(stride: int, dilation: int, padding: int, end: int) -> None:
    extent, r = 7, 3
    fields = {
        "kernel": [1, r],
        "stride": [1, stride],
        "dilation": [1, dilation],
        "padding": [0, padding],
        "padding_end": [0, end],
    }
    node = made("conv2d", (1, 1, extent), out_channels=1, bias=False, **fields)
    places = range(node.shape[2])
    meets = [[0 <= at * stride + tap * dilation - padding < extent for tap in range(r)] for at in places]
    assert r - node.cost.spared == sum(any(place[tap] for place in meets) for tap in range(r))
    products = sum(map(any, meets)) if stride == 1 else sum(map(sum, meets))
    exact = stride > 1 or dilation == 1
    assert node.cost.work_min == 2 * products if exact else 0 < node.cost.work_min <= 2 * products


def test_a_tied_convolution_is_read_but_stored_once_and_may_be_left_out_of_the_bound() -> None:
    cin, side, cout, r = 4, 6, 4, 3
    first = {"op": "conv2d", "name": "first", "out_channels": cout, "kernel": r, "padding": 1}
    network = strategies.tiny([first, first | {"name": "again", "tied_to": "first"}], {"x": [cin, side, side]})
    stored = cin * cout * r * r + cout
    assert network.parameters == stored
    assert network.weights == 2 * stored
    assert network.least_weights == stored - cout  # a bias may fold into what follows
    assert network.work == 2 * 2 * side**2 * cin * cout * r * r


def test_what_is_tied_must_stand_before() -> None:
    line = {"op": "conv2d", "name": "again", "out_channels": 4, "kernel": 1, "tied_to": "first1"}
    with pytest.raises(GraphError, match=r"nothing before it is called 'first1'; did you mean first\?"):
        strategies.tiny([{"op": "conv2d", "name": "first", "out_channels": 4, "kernel": 1}, line], {"x": [4, 6, 6]})


def test_conv_transpose2d_spreads_every_element_over_a_window() -> None:
    cin, height, width, cout, r = 6, 5, 7, 3, 2
    node = made("conv_transpose2d", (cin, height, width), out_channels=cout, kernel=r, stride=r)
    assert node.shape == (cout, r * height, r * width)
    assert node.cost.kind == "conv"
    assert node.cost.work == node.cost.work_min == 2 * height * width * cin * cout * r * r
    assert node.cost.weights == node.cost.parameters == cin * cout * r * r + cout
    assert node.cost.rows * node.cost.columns * node.cost.channels * 2 == node.cost.work
    assert (node.cost.inputs, node.cost.outputs) == (cin * height * width, cout * r * r * height * width)


def test_conv_transpose2d_that_overlaps_needs_less() -> None:
    cin, side, cout = 3, 10, 2
    node = made("conv_transpose2d", (cin, side, side), out_channels=cout, kernel=4, stride=2, padding=1, bias=False)
    assert node.shape == (cout, 20, 20)  # (10 - 1)*2 + 4 - 2
    assert node.cost.work == 2 * side**2 * cin * cout * 16
    kept = (side * 4 - 2 * 1 * 2) / (side * 4) / 2  # two taps at each border at most, and two taps of a phase as one product
    assert node.cost.work_min == pytest.approx(node.cost.work * kept**2)


# Layout.


@pytest.mark.parametrize(
    ("op", "before", "after", "fields"),
    [
        ("channels_last", (6, 4, 5), (4, 5, 6), {}),
        ("channels_first", (4, 5, 6), (6, 4, 5), {}),
        ("part", (6, 4), (2, 4), {"parts": 3, "index": 2}),
        ("part", (6,), (3,), {"parts": 2, "index": 0}),
    ],
)
def test_other_views_are_free(op: str, before: tuple[int, ...], after: tuple[int, ...], fields: dict[str, Any]) -> None:
    node = made(op, before, **fields)
    assert node.shape == after
    assert node.cost == Cost(kind="view")


@pytest.mark.parametrize(("side", "merged"), [(8, 4), (7, 4)])
def test_patch_merge_copies_four_pixels_behind_each_other(side: int, merged: int) -> None:
    node = made("patch_merge", (side, side, 5))
    assert node.shape == (merged, merged, 20)
    assert (node.cost.kind, node.cost.work) == ("memory", 0)
    assert (node.cost.inputs, node.cost.outputs) == (side * side * 5, merged * merged * 20)


def test_channel_shuffle_is_a_copy() -> None:
    node = made("channel_shuffle", (6, 4, 5))
    assert node.shape == (6, 4, 5)
    assert (node.cost.kind, node.cost.inputs, node.cost.outputs) == ("memory", 120, 120)


def test_parts_that_are_needed_together_need_their_sum() -> None:
    body = {"op": "linear", "name": "body", "out_features": 12, "bias": False}
    parts = [{"op": "part", "name": f"p{i}", "parts": 6, "index": i, "inputs": ["body"]} for i in range(6)]

    def needed(count: int) -> float:
        joined = {"op": "concat", "inputs": [f"p{i}" for i in range(count)]}
        return strategies.tiny([body, *parts, joined], {"x": [4]}).needs["body"].elements

    assert needed(6) == 1
    assert needed(4) == pytest.approx(4 / 6)


def test_the_same_part_twice_is_needed_once_and_halves_do_not_add_to_thirds() -> None:
    body = {"op": "linear", "name": "body", "out_features": 12}
    lines = [
        {"op": "part", "name": name, "parts": parts, "index": 0, "inputs": ["body"]}
        for name, parts in (("a", 2), ("b", 2), ("c", 3))
    ]
    network = strategies.tiny([body, *lines, {"op": "concat", "inputs": ["a", "b", "c"]}], {"x": [4]})
    assert network.needs["body"] == Need(1 / 2, 1 / 2)


# Attention in windows.


def pairs_by_hand(extent: int, window: int, *, shifted: bool) -> int:
    """Return how many pairs of pixels of one axis share a window and, after a cyclic shift, lie side by side."""
    shift = window // 2 if shifted and extent > window else 0
    padded = -(-extent // window) * window
    place = {pixel: (pixel - shift) % padded for pixel in range(extent)}
    group = {pixel: (place[pixel] // window, pixel < shift) for pixel in range(extent)}
    return sum(group[a] == group[b] for a in group for b in group)


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("height", "width"), [(14, 14), (7, 7), (8, 21), (16, 5), (23, 10)])
def test_window_attention(height: int, width: int, shifted: bool) -> None:
    heads, d, window = 3, 4, 7
    node = made("window_attention", (height, width, 3 * heads * d), heads=heads, shifted=shifted)
    cost, windows = node.cost, -(-height // window) * -(-width // window)
    assert node.shape == (height, width, heads * d)
    assert cost.kind == "attention"
    assert cost.work == cost.work_done == 4 * heads * d * windows * window**4
    seen = pairs_by_hand(height, window, shifted=shifted) * pairs_by_hand(width, window, shifted=shifted)
    assert cost.work_min == 4 * heads * d * seen
    assert cost.parameters == cost.weights == (2 * window - 1) ** 2 * heads
    assert (cost.rows, cost.columns, cost.channels, cost.groups) == (window**2, window**2, d, heads * windows)
    assert 4 * cost.rows * cost.columns * cost.channels * cost.groups == cost.work


def test_unfused_window_attention_writes_its_scores_and_copies() -> None:
    plain = made("window_attention", (14, 14, 24), heads=2)
    scores, copies = 2 * 4 * 49 * 49, 14 * 14 * 8
    assert plain.operator.unfused(plain.cost).outputs == plain.cost.outputs + 3 * scores + 5 * copies
    shifted = made("window_attention", (14, 14, 24), heads=2, shifted=True)
    assert shifted.operator.unfused(shifted.cost).inputs == shifted.cost.inputs + 4 * scores + 7 * copies


def test_only_biases_of_distances_inside_the_image_must_be_read() -> None:
    small = strategies.tiny([{"op": "window_attention", "heads": 2}], {"x": [3, 20, 24]})
    assert small.weights == 13 * 13 * 2
    assert small.least_weights == pytest.approx(5 * 13 * 2)


# Norms and scales.


def test_group_norm_and_layer_scale_have_parameters_for_each_channel() -> None:
    norm, scale = made("group_norm", (8, 3, 5), groups=4), made("layer_scale", (3, 5, 8))
    assert (norm.shape, scale.shape) == ((8, 3, 5), (3, 5, 8))
    assert norm.cost.parameters == norm.cost.weights == 2 * 8
    assert scale.cost.parameters == scale.cost.weights == 8
    assert (norm.cost.inputs, norm.cost.outputs, scale.cost.inputs, scale.cost.outputs) == (120, 120, 120, 120)


# Diffusion.


def test_frequencies_make_a_vector_of_a_number() -> None:
    node = made("frequencies", (1,), width=256)
    assert node.shape == (256,)
    assert (node.cost.kind, node.cost.inputs, node.cost.outputs) == ("memory", 1, 256)


def test_adaptive_norm_and_gated_sum_read_vectors_besides() -> None:
    tokens, width = 5, 8
    norm = made("adaptive_norm", (tokens, width), (width,), (width,))
    total = made("gated_sum", (tokens, width), (tokens, width), (width,))
    assert norm.shape == total.shape == (tokens, width)
    assert (norm.cost.inputs, norm.cost.outputs, norm.cost.parameters) == (tokens * width + 2 * width, tokens * width, 0)
    assert (total.cost.inputs, total.cost.outputs) == (2 * tokens * width + width, tokens * width)
    assert norm.operator.unfused(norm.cost).outputs == norm.operator.launches * tokens * width
    assert total.operator.unfused(total.cost).outputs == total.operator.launches * tokens * width


# Recommenders.


def test_embedding_bags_look_up_rows_of_every_table() -> None:
    rows, width, bag = [10, 1000, 3], 4, 2
    node = made("embedding_bags", (6,), rows=rows, width=width, bag=bag)
    assert node.shape == (3, width)
    assert node.cost.parameters == 1013 * width
    assert (node.cost.weights, node.cost.lookups) == (0, 6)
    assert (node.cost.inputs, node.cost.outputs) == (6 * (1 + width), 3 * width)
    assert node.operator.launches == 3


@pytest.mark.parametrize("batch", [1, 2, 4, 100, 1000])
def test_of_every_table_only_the_rows_looked_up_must_travel(batch: int) -> None:
    rows, width, bag = [10, 1000, 3], 4, 2
    network = strategies.tiny([{"op": "embedding_bags", "rows": rows, "width": width, "bag": bag}], {"x": [6]})
    touched = sum(min(count, batch * bag) for count in rows) * width
    assert network.least_elements(batch) == touched + batch * (6 + 3 * width)


def test_tables_of_which_a_part_is_needed_add_nothing_to_the_bound() -> None:
    bags = {"op": "embedding_bags", "rows": [10, 1000], "width": 4}
    network = strategies.tiny([bags, {"op": "part", "parts": 2, "index": 0}], {"x": [2]})
    assert network.least_elements(3) == 3 * (1 + 4)


def test_interaction_multiplies_all_with_all_and_needs_each_pair_once() -> None:
    features, width = 5, 16
    node = made("interaction", (features, width))
    assert node.shape == (10,)
    assert node.cost.work == node.cost.work_done == 2 * features**2 * width
    assert node.cost.work_min == 2 * 10 * width
    assert (node.cost.rows, node.cost.columns, node.cost.channels, node.cost.shared) == (features, features, width, False)
    assert node.operator.unfused(node.cost).outputs == 10 + features**2


@pytest.mark.parametrize(
    ("op", "shapes", "fields", "message"),
    [
        ("conv2d", [(1, 9, 9)], {"out_channels": 1, "kernel": 3, "dilation": 5}, "a window of 11 does not fit into 9"),
        ("pool", [(1, 2, 9)], {"kernel": 5, "padding": 1, "padding_end": 0}, "5 does not fit into 2 with padding 1 and 0"),
        ("conv_transpose2d", [(4, 5)], {"out_channels": 2, "kernel": 2}, "conv_transpose2d takes a sample of channels x"),
        ("conv_transpose2d", [(4, 1, 1)], {"out_channels": 2, "kernel": 2, "padding": 1}, "nothing of a result of 0 x 0"),
        ("channels_last", [(4, 5)], {}, "channels_last takes a sample of channels x height x width, not (4, 5)"),
        ("channels_first", [(4, 5)], {}, "channels_first takes a sample of height x width x channels, not (4, 5)"),
        ("part", [(4, 5)], {"parts": 3, "index": 0}, "there is no part 0 of 4 rows in 3 equal parts"),
        ("part", [(4, 5)], {"parts": 2, "index": 2}, "there is no part 2 of 4 rows in 2 equal parts; the first is part 0"),
        ("channel_shuffle", [(3, 5, 5)], {}, "channel_shuffle takes an even number of channels, not 3"),
        ("patch_merge", [(4, 5)], {}, "patch_merge takes a sample of height x width x channels, not (4, 5)"),
        ("window_attention", [(4, 5)], {"heads": 2}, "window_attention takes height x width x 3*2*head_dim, not (4, 5)"),
        ("window_attention", [(4, 5, 8)], {"heads": 2}, "window_attention takes height x width x 3*2*head_dim, not (4, 5, 8)"),
        ("group_norm", [(6, 5, 5)], {"groups": 4}, "4 groups do not divide 6 channels evenly"),
        ("frequencies", [(2,)], {"width": 8}, "frequencies takes one number, not (2,)"),
        ("adaptive_norm", [(3, 4), (4,), (3,)], {}, "it takes 1 of one shape, then vectors of its last axis, not (3, 4)"),
        ("gated_sum", [(3, 4), (2, 4), (4,)], {}, "it takes 2 of one shape, then vectors of its last axis, not (3, 4), (2, 4)"),
        ("embedding_bags", [(5,)], {"rows": [3, 3], "width": 2, "bag": 2}, "takes 4 indices, 2 a table, not (5,)"),
        ("interaction", [(1, 4)], {}, "interaction takes two or more features x width, not (1, 4)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(op: str, shapes: list[tuple[int, ...]], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError) as caught:
        made(op, *shapes, **fields)
    assert message in str(caught.value)
