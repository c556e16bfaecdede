"""One point of an estimate, as plain numbers."""

from __future__ import annotations

import math
from typing import Any

from .compiled import CAUSES, Estimate


def waterfall(points: Estimate, place: tuple[int, int]) -> list[tuple[str, float | None, float | None]]:
    """Return for each cause its seconds and its share of the estimate; the shares sum to 1."""
    total = points.latency_estimate_s[place]
    seconds = [(cause, points.ladder_s[cause][place]) for cause in CAUSES]
    return [(cause, known(time), known(time / total)) for cause, time in seconds]


def known(value: float) -> float | None:
    """Return a value as a plain float, or None for one that is unknown."""
    return float(value) if math.isfinite(value) else None


def over(part: float, whole: float) -> float:
    """Return a ratio, NaN where there is nothing to divide by.

    >>> over(1.0, 4.0), over(1.0, 0.0)
    (0.25, nan)
    """
    return part / whole if whole else math.nan


def confidence(chip: Any, level: str) -> str:
    """Return what an estimate on a chip rests on: "modelled" for a chip without silicon, else the level of its interval."""
    return "modelled" if chip.confidence == "modelled" else level
