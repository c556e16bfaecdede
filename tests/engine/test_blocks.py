"""Blocks: the work and the parameters of each, written out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import strategies

from engine.network import Network


def block(shape: tuple[int, ...], **fields: Any) -> Network:
    """Return the network of one block over an input of a shape."""
    return strategies.tiny([fields], {"x": list(shape)})


def conv(pixels: int, cin: int, cout: int, taps: int) -> int:
    """Return the work of a convolution."""
    return 2 * pixels * cin * cout * taps


def normed(cin: int, cout: int, taps: int) -> int:
    """Return the parameters of a convolution without bias and its norm."""
    return cin * cout * taps + 2 * cout


def test_conv_activation_has_a_bias_and_no_norm() -> None:
    network = block((3, 9, 9), op="conv_activation", out_channels=8, kernel=[3, 1], stride=2, padding=[1, 0], repeat=2)
    assert network.nodes[-1].shape == (8, 5, 5)
    assert network.work == conv(25, 3, 8, 3) + conv(25, 8, 8, 3)
    assert network.parameters == 3 * 8 * 3 + 8 + 8 * 8 * 3 + 8
    assert len(network.kernels) == 2


def test_dark_residual_narrows_to_half_and_widens_again() -> None:
    network = block((8, 6, 6), op="dark_residual", repeat=2)
    assert network.nodes[-1].shape == (8, 6, 6)
    assert network.work == 2 * (conv(36, 8, 4, 1) + conv(36, 4, 8, 9))
    assert network.parameters == 2 * (normed(8, 4, 1) + normed(4, 8, 9))
    assert network.nodes[-1].name.endswith("_1_add")


def test_separable_conv_is_depthwise_then_pointwise() -> None:
    network = block((6, 8, 8), op="separable_conv", out_channels=10, stride=2)
    assert network.nodes[-1].shape == (10, 4, 4)
    assert network.work == conv(16, 1, 6, 9) + conv(16, 6, 10, 1)
    assert network.parameters == normed(1, 6, 9) + normed(6, 10, 1)
    assert [kernel.cost.kind for kernel in network.kernels] == ["depthwise", "conv"]


def test_gated_residual_without_a_gate_is_an_inverted_residual() -> None:
    fields = {"out_channels": 6, "kernel": 5}
    plain = block((6, 8, 8), op="inverted_residual", expansion=4, **fields)
    same = block((6, 8, 8), op="gated_residual", wide=24, **fields)
    assert (same.work, same.parameters, len(same.kernels)) == (plain.work, plain.parameters, len(plain.kernels))


def test_gated_residual_gates_what_the_depthwise_convolution_writes() -> None:
    cin, wide, out, squeeze, pixels = 6, 24, 10, 4, 16
    network = block((cin, 8, 8), op="gated_residual", wide=wide, out_channels=out, stride=2, squeeze=squeeze)
    assert network.nodes[-1].shape == (out, 4, 4)
    gate = 2 * 2 * wide * squeeze
    assert network.work == conv(64, cin, wide, 1) + conv(pixels, 1, wide, 9) + gate + conv(pixels, wide, out, 1)
    gate = wide * squeeze + squeeze + squeeze * wide + wide
    assert network.parameters == normed(cin, wide, 1) + normed(1, wide, 9) + gate + normed(wide, out, 1)
    kernels = ["expand", "depthwise", "average", "squeeze", "excite", "gate", "project"]
    assert [kernel.name.rpartition("_")[2] for kernel in network.kernels] == kernels


def test_gated_residual_of_the_width_it_reads_does_not_widen() -> None:
    network = block((6, 8, 8), op="gated_residual", wide=6, out_channels=6)
    assert network.work == conv(64, 1, 6, 9) + conv(64, 6, 6, 1)
    assert network.nodes[-1].name.endswith("_add")


def test_dense_layers_read_all_that_stands_before_them() -> None:
    cin, growth, wide, pixels = 8, 3, 12, 36
    network = block((cin, 6, 6), op="dense_layer", growth=growth, wide=wide, repeat=2)
    assert network.nodes[-1].shape == (cin + 2 * growth, 6, 6)
    reads = [cin, cin + growth]
    assert network.work == sum(conv(pixels, read, wide, 1) + conv(pixels, wide, growth, 9) for read in reads)
    assert network.parameters == sum(2 * read + normed(read, wide, 1) + wide * growth * 9 for read in reads)
    assert len(network.kernels) == 2 * 3


def test_fire_squeezes_and_expands_side_by_side() -> None:
    network = block((8, 6, 6), op="fire", squeeze=2, out_channels_each=5)
    assert network.nodes[-1].shape == (10, 6, 6)
    assert network.work == conv(36, 8, 2, 1) + conv(36, 2, 5, 1) + conv(36, 2, 5, 9)
    assert network.parameters == 8 * 2 + 2 + 2 * 5 + 5 + 2 * 5 * 9 + 5


@pytest.mark.parametrize("kernel", [3, 5])
def test_inception_has_four_branches(kernel: int) -> None:
    network = block((8, 6, 6), op="inception", ones=2, threes=[3, 4], large=[5, 6], pooled=7, large_kernel=kernel)
    assert network.nodes[-1].shape == (2 + 4 + 6 + 7, 6, 6)
    layers = [(8, 2, 1), (8, 3, 1), (3, 4, 9), (8, 5, 1), (5, 6, kernel**2), (8, 7, 1)]
    assert network.work == sum(conv(36, *layer) for layer in layers)
    assert network.parameters == sum(normed(*layer) for layer in layers)


def test_the_encoder_with_norms_first_is_a_decoder_without_a_mask() -> None:
    tokens, width, wide = 5, 8, 16
    fields = {"heads": 2, "intermediate": wide}
    first = block((tokens, width), op="pre_norm_encoder_block", **fields)
    last = block((tokens, width), op="encoder_block", **fields)
    decoder = block((tokens, width), op="decoder_block", **fields)
    assert first.work == last.work == decoder.work == 2 * tokens * (4 * width**2 + 2 * width * wide) + 4 * tokens**2 * width
    assert first.parameters == last.parameters == decoder.parameters
    assert first.work_min == first.work > decoder.work_min
    assert first.nodes[0].name.endswith("attention_norm")


def test_the_gated_decoder_has_three_layers_to_feed_forward_and_no_bias() -> None:
    tokens, width, wide, heads, kv = 5, 8, 12, 4, 2
    network = block((tokens, width), op="gated_decoder_block", heads=heads, kv_heads=kv, intermediate=wide)
    projections = width * (width + 2 * width * kv // heads) + width**2
    assert network.parameters == projections + 3 * width * wide + 2 * width
    assert network.work == 2 * tokens * (projections + 3 * width * wide) + 4 * tokens**2 * width
    kernels = ["attention_norm", "qkv", "attention", "attention_out", "ffn_norm", "ffn_gate", "ffn_in", "ffn_out"]
    assert [kernel.name.removeprefix("gated_decoder_block_0_") for kernel in network.kernels] == kernels
