"""Derivations: the closed forms of a model on a chip, with numbers substituted step by step, from SymPy's own formulas."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any, Final

import numpy as np

from engine import _compiled, symbols
from engine.assembly import load_clock_hz
from engine.catalog import Catalog
from engine.closed_form import ClosedForm
from engine.compiled import Estimate, estimate
from engine.cost import Cost, seconds_per_sample
from engine.errors import DomainError
from engine.machine import GRAPH, Machine
from engine.network import Network
from engine.passes import Breakdown, breakdown, convolution_j, kernels_on
from engine.solve import RoofCurve, roof_curve
from engine.units import render, significant

from .formula import shown_quantity
from .step import FORMS, Step, formula, summed, told

_FIRST_SEGMENTS: Final = 3
_TERMS_SHOWN: Final = 3


def derive(network: Network, machine: Machine, batch: int, limit_s: float | None = None, *, catalog: Catalog) -> list[Step]:
    """Return the derivation of bound, plain roof, batch curve, estimate, energy and utilization at one batch.

    `catalog` is the one that the machine is of; it has the constants before they were fitted to the chip's clock.
    """
    values = _values(network, machine, batch, limit_s)
    return [
        *_totals(network, machine, batch, values),
        *_bound(machine, values, limit_s),
        *_roof(network, machine, batch, values, limit_s),
        *_under_load(machine, catalog),
        *_convolutions(machine),
        *_launch(machine, catalog),
        *_estimate(network, machine, batch, values),
    ]


def _values(network: Network, machine: Machine, batch: int, limit_s: float | None) -> dict[str, float]:
    """Return the values of the symbols of the whole network."""
    touched, read = float(network.least_elements(batch)), float(network.read_weights(batch))
    activations = sum(kernel.cost.inputs + kernel.cost.outputs for kernel in network.kernels)
    return {
        "batch": batch, "work_each": network.work, "work": network.work * batch, "work_min": network.work_min * batch,
        "traffic_once": read * machine.element_bytes, "traffic_each": activations * machine.element_bytes,
        "traffic": (read + activations * batch) * machine.element_bytes,
        "traffic_min": touched * machine.element_bytes, "peak": machine.peak, "peak_max": machine.peak_max,
        "bandwidth": machine.bandwidth, "on_chip": machine.on_chip, "limit": limit_s or math.nan,
    }  # fmt: skip


def _totals(network: Network, machine: Machine, batch: int, values: Mapping[str, float]) -> Iterator[Step]:
    sizes = "".join(f", {name} {size}" for name, size in network.sizes.items())
    runtime = "" if machine.runtime == GRAPH else f", runtime {machine.runtime}"
    where = f"{network.name}{sizes}, on {machine.hardware} in {machine.dtype}{runtime}"
    yield told("batch B", where, batch, "samples", f"one pass; `advise show {machine.hardware}` has the source of every figure")
    yield formula("work W", "total_work", values, "the model's arithmetic; a multiply-accumulate is 2 FLOP")
    least = f"{batch} * {shown_quantity(network.work_min, 'FLOP')}"
    yield told(
        "least work W_min", "batch * the least that any algorithm needs", values["work_min"], "FLOP", "for the bound",
        numbers=least,
    )  # fmt: skip
    element = f"{machine.element_bytes:g} B"
    yield told(
        "weight traffic q_w", "sum over kernels of weights * operand_bytes", values["traffic_once"], "B", _once(network),
        numbers=f"{values['traffic_once'] / machine.element_bytes:.0f} * {element}",
    )  # fmt: skip
    yield told(
        "activation traffic q_a", "sum over kernels of (inputs + results) * operand_bytes", values["traffic_each"], "B",
        "of one sample, with fused kernels", numbers=f"{values['traffic_each'] / machine.element_bytes:.0f} * {element}",
    )  # fmt: skip
    yield formula("traffic Q", "total_traffic", values, "if nothing stays on the chip between kernels")
    yield (intensity := formula("intensity I", "arithmetic_intensity", values, "of the whole network"))
    yield formula("ridge point", "ridge_point", values, "intensity at which memory-bound turns compute-bound")
    yield formula("attainable performance", "attainable_performance", {**values, "intensity": intensity.value}, "the roof at I")


def _once(network: Network) -> str:
    """Return what is read once per pass: of experts those that tokens are expected to choose at this batch."""
    routed = any(kernel.cost.routed < 1 for kernel in network.kernels)
    return "once per pass; of experts those that its tokens are expected to touch" if routed else "once per pass"


def _bound(machine: Machine, values: Mapping[str, float], limit_s: float | None) -> Iterator[Step]:
    known = math.isfinite(machine.on_chip)
    if known:
        yield replace(
            formula("lower bound", "latency_lower_bound_s", values, ""),
            why=f"{_deciding(values)}; no implementation is faster",
        )
    else:
        why = "arithmetic decides, since bandwidth or on-chip memory is not published; no implementation is faster"
        yield formula("lower bound", "arithmetic_lower_bound_s", values, why)
    if limit_s is None:
        return
    has = f"the chip has {shown_quantity(machine.peak_max, 'FLOP/s')} at its highest clock"
    yield formula("peak for the limit", "peak_for_limit", values, f"the least with which the bound admits the limit; {has}")
    if known:
        has = f"the chip has {shown_quantity(machine.bandwidth, 'B/s')}"
        yield formula("bandwidth for the limit", "bandwidth_for_limit", values, f"the least, likewise; {has}")


def _deciding(values: Mapping[str, float]) -> str:
    """Return the two terms of the lower bound, and which one decides."""
    terms = {}
    for part in FORMS["latency_lower_bound_s"].expression.args:
        name = "arithmetic" if symbols.work_min in part.free_symbols else "memory"
        terms[name] = ClosedForm(name=name, expression=part, unit="s", source="", doc="").at(values)
    first, second = sorted(terms, key=terms.__getitem__, reverse=True)
    needed = {name: shown_quantity(seconds, "s") for name, seconds in terms.items()}
    return f"{first} decides with {needed[first]}, {second} alone needs {needed[second]}"


def _roof(network: Network, machine: Machine, batch: int, values: Mapping[str, float], limit_s: float | None) -> Iterator[Step]:
    yield formula(
        "ridge batch of the network", "ridge_batch", values, "batch at which all arithmetic takes as long as all traffic"
    )
    try:
        curve = roof_curve(network, machine, batch)
    except DomainError as error:
        yield told("batch curve", "sum over kernels of max(W/pi, Q/beta)", math.nan, "s", str(error))
        return
    yield summed("plain roof", "roof_s", curve.latency_s(batch), "nothing overlaps, nothing stays on the chip")
    yield from _segments(curve)
    limit = f"with 90 % of {significant(curve.throughput_limit_per_s)}/s, which ever larger batches approach"
    yield told("knee", "smallest batch with B/T(B) >= 0.9 * limit of B/T(B)", curve.knee(), "samples", limit)
    if limit_s is not None:
        yield from _within(curve, batch, limit_s)
    spent = (
        ("bandwidth", "beta", "memory", curve.bandwidth_elasticity(batch)),
        ("peak", "pi", "arithmetic", curve.peak_elasticity(batch)),
    )
    for name, symbol, waits, value in spent:
        why = f"the change of the time in %, for 1 % more {name}"
        yield told(f"d ln T / d ln {symbol}", f"- share of the time in kernels that wait for {waits}", value, "1", why)


def _within(curve: RoofCurve, batch: int, limit_s: float) -> Iterator[Step]:
    """Yield what a limit means on the plain roof."""
    limit, roof = shown_quantity(limit_s, "s"), "on the plain roof; the advice evaluates the estimate"
    yield told("largest batch", f"largest B with T(B) <= {limit}", curve.largest_batch(limit_s), "samples", roof)
    for name, unit, needed in (
        ("bandwidth", "B/s", curve.bandwidth_for_limit(batch, limit_s)),
        ("peak", "FLOP/s", curve.peak_for_limit(batch, limit_s)),
    ):
        text = f"least {name} with T({batch}) <= {limit}"
        yield told(f"{name} for this batch", text, needed, unit, "on the plain roof, all else the same")


def _segments(curve: RoofCurve) -> Iterator[Step]:
    """Yield the first lines of the batch curve, and the last one."""
    segments, ridge = curve.segments, curve.ridge_batches
    for number, segment in enumerate(segments, start=1):
        if _FIRST_SEGMENTS < number < len(segments):
            continue
        stop = "infinity" if math.isinf(segment.stop) else significant(segment.stop, 4)
        line = f"T(B) = {shown_quantity(segment.intercept, 's')} + {shown_quantity(segment.slope, 's')} * B"
        turned = [name for name, batch in zip(curve.names, ridge, strict=True) if 0 < batch == segment.start]
        why = f"{(ridge > segment.start).sum()} of {len(ridge)} kernels wait for memory"
        yield told(
            f"each sample on segment {number} of {len(segments)}", f"{line} for {significant(segment.start, 4)} < B <= {stop}",
            segment.slope, "s", why + (f"; at its start turns compute-bound: {', '.join(turned)}" if turned else ""),
        )  # fmt: skip


def _under_load(machine: Machine, catalog: Catalog) -> Iterator[Step]:
    """Yield the peak at the clock that the chip holds under load, where that is not the clock behind the published one."""
    chip = catalog.accelerators[machine.hardware]
    clock, load = chip.clock_hz(machine.dtype), chip.load_clock
    if clock is not None and load is not None:
        values = {"peak": machine.peak, "load_clock": load.si, "clock": clock}
        yield formula("peak under load", "load_peak", values, "times of kernels go by it, and all that goes with the clock")


def _convolutions(machine: Machine) -> Iterator[Step]:
    """Yield the peak that convolutions go by, where the runtime's leave the matrix units idle."""
    if machine.conv_peak != machine.load_peak:
        why = f"runtime {machine.runtime}: its convolutions in {machine.dtype} leave the matrix units idle"
        yield told("peak of convolutions", "peak of the vector units", machine.conv_peak, "FLOP/s", why)


