"""Derivations: the closed forms of a model on a chip, with numbers substituted step by step, from SymPy's own formulas."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import sympy as sp
from sympy.printing.str import StrPrinter

from engine import _compiled
from engine.closed_form import ClosedForm
from engine.codegen import FORMS as ALL_FORMS
from engine.compiled import Breakdown, breakdown, estimate
from engine.errors import DomainError
from engine.machine import Machine
from engine.network import Network
from engine.ops import Cost
from engine.solve import RoofCurve, roof_curve
from engine.symbols import LATEX, MEANING
from engine.units import render, significant

FORMS: Final[dict[str, ClosedForm]] = {form.name: form for form in ALL_FORMS}
_DIMENSIONS: Final = {
    "s": "time",
    "B": "size",
    "B/s": "bandwidth",
    "FLOP": "work",
    "FLOP/s": "rate",
    "J": "energy",
    "W": "power",
}
_SEGMENTS_SHOWN: Final = 4


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: a formula, the same with numbers, and what comes out; `value` is None for what nobody publishes."""

    title: str
    form: str
    latex: str
    text: str
    substituted: str
    value: float | None
    unit: str
    source: str
    why: str

    @property
    def result(self) -> str:
        """Return the value as people read it."""
        if self.value is None:
            return "unknown"
        if math.isinf(self.value):
            return "never"
        if self.unit in _DIMENSIONS:
            return render(self.value, _DIMENSIONS[self.unit])
        return f"{significant(self.value, 4)} {'' if self.unit == '1' else self.unit}".rstrip()


class _Words(StrPrinter):  # type: ignore[misc]
    """Prints a formula with the names of its symbols, or with their values."""

    def __init__(self, values: Mapping[str, float] | None = None) -> None:
        super().__init__()
        self.values = values

    def _print_Symbol(self, symbol: sp.Symbol) -> str:  # noqa: N802 - SymPy names its hooks
        return str(symbol.name) if self.values is None else f"{self.values[symbol.name]:.5g}"

    def _print_Max(self, expression: sp.Expr) -> str:  # noqa: N802
        return f"max({', '.join(self._print(part) for part in expression.args)})"

    def _print_Min(self, expression: sp.Expr) -> str:  # noqa: N802
        return f"min({', '.join(self._print(part) for part in expression.args)})"

    def _print_ceiling(self, expression: sp.Expr) -> str:
        return f"ceil({self._print(expression.args[0])})"

    def _print_Piecewise(self, expression: sp.Piecewise) -> str:  # noqa: N802
        (value, condition), (otherwise, _) = expression.args
        return f"({self._print(value)} if {self._print(condition)} else {self._print(otherwise)})"


def _formula(title: str, name: str, values: Mapping[str, float], why: str) -> Step:
    """Return the step of a closed form at a point; outside its domain the step says so."""
    form = FORMS[name]
    point = {symbol.name: float(values[symbol.name]) for symbol in form.symbols}
    value: float | None = None
    if not any(math.isnan(number) for number in point.values()):
        try:
            value = form.at(point)
        except DomainError as error:
            value, why = math.inf, f"{why}; {str(error).partition(';')[0]}"
    return Step(
        title=title, form=name, latex=form.latex(), text=_Words().doprint(form.expression),
        substituted=_Words(point).doprint(form.expression), value=value, unit=form.unit, source=form.source, why=why,
    )  # fmt: skip


def _sum(title: str, text: str, value: float, unit: str, why: str) -> Step:
    """Return a step that is a sum over kernels or a look at the curve, told in words."""
    known = None if math.isnan(value) else value
    return Step(
        title=title, form="", latex=f"\\text{{{text}}}", text=text, substituted="", value=known, unit=unit,
        source="this project, docs/model.md", why=why,
    )  # fmt: skip


def derive(network: Network, machine: Machine, batch: int, limit_s: float | None = None) -> list[Step]:
    """Return the derivation of bound, plain roof, batch curve, estimate, energy and utilization at one batch."""
    return [
        *_totals(network, machine, batch),
        *_bound(network, machine, batch, limit_s),
        *_roof(network, machine, batch, limit_s),
        *_estimate(network, machine, batch),
    ]


