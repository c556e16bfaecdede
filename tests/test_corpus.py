"""The corpus: a case is a file. What is wrong with it stands beside it, and JSON Schema and pydantic agree on its structure."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from advisor.schemas import MODELS, schema
from advisor.validation import validate_file
from engine.catalog import data_root
from engine.documents import Document, read_file, validate
from engine.quantity import Model

ROOT = Path(__file__).parent / "specs"
VALID, INVALID = sorted((ROOT / "valid").glob("*/*.json")), sorted((ROOT / "invalid").glob("*/*.json"))
SHIPPED = sorted((data_root() / "specs").glob("*/*.json"))
SCHEMAS = {name: Draft202012Validator(schema(name)) for name in MODELS if name != "advice"}


def names(paths: list[Path]) -> list[str]:
    return [f"{path.parent.name}/{path.stem}" for path in paths]


def kind_of(path: Path) -> str:
    return {"rules": "rule"}.get(path.parent.name, path.parent.name.removesuffix("s"))


def model_of(kind: str) -> type[Model]:
    model = MODELS[kind]
    assert issubclass(model, Model)
    return model


def accepted_by_pydantic(kind: str, data: Any) -> bool:
    return validate(Document(file="case", text="", data=data), model_of(kind))[0] is not None


def numbers(data: Any) -> list[Any]:
    """Return every object with a value, wherever in a spec."""
    if isinstance(data, dict):
        found = [data] if "value" in data else []
        return found + [item for child in data.values() for item in numbers(child)]
    return [item for child in data for item in numbers(child)] if isinstance(data, list) else []


def test_the_corpus_is_large_enough() -> None:
    assert len(INVALID) >= 60
    assert {path.parent.name for path in VALID} == {path.parent.name for path in INVALID} == SCHEMAS.keys()


@pytest.mark.parametrize("path", [*VALID, *SHIPPED], ids=names([*VALID, *SHIPPED]))
def test_a_valid_file_has_no_finding_and_both_judges_accept_it(path: Path) -> None:
    assert validate_file(path).faults == ()
    data = json.loads(path.read_text(encoding="utf-8"))
    SCHEMAS[kind_of(path)].validate(data)
    assert all(item["source"] in data["sources"] for item in numbers(data))


@pytest.mark.parametrize("path", INVALID, ids=names(INVALID))
def test_an_invalid_file_has_the_findings_beside_it(path: Path) -> None:
    expected = path.with_suffix(".expected").read_text(encoding="utf-8").splitlines()
    start = time.perf_counter()
    faults = validate_file(path).faults
    assert time.perf_counter() - start < 1
    assert len(faults) == len(expected)
    for fault, line in zip(faults, expected, strict=True):
        place, told, *suggestion = line.split(" | ")
        assert f"{fault.line}:{fault.column} {fault.pointer or '/'}" == place
        assert f"{fault.found}; expected {fault.expected}".startswith(told)
        assert fault.suggestion == (suggestion[0] if suggestion else "")


@pytest.mark.parametrize("path", INVALID, ids=names(INVALID))
def test_both_judges_agree_on_the_structure_of_an_invalid_file(path: Path) -> None:
    document = read_file(path)
    if document.faults:
        return  # no JSON, or JSON that no schema can speak about
    kind = kind_of(path)
    assert SCHEMAS[kind].is_valid(document.data) == accepted_by_pydantic(kind, document.data)


OTHER = st.sampled_from([None, True, 0, -1, 3.0, 3.5, 10**400, "", "text", "bf16", "TB/s", [], {}, [1], {"value": 1}])


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, Any]:
    """Return a valid spec with one to three things deleted, replaced or added."""
    path = draw(st.sampled_from([*VALID, *SHIPPED]))
    data = copy.deepcopy(json.loads(path.read_text(encoding="utf-8")))
    for _ in range(draw(st.integers(1, 3))):
        _mutate(draw, data)
    return kind_of(path), data


def _mutate(draw: st.DrawFn, data: Any) -> None:
    place = data
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        if isinstance(place[key], (dict, list)) and draw(st.integers(0, 3)):
            place = place[key]
            continue
        break
    match draw(st.sampled_from(["delete", "replace", "add"])):
        case "delete":
            del place[key]
        case "replace":
            place[key] = copy.deepcopy(draw(OTHER))
        case _ if isinstance(place, dict):
            place[draw(st.sampled_from(["extra", "note", "unit", "fp8", "tdp", "op"]))] = copy.deepcopy(draw(OTHER))
        case _:
            place.append(copy.deepcopy(draw(OTHER)))


@given(mutated())
@settings(max_examples=600)
def test_both_judges_agree_on_mutated_specs(case: tuple[str, Any]) -> None:
    kind, data = case
    assert SCHEMAS[kind].is_valid(data) == accepted_by_pydantic(kind, data), json.dumps(data)[:2000]
