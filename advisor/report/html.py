"""Reports as one HTML file: no network, charts and code inside, everything of the user's escaped."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import sympy as sp
import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from sympy.printing.mathml import mathml

from engine import __version__
from engine.catalog import Catalog
from engine.machine import PEAKS
from engine.network import build
from engine.units import render

from ..derive import derive
from ..recommend import Advice, Choice, advise
from ..rulebook import Rulebook
from ..step import FORMS, Step
from .answer import cards, document, one_line
from .charts import Chart, charts
from .document import Document
from .live import code, machine_data, network_data
from .text import CAUSES

STOPS: Final = 15
"""How many latency limits the slider of a report has; each is an answer of its own."""
_LEAST: Final = 0.5
_MOST: Final = 20.0
"""The slider goes from so much of the limit, or of the recommended latency, to so many times it."""
_PAGE: Final = Path(__file__).with_name("page")
_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("advisor.report", "page"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def answer(advice: Advice, catalog: Catalog, book: Rulebook) -> str:
    """Return the page of an answer: figures, sliders, charts, the decision trace, the derivation, the sources."""
    best = advice.recommendation
    drawn = charts(advice)
    told, live = document(advice, catalog, book), _live(advice, catalog, book)
    if best is None:
        return _render(told, drawn, [], live, [])
    network = build(catalog.workloads[advice.network.id], advice.network.sizes)
    steps = derive(network, best.machine, int(best.facts["batch"]), _asked(advice), catalog=catalog)
    return _render(told, drawn, cards(best), live, steps)


def page(told: Document, drawn: Sequence[Chart] = ()) -> str:
    """Return the page of any other report: its charts, if it has some, its sections and tables."""
    return _render(told, drawn, [], None, [])


def _render(
    told: Document,
    drawn: Sequence[Chart],
    figures: Sequence[tuple[str, str, str]],
    live: dict[str, Any] | None,
    steps: Sequence[Step],
) -> str:
    data = {"charts": [{"key": chart.key, "spec": chart.spec} for chart in drawn], "live": live}
    return _ENVIRONMENT.get_template("page.html").render(
        page=told, charts=drawn, cards=figures, live=live, steps=[_step(step) for step in steps], data=data,
        version=__version__,
        css=_raw("page.css"), script=_raw("page.js"), code=_script(code()) if live else "", bundle=_bundle() if drawn else "",
    )  # fmt: skip


def _raw(name: str) -> Markup:
    return _script((_PAGE / name).read_text(encoding="utf-8"))


def _script(text: str) -> Markup:
    """Return code of ours as it is; a closing tag inside it cannot end the element."""
    return Markup(re.sub(r"<(?=/(?:script|style)|!--)", r"\\x3c", text, flags=re.IGNORECASE))  # noqa: S704 - no text of the user's is in it


@lru_cache(maxsize=1)
def _bundle() -> Markup:
    """Return the library that draws the charts, bundled by vl-convert, with its one entry as a global name."""
    return _script(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


# The slider of limits, and what the page needs to recompute a pass.


def _live(advice: Advice, catalog: Catalog, book: Rulebook) -> dict[str, Any]:
    limits = _limits(advice)
    asked = _asked(advice) or limits[-1]
    stops = [_stop(advice, limit, catalog, book) for limit in limits]
    return {
        "stops": stops,
        "start": limits.index(asked),
        "causes": CAUSES,
        "peaks": PEAKS,
        **_subject(advice.recommendation, advice),
    }


def _limits(advice: Advice) -> list[float]:
    """Return the limits of the slider, the one asked for among them."""
    best, asked = advice.recommendation, _asked(advice)
    centre = asked or (float(best.facts["latency_p90_s"]) if best else 0.01)
    spread = centre * np.geomspace(_LEAST if asked is None else 1 / _MOST, _MOST, STOPS)
    rounded = {float(f"{limit:.2g}") for limit in spread}
    return sorted(rounded | ({asked} if asked else set()))


def _asked(advice: Advice) -> float | None:
    limit = advice.request.latency_s
    return limit if math.isfinite(limit) else None


def _stop(advice: Advice, limit: float, catalog: Catalog, book: Rulebook) -> dict[str, Any]:
    same = limit == advice.request.latency_s
    found = advice if same else advise(replace(advice.request, latency_s=limit), catalog, book)
    best = found.recommendation
    return {
        "limit_s": limit,
        "shown": render(limit, "time"),
        "answer": one_line(found),
        "hardware": best.chip.id if best else None,
        "dtype": best.slot.dtype if best else None,
        "batch": int(best.facts["batch"]) if best else None,
    }


def _subject(best: Choice | None, advice: Advice) -> dict[str, Any]:
    if best is None:
        return {"machine": None}
    batch = int(best.facts["batch"])
    return {
        "machine": machine_data(best.machine), "network": network_data(advice.network, best.machine), "batch": batch,
        "largest": int(max(batch, min(float(best.facts["largest_batch"]), 1024.0))),
        "subject": f"{best.chip.name}, {best.slot.dtype}",
    }  # fmt: skip


# The derivation in MathML.


def _step(step: Step) -> dict[str, Any]:
    return {
        "title": step.title,
        "result": step.result,
        "why": step.why,
        "source": step.source,
        "mathml": _mathml(step),
        "numbers": step.substituted.partition("\n")[0],
    }


def _mathml(step: Step) -> Markup | str:
    """Return the formula of a step in MathML; one that is told in words stays words, which the page escapes."""
    if step.form not in FORMS or step.text.startswith("sum over"):
        return step.text
    form = FORMS[step.form]
    left = sp.Symbol(form.name.removesuffix("_s"))
    body = mathml(sp.Eq(left, form.expression, evaluate=False), printer="presentation")
    return Markup(f'<math display="block" xmlns="http://www.w3.org/1998/Math/MathML">{body}</math>')  # noqa: S704 - SymPy escapes
