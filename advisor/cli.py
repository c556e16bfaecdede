"""The `advise` command: its parts, and what an error looks like.

Exit codes: 0 an answer, 1 nothing qualifies, 2 a faulty request or spec.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
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

app = typer.Typer(add_completion=True, **_SETTINGS)
app.callback(invoke_without_command=True, help=advise.HELP)(advise.command)
app.command("predict")(predict.command)
app.command("sweep")(sweep.command)
app.command("explore")(explore.command)
app.command("list")(list_specs.command)
app.command("show")(show.command)
app.command("compare")(compare.command)
app.command("validate")(validate.command)
app.command("new")(new.command)
app.command("schema")(schema.command)
app.command("derive")(derive.command)
app.command("probe")(probe.command)
app.command("measure")(measure.command)
app.command("calibrate")(calibrate.command)
app.command("accuracy")(accuracy.command)
app.command("lab")(lab.command)
app.command("insights")(insights.command)
app.command("claims")(claims.command)
app.command("doctor")(doctor.command)

importers = typer.Typer(help="Turn a model that you have into a workload spec.", add_completion=False, **_SETTINGS)


@importers.callback(invoke_without_command=True)
def _importers(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


importers.command("hf")(import_hf.command)
importers.command("onnx")(import_onnx.command)
app.add_typer(importers, name="import")


_UsageError: Final[type[Any]] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""The base of all errors in options and arguments; typer may bring its own copy of click."""


@cache
def _command() -> Callable[..., Any]:
    """Return all commands with their options, made once: reading their signatures takes longer than a short answer."""
    return typer.main.get_command(app)


def run(arguments: Sequence[str] | None) -> int:
    """Run a command and return its exit code. Raises UsageError for arguments that it does not take, and errors of ours."""
    begin(os.environ)
    try:
        return int(_command()(args=arguments, prog_name="advise", standalone_mode=False) or 0)
    except _UsageError as error:
        raise UsageError(error.format_message().replace("\n", " ")) from error
    except typer.Abort as error:
        raise KeyboardInterrupt from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code."""
    sys.exit(guarded(lambda: run(arguments)))


if __name__ == "__main__":
    main()
