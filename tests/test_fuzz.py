"""A share of the fuzz of `benchmarks/fuzz_specs.py`, always the same cases: findings or acceptance, never a traceback."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[1] / "benchmarks" / "fuzz_specs.py"


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_specs", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_specs"] = module
    spec.loader.exec_module(module)
    return module


def test_mutated_specs_give_findings_or_are_accepted(fuzz: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    del capsys
    inside, outside = fuzz.run(seed=20261125, count=400, by_command=20)
    assert (inside.wrong, outside.wrong) == ([], [])
    assert (inside.count, outside.count) == (400, 20)
    assert 20 <= inside.valid <= 200
    assert len(inside.rules) >= 15


def test_the_same_seed_makes_the_same_cases(fuzz: ModuleType) -> None:
    first, again, other = (list(fuzz.cases(seed, 20)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_fuzz_tells_a_traceback_and_an_unknown_id(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    tally = fuzz.Tally()
    tally.add("case", 0.1, ["S999"])
    tally.add("case", 2.1, [])
    monkeypatch.setattr(fuzz, "validate_document", lambda _: 1 / 0)
    fuzz.judge("case", b"{}", tally)
    assert [line.split(":")[1].strip()[:20] for line in tally.wrong] == [
        "findings without a k",
        "2.1 s",
        "Traceback (most rece",
    ]
