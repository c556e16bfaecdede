"""`advise import onnx`: a workload spec from an ONNX graph."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from ..completion import files
from ..options import SummaryForm

_FORMATS: Final = ("text", "json")


def command(
    model: Annotated[
        Path, typer.Argument(help="The ONNX file. Its weights are not read.", metavar="FILE", autocompletion=files)
    ],
    id_: Annotated[
        str | None, typer.Option("--id", help="The id of the workload; else it is made of the file's name.", metavar="ID")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What reports call it; else the file's name.", metavar="TEXT")] = None,
    size: Annotated[
        list[str] | None,
        typer.Option("--size", help="Fix a symbolic axis of the file, as in seq_len=128. Repeatable.", metavar="NAME=N"),
    ] = None,
    assume_elementwise: Annotated[
        list[str] | None,
        typer.Option(
            "--assume-elementwise",
            help="Take an operator that is not known as a function of each element; the spec records it. Repeatable.",
            metavar="OP",
        ),
    ] = None,
    form: SummaryForm = "text",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Write the spec to a file; else it is printed, and the summary to stderr.",
            metavar="FILE",
            autocompletion=files,
        ),
    ] = None,
) -> None:
    """Turn an ONNX graph into a workload spec.

    Only shapes and attributes count: no weights are read, nothing is run. A node that cannot be imported is an error that names
    it; every faulty node in one run. Needs the extra import.

    \b
    Examples:
      advise import onnx resnet50.onnx -o my-resnet.json
      advise --model my-resnet.json --latency 10ms --hardware nvidia-l4

    Exit codes: 0 it is imported, 2 the file is faulty or asks for what is not known.
    """
    from .. import inputs, output

    form = inputs.form(form, _FORMATS)
    faults = inputs.Faults()
    sizes = faults.take("--size", lambda: inputs.sizes(size or (), None), {})
    faults.take("--size", lambda: _positive(sizes), None)
    faults.check()
    from ..importers.onnx import summary
    from ..importers.onnx.importer import Wanted, import_onnx
    from ..report.spec import checked_text

    today = datetime.now(tz=UTC).date().isoformat()
    wanted = Wanted(id=id_, name=name, sizes=sizes, elementwise=tuple(assume_elementwise or ()), date=today)
    found = import_onnx(model, wanted)
    output.write(checked_text(found.workload, f"{found.workload.id}.json"), out)
    told = output.as_json(summary.as_json(found)) if form == "json" else summary.as_text(found)
    output.write(told, None) if out is not None else typer.echo(told, err=True, nl=False)


def _positive(sizes: dict[str, int]) -> None:
    from .. import inputs

    zero = [name for name, value in sizes.items() if value < 1]
    if zero:
        raise inputs.RequestError(f"{zero[0]} is 0; an axis has at least 1 element")
