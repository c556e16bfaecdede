"""Hypothesis strategies of the engine's tests, and the small builders that they share. Everything made here is valid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from engine.accelerator import Accelerator
from engine.assembly import machine as machine_of
from engine.calibration import Calibration, resolve
from engine.catalog import Catalog, Entry, load
from engine.machine import Machine
from engine.network import Network, build
from engine.workload import Workload

ROOT = Path(__file__).parents[1]
FORMS = ("tiled", "systolic", "roof")
NAMES = ("a", "b", "c")


@cache
def catalog() -> Catalog:
    """Return the catalogue that ships with Roofwise."""
    return load()


@cache
def network(name: str) -> Network:
    """Return a workload of the catalogue at its default sizes."""
    return build(catalog().workloads[name])


def workload(
    graph: Sequence[Mapping[str, Any]],
    inputs: Mapping[str, Sequence[int | str]],
    sizes: Mapping[str, tuple[int, int, int]] | None = None,
) -> Workload:
    """Return a workload of a graph; `sizes` are (default, minimum, maximum) by name."""
    fields = ("default", "minimum", "maximum")
    return Workload.model_validate(
        {
            "id": "tiny",
            "name": "Tiny",
            "task": "test",
            "source": "us",
            "sources": {"us": {"title": "made for a test"}},
            "sizes": {
                name: dict(zip(fields, numbers, strict=True)) | {"unit": "token", "source": "us"}
                for name, numbers in (sizes or {}).items()
            },
            "inputs": {name: list(shape) for name, shape in inputs.items()},
            "graph": [dict(line) for line in graph],
        }
    )


def tiny(
    graph: Sequence[Mapping[str, Any]],
    inputs: Mapping[str, Sequence[int | str]],
    sizes: Mapping[str, tuple[int, int, int]] | None = None,
    **chosen: int,
) -> Network:
    """Return the network of a graph, at the chosen sizes."""
    return build(workload(graph, inputs, sizes), chosen)


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "source": "us"}


_COMMON: dict[str, Any] = {
    "vendor": "Nobody",
    "sources": {"us": {"title": "made for a test"}},
    "process_node": _quantity(4, "nm"),
    "tdp": _quantity(700, "W"),
    "idle_power": _quantity(70, "W"),
    "last_level_cache": _quantity(50, "MB"),
}
_CHIPS: dict[str, dict[str, Any]] = {
    "tiled": {
        "id": "test-gpu", "name": "GPU", "kind": "gpu", "family": "Test",
        "peak_dense": {"bf16": _quantity(989.4, "TFLOP/s"), "int8": _quantity(1978.9, "TOP/s")},
        "flop_per_clock": {"bf16": _quantity(4096, "FLOP/clk"), "int8": _quantity(8192, "OP/clk")},
        "parallel_units": _quantity(132, "SM"),
        "peak_clock": {"default": _quantity(1830, "MHz")},
        "max_clock": _quantity(1980, "MHz"), "load_clock": _quantity(1900, "MHz"),
        "memory": {"type": "HBM3", "bandwidth": _quantity(3.35, "TB/s"), "capacity": _quantity(80, "GB")},
    },
    "systolic": {
        "id": "test-tpu", "name": "TPU", "kind": "tpu", "family": "Test",
        "peak_dense": {"bf16": _quantity(275, "TFLOP/s"), "int8": _quantity(275, "TOP/s")},
        "parallel_units": _quantity(8, "MXU"),
        "matrix_array": {"rows": _quantity(128, "1"), "columns": _quantity(128, "1")},
        "peak_clock": {"default": _quantity(1050, "MHz")},
        "memory": {"type": "HBM2", "bandwidth": _quantity(1.2, "TB/s"), "capacity": _quantity(32, "GB")},
    },
    "roof": {
        "id": "test-edge", "name": "Edge", "kind": "edge", "family": "Test",
        "peak_dense": {"bf16": _quantity(13, "TFLOP/s"), "int8": _quantity(26, "TOP/s")},
        "memory": {"type": "LPDDR4X", "bandwidth": _quantity(34, "GB/s"), "capacity": _quantity(4, "GB")},
    },
}  # fmt: skip


def chip(form: str, **changes: Any) -> Accelerator:
    """Return a chip whose products the family's calibration counts in a form; None takes a field away."""
    fields = _COMMON | _CHIPS[form] | changes
    return Accelerator.model_validate({name: value for name, value in fields.items() if value is not None})


