"""`advise doctor`: what an installation consists of, and what is wrong with it."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from ..completion import one, words
from ..options import Out, Specs

FOUND: Final = 1
"""Exit code where something is wrong."""

_FORMATS: Final = ("text", "json")


def command(
    specs: Specs = None,
    form: Annotated[
        str, typer.Option("--format", "-f", help="text or json.", metavar="FORMAT", autocompletion=one(words(*_FORMATS)))
    ] = "text",
    out: Out = None,
) -> None:
    """Look at the installation: versions, specs, cache, terminal.

    Says where Roofwise and its specs are, whether all that it needs is there and works, whether your own spec folders are
    valid, and what mends what is wrong: when something behaves oddly, and in a report of a fault.

    \b
    Examples:
      advise doctor
      advise doctor --specs my-specs --format json

    Exit codes: 0 all is well, 1 there is a finding, 2 the request is wrong.
    """
    from .. import doctor
    from ..report import doctor as shown
    from ..report.layout import plain

    version = doctor.version(doctor.DISTRIBUTION) or "not installed"
    try:
        from .. import inputs, output
    except Exception as error:  # what other commands need does not work; what does says why
        terminal = doctor.Terminal(encoding=sys.stdout.encoding or "unknown", columns=shown.WIDTH, colour=False)
        typer.echo(shown.text(doctor.examine(specs or (), (), terminal), version, shown.WIDTH), nl=False)
        raise typer.Exit(FOUND) from error
    form = inputs.form(form, _FORMATS)
    terminal = doctor.Terminal(
        encoding=sys.stdout.encoding or "unknown", columns=output.width(), colour=output.paint(out) is not plain
    )
    lines = doctor.examine(specs or (), inputs.spec_directories(()), terminal)
    if form == "json":
        output.write(output.as_json(shown.as_json(lines, version)), out)
    else:
        output.write(shown.text(lines, version, output.width(), output.paint(out)), out)
    if any(line.state == "finding" for line in lines):
        raise typer.Exit(FOUND)
