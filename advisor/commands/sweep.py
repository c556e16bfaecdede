"""`advise sweep`: every point of models x chips x number formats x batches."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ..completion import BATCHES, ids, one, several, words
from ..options import Dtypes, Out, Runtime, SeqLen, Sizes, Specs, Strict

_FORMATS: Final = ("text", "md", "html", "csv", "json", "parquet")


def command(
    models: Annotated[
        str,
        typer.Option(
            "--model",
            "--models",
            "-m",
            help="Workloads, or their .json files, separated by commas; or `all`.",
            metavar="IDS|FILES",
            autocompletion=several(words("all"), ids("workloads")),
        ),
    ],
    hardware: Annotated[
        str,
        typer.Option(
            help="Chips, separated by commas, or `all`.",
            metavar="IDS",
            autocompletion=several(words("all"), ids("accelerators")),
        ),
    ] = "all",
    batch: Annotated[
        str,
        typer.Option(
            help="Batches and ranges: 1,2,4 or 1..64 or 1..64x2 (powers) or 8..64+8 (steps).",
            metavar="LIST",
            autocompletion=one(BATCHES),
        ),
    ] = "1..64x2",
    dtype: Dtypes = None,
    runtime: Runtime = None,
    seq_len: SeqLen = None,
    size: Sizes = None,
    specs: Specs = None,
    strict: Strict = False,
    allow_modelled: Annotated[
        bool, typer.Option("--allow-modelled", help="Let chips that nobody measured on silicon stand on the front, too.")
    ] = False,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            help="text, md, html, csv, json or parquet (extra scale).",
            metavar="FORMAT",
            autocompletion=one(words(*_FORMATS)),
        ),
    ] = "text",
    out: Out = None,
) -> None:
    """Sweep models, chips, formats and batches.

    One row for each point, with the Pareto front of latency, throughput and energy, the knee and the ridge batch marked: for a
    picture of what there is before a limit is known. csv, json and parquet also have the causes of the time.

    \b
    Examples:
      advise sweep --models resnet18,resnet50 --hardware nvidia-l4 --batch 1..64x2
      advise sweep -m bert-base --hardware nvidia-l4 --dtype bf16 --format csv

    Exit codes: 0 an answer, 2 the request or a spec is wrong.
    """
    from engine.machine import GRAPH

    from .. import inputs, output
    from ..ending import raising
    from ..snapshot import ready
    from ..sweep import Sweep, points_of, sweep

    inputs.choice("--format", form, _FORMATS)
    stock, _, named = ready(inputs.split(models), specs, strict=strict)
    faults = inputs.Faults()
    if form == "parquet":
        faults.take("--format", lambda: _check_parquet(out), None)
    every = stock.catalog().workloads.ids if models == "all" else named
    asked = Sweep(
        models=faults.take("--model", lambda: tuple(stock.model(name).id for name in dict.fromkeys(every)), ()),
        hardware=() if hardware == "all" else faults.take("--hardware", lambda: inputs.hardware(hardware, stock), ()),
        batches=tuple(faults.take("--batch", lambda: inputs.batches(batch), [])),
        dtypes=faults.take("--dtype", lambda: inputs.dtypes(dtype), ()),
        sizes=faults.take("--size", lambda: inputs.sizes(size or (), seq_len), {}),
        runtime=faults.take("--runtime", lambda: inputs.runtime(runtime, stock), GRAPH),
        allow_modelled=allow_modelled,
    )
    for option, text in (("--model", models), ("--hardware", hardware)):
        if not inputs.split(text):
            faults.lines.append(f"{option}: none is named")
    faults.check()
    silent, count = not sys.stderr.isatty(), points_of(asked, stock)
    with raising(), typer.progressbar(length=count, label="points", file=sys.stderr, hidden=silent) as progress:
        rows = sweep(asked, stock, progress.update)
    if form == "parquet":
        output.write_bytes(output.as_parquet(rows), out or Path(), "--out")
        return
    output.write(_text(rows, form, out), out)


def _text(rows: list[dict[str, Any]], form: str, out: Path | None) -> str:
    from .. import output
    from ..report import document, sweep

    if form == "html":
        from ..report import html

        return html.page(sweep.as_document(rows))
    if form == "md":
        return document.markdown(sweep.as_document(rows))
    plain = {"csv": output.as_csv, "json": output.as_json}
    return plain[form](rows) if form in plain else sweep.text(rows, output.width(), output.paint(out))


def _check_parquet(out: Path | None) -> None:
    from .. import inputs

    if find_spec("pyarrow") is None:
        raise inputs.RequestError("parquet needs PyArrow, of the extra scale: pip install 'roofwise[scale]'")
    if out is None:
        raise inputs.RequestError("parquet is no text; name a file with --out")
