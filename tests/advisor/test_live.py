"""The report's code beside numpy: every closed form, and whole passes on every form of machine."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import quickjs
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import box_catalog, catalog

from advisor.report.live import code, machine_data, network_data
from engine import _compiled, build, codegen
from engine.compiled import CAUSES, estimate
from engine.machine import Machine

TOLERANCE = 1e-9
FORMS = {form.name: form for form in codegen.FORMS}
FIGURES = {
    "bound": "latency_lower_bound_s", "p10": "latency_p10_s", "estimate": "latency_estimate_s", "p90": "latency_p90_s",
    "throughput": "throughput_per_s", "energy": "energy_per_inference_j", "power": "power_w", "mfu": "mfu",
    "memory": "memory_bytes",
}  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> quickjs.Context:
    context = quickjs.Context()
    context.eval(code())
    return context


def test_the_javascript_of_the_forms_is_fresh() -> None:
    checked_in = codegen.Path(codegen.__file__).with_name("_compiled.js").read_text(encoding="utf-8")
    assert codegen.javascript_text() == checked_in, "print it again: python -m engine.codegen --write"


@pytest.mark.parametrize("name", FORMS)
def test_a_form_in_javascript_is_the_form_in_numpy(name: str, browser: quickjs.Context) -> None:
    symbols = sorted(symbol.name for symbol in FORMS[name].expression.free_symbols)

    @settings(max_examples=25)
    @given(st.lists(st.floats(0.01, 1000), min_size=len(symbols), max_size=len(symbols)))
    def check(values: list[float]) -> None:
        point = dict(zip(symbols, values, strict=True))
        with np.errstate(all="ignore"):
            ours = float(getattr(_compiled, name)(**{key: np.float64(value) for key, value in point.items()}))
        theirs = browser.eval(f"forms.{name}({json.dumps(point)})")
        if math.isfinite(ours):
            assert theirs == pytest.approx(ours, rel=TOLERANCE)

    check()


def compare(browser: quickjs.Context, model: str, machine: Machine, batch: int) -> None:
    network = build(catalog().workloads[model])
    points = estimate(network, [machine], np.array([float(batch)]))
    given = json.dumps([network_data(network, machine), machine_data(machine), batch])
    theirs: dict[str, Any] = json.loads(browser.eval(f"JSON.stringify(pass(...{given}))"))
    for name, column in FIGURES.items():
        ours = float(getattr(points, column)[0, 0])
        assert (math.nan if theirs[name] is None else theirs[name]) == pytest.approx(ours, rel=TOLERANCE, nan_ok=True), name
    for cause in CAUSES:
        ours, total = float(points.ladder_s[cause][0, 0]), float(points.latency_estimate_s[0, 0])
        assert theirs["causes"][cause] == pytest.approx(ours, rel=TOLERANCE, abs=TOLERANCE * total), cause


CASES = [
    ("resnet50", "nvidia-h100-sxm", "bf16", "graph"),
    ("bert-base", "nvidia-l4", "int8", "graph"),
    ("gpt2", "nvidia-t4", "fp16", "graph"),
    ("resnet18", "google-tpu-v4", "bf16", "graph"),
    ("mobilenet-v2", "stillwater-kpu-t256", "bf16", "graph"),
    ("bert-base", "aws-inferentia2", "bf16", "graph"),
    ("resnet50", "intel-xeon-8490h", "int8", "graph"),
    ("resnet50", "nvidia-a100-sxm-40", "fp16", "eager"),
    ("vgg16", "nvidia-a100-sxm-40", "fp64", "eager"),
    ("vgg16", "nvidia-v100-sxm2-16", "fp32", "eager"),
    ("resnet18", "nvidia-t4", "fp32", "graph"),
    ("bert-base", "nvidia-a100-sxm-40", "fp16", "compiled"),
    ("resnet50", "qualcomm-cloud-ai-100", "int8", "graph"),
    ("mixtral-8x7b-decode", "nvidia-h100-sxm", "bf16", "graph"),
    ("deepseek-v3-decode", "nvidia-h200-sxm", "fp8", "graph"),
    ("llama-3.1-8b-decode", "google-tpu-v5e", "bf16", "graph"),
]


@pytest.mark.parametrize(("model", "chip", "dtype", "runtime"), CASES)
def test_a_pass_in_javascript_is_the_estimate_of_numpy(
    model: str, chip: str, dtype: str, runtime: str, browser: quickjs.Context
) -> None:
    for batch in (1, 7, 64):
        compare(browser, model, catalog().machine(chip, dtype, runtime), batch)


@pytest.mark.parametrize("model", ["resnet50", "bert-base"])
def test_a_pass_on_a_probed_machine_is_the_estimate_of_numpy(model: str, browser: quickjs.Context) -> None:
    for batch in (1, 7, 64):
        compare(browser, model, box_catalog().machine("box", "fp32"), batch)


def test_the_cases_are_of_every_form_of_machine() -> None:
    used = {catalog().machine(chip, dtype, runtime).form for _, chip, dtype, runtime in CASES}
    assert used == {constants.form for constants in catalog().constants.values()}
