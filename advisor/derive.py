"""Derivations: the closed forms of a model on a chip, with numbers substituted step by step, from SymPy's own formulas."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import sympy as sp
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from engine import _compiled, symbols
from engine.closed_form import ClosedForm
from engine.codegen import FORMS as ENGINE_FORMS
from engine.compiled import Breakdown, Estimate, breakdown, estimate
from engine.errors import DomainError
from engine.machine import Machine
from engine.network import Network
from engine.ops import Cost
from engine.solve import RoofCurve, roof_curve
from engine.symbols import LATEX, MEANING
from engine.units import factor, render, significant

_OURS: Final = "this project, docs/model.md"
_DEFINITIONS: Final = (
    ClosedForm(
        name="total_work", expression=symbols.batch * symbols.work_each, unit="FLOP", source=_OURS,
        doc="Arithmetic of one pass.",
    ),
    ClosedForm(
        name="total_traffic", expression=symbols.traffic_once + symbols.batch * symbols.traffic_each, unit="B", source=_OURS,
        doc="Traffic of one pass: weights once, activations of every sample.",
    ),
    ClosedForm(
        name="arithmetic_intensity", expression=symbols.work / symbols.traffic, unit="FLOP/B", source=_OURS,
        doc="Arithmetic over traffic.",
    ),
    ClosedForm(
        name="arithmetic_lower_bound_s", expression=symbols.work_min / symbols.peak_max, unit="s", source=_OURS,
        doc="The lower bound where bandwidth or on-chip memory is unknown.",
    ),
    ClosedForm(
        name="plain_s", expression=symbols.work / (symbols.sustained * symbols.peak), unit="s", source=_OURS,
        doc="Arithmetic of a kernel without tiles.",
    ),
)  # fmt: skip
FORMS: Final[dict[str, ClosedForm]] = {form.name: form for form in (*ENGINE_FORMS, *_DEFINITIONS)}

_DIMENSIONS: Final = {
    "s": "time",
    "B": "size",
    "B/s": "bandwidth",
    "FLOP": "work",
    "FLOP/s": "rate",
    "J": "energy",
    "W": "power",
}
_SCALED: Final = {"Hz": ("frequency", "GHz"), "J/FLOP": ("flop_energy", "pJ/FLOP"), "J/B": ("byte_energy", "pJ/B")}
_UNITS: Final = {
    symbol.name: found[1] if (found := re.search(r"\[(.+)\]$", meaning)) else "1" for symbol, meaning in MEANING.items()
}
_LONG: Final = 25
"""A formula of more operations than this has its ceilings, maxima and minima named and told one by one."""
_WHOLE: Final = 1e9
_FIRST_SEGMENTS: Final = 3
_TERMS_SHOWN: Final = 3
_WIDTH: Final = 100
_FOOTNOTE: Final = "Where no source stands in brackets, the form is this project's own: docs/model.md."
_INDENT: Final = "      "


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: a formula, the same with numbers, and what comes out.

    `value` is NaN where something that nobody publishes is needed, and infinity for "never". In `text` and `substituted` the
    first line is the formula; the others are its named parts, if it has any. `latex` is all of the step.
    """

    title: str
    form: str
    latex: str
    text: str
    substituted: str
    value: float
    unit: str
    source: str
    why: str

    @property
    def result(self) -> str:
        """Return the value as people read it."""
        return _result(self.value, self.unit)


# Numbers and formulas as text and as LaTeX.


def _shown(value: float, unit: str, digits: int = 4) -> str:
    """Return a number with its unit, scaled for reading."""
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else "infinite"
    if unit in _DIMENSIONS:
        return render(value, _DIMENSIONS[unit], digits)
    if unit in _SCALED:
        return f"{significant(value / factor(*_SCALED[unit]), digits)} {_SCALED[unit][1]}"
    whole = float(value).is_integer() and abs(value) < _WHOLE
    number = f"{value:.0f}" if whole else significant(value, digits)
    return number if unit == "1" else f"{number} {unit}"


