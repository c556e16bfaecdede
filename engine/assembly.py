"""From specs to a machine: the figures of a chip and the constants that apply to it, for a number format and a runtime."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from . import _compiled as forms
from .accelerator import Accelerator
from .calibration import (
    ELEMENT_CLASSES,
    WORK_CLASSES,
    Constants,
    Interval,
    KernelConstants,
    Product,
    Resolved,
    Runtime,
    TileSet,
)
from .errors import unknown
from .machine import DTYPE_BYTES, GRAPH, Machine, Rates, Tiles


def machine(chip: Accelerator, constants: Resolved, dtype: str, runtime: str = GRAPH) -> Machine:
    """Return the machine of a chip, a number format and a runtime. Raises UnknownNameError for a runtime it has not."""
    profile = _profile(chip, constants, dtype, runtime)
    part = constants.network
    peak = chip.peak_dense[dtype].si  # type: ignore[index]
    interval = profile.interval or constants.interval
    peaks = load_peaks(chip, dtype)
    return Machine(
        hardware=chip.id, dtype=dtype, runtime=runtime, form=constants.form, tile_set=tiles(constants.tile_set),
        fused=profile.fused, fused_attention=profile.fused_attention,
        element_bytes=DTYPE_BYTES[dtype], peak=peak, peak_max=chip.peak_max_flop_per_s(dtype), **peaks,
        conv_peak=_conv_peak(chip, profile, dtype) or peaks["load_peak"],
        bandwidth=si_of(chip.memory.bandwidth),
        cache=_cache(chip, constants), units=si_of(chip.parallel_units),
        array_rows=si_of(chip.matrix_array and chip.matrix_array.rows),
        array_columns=si_of(chip.matrix_array and chip.matrix_array.columns),
        capacity=si_of(chip.memory.capacity), workspace=constants.workspace.si,
        conv_factor=constants.energy.conv_factor.si, byte_j=constants.energy.byte.si,
        floor_w=si_of(chip.energy_floors and chip.energy_floors.power),
        floor_flop_j=si_of(chip.energy_floors and chip.energy_floors.flop),
        floor_byte_j=si_of(chip.energy_floors and chip.energy_floors.byte),
        softmax_work=si_of(part.softmax_work, 0.0),
        winograd=_winograd(chip, constants, dtype), transform=si_of(part.transform, 1.0),
        transform_weights=si_of(part.transform_weights, 1.0),
        host=si_of(profile.host, 0.0), host_sharpness=si_of(profile.host_sharpness, 1.0),
        level=interval.level, rates=class_times(constants),
        **product_constants(part) | _shares(chip, constants) | _sustained(part, dtype),
        **_times(chip, constants, profile, dtype), **_ratios(interval), **bound_memory(chip),
        **energies_of(chip, constants, dtype), **power(chip, constants),
    )  # fmt: skip


def load_ratio(chip: Accelerator, dtype: str) -> float:
    """Return what a published peak becomes at the clock that the chip holds under load, over itself; 1 where it says none."""
    clock = chip.clock_hz(dtype)
    if clock is None or chip.load_clock is None:
        return 1.0
    return _at(forms.load_peak, peak=1.0, load_clock=chip.load_clock.si, clock=clock)


def load_clock_hz(chip: Accelerator, dtype: str) -> float | None:
    """Return the clock of a chip under load [Hz], or None where none is known: that behind the peak unless it says another."""
    clock = chip.clock_hz(dtype)
    return None if clock is None else clock * load_ratio(chip, dtype)


def load_peaks(chip: Accelerator, dtype: str) -> dict[str, Any]:
    """Return the peaks that times go by, at the clock under load [FLOP/s]: in a format, in 16 bits, of the vector units."""
    ratio = load_ratio(chip, dtype)
    return {
        "load_peak": float(chip.peak_dense[dtype].si) * ratio,  # type: ignore[index]
        "reference_peak": chip.reference_peak_flop_per_s * ratio,
        "vector_peak": chip.vector_peak_flop_per_s * load_ratio(chip, "fp32"),
    }


def _conv_peak(chip: Accelerator, profile: Runtime, dtype: str) -> float | None:
    """Return the peak of convolutions that leave the matrix units idle [FLOP/s], at the clock under load, else None."""
    vector = chip.peak_vector.get(dtype) if dtype in profile.vector_convolutions else None
    return None if vector is None else float(vector.si) * load_ratio(chip, dtype)


def _winograd(chip: Accelerator, constants: Resolved, dtype: str) -> float:
    """Return the share of the peak in Winograd's products: in fp32, where it runs in tiles on the vector units, else 0."""
    vector = constants.form == "tiled" and dtype == "fp32" and dtype not in chip.peak_vector
    return si_of(constants.network.winograd, 0.0) if vector else 0.0


