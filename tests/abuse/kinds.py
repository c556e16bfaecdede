"""Kinds of abuse: each makes one case of a random choice, runs it, and returns what was wrong; nothing for nearly all.

`tests/abuse` runs a few of each, always the same; `benchmarks/soak.py` runs them without end. A case writes into the folder
that it is given, and is run inside it.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from abuse import expressions, graphs
from abuse.commands import affordable, arguments, commands, paths_in
from abuse.mutations import configs, containers, encoded, mutated, nudged, specs
from abuse.runner import CODES, run

from advisor.importers import hf
from advisor.importers.onnx.importer import Wanted, import_onnx
from advisor.lab.tables import TABLES
from advisor.report import findings
from advisor.report.spec import checked_text
from advisor.validation import Report, validate_document
from engine.documents import read_bytes
from engine.errors import ExpressionError, RoofwiseError
from engine.expressions import parse

Kind = Callable[[random.Random, Path], list[str]]


def chosen(rng: random.Random, *kinds: str) -> str:
    """Return the text of a spec that ships or is in the corpus; of some kinds, where they are named."""
    names = [(name, text) for name, text in specs() if not kinds or name.split("/")[-2].removesuffix("s") in kinds]
    return rng.choice(names)[1]


# In the process: readers without the command around them.


def judged(content: bytes) -> list[str]:
    """Return what is wrong with how the bytes of a file are judged: every form is printed, every place lies in the file."""
    document = read_bytes(content, "case.json")
    outcome = validate_document(document)
    report = Report(outcomes=(outcome,))
    for form in findings.FORMATS:
        findings.printed(report, form).encode("utf-8", "replace")
    lines = document.text.split("\n")
    wrong = [f"a finding without a known id: {fault}" for fault in outcome.faults if fault.rule not in findings.codes()]
    if document.text:
        outside = (fault for fault in outcome.faults if fault.column > len(lines[fault.line - 1]) + 1)
        wrong += [f"a place outside the file: {fault}" for fault in outside]
    return wrong


def spec(rng: random.Random, _folder: Path) -> list[str]:
    """Judge a mutated spec."""
    return judged(mutated(rng, chosen(rng)))


def config(rng: random.Random, _folder: Path) -> list[str]:
    """Import a mutated configuration of a Hugging Face model: a workload, or errors that name their place."""
    text = rng.choice(configs())[1]
    if rng.random() < 0.2:
        text = json.dumps(json.loads(text) | {"model_type": rng.choice([*hf.FAMILIES, *hf.MISSING, "unheard-of"])})
    text = nudged(rng, text) if rng.random() < 0.3 else mutated(rng, text).decode("utf-8", "surrogateescape")
    try:
        hf.summary(hf.imported(text, "config.json", phase=rng.choice(("prefill", "decode"))))
    except RoofwiseError as error:
        return [] if str(error).startswith("config.json:") else [f"no place in {error}"]
    return []


def graph(rng: random.Random, folder: Path) -> list[str]:
    """Import a broken ONNX file: a workload, or an error."""
    path = folder / "broken.onnx"
    path.write_bytes(graphs.broken(rng))
    try:
        made = import_onnx(path, Wanted(date="2026-01-01"))
        checked_text(made.workload, "broken.json")
    except RoofwiseError as error:
        return [] if str(error).strip() else [f"an error without words: {error!r}"]
    return []


def expression(rng: random.Random, _folder: Path) -> list[str]:
    """Parse and evaluate an expression, over single values and arrays; or write it wherever a spec may have one."""
    text = expressions.text(rng)
    try:
        parsed = parse(text)
        values = {name: rng.choice(expressions.VALUES) for name in parsed.names}
        arrays = parsed.over({name: float("nan") if value is None else float(value) for name, value in values.items()})
        assert arrays.shape == ()
        parsed(values)
    except ExpressionError:
        pass
    kinds = ("rule", "check", "claim", "profile", "workload")
    data = json.loads(chosen(rng, *kinds))
    places = [
        (place, key)
        for place in containers(data)
        for key in (place if isinstance(place, dict) else range(len(place)))
        if isinstance(place[key], str)
    ]
    place, key = rng.choice(places)
    place[key] = rng.choice([text, f"{{{text}}}", place[key] + text])
    return judged(encoded(rng, json.dumps(data)))


# Through the command.


def of_command(rng: random.Random, folder: Path) -> list[str]:
    """Run a random command with random arguments in a folder of files that it may name."""
    paths_in(folder)
    texts = arguments(rng, rng.choice(commands()))
    while not affordable(texts):
        texts = arguments(rng, rng.choice(commands()))
    return run(*texts, stdin=b"{}").faults()


def validate(rng: random.Random, folder: Path) -> list[str]:
    """Validate a mutated spec through the command, from a file or standard input, in any form."""
    content = mutated(rng, chosen(rng))
    (folder / "case.json").write_bytes(content)
    form = rng.choice(tuple(findings.FORMATS))
    ran = run("validate", rng.choice(["case.json", "-", "."]), "--format", form, stdin=content)
    return ran.faults(frozenset({0, 2}))


EXPLORE: Final = ("explore", "--workers", "1", "--vary", "bandwidth=0.2..8TB/s:4", "--vary", "peak=1..900TFLOP/s:3")
QUESTIONS: Final[tuple[tuple[str, ...], ...]] = (
    ("--model", "{model}", "--latency", "{time}", "--format", "{form}"),
    ("--model", "{model}", "--latency", "{time}", "--explain", "excluded", "--top", "99"),
    ("--model", "{model}", "--hardware", "{chip}", "--format", "{form}"),
    ("--model", "{model}", "--throughput", "100/s", "--profile", "{profile}", "--allow-modelled"),
    ("predict", "--model", "{model}", "--hardware", "{chip}", "--batch", "1..64x2", "--format", "json"),
    ("sweep", "--model", "{model}", "--hardware", "{chip}", "--format", "json"),
    ("insights", "--models", "{model}", "--hardware", "{chip}", "--batch", "1,8,64", "--format", "{form}"),
    ("derive", "{model}", "--hardware", "{chip}", "--batch", "8", "--latency", "{time}"),
    (*EXPLORE, "--model", "{model}", "--base", "{chip}", "--latency", "{time}", "--format", "json"),
    (*EXPLORE, "--model", "{model}", "--base", "{chip}", "--cost", "peak/1e12 + tdp", "--minimize", "cost"),
    ("show", "{chip}", "--format", "{form}"),
    ("show", "{model}", "--hardware", "{chip}", "--format", "{form}"),
    ("compare", "{chip}", "nvidia-t4", "--format", "{form}"),
    ("list", "hardware", "--format", "{form}"),
    ("list", "workloads", "--sort", "-parameters", "--format", "json"),
    ("list", "rules", "--format", "json"),
    ("validate", "mine", "--format", "json"),
    ("claims", "mine/case-0.json", "--format", "json"),
)  # fmt: skip
"""What is asked about a folder of specs; the words in braces are of it."""


def own_specs(rng: random.Random, folder: Path) -> list[str]:
    """Ask about a folder of one's own specs with numbers nobody thought of, or mutated: an answer, or named faults."""
    words = {"model": "resnet18", "chip": "nvidia-l4", "profile": "balanced", "time": rng.choice(["10ms", "1ns", "9h"]),
             "form": rng.choice(["text", "json", "md"])}  # fmt: skip
    for index in range(rng.choice([1, 1, 2, 3])):
        text = chosen(rng)
        words |= _named(text)
        _put(folder, index, nudged(rng, text).encode() if rng.random() < 0.7 else mutated(rng, text), rng)
    question = [part.format_map(words) for part in rng.choice(QUESTIONS)]
    own = () if question[0] == "validate" else ("--specs", "mine")
    strict = ("--strict",) if rng.random() < 0.1 else ()
    return run(*question, *own, *strict).faults()


