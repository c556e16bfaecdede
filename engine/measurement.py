"""The measurement spec: figures that somebody measured, each record saying chip, software, date and method."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .machine import Dtype
from .quantity import Identifier, Integral, Key, Model, Power, Share, Source, Text, Time, Tuple
from .quantity import Throughput as ThroughputQuantity

Runtime = Literal["graph", "compiled", "session", "eager", "eager_v1"]
"""graph: a runtime that tunes every kernel runs a fused graph; compiled: a framework fuses, or has a library of kernels made
for the network; session: a framework walks a stored graph operator by operator; eager: its user's program launches them;
eager_v1: the same before attention was one operator."""


class Point(Model):
    """One measured batch: at least one of latency and throughput."""

    batch: Annotated[int, Field(ge=1), Integral]
    """samples of one pass"""
    latency: Time | None = None
    """of one pass"""
    latency_quartile_1: Time | None = None
    """a quarter of the passes are faster"""
    latency_quartile_3: Time | None = None
    """three quarters are faster"""
    latency_p90: Time | None = None
    """nine of ten passes are faster"""
    latency_p99: Time | None = None
    """ninety-nine of a hundred are faster"""
    runs: Annotated[int, Field(ge=1), Integral] | None = None
    """how many passes were timed"""
    throughput: ThroughputQuantity | None = None
    """samples per second"""
    power: Power | None = None
    """average power of the chip"""

    @property
    def seconds(self) -> float:
        """Return the time of one pass [s]: the latency, or batch over throughput where none is stated; NaN without both."""
        if self.latency is not None:
            return float(self.latency.si)
        return self.batch / float(self.throughput.si) if self.throughput is not None else float("nan")


class Conditions(Model):
    """What else there is to know of a machine while it was measured."""

    machine: Text
    """the processor and the system"""
    threads: Annotated[int, Field(ge=1), Integral]
    """threads of the runtime"""
    quiet: bool
    """whether other processes left it alone"""
    load: Share
    """cores that other processes took meanwhile, at the most"""
    unrest: Share | None = None
    """how much longer a small kernel took than at its best, at the most, since the host of a virtual machine tells nothing"""


class ProfileLine(Model):
    """The kernels of one kind in one pass, as the runtime times them itself."""

    operator: Text
    """what the runtime calls them"""
    count: Annotated[int, Field(ge=1), Integral]
    """how many a pass runs"""
    time: Time
    """of all of them together"""


class PassProfile(Model):
    """Where the time of a pass goes, at one batch."""

    batch: Annotated[int, Field(ge=1), Integral]
    """samples of the pass"""
    kernels: Annotated[tuple[ProfileLine, ...], Field(max_length=200), Tuple]
    """the longest first"""


class Measurement(Model):
    """A batch sweep of one workload on one chip with one software."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    id: Identifier
    """unique; a record with the id of one of ours replaces it"""
    workload: Identifier
    """id of the model"""
    hardware: Identifier
    """id of the chip"""
    dtype: Dtype
    """number format of the operands"""
    sizes: dict[Key, Annotated[int, Field(ge=0), Integral]] = {}
    """sizes of the model that are not at their default"""
    software: Text
    """software and version"""
    runtime: Runtime = "graph"
    """how the software ran the network"""
    method: Text
    """how it was timed"""
    date: Annotated[str, Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")] | None = None
    """when"""
    conditions: Conditions | None = None
    """the machine meanwhile"""
    profiles: Annotated[tuple[PassProfile, ...], Field(max_length=20), Tuple] = ()
    """where the time of a pass goes"""
    devices: Annotated[int, Field(ge=1), Integral] = 1
    """how many chips together"""
    sources: Annotated[dict[Key, Source], Field(min_length=1)]
    """every document that a figure names"""
    points: Annotated[tuple[Point, ...], Field(min_length=1), Tuple]
    """one for each batch"""
    notes: Annotated[tuple[Text, ...], Tuple] = ()
    """what else to know"""
