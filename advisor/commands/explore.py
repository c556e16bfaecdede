"""`advise explore`: the best of millions of hypothetical chips."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ..completion import BATCHES, ENERGIES, MEMORIES, POWERS, RATES, TIMES, files, ids, one, several, words
from ..exits import NOTHING_QUALIFIES
from ..options import Dtypes, Model, Out, Runtime, SeqLen, Sizes, Specs, Strict

STOPPED: Final = 130
"""Exit code of a search that Ctrl-C stopped."""
MOST_WORKERS: Final = 256
_FORMATS: Final = ("text", "json")
_OBJECTIVES: Final = words("cost", "power", "energy", "latency", "memory", "throughput")
_NAMES: Final = {
    "bandwidth": "0.5..8TB/s:64",
    "peak": "50..2000TFLOP/s:64",
    "vector_peak": "5..100TFLOP/s:16",
    "clock": "1..2.5GHz:16",
    "units": "16..256:16",
    "array_rows": "64,128,256",
    "array_columns": "64,128,256",
    "last_level_cache": "16..256MB:16",
    "on_chip_memory": "16..256MB:16",
    "unit_memory": "64..512KiB:4",
    "capacity": "16..192GB:12",
    "tdp": "75..700W:16",
    "idle_power": "10..100W:10",
    "process_node": "3,5,7nm",
}
_FIGURES: Final = words(*_NAMES)
_AXES: Final = words(*(f"{name}={values}" for name, values in _NAMES.items()))


def command(
    ctx: typer.Context,
    model: Model,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            help="A figure and its values: NAME=LOW..HIGHUNIT:COUNT in even ratios, with :linear in even steps; or "
            "NAME=A,B,CUNIT. Repeatable; all combinations are searched. Names: bandwidth, peak, vector_peak, clock, units, "
            "array_rows, array_columns, last_level_cache, on_chip_memory, unit_memory, capacity, tdp, idle_power, "
            "process_node.",
            metavar="NAME=VALUES",
            autocompletion=one(_AXES),
        ),
    ] = None,
    base: Annotated[
        str,
        typer.Option(
            help="The chips that hypothetical ones are variants of, separated by commas.",
            metavar="IDS",
            autocompletion=several(ids("accelerators")),
        ),
    ] = "nvidia-h100-sxm",
    dtype: Dtypes = None,
    batch: Annotated[
        str,
        typer.Option(help="Batches and ranges: 8 or 1,2,4 or 1..64 or 1..64x2.", metavar="LIST", autocompletion=one(BATCHES)),
    ] = "1",
    latency: Annotated[
        str | None,
        typer.Option(help="Latency limit of one pass, held with 90 % certainty.", metavar="TIME", autocompletion=one(TIMES)),
    ] = None,
    throughput: Annotated[
        str | None,
        typer.Option(help="Throughput to reach, with 90 % certainty.", metavar="RATE", autocompletion=one(RATES)),
    ] = None,
    power: Annotated[
        str | None, typer.Option(help="Limit on the average power.", metavar="POWER", autocompletion=one(POWERS))
    ] = None,
    energy: Annotated[
        str | None,
        typer.Option(help="Limit on the energy of one inference.", metavar="ENERGY", autocompletion=one(ENERGIES)),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(help="Limit on the memory that may be used.", metavar="SIZE", autocompletion=one(MEMORIES)),
    ] = None,
    minimize: Annotated[
        str | None,
        typer.Option(
            help="What shall be least: cost, power, energy, latency, memory or a figure. Without it the cost if there is one, "
            "else the power.",
            metavar="WORD",
            autocompletion=one(_OBJECTIVES, _FIGURES),
        ),
    ] = None,
    maximize: Annotated[
        str | None,
        typer.Option(
            help="What shall be greatest instead, such as throughput.",
            metavar="WORD",
            autocompletion=one(_OBJECTIVES, _FIGURES),
        ),
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option(
            help="What a chip costs you: an expression over figures in base units (B/s, FLOP/s, B, W) and facts of a point.",
            metavar="EXPR",
        ),
    ] = None,
    runtime: Runtime = None,
    seq_len: SeqLen = None,
    size: Sizes = None,
    specs: Specs = None,
    strict: Strict = False,
    workers: Annotated[
        str | None, typer.Option("--workers", help="Processes; without it, one for each core.", metavar="N")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Run on the Dask cluster of this scheduler (extra scale): tcp://HOST:PORT.", metavar="ADDRESS"),
    ] = None,
    points: Annotated[
        Path | None,
        typer.Option(
            help="Write every point (extra scale): a folder NAME.parquet or NAME.csv, with a file for each part. A search that "
            "was stopped goes on where it was.",
            metavar="FOLDER",
            autocompletion=files,
        ),
    ] = None,
    best: Annotated[
        Path | None,
        typer.Option(
            help="Write the best chip as a spec, which every other command takes.", metavar="FILE", autocompletion=files
        ),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", "-f", help="text or json.", metavar="FORMAT", autocompletion=one(words(*_FORMATS)))
    ] = "text",
    out: Out = None,
) -> None:
    """Search hypothetical chips for the best that meets a request.

    Which bandwidth, peak, cache or clock does a model need? Every combination of the values of --vary is a variant of the base.
    The answer is the point with the least cost, power or whatever you name among those that meet every limit, which limits
    bind, what one percent more of each figure would bring, and the front against latency.

    \b
    Examples:
      advise explore -m resnet50 --latency 1ms --vary bandwidth=0.2..8TB/s:99
      advise explore -m resnet50 --vary units=16..256:9 --vary tdp=75..700W:9
      advise explore -m bert-base --vary peak=9..900TFLOP/s:9 --cost "peak/1e12"
      advise explore -m resnet18 --vary clock=1..2GHz:9 --points p.parquet

    Exit codes: 0 a best point, 1 no point meets the request, 2 the request or a spec is wrong.
    """
    from .. import inputs, output
    from ..ending import raising
    from ..explore import answer as answers
    from ..explore import request, run, search
    from ..loading import load_models

    inputs.choice("--format", form, _FORMATS)
    if workers is not None and scheduler is not None:
        raise inputs.RequestError("--workers are processes of this machine, and --scheduler a cluster; give one of them")
    number = run.cores() if workers is None else inputs.whole_numbers(workers)[0]
    if workers is not None and number > MOST_WORKERS:
        raise inputs.RequestError(f"--workers: {number:,} processes are more than {MOST_WORKERS}; --scheduler takes a cluster")
    catalog, _, (model,) = load_models([model], specs, strict=strict)
    space = request.space_of({**ctx.params, "model": model}, catalog)
    means = search.Means(points=points, workers=number, scheduler=scheduler)
    bar: dict[str, Any] = {"label": "points", "file": sys.stderr, "hidden": not sys.stderr.isatty(), "show_pos": True}
    try:
        with raising(), typer.progressbar(length=space.points, **bar) as progress:
            summary = search.search(space, means, progress.update)
    except search.StoppedError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(STOPPED) from None
    found = answers.answer(space, summary)
    if best is not None:
        _write_spec(found, best)
    output.write(_text(found, form, out), out)
    if found.best is None:
        raise typer.Exit(NOTHING_QUALIFIES)


def _text(found: Any, form: str, out: Path | None) -> str:
    from .. import output
    from ..explore import contract
    from ..report import explore as report

    if form == "json":
        return output.as_json(contract.as_json(found))
    return report.text(found, output.width(), output.paint(out))


def _write_spec(found: Any, path: Path) -> None:
    """Write the best chip as a spec. Raises RequestError where there is none."""
    from .. import inputs, output
    from ..explore import hypothetical

    if found.best is None:
        raise inputs.RequestError("--best: no point meets the request, so there is no chip to write")
    chip = hypothetical.as_spec(found.best.base, found.best.figures, inputs.identifier(path.stem))
    output.write_bytes(output.as_json(hypothetical.as_json(chip)).encode(), path, "--best")
