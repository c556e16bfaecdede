"""The corpus: a case is a file. What is wrong with it stands beside it, and JSON Schema and pydantic agree on its structure."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from advisor.check import check_checks, load_checks
from advisor.rule import check_rules
from advisor.validation import MODELS, validate_file
from engine.catalog import data_root, load_document
from engine.codes import CODES
from engine.documents import Document, read_file, read_text, validate

ROOT = Path(__file__).parent / "specs"
VALID, INVALID = sorted((ROOT / "valid").glob("*/*.json")), sorted((ROOT / "invalid").glob("*/*.json"))
SHIPPED = sorted((data_root() / "specs").glob("*/*.json"))
SCHEMAS = {
    kind: Draft202012Validator(json.loads((data_root() / "schemas" / f"{kind}.schema.json").read_text(encoding="utf-8")))
    for kind in MODELS
}
SECONDS = 1.0
"""Validating one file may take this long."""


def names(paths: Sequence[Path]) -> list[str]:
    return [f"{path.parent.name}/{path.stem}" for path in paths]


def kind_of(path: Path) -> str:
    return {"rules": "rule"}.get(path.parent.name, path.parent.name.removesuffix("s"))


def both(kind: str, document: Document) -> tuple[bool, bool]:
    """Return whether JSON Schema and pydantic accept the structure of a document."""
    return SCHEMAS[kind].is_valid(document.data), validate(document, MODELS[kind])[0] is not None


def numbers(data: Any) -> list[Any]:
    """Return every object with a value, wherever in a spec."""
    if isinstance(data, dict):
        found = [data] if "value" in data else []
        return found + [item for child in data.values() for item in numbers(child)]
    return [item for child in data for item in numbers(child)] if isinstance(data, list) else []


def test_the_corpus_is_large_enough() -> None:
    assert len(INVALID) >= 70
    assert {path.parent.name for path in VALID} == {path.parent.name for path in INVALID} == SCHEMAS.keys()
    assert {path.stem for path in ROOT.rglob("*.expected")} == {path.stem for path in INVALID}


@pytest.mark.parametrize("path", [*VALID, *SHIPPED], ids=names([*VALID, *SHIPPED]))
def test_a_valid_file_has_no_finding_and_both_judges_accept_it(path: Path) -> None:
    start = time.process_time()
    assert validate_file(path).faults == ()
    assert time.process_time() - start < SECONDS
    assert both(kind_of(path), read_file(path)) == (True, True)


@pytest.mark.parametrize("path", [*VALID, *SHIPPED], ids=names([*VALID, *SHIPPED]))
def test_no_number_is_without_a_declared_source(path: Path) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    assert all(item["source"] in data["sources"] for item in numbers(data))


Path_ = tuple[str | int, ...]


def leaves(data: Any, path: Path_ = (), around: tuple[Any, ...] = ()) -> list[tuple[Path_, tuple[Any, ...]]]:
    """Return every number of a spec with its path and the objects around it, the whole first."""
    if isinstance(data, dict):
        return [leaf for key, child in data.items() for leaf in leaves(child, (*path, key), (*around, data))]
    if isinstance(data, list):
        return [leaf for index, child in enumerate(data) for leaf in leaves(child, (*path, index), around)]
    return [(path, around)] if isinstance(data, (int, float)) and not isinstance(data, bool) else []


def sources_in(data: Any) -> set[str]:
    """Return the sources that figures in data name."""
    children = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    own = {data["source"]} if isinstance(data, dict) and isinstance(data.get("source"), str) else set()
    return own.union(*map(sources_in, children))


def sources_of(path: Path_, around: tuple[Any, ...]) -> set[str]:
    """Return the sources of a number: that of the nearest object around it that names one, else those of the figures beside it.

    Beside it is in the nearest object below the whole that has any: a batch goes with the times measured at it. The sizes of a
    measured network go with all that was measured.
    """
    for object_ in reversed(around):
        if isinstance(object_.get("source"), str):
            return {object_["source"]}
    beside = next((found for object_ in reversed(around[1:]) if (found := sources_in(object_))), set())
    return beside or (sources_in(around[0].get("points")) if path[0] == "sizes" else set())


@pytest.mark.parametrize("path", [*VALID, *SHIPPED], ids=names([*VALID, *SHIPPED]))
def test_every_number_resolves_to_a_declared_source(path: Path) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    for leaf, around in leaves(data):
        found = sources_of(leaf, around)
        assert found, leaf
        assert found <= data["sources"].keys(), leaf


@pytest.mark.parametrize("path", INVALID, ids=names(INVALID))
def test_an_invalid_file_has_the_findings_beside_it(path: Path) -> None:
    """A line is `line:column pointer id | how the finding begins`, then ` | suggestion` where there is one.

    Before the id of the check that found it stands `warning`, where it is none but that.
    """
    expected = path.with_suffix(".expected").read_text(encoding="utf-8").splitlines()
    start = time.process_time()
    faults = validate_file(path).faults
    assert time.process_time() - start < SECONDS
    assert len(faults) == len(expected), faults
    for fault, line in zip(faults, expected, strict=True):
        place, told, *suggestion = line.split(" | ")
        severity = "warning" if fault.severity == "warning" else ""
        assert " ".join(filter(None, (f"{fault.line}:{fault.column}", fault.pointer or "/", severity, fault.rule))) == place
        assert fault.rule in CODES or fault.rule in load_checks().checks
        assert f"{fault.found}; expected {fault.expected}".startswith(told)
        assert fault.suggestion == (suggestion[0] if suggestion else "")


@pytest.mark.parametrize("check", load_checks().checks)
def test_a_file_breaks_each_check_and_no_other_and_a_neighbour_is_just_inside(check: str) -> None:
    (broken,) = (ROOT / "invalid" / "accelerator").glob(f"{check.lower()}-*.json")
    assert [fault.rule for fault in validate_file(broken).faults] == [check]
    assert validate_file(ROOT / "valid" / "accelerator" / f"{check.lower()}-inside.json").faults == ()


@pytest.mark.parametrize("path", INVALID, ids=names(INVALID))
def test_both_judges_agree_on_the_structure_of_an_invalid_file(path: Path) -> None:
    document = read_file(path)
    if not document.faults:  # else no JSON, or JSON that no schema can speak about
        by_schema, by_pydantic = both(kind_of(path), document)
        assert by_schema == by_pydantic


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e400", "1" + 400 * "0", r'"\ud800"', '{"a": 1, "a": 2}'])
def test_what_no_schema_can_judge_is_a_fault_of_the_document(text: str) -> None:
    assert read_text(text, "case").faults


# Mutations: valid files with one to three things deleted, replaced, added or put into another form.

TEXTS = ["", "text", "bf16", "TB/s", "ds", "a b", "http://", "é", "2 * seq_len", "9**9**9", "x" * 41, "x" * 2001]
"""None ends in a line break: Python's `$` matches before one, that of JSON Schema and of pydantic does not."""
OTHER = st.sampled_from(
    [None, True, False, 0, -1, 3, 3.0, 3.5, 2**64, 10**400, -1e300, [], {}, [1], [[]], {"value": 1}, {"": 1}, *TEXTS]
)
UNITS = st.sampled_from(["Gb/s", "GB/s", "GiB/s", "TB/s", "TOP/s", "W", "kW", "us", "MHz", "gb", "nm", "1", "k", "/s"])
KEYS = st.sampled_from(["extra", "note", "unit", "fp8", "default", "tdp", "op", "seq_len", "kernel", "a b", "", "é", "x" * 41])


