"""`advise schema`: the JSON Schema of a kind of spec or of an answer."""

from __future__ import annotations

from typing import Annotated

import typer

from ..completion import one, schemas
from ..options import Out


def command(
    name: Annotated[
        str | None, typer.Argument(help="A schema; without one, their names.", metavar="NAME", autocompletion=one(schemas))
    ] = None,
    out: Out = None,
) -> None:
    """Print the JSON Schema of a spec or an answer.

    Editors that know JSON Schema complete and check a spec whose `$schema` leads to a copy. The schemas of answers are what a
    program that reads them may rely on.

    \b
    Examples:
      advise schema
      advise schema accelerator -o accelerator.schema.json

    Exit codes: 0 it is printed, 2 there is no such schema.
    """
    from engine.catalog import data_root

    from .. import inputs, output

    suffix = ".schema.json"
    files = {path.name.removesuffix(suffix): path for path in sorted((data_root() / "schemas").glob(f"*{suffix}"))}
    if name is None:
        output.write("".join(f"{known}\n" for known in files), out)
        return
    inputs.choice("NAME", name, tuple(files))
    output.write(files[name].read_text(encoding="utf-8"), out)
