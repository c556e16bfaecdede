"""Verdicts on claims: each condition evaluated over what is stated, what we find, and what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from engine.accelerator import Accelerator
from engine.assembly import machine
from engine.catalog import Catalog
from engine.compiled import estimate
from engine.errors import RoofwiseError, unknown
from engine.expressions import parse
from engine.machine import DTYPE_BYTES, Machine
from engine.measurement import Measurement
from engine.network import Network, build
from engine.quantity import Quantity
from engine.sizes import choose_sizes
from engine.units import factor, render, significant

from .claim import FIGURES, UNITS_OF, Claim, ClaimFile, Fact, Series, as_studied
from .facts import NUMBERS, placeholders, shown

Array = npt.NDArray[np.float64]
Verdict = Literal[
    "holds",
    "holds with correction",
    "contradicts itself",
    "contradicted by our bound",
    "modelled only",
    "not what we find",
    "cannot be judged",
]
_FIGURE_FACTS: Final = {
    "latency": "latency_estimate_s", "throughput": "throughput_per_s", "utilization": "mfu", "energy": "energy_per_inference_j",
    "batch": "batch", "power": "power_w",
}  # fmt: skip
"""A figure of a series, or a measured one -> the fact whose unit it has."""


class ClaimError(RoofwiseError, ValueError):
    """A claim asks for a fact that is not to be had: no such chip, model, format or field."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """A fact with its values, one for each batch of its series or one in all; NaN is unknown. `off` is half a printed digit."""

    values: Array
    off: float
    unit: str
    show: Callable[[float], str]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A claim with its verdict, why, and its facts."""

    claim: Claim
    verdict: Verdict
    because: str
    facts: Mapping[str, Known]
    batches: tuple[int, ...]


def judge(file: ClaimFile, catalog: Catalog) -> tuple[Judged, ...]:
    """Return the verdict on every claim of a file. Raises ClaimError for a fact that is not to be had."""
    facts = _Facts(file, catalog)
    return tuple(_judged(claim, facts) for claim in file.claims)


def _judged(claim: Claim, facts: _Facts) -> Judged:
    known: dict[str, Known] = {}
    for name, fact in claim.facts.items():
        try:
            known[name] = _formula(fact, known) if fact.formula else facts.known(fact)
        except RoofwiseError as error:
            raise ClaimError(f"{facts.file.id}, {claim.id}, fact {name}: {error}") from error
    series = next((facts.file.series[fact.series] for fact in claim.facts.values() if fact.series and fact.at is None), None)
    batches = series.batch if series else ()
    values = {name: fact.values for name, fact in known.items()} | {f"{n}_off": np.array(f.off) for n, f in known.items()}
    truths = {
        name: _truth(getattr(claim, name), values, len(batches)) for name in ("consistent", "possible", "holds", "corrected")
    }
    verdict, decided = _verdict(claim, truths)
    place = _place(truths.get(decided or ""))
    told = claim.because if verdict != "holds with correction" else f"{claim.because}; {claim.correction}"
    return Judged(claim=claim, verdict=verdict, because=_filled(told, known, batches, place), facts=known, batches=batches)


def _truth(text: str | None, values: Mapping[str, Array], count: int) -> Array | None:
    """Return the truth of a condition at every batch: 1.0, 0.0 or NaN for unknown; None without a condition."""
    if text is None:
        return None
    return np.atleast_1d(np.broadcast_to(parse(text).over(values), (count,) if count else (1,)))


def _verdict(claim: Claim, truths: Mapping[str, Array | None]) -> tuple[Verdict, str | None]:
    """Return the verdict and the condition that decided it. What contradicts itself is not asked whether it holds."""
    for name, verdict in (("consistent", "contradicts itself"), ("possible", "contradicted by our bound")):
        truth = truths[name]
        if truth is not None and (truth == 0).any():
            return verdict, name  # type: ignore[return-value]
    if claim.modelled:
        return "modelled only", "holds"
    asked = [name for name, truth in truths.items() if truth is not None]
    if any(np.isnan(truth).any() for truth in truths.values() if truth is not None):
        return "cannot be judged", next(n for n in asked if np.isnan(truths[n]).any())  # type: ignore[arg-type]
    for name, verdict in (("holds", "holds"), ("corrected", "holds with correction")):
        truth = truths[name]
        if truth is not None and truth.all():
            return verdict, name  # type: ignore[return-value]
    decisive = [name for name in ("holds", "corrected") if truths[name] is not None]
    return ("not what we find", decisive[0]) if decisive else ("holds", asked[-1])