def _result(value: float, unit: str) -> str:
    return "never" if math.isinf(value) else _shown(value, unit)


class _Naming:
    """What both printers share: named parts, symbols as `show` has them, and what is subtracted last."""

    parts: Mapping[sp.Expr, str]
    show: Callable[[str], str]

    def _print(self, expression: Any, **kwargs: Any) -> str:
        name = self.parts.get(expression) if isinstance(expression, sp.Expr) else None
        return self.show(name) if name else str(super()._print(expression, **kwargs))  # type: ignore[misc]

    def _print_Symbol(self, symbol: sp.Symbol, **_: Any) -> str:  # noqa: N802 - SymPy names its hooks
        return self.show(str(symbol.name))

    def _as_ordered_terms(self, expression: sp.Expr, order: str | None = None) -> list[sp.Expr]:
        terms = super()._as_ordered_terms(expression, order)  # type: ignore[misc]
        return sorted(terms, key=lambda term: bool(term.could_extract_minus_sign()))


class _Words(_Naming, StrPrinter):  # type: ignore[misc]
    """Prints a formula as plain text, symbols and parts in brackets that `_words` takes away."""

    def __init__(self, parts: Mapping[sp.Expr, str]) -> None:
        super().__init__()
        self.parts, self.show = parts, "⟦{}⟧".format

    def _print_Max(self, expression: sp.Expr) -> str:  # noqa: N802
        return f"max({', '.join(self._print(part) for part in expression.args)})"

    def _print_Min(self, expression: sp.Expr) -> str:  # noqa: N802
        return f"min({', '.join(self._print(part) for part in expression.args)})"

    def _print_ceiling(self, expression: sp.Expr) -> str:
        return f"ceil({self._print(expression.args[0])})"

    def _print_Piecewise(self, expression: sp.Piecewise) -> str:  # noqa: N802
        (value, condition), (otherwise, _) = expression.args
        return f"({self._print(value)} if {self._print(condition)} else {self._print(otherwise)})"


class _Tex(_Naming, LatexPrinter):  # type: ignore[misc]
    """Prints a formula as LaTeX; between numbers it sets a dot."""

    def __init__(self, parts: Mapping[sp.Expr, str], show: Callable[[str], str], *, numbers: bool) -> None:
        super().__init__({"mul_symbol": "dot"} if numbers else {})
        self.parts, self.show, self.numbers = parts, show, numbers

    def parenthesize_super(self, text: str) -> str:
        """Return the base of a power; a number with a unit stands in parentheses."""
        return rf"\left({text}\right)" if self.numbers else str(super().parenthesize_super(text))


def _words(expression: sp.Expr, parts: Mapping[sp.Expr, str], show: Callable[[str], str]) -> str:
    spaced = re.sub(r"(?<=[\w)⟧])([*/])(?=[(\w⟦])", r" \1 ", str(_Words(parts).doprint(expression)))
    guarded = re.sub(r"⟦(\w+)⟧(?=\*\*)", lambda match: _guarded(show(match[1]), " "), spaced)
    guarded = re.sub(r"(?<=[*/] )⟦(\w+)⟧|⟦(\w+)⟧(?= [*/])", lambda match: _guarded(show(match[1] or match[2]), "/"), guarded)
    return re.sub(r"⟦(\w+)⟧", lambda match: show(match[1]), guarded)


def _guarded(text: str, mark: str) -> str:
    """Return a text in parentheses if it has a mark that a neighbouring sign could be read with."""
    return f"({text})" if mark in text else text


def _escaped(text: str) -> str:
    """Return a text as LaTeX sets it within a paragraph."""
    plain = re.sub(r"([_%&#$])", r"\\\1", text).replace("<=", r"$\le$").replace(">=", r"$\ge$").replace("^", r"\^{}")
    return re.sub(r"`([^`]*)`", r"\\texttt{\1}", re.sub(r"[<>]", r"$\g<0>$", plain))