def _totals(network: Network, machine: Machine, batch: int) -> Iterator[Step]:
    once, each = _traffic(network, machine)
    yield _sum("work W", "sum of 2 x MAC over all operators, x batch", network.work * batch, "FLOP", "the model's arithmetic")
    yield _sum("least work W_min", "the same, by the best known algorithm", network.work_min * batch, "FLOP", "for the bound")
    yield _sum("weight traffic q_w", "weights of all kernels, once per pass", once, "B", f"{machine.dtype} elements")
    yield _sum(
        "activation traffic q_a", "inputs and results of all fused kernels, per sample", each, "B", "every byte from memory"
    )


def _traffic(network: Network, machine: Machine) -> tuple[float, float]:
    """Return weight bytes of a pass and activation bytes of a sample."""
    each = sum(kernel.cost.inputs + kernel.cost.outputs for kernel in network.kernels)
    return network.weights * machine.element_bytes, each * machine.element_bytes


def _bound(network: Network, machine: Machine, batch: int, limit_s: float | None) -> Iterator[Step]:
    touched = (
        network.weights + float(network.table_elements(batch)) + (network.input_elements + network.output_elements) * batch
    )
    values = {
        "work_min": network.work_min * batch, "peak_max": machine.peak_max, "peak": machine.peak,
        "traffic_min": touched * machine.element_bytes, "on_chip": machine.on_chip, "bandwidth": machine.bandwidth,
        "limit": limit_s or math.nan,
    }  # fmt: skip
    yield _formula("ridge point", "ridge_point", values, "intensity at which memory-bound turns compute-bound")
    compute = values["work_min"] / machine.peak_max
    if math.isinf(machine.on_chip):
        yield _sum(
            "lower bound", "W_min / pi_max", compute, "s", "bandwidth or on-chip memory is not published: arithmetic only"
        )
    else:
        step = _formula("lower bound", "latency_lower_bound_s", values, "")
        decides = "arithmetic" if step.value is not None and compute >= step.value * (1 - 1e-9) else "memory"
        yield Step(**asdict(step) | {"why": f"{decides} decides; no implementation is faster"})
    if limit_s is not None:
        yield _formula(
            "peak for the limit", "peak_for_limit", values, "the least highest peak with which the bound admits the limit"
        )
        if not math.isinf(machine.on_chip):
            yield _formula("bandwidth for the limit", "bandwidth_for_limit", values, "the least bandwidth, likewise")


def _roof(network: Network, machine: Machine, batch: int, limit_s: float | None) -> Iterator[Step]:
    once, each = _traffic(network, machine)
    values = {
        "work_each": network.work,
        "traffic_once": once,
        "traffic_each": each,
        "peak": machine.peak,
        "bandwidth": machine.bandwidth,
    }
    yield _formula(
        "ridge batch of the network", "ridge_batch", values, "batch at which all arithmetic takes as long as all traffic"
    )
    if math.isnan(machine.bandwidth):
        return
    curve = roof_curve(network, machine)
    yield _sum(
        "plain roof",
        "sum over kernels of max(W/pi, Q/beta)",
        curve.latency_s(batch),
        "s",
        "nothing overlaps, nothing stays on chip",
    )
    yield from _segments(curve)
    yield _sum("knee", "smallest batch with 90 % of the throughput limit", curve.knee(), "samples", "on the plain roof")
    if limit_s is not None:
        largest = float(curve.largest_batch(limit_s))
        yield _sum(
            "largest batch",
            "largest B with T(B) <= limit",
            largest,
            "samples",
            "on the plain roof; the advice uses the estimate",
        )
        needed = curve.bandwidth_for_limit(batch, limit_s)
        yield _sum(
            "bandwidth for this batch", "least beta with T(B) <= limit", needed, "B/s", "on the plain roof, all else the same"
        )
    yield _sum(
        "d ln T / d ln beta",
        "- share of the time that waits for memory",
        curve.bandwidth_elasticity(batch),
        "1",
        "1 % more bandwidth",
    )
    yield _sum(
        "d ln T / d ln pi", "- share of the time that waits for arithmetic", curve.peak_elasticity(batch), "1", "1 % more peak"
    )


