"""What a shell completes: ids, words and lists, at once and without a word of error, whatever is typed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import typer
from pages import ROOT

from advisor import completion, listing, reference, starting
from advisor.cli import app
from advisor.lab.accuracy import LABELS
from advisor.rule import load_rulebook
from engine.catalog import data_root, load
from engine.machine import Dtype, Kind
from engine.measurement import Runtime

SHELLS = ("bash", "zsh", "fish")
ADVISE = typer.main.get_command(app)
CONTEXT = typer.Context(ADVISE)
COMMANDS = reference.commands()
FREE = {"N", "S", "NAME=N", "TEXT", "NAME", "NAMES", "KEY", "OP", "ADDRESS", "EXPR"}
"""What options take that only the user knows."""
NAMES_A_SPEC = ("advise import hf", "advise import onnx", "advise probe")
"""Commands whose `--id` is that of a spec that is still to be."""
CASES = [
    ("advise show nvidia-l4", ["nvidia-l4", "nvidia-l40", "nvidia-l40s"]),
    ("advise --model resnet1", ["resnet101", "resnet152", "resnet18"]),
    ("advise predict -m resnet50 --hardware nvidia-t", ["nvidia-t4"]),
    ("advise --model=resnet15", ["resnet152"]),
    ("advise --hardware nvidia-l4,nvidia-l", ["nvidia-l4,nvidia-l40", "nvidia-l4,nvidia-l40s"]),
    ("advise sweep --models al", ["all", "alexnet"]),
    ("advise --dtype int8,fp1", ["int8,fp16"]),
    ("advise --kind gpu,", ["gpu,tpu", "gpu,npu", "gpu,cpu", "gpu,dataflow", "gpu,edge"]),
    ("advise --profile e", ["edge", "energy-critical"]),
    ("advise --objective la", ["latency"]),
    ("advise --runtime ", ["graph", "compiled", "session", "eager", "eager_v1"]),
    ("advise --latency ", ["1ms", "10ms", "100ms"]),
    ("advise predict --format ", ["text", "csv", "json"]),
    ("advise validate --format s", ["sarif"]),
    ("advise list w", ["workloads"]),
    ("advise show L20", ["L201", "L202", "L203", "L204", "L205", "L206", "L207"]),
    ("advise show calibrations/nvidia-l", ["calibrations/nvidia-l4", "calibrations/nvidia-l40s"]),
    ("advise compare nvidia-l4 nvidia-t", ["nvidia-t4"]),
    ("advise derive resnet15", ["resnet152"]),
    ("advise new w", ["workload"]),
    ("advise schema acc", ["accelerator", "accuracy"]),
    ("advise accuracy --by hardware,n", ["hardware,network"]),
    ("advise import h", ["hf"]),
    ("advise import hf --phase ", ["prefill", "decode"]),
    ("advise ins", ["insights"]),
    ("advise --bogus x --hardware nvidia-t", ["nvidia-t4"]),
]


class Tab:
    """Presses the tab key behind a line, as a shell tells `advise`; keeps what is offered."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys = capsys
        self.monkeypatch = monkeypatch

    def __call__(self, line: str, shell: str = "fish") -> list[str]:
        words = line.split(" ")
        told = {
            "_ADVISE_COMPLETE": f"complete_{shell}",
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        }
        for name, value in told.items():
            self.monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as stop:
            ADVISE.main([], prog_name="advise")
        printed = self.capsys.readouterr()
        assert (stop.value.code, printed.err) == (0, "")
        if shell == "zsh":
            return re.findall(r'^(?:_arguments .\*: :\(\()?"([^"]*)"', printed.out, flags=re.MULTILINE)
        return [offered.split("\t")[0] for offered in printed.out.splitlines() if offered]