def _tex_quantity(quantity: str) -> str:
    number, _, unit = quantity.partition(" ")
    if not number[:1].isdigit() and not number.startswith("-"):
        return rf"\text{{{quantity}}}"
    micro = re.sub(r"^u(?=[sJWB])", r"\\mu ", unit)
    return number.replace(",", "{,}") + (rf"\,\mathrm{{{micro}}}" if unit else "")


class _Writing:
    """A closed form at a point in words and in LaTeX, the parts of a long one named x1, x2, ... and told one by one."""

    def __init__(self, form: ClosedForm, point: Mapping[str, float]) -> None:
        self.form, self.point = form, point
        self.parts = {node: f"x{number}" for number, node in enumerate(_parts(form.expression), start=1)}
        self.units = {name: self._unit(node) for node, name in self.parts.items()}
        self.values = {name: self._value(node, name) for node, name in self.parts.items()}

    def _unit(self, node: sp.Expr) -> str:
        """Return "1" for what counts or clips, else the unit of the whole."""
        counts = isinstance(node, (sp.ceiling, sp.floor)) or sp.Integer(1) in node.args
        return "1" if counts or {_UNITS[symbol.name] for symbol in node.free_symbols} == {"1"} else self.form.unit

    def _value(self, node: sp.Expr, name: str) -> float:
        if any(math.isnan(self.point[symbol.name]) for symbol in node.free_symbols):
            return math.nan
        return ClosedForm(name=name, expression=node, unit=self.units[name], source="", doc="").at(self.point)

    def quantity(self, name: str) -> str:
        """Return the value of a symbol or of a part."""
        return _shown(self.values[name], self.units[name]) if name in self.values else _shown(self.point[name], _UNITS[name])

    def _inner(self, node: sp.Expr) -> dict[sp.Expr, str]:
        return {part: name for part, name in self.parts.items() if part != node}

    def words(self) -> str:
        """Return the formula with the names of its symbols, then its parts."""
        parts = [f"{name} = {_words(node, self._inner(node), str)}" for node, name in self.parts.items()]
        return "\n".join([_words(self.form.expression, self.parts, str), *parts])

    def numbers(self) -> str:
        """Return the same with values."""
        parts = [
            f"{name} = {_words(node, self._inner(node), self.quantity)} = {self.quantity(name)}"
            for node, name in self.parts.items()
        ]
        return "\n".join([_words(self.form.expression, self.parts, self.quantity), *parts])

    def latex(self, result: str) -> str:
        """Return formula, numbers, result and parts as LaTeX."""
        whole = self.form.expression
        parts = [
            f"&{self._symbol(name)} = {self._tex(node)} = {self._tex_numbers(node)} = {self._tex_number(name)}"
            for node, name in self.parts.items()
        ]
        return _aligned([f"&{self._tex(whole)}", f"&= {self._tex_numbers(whole)}", f"&= {_tex_quantity(result)}", *parts])

    def _symbol(self, name: str) -> str:
        return f"x_{{{name[1:]}}}" if name in self.values else _LATEX[name]

    def _tex_number(self, name: str) -> str:
        return _tex_quantity(self.quantity(name))

    def _tex(self, node: sp.Expr) -> str:
        return str(_Tex(self._inner(node), self._symbol, numbers=False).doprint(node))

    def _tex_numbers(self, node: sp.Expr) -> str:
        return str(_Tex(self._inner(node), self._tex_number, numbers=True).doprint(node))


_LATEX: Final = {symbol.name: text for symbol, text in LATEX.items()}


def _parts(expression: sp.Expr) -> list[sp.Expr]:
    """Return the ceilings, maxima and minima inside a long formula, the inner ones first."""
    if expression.count_ops() <= _LONG:
        return []
    named = (sp.ceiling, sp.floor, sp.Max, sp.Min, sp.Piecewise)
    nodes = dict.fromkeys(sp.postorder_traversal(expression))
    return [node for node in nodes if isinstance(node, named) and node != expression]


def _aligned(lines: Sequence[str]) -> str:
    body = " \\\\\n".join(f"  {line}" for line in lines)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


# Steps.