def machine(form: str, dtype: str = "bf16", **changes: Any) -> Machine:
    """Return the machine of such a chip."""
    spec = chip(form, **changes)
    constants = resolve(spec, catalog().calibrations)
    assert constants is not None
    return machine_of(spec, constants, dtype)


@cache
def base_machine(form: str, dtype: str) -> Machine:
    """Return the unchanged machine of a form; it must be counted in that form, or the laws would miss one."""
    made = machine(form, dtype)
    assert made.form == form
    return made


def decades(low: float, high: float) -> st.SearchStrategy[float]:
    """Return numbers from 10**low to 10**high, spread evenly over the decades."""
    return st.floats(low, high).map(lambda exponent: 10.0**exponent)


@st.composite
def machines(draw: st.DrawFn, forms: Sequence[str] = FORMS) -> Machine:
    """Return machines far around those that exist: four decades of peak and bandwidth, any constants in their range."""
    base = base_machine(draw(st.sampled_from(forms)), draw(st.sampled_from(["bf16", "int8"])))
    peak, bandwidth, cache_bytes = draw(decades(12, 16)), draw(decades(9.5, 13.5)), draw(decades(3, 9))
    highest, tdp_w = draw(st.floats(1.0, 1.2)), draw(decades(0, 3.5))
    idle_w = tdp_w * draw(st.floats(0.0, 0.6))
    share = st.floats(0.2, 1.0)
    load_peak = peak * draw(st.one_of(st.just(1.0), st.floats(0.7, highest)))
    return replace(
        base, peak=peak, peak_max=peak * highest, bandwidth=bandwidth, bound_bandwidth=bandwidth,
        load_peak=load_peak, conv_peak=load_peak * draw(st.one_of(st.just(1.0), st.floats(0.3, 1.0))),
        cache=cache_bytes, on_chip=cache_bytes * draw(st.floats(1.0, 2.0)), units=float(draw(st.integers(1, 256))),
        reference_peak=peak * draw(st.sampled_from([0.5, 1.0])), vector_peak=peak / draw(st.floats(2.0, 64.0)),
        tdp_w=tdp_w, idle_w=idle_w, static_w=idle_w * draw(st.floats(0.0, 1.0)), launch=draw(decades(-7, -4)),
        sustained=draw(share), bandwidth_share=draw(share), attention=draw(share), cache_ratio=draw(st.floats(1.0, 5.0)),
        feed=draw(decades(-3, -1)), wave_fill=draw(st.sampled_from([0.0, 7e-7])), wave_sharing=draw(st.floats(0.0, 1.0)),
        split_cost=draw(st.sampled_from([0.0, 2.6e-6])), tile_drain=draw(st.floats(0.0, 1.5)),
        softmax_work=draw(st.floats(0.0, 90.0)), fused=draw(st.booleans()), fused_attention=draw(st.booleans()),
        host=draw(st.sampled_from([0.0, 3e-5])),
        host_sharpness=4.0, launch_ratio_p10=draw(st.floats(0.5, 0.9)), launch_ratio_p90=draw(st.floats(1.0, 2.0)),
        overlap_loss=draw(st.floats(0.0, 1.0)),
        voltage_span=draw(st.sampled_from([1.0, 1.4, 3.0])), voltage_exponent=draw(st.sampled_from([0.5, 1.0, 2.0])),
        floor_w=draw(st.floats(0.0, 5.0)),
        floor_flop_j=draw(decades(-14, -12)), floor_byte_j=draw(decades(-12, -11)),
        cache_byte_j=draw(st.sampled_from([0.0, 4e-11])),
        winograd=draw(st.sampled_from([0.0, 0.3, 1.0])) if base.form == "tiled" else 0.0,
        transform=draw(st.floats(0.0, 3.0)), transform_weights=draw(st.floats(0.0, 4.0)),
    )  # fmt: skip


