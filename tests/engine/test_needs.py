"""The bound counts only what the output depends on: what nobody reads, a perfect implementation leaves out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import build, load
from engine.network import Network
from engine.ops.base import Need
from engine.workload import Workload

CATALOG = load()
Mask = npt.NDArray[np.bool_]
SOURCES = {"us": {"title": "a toy"}}


def toy(graph: list[dict[str, Any]], **inputs: list[int]) -> Network:
    spec = {"id": "toy", "name": "Toy", "task": "none", "source": "us", "sources": SOURCES, "inputs": inputs, "graph": graph}
    return build(Workload.model_validate(spec))


def linear(name: str, features: int, *inputs: str) -> dict[str, Any]:
    return {"op": "linear", "name": name, "out_features": features, "bias": False, "inputs": list(inputs)}


def test_rows_that_a_slice_drops_need_no_arithmetic_but_their_weights_are_read() -> None:
    network = toy([linear("wide", 32), {"op": "slice", "keep": 1, "drop_axis": True}, linear("last", 4)], x=[8, 16])
    assert network.work == 2 * 8 * 16 * 32 + 2 * 32 * 4
    assert network.work_min == 2 * 1 * 16 * 32 + 2 * 32 * 4
    assert network.least_weights == 16 * 32 + 32 * 4
    assert network.least_elements(3) == network.least_weights + 3 * (1 * 16 + 4)


def test_an_operator_that_nobody_reads_needs_nothing() -> None:
    network = toy(
        [linear("read", 4), linear("dead", 1000, "x"), {"op": "activation", "function": "relu", "inputs": ["read"]}], x=[8, 16]
    )
    assert network.needs["dead"].elements == 0
    assert network.work_min == 2 * 8 * 16 * 4
    assert network.least_weights == 16 * 4


def test_one_reader_of_all_is_enough() -> None:
    graph = [
        linear("first", 16), {"op": "slice", "name": "cut", "keep": 2}, linear("small", 4),
        linear("all", 4, "first"), {"op": "slice", "name": "top", "keep": 2},
        {"op": "elementwise", "function": "add", "inputs": ["small", "top"]},
    ]  # fmt: skip
    network = toy(graph, x=[8, 16])
    assert network.needs["first"].elements == 2 / 8
    whole = [*graph[:2], linear("all", 4, "first")]
    assert toy(whole, x=[8, 16]).needs["first"].elements == 1


def test_attention_over_few_queries_still_needs_all_keys_and_values() -> None:
    encoder = {"op": "encoder_block", "name": "layer", "heads": 2, "intermediate": 8}
    network = toy([encoder, {"op": "slice", "keep": 1}], x=[16, 8])
    by_name = {node.name: node for node in network.nodes}
    qkv, attention, out = (by_name[f"layer_{part}"] for part in ("qkv", "attention", "attention_out"))
    least = [node.operator.least_work(node.cost, network.needs[node.name]) for node in (qkv, attention, out)]
    assert least == [2 * 8 * 8 * (16 + 16 + 1), 4 * 8 * 16 * 1, 2 * 8 * 8 * 1]
    assert network.needs["x"].elements == 1


def test_the_class_token_of_bert_spares_most_of_its_last_layer_by_hand() -> None:
    network = build(CATALOG.workloads["bert-base"])
    tokens, hidden, layers = 128, 768, 12
    layer = 2 * tokens * (4 * hidden**2 + 2 * 4 * hidden**2) + 4 * tokens**2 * hidden
    last = 2 * (2 * tokens + 1) * hidden**2 + 2 * hidden**2 + 2 * 2 * 4 * hidden**2 + 4 * tokens * hidden
    assert network.work_min == pytest.approx((layers - 1) * layer + last + 2 * hidden**2, rel=1e-12)


@pytest.mark.parametrize(
    ("extent", "kernel", "stride", "read"), [(7, 1, 2, 16 / 49), (8, 2, 2, 1), (9, 2, 2, 64 / 81), (9, 3, 2, 1)]
)
def test_windows_that_skip_rows_need_less_of_their_input(extent: int, kernel: int, stride: int, read: float) -> None:
    network = toy([
        {"op": "conv2d", "name": "before", "out_channels": 4, "kernel": 1},
        {"op": "pool", "name": "windows", "kernel": kernel, "stride": stride},
    ], x=[3, extent, extent])  # fmt: skip
    assert network.needs["before"].elements == pytest.approx(read)


@given(st.sampled_from(CATALOG.workloads.ids), st.integers(1, 64))
def test_the_needed_is_never_more_than_the_whole(name: str, batch: int) -> None:
    network = build(CATALOG.workloads[name])
    assert 0 < network.work_min <= sum(node.cost.work_min for node in network.nodes) * (1 + 1e-12)
    assert 0 < network.least_weights <= network.weights
    assert all(0 <= need.rows <= 1 and 0 <= need.elements <= 1 for need in network.needs.values())
    assert network.least_elements(batch + 1) >= network.least_elements(batch)


def test_the_rest_of_a_concatenation_may_serve_a_part_of_it() -> None:
    beside = {"op": "concat", "name": "both", "inputs": ["first", "second"]}
    graph = [linear("first", 16, "x"), linear("second", 16, "x"), beside]
    assert toy(graph, x=[8, 16]).needs["first"].elements == 1
    assert toy([*graph, {"op": "slice", "keep": 15}], x=[8, 16]).needs["first"].elements == 0


def test_a_prepended_row_serves_a_slice_before_the_input_does() -> None:
    graph = [linear("body", 16), {"op": "prepend", "name": "joined"}, {"op": "positions", "name": "placed"}]
    whole = toy(graph, x=[8, 16])
    assert (whole.needs["body"].elements, whole.least_weights) == (1, 16 * 16 + 16 + 9 * 16)
    some = toy([*graph, {"op": "slice", "keep": 5}], x=[8, 16])
    assert some.needs["body"].elements == pytest.approx(4 / 8)
    assert some.least_weights == pytest.approx(16 * 16 + 5 * 16)  # of positions five rows, and maybe no learned row
    first = toy([*graph, {"op": "slice", "keep": 1}], x=[8, 16])
    assert first.needs["body"].elements == 0


def test_taps_that_meet_only_padding_are_neither_read_nor_multiplied() -> None:
    """ResNet on images of 32 ends in 3 x 3 convolutions of 1 x 1: of nine taps one is ever used, at stride 2 on 2 x 2 four."""
    same = {"op": "conv2d", "name": "same", "out_channels": 4, "kernel": 3, "padding": 1}
    network = toy([same], x=[8, 1, 1])
    assert (network.work, network.weights) == (2 * 9 * 8 * 4, 9 * 8 * 4 + 4)
    assert (network.work_min, network.least_weights) == (2 * 1 * 8 * 4, 1 * 8 * 4)
    halved = toy([same | {"stride": 2}], x=[8, 2, 2])
    assert (halved.work_min, halved.least_weights) == (2 * 4 * 8 * 4, 4 * 8 * 4)


@given(st.integers(1, 7), st.integers(1, 5), st.integers(0, 8), st.integers(1, 12))
def test_the_least_of_a_window_is_what_its_taps_meet(kernel: int, stride: int, padding: int, extent: int) -> None:
    if extent + 2 * padding < kernel:
        return
    conv = {"op": "conv2d", "out_channels": 1, "kernel": [kernel, 1], "stride": [stride, 1], "padding": [padding, 0]}
    network = toy([conv], x=[1, extent, 1])
    out = network.nodes[0].shape[1]
    met = [[tap for tap in range(kernel) if 0 <= place * stride - padding + tap < extent] for place in range(out)]
    products = sum(map(bool, met)) if stride == 1 else sum(map(len, met))
    used = len({tap for taps in met for tap in taps})
    assert network.work_min == 2 * products
    assert network.least_weights <= used
    assert network.least_weights == used or extent < stride


@pytest.mark.parametrize(
    "after",
    [
        [{"op": "pool", "kernel": 1, "stride": 2}],  # reads every other column
        [{"op": "flatten_spatial"}, {"op": "slice", "keep": 1}],  # reads the first column
    ],
)
def test_of_a_layer_whose_features_are_skipped_not_all_weights_are_needed(after: list[dict[str, Any]]) -> None:
    """Counter-examples to reading all weights of a layer where any of its rows is needed: its rows are not needed whole."""
    features = 8
    network = toy([linear("wide", features, "x"), *after], x=[3, 4, 16])
    read = features // 2 if after[0]["op"] == "pool" else 1
    assert 0 < network.least_weights <= 16 * read


def test_what_can_fold_into_other_weights_need_not_be_read() -> None:
    """A bias and a norm's shift before a norm are one number for each channel; a norm's scale folds into the layer after it."""
    graph = [
        {"op": "conv2d", "name": "a", "out_channels": 4, "kernel": 1}, {"op": "batch_norm", "name": "b"},
        {"op": "layer_norm", "name": "c"}, {"op": "linear", "name": "d", "out_features": 2},
    ]  # fmt: skip
    network = toy(graph, x=[3, 5, 5])
    assert network.weights == 3 * 4 + 4 + 4 + 2 * 5 + 5 * 2 + 2
    assert network.least_weights == 3 * 4 + 5 * 2


def test_features_that_a_section_or_a_turned_slice_drops_spare_their_weights() -> None:
    cut = toy([linear("wide", 32), {"op": "section", "axis": 1, "keep": 8}], x=[4, 16])
    assert cut.least_weights == pytest.approx(16 * 8)
    assert cut.work_min == pytest.approx(2 * 4 * 16 * 8)
    turned = toy([linear("wide", 32), {"op": "permute", "order": [1, 0]}, {"op": "slice", "keep": 8}], x=[4, 16])
    assert turned.least_weights == pytest.approx(16 * 8)
    rows = toy([linear("wide", 32), {"op": "section", "axis": 0, "keep": 1}], x=[4, 16])
    assert rows.least_weights == 16 * 32


Reads = Callable[[Mask, list[tuple[int, ...]]], list[Mask]]
"""What an operator reads of its inputs, for a mask of its result and the shapes of the inputs."""
Reading = tuple[dict[str, Any], list[tuple[int, ...]], Reads]


def window(op: str, kernel: tuple[int, int], stride: int, padding: tuple[int, int], **fields: int) -> Reading:
    """Return a pooling, or a convolution, which reads all channels."""

    def reads(mask: Mask, shapes: list[tuple[int, ...]]) -> list[Mask]:
        ((channels, height, width),) = shapes
        found = np.zeros((channels, height + 2 * padding[0], width + 2 * padding[1]), dtype=bool)
        for channel, row, column in np.argwhere(mask):
            y, x = row * stride, column * stride
            found[slice(None) if op == "conv2d" else channel, y : y + kernel[0], x : x + kernel[1]] = True
        return [found[:, padding[0] : padding[0] + height, padding[1] : padding[1] + width]]

    return {"op": op, "kernel": list(kernel), "stride": stride, "padding": list(padding)} | fields, [(2, 6, 7)], reads


def heads(width: int, count: int) -> list[slice]:
    """Return the features of each head."""
    return [slice(width // count * head, width // count * (head + 1)) for head in range(count)]


def attention(op: str, window: int = 10**6) -> Reads:
    """Return what causal attention of 2 heads of 2 features reads: of one tensor, or of queries, latent rows, and both made."""

    def reads(mask: Mask, shapes: list[tuple[int, ...]]) -> list[Mask]:
        found = [np.zeros(shape, dtype=bool) for shape in shapes]
        for token, feature in np.argwhere(mask):
            head, keys = feature // 2, slice(max(0, token - window + 1), token + 1)
            if op == "attention":
                found[0][token, heads(12, 6)[head]] = True
                for part in (2 + head, 4 + head):
                    found[0][keys, heads(12, 6)[part]] = True
            else:
                found[0][token, heads(shapes[0][1], 2)[head]] = True
                found[1][keys] = True
                found[2][keys, heads(shapes[2][1], 2)[head]] = True
        return found

    return reads


def crossed(mask: Mask, shapes: list[tuple[int, ...]]) -> list[Mask]:
    """Return what cross attention of 2 heads of 2 features reads."""
    found = [np.zeros(shape, dtype=bool) for shape in shapes]
    for token, feature in np.argwhere(mask):
        for part in (feature // 2, 2 + feature // 2):
            found[1][:, heads(8, 4)[part]] = True
        found[0][token, heads(4, 2)[feature // 2]] = True
    return found


def rows_of(mask: Mask, shapes: list[tuple[int, ...]]) -> list[Mask]:
    """Return whole rows of every input where any of the result's row is asked for."""
    asked = mask.reshape(mask.shape[0], -1).any(axis=1)
    return [np.broadcast_to(asked.reshape(-1, *[1] * (len(shape) - 1)), shape) for shape in shapes]


