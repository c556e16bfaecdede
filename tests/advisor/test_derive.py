"""A derivation is the same computation as the estimate, told step by step."""

from __future__ import annotations

import json

import pytest

from advisor.derive import FORMS, as_json, as_latex, as_markdown, as_text, derive
from engine import build, load, predict

CASES = [
    ("resnet50", "nvidia-l4", "bf16", 8),
    ("bert-base", "nvidia-h100-sxm", "fp8", 3),
    ("bert-large", "google-tpu-v4", "bf16", 16),
    ("mobilenet-v2", "stillwater-kpu-t256", "int8", 1),
    ("gpt3-175b", "nvidia-a100-sxm-80", "fp16", 1),
]
CATALOG = load()


def values(model: str, hardware: str, dtype: str, batch: int, limit: float | None = None) -> dict[str, float | None]:
    steps = derive(build(CATALOG.workloads[model]), CATALOG.machine(hardware, dtype), batch, limit)
    return {step.title: step.value for step in steps}


@pytest.mark.parametrize(("model", "hardware", "dtype", "batch"), CASES)
def test_the_derivation_ends_where_the_estimate_does(model: str, hardware: str, dtype: str, batch: int) -> None:
    derived = values(model, hardware, dtype, batch)
    (row,) = predict(model, [hardware], [batch], [dtype], catalog=CATALOG)
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


def test_a_limit_adds_what_it_would_need() -> None:
    without, derived = values("resnet50", "nvidia-l4", "bf16", 8), values("resnet50", "nvidia-l4", "bf16", 8, 0.010)
    assert "peak for the limit" not in without
    assert derived["peak for the limit"] == pytest.approx((derived["least work W_min"] or 0) / 0.010)
    assert (derived["largest batch"] or 0) >= 1


def test_what_nobody_publishes_stays_unknown() -> None:
    steps = derive(build(CATALOG.workloads["resnet18"]), CATALOG.machine("hailo-8", "int8"), 1)
    by_title = {step.title: step for step in steps}
    assert by_title["ridge point"].result == "unknown"
    assert by_title["estimate"].value is None
    assert by_title["lower bound"].value == pytest.approx(
        by_title["least work W_min"].value / 26.5e12
    )  # 26 TOP/s and half a digit


def test_every_substituted_number_replaces_a_symbol() -> None:
    for step in derive(build(CATALOG.workloads["resnet50"]), CATALOG.machine("nvidia-l4", "bf16"), 8):
        if step.form:
            assert not any(symbol.name in step.substituted for symbol in FORMS[step.form].symbols)


def test_text_keeps_to_its_width_and_names_every_symbol() -> None:
    steps = derive(build(CATALOG.workloads["resnet50"]), CATALOG.machine("nvidia-l4", "bf16"), 8, 0.01)
    text = as_text(steps)
    assert max(map(len, text.splitlines())) <= 100
    assert "published dense peak [FLOP/s]" in text


def test_every_format_has_every_step() -> None:
    steps = derive(build(CATALOG.workloads["resnet18"]), CATALOG.machine("nvidia-t4", "fp16"), 4)
    assert as_markdown(steps).count("$$") == 2 * len(steps)
    assert as_latex(steps).count("\\\\\n") == len(steps)
    assert [one["title"] for one in json.loads(json.dumps(as_json(steps), allow_nan=False))] == [step.title for step in steps]