def _formula(title: str, name: str, values: Mapping[str, float], why: str) -> Step:
    """Return the step of a closed form at a point; where it does not hold, or lacks a value, the step says so."""
    form = FORMS[name]
    point = {symbol.name: float(values[symbol.name]) for symbol in form.symbols}
    writing = _Writing(form, point)
    value = math.nan
    if unknown := [key for key, number in point.items() if math.isnan(number)]:
        why = f"{why}; {' and '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} unknown"
    else:
        try:
            value = form.at(point)
        except DomainError:
            value, why = math.inf, f"never, because {_violated(form, point)}"
    return Step(
        title=title, form=name, latex=writing.latex(_result(value, form.unit)), text=writing.words(),
        substituted=writing.numbers(), value=value, unit=form.unit, source=form.source, why=why,
    )  # fmt: skip


def _violated(form: ClosedForm, point: Mapping[str, float]) -> str:
    """Return the conditions of a form that do not hold at a point, with numbers."""
    number = _Writing(form, point).quantity
    broken = [condition.negated for condition in form.domain]
    return " and ".join(f"{_words(one, {}, str)}: {_words(one, {}, number)}" for one in broken)


def _told(
    title: str, text: str, value: float, unit: str, why: str, *, numbers: str = "", form: str = "", latex: str = ""
) -> Step:
    """Return a step told in words: a sum over kernels, or what is read off the curve."""
    lines = [f"&{latex or _tex_text(text)}", *([f"&= {_tex_text(numbers)}"] if numbers else [])]
    return Step(
        title=title, form=form, latex=_aligned([*lines, f"&= {_tex_quantity(_result(value, unit))}"]), text=text,
        substituted=numbers, value=float(value), unit=unit, source=_OURS, why=why,
    )  # fmt: skip


def _tex_text(text: str) -> str:
    return rf"\text{{{_escaped(text)}}}"


def _summed(title: str, name: str, value: float, why: str, *, numbers: str = "", scale: float = 1.0) -> Step:
    """Return the step of a closed form summed over all kernels of the network."""
    form = FORMS[name]
    symbolic = _Tex({}, _LATEX.__getitem__, numbers=False).doprint(form.expression)
    latex = rf"\sum_{{\mathrm{{kernels}}}} \left({symbolic}\right)"
    text = f"sum over kernels of ({_words(form.expression, {}, str)})"
    if scale != 1:
        text, latex = f"{scale:g} * {text}", rf"{scale:g} \cdot {latex}"
    step = _told(title, text, value, form.unit, why, numbers=numbers, form=name, latex=latex)
    return replace(step, source=form.source)


def derive(network: Network, machine: Machine, batch: int, limit_s: float | None = None) -> list[Step]:
    """Return the derivation of bound, plain roof, batch curve, estimate, energy and utilization at one batch."""
    values = _values(network, machine, batch, limit_s)
    return [
        *_totals(network, machine, batch, values),
        *_bound(machine, values, limit_s),
        *_roof(network, machine, batch, values, limit_s),
        *_estimate(network, machine, batch, values),
    ]


def _values(network: Network, machine: Machine, batch: int, limit_s: float | None) -> dict[str, float]:
    """Return the values of the symbols of the whole network."""
    touched = float(network.least_elements(batch))
    activations = sum(kernel.cost.inputs + kernel.cost.outputs for kernel in network.kernels)
    return {
        "batch": batch, "work_each": network.work, "work": network.work * batch, "work_min": network.work_min * batch,
        "traffic_once": network.weights * machine.element_bytes, "traffic_each": activations * machine.element_bytes,
        "traffic": (network.weights + activations * batch) * machine.element_bytes,
        "traffic_min": touched * machine.element_bytes, "peak": machine.peak, "peak_max": machine.peak_max,
        "bandwidth": machine.bandwidth, "on_chip": machine.on_chip, "limit": limit_s or math.nan,
    }  # fmt: skip


