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
    footprint,
    traffic,
    weights,
)

_OURS: Final = "this project, docs/model.md"
_ONSET: Final = sp.Rational(7, 10)
"""Share of the cache from which a single kernel's footprint begins to spill."""
_STEEPNESS: Final = 2

_spilled = maximum(0, minimum(1, _STEEPNESS * (footprint / cache - _ONSET)))

FORMS: Final = (
    ClosedForm(
        name="spilled_share", expression=_spilled, unit="1", source=_OURS,
        doc="Share of one kernel's traffic that goes to main memory when it runs again and again.",
    ),
    ClosedForm(
        name="kernel_memory_s",
        expression=traffic * (_spilled / (bandwidth_share * bandwidth) + (1 - _spilled) / (cache_ratio * bandwidth)),
        unit="s", source=_OURS, doc="Time of one kernel's traffic, part of it from the cache.",
    ),
    ClosedForm(
        name="network_traffic",
        expression=maximum(0, activations - cache) + weights * maximum(0, all_weights - cache) / all_weights,
        unit="B", source=_OURS,
        doc="Bytes of a kernel in a network from main memory: activations, and its part of the weights, beyond the cache.",
    ),
    ClosedForm(
        name="network_memory_s",
        expression=traffic / (bandwidth_share * bandwidth) + (activations + weights - traffic) / (cache_ratio * bandwidth),
        unit="s", source=_OURS, doc="Time of a kernel's bytes in a network: from main memory and from the cache.",
    ),
)  # fmt: skip
