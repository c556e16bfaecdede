"""`advise show`: one spec with the source of every value; a model operator by operator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..completion import DTYPES, everything, ids, one, words
from ..options import Out, Runtime, SeqLen, Sizes, Specs, Strict

if TYPE_CHECKING:
    from engine.catalog import Catalog
    from engine.workload import Workload

    from .. import inputs


_FORMATS: Final = ("text", "md", "json")
_MODEL_FORMATS: Final = ("text", "md", "json", "csv")


def command(
    name: Annotated[
        str,
        typer.Argument(
            help="An id of any spec, or a file. Where two kinds share an id: calibrations/ID.",
            metavar="ID|FILE",
            autocompletion=one(everything),
        ),
    ],
    hardware: Annotated[
        str | None,
        typer.Option(
            help="Of a model: the chip whose ridge batches and times are shown.",
            metavar="ID",
            autocompletion=one(ids("accelerators")),
        ),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(help="Of a model: number format; 16 bits without it.", metavar="DTYPE", autocompletion=one(DTYPES)),
    ] = None,
    batch: Annotated[str | None, typer.Option(help="Of a model: samples per pass; 1 without it.", metavar="N")] = None,
    runtime: Runtime = None,
    seq_len: SeqLen = None,
    size: Sizes = None,
    every: Annotated[bool, typer.Option("--all", help="Of a model: a line for every kernel of repeated blocks.")] = False,
    specs: Specs = None,
    strict: Strict = False,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            help="text (or table), md or json; of a model csv, too.",
            metavar="FORMAT",
            autocompletion=one(words(*_MODEL_FORMATS)),
        ),
    ] = "text",
    out: Out = None,
) -> None:
    """Show one spec, with the source of every value.

    A chip, with what follows from its figures, what is not published and what that blocks, what calibrates it and who measured
    it; a model kernel by kernel; a rule, a check, a profile, a calibration or a record of measurements.

    \b
    Examples:
      advise show nvidia-h100-sxm
      advise show calibrations/nvidia-l4
      advise show L204
      advise show bert-base --seq-len 384 --hardware nvidia-l4 --batch 8

    Exit codes: 0 an answer, 2 the request or a spec is wrong.
    """
    from engine.workload import Workload

    from .. import browse, inputs, output
    from ..check import load_checks
    from ..loading import load_specs

    form = inputs.form(form, _MODEL_FORMATS)
    catalog, book = load_specs(specs, strict=strict)
    spec = browse.find(name, catalog, book, load_checks(inputs.spec_directories(specs or ()), strict=False))
    asked: dict[str, Any] = {
        "--hardware": hardware, "--dtype": dtype, "--batch": batch, "--runtime": runtime, "--seq-len": seq_len,
        "--size": size, "--all": every,
    }  # fmt: skip
    if isinstance(spec, Workload):
        output.write(_model(spec, asked, catalog, form, out), out)
        return
    _of_models_only(name, asked)
    inputs.choice("--format", form, _FORMATS)
    if form == "json":
        output.write(output.as_json(browse.show_json(spec, catalog)), out)
    elif form == "md":
        output.write(browse.show_markdown(spec, catalog), out)
    else:
        output.write(browse.show_text(spec, catalog, output.width(), output.paint(out)), out)


def _of_models_only(name: str, asked: dict[str, Any]) -> None:
    from .. import inputs

    faults = inputs.Faults(lines=[f"{option}: {name} is no model; leave it out" for option, value in asked.items() if value])
    faults.check()


def _model(workload: Workload, asked: dict[str, Any], catalog: Catalog, form: str, out: Path | None) -> str:
    """Return the page of a model. Raises RequestError with every fault of the options."""
    from .. import inputs, model_table, output
    from ..report import model as page

    faults = inputs.Faults()
    view = _view(workload, asked, catalog, faults)
    faults.check()
    table = model_table.tabulate(workload, view)
    if form == "json":
        return output.as_json(table.model_dump(mode="json", by_alias=True))
    if form == "csv":
        return output.as_csv(page.csv_rows(table))
    every = bool(asked["--all"])
    if form == "md":
        return page.as_markdown(table, every=every)
    return page.as_text(table, output.WIDTH if out else output.width(), every=every)


def _view(workload: Workload, asked: dict[str, Any], catalog: Catalog, faults: inputs.Faults) -> Any:
    from engine.machine import GRAPH
    from engine.sizes import choose_sizes

    from .. import inputs
    from ..model_table import DTYPE, View

    hardware, dtype = asked["--hardware"], asked["--dtype"]
    sizes = faults.take("--size", lambda: inputs.sizes(asked["--size"] or (), asked["--seq-len"]), {})
    faults.take("--size", lambda: choose_sizes(workload, sizes), {})
    batches = faults.take("--batch", lambda: inputs.whole_numbers(asked["--batch"] or "1"), [1])
    run = faults.take("--runtime", lambda: inputs.runtime(asked["--runtime"], catalog), GRAPH)
    if hardware is None and asked["--runtime"]:
        faults.lines.append("--runtime: how software runs a model is known of chips; name one with --hardware")
    if hardware is None:
        (chosen,) = faults.take("--dtype", lambda: inputs.dtypes(dtype or DTYPE), (DTYPE,))
        return View(sizes=sizes, dtype=chosen, batch=batches[0])
    machine = faults.take("--hardware", lambda: catalog.machine(hardware, dtype or inputs.wide(catalog, hardware), run), None)
    return View(sizes=sizes, dtype=machine.dtype if machine else DTYPE, batch=batches[0], machine=machine)
