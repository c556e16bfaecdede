"""Chips side by side: a line for every figure, with each chip's value, its ratio to the first chip's, and the best."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from engine.accelerator import Accelerator
from engine.catalog import Catalog
from engine.machine import DTYPE_BYTES
from engine.quantity import Quantity

from .datasheet import USUAL, confidence, records
from .inputs import RequestError

FEWEST: Final = 2
MOST: Final = 8
DOUBTFUL: Final = frozenset({"modelled", "assumed"})
Best = Literal["most", "least"] | None


@dataclass(frozen=True, kw_only=True)
class Value:
    """A chip's value of a figure, in the base unit, or None; `doubtful` where a value that it rests on is no published one.

    `lacks`: there is none to publish, as the chip has not the number format.
    """

    value: float | str | None
    doubtful: bool = False
    lacks: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """A figure of all chips. `key` has its unit as JSON names it; people read it in `unit`, which is `scale` base units.

    `best` says which value is the best, where one is; `ratios` whether it makes sense to divide by the first chip's.
    """

    key: str
    name: str
    values: tuple[Value, ...]
    unit: str = ""
    scale: float = 1.0
    best: Best = None
    ratios: bool = False

    @property
    def equal(self) -> bool:
        """Return whether all chips have the same value."""
        return len({one.value for one in self.values}) == 1

    @property
    def ratio(self) -> tuple[float | None, ...]:
        """Return each value over the first chip's, None for the first and where one is unknown."""
        first = self.values[0].value
        return (None, *(_over(one.value, first) if self.ratios else None for one in self.values[1:]))

    @property
    def winners(self) -> tuple[int, ...]:
        """Return the places of the best value, none where all known values are the same or only one is known."""
        known = [one.value for one in self.values if isinstance(one.value, float)]
        if self.best is None or len(set(known)) < FEWEST:
            return ()
        top = max(known) if self.best == "most" else min(known)
        return tuple(index for index, one in enumerate(self.values) if one.value == top)


def _over(value: float | str | None, first: float | str | None) -> float | None:
    return value / first if isinstance(value, float) and isinstance(first, float) else None


def chosen(names: Sequence[str], catalog: Catalog) -> tuple[Accelerator, ...]:
    """Return the chips of some ids. Raises RequestError with every fault: ids of none or several, doubles, their number."""
    chips, faults = [], []
    for name in names:
        try:
            chips.append(catalog.accelerators[name])
        except LookupError as error:
            faults.append(str(error))
    faults += [f"{name} is given twice; give each chip once" for name in dict.fromkeys(names) if names.count(name) > 1]
    if not FEWEST <= len(names) <= MOST:
        given = f"{len(names)} chip{'' if len(names) == 1 else 's'}"
        faults.append(f"{given} to compare; give {FEWEST} to {MOST}, as in `advise compare nvidia-l4 nvidia-t4`")
    if faults:
        raise RequestError("\n".join(faults))
    return tuple(chips)


def lines(chips: Sequence[Accelerator], catalog: Catalog) -> tuple[Line, ...]:
    """Return a line for every figure that any of the chips has, in the order in which people read them."""
    return tuple(line for line in _every(chips, catalog) if any(one.value is not None for one in line.values))


def _every(chips: Sequence[Accelerator], catalog: Catalog) -> Iterator[Line]:
    dtypes = [dtype for dtype in DTYPE_BYTES if any(dtype in chip.dtypes for chip in chips)]
    yield _words("kind", "kind", chips, lambda chip: chip.kind)
    yield _words("vendor", "vendor", chips, lambda chip: chip.vendor)
    yield _words("family", "family", chips, lambda chip: chip.family)
    yield _quantities("released_year", "released", chips, lambda chip: chip.released)
    yield _quantities("process_node_m", "process", chips, lambda chip: chip.process_node, unit="nm", scale=1e-9)
    for dtype in dtypes:
        peaks = tuple(_in_format(chip, dtype, _value(chip, _peak(chip, dtype))) for chip in chips)
        yield Line(key=f"peak_{dtype}_flop_per_s", name=f"peak {dtype}", values=peaks, unit="TFLOP/s", scale=1e12, best="most",
                   ratios=True)  # fmt: skip
    yield _words("memory_type", "memory", chips, lambda chip: chip.memory.type)
    yield _quantities("bandwidth_bytes_per_s", "bandwidth", chips, lambda chip: chip.memory.bandwidth, unit="GB/s", scale=1e9,
                      best="most", ratios=True)  # fmt: skip
    yield _quantities("capacity_bytes", "capacity", chips, lambda chip: chip.memory.capacity, unit="GB", scale=1e9,
                      best="most", ratios=True)  # fmt: skip
    yield Line(
        key="cache_bytes", name="cache", values=tuple(map(_cache, chips)), unit="MB", scale=1e6, best="most", ratios=True
    )
    for dtype in dtypes:
        ridges = tuple(_in_format(chip, dtype, _quotient(chip, _peak(chip, dtype), chip.memory.bandwidth)) for chip in chips)
        yield Line(key=f"ridge_point_{dtype}_flop_per_byte", name=f"ridge {dtype}", values=ridges, unit="FLOP/B", ratios=True)
    power: dict[str, Any] = {"unit": "W", "best": "least", "ratios": True}
    yield _quantities("tdp_w", "TDP", chips, lambda chip: chip.tdp, **power)
    yield _quantities("idle_power_w", "idle power", chips, lambda chip: chip.idle_power, **power)
    for dtype in [d for d in USUAL if all(d in chip.dtypes for chip in chips)][:1]:
        values = tuple(_quotient(chip, _peak(chip, dtype), chip.tdp) for chip in chips)
        yield Line(key=f"peak_{dtype}_per_tdp_flop_per_j", name=f"peak/TDP {dtype}", values=values, unit="GFLOP/J", scale=1e9,
                   best="most", ratios=True)  # fmt: skip
    yield Line(key="price_usd_per_h", name="price", values=tuple(map(_price, chips)), unit="USD/h", best="least", ratios=True)
    yield _words("interval_level", "interval of", chips, lambda chip: _interval(chip, catalog)[0])
    yield _words("interval", "80 % of times", chips, lambda chip: _interval(chip, catalog)[1])
    yield Line(key="records", name="measurements", values=tuple(Value(value=float(_records(c, catalog))) for c in chips))