def _place(truth: Array | None) -> int:
    """Return the batch that a message is about: the last at which the deciding condition fails, else the last."""
    failing = np.flatnonzero(truth != 1) if truth is not None else np.array([])
    return int(failing[-1]) if failing.size else -1


def _filled(template: str, known: Mapping[str, Known], batches: tuple[int, ...], place: int) -> str:
    """Return a message with the values of its facts at one batch; `{at}` is that batch."""
    for name in placeholders(template):
        told = str(batches[place]) if name == "at" and batches else _shown(known[name], place) if name in known else ""
        template = template.replace("{" + name + "}", told)
    return template


def _shown(fact: Known, place: int) -> str:
    value = float(fact.values.flat[place if fact.values.size > 1 else 0])
    return "unknown" if np.isnan(value) else fact.show(value)


class _Facts:
    """What facts are, with the points of each chip and model evaluated once."""

    def __init__(self, file: ClaimFile, catalog: Catalog) -> None:
        self.file, self.catalog = file, catalog

    def known(self, fact: Fact) -> Known:
        series = self.file.series[fact.series] if fact.series else None
        if fact.stated is not None:
            return _stated(fact)
        if fact.figure is not None:
            return _figure(fact, self.file.series[fact.series or ""])
        if fact.estimate is not None:
            return self._estimate(fact, series)
        if fact.network is not None:
            return self._network(fact, series)
        if fact.chip is not None:
            return self._chip(fact, series)
        return self._measured(fact, series)

    def _accelerator(self, fact: Fact, series: Series | None) -> Accelerator:
        """Return the chip as studied, or as built where the fact says so; a variant keeps the id of its chip."""
        name = fact.hardware or (series.hardware if series else "")
        variant = self.file.variants.get(name)
        if variant is None:
            return self.catalog.accelerators[name]
        return self.catalog.accelerators[variant.of] if fact.built else as_studied(variant, self.catalog)

    def _machine(self, fact: Fact, series: Series | None) -> Machine:
        chip = self._accelerator(fact, series)
        dtype = fact.dtype or (series.dtype if series else "")
        if dtype not in chip.peak_dense:
            raise unknown(f"peak of {chip.id} in", dtype, chip.dtypes)
        return machine(chip, self.catalog.constants[chip.id], dtype, series.runtime if series else "graph")

    def _built(self, fact: Fact, series: Series | None) -> Network:
        name = fact.workload or (series.workload if series else "")
        return build(self.catalog.workloads[name], fact.sizes or (series.sizes if series else {}))

    def _batches(self, fact: Fact, series: Series | None) -> tuple[int, ...]:
        if series is None:
            return (fact.batch,)
        return series.batch if fact.at is None else (fact.at,)

    def _estimate(self, fact: Fact, series: Series | None) -> Known:
        name = fact.estimate or ""
        batches = np.array(self._batches(fact, series), dtype=float)
        points = estimate(self._built(fact, series), [self._machine(fact, series)], batches)
        values = np.asarray(getattr(points, name)[0], dtype=float)
        return Known(values=values, off=0.0, unit=NUMBERS[name][0], show=partial(shown, name))

    def _network(self, fact: Fact, series: Series | None) -> Known:
        network, dtype = self._built(fact, series), fact.dtype or (series.dtype if series else "fp32")
        batches = np.array(self._batches(fact, series), dtype=float)
        if fact.network in ("work", "macs", "parameters"):
            value = {"work": network.work, "macs": network.work / 2, "parameters": network.parameters}[fact.network]
            told = {"work": "FLOP", "macs": "MAC", "parameters": "parameters"}[fact.network]
            return Known(values=np.array(value), off=0.0, unit=told, show=partial(_big, unit=told))
        kernels = network.kernels if fact.network == "intensity" else network.unfused
        once = network.read_weights(batches) * DTYPE_BYTES[dtype]
        each = sum(kernel.cost.inputs + kernel.cost.outputs for kernel in kernels) * DTYPE_BYTES[dtype]
        values = network.work * batches / (once + each * batches)
        return Known(values=values, off=0.0, unit="FLOP/B", show=lambda value: f"{significant(value)} FLOP/B")

    def _chip(self, fact: Fact, series: Series | None) -> Known:
        found: Any = self._accelerator(fact, series)
        for part in (fact.chip or "").split("."):
            found = found.get(part) if isinstance(found, Mapping) else getattr(found, part, None)
        if found is None:
            return Known(values=np.array(np.nan), off=0.0, unit="", show=str)
        if not isinstance(found, Quantity):
            raise ClaimError(f"{fact.chip!r} is no figure of an accelerator; name one, as in parallel_units or peak_dense.fp32")
        scale = found.si / found.value
        return Known(
            values=np.array(found.si),
            off=0.0,
            unit=found.unit,
            show=lambda value: f"{significant(value / scale, 4)} {found.unit}",
        )

    def _measured(self, fact: Fact, series: Series | None) -> Known:
        """Return what records of the catalogue say of the same model, sizes, chip, format and batch: the fastest of them."""
        name, chip = fact.measured or "", self._accelerator(fact, series)
        workload, dtype = fact.workload or (series.workload if series else ""), fact.dtype or (series.dtype if series else "")
        sizes = self._built(fact, series).sizes
        records = [
            record
            for record in self.catalog.measurements
            if (record.workload, record.hardware, record.dtype) == (workload, chip.id, dtype)
            and choose_sizes(self.catalog.workloads[workload], record.sizes) == sizes
        ]
        values = np.array([_fastest(records, name, batch) for batch in self._batches(fact, series)])
        column = _FIGURE_FACTS[name]
        return Known(values=values, off=0.0, unit=NUMBERS[column][0], show=partial(shown, column))


