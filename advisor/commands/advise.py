"""`advise`: the recommendation for a model under a requirement."""

from __future__ import annotations

from typing import Annotated, Final, NoReturn

import typer

from ..completion import ENERGIES, KINDS, MEMORIES, POWERS, RATES, TIMES, ids, objectives, one, several, words
from ..options import MODEL_HELP, Dtypes, Out, Runtime, SeqLen, Sizes, Specs, Strict

_FORMATS: Final = ("text", "json", "md", "html")
HELP: Final = """
Which accelerator, and which batch size, for a model under a requirement, with reasons.

Give a model and its limits. The answer names a chip, a number format and a batch, says which rules decided and where the
time goes, and lists the alternatives and what excludes the rest. Quantities carry their unit: 10ms, 75W, 5mJ, 16GB, 2000/s.

\b
Examples:
  advise --model resnet50 --latency 10ms
  advise --model llama-3.1-8b-decode --size context=4096 --latency 20ms
  advise --model bert-base --seq-len 384 --latency 20ms --hardware nvidia-l4
  advise --model resnet50 --hardware nvidia-l4,nvidia-t4 --dtype int8
  advise --model resnet50 --latency 10ms --format json --out advice.json
  advise --specs my-specs --model tiny-mlp --latency 1ms --hardware acme-one

Exit codes: 0 an answer, 1 nothing qualifies, 2 the request or a spec is wrong.

\b
Environment:
  ROOFWISE_SPECS  folders of your own specs, separated as in PATH
  ROOFWISE_CACHE  folder of what answers need of our specs; empty for none
  COLUMNS         width of the text, from 60 to 160
  NO_COLOR        no colours, whatever it says

\b
Files: every .json file below a folder of --specs or ROOFWISE_SPECS, as in
  my-specs/accelerators/acme-one.json, my-specs/rules/my-rules.json
"""


def command(
    ctx: typer.Context,
    *,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help=MODEL_HELP, metavar="ID|FILE", autocompletion=one(ids("workloads")))
    ] = None,
    latency: Annotated[
        str | None,
        typer.Option(help="Latency limit of one pass, held with 90 % certainty.", metavar="TIME", autocompletion=one(TIMES)),
    ] = None,
    throughput: Annotated[
        str | None, typer.Option(help="Throughput that one device must reach.", metavar="RATE", autocompletion=one(RATES))
    ] = None,
    power: Annotated[
        str | None, typer.Option(help="Limit on the average power of the chip.", metavar="POWER", autocompletion=one(POWERS))
    ] = None,
    energy: Annotated[
        str | None, typer.Option(help="Limit on the energy of one inference.", metavar="ENERGY", autocompletion=one(ENERGIES))
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="Limit on the memory that may be used.", metavar="SIZE", autocompletion=one(MEMORIES))
    ] = None,
    dtype: Dtypes = None,
    hardware: Annotated[
        str | None,
        typer.Option(help="Only these chips, separated by commas.", metavar="IDS", autocompletion=several(ids("accelerators"))),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="Only these kinds: gpu, tpu, npu, cpu, dataflow, edge.", metavar="KINDS", autocompletion=several(KINDS)
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            help="What counts as best: an id of `advise list profiles`.", metavar="ID", autocompletion=one(ids("profiles"))
        ),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="The same in a word: balanced, latency, throughput, energy, edge, cost.",
            metavar="WORD",
            autocompletion=one(objectives),
        ),
    ] = None,
    runtime: Runtime = None,
    batch: Annotated[str | None, typer.Option(help="This batch only.", metavar="N")] = None,
    seq_len: SeqLen = None,
    size: Sizes = None,
    specs: Specs = None,
    strict: Strict = False,
    top: Annotated[str, typer.Option(help="How many alternatives the text shows.", metavar="N")] = "5",
    allow_modelled: Annotated[
        bool, typer.Option("--allow-modelled", help="Recommend chips that nobody measured on silicon, too.")
    ] = False,
    explain: Annotated[
        str | None,
        typer.Option(
            help="`excluded`: every excluded chip with its rule and what would change it.",
            metavar="WHAT",
            autocompletion=one(words("excluded")),
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            help="text, json (a contract: schemas/advice.schema.json), md or html.",
            metavar="FORMAT",
            autocompletion=one(words(*_FORMATS)),
        ),
    ] = "text",
    out: Out = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Print the recommendation for a model under a requirement."""
    if version:
        _version()
    if ctx.invoked_subcommand is not None:
        return
    if not any(value for name, value in ctx.params.items() if name not in ("top", "form")):
        typer.echo(ctx.get_help())
        return
    from ..answering import answer

    options = {name: value for name, value in ctx.params.items() if name != "version"}
    raise typer.Exit(answer(options))


def _version() -> NoReturn:
    from engine import __version__

    typer.echo(f"roofwise {__version__}")
    raise typer.Exit