_IMAGE_BLOCKS = st.one_of(
    st.builds(
        lambda out, kernel, stride: {
            "op": "conv_norm", "out_channels": out, "kernel": kernel, "stride": stride, "padding": kernel // 2,
        },
        st.integers(1, 96), st.sampled_from([1, 3, 5]), st.sampled_from([1, 2]),
    ),
    st.builds(lambda width, repeat: {"op": "basic_block", "width": width, "repeat": repeat},
              st.integers(1, 64), st.integers(1, 3)),
    st.builds(lambda width, stride: {"op": "bottleneck", "width": width, "stride": stride},
              st.integers(1, 32), st.sampled_from([1, 2])),
    st.builds(lambda out: {"op": "inverted_residual", "expansion": 6, "out_channels": out}, st.integers(1, 48)),
    st.builds(lambda out: {"op": "gated_residual", "wide": 60, "out_channels": out, "squeeze": 7}, st.integers(1, 48)),
    st.builds(lambda out, repeat: {"op": "dense_layer", "growth": out, "wide": 16, "repeat": repeat},
              st.integers(1, 32), st.integers(1, 3)),
    st.builds(lambda out: {"op": "fire", "squeeze": 5, "out_channels_each": out}, st.integers(1, 48)),
)  # fmt: skip
_TOKEN_BLOCKS = st.one_of(
    st.builds(lambda mid, repeat: {"op": "encoder_block", "heads": 4, "intermediate": mid, "repeat": repeat},
              st.integers(1, 512), st.integers(1, 3)),
    st.builds(lambda mid: {"op": "decoder_block", "heads": 4, "kv_heads": 2, "intermediate": mid, "context": 33},
              st.integers(1, 512)),
    st.builds(lambda mid: {"op": "pre_norm_encoder_block", "heads": 4, "intermediate": mid}, st.integers(1, 512)),
    st.builds(lambda mid, window: {"op": "gated_decoder_block", "heads": 4, "intermediate": mid, "context": 7,
                                   "window": window}, st.integers(1, 512), st.integers(1, 99)),
    st.builds(lambda mid, experts, active: {"op": "gated_decoder_block", "heads": 4, "kv_heads": 1, "head_dim": 24,
                                            "intermediate": mid, "experts": experts, "active": min(active, experts)},
              st.integers(1, 512), st.integers(1, 64), st.integers(1, 8)),
    st.builds(lambda mid, rank: {"op": "latent_decoder_block", "heads": 2, "head_dim": 16, "rope_dim": 8, "value_dim": 12,
                                 "latent": 32, "query_rank": rank, "intermediate": mid, "context": 0, "repeat": 2},
              st.integers(1, 512), st.one_of(st.none(), st.integers(1, 64))),
    st.just({"op": "cross_decoder_block", "heads": 4, "intermediate": 64, "encoded_tokens": 30, "context": 3}),
    st.builds(lambda out: {"op": "linear", "out_features": 4 * out}, st.integers(1, 64)),
    st.just({"op": "layer_norm"}),
)  # fmt: skip


class Drawn(Network):
    """A network that a failing test shows in one line: its id, or the graph it was made of."""

    def __repr__(self) -> str:
        """Return the name instead of every operator."""
        return self.name

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(self.name)