def _formula(fact: Fact, known: Mapping[str, Known]) -> Known:
    unit = fact.unit or "1"
    values = _finite(parse(fact.formula or "0").over({name: other.values for name, other in known.items()}))
    return Known(values=values, off=0.0, unit=unit, show=partial(_in_unit, unit=unit, digits=3))


def _finite(values: Array) -> Array:
    """Return values with unknown where they are not finite: a quotient by 0, or what passes the largest number."""
    return np.where(np.isfinite(values), values, np.nan)


def _in_unit(value: float, unit: str, digits: int) -> str:
    """Return a value in base units as a stated figure is written."""
    return f"{significant(value / factor(UNITS_OF[unit], unit), digits)} {unit}".removesuffix(" 1").replace(" /s", "/s")


def _stated(fact: Fact) -> Known:
    stated = fact.stated
    if stated is None:  # pragma: no cover - the caller looked
        raise ClaimError("nothing is stated")
    scale = factor(UNITS_OF[stated.unit], stated.unit)
    digits = max(0, -int(Decimal(repr(stated.value)).normalize().as_tuple().exponent))
    show = partial(_in_unit, unit=stated.unit, digits=6)
    return Known(values=_finite(np.array(stated.value * scale)), off=0.5 * 10.0**-digits * scale, unit=stated.unit, show=show)


def _figure(fact: Fact, series: Series) -> Known:
    if fact.figure == "batch" or fact.figure is None:
        batches = series.batch if fact.at is None else (fact.at,)
        return Known(values=np.array(batches, dtype=float), off=0.0, unit="1", show=significant)
    column = series.figures[fact.figure]
    scale = factor(FIGURES[fact.figure], column.unit)
    values = np.array(column.values) * scale
    chosen = values if fact.at is None else values[[series.batch.index(fact.at)]]
    show = partial(_in_unit, unit=column.unit, digits=6)
    return Known(
        values=chosen, off=0.5 * 10.0**-column.decimals * scale, unit=NUMBERS[_FIGURE_FACTS[fact.figure]][0], show=show
    )


def _fastest(records: Sequence[Measurement], name: str, batch: int) -> float:
    """Return a figure of the fastest point that any record has at a batch, of those whose power is known where it takes power.

    NaN where there is none.
    """
    powered = name in ("energy", "power")
    points = [point for record in records for point in record.points if point.batch == batch]
    found = [(point.seconds, point.power.si if point.power else float("nan")) for point in points if point.power or not powered]
    if not found:
        return float("nan")
    seconds, watts = min(found)
    return {"latency": seconds, "throughput": batch / seconds, "power": watts, "energy": watts * seconds / batch}[name]


def _big(value: float, unit: str) -> str:
    return f"{render(value, 'work').removesuffix('FLOP')}{unit}" if unit != "FLOP" else render(value, "work")
