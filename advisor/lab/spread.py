"""How far one more sweep lies from the estimate of a chip, or host, that other sweeps calibrate.

A sweep that a fit to K others did not see is off by what sets it apart, and by what K sweeps leave open: the variance of the
logarithm is that of a sweep times 1 + 1/K, as for one more draw beside the mean of K. Over the root of that, the residuals of
all chips and hosts are alike, and can be pooled; one's own few say little of how far sweeps lie apart. Measured intervals are
of measured over estimated time, at the 10th and 90th percentile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from .fit import NOISE
from .points import Array

Pair = tuple[float, float]

LOW, HIGH = 0.1, 0.9
_BETWEEN: Final = 2.0 * NormalDist().inv_cdf(HIGH)
"""Standard deviations between the two percentiles of a normal distribution."""


@dataclass(frozen=True, kw_only=True)
class Common:
    """What sweeps of chips, or hosts, that were calibrated have in common; it counts as so many sweeps of one's own.

    So does, beside the fit, what was known of the chip before: as `before` sweeps, none where chips lie far apart.
    """

    p10: float
    p90: float
    sweeps: float
    before: float = 0.0
    basis: str


def standardized(ratio: Array, others: int) -> Array:
    """Return the logarithms of measured over estimated time of a sweep, by a fit to `others`, as of a fit to any number.

    >>> standardized(np.exp(np.array([0.2])), 1).round(3)
    array([0.141])
    """
    return np.asarray(np.log(ratio) / np.sqrt(1.0 + 1.0 / others), dtype=float)


def pooled(groups: Sequence[Sequence[Array]]) -> Pair:
    """Return the percentiles of the standardized residuals of chips, or hosts, of which each counts the same.

    >>> low, high = pooled([[np.linspace(-0.2, 0.2, 41)], [np.linspace(-0.2, 0.2, 11)]])
    >>> round(low * high, 3), np.log(high).round(2)
    (1.0, np.float64(0.16))
    """
    each = [np.concatenate(group) for group in groups]
    values, weights = np.concatenate(each), np.concatenate([np.full(len(one), 1.0 / len(one)) for one in each])
    order = np.argsort(values)
    below = (np.cumsum(weights[order]) - 0.5 * weights[order]) / weights.sum()
    low, high = (float(np.exp(np.interp(share, below, values[order]))) for share in (LOW, HIGH))
    return low, high


def interval(own: Sequence[Array], common: Common) -> Pair:
    """Return the interval of one more sweep of a chip, or host, from the standardized residuals of its own, sweep by sweep.

    The common interval is taken to the power sqrt(1 + 1/(K + before)) f, where f^2 is the mean of 1, which counts as
    `common.sweeps` sweeps, and of the variance of the K own over the common one. A fit to one sweep has seen it: what it leaves
    may widen the interval, never narrow it. No interval is narrower than the noise of measurements, 5 %.

    >>> guess = Common(p10=0.8, p90=1.25, sweeps=1.0, basis="a guess")
    >>> [round(ratio, 3) for ratio in interval([np.zeros(3)], guess)]  # of one sweep: to the power sqrt(2)
    [0.729, 1.371]
    >>> [round(ratio, 3) for ratio in interval([np.zeros(3)] * 3, guess)]  # to that of sqrt(4/3 x 1/4)
    [0.879, 1.137]
    """
    count = len(own)
    deviation = np.log(common.p90 / common.p10) / _BETWEEN
    variance = float(np.mean([np.mean(sweep**2) for sweep in own])) / deviation**2
    wider = (common.sweeps + count * variance) / (common.sweeps + count)
    power = float(np.sqrt((1.0 + 1.0 / (count + common.before)) * (wider if count > 1 else max(wider, 1.0))))
    return min(common.p10**power, 1.0 / (1.0 + NOISE)), max(common.p90**power, 1.0 + NOISE)
