"""Every option and argument of every command, as the program states them, with texts that fit nothing."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from abuse.commands import HOSTILE, REFUSED, Command, Parameter, commands, paths_in
from abuse.runner import run

CHEAP = {("accuracy",): ["--data", "table.csv"], ("claims",): ["claim.json"], ("list",): ["rules"]}
"""What keeps an answer short, where an option is read without a fault."""
NAMES = [" ".join(command.words) or "advise" for command in commands()]


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with the files that the texts name, and go there."""
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    paths_in(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    return folder


def test_the_commands_are_found_with_their_options() -> None:
    found = {command.words: {name for item in command.parameters for name in item.names} for command in commands()}
    assert {(), ("predict",), ("import",), ("import", "onnx")} <= found.keys()
    assert {"--model", "--latency", "--out"} <= found[()]
    assert len(found) >= 17
    (batch,) = (
        item
        for command in commands()
        if command.words == ("predict",)
        for item in command.parameters
        if "--batch" in item.names
    )
    assert (batch.meaning, batch.flag, batch.required, batch.is_option) == ("LIST", False, False, True)


def test_commands_that_use_the_machine_are_refused_before_they_do(inside: Path) -> None:
    active = [command for command in commands() if command.active]
    assert [command.words for command in active] == [("probe",), ("measure",), ("lab",)]
    for command in active:
        done = run(*command.words, *(["net.onnx"] if command.given("x") else []), REFUSED)
        assert done.code == 2
        assert "--device" in done.err
    assert not (inside / "mybox.json").exists()


def given(command: Command, items: Sequence[Parameter], texts: Sequence[str]) -> list[str]:
    """Return arguments in which some parameters have texts, and what else must be given is fitting enough to be read."""
    others = [other for other in command.parameters if other.required and other not in items]
    needed = [part for other in others for part in ([other.names[0], "x"] if other.is_option else ["x"])]
    needed = CHEAP.get(command.words, needed) if items and items[0].is_option else needed
    asked = [part for item, text in zip(items, texts, strict=True) for part in one(item, text)]
    return [*command.words, *needed, *asked, *([REFUSED] if command.active else [])]


def one(item: Parameter, text: str) -> list[str]:
    """Return a parameter with a text."""
    name = item.names[0]
    return [f"{name}={text}"] if name.startswith("--") else [name, text] if item.is_option else [text]


@pytest.mark.parametrize("command", commands(), ids=NAMES)
def test_options_with_hostile_texts_are_refused_or_read(command: Command) -> None:
    faults = []
    items = [item for item in command.parameters if not item.flag]
    for first in range(0, len(items), 3):
        few = items[first : first + 3]
        places = [zlib.crc32(" ".join((*command.words, *item.names)).encode()) for item in few]
        faults += run(*given(command, few, [HOSTILE[at % len(HOSTILE)] for at in places])).faults()
    assert faults == []


@pytest.mark.parametrize("command", commands(), ids=NAMES)
def test_all_options_may_be_hostile_at_once(command: Command) -> None:
    faults = []
    for first in (0, 20, 40, 60):
        texts = itertools.cycle([*HOSTILE[first:], *HOSTILE[:first]] if first else [""])
        parts = [[item.names[0]] if item.flag else one(item, next(texts)) for item in command.parameters]
        asked = [text for part in parts for text in part if text not in ("--help", "-h", "--version")]
        faults += run(*command.words, *asked, *([REFUSED] if command.active else [])).faults()
    assert faults == []


@pytest.mark.parametrize(
    "text",
    [
        "10 parsecs",
        "1e999ms",
        "٣ms",
        "-5W",
        "",
        " ",
        "ms",
        "10",
        "nan",
        "inf",
        "1e-400s",
        "0ms",
        "-0ms",
        "10ms ms",
        "10\0ms",
        "\udcff",
    ],
)
def test_a_quantity_that_is_none_is_named_with_its_option(text: str) -> None:
    done = run("--model", "resnet50", "--latency", text)
    assert done.code == 2
    assert done.err.startswith("error: --latency: ")
    assert "write a number above 0 and a unit, as in 10ms" in done.err


@pytest.mark.parametrize("text", ["٣", "²", "1_0", "0x10", "1e3", "+8", "8.0", "9" * 5000, "true"])
def test_a_count_is_written_in_plain_digits(text: str) -> None:
    done = run("predict", "--model", "resnet18", "--hardware", "nvidia-l4", "--batch", text)
    assert (done.code, done.out) == (2, b"")
    assert len(done.err) < 300


def test_a_long_or_invisible_argument_is_told_shortly_and_visibly() -> None:
    for text in ("a" * 100_000, "\x1b[31mred", "a\u202eb", "a\nerror: forged", "\udcff"):
        done = run("--model", text)
        assert done.code == 2
        assert len(done.err.splitlines()) == 1
        assert "\x1b" not in done.err
        assert "\u202e" not in done.err
        assert len(done.err) < 4000
