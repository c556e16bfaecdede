"""The `advise` command: its parts, and what an error looks like.

Exit codes: 0 an answer, 1 nothing qualifies, 2 a faulty request or spec.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import typer

from .commands import (
    accuracy,
    advise,
    calibrate,
    claims,
    compare,
    derive,
    doctor,
    explore,
    import_hf,
    import_onnx,
    insights,
    lab,
    list_specs,
    measure,
    new,
    predict,
    probe,
    schema,
    show,
    sweep,
    validate,
)
from .completion import begin
from .exits import UsageError, guarded

WIDTH: Final = 100

_SETTINGS: Final[dict[str, Any]] = {
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
}

importers = typer.Typer(help="Turn a model that you have into a workload spec.", add_completion=False, **_SETTINGS)


@importers.callback(invoke_without_command=True)
def _importers(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


importers.command("hf")(import_hf.command)
importers.command("onnx")(import_onnx.command)
COMMANDS: Final[Mapping[str, Callable[..., None]]] = {
    "predict": predict.command, "sweep": sweep.command, "explore": explore.command, "list": list_specs.command,
    "show": show.command, "compare": compare.command, "validate": validate.command, "new": new.command,
    "schema": schema.command, "derive": derive.command, "probe": probe.command, "measure": measure.command,
    "calibrate": calibrate.command, "accuracy": accuracy.command, "lab": lab.command, "insights": insights.command,
    "claims": claims.command, "doctor": doctor.command,
}  # fmt: skip
"""Commands besides the main job and the importers, in the order in which help has them."""


def _made(names: Iterable[str]) -> typer.Typer:
    """Return the main job with some of the commands."""
    made = typer.Typer(add_completion=True, **_SETTINGS)
    made.callback(invoke_without_command=True, help=advise.HELP)(advise.command)
    for name in names:
        made.command(name)(COMMANDS[name])
    return made


app = _made(COMMANDS)
app.add_typer(importers, name="import")


_UsageError: Final[type[Any]] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""The base of all errors in options and arguments; typer may bring its own copy of click."""


@cache
def _command(name: str | None) -> Callable[..., Any]:
    """Return one command with its options, or all, made once: reading all signatures takes longer than a short answer."""
    return typer.main.get_command(app if name is None else _made([name]))


def run(arguments: Sequence[str] | None) -> int:
    """Run a command and return its exit code. Raises UsageError for arguments that it does not take, and errors of ours."""
    begin(os.environ)
    first = next(iter(sys.argv[1:] if arguments is None else arguments), None)
    alone = first if first in COMMANDS and "_ADVISE_COMPLETE" not in os.environ else None
    try:
        return int(_command(alone)(args=arguments, prog_name="advise", standalone_mode=False) or 0)
    except _UsageError as error:
        raise UsageError(error.format_message().replace("\n", " ")) from error
    except typer.Abort as error:
        raise KeyboardInterrupt from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code."""
    sys.exit(guarded(lambda: run(arguments)))


if __name__ == "__main__":
    main()
