"""`advise show`: one spec with the source of every value."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import inputs, output
from ..check import load_checks
from ..options import Out, Specs, load_specs


def command(
    name: Annotated[
        str,
        typer.Argument(help="An id of any spec, or a file. Where two kinds share an id: calibrations/ID.", metavar="ID|FILE"),
    ],
    specs: Specs = None,
    form: Annotated[str, typer.Option("--format", "-f", help="text, md or json.", metavar="FORMAT")] = "text",
    out: Out = None,
) -> None:
    """Show one spec, with the source of every value.

    A chip, with what follows from its figures, what is not published and what that blocks, what calibrates it and who measured
    it; a model kernel by kernel; a rule, a check, a profile, a calibration or a record of measurements.

    \b
    advise show nvidia-l4
    advise show nvidia-h100-sxm --format json
    advise show calibrations/nvidia-l4
    """
    from .. import browse  # noqa: PLC0415

    form = inputs.form(form, ("text", "md", "json"))
    catalog, book = load_specs(specs)
    spec = browse.find(name, catalog, book, load_checks(inputs.spec_directories(specs or ())))
    if form == "json":
        output.write(output.as_json(browse.show_json(spec, catalog)), out)
    elif form == "md":
        output.write(browse.show_markdown(spec, catalog), out)
    else:
        output.write(browse.show_text(spec, catalog, output.width(), output.paint(out)), out)
