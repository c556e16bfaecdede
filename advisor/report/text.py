"""An answer on one screen: the verdict first, then why, where the time goes, and what the others lost on."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from engine.units import render, significant

from ..body import not_modelled
from ..exclusion import Exclusion, Need, Undetermined
from ..facts import shown
from ..recommend import Advice, Choice
from ..rulebook import Rulebook
from ..stock import Stock, stock_of
from .layout import LABEL, Paint, block, hung, labelled, plain, table
from .leftout import first, told

if TYPE_CHECKING:
    from engine.catalog import Catalog

MAX_LISTED: Final = 400
MANY: Final = 10
"""So many chips of the user's own are listed one by one."""
FEW: Final = 3
"""So many chips are named where more are counted."""
CAUSES: Final = {
    "arithmetic": "arithmetic at the peak",
    "bandwidth": "memory",
    "sequence": "layer after layer",
    "dimension_fit": "padding",
    "unit_allocation": "whole waves",
    "dispatch": "launches",
    "sustained": "sustained rates",
    "power_cap": "power limit",
    "bound_clamp": "clamp to the bound",
}
"""Rung of the ladder -> what a reader calls it."""
_DIMENSIONS: Final = {"s": "time", "FLOP/s": "rate", "B/s": "bandwidth", "J": "energy", "W": "power", "B": "size"}


