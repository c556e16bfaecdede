"""Laws of the recommendation, on the shipped catalogue."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from advisor.body import as_json
from advisor.candidate import EVERY, LARGEST_BATCH, slots_of
from advisor.recommend import Advice, Choice, advise
from advisor.requirements import Requirements
from advisor.rule import load_rulebook
from advisor.stock import stock_of
from engine import load, predict
from engine.accelerator import Accelerator
from engine.catalog import data_root
from engine.machine import DTYPE_BYTES

CATALOG, BOOK = load(), load_rulebook()
SCHEMA = Draft202012Validator(json.loads((data_root() / "schemas" / "advice.schema.json").read_text(encoding="utf-8")))
BATCHES = tuple(int(batch) for batch in EVERY)
UNPUBLISHED = {chip.id for chip in CATALOG.accelerators if not (chip.memory.bandwidth and chip.memory.capacity)}
"""Chips whose bandwidth or capacity nobody publishes."""


@lru_cache(maxsize=512)
def answer(**request: Any) -> Advice:
    return advise(Requirements(**request), CATALOG, BOOK)


def meeting(advice: Advice) -> list[Choice]:
    """Return the choices of all chips that meet a request."""
    chosen = [advice.recommendation] if advice.recommendation else []
    return chosen + [choice for choice, _ in advice.alternatives]


def ids(advice: Advice) -> set[str]:
    return {choice.chip.id for choice in meeting(advice)}


def may_win(choice: Choice, request: dict[str, Any]) -> bool:
    return choice.chip.confidence == "published" or bool(request["allow_modelled"])


@cache
def rows(model: str, hardware: str, dtype: str, batches: tuple[int, ...]) -> list[dict[str, Any]]:
    return predict(model, [hardware], batches, [dtype], catalog=CATALOG)


def holds(row: dict[str, Any], request: dict[str, Any]) -> bool:
    """Return whether a prediction meets every limit of a request, at p90 where time is in it."""
    return bool(
        row["latency_p90_s"] <= request.get("latency_s", math.inf)
        and row["batch"] / row["latency_p90_s"] >= request.get("throughput_per_s", 0.0)
        and row["power_w"] <= request.get("power_w", math.inf)
        and row["energy_per_inference_j"] <= request.get("energy_j", math.inf)
        and row["memory_bytes"] <= min(request.get("memory_bytes", math.inf), row["memory_capacity_bytes"])
    )


def tens(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high).map(lambda exponent: 10.0**exponent)


LIMITS: dict[str, st.SearchStrategy[float]] = {
    "latency_s": tens(-5, 0),
    "throughput_per_s": tens(1, 5),
    "power_w": st.floats(10, 800),
    "energy_j": tens(-3, 0),
    "memory_bytes": tens(7.5, 11),
}
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "batch": st.integers(1, 2000),
    "dtypes": st.sampled_from([("int8",), ("bf16", "fp16"), ("fp32",), ("fp8",)]),
    "kinds": st.sampled_from([("gpu",), ("tpu", "cpu"), ("dataflow",), ("edge",)]),
    "hardware": st.sampled_from([("nvidia-l4",), ("nvidia-h100-sxm", "stillwater-kpu-t256", "hailo-8")]),
}


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        "model": draw(st.sampled_from(["resnet18", "resnet50", "mobilenet-v2", "bert-base"])),
        "profile": draw(st.sampled_from(sorted(BOOK.profiles))),
        "allow_modelled": draw(st.booleans()),
    }
    asked = draw(st.sets(st.sampled_from([*LIMITS, *LIMITS, *OPTIONS]), max_size=3))
    return drawn | {name: draw((LIMITS | OPTIONS)[name]) for name in sorted(asked)}


def law(test: Callable[..., None]) -> Callable[..., None]:
    """Return a test of 12 requests: the same ones for every law, so that each is answered once."""
    drawn: Callable[..., None] = seed(2026)(settings(max_examples=12)(given(requests())(test)))
    return drawn


@law
def test_every_chip_is_in_exactly_one_place(request: dict[str, Any]) -> None:
    advice = answer(**request)
    places = [choice.chip.id for choice in meeting(advice)]
    places += [item.hardware for item in (*advice.excluded, *advice.undetermined)]
    assert sorted(places) == sorted(CATALOG.accelerators.ids)


@law
def test_all_who_meet_the_request_meet_every_limit_as_predicted_apart(request: dict[str, Any]) -> None:
    for choice in meeting(answer(**request)):
        assert choice.slot.dtype in request.get("dtypes", choice.chip.dtypes)
        assert choice.chip.id in request.get("hardware", CATALOG.accelerators.ids)
        assert choice.chip.kind in request.get("kinds", (choice.chip.kind,))
        assert choice.facts["batch"] == request.get("batch", choice.facts["batch"])
        (row,) = rows(request["model"], choice.chip.id, choice.slot.dtype, (int(choice.facts["batch"]),))
        assert holds(row, request)
        assert row["latency_p90_s"] == pytest.approx(choice.facts["latency_p90_s"], rel=1e-12)


@law
def test_nothing_without_silicon_is_recommended_unasked(request: dict[str, Any]) -> None:
    best = answer(**request).recommendation
    assert best is None or may_win(best, request)


@law
def test_narrow_formats_win_only_where_the_limit_needs_them(request: dict[str, Any]) -> None:
    advice = answer(**request)
    best = advice.recommendation
    if best is None or "dtypes" in request or best.slot.bits >= 16:
        return
    assert all(choice.slot.bits < 16 for choice in meeting(advice) if may_win(choice, request))


def asked_for(chip: Accelerator, request: dict[str, Any]) -> bool:
    """Return whether a chip has every figure, and a request admits it as its recommendation."""
    silicon = chip.confidence == "published" or request["allow_modelled"]
    named = chip.id in request.get("hardware", [chip.id]) and chip.kind in request.get("kinds", [chip.kind])
    return bool(chip.id not in UNPUBLISHED and silicon and named)


@law
def test_where_a_narrow_format_wins_no_wide_one_meets_the_limits_as_predicted_apart(request: dict[str, Any]) -> None:
    advice = answer(**request)
    best = advice.recommendation
    if best is None or best.slot.bits >= 16 or "dtypes" in request or advice.profile.constraints:
        return
    batches = (request["batch"],) if "batch" in request else BATCHES
    for chip in CATALOG.accelerators:
        if asked_for(chip, request) and (advice.profile.id != "cost" or chip.price is not None):
            for dtype in chip.dtypes:
                wide = DTYPE_BYTES[dtype] >= 2
                assert not wide or not any(holds(row, request) for row in rows(request["model"], chip.id, dtype, batches))


@law
def test_a_batch_beyond_the_knee_is_offered_only_where_none_up_to_it_meets_the_limits(request: dict[str, Any]) -> None:
    advice = answer(**request)
    if advice.profile.batches == "any" or "batch" in request:
        return
    for choice in meeting(advice):
        knee = int(choice.facts["knee_batch"])
        if choice.facts["batch"] > knee:
            smaller = tuple(batch for batch in BATCHES if batch <= knee)
            assert not any(holds(row, request) for row in rows(request["model"], choice.chip.id, choice.slot.dtype, smaller))


@pytest.mark.parametrize("model", ["resnet18", "resnet50", "mobilenet-v2", "bert-base"])
def test_a_narrow_format_wins_just_below_what_the_fastest_wide_one_needs(model: str) -> None:
    chips = [chip for chip in CATALOG.accelerators if asked_for(chip, {"allow_modelled": False})]
    wide = [(chip.id, dtype) for chip in chips for dtype in chip.dtypes if DTYPE_BYTES[dtype] >= 2]
    fastest = min(rows(model, chip, dtype, (1,))[0]["latency_p90_s"] for chip, dtype in wide)
    within, below = answer(model=model, latency_s=fastest).recommendation, answer(model=model, latency_s=fastest * 0.999)
    assert within is not None
    assert within.slot.bits >= 16
    assert below.recommendation is None or below.recommendation.slot.bits < 16


@pytest.mark.parametrize("hardware", ["nvidia-l4", "nvidia-h100-sxm", "nvidia-a100-sxm-80"])
def test_a_throughput_that_no_batch_up_to_the_knee_reaches_takes_a_batch_beyond_it(hardware: str) -> None:
    (free,) = meeting(answer(model="resnet50", hardware=(hardware,)))
    knee = int(free.facts["knee_batch"])
    curve = rows("resnet50", hardware, free.slot.dtype, BATCHES)
    sure = [(row["batch"], row["batch"] / row["latency_p90_s"]) for row in curve]
    assert free.facts["batch"] <= knee
    needed = max(rate for batch, rate in sure if batch <= knee) * 1.001
    assert any(rate > needed for _, rate in sure)
    choices = meeting(answer(model="resnet50", hardware=(hardware,), throughput_per_s=needed))
    assert all(choice.facts["batch"] > knee or choice.slot.dtype != free.slot.dtype for choice in choices)
    assert choices


@law
def test_an_answer_follows_its_schema_and_is_the_same_when_asked_again(request: dict[str, Any]) -> None:
    first, again = answer(**request), advise(Requirements(**request), CATALOG, BOOK)
    told, retold = (json.dumps(as_json(advice, CATALOG, BOOK), allow_nan=False) for advice in (first, again))
    assert told == retold
    SCHEMA.validate(json.loads(told))


@law
def test_a_batch_beyond_the_knee_needs_a_profile_or_a_limit_that_asks_for_it(request: dict[str, Any]) -> None:
    advice = answer(**request)
    if advice.profile.batches == "any" or request.keys() & {"batch", "throughput_per_s", "energy_j"}:
        return
    assert all(choice.facts["batch"] <= choice.facts["knee_batch"] for choice in meeting(advice))


@law
def test_one_more_than_the_largest_batch_breaks_a_limit(request: dict[str, Any]) -> None:
    if "batch" in request:
        return
    for choice in meeting(answer(**request)):
        largest = int(choice.facts["largest_batch"])
        within, beyond = rows(request["model"], choice.chip.id, choice.slot.dtype, (largest, largest + 1))
        assert holds(within, request)
        assert largest == LARGEST_BATCH or not holds(beyond, request)
        assert choice.facts["batch"] <= largest


@law
def test_a_value_that_nobody_publishes_is_never_taken_for_0(request: dict[str, Any]) -> None:
    advice = answer(**request)
    assert not UNPUBLISHED & ids(advice)
    assert all(item.missing for item in advice.undetermined)
    shown = [item.because for item in advice.excluded] + [reason["because"] for reason in advice.rationale]
    assert not any("unknown" in text or "unlimited" in text or "{" in text for text in shown)


@law
def test_the_headline_is_the_winner_of_its_profile(request: dict[str, Any]) -> None:
    advice = answer(**request)
    assert advice.winners.keys() <= {profile.id for profile in BOOK.profiles.values() if profile.in_matrix}
    assert all(may_win(winner, request) for winner in advice.winners.values())
    if advice.profile.in_matrix:
        chosen = [advice.winners.get(advice.profile.id), advice.recommendation]
        first, second = ((c.chip.id, c.slot.dtype, c.facts["batch"]) if c else None for c in chosen)
        assert first == second


@law
def test_no_choice_that_may_win_scores_above_the_recommendation(request: dict[str, Any]) -> None:
    advice = answer(**request)
    best = advice.recommendation
    if best is not None:
        assert all(c.score <= best.score for c, lost in advice.alternatives if not lost.startswith(("T501", "E309")))


@law
def test_an_alternative_is_unsure_where_only_certainty_speaks_against_it(request: dict[str, Any]) -> None:
    advice = answer(**request)
    for choice, lost in advice.alternatives if advice.recommendation is not None else ():
        best = advice.recommendation
        assert best is not None
        margins = [c.of_machine("ratio_p90") for c in (choice, best)]
        ratios = [-c.score if c.score <= 0 else 1 / c.score for c in (choice, best)]  # what grows with time
        better = ratios[0] / margins[0] < ratios[1] / margins[1]
        if lost.startswith("unsure: "):
            assert better
            assert choice.score <= best.score
            assert margins[0] > margins[1]
        elif not lost.startswith(("tie: ", "T", "E")):
            assert not better


@law
def test_an_excluded_chip_breaks_the_request_at_every_batch(request: dict[str, Any]) -> None:
    """Exclusion for speed, power or energy is never wrong: no number format of the chip meets the request."""
    names = {item.hardware for item in answer(**request).excluded if item.rule.id in {"L201", "L204", "J403"}} - UNPUBLISHED
    batches = (request["batch"],) if "batch" in request else (1, 2, 3, 4, 7, 8, 16, 33, 64, 127, 256, 1024)
    for slot in slots_of(stock_of(CATALOG), Requirements(model=request["model"], dtypes=request.get("dtypes", ()))):
        if slot.chip.id in names and slot.machine is not None:
            assert not any(holds(row, request) for row in rows(request["model"], slot.chip.id, slot.dtype, batches))


@pytest.mark.parametrize("model", ["resnet50", "bert-base"])
@pytest.mark.parametrize(
    "limits",
    [
        {"power_w": 114.0, "energy_j": 10**-1.90625, "throughput_per_s": 10.0},
        {"throughput_per_s": 40_000.0},
        {"energy_j": 0.006},
    ],
)
def test_a_chip_that_qualifies_at_any_batch_is_found(model: str, limits: dict[str, float]) -> None:
    """Power, energy and throughput are sawtooths: MI210 keeps the first limits with int8 at batch 7, not at 6 or 8."""
    request = {"model": model, "dtypes": ("int8",)} | limits
    for chip in CATALOG.accelerators:
        if "int8" in chip.dtypes and asked_for(chip, {"allow_modelled": True}):
            every = rows(model, chip.id, "int8", tuple(range(1, LARGEST_BATCH + 1)))
            assert (chip.id in ids(answer(**request))) == any(holds(row, request) for row in every)


@given(requests(), st.sampled_from(sorted(LIMITS)), st.data())
@settings(max_examples=12)
def test_a_looser_limit_never_loses_a_chip(request: dict[str, Any], name: str, data: st.DataObject) -> None:
    limit, factor = data.draw(LIMITS[name]), data.draw(st.floats(1, 10))
    looser = limit / factor if name == "throughput_per_s" else limit * factor
    assert ids(answer(**request | {name: limit})) <= ids(answer(**request | {name: looser}))


def test_no_batch_beyond_the_largest_meets_the_request() -> None:
    """Power is no staircase that only rises: a batch beyond the first that draws too much may draw less."""
    power = 590.87
    for choice in meeting(answer(model="resnet18", power_w=power, hardware=("nvidia-h200-sxm",))):
        largest = int(choice.facts["largest_batch"])
        later = rows("resnet18", choice.chip.id, choice.slot.dtype, tuple(range(largest + 1, LARGEST_BATCH + 1)))
        assert [row["batch"] for row in later if holds(row, {"power_w": power})] == []


@pytest.mark.parametrize("latency", [0.002])
@pytest.mark.parametrize("dtypes", [(), ("int8",)])
def test_the_largest_batch_within_a_latency_is_exact(latency: float, dtypes: tuple[str, ...]) -> None:
    for choice in meeting(answer(model="resnet50", latency_s=latency, dtypes=dtypes)):
        largest = int(choice.facts["largest_batch"])
        within, *beyond = rows("resnet50", choice.chip.id, choice.slot.dtype, tuple(range(largest, LARGEST_BATCH + 2)))
        assert holds(within, {"latency_s": latency})
        assert largest == LARGEST_BATCH or not any(holds(row, {"latency_s": latency}) for row in beyond)


def test_the_values_that_are_missing_are_named() -> None:
    missing = {item.hardware: item.missing for item in answer(model="resnet50").undetermined}
    assert missing.keys() == UNPUBLISHED
    for name, told in missing.items():
        chip = CATALOG.accelerators[name]
        absent = {f"memory.{field}" for field in ("bandwidth", "capacity") if getattr(chip.memory, field) is None}
        assert absent <= {text.partition(" (")[0] for text in told}
        assert all(
            f"{field} ({reason})" in told for field in absent if (reason := chip.not_published.get(field.replace(".", "_")))
        )


@pytest.mark.parametrize("hardware", [(), ("nvidia-h100-sxm",)])
def test_a_model_that_does_not_fit_says_how_many_devices_would_hold_it(hardware: tuple[str, ...]) -> None:
    advice = answer(model="gpt3-175b", hardware=hardware)
    (item,) = [item for item in advice.excluded if item.hardware == "nvidia-h100-sxm"]
    assert item.rule.id == "F101"
    assert item.would_need is not None
    quantity, value, unit = item.would_need
    parameters, capacity = 174_604_259_328, 80e9
    assert (quantity, unit) == ("devices", "1")
    assert value == math.ceil(parameters / capacity + 0.02)  # one byte each, and some activations


@pytest.mark.parametrize("model", ["resnet18", "resnet50", "bert-base", "gpt3-175b"])
def test_an_impossible_limit_has_a_nearest_miss(model: str) -> None:
    advice = answer(model=model, latency_s=1e-6)
    assert advice.recommendation is None
    assert not advice.winners
    assert advice.nearest_miss is not None
    assert advice.nearest_miss.rule.id in {"L201", "L204"}
    assert advice.nearest_miss.shortfall > 1


@pytest.mark.parametrize("latency", [1e-7, 1e-6, 1e-5])
def test_a_limit_below_the_bound_says_what_peak_or_bandwidth_it_would_take(latency: float) -> None:
    advice = answer(model="resnet50", latency_s=latency)
    told = {i.hardware: i for i in advice.excluded if i.rule.id == "L201" and i.hardware not in UNPUBLISHED}
    assert told
    for name, item in told.items():
        quantity, value, unit = item.would_need or ("", 0.0, "")
        machines = [CATALOG.machine(name, dtype) for dtype in CATALOG.accelerators[name].dtypes]
        if quantity == "peak":
            assert unit == "FLOP/s"
            assert value == pytest.approx(advice.network.work_min / latency)
            assert any(value == pytest.approx(machine.peak_max * item.shortfall) for machine in machines)
        else:
            assert (quantity, unit) == ("bandwidth", "B/s")
            assert value == pytest.approx(machines[0].bandwidth * item.shortfall)
        assert item.shortfall > 1


def test_what_a_rule_says_it_would_need_is_enough() -> None:
    advice = answer(model="resnet50", latency_s=0.0003)
    asked = [(item.hardware, item.would_need[1]) for item in advice.excluded if item.would_need and item.rule.id == "L204"]
    assert asked
    for hardware, latency in asked[:4]:
        assert hardware in ids(answer(model="resnet50", latency_s=latency * (1 + 1e-9), hardware=(hardware,)))


@pytest.mark.parametrize("latency", [1e-6, 0.0003, 0.003])
def test_a_chip_that_lacks_a_figure_may_be_excluded_but_no_looser_limit_is_said_to_admit_it(latency: float) -> None:
    advice = answer(model="resnet50", latency_s=latency)
    told = [item for item in advice.excluded if item.hardware in UNPUBLISHED]
    assert {item.hardware for item in (*told, *advice.undetermined)} == UNPUBLISHED
    assert not any(item.would_need or item.recommendable for item in told)
    assert advice.nearest_miss not in told


def test_the_headline_follows_the_profile() -> None:
    advice = answer(model="resnet50", latency_s=0.010, profile="energy-critical")
    assert advice.recommendation is not None
    assert advice.winners["energy-critical"].chip.id == advice.recommendation.chip.id
    energy = {name: winner.facts["energy_sure_j"] for name, winner in advice.winners.items()}
    assert min(energy, key=energy.__getitem__) == "energy-critical"


def test_cost_ranks_priced_chips_only_and_lists_the_others() -> None:
    advice = answer(model="resnet50", latency_s=0.010, profile="cost")
    assert advice.recommendation is not None
    assert not math.isnan(advice.recommendation.chip.price_usd_per_s)
    unpriced = {chip.id for chip in CATALOG.accelerators if chip.price is None}
    assert {item.hardware for item in advice.excluded if item.rule.id == "F106"} == unpriced


def test_a_loose_request_is_as_good_as_none() -> None:
    free = answer(model="resnet50")
    loose = advise(replace(free.request, latency_s=1e6), CATALOG, BOOK)
    assert free.recommendation is not None
    assert loose.recommendation is not None
    assert free.recommendation.chip.id == loose.recommendation.chip.id


def test_the_balanced_headline_has_the_best_blend_of_what_holds_with_90_percent_certainty() -> None:
    advice = answer(model="resnet50", latency_s=0.010)
    best = advice.recommendation
    assert best is not None
    blend = best.facts["throughput_sure_per_s"] / best.facts["energy_sure_j"]
    assert best.score == pytest.approx(math.sqrt(blend))


def test_sixteen_bits_come_first_on_every_chip_that_has_them() -> None:
    for choice in meeting(answer(model="resnet50")):
        if any(DTYPE_BYTES[dtype] == 2 for dtype in choice.chip.dtypes):
            assert choice.slot.bits == 16
