"""From the `config.json` of a Hugging Face model to a workload spec. No network: a file, or a text that was read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

from engine.catalog import load_document
from engine.documents import Document, read_text
from engine.errors import Fault, SpecError, closest
from engine.machine import DTYPE_BYTES
from engine.network import Network, build
from engine.units import render, significant
from engine.workload import Workload

from ..report.spec import spec_text
from . import decoders, encoders
from .config import Config
from .graphs import Logits, Model, Phase

MAX_BYTES: Final = 1_000_000
_MOST_NOTES: Final = 50
Reader = Callable[[str, Config, Phase, Logits], Model]

FAMILIES: Final[dict[str, Reader]] = {
    **dict.fromkeys(decoders.GATED, decoders.gated),
    "deepseek_v2": decoders.deepseek,
    "deepseek_v3": decoders.deepseek,
    "gemma3": decoders.gemma3,
    "gpt2": decoders.gpt2,
    "gpt_neox": decoders.gpt_neox,
    "opt": decoders.opt,
    "bert": encoders.bert,
    "roberta": encoders.bert,
    "distilbert": encoders.distilbert,
    "vit": encoders.vit,
    "whisper": encoders.whisper,
}
"""The reader of each `model_type`."""
ENCODERS: Final = ("bert", "roberta", "distilbert", "vit")
"""Those that generate nothing, so that they have no phases."""
MISSING: Final[dict[str, str]] = {
    "albert": "layers that share their weights",
    "bart": "an encoder and a decoder with norms behind attention",
    "bloom": "positions as a bias of the scores",
    "clip": "two towers",
    "cohere": "one norm for attention and feed-forward side by side",
    "deberta": "positions relative to each other",
    "deberta-v2": "positions relative to each other",
    "falcon": "one norm for attention and feed-forward side by side",
    "gpt_oss": "biases of experts and scores of a sink",
    "gptj": "one norm for attention and feed-forward side by side",
    "jamba": "state-space layers",
    "llama4": "experts in every other layer, and attention in chunks",
    "mamba": "state-space layers",
    "mamba2": "state-space layers",
    "mpt": "positions as a bias of the scores",
    "phi": "one norm for attention and feed-forward side by side",
    "qwen2_moe": "the gate of a shared expert",
    "qwen3_next": "layers of linear attention",
    "rwkv": "recurrent layers",
    "swin": "attention in shifted windows of an image",
    "t5": "positions relative to each other, and an encoder beside a decoder of that kind",
}
"""What a well-known `model_type` has that no operator or reader describes."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A workload made of a configuration, and what was not read of it."""

    workload: Workload
    kind: str
    notes: tuple[str, ...]
    text: str


def imported(
    text: str, file: str, *, phase: Phase = "prefill", logits: Logits = "last", identifier: str = "", name: str = ""
) -> Imported:
    """Return the workload of the text of a `config.json`. Raises SpecError with every fault, each with its place."""
    document = _document(text, file)
    kind = _kind(document)
    if phase == "decode" and kind in ENCODERS:
        told = document.fault(("model_type",), f"{kind!r}, which generates no tokens", "--phase prefill")
        raise SpecError([told])
    config = Config(document)
    model = FAMILIES[kind](kind, config, phase, logits)
    config.note("quantization_config", "the format of the weights is what --dtype asks for")
    config.check()
    notes = tuple(_plain(note) for note in (*config.notes, *(f"{field}: not read" for field in config.unread())))
    called = _plain(name) or _called(document, kind)
    made = _made(model, document, kind, identifier or _slug(called, phase), called, notes[:_MOST_NOTES])
    workload = _checked(made, document)
    return Imported(workload=workload, kind=kind, notes=notes[:_MOST_NOTES], text=spec_text(workload))


def _plain(text: str) -> str:
    """Return the first characters of a text that can be printed."""
    return "".join(character for character in text if character.isprintable())[:200]


def _document(text: str, file: str) -> Document:
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise SpecError([Fault(file, 1, 1, "", f"more than {MAX_BYTES:,} bytes", "the config.json of a model")])
    document = read_text(text, file)
    if document.faults:
        raise SpecError(document.faults)
    if not isinstance(document.data, dict):
        raise SpecError([document.fault((), f"a JSON {type(document.data).__name__}", "an object, as config.json is")])
    return document


def _kind(document: Document) -> str:
    """Return the `model_type`, or that of the architecture. Raises SpecError that names those that are supported."""
    stated = document.data.get("model_type")
    kind = stated if isinstance(stated, str) else _of_architecture(document.data.get("architectures"))
    if kind in FAMILIES:
        return kind
    supported = f"one of {', '.join(FAMILIES)}"
    if stated is None:
        raise SpecError([document.fault(("model_type",), "'model_type' is missing", supported)])
    lacks = f": {MISSING[kind]}, which is missing here" if kind in MISSING else ""
    near = closest(kind, FAMILIES) if kind else ""
    raise SpecError([document.fault(("model_type",), f"{str(stated)[:60]!r}{lacks}", supported, near)])