def drawn(made: Network, name: str) -> Drawn:
    """Return a network that shows itself as `name`."""
    return Drawn(**{field.name: getattr(made, field.name) for field in fields(Network)} | {"name": name})


@st.composite
def small_networks(draw: st.DrawFn) -> Network:
    """Return small convolutional networks and small transformers."""
    if draw(st.booleans()):
        side = draw(st.integers(8, 48))
        blocks = draw(st.lists(_IMAGE_BLOCKS, min_size=1, max_size=4))
        ending: list[dict[str, Any]] = [{"op": "global_pool"}, {"op": "linear", "out_features": draw(st.integers(1, 1000))}]
        graph: list[dict[str, Any]] = [*blocks, *ending]
        return drawn(tiny(graph, {"pixels": [3, side, side]}), f"{graph} of 3 x {side} x {side}")
    hidden, tokens = 4 * draw(st.integers(1, 64)), draw(st.integers(1, 200))
    blocks = draw(st.lists(_TOKEN_BLOCKS, min_size=1, max_size=4))
    learned: list[dict[str, Any]] = draw(st.sampled_from([[], [{"op": "prepend"}, {"op": "positions"}]]))
    graph = [{"op": "embedding", "rows": draw(st.integers(1, 5000)), "width": hidden}, *learned, *blocks]
    return drawn(tiny(graph, {"tokens": [tokens]}), f"{graph} of {tokens} tokens")


def networks() -> st.SearchStrategy[Network]:
    """Return networks of the catalogue and small ones."""
    known = st.sampled_from(["resnet18", "resnet50", "mobilenet-v2", "bert-base", "gpt3-175b"]).map(
        lambda name: drawn(network(name), name)
    )
    return st.one_of(known, small_networks())


