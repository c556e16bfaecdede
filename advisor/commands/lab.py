"""`advise lab`: the whole loop on this machine for one model."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from ..completion import BATCHES, files, one, words
from ..options import Author, Device, FixedAxes, Out, SecondsEach, Threads

_FORMATS: Final = ("text", "md", "html", "json")


def command(
    model: Annotated[Path, typer.Argument(help="The ONNX file.", metavar="FILE", autocompletion=files)],
    folder: Annotated[
        Path,
        typer.Option(
            help="Where the specs of the machine, the model and its record are written.", metavar="DIR", autocompletion=files
        ),
    ] = Path("my-lab"),
    probe: Annotated[
        Path | None,
        typer.Option(
            help="The spec of this machine, as advise probe writes it; else it is probed once.",
            metavar="FILE",
            autocompletion=files,
        ),
    ] = None,
    batch: Annotated[
        str, typer.Option(help="Batches, as in 1..32x2 or 1,8.", metavar="LIST", autocompletion=one(BATCHES))
    ] = "1..16x2",
    threads: Threads = None,
    device: Device = "cpu",
    size: FixedAxes = None,
    seconds: SecondsEach = 2.0,
    author: Author = "",
    form: Annotated[
        str,
        typer.Option("--format", "-f", help="text, md, html or json.", metavar="FORMAT", autocompletion=one(words(*_FORMATS))),
    ] = "text",
    out: Out = None,
) -> None:
    """Probe, predict, measure, compare and learn here.

    The whole loop on this machine: probes it once, imports the model, predicts every batch from the probe alone, measures it,
    fits what differs, and predicts again. The page has the bound and both predictions beside what was measured; html draws
    them. All that it writes is in one folder, which --specs takes. Needs the extra lab.

    \b
    Examples:
      advise lab resnet50.onnx --batch 1,4,16
      advise lab bert.onnx --size seq_len=128 --format html -o bert.html

    Exit codes: 0 an answer, 2 the request or a spec is wrong.
    """
    from .. import inputs, output

    form = inputs.form(form, _FORMATS)
    faults = inputs.Faults()
    faults.take("--device", lambda: inputs.names([device], ("cpu", "cuda"), "device"), None)
    batches = faults.take("--batch", lambda: inputs.batches(batch), [])
    sizes = faults.take("--size", lambda: inputs.sizes(size or (), None), {})
    faults.check()
    from ..lab import session

    session.need("advise lab")
    session.check_device(device)
    from ..lab.loop import Wanted, loop
    from ..report import document
    from ..report import lab as shown

    wanted = Wanted(
        model=model, folder=folder, probe=probe, batches=batches, threads=threads, device=device, sizes=sizes, seconds=seconds,
        by=author, date=datetime.now(tz=UTC).date().isoformat(),
    )  # fmt: skip
    found = loop(wanted, output.progress())
    if form == "json":
        output.write(output.as_json(shown.loop_json(found)), out)
    elif form == "html":
        from ..report import charts, html

        output.write(html.page(shown.loop_document(found), [charts.times(*shown.loop_lines(found))]), out)
    elif form == "md":
        output.write(document.markdown(shown.loop_document(found)), out)
    else:
        output.write(document.text(shown.loop_document(found), output.width(), output.paint(out)), out)
