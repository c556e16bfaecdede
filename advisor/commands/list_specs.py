"""`advise list`: what the catalogue holds."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import inputs, output
from ..check import load_checks
from ..options import Out, Specs, load_specs


def command(
    what: Annotated[str, typer.Argument(help="hardware, workloads, rules, checks, profiles, calibrations or measurements.")],
    kind: Annotated[str | None, typer.Option(help="Only hardware of these kinds.", metavar="KINDS")] = None,
    specs: Specs = None,
    form: Annotated[
        str, typer.Option("--format", "-f", help="text, csv or json (a plain list of objects).", metavar="FORMAT")
    ] = "text",
    out: Out = None,
) -> None:
    """List what the catalogue holds."""
    from .. import browse  # noqa: PLC0415

    inputs.choice("--format", form, ("text", "csv", "json"))
    catalog, book = load_specs(specs)
    rows = browse.listed(what, catalog, book, load_checks(inputs.spec_directories(specs or ())))
    if kinds := inputs.kinds(kind):
        rows = [row for row in rows if row.get("kind") in kinds]
    output.write({"csv": output.as_csv, "json": output.as_json, "text": browse.list_text}[form](rows), out)
