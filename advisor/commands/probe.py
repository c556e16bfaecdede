"""`advise probe`: this machine as a spec, from rates measured in the runtime that will run networks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ..completion import files
from ..options import Device, SummaryForm, Threads

_FORMATS: Final = ("text", "json")


def command(
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="The spec of the machine; its calibration is written beside it.",
            metavar="FILE",
            autocompletion=files,
        ),
    ] = Path("mybox.json"),
    threads: Threads = None,
    device: Device = "cpu",
    id_: Annotated[
        str, typer.Option("--id", help="The id of the machine; else it is made of the file's name.", metavar="ID")
    ] = "",
    name: Annotated[str, typer.Option(help="What reports call it; else the processor's name.", metavar="TEXT")] = "",
    form: SummaryForm = "text",
) -> None:
    """Measure what this machine does, as a spec.

    Runs small kernels of every class in onnxruntime, in under a minute: products, convolutions, activations, norms, copies, in
    the cache and beyond. FILE is then a chip like any other, with FILE.calibration.json beside it. Close what else computes: a
    machine that is not quiet is measured, and its spec says so. Needs the extra lab.

    \b
    Examples:
      advise probe -o my-specs/mybox.json
      advise probe --threads 1 -o my-specs/mybox.json

    Exit codes: 0 an answer, 2 the request or a spec is wrong.
    """
    from .. import inputs, output

    inputs.choice("--format", form, _FORMATS)
    inputs.choice("--device", device, ("cpu", "cuda"))
    from ..lab import session

    session.need("advise probe")
    session.check_device(device)
    from ..lab.boxes import write_probe
    from ..lab.probe import probe
    from ..report import lab as shown

    identifier = inputs.identifier(id_) or inputs.made_id(out.stem)
    result = probe(threads, device, output.progress())
    box = write_probe(result, out, identifier, name, datetime.now(tz=UTC).date().isoformat())
    told: dict[str, Any] | str = shown.probe_json(result, box) if form == "json" else shown.probe_text(result, box)
    output.write(output.as_json(told) if isinstance(told, dict) else told, None)
