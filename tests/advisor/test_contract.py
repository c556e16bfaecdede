"""The JSON contract: every answer follows the published schema, says unknown as null, and never NaN."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from strategies import catalog

from advisor.body import as_json
from advisor.contract import AdvicePart
from advisor.recommend import advise
from advisor.requirements import Requirements
from advisor.rule import load_rulebook
from engine.catalog import data_root

BOOK = load_rulebook()
SCHEMA = Draft202012Validator(json.loads((data_root() / "schemas" / "advice.schema.json").read_text(encoding="utf-8")))
REQUESTS: dict[str, dict[str, Any]] = {
    "main": {"model": "resnet50", "latency_s": 0.010},
    "free": {"model": "bert-base"},
    "impossible": {"model": "resnet50", "latency_s": 1e-6},
    "too large": {"model": "gpt3-175b", "hardware": ("nvidia-h100-sxm",)},
    "modelled": {"model": "resnet18", "kinds": ("dataflow",), "allow_modelled": True},
    "narrow": {"model": "resnet50", "dtypes": ("int8",), "profile": "max-throughput"},
    "one batch": {"model": "mobilenet-v2", "batch": 7, "profile": "real-time"},
    "every limit": {
        "model": "bert-base", "sizes": (("seq_len", 384),), "latency_s": 0.05, "throughput_per_s": 100.0, "power_w": 300.0,
        "energy_j": 1.0, "memory_bytes": 4e9, "hardware": ("nvidia-l4", "nvidia-a100-sxm-80"), "profile": "cost",
    },
}  # fmt: skip
PARTS = (
    "request", "recommendation", "nearest_miss", "winners", "alternatives", "excluded", "undetermined", "left_out", "sources",
    "not_modelled",
)  # fmt: skip


@cache
def printed(name: str) -> str:
    request = REQUESTS[name] | {"sizes": dict(REQUESTS[name].get("sizes", ()))}
    advice = advise(Requirements(**request), catalog(), BOOK)
    return json.dumps(as_json(advice, catalog(), BOOK), allow_nan=False)


def body(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed(name))
    return found


def candidates(answer: dict[str, Any]) -> list[dict[str, Any]]:
    best = [answer["recommendation"]] if answer["recommendation"] else []
    return [*best, *answer["alternatives"], *answer["winners"].values()]


@pytest.mark.parametrize("name", REQUESTS)
def test_an_answer_follows_the_schema_and_the_model(name: str) -> None:
    SCHEMA.validate(body(name))
    AdvicePart.model_validate(body(name))
    assert tuple(body(name)) == PARTS


@pytest.mark.parametrize("name", REQUESTS)
def test_no_number_is_nan_or_infinite(name: str) -> None:
    assert not {"NaN", "Infinity"} & set(printed(name).replace(",", " ").replace("]", " ").replace("}", " ").split())


@pytest.mark.parametrize("name", REQUESTS)
def test_the_request_is_told_back_with_the_sizes_that_were_used(name: str) -> None:
    told = body(name)["request"]
    asked = json.loads(json.dumps(REQUESTS[name] | {"sizes": told["sizes"] | dict(REQUESTS[name].get("sizes", ()))}))
    assert {key: told[key] for key in asked} == asked
    assert told["sizes"].keys() == catalog().workloads[told["model"]].sizes.keys()


@pytest.mark.parametrize("name", REQUESTS)
def test_every_candidate_keeps_the_order_of_its_figures(name: str) -> None:
    for item in candidates(body(name)):
        latency = item["latency_s"]
        assert latency["lower_bound"] <= latency["p10"] <= latency["estimate"] <= latency["p90"]
        assert item["throughput_per_s"] == pytest.approx(item["batch"] / latency["estimate"])
        assert item["power_w"] == pytest.approx(item["energy_per_inference_j"] * item["throughput_per_s"])
        assert item["energy_lower_bound_j"] is None or item["energy_lower_bound_j"] <= item["energy_per_inference_j"]
        assert item["mfu"] <= item["mfu_upper_bound"]
        assert item["devices"] == 1


@pytest.mark.parametrize("name", REQUESTS)
def test_a_figure_of_a_chip_without_silicon_says_so(name: str) -> None:
    for item in candidates(body(name)):
        modelled = catalog().accelerators[item["hardware"]].confidence == "modelled"
        assert (item["confidence"] == "modelled") == modelled


def test_a_chip_without_silicon_can_be_the_answer_to_a_request_that_admits_it() -> None:
    best = body("modelled")["recommendation"]
    assert catalog().accelerators[best["hardware"]].confidence == best["confidence"] == "modelled"
    assert "T507" in {reason["rule"] for reason in best["rationale"]}


@pytest.mark.parametrize("name", ["main", "free", "narrow", "one batch", "every limit"])
def test_a_recommendation_comes_with_reasons_causes_batches_and_sources(name: str) -> None:
    answer = body(name)
    best = answer["recommendation"]
    for reason in best["rationale"]:
        assert reason["verdict"] == BOOK[reason["rule"]].verdict
        assert "{" not in reason["because"]
        assert f"rules/{reason['rule']}" in answer["sources"]
    assert sum(cause["share"] for cause in best["waterfall"]) == pytest.approx(1)
    assert sum(cause["seconds"] for cause in best["waterfall"]) == pytest.approx(best["latency_s"]["estimate"])
    assert best["batch"] <= best["batches"]["largest_within_limits"]
    owners = {key.partition("/")[0] for key in answer["sources"]}
    assert {best["hardware"], answer["request"]["model"], "rules"} <= owners


def test_there_is_a_winner_for_every_profile_of_the_matrix() -> None:
    winners = body("main")["winners"]
    assert winners.keys() == {profile.id for profile in BOOK.profiles.values() if profile.in_matrix}
    best = {name: winner["latency_s"]["p90"] for name, winner in winners.items()}
    assert min(best, key=best.__getitem__) == "real-time"
    assert max(winners, key=lambda name: winners[name]["throughput_per_s"]) == "max-throughput"
    sure = {n: w["energy_per_inference_j"] * w["latency_s"]["p90"] / w["latency_s"]["estimate"] for n, w in winners.items()}
    assert min(sure, key=sure.__getitem__) == "energy-critical"  # by what holds with 90 % certainty
    edge = catalog().accelerators[winners["edge"]["hardware"]].tdp
    assert edge is not None
    assert edge.si <= 60
    assert all(winner["latency_s"]["p90"] <= 0.010 for winner in winners.values())


@pytest.mark.parametrize("name", ["impossible", "too large"])
def test_without_a_recommendation_there_is_a_nearest_miss_with_its_remedy(name: str) -> None:
    answer = body(name)
    assert answer["recommendation"] is None
    assert answer["winners"] == {}
    assert answer["nearest_miss"] in answer["excluded"]
    assert answer["nearest_miss"]["would_need"]["value"] > 0


def test_a_recommendation_has_no_nearest_miss_beside_it() -> None:
    assert body("main")["nearest_miss"] is None


@pytest.mark.parametrize("name", REQUESTS)
def test_an_exclusion_names_its_rule_and_its_reason(name: str) -> None:
    for item in body(name)["excluded"]:
        assert BOOK[item["rule"]].verdict == "exclude"
        assert not {"{", "unknown", "unlimited"} & set(item["because"].split())
        memory = catalog().accelerators[item["hardware"]].memory
        lacks = memory.bandwidth is None or memory.capacity is None
        assert (item["would_need"] is None) == (lacks or BOOK[item["rule"]].would_need is None)


def changed() -> dict[str, dict[str, Any]]:
    """Return answers that break the contract in one place each, by what is wrong."""
    lacking = {f"without {part}": {key: value for key, value in body("main").items() if key != part} for part in PARTS}
    too_much = {f"with {key}": body("main") | {key: 1} for key in ("extra", "latency_s")}
    places: dict[str, Any] = {"batch": 0, "latency_s": None, "mfu": -0.1, "hardware": None, "rationale": {}, "price": 1}
    best = body("main")["recommendation"]
    wrong = {f"{key} {value}": body("main") | {"recommendation": best | {key: value}} for key, value in places.items()}
    return lacking | too_much | wrong


def test_both_judges_reject_what_breaks_the_contract() -> None:
    for name, wrong in changed().items():
        assert not SCHEMA.is_valid(wrong), name
        with pytest.raises(ValidationError):
            AdvicePart.model_validate(wrong)


def test_the_model_takes_no_nan() -> None:
    wrong = body("main")
    wrong["recommendation"]["mfu"] = float("nan")
    with pytest.raises(ValidationError):
        AdvicePart.model_validate(wrong)
