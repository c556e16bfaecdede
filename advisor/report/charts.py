"""The charts of a report, as Vega-Lite: the roof and its kernels, the batch curve, the ladder of causes, the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import numpy as np

from engine.compiled import estimate
from engine.passes import breakdown, kernels_on

from ..candidate import COARSE
from ..insight import Pair
from ..recommend import Advice, Choice
from .text import CAUSES

BLUE, ORANGE, GREY, GREEN = "#3b82c4", "#e07b26", "#8b949e", "#3fa45b"
DRAWN: Final = np.union1d(np.arange(1.0, 129.0), np.array(COARSE, dtype=float))
"""Batches at which curves are drawn."""
_HEIGHT: Final = 260
Values = Iterable[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart: a stable key, what it shows, in words too, and its Vega-Lite specification."""

    key: str
    title: str
    text: str
    spec: dict[str, Any]


def charts(advice: Advice) -> list[Chart]:
    """Return the charts of an answer: four where there is a recommendation, else none."""
    best = advice.recommendation
    if best is None:
        return []
    return [_roofline(advice, best), _latency(advice, best), _yield(advice, best), _ladder(best), _front(advice, best)]


def _spec(chart: Any) -> dict[str, Any]:
    found: dict[str, Any] = chart.properties(width="container").to_dict()
    return found


def _values(rows: Values) -> Any:
    return alt.Data(  # type: ignore[no-untyped-call]
        values=[{name: _plain(value) for name, value in row.items()} for row in rows]
    )


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


_LOG: Final = alt.Scale(type="log", nice=False)
_SI: Final = alt.Axis(format="~s", tickCount=5)


def _log(field: str, title: str) -> Any:
    return alt.X(f"{field}:Q", scale=_LOG, title=title, axis=_SI)


def _log_y(field: str, title: str) -> Any:
    return alt.Y(f"{field}:Q", scale=_LOG, title=title, axis=_SI)


def _roofline(advice: Advice, best: Choice) -> Chart:
    """Every kernel that does arithmetic at its intensity, with what it attains, under the roof of the chip."""
    machine, batch = best.machine, float(best.facts["batch"])
    kernels = [cost for cost, _ in kernels_on(advice.network, machine)]
    parts = breakdown(advice.network, [machine], np.array([[batch]]))
    share = parts.count[:, 0, 0] * parts.seconds[:, 0, 0]
    points: list[dict[str, Any]] = [
        {
            "kernel": f"{cost.kind} {cost.rows:g} x {cost.columns:g} x {cost.channels * cost.taps:g}",
            "intensity": cost.work * batch / ((cost.weights + (cost.inputs + cost.outputs) * batch) * machine.element_bytes),
            "attained": cost.work * batch / float(parts.seconds[index, 0, 0]),
            "share": float(share[index] / share.sum()),
        }
        for index, cost in enumerate(kernels)
        if cost.work > 0
    ]
    ridge = machine.peak / machine.bandwidth
    reached = [ridge, *(float(point["intensity"]) for point in points)]
    span = (min(reached) / 3, max(reached) * 3)
    roof = [{"intensity": at, "attained": min(machine.peak, machine.bandwidth * at)} for at in sorted({*span, ridge})]
    line = alt.Chart(_values(roof)).mark_line(color=GREY, strokeWidth=2).encode(x="intensity:Q", y="attained:Q")
    rule = alt.Chart(_values([{"intensity": ridge}])).mark_rule(color=GREY, strokeDash=[4, 4]).encode(x="intensity:Q")
    dots = alt.Chart(_values(points)).mark_circle(color=BLUE, opacity=0.8).encode(
        x=_log("intensity", "arithmetic intensity [FLOP/B]"),
        y=_log_y("attained", "attained [FLOP/s]"),
        size=alt.Size("share:Q", legend=None, scale=alt.Scale(range=[25, 400])),
        tooltip=[
            alt.Tooltip("kernel:N"), alt.Tooltip("intensity:Q", format=".3~s"), alt.Tooltip("attained:Q", format=".3~s"),
            alt.Tooltip("share:Q", format=".1%", title="share of the kernels' time"),
        ],
    )  # fmt: skip
    text = (
        f"Each dot is a kernel of the network at batch {batch:g}, its area the share of time; the line is the roof, the dashes "
        f"its ridge point at {ridge:.3g} FLOP/B. Intensity counts compulsory bytes, so a kernel that the "
        "cache feeds may pass the roof."
    )
    return Chart(key="roofline", title="Roofline", text=text, spec=_spec((line + rule + dots).properties(height=_HEIGHT)))


def _curve(advice: Advice, best: Choice) -> list[dict[str, Any]]:
    """Return the batch curve of the recommended chip, to the largest batch that fits."""
    points = estimate(advice.network, [best.machine], DRAWN, ladder=False)
    fits = ~(points.memory_bytes[0] > best.machine.capacity)
    names = {
        "bound": "latency_lower_bound_s", "p10": "latency_p10_s", "estimate": "latency_estimate_s", "p90": "latency_p90_s",
        "throughput": "throughput_per_s", "energy": "energy_per_inference_j", "mfu": "mfu",
    }  # fmt: skip
    columns = {name: getattr(points, column)[0] for name, column in names.items()}
    return [
        {"batch": float(batch), **{name: float(column[place]) for name, column in columns.items()}}
        for place, batch in enumerate(points.batch[0])
        if fits[place]
    ]