@pytest.fixture
def tab(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tab:
    monkeypatch.delenv("ROOFWISE_SPECS", raising=False)
    return Tab(capsys, monkeypatch)


@pytest.mark.parametrize(("line", "offered"), CASES, ids=[line for line, _ in CASES])
def test_a_word_is_completed(tab: Tab, line: str, offered: list[str]) -> None:
    assert tab(line) == offered


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_is_answered_in_its_way(tab: Tab, shell: str) -> None:
    assert tab("advise show nvidia-l4", shell) == ["nvidia-l4", "nvidia-l40", "nvidia-l40s"]
    assert tab("advise --hardware nvidia-l4,nvidia-t", shell) == ["nvidia-l4,nvidia-t4"]
    assert tab('advise --model "resnet15', shell) == ["resnet152"]
    assert tab("advise --specs /nowhere --hardware nvidia-t4", shell) == ["nvidia-t4"]
    assert tab("advise nonsense --hard", shell) == ["--hardware"]


@pytest.mark.parametrize(
    "line", ["advise validate my-spe", "advise --out ", "advise --specs ", "advise --model ./my", "advise show x/"]
)
def test_where_nothing_fits_the_shell_goes_on_with_files(tab: Tab, line: str) -> None:
    for shell in ("bash", "fish"):
        assert tab(line, shell) == []


def test_shells_with_room_say_what_an_id_is() -> None:
    assert completion.one(completion.ids("accelerators"))(CONTEXT, "nvidia-t4") == [("nvidia-t4", "NVIDIA T4")]


def test_specs_of_the_user_are_offered_too(tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    own = ROOT / "examples" / "own-chip"
    assert tab(f"advise --specs {own} --hardware acme") == ["acme-one"]
    assert tab("advise --hardware acme") == []
    monkeypatch.setenv("ROOFWISE_SPECS", str(own))
    assert tab("advise --hardware acme") == ["acme-one"]
    assert tab("advise --model acme") == []


def test_a_source_that_fails_offers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "chip.json").write_bytes(b'\xff\xfe{"id": "x')
    monkeypatch.setenv("ROOFWISE_SPECS", str(tmp_path))
    assert completion.one(completion.ids("accelerators"))(CONTEXT, "nvidia-t4") != []

    def fails(_: object) -> list[completion.Item]:
        raise OSError

    assert completion.one(fails)(CONTEXT, "") == []


# What is offered is what there is.


def values(source: completion.Source) -> set[str]:
    return {value for value, _ in source(CONTEXT)}


def test_ids_are_those_of_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROOFWISE_SPECS", raising=False)
    catalog, book = load(), load_rulebook()
    assert completion.data_root() == data_root()
    for shelf in ("accelerators", "workloads", "calibrations", "measurements"):
        assert values(completion.ids(shelf)) == set(getattr(catalog, shelf).ids)
    assert values(completion.ids("profiles")) == book.profiles.keys()
    assert values(completion.objectives) == {profile.objective for profile in book.profiles.values()}
    assert values(completion.inside("rules")) == {rule.id for rule in book.rules}


def test_words_are_those_that_commands_know() -> None:
    assert values(completion.DTYPES) == set(get_args(Dtype))
    assert values(completion.KINDS) == set(get_args(Kind))
    assert values(completion.RUNTIMES) == set(get_args(Runtime))


def test_words_of_arguments_are_those_that_commands_take(tab: Tab) -> None:
    assert tab("advise new ") == list(starting.STARTS)
    assert set(tab("advise accuracy --by ")) == set(LABELS)
    assert set(tab("advise list ")) == set(listing.SHELVES)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_that_can_be_completed_is(name: str) -> None:
    parameters = [each for each in COMMANDS[name].params if each.metavar]
    open_ = [each.metavar for each in parameters if each._custom_shell_complete is None]
    assert set(open_) - FREE - ({"ID"} if name in NAMES_A_SPEC else set()) == set()


def test_bash_completes(tmp_path: Path) -> None:
    """The script that `advise --install-completion` installs, in a real shell."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    command = tmp_path / "advise"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m advisor.cli "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    script = (
        f'PATH={tmp_path}:$PATH; eval "$(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION=1 advise --show-completion bash)"; '
        'COMP_WORDS=(advise --hardware nvidia-l4,nvidia-t); COMP_CWORD=2; _advise_completion advise; echo "${COMPREPLY[@]}"; '
        'COMP_WORDS=(advise --model = resnet15); COMP_CWORD=3; _advise_completion advise; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run([bash, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("nvidia-l4,nvidia-t4\nresnet152\n", "")