def tiles(tile_set: TileSet) -> Tiles:
    """Return a set of tiles as plain numbers."""
    return Tiles(
        version=tile_set.version, tiles=tile_set.tiles, splits=tile_set.splits, contraction_step=tile_set.contraction_step.si,
        query_tile=tile_set.query_tile.si, channel_alignment=tile_set.channel_alignment.si,
    )  # fmt: skip


def _profile(chip: Accelerator, constants: Resolved, dtype: str, runtime: str) -> Runtime:
    if runtime == GRAPH:
        return constants.runtimes.get(GRAPH, Runtime()).within(dtype)
    if runtime not in constants.runtimes:
        raise unknown(f"runtime of {chip.id}", runtime, [GRAPH, *constants.runtimes])
    return constants.runtimes[runtime].within(dtype)


def si_of(quantity: Any, default: float = math.nan) -> float:
    """Return a quantity in its base unit, or the default where it is None."""
    return default if quantity is None else float(quantity.si)


def class_times(constants: Resolved) -> Rates:
    """Return the time of one FLOP or element of each class [s], with what measurements changed; none without rates."""
    if constants.form != "rated" or constants.rates is None:
        return ()
    rates, factors = constants.rates, {} if constants.correction is None else constants.correction.class_factors
    work = {name: 1.0 / rate.si for name, rate in _every(rates.work, WORK_CLASSES, "gemm").items()}
    element = {name: time.si for name, time in _every(rates.element, ELEMENT_CLASSES, "elementwise").items()}
    changed = {str(name): factor.si for name, factor in factors.items()}
    return tuple((name, seconds * changed.get(name, 1.0)) for name, seconds in (work | element).items())


def _every(given: Mapping[Any, Any], names: Sequence[str], usual: str) -> dict[str, Any]:
    """Return a rate for every class: that of the usual one where none is given."""
    return {name: given.get(name, given[usual]) for name in names}


def _shares(chip: Accelerator, constants: Resolved) -> dict[str, float]:
    """Return the shares of the bandwidth: where rates were probed, those of passes and of products."""
    if constants.form != "rated" or constants.rates is None:
        return {"product_share": constants.network.bandwidth_share.si}
    whole, rates = si_of(chip.memory.bandwidth), constants.rates
    return {"bandwidth_share": rates.bandwidth.si / whole, "product_share": rates.product_bandwidth.si / whole}


VECTOR_DTYPES: Final = ("fp32", "fp64")
"""Formats of which products run on the vector units of a GPU."""


def _sustained(part: Constants, dtype: str) -> dict[str, float]:
    """Return the sustained shares of the peak of a format, of products and of those of attention."""
    if dtype in VECTOR_DTYPES and part.vector_sustained is not None:
        return {"sustained": part.vector_sustained.si, "attention": part.vector_sustained.si}
    return {"sustained": part.sustained.si, "attention": si_of(part.attention, part.sustained.si)}


def _cache(chip: Accelerator, constants: Resolved) -> float:
    """Return what stays near between kernels [B]: as probed, else as published."""
    if constants.form == "rated" and constants.rates is not None:
        return float(constants.rates.cache.si)
    return chip.cache_bytes or 1.0


def bound_memory(chip: Accelerator) -> dict[str, Any]:
    """Return bandwidth [B/s] and memory on the chip [B] for the lower bound, which has no memory term unless both are known."""
    if chip.on_chip_bytes is None or chip.memory.bandwidth is None:
        return {"bound_bandwidth": 1.0, "on_chip": math.inf}
    return {"bound_bandwidth": chip.memory.bandwidth.si, "on_chip": chip.on_chip_bytes}


def product_constants(part: Product) -> dict[str, Any]:
    """Return the constants of matrix products that are no times."""
    return {
        "sustained": si_of(part.sustained),
        "bandwidth_share": si_of(part.bandwidth_share),
        "cache_ratio": si_of(part.cache_ratio),
        "feed": si_of(part.feed, math.inf),
        "wave_sharing": si_of(part.wave_sharing, 0.0),
        "tile_drain": si_of(part.tile_drain, 0.0),
        "overlap_loss": si_of(part.overlap_loss, 0.0),
    }


def _times(chip: Accelerator, constants: Resolved, profile: Runtime, dtype: str) -> dict[str, Any]:
    """Return the constants that are times, at the clock of the chip, with what a measurement of it or a runtime changes."""
    part, correction = constants.network, constants.correction
    scale = clock_scale(part, load_clock_hz(chip, dtype))
    launch = scale * (part.launch.si if profile.launch is None else profile.launch.si)
    return {
        "launch": launch * si_of(correction and correction.launch_factor, 1.0),
        "wave_fill": scale * si_of(part.wave_fill, 0.0),
        "split_cost": scale * si_of(part.split_cost, 0.0),
        "time_factor": si_of(correction and correction.time_factor, 1.0) / si_of(profile.device_share, 1.0),
        "energy_factor": si_of(correction and correction.time_factor, 1.0),
    }