def _launch(machine: Machine, catalog: Catalog) -> Iterator[Step]:
    """Yield the launch of a kernel at the clock of the chip, and what a measurement of the chip makes of it."""
    chip, constants = catalog.accelerators[machine.hardware], catalog.constants[machine.hardware]
    part, correction, profile = constants.network, constants.correction, constants.runtimes.get(machine.runtime)
    fitted = part.launch if profile is None or profile.launch is None else profile.launch
    launch, clock = fitted.si, load_clock_hz(chip, machine.dtype)
    if part.reference_clock is not None and clock is not None:
        values = {
            "launch_fitted": launch, "clocked": part.clocked.si if part.clocked else 1.0,
            "clock_reference": part.reference_clock.si, "clock": clock,
        }  # fmt: skip
        at_clock = formula("launch at the chip's clock", "launch_s", values, "a share of it is spent in cycles")
        yield at_clock
        launch = at_clock.value
    if correction is not None:
        numbers = f"{shown_quantity(launch, 's')} * {correction.launch_factor.si:g}"
        why = "of one kernel, by measurements of this chip"
        yield told("launch of a kernel", "launch * launch_factor", machine.launch, "s", why, numbers=numbers)


def _estimate(network: Network, machine: Machine, batch: int, values: Mapping[str, float]) -> Iterator[Step]:
    grid = np.array([[float(batch)]])
    with np.errstate(all="ignore"):
        parts = breakdown(network, [machine], grid)
    yield from _kernel(network, machine, batch, parts)
    points = estimate(network, [machine], grid)
    sequence = machine.time_factor * float(parts.total(parts.seconds)[0, 0])
    dynamic = machine.energy_factor * float(parts.total(parts.energy_j)[0, 0])
    terms = _largest_terms(parts.count[:, 0, 0], parts.seconds[:, 0, 0])
    yield summed("all kernels in a row", "kernel_s", sequence, _factor(machine), numbers=terms, scale=machine.time_factor)
    terms = _largest_terms(parts.count[:, 0, 0], parts.energy_j[:, 0, 0], "J")
    scale = machine.energy_factor
    why = "net of idle" if scale == 1 else "net of idle; the factor is that of the chip on its time"
    yield summed("dynamic energy", "dynamic_energy_j", dynamic, why, numbers=terms, scale=scale)
    known = {
        "sequence_s": sequence, "dynamic_j": dynamic, "idle_w": machine.idle_w, "tdp_w": machine.tdp_w,
        "static_w": machine.static_w, "voltage_span": machine.voltage_span, "voltage_exponent": machine.voltage_exponent,
        "latency": float(points.latency_estimate_s[0, 0]),
    }  # fmt: skip
    power = formula("time that the power limit allows at full clock", "power_limit_s", known, _assumed(machine))
    yield power
    limited = formula("time of the network", "power_limited_s", known | {"power_s": power.value}, _throttled(machine))
    yield limited
    spent = formula("energy within the limit", "limited_energy_j", known | {"limited_s": limited.value}, "net of idle")
    yield spent
    host_s = machine.host * network.launches
    if host_s:
        limited = yield from _hosted(network, machine, limited, host_s)
    yield _clamped(points, limited)
    launches = _launches(machine, points, float(parts.total(parts.launch_s)[0, 0]), host_s)
    yield launches
    yield from _interval(machine, points, launches.value)
    known |= {"dynamic_j": spent.value}
    yield formula("energy of the pass", "energy_j", known, _per_sample(float(points.energy_per_inference_j[0, 0])))
    yield from _utilization(network, machine, batch, {**values, **known})


