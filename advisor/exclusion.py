"""What did not qualify: the rule that excludes a chip, what would change its verdict, and what nobody publishes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine import _compiled as forms
from engine.catalog import Catalog
from engine.expressions import parse

from .candidate import Facts, Grid, Sieved, Slot, single, with_profile
from .gaps import deciding
from .rule import Profile, Rule

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


def rows_by_chip(grid: Grid) -> Iterator[list[int]]:
    """Yield the rows of each chip of a grid."""
    rows: dict[str, list[int]] = {}
    for index, slot in enumerate(grid.slots):
        rows.setdefault(slot.chip.id, []).append(index)
    yield from rows.values()


def dead_chips(grid: Grid, verdict: Sieved) -> Iterator[list[int]]:
    """Return the rows of the chips whose every candidate is excluded."""
    return (rows for rows in rows_by_chip(grid) if (verdict.killer[rows] >= 0).all())


def open_chips(grid: Grid, verdict: Sieved) -> Iterator[list[int]]:
    """Yield the rows of the chips of which no candidate qualifies, but some are not excluded either."""
    for rows in rows_by_chip(grid):
        if not verdict.alive[rows].any() and (verdict.killer[rows] < 0).any():
            yield rows


def qualifying(grid: Grid, verdict: Sieved) -> set[str]:
    """Return the ids of the chips with a candidate that meets everything."""
    return {grid.slots[rows[0]].chip.id for rows in rows_by_chip(grid) if verdict.alive[rows].any()}


def exclusion(grid: Grid, verdict: Sieved, rows: list[int], profile: Profile) -> Exclusion:
    """Return the rule that removed a chip's last candidates, told on the candidate that came nearest.

    Where an unknown value leaves another rule undecided, nothing is known that would be enough.
    """
    decisive = int(verdict.killer[rows].max())
    rule = verdict.rules[decisive]
    last = [(row, int(column)) for row in rows for column in np.flatnonzero(verdict.killer[row] == decisive)]
    facts = with_profile(grid.facts, profile)
    shortfall = _shortfall(rule, facts, grid.batch.shape)
    nearest = min(last, key=lambda place: shortfall[place])
    one = single(facts, grid.batch.shape, nearest) | texts(grid.slots[nearest[0]], profile)
    decided = not verdict.unknown[nearest]
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


def _shortfall(rule: Rule, facts: Mapping[str, Any], shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Return by what factor every candidate misses; infinite where the rule names none or its value is unknown."""
    factors = parse(rule.shortfall).over(facts) if rule.shortfall else np.nan
    return np.broadcast_to(np.where(np.isnan(factors), np.inf, factors), shape)


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


def undetermined(grid: Grid, rows: list[int], catalog: Catalog) -> Undetermined:
    """Return a chip about which nothing can be concluded."""
    chip = grid.slots[rows[0]].chip
    unmodelled = all(grid.slots[row].machine is None for row in rows)
    lacking = deciding(chip, catalog.constants.get(chip.id)) or (("a calibration of the runtime",) if unmodelled else ())
    return Undetermined(hardware=chip.id, missing=lacking)
