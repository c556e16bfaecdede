"""A share of the soak, always the same cases: whatever comes in, a run ends in time, in words, and leaves nothing behind."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from abuse import commands, expressions, graphs, kinds, mutations, runner
from abuse.runner import Ran, run

SHARE: Final[Mapping[str, int]] = {
    "spec": 100, "config": 10, "graph": 15, "expression": 100, "command": 8, "validate": 8, "own": 4, "claim": 2,
    "table": 5, "points": 2, "completion": 5,
}  # fmt: skip


def chance(seed: str) -> random.Random:
    """Return the random choice of a seed."""
    return random.Random(seed)  # noqa: S311 - no secret


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with room above it, and go there."""
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ROOFWISE_SPECS", "")
    return folder


def test_every_kind_has_its_share() -> None:
    assert SHARE.keys() == kinds.KINDS.keys()


@pytest.mark.parametrize("name", SHARE)
def test_a_share_of_a_kind_finds_nothing(name: str, inside: Path, tmp_path: Path) -> None:
    found = [
        f"case {number}: {line}"
        for number in range(SHARE[name])
        for line in kinds.KINDS[name](chance(f"{name}/{number}"), inside)
    ]
    assert found == []
    assert runner.left_behind(tmp_path) == []
    apart = (inside, tmp_path / "home")  # where caches lie, ours and those of libraries
    assert [path for path in tmp_path.rglob("*") if path.is_file() and not any(map(path.is_relative_to, apart))] == []


def test_one_seed_makes_one_case_and_another_seed_another() -> None:
    makers = {
        "specs": lambda rng: mutations.mutated(rng, kinds.chosen(rng)),
        "nudges": lambda rng: mutations.nudged(rng, kinds.chosen(rng)),
        "graphs": graphs.broken,
        "expressions": expressions.text,
        "arguments": lambda rng: commands.arguments(rng, rng.choice(commands.commands())),
    }
    for name, make in makers.items():
        first, again, other = ([make(chance(f"{seed}/{n}")) for n in range(20)] for seed in (1, 1, 2))
        assert first == again, name
        assert first != other, name


# The runner itself: what it must see, it sees.


def ran(**changes: object) -> list[str]:
    """Return what the runner says of an ending."""
    plain = {"arguments": ("list", "rules"), "code": 0, "out": b"", "err": "", "seconds": 0.1}
    return Ran(**(plain | changes)).faults()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"code": None, "err": "Traceback (most recent call last):"}, "ended with a traceback"),
        ({"code": 1, "err": "Exception ignored in: <stdout>"}, "ended with a traceback"),
        ({"code": 3}, "exit code 3"),
        ({"code": 2}, "without a word"),
        ({"err": "x.py:3: RuntimeWarning: invalid value"}, "a warning of a library"),
        ({"arguments": ("list", "rules", "--format", "json"), "out": b"[NaN]"}, "no JSON"),
        ({"arguments": ("list", "rules", "--format", "json"), "out": b""}, "no JSON"),
    ],
)
def test_a_wrong_ending_is_told(changes: dict[str, object], told: str) -> None:
    (fault,) = ran(**changes)
    assert told in fault


def test_a_right_ending_is_not_told() -> None:
    assert ran() == []
    assert ran(code=2, err="error: --latency: none\n") == []
    assert ran(arguments=("list", "rules", "--format", "json"), out=b"[1]") == []
    assert ran(arguments=("list", "rules", "--format=json", "--out", "x")) == []


def test_a_traceback_a_warning_and_a_hang_inside_the_process_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def numbers(_: object) -> None:
        import numpy as np  # noqa: PLC0415

        np.float64(1) / np.float64(0)

    def endless(_: object) -> None:
        while True:
            pass

    for broken, told in ((lambda _: 1 / 0, "ZeroDivisionError"), (numbers, "RuntimeWarning"), (endless, "it hung for 0.2 s")):
        monkeypatch.setattr(runner, "main", broken)
        done = run("list", "rules", seconds=0.2)
        assert told in done.faults()[0]


def test_what_a_run_prints_stays_out_of_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    done = run("--version")
    assert (done.code, done.text.split()[0]) == (0, "roofwise")
    assert capsys.readouterr() == ("", "")
    assert sys.stdout is not None


def test_temporary_files_count_as_left_behind(tmp_path: Path) -> None:
    (tmp_path / ".answer.txt.123.tmp").write_text("half", encoding="utf-8")
    assert runner.left_behind(tmp_path) == ["left behind: .answer.txt.123.tmp"]
