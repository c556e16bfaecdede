"""An answer as a document, for a page: the decision trace, who lost on what, who is excluded and why, and every source."""

from __future__ import annotations

import textwrap

from engine.catalog import Catalog
from engine.units import significant

from ..body import not_modelled, sources
from ..facts import shown
from ..recommend import Advice, Choice
from ..rulebook import Rulebook
from ..stock import stock_of
from .document import Document, Section, Table
from .text import CAUSES, HEADINGS, RIGHT, alternative_row, left_out, marked, need_text, request_line, yours


def document(advice: Advice, catalog: Catalog, book: Rulebook) -> Document:
    """Return the answer, section by section."""
    best = advice.recommendation
    sections = [_trace(advice, book), _time(best), _winners(advice)] if best else [_miss(advice)]
    sections += [_alternatives(advice), _excluded(advice), *_own(advice, catalog, book)]
    if best:
        sections.append(Section(key="derivation", title="The derivation, with numbers", text=(_DERIVED,)))
    sections += [_documents(advice, catalog, book), _left_out(advice)]
    return Document(title=_title(advice), about=(request_line(advice),), sections=tuple(sections))


_DERIVED = "The closed forms behind the bound and the estimate of the recommended chip, in order, with their numbers."


def _title(advice: Advice) -> str:
    best = advice.recommendation
    if best is None:
        return f"No chip meets the request for {advice.network.name}"
    return f"{advice.network.name}: {best.chip.name}, {best.slot.dtype}, batch {best.facts['batch']:g}"


def cards(best: Choice) -> list[tuple[str, str, str]]:
    """Return the headline figures: name, value, and what else to know."""
    facts = best.facts

    def figure(name: str) -> str:
        return shown(name, facts[name])

    return [
        ("latency, 90 % sure", figure("latency_p90_s"), f"estimate {figure('latency_estimate_s')}"),
        ("bound", figure("latency_lower_bound_s"), "no implementation is faster"),
        ("throughput", figure("throughput_per_s"), f"at most {figure('throughput_upper_bound_per_s')}"),
        ("energy each", figure("energy_per_inference_j"), f"at {figure('power_w')}"),
        ("memory", figure("memory_bytes"), f"of {figure('capacity_bytes')}"),
        ("utilization", figure("mfu"), f"MFU; MBU {figure('mbu')}"),
        (
            "batch",
            f"{facts['batch']:g}",
            f"knee {significant(facts['knee_batch'])}, largest {significant(facts['largest_batch'])}",
        ),
    ]


def _trace(advice: Advice, book: Rulebook) -> Section:
    rows = [
        (reason["rule"], reason["verdict"], book[reason["rule"]].title, reason["because"], book[reason["rule"]].when)
        for reason in advice.rationale
    ]
    heading = ("rule", "verdict", "what it says", "because", "fires when")
    return Section(key="why", title="Why", text=("Every rule that fired, with its numbers.",),
                   table=Table(heading=heading, rows=tuple(rows), right=(False,) * 5))  # fmt: skip


def _time(best: Choice | None) -> Section:
    steps = best.steps if best else []
    rows = [(CAUSES[c], f"{100 * (share or 0):.1f} %", shown("latency_estimate_s", seconds)) for c, seconds, share in steps]
    table = Table(heading=("cause", "share", "adds"), rows=tuple(rows), right=(False, True, True))
    return Section(key="time", title="Where the time goes", table=table)


def _winners(advice: Advice) -> Section:
    names = ("latency_p90_s", "throughput_per_s", "energy_per_inference_j")
    rows = [
        (name, marked(w), w.slot.dtype, f"{w.facts['batch']:g}", *(shown(figure, w.facts[figure]) for figure in names))
        for name, w in advice.winners.items()
    ]
    heading = ("profile", "chip", "dtype", "batch", "latency, 90 % sure", "throughput", "energy")
    table = Table(heading=heading, rows=tuple(rows), right=(False,) * 3 + (True,) * 4)
    return Section(key="winners", title="Winners by profile", table=table)


def _miss(advice: Advice) -> Section:
    miss = advice.nearest_miss
    text = [f"Nearest miss: {miss.hardware}: {miss.because} (rule {miss.rule.id})."] if miss else []
    text += [f"What fixes it: {need_text(miss.would_need)}."] if miss and miss.would_need else []
    return Section(key="miss", title="Nearest miss", text=tuple(text))


def _alternatives(advice: Advice) -> Section:
    rows = tuple(alternative_row(choice, lost) for choice, lost in advice.alternatives)
    table = Table(heading=("chip", *HEADINGS[1:]), rows=rows, right=tuple(RIGHT))
    text = "Every other chip that meets the request, from best to worst by the profile."
    return Section(key="alternatives", title="Alternatives", text=(text,) if rows else ("None.",), table=table)


def _excluded(advice: Advice) -> Section:
    rows = [(i.hardware, i.rule.id, i.because, need_text(i.would_need) if i.would_need else "") for i in advice.excluded]
    rows += [(i.hardware, "undetermined", f"nobody publishes {', '.join(i.missing)}", "") for i in advice.undetermined]
    table = Table(heading=("chip", "rule", "because", "would need"), rows=tuple(rows), right=(False,) * 4)
    return Section(key="excluded", title="Excluded and undetermined", text=() if rows else ("None.",), table=table)


def _own(advice: Advice, catalog: Catalog, book: Rulebook) -> list[Section]:
    """Return what there is to say of specs of the user's own: where their chips are, and what was left out."""
    parts = (
        ("yours", "Your chips", yours(advice, stock_of(catalog))),
        ("left-out", "Left out", left_out(stock_of(catalog), book)),
    )
    return [Section(key=key, title=title, points=tuple(points)) for key, title, points in parts if points]


def _documents(advice: Advice, catalog: Catalog, book: Rulebook) -> Section:
    rows = [
        (key, document["title"], document.get("publisher", ""), document.get("date", ""),
         document.get("url", document.get("assumes", "")))
        for key, document in sources(advice, catalog, book).items()
    ]  # fmt: skip
    table = Table(
        heading=("key", "title", "publisher", "date", "where, or what is assumed"), rows=tuple(rows), right=(False,) * 5
    )
    return Section(key="sources", title="Sources", text=("Every document that a figure of this page rests on.",), table=table)


def _left_out(advice: Advice) -> Section:
    return Section(key="not-modelled", title="Not modelled", points=tuple(not_modelled(advice)))


def one_line(advice: Advice) -> str:
    """Return the answer in one line: chip, format, batch and figures, or that there is none."""
    best = advice.recommendation
    if best is None:
        return "no chip qualifies"
    figures = [shown(name, best.facts[name]) for name in ("latency_p90_s", "throughput_per_s", "energy_per_inference_j")]
    where = f"{best.chip.name} · {best.slot.dtype} · batch {best.facts['batch']:g}"
    return textwrap.shorten(f"{where} · {figures[0]} (90 % sure) · {figures[1]} · {figures[2]} each", 300)
