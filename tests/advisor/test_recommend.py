"""Laws of the recommendation, on the shipped catalogue."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from advisor.contract import AdvicePart, as_json
from advisor.recommend import Advice, advise
from advisor.requirements import Requirements
from advisor.rule import load_rulebook
from engine import load, predict
from engine.catalog import data_root

CATALOG, BOOK = load(), load_rulebook()
SCHEMA = Draft202012Validator(json.loads((data_root() / "schemas" / "advice.schema.json").read_text(encoding="utf-8")))
BITS = {"fp64": 64, "fp32": 32, "tf32": 32, "bf16": 16, "fp16": 16, "fp8": 8, "int8": 8, "int4": 4}


@lru_cache(maxsize=512)
def answer(**request: Any) -> Advice:
    return advise(Requirements(**request), CATALOG, BOOK)


def sometimes(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    options = {
        "latency_s": sometimes(st.floats(-5, 0).map(lambda x: 10**x)),
        "throughput_per_s": sometimes(st.floats(1, 5).map(lambda x: 10**x)),
        "power_w": sometimes(st.floats(10, 800)),
        "energy_j": sometimes(st.floats(-3, 0).map(lambda x: 10**x)),
        "batch": sometimes(st.integers(1, 200)),
        "dtypes": sometimes(st.sampled_from([("int8",), ("bf16", "fp16"), ("fp32",)])),
        "kinds": sometimes(st.sampled_from([("gpu",), ("tpu", "cpu"), ("dataflow",)])),
        "profile": st.sampled_from(sorted(BOOK.profiles)),
        "allow_modelled": st.booleans(),
        "model": st.sampled_from(["resnet18", "resnet50", "mobilenet-v2", "bert-base"]),
    }
    drawn = {name: draw(strategy) for name, strategy in options.items()}
    return {name: value for name, value in drawn.items() if value is not None}


@given(requests())
@settings(max_examples=40)
def test_every_chip_is_in_exactly_one_place(request: dict[str, Any]) -> None:
    advice = answer(**request)
    places = [advice.recommendation.chip.id] if advice.recommendation else []
    places += [choice.chip.id for choice, _ in advice.alternatives]
    places += [item.hardware for item in (*advice.excluded, *advice.undetermined)]
    assert sorted(places) == sorted(CATALOG.accelerators.ids)


@given(requests())
@settings(max_examples=40)
def test_all_who_meet_the_request_meet_every_limit(request: dict[str, Any]) -> None:
    advice = answer(**request)
    for choice in ([advice.recommendation] if advice.recommendation else []) + [c for c, _ in advice.alternatives]:
        facts = choice.facts
        assert facts["latency_p90_s"] <= request.get("latency_s", math.inf)
        assert facts["throughput_sure_per_s"] >= request.get("throughput_per_s", 0)
        assert facts["power_w"] <= request.get("power_w", math.inf)
        assert facts["energy_per_inference_j"] <= request.get("energy_j", math.inf)
        assert facts["memory_bytes"] <= facts["capacity_bytes"]
        assert choice.slot.dtype in request.get("dtypes", choice.chip.dtypes)
        assert facts["batch"] == request.get("batch", facts["batch"])


@given(requests())
@settings(max_examples=40)
def test_the_answer_follows_its_contract(request: dict[str, Any]) -> None:
    body = as_json(answer(**request), CATALOG, BOOK)
    SCHEMA.validate(json.loads(json.dumps(body, allow_nan=False)))
    AdvicePart.model_validate(body)
    assert body == as_json(advise(Requirements(**request), CATALOG, BOOK), CATALOG, BOOK)


@given(requests())
@settings(max_examples=40)
def test_nothing_without_silicon_is_recommended_unasked(request: dict[str, Any]) -> None:
    best = answer(**request).recommendation
    assert best is None or request["allow_modelled"] or best.chip.confidence == "published"


@given(requests())
@settings(max_examples=40)
def test_narrow_formats_win_only_where_the_limit_needs_them(request: dict[str, Any]) -> None:
    advice = answer(**request)
    best = advice.recommendation
    if best is None or "dtypes" in request or BITS[best.slot.dtype] >= 16:
        return
    others = [c for c, _ in advice.alternatives if c.chip.confidence == "published" or request["allow_modelled"]]
    assert all(BITS[choice.slot.dtype] < 16 for choice in others)


@given(requests())
@settings(max_examples=40)
def test_a_batch_beyond_the_knee_is_offered_for_throughput_only(request: dict[str, Any]) -> None:
    advice = answer(**request)
    best = advice.recommendation
    if best is None or advice.profile.batches == "any" or "batch" in request:
        return
    if best.facts["batch"] > best.facts["knee_batch"]:
        assert {"throughput_per_s", "energy_j"} & request.keys()


@pytest.mark.parametrize("latency", [0.0005, 0.002, 0.010, 0.100])
def test_the_largest_batch_is_exact(latency: float) -> None:
    advice = answer(model="resnet50", latency_s=latency)
    for choice in ([advice.recommendation] if advice.recommendation else []) + [c for c, _ in advice.alternatives]:
        largest = int(choice.facts["largest_batch"])
        within, beyond = predict("resnet50", [choice.chip.id], [largest, largest + 1], [choice.slot.dtype], catalog=CATALOG)
        assert within["latency_p90_s"] <= latency
        assert largest == 1024 or beyond["latency_p90_s"] > latency


@given(st.floats(-5, 0), st.floats(1, 10), st.sampled_from(["resnet50", "bert-large"]))
@settings(max_examples=25)
def test_a_looser_limit_never_loses_a_chip(exponent: float, factor: float, model: str) -> None:
    def meeting(latency: float) -> set[str]:
        advice = answer(model=model, latency_s=latency)
        chosen = [advice.recommendation] if advice.recommendation else []
        return {choice.chip.id for choice in [*chosen, *(c for c, _ in advice.alternatives)]}

    assert meeting(10**exponent) <= meeting(factor * 10**exponent)


@given(requests())
@settings(max_examples=40)
def test_a_value_that_nobody_publishes_is_never_taken_for_0(request: dict[str, Any]) -> None:
    advice = answer(**request)
    chosen = [advice.recommendation] if advice.recommendation else []
    chosen += [choice for choice, _ in advice.alternatives]
    assert not {"hailo-8", "intel-xeon-8490h"} & {choice.chip.id for choice in chosen}
    for item in advice.undetermined:
        assert item.missing


def test_a_model_that_does_not_fit_says_how_many_devices_would_hold_it() -> None:
    advice = answer(model="gpt3-175b", hardware=("nvidia-h100-sxm",))
    (item,) = [item for item in advice.excluded if item.hardware == "nvidia-h100-sxm"]
    assert item.rule.id == "F101"
    assert item.would_need is not None
    quantity, value, _ = item.would_need
    parameters, capacity = 174_604_259_328, 80e9
    assert (quantity, value) == ("devices", math.ceil(parameters / capacity + 0.02))  # one byte each, and some activations


def test_an_impossible_limit_has_a_nearest_miss() -> None:
    advice = answer(model="resnet50", latency_s=1e-6)
    assert advice.recommendation is None
    assert advice.nearest_miss is not None
    assert advice.nearest_miss.rule.id == "L201"
    quantity, value, unit = advice.nearest_miss.would_need or ("", 0.0, "")
    best = CATALOG.machine(advice.nearest_miss.hardware, "bf16")
    assert (quantity, unit) == ("peak", "FLOP/s")
    assert value > best.peak_max


def test_what_a_rule_says_it_would_need_is_enough() -> None:
    advice = answer(model="resnet50", latency_s=0.0003)
    for item in advice.excluded:
        if item.would_need and item.would_need[0] == "latency_limit":
            looser = answer(model="resnet50", latency_s=item.would_need[1] * (1 + 1e-9))
            assert item.hardware not in {other.hardware for other in looser.excluded}


def test_the_headline_follows_the_profile() -> None:
    advice = answer(model="resnet50", latency_s=0.010, profile="energy-critical")
    assert advice.recommendation is not None
    assert advice.winners["energy-critical"].chip.id == advice.recommendation.chip.id
    energy = {name: winner.facts["energy_sure_j"] for name, winner in advice.winners.items()}
    assert min(energy, key=energy.__getitem__) == "energy-critical"


def test_cost_ranks_priced_chips_only_and_lists_the_others() -> None:
    advice = answer(model="resnet50", latency_s=0.010, profile="cost")
    assert advice.recommendation is not None
    assert advice.recommendation.chip.price is not None
    unpriced = {chip.id for chip in CATALOG.accelerators if chip.price is None}
    assert {item.hardware for item in advice.excluded if item.rule.id == "F106"} == unpriced


def test_a_loose_request_is_as_good_as_none() -> None:
    free = answer(model="resnet50")
    loose = advise(replace(free.request, latency_s=1e6), CATALOG, BOOK)
    assert free.recommendation is not None
    assert loose.recommendation is not None
    assert free.recommendation.chip.id == loose.recommendation.chip.id