def kept(rows: slice, features: slice) -> Reads:
    """Return what a slice reads."""

    def reads(mask: Mask, shapes: list[tuple[int, ...]]) -> list[Mask]:
        found = np.zeros(shapes[0], dtype=bool)
        found[rows, features] = mask
        return [found]

    return reads


LATENT = {"op": "latent_attention", "heads": 2, "head_dim": 3, "rope_dim": 1, "value_dim": 2}
CHOICE = {"op": "expert_linear", "experts": 4, "active": 2, "out_features": 3}


def spread(mask: Mask, kernel: int, stride: int, padding: int, shape: tuple[int, ...]) -> Mask:
    """Return what a transposed convolution reads: all channels of every pixel whose window reaches a needed element."""
    needed = np.pad(mask.any(axis=0), padding)
    found = np.zeros(shape, dtype=bool)
    for row, column in np.ndindex(shape[1:]):
        y, x = row * stride, column * stride
        found[:, row, column] = needed[y : y + kernel, x : x + kernel].any()
    return found


def transposed(kernel: int, stride: int, padding: int) -> Reading:
    fields = {"op": "conv_transpose2d", "out_channels": 3, "kernel": kernel, "stride": stride, "padding": padding}
    return fields, [(2, 4, 5)], lambda mask, shapes: [spread(mask, kernel, stride, padding, shapes[0])]