def _totals(network: Network, machine: Machine, batch: int, values: Mapping[str, float]) -> Iterator[Step]:
    sizes = "".join(f", {name} {size}" for name, size in network.sizes.items())
    where = f"{network.name}{sizes}, on {machine.hardware} in {machine.dtype}"
    yield _told(
        "batch B", where, batch, "samples", f"one pass; `advise show {machine.hardware}` has the source of every figure"
    )
    yield _formula("work W", "total_work", values, "the model's arithmetic; a multiply-accumulate is 2 FLOP")
    least = f"{batch} * {_shown(network.work_min, 'FLOP')}"
    yield _told(
        "least work W_min", "batch * the least that any algorithm needs", values["work_min"], "FLOP", "for the bound",
        numbers=least,
    )  # fmt: skip
    element = f"{machine.element_bytes:g} B"
    yield _told(
        "weight traffic q_w", "sum over kernels of weights * operand_bytes", values["traffic_once"], "B", "once per pass",
        numbers=f"{network.weights:.0f} * {element}",
    )  # fmt: skip
    yield _told(
        "activation traffic q_a", "sum over kernels of (inputs + results) * operand_bytes", values["traffic_each"], "B",
        "of one sample, with fused kernels", numbers=f"{values['traffic_each'] / machine.element_bytes:.0f} * {element}",
    )  # fmt: skip
    yield _formula("traffic Q", "total_traffic", values, "if nothing stays on the chip between kernels")
    yield (intensity := _formula("intensity I", "arithmetic_intensity", values, "of the whole network"))
    yield _formula("ridge point", "ridge_point", values, "intensity at which memory-bound turns compute-bound")
    yield _formula(
        "attainable performance", "attainable_performance", {**values, "intensity": intensity.value}, "the roof at I"
    )


def _bound(machine: Machine, values: Mapping[str, float], limit_s: float | None) -> Iterator[Step]:
    known = math.isfinite(machine.on_chip)
    if known:
        yield replace(
            _formula("lower bound", "latency_lower_bound_s", values, ""),
            why=f"{_deciding(values)}; no implementation is faster",
        )
    else:
        why = "arithmetic decides, since bandwidth or on-chip memory is not published; no implementation is faster"
        yield _formula("lower bound", "arithmetic_lower_bound_s", values, why)
    if limit_s is None:
        return
    has = f"the chip has {_shown(machine.peak_max, 'FLOP/s')} at its highest clock"
    yield _formula("peak for the limit", "peak_for_limit", values, f"the least with which the bound admits the limit; {has}")
    if known:
        has = f"the chip has {_shown(machine.bandwidth, 'B/s')}"
        yield _formula("bandwidth for the limit", "bandwidth_for_limit", values, f"the least, likewise; {has}")


def _deciding(values: Mapping[str, float]) -> str:
    """Return the two terms of the lower bound, and which one decides."""
    terms = {}
    for part in FORMS["latency_lower_bound_s"].expression.args:
        name = "arithmetic" if symbols.work_min in part.free_symbols else "memory"
        terms[name] = ClosedForm(name=name, expression=part, unit="s", source="", doc="").at(values)
    first, second = sorted(terms, key=terms.__getitem__, reverse=True)
    return f"{first} decides with {_shown(terms[first], 's')}, {second} alone needs {_shown(terms[second], 's')}"


def _roof(network: Network, machine: Machine, batch: int, values: Mapping[str, float], limit_s: float | None) -> Iterator[Step]:
    yield _formula(
        "ridge batch of the network", "ridge_batch", values, "batch at which all arithmetic takes as long as all traffic"
    )
    try:
        curve = roof_curve(network, machine)
    except DomainError as error:
        yield _told("batch curve", "sum over kernels of max(W/pi, Q/beta)", math.nan, "s", str(error))
        return
    yield _summed("plain roof", "roof_s", curve.latency_s(batch), "nothing overlaps, nothing stays on the chip")
    yield from _segments(curve)
    limit = f"with 90 % of {significant(curve.throughput_limit_per_s)}/s, which ever larger batches approach"
    yield _told("knee", "smallest batch with B/T(B) >= 0.9 * limit of B/T(B)", curve.knee(), "samples", limit)
    if limit_s is not None:
        yield from _within(curve, batch, limit_s)
    spent = (
        ("bandwidth", "beta", "memory", curve.bandwidth_elasticity(batch)),
        ("peak", "pi", "arithmetic", curve.peak_elasticity(batch)),
    )
    for name, symbol, waits, value in spent:
        why = f"the change of the time in %, for 1 % more {name}"
        yield _told(f"d ln T / d ln {symbol}", f"- share of the time in kernels that wait for {waits}", value, "1", why)


