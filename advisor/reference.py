"""Prints the page of commands and options from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from textwrap import fill
from typing import Any, Final

import typer

from .cli import app
from .report.layout import markdown_table

INTRODUCTION: Final = """# Commands and options

Printed by `python -m advisor.docs --write` from the commands themselves, which say the same with `--help`: change those, not
this page. What an option takes stands in capitals: a list (`IDS`, `LIST`, `DTYPES`) is separated by commas.
"""
WIDTH: Final = 128
"""Columns of a line of prose, as in pages that people write."""


def commands() -> dict[str, Any]:
    """Return every command by what is typed for it, the main one first."""
    return dict(_below("advise", typer.main.get_command(app)))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    context = typer.Context(command, info_name=name)
    inside = command.list_commands(context) if hasattr(command, "list_commands") else ()
    if command.params or not inside:
        yield name, command
    for word in inside:
        yield from _below(f"{name} {word}", command.get_command(context, word))


def paragraphs(command: Any) -> list[str]:
    """Return the paragraphs of a command's help, lines joined but where the help keeps them."""
    parts = re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))
    return [part.removeprefix("\b\n") if part.startswith("\b") else " ".join(part.split()) for part in parts]


def examples(command: Any) -> list[str]:
    """Return the commands that a command's help shows."""
    shown = [part for part in paragraphs(command) if part.startswith("Examples:\n")]
    return [line.strip() for part in shown for line in part.splitlines()[1:]]


def reference_text() -> str:
    """Return the whole text of `docs/reference.md`."""
    return "\n".join([INTRODUCTION, *(section(name, command) for name, command in commands().items())])


def section(name: str, command: Any) -> str:
    """Return the section of one command: usage, what its help says, arguments and options."""
    usage = " ".join(command.collect_usage_pieces(typer.Context(command, info_name=name)))
    parts = [f"## {name}", f"`{name} {usage}`", *map(_markdown, paragraphs(command))]
    arguments = [row(each) for each in command.params if each.param_type_name == "argument"]
    options = [row(each) for each in command.params if each.param_type_name == "option"]
    for heading, rows in (("Argument", arguments), ("Option", options)):
        if rows:
            parts.append("\n".join(markdown_table([(heading, "Meaning", "Without it"), *rows], [False] * 3)))
    return "\n\n".join(parts) + "\n"


def _markdown(paragraph: str) -> str:
    """Return a paragraph of help as Markdown: examples as commands, other kept lines as they stand."""
    head, _, rest = paragraph.partition("\n")
    if not rest:
        return fill(paragraph, WIDTH, break_long_words=False, break_on_hyphens=False)
    return f"{head}\n\n```{'sh' if head == 'Examples:' else 'text'}\n{inspect.cleandoc(rest)}\n```"


def row(parameter: Any) -> tuple[str, str, str]:
    """Return the cells of an argument or an option: how it is written, what it means, and what holds without it."""
    takes = "" if getattr(parameter, "is_flag", False) else parameter.metavar or ""
    names = ", ".join(f"`{name}`" for name in parameter.opts) if parameter.param_type_name == "option" else ""
    written = " ".join(filter(None, (names, f"`{takes}`" if takes else "")))
    default = parameter.default
    absent = "it is needed" if parameter.required else f"`{default}`" if isinstance(default, str) and default else ""
    return written, " ".join((getattr(parameter, "help", "") or "").split()), absent
