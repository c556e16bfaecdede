"""`advise accuracy`: predictions beside measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..completion import files, one, several, words
from ..options import Out, Specs, Strict

if TYPE_CHECKING:
    from engine.catalog import Catalog

_LABELS: Final = ("kind", "hardware", "dtype", "operator", "network", "runtime", "software")
_FORMATS: Final = ("text", "md", "json", "csv")


def command(
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data",
            help="Measurements to compare with instead of those that ship: a table (.csv, .csv.gz), a measurement spec, or a "
            "folder of both. Repeatable.",
            metavar="PATH",
            autocompletion=files,
        ),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="A row for each of these, separated by commas: kind, hardware, dtype, operator, network, runtime, software.",
            metavar="LIST",
            autocompletion=several(words(*_LABELS)),
        ),
    ] = "kind,operator,network,dtype,runtime",
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw predicted against measured times, too: a file .svg, .png or .html.", metavar="FILE", autocompletion=files
        ),
    ] = None,
    specs: Specs = None,
    strict: Strict = False,
    form: Annotated[
        str,
        typer.Option("--format", "-f", help="text, md, json or csv.", metavar="FORMAT", autocompletion=one(words(*_FORMATS))),
    ] = "text",
    out: Out = None,
) -> None:
    """Compare predictions with measurements.

    Errors, how often bound and interval hold, and what the roofline says on the same points: for those that ship, or for your
    own, to see how far to trust an estimate before you rely on it. Where records state the power, energy and power, too.

    \b
    Examples:
      advise accuracy --by network,runtime
      advise accuracy --data my-specs/measurements --specs my-specs

    Exit codes: 0 an answer, 2 the request or a spec is wrong.
    """
    from .. import inputs, output
    from ..lab import accuracy, contract
    from ..loading import load_specs
    from ..report import accuracy as shown

    inputs.choice("--format", form, _FORMATS)
    faults = inputs.Faults()
    groups = faults.take("--by", lambda: tuple(dict.fromkeys(inputs.names(inputs.split(by), accuracy.LABELS, "label"))), ())
    if plot is not None:
        from ..report import plot as drawn

        faults.take("--plot", lambda: drawn.check(plot), None)
    faults.check()
    catalog, _ = load_specs(specs, strict=strict)
    report = accuracy.report(_measured(data, catalog), catalog, groups)
    if plot is not None:
        output.write_bytes(drawn.draw(report.points, plot.suffix), plot, "--plot")
    if form == "text":
        output.write(shown.text(report, width=output.width(), paint=output.paint(out)), out)
    elif form == "md":
        output.write(shown.markdown(report), out)
    else:
        json = form == "json"
        output.write(output.as_json(contract.as_json(report)) if json else output.as_csv(contract.as_rows(report)), out)


def _measured(data: Sequence[Path] | None, catalog: Catalog) -> Any:
    """Return what tables and folders hold, or the measurement specs of the catalogue."""
    from ..lab.points import Published
    from ..lab.sweeps import of_spec
    from ..lab.tables import read

    found = [read(path, catalog) for path in data] if data else [of_spec(record, catalog) for record in catalog.measurements]
    return sum(found, start=Published())
