"""Kernels of a library, class by class: what folds, what is a pass of its own, and the time at probed rates, by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import BOX, BOX_RATES, catalog, network
from strategies import probed_quantity as q

from engine.accelerator import Accelerator
from engine.assembly import class_times, machine
from engine.calibration import ELEMENT_CLASSES, WORK_CLASSES, Calibration, resolve
from engine.compiled import estimate
from engine.network import Network, build
from engine.workload import Workload


def made(inputs: dict[str, list[int]], *graph: dict[str, Any]) -> Network:
    """Return the network of a few lines."""
    spec = {
        "id": "toy", "name": "Toy", "task": "a test", "source": "us", "sources": {"us": {"title": "us"}}, "inputs": inputs,
        "graph": list(graph),
    }  # fmt: skip
    return build(Workload.model_validate(spec))


def parts(net: Network) -> Counter[str]:
    """Return what all kernels of a network do for one sample, by class."""
    found: Counter[str] = Counter()
    for cost, count in net.unique_library:
        for name, amount in cost.parts:
            found[name] += amount * count
    return found


CONV = {"op": "conv2d", "name": "conv", "out_channels": 32, "kernel": 3, "padding": 1}
IMAGE = {"x": [16, 8, 8]}


def test_a_convolution_takes_norm_sum_and_relu_with_it() -> None:
    net = made(
        IMAGE, CONV, {"op": "batch_norm"}, {"op": "activation", "name": "r", "function": "relu"},
        {"op": "conv2d", "name": "second", "out_channels": 32, "kernel": 1},
        {"op": "elementwise", "name": "sum", "inputs": ["second", "r"], "function": "add"},
    )  # fmt: skip
    assert parts(net) == {"conv": 2 * 64 * 32 * 16 * 9, "conv1x1": 2 * 64 * 32 * 32}
    second = next(cost for cost, _ in net.unique_library if cost.parts[0][0] == "conv1x1")
    assert second.inputs == 2 * 32 * 64  # its own, and the other side of the sum


def test_a_stored_factor_folds_and_one_of_the_sample_does_not() -> None:
    stored = {"op": "pointwise", "function": "mul", "weights": 32}
    assert parts(made(IMAGE, CONV, stored)) == {"conv": 2 * 64 * 32 * 16 * 9}
    gate = {"op": "elementwise", "inputs": ["conv", "gated"], "function": "mul"}
    other = {"op": "conv2d", "name": "gated", "inputs": ["x"], "out_channels": 32, "kernel": 1}
    assert parts(made(IMAGE, CONV, other, gate))["elementwise"] == 3 * 32 * 64


def test_what_does_not_fold_is_a_pass_of_its_own() -> None:
    net = made(IMAGE, CONV, {"op": "activation", "function": "silu"}, {"op": "pool", "kernel": [2, 3], "stride": 1})
    assert parts(net) == {"conv": 2 * 64 * 32 * 16 * 9, "sigmoid": 32 * 64, "pool": 32 * 7 * 6 * 6}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ({"out_channels": 32, "kernel": 1}, "conv1x1"),
        ({"out_channels": 16, "kernel": 3, "groups": 16}, "depthwise"),
        ({"out_channels": 32, "kernel": 3, "groups": 4}, "grouped"),
    ],
)
def test_convolutions_have_classes(line: dict[str, Any], name: str) -> None:
    assert name in parts(made(IMAGE, {"op": "conv2d", **line}))


def test_few_channels_are_a_stem_and_groups_of_whole_blocks_are_not_grouped() -> None:
    assert "conv_stem" in parts(made({"x": [3, 8, 8]}, {"op": "conv2d", "out_channels": 32, "kernel": 3}))
    assert parts(made({"x": [32, 8, 8]}, {"op": "conv2d", "out_channels": 32, "kernel": 1, "groups": 2})).keys() == {"conv1x1"}


def test_a_kernel_of_groups_leaves_its_blocks_and_takes_no_sum_with_it() -> None:
    lines = [
        {"op": "activation", "name": "x2", "inputs": ["x"], "function": "relu"},
        {"op": "conv2d", "name": "g", "out_channels": 16, "kernel": 1, "groups": 4},
        {"op": "elementwise", "inputs": ["g", "x2"], "function": "add"},
    ]
    assert parts(made(IMAGE, *lines)) == {
        "grouped": 2 * 64 * 16 * 4, "transpose": 16 * 64, "elementwise": 2 * 16 * 64 + 3 * 16 * 64,
    }  # fmt: skip


def test_a_sum_that_only_a_norm_reads_is_one_kernel_with_it() -> None:
    lines: list[dict[str, Any]] = [
        {"op": "linear", "name": "l", "out_features": 8, "bias": False},
        {"op": "elementwise", "name": "s", "inputs": ["l", "x"], "function": "add"},
        {"op": "layer_norm", "name": "n"},
    ]
    alone = parts(made({"x": [4, 8]}, *lines))
    assert alone == {"gemm": 2 * 4 * 8 * 8, "residual_norm": 32}
    read_twice = parts(made({"x": [4, 8]}, *lines, {"op": "elementwise", "inputs": ["n", "s"], "function": "add"}))
    assert read_twice == {"gemm": 2 * 4 * 8 * 8, "elementwise": 2 * 3 * 32, "layer_norm": 32}


def test_a_bias_of_tokens_is_a_pass_unless_a_gelu_takes_it() -> None:
    linear = {"op": "linear", "out_features": 8}
    assert parts(made({"x": [4, 8]}, linear)) == {"gemm": 2 * 4 * 8 * 8, "elementwise": 2 * 32}
    assert parts(made({"x": [4, 8]}, linear, {"op": "activation", "function": "gelu"})) == {"gemm": 2 * 4 * 8 * 8, "gelu": 32}
    assert parts(made({"x": [8]}, linear, {"op": "activation", "function": "relu"})) == {"gemm": 2 * 8 * 8}


def test_attention_is_two_products_a_softmax_and_what_it_moves() -> None:
    net = made({"x": [4, 24]}, {"op": "attention", "heads": 2})
    scores = 2 * 4 * 4
    assert parts(net) == {"batched": 4 * 8 * 4 * 4, "softmax": scores, "elementwise": 2 * scores, "transpose": 4 * 24 + 4 * 8}


def test_a_concatenation_copies() -> None:
    lines = [
        {"op": "activation", "name": "a", "inputs": ["x"], "function": "tanh"},
        {"op": "concat", "inputs": ["x", "a"]},
    ]
    assert parts(made(IMAGE, *lines)) == {"tanh": 16 * 64, "copy": 2 * 16 * 64}


@pytest.mark.parametrize("name", ["resnet50", "mobilenet-v2", "bert-base", "vit-b-16", "densenet121", "gpt2"])
def test_no_arithmetic_of_a_network_is_lost(name: str) -> None:
    net = network(name)
    done = sum(count * cost.work_done for cost, count in net.unique_unfused)
    assert sum(amount for kind, amount in parts(net).items() if kind in WORK_CLASSES) == pytest.approx(done)
    assert parts(net).keys() <= {*WORK_CLASSES, *ELEMENT_CLASSES}


# A machine with rates.


def seconds(net: Network, *, batch: int = 1, more: tuple[dict[str, Any], ...] = ()) -> float:
    """Return the estimate of a network on the box [s], with more calibrations of it."""
    chip = Accelerator.model_validate(BOX)
    specs = [*catalog().calibrations, Calibration.model_validate(BOX_RATES), *map(Calibration.model_validate, more)]
    constants = resolve(chip, specs)
    assert constants is not None
    return float(estimate(net, [machine(chip, constants, "fp32")], [batch]).latency_estimate_s[0, 0])


def test_a_pass_in_the_cache_takes_its_launch_and_its_elements() -> None:
    net = made({"x": [1000]}, {"op": "activation", "function": "tanh"})
    assert seconds(net, batch=3) == pytest.approx(1e-6 + 3 * 1000 * 4e-9, rel=1e-6)


def test_a_pass_beyond_the_cache_adds_what_it_fetches() -> None:
    net = made({"x": [1_000_000]}, {"op": "activation", "function": "tanh"})
    assert seconds(net) == pytest.approx(1e-6 + 4e-3 + (8e6 - 1e6) / 10e9, rel=1e-6)


def test_a_product_hides_half_of_the_shorter_of_arithmetic_and_weights() -> None:
    net = made({"x": [1000]}, {"op": "linear", "out_features": 1000, "bias": False})
    arithmetic, weights = 2e6 / 100e9, (4e6 - 1e6) / 5e9
    assert seconds(net) == pytest.approx(1e-6 + weights + 0.5 * arithmetic, rel=1e-6)


def test_a_class_that_was_not_probed_takes_the_usual_rate() -> None:
    net = made({"x": [16, 8, 8]}, {"op": "conv2d", "out_channels": 32, "kernel": 1, "bias": False})
    assert seconds(net) == pytest.approx(1e-6 + 2 * 64 * 32 * 16 / 100e9, rel=1e-6)


def test_measurements_change_the_time_of_a_class_and_of_all() -> None:
    net = made({"x": [1000]}, {"op": "activation", "function": "tanh"})
    factors = {"launch_factor": q(2, "1"), "time_factor": q(1.5, "1"), "class_factors": {"tanh": q(3, "1")}}
    fit = {
        "id": "box",
        "name": "fit",
        "applies_to": {"hardware": ["box"]},
        "sources": BOX_RATES["sources"],
        "correction": factors,
    }
    assert seconds(net, more=(fit,)) == pytest.approx(1.5 * (2e-6 + 3 * 1000 * 4e-9), rel=1e-6)


def test_a_family_without_a_machines_rates_has_no_constants() -> None:
    chip = Accelerator.model_validate(BOX)
    assert resolve(chip, catalog().calibrations) is None


def test_other_forms_have_no_rates() -> None:
    constants = catalog().constants["nvidia-l4"]
    assert class_times(constants) == ()


@given(name=st.sampled_from(["resnet18", "mobilenet-v2", "bert-base"]), batch=st.integers(1, 64))
def test_a_probed_machine_takes_longer_for_more_and_never_beats_its_bound(name: str, batch: int) -> None:
    chip = Accelerator.model_validate(BOX)
    constants = resolve(chip, [*catalog().calibrations, Calibration.model_validate(BOX_RATES)])
    assert constants is not None
    found = estimate(network(name), [machine(chip, constants, "fp32")], [batch, batch + 1])
    assert found.latency_estimate_s[0, 0] < found.latency_estimate_s[0, 1]
    assert (found.latency_lower_bound_s <= found.latency_estimate_s).all()
    shares = np.array([values[0, 0] for values in found.ladder_s.values()])
    assert shares.min() >= 0
    assert shares.sum() == pytest.approx(found.latency_estimate_s[0, 0])