def containers(data: Any) -> list[Any]:
    """Return every object and list that is not empty, wherever in a spec."""
    children = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    found = [data] if children else []
    return found + [item for child in children for item in containers(child)]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, str]:
    """Return the kind and the text of a valid spec that was changed in one to three places."""
    path = draw(st.sampled_from([*VALID, *SHIPPED]))
    data = json.loads(path.read_text(encoding="utf-8"))
    for _ in range(draw(st.integers(1, 3))):
        places = containers(data)
        if places:
            _mutate(draw, draw(st.sampled_from(places)))
    return kind_of(path), json.dumps(data, indent=1)


def _mutate(draw: st.DrawFn, place: Any) -> None:
    key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
    match draw(st.sampled_from(["delete", "replace", "add", "unit", "form"])):
        case "delete":
            del place[key]
        case "replace":
            place[key] = copy.deepcopy(draw(OTHER))
        case "add" if isinstance(place, dict):
            place[draw(KEYS)] = copy.deepcopy(draw(OTHER))
        case "add":
            place.append(copy.deepcopy(draw(OTHER)))
        case "unit" if isinstance(place, dict) and "value" in place:
            place["unit"] = draw(UNITS)
        case _:
            place[key] = _reformed(place[key])


def _reformed(value: Any) -> Any:
    """Return a value in another form: 3 as 3.0, a half more, a text, a list of it."""
    match value:
        case bool() | None | dict():
            return [value]
        case int() if abs(value) < 1e15:
            return float(value)
        case float():
            return value + 0.5
        case _:
            return str(value)


@given(mutated())
@settings(max_examples=300)
def test_both_judges_agree_on_mutated_specs(case: tuple[str, str]) -> None:
    kind, text = case
    document = read_text(text, "case")
    if not document.faults:
        by_schema, by_pydantic = both(kind, document)
        assert by_schema == by_pydantic


@given(mutated())
@settings(max_examples=150)
def test_any_spec_is_judged_in_time_and_each_fault_is_told_on_one_line(case: tuple[str, str]) -> None:
    kind, text = case
    start = time.process_time()
    document = read_text(text, "case")
    spec, faults = load_document(document, MODELS[kind])
    structure, _ = validate(document, MODELS[kind])
    faults += [*check_rules(document, structure), *check_checks(document, structure)]
    if structure is not None:
        faults += load_checks().judge(document, structure)
    assert time.process_time() - start < SECONDS
    assert spec is None or not document.faults
    lines = text.splitlines()
    for fault in faults:
        assert 1 <= fault.column <= len(lines[fault.line - 1]) + 1
        assert "\n" not in str(fault)
