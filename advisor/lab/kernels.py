"""Single kernels: which constants each operator has, their estimate for what was measured, and their fit."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from engine.calibration import KernelConstants
from engine.catalog import Catalog
from engine.single import KernelMachine, latency_s

from .fit import Fit, Prior, fit
from .points import Array, Kernels, Mask

PRODUCT: Final = (
    "launch", "sustained", "bandwidth_share", "cache_ratio", "feed", "wave_fill", "wave_sharing", "tile_drain", "split_cost",
    "overlap_loss", "energy_share",
)  # fmt: skip
STREAM: Final = ("launch", "bandwidth_share", "cache_ratio")
CONSTANTS: Final[Mapping[str, tuple[str, ...]]] = {
    "gemm": PRODUCT,
    "conv": ("launch", "launch_growth", "sustained", "bandwidth_share", "cache_ratio", "wave_sharing", "tile_fill", "tile_edge",
             "winograd", "misalignment", "transform", "transform_weights"),
    "prefill": ("launch", "sustained", "softmax_work", "bandwidth_share", "cache_ratio", "kv_factor", "wave_fill",
                "wave_sharing", "tile_efficiency"),
    "decode": ("launch", "sustained", "bandwidth_share", "cache_ratio", "slice_tokens", "walk", "wave_fill"),
    "elementwise": STREAM,
    "activation": STREAM,
    "softmax": STREAM,
    "norm": STREAM,
}  # fmt: skip
"""Operator -> the constants that a fit moves; the others stay as the prior has them."""

WHERE_GIVEN: Final = ("quantize_share", "head_loss")
"""Constants that a fit moves where the prior has them."""

SHARES: Final = frozenset({"wave_sharing", "overlap_loss", "tile_efficiency"})
"""Constants that cannot pass 1."""
RATES: Final = frozenset({"sustained", "bandwidth_share", "winograd"})
"""Shares of a published figure: a little above 1 is possible, since clocks pass the one behind the figure."""
_MOST: Final = 1.05
_LEAST: Final = 1e-3
SPREAD: Final = 0.7
"""Standard deviation of the logarithm of a constant about the family's, unless the fit is told otherwise."""

SPLIT: Final[Mapping[str, tuple[str, ...]]] = {
    "gemm": ("columns", "contraction"),
    "conv": ("in_channels", "out_channels"),
    "prefill": ("heads", "kv_heads", "head_dim", "tokens"),
    "decode": ("heads", "kv_heads", "head_dim", "context"),
    "elementwise": ("rows", "width"),
    "activation": ("rows", "width"),
    "softmax": ("rows", "width"),
    "norm": ("rows", "width"),
}
"""Operator -> the sizes that are held out together, so that a shape is never on both sides."""
_TWO_OPERANDS: Final = 12
"""Bytes that an elementwise function of two fp32 tensors moves for each element."""
HELD_OUT: Final = 4
"""One in so many shapes is held out."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What kernels are of one kind: operator, chip, format or recipe, and software."""

    operator: str
    hardware: str
    format: str
    software: str


def grouped(kernels: Iterable[Kernels]) -> dict[Key, Kernels]:
    """Return the kernels of each kind together. Attention over a cache in 8 bits counts as a format of its own.

    A prompt of one token is a decoding step: runtimes run it as one. An elementwise function of one tensor is an activation.
    """
    parts: dict[Key, list[Kernels]] = {}
    for one in kernels:
        for part in _by_phase(one):
            format_ = _attention_format(part)
            key = Key(_operator(part), part.hardware, format_, part.software)
            parts.setdefault(key, []).append(part)
    return {key: _joined(found) for key, found in sorted(parts.items())}


def _operator(kernels: Kernels) -> str:
    lone = kernels.operator == "elementwise" and bool((kernels.columns["bytes_per_element"] < _TWO_OPERANDS).all())
    return "activation" if lone else kernels.operator


def _attention_format(kernels: Kernels) -> str:
    narrow = "kv_bytes" in kernels.columns and len(kernels) > 0 and kernels.columns["kv_bytes"][0] <= 1
    return "fp8" if narrow else kernels.format


