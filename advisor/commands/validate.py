"""`advise validate`: every fault of spec files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import inputs, output
from ..options import FAULTY


def command(
    paths: Annotated[list[Path], typer.Argument(help="Spec files, or folders of them.", metavar="FILE...")],
    form: Annotated[str, typer.Option("--format", "-f", help="text or json.", metavar="FORMAT")] = "text",
) -> None:
    """Check spec files and name every fault.

    Each with file, line, column, pointer, the check that found it and what was expected; exit 0 when all are valid.
    Warnings leave a file valid.
    """
    from .. import browse  # noqa: PLC0415
    from ..validation import files_of, validate_file  # noqa: PLC0415

    inputs.choice("--format", form, ("text", "json"))
    outcomes = [validate_file(path) for path in files_of(paths)]
    if form == "json":
        output.write(
            output.as_json([{"file": o.file, "valid": o.valid, "faults": [_fault(f) for f in o.faults]} for o in outcomes]),
            None,
        )
    else:
        output.write("".join(browse.outcome_text(outcome) for outcome in outcomes) or "no spec files there\n", None)
    if not outcomes or not all(outcome.valid for outcome in outcomes):
        raise typer.Exit(FAULTY)


def _fault(fault: Any) -> dict[str, Any]:
    names = ("file", "line", "column", "pointer", "found", "expected", "suggestion", "rule", "severity")
    return {name: getattr(fault, name) for name in names}