def _within(curve: RoofCurve, batch: int, limit_s: float) -> Iterator[Step]:
    """Yield what a limit means on the plain roof."""
    limit, roof = _shown(limit_s, "s"), "on the plain roof; the advice evaluates the estimate"
    yield _told("largest batch", f"largest B with T(B) <= {limit}", curve.largest_batch(limit_s), "samples", roof)
    for name, unit, needed in (
        ("bandwidth", "B/s", curve.bandwidth_for_limit(batch, limit_s)),
        ("peak", "FLOP/s", curve.peak_for_limit(batch, limit_s)),
    ):
        text = f"least {name} with T({batch}) <= {limit}"
        yield _told(f"{name} for this batch", text, needed, unit, "on the plain roof, all else the same")


def _segments(curve: RoofCurve) -> Iterator[Step]:
    """Yield the first lines of the batch curve, and the last one."""
    segments, ridge = curve.segments, curve.ridge_batches
    for number, segment in enumerate(segments, start=1):
        if _FIRST_SEGMENTS < number < len(segments):
            continue
        stop = "infinity" if math.isinf(segment.stop) else significant(segment.stop, 4)
        line = f"T(B) = {_shown(segment.intercept, 's')} + {_shown(segment.slope, 's')} * B"
        turned = [name for name, batch in zip(curve.names, ridge, strict=True) if 0 < batch == segment.start]
        why = f"{(ridge > segment.start).sum()} of {len(ridge)} kernels wait for memory"
        yield _told(
            f"each sample on segment {number} of {len(segments)}", f"{line} for {significant(segment.start, 4)} < B <= {stop}",
            segment.slope, "s", why + (f"; at its start turns compute-bound: {', '.join(turned)}" if turned else ""),
        )  # fmt: skip


def _estimate(network: Network, machine: Machine, batch: int, values: Mapping[str, float]) -> Iterator[Step]:
    grid = np.array([[float(batch)]])
    with np.errstate(all="ignore"):
        parts = breakdown(network, [machine], grid)
    yield from _kernel(network, machine, batch, parts)
    points = estimate(network, [machine], grid)
    sequence = machine.time_factor * float(parts.total(parts.seconds)[0, 0])
    dynamic = float(parts.total(parts.energy_j)[0, 0])
    terms = _largest_terms(parts.count[:, 0, 0], parts.seconds[:, 0, 0])
    yield _summed(
        "all kernels in a row", "kernel_s", sequence, "each kernel as above", numbers=terms, scale=machine.time_factor
    )
    terms = _largest_terms(parts.count[:, 0, 0], parts.energy_j[:, 0, 0], "J")
    yield _summed("dynamic energy", "dynamic_energy_j", dynamic, "net of idle", numbers=terms)
    known = {
        "sequence_s": sequence, "dynamic_j": dynamic, "idle_w": machine.idle_w, "tdp_w": machine.tdp_w,
        "sharpness": machine.power_exponent, "latency": float(points.latency_estimate_s[0, 0]),
    }  # fmt: skip
    power = _formula("time within the power limit", "power_limit_s", known, _assumed(machine))
    yield power
    limited = _formula("time of the network", "power_limited_s", known | {"power_s": power.value}, "a soft maximum of both")
    yield limited
    yield from _interval(machine, points, limited)
    yield _formula("energy of the pass", "energy_j", known, _per_sample(float(points.energy_per_inference_j[0, 0])))
    yield from _utilization(network, machine, batch, {**values, **known})


