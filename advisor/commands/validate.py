"""`advise validate`: every fault of spec files."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from ..completion import files, one, words
from ..exits import FAULTY
from ..options import Out

_FORMATS: Final = ("text", "json", "sarif", "github")
WARNED: Final = 1
"""Exit code with --strict where there are warnings, and no errors."""


def command(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Spec files, folders of them, patterns such as 'specs/**/*.json'; - is stdin.",
            metavar="FILE",
            autocompletion=files,
        ),
    ],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            help="text, json, sarif (code scanning) or github (annotations).",
            metavar="FORMAT",
            autocompletion=one(words(*_FORMATS)),
        ),
    ] = "text",
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 where there are only warnings.")] = False,
    stdin_name: Annotated[str, typer.Option(help="What to call the file that stdin brings.", metavar="NAME")] = "<stdin>",
    out: Out = None,
) -> None:
    """Check spec files and name every fault.

    Each with file, line, column, pointer and what was expected: as you write a spec, and in CI. Nothing is estimated.

    \b
    Examples:
      advise validate my-specs/
      advise validate 'my-specs/**/*.json' --format github
      advise validate my-specs/ --format sarif --out specs.sarif

    Exit codes: 0 all are valid, 1 there are warnings and --strict, 2 there are errors.
    """
    from engine.documents import MAX_BYTES

    from .. import browse, inputs, output
    from ..report import findings
    from ..validation import STDIN, validate_paths

    inputs.choice("--format", form, _FORMATS)
    report = validate_paths(paths, inputs.standard_input(MAX_BYTES) if STDIN in paths else None, stdin_name)
    (only, *others) = report.outcomes
    facts = browse.outcome_text(only) if only.spec is not None and not others else ""
    output.write(findings.printed(report, form, facts), out)
    if report.count("error"):
        raise typer.Exit(FAULTY)
    if strict and report.count("warning"):
        raise typer.Exit(WARNED)
