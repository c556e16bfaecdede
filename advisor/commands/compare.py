"""`advise compare`: chips side by side."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from ..completion import ids, one, several, words
from ..options import Out, Specs, Strict

_FORMATS: Final = ("text", "md", "csv", "json")


def command(
    chips: Annotated[
        list[str],
        typer.Argument(
            help="Two to eight ids of `advise list hardware`.", metavar="ID", autocompletion=several(ids("accelerators"))
        ),
    ],
    *,
    differences: Annotated[bool, typer.Option("--differences", help="Only the lines in which the chips differ.")] = False,
    specs: Specs = None,
    strict: Strict = False,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            help="table (or text), md, csv or json, the last two in base units.",
            metavar="FORMAT",
            autocompletion=one(words(*_FORMATS)),
        ),
    ] = "table",
    out: Out = None,
) -> None:
    """Compare chips side by side.

    Peaks, memory, ridge points, power, price and how their estimates are calibrated: what datasheets say, in the same units.
    Ratios are to the first chip. Which is better for a model, `advise --hardware` says.

    \b
    Examples:
      advise compare nvidia-h100-sxm nvidia-h200-sxm amd-mi300x
      advise compare nvidia-l4 nvidia-t4 nvidia-a100-sxm-40 --differences

    Exit codes: 0 an answer, 2 the request or a spec is wrong.
    """
    from .. import comparison, inputs, output
    from ..loading import load_specs
    from ..report import comparison as report

    form = inputs.form(form, _FORMATS)
    catalog, _ = load_specs(specs, strict=strict)
    chosen = comparison.chosen([name for text in chips for name in inputs.split(text)], catalog)
    told = [line for line in comparison.lines(chosen, catalog) if not (differences and line.equal)]
    match form:
        case "csv":
            text = output.as_csv(comparison.as_rows(chosen, told))
        case "json":
            text = output.as_json(comparison.as_object(chosen, told))
        case "md":
            text = report.as_markdown(chosen, told)
        case _:
            text = report.as_table(chosen, told, output.width(), output.paint(out))
    output.write(text, out)
