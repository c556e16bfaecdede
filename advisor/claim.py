"""Claims: what a study or a slide states, as data, with how to check it against itself, our bound and our estimate."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Annotated, Final, Literal

from pydantic import Field

from engine.accelerator import Accelerator
from engine.catalog import Catalog
from engine.documents import Document
from engine.errors import ExpressionError, Fault, closest, listed
from engine.expressions import check_names, parse
from engine.machine import Dtype
from engine.measurement import Runtime
from engine.quantity import Frequency, Identifier, Integral, Key, Model, PerClock, Power, Rate, Source, Text, Tuple, Units
from engine.rows import COLUMNS

from .facts import placeholders

Path = tuple[str | int, ...]
Expression = Annotated[str, Field(min_length=1)]
Batch = Annotated[int, Field(ge=1), Integral]
Sizes = dict[Key, Annotated[int, Field(ge=0), Integral]]
Dimension = Literal["time", "energy", "power", "work", "rate", "throughput", "intensity", "share", "count", "units"]
FIGURES: Final[dict[str, Dimension]] = {
    "latency": "time", "throughput": "throughput", "utilization": "share", "energy": "energy",
}  # fmt: skip
"""What a series may state at each batch -> its dimension."""
UNITS_OF: Final[dict[str, Dimension]] = {
    "us": "time", "ms": "time", "s": "time", "mJ": "energy", "J": "energy", "W": "power", "MFLOP": "work", "GFLOP": "work",
    "TFLOP": "work", "GMAC": "work", "TFLOP/s": "rate", "TOP/s": "rate", "/s": "throughput", "FLOP/B": "intensity",
    "%": "share", "1": "count", "k": "count", "M": "count", "G": "count",
}  # fmt: skip
"""Units of stated figures -> dimension."""


StatedUnit = Literal[
    "us", "ms", "s", "mJ", "J", "W", "MFLOP", "GFLOP", "TFLOP", "GMAC", "TFLOP/s", "TOP/s", "/s", "FLOP/B", "%", "1", "k",
    "M", "G"
]  # fmt: skip


class Stated(Model):
    """A figure as stated."""

    value: Annotated[float, Field(gt=0)]
    unit: StatedUnit
    source: Key
    note: Text | None = None


class Column(Model):
    """The figures of one quantity of a series, in the order of its batches; `decimals` is how many digits are printed."""

    unit: Literal["us", "ms", "s", "/s", "%", "mJ", "J"]
    decimals: Annotated[int, Field(ge=0, le=6), Integral]
    values: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1), Tuple]


class Series(Model):
    """A table of a study: figures of one model on one chip, batch by batch. `hardware` may be a variant of the file."""

    workload: Identifier
    hardware: Identifier
    dtype: Dtype
    sizes: Sizes = {}
    runtime: Runtime = "graph"
    source: Key
    batch: Annotated[tuple[Batch, ...], Field(min_length=1), Tuple]
    figures: Annotated[dict[Literal["latency", "throughput", "utilization", "energy"], Column], Field(min_length=1)]


class Variant(Model):
    """A chip as a study assumed it: one of the catalogue with other figures. It is never ranked."""

    of: Identifier
    name: Text
    peak_dense: Annotated[dict[Dtype, Rate], Field(min_length=1)]
    flop_per_clock: dict[Dtype, PerClock] = {}
    parallel_units: Units | None = None
    max_clock: Frequency | None = None
    tdp: Power | None = None


def as_studied(variant: Variant, catalog: Catalog) -> Accelerator:
    """Return a chip as a study assumed it; it keeps the id of its chip. Raises UnknownNameError for no such chip."""
    chip = catalog.accelerators[variant.of]
    given = {field: value for field in ("parallel_units", "max_clock", "tdp") if (value := getattr(variant, field))}
    return chip.model_copy(update={"peak_dense": variant.peak_dense, "flop_per_clock": variant.flop_per_clock, **given})


class Fact(Model):
    """A number that a claim is judged by: what is stated, a figure of a series, ours, a measured one, or a formula of those.

    `series` alone gives an array over the series' batches, with `at` a single batch.
    """

    stated: Stated | None = None
    figure: Literal["latency", "throughput", "utilization", "energy", "batch"] | None = None
    estimate: Annotated[str, Field(description="a column of `advise predict`")] | None = None
    network: Literal["work", "macs", "parameters", "intensity", "unfused_intensity"] | None = None
    chip: Annotated[str, Field(description="a field of an accelerator, as in parallel_units or peak_dense.fp32")] | None = None
    measured: Literal["latency", "throughput", "energy", "power"] | None = None

    formula: Annotated[Expression | None, Field(description="an expression over the facts before it, in base units")] = None
    unit: Annotated[StatedUnit | None, Field(description="the unit that a formula is shown in")] = None

    series: Key | None = None
    at: Batch | None = None
    built: Annotated[bool, Field(description="the catalogue's chip instead of the variant that the series names")] = False
    workload: Identifier | None = None
    hardware: Identifier | None = None
    dtype: Dtype | None = None
    sizes: Sizes = {}
    batch: Batch = 1


class Claim(Model):
    """One statement and the conditions that decide its verdict, over its facts; where a fact is an array, at every batch.

    `consistent`: the stated figures agree with each other. `possible`: our lower bounds allow them. `holds`: they agree with
    our figures. `corrected`: they do once `correction` is made. A condition left out decides nothing.
    """

    id: Annotated[str, Field(pattern=r"^[A-Z][0-9]{3}$")]
    statement: Text
    source: Key
    facts: Annotated[dict[Key, Fact], Field(min_length=1)]
    consistent: Expression | None = None
    possible: Expression | None = None
    holds: Expression | None = None
    corrected: Expression | None = None
    modelled: Annotated[bool, Field(description="about hardware that nobody measured")] = False
    because: Text
    correction: Text | None = None


CONDITIONS: Final = ("consistent", "possible", "holds", "corrected")
_KINDS: Final = ("stated", "figure", "estimate", "network", "chip", "measured", "formula")


class ClaimFile(Model):
    """The claims of one document."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    id: Identifier
    name: Text
    sources: Annotated[dict[Key, Source], Field(min_length=1)]
    variants: dict[Identifier, Variant] = {}
    series: dict[Key, Series] = {}
    claims: Annotated[tuple[Claim, ...], Field(min_length=1), Tuple]
    notes: Annotated[tuple[Text, ...], Tuple] = ()


