"""The accelerator spec: what its maker publishes about one chip, each figure with its unit and source."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from .machine import DTYPE_BYTES, Dtype, Kind
from .quantity import (
    Bandwidth,
    ByteEnergy,
    Count,
    FlopEnergy,
    Frequency,
    Identifier,
    Key,
    Length,
    Model,
    PerClock,
    Pointer,
    Power,
    Price,
    Rate,
    RuleId,
    Size,
    Source,
    Text,
    Transfer,
    Tuple,
    Units,
    Width,
    Year,
)
from .units import factor


class Memory(Model):
    """Main memory: the level that `traffic` is counted at. A part left out is not published."""

    type: Text
    """the kind of memory, as in HBM3 or LPDDR5"""
    bandwidth: Bandwidth | None = None
    """bytes per second, not bits"""
    capacity: Size | None = None
    """all of it"""
    bus_width: Width | None = None
    """cross-checked with the data rate"""
    data_rate: Transfer | None = None
    """of one pin"""


class MatrixArray(Model):
    """A weight-stationary systolic array: rows along the contraction, columns along the outputs."""

    rows: Count
    columns: Count


class EnergyFloors(Model):
    """Sourced floors below which no implementation can go; without them there is no lower bound on energy."""

    power: Power
    flop: FlopEnergy
    byte: ByteEnergy


class Exemption(Model):
    """A finding of a check that is no fault of this chip: which check, where (a JSON pointer), and why."""

    check: RuleId
    at: Pointer
    because: Text
    source: Key


class Accelerator(Model):
    """One chip as its maker describes it. A field left out is unknown; it is never taken for 0."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    id: Identifier
    """unique; a spec with the id of one of ours replaces it"""
    name: Text
    """as its maker writes it"""
    vendor: Text
    """its maker"""
    kind: Kind
    """the kind of chip"""
    family: Text
    """its architecture; a calibration may apply to a family"""
    form_factor: Text | None = None
    """as in PCIe or SXM"""
    made_for: Literal["edge"] | None = None
    """what it is made for, however it works"""
    measured_as: Annotated[tuple[Text, ...], Tuple] = ()
    """names under which tables of measurements know it"""
    confidence: Literal["published", "measured", "modelled"] = "published"
    """measured: by a probe of the machine itself; modelled: nobody measured it on silicon"""
    sources: Annotated[dict[Key, Source], Field(min_length=1)]
    """every document that a figure names"""

    released: Year | None = None
    """the year"""
    process_node: Length | None = None
    """its process"""
    peak_dense: Annotated[dict[Dtype, Rate], Field(min_length=1)]
    """the dense peak of each number format that it has, without sparsity"""
    peak_vector: dict[Dtype, Rate] = {}
    """the peak of the vector units in a number format of which `peak_dense` is that of matrix units"""
    flop_per_clock: dict[Dtype, PerClock] = {}
    """of one parallel unit, by number format"""
    parallel_units: Units | None = None
    """how many it has, by the name that its maker gives them"""
    matrix_array: MatrixArray | None = None
    """its systolic arrays"""
    peak_clock: dict[Dtype | Literal["default"], Frequency] = {}
    """the clock behind the published peak"""
    max_clock: Frequency | None = None
    """the highest clock"""
    load_clock: Frequency | None = None
    """what it holds under load, below its power limit, where that is not the clock behind the peak"""

    memory: Memory
    """main memory"""
    last_level_cache: Size | None = None
    """keeps data between kernels"""
    on_chip_memory: Size | None = None
    """memory on the chip that software manages"""
    unit_memory: Size | None = None
    """local memory of one parallel unit"""

    tdp: Power | None = None
    """the most that it draws under load"""
    idle_power: Power | None = None
    """what it draws when it does nothing"""
    price: Price | None = None
    """of one device for one hour"""
    energy_floors: EnergyFloors | None = None
    """below which no implementation can go"""

    exceptions: Annotated[tuple[Exemption, ...], Tuple] = ()
    """findings of checks that are no fault of this chip"""
    not_published: dict[Key, Text] = {}
    """field, with _ for ., and why it has no figure"""
    notes: list[Text] = []
    """what else to know"""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds that a chip may be asked for by: how it works, and "edge" where it is made for that."""
        return tuple(dict.fromkeys((self.kind, *([self.made_for] if self.made_for else []))))

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Return the number formats with a published dense peak."""
        return tuple(self.peak_dense)

    def clock_hz(self, dtype: str) -> float | None:
        """Return the clock behind the published peak of `dtype` [Hz], or None when no clock is published."""
        clock = self.peak_clock.get(dtype) or self.peak_clock.get("default") or self.max_clock  # type: ignore[call-overload]
        return None if clock is None else float(clock.si)

    @property
    def implied_peaks(self) -> dict[str, float]:
        """Return units x clock x FLOP per clock [FLOP/s] for every number format whose parts are published."""
        if self.parallel_units is None:
            return {}
        return {
            dtype: self.parallel_units.si * clock * per_clock.si
            for dtype, per_clock in self.flop_per_clock.items()
            if (clock := self.clock_hz(dtype)) is not None and dtype in self.peak_dense
        }

    def peak_max_flop_per_s(self, dtype: str) -> float:
        """Return pi_max [FLOP/s]: units x highest clock x FLOP per clock, never below the published peak.

        Where lanes or clocks are not published: the published peak plus half of its last printed digit.
        """
        peak = self.peak_dense[dtype]  # type: ignore[index]
        rounded_up = peak.si + half_last_digit(peak.value) * factor("rate", peak.unit)
        per_clock = self.flop_per_clock.get(dtype)  # type: ignore[call-overload]
        if per_clock is None or self.parallel_units is None or self.max_clock is None:
            return rounded_up
        return max(rounded_up, float(self.parallel_units.si * self.max_clock.si * per_clock.si))

    @property
    def reference_peak_flop_per_s(self) -> float:
        """Return the peak with 16-bit operands [FLOP/s], which the operand feed of a unit is measured by.

        A format of 8 bits and less counts by its width where it implies more, since some 16-bit peaks are held down by a
        wide accumulator; a chip with neither counts by its highest peak.
        """
        narrow = [
            rate.si * DTYPE_BYTES[dtype] / DTYPE_BYTES["bf16"]
            for dtype, rate in self.peak_dense.items()
            if DTYPE_BYTES[dtype] <= DTYPE_BYTES["bf16"]
        ]
        return max(narrow or [rate.si for rate in self.peak_dense.values()])

    @property
    def vector_peak_flop_per_s(self) -> float:
        """Return the peak of the vector units in fp32 [FLOP/s], infinite where none is published."""
        return self.peak_dense["fp32"].si if "fp32" in self.peak_dense else math.inf

    @property
    def cache_bytes(self) -> float | None:
        """Return what the estimate counts as cache [B]: last-level cache plus software-managed memory, or None."""
        known = [size.si for size in (self.last_level_cache, self.on_chip_memory) if size is not None]
        return sum(known) if known else None

    @property
    def on_chip_bytes(self) -> float | None:
        """Return C of the bound [B]: the cache plus the memory of every parallel unit, or None when unknown."""
        if self.cache_bytes is None:
            return None
        local = 0.0 if self.unit_memory is None or self.parallel_units is None else self.unit_memory.si
        return self.cache_bytes + local * (self.parallel_units.si if self.parallel_units else 0.0)


def half_last_digit(value: float) -> float:
    """Return half a unit of the last digit printed in `value`.

    >>> half_last_digit(989.4), half_last_digit(125)
    (0.05, 0.5)
    """
    exponent = 0 if float(value).is_integer() else int(Decimal(repr(value)).as_tuple().exponent)
    return float(Decimal("0.5").scaleb(exponent))