def _interval(machine: Machine, points: Estimate, limited: Step) -> Iterator[Step]:
    """Yield estimate, p10 and p90; none may beat the lower bound."""
    bound, latency = (float(getattr(points, f"latency_{name}_s")[0, 0]) for name in ("lower_bound", "estimate"))
    why = "the lower bound decides" if bound > limited.value else "the bound is lower" if latency > 0 else limited.why
    numbers = f"max({limited.result}, {_shown(bound, 's')})"
    yield _told("estimate", "max(time of the network, lower bound)", latency, "s", why, numbers=numbers)
    for name, ratio in (("p10", machine.ratio_p10), ("p90", machine.ratio_p90)):
        value = float(getattr(points, f"latency_{name}_s")[0, 0])
        text, numbers = f"estimate * {ratio:g}", f"{_shown(latency, 's')} * {ratio:g}"
        if ratio < 1:
            text, numbers = f"max({text}, lower bound)", f"max({numbers}, {_shown(bound, 's')})"
        why = f"{name[1:]} % of measured times are less, by the calibration"
        yield _told(f"{name} of our error", text, value, "s", why, numbers=numbers)


def _utilization(network: Network, machine: Machine, batch: int, values: dict[str, float]) -> Iterator[Step]:
    elements = network.weights + (network.input_elements + network.output_elements) * batch
    yield _formula("MFU", "mfu", values, "the model's own work over what the peak would do")
    traffic = {**values, "traffic": elements * machine.element_bytes}
    yield _formula("MBU", "mbu", traffic, "weights, input and output over what the bandwidth would carry")


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
    shown = [f"{count[i]:.0f} * {_shown(float(each[i]), unit)}" for i in order[:_TERMS_SHOWN]]
    rest = order[_TERMS_SHOWN:]
    others = [f"{_shown(float(total[rest].sum()), unit)} in {count[rest].sum():.0f} more"] if rest.size else []
    return " + ".join([*shown, *others])


# The kernel that takes most time.


def _kernel(network: Network, machine: Machine, batch: int, parts: Breakdown) -> Iterator[Step]:
    """Yield the steps of the kernel that takes most time, or of that with most arithmetic where times are unknown."""
    spent = (parts.count * parts.seconds)[:, 0, 0]
    known = not np.isnan(spent).any()
    index = int((spent if known else (parts.count * parts.compute["plain"])[:, 0, 0]).argmax())
    cost, count = network.unique_kernels[index]
    name = next(kernel.name for kernel in network.kernels if kernel.cost == cost)
    title = f"kernel {name}" + (f" (x {count})" if count > 1 else "")
    share = f"{100 * spent[index] / spent.sum():.0f} % of the time, more than any other kernel" if known else "most arithmetic"
    values = _kernel_values(cost, network, machine, batch)
    compute = _arithmetic(title, cost, machine, values, share)
    yield compute
    cache = "no cache is published, 1 B stands for none" if machine.cache <= 1 else "what the cache does not keep"
    traffic = _formula(f"{title}: bytes from memory", "network_traffic", values, cache)
    yield traffic
    values["traffic"] = traffic.value
    memory = _formula(f"{title}: traffic", "network_memory_s", values, "from memory and from the cache")
    yield memory
    values |= {"compute_s": compute.value, "memory_s": memory.value}
    yield _formula(f"{title}: T_op", "kernel_s", values, "launch, and the longer of both")
    yield _formula(f"{title}: dynamic energy", "dynamic_energy_j", values, "arithmetic and bytes from memory")


def _arithmetic(title: str, cost: Cost, machine: Machine, values: Mapping[str, float], why: str) -> Step:
    """Return the step of a kernel's arithmetic, by what the kernel is and how the machine works."""
    title = f"{title}: arithmetic"
    if cost.kind == "attention":
        form = "plain_s" if machine.form == "roof" else "attention_s"
        return _formula(title, form, {**values, "sustained": machine.attention}, why)
    if cost.kind in ("gemm", "conv") and machine.form == "tiled":
        tile = _best_tile(values, machine)
        rows, columns, split = (f"{tile[name]:.0f}" for name in ("tile_rows", "tile_columns", "split"))
        choice = f"tiles of {rows} x {columns}, split {split}: the fastest of the calibration's set"
        return _formula(title, "tiled_s", {**values, **tile}, f"{why}; {choice}")
    product = cost.kind in ("gemm", "conv") and machine.form == "systolic"
    return _formula(title, "systolic_s" if product else "plain_s", values, why)


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


