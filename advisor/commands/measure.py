"""`advise measure`: a model of the user's on this machine, as a measurement spec."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from ..completion import BATCHES, files, ids, one
from ..options import Author, Device, FixedAxes, SecondsEach, SummaryForm, Threads

_FORMATS: Final = ("text", "json")


def command(
    model: Annotated[Path, typer.Argument(help="The ONNX file.", metavar="FILE", autocompletion=files)],
    batch: Annotated[
        str, typer.Option(help="Batches, as in 1..32x2 or 1,8.", metavar="LIST", autocompletion=one(BATCHES))
    ] = "1..32x2",
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="The record. What it holds already is kept, what is missing is measured.",
            metavar="FILE",
            autocompletion=files,
        ),
    ] = Path("mine.json"),
    hardware: Annotated[
        str,
        typer.Option(
            help="The id of this machine, as its probe has it.", metavar="ID", autocompletion=one(ids("accelerators"))
        ),
    ] = "mybox",
    workload: Annotated[
        str,
        typer.Option(
            help="The id of the model in the catalogue; else FILE.workload.json is imported from it.",
            metavar="ID",
            autocompletion=one(ids("workloads")),
        ),
    ] = "",
    threads: Threads = None,
    device: Device = "cpu",
    size: FixedAxes = None,
    seconds: SecondsEach = 2.0,
    author: Author = "",
    form: SummaryForm = "text",
) -> None:
    """Measure a model on this machine over batches.

    Runs the file in onnxruntime on random numbers: a warm-up, then passes until the time is up. The record has median,
    quartiles, p90 and p99 of each batch, the load of the machine, and the runtime's own profile. Stopped and started again, it
    goes on where it was. Needs the extra lab.

    \b
    Examples:
      advise measure resnet50.onnx --batch 1..32x2 -o my-specs/mine.json
      advise measure bert.onnx --size seq_len=128 -o my-specs/bert.json

    Exit codes: 0 an answer, 2 the request or a spec is wrong.
    """
    from .. import inputs, output

    inputs.choice("--format", form, _FORMATS)
    inputs.choice("--device", device, ("cpu", "cuda"))
    faults = inputs.Faults()
    batches = faults.take("--batch", lambda: inputs.batches(batch), [])
    sizes = faults.take("--size", lambda: inputs.sizes(size or (), None), {})
    faults.take("--hardware", lambda: inputs.identifier(hardware), "")
    faults.take("--workload", lambda: inputs.identifier(workload), "")
    faults.check()
    from ..lab import session

    session.need("advise measure")
    session.check_device(device)
    from ..lab import bench
    from ..report import lab as shown

    today = datetime.now(tz=UTC).date().isoformat()
    asked = bench.Asked(
        model=model, out=out, batches=batches, hardware=hardware or "mybox", workload=workload, threads=threads, device=device,
        sizes=sizes, seconds=seconds, by=author, date=today,
    )  # fmt: skip
    record = bench.run(asked, output.progress())
    output.write(output.as_json(shown.record_json(record)) if form == "json" else shown.record_text(record, out), None)