def _by_phase(kernels: Kernels) -> list[Kernels]:
    if kernels.operator != "prefill":
        return [kernels]
    alone = kernels.columns["tokens"] <= 1
    parts = [kernels.where(~alone), replace(kernels.where(alone), operator="decode")]
    return [part for part in parts if len(part)]


def _joined(parts: Sequence[Kernels]) -> Kernels:
    first = parts[0]
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in first.columns}
    return replace(first, columns=columns, seconds=np.concatenate([part.seconds for part in parts]))


def held_out(kernels: Kernels) -> Mask:
    """Return which kernels are kept from every fit: a quarter of the shapes, chosen by a checksum of their sizes."""
    columns = [kernels.columns[name].astype(np.int64) for name in SPLIT[kernels.operator]]
    table, inverse = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    chosen = np.array([zlib.crc32(",".join(map(str, row)).encode()) % HELD_OUT == 0 for row in table], dtype=bool)
    mask: Mask = chosen[inverse.reshape(-1)]
    return mask


def sample(kernels: Kernels, most: int) -> Kernels:
    """Return at most so many of the kernels, evenly scattered by a fixed random order."""
    if len(kernels) <= most:
        return kernels
    chosen = np.zeros(len(kernels), dtype=bool)
    chosen[np.random.default_rng(0).permutation(len(kernels))[:most]] = True
    return kernels.where(chosen)


def sizes_of(kernels: Kernels) -> dict[str, Array]:
    """Return the sizes as the engine's forms take them."""
    columns = dict(kernels.columns)
    if kernels.operator == "decode":
        columns["tokens"] = np.maximum(columns["context"], columns["tokens"])
    if "bytes_per_element" in columns:
        columns["traffic"] = columns["rows"] * columns["width"] * columns["bytes_per_element"]
    return columns


def estimate(machine: KernelMachine, kernels: Kernels) -> Array:
    """Return the estimate of every kernel [s]."""
    return latency_s(machine, sizes_of(kernels))


def machine_of(catalog: Catalog, key: Key) -> KernelMachine | None:
    """Return the machine that the catalogue's calibrations give for kernels of a kind, or None where they have none."""
    return catalog.kernel(key.hardware, key.operator, key.format, key.software)


def priors(constants: KernelConstants, *, spread: float = SPREAD, hosted: bool = False) -> dict[str, Prior]:
    """Return the priors of the constants that a fit of this operator moves, about those given."""
    names = [*CONSTANTS[constants.operator]]
    names += [name for name in WHERE_GIVEN if getattr(constants, name) is not None]
    names += ["host"] if hosted or constants.host is not None else []
    return {name: _prior(name, constants, spread) for name in names}


def _prior(name: str, constants: KernelConstants, spread: float) -> Prior:
    quantity = getattr(constants, name)
    if quantity is None:
        raise LookupError(f"the prior of {constants.operator} in {constants.format} has no {name}")
    high = 1.0 if name in SHARES else _MOST if name in RATES else np.inf
    low = _LEAST if name in SHARES else 0.0
    return Prior(value=float(np.clip(max(quantity.si, 1e-12), low, high)), spread=spread, low=low, high=high)


def changed(machine: KernelMachine, values: Mapping[str, Any]) -> KernelMachine:
    """Return the machine with other constants."""
    return replace(machine, **values)


def fit_kernels(
    parts: Sequence[tuple[KernelMachine, Kernels]], prior: Mapping[str, Prior], *, most: int = 4000, starts: int = 2
) -> Fit:
    """Return the constants that hold for all kinds of kernels given together; each kind counts the same.

    `most` kernels are looked at in all: constants are few, so that more would only take longer.
    """
    each = [(machine, sample(kernels, most // len(parts))) for machine, kernels in parts]
    measured = np.concatenate([kernels.seconds for _, kernels in each])
    alike = [np.full(len(kernels), most / len(each) / len(kernels)) for _, kernels in each]

    def predicted(values: Mapping[str, float]) -> Array:
        return np.concatenate([estimate(changed(machine, values), kernels) for machine, kernels in each])

    return fit(predicted, measured, prior, weights=np.concatenate(alike) if len(each) > 1 else None, starts=starts)
