"""Rules are data: each holds on its own examples, takes plain facts, and says its numbers."""

from __future__ import annotations

import numpy as np
import pytest

from advisor.facts import NUMBERS, TEXTS, fill, placeholders, shown
from advisor.rule import FAMILIES, Rule, load_rulebook

BOOK = load_rulebook()
RULES = [pytest.param(rule, id=rule.id) for rule in BOOK.rules]


def test_there_are_two_dozen_rules_in_five_families() -> None:
    assert len(BOOK.rules) >= 24
    assert set(BOOK.family.values()) == set(FAMILIES)
    assert len({rule.id for rule in BOOK.rules}) == len(BOOK.rules)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_holds_on_its_own_examples(rule: Rule) -> None:
    assert rule.fires(rule.examples.fires) is True
    assert rule.fires(rule.examples.silent) is False


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_means_the_same_over_arrays(rule: Rule) -> None:
    names = rule.examples.fires.keys()
    arrays = {name: np.array([rule.examples.fires[name], rule.examples.silent[name]]) for name in names}
    assert rule.over(arrays).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("rule", RULES)
def test_an_unknown_fact_never_counts_as_0(rule: Rule) -> None:
    unknown = dict.fromkeys(rule.examples.fires)
    assert rule.fires(unknown) is None
    assert np.isnan(rule.over({name: np.array([np.nan]) for name in unknown})).all()


@pytest.mark.parametrize("rule", RULES)
def test_a_message_names_only_facts_of_the_vocabulary_and_fills_them_all(rule: Rule) -> None:
    facts = dict.fromkeys(NUMBERS, 2.0) | dict.fromkeys(TEXTS, "text")
    assert placeholders(rule.because) <= facts.keys()
    assert "{" not in fill(rule.because, facts)


@pytest.mark.parametrize("rule", [rule for rule in BOOK.rules if rule.shortfall], ids=lambda rule: rule.id)
def test_a_shortfall_is_above_1_exactly_where_its_rule_fires(rule: Rule) -> None:
    from engine.expressions import parse  # noqa: PLC0415

    shortfall = parse(rule.shortfall or "")
    assert shortfall(rule.examples.fires) > 1 >= shortfall(rule.examples.silent)


def test_a_rule_takes_plain_facts() -> None:
    rule = BOOK["L201"]
    facts = {"latency_lower_bound_s": 0.02, "limit_latency_s": 0.01}
    assert rule.fires(facts)
    assert rule.message(facts) == "even a perfect implementation needs 20 ms; the limit is 10 ms"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("latency_p90_s", 0.0048, "4.8 ms"),
        ("energy_per_inference_j", 0.055, "55 mJ"),
        ("capacity_bytes", 24e9, "24 GB"),
        ("throughput_per_s", 1250.0, "1,250/s"),
        ("mfu", 0.17, "17 %"),
        ("energy_lead", 1.4, "1.4x"),
        ("limit_latency_s", float("inf"), "unlimited"),
        ("capacity_bytes", float("nan"), "unknown"),
        ("tdp_w", None, "unknown"),
        ("batch", 1024.0, "1,024"),
        ("dtype", "bf16", "bf16"),
    ],
)
def test_a_fact_is_told_as_people_read_its_unit(name: str, value: object, text: str) -> None:
    assert shown(name, value) == text


def test_a_message_cannot_reach_into_objects() -> None:
    assert fill("{batch.__class__} {batch}", {"batch": 3.0}) == "{batch.__class__} 3"


@pytest.mark.parametrize("word", ["balanced", "latency", "throughput", "energy", "edge", "cost"])
def test_an_objective_is_a_word_for_a_profile(word: str) -> None:
    assert BOOK.profile(word).objective == word
    assert BOOK.profile(BOOK.profile(word).id) is BOOK.profile(word)
