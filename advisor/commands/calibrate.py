"""`advise calibrate`: the constants of a chip from measurements."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

from ..completion import files, ids, one, words
from ..options import Specs, Strict

_FORMATS: Final = ("text", "json")


def command(
    measurements: Annotated[
        list[Path],
        typer.Argument(
            help="Measurement specs, tables (.csv, .csv.gz) of a known kind, or folders of both.",
            metavar="FILE",
            autocompletion=files,
        ),
    ],
    hardware: Annotated[
        str | None,
        typer.Option(
            help="The chip, where the measurements are of several.", metavar="ID", autocompletion=one(ids("accelerators"))
        ),
    ] = None,
    specs: Specs = None,
    strict: Strict = False,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            help="How the report is printed: text or json.",
            metavar="FORMAT",
            autocompletion=one(words(*_FORMATS)),
        ),
    ] = "text",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Write the spec to a file; else it is printed, and the report to stderr.",
            metavar="FILE",
            autocompletion=files,
        ),
    ] = None,
) -> None:
    """Fit the constants of one chip to measurements.

    From one point up. The result is a calibration spec: give it back with --specs, and estimates of the chip, or of your
    framework's host, follow your measurements. The report says how far each constant may still be off and what to measure next.
    Needs the extra lab.

    \b
    Examples:
      advise calibrate my-specs/measurements --specs my-specs -o acme-one.json

    Exit codes: 0 an answer, 2 the request or a spec is wrong.
    """
    from .. import inputs, output
    from ..loading import load_specs

    inputs.choice("--format", form, _FORMATS)
    _need_scipy()
    from ..lab import calibrate, evidence, fitted
    from ..report import calibration
    from ..report.spec import checked_text

    catalog, _ = load_specs(specs, strict=strict)
    chip = None if hardware is None else catalog.accelerators[hardware].id
    chip, found = evidence.read(measurements, catalog, chip)
    result = calibrate.calibrate(chip, found, catalog)
    spec, besides = fitted.specification(result, found, catalog, datetime.now(tz=UTC).date().isoformat())
    output.write(checked_text(spec, f"{spec.id}.json"), out)
    if form == "json":
        told = output.as_json(calibration.report_json(result, spec, besides))
    else:
        told = calibration.report(result, spec, besides, output.width())
    output.write(told, None) if out is not None else typer.echo(told, err=True, nl=False)


def _need_scipy() -> None:
    from .. import inputs

    if find_spec("scipy") is None:
        raise inputs.RequestError("advise calibrate needs SciPy, of the extra lab: pip install 'roofwise[lab]'")
