"""`advise show`: one spec with the source of every value."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import inputs, output
from ..check import load_checks
from ..options import Out, Specs, load_specs


def command(
    name: Annotated[str, typer.Argument(help="An id of any spec, or a file.", metavar="ID|FILE")],
    specs: Specs = None,
    form: Annotated[str, typer.Option("--format", "-f", help="text or json.", metavar="FORMAT")] = "text",
    out: Out = None,
) -> None:
    """Show one spec, with the source of every value.

    A chip, a model kernel by kernel, a rule, a check, a profile, a calibration or a record of measurements.
    """
    from .. import browse  # noqa: PLC0415

    inputs.choice("--format", form, ("text", "json"))
    catalog, book = load_specs(specs)
    spec = browse.find(name, catalog, book, load_checks(inputs.spec_directories(specs or ())))
    output.write(output.as_json(browse.show_json(spec)) if form == "json" else browse.show_text(spec), out)
