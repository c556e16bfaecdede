"""Residuals of chips, or sweeps, that a fit did not see, and the intervals that come of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.optimize import minimize
from shipped import ratio

from advisor.lab import networks, spread
from advisor.lab.calibrate import MEASURED
from advisor.lab.networks import Target
from advisor.lab.points import Array
from advisor.lab.spread import HIGH, LOW
from engine.calibration import Interval, Spread
from engine.machine import Machine

FEW: Final = 20
"""Fewer points have one ratio for launches and all else."""
APART: Final = 1.6
"""Launches and all else may have ratios that far apart; more is the noise of few points."""


@dataclass(frozen=True, kw_only=True)
class Residuals:
    """Measured over estimated time of points that a fit did not see, and the share of launches in the estimate."""

    ratio: Array
    launch: Array
    batch: Array

    @staticmethod
    def joined(parts: Iterable[Residuals]) -> Residuals:
        """Return all together."""
        found = list(parts)
        return Residuals(
            ratio=np.concatenate([p.ratio for p in found]),
            launch=np.concatenate([p.launch for p in found]),
            batch=np.concatenate([p.batch for p in found]),
        )


def expected(groups: Sequence[Array]) -> list[Array]:
    """Return the ratios to expect of one more group, where those of a group (a chip, a sweep) go together.

    K groups tell little of how far groups lie apart. So the distances of their means count more by sqrt((K + 1) / (K - 1)):
    1.22 for five and 1.13 for eight, where Student's t of K - 1 over the normal quantile is 1.20 and 1.10 at 90 %.
    """
    count = len(groups)
    if count == 1:
        return [*groups]
    means = np.array([np.log(group).mean() for group in groups])
    further = np.exp((np.sqrt((count + 1) / (count - 1)) - 1.0) * (means - means.mean()))
    return [group * factor for group, factor in zip(groups, further, strict=True)]


def predictive(groups: Sequence[Residuals]) -> Residuals:
    """Return the residuals to expect of one more chip, or sweep."""
    ratios = expected([group.ratio for group in groups])
    return Residuals.joined(replace(group, ratio=ratio) for group, ratio in zip(groups, ratios, strict=True))


def residuals(target: Target, machine: Machine) -> Residuals:
    """Return how a machine's estimate stands to what was measured."""
    if target.best:
        ratio = target.sweep.seconds / networks.times(target, machine)
        return Residuals(ratio=ratio, launch=np.zeros_like(ratio), batch=target.sweep.batches)
    points = networks.points(target, machine)
    latency = points.latency_estimate_s[0]
    launches = machine.launch * machine.time_factor * len(target.network.kernels)
    return Residuals(ratio=target.sweep.seconds / latency, launch=np.minimum(1.0, launches / latency),
                     batch=target.sweep.batches)  # fmt: skip


def interval(found: Residuals, level: str, basis: str) -> Interval:
    """Return the ratios of an interval: quantiles of the residuals as a blend of launches and all else."""
    low, high = (blend(found, quantile) for quantile in (LOW, HIGH))
    return Interval.model_validate(
        {
            "level": level, "p10": ratio(min(low[0], 1.0)), "p90": ratio(max(high[0], 1.0)),
            "launch_p10": ratio(min(low[1], 1.0)), "launch_p90": ratio(max(high[1], 1.0)), "basis": basis,
        }
    )  # fmt: skip


def blend(found: Residuals, quantile: float) -> tuple[float, float]:
    """Return the ratios of all else and of launches that a share of the points stays below (quantile regression)."""

    def loss(pair: Array) -> float:
        over = found.ratio - (pair[0] * (1 - found.launch) + pair[1] * found.launch)
        return float(np.where(over > 0, quantile * over, (quantile - 1) * over).sum())

    begin = np.full(2, np.quantile(found.ratio, quantile))
    if len(found.ratio) < FEW:
        return float(begin[0]), float(begin[1])
    best = minimize(loss, begin, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-6, "maxiter": 2000}).x
    return float(best[0]), float(np.clip(best[1], best[0] / APART, best[0] * APART))


def calibrated(groups: Sequence[Sequence[Array]], basis: str) -> Spread:
    """Return the interval of one more sweep that chips, or hosts, have in common once they are calibrated."""
    low, high = spread.pooled(groups)
    return Spread.model_validate({"p10": ratio(low), "p90": ratio(high), "basis": basis})


def common_of(known: Spread) -> spread.Common:
    """Return what a family says of its calibrated chips, or hosts, as a fit takes it."""
    return spread.Common(p10=known.p10.si, p90=known.p90.si, sweeps=MEASURED, basis=known.basis)
