"""`advise predict`: bound, estimate and interval, batch by batch."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from ..completion import BATCHES, one, words
from ..options import Dtypes, Hardware, Model, Out, Runtime, SeqLen, Sizes, Specs, Strict

_FORMATS: Final = ("text", "csv", "json")


def command(
    model: Model,
    hardware: Hardware,
    batch: Annotated[
        str,
        typer.Option(help="Batches and ranges: 1,2,4 or 1..64 or 1..64x2.", metavar="LIST", autocompletion=one(BATCHES)),
    ] = "1",
    dtype: Dtypes = None,
    runtime: Runtime = None,
    seq_len: SeqLen = None,
    size: Sizes = None,
    specs: Specs = None,
    strict: Strict = False,
    form: Annotated[
        str, typer.Option("--format", "-f", help="text, csv or json.", metavar="FORMAT", autocompletion=one(words(*_FORMATS)))
    ] = "text",
    out: Out = None,
) -> None:
    """Predict bound, estimate and interval, batch by batch.

    One row for each chip, number format and batch: for a table or a script that needs the figures and no advice. csv and json
    also have the causes of the time.

    \b
    Examples:
      advise predict --model resnet50 --hardware nvidia-l4 --batch 1..64x2
      advise predict -m bert-base --hardware nvidia-l4 --dtype int8 --format csv
      advise predict -m resnet50 --hardware nvidia-l4 --runtime eager --batch 1,8

    Exit codes: 0 an answer, 2 the request or a spec is wrong.
    """
    from engine.machine import GRAPH
    from engine.rows import rows

    from .. import inputs, output
    from ..snapshot import ready

    form = inputs.form(form, _FORMATS)
    stock, _, (model,) = ready([model], specs, strict=strict)
    faults = inputs.Faults()
    chips = faults.take("--hardware", lambda: inputs.hardware(hardware, stock), ())
    batches = faults.take("--batch", lambda: inputs.batches(batch), [])
    dtypes = faults.take("--dtype", lambda: inputs.dtypes(dtype), ())
    sizes = faults.take("--size", lambda: inputs.sizes(size or (), seq_len), {})
    run = faults.take("--runtime", lambda: inputs.runtime(runtime, stock), GRAPH)
    faults.take("--model", lambda: stock.model(model), None)
    faults.check()
    network = stock.network(model, sizes)
    machines = [stock.machine(chip, dtype, run) for chip in chips for dtype in dtypes or stock.card(chip).dtypes]
    found = rows(network, machines, batches, stock.card)
    output.write({"csv": output.as_csv, "json": output.as_json, "text": output.predictions}[form](found), out)
