"""A chip's sheet as people read it: text for a terminal, and Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from engine.accelerator import Accelerator
from engine.catalog import Catalog
from engine.quantity import Source

from ..datasheet import arithmetic, confidence, figures, sheet, usual_dtype
from .columns import Column, as_markdown, as_text
from .layout import Paint, labelled, plain

_FIGURES: Final = (
    Column(key="figure", word="figure"),
    Column(key="value", word="value", right=True),
    Column(key="unit", word="unit"),
    Column(key="confidence", word="confidence"),
    Column(key="source", word="source"),
    Column(key="note", word="note", wraps=16, rank=1),
)
_DERIVED: Final = (
    Column(key="format", word="format"),
    Column(key="ridge_point_flop_per_byte", word="ridge point", unit="FLOP/B", right=True),
    Column(key="balance_byte_per_flop", word="balance", unit="B/FLOP", right=True, rank=2),
    Column(key="peak_per_tdp_flop_per_j", word="peak/TDP", unit="GFLOP/J", scale=1e9, right=True),
    Column(key="implied_flop_per_clock_and_unit", word="implied", unit="FLOP/clk/unit", right=True, rank=1),
    Column(
        key="units_x_clock_x_flop_per_clock", word="units x clock", unit="TFLOP/s", scale=1e12, digits=4, right=True, rank=1
    ),
    Column(
        key="units_x_clock_x_flop_per_clock_over_peak", word="of the peak", unit="%", scale=0.01, digits=4, right=True, rank=1
    ),
    Column(key="peak_max_flop_per_s", word="highest peak", unit="TFLOP/s", scale=1e12, digits=4, right=True),
)
Section = tuple[str, Sequence[str]]


def as_sheet(chip: Accelerator, catalog: Catalog, width: int, paint: Paint = plain) -> str:
    """Return the sheet of a chip as text of at most `width` columns."""
    facts = sheet(chip, catalog)
    derived = [{"format": dtype, **entry} for dtype, entry in facts["derived"].items()]
    head = [paint(f"{chip.name} ({chip.id})", "strong"), *textwrap.wrap(summary(chip, catalog), width)]
    sections: list[Section] = [
        ("Figures", as_text(_FIGURES, figure_rows(chip), width)),
        (f"Derived, in {usual_dtype(chip)}", _pairs(arithmetic(chip, usual_dtype(chip)), width)),
        ("Derived, in every format", as_text(_DERIVED, derived, width)),
        ("Not published", [line for gap in facts["missing"] for line in _gap(gap, width)]),
        (
            "Calibration",
            [
                line
                for label, texts in calibration(facts["calibration"])
                for index, text in enumerate(texts)
                for line in labelled("" if index else label, text, width)
            ],
        ),
        ("Measurements", textwrap.wrap(measured(facts["measurements"]), width)),
        ("Sources", _pairs([(key, cited(source)) for key, source in chip.sources.items()], width)),
        ("Exceptions from checks", _pairs(exceptions(chip), width)),
        ("Notes", [line for note in chip.notes for line in textwrap.wrap(note, width)]),
    ]
    parts = ["\n".join(head), *("\n".join([paint(name, "strong"), *lines]) for name, lines in sections if lines)]
    return "\n\n".join(parts) + "\n"


def as_page(chip: Accelerator, catalog: Catalog) -> str:
    """Return the sheet of a chip as Markdown."""
    facts = sheet(chip, catalog)
    derived = [{"format": dtype, **entry} for dtype, entry in facts["derived"].items()]
    sections: list[Section] = [
        ("Figures", as_markdown(_FIGURES, figure_rows(chip))),
        (f"Derived, in {usual_dtype(chip)}", _items(arithmetic(chip, usual_dtype(chip)))),
        ("Derived, in every format", as_markdown(_DERIVED, derived)),
        ("Not published", [f"- **{gap['figure']}**{_after(': ', gap['reason'])}{_after('. Without it: ', gap['without_it'])}"
                           for gap in facts["missing"]]),
        ("Calibration", _items((label, "; ".join(texts)) for label, texts in calibration(facts["calibration"]))),
        ("Measurements", [measured(facts["measurements"])]),
        ("Sources", _items([(key, cited(source)) for key, source in chip.sources.items()])),
        ("Exceptions from checks", _items(exceptions(chip))),
        ("Notes", [f"- {note}" for note in chip.notes]),
    ]  # fmt: skip
    parts = [f"# {chip.name}", f"`{chip.id}`: {summary(chip, catalog)}"]
    return "\n\n".join([*parts, *("\n".join([f"## {name}", "", *lines]) for name, lines in sections if lines)]) + "\n"


def summary(chip: Accelerator, catalog: Catalog) -> str:
    """Return what a chip is, in a sentence."""
    words = [f"{chip.kind} of {chip.vendor}", f"family {chip.family}", *([chip.form_factor] if chip.form_factor else [])]
    words += [f"memory {chip.memory.type}", *(["made for the edge"] if "edge" in chip.kinds else [])]
    words += ["modelled: nobody measured it on silicon" if chip.confidence == "modelled" else "its figures are published"]
    entry = catalog.accelerators.entries.get(chip.id)
    words += ["a spec of your own"] if entry is None or not entry.ours else []
    words += [f"measured as {', '.join(chip.measured_as)}"] if chip.measured_as else []
    return "; ".join(words)


def figure_rows(chip: Accelerator) -> list[dict[str, Any]]:
    """Return every value of a chip's spec with its unit, confidence, source and note."""
    return [
        {"figure": name, "value": f"{q.value:.10g}", "unit": q.unit, "confidence": confidence(chip, q), "source": q.source,
         "note": q.note or ""}
        for name, q in figures(chip)
    ]  # fmt: skip


