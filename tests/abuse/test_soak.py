"""The soak sees what it is there to see: a fault, a file outside, a worker that is lost, memory that grows."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import sys
from pathlib import Path
from types import ModuleType

import pytest
from abuse.mutations import ROOT


@pytest.fixture(scope="module")
def soak() -> ModuleType:
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location("soak", ROOT / "benchmarks" / "soak.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["soak"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Come back from wherever a case goes."""
    monkeypatch.chdir(tmp_path)


def only(soak: ModuleType, monkeypatch: pytest.MonkeyPatch, kind: object) -> list[str]:
    """Return what the soak finds where one kind of case is all there is."""
    monkeypatch.setattr(soak, "KINDS", {"kind": kind})
    monkeypatch.setattr(soak, "PROCESSES", {})
    name, seconds, found = soak.outcome(1, 2)
    assert (name, seconds > 0) == ("kind", True)
    return [str(line) for line in found]


def test_faults_exceptions_hangs_and_files_that_stay_are_found(soak: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(_rng: random.Random, _folder: Path) -> list[str]:
        while True:
            pass

    def outside(_rng: random.Random, folder: Path) -> list[str]:
        (folder.parent / "x").write_text("x", encoding="utf-8")
        (folder / ".answer.1.tmp").write_text("x", encoding="utf-8")
        return []

    monkeypatch.setattr(soak, "HUNG", 0.2)
    assert only(soak, monkeypatch, lambda *_: []) == []
    assert only(soak, monkeypatch, lambda *_: ["a fault"]) == ["a fault"]
    assert "ZeroDivisionError" in only(soak, monkeypatch, lambda *_: 1 / 0)[0]
    assert only(soak, monkeypatch, endless)[0].startswith("it hung")
    left, beyond = only(soak, monkeypatch, outside)
    assert left == "left behind: a/b/c/.answer.1.tmp"
    assert beyond.startswith("a file outside its folder: ")


def test_growth_is_told_and_warmth_is_not(soak: ModuleType) -> None:
    tally = soak.Tally(1)
    tally.marks = [(100.0 + number, 4) for number in range(100)] + [(200.0, 4)] * 300
    assert tally.grown() == []
    tally.marks += [(200.0 + soak.GROWTH_MB + 1, 5)]
    assert tally.grown() == ["memory grew from 200 to 351 MB", "open files grew from 4 to 5"]


def test_the_summary_counts_and_a_finding_says_how_to_see_it_again(
    soak: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = soak.Tally(7)
    tally.add(3, {"kind": "spec", "seconds": 0.25, "found": [], "mb": 90.0, "open": 4})
    tally.add(4, {"kind": "spec", "seconds": 0.125, "found": ["broken"], "mb": 91.0, "open": 4})
    assert capsys.readouterr().out == "FOUND spec: broken\n  again: python benchmarks/soak.py --seed 7 --case 4\n"
    summary = tally.summary(0.5)
    assert summary.startswith("soak: 0.5 min, seed 7, 2 cases (spec 2); slowest spec 0.2 s (case 3); ")
    assert summary.endswith("findings: spec 1")


def test_a_worker_that_is_killed_is_told(soak: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    worker = soak.Worker(1, 0, tmp_path)
    assert worker.line() == {"begins": 0}
    os.kill(worker.process.pid, signal.SIGKILL)
    while worker.line() is not None:
        pass
    worker.process.wait(10)
    assert worker.end().startswith("it ended with -9")
