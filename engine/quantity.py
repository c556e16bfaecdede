"""Quantities of specs: a value, its unit as the source prints it, and the source; plus the base of every spec model."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from .units import factor

Confidence = Literal["measured", "datasheet", "paper", "third-party", "derived", "assumed", "modelled"]
"""How far a figure can be trusted; "modelled" was never seen on silicon."""


class Model(BaseModel):
    """Base of everything that enters from a file: frozen, strict, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


def _whole(value: object) -> object:
    """JSON Schema calls 3.0 an integer; so do we."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _tuple(value: object) -> object:
    """JSON has only arrays; inside they are tuples, since specs are frozen."""
    return tuple(value) if isinstance(value, list) else value


Integral = BeforeValidator(_whole)
"""Stands last in an annotation, so that the constraints before it reach the JSON Schema; so does `Tuple`."""
Whole = Annotated[int, Integral]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$")]
Key = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$")]
NodeName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,119}$")]
RuleId = Annotated[str, Field(pattern=r"^[A-Z][0-9]{3}$")]
Pointer = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_]{1,40}){1,8}$")]
"""A place in a spec, as a JSON pointer."""
Tuple = BeforeValidator(_tuple)


class Source(Model):
    """A document that figures are quoted from, or the assumption that stands in for one."""

    title: Text
    """the title of the document"""
    publisher: Text | None = None
    """who published it"""
    url: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    """its address"""
    date: Annotated[str, Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")] | None = None
    """its date, as in 2026-11-25, 2026-11 or 2026"""
    accessed: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    """the day on which it was read"""
    assumes: Text | None = None
    """where there is no document: what is taken instead, in a sentence"""


class Quantity(Model):
    """A number of a spec. `si` is the value in the base unit of the field's dimension."""

    dimension: ClassVar[str]

    value: float
    """the number, as the source prints it"""
    unit: str
    """its unit, as the source prints it"""
    source: Key
    """the key of its document in `sources`"""
    note: Text | None = None
    """what else to know about it"""
    confidence: Confidence | None = None
    """how far it can be trusted"""

    @property
    def si(self) -> float:
        """Return the value in the base unit of the dimension (s, J, W, B, FLOP, ...)."""
        return self.value * factor(self.dimension, self.unit)


class Rate(Quantity):
    """A peak arithmetic rate."""

    dimension: ClassVar[str] = "rate"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["GFLOP/s", "TFLOP/s", "PFLOP/s", "GOP/s", "TOP/s", "POP/s"]


class Bandwidth(Quantity):
    """A bandwidth."""

    dimension: ClassVar[str] = "bandwidth"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["MB/s", "GB/s", "TB/s", "GiB/s", "TiB/s"]


class Size(Quantity):
    """A size of a memory."""

    dimension: ClassVar[str] = "size"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["B", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"]


class Frequency(Quantity):
    """A clock."""

    dimension: ClassVar[str] = "frequency"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["MHz", "GHz"]


class PerClock(Quantity):
    """A FLOP per clock and parallel unit."""

    dimension: ClassVar[str] = "per_clock"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["FLOP/clk", "OP/clk"]


class Feed(Quantity):
    """Operand bytes that a parallel unit takes in per FLOP of its 16-bit peak."""

    dimension: ClassVar[str] = "feed"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["B/FLOP"]


class ScoreWork(Quantity):
    """The vector arithmetic of one attention score."""

    dimension: ClassVar[str] = "score_work"

    value: Annotated[float, Field(ge=0)]
    unit: Literal["FLOP"]


class Count(Quantity):
    """A count or ratio."""

    dimension: ClassVar[str] = "count"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["1", "k", "M", "G"]


class Share(Quantity):
    """A ratio, 0 allowed."""

    dimension: ClassVar[str] = "count"

    value: Annotated[float, Field(ge=0)]
    unit: Literal["1"]


class Fraction(Quantity):
    """A ratio above 0."""

    dimension: ClassVar[str] = "count"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["1"]


class Power(Quantity):
    """A power."""

    dimension: ClassVar[str] = "power"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["mW", "W", "kW"]


class Time(Quantity):
    """A time."""

    dimension: ClassVar[str] = "time"

    value: Annotated[float, Field(ge=0)]
    unit: Literal["ns", "us", "ms", "s"]


class Length(Quantity):
    """A feature size of a process."""

    dimension: ClassVar[str] = "length"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["nm"]


class Width(Quantity):
    """A width of a memory bus."""

    dimension: ClassVar[str] = "width"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["bit"]


class Transfer(Quantity):
    """A transfer rate of one memory pin."""

    dimension: ClassVar[str] = "transfer"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["MT/s", "GT/s"]


class Year(Quantity):
    """A year."""

    dimension: ClassVar[str] = "year"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["year"]


class Price(Quantity):
    """A price of one device."""

    dimension: ClassVar[str] = "price"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["USD/h"]


class Work(Quantity):
    """A amount of arithmetic."""

    dimension: ClassVar[str] = "work"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["MFLOP", "GFLOP", "TFLOP", "MMAC", "GMAC", "TMAC"]


class FlopEnergy(Quantity):
    """A energy of one FLOP, net of idle."""

    dimension: ClassVar[str] = "flop_energy"

    value: Annotated[float, Field(ge=0)]
    unit: Literal["fJ/FLOP", "pJ/FLOP"]


class ByteEnergy(Quantity):
    """A energy of one byte from main memory."""

    dimension: ClassVar[str] = "byte_energy"

    value: Annotated[float, Field(ge=0)]
    unit: Literal["fJ/B", "pJ/B"]


class PowerPerRate(Quantity):
    """A power per peak arithmetic rate."""

    dimension: ClassVar[str] = "power_per_rate"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["W/(TFLOP/s)"]


class Units(Quantity):
    """How many parallel units a chip has; the unit is what its maker calls them."""

    dimension: ClassVar[str] = "units"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["SM", "CU", "MXU", "MME", "core", "tile", "engine", "unit"]

    @property
    def si(self) -> float:
        """Return the count."""
        return self.value


class Throughput(Quantity):
    """A number of samples per second."""

    dimension: ClassVar[str] = "throughput"

    value: Annotated[float, Field(gt=0)]
    unit: Literal["/s"]