def _of_architecture(architectures: Any) -> str:
    """Return the `model_type` of an architecture such as LlamaForCausalLM, or nothing."""
    first = str(architectures[0]) if isinstance(architectures, list) and architectures else ""
    stem = re.sub(r"(For\w+|LMHeadModel|Model)$", "", first).lower()
    return {kind.replace("_", ""): kind for kind in FAMILIES}.get(stem, "")


def _called(document: Document, kind: str) -> str:
    """Return what the model is called: by the configuration, by its folder, or by its type."""
    stated = document.data.get("_name_or_path")
    path = PurePath(document.file)
    folder = path.parent.name if path.stem == "config" else path.stem
    for text in (PurePath(stated).name if isinstance(stated, str) else "", folder):
        if re.search(r"[A-Za-z0-9]", text):
            return _plain(text)
    return kind


def _slug(called: str, phase: Phase) -> str:
    slug = re.sub(r"[^a-z0-9._-]+", "-", called.lower()).strip("-._")[:70] or "model"
    return slug if phase == "prefill" else f"{slug}-decode"


_PASS: Final[dict[str, str]] = {"prefill": "one forward pass over the prompt", "decode": "one step of generation"}


def _made(model: Model, document: Document, kind: str, identifier: str, called: str, notes: tuple[str, ...]) -> dict[str, Any]:
    """Return the spec as its file has it."""
    generates = "seq_len" in model.sizes and "context" in model.sizes
    phase = "decode" if generates and model.sizes["context"][0] else "prefill"
    return {
        "$schema": "../../schemas/workload.schema.json",
        "id": identifier,
        "name": f"{called}, {_PASS[phase]}" if generates else called,
        "task": model.task,
        "source": "config",
        "sources": {"config": {"title": _source(document, kind)}},
        "sizes": {size: _size(*numbers) for size, numbers in model.sizes.items()},
        "inputs": dict(model.inputs),
        "graph": list(model.graph),
        "not_modelled": list(model.not_modelled),
        "notes": list(notes),
    }


def _size(default: int, minimum: int, maximum: int, unit: str) -> dict[str, Any]:
    return {"default": default, "minimum": minimum, "maximum": maximum, "unit": unit, "source": "config"}


def _source(document: Document, kind: str) -> str:
    digest = hashlib.sha256(document.text.encode("utf-8", "replace")).hexdigest()
    name = "standard input" if document.file == "-" else PurePath(document.file).name
    architectures, version = document.data.get("architectures"), document.data.get("transformers_version")
    named = [", ".join(map(str, architectures))] if isinstance(architectures, list) and architectures else []
    written = [f"transformers {version}"] if isinstance(version, str) else []
    parts = [f"Hugging Face configuration {name}, sha256 {digest}", *named, f"model_type {kind}", *written]
    return "; ".join(_plain(part) for part in parts)


def _checked(made: Mapping[str, Any], document: Document) -> Workload:
    """Return the workload, read as if it were a file. Raises SpecError where the fields of the configuration do not fit."""
    workload, faults = load_document(read_text(json.dumps(made), document.file), Workload)
    if workload is None:
        raise SpecError(document.fault((), f"no network of these sizes: {fault.found}", fault.expected) for fault in faults)
    return workload


# What is told of it.


def summary(result: Imported) -> list[tuple[str, str]]:
    """Return what the model asks for, as labels and texts: parameters, arithmetic, cache, and what was not read."""
    network = build(result.workload)
    lines = [("model", f"{result.workload.id}: {result.workload.name} ({result.kind})"), ("parameters", _parameters(network))]
    if list(result.workload.inputs) == ["tokens"] and "context" in network.sizes:
        lines.append(("work", _work_of_tokens(result.workload)))
    else:
        lines.append(("work", f"{significant(network.work / 1e9, 4)} GFLOP of a sample with {_sizes(network)}"))
    if network.cache_elements:
        lines.append(("KV cache", _cache(network)))
    return [*lines, *(("note", note) for note in result.notes)]


def _sizes(network: Network) -> str:
    return ", ".join(f"{size} {value}" for size, value in network.sizes.items())


def _parameters(network: Network) -> str:
    total, active = network.parameters, network.active_parameters
    told = f"{significant(total / 1e9, 4)} G ({total:,.0f})"
    return told if active == total else f"{told}, of which {significant(active / 1e9, 4)} G serve a token"


def work_of_tokens(workload: Workload) -> tuple[float, float]:
    """Return the arithmetic of one token without a context, and what one more token of context adds [FLOP]."""
    alone, after = (build(workload, {"seq_len": 1, "context": context}).work for context in (0, 1))
    return alone, after - alone


def _work_of_tokens(workload: Workload) -> str:
    alone, more = work_of_tokens(workload)
    return f"{significant(alone / 1e9, 4)} GFLOP for one token, and {significant(more / 1e6, 4)} MFLOP for each in its context"


def _cache(network: Network) -> str:
    """Return the cache of one token in several number formats, and what a sample holds at the default sizes."""
    each = network.cache_elements_per_token
    formats = ", ".join(f"{each * DTYPE_BYTES[dtype]:,.0f} B in {dtype}" for dtype in ("bf16", "fp8"))
    held = render(network.cache_elements * DTYPE_BYTES["bf16"], "size")
    return f"{each:,.0f} elements per token: {formats}; {held} in bf16 of a sample with {_sizes(network)}"