def check_claims(document: Document, model: Model | None) -> Iterator[Fault]:
    """Yield the faults of meaning of a file of claims: columns of another length, unknown series and names, ids twice."""
    if not isinstance(model, ClaimFile):
        return
    for key, series in model.series.items():
        for name, column in series.figures.items():
            if len(column.values) != len(series.batch):
                found = f"{len(column.values)} values for {len(series.batch)} batches"
                yield document.fault(("series", key, "figures", name, "values"), found, "a value for each batch", rule="S221")
    seen: set[str] = set()
    for index, claim in enumerate(model.claims):
        if claim.id in seen:
            yield document.fault(("claims", index, "id"), f"the id {claim.id!r} occurs twice", "an id of its own", rule="S214")
        seen.add(claim.id)
        yield from _check_claim(document, index, claim, model)


def _check_claim(document: Document, index: int, claim: Claim, model: ClaimFile) -> Iterator[Fault]:
    before: set[str] = set()
    for name, fact in claim.facts.items():
        path = ("claims", index, "facts", name)
        yield from _check_fact(document, path, fact, model)
        if fact.formula is not None:
            yield from _check_expression(document, (*path, "formula"), fact.formula, before)
            if fact.unit is None:
                yield document.fault(path, "a formula without a unit", "the unit that it is shown in", rule="S222")
        before.add(name)
    yield from _check_series(document, index, claim, model)
    known = {*claim.facts, *(f"{name}_off" for name, fact in claim.facts.items() if fact.figure or fact.stated)}
    for name in CONDITIONS:
        if (text := getattr(claim, name)) is not None:
            yield from _check_expression(document, ("claims", index, name), text, known)
    for name in ("because", "correction"):
        for unknown in sorted(placeholders(getattr(claim, name) or "") - {*claim.facts, "at"}):
            near = closest(unknown, claim.facts)
            found = f"the unknown fact {unknown!r}"
            yield document.fault(("claims", index, name), found, "a fact of the claim", near, rule="S210")
    if claim.corrected and not claim.correction:
        yield document.fault(("claims", index), "`corrected` without `correction`", "what the correction is", rule="S224")
    if not any(getattr(claim, name) for name in CONDITIONS):
        yield document.fault(("claims", index), "no condition", f"at least one of {', '.join(CONDITIONS)}", rule="S224")


