"""Rules are data: each holds on its own examples, takes plain facts, and says its numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.facts import NUMBERS, TEXTS, fill, placeholders
from advisor.rule import load_rulebook
from advisor.rulebook import FAMILIES, Rule
from engine.catalog import data_root
from engine.errors import ExpressionError, SpecError, UnknownNameError
from engine.expressions import parse

BOOK = load_rulebook()
RULES = [pytest.param(rule, id=rule.id) for rule in BOOK.rules]
LETTERS = {"feasibility": "F", "latency": "L", "efficiency": "E", "energy": "J", "trust": "T"}

# Three plain facts for each rule; the first one or two decide, the rest are there because a caller has more than it needs.
CALLS: list[tuple[str, Mapping[str, float], bool]] = [
    ("F100", {"selected": 0, "batch": 1, "modelled": 0}, True),
    ("F101", {"memory_bytes": 9e9, "capacity_bytes": 8e9, "batch": 4}, True),
    ("F102", {"dtype_supported": 1, "batch": 1, "modelled": 0}, False),
    ("F103", {"memory_bytes": 2e9, "limit_memory_bytes": math.inf, "batch": 1}, False),
    ("F104", {"memory_bytes": 7.3e9, "capacity_bytes": 8e9, "batch": 4}, True),
    ("F105", {"profile_admits": 0, "tdp_w": 700, "batch": 1}, True),
    ("F106", {"price_matters": 0, "priced": 0, "batch": 1}, False),
    ("L201", {"latency_lower_bound_s": 0.011, "limit_latency_s": 0.010, "batch": 64}, True),
    ("L202", {"throughput_upper_bound_per_s": 9, "limit_throughput_per_s": 10, "batch": 1}, True),
    ("L203", {"throughput_sure_per_s": 10, "limit_throughput_per_s": 10, "batch": 1}, False),
    ("L204", {"latency_p90_s": 0.010, "limit_latency_s": 0.010, "batch": 8}, False),
    ("L205", {"has_latency_limit": 1, "chips_meeting": 1, "batch": 1}, True),
    ("L206", {"latency_rank": 1, "chips_meeting": 1, "batch": 1}, False),
    ("L207", {"has_latency_limit": 1, "margin": 0.09, "batch": 1}, True),
    ("E301", {"batch": 17, "knee_batch": 16, "batch_asked": 0}, True),
    ("E302", {"batch": 94, "ridge_batch": 94, "knee_batch": 8}, False),
    ("E303", {"throughput_rank": 1, "chips_meeting": 2, "batch": 1}, True),
    ("E304", {"score_rank": 1, "chips_meeting": 1, "batch": 1}, True),
    ("E305", {"batch": 6, "knee_batch": 6, "largest_batch": 7, "more_throughput": 0.01}, True),
    ("E306", {"share_dimension_fit": 0.15, "share_dispatch": 0.9, "batch": 1}, False),
    ("E307", {"share_unit_allocation": 0.16, "share_dispatch": 0.0, "batch": 1}, True),
    ("E308", {"share_dispatch": 0.26, "share_unit_allocation": 0.0, "batch": 1}, True),
    ("E309", {"element_bits": 8, "dtype_asked": 1, "wide_meets": 1}, False),
    ("E310", {"element_bits": 16, "dtype_asked": 0, "narrow_speedup": 1.9}, True),
    ("E311", {"element_bits": 8, "dtype_asked": 0, "batch": 1}, True),
    ("E312", {"ridge_batch": math.inf, "batch": 1, "knee_batch": 8}, True),
    ("E313", {"batch": 6, "knee_batch": 6, "largest_batch": 7, "more_throughput": 0.0}, True),
    ("E314", {"mfu": 1.0, "batch": 1, "knee_batch": 8}, False),
    ("J401", {"energy_rank": 1, "chips_meeting": 2, "batch": 1}, True),
    ("J402", {"energy_per_inference_j": 0.02, "limit_energy_j": 0.01, "batch": 1}, True),
    ("J403", {"power_w": 75, "limit_power_w": 75, "batch": 1}, False),
    ("J404", {"tdp_w": 76, "limit_power_w": 75, "batch": 1}, True),
    ("J405", {"share_power_cap": 0.11, "tdp_w": 75, "batch": 1}, True),
    ("J406", {"assumed_power": 0, "tdp_w": 75, "batch": 1}, False),
    ("T501", {"modelled": 1, "allow_modelled": 0, "batch": 1}, True),
    ("T502", {"family_prior": 1, "unknown_kind": 0, "batch": 1}, True),
    ("T503", {"family_prior": 1, "unknown_kind": 0, "batch": 1}, False),
    ("T504", {"ties": 1, "chips_meeting": 2, "batch": 1}, True),
    ("T505", {"user_spec": 0, "modelled": 0, "batch": 1}, False),
    ("T506", {"cache_known": 0, "modelled": 0, "batch": 1}, True),
    ("T507", {"modelled": 1, "allow_modelled": 1, "batch": 1}, True),
]


def test_there_are_two_dozen_rules_in_five_families() -> None:
    assert len(BOOK.rules) >= 24
    assert set(BOOK.family.values()) == set(FAMILIES)


def test_ids_are_unique_over_all_files_and_begin_with_the_letter_of_their_family() -> None:
    files = [json.loads(path.read_text(encoding="utf-8")) for path in (data_root() / "specs" / "rules").glob("*.json")]
    ids = [rule["id"] for file in files for rule in file["rules"]]
    assert len(set(ids)) == len(ids) == len(BOOK.rules)
    assert all(rule["id"][0] == LETTERS[file["id"]] for file in files for rule in file["rules"])


def test_every_rule_is_called_here() -> None:
    assert [name for name, _, _ in CALLS] == [rule.id for rule in BOOK.rules]


@pytest.mark.parametrize(("name", "facts", "fires"), CALLS, ids=[name for name, _, _ in CALLS])
def test_a_rule_takes_three_plain_facts(name: str, facts: Mapping[str, float], fires: bool) -> None:
    assert BOOK[name].fires(facts) is fires


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_holds_on_its_own_examples(rule: Rule) -> None:
    assert rule.fires(rule.fires_on) is True
    assert rule.fires(rule.silent_on) is False


@pytest.mark.parametrize("rule", RULES)
def test_an_unknown_fact_never_counts_as_0(rule: Rule) -> None:
    unknown = dict.fromkeys(rule.fires_on)
    assert rule.fires(unknown) is None
    assert np.isnan(rule.over({name: np.array([np.nan]) for name in unknown})).all()


VALUES = st.one_of(st.none(), st.integers(-8, 40).map(lambda quarters: quarters / 4.0), st.sampled_from([math.inf, 1e6, 1e12]))


@given(st.data(), st.sampled_from(BOOK.rules))
def test_a_rule_means_the_same_over_arrays(data: st.DataObject, rule: Rule) -> None:
    names = sorted(parse(rule.when).names)
    rows: list[dict[str, Any]] = [data.draw(st.fixed_dictionaries(dict.fromkeys(names, VALUES))) for _ in range(3)]
    rows += [dict(rule.fires_on), dict(rule.silent_on)]
    arrays = {name: np.array([row[name] for row in rows], dtype=float) for name in names}
    told = {True: 1.0, False: 0.0, None: math.nan}
    np.testing.assert_array_equal(rule.over(arrays), [told[rule.fires(row)] for row in rows])


@pytest.mark.parametrize("rule", RULES)
def test_a_message_names_only_facts_of_the_vocabulary_and_fills_them_all(rule: Rule) -> None:
    facts = dict.fromkeys(NUMBERS, 2.0) | dict.fromkeys(TEXTS, "text")
    assert placeholders(rule.because) <= facts.keys()
    assert "{" not in fill(rule.because, facts)
    assert rule.message(facts) == fill(rule.because, facts)


@pytest.mark.parametrize("rule", [rule for rule in BOOK.rules if rule.shortfall], ids=lambda rule: rule.id)
def test_a_shortfall_is_above_1_exactly_where_its_rule_fires(rule: Rule) -> None:
    shortfall = parse(rule.shortfall or "")
    assert shortfall(rule.fires_on) > 1 >= shortfall(rule.silent_on)


def test_a_rule_says_its_numbers() -> None:
    facts = {"latency_lower_bound_s": 0.02, "limit_latency_s": 0.01}
    assert BOOK["L201"].message(facts) == "even a perfect implementation needs 20 ms; the limit is 10 ms"


def test_a_rule_is_found_by_its_id_in_either_case_and_a_wrong_one_gets_a_suggestion() -> None:
    assert BOOK["l201"] is BOOK["L201"]
    with pytest.raises(UnknownNameError, match="did you mean L20"):
        BOOK["L20"]


def test_a_missing_fact_is_an_error_not_a_silence() -> None:
    with pytest.raises(ExpressionError, match="limit_latency_s"):
        BOOK["L201"].fires({"latency_lower_bound_s": 0.02})


@pytest.mark.parametrize("word", ["balanced", "latency", "throughput", "energy", "edge", "cost"])
def test_an_objective_is_a_word_for_a_profile(word: str) -> None:
    assert BOOK.profile(word).objective == word
    assert BOOK.profile(BOOK.profile(word).id) is BOOK.profile(word)


def test_an_unknown_profile_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="did you mean real-time"):
        BOOK.profile("realtime")


def rule_file(**changes: Any) -> dict[str, Any]:
    rule = BOOK.specs["L204"].model_dump(exclude_none=True) | changes
    return {"id": "latency", "about": "mine", "sources": {"model": {"title": "mine"}}, "rules": [rule]}


def test_a_rule_of_ones_own_wins_by_its_id(tmp_path: Any) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "mine.json").write_text(json.dumps(rule_file(title="mine")), encoding="utf-8")
    book = load_rulebook([tmp_path])
    assert book["L204"].title == "mine"
    assert len(book.rules) == len(BOOK.rules)
    assert [rule.id for rule in book.rules] == [rule.id for rule in BOOK.rules]


def test_every_fault_of_ones_own_rules_is_raised_at_once(tmp_path: Any) -> None:
    (tmp_path / "rules").mkdir()
    for name, change in (("a", {"when": "latency_p9_s > limit_latency_s"}), ("b", {"verdict": "exclud"})):
        (tmp_path / "rules" / f"{name}.json").write_text(json.dumps(rule_file(**change)), encoding="utf-8")
    with pytest.raises(SpecError) as error:
        load_rulebook([tmp_path])
    assert {fault.pointer for fault in error.value.faults} >= {"/rules/0/when", "/rules/0/verdict"}
