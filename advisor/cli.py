"""The `advise` command: its parts, and what an error looks like.

Exit codes: 0 an answer, 1 nothing qualifies, 2 a faulty request or spec.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
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
from .completion import split_equals
from .options import FAULTY

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


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = app(args=arguments, prog_name="advise", standalone_mode=False)
        _flush()
    except _UsageError as error:
        return _report([error.format_message().replace("\n", " ")])
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except Exception as error:  # noqa: BLE001 - which errors are ours is asked where there is one
        if isinstance(error, OSError):
            _give_up_output()
        return 0 if isinstance(error, BrokenPipeError) else _report(_faults(error))
    return int(code or 0)


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _faults(error: Exception) -> list[str]:
    """Return the lines of an error of ours or of the system; any other is raised again."""
    from engine.errors import RoofwiseError, SpecError  # noqa: PLC0415 - help and completion need no engine

    if isinstance(error, SpecError):
        return [str(fault) for fault in error.faults]
    if isinstance(error, RoofwiseError):
        return str(error).splitlines()
    if isinstance(error, OSError):
        return [f"{error.filename or 'standard output'}: {error.strerror or error}; nothing more was written"]
    raise error


def _give_up_output() -> None:
    """Send what is still to be printed nowhere: at its end the interpreter would try again, and complain."""
    with contextlib.suppress(AttributeError, OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(lines: Iterable[str]) -> int:
    if sys.stderr is not None:  # print() would take standard output instead
        with contextlib.suppress(OSError):
            for line in lines:
                print(f"error: {line}", file=sys.stderr)  # noqa: T201
    return FAULTY


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit with its code."""
    split_equals(os.environ)
    sys.exit(_run(arguments))


if __name__ == "__main__":
    main()