def _named(text: str) -> dict[str, str]:
    """Return the word by which a question asks for a spec."""
    data = json.loads(text)
    word = {"graph": "model", "peak_dense": "chip", "constraints": "profile", "minimize": "profile"}
    return next(({word[key]: data["id"]} for key in word if key in data and "of" not in data), {})


def _put(folder: Path, index: int, content: bytes, rng: random.Random) -> None:
    path = folder / "mine" / rng.choice(["", "", "deep/er", "accelerators", "rules"]) / f"case-{index}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def claim(rng: random.Random, folder: Path) -> list[str]:
    """Judge claims with other numbers and other expressions."""
    path = folder / "claim.json"
    text = chosen(rng, "claim")
    path.write_bytes(nudged(rng, text).encode() if rng.random() < 0.7 else mutated(rng, text))
    return run("claims", str(path), "--format", rng.choice(["text", "json", "md"])).faults(frozenset({0, 2}))


def points(rng: random.Random, folder: Path) -> list[str]:
    """Search chips into a folder of points, break what lies there, and go on: the same answer, or named faults."""
    kind = rng.choice(["points.csv", "points.parquet"])
    asked = (*EXPLORE, "--model", "resnet18", "--latency", "10ms", "--points", kind, "--format", "json")
    first = run(*asked)
    files = sorted(path for path in (folder / kind).rglob("*") if path.is_file())
    for path in rng.sample(files, min(len(files), rng.choice([1, 1, 2]))):
        content = path.read_bytes()
        at = rng.randrange(len(content) + 1)
        path.write_bytes(
            rng.choice([content[:at], content[:at] + b"x" + content[at + 1 :], b"", content * 2, b"\0" * len(content)])
        )
        if rng.random() < 0.3:
            path.unlink()
    again = run(*asked)
    wrong = [*first.faults(), *again.faults()]
    return wrong if again.code == 2 or again.out == first.out else [*wrong, "another answer after the points were broken"]


