"""A robust fit of a few constants, held by a prior: it works from one point up. `posterior` says what points did not decide.

The error is that of logarithms, so that a factor counts the same for short and long times; a soft loss keeps outliers from
deciding. Each constant is positive and starts at its prior, whose spread says how far points may move it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

NOISE: Final = 0.05
"""What measurements of one thing differ by, as a ratio: releases of one benchmark move that much."""
_STEP: Final = 1e-3
_ROUNDS: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What is known of a constant before: its value, the standard deviation of its logarithm, and its limits."""

    value: float
    spread: float
    low: float = 0.0
    high: float = np.inf


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Fitted constants by name."""

    values: Mapping[str, float]


def fit(
    predict: Callable[[Mapping[str, float]], Array],
    measured: Array,
    priors: Mapping[str, Prior],
    *,
    weights: Array | None = None,
    starts: int = 1,
) -> Fit:
    """Return the constants with which `predict` (times [s], one for each point) comes closest to what was measured [s].

    `weights` count a point several times; several `starts` look for a better minimum from scattered values. Needs SciPy, of
    the extra `lab`.
    """
    from scipy.optimize import least_squares  # noqa: PLC0415 - of the extra `lab`

    names = list(priors)
    bounds = _bounds(priors)
    prior = np.log([priors[name].value for name in names])
    spread = np.array([priors[name].spread for name in names])
    weight = np.ones_like(measured) if weights is None else np.sqrt(weights)

    def residuals(point: Array) -> Array:
        estimate = predict(dict(zip(names, np.exp(point), strict=True)))
        return np.concatenate([weight * np.log(estimate / measured) / NOISE, (point - prior) / spread])

    best: Any = None
    random = np.random.default_rng(0)
    for start in range(starts):
        scattered = prior + spread * random.normal(size=len(names)) * (start > 0)
        inside = np.clip(scattered, bounds[0] + 1e-6, bounds[1] - 1e-6)
        found = least_squares(residuals, inside, bounds=bounds, loss="soft_l1", diff_step=_STEP, max_nfev=_ROUNDS)
        best = found if best is None or found.cost < best.cost else best
    return Fit(values=dict(zip(names, map(float, np.exp(best.x)), strict=True)))


def _bounds(priors: Mapping[str, Prior]) -> tuple[Array, Array]:
    """Return the limits of the logarithms; where a prior has none, six of its spreads."""
    low = [max(np.log(p.low) if p.low > 0 else -np.inf, np.log(p.value) - 6 * p.spread) for p in priors.values()]
    high = [min(np.log(p.high), np.log(p.value) + 6 * p.spread) for p in priors.values()]
    return np.array(low) - 1e-5, np.array(high) + 1e-5