def _throttled(machine: Machine) -> str:
    """Return what the machine does where its power limit decides."""
    if machine.voltage_span == 1:
        return "the longer of both"
    return "a lower clock needs less voltage, down to the lowest"


def _factor(machine: Machine) -> str:
    """Return what the factor on all kernels stands for."""
    if machine.time_factor == 1:
        return "each kernel as above"
    return "each kernel as above; the factor is that of the chip over the share of the rate that the runtime's kernels reach"


def _hosted(network: Network, machine: Machine, limited: Step, host_s: float) -> Generator[Step, None, Step]:
    """Yield what the host needs, and the time of device and host together; return the latter."""
    numbers = f"{network.launches} * {shown_quantity(machine.host, 's')}"
    why = f"runtime {machine.runtime}: the host launches one operator after the other, views aside"
    yield told("time of the host", "launched operators * time of the host for each", host_s, "s", why, numbers=numbers)
    values = {"device_s": limited.value, "host_s": host_s, "sharpness": machine.host_sharpness}
    why = "a soft maximum: the device works while the host launches what is next"
    hosted = formula("time with the host", "host_limited_s", values, why)
    yield hosted
    return hosted


def _clamped(points: Estimate, limited: Step) -> Step:
    """Return the step of the estimate, which may not beat the lower bound."""
    bound, latency = (float(getattr(points, f"latency_{name}_s")[0, 0]) for name in ("lower_bound", "estimate"))
    why = "the lower bound decides" if bound > limited.value else "the bound is lower" if latency > 0 else limited.why
    numbers = f"max({limited.result}, {shown_quantity(bound, 's')})"
    return told("estimate", f"max({limited.title}, lower bound)", latency, "s", why, numbers=numbers)


