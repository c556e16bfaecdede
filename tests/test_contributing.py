"""CONTRIBUTING.md: what it says to write is all that there is to write, and what it names exists."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
import typer
from pages import ROOT, blocks, text_of

from advisor.cli import app
from advisor.rule import load_rulebook
from advisor.validation import validate_file
from engine import blocks as engine_blocks
from engine import ops
from engine.ops import norms
from engine.ops.base import Operator

PAGE = text_of("CONTRIBUTING.md")
COMMANDS = dict.fromkeys(line for block in blocks(PAGE, "text") for line in block.splitlines())


def test_every_file_that_it_names_exists() -> None:
    named = set(re.findall(r"`((?:advisor|benchmarks|docs|engine|examples|specs|tests)/[\w./-]+)`", PAGE))
    assert len(named) > len(["a few"])
    assert {path for path in named if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_it_names_exists(command: str) -> None:
    program, *arguments = command.split()
    if program == "python":
        assert importlib.util.find_spec(arguments[1])
    else:
        assert arguments[0] in typer.main.get_command(app).commands
    files = [word for word in arguments if re.match(r"(tests|specs)/", word) and "vendor-name" not in word]
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_an_operator_is_its_class_and_nothing_else() -> None:
    """The class of the page, as if it stood in the module of norms, is found there and costs what one counts by hand."""
    (code,) = blocks(PAGE, "python")
    module = ModuleType("engine.ops.norms")
    vars(module).update(vars(norms))
    exec(compile(code, "CONTRIBUTING.md", "exec"), vars(module))  # noqa: S102 - our own page
    found = ops.declared(module, Operator)
    assert found[:-1] == ops.declared(norms, Operator)
    (threshold,) = found[-1:]
    channels, height, width = 8, 3, 5
    made = threshold(op="threshold")
    cost = made.cost([(channels, height, width)], made.shape([(channels, height, width)], {}), {})
    assert (cost.parameters, cost.inputs, cost.outputs) == (channels, channels * height * width, channels * height * width)


@pytest.mark.parametrize("package", [ops, engine_blocks], ids=lambda package: package.__name__)
def test_no_module_of_operators_or_blocks_is_forgotten(package: ModuleType) -> None:
    modules = {path.stem for path in Path(package.__file__ or "").parent.glob("*.py")} - {"__init__", "base"}
    assert modules == {module.__name__.rpartition(".")[2] for module in package.FAMILIES}


def test_a_rule_is_its_entry_and_nothing_else(tmp_path: Path) -> None:
    (entry,) = blocks(PAGE, "json")
    file = json.loads(text_of("specs/rules/energy.json"))
    assert json.loads(entry)["id"] not in load_rulebook().family
    file["rules"].append(json.loads(entry))
    (tmp_path / "energy.json").write_text(json.dumps(file), encoding="utf-8")
    assert validate_file(tmp_path / "energy.json").faults == ()
    assert json.loads(entry)["id"] in {rule.id for rule in load_rulebook([tmp_path]).rules}
