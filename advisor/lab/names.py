"""What published names mean: chips, networks and number formats of the catalogue, and how a software runs a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.accelerator import Accelerator
from engine.catalog import Catalog, measured_names
from engine.measurement import Runtime

OUTSIDE: Final[Mapping[str, str]] = {
    "chip": "the chip is not in the catalogue, or its name is that of several products",
    "format": "the number format is not one of the chip's, or the publisher does not state it",
    "network": "the network is not in the catalogue, or its name does not say which it is",
    "another network": "the arithmetic that the row states is not that of the network with its name",
    "sizes": "the size of the samples is not stated, or is none that the network may have",
    "load": "the time is that of a client or of a load of requests, not that of a pass",
    "devices": "several devices, or it is not stated how many",
    "sparse": "weights are sparse, so that peaks count double",
    "padding": "padding is left out, so that the pass has less arithmetic than the network",
    "generation": "tokens are generated one by one, which is not one pass",
    "no time": "neither a latency nor a throughput is given",
}
"""Reason -> why no statement is made about a row."""

FORMATS: Final[Mapping[str, str]] = {
    "fp16": "fp16",
    "amp-fp16": "fp16",
    "bf16": "bf16",
    "amp-bf16": "bf16",
    "fp32": "fp32",
    "tf32": "tf32",
    "tf32-default": "tf32",
    "fp64": "fp64",
    "fp8": "fp8",
    "int8": "int8",
    "int8-v1": "int8",
    "int8-v2": "int8",
    "w8a8": "int8",
}
"""Precision of a whole network as published -> number format. Mixed precision counts as the narrow one, which is sound."""

RECIPES: Final[Mapping[str, str]] = {
    "bfloat16": "bf16",
    "float16": "fp16",
    "tf32": "tf32",
    "fp8": "fp8",
    "fp8_block": "fp8_block",
    "nvfp4": "fp4",
    "int8_wo": "int8_weights",
}
"""Format of a matrix product as published -> ours."""
PEAK_OF: Final[Mapping[str, str]] = {"fp8_block": "fp8", "int8_weights": "bf16"}
"""Recipe -> the number format at whose peak it multiplies; any other format multiplies at its own."""

COMPILED: Final = (
    "paddle-trt", "fastertransformer", "ft", "cpp", "torch op", "trt plugin", "deepspeed", "inductor", "onnx", "lightseq",
    "torch.compile",
)  # fmt: skip
"""What the name of a software begins with, or has as a word, that fuses and compiles inside a framework, or has a library of
kernels made for a kind of network: it stays behind a runtime that tunes every kernel. Asked before `GRAPH`."""
GRAPH: Final = ("tensorrt", "trt", "aitemplate", "hailort", "qaic", "neuron", "tpu-mlir", "ascend", "openvino")
"""The same for a runtime that compiles the whole network and tunes its kernels for the chip."""
SESSION: Final = ("tensorflow", "tf", "mxnet", "paddlepaddle")
"""The same for a framework that walks a stored graph operator by operator, so that no interpreter stands between them. So does
TensorFlow with XLA, which fuses clusters that a host still issues: its small batches take as long as without it.

Everything else (PyTorch, Hugging Face) is eager: the host issues every operator.
"""
EAGER_V1: Final = ("pytorch 1", "torchscript", "torch.jit.trace")
"""The same for an eager framework of the time before attention was one operator, as PyTorch was before 2.0."""
BEFORE_PYTORCH_2: Final = "fastertransformer"
"""A word in the name of a source whose tables are all of that time."""
PADDING_REMOVED: Final = "eff"
"""A word in the name of software of FasterTransformer that skips the padding of short texts."""


def chip_of(name: str, names: Mapping[str, str]) -> str | None:
    """Return the id of the chip that measurements call `name`, or None."""
    return names.get(name.strip().casefold())


def chips(catalog: Catalog) -> dict[str, str]:
    """Return the id of every chip by the names, folded, that measurements may have for it; its id is one of them."""
    return {chip.id: chip.id for chip in catalog.accelerators} | measured_names(catalog.accelerators)


def networks(catalog: Catalog) -> dict[str, str]:
    """Return the id of every workload by the names, folded, that measurements may have for it; its id is one of them."""
    return {workload.id: workload.id for workload in catalog.workloads} | measured_names(catalog.workloads)


def peak_dtype(recipe: str) -> str:
    """Return the number format at whose peak a format or recipe multiplies."""
    return PEAK_OF.get(recipe, recipe)


def network_format(published: str, chip: Accelerator) -> str | None:
    """Return the number format of a network's published precision on a chip, or None where the chip has no such peak.

    Frameworks and TensorRT run 32-bit products in TF32 where a chip has it, unless told otherwise.
    """
    dtype = FORMATS.get(published.strip().casefold())
    if dtype == "fp32" and "tf32" in chip.peak_dense:
        dtype = "tf32"
    return dtype if dtype in chip.peak_dense else None


def words(software: str) -> set[str]:
    """Return the words of a software's name, folded.

    >>> sorted(words("EFF-FT [PyTorch]"))
    ['eff', 'ft', 'pytorch']
    """
    return set("".join(c if c.isalnum() or c == "." else " " for c in software.casefold()).split())


def runtime_of(software: str, source: str = "") -> Runtime:
    """Return how a software runs a network: "graph" for one that tunes every kernel, and the other words of a record.

    The source tells the time of a framework whose version is not stated.

    >>> runtime_of("TensorRT 8"), runtime_of("PyTorch 1.12 eager"), runtime_of("FT cpp"), runtime_of("PaddlePaddle")
    ('graph', 'eager_v1', 'compiled', 'session')
    >>> runtime_of("torch"), runtime_of("torch", "NVIDIA-FasterTransformer")
    ('eager', 'eager_v1')
    """
    folded, parts = software.casefold(), words(software)

    def has(names: tuple[str, ...]) -> bool:
        return any(folded.startswith(name) or name in parts for name in names)

    kinds: tuple[tuple[Runtime, tuple[str, ...]], ...] = (
        ("compiled", COMPILED), ("graph", GRAPH), ("session", SESSION), ("eager_v1", EAGER_V1),
    )  # fmt: skip
    eager: Runtime = "eager_v1" if BEFORE_PYTORCH_2 in words(source) else "eager"
    return next((kind for kind, names in kinds if has(names)), eager)