def completion(rng: random.Random, folder: Path) -> list[str]:
    """Press the tab key anywhere in a command line, whole or not: words, or none, and never a message."""
    paths_in(folder)
    line = " ".join(
        ["advise", *arguments(rng, rng.choice(commands())), rng.choice(["", "--", "nvidia-", "'", '"', "-o=", "b,i"])]
    )
    line = line[: rng.choice([None, None, rng.randrange(len(line))])].encode("utf-8", "replace").decode().replace("\0", "")
    words = str(rng.randrange(len(line.split(" ")) + 2))
    env = rng.choice([
        {"_ADVISE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": words},
        {"_ADVISE_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line},
        {"_ADVISE_COMPLETE": "complete_fish", "_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    ])  # fmt: skip
    ran = run(env=env)
    told = [f"{line!r}: it told {ran.err[:200]!r}"] if ran.err and "Traceback" not in ran.err else []
    return [*ran.faults(), *told]


# Tables of measurements.

CELLS: Final = (
    "", "1", "0", "-1", "64", "4096", "1e9", "1e400", "nan", "inf", "0.5", "1e-9", "x", "H100", "L4", "A100", "bf16", "fp16",
    "int8", "torch", "TensorRT", "context", "generation", "bfloat16", "linear", "bmm", "softmax", "ln", "add", "resnet50",
    "bert-base", "9" * 400, "é", "\0", '"', "1,2", "٣", "a" * 200_000, "True", "Offline", "SingleStream", "224x224", "384",
)  # fmt: skip
FITTING: Final[Mapping[str, tuple[str, ...]]] = {
    "chip": ("L4", "H100", "A100", "T4"), "device": ("P4", "V100", "L4"), "hardware": ("L4", "NVIDIA A100"),
    "op": ("linear", "bmm", "add"), "dtype": ("bf16", "fp8", "fp16"), "framework": ("torch", "trtllm"),
    "phase": ("context", "generation"), "kv_cache_dtype": ("bfloat16",), "model": ("resnet50", "bert-base"),
    "precision_norm": ("int8", "fp16"), "software": ("TensorRT", "PyTorch"),
}  # fmt: skip


@cache
def _headers() -> tuple[tuple[str, ...], ...]:
    return tuple(table.columns for table in TABLES)


def _cell(rng: random.Random, column: str) -> str:
    if rng.random() < 0.02:
        return rng.choice(CELLS)
    return rng.choice(FITTING[column]) if column in FITTING else str(rng.choice([1, 2, 8, 64, 128, 1024, 0.5, 12.5]))


def table(rng: random.Random, folder: Path) -> list[str]:
    """Hold predictions against a made-up table of measurements, or fit a chip to it."""
    columns = list(rng.choice(_headers()))
    if rng.random() < 0.1:
        columns[rng.randrange(len(columns))] = rng.choice(["", "x", columns[0], "é"])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=rng.choice(["\n", "\r\n"]))
    writer.writerows([columns, *([_cell(rng, name) for name in columns] for _ in range(rng.choice([0, 1, 5, 60])))])
    content = encoded(rng, text.getvalue())
    path = folder / rng.choice(["table.csv", "table.csv.gz"])
    packed = path.suffix == ".gz" and rng.random() < 0.9
    path.write_bytes(gzip.compress(content)[: rng.choice([None, None, None, 30])] if packed else content)
    form = rng.choice(["text", "json", "csv", "md"])
    asked = rng.choice([
        ("accuracy", "--data", str(path), "--format", form, "--by", rng.choice(["hardware,network", "kind", "operator,dtype"])),
        ("calibrate", str(path), "--hardware", rng.choice(["nvidia-l4", "nvidia-h100-sxm"])),
    ])  # fmt: skip
    return run(*asked).faults(CODES)


KINDS: Final[Mapping[str, Kind]] = {
    "spec": spec, "config": config, "graph": graph, "expression": expression, "command": of_command, "validate": validate,
    "own": own_specs, "claim": claim, "table": table, "points": points,
    "completion": completion,
}  # fmt: skip
"""Name -> what makes, runs and judges a case in this process. `abuse.processes` has those that need one of their own."""