def clock_scale(part: Constants | KernelConstants, clock: float | None) -> float:
    """Return how much longer a launch takes than where it was fitted: a share of it is spent in clock cycles."""
    if part.reference_clock is None or clock is None:
        return 1.0
    clocked = si_of(part.clocked, 1.0)
    return _at(forms.launch_s, launch_fitted=1.0, clocked=clocked, clock_reference=part.reference_clock.si, clock=clock)


def _at(form: Callable[..., Any], **values: float) -> float:
    """Return a form at plain numbers. Beyond all bounds it is infinite, where Python's own arithmetic would raise."""
    with np.errstate(all="ignore"):
        return float(form(**{name: np.float64(value) for name, value in values.items()}))


def _ratios(interval: Interval) -> dict[str, Any]:
    """Return the ratios of the interval; without ratios of their own launches have those of all else."""
    p10, p90 = interval.p10.si, interval.p90.si
    return {
        "ratio_p10": p10,
        "ratio_p90": p90,
        "launch_ratio_p10": si_of(interval.launch_p10, p10),
        "launch_ratio_p90": si_of(interval.launch_p90, p90),
    }


def power(chip: Accelerator, constants: Resolved) -> dict[str, Any]:
    """Return power limit and idle power [W], assumed by family where the maker publishes none, and what was assumed."""
    assumed = []
    tdp, idle = si_of(chip.tdp), si_of(chip.idle_power)
    if math.isnan(tdp):
        narrow = [rate.si for dtype, rate in chip.peak_dense.items() if DTYPE_BYTES[dtype] <= DTYPE_BYTES["bf16"]]
        per_unit = si_of(constants.energy.tdp_per_unit)
        tdp = constants.energy.tdp_per_peak.si * min(narrow) if narrow else per_unit * si_of(chip.parallel_units)
        tdp = max(tdp, tdp_of_idle(constants, idle)) if idle > 0 else tdp
        assumed.append("tdp")
    if math.isnan(idle):
        idle = idle_of_tdp(constants, tdp)
        assumed.append("idle_power")
    if chip.process_node is None:
        assumed.append("process_node")
    watts = {"tdp_w": tdp, "idle_w": idle, **voltages(constants, tdp, idle)}
    return {**{name: float(value) for name, value in watts.items()}, "assumed": tuple(assumed)}


def idle_of_tdp(constants: Resolved, tdp: Any) -> Any:
    """Return the idle power that a family assumes of a power limit [W], of a chip or of an array of them."""
    energy = constants.energy
    return np.minimum(si_of(energy.idle_base, 0.0) + energy.idle_share.si * tdp, si_of(energy.idle_most, math.inf) * tdp)


def tdp_of_idle(constants: Resolved, idle: Any) -> Any:
    """Return the power limit [W] that has an idle power by what a family assumes, the inverse of `idle_of_tdp`."""
    energy = constants.energy
    by_share = (idle - si_of(energy.idle_base, 0.0)) / energy.idle_share.si
    return np.maximum(by_share, idle / si_of(energy.idle_most, math.inf))


def voltages(constants: Resolved, tdp: Any, idle: Any) -> dict[str, Any]:
    """Return static power [W] and the law of clock and voltage, of a chip or of an array of them."""
    energy = constants.energy
    static = idle if energy.static_share is None else np.minimum(energy.static_share.si * tdp, idle)
    span, exponent = si_of(energy.voltage_span, 1.0), si_of(energy.voltage_exponent, 1.0)
    return {"static_w": static, "voltage_span": span, "voltage_exponent": exponent}


def energies_of(chip: Accelerator, constants: Resolved, dtype: str) -> dict[str, Any]:
    """Return the energies of a chip that follow its process, which is assumed by family where it is not published."""
    node = si_of(chip.process_node, constants.energy.assumed_node.si)
    return {name: float(value) for name, value in energies(constants, dtype, node).items()}


def energies(constants: Resolved, dtype: str, node: Any) -> dict[str, Any]:
    """Return the energy of a FLOP [J/FLOP] and of a byte on the chip [J/B] on a process, or on each of an array of them [m]."""
    energy = constants.energy
    size = np.asarray(node, dtype=float)[()]  # numpy's arithmetic: beyond all bounds it is infinite
    process = {"node": size, "node_reference": energy.reference_node.si, "node_exponent": energy.node_exponent.si}
    kind = si_of(energy.dtype_factor.get(dtype))  # type: ignore[call-overload]
    with np.errstate(all="ignore"):
        return {
            "flop_j": forms.flop_energy_j(flop_j_reference=energy.flop.si, kind_factor=kind, **process),
            "cache_byte_j": forms.cache_byte_energy_j(cache_byte_j_reference=si_of(energy.cache_byte, 0.0), **process),
        }
