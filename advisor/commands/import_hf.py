"""`advise import hf`: a workload from a Hugging Face configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..completion import files, one, words


def command(
    config: Annotated[
        str, typer.Argument(help="The config.json of a model, or - for standard input.", metavar="FILE", autocompletion=files)
    ],
    phase: Annotated[
        str,
        typer.Option(
            help="prefill: a pass over a prompt. decode: one step of generation, a token after a context. The graph is the "
            "same, the default sizes differ.",
            metavar="WORD",
            autocompletion=one(words("prefill", "decode")),
        ),
    ] = "prefill",
    logits: Annotated[
        str,
        typer.Option(
            help="Of which tokens logits are computed: last, as runtimes do, or all.",
            metavar="WORD",
            autocompletion=one(words("last", "all")),
        ),
    ] = "last",
    identifier: Annotated[str, typer.Option("--id", help="The id of the spec.", metavar="ID")] = "",
    name: Annotated[str, typer.Option(help="The name of the model.", metavar="TEXT")] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Write the spec to a file; else it is printed, and the summary to stderr.",
            metavar="FILE",
            autocompletion=files,
        ),
    ] = None,
) -> None:
    """Turn the config.json of a Hugging Face model into a workload.

    Decoders, mixtures of experts, encoders, vision transformers, Whisper. Nothing is downloaded. The summary says what was not
    read. The workload is a spec as any other, to give to --model.

    \b
    Examples:
      advise import hf config.json -o my-model.json
      advise predict -m my-model.json --hardware nvidia-h100-sxm --seq-len 1

    Exit codes: 0 it is imported, 2 the file is faulty or asks for what is not known.
    """
    from .. import inputs, output
    from ..importers import hf

    faults = inputs.Faults()
    faults.take("--phase", lambda: inputs.names([phase], ("prefill", "decode"), "phase"), None)
    faults.take("--logits", lambda: inputs.names([logits], ("last", "all"), "choice of logits"), None)
    faults.take("--id", lambda: inputs.identifier(identifier), "")
    faults.check()
    chosen: dict[str, Any] = {"phase": phase, "logits": logits, "identifier": identifier, "name": name[:200]}
    made = hf.imported(_text(config, hf.MAX_BYTES), config, **chosen)
    output.write(made.text, out)
    lines = hf.summary(made)
    width = max(len(label) for label, _ in lines)
    told = "".join(f"{label:{width}}  {text}\n" for label, text in lines)
    output.write(told, None) if out is not None else typer.echo(told, err=True, nl=False)


def _text(config: str, most: int) -> str:
    """Return the text of a configuration, no more of it than one byte beyond `most`."""
    from .. import inputs

    try:
        if config == "-":
            data = inputs.standard_input(most)
        else:
            with Path(config).open("rb") as file:
                data = file.read(most + 1)
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise inputs.RequestError(f"{config[:200]}: byte {error.start} is not UTF-8; give JSON in UTF-8") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise inputs.RequestError(f"{config[:200]}: {reason}; give a file, or - for standard input") from error