@st.composite
def tangles(draw: st.DrawFn) -> Network:
    """Return graphs of a few operators that read any results before them: sums, views of views, results that nobody reads."""
    shapes: dict[str, list[int]] = {"x": [4, 8], "y": [2, 8]}
    graph: list[dict[str, Any]] = []
    for index in range(draw(st.integers(1, 14))):
        name, source = f"n{index}", draw(st.sampled_from([*shapes]))
        rows, columns = shapes[source]
        like = draw(st.sampled_from([other for other, shape in shapes.items() if shape == shapes[source]]))
        below = draw(st.sampled_from([other for other, shape in shapes.items() if shape[1] == columns]))
        out, kept = draw(st.integers(1, 3)) * 4, draw(st.integers(1, rows))
        lines: list[tuple[dict[str, Any], list[int]]] = [
            ({"op": "linear", "out_features": out}, [rows, out]),
            ({"op": "linear", "out_features": 8}, [rows, 8]),
            ({"op": "activation", "function": "relu"}, [rows, columns]),
            ({"op": "layer_norm"}, [rows, columns]),
            ({"op": "reshape", "to": [2 * rows, columns // 2]}, [2 * rows, columns // 2]),
            ({"op": "slice", "keep": kept}, [kept, columns]),
            ({"op": "elementwise", "function": "add", "inputs": [source, like]}, [rows, columns]),
            ({"op": "elementwise", "function": "mul", "inputs": [like, source]}, [rows, columns]),
            ({"op": "concat", "inputs": [source, below]}, [rows + shapes[below][0], columns]),
        ]  # fmt: skip
        line, shapes[name] = draw(st.sampled_from([made for made in lines if made[1][1] > 0]))
        graph.append({"name": name, "inputs": [source]} | line)
    return drawn(tiny(graph, {"x": [4, 8], "y": [2, 8]}), str(graph))


def numbers(depth: int = 3) -> st.SearchStrategy[str]:
    """Return texts of expressions that give a number."""
    leaf = st.sampled_from([*NAMES, "0", "1", "2", "7", "0.5"])
    if depth == 0:
        return leaf
    part = st.deferred(lambda: numbers(depth - 1))
    return st.one_of(
        leaf,
        st.builds("({} {} {})".format, part, st.sampled_from(["+", "-", "*", "/", "//", "%"]), part),
        st.builds("{} ** {}".format, leaf, st.integers(1, 3)),
        st.builds("{}({})".format, st.sampled_from(["ceil", "floor"]), part),
        st.builds("{}({})".format, st.sampled_from(["min", "max"]), st.lists(part, min_size=2, max_size=3).map(", ".join)),
        st.builds("-({})".format, part),
    )


@st.composite
def conditions(draw: st.DrawFn, depth: int = 3) -> str:
    """Return texts of expressions that give a truth value."""
    kind = draw(st.sampled_from(["compare", "and", "or", "not"])) if depth else "compare"
    if kind == "compare":
        parts = draw(st.lists(numbers(1), min_size=2, max_size=3))
        operators = [draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="])) for _ in parts[1:]]
        return parts[0] + "".join(f" {operator} {part}" for operator, part in zip(operators, parts[1:], strict=True))
    if kind == "not":
        return f"not ({draw(conditions(depth - 1))})"
    parts = draw(st.lists(conditions(depth - 1), min_size=2, max_size=3))
    return f" {kind} ".join(f"({part})" for part in parts)


def facts() -> st.SearchStrategy[dict[str, float | None]]:
    """Return values for the names of expressions: quarters from -8 to 8, or unknown."""
    value = st.one_of(st.none(), st.integers(-32, 32).map(lambda quarters: quarters / 4.0))
    return st.fixed_dictionaries(dict.fromkeys(NAMES, value))


# A machine that was probed.


def probed_quantity(value: float, unit: str) -> dict[str, Any]:
    """Return a quantity of a probe."""
    return {"value": value, "unit": unit, "source": "probe"}


_q = probed_quantity
BOX: dict[str, Any] = {
    "id": "box", "name": "Box", "vendor": "Us", "kind": "cpu", "family": "probed", "confidence": "measured",
    "sources": {"probe": {"title": "a probe"}}, "peak_dense": {"fp32": _q(200, "GFLOP/s")},
    "parallel_units": _q(1, "core"), "last_level_cache": _q(1, "MB"), "tdp": _q(1, "kW"), "idle_power": _q(1, "W"),
    "memory": {"type": "DDR", "bandwidth": _q(20, "GB/s"), "capacity": _q(8, "GB")},
}  # fmt: skip
BOX_RATES: dict[str, Any] = {
    "id": "box-probe", "name": "Box", "applies_to": {"hardware": ["box"]}, "sources": {"probe": {"title": "a probe"}},
    "network": {
        "launch": _q(1, "us"), "sustained": _q(1, "1"), "bandwidth_share": _q(1, "1"), "cache_ratio": _q(1, "1"),
        "overlap_loss": _q(0.5, "1"),
    },
    "rates": {
        "work": {"gemm": _q(100, "GFLOP/s"), "conv": _q(50, "GFLOP/s")},
        "element": {"elementwise": _q(1, "ns"), "tanh": _q(4, "ns")},
        "cache": _q(1, "MB"), "bandwidth": _q(10, "GB/s"), "product_bandwidth": _q(5, "GB/s"),
    },
}  # fmt: skip
"""A probed machine with round rates, as its two specs."""


@cache
def box_catalog() -> Catalog:
    """Return the catalogue with the box in it."""
    specs = catalog()
    chip, rates = Accelerator.model_validate(BOX), Calibration.model_validate(BOX_RATES)
    chips = {**specs.accelerators.entries, chip.id: Entry(model=chip, file="box.json", ours=False)}
    calibrations = {**specs.calibrations.entries, rates.id: Entry(model=rates, file="box-probe.json", ours=False)}
    return replace(
        specs,
        accelerators=replace(specs.accelerators, entries=chips),
        calibrations=replace(specs.calibrations, entries=calibrations),
    )