def _latency(advice: Advice, best: Choice) -> Chart:
    rows = _curve(advice, best)
    base = alt.Chart(_values(rows)).encode(x=_log("batch", "batch"))
    tooltip = [alt.Tooltip("batch:Q"), *(alt.Tooltip(f"{n}:Q", format=".3~s") for n in ("bound", "p10", "estimate", "p90"))]
    band = base.mark_area(color=BLUE, opacity=0.25).encode(y=_log_y("p10", "latency [s]"), y2="p90:Q")
    line = base.mark_line(color=BLUE, point={"size": 12, "color": BLUE}).encode(y="estimate:Q", tooltip=tooltip)
    bound = base.mark_line(color=GREY, strokeDash=[2, 2]).encode(y="bound:Q")
    layers = band + bound + line + _here(best)
    limit = advice.request.latency_s
    if math.isfinite(limit):
        rule = alt.Chart(_values([{"limit": limit}])).mark_rule(color=ORANGE, strokeWidth=2)
        layers += rule.encode(y="limit:Q", tooltip=alt.Tooltip("limit:Q", format=".3~s"))
    told = ", orange the limit" if math.isfinite(limit) else ""
    text = f"Estimate with its interval from p10 to p90; dotted the bound{told}; green the recommended batch."
    return Chart(key="latency", title="Latency over the batch", text=text, spec=_spec(layers.properties(height=_HEIGHT)))


def _here(best: Choice) -> Any:
    mark = alt.Chart(_values([{"batch": float(best.facts["batch"])}])).mark_rule(color=GREEN, strokeWidth=2)
    return mark.encode(x="batch:Q")


def _yield(advice: Advice, best: Choice) -> Chart:
    """Throughput, energy and MFU over the batch, below each other."""
    rows = _values(_curve(advice, best))
    panels = [
        (
            alt.Chart(rows).mark_line(color=BLUE, point={"size": 8, "color": BLUE}).encode(
                x=_log("batch", "batch" if name == "mfu" else ""),
                y=alt.Y(f"{name}:Q", title=title, axis=alt.Axis(format=form, tickCount=3), scale=alt.Scale(zero=True)),
                tooltip=[alt.Tooltip("batch:Q"), alt.Tooltip(f"{name}:Q", format=form if name == "mfu" else ".3~s")],
            ) + _here(best)
        ).properties(height=64, width=260)
        for name, title, form in (("throughput", "samples/s", "~s"), ("energy", "J each", "~s"), ("mfu", "MFU", ".0%"))
    ]  # fmt: skip
    text = "What one device yields at each batch that fits: throughput, energy per inference, and model FLOP utilization."
    found: dict[str, Any] = alt.vconcat(*panels, spacing=4).to_dict()
    return Chart(key="yield", title="Throughput, energy and utilization over the batch", text=text, spec=found)


def _ladder(best: Choice) -> Chart:
    steps = [
        {"cause": CAUSES[cause], "seconds": seconds or 0.0, "share": share or 0.0, "order": order}
        for order, (cause, seconds, share) in enumerate(best.steps)
        if (share or 0) > 0
    ]
    bars = alt.Chart(_values(steps)).mark_bar(color=BLUE).encode(
        y=alt.Y("cause:N", sort=alt.SortField("order"), title=None, axis=alt.Axis(labelLimit=160)),
        x=alt.X("share:Q", title="share of the estimate", axis=alt.Axis(format=".0%")),
        tooltip=[alt.Tooltip("cause:N"), alt.Tooltip("seconds:Q", format=".3~s"), alt.Tooltip("share:Q", format=".1%")],
    )  # fmt: skip
    text = "Each cause is switched on after those above it; what it adds is its bar. They sum to the estimate."
    return Chart(key="ladder", title="Where the time goes", text=text, spec=_spec(bars.properties(height=_HEIGHT)))


def _front(advice: Advice, best: Choice) -> Chart:
    """Every chip that meets the request, at its best batch: latency against throughput, the front joined."""
    choices = [best, *(choice for choice, _ in advice.alternatives)]
    rows = [
        {
            "chip": choice.chip.id, "dtype": choice.slot.dtype, "batch": float(choice.facts["batch"]),
            "latency": float(choice.facts["latency_p90_s"]), "throughput": float(choice.facts["throughput_sure_per_s"]),
            "energy": float(choice.facts["energy_sure_j"]), "is": _standing(choice, best),
        }
        for choice in choices
    ]  # fmt: skip
    tooltip = [
        "chip:N",
        "dtype:N",
        "batch:Q",
        *(alt.Tooltip(f"{n}:Q", format=".3~s") for n in ("latency", "throughput", "energy")),
    ]
    scale = alt.Scale(domain=["recommended", "alternative", "no silicon"], range=[GREEN, BLUE, GREY])
    dots = alt.Chart(_values(rows)).mark_circle(size=60, opacity=0.85).encode(
        x=_log("latency", "latency, 90 % sure [s]"), y=_log_y("throughput", "throughput, 90 % sure [1/s]"),
        color=alt.Color("is:N", scale=scale, title=None, legend=alt.Legend(orient="bottom")), tooltip=tooltip,
    )  # fmt: skip
    line = alt.Chart(_values(_joined(rows))).mark_line(color=ORANGE, interpolate="step-after", strokeDash=[3, 3])
    layers = line.encode(x="latency:Q", y="throughput:Q") + dots
    text = "Each dot is a chip that meets the request, at its best batch; the dashes join those that no other beats in both."
    return Chart(key="front", title="Latency against throughput", text=text, spec=_spec(layers.properties(height=_HEIGHT)))


