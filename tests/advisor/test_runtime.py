"""The runtime that a user asks for: it is checked, told back, and changes the kernels, the host and the interval."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from strategies import catalog

from advisor.cli import main
from advisor.inputs import RequestError, requirements
from advisor.recommend import advise
from advisor.requirements import Requirements
from advisor.rule import load_rulebook
from engine.machine import GRAPH

BOOK = load_rulebook()
A100 = "nvidia-a100-sxm-40"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


def typed(**options: Any) -> Requirements:
    return requirements({"model": "resnet50", "allow_modelled": False} | options, catalog(), BOOK)


def test_without_a_word_the_runtime_is_a_graph() -> None:
    assert typed().runtime == typed(runtime=GRAPH).runtime == Requirements(model="resnet50").runtime == GRAPH
    assert typed(runtime="eager").runtime == "eager"
    assert typed(runtime="eager").as_json()["runtime"] == "eager"


@pytest.mark.parametrize(("text", "near"), [("eagr", "eager"), ("graphs", "graph")])
def test_an_unknown_runtime_is_a_fault_that_names_the_nearest(text: str, near: str) -> None:
    with pytest.raises(RequestError) as error:
        typed(runtime=text)
    (line,) = str(error.value).splitlines()
    assert line.startswith("--runtime: ")
    assert f"did you mean {near}?" in line


COMMANDS = {
    "advise": ("--model", "resnet50"),
    "predict": ("predict", "--model", "resnet50", "--hardware", A100),
    "derive": ("derive", "resnet50", "--hardware", A100),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_checks_its_runtime(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *COMMANDS[name], "--runtime", "eagr")
    assert (code, out) == (2, "")
    assert "--runtime" in err
    assert "did you mean eager?" in err


def test_the_json_answer_tells_the_runtime_back(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--model", "resnet50", "--hardware", A100, "--batch", "1", "--dtype", "fp16", "--format", "json")
    graph, eager = (json.loads(run(capsys, *asked, *more)[1]) for more in ((), ("--runtime", "eager")))
    assert (graph["request"]["runtime"], eager["request"]["runtime"]) == (GRAPH, "eager")
    slow, fast = (answer["recommendation"]["latency_s"] for answer in (eager, graph))
    assert slow["lower_bound"] == fast["lower_bound"]
    assert slow["estimate"] > 2 * fast["estimate"]
    assert [key for key in eager["sources"] if key.startswith("runtimes/")]
    assert not [key for key in graph["sources"] if key.startswith("runtimes/")]


def test_rows_of_predictions_say_their_runtime_and_a_host_takes_time(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {}
    for runtime in (GRAPH, "eager"):
        code, out, _ = run(capsys, *COMMANDS["predict"], "--dtype", "fp16", "--runtime", runtime, "--format", "csv")
        assert code == 0
        (rows[runtime],) = csv.DictReader(io.StringIO(out))
        assert rows[runtime]["runtime"] == runtime
    bounds = {row["latency_lower_bound_s"] for row in rows.values()}
    assert len(bounds) == 1  # it holds for any software
    assert float(rows["eager"]["latency_estimate_s"]) > float(rows[GRAPH]["latency_estimate_s"])


def test_a_derivation_of_an_eager_framework_tells_its_host(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, *COMMANDS["derive"], "--runtime", "eager")
    assert code == 0
    assert "runtime eager" in out
    assert "time with the host" in out


def test_advice_for_an_eager_framework_is_estimated_for_it() -> None:
    asked = {"model": "resnet50", "batch": 1, "hardware": (A100,)}
    graph, eager = (advise(Requirements(**asked, runtime=name), catalog(), BOOK).recommendation for name in (GRAPH, "eager"))
    assert graph is not None
    assert eager is not None
    assert eager.machine.runtime == "eager"
    assert eager.facts["latency_estimate_s"] > graph.facts["latency_estimate_s"]
