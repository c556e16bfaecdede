"""One point of an estimate, as plain numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import CAUSES, Estimate


def waterfall(points: Estimate, place: tuple[int, int]) -> list[tuple[str, float | None, float | None]]:
    """Return for each cause its seconds and its share of the estimate; the shares sum to 1."""
    total = points.latency_estimate_s[place]
    return [(cause, known(points.ladder_s[cause][place]), known(points.ladder_s[cause][place] / total)) for cause in CAUSES]


def known(value: float) -> float | None:
    """Return a value as a plain float, or None for one that is unknown."""
    return float(value) if np.isfinite(value) else None


def confidence(chip: Any, level: str) -> str:
    """Return what an estimate on a chip rests on: "modelled" for a chip without silicon, else the level of its interval."""
    return "modelled" if chip.confidence == "modelled" else level
