"""Measured times as values: batch sweeps of networks, single kernels, and what reading a table of them found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from engine.measurement import Runtime

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Operator = Literal["gemm", "prefill", "decode", "conv", "elementwise", "softmax", "norm"]

_ATTENTION: Final = ("batch", "tokens", "context", "heads", "kv_heads", "head_dim", "kv_bytes")
_VECTOR: Final = ("rows", "width", "bytes_per_element")
COLUMNS: Final[Mapping[Operator, tuple[str, ...]]] = {
    "gemm": ("rows", "columns", "contraction", "groups"),
    "prefill": _ATTENTION,
    "decode": _ATTENTION,
    "conv": ("batch", "in_channels", "out_channels", "kernel", "height", "stride", "padding", "tried"),
    "elementwise": _VECTOR,
    "softmax": _VECTOR,
    "norm": _VECTOR,
}
"""Operator -> the columns of its kernels. `bytes_per_element` is what one element moves, operands and result together; `tried`
is how many shapes the process tried before this one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sweep:
    """One workload on one chip over batches: the time of one pass [s] and the power [W], NaN where it is unknown."""

    id: str
    source: str
    workload: str
    hardware: str
    dtype: str
    sizes: Mapping[str, int]
    runtime: Runtime
    software: str
    batches: Array
    seconds: Array
    power_w: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Kernels:
    """Single kernels of one operator on one chip as columns of equal length: `COLUMNS[operator]`, and the time [s].

    `format` is a number format, or a recipe: fp8_block scales fp8 by blocks, int8_weights multiplies 16-bit activations.
    """

    operator: Operator
    hardware: str
    format: str
    software: str
    columns: Mapping[str, Array]
    seconds: Array

    def __len__(self) -> int:
        """Return the number of kernels."""
        return len(self.seconds)

    def where(self, chosen: Mask) -> Kernels:
        """Return the kernels that a mask chooses."""
        columns = {name: column[chosen] for name, column in self.columns.items()}
        return replace(self, columns=columns, seconds=self.seconds[chosen])


@dataclass(frozen=True, kw_only=True, eq=False)
class Published:
    """What reading tables found. Every row that was read is in a sweep, among the kernels, dropped, or outside.

    `dropped` counts rows that the quality filter rejects, `outside` rows about which Roofwise makes no statement, both by the
    name of the reason: `quality.REASONS`, `names.OUTSIDE`. Several rows of a sweep may have become one point.
    """

    sweeps: tuple[Sweep, ...] = ()
    kernels: tuple[Kernels, ...] = ()
    rows_read: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    outside: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Published) -> Published:
        """Return both together."""
        return Published(
            sweeps=self.sweeps + other.sweeps,
            kernels=self.kernels + other.kernels,
            rows_read=self.rows_read + other.rows_read,
            dropped=Counter(self.dropped) + Counter(other.dropped),
            outside=Counter(self.outside) + Counter(other.outside),
        )

    @property
    def rows_kept(self) -> int:
        """Return the rows that count."""
        return self.rows_read - sum(self.dropped.values()) - sum(self.outside.values())