# The whole derivation as text, Markdown, LaTeX and JSON.


def as_text(steps: Sequence[Step], width: int = _WIDTH) -> str:
    """Return the derivation as text of `width` columns: formula, numbers and result of each step; then the symbols."""
    blocks = [_step_text(number, step, width) for number, step in enumerate(steps, start=1)]
    used = _symbols_of(steps)
    longest = max((len(symbol.name) for symbol in used), default=0)
    table = [line for s in used for line in _wrapped(MEANING[s], f"  {s.name:<{longest}}  ", width)]
    return "\n\n".join([*blocks, "\n".join(_wrapped(_FOOTNOTE, "", width)), "\n".join(["Symbols", *table])]) + "\n"


def _step_text(number: int, step: Step, width: int) -> str:
    formula, *parts = step.text.split("\n")
    numbers, *told = step.substituted.split("\n")
    lines = _wrapped(f"{step.title} = {step.result}", f"{number:>2}  ", width) + _wrapped(formula, _INDENT, width)
    lines += _wrapped(f"= {numbers}", "    ", width) if numbers else []
    for part, values in zip(parts, told, strict=True):
        lines += _wrapped(part + values.removeprefix(part.partition(" ")[0]), f"{_INDENT}  ", width)
    return "\n".join([*lines, *_wrapped(_reason(step), _INDENT, width)])


def _reason(step: Step) -> str:
    return step.why if step.source == _OURS else f"{step.why} [{step.source}]"


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    """Return a text in lines; a number stays with its unit."""
    joined = re.sub(r"(?<=\d) (?=[kMGTPmunp]?(?:s|B|J|W|Hz|FLOP)\b)", "\N{NO-BREAK SPACE}", text)
    hanging = " " * max(len(indent), len(_INDENT))
    lines = textwrap.wrap(joined, width, initial_indent=indent, subsequent_indent=hanging, break_on_hyphens=False)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _symbols_of(steps: Sequence[Step]) -> list[sp.Symbol]:
    found = {symbol for step in steps if step.form for symbol in FORMS[step.form].symbols}
    return sorted(found, key=lambda symbol: str(symbol.name))


def as_markdown(steps: Sequence[Step]) -> str:
    """Return the derivation as Markdown with formulas in LaTeX."""
    parts = [
        f"**{number}. {step.title} = {step.result}**\n\n{_reason(step)}\n\n$$\n{step.latex}\n$$"
        for number, step in enumerate(steps, start=1)
    ]
    table = [f"- ${LATEX[symbol]}$ (`{symbol.name}`): {MEANING[symbol]}" for symbol in _symbols_of(steps)]
    return "\n\n".join([*parts, _FOOTNOTE, "\n".join(table)]) + "\n"


def as_latex(steps: Sequence[Step]) -> str:
    r"""Return the derivation as LaTeX to \input: a paragraph for each step, then the symbols; it needs amsmath."""
    parts = [
        f"\\paragraph{{{number}. {_escaped(step.title)}.}} {_escaped(_reason(step))}\n\\[\n{step.latex}\n\\]"
        for number, step in enumerate(steps, start=1)
    ]
    items = [f"  \\item ${LATEX[s]}$ (\\texttt{{{_escaped(str(s.name))}}}): {_escaped(MEANING[s])}" for s in _symbols_of(steps)]
    return "\n\n".join([*parts, _FOOTNOTE, "\n".join(["\\begin{itemize}", *items, "\\end{itemize}"])]) + "\n"


def as_json(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return the steps as plain objects; a value that is unknown or infinite is null, and its result says which."""
    return [
        asdict(step) | {"value": step.value if math.isfinite(step.value) else None, "result": step.result} for step in steps
    ]
