"""What did not qualify: the rule that excludes a chip, what would change its verdict, and what nobody publishes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine import _compiled as forms
from engine.expressions import parse

from .candidate import Facts, Index, Pool, Sieved, Slot, Some, profile_facts, with_profile
from .rulebook import Profile, Rule
from .stock import Card

Need = tuple[str, float, str]
"""What would change a verdict: quantity, value, unit."""


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """A chip that a rule excludes after `passed` others did not, why, by what factor it missed, and what would change that."""

    hardware: str
    rule: Rule
    because: str
    would_need: Need | None
    shortfall: float
    passed: int
    recommendable: bool


@dataclass(frozen=True, kw_only=True)
class Undetermined:
    """A chip about which nothing can be concluded, and the values that are missing."""

    hardware: str
    missing: tuple[str, ...]


def exclusion(pool: Pool, verdict: Sieved, places: Index, profile: Profile) -> Exclusion:
    """Return the rule that removed a chip's last candidates, told on the candidate that came nearest.

    Where an unknown value leaves another rule undecided, nothing is known that would be enough.
    """
    decisive = int(verdict.killer[places].max())
    rule = verdict.rules[decisive]
    last = places[verdict.killer[places] == decisive]
    shortfall = _shortfall(rule, with_profile(Some(pool, last), profile), last.size)
    nearest = int(np.argmin(shortfall))
    place = int(last[nearest])
    one = pool.at(place) | profile_facts(pool, place, profile) | texts(pool.slots[pool.row[place]], profile)
    decided = not verdict.unknown[place]
    need = _NEEDS[rule.would_need](one) if rule.would_need and decided else None
    if need is not None and math.isnan(need[1]):
        need = None
    return Exclusion(
        hardware=str(one["hardware"]),
        rule=rule,
        because=rule.message(one),
        would_need=need,
        shortfall=float(shortfall[nearest]),
        passed=decisive,
        recommendable=decided and bool(not one["modelled"] or one["allow_modelled"]),
    )


def _shortfall(rule: Rule, facts: Mapping[str, Any], size: int) -> npt.NDArray[np.float64]:
    """Return by what factor every candidate misses; infinite where the rule names none or its value is unknown."""
    factors = parse(rule.shortfall).over(facts) if rule.shortfall else np.nan
    return np.broadcast_to(np.where(np.isnan(factors), np.inf, factors), (size,))


def texts(slot: Slot, profile: Profile) -> Facts:
    """Return the facts that are texts."""
    return {
        "hardware": slot.chip.id,
        "hardware_name": slot.chip.name,
        "dtype": slot.dtype,
        "dtypes": ", ".join(slot.chip.dtypes),
        "profile": profile.id,
        "profile_because": profile.because,
    }


def _devices_for_memory(facts: Facts) -> Need:
    return "devices", float(np.ceil(facts["memory_bytes"] / facts["capacity_bytes"])), "1"


def _devices_for_throughput(facts: Facts) -> Need:
    return "devices", float(np.ceil(facts["limit_throughput_per_s"] / facts["throughput_sure_per_s"])), "1"


def _peak_or_bandwidth(facts: Facts) -> Need:
    """Return the peak or the bandwidth with which the bound would admit the limit, whichever is further off."""
    missing = facts["latency_lower_bound_s"] / facts["limit_latency_s"]
    least_s = facts["work_min_flop"] / facts["peak_max_flop_per_s"]
    if least_s >= facts["latency_lower_bound_s"] * (1 - 1e-9):
        return "peak", float(forms.peak_for_limit(work_min=facts["work_min_flop"], limit=facts["limit_latency_s"])), "FLOP/s"
    return "bandwidth", facts["bandwidth_bytes_per_s"] * missing, "B/s"


def _fact(quantity: str, name: str, unit: str) -> Callable[[Facts], Need]:
    return lambda facts: (quantity, float(facts[name]), unit)


_NEEDS: Final[dict[str, Callable[[Facts], Need]]] = {
    "devices_for_memory": _devices_for_memory,
    "devices_for_throughput": _devices_for_throughput,
    "peak_or_bandwidth_for_limit": _peak_or_bandwidth,
    "latency_limit": _fact("latency_limit", "latency_p90_s", "s"),
    "energy_limit": _fact("energy_limit", "energy_per_inference_j", "J"),
    "power_limit": _fact("power_limit", "power_w", "W"),
    "memory_limit": _fact("memory_limit", "memory_bytes", "B"),
}


def undetermined(chip: Card, *, modelled: bool) -> Undetermined:
    """Return a chip about which nothing can be concluded; `modelled` says whether it has a machine at all."""
    return Undetermined(hardware=chip.id, missing=chip.missing or (() if modelled else ("a calibration of the runtime",)))