def _segments(curve: RoofCurve) -> Iterator[Step]:
    segments = curve.segments
    for number, segment in enumerate(segments[:_SEGMENTS_SHOWN], start=1):
        stop = "infinity" if math.isinf(segment.stop) else significant(segment.stop, 4)
        text = f"T(B) = {segment.intercept:.5g} + {segment.slope:.5g} B for {significant(segment.start, 4)} <= B <= {stop}"
        why = "seconds added by each sample; a kernel turns compute-bound at every break"
        yield _sum(f"segment {number} of {len(segments)}", text, segment.slope, "s", why)


def _estimate(network: Network, machine: Machine, batch: int) -> Iterator[Step]:
    grid = np.array([[float(batch)]])
    with np.errstate(all="ignore"):
        parts = breakdown(network, [machine], grid)
    yield from _kernel(network, machine, batch, parts)
    sequence = machine.time_factor * float(parts.total(parts.seconds)[0, 0])
    dynamic = float(parts.total(parts.energy_j)[0, 0])
    points = estimate(network, [machine], grid)
    latency = float(points.latency_estimate_s[0, 0])
    values = {
        "sequence_s": sequence, "dynamic_j": dynamic, "idle_w": machine.idle_w, "tdp_w": machine.tdp_w,
        "sharpness": machine.power_exponent, "latency": latency, "work": network.work * batch, "peak": machine.peak,
        "bandwidth": machine.bandwidth, "traffic": float(points.mbu[0, 0]) * latency * machine.bandwidth,
    }  # fmt: skip
    yield _sum("all kernels in a row", "sum over kernels of T_op", sequence, "s", "each kernel as above")
    yield _sum("dynamic energy", "sum over kernels of W e + Q e_B", dynamic, "J", "net of idle")
    power = _formula("time within the power limit", "power_limit_s", values, _assumed(machine))
    yield power
    values["power_s"] = power.value if power.value is not None else math.nan
    yield _formula("estimate", "power_limited_s", values, "a soft maximum of both")
    if (bound := float(points.latency_lower_bound_s[0, 0])) >= latency:
        yield _sum("clamp", "max(estimate, lower bound)", bound, "s", "the estimate may not beat the bound")
    for name, ratio in (("p10", machine.ratio_p10), ("p90", machine.ratio_p90)):
        value = float(getattr(points, f"latency_{name}_s")[0, 0])
        yield _sum(
            f"{name} of our error", f"estimate x {ratio:g}, not below the bound", value, "s", "measured over estimated time"
        )
    yield _formula(
        "energy of the pass", "energy_j", values, f"{render(float(points.energy_per_inference_j[0, 0]), 'energy')} each"
    )
    yield _formula("MFU", "mfu", values, "model work only")
    yield _formula("MBU", "mbu", values, "weights, input and output only")


def _assumed(machine: Machine) -> str:
    return f"not published, so assumed: {', '.join(machine.assumed)}" if machine.assumed else "published power"


def _kernel(network: Network, machine: Machine, batch: int, parts: Breakdown) -> Iterator[Step]:
    """Yield the steps of the kernel that takes most time."""
    spent = np.nan_to_num(parts.count * parts.seconds)[:, 0, 0]
    index = int(spent.argmax())
    cost, count = network.unique_kernels[index]
    name = next(kernel.name for kernel in network.kernels if kernel.cost == cost)
    values = _kernel_values(cost, network, machine, batch)
    title = f"kernel {name}" + (f" (x {count})" if count > 1 else "")
    forms = {"tiled": "tiled_s", "systolic": "systolic_s"}
    if cost.kind == "attention" and machine.form != "roof":
        yield _formula(
            f"{title}: arithmetic", "attention_s", values | {"sustained": machine.attention}, "the kernel that takes most time"
        )
    elif cost.kind in ("gemm", "conv") and machine.form in forms:
        tile = _best_tile(values, machine) if machine.form == "tiled" else {}
        yield _formula(
            f"{title}: arithmetic", forms[machine.form], values | tile, "the kernel that takes most time, with its best tile"
        )
    else:
        seconds = float(parts.compute["full"][index, 0, 0])
        yield _sum(f"{title}: arithmetic", "W / (eta pi)", seconds, "s", "the kernel that takes most time")
    traffic = _formula(f"{title}: bytes from memory", "network_traffic", values, "what the cache does not keep")
    yield traffic
    values["traffic"] = traffic.value if traffic.value is not None else math.nan
    memory = _formula(f"{title}: traffic", "network_memory_s", values, "from memory and from the cache")
    yield memory
    values |= {"compute_s": float(parts.compute["full"][index, 0, 0]), "memory_s": memory.value or math.nan}
    yield _formula(f"{title}: T_op", "kernel_s", values, "launch, and the longer of both")


