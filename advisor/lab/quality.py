"""Which published rows are rejected, and why. The filter looks at the rows alone: neither a bound nor an estimate is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from .points import Array, Kernels, Mask, Operator, Sweep

REASONS: Final[Mapping[str, str]] = {
    "no time": "its time is not above 0",
    "disagreement": "rows for the same point disagree by more than 3x, so that none of them can be told to be right",
    "overflow": "its queries have 2^31 elements or more, too many for the 32-bit indices of attention kernels",
    "contradiction": "it takes less than half the time of points of its series with less of everything, or more than twice "
    "that of points with more, and of the points that contradict each other so it is in the most pairs",
}
"""Reason -> why a row is rejected."""

SPREAD: Final = 3.0
HALF: Final = 0.5
INDEX: Final = 2.0**31
_RANKS: Final = 80
_MANY: Final = 4
_PER_OCTAVE: Final = 2
_PAIRS: Final = 10_000_000
"""Limits of memory: ranks along one size, half as many along each of four, and pairs of points that contradict each other."""

WORK: Final[Mapping[Operator, tuple[str, ...]]] = {
    "gemm": ("rows", "columns", "contraction", "groups"),
    "prefill": ("batch", "tokens", "heads"),
    "decode": ("batch", "context", "heads"),
    "conv": ("batch", "in_channels", "out_channels", "height"),
    "elementwise": ("rows", "width"),
    "softmax": ("rows", "width"),
    "norm": ("rows", "width"),
}
"""Operator -> the columns along which its work grows; kernels that agree in all other columns are one series."""

ORDER: Final = "tried"
"""The column that says when a row was measured, not what."""


def kernels(measured: Kernels) -> tuple[Kernels, Counter[str]]:
    """Return the kernels that count, and how many do not, by reason."""
    kept, counts = _keep(measured, measured.seconds > 0, "no time", Counter())
    if kept.operator == "prefill":
        kept, counts = _keep(kept, _queries(kept) < INDEX, "overflow", counts)
    point = {name: column for name, column in kept.columns.items() if name != ORDER}
    kept, counts = _keep(kept, ~disagreeing(list(point.values()), kept.seconds), "disagreement", counts)
    grows = WORK[kept.operator]
    other = [column for name, column in kept.columns.items() if name not in (*grows, ORDER)]
    series = _codes(other, len(kept))
    odd = np.zeros(len(kept), dtype=bool)
    order = np.argsort(series, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(series[order])) + 1):
        odd[members] = contradicting([kept.columns[name][members] for name in grows], kept.seconds[members])
    return _keep(kept, ~odd, "contradiction", counts)


def _keep(measured: Kernels, good: Mask, reason: str, counts: Counter[str]) -> tuple[Kernels, Counter[str]]:
    return measured.where(good), counts + Counter({reason: int((~good).sum())})


def _queries(prefill: Kernels) -> Array:
    elements = np.ones(len(prefill))
    for name in ("batch", "tokens", "heads", "head_dim"):
        elements = elements * prefill.columns[name]
    return elements


def _codes(columns: Sequence[Array], length: int) -> npt.NDArray[np.int64]:
    """Return a number for each row, the same for rows that agree in every column."""
    codes = np.zeros(length, dtype=np.int64)
    for column in columns:
        _, inverse = np.unique(column, return_inverse=True)
        _, codes = np.unique(codes * (int(inverse.max(initial=0)) + 1) + inverse, return_inverse=True)
    return codes


def disagreeing(columns: Sequence[Array], seconds: Array) -> Mask:
    """Return which rows stand for a point whose rows disagree by more than 3x.

    >>> disagreeing([np.array([1.0, 1.0, 2.0])], np.array([1.0, 3.5, 1.0]))
    array([ True,  True, False])
    """
    codes = _codes(columns, len(seconds))
    least, most = np.full(len(seconds), np.inf), np.zeros(len(seconds))
    np.minimum.at(least, codes, seconds)
    np.maximum.at(most, codes, seconds)
    return np.asarray(most[codes] > SPREAD * least[codes], dtype=bool)


def contradicting(sizes: Sequence[Array], seconds: Array) -> Mask:
    """Return which points to reject so that none takes less than half the time of one that is smaller along every size.

    Of two points that contradict each other either may be wrong: the one that contradicts most others goes first. Sizes that do
    not vary do not count; those with many values are compared in steps of half an octave. A series in which too many points
    contradict each other follows no order, and stays as it is.

    >>> contradicting([np.array([1.0, 2.0, 4.0, 8.0])], np.array([1.0, 9.0, 2.0, 4.0]))
    array([False,  True, False, False])
    """
    varying = [size for size in sizes if size.size and np.ptp(size) > 0]
    ranks = np.array([_rank(size, _RANKS if len(varying) < _MANY else _RANKS // 2) for size in varying])
    rejected = np.zeros(len(seconds), dtype=bool)
    if not len(ranks):
        return rejected
    fast = np.flatnonzero(seconds < HALF * _slowest_below(ranks, seconds))
    slow = np.flatnonzero(seconds > -_slowest_below(ranks.max(axis=1, keepdims=True) - ranks, -seconds) / HALF)
    if len(fast) * len(slow) <= _PAIRS:
        below = (ranks[:, np.newaxis, slow] < ranks[:, fast, np.newaxis]).all(axis=0)
        _reject_most(fast, slow, below & (seconds[fast, np.newaxis] < HALF * seconds[slow]), rejected)
    return rejected


def _slowest_below(ranks: npt.NDArray[np.int64], seconds: Array) -> Array:
    """Return for every point the largest time of those with a smaller rank along every axis, minus infinity where none is."""
    slowest = np.full(ranks.max(axis=1) + 2, -np.inf)
    np.maximum.at(slowest, tuple(ranks + 1), seconds)
    for axis in range(len(ranks)):
        np.maximum.accumulate(slowest, axis=axis, out=slowest)
    return np.asarray(slowest[tuple(ranks)], dtype=float)


def _reject_most(fast: npt.NDArray[np.int64], slow: npt.NDArray[np.int64], pairs: Mask, rejected: Mask) -> None:
    """Reject the point of most pairs, a slow one where two are equal, until no pair is left."""
    of_fast, of_slow = pairs.sum(axis=1), pairs.sum(axis=0)
    while of_fast.max(initial=0) > 0:
        row, column = int(of_fast.argmax()), int(of_slow.argmax())
        if of_fast[row] > of_slow[column]:
            rejected[fast[row]] = True
            of_slow = of_slow - pairs[row]
            pairs[row], of_fast[row] = False, 0
        else:
            rejected[slow[column]] = True
            of_fast = of_fast - pairs[:, column]
            pairs[:, column], of_slow[column] = False, 0


def _rank(size: Array, most: int) -> npt.NDArray[np.int64]:
    """Return the rank of each value, from 0 to `most`; values of the same rank are not compared."""
    values, ranks = np.unique(size, return_inverse=True)
    if len(values) <= most:
        return ranks
    octaves = np.floor(_PER_OCTAVE * np.log2(np.maximum(size, 1)))
    return np.asarray(np.minimum(octaves, most), dtype=np.int64)


def sweep(measured: Sweep, rows: npt.NDArray[np.int64]) -> tuple[Sweep | None, Counter[str]]:
    """Return a sweep with the points that count, None where none does, and how many of the points' `rows` do not."""
    timed = measured.seconds > 0
    odd = contradicting([measured.batches], measured.seconds) & timed
    counts = Counter({"no time": int(rows[~timed].sum()), "contradiction": int(rows[odd].sum())})
    good = timed & ~odd
    if not good.any():
        return None, counts
    columns = {name: getattr(measured, name)[good] for name in ("batches", "seconds", "power_w")}
    return replace(measured, **columns), counts
