"""Fleets: hypothetical chips as columns of numbers, so that millions of them are one array and not a million objects.

A fleet is a chip of the catalogue of which some published figures are set to other values. What a figure means for the others
stands here once, for all of them: docs/exploring.md has the table. engine/specimen.py makes a spec of one of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from . import _compiled as forms
from .accelerator import Accelerator
from .assembly import energies, idle_of_tdp, load_ratio, machine, si_of, tdp_of_idle, voltages
from .calibration import Resolved, Runtime
from .columns import Table, columns_of
from .compiled import CAUSES, Estimate, evaluate
from .errors import DomainError
from .machine import DTYPE_BYTES, GRAPH, PEAKS, Machine
from .passes import form_of
from .totals import Totals

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of a chip that a fleet may vary: its dimension, the name of its column, and what it is."""

    dimension: str
    column: str
    doc: str
    whole: bool = False


CHIP_FIGURES: Final[dict[str, Figure]] = {
    "bandwidth": Figure(dimension="bandwidth", column="bandwidth_bytes_per_s", doc="bandwidth of main memory"),
    "peak": Figure(dimension="rate", column="peak_flop_per_s", doc="dense peak in the number format"),
    "vector_peak": Figure(dimension="rate", column="vector_peak_flop_per_s", doc="peak of the vector units in fp32"),
    "clock": Figure(dimension="frequency", column="clock_hz", doc="clock behind the peak"),
    "units": Figure(dimension="count", column="units", doc="parallel units, such as SMs", whole=True),
    "array_rows": Figure(dimension="count", column="array_rows", doc="rows of a systolic array", whole=True),
    "array_columns": Figure(dimension="count", column="array_columns", doc="columns of a systolic array", whole=True),
    "last_level_cache": Figure(dimension="size", column="last_level_cache_bytes", doc="last-level cache"),
    "on_chip_memory": Figure(dimension="size", column="on_chip_memory_bytes", doc="memory on the chip that software manages"),
    "unit_memory": Figure(dimension="size", column="unit_memory_bytes", doc="local memory of one parallel unit"),
    "capacity": Figure(dimension="size", column="capacity_bytes", doc="capacity of main memory"),
    "tdp": Figure(dimension="power", column="tdp_w", doc="power limit"),
    "idle_power": Figure(dimension="power", column="idle_power_w", doc="power when it does nothing"),
    "process_node": Figure(dimension="length", column="process_node_m", doc="process, by which a FLOP's energy scales"),
}
"""Name of a figure that may vary -> what it is."""
_NEEDS: Final[dict[str, tuple[str, Callable[[Accelerator, str], Any]]]] = {
    "clock": ("clock", lambda chip, dtype: chip.clock_hz(dtype)),
    "units": ("number of parallel units", lambda chip, _: chip.parallel_units),
    "unit_memory": ("number of parallel units", lambda chip, _: chip.parallel_units),
    "array_rows": ("systolic array", lambda chip, _: chip.matrix_array),
    "array_columns": ("systolic array", lambda chip, _: chip.matrix_array),
}
"""Figure -> what of the chip it stands on, in words, and how to find it."""


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Machines that differ in some numbers only: `columns` has one value for each, or one for all; all else is the base's.

    The peak has one for each, whether it differs or not.
    """

    base: Machine
    columns: Mapping[str, Array]

    def __len__(self) -> int:
        """Return how many machines it has."""
        return self.columns["peak"].size

    def machine(self, index: int) -> Machine:
        """Return one of the variants as a machine of its own."""
        own: dict[str, Any] = {name: float(v[index] if v.size > 1 else v[0]) for name, v in self.columns.items()}
        return replace(self.base, **own)

    @cached_property
    def table(self) -> Table:
        """Return every number of the machines: one value for each machine, or one that all share."""
        return Table({**columns_of([self.base]), **self.columns}, (-1, 1))


def estimate_fleet(network: Totals, variants: Fleet, batches: npt.ArrayLike, *, ladder: bool = True) -> Estimate:
    """Return the estimate of every variant at every batch: the same bits as `engine.compiled.estimate` of their machines."""
    batch = np.atleast_1d(np.asarray(batches, dtype=float))
    found = evaluate(network, form_of(variants.base), variants.table, batch, ladder=ladder)
    causes = {cause: found.pop(cause) for cause in CAUSES} if ladder else {}
    return Estimate(batch=np.broadcast_to(batch, (len(variants), batch.size)), ladder_s=causes, **found)


def fleet(
    chip: Accelerator, constants: Resolved, dtype: str, varied: Mapping[str, npt.ArrayLike], runtime: str = GRAPH
) -> Fleet:
    """Return the variants of a chip: `varied` has a value for each, or one for all, by names of CHIP_FIGURES, in SI units.

    Raises DomainError for a figure that stands on one that the chip does not publish, UnknownNameError for a runtime.
    """
    for name in varied:
        what, find = _NEEDS.get(name, ("", lambda *_: True))
        if find(chip, dtype) is None:
            raise DomainError(f"{chip.id} publishes no {what}, so {name} cannot vary; take another base")
    if varied and constants.form == "rated":
        raise DomainError(f"{chip.id} has rates that were probed on it, which do not say what another figure would change")
    if "vector_peak" in varied and dtype == "fp32":
        raise DomainError("in fp32 the peak is that of the vector units; vary peak, not vector_peak")
    base = machine(chip, constants, dtype, runtime)
    given = {name: np.atleast_1d(np.asarray(values, dtype=float)) for name, values in varied.items()}
    columns = {"peak": np.array([base.peak])} | _columns(chip, constants, dtype, base, given)
    size = max((values.size for values in given.values()), default=1)
    return Fleet(base=base, columns=columns | {"peak": np.array(np.broadcast_to(columns["peak"], (size,)))})


def _columns(chip: Accelerator, constants: Resolved, dtype: str, base: Machine, given: Mapping[str, Array]) -> dict[str, Array]:
    """Return every number of a machine that the given figures change."""
    columns = {name: given[name] for name in ("units", "array_rows", "array_columns", "capacity") if name in given}
    columns |= _peaks(chip, dtype, base, given) | _memories(chip, given) | _times(chip, constants, base, given)
    if given.keys() & {"tdp", "idle_power"} or "peak" in columns:
        ratio = columns["peak"] / base.peak if "peak" in columns else np.ones(1)
        columns |= _powers(chip, constants, ratio, given)
    if "process_node" in given:
        columns |= energies(constants, dtype, given["process_node"])
    return columns


def _peaks(chip: Accelerator, dtype: str, base: Machine, given: Mapping[str, Array]) -> dict[str, Array]:
    """Return the peaks: units x clock x FLOP per clock, unless the peak is given itself; then the FLOP per clock follow.

    All formats, the peak at the highest clock, that under load and the vector units scale together: twice the peak is twice
    the lanes.
    """
    own = {
        "units": base.units,
        "clock": chip.clock_hz(dtype),
        "array_rows": base.array_rows,
        "array_columns": base.array_columns,
    }
    ratios = [given[name] / value for name, value in own.items() if name in given and value is not None]
    vector = {"vector_peak": given["vector_peak"] * load_ratio(chip, "fp32")} if "vector_peak" in given else {}
    if "peak" not in given and not ratios:
        return vector
    peak: Array = given["peak"] if "peak" in given else base.peak * math.prod(ratios, start=np.ones(1))
    scaled = {name: getattr(base, name) * (peak / base.peak) for name in PEAKS}
    return {**scaled, "peak": peak, **vector}


def _memories(chip: Accelerator, given: Mapping[str, Array]) -> dict[str, Array]:
    """Return bandwidth and memory on the chip for the estimate, and for the bound, which has no memory term without both."""

    def of(name: str, published: Any) -> Array | None:
        return given.get(name, None if published is None else np.array([published.si]))

    bandwidth = of("bandwidth", chip.memory.bandwidth)
    parts = [of("last_level_cache", chip.last_level_cache), of("on_chip_memory", chip.on_chip_memory)]
    columns = {} if bandwidth is None else {"bandwidth": bandwidth}
    if all(part is None for part in parts):
        return columns
    columns["cache"] = np.sum(np.broadcast_arrays(*(part for part in parts if part is not None)), axis=0)
    if bandwidth is not None:
        local, units = of("unit_memory", chip.unit_memory), of("units", chip.parallel_units)
        inside = np.zeros(1) if local is None or units is None else local * units
        columns |= {"bound_bandwidth": bandwidth, "on_chip": columns["cache"] + inside}
    return columns


def _times(chip: Accelerator, constants: Resolved, base: Machine, given: Mapping[str, Array]) -> dict[str, Array]:
    """Return the constants that are times: a share of them is spent in clock cycles, those of the clock under load."""
    part, correction = constants.network, constants.correction
    if "clock" not in given or part.reference_clock is None:
        return {}
    profile = constants.runtimes.get(base.runtime, Runtime())
    scale = forms.launch_s(
        launch_fitted=1.0, clocked=si_of(part.clocked, 1.0), clock_reference=part.reference_clock.si,
        clock=given["clock"] * load_ratio(chip, base.dtype),
    )  # fmt: skip
    launch = scale * (part.launch.si if profile.launch is None else profile.launch.si)
    return {
        "launch": launch * si_of(correction and correction.launch_factor, 1.0),
        "wave_fill": scale * si_of(part.wave_fill, 0.0),
        "split_cost": scale * si_of(part.split_cost, 0.0),
    }


def _powers(chip: Accelerator, constants: Resolved, ratio: Array, given: Mapping[str, Array]) -> dict[str, Array]:
    """Return power limit, idle and static power; an unpublished limit follows the peak, by its `ratio` to the base's."""
    tdp = given.get("tdp", np.array([si_of(chip.tdp)]))
    idle = given.get("idle_power", np.array([si_of(chip.idle_power)]))
    if np.isnan(tdp).all():
        narrow = [rate.si for dtype, rate in chip.peak_dense.items() if DTYPE_BYTES[dtype] <= DTYPE_BYTES["bf16"]]
        tdp = constants.energy.tdp_per_peak.si * (min(narrow, default=math.nan) * ratio)
        tdp = np.where(idle > 0, np.maximum(tdp, tdp_of_idle(constants, idle)), tdp)
    idle = idle_of_tdp(constants, tdp) if np.isnan(idle).all() else idle
    return {"tdp_w": tdp, "idle_w": idle, "static_w": voltages(constants, tdp, idle)["static_w"]}