def _kernel_values(cost: Cost, network: Network, machine: Machine, batch: int) -> dict[str, float]:
    """Return the values of a kernel's and a machine's symbols."""
    numbers = {name: value for name, value in asdict(machine).items() if isinstance(value, (int, float))}
    return numbers | {
        "rows": cost.rows * (batch if cost.shared else 1), "groups": cost.groups * (1 if cost.shared else batch),
        "columns": cost.columns, "channels": cost.channels, "taps": cost.taps, "work": cost.work_done * batch,
        "operand_bytes": machine.element_bytes, "alignment": machine.tile_set.channel_alignment.si,
        "query_tile": machine.tile_set.query_tile.si, "weights": cost.weights * machine.element_bytes,
        "activations": (cost.inputs + cost.outputs) * batch * machine.element_bytes,
        "all_weights": max(network.weights, 1.0) * machine.element_bytes,
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


def as_text(steps: Sequence[Step], width: int = 100) -> str:
    """Return the derivation as text of `width` columns: formula, numbers and result of each step; then the symbols."""
    blocks = [_step_text(number, step, width) for number, step in enumerate(steps, start=1)]
    used = _symbols_of(steps)
    longest = max((len(symbol.name) for symbol in used), default=0)
    symbols = [f"  {symbol.name:<{longest}}  {MEANING[symbol]}" for symbol in used]
    return "\n\n".join([*blocks, "\n".join(["Symbols", *symbols])]) + "\n"


def _step_text(number: int, step: Step, width: int) -> str:
    lines = [f"{number:>2}  {step.title} = {step.result}", *_wrapped(step.text, "      ", width)]
    lines += _wrapped(f"= {step.substituted}", "    ", width) if step.substituted else []
    return "\n".join([*lines, *_wrapped(f"{step.why} [{step.source}]", "      ", width)])


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    """Return a text in lines; a long formula may break before a factor."""
    breakable = re.sub(r"(?<=[\w)])([*/])(?=[(\w])", r" \1 ", text) if len(text) > width - len(indent) else text
    return textwrap.wrap(breakable, width, initial_indent=indent, subsequent_indent="      ", break_long_words=False)


def _symbols_of(steps: Sequence[Step]) -> list[sp.Symbol]:
    found = {symbol for step in steps if step.form for symbol in FORMS[step.form].symbols}
    return sorted(found, key=lambda symbol: str(symbol.name))


def as_markdown(steps: Sequence[Step]) -> str:
    """Return the derivation as Markdown with formulas in LaTeX."""
    parts = []
    for number, step in enumerate(steps, start=1):
        numbers = f"\n\n`{step.substituted}`" if step.substituted else ""
        parts.append(f"{number}. **{step.title} = {step.result}**: {step.why} ({step.source})\n\n$${step.latex}$${numbers}")
    symbols = [f"- ${LATEX[symbol]}$ (`{symbol.name}`): {MEANING[symbol]}" for symbol in _symbols_of(steps)]
    return "\n\n".join([*parts, "\n".join(symbols)]) + "\n"


def as_latex(steps: Sequence[Step]) -> str:
    """Return the derivation as a LaTeX align environment, a line for each step."""
    lines = [
        f"  &\\text{{{step.title.replace('_', chr(92) + '_')}}} &&= {step.latex} && = \\text{{{step.result}}} \\\\"
        for step in steps
    ]
    return "\n".join(["\\begin{align*}", *lines, "\\end{align*}"]) + "\n"


def as_json(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return the steps as plain objects; an infinite value is null and its result says "never"."""
    return [
        asdict(step) | {"value": None if step.value is None or math.isinf(step.value) else step.value, "result": step.result}
        for step in steps
    ]