def _launches(machine: Machine, points: Estimate, sum_s: float, host_s: float) -> Step:
    """Return the step of what launches take of the estimate: those of all kernels, or the host's where it needs longer."""
    latency, launches_s = float(points.latency_estimate_s[0, 0]), machine.time_factor * sum_s
    text = "sum over kernels of launch"
    text, numbers = text if machine.time_factor == 1 else f"{machine.time_factor:g} * {text}", shown_quantity(launches_s, "s")
    if host_s:
        text, numbers = f"max({text}, time of the host)", f"max({numbers}, {shown_quantity(host_s, 's')})"
    value = float(np.minimum(latency, max(launches_s, host_s)))
    numbers = f"min({numbers}, {shown_quantity(latency, 's')})"
    why = "what a measurement spreads about most, where it has a ratio of its own"
    return told("launches", f"min({text}, estimate)", value, "s", why, numbers=numbers)


def _interval(machine: Machine, points: Estimate, launches_s: float) -> Iterator[Step]:
    """Yield p10 and p90: each a blend of two ratios of measured to estimated time, which may not pass bound and estimate."""
    bound, latency = (float(getattr(points, f"latency_{name}_s")[0, 0]) for name in ("lower_bound", "estimate"))
    of_all = {"latency": latency, "launches_s": launches_s}
    for name, ratio, launch_ratio in (
        ("p10", machine.ratio_p10, machine.launch_ratio_p10),
        ("p90", machine.ratio_p90, machine.launch_ratio_p90),
    ):
        values = of_all | {"ratio": ratio, "launch_ratio": launch_ratio}
        blend = formula(f"blend at {name}", "interval_s", values, "one ratio for the launches, another for all else")
        yield blend
        text, numbers = f"max({blend.title}, estimate)", f"max({blend.result}, {shown_quantity(latency, 's')})"
        if name == "p10":
            text = f"max(min({blend.title}, estimate), lower bound)"
            numbers = f"max(min({blend.result}, {shown_quantity(latency, 's')}), {shown_quantity(bound, 's')})"
        value = float(getattr(points, f"latency_{name}_s")[0, 0])
        why = f"{name[1:]} % of measured times are less, by the calibration"
        yield told(f"{name} of our error", text, value, "s", why, numbers=numbers)


