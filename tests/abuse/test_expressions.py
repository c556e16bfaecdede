"""Hostile expressions through every door by which the grammar is entered: sizes, conditions, objectives, claims, templates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from abuse.expressions import HOSTILE
from abuse.kinds import judged
from abuse.mutations import ROOT
from abuse.runner import limit, run

from advisor.facts import fill
from advisor.validation import validate_document
from engine.documents import read_text
from engine.errors import ExpressionError
from engine.expressions import MAX_LENGTH, parse

REFUSED: Final = (
    "().__class__", "__import__('os')", "a.real", "a[0]", "9**9", "2**a", "(a**4)**4", "lambda: 0", "[i for i in a]", "f'{a}'",
    "a if b else 1", "a := 3", "*a", "'a'", "...", "None", "True", "a;b", "\uff4d\uff41\uff58(1,2)", "é", "min(*a)", "1j",
    "a @ b", "a << 2", "~a", "a is b", "a in b", "yield", "min(1,2)(3)",
    "(" * 200 + "1" + ")" * 200, "x" * (MAX_LENGTH + 1), "1e400", "",
)  # fmt: skip
"""Nothing of these may reach an evaluation."""
DOORS: Final[Mapping[str, tuple[str, Sequence[str | int]]]] = {
    "a condition of a rule": ("specs/rules/latency.json", ("rules", 0, "when")),
    "a template of a rule": ("specs/rules/latency.json", ("rules", 0, "because")),
    "a condition of a check": ("specs/checks/physics.json", ("checks", 0, "when")),
    "a place of a check": ("specs/checks/physics.json", ("checks", 0, "at")),
    "an objective of a profile": ("specs/profiles/edge.json", ("maximize",)),
    "a constraint of a profile": ("specs/profiles/edge.json", ("constraints", 0)),
    "a size of an operator": ("specs/workloads/resnet18.json", ("graph", 0, "out_channels")),
    "a shape of an input": ("specs/workloads/resnet18.json", ("inputs", "pixels", 1)),
    "a claim": ("tests/specs/valid/claim/slide.json", ("claims", 0, "holds")),
}


def put(data: Any, path: Sequence[str | int], value: object) -> Any:
    """Return data with a value at a path."""
    place = data
    for part in path[:-1]:
        place = place[part]
    assert path[-1] in place if isinstance(place, dict) else True
    place[path[-1]] = value
    return data


def with_text(door: str, text: str) -> str:
    """Return the spec of a door with a text in it."""
    file, path = DOORS[door]
    return json.dumps(put(json.loads((ROOT / file).read_text(encoding="utf-8")), path, text))


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text[:20]))
def test_what_the_grammar_does_not_know_is_never_evaluated(text: str) -> None:
    with pytest.raises(ExpressionError), limit(2):
        parse(text)


@pytest.mark.parametrize("door", DOORS)
def test_every_hostile_text_is_judged_in_time_behind_every_door(door: str) -> None:
    with limit(20):
        for text in HOSTILE:
            assert judged(with_text(door, text).encode("utf-8", "surrogatepass")) == []


@pytest.mark.parametrize("door", [door for door in DOORS if "template" not in door and "place" not in door])
def test_code_is_a_fault_at_its_place_behind_every_door(door: str) -> None:
    pointer = "/" + "/".join(map(str, DOORS[door][1]))
    for text in (
        "().__class__.__bases__[0]",
        "__import__('os').system('id')",
        "9**9**9",
        "(" * 200 + "1" + ")" * 200,
        "x" * 401,
    ):
        faults = validate_document(read_text(with_text(door, text), "case.json")).faults
        assert [fault.pointer for fault in faults if fault.pointer.startswith(pointer)], text


@pytest.mark.parametrize(
    "text", ["{tdp_w.__class__}", "{tdp_w[0]}", "{tdp_w!r}", "{tdp_w:>999999999}", "{}", "{", "}", "{{tdp_w}}"]
)
def test_a_template_fills_in_names_of_facts_and_evaluates_nothing(text: str) -> None:
    assert fill(text, {"tdp_w": 72.0}) == text.replace("{tdp_w}", "72 W")


def test_a_rule_of_ones_own_cannot_make_an_answer_hang(tmp_path: Path) -> None:
    body = json.loads((ROOT / "specs" / "rules" / "latency.json").read_text(encoding="utf-8"))
    when = " and ".join(["latency_p90_s ** 8 > limit_latency_s ** 8"] * 9)
    body["rules"] = [body["rules"][0] | {"id": f"J{number}", "when": when} for number in range(500, 700)]
    for rule in body["rules"]:
        rule.pop("examples", None)
    (tmp_path / "mine.json").write_text(json.dumps(body), encoding="utf-8")
    assert run("--model", "resnet18", "--latency", "10ms", "--specs", str(tmp_path), seconds=30).faults() == []