def _check_series(document: Document, index: int, claim: Claim, model: ClaimFile) -> Iterator[Fault]:
    """Yield a fault where facts run along series of other batches, and where `at` says nothing."""
    along = {f.series: model.series[f.series].batch for f in claim.facts.values() if f.series in model.series and f.at is None}
    if len(set(along.values())) > 1:
        found = f"facts along {' and '.join(map(str, along))}, of other batches"
        yield document.fault(("claims", index, "facts"), found, "one series, or `at`", rule="S224")
    for name in ("because", "correction"):
        if not along and "at" in placeholders(getattr(claim, name) or ""):
            yield document.fault(("claims", index, name), "{at} without a series", "a fact along a series", rule="S224")
    for name, fact in claim.facts.items():
        if fact.at is not None and fact.series is None:
            found = f"at {fact.at} of no series"
            yield document.fault(("claims", index, "facts", name), found, "the series, or `batch`", rule="S222")


def _check_expression(document: Document, path: Path, text: str, known: AbstractSet[str]) -> Iterator[Fault]:
    try:
        check_names(parse(text), known)
    except ExpressionError as error:
        yield document.fault(path, str(error), f"an expression over {listed(known) or 'no fact'}", rule="S209")


def _check_fact(document: Document, path: Path, fact: Fact, model: ClaimFile) -> Iterator[Fault]:
    kinds = [kind for kind in _KINDS if getattr(fact, kind) is not None]
    if len(kinds) != 1:
        yield document.fault(path, f"{len(kinds)} kinds of fact", f"exactly one of {', '.join(_KINDS)}", rule="S222")
        return
    if fact.series is not None and fact.series not in model.series:
        near = closest(fact.series, model.series)
        found = f"the unknown series {fact.series!r}"
        yield document.fault((*path, "series"), found, "a key of series", near, rule="S223")
        return
    if fact.figure and fact.series is None:
        yield document.fault(path, "a figure of no series", "the series that states it", rule="S222")
    series = model.series.get(fact.series or "")
    if series and fact.figure not in (None, "batch", *series.figures):
        expected = f"one of {listed(series.figures)}"
        yield document.fault((*path, "figure"), f"no {fact.figure} in the series", expected, rule="S223")
    if series and fact.at is not None and fact.at not in series.batch:
        expected = f"one of {listed(map(str, series.batch))}"
        yield document.fault((*path, "at"), f"no batch {fact.at} in the series", expected, rule="S223")
    if fact.estimate is not None and fact.estimate not in COLUMNS:
        near = closest(fact.estimate, COLUMNS)
        found = f"no column {fact.estimate!r}"
        yield document.fault((*path, "estimate"), found, "a column of `advise predict`", near, rule="S223")
    if series is None and fact.estimate and not (fact.workload and fact.hardware and fact.dtype):
        yield document.fault(path, "an estimate of no point", "a series, or workload, hardware and dtype", rule="S222")
    if series is None and (fact.network and not fact.workload):
        yield document.fault(path, "a total of no network", "a series, or a workload", rule="S222")
    if series is None and (fact.chip and not fact.hardware):
        yield document.fault(path, "a figure of no chip", "a series, or hardware", rule="S222")