def _utilization(network: Network, machine: Machine, batch: int, values: dict[str, float]) -> Iterator[Step]:
    elements = float(network.compulsory_elements(batch))
    yield formula("MFU", "mfu", values, "the model's own work over what the peak would do")
    traffic = {**values, "traffic": elements * machine.element_bytes}
    yield formula("MBU", "mbu", traffic, _moved(network))


def _moved(network: Network) -> str:
    cache = ", the cache of earlier tokens" if network.cache_reads else ""
    return f"weights{cache}, input and output over what the bandwidth would carry"


def _per_sample(joules: float) -> str:
    return "idle power and dynamic energy" if math.isnan(joules) else f"{render(joules, 'energy')} per sample"


def _assumed(machine: Machine) -> str:
    return f"not published, so assumed: {', '.join(machine.assumed)}" if machine.assumed else "power limit and idle power"


def _largest_terms(count: Any, each: Any, unit: str = "s") -> str:
    """Return a sum by its largest terms and the rest."""
    total = count * each
    if np.isnan(total).any():
        return ""
    order = np.argsort(-total, kind="stable")
    shown = [f"{count[i]:.0f} * {shown_quantity(float(each[i]), unit)}" for i in order[:_TERMS_SHOWN]]
    rest = order[_TERMS_SHOWN:]
    others = [f"{shown_quantity(float(total[rest].sum()), unit)} in {count[rest].sum():.0f} more"] if rest.size else []
    return " + ".join([*shown, *others])


# The kernel that takes most time.


def _kernel(network: Network, machine: Machine, batch: int, parts: Breakdown) -> Iterator[Step]:
    """Yield the steps of the kernel that takes most time, or of that with most arithmetic where times are unknown."""
    spent = (parts.count * parts.seconds)[:, 0, 0]
    known = not np.isnan(spent).any()
    index = int((spent if known else (parts.count * parts.compute["plain"])[:, 0, 0]).argmax())
    cost, count = kernels_on(network, machine)[index]
    name = next(kernel.name for kernel in network.launched(machine) if kernel.cost == cost)
    title = f"kernel {name}" + (f" (x {count})" if count > 1 else "")
    share = f"{100 * spent[index] / spent.sum():.0f} % of the time, more than any other kernel" if known else "most arithmetic"
    values = _kernel_values(cost, network, machine, batch)
    compute = _arithmetic(title, cost, machine, values, share)
    faster, saving = _winograd(title, machine, values, compute)
    yield from faster or [compute]
    cache = "no cache is published, 1 B stands for none" if machine.cache <= 1 else "what the cache does not keep"
    rated = machine.form == "rated"
    traffic = formula(f"{title}: bytes from memory", "probed_traffic" if rated else "network_traffic", values, cache)
    yield traffic
    values["traffic"] = traffic.value
    about = "from memory; the rates contain the cache" if rated else "from memory and from the cache"
    memory = formula(f"{title}: traffic", "fetch_s" if rated else "traffic_s", values, about)
    yield memory
    values |= {"compute_s": faster[-1].value if faster else compute.value, "memory_s": memory.value}
    yield formula(f"{title}: T_op", "kernel_s", values, "launch, and the longer of both")
    yield from saving
    values |= {name: step.value for name, step in zip(("work", "activations"), saving, strict=False)}
    yield formula(f"{title}: dynamic energy", "dynamic_energy_j", values, "arithmetic, bytes from memory, bytes on the chip")


def _arithmetic(title: str, cost: Cost, machine: Machine, values: Mapping[str, float], why: str) -> Step:
    """Return the step of a kernel's arithmetic, by what the kernel is and how the machine works."""
    title = f"{title}: arithmetic"
    if machine.form == "rated":
        parts = " and ".join(f"{amount:,.0f} of {name}" for name, amount in cost.parts)
        return formula(title, "rated_s", values, f"{why}; for a sample {parts}")
    if cost.kind == "attention":
        form = "plain_s" if machine.form == "roof" else "attention_s"
        return formula(title, form, {**values, "sustained": machine.attention}, why)
    if cost.kind in ("gemm", "conv") and machine.form == "tiled":
        tile = _best_tile(values, machine)
        rows, columns, split = (f"{tile[name]:.0f}" for name in ("tile_rows", "tile_columns", "split"))
        choice = f"tiles of {rows} x {columns}, split {split}: the fastest of the calibration's set"
        return formula(title, "tiled_s", {**values, **tile}, f"{why}; {choice}")
    product = cost.kind in ("gemm", "conv") and machine.form == "systolic"
    return formula(title, "systolic_s" if product else "plain_s", values, why)


