"""`advise list`: what the catalogue holds."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final

import typer

from ..completion import DTYPES, KINDS, one, several, words
from ..options import Out, Specs, Strict

_TOPICS: Final = ("hardware", "workloads", "rules", "checks", "profiles", "calibrations", "measurements")
_FORMATS: Final = ("text", "md", "csv", "json")


def command(
    what: Annotated[
        str,
        typer.Argument(
            help="hardware, workloads, rules, checks, profiles, calibrations or measurements.",
            metavar="WHAT",
            autocompletion=one(words(*_TOPICS)),
        ),
    ],
    kind: Annotated[
        str | None,
        typer.Option(
            help="Only these kinds: gpu, tpu, npu, cpu, dataflow, or edge: made for the edge.",
            metavar="KINDS",
            autocompletion=several(KINDS),
        ),
    ] = None,
    vendor: Annotated[str | None, typer.Option(help="Only those of these vendors.", metavar="NAMES")] = None,
    family: Annotated[str | None, typer.Option(help="Only those of these families.", metavar="NAMES")] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            help="Only those with a peak in one of these number formats; the peak shown is that.",
            metavar="DTYPES",
            autocompletion=several(DTYPES),
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            help="Order by a column, lowest first; -KEY: highest first. Of hardware: id, name, kind, vendor, family, released, "
            "peak, bandwidth, capacity, cache, ridge, tdp, efficiency, price, interval. Unknown values come last.",
            metavar="KEY",
        ),
    ] = None,
    specs: Specs = None,
    strict: Strict = False,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            help="table (or text), md, csv or json (a plain list of objects).",
            metavar="FORMAT",
            autocompletion=one(words(*_FORMATS)),
        ),
    ] = "table",
    out: Out = None,
) -> None:
    """List what the catalogue holds.

    The ids that other commands take, and the figures to choose by. A terminal shows the columns that it has room for; md, csv
    and json have all, and in json and csv the unit is in the name.

    \b
    Examples:
      advise list hardware --kind edge --sort bandwidth
      advise list hardware --dtype int8 --vendor nvidia,amd --sort -peak
      advise list rules --family latency
      advise list profiles --format json

    Exit codes: 0 an answer, 2 the request or a spec is wrong.
    """
    from .. import inputs, listing, output
    from ..check import load_checks
    from ..loading import load_specs
    from ..report import columns

    form = inputs.form(form, _FORMATS)
    catalog, book = load_specs(specs, strict=strict)
    checks = load_checks(inputs.spec_directories(specs or ()), strict=False)
    faults = inputs.Faults()
    every = rows = listing.listed(what, catalog, book, checks, inputs.split(dtype))
    for name, text in {"kind": kind, "vendor": vendor, "family": family, "dtype": dtype}.items():
        kept = faults.take(f"--{name}", partial(listing.narrowed, every, what, name, inputs.split(text)), every)
        rows = [row for row in rows if row in kept]
    rows = faults.take("--sort", lambda: listing.ordered(rows, what, sort) if sort else rows, rows)
    faults.check()
    shown = listing.columns(what, sort)
    if form == "text":
        lines = columns.as_text(shown, rows, output.width(), output.paint(out)) if rows else ["none"]
    elif form == "md":
        lines = columns.as_markdown(shown, rows)
    else:
        output.write({"csv": output.as_csv, "json": output.as_json}[form](rows), out)
        return
    output.write("\n".join(lines) + "\n", out)
