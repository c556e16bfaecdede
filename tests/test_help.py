"""The help of every command: what it does and when, examples, which the tests of pages run, exit codes, consistent options."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from advisor import reference

COMMANDS = reference.commands()
COLUMNS = 80
TAKES = [{"ID", "IDS"}, {"DTYPE", "DTYPES"}, {"N", "LIST"}, {"ID|FILE", "IDS|FILES"}]
"""What an option of one name may take: one of a thing, or several."""


def help_of(name: str) -> str:
    """Return the help of a command as a terminal of 80 columns shows it."""
    context = typer.Context(COMMANDS[name], info_name=name, terminal_width=COLUMNS, max_content_width=100)
    return COMMANDS[name].get_help(context)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_when_how_and_with_which_exit_codes(name: str) -> None:
    what, when, *rest = reference.paragraphs(COMMANDS[name])
    assert what.endswith(".")
    assert len(when) > len("Only a word or two of it.")
    assert any(part.startswith("Exit codes: 0 ") and part.endswith(".") for part in rest)
    shown = reference.examples(COMMANDS[name])
    assert [line for line in shown if not line.startswith("advise ")] == []
    assert any(line.startswith(f"{name} ") or line == name for line in shown)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_a_terminal_of_80_columns(name: str) -> None:
    assert [line for line in help_of(name).splitlines() if len(line) > COLUMNS] == []


def test_the_list_of_commands_says_what_each_does_in_full() -> None:
    listed = help_of("advise").partition("Commands:")[2]
    for name, command in COMMANDS.items():
        if len(name.split()) == len(["advise", "command"]):
            assert f" {name.split()[1]} " in listed
            assert reference.paragraphs(command)[0] in " ".join(listed.split())


def taken() -> dict[str, set[str]]:
    """Return what every option takes, over all commands."""
    found: dict[str, set[str]] = {}
    for command in COMMANDS.values():
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else ():
                found.setdefault(option, set()).add(str(parameter.metavar))
    return found


@pytest.mark.parametrize(("option", "metavars"), taken().items(), ids=taken())
def test_one_option_takes_one_thing(option: str, metavars: set[str]) -> None:
    assert len(metavars) == 1 or any(metavars <= words for words in TAKES), option


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_is_explained(name: str) -> None:
    parameters: list[Any] = [each for each in COMMANDS[name].params if not each.hidden]
    assert [each.name for each in parameters if not each.help.endswith(".")] == []
