"""The `advise` command: parses, calls, prints. Exit codes: 0 an answer, 1 nothing qualifies, 2 a faulty request or spec."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from engine.calibration import GRAPH
from engine.catalog import Catalog, load
from engine.errors import RoofwiseError, SpecError, closest
from engine.predict import predict

from . import inputs, output
from .rule import Rulebook, load_rulebook

NOTHING_QUALIFIES: Final = 1
FAULTY: Final = 2
WIDTH: Final = 100

app = typer.Typer(
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
)

_EXAMPLES: Final = """
Which accelerator, and which batch size, for a model under a requirement, with reasons.

\b
Examples:
  advise --model resnet50 --latency 10ms
  advise --model bert-base --seq-len 384 --latency 20ms --throughput 2000/s
  advise --model resnet50 --latency 5ms --power 75W --profile energy-critical
  advise --model resnet50 --latency 10ms --hardware nvidia-l4,nvidia-t4 --dtype int8
  advise --model resnet50 --latency 10ms --format json --out advice.json
  advise predict --model resnet50 --hardware nvidia-l4 --batch 1,2,4,8 --format csv
  advise derive resnet50 --hardware nvidia-l4 --batch 8
  advise validate mychips/accelerators/mychip.json
  advise accuracy --plot accuracy.svg
  advise --specs mychips --model resnet50 --latency 10ms

