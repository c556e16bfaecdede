"""Files that are made to be slow or to break a reader: each is judged in time, and a finding is short."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from abuse.runner import run

from advisor.report import findings
from advisor.validation import Report, validate_document
from engine.catalog import data_root
from engine.documents import MAX_BYTES, MAX_FAULTS, read_text

SECONDS = 2.0
LONGEST = 4000
"""A finding has at most so many characters."""


def shipped(name: str) -> dict[str, Any]:
    """Return the data of a spec that ships."""
    body: dict[str, Any] = json.loads((data_root() / "specs" / name).read_text(encoding="utf-8"))
    return body


def chip(**changes: Any) -> str:
    return json.dumps(shipped("accelerators/nvidia-l4.json") | changes)


def net(**changes: Any) -> str:
    return json.dumps(shipped("workloads/resnet18.json") | changes)


def rules(**changes: Any) -> str:
    body = shipped("rules/energy.json")
    return json.dumps(body | {"rules": [{**body["rules"][0], **changes, "id": f"J{n:03}"} for n in range(900)]})


def layers(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [{"op": "linear", "name": f"n{index}", "out_features": 8, **changes} for index in range(count)]


SUM = " + ".join(["image"] * 60)
HOSTILE: dict[str, Callable[[], str]] = {
    "items of the wrong type": lambda: chip(notes=[1] * 99_000),
    "sources that nobody declares": lambda: chip(notes=[{"source": "x"}] * 45_000),
    "sources among many": lambda: chip(
        sources={f"s{index}": {"title": "t"} for index in range(20_000)}, notes=[{"source": f"x{n}"} for n in range(20_000)]
    ),
    "unknown keys": lambda: chip(**{f"tdp_{index}": 1 for index in range(90_000)}),
    "keys twice": lambda: "{" + '"k": 1,' * 90_000 + '"k": 1}',
    "many keys twice": lambda: "{" + "".join(f'"k{n}": 1,' for n in range(45_000)) * 2 + '"z": 1}',
    "numbers that are none": lambda: '{"notes": [' + "NaN," * 90_000 + "1]}",
    "more values than a spec has": lambda: '{"notes": [' + "[]," * 300_000 + "[]]}",
    "more bytes than a spec has": lambda: chip(notes=["x" * MAX_BYTES]),
    "one long text": lambda: chip(id="x" * (MAX_BYTES - 10_000)),
    "one long key": lambda: chip(**{"x" * (MAX_BYTES - 10_000): 1}),
    "a long number format": lambda: chip(peak_dense={"bf16" * 500_000: 1}),
    "digits": lambda: chip(tdp={"value": 0, "unit": "W", "source": "ds"}).replace('"value": 0', '"value": ' + "9" * 1_000_000),
    "escapes": lambda: '{"notes": ["' + '\\"' * 1_900_000 + '"]}',
    "levels": lambda: chip(notes=[0]).replace("[0]", "[" * 1000 + "]" * 1000),
    "many levels": lambda: "[" * 1_000_000 + "]" * 1_000_000,
    "wide and deep": lambda: '{"a":' * 98 + json.dumps(list(range(90_000))) + "}" * 98,
    "operators of no kind": lambda: net(graph=[{"op": "conv3d"}] * 5000),
    "operators with faults": lambda: net(graph=layers(5000, kernel=3, out_features=-1)),
    "more operators than fit": lambda: net(graph=layers(20_000)),
    "a chain of operators": lambda: net(graph=layers(5000), published={}),
    "a block repeated": lambda: net(graph=[{"op": "encoder_block", "name": "e", "heads": 1, "hidden": 4, "repeat": 10**9}]),
    "expressions": lambda: net(graph=layers(5000, out_features=SUM)),
    "a tower": lambda: net(graph=layers(5000, out_features="9**9**9**9")),
    "sizes": lambda: net(graph=layers(5000, out_features="unknown_size")),
    "a large size": lambda: net(inputs={"x": ["image ** 8", "image ** 8"]}, graph=layers(50), published={}),
    "rules": lambda: rules(when=" and ".join(["tdp_w > 350"] * 40)),
    "rules over no facts": lambda: rules(when="no_such_fact > 1", because="{nothing}" * 200),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_judged_in_time_and_told_shortly(name: str) -> None:
    text = HOSTILE[name]()
    start = time.process_time()
    outcome = validate_document(read_text(text, "case.json"))
    report = Report(outcomes=(outcome,))
    printed = [findings.printed(report, form) for form in findings.FORMATS]
    assert time.process_time() - start < SECONDS
    assert len(outcome.faults) <= MAX_FAULTS + 1
    assert max((len(str(fault)) for fault in outcome.faults), default=0) <= LONGEST
    assert outcome.faults or name in ("a chain of operators", "rules")
    assert all(printed)


@pytest.mark.parametrize(
    "asked",
    [
        ("--model", "resnet18", "--hardware", "nvidia-l4"),
        ("predict", "--model", "resnet18", "--hardware", "nvidia-l4", "--batch", "1,8", "--format", "json"),
        ("sweep", "--models", "resnet18", "--hardware", "nvidia-l4", "--batch", "1,8", "--format", "json"),
        ("insights", "--models", "resnet18", "--hardware", "nvidia-l4", "--batch", "1,8"),
        ("derive", "resnet18", "--hardware", "nvidia-l4"),
        ("show", "resnet18", "--hardware", "nvidia-l4"),
        ("explore", "--model", "resnet18", "--base", "nvidia-l4", "--vary", "bandwidth=1..2TB/s:3"),
    ],
    ids=lambda asked: asked[0],
)
def test_a_time_beyond_all_numbers_is_unknown_and_nothing_is_said_of_it(asked: tuple[str, ...], tmp_path: Path) -> None:
    mine = json.loads((data_root() / "specs" / "calibrations" / "gpu-gddr.json").read_text(encoding="utf-8"))
    launch = mine["network"]["launch"] | {"value": 1.7e308, "unit": "s"}
    mine |= {"id": "mine", "applies_to": {"hardware": ["nvidia-l4"]}, "network": mine["network"] | {"launch": launch}}
    folder = tmp_path / "calibrations"
    folder.mkdir()
    (folder / "mine.json").write_text(json.dumps(mine), encoding="utf-8")
    ran = run(*asked, "--specs", str(tmp_path))
    assert (ran.faults(), ran.err) == ([], "")
    assert ran.code in (0, 1)
