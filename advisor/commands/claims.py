"""`advise claims`: a verdict on every claim of a study or a slide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from ..completion import files, one, words
from ..options import Out, Specs, Strict

_FORMATS: Final = ("text", "md", "html", "json")


def command(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Files of claims; without one, the study that ships.", metavar="FILE", autocompletion=files),
    ] = None,
    specs: Specs = None,
    strict: Strict = False,
    form: Annotated[
        str,
        typer.Option("--format", "-f", help="text, md, html or json.", metavar="FORMAT", autocompletion=one(words(*_FORMATS))),
    ] = "text",
    out: Out = None,
) -> None:
    """Judge the claims of a study or a slide.

    Each claim is held against itself, our lower bounds, our estimates and measured figures: holds, holds with correction,
    contradicts itself, contradicted by our bound, modelled only, not what we find.

    \b
    Examples:
      advise claims
      advise claims my-specs/claims/acme-slide.json --specs my-specs --format json

    Exit codes: 0 an answer, 2 the request or a spec is wrong.
    """
    from engine.catalog import data_root

    from .. import inputs, output
    from ..judge import judge
    from ..loading import load_claims, load_specs
    from ..report import claims as shown
    from ..report import document

    inputs.choice("--format", form, _FORMATS)
    catalog, _ = load_specs(specs, strict=strict)
    found = [load_claims(path) for path in files or sorted((data_root() / "specs" / "claims").glob("*.json"))]
    judged = [(file, judge(file, catalog)) for file in found]
    if form == "json":
        output.write(output.as_json(shown.as_json(judged)), out)
    elif form == "html":
        from ..report import html

        output.write(html.page(shown.as_document(judged)), out)
    elif form == "md":
        output.write(document.markdown(shown.as_document(judged)), out)
    else:
        output.write("\n".join(shown.text(*pair, output.width(), output.paint(out)) for pair in judged), out)