\b
Quantities carry their unit: 10ms, 75W, 5mJ, 16GB, 2000/s.
Exit codes: 0 an answer, 1 nothing qualifies, 2 the request or a spec is wrong.
"""

Model = Annotated[str, typer.Option("--model", "-m", help="Workload: an id of `advise list workloads`.", metavar="ID")]
Hardware = Annotated[str, typer.Option(help="Chips, separated by commas: ids of `advise list hardware`.", metavar="IDS")]
Dtypes = Annotated[
    str | None, typer.Option("--dtype", help="Number formats, separated by commas: bf16, fp16, int8, ...", metavar="LIST")
]
SeqLen = Annotated[str | None, typer.Option("--seq-len", help="Tokens per sample, where the model has them.", metavar="N")]
Sizes = Annotated[
    list[str] | None, typer.Option("--size", help="Another size of the model, as in image=320. Repeatable.", metavar="NAME=N")
]
Runtime = Annotated[
    str | None,
    typer.Option(
        help="How the software runs the model: graph (every kernel tuned, as TensorRT does; without this option), compiled "
        "(torch.compile, Paddle-TRT and the like) or eager (a framework that launches operator by operator).",
        metavar="WORD",
    ),
]
Specs = Annotated[
    list[Path] | None,
    typer.Option(
        "--specs",
        help="A folder with your own accelerators/, workloads/, rules/, ...; yours win over ours. Repeatable.",
        metavar="DIR",
    ),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Write to a file instead of the terminal.", metavar="FILE")]


@app.callback(invoke_without_command=True, help=_EXAMPLES)
def advise_command(
    ctx: typer.Context,
    *,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Workload: an id of `advise list workloads`.", metavar="ID")
    ] = None,
    latency: Annotated[
        str | None, typer.Option(help="Latency limit of one pass, held with 90 % certainty.", metavar="TIME")
    ] = None,
    throughput: Annotated[str | None, typer.Option(help="Throughput that one device must reach.", metavar="RATE")] = None,
    power: Annotated[str | None, typer.Option(help="Limit on the average power of the chip.", metavar="POWER")] = None,
    energy: Annotated[str | None, typer.Option(help="Limit on the energy of one inference.", metavar="ENERGY")] = None,
    memory: Annotated[str | None, typer.Option(help="Limit on the memory that may be used.", metavar="SIZE")] = None,
    dtype: Dtypes = None,
    hardware: Annotated[str | None, typer.Option(help="Only these chips, separated by commas.", metavar="IDS")] = None,
    kind: Annotated[
        str | None, typer.Option(help="Only these kinds: gpu, tpu, npu, cpu, dataflow, edge.", metavar="KINDS")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="What counts as best: an id of `advise list profiles`.", metavar="ID")
    ] = None,
    objective: Annotated[
        str | None, typer.Option(help="The same in a word: balanced, latency, throughput, energy, edge, cost.", metavar="WORD")
    ] = None,
    runtime: Runtime = None,
    batch: Annotated[str | None, typer.Option(help="This batch only.", metavar="N")] = None,
    seq_len: SeqLen = None,
    size: Sizes = None,
    specs: Specs = None,
    top: Annotated[str, typer.Option(help="How many alternatives the text shows.", metavar="N")] = "5",
    allow_modelled: Annotated[
        bool, typer.Option("--allow-modelled", help="Recommend chips that nobody measured on silicon, too.")
    ] = False,
    explain: Annotated[
        str | None, typer.Option(help="`excluded`: every excluded chip with its rule and what would change it.", metavar="WHAT")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", "-f", help="text, json (a contract: schemas/advice.schema.json) or md.", metavar="FORMAT")
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
    if model is None:
        raise inputs.RequestError("--model is missing; `advise list workloads` shows the models, `advise --help` examples")
    if profile and objective:
        raise inputs.RequestError("--profile and --objective say the same thing; give one of them")
    _choice("--format", form, ("text", "json", "md"))
    _choice("--explain", explain or "excluded", ("excluded",))
    shown = inputs.whole_numbers(top, least=0)[0]
    catalog, book = _load(specs)
    options = {**ctx.params, "profile": profile or objective}
    request = inputs.requirements(options, catalog, book)
    from .recommend import advise  # noqa: PLC0415

    advice = advise(request, catalog, book)
    if form == "json":
        from .contract import as_json  # noqa: PLC0415

        output.write(output.as_json(as_json(advice, catalog, book)), out)
    elif form == "md":
        from .report import markdown  # noqa: PLC0415

        output.write(markdown.report(advice, catalog, book, top=shown), out)
    else:
        from .report import text  # noqa: PLC0415

        output.write(
            text.report(
                advice, catalog, book, width=output.width(), top=shown, explain=explain is not None, paint=output.paint(out)
            ),
            out,
        )
    if advice.recommendation is None:
        raise typer.Exit(NOTHING_QUALIFIES)


@app.command("predict")
def predict_command(
    model: Model,
    hardware: Hardware,
    batch: Annotated[str, typer.Option(help="Batches, separated by commas.", metavar="LIST")] = "1",
    dtype: Dtypes = None,
    runtime: Runtime = None,
    seq_len: SeqLen = None,
    size: Sizes = None,
    specs: Specs = None,
    form: Annotated[str, typer.Option("--format", "-f", help="text, csv or json.", metavar="FORMAT")] = "text",
    out: Out = None,
) -> None:
    """Predict bound, estimate and interval, batch by batch.

    One row for each chip, number format and batch; csv and json also have the causes of the time.

    \b
    advise predict --model resnet50 --hardware nvidia-h100-sxm --batch 1,2,4,8 --dtype int8 --format csv
    """
    _choice("--format", form, ("text", "csv", "json"))
    catalog, _ = _load(specs)
    faults = inputs.Faults()
    chips = faults.take("--hardware", lambda: inputs.hardware(hardware, catalog), ())
    batches = faults.take("--batch", lambda: inputs.whole_numbers(batch), [])
    dtypes = faults.take("--dtype", lambda: inputs.dtypes(dtype), ())
    sizes = faults.take("--size", lambda: inputs.sizes(size or (), seq_len), {})
    run = faults.take("--runtime", lambda: inputs.runtime(runtime, catalog), GRAPH)
    faults.take("--model", lambda: catalog.workloads[model], None)
    faults.check()
    rows = predict(model, chips, batches, dtypes, sizes=sizes, runtime=run, catalog=catalog)
    output.write({"csv": output.as_csv, "json": output.as_json, "text": output.predictions}[form](rows), out)


@app.command("list")
def list_command(
    what: Annotated[str, typer.Argument(help="hardware, workloads, rules, profiles, calibrations or measurements.")],
    kind: Annotated[str | None, typer.Option(help="Only hardware of these kinds.", metavar="KINDS")] = None,
    specs: Specs = None,
    form: Annotated[
        str, typer.Option("--format", "-f", help="text, csv or json (a plain list of objects).", metavar="FORMAT")
    ] = "text",
    out: Out = None,
) -> None:
    """List what the catalogue holds."""
    from . import browse  # noqa: PLC0415

    _choice("--format", form, ("text", "csv", "json"))
    catalog, book = _load(specs)
    rows = browse.listed(what, catalog, book)
    if kinds := inputs.kinds(kind):
        rows = [row for row in rows if row.get("kind") in kinds]
    output.write({"csv": output.as_csv, "json": output.as_json, "text": browse.list_text}[form](rows), out)


@app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(help="An id of any spec, or a file.", metavar="ID|FILE")],
    specs: Specs = None,
    form: Annotated[str, typer.Option("--format", "-f", help="text or json.", metavar="FORMAT")] = "text",
    out: Out = None,
) -> None:
    """Show one spec, with the source of every value.

    A chip, a model kernel by kernel, a rule, a profile, a calibration or a record of measurements.
    """
    from . import browse  # noqa: PLC0415

    _choice("--format", form, ("text", "json"))
    catalog, book = _load(specs)
    spec = browse.find(name, catalog, book)
    output.write(output.as_json(browse.show_json(spec)) if form == "json" else browse.show_text(spec), out)


@app.command("validate")
def validate_command(
    paths: Annotated[list[Path], typer.Argument(help="Spec files, or folders of them.", metavar="FILE...")],
    form: Annotated[str, typer.Option("--format", "-f", help="text or json.", metavar="FORMAT")] = "text",
) -> None:
    """Check spec files and name every fault.

    Each with file, line, column, pointer and what was expected; exit 0 when all are valid.
    """
    from . import browse  # noqa: PLC0415
    from .validation import files_of, validate_file  # noqa: PLC0415

    _choice("--format", form, ("text", "json"))
    outcomes = [validate_file(path) for path in files_of(paths)]
    if form == "json":
        output.write(
            output.as_json(
                [{"file": o.file, "valid": not o.faults, "faults": [_fault(f) for f in o.faults]} for o in outcomes]
            ),
            None,
        )
    else:
        output.write("".join(browse.outcome_text(outcome) for outcome in outcomes) or "no spec files there\n", None)
    if any(outcome.faults for outcome in outcomes) or not outcomes:
        raise typer.Exit(FAULTY)


@app.command("derive")
def derive_command(
    model: Annotated[str, typer.Argument(help="An id of `advise list workloads`.", metavar="MODEL")],
    hardware: Annotated[str, typer.Option(help="The chip: an id of `advise list hardware`.", metavar="ID")],
    dtype: Annotated[str | None, typer.Option(help="Number format; 16 bits without it.", metavar="DTYPE")] = None,
    batch: Annotated[str, typer.Option(help="Samples per pass.", metavar="N")] = "1",
    runtime: Runtime = None,
    latency: Annotated[str | None, typer.Option(help="A limit to solve for.", metavar="TIME")] = None,
    seq_len: SeqLen = None,
    size: Sizes = None,
    specs: Specs = None,
    form: Annotated[str, typer.Option("--format", "-f", help="text, md, latex or json.", metavar="FORMAT")] = "text",
    out: Out = None,
) -> None:
    """Derive the figures of a model on a chip, step by step.

    The closed forms, with their numbers substituted.
    """
    from engine.network import build  # noqa: PLC0415
    from engine.units import parse  # noqa: PLC0415

    from . import derive  # noqa: PLC0415
    from .report import derivation  # noqa: PLC0415

    _choice("--format", form, ("text", "md", "latex", "json"))
    catalog, _ = _load(specs)
    faults = inputs.Faults()
    run = faults.take("--runtime", lambda: inputs.runtime(runtime, catalog), GRAPH)
    workload = faults.take("MODEL", lambda: catalog.workloads[model], None)
    machine = faults.take("--hardware", lambda: catalog.machine(hardware, dtype or _wide(catalog, hardware), run), None)
    batches = faults.take("--batch", lambda: inputs.whole_numbers(batch), [])
    limit = faults.take("--latency", lambda: parse(latency, "time") if latency else None, None)
    network = faults.take("--size", lambda: build(workload, inputs.sizes(size or (), seq_len)) if workload else None, None)
    faults.check()
    steps = derive.derive(network, machine, batches[0], limit, catalog=catalog)
    render = {"text": derivation.as_text, "md": derivation.as_markdown, "latex": derivation.as_latex}
    output.write(output.as_json(derivation.as_json(steps)) if form == "json" else render[form](steps), out)


@app.command("calibrate")
def calibrate_command(
    measurements: Annotated[
        list[Path],
        typer.Argument(
            help="Measurement specs, tables (.csv, .csv.gz) of a known kind, or folders of both.", metavar="FILE..."
        ),
    ],
    hardware: Annotated[str | None, typer.Option(help="The chip, where the measurements are of several.", metavar="ID")] = None,
    specs: Specs = None,
    form: Annotated[
        str, typer.Option("--format", "-f", help="How the report is printed: text or json.", metavar="FORMAT")
    ] = "text",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Write the spec to a file; else it is printed, and the report to stderr.", metavar="FILE"
        ),
    ] = None,
) -> None:
    """Fit the constants of one chip to measurements.

    From one point up; the result is a calibration spec.

    \b
    advise calibrate my-measurements/ --hardware acme-one -o my-specs/calibrations/acme-one.json
    """
    _choice("--format", form, ("text", "json"))
    _need_scipy()
    from .lab import calibrate, evidence, fitted  # noqa: PLC0415
    from .report import calibration  # noqa: PLC0415

    catalog, _ = _load(specs)
    chip = None if hardware is None else catalog.accelerators[hardware].id
    chip, found = evidence.read(measurements, catalog, chip)
    result = calibrate.calibrate(chip, found, catalog)
    spec, besides = fitted.specification(result, found, catalog, datetime.now(tz=UTC).date().isoformat())
    output.write(calibration.checked_text(spec), out)
    if form == "json":
        told = output.as_json(calibration.report_json(result, spec, besides))
    else:
        told = calibration.report(result, spec, besides, output.width())
    output.write(told, None) if out is not None else typer.echo(told, err=True, nl=False)


def _need_scipy() -> None:
    if find_spec("scipy") is None:
        raise inputs.RequestError("advise calibrate needs SciPy, of the extra lab: pip install 'roofwise[lab]'")


@app.command("accuracy")
def accuracy_command(
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data",
            help="Measurements to compare with instead of those that ship: a table (.csv, .csv.gz), a measurement spec, or a "
            "folder of both. Repeatable.",
            metavar="PATH",
        ),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="A row for each of these, separated by commas: kind, hardware, dtype, operator, network, runtime, software.",
            metavar="LIST",
        ),
    ] = "kind,operator,network,dtype,runtime",
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw predicted against measured times, too: a file .svg, .png or .html.", metavar="FILE"),
    ] = None,
    specs: Specs = None,
    form: Annotated[str, typer.Option("--format", "-f", help="text, md, json or csv.", metavar="FORMAT")] = "text",
    out: Out = None,
) -> None:
    """Compare predictions with measurements.

    Errors, how often bound and interval hold, and what the roofline says on the same points.

    \b
    advise accuracy --by hardware,runtime
    advise accuracy --data measured.csv --plot measured.svg
    """
    from .lab import accuracy, contract  # noqa: PLC0415
    from .report import accuracy as shown  # noqa: PLC0415
    from .report import plot as drawn  # noqa: PLC0415

    _choice("--format", form, ("text", "md", "json", "csv"))
    faults = inputs.Faults()
    groups = faults.take("--by", lambda: tuple(dict.fromkeys(inputs.names(inputs.split(by), accuracy.LABELS, "label"))), ())
    if plot is not None:
        faults.take("--plot", lambda: drawn.check(plot), None)
    faults.check()
    catalog = load(inputs.spec_directories(specs or ()))
    report = accuracy.report(_measured(data, catalog), catalog, groups)
    if plot is not None:
        output.write_bytes(drawn.draw(report.points, plot.suffix), plot, "--plot")
    if form == "text":
        output.write(shown.text(report, width=output.width(), paint=output.paint(out)), out)
    elif form == "md":
        output.write(shown.markdown(report), out)
    else:
        json = form == "json"
        output.write(output.as_json(contract.as_json(report)) if json else output.as_csv(contract.as_rows(report)), out)


def _measured(data: Sequence[Path] | None, catalog: Catalog) -> Any:
    """Return what tables and folders hold, or the measurement specs of the catalogue."""
    from .lab.points import Published  # noqa: PLC0415
    from .lab.sweeps import of_spec  # noqa: PLC0415
    from .lab.tables import read  # noqa: PLC0415

    found = [read(path, catalog) for path in data] if data else [of_spec(record, catalog) for record in catalog.measurements]
    return sum(found, start=Published())


def _wide(catalog: Catalog, hardware: str) -> str:
    dtypes = catalog.accelerators[hardware].dtypes
    return next((dtype for dtype in ("bf16", "fp16") if dtype in dtypes), dtypes[0])


def _load(specs: Sequence[Path] | None) -> tuple[Catalog, Rulebook]:
    directories = inputs.spec_directories(specs or ())
    return load(directories), load_rulebook(directories)


def _choice(option: str, value: str, valid: Sequence[str]) -> None:
    if value not in valid:
        near = closest(value, valid)
        hint = f"did you mean {near}?" if near else f"use {', '.join(valid)}"
        raise inputs.RequestError(f"{option}: no {value[:40]!r}; {hint}")


def _version() -> NoReturn:
    from engine import __version__  # noqa: PLC0415

    typer.echo(f"roofwise {__version__}")
    raise typer.Exit


def _fault(fault: Any) -> dict[str, Any]:
    return {name: getattr(fault, name) for name in ("file", "line", "column", "pointer", "found", "expected", "suggestion")}


_UsageError: Final[type[Any]] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""The base of all errors in options and arguments; typer may bring its own copy of click."""


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = app(args=arguments, prog_name="advise", standalone_mode=False)
        sys.stdout.flush()
    except _UsageError as error:
        return _report([error.format_message().replace("\n", " ")])
    except SpecError as error:
        return _report([str(fault) for fault in error.faults])
    except RoofwiseError as error:
        return _report(str(error).splitlines())
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return int(code or 0)


def _report(lines: Iterable[str]) -> int:
    for line in lines:
        print(f"error: {line}", file=sys.stderr)  # noqa: T201
    return FAULTY


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit with its code."""
    sys.exit(_run(arguments))


if __name__ == "__main__":
    main()
