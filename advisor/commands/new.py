"""`advise new`: a starting file for a spec."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from ..completion import files, one, words

_KINDS: Final = ("accelerator", "workload", "rule", "profile", "calibration", "measurement")


def command(
    kind: Annotated[
        str,
        typer.Argument(
            help="accelerator, workload, rule, profile, calibration or measurement.",
            metavar="KIND",
            autocompletion=one(words(*_KINDS)),
        ),
    ],
    name: Annotated[str, typer.Argument(help="The id of the spec; of a rule such as J901.", metavar="NAME")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file to write; without it NAME.json here.", metavar="FILE", autocompletion=files),
    ] = None,
) -> None:
    """Start a spec: a commented file to fill in.

    It never overwrites a file. `advise validate` then names every place that is still to be filled.

    \b
    Examples:
      advise new accelerator acme-two -o my-specs/accelerators/acme-two.json
      advise new workload tiny-net
      advise new rule J902

    Exit codes: 0 the file is written, 2 the request is wrong or there is a file.
    """
    from .. import inputs, output, starting

    inputs.choice("KIND", kind, tuple(starting.STARTS))
    file = out or Path(f"{name}.json")
    text = starting.start(kind, name, file)
    output.write_new(text, file)
    output.write(f"{file}: {starting.places(text)} places to fill; then advise validate {file}\n", None)
    if starting.schema_path(kind, file) == f"{kind}.schema.json" and not (file.parent / f"{kind}.schema.json").is_file():
        copy = file.parent / f"{kind}.schema.json"
        output.write(f"so that your editor completes it: advise schema {kind} -o {copy}\n", None)
