"""An answer as Markdown, for an issue, a wiki or a pull request."""

from __future__ import annotations

import re
from typing import Final

from engine.catalog import Catalog

from ..body import not_modelled, sources
from ..facts import shown
from ..recommend import Advice, Choice
from ..rulebook import Rulebook
from ..stock import Stock, stock_of
from .layout import markdown_table
from .text import CAUSES, HEADINGS, RIGHT, alternative_row, left_out, marked, need_text, request_line, yours

_UNITS: Final = re.compile(r"(_per_s|_bytes|_[sjw])$")
"""What a value says already."""


def report(advice: Advice, catalog: Catalog | Stock, book: Rulebook, *, top: int = 5) -> str:
    """Return the answer as Markdown: verdict, reasons, ladder, alternatives, exclusions, sources."""
    best = advice.recommendation
    lines = [
        f"# {best.chip.name}, {best.slot.dtype}, batch {best.facts['batch']:g}" if best else "# No chip meets the request",
        "",
    ]
    lines += [request_line(advice), ""]
    lines += _recommended(advice, best) if best else _missed(advice)
    lines += (
        ["## Alternatives", "", *markdown_table([("chip", *HEADINGS[1:]), *_rows(advice, top)], RIGHT), ""]
        if advice.alternatives
        else []
    )
    lines += _places(advice)
    for heading, items in (("Your chips", yours(advice, stock_of(catalog))), ("Left out", left_out(stock_of(catalog), book))):
        lines += [f"## {heading}", "", *(f"- {item}" for item in items), ""] if items else []
    lines += ["## Not modelled", "", *(f"- {item}" for item in not_modelled(advice)), ""]
    lines += [
        "## Sources",
        "",
        *(f"- `{key}`: {_document(document)}" for key, document in sources(advice, catalog, book).items()),
    ]
    return "\n".join(lines) + "\n"


def _recommended(advice: Advice, best: Choice) -> list[str]:
    names = ("latency_lower_bound_s", "latency_estimate_s", "latency_p90_s", "throughput_per_s", "energy_per_inference_j",
             "power_w", "memory_bytes", "mfu", "mbu", "knee_batch", "largest_batch")  # fmt: skip
    figures = [(_UNITS.sub("", name).replace("_", " "), shown(name, best.facts[name])) for name in names]
    reasons = [(reason["rule"], reason["verdict"], reason["because"]) for reason in advice.rationale]
    steps = [(CAUSES[cause], f"{100 * (share or 0):.1f} %", shown("latency_estimate_s", seconds))
             for cause, seconds, share in best.steps]  # fmt: skip
    winners = [(name, marked(w), w.slot.dtype, f"{w.facts['batch']:g}", shown("latency_p90_s", w.facts["latency_p90_s"]))
               for name, w in advice.winners.items()]  # fmt: skip
    heading = ("profile", "chip", "dtype", "batch", "latency, 90 % sure")
    return [
        *markdown_table([("figure", "value"), *figures], (False, True)), "",
        "## Why", "", *markdown_table([("rule", "verdict", "because"), *reasons], (False, False, False)), "",
        "## Where the time goes", "", *markdown_table([("cause", "share", "adds"), *steps], (False, True, True)), "",
        "## Winners by profile", "",
        *markdown_table([heading, *winners], (False, False, False, True, True)), "",
    ]  # fmt: skip


def _missed(advice: Advice) -> list[str]:
    miss = advice.nearest_miss
    if miss is None:
        return []
    lines = [f"Nearest miss: **{miss.hardware}**: {miss.because} (rule {miss.rule.id}).", ""]
    return [*lines, f"What fixes it: {need_text(miss.would_need)}.", ""] if miss.would_need else lines


def _rows(advice: Advice, top: int) -> list[tuple[str, ...]]:
    return [alternative_row(choice, lost) for choice, lost in advice.alternatives[:top]]


def _places(advice: Advice) -> list[str]:
    told = [(i.hardware, i.rule.id, i.because, need_text(i.would_need) if i.would_need else "") for i in advice.excluded]
    told += [(i.hardware, "undetermined", "; ".join(i.missing), "") for i in advice.undetermined]
    if not told:
        return []
    alike: dict[tuple[str, ...], list[str]] = {}
    for hardware, *reason in told:
        alike.setdefault(tuple(reason), []).append(hardware)
    rows = [(", ".join(chips), *reason) for reason, chips in alike.items()]
    table = markdown_table([("chip", "rule", "because", "would need"), *rows], (False, False, False, False))
    return ["## Excluded and undetermined", "", *table, ""]


def _document(document: dict[str, str]) -> str:
    rest = [document[key] for key in ("publisher", "date", "url", "assumes") if key in document]
    return ", ".join([document["title"], *rest])
