"""`advise insights`: the batch-size study of any models on any chips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ..completion import BATCHES, DTYPES, files, ids, one, several, words
from ..options import Out, Runtime, SeqLen, Sizes, Specs, Strict

if TYPE_CHECKING:
    from engine.catalog import Catalog

    from ..claim import Variant

_FORMATS: Final = ("text", "md", "html", "json")


def command(
    models: Annotated[
        str,
        typer.Option(
            "--models",
            "--model",
            "-m",
            help="Workloads, or their .json files, separated by commas.",
            metavar="IDS|FILES",
            autocompletion=several(ids("workloads")),
        ),
    ],
    hardware: Annotated[
        str,
        typer.Option(
            help="Chips, separated by commas; also variants of files of claims, as h100-as-studied.",
            metavar="IDS",
            autocompletion=several(ids("accelerators")),
        ),
    ],
    batch: Annotated[
        str,
        typer.Option(
            help="Batches and ranges: 1,4,8,16,32,64 or 1..64x2; first and last are compared.",
            metavar="LIST",
            autocompletion=one(BATCHES),
        ),
    ] = "1,4,8,16,32,64",
    dtype: Annotated[
        str | None,
        typer.Option(
            help="One number format; without it 16 bits where a chip has them.", metavar="DTYPE", autocompletion=one(DTYPES)
        ),
    ] = None,
    runtime: Runtime = None,
    claims: Annotated[
        list[Path] | None,
        typer.Option(
            help="A file of claims whose variants --hardware may name. Repeatable.", metavar="FILE", autocompletion=files
        ),
    ] = None,
    seq_len: SeqLen = None,
    size: Sizes = None,
    specs: Specs = None,
    strict: Strict = False,
    form: Annotated[
        str,
        typer.Option("--format", "-f", help="text, md, html or json.", metavar="FORMAT", autocompletion=one(words(*_FORMATS))),
    ] = "text",
    out: Out = None,
) -> None:
    """Study what a larger batch buys, where it ends, and why.

    Utilization, scaling, energy, latency, a decision matrix, which batch, the causes of the plateau, what would pass 50 %, CNN
    against transformer, diminishing returns, hypotheses: a report for people who choose, of any models on any chips.

    \b
    Examples:
      advise insights -m resnet18,bert-base --hardware nvidia-l4 --out study.txt

    Exit codes: 0 an answer, 2 the request or a spec is wrong.
    """
    from engine.machine import GRAPH

    from .. import inputs, output
    from ..insight import Study
    from ..loading import load_models
    from ..report import document
    from ..report.insights import insights

    inputs.choice("--format", form, _FORMATS)
    catalog, book, names = load_models(inputs.split(models), specs, strict=strict)
    faults = inputs.Faults()
    variants = faults.take("--claims", lambda: _variants(claims or ()), {})
    study = Study(
        models=faults.take("--models", lambda: tuple(catalog.workloads[name].id for name in dict.fromkeys(names)), ()),
        hardware=faults.take("--hardware", lambda: _hardware(hardware, variants, catalog), ()),
        batches=tuple(faults.take("--batch", lambda: inputs.batches(batch), [])),
        dtype=faults.take("--dtype", lambda: inputs.dtypes(dtype)[0] if dtype else None, None),
        sizes=faults.take("--size", lambda: inputs.sizes(size or (), seq_len), {}),
        runtime=faults.take("--runtime", lambda: inputs.runtime(runtime, catalog), GRAPH),
        variants=variants,
    )
    for option, value in (("--models", study.models), ("--hardware", study.hardware)):
        if not value and not any(line.startswith(option) for line in faults.lines):
            faults.lines.append(f"{option}: none is named")
    faults.check()
    told = insights(study, catalog, book)
    if form == "json":
        output.write(output.as_json(document.as_json(told)), out)
    elif form == "html":
        from ..insight import pairs
        from ..report import charts, html

        output.write(html.page(told, charts.study(pairs(study, catalog))), out)
    elif form == "md":
        output.write(document.markdown(told), out)
    else:
        output.write(document.text(told, output.width(), output.paint(out)), out)


def _variants(paths: Sequence[Path]) -> dict[str, Variant]:
    """Return the chips that studies assumed: those of the claims that ship, and of the user's files, which win."""
    from engine.catalog import data_root

    from ..loading import load_claims

    shipped = sorted((data_root() / "specs" / "claims").glob("*.json"))
    return {name: variant for path in (*shipped, *paths) for name, variant in load_claims(path).variants.items()}


def _hardware(text: str, variants: Mapping[str, Variant], catalog: Catalog) -> tuple[str, ...]:
    """Return ids of chips and names of variants. Raises UnknownNameError for one that is neither, or could be several."""
    from .. import inputs

    parts = inputs.split(text)
    return tuple(dict.fromkeys(part if part in variants else catalog.accelerators[part].id for part in parts))