def report(advice: Advice, specs: Catalog | Stock, book: Rulebook, *, width: int = 100, top: int = 5, explain: bool = False,
           paint: Paint = plain) -> str:  # fmt: skip
    """Return the answer as text of at most `width` columns; `top` shortens the tables, `explain` lists every exclusion."""
    stock = stock_of(specs)
    parts = [_verdict(advice, width, paint)] if advice.recommendation else [_failure(advice, width, paint)]
    if advice.recommendation:
        parts += [_why(advice, width), _ladder(advice.recommendation, width), _winners(advice, width)]
    parts += [_alternatives(advice, book, top, width, paint), _excluded(advice, book, width, explain=explain)]
    parts += [block("Yours", yours(advice, stock), width, hang=2), block("Left out", left_out(stock, book), width, hang=2)]
    parts += [labelled("Not modelled", "; ".join(not_modelled(advice)), width)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def request_line(advice: Advice) -> str:
    """Return what was asked for, in one line."""
    request = advice.request
    sizes = [f"{name} {value}" for name, value in advice.network.sizes.items()]
    limits = [
        f"{word} {shown(name, value)}"
        for word, name, value in (
            ("latency", "limit_latency_s", request.latency_s),
            ("throughput", "limit_throughput_per_s", request.throughput_per_s),
            ("power", "limit_power_w", request.power_w),
            ("energy", "limit_energy_j", request.energy_j),
            ("memory", "limit_memory_bytes", request.memory_bytes),
        )
        if value not in (0.0, float("inf"))
    ]
    what = f"{advice.network.name} ({', '.join(sizes) or 'fixed sizes'})"
    return f"{what} · {' · '.join(limits) or 'no limit'} · profile {advice.profile.id}"


def _verdict(advice: Advice, width: int, paint: Paint) -> list[str]:
    best = advice.recommendation
    assert best is not None  # noqa: S101 - the caller looked
    facts = best.facts
    fact = _facts_of(best)
    head = f"{best.chip.name} · {best.slot.dtype} · batch {facts['batch']:g}"
    meets = "" if not facts["has_latency_limit"] else (
        f"meets {fact('limit_latency_s')} with {fact('margin')} to spare (90 % sure)"
    )  # fmt: skip
    room = width - len(head) - len(meets)
    gap = " " * room if room > 1 else "\n"
    return [
        *(paint(line, "faint") for line in textwrap.wrap(request_line(advice), width)),
        (paint(head, "strong") + gap + paint(meets, "good")).rstrip(),
        *labelled("latency", _latency(best), width),
        *labelled("throughput", _figures(best), width),
        *labelled("batch", _batches(best), width),
    ]


def _latency(choice: Choice) -> str:
    facts = choice.facts
    limit = f" · limit {render(facts['limit_latency_s'], 'time')}" if facts["has_latency_limit"] else ""
    bound, estimate, sure = (render(facts[f"latency_{name}_s"], "time") for name in ("lower_bound", "estimate", "p90"))
    return f"bound {bound} · estimate {estimate} · 90 % sure {sure}{limit}"


def _facts_of(choice: Choice) -> Callable[[str], str]:
    return lambda name: shown(name, choice.facts[name])


def _figures(choice: Choice) -> str:
    fact = _facts_of(choice)
    return (
        f"{fact('throughput_per_s')} · {fact('energy_per_inference_j')} each · {fact('power_w')}"
        f" · {fact('memory_bytes')} of {fact('capacity_bytes')} · MFU {fact('mfu')} · MBU {fact('mbu')}"
    )


def _batches(choice: Choice) -> str:
    fact = _facts_of(choice)
    ridge = choice.facts["ridge_batch"]
    turns = "never compute-bound on the plain roof" if math.isinf(ridge) else f"turns compute-bound at {fact('ridge_batch')}"
    turns = "compute-bound at every batch" if ridge <= 1 else turns
    return f"knee {fact('knee_batch')} · largest within the limits {fact('largest_batch')} · {turns}"


def _failure(advice: Advice, width: int, paint: Paint) -> list[str]:
    lines = [paint(request_line(advice), "faint"), paint("No chip of the catalogue meets the request.", "bad")]
    miss = advice.nearest_miss
    if advice.alternatives:
        lines += labelled("But", f"{len(advice.alternatives)} meet it and may not be recommended; see the alternatives", width)
    if miss is not None:
        lines += labelled(
            "nearest miss", f"{miss.hardware}: {miss.because} ({miss.rule.id}), {significant(miss.shortfall, 2)}x off", width
        )
    if miss is not None and miss.would_need is not None:
        lines += labelled("what fixes it", need_text(miss.would_need), width)
    return lines


def need_text(need: Need) -> str:
    """Return what would change a verdict, as a sentence fragment."""
    quantity, value, unit = need
    if quantity == "devices":
        return f"{value:,.0f} devices at least (placement over devices is not modelled)"
    figure = render(value, _DIMENSIONS[unit])
    return {
        "peak": f"a peak of {figure} for the bound to admit it, or a looser limit",
        "bandwidth": f"a bandwidth of {figure} for the bound to admit it, or a looser limit",
    }.get(quantity, f"a {quantity.replace('_', ' ')} of {figure}")


def _why(advice: Advice, width: int) -> list[str]:
    groups = (("Why", "prefer"), ("Note", "advise"), ("Take care", "warn"))
    lines: list[str] = []
    for label, verdict in groups:
        items = [f"{reason['rule']}  {reason['because']}" for reason in advice.rationale if reason["verdict"] == verdict]
        lines += block(label, items, width, hang=6)
    return lines


def _ladder(choice: Choice, width: int) -> list[str]:
    """Return the ladder of causes as a bar for each, largest first."""
    steps = [(CAUSES[cause], share or 0.0) for cause, _, share in choice.steps]
    ranked = sorted((step for step in steps if step[1] >= 0.005), key=lambda step: -step[1])  # noqa: PLR2004 - half a percent
    full = min(60, width - LABEL - 30)
    bars = [f"{100 * share:3.0f} % {name:<22} {'█' * max(1, round(share * full))}" for name, share in ranked]
    return block("Time goes to", bars, width)


def _winners(advice: Advice, width: int) -> list[str]:
    rows = [(name, marked(w), w.slot.dtype, f"b{w.facts['batch']:g}", _headline(name, w)) for name, w in advice.winners.items()]
    return block("Winners", table(rows, (False, False, False, False, True)), width)


def _headline(profile: str, choice: Choice) -> str:
    facts = choice.facts
    if profile == "energy-critical":
        return shown("energy_per_inference_j", facts["energy_per_inference_j"])
    if profile == "real-time":
        return shown("latency_p90_s", facts["latency_p90_s"])
    return shown("throughput_per_s", facts["throughput_per_s"])


HEADINGS: Final = ("Alternatives", "dtype", "batch", "ms (90 %)", "/s", "mJ", "W", "lost on")
RIGHT: Final = (False, False, True, True, True, True, True, False)


def marked(choice: Choice) -> str:
    """Return the id of a chip, marked where its spec is the user's own."""
    return f"{choice.chip.id} (yours)" if choice.facts["user_spec"] else choice.chip.id


def yours(advice: Advice, stock: Stock) -> list[str]:
    """Return where each chip of the user's own is: recommended, its place among the alternatives, excluded, undetermined."""
    places = {} if advice.recommendation is None else {advice.recommendation.chip.id: "recommended"}
    total = len(advice.alternatives)
    for place, (choice, lost) in enumerate(advice.alternatives, 1):
        places[choice.chip.id] = f"place {place} of {total} alternatives; lost on {lost}"
    places |= {item.hardware: f"excluded by {item.rule.id}: {item.because}" for item in advice.excluded}
    places |= {item.hardware: f"undetermined: missing {'; '.join(item.missing) or 'a figure'}" for item in advice.undetermined}
    own = [name for name, card in stock.cards.items() if not card.ours and name in places]
    more = [f"{len(own) - MANY} more: --top {total}"] if len(own) > MANY else []
    return [f"{name}: {places[name]}" for name in own[:MANY]] + more


def left_out(stock: Stock, book: Rulebook) -> list[str]:
    """Return what the answer does without: files of the user's with errors, and what stands in for them."""
    return [f"{told(item)}: {first(item.faults)}" for item in (*stock.left_out, *book.left_out)]


def alternative_row(choice: Choice, lost: str) -> tuple[str, ...]:
    """Return a chip that meets the request as cells under HEADINGS."""
    facts = choice.facts
    return (
        marked(choice),
        choice.slot.dtype,
        f"{facts['batch']:g}",
        significant(1e3 * facts["latency_p90_s"]),
        significant(facts["throughput_per_s"]),
        significant(1e3 * facts["energy_per_inference_j"]),
        significant(facts["power_w"], 2),
        lost,
    )


def _alternatives(advice: Advice, book: Rulebook, top: int, width: int, paint: Paint) -> list[str]:
    if not advice.alternatives:
        return []
    rows = [HEADINGS, *(alternative_row(choice, _short(lost, book)) for choice, lost in advice.alternatives[:top])]
    start = 2 + max(map(len, table([row[:-1] for row in rows], RIGHT[:-1])))
    lines = [line for row in table(rows, RIGHT) for line in hung(row, start, width)]
    left = len(advice.alternatives) - top
    more = [paint(f"{left} more: --top {len(advice.alternatives)}", "faint")] if left > 0 else []
    return [paint(lines[0], "faint"), *lines[1:], *more]


def _short(lost: str, book: Rulebook) -> str:
    """Return what a chip lost on in a few words: a rule's title instead of its message, units as the columns have them."""
    rule, colon, _ = lost.partition(":")
    titles = {known.id: known.title for known in book.rules}
    if colon and rule in titles:
        return f"{titles[rule]} ({rule})"
    return lost.replace(" throughput", " /s").replace(" energy", " mJ")


def _excluded(advice: Advice, book: Rulebook, width: int, *, explain: bool) -> list[str]:
    if explain:
        return _every_exclusion(advice, width)
    counts = Counter(item.rule.id for item in advice.excluded)
    told = [f"{count} {book[rule].title} ({rule})" for rule, count in sorted(counts.items())]
    lines = labelled("Excluded", f"{len(advice.excluded)}: {' · '.join(told)} · see --explain excluded", width) if told else []
    if not advice.undetermined:
        return lines
    total = len(advice.undetermined)
    return lines + labelled(
        "Undetermined", f"{total} for want of {' · '.join(_wanting(advice.undetermined))} · see --explain excluded", width
    )


def _wanting(items: Sequence[Undetermined]) -> list[str]:
    """Return each first figure that is missing and the chips that miss it: their ids where they are few, else how many."""
    chips: dict[str, list[str]] = {}
    for item in items:
        chips.setdefault(next(iter(item.missing), "a figure").partition(" (")[0], []).append(item.hardware)
    named = {what: ", ".join(ids) if len(ids) <= FEW else f"{len(ids)} chips" for what, ids in chips.items()}
    return [f"{what} ({who})" for what, who in sorted(named.items())]


def _every_exclusion(advice: Advice, width: int) -> list[str]:
    def told(item: Exclusion) -> str:
        need = f"; would need {need_text(item.would_need)}" if item.would_need else ""
        return f"{item.hardware}: {item.rule.id} {item.because}{need}"

    open_ = [f"{item.hardware}: missing {'; '.join(item.missing) or 'a figure'}" for item in advice.undetermined]
    lines: list[str] = []
    for label, items in (("Excluded", [told(item) for item in advice.excluded]), ("Undetermined", open_)):
        lines += block(label, items[:MAX_LISTED], width, hang=2)
    return lines


def lines_of(texts: Sequence[str]) -> str:
    """Return texts as lines."""
    return "\n".join(texts) + "\n"