def _winograd(title: str, machine: Machine, values: Mapping[str, float], implicit: Step) -> tuple[list[Step], list[Step]]:
    """Return the steps of a convolution in Winograd's form: of its time where it is faster, of its energy where it is less.

    They come apart: near where both forms take the same time, the slower may take less energy.
    """
    tiles = values["winograd_tiles"]
    if not (machine.winograd > 0 and tiles > 0):
        return [], []
    groups = float(_compiled.winograd_groups(groups=values["groups"]))
    lean = {**values, "rows": tiles, "groups": groups, "taps": 1.0, "sustained": machine.winograd}
    tile = _best_tile(lean, machine)
    why = f"{groups:.0f} products of {tiles:,.0f} tiles of 4 x 4 results, at the share of the peak that such reach"
    products = formula(f"{title}: products in Winograd's form", "tiled_s", {**lean, **tile}, why)
    less = f"with its transforms; as a product of its windows {shown_quantity(implicit.value, 's')}"
    whole = formula(f"{title}: arithmetic", "winograd_s", {**values, "compute_s": products.value}, less)
    work = formula(f"{title}: arithmetic of Winograd's products", "winograd_work", values, "in place of that of its windows")
    moved = formula(f"{title}: bytes on the chip", "winograd_activations", values, "with what is transformed, for the energy")
    saves = convolution_j(machine, work.value, moved.value) < convolution_j(machine, values["work"], values["activations"])
    return [products, whole] if whole.value < implicit.value else [], [work, moved] if saves else []


def _kernel_values(cost: Cost, network: Network, machine: Machine, batch: int) -> dict[str, float]:
    """Return the values of a kernel's and a machine's symbols."""
    numbers = {name: value for name, value in asdict(machine).items() if isinstance(value, (int, float))}
    read = float(_compiled.experts_read(batch=batch, routed=cost.routed, tokens=cost.tokens))
    if machine.form == "rated":
        passes = cost.kind in ("memory", "attention")
        numbers |= {
            "sample_s": seconds_per_sample(cost, dict(machine.rates)), "batch": float(batch),
            "bandwidth_share": machine.bandwidth_share if passes else machine.product_share,
            "overlap_loss": 1.0 if passes else machine.overlap_loss,
        }  # fmt: skip
    return numbers | {
        "peak": machine.conv_peak if cost.kind == "conv" else machine.load_peak,
        "rows": cost.rows * (batch / read if cost.shared else 1), "groups": cost.groups * (read if cost.shared else batch),
        "columns": cost.columns, "channels": cost.channels, "taps": cost.taps, "key_splits": cost.splits,
        "work": cost.work_done * batch, "winograd_tiles": cost.winograd_tiles * batch,
        "operand_bytes": machine.element_bytes, "weight_bytes": machine.element_bytes, "result_bytes": machine.element_bytes,
        "alignment": machine.tile_set.channel_alignment, "contraction_step": machine.tile_set.contraction_step,
        "query_tile": machine.tile_set.query_tile, "weights": cost.weights * read * machine.element_bytes,
        "activations": (cost.inputs + cost.outputs) * batch * machine.element_bytes,
        "all_weights": max(network.weights, 1.0) * machine.element_bytes,
        "flop_j": machine.flop_j * (machine.conv_factor if cost.kind == "conv" else 1.0),
    }  # fmt: skip


def _best_tile(values: Mapping[str, float], machine: Machine) -> dict[str, float]:
    """Return the tile and the split with which a product is fastest."""
    wanted = [symbol.name for symbol in FORMS["tiled_s"].symbols]
    options = [
        {"tile_rows": float(rows), "tile_columns": float(columns), "split": float(split)}
        for rows, columns in machine.tile_set.tiles
        for split in machine.tile_set.splits
    ]
    return min(options, key=lambda tile: float(_compiled.tiled_s(**{name: {**values, **tile}[name] for name in wanted})))