def _standing(choice: Choice, best: Choice) -> str:
    if choice is best:
        return "recommended"
    return "no silicon" if choice.facts["modelled"] else "alternative"


def _joined(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """Return the front of latency and throughput among chips that exist, from the fastest on."""
    front: list[dict[str, float]] = []
    for row in sorted((row for row in rows if row["is"] != "no silicon"), key=lambda row: (row["latency"], -row["throughput"])):
        if not front or row["throughput"] > front[-1]["throughput"]:
            front.append({"latency": row["latency"], "throughput": row["throughput"]})
    return front


# The study of batch sizes.


def study(found: Sequence[Pair]) -> list[Chart]:
    """Return the charts of a study: utilization and energy over the batch, and the causes at the last batch."""
    known = [pair for pair in found if math.isfinite(pair.at("latency_estimate_s", -1))]
    if not known:
        return []
    rows = [
        {"pair": f"{pair.network.id} on {pair.hardware}", "batch": float(batch),
         "mfu": float(pair.points.mfu[0, place]), "energy": float(pair.points.energy_per_inference_j[0, place])}
        for pair in known
        for place, batch in enumerate(pair.points.batch[0])
    ]  # fmt: skip
    lines = [
        ("mfu", "Utilization over the batch", alt.Y("mfu:Q", title="MFU", axis=alt.Axis(format=".0%")), ".1%"),
        ("energy", "Energy per inference over the batch", _log_y("energy", "J each"), ".3~s"),
    ]
    drawn = [Chart(key=name, title=title, text="One line for each model on a chip.", spec=_line(rows, name, axis, form))
             for name, title, axis, form in lines]  # fmt: skip
    return [*drawn, _causes(known)]


def _line(rows: Values, name: str, axis: Any, form: str) -> dict[str, Any]:
    lines = alt.Chart(_values(rows)).mark_line(point=True).encode(
        x=_log("batch", "batch"), y=axis, color=alt.Color("pair:N", title=None, legend=alt.Legend(orient="bottom", columns=1)),
        tooltip=["pair:N", "batch:Q", alt.Tooltip(f"{name}:Q", format=form)],
    )  # fmt: skip
    return _spec(lines.properties(height=_HEIGHT))


def _causes(found: Sequence[Pair]) -> Chart:
    rows = [
        {"pair": f"{pair.network.id} on {pair.hardware}", "cause": CAUSES[cause], "share": share, "order": order}
        for pair in found
        for order, (cause, share) in enumerate(pair.shares.items())
    ]
    bars = alt.Chart(_values(rows)).mark_bar().encode(
        y=alt.Y("pair:N", title=None, axis=alt.Axis(labelLimit=220)),
        x=alt.X("share:Q", title="share of the estimate", axis=alt.Axis(format=".0%"), scale=alt.Scale(domain=[0, 1])),
        color=alt.Color("cause:N", title=None, sort=list(CAUSES.values()), legend=alt.Legend(orient="bottom", columns=3)),
        order="order:Q", tooltip=["pair:N", "cause:N", alt.Tooltip("share:Q", format=".1%")],
    )  # fmt: skip
    text = "The time of the last batch, from arithmetic at the peak on; each cause is switched on after those before it."
    return Chart(key="causes", title="Why the plateau", text=text, spec=_spec(bars.properties(height=40 + 24 * len(found))))


# The lab.


def times(rows: Values, names: Sequence[str]) -> Chart:
    """Return the chart of a model on this machine: a line over the batch for each kind of time, in the order of `names`.

    A row has `batch`, `is`, which is one of the names, and `seconds`.
    """
    scale = alt.Scale(domain=list(names), range=[GREY, ORANGE, GREEN, BLUE])
    drawn = alt.Chart(_values(rows)).mark_line(point=True).encode(
        x=_log("batch", "batch"), y=_log_y("seconds", "latency [s]"),
        color=alt.Color("is:N", scale=scale, sort=None, title=None, legend=alt.Legend(orient="bottom", columns=2)),
        tooltip=["is:N", "batch:Q", alt.Tooltip("seconds:Q", format=".4~s")],
    )  # fmt: skip
    text = "Nothing may be faster than the bound; the predictions are those before and after the fit to what was measured."
    return Chart(key="times", title="Predicted and measured", text=text, spec=_spec(drawn.properties(height=_HEIGHT)))