def _words(key: str, name: str, chips: Sequence[Accelerator], of: Callable[[Accelerator], str | None]) -> Line:
    return Line(key=key, name=name, values=tuple(Value(value=of(chip)) for chip in chips))


def _quantities(
    key: str, name: str, chips: Sequence[Accelerator], of: Callable[[Accelerator], Quantity | None], **more: Any
) -> Line:
    return Line(key=key, name=name, values=tuple(_value(chip, of(chip)) for chip in chips), **more)


def _value(chip: Accelerator, quantity: Quantity | None) -> Value:
    return Value(value=None) if quantity is None else Value(value=float(quantity.si), doubtful=_doubtful(chip, quantity))


def _peak(chip: Accelerator, dtype: str) -> Quantity | None:
    return chip.peak_dense.get(dtype)  # type: ignore[call-overload, no-any-return]


def _in_format(chip: Accelerator, dtype: str, value: Value) -> Value:
    """Return a value, or that there is none where the chip has not the format, rather than that it is not published."""
    return Value(value=None, lacks=True) if dtype not in (*chip.dtypes, *chip.not_published) else value


def _doubtful(chip: Accelerator, *quantities: Quantity) -> bool:
    return any(confidence(chip, quantity) in DOUBTFUL for quantity in quantities)


def _quotient(chip: Accelerator, part: Quantity | None, whole: Quantity | None) -> Value:
    if part is None or whole is None:
        return Value(value=None)
    return Value(value=part.si / whole.si, doubtful=_doubtful(chip, part, whole))


def _cache(chip: Accelerator) -> Value:
    parts = [size for size in (chip.last_level_cache, chip.on_chip_memory) if size is not None]
    return Value(value=chip.cache_bytes, doubtful=_doubtful(chip, *parts))


def _price(chip: Accelerator) -> Value:
    price = chip.price
    return Value(value=None) if price is None else Value(value=price.value, doubtful=_doubtful(chip, price))


def _interval(chip: Accelerator, catalog: Catalog) -> tuple[str, str]:
    constants = catalog.constants.get(chip.id)
    if constants is None:
        return "no calibration", "-"
    interval = constants.interval
    return interval.level, f"{interval.p10.si:.3g} to {interval.p90.si:.3g}"


def _records(chip: Accelerator, catalog: Catalog) -> int:
    return sum(row["records"] for row in records(chip, catalog))


def as_object(chips: Sequence[Accelerator], told: Sequence[Line]) -> dict[str, Any]:
    """Return a comparison as an object: values in base units by chip, their ratios to the first chip, and the best."""
    ids = [chip.id for chip in chips]
    figures = [
        {
            "figure": line.key,
            "equal": line.equal,
            "values": {name: one.value for name, one in zip(ids, line.values, strict=True)},
            "ratios": {name: part for name, part in zip(ids, line.ratio, strict=True) if part is not None},
            "best": [ids[index] for index in line.winners],
            "doubtful": [name for name, one in zip(ids, line.values, strict=True) if one.doubtful],
        }
        for line in told
    ]
    return {"hardware": ids, "figures": figures}


def as_rows(chips: Sequence[Accelerator], told: Sequence[Line]) -> list[dict[str, Any]]:
    """Return a comparison as flat rows, one for each figure, in base units: a column for each chip, and the best."""
    return [
        {
            "figure": line.key,
            **{chip.id: one.value for chip, one in zip(chips, line.values, strict=True)},
            "best": [chips[index].id for index in line.winners],
            "doubtful": [chip.id for chip, one in zip(chips, line.values, strict=True) if one.doubtful],
        }
        for line in told
    ]
