"""Options that several commands share. Nothing heavy is imported here, so that help and completion are instant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from .completion import DTYPES, RUNTIMES, files, ids, one, several, words

MODEL_HELP: Final = "Workload: an id of `advise list workloads`, or the .json file of one, as `advise import` writes it."
Model = Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP, metavar="ID|FILE", autocompletion=one(ids("workloads")))]
Hardware = Annotated[
    str,
    typer.Option(
        help="Chips, separated by commas: ids of `advise list hardware`.",
        metavar="IDS",
        autocompletion=several(ids("accelerators")),
    ),
]
Dtypes = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        help="Number formats, separated by commas: bf16, fp16, int8, ...",
        metavar="DTYPES",
        autocompletion=several(DTYPES),
    ),
]
SeqLen = Annotated[str | None, typer.Option("--seq-len", help="Tokens per sample, where the model has them.", metavar="N")]
Sizes = Annotated[
    list[str] | None, typer.Option("--size", help="Another size of the model, as in image=320. Repeatable.", metavar="NAME=N")
]
Runtime = Annotated[
    str | None,
    typer.Option(
        help="How the software runs the model: graph (every kernel tuned, as TensorRT does; without this option), compiled "
        "(torch.compile, Paddle-TRT and the like), session (a framework that walks a stored graph: TensorFlow, MXNet, "
        "PaddlePaddle), eager (one that launches operator by operator, as PyTorch does) or eager_v1 (the same where attention "
        "is no operator of its own, as before PyTorch 2.0).",
        metavar="WORD",
        autocompletion=one(RUNTIMES),
    ),
]
Specs = Annotated[
    list[Path] | None,
    typer.Option(
        "--specs",
        help="A folder with your own accelerators/, workloads/, rules/, ...; yours win over ours. Repeatable; "
        "ROOFWISE_SPECS may name more.",
        metavar="DIR",
        autocompletion=files,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Write to a file instead of the terminal.", metavar="FILE", autocompletion=files),
]


Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at a faulty spec of your own; without it the file is left out, and named.")
]
Threads = Annotated[
    int | None,
    typer.Option(help="Threads of the runtime; without this option, one for each core.", min=1, max=1024, metavar="N"),
]
Device = Annotated[
    str, typer.Option(help="cpu, or cuda with onnxruntime-gpu.", metavar="WORD", autocompletion=one(words("cpu", "cuda")))
]
FixedAxes = Annotated[
    list[str] | None,
    typer.Option("--size", help="Fix an axis that the file leaves open, as in seq_len=128. Repeatable.", metavar="NAME=N"),
]
SecondsEach = Annotated[float, typer.Option(help="Time for each batch.", min=0.01, max=600, metavar="S")]
Author = Annotated[str, typer.Option(help="Who measured, for those that you give the record to.", metavar="TEXT")]
SummaryForm = Annotated[
    str,
    typer.Option(
        "--format",
        "-f",
        help="How the summary is printed: text or json.",
        metavar="FORMAT",
        autocompletion=one(words("text", "json")),
    ),
]
