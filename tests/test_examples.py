"""The examples: each command of their pages runs from a checkout, and says what it promises."""

from __future__ import annotations

import csv
import io
import json
import runpy
import shlex
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from pages import PAGES, ROOT, blocks, text_of

from advisor.cli import main
from engine import load

COMMANDS = [
    line
    for page in PAGES
    if page.startswith("examples/")
    for block in blocks(text_of(page), "sh")
    for line in block.splitlines()
]


class Checkout:
    """A copy of the examples to run commands in; keeps exit code, output and errors."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys = capsys
        self.monkeypatch = monkeypatch

    def __call__(self, command: str) -> tuple[int, str, str]:
        program, *arguments = shlex.split(command)
        with pytest.raises(SystemExit) as stop:
            main(arguments) if program == "advise" else self.python(*arguments)
        printed = self.capsys.readouterr()
        return int(stop.value.code or 0), printed.out, printed.err

    def python(self, script: str, *arguments: str) -> None:
        self.monkeypatch.setattr(sys, "argv", [script, *arguments])
        runpy.run_path(script, run_name="__main__")
        sys.exit(0)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Checkout:
    monkeypatch.delenv("ROOFWISE_SPECS", raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return Checkout(capsys, monkeypatch)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_example_runs(command: str, run: Checkout) -> None:
    code, out, err = run(command)
    assert (code, err) == (0, "")
    assert out or Path("throughput.svg").is_file()


def test_every_example_has_its_page_and_its_line() -> None:
    folders = {path.name for path in (ROOT / "examples").iterdir() if path.is_dir()}
    assert folders == {name for name in folders if f"| [{name}]({name}/README.md) |" in text_of("examples/README.md")}
    for folder in folders:
        page = text_of(f"examples/{folder}/README.md")
        files = [path for path in (ROOT / "examples" / folder).rglob("*") if path.is_file() and path.suffix in (".py", ".json")]
        assert [path.name for path in files if path.name not in page] == []


def test_the_batch_curve_is_a_table(run: Checkout) -> None:
    _, out, _ = run("python examples/python/batch_curve.py")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [int(row["batch"]) for row in rows] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert all(float(row["latency_estimate_s"]) <= float(row["latency_p90_s"]) for row in rows)


def test_the_gate_holds_what_is_kept_and_stops_at_what_is_not(run: Checkout, tmp_path: Path) -> None:
    budgets = json.loads(text_of("examples/ci-gate/budgets.json"))
    (tmp_path / "tight.json").write_text(json.dumps([*budgets[:1], budgets[1] | {"latency_ms": 0.001}]), encoding="utf-8")
    code, out, _ = run("python examples/ci-gate/gate.py tight.json")
    assert code == 1
    assert [line.split()[0] for line in out.splitlines()] == ["kept", "BROKEN"]


def test_the_picture_has_a_line_for_each_chip(run: Checkout) -> None:
    run("python examples/plot/throughput.py picture.svg resnet50 nvidia-l4 nvidia-t4")
    text = "".join(ET.parse("picture.svg").getroot().itertext())  # noqa: S314 - our own file
    assert "nvidia-l4" in text
    assert "nvidia-t4" in text


def test_the_own_chip_is_the_one_of_the_tutorial() -> None:
    (chip,) = load([ROOT / "examples" / "own-chip"]).accelerators.entries.keys() - load().accelerators.entries.keys()
    assert f"my-specs/accelerators/{chip}.json" in text_of("docs/tutorial.md")