def taps(op: str, shape: tuple[int, ...], **fields: int) -> Reading:
    """Return a pooling, or a convolution, along both axes alike, dilated, or with other padding at the end."""
    given = {"stride": 1, "padding": 0, "dilation": 1} | fields

    def reads(mask: Mask, shapes: list[tuple[int, ...]]) -> list[Mask]:
        found = np.zeros(shapes[0], dtype=bool)
        for channel, row, column in np.argwhere(mask):
            for down, right in np.ndindex(given["kernel"], given["kernel"]):
                y, x = (
                    at * given["stride"] + tap * given["dilation"] - given["padding"]
                    for at, tap in ((row, down), (column, right))
                )
                if 0 <= y < shapes[0][1] and 0 <= x < shapes[0][2]:
                    found[slice(None) if op == "conv2d" else channel, y, x] = True
        return [found]

    return {"op": op} | ({"out_channels": 3} if op == "conv2d" else {}) | fields, [shape], reads


def merged(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """Return the pixels that PatchMerge reads, of an image filled up with zeros where a side is odd."""
    height, width, features = mask.shape[0], mask.shape[1], shape[2]
    pixels = mask.reshape(height, width, 2, 2, features).transpose(0, 2, 1, 3, 4).reshape(2 * height, 2 * width, features)
    return pixels[: shape[0], : shape[1]]


def windowed(mask: Mask, shape: tuple[int, ...], *, window: int, shift: int) -> Mask:
    """Return what attention in windows reads: needed queries, and keys and values of the pixels that they see."""
    height, width, features = mask.shape
    found = np.zeros((height, width, 3, features), dtype=bool)
    found[:, :, 0] = mask
    sides = [(extent, shift if extent > window else 0, -(-extent // window) * window) for extent in (height, width)]
    groups = [[((at - first) % padded // window, at < first) for at in range(extent)] for extent, first, padded in sides]
    for row, column in np.argwhere(mask.any(axis=2)):
        sees = np.outer([g == groups[0][row] for g in groups[0]], [g == groups[1][column] for g in groups[1]])
        found[:, :, 1:] |= sees[:, :, None, None] & mask[row, column]
    return found.reshape(shape)


def window_reading(height: int, width: int, *, shifted: bool) -> Reading:
    fields = {"op": "window_attention", "heads": 1, "window": 2, "shifted": shifted}
    return fields, [(height, width, 6)], lambda mask, s: [windowed(mask, s[0], window=2, shift=int(shifted))]


def paired(mask: Mask, features: int) -> Mask:
    """Return the features of which a product with another is needed."""
    found = np.zeros(features, dtype=bool)
    found[np.stack(np.tril_indices(features, -1))[:, mask]] = True
    return found


def whole(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """Return everything where anything is needed."""
    return np.broadcast_to(mask.any(), shape)


def any_window(op: str, shape: tuple[int, ...], **fields: Any) -> Reading:
    """Return a pooling or convolution of any rank, with dilation and padding before and after each axis."""
    kernel = fields["kernel"]
    stride, dilation = fields.get("stride", [1] * len(kernel)), fields.get("dilation", [1] * len(kernel))
    before = fields.get("before", [0] * len(kernel))

    def reads(mask: Mask, shapes: list[tuple[int, ...]]) -> list[Mask]:
        found = np.zeros(shapes[0], dtype=bool)
        for channel, *place in np.argwhere(mask):
            for tap in np.ndindex(*kernel):
                steps = zip(place, stride, tap, dilation, before, strict=True)
                at = [p * s + t * d - b for p, s, t, d, b in steps]
                if all(0 <= x < extent for x, extent in zip(at, shapes[0][1:], strict=True)):
                    found[(slice(None) if op == "convolution" else channel, *at)] = True
        return [found]

    return {"op": op, **fields}, [shape], reads


def spread_line(mask: Mask, shapes: list[tuple[int, ...]]) -> list[Mask]:
    """Return what a transposed convolution of kernel 3 and stride 2 reads: every element that reaches a result."""
    channels, length = shapes[0]
    hit = mask.any(axis=0)
    row = np.array([hit[2 * place : 2 * place + 3].any() for place in range(length)])
    return [np.broadcast_to(row, (channels, length))]


READINGS: list[Reading] = [
    ({"op": "attention", "heads": 2, "causal": True}, [(5, 12)], attention("attention")),
    ({"op": "attention", "heads": 2, "causal": True, "window": 2}, [(5, 12)], attention("attention", 2)),
    (LATENT, [(5, 8), (5, 4), (5, 10)], attention("latent_attention")),
    ({"op": "cross_attention", "heads": 2, "encoded_tokens": 3}, [(5, 4), (3, 8)], crossed),
    (CHOICE, [(5, 4)], rows_of),
    (CHOICE, [(5, 2, 4)], rows_of),
    ({"op": "combine"}, [(5, 2, 4), (5, 4)], rows_of),
    ({"op": "head_norm", "head_dim": 2}, [(5, 12)], lambda mask, _: [mask]),
    ({"op": "slice", "keep": 2}, [(5, 4)], kept(slice(0, 2), slice(None))),
    ({"op": "slice", "keep": 2, "end": True}, [(5, 4)], kept(slice(3, 5), slice(None))),
    ({"op": "slice", "keep": 3, "axis": "last"}, [(5, 4)], kept(slice(None), slice(0, 3))),
    ({"op": "pointwise", "function": "add"}, [(3, 4), (4,)], lambda mask, _: [mask, mask.any(axis=0)]),
    (
        {"op": "pointwise", "function": "mul"},
        [(3, 1, 4), (2, 1)],
        lambda mask, _: [mask.any(axis=1, keepdims=True), mask.any(axis=(0, 2))[:, None]],
    ),
    (
        {"op": "pointwise", "function": "add", "to": [3, 4], "weights": 12},
        [(1, 4)],
        lambda mask, _: [mask.any(axis=0, keepdims=True)],
    ),
    ({"op": "normalize", "function": "softmax"}, [(3, 4)], lambda mask, _: [mask]),
    ({"op": "reduce", "function": "mean", "axes": [1]}, [(3, 4, 2)], lambda mask, s: [np.broadcast_to(mask[:, None], s[0])]),
    ({"op": "reduce", "function": "sum", "axes": [0, 2]}, [(3, 4, 2)], lambda mask, s: [np.broadcast_to(mask[:, None], s[0])]),
    ({"op": "permute", "order": [2, 0, 1]}, [(2, 3, 4)], lambda mask, _: [mask.transpose(1, 2, 0)]),
    ({"op": "section", "axis": 1, "keep": 2}, [(3, 4, 2)], lambda mask, _: [np.pad(mask, ((0, 0), (0, 2), (0, 0)))]),
    ({"op": "section", "axis": 0, "drop_axis": True}, [(3, 4)], lambda mask, _: [np.pad(mask[None], ((0, 2), (0, 0)))]),
    ({"op": "join", "axis": 1}, [(2, 3), (2, 1)], lambda mask, _: [mask[:, :3], mask[:, 3:]]),
    ({"op": "bundle"}, [(2, 3), (4,)], lambda mask, _: [mask[:6].reshape(2, 3), mask[6:]]),
    ({"op": "copy", "function": "pad", "to": [4, 5]}, [(2, 3)], lambda mask, _: [mask[1:3, 1:4]]),
    ({"op": "copy", "function": "gather", "to": [4, 5]}, [(2, 3)], lambda _, s: [np.zeros(s[0], dtype=bool)]),
    (
        {"op": "product"},
        [(2, 3, 4), (4, 5)],
        lambda mask, s: [
            np.broadcast_to(mask.any(axis=2)[:, :, None], s[0]),
            np.broadcast_to(mask.any(axis=(0, 1))[None, :], s[1]),
        ],
    ),
    ({"op": "product", "right": [4, 5]}, [(3, 4)], lambda mask, s: [np.broadcast_to(mask.any(axis=1)[:, None], s[0])]),
    any_window("pooling", (2, 9), kernel=[3], stride=[2], after=[1]),
    any_window("pooling", (2, 5, 6), kernel=[2, 2], stride=[3, 1], before=[1, 0]),
    any_window("pooling", (2, 9), kernel=[2], dilation=[3]),
    any_window("convolution", (2, 6, 7), kernel=[3, 2], stride=[2, 1], before=[1, 0], after=[0, 1], out_channels=3),
    any_window("convolution", (2, 9), kernel=[3], dilation=[2], out_channels=2),
    ({"op": "convolution", "transposed": True, "kernel": [3], "stride": [2], "out_channels": 2}, [(2, 4)], spread_line),
    ({"op": "concat"}, [(2, 3), (1, 3), (4, 3)], lambda mask, _: [mask[:2], mask[2:3], mask[3:]]),
    ({"op": "gate"}, [(3, 2, 2), (3,)], lambda mask, _: [mask, mask.any(axis=(1, 2))]),
    ({"op": "prepend", "rows": 2}, [(3, 4)], lambda mask, _: [mask[2:]]),
    ({"op": "positions"}, [(3, 4)], lambda mask, _: [mask]),
    ({"op": "flatten_spatial"}, [(3, 2, 4)], lambda mask, shapes: [mask.T.reshape(shapes[0])]),
    ({"op": "upsample", "factor": 2}, [(3, 2, 2)], lambda mask, _: [mask.reshape(3, 2, 2, 2, 2).any(axis=(2, 4))]),
    ({"op": "global_pool"}, [(3, 2, 2)], lambda mask, shapes: [np.broadcast_to(mask[:, None, None], shapes[0])]),
    window("pool", (3, 3), 1, (1, 1)),
    window("pool", (1, 5), 1, (0, 2)),
    window("pool", (1, 2), 3, (0, 0)),
    window("pool", (1, 1), 1, (2, 1)),
    window("conv2d", (3, 1), 2, (1, 0), out_channels=3),
    window("conv2d", (2, 3), 1, (1, 2), out_channels=3),
    window("conv2d", (1, 7), 1, (0, 3), out_channels=1),
    taps("conv2d", (2, 7, 8), kernel=3, dilation=2),
    taps("conv2d", (2, 7, 8), kernel=3, dilation=2, padding=2),
    taps("conv2d", (2, 9, 9), kernel=2, dilation=3, stride=2, padding=1),
    taps("pool", (2, 7, 8), kernel=3, padding=1, padding_end=0),
    taps("pool", (2, 7, 8), kernel=2, stride=3, padding=0, padding_end=1),
    taps("pool", (2, 7, 6), kernel=3, stride=2, ceil=True),
    taps("pool", (2, 8, 5), kernel=2, stride=3, padding=1, ceil=True),
    taps("pool", (2, 8, 5), kernel=1, stride=3, padding=1, dilation=2),
    transposed(2, 2, 0),
    transposed(3, 1, 1),
    transposed(3, 2, 1),
    transposed(1, 2, 0),
    transposed(4, 1, 3),
    ({"op": "channels_last"}, [(3, 2, 4)], lambda mask, _: [mask.transpose(2, 0, 1)]),
    ({"op": "channels_first"}, [(2, 4, 3)], lambda mask, _: [mask.transpose(1, 2, 0)]),
    ({"op": "part", "parts": 3, "index": 1}, [(6, 2)], lambda mask, s: [np.pad(mask, ((2, 2), (0, 0))).reshape(s[0])]),
    ({"op": "channel_shuffle"}, [(6, 2, 2)], lambda mask, s: [mask.reshape(3, 2, 2, 2).swapaxes(0, 1).reshape(s[0])]),
    ({"op": "patch_merge"}, [(4, 6, 2)], lambda mask, s: [merged(mask, s[0])]),
    ({"op": "patch_merge"}, [(3, 5, 2)], lambda mask, s: [merged(mask, s[0])]),
    window_reading(4, 4, shifted=False),
    window_reading(4, 6, shifted=True),
    window_reading(5, 3, shifted=True),
    (
        {"op": "group_norm", "groups": 2},
        [(4, 2, 2)],
        lambda mask, s: [np.repeat(mask.reshape(2, -1).any(axis=1), 8).reshape(s[0])],
    ),
    ({"op": "layer_scale"}, [(3, 4)], lambda mask, _: [mask]),
    ({"op": "frequencies", "width": 6}, [(1,)], lambda mask, s: [whole(mask, s[0])]),
    (
        {"op": "adaptive_norm"},
        [(3, 4), (4,), (4,)],
        lambda mask, s: [np.broadcast_to(mask.any(axis=1)[:, None], s[0]), mask.any(axis=0), mask.any(axis=0)],
    ),
    ({"op": "gated_sum"}, [(3, 4), (3, 4), (4,)], lambda mask, _: [mask, mask, mask.any(axis=0)]),
    (
        {"op": "embedding_bags", "rows": [5, 6, 7], "width": 4, "bag": 2},
        [(6,)],
        lambda mask, _: [np.repeat(mask.any(axis=1), 2)],
    ),
    ({"op": "interaction"}, [(4, 3)], lambda mask, s: [np.broadcast_to(paired(mask, 4)[:, None], s[0])]),
]


@pytest.mark.parametrize("case", READINGS, ids=[f"{fields['op']}-{index}" for index, (fields, _, _) in enumerate(READINGS)])
@settings(max_examples=20)
@given(seed=st.integers(0, 2**64 - 1), share=st.floats(0, 1), whole=st.booleans())
def test_an_operator_never_demands_more_than_it_reads(case: Reading, seed: int, share: float, *, whole: bool) -> None:
    fields, shapes, reads = case
    inputs = {f"in{index}": list(shape) for index, shape in enumerate(shapes)}
    node = toy([fields | {"name": "it", "inputs": list(inputs)}], **inputs).nodes[0]
    mask = np.random.default_rng(seed).random(node.shape[:1] if whole else node.shape) < share
    mask = np.broadcast_to(mask.reshape(*mask.shape, *[1] * (len(node.shape) - mask.ndim)), node.shape)
    demands = node.operator.demands(measured(mask), shapes, node.shape, {})
    for demand, read in zip(demands, reads(mask, shapes), strict=True):
        assert 0 <= demand.elements <= demand.rows <= 1
        assert demand.elements <= measured(read).elements + 1e-12
        assert demand.rows <= measured(read).rows + 1e-12
        assert measured(read).last or not demand.last


def measured(mask: Mask) -> Need:
    """Return the share of rows that a mask touches, of elements, and whether it touches the last row."""
    rows = mask.reshape(mask.shape[0], -1).any(axis=1)
    return Need(float(rows.mean()), float(mask.mean()), bool(rows[-1]))
