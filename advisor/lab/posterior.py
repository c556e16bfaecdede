"""What a fit leaves open: how far its constants may still lie from their values, and what that does to an estimate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from .fit import NOISE, Prior, fit
from .points import Array

Predict = Callable[[Mapping[str, float]], Array]

LEARNED: Final = 0.5
"""A constant counts as decided by the points where they take at least this share of its prior variance away."""
_STEP: Final = 0.01
_INSIDE: Final = 1.0001
_MAD: Final = 1.4826
"""The median distance from the median, to the standard deviation of a normal distribution."""


@dataclass(frozen=True, kw_only=True)
class Constant:
    """A constant before and after a fit [SI]; `spread` is the standard deviation of its logarithm after, `prior` before.

    `at_limit` says that the points would take it further than its prior lets them: the form does not fit them.
    """

    name: str
    before: float
    after: float
    spread: float
    prior: float
    at_limit: bool = False

    @property
    def learned(self) -> float:
        """Return what share of the prior's variance the points took away, from 0 to 1."""
        return 1.0 - (self.spread / self.prior) ** 2

    @property
    def decided(self) -> bool:
        """Return whether the points say more about it than the prior."""
        return self.learned >= LEARNED


@dataclass(frozen=True, kw_only=True, eq=False)
class Posterior:
    """Fitted constants with the covariance of their logarithms."""

    constants: tuple[Constant, ...]
    covariance: Array

    @property
    def values(self) -> dict[str, float]:
        """Return the fitted values by name."""
        return {constant.name: constant.after for constant in self.constants}

    def times(self, name: str, factor: str) -> Constant:
        """Return a constant times a factor on it, under the name of the factor: the two are learned together."""
        names = [constant.name for constant in self.constants]
        pair = [names.index(name), names.index(factor)]
        one, other = (self.constants[index] for index in pair)
        prior = float(np.hypot(one.prior, other.prior))
        spread = float(np.sqrt(self.covariance[np.ix_(pair, pair)].sum()))
        return Constant(
            name=factor, before=one.before * other.before, after=one.after * other.after, prior=prior,
            spread=min(spread, prior), at_limit=one.at_limit or other.at_limit,
        )  # fmt: skip

    def uncertainty(self, predict: Predict) -> Array:
        """Return the standard deviation of the logarithm of each estimate that follows from that of the constants."""
        slopes = _slopes(predict, self.values)
        variance = np.einsum("ij,jk,ik->i", slopes, self.covariance, slopes)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)), dtype=float)


def posterior(predict: Predict, measured: Array, priors: Mapping[str, Prior]) -> Posterior:
    """Return the fitted constants. Their spread is never more than the prior's."""
    return about(predict, measured, priors, fit(predict, measured, priors).values)


def about(predict: Predict, measured: Array, priors: Mapping[str, Prior], values: Mapping[str, float]) -> Posterior:
    """Return the posterior about values that were fitted: points that lie far off count less, as they do in the fit.

    Points scatter by the noise of measurements, or by what they scatter about the fit where that is more.
    """
    error = np.log(predict(values) / measured)
    noise = max(NOISE, _MAD * float(np.median(abs(error))))
    weight = 1.0 / np.sqrt(1.0 + (error / noise) ** 2)
    slopes = _slopes(predict, values)
    spread = np.array([prior.spread for prior in priors.values()])
    precision = (slopes.T * weight) @ slopes / noise**2 + np.diag(spread**-2)
    covariance: Array = np.asarray(np.linalg.inv(precision), dtype=float)
    constants = tuple(
        Constant(
            name=name, before=prior.value, after=values[name], prior=prior.spread,
            spread=min(float(np.sqrt(covariance[index, index])), prior.spread),
            at_limit=not prior.low * _INSIDE < values[name] < prior.high / _INSIDE,
        )
        for index, (name, prior) in enumerate(priors.items())
    )  # fmt: skip
    return Posterior(constants=constants, covariance=covariance)


def _slopes(predict: Predict, values: Mapping[str, float]) -> Array:
    """Return by how much the logarithm of each estimate grows with that of each constant."""

    def logs(name: str, step: float) -> Array:
        return np.log(predict({**values, name: values[name] * np.exp(step)}))

    return np.stack([(logs(name, _STEP) - logs(name, -_STEP)) / (2 * _STEP) for name in values], axis=1)
