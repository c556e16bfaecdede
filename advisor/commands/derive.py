"""`advise derive`: the figures of a model on a chip, step by step."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from ..completion import DTYPES, TIMES, ids, one, words
from ..options import MODEL_HELP, Out, Runtime, SeqLen, Sizes, Specs, Strict

_FORMATS: Final = ("text", "md", "latex", "json")


def command(
    model: Annotated[str, typer.Argument(help=MODEL_HELP, metavar="ID|FILE", autocompletion=one(ids("workloads")))],
    hardware: Annotated[
        str,
        typer.Option(help="The chip: an id of `advise list hardware`.", metavar="ID", autocompletion=one(ids("accelerators"))),
    ],
    dtype: Annotated[
        str | None, typer.Option(help="Number format; 16 bits without it.", metavar="DTYPE", autocompletion=one(DTYPES))
    ] = None,
    batch: Annotated[str, typer.Option(help="Samples per pass.", metavar="N")] = "1",
    runtime: Runtime = None,
    latency: Annotated[
        str | None, typer.Option(help="A limit to solve for.", metavar="TIME", autocompletion=one(TIMES))
    ] = None,
    seq_len: SeqLen = None,
    size: Sizes = None,
    specs: Specs = None,
    strict: Strict = False,
    form: Annotated[
        str,
        typer.Option("--format", "-f", help="text, md, latex or json.", metavar="FORMAT", autocompletion=one(words(*_FORMATS))),
    ] = "text",
    out: Out = None,
) -> None:
    """Derive the figures of a model on a chip, step by step.

    The closed forms, with their numbers substituted and their sources: to check an answer with a pencil, or to quote one. With
    --latency it also solves for what the limit needs.

    \b
    Examples:
      advise derive resnet50 --hardware nvidia-l4 --batch 8

    Exit codes: 0 an answer, 2 the request or a spec is wrong.
    """
    from engine.machine import GRAPH
    from engine.network import build
    from engine.units import parse

    from .. import derive, inputs, output
    from ..loading import load_models
    from ..report import derivation

    inputs.choice("--format", form, _FORMATS)
    catalog, _, (model,) = load_models([model], specs, strict=strict)
    faults = inputs.Faults()
    run = faults.take("--runtime", lambda: inputs.runtime(runtime, catalog), GRAPH)
    workload = faults.take("MODEL", lambda: catalog.workloads[model], None)
    machine = faults.take("--hardware", lambda: catalog.machine(hardware, dtype or inputs.wide(catalog, hardware), run), None)
    batches = faults.take("--batch", lambda: inputs.whole_numbers(batch), [])
    limit = faults.take("--latency", lambda: parse(latency, "time") if latency else None, None)
    network = faults.take("--size", lambda: build(workload, inputs.sizes(size or (), seq_len)) if workload else None, None)
    faults.check()
    steps = derive.derive(network, machine, batches[0], limit, catalog=catalog)
    render = {"text": derivation.as_text, "md": derivation.as_markdown, "latex": derivation.as_latex}
    output.write(output.as_json(derivation.as_json(steps)) if form == "json" else render[form](steps), out)
