"""The vocabulary of rules: every fact has a unit and a meaning, is provided, and is told as people read it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import catalog

from advisor.facts import AFTER_EXCLUSION, AFTER_RANKING, NUMBERS, TEXTS, fill, placeholders, shown
from advisor.recommend import advise
from advisor.requirements import Requirements
from advisor.rule import load_rulebook
from engine.expressions import parse

BOOK = load_rulebook()
UNITS = {"1", "truth", "share", "times", "s", "J", "W", "B", "/s", "B/s", "FLOP", "FLOP/s", "USD"}


def test_every_fact_has_a_unit_that_can_be_told_and_a_meaning() -> None:
    assert {unit for unit, _ in NUMBERS.values()} <= UNITS
    assert all(meaning for _, meaning in NUMBERS.values())
    assert all(TEXTS.values())
    assert not NUMBERS.keys() & TEXTS.keys()


def test_facts_that_come_late_are_facts() -> None:
    assert NUMBERS.keys() >= AFTER_EXCLUSION | AFTER_RANKING
    assert not AFTER_EXCLUSION & AFTER_RANKING


@pytest.mark.parametrize("name", sorted(BOOK.profiles))
def test_a_profile_ranks_by_facts_that_every_candidate_has(name: str) -> None:
    profile = BOOK.profiles[name]
    texts = [text for text in (profile.maximize, profile.minimize, *profile.constraints) if text]
    names = {fact for text in texts for fact in parse(text).names}
    assert names <= NUMBERS.keys() - AFTER_EXCLUSION - AFTER_RANKING


def test_a_choice_has_every_fact_but_those_about_the_recommendation() -> None:
    best = advise(Requirements(model="resnet50", latency_s=0.01), catalog(), BOOK).recommendation
    assert best is not None
    given_later = AFTER_RANKING | {"wide_meets"}
    assert NUMBERS.keys() - given_later <= best.facts.keys()
    assert best.facts.keys() <= NUMBERS.keys() | TEXTS.keys()


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("latency_p90_s", 0.0048, "4.8 ms"),
        ("energy_per_inference_j", 0.055, "55 mJ"),
        ("power_w", 68.0, "68 W"),
        ("capacity_bytes", 24e9, "24 GB"),
        ("bandwidth_bytes_per_s", 3.35e12, "3.35 TB/s"),
        ("peak_max_flop_per_s", 1.07e15, "1.07 PFLOP/s"),
        ("throughput_per_s", 1250.0, "1,250/s"),
        ("mfu", 0.17, "17 %"),
        ("energy_lead", 1.4, "1.4x"),
        ("limit_latency_s", math.inf, "unlimited"),
        ("capacity_bytes", math.nan, "unknown"),
        ("tdp_w", None, "unknown"),
        ("batch", 1024.0, "1,024"),
        ("dtype", "bf16", "bf16"),
        ("energy_next", None, "unknown"),
    ],
)
def test_a_fact_is_told_as_people_read_its_unit(name: str, value: object, text: str) -> None:
    assert shown(name, value) == text


@given(st.sampled_from(sorted(NUMBERS)), st.one_of(st.none(), st.floats()))
def test_any_number_can_be_told(name: str, value: float | None) -> None:
    told = shown(name, value)
    assert told
    assert "nan" not in told
    assert "inf" not in told


@given(st.lists(st.sampled_from([*NUMBERS, *TEXTS]), min_size=1, max_size=5))
def test_a_message_keeps_its_words_and_fills_its_facts(names: list[str]) -> None:
    template = "it has " + " and ".join(f"{{{name}}}" for name in names)
    assert placeholders(template) == set(names)
    told = fill(template, dict.fromkeys(NUMBERS, 2.0) | dict.fromkeys(TEXTS, "text"))
    assert told.removeprefix("it has ").split(" and ") == [shown(name, 2.0 if name in NUMBERS else "text") for name in names]


def test_a_message_cannot_reach_into_objects() -> None:
    assert fill("{batch.__class__} {batch}", {"batch": 3.0}) == "{batch.__class__} 3"
    assert fill("{batch!r} {batch:>9}", {"batch": 3.0}) == "{batch!r} {batch:>9}"
