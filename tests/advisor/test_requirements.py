"""The request: what people type becomes SI units, a limit that was not given is none, and every fault is told at once."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import catalog

from advisor.inputs import Faults, RequestError, requirements, spec_directories, whole_numbers
from advisor.requirements import Requirements
from advisor.rule import load_rulebook

BOOK = load_rulebook()
LIMITS = ("latency_s", "throughput_per_s", "power_w", "energy_j", "memory_bytes")


def typed(**options: Any) -> Requirements:
    """Return the request of typed options for ResNet-50."""
    return requirements({"model": "resnet50", "allow_modelled": False} | options, catalog(), BOOK)


def faults(**options: Any) -> list[str]:
    with pytest.raises(RequestError) as error:
        typed(**options)
    return str(error.value).splitlines()


def test_a_request_without_limits_asks_for_nothing() -> None:
    request = Requirements(model="resnet50")
    assert [getattr(request, name) for name in LIMITS] == [math.inf, 0.0, math.inf, math.inf, math.inf]
    assert [request.as_json()[name] for name in LIMITS] == [None] * 5
    assert request.profile == "balanced"
    assert not request.allow_modelled


def test_a_request_never_changes() -> None:
    with pytest.raises(FrozenInstanceError):
        Requirements(model="resnet50").latency_s = 1.0  # type: ignore[misc]


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(LIMITS, st.floats(1e-9, 1e12))))
def test_a_request_is_json_with_every_field_and_every_limit_that_was_given(limits: dict[str, float]) -> None:
    body = Requirements(model="resnet50", **limits).as_json()
    assert body.keys() == {field.name for field in fields(Requirements)}
    assert {name: body[name] for name in LIMITS if body[name] is not None} == limits
    assert json.loads(json.dumps(body, allow_nan=False)) == body


@pytest.mark.parametrize(
    ("option", "text", "name", "value"),
    [
        ("latency", "10ms", "latency_s", 0.010),
        ("latency", "250 us", "latency_s", 0.000250),
        ("throughput", "2000/s", "throughput_per_s", 2000.0),
        ("power", "75W", "power_w", 75.0),
        ("power", "0.7 kW", "power_w", 700.0),
        ("energy", "50mJ", "energy_j", 0.050),
        ("memory", "24GB", "memory_bytes", 24e9),
        ("memory", "16GiB", "memory_bytes", 16 * 2.0**30),
    ],
)
def test_a_limit_is_read_in_its_unit(option: str, text: str, name: str, value: float) -> None:
    assert getattr(typed(**{option: text}), name) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("option", ["latency", "throughput", "power", "energy", "memory"])
@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "1e999", "ten", "1e3", "0x10", "1 parsec", "1;2"])
def test_a_limit_without_a_number_above_0_and_a_unit_of_its_kind_is_a_fault(option: str, text: str) -> None:
    (line,) = faults(**{option: text})
    assert line.startswith(f"--{option}: ")


def test_names_come_from_comma_separated_lists() -> None:
    request = typed(dtype="bf16, int8", kind="gpu,tpu", hardware="nvidia-l4, nvidia-t4", profile="energy")
    assert request.dtypes == ("bf16", "int8")
    assert request.kinds == ("gpu", "tpu")
    assert request.hardware == ("nvidia-l4", "nvidia-t4")
    assert request.profile == "energy-critical"


def test_sizes_come_from_pairs_and_from_the_length_of_a_sequence() -> None:
    assert typed(size=["image=320"]).sizes == {"image": 320}
    assert typed(model="bert-base", seq_len="384").sizes == {"seq_len": 384}


def test_every_fault_is_told_at_once_with_its_option_and_the_nearest_valid_name() -> None:
    lines = faults(model="resnet5", latency="10", batch="0", dtype="bf17", kind="gpuu", hardware="nvidia-l5", profile="balancd")
    assert [line.split(":")[0] for line in lines] == [
        "--latency", "--model", "--batch", "--dtype", "--hardware", "--kind", "--profile",
    ]  # fmt: skip
    for option, name in (("model", "resnet50"), ("dtype", "bf16"), ("kind", "gpu"), ("profile", "balanced")):
        assert any(line.startswith(f"--{option}") and f"did you mean {name}?" in line for line in lines)


@pytest.mark.parametrize("pair", ["image", "image=", "image=big", "=3", "image=-1", "img=320", "image=1000000000000"])
def test_a_size_that_is_none_of_the_model_or_no_number_is_a_fault(pair: str) -> None:
    (line,) = faults(size=[pair])
    assert line.startswith("--size: ")


@pytest.mark.parametrize("text", ["", "1.5", "1,x", "0", "-1", "1e3", "9" * 30, "9" * 5000])
def test_batches_are_whole_numbers_from_1(text: str) -> None:
    with pytest.raises(RequestError):
        whole_numbers(text)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=5))
def test_a_list_of_batches_is_read_as_it_is_written(batches: list[int]) -> None:
    assert whole_numbers(", ".join(map(str, batches))) == batches


@given(st.text(max_size=40))
def test_any_text_as_a_limit_is_a_number_above_0_or_a_fault(text: str) -> None:
    collected = Faults()
    value = collected.take("--latency", lambda: typed(latency=text).latency_s, None)
    assert (value is None) == bool(collected.lines)
    assert value is None or 0 < value < math.inf


def test_directories_of_options_come_after_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOFWISE_SPECS", "")
    assert spec_directories([Path("mine")]) == [Path("mine")]
    monkeypatch.setenv("ROOFWISE_SPECS", "theirs")
    assert spec_directories([Path("mine")]) == [Path("theirs"), Path("mine")]
