"""A machine: one chip with one number format, its published figures and its calibrated constants resolved to SI numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from . import _compiled as forms
from .accelerator import DTYPE_BYTES, Accelerator
from .calibration import Constants, Resolved, TileSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One chip with one number format, its constants resolved to SI numbers; NaN is unknown."""

    hardware: str
    dtype: str
    form: str
    tile_set: TileSet
    element_bytes: float
    peak: float
    peak_max: float
    bandwidth: float
    bound_bandwidth: float
    on_chip: float
    cache: float
    units: float
    clock: float
    array_rows: float
    array_columns: float
    capacity: float
    workspace: float
    tdp_w: float
    idle_w: float
    flop_j: float
    conv_factor: float
    byte_j: float
    floor_w: float
    floor_flop_j: float
    floor_byte_j: float
    launch: float
    sustained: float
    bandwidth_share: float
    cache_ratio: float
    feed: float
    wave_fill: float
    split_cost: float
    overlap_loss: float
    derating: float
    attention: float
    power_exponent: float
    time_factor: float
    ratio_p10: float
    ratio_p90: float
    assumed: tuple[str, ...]


def machine(chip: Accelerator, constants: Resolved, dtype: str, *, kernel: bool = False) -> Machine:
    """Return the machine of a chip and a number format; `kernel` takes the constants of single kernels."""
    part = constants.kernel if kernel else constants.network
    peak = chip.peak_dense[dtype].si  # type: ignore[index]
    bandwidth = _si(chip.memory.bandwidth)
    bound_known = chip.on_chip_bytes is not None and chip.memory.bandwidth is not None
    power = _power(chip, constants)
    return Machine(
        hardware=chip.id, dtype=dtype, form=constants.form, tile_set=constants.tile_set,
        element_bytes=DTYPE_BYTES[dtype], peak=peak, peak_max=chip.peak_max_flop_per_s(dtype), bandwidth=bandwidth,
        bound_bandwidth=bandwidth if bound_known else 1.0,
        on_chip=chip.on_chip_bytes if bound_known and chip.on_chip_bytes is not None else math.inf,
        cache=chip.cache_bytes or 1.0, units=_si(chip.parallel_units), clock=chip.clock_hz(dtype) or math.nan,
        array_rows=_si(chip.matrix_array and chip.matrix_array.rows),
        array_columns=_si(chip.matrix_array and chip.matrix_array.columns),
        capacity=_si(chip.memory.capacity), workspace=constants.workspace.si,
        flop_j=_flop_energy(chip, constants, dtype), conv_factor=constants.energy.conv_factor.si,
        byte_j=constants.energy.byte.si,
        floor_w=_si(chip.energy_floors and chip.energy_floors.power),
        floor_flop_j=_si(chip.energy_floors and chip.energy_floors.flop),
        floor_byte_j=_si(chip.energy_floors and chip.energy_floors.byte),
        ratio_p10=constants.interval.p10.si, ratio_p90=constants.interval.p90.si,
        **_constants(part, chip.clock_hz(dtype)), **power,
    )  # fmt: skip


def _si(quantity: Any, default: float = math.nan) -> float:
    return default if quantity is None else float(quantity.si)


def _constants(part: Constants, clock: float | None) -> dict[str, Any]:
    """Return the constants in SI; costs that are spent in cycles grow where the clock is lower than the reference."""
    reference = _si(part.reference_clock)
    scale = reference / clock if part.reference_clock is not None and clock else 1.0
    return {
        "launch": part.launch.si * scale,
        "sustained": part.sustained.si,
        "bandwidth_share": part.bandwidth_share.si,
        "cache_ratio": part.cache_ratio.si,
        "feed": _si(part.feed, math.inf),
        "wave_fill": _si(part.wave_fill, 0.0) * scale,
        "split_cost": _si(part.split_cost, 0.0) * scale,
        "overlap_loss": _si(part.overlap_loss, 0.0),
        "derating": _si(part.derating, 0.0),
        "attention": _si(part.attention, part.sustained.si),
        "power_exponent": _si(part.power_exponent, 1.0),
        "time_factor": _si(part.time_factor, 1.0),
    }


def _power(chip: Accelerator, constants: Resolved) -> dict[str, Any]:
    """Return power limit and idle power [W], assumed by family where the maker publishes none, and what was assumed."""
    assumed = []
    tdp, idle = _si(chip.tdp), _si(chip.idle_power)
    if math.isnan(tdp):
        narrow = [rate.si for dtype, rate in chip.peak_dense.items() if DTYPE_BYTES[dtype] <= DTYPE_BYTES["bf16"]]
        tdp = constants.energy.tdp_per_peak.si * min(narrow, default=math.nan)
        tdp = max(tdp, idle / constants.energy.idle_share.si) if idle > 0 else tdp
        assumed.append("tdp")
    if math.isnan(idle):
        idle = constants.energy.idle_share.si * tdp
        assumed.append("idle_power")
    if chip.process_node is None:
        assumed.append("process_node")
    return {"tdp_w": tdp, "idle_w": idle, "assumed": tuple(assumed)}


def _flop_energy(chip: Accelerator, constants: Resolved, dtype: str) -> float:
    energy = constants.energy
    return float(
        forms.flop_energy_j(
            flop_j_reference=energy.flop.si,
            node=_si(chip.process_node, energy.assumed_node.si),
            node_reference=energy.reference_node.si,
            node_exponent=energy.node_exponent.si,
            kind_factor=_si(energy.dtype_factor.get(dtype)),  # type: ignore[call-overload]
        )
    )
