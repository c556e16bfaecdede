"""What stays in the last-level cache, in symbols. Source: this project's own form (docs/model.md)."""

from __future__ import annotations

from typing import Final

import sympy as sp

from .closed_form import ClosedForm, maximum, minimum
from .symbols import (
    activations,
    all_weights,
    bandwidth,
    bandwidth_share,
    cache,
    cache_ratio,
    rotations,
    traffic,
    weights,
)

_OURS: Final = "this project, docs/model.md"
_ONSET: Final = sp.Rational(7, 10)
"""Share of the cache from which a single kernel's footprint begins to spill."""
_STEEPNESS: Final = 2


def _spilled(held: sp.Expr) -> sp.Expr:
    """Return the share of a kernel's bytes that its cache does not keep between runs, where it would have to hold `held`."""
    return maximum(0, minimum(1, _STEEPNESS * (held / cache - _ONSET)))


_weights_beyond = weights * maximum(0, all_weights - cache) / all_weights
"""A kernel's part of the weights of its network that no cache holds."""

FORMS: Final = (
    ClosedForm(
        name="kernel_traffic",
        expression=weights * _spilled(rotations * weights + activations) + activations * _spilled(weights + activations),
        unit="B", source=_OURS,
        doc="Bytes from main memory of one kernel that runs again and again, its weights alternating between several sets.",
    ),
    ClosedForm(
        name="network_traffic", expression=activations * maximum(0, minimum(1, activations / cache - 1)) + _weights_beyond,
        unit="B", source=_OURS,
        doc="Bytes of a kernel in a network from main memory: activations, which spill from the size of the cache on and all "
        "from twice of it, and its part of the weights beyond the cache.",
    ),
    ClosedForm(
        name="probed_traffic", expression=maximum(0, activations - cache) + _weights_beyond, unit="B", source=_OURS,
        doc="The same where the cache is what a probe saw stay near, however long the activations.",
    ),
    ClosedForm(
        name="fetch_s", expression=traffic / (bandwidth_share * bandwidth), unit="s", source=_OURS,
        doc="Time of a kernel's bytes from main memory alone, where the rates of its parts contain the cache.",
    ),
    ClosedForm(
        name="traffic_s",
        expression=traffic / (bandwidth_share * bandwidth) + (activations + weights - traffic) / (cache_ratio * bandwidth),
        unit="s", source=_OURS, doc="Time of a kernel's bytes: from main memory and from the cache.",
    ),
)  # fmt: skip
