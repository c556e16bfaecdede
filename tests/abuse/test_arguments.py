"""Every option and argument of every command, as the program states them, with texts that fit nothing."""

from __future__ import annotations

import itertools
import zlib
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


def given(command: Command, item: Parameter, text: str) -> list[str]:
    """Return arguments in which one parameter has a text, and what else must be given is fitting enough to be read."""
    others = [other for other in command.parameters if other.required and other is not item]
    needed = [part for other in others for part in ([other.names[0], "x"] if other.is_option else ["x"])]
    needed = CHEAP.get(command.words, needed) if item.is_option else needed
    name = item.names[0]
    asked = [f"{name}={text}"] if name.startswith("--") else [name, text] if item.is_option else [text]
    return [*command.words, *needed, *asked, *([REFUSED] if command.active else [])]


@pytest.mark.parametrize("command", commands(), ids=NAMES)
def test_an_option_with_a_hostile_text_is_refused_or_read(command: Command) -> None:
    faults = []
    for item in command.parameters:
        if item.flag:
            continue
        at = zlib.crc32(" ".join((*command.words, *item.names)).encode())
        faults += run(*given(command, item, HOSTILE[at % len(HOSTILE)])).faults()
    assert faults == []


@pytest.mark.parametrize("command", commands(), ids=NAMES)
def test_all_options_may_be_hostile_at_once(command: Command) -> None:
    faults = []
    for first in (0, 20, 40, 60):
        texts = itertools.cycle([*HOSTILE[first:], *HOSTILE[:first]] if first else [""])
        asked = [
            part
            for item in command.parameters
            for part in ([item.names[0]] if item.flag else given(command, item, next(texts))[-1:])
        ]
        asked = [text for text in asked if text not in ("--help", "-h", "--version")]
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
