"""The sound lower bound of everything measured [s]: of every kernel, and of every point of a sweep. Form: docs/model.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from engine import _compiled as forms
from engine import predict
from engine.accelerator import Accelerator
from engine.assembly import bound_memory
from engine.catalog import Catalog
from engine.machine import DTYPE_BYTES

from . import names
from .points import Array, Kernels, Operator, Sweep

HALF_BYTES: Final = 2.0
"""Bytes of an element of a 16-bit result; products of narrower operands write such results."""
OPERANDS: Final[Mapping[str, tuple[float, float, float]]] = {
    "fp8": (1, 1, HALF_BYTES),
    "fp8_block": (1, 1, HALF_BYTES),
    "fp4": (0.5, 0.5, HALF_BYTES),
    "int8_weights": (HALF_BYTES, 1, HALF_BYTES),
}
"""Format of a product -> bytes of an element of the activations, the weights and the result; others have one size."""

Need = tuple[Array, Array]
"""Least arithmetic [FLOP], and bytes that must be touched once."""


def kernel_bound(kernels: Kernels, catalog: Catalog) -> Array:
    """Return the lower bound of every kernel [s]: least arithmetic at the highest clock, compulsory bytes beyond the chip.

    Without a published bandwidth or memory on the chip there is no memory term.
    """
    chip = catalog.accelerators[kernels.hardware]
    work, traffic = need(kernels)
    memory = bound_memory(chip)
    return np.asarray(
        forms.latency_lower_bound_s(
            work_min=work, traffic_min=traffic,
            peak_max=_peak(kernels, chip), bandwidth=memory["bound_bandwidth"], on_chip=memory["on_chip"],
        ),
        dtype=float,
    )  # fmt: skip


def need(kernels: Kernels) -> Need:
    """Return the least arithmetic [FLOP] and the compulsory bytes of every kernel."""
    return _NEEDS[kernels.operator](kernels.columns, kernels.format)


def _peak(kernels: Kernels, chip: Accelerator) -> Array:
    """Return the highest rate that each kernel may multiply at [FLOP/s]. With a KV cache in fp8 that is the peak of fp8."""
    peak = chip.peak_max_flop_per_s(names.peak_dtype(kernels.format))
    if "kv_bytes" not in kernels.columns or "fp8" not in chip.peak_dense:
        return np.full(len(kernels), peak)
    return np.where(kernels.columns["kv_bytes"] <= DTYPE_BYTES["fp8"], max(peak, chip.peak_max_flop_per_s("fp8")), peak)


def sweep_bound(sweep: Sweep, catalog: Catalog) -> Array:
    """Return the lower bound of every point of a sweep [s], as the engine has it for networks."""
    batches = [int(batch) for batch in sweep.batches]
    rows = predict(sweep.workload, [sweep.hardware], batches, [sweep.dtype], sizes=sweep.sizes, catalog=catalog)
    return np.array([row["latency_lower_bound_s"] for row in rows], dtype=float)


def _gemm(c: Mapping[str, Array], recipe: str) -> Need:
    """Every operand and the result once."""
    size = DTYPE_BYTES.get(recipe, HALF_BYTES)
    activations, weights, result = OPERANDS.get(recipe, (size, size, size))
    m, n, k, groups = c["rows"], c["columns"], c["contraction"], c["groups"]
    return 2 * m * n * k * groups, (m * k * activations + k * n * weights + m * n * result) * groups


def _prefill(c: Mapping[str, Array], recipe: str) -> Need:
    """Causal: of S tokens, S(S+1)/2 pairs of query and key, and all of them with the context before."""
    tokens, context = c["tokens"], c["context"]
    return _pairs(c, tokens * context + tokens * (tokens + 1) / 2, tokens, recipe)


def _decode(c: Mapping[str, Array], recipe: str) -> Need:
    """One query for each sequence, which sees its context and itself; the whole KV cache is read."""
    return _pairs(c, c["context"] + 1, np.ones(1), recipe)


def _pairs(c: Mapping[str, Array], pairs: Array, tokens: Array, recipe: str) -> Need:
    """Two products of 2 FLOP per element for each pair; queries, results, keys and values once."""
    each = c["batch"] * c["head_dim"]
    queries = 2 * tokens * c["heads"] * DTYPE_BYTES[recipe]
    keys = 2 * (c["context"] + tokens) * c["kv_heads"] * c["kv_bytes"]
    return 4 * each * c["heads"] * pairs, each * (queries + keys)


def _conv(c: Mapping[str, Array], recipe: str) -> Need:
    """At stride 1 Winograd's limit, a multiplication for each result and pair of channels; else all of them."""
    taps, size = c["kernel"] ** 2, DTYPE_BYTES[recipe]
    result = ((c["height"] + 2 * c["padding"] - c["kernel"]) // c["stride"] + 1) ** 2
    multiplied = np.where(c["stride"] == 1, 1.0, taps)
    channels = c["in_channels"] * c["out_channels"]
    elements = c["batch"] * (c["in_channels"] * c["height"] ** 2 + c["out_channels"] * result) + channels * taps
    return 2 * c["batch"] * result * channels * multiplied, elements * size


def _vector(c: Mapping[str, Array], _recipe: str) -> Need:
    """No products; every operand and the result once."""
    elements = c["rows"] * c["width"]
    return np.zeros_like(elements), elements * c["bytes_per_element"]


_NEEDS: Final[Mapping[Operator, Callable[[Mapping[str, Any], str], Need]]] = {
    "gemm": _gemm,
    "prefill": _prefill,
    "decode": _decode,
    "conv": _conv,
    "elementwise": _vector,
    "softmax": _vector,
    "norm": _vector,
}
