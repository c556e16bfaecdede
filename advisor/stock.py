"""What an answer is chosen from: cards of chips, machines, networks, sources; from the specs or from a snapshot of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from engine.machine import GRAPH, Machine
from engine.roster import Roster
from engine.sizes import Sized
from engine.totals import Totals

if TYPE_CHECKING:
    from engine.accelerator import Accelerator
    from engine.catalog import Catalog
    from engine.folders import LeftOut

Documents = Mapping[str, Mapping[str, str]]
"""Sources of a spec by key, as plain texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What an answer needs of a chip besides its machines.

    `runtimes` are those that its calibrations describe, none where no calibration is for it; `calibrations` are those behind a
    prediction in each. `missing` is what a chip lacks of which nothing can be concluded.
    """

    id: str
    name: str
    kind: str
    kinds: tuple[str, ...]
    dtypes: tuple[str, ...]
    confidence: str
    ours: bool
    cache_known: bool
    price_usd_per_s: float
    runtimes: tuple[str, ...]
    calibrations: Mapping[str, tuple[str, ...]]
    basis: str
    missing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Stock:
    """Cards by id, in order, and what to look up by name. All raise UnknownNameError for a name that is not there."""

    cards: Mapping[str, Card]
    card: Callable[[str], Card]
    roster: Callable[[str], Roster]
    """the machines in a runtime, of every chip that it is known of and every format of it"""
    machine: Callable[[str, str, str], Machine]
    """the machine of a chip, a number format and a runtime"""
    model: Callable[[str], Sized]
    network: Callable[[str, Mapping[str, int]], Totals]
    documents: Callable[[str, str], Documents]
    """sources of a spec, of a shelf of the catalogue and an id"""
    runtimes: frozenset[str]
    """every runtime that a calibration describes"""
    catalog: Callable[[], Catalog]
    """the specs themselves, read when asked for"""
    left_out: tuple[LeftOut, ...] = ()


def stock_of(specs: Catalog | Stock) -> Stock:
    """Return the stock of a catalogue; a stock is one already."""
    if isinstance(specs, Stock):
        return specs
    cards = {chip.id: card_of(chip, specs) for chip in specs.accelerators}

    def card(name: str) -> Card:
        return cards[specs.accelerators[name].id]

    def documents(shelf: str, name: str) -> Documents:
        return documents_of(getattr(specs, shelf)[name])

    @cache
    def roster(runtime: str) -> Roster:
        known = [card for card in cards.values() if runtime in card.runtimes]
        return Roster.of(specs.machine(card.id, dtype, runtime) for card in known for dtype in card.dtypes)

    return Stock(
        cards=cards, card=card, roster=roster, machine=specs.machine, documents=documents, left_out=specs.left_out,
        model=lambda name: specs.workloads[name], network=specs.network,
        runtimes=runtimes_of(cards.values()), catalog=lambda: specs,
    )  # fmt: skip


def runtimes_of(cards: Iterable[Card]) -> frozenset[str]:
    """Return every runtime that a calibration describes."""
    return frozenset({GRAPH, *(runtime for card in cards for runtime in card.runtimes)})


def documents_of(spec: Any) -> Documents:
    """Return the sources of a spec as plain texts."""
    return {key: source.model_dump(exclude_none=True, mode="json") for key, source in spec.sources.items()}


def card_of(chip: Accelerator, catalog: Catalog) -> Card:
    """Return the card of a chip of a catalogue."""
    from .gaps import deciding  # noqa: PLC0415 - with the specs' models

    constants = catalog.constants.get(chip.id)
    runtimes = () if constants is None else tuple(dict.fromkeys((GRAPH, *constants.runtimes)))
    return Card(
        id=chip.id, name=chip.name, kind=chip.kind, kinds=chip.kinds, dtypes=chip.dtypes, confidence=chip.confidence,
        ours=catalog.accelerators.entries[chip.id].ours, cache_known=chip.cache_bytes is not None,
        price_usd_per_s=chip.price.si if chip.price else math.nan, runtimes=runtimes,
        calibrations={} if constants is None else {runtime: constants.used(runtime) for runtime in runtimes},
        basis="" if constants is None else constants.interval.basis, missing=deciding(chip, constants),
    )  # fmt: skip
