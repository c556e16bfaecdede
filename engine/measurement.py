"""The measurement spec: figures that somebody measured, each record saying chip, software, date and method."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .accelerator import Dtype
from .quantity import Identifier, Integral, Key, Model, Power, Source, Text, Time, Tuple
from .quantity import Throughput as ThroughputQuantity

Runtime = Literal["graph", "compiled", "eager"]
"""graph: a runtime that tunes every kernel runs a fused graph; compiled: a framework fuses, or has a library of kernels made
for the network; eager: a framework launches operator by operator."""


class Point(Model):
    """One measured batch: at least one of latency and throughput."""

    batch: Annotated[int, Field(ge=1), Integral]
    latency: Time | None = None
    latency_p90: Time | None = None
    throughput: ThroughputQuantity | None = None
    power: Power | None = None


class Measurement(Model):
    """A batch sweep of one workload on one chip with one software."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    id: Identifier
    workload: Identifier
    hardware: Identifier
    dtype: Dtype
    sizes: dict[Key, Annotated[int, Field(ge=0), Integral]] = {}
    software: Text
    runtime: Runtime = "graph"
    method: Text
    date: Annotated[str, Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")] | None = None
    devices: Annotated[int, Field(ge=1), Integral] = 1
    sources: Annotated[dict[Key, Source], Field(min_length=1)]
    points: Annotated[tuple[Point, ...], Field(min_length=1), Tuple]
    notes: Annotated[tuple[Text, ...], Tuple] = ()
