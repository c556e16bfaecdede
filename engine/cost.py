"""What one operator asks of a chip: plain numbers, which all that is computed of a network starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

KernelKind = Literal["gemm", "conv", "depthwise", "attention", "memory", "view"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one operator asks of a chip. Elements, not bytes: the dtype is chosen later.

    `rows`, `columns`, `channels` x `taps` are M (of one sample), N and K of `groups` matrix products; `shared` says that all
    samples use the same weights, so that the batch lengthens M; otherwise it multiplies the products.

    Where tokens choose among experts, `groups` and `weights` are those of all experts, `rows` is the mean of one expert, and
    each of `tokens` of a sample reads the share `routed` of the weights. Of attention, `rows` are queries that share keys.
    """

    kind: KernelKind
    work: float = 0.0  # FLOP per sample
    work_min: float = 0.0  # FLOP per sample that any algorithm needs
    work_done: float = 0.0  # FLOP per sample of the algorithm that runs
    parameters: float = 0.0  # elements stored
    weights: float = 0.0  # elements read once per pass, however large the batch; of experts, those of all
    routed: float = 1.0  # share of the weights that one token reads
    tokens: float = 1.0  # tokens of a sample, where they choose experts or attend
    lookups: float = 0.0  # rows read per sample from a table of `table_rows` x `table_width`
    table_rows: float = 0.0
    table_width: float = 0.0
    inputs: float = 0.0  # activation elements read per sample
    outputs: float = 0.0  # activation elements written per sample
    cache_read: float = 0.0  # elements of earlier tokens read per sample; they are among the inputs
    cache_held: float = 0.0  # elements that stay in memory for later tokens after the pass, per sample
    cache_token: float = 0.0  # elements that one more token adds to them
    rows: float = 1.0
    columns: float = 1.0
    channels: float = 1.0
    taps: float = 1.0
    groups: float = 1.0
    winograd_tiles: float = 0.0  # tiles of results per sample of a convolution that Winograd's form is for
    splits: float = 1.0  # parts of the keys that attention can walk side by side
    shared: bool = True
    parts: tuple[tuple[str, float], ...] = ()  # class, and FLOP or elements per sample, of a library's kernels
    spared: float = 0.0  # weights that no result depends on, or that may fold into others: taps on padding only, biases, norms


def seconds_per_sample(cost: Cost, rates: Mapping[str, float]) -> float:
    """Return what the parts of a kernel take for one sample [s], by the time of one FLOP or element of each class."""
    return sum(amount * rates[name] for name, amount in cost.parts)
