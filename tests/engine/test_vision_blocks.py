"""Blocks of detectors, ConvNeXt, Swin, diffusion transformers and recommenders: work and parameters, written out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import strategies

from engine.errors import GraphError
from engine.network import Network


def block(shape: tuple[int, ...], **fields: Any) -> Network:
    """Return the network of one block over an input of a shape."""
    return strategies.tiny([{"name": "it", **fields}], {"x": list(shape)})


def conv(pixels: int, cin: int, cout: int, taps: int) -> int:
    """Return the work of a convolution."""
    return 2 * pixels * cin * cout * taps


def normed(cin: int, cout: int, taps: int) -> int:
    """Return the parameters of a convolution without bias and its norm."""
    return cin * cout * taps + 2 * cout


def layer(cin: int, cout: int) -> int:
    """Return the parameters of a layer with a bias."""
    return cin * cout + cout


@pytest.mark.parametrize("shortcut", [True, False])
def test_c3_sends_half_of_its_channels_through_bottlenecks(shortcut: bool) -> None:
    network = block((8, 6, 6), op="c3", out_channels=12, bottlenecks=2, shortcut=shortcut)
    layers = [(8, 6, 1), (8, 6, 1), *2 * [(6, 6, 1), (6, 6, 9)], (12, 12, 1)]
    assert network.nodes[-1].shape == (12, 6, 6)
    assert network.work == sum(conv(36, *each) for each in layers)
    assert network.parameters == sum(normed(*each) for each in layers)
    assert len(network.kernels) == len(layers)  # sums ride on the convolutions before them
    assert sum(node.name.endswith("_add") for node in network.nodes) == 2 * shortcut


def test_c2f_joins_the_results_of_all_its_bottlenecks() -> None:
    network = block((8, 6, 6), op="c2f", out_channels=12, bottlenecks=2)
    layers = [(8, 12, 1), *4 * [(6, 6, 9)], ((2 + 2) * 6, 12, 1)]
    assert network.nodes[-1].shape == (12, 6, 6)
    assert network.work == sum(conv(36, *each) for each in layers)
    assert network.parameters == sum(normed(*each) for each in layers)
    assert all(need.elements == 1 for name, need in network.needs.items() if name != "it_half")


def test_sppf_pools_three_times_in_a_row() -> None:
    network = block((8, 6, 6), op="sppf", out_channels=10)
    assert network.nodes[-1].shape == (10, 6, 6)
    assert network.work == conv(36, 8, 4, 1) + conv(36, 16, 10, 1)
    assert network.parameters == normed(8, 4, 1) + normed(16, 10, 1)
    assert [node.name for node in network.nodes if "pool" in node.name] == ["it_pool0", "it_pool1", "it_pool2"]


def test_a_detection_head_has_a_tower_for_boxes_and_one_for_classes() -> None:
    network = block((8, 6, 5), op="detection_head", classes=20, boxes=4, class_width=10, box_width=6, depth=2)
    hidden, last = [(8, 6, 9), (6, 6, 9), (8, 10, 9), (10, 10, 9)], [(6, 4, 1), (10, 20, 1)]
    assert network.nodes[-1].shape == (6 * 5, 4 + 20)
    assert network.work == sum(conv(30, *each) for each in hidden + last)
    assert network.parameters == sum(normed(*each) for each in hidden) + layer(6, 4) + layer(10, 20)


def test_a_detection_head_may_have_no_towers() -> None:
    network = block((8, 6, 5), op="detection_head", classes=20, boxes=4, depth=0, kernel=3)
    assert network.nodes[-1].shape == (30, 24)
    assert network.parameters == 8 * 9 * 24 + 24


def test_dilated_blocks() -> None:
    plain, normal = (
        block((4, 9, 9), op=op, out_channels=6, kernel=3, padding=2, dilation=2) for op in ("conv_activation", "conv_norm")
    )
    assert plain.nodes[-1].shape == normal.nodes[-1].shape == (6, 9, 9)
    assert plain.work == normal.work == conv(81, 4, 6, 9)


@pytest.mark.parametrize("stride", [1, 2])
def test_shuffle_units_mix_two_branches(stride: int) -> None:
    width, side = 8, 6
    network = block((width, side, side), op="shuffle_unit", out_channels=12 if stride == 2 else width, stride=stride)
    before, after = side**2, (side // stride) ** 2
    if stride == 2:
        layers = [(after, 1, width, 9), (after, width, 6, 1), (before, width, 6, 1), (after, 1, 6, 9), (after, 6, 6, 1)]
    else:
        layers = [(before, 4, 4, 1), (before, 1, 4, 9), (before, 4, 4, 1)]
    assert network.nodes[-1].shape == (12 if stride == 2 else width, side // stride, side // stride)
    assert network.work == sum(conv(*each) for each in layers)
    assert network.parameters == sum(normed(*each[1:]) for each in layers)
    assert network.needs["x"].elements == 1


def test_a_tied_head_stores_nothing() -> None:
    head = {"op": "detection_head", "classes": 9, "boxes": 4, "class_width": 8, "box_width": 8, "depth": 1, "kernel": 3}
    head |= {"norm": False, "activation": "relu"}
    graph = [
        head | {"name": "large", "inputs": ["x"]},
        {"op": "pool", "name": "half", "kernel": 2, "stride": 2, "inputs": ["x"]},
        head | {"name": "small", "tied_to": "large"},
        {"op": "concat", "inputs": ["large", "small"]},
    ]
    network = strategies.tiny(graph, {"x": [8, 6, 6]})
    layers = [(8, 8, 9), (8, 8, 9), (8, 4, 9), (8, 9, 9)]
    assert network.nodes[-1].shape == (36 + 9, 4 + 9)
    assert network.work == sum(conv(36 + 9, *each) for each in layers)
    assert network.parameters == sum(cin * cout * taps + cout for cin, cout, taps in layers)
    assert network.least_weights == sum(cin * cout * taps for cin, cout, taps in layers)


def test_channel_norm_is_a_norm_over_the_channels_of_each_pixel() -> None:
    network = block((8, 4, 5), op="channel_norm")
    assert network.nodes[-1].shape == (8, 4, 5)
    assert (network.work, network.parameters, len(network.kernels)) == (0, 2 * 8, 1)


def test_convnext_block() -> None:
    channels, pixels = 6, 9 * 9
    network = block((channels, 9, 9), op="convnext_block")
    assert network.nodes[-1].shape == (channels, 9, 9)
    assert network.work == conv(pixels, 1, channels, 49) + 2 * 2 * pixels * channels * 4 * channels
    feed = layer(channels, 4 * channels) + layer(4 * channels, channels)
    assert network.parameters == 49 * channels + channels + 2 * channels + feed + channels
    kernels = ["depthwise", "norm", "ffn_in", "ffn_out"]
    assert [kernel.name.removeprefix("it_") for kernel in network.kernels] == kernels
    assert network.kernels[-1].operators == ("it_ffn_out", "it_scale", "it_add")


def test_swin_blocks_shift_every_second_time() -> None:
    side, width, heads, window = 14, 8, 2, 7
    network = block((side, side, width), op="swin_block", heads=heads, repeat=2)
    assert network.nodes[-1].shape == (side, side, width)
    attention = 4 * width * side**2 * window**2
    assert network.work == 2 * (2 * side**2 * (4 + 8) * width**2 + attention)
    biases = (2 * window - 1) ** 2 * heads
    feed = layer(width, 4 * width) + layer(4 * width, width)
    assert network.parameters == 2 * (layer(width, 3 * width) + layer(width, width) + feed + 4 * width + biases)
    shifts = [node.operator.shifted for node in network.nodes if node.cost.kind == "attention"]  # type: ignore[attr-defined]
    assert shifts == [False, True]


def test_patch_merging_halves_the_sides_and_doubles_the_features() -> None:
    network = block((6, 4, 5), op="patch_merging")
    assert network.nodes[-1].shape == (3, 2, 10)
    assert network.work == 2 * 3 * 2 * 20 * 10
    assert network.parameters == 2 * 20 + 20 * 10


def test_dit_block_takes_shift_scale_and_gate_from_its_conditioning() -> None:
    tokens, width, heads = 5, 8, 2
    network = strategies.tiny(
        [{"op": "dit_block", "name": "it", "inputs": ["x"], "heads": heads, "conditioning": "c"}],
        {"x": [tokens, width], "c": [width]},
    )
    assert network.nodes[-1].shape == (tokens, width)
    factors = 6 * width**2
    assert network.work == 2 * tokens * 12 * width**2 + 4 * tokens**2 * width + 2 * factors
    feed = layer(width, 4 * width) + layer(4 * width, width)
    assert network.parameters == factors + 6 * width + layer(width, 3 * width) + layer(width, width) + feed
    assert network.least_weights == factors + 12 * width**2
    assert network.needs["it_factors"].elements == 1
    kernels = [
        "factors", "attention_norm", "qkv", "attention", "attention_out", "attention_add", "ffn_norm", "ffn_in", "ffn_out",
        "ffn_add",
    ]  # fmt: skip
    assert [kernel.name.removeprefix("it_") for kernel in network.kernels] == kernels


def test_mlp_is_a_layer_for_each_width() -> None:
    network = block((5,), op="mlp", widths=[7, 3])
    assert network.nodes[-1].shape == (3,)
    assert network.work == 2 * (5 * 7 + 7 * 3)
    assert network.parameters == layer(5, 7) + layer(7, 3)
    assert len(network.kernels) == 2


@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        ((4, 5), {"op": "convnext_block"}, "convnext_block takes a sample of channels x height x width, not (4, 5)"),
        ((4, 5), {"op": "swin_block", "heads": 1}, "swin_block takes a sample of height x width x features, not (4, 5)"),
        ((4, 5), {"op": "dit_block", "heads": 2, "conditioning": "x"}, "2 heads do not divide a width of 5 evenly"),
        ((4, 6), {"op": "dit_block", "heads": 2, "conditioning": "y"}, "nothing before it is called 'y'"),
        ((8, 6, 6), {"op": "c2f", "out_channels": 8, "bottlenecks": 10**9}, "more than 30,000 operators; one of its counts"),
        ((8, 6, 6), {"op": "c3", "out_channels": 8, "bottlenecks": 10**9}, "more than 30,000 operators; one of its counts"),
    ],
)
def test_what_does_not_fit_is_named(shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError) as caught:
        block(shape, **fields)
    assert message in str(caught.value)
