"""A derivation is the same computation as the estimate, told step by step."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import strategies

from advisor.derive import derive
from advisor.report.derivation import as_json, as_latex, as_markdown, as_text
from advisor.step import FORMS, Step
from engine import build, load, predict
from engine.machine import GRAPH
from engine.network import Network
from engine.passes import breakdown
from engine.solve import roof_curve
from engine.units import render

CATALOG = load()
CASES = [
    ("resnet50", "nvidia-l4", "bf16", 8),
    ("bert-base", "nvidia-h100-sxm", "fp8", 3),
    ("bert-base", "nvidia-h100-sxm", "bf16", 1),
    ("bert-large", "google-tpu-v4", "bf16", 16),
    ("mobilenet-v2", "stillwater-kpu-t256", "int8", 1),
    ("gpt3-175b", "nvidia-a100-sxm-80", "fp16", 1),
    ("resnet18", "amd-mi300x", "bf16", 256),
    ("resnet50", "nvidia-v100-sxm2-32", "fp16", 64),
    ("bert-base", "intel-xeon-8490h", "bf16", 2),
]
EAGER = [
    ("resnet50", "nvidia-a100-sxm-40", "bf16", 1),
    ("vgg16", "nvidia-a100-sxm-40", "fp64", 8),
    ("bert-large", "nvidia-l4", "fp16", 64),
    ("mobilenet-v2", "google-tpu-v4", "bf16", 8),
    ("vgg16", "nvidia-v100-sxm2-16", "fp32", 64),
]
RUNS = [*((*case, GRAPH) for case in CASES), *((*case, "eager") for case in EAGER)]
ONE_OF_EACH = list({(chip.kind, chip.vendor): (chip.id, chip.dtypes[0]) for chip in CATALOG.accelerators}.values())
"""A chip of every kind of every maker."""


@cache
def network(model: str) -> Network:
    return build(CATALOG.workloads[model])


@cache
def steps_of(
    model: str, hardware: str, dtype: str, batch: int, limit: float | None = None, runtime: str = GRAPH
) -> dict[str, Step]:
    steps = derive(network(model), CATALOG.machine(hardware, dtype, runtime), batch, limit, catalog=CATALOG)
    assert len({step.title for step in steps}) == len(steps)
    return {step.title: step for step in steps}


def values(
    model: str, hardware: str, dtype: str, batch: int, limit: float | None = None, runtime: str = GRAPH
) -> dict[str, float]:
    return {title: step.value for title, step in steps_of(model, hardware, dtype, batch, limit, runtime).items()}


# The same numbers.


@pytest.mark.parametrize(("model", "hardware", "dtype", "batch", "runtime"), RUNS)
def test_the_derivation_ends_where_the_estimate_does(model: str, hardware: str, dtype: str, batch: int, runtime: str) -> None:
    derived = values(model, hardware, dtype, batch, runtime=runtime)
    (row,) = predict(model, [hardware], [batch], [dtype], runtime=runtime, catalog=CATALOG)
    expected = {
        "lower bound": row["latency_lower_bound_s"],
        "estimate": row["latency_estimate_s"],
        "p10 of our error": row["latency_p10_s"],
        "p90 of our error": row["latency_p90_s"],
        "energy of the pass": row["energy_per_inference_j"] * batch,
        "MFU": row["mfu"],
        "MBU": row["mbu"],
    }
    assert {title: derived[title] for title in expected} == pytest.approx(expected, rel=1e-9)
    last = "time of the network" if runtime == GRAPH else "time with the host"
    assert max(derived[last], derived["lower bound"]) == pytest.approx(derived["estimate"], rel=1e-9)
    p10 = max(min(derived["blend at p10"], derived["estimate"]), derived["lower bound"])
    p90 = max(derived["blend at p90"], derived["estimate"])
    assert (p10, p90) == pytest.approx((derived["p10 of our error"], derived["p90 of our error"]), rel=1e-9)


@pytest.mark.parametrize(("model", "hardware", "dtype", "batch", "runtime"), RUNS)
def test_the_kernel_that_is_spelled_out_is_the_one_that_takes_most_time(
    model: str, hardware: str, dtype: str, batch: int, runtime: str
) -> None:
    parts = breakdown(network(model), [CATALOG.machine(hardware, dtype, runtime)], np.array([[float(batch)]]))
    longest = int((parts.count * parts.seconds).argmax())
    told = values(model, hardware, dtype, batch, runtime=runtime)
    derived = {title.partition(": ")[2]: value for title, value in told.items()}
    expected = {
        "arithmetic": parts.compute["full"][longest].item(),
        "bytes from memory": parts.traffic[longest].item(),
        "traffic": parts.memory_s[longest].item(),
        "T_op": parts.seconds[longest].item(),
        "dynamic energy": parts.energy_j[longest].item(),
    }
    assert {name: derived[name] for name in expected} == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("model", ["resnet50", "bert-base"])
def test_a_probed_machine_is_told_by_the_rates_of_its_classes(model: str) -> None:
    box = strategies.box_catalog()
    steps = {step.title: step for step in derive(strategies.network(model), box.machine("box", "fp32"), 4, None, catalog=box)}
    (row,) = predict(model, ["box"], [4], ["fp32"], catalog=box)
    assert steps["estimate"].value == pytest.approx(row["latency_estimate_s"], rel=1e-9)
    (told,) = (step for title, step in steps.items() if title.endswith(": arithmetic"))
    assert told.form == "rated_s"
    assert "for a sample" in str(told)


def test_the_batch_curve_is_that_of_the_solver() -> None:
    curve = roof_curve(network("resnet50"), CATALOG.machine("nvidia-l4", "bf16"))
    derived = values("resnet50", "nvidia-l4", "bf16", 8, 0.010)
    expected = {
        "plain roof": curve.latency_s(8),
        "knee": curve.knee(),
        "largest batch": curve.largest_batch(0.010),
        "bandwidth for this batch": curve.bandwidth_for_limit(8, 0.010),
        "peak for this batch": curve.peak_for_limit(8, 0.010),
        "d ln T / d ln beta": curve.bandwidth_elasticity(8),
        "d ln T / d ln pi": curve.peak_elasticity(8),
    }
    assert {title: derived[title] for title in expected} == expected
    segments = {title: value for title, value in derived.items() if title.startswith("each sample on segment")}
    last = len(curve.segments)
    assert segments == {
        f"each sample on segment {number} of {last}": curve.segments[number - 1].slope for number in (1, 2, 3, last)
    }


def test_a_limit_adds_what_it_would_need() -> None:
    without, derived = values("resnet50", "nvidia-l4", "bf16", 8), values("resnet50", "nvidia-l4", "bf16", 8, 0.010)
    added = {"largest batch", *(f"{rate} for {what}" for rate in ("peak", "bandwidth") for what in ("the limit", "this batch"))}
    assert derived.keys() - without.keys() == added
    assert derived["peak for the limit"] == pytest.approx(derived["least work W_min"] / 0.010)


def test_attention_is_told_with_the_vector_work_of_its_scores() -> None:
    heads, tokens, head_dim, batch = 16, 2048, 64, 2
    network = strategies.tiny([{"op": "attention", "name": "a", "heads": heads}], {"x": [tokens, 3 * heads * head_dim]})
    machine = CATALOG.machine("nvidia-a100-sxm-80", "bf16")
    steps = {step.title: step for step in derive(network, machine, batch, catalog=CATALOG)}
    step = steps["kernel a: arithmetic"]
    parts = breakdown(network, [machine], np.array([[float(batch)]]))
    assert step.form == "attention_s"
    assert step.value == pytest.approx(parts.compute["full"].item(), rel=1e-9)
    assert "softmax_work" in step.text
    assert "19.49 TFLOP/s" in step.substituted  # fp32, the peak of the vector units


def test_a_peak_is_told_at_the_clock_under_load() -> None:
    steps = steps_of("resnet50", "nvidia-rtx4090", "int8", 64)
    machine = CATALOG.machine("nvidia-rtx4090", "int8")
    assert steps["peak under load"].form == "load_peak"
    assert steps["peak under load"].value == pytest.approx(machine.load_peak, rel=1e-12)
    told = next(step for title, step in steps.items() if title.endswith(": arithmetic"))
    assert render(machine.load_peak, "rate", 4) in told.substituted
    assert "peak under load" not in steps_of("resnet50", "nvidia-l4", "int8", 64)


def test_a_launch_is_told_at_the_clock_of_the_chip() -> None:
    step = steps_of("resnet50", "nvidia-b200-sxm", "bf16", 8)["launch at the chip's clock"]  # no network of it is measured
    assert step.form == "launch_s"
    assert step.value == pytest.approx(CATALOG.machine("nvidia-b200-sxm", "bf16").launch, rel=1e-12)
    fitted, clock = (
        CATALOG.constants["nvidia-b200-sxm"].network.launch.si,
        CATALOG.accelerators["nvidia-b200-sxm"].clock_hz("bf16"),
    )
    assert clock is not None
    assert step.value == pytest.approx(fitted * (0.5 + 0.5 * 1750e6 / clock))
    assert "launch at the chip's clock" not in steps_of("bert-large", "google-tpu-v4", "bf16", 16)  # fitted at no clock


def test_a_measured_chip_tells_its_two_numbers(tmp_path: Path) -> None:
    factors = {"launch_factor": 0.5, "time_factor": 1.25}
    corrected = {
        "id": "measured", "name": "Measured", "applies_to": {"hardware": ["nvidia-l4"]},
        "sources": {"lab": {"title": "our bench"}},
        "correction": {name: {"value": value, "unit": "1", "source": "lab"} for name, value in factors.items()},
    }  # fmt: skip
    (tmp_path / "calibrations").mkdir()
    (tmp_path / "calibrations" / "measured.json").write_text(json.dumps(corrected), encoding="utf-8")
    catalog = load([tmp_path])
    machine = catalog.machine("nvidia-l4", "bf16")
    steps = {step.title: step for step in derive(network("resnet50"), machine, 8, catalog=catalog)}
    assert steps["launch of a kernel"].value == machine.launch
    assert machine.launch == pytest.approx(0.5 * steps["launch at the chip's clock"].value, rel=1e-12)
    for title in ("all kernels in a row", "dynamic energy"):
        assert steps[title].text.startswith("1.25 * sum over kernels of ")
    (row,) = predict("resnet50", ["nvidia-l4"], [8], ["bf16"], catalog=catalog)
    assert steps["p90 of our error"].value == pytest.approx(row["latency_p90_s"], rel=1e-9)
    assert steps["energy of the pass"].value == pytest.approx(8 * row["energy_per_inference_j"], rel=1e-9)


def test_an_eager_runtime_names_its_own_kernels_and_tells_its_host() -> None:
    resnet = network("resnet50")
    steps = steps_of("resnet50", "nvidia-a100-sxm-40", "bf16", 1, runtime="eager")
    host = steps["time of the host"]
    each = CATALOG.machine("nvidia-a100-sxm-40", "bf16", "eager").host
    assert host.value == pytest.approx(resnet.launches * each, rel=1e-12)
    assert host.substituted == f"{resnet.launches} * {each * 1e6:.3g} us"
    assert steps["time with the host"].form == "host_limited_s"
    assert steps["batch B"].text.endswith(", runtime eager")
    (name,) = {title.split()[1] for title in steps if title.endswith(": T_op")}
    assert name in {kernel.name for kernel in resnet.unfused}
    assert "time of the host" not in steps_of("resnet50", "nvidia-l4", "bf16", 8)


# What it says.


def test_the_lower_bound_names_both_terms_and_the_one_that_decides() -> None:
    compute, memory = (steps_of(model, "nvidia-l4", "bf16", 1)["lower bound"] for model in ("resnet50", "bert-large"))
    assert re.fullmatch(r"arithmetic decides with [\d.]+ us, memory alone needs 0 s; .*", compute.why)
    assert re.fullmatch(r"memory decides with [\d.]+ ms, arithmetic alone needs [\d.]+ us; .*", memory.why)


def test_a_network_that_never_turns_compute_bound_says_why() -> None:
    ridge = steps_of("resnet50", "nvidia-l4", "bf16", 8)["ridge batch of the network"]
    assert (ridge.value, ridge.result) == (math.inf, "never")
    assert ridge.why.startswith("never, because work_each <= peak * traffic_each / bandwidth: 8.178 GFLOP <= (121 TFLOP/s) * ")
    assert steps_of("bert-base", "nvidia-l4", "bf16", 8)["ridge batch of the network"].value > 0


def test_what_nobody_publishes_stays_unknown_and_is_named() -> None:
    steps = steps_of("resnet18", "hailo-8", "int8", 1, 0.01)
    assert steps["ridge point"].result == "unknown"
    assert steps["ridge point"].why.endswith("bandwidth is unknown")
    assert math.isnan(steps["estimate"].value)
    assert "no published bandwidth" in steps["batch curve"].why
    assert steps["lower bound"].value == pytest.approx(steps["least work W_min"].value / 26.5e12)  # 26 TOP/s and half a digit
    assert "nan" not in as_text(list(steps.values()))


@pytest.mark.parametrize(("hardware", "dtype"), ONE_OF_EACH)
def test_chips_of_all_kinds_have_a_derivation(hardware: str, dtype: str) -> None:
    steps = steps_of("bert-base", hardware, dtype, 3, 0.001)
    text = as_text(list(steps.values()))
    assert max(map(len, text.splitlines())) <= 100
    assert not re.search(r"\bnan\b|\binf\b|⟦|⟧", text)


def test_every_substituted_number_replaces_a_symbol() -> None:
    for model, hardware, dtype, batch, runtime in RUNS:
        for step in steps_of(model, hardware, dtype, batch, runtime=runtime).values():
            if step.form:
                assert not any(re.search(rf"\b{symbol.name}\b", step.substituted) for symbol in FORMS[step.form].symbols)


def test_a_formula_of_one_line_is_told_with_units() -> None:
    steps = steps_of("resnet50", "nvidia-l4", "bf16", 8)
    assert (steps["ridge point"].text, steps["ridge point"].substituted) == (
        "peak / bandwidth", "(121 TFLOP/s) / (300.1 GB/s)",
    )  # fmt: skip
    limited = steps["time of the network"]
    lowered = "(power_s * sequence_s**voltage_exponent)**(1 / (voltage_exponent + 1))"
    assert limited.text == f"max(sequence_s, power_s / voltage_span, {lowered})"
    times = r"[\d.]+ ms"
    numbers = rf"max\({times}, {times} / 1\.38, \({times} \* \({times}\)\*\*1\.37\)\*\*\(1 / \(1\.37 \+ 1\)\)\)"
    assert re.fullmatch(numbers, limited.substituted)


def test_a_long_formula_is_told_in_parts_that_lead_to_its_value() -> None:
    (step,) = (s for t, s in steps_of("resnet50", "nvidia-l4", "bf16", 8).items() if t.endswith(": arithmetic"))
    formula, *parts = step.text.split("\n")
    numbers, *told = step.substituted.split("\n")
    names = [f"x{number}" for number in range(1, len(parts) + 1)]
    assert names
    assert [part.split(" = ")[0] for part in parts] == [one.split(" = ")[0] for one in told] == names
    assert set(re.findall(r"x\d+", " ".join([formula, *(part.partition("=")[2] for part in parts)]))) == set(names)
    assert not re.search(r"x\d", numbers)
    tiles = next(one for one in told if "ceil" in one)
    quotient, value = re.fullmatch(r"x\d+ = ceil\((.+)\) = (\d+)", tiles).groups()  # type: ignore[union-attr]
    above, below = map(int, quotient.split(" / "))
    assert -(-above // below) == int(value)


# Formats.


def test_text_keeps_to_its_width_and_names_every_symbol() -> None:
    steps = derive(network("resnet50"), CATALOG.machine("nvidia-l4", "bf16"), 8, 0.01, catalog=CATALOG)
    for width in (60, 100):
        text = as_text(steps, width)
        assert max(map(len, text.splitlines())) <= width
    assert "published dense peak [FLOP/s]" in text


def test_every_format_has_every_step() -> None:
    steps = derive(network("resnet18"), CATALOG.machine("nvidia-t4", "fp16"), 4, catalog=CATALOG)
    assert as_markdown(steps).count("\n$$\n") == 2 * len(steps)
    assert as_latex(steps).count("\n\\[\n") == as_latex(steps).count("\\paragraph{") == len(steps)
    assert [one["title"] for one in json.loads(json.dumps(as_json(steps), allow_nan=False))] == [step.title for step in steps]


@pytest.mark.parametrize(("hardware", "dtype"), [("nvidia-l4", "bf16"), ("google-tpu-v4", "bf16"), ("hailo-8", "int8")])
def test_latex_is_balanced_and_escaped(hardware: str, dtype: str) -> None:
    steps = list(steps_of("bert-base", hardware, dtype, 3, 0.001).values())
    text = as_latex(steps)
    assert text.count("{") == text.count("}")
    assert text.count(r"\left") == text.count(r"\right")
    assert not re.search(r"(?<!\\)[%#]", text)
    for inside in re.findall(r"\\text\{([^{}]*)\}", text) + re.findall(r"\\paragraph\{([^{}]*)\}", text):
        assert not re.search(r"(?<!\\)[_&^]", inside)


def test_a_value_that_is_no_number_is_null_in_json() -> None:
    objects = {one["title"]: one for one in as_json(list(steps_of("resnet18", "hailo-8", "int8", 1).values()))}
    assert (objects["estimate"]["value"], objects["estimate"]["result"]) == (None, "unknown")
    ridge = as_json(list(steps_of("resnet50", "nvidia-l4", "bf16", 8).values()))
    assert [(one["value"], one["result"]) for one in ridge if one["form"] == "ridge_batch"] == [(None, "never")]


def test_convolutions_on_vector_units_are_told_with_their_peak() -> None:
    on = CATALOG.machine("nvidia-a100-sxm-80", "fp64", "eager")
    graph = CATALOG.machine(on.hardware, "fp64")
    told, others = ({step.title: step for step in derive(network("resnet50"), m, 8, catalog=CATALOG)} for m in (on, graph))
    assert "peak of convolutions" not in others
    assert told["peak of convolutions"].value == on.conv_peak == 9.746e12


def test_winograds_form_is_told_with_what_it_is_faster_than() -> None:
    steps = steps_of("vgg16", "nvidia-v100-sxm2-16", "fp32", 64)
    by_name = {title.partition(": ")[2]: step for title, step in steps.items() if title.startswith("kernel ")}
    assert by_name["products in Winograd's form"].form == "tiled_s"
    assert by_name["arithmetic"].form == "winograd_s"
    assert "as a product of its windows" in str(by_name["arithmetic"])
    work, moved = by_name["arithmetic of Winograd's products"], by_name["bytes on the chip"]
    assert (work.form, moved.form) == ("winograd_work", "winograd_activations")
    others = steps_of("vgg16", "nvidia-v100-sxm2-16", "fp16", 64)
    assert not any("Winograd" in title for title in others)