def exceptions(chip: Accelerator) -> list[tuple[str, str]]:
    """Return the checks that a chip is excused from, each with its place and reason."""
    return [(exempt.check, f"at {exempt.at}: {exempt.because}") for exempt in chip.exceptions]


def cited(source: Source) -> str:
    """Return a source in full: title, publisher, dates, address, and what it assumes."""
    accessed = f"accessed {source.accessed}" if source.accessed else None
    parts = (source.title, source.publisher, source.date, source.url, accessed)
    return ", ".join(part for part in parts if part) + (f"; assumes: {source.assumes}" if source.assumes else "")


def _after(prefix: str, text: str | None) -> str:
    return f"{prefix}{text}" if text else ""


def _pairs(pairs: Iterable[tuple[str, str]], width: int) -> list[str]:
    """Return texts after their labels, aligned and wrapped; an address is never broken."""
    pairs = list(pairs)
    start = 2 + max((len(label) for label, _ in pairs), default=0)
    lines = []
    for label, text in pairs:
        first, *rest = textwrap.wrap(text, width - start, break_on_hyphens=False, break_long_words=False) or [""]
        lines += [f"{label:<{start}}{first}", *(" " * start + line for line in rest)]
    return lines


def _items(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [f"- **{label}**: {text}" for label, text in pairs]


def _gap(gap: Mapping[str, Any], width: int) -> list[str]:
    without = f"without it: {gap['without_it']}" if gap["without_it"] else ""
    told = textwrap.wrap(f"{gap['figure']}{_after(': ', gap['reason'])}", width, subsequent_indent="  ")
    return told + textwrap.wrap(without, width, initial_indent="  ", subsequent_indent="  ")


def _span(low: float, high: float) -> str:
    return f"{low:.3g} to {high:.3g}"


def calibration(facts: Mapping[str, Any] | None) -> list[tuple[str, list[str]]]:
    """Return what calibrates a chip: a label, and the sentences that belong to it."""
    if facts is None:
        return [("none", ["no calibration applies to the chip, so that it has no estimate"])]
    launches = "" if facts["launch_p10"] is None else f", of launches {_span(facts['launch_p10'], facts['launch_p90'])}"
    interval = f"80 % of measured times are {_span(facts['p10'], facts['p90'])} of the estimate{launches}: {facts['basis']}"
    lines = [("obtained", [f"{facts['obtained']} ({facts['level']})"]), ("interval", [interval])]
    if facts["correction"]:
        launch, time = (facts["correction"][name] for name in ("launch_factor", "time_factor"))
        lines.append(("correction", [f"launches x {launch:.3g}, time x {time:.3g} of what its family's constants give"]))
    parts = [f"{owner} ({of['applies_to']}): {_words(of['parts'])}" for owner, of in facts["parts"].items()]
    kernels = [f"{owner}: {', '.join(_kernels(found))}" for owner, found in facts["kernels"].items()]
    runtimes = [f"{name} from {of['from']}{_runtime(of)}" for name, of in facts["runtimes"].items()]
    groups = (("parts", parts), ("kernels", kernels), ("runtimes", runtimes))
    return lines + [(label, texts) for label, texts in groups if texts]


def _words(parts: Iterable[str]) -> str:
    return ", ".join(part.replace("_", " ") for part in parts)


def _kernels(found: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{operator} {' '.join(formats)}" for operator, formats in found.items()]


def _runtime(of: Mapping[str, Any]) -> str:
    return f": {_span(of['p10'], of['p90'])} of the estimate" if "p10" in of else ""


def measured(found: Sequence[Mapping[str, Any]]) -> str:
    """Return which records of a chip there are."""
    if not found:
        return "none in the catalogue"
    each = [f"{row['workload']} {row['dtype']} {row['runtime']} {row['records']}" for row in found]
    total, points = (sum(row[name] for row in found) for name in ("records", "points"))
    return f"{total} records with {points} points: {', '.join(each)}; see advise list measurements, advise accuracy"
