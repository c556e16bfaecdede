"""The JSON contract of a search: what `advise explore --format json` prints, as models."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.fleet import CHIP_FIGURES
from engine.point import known

from ..body import GENERAL
from .answer import NOT_MODELLED, Answer, Bound, Found
from .field import grid

Count = Annotated[int, Field(ge=0)]
Value = float | None
"""A number in SI units; null where nobody publishes it, or what it follows from."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BasePart(_Part):
    """A chip that variants are made of, in one number format."""

    hardware: str
    dtype: str


class AxisPart(_Part):
    """A figure that was set: as it was typed, and its values in SI units."""

    name: str
    typed: str
    spacing: Literal["log", "linear", "list"]
    values: Count
    lowest: float
    highest: float


class ObjectivePart(_Part):
    """What is best: the fact of a point, or of its chip, that is least, or if `most` greatest."""

    word: str
    fact: str
    most: bool


class PointPart(_Part):
    """A point: its place in the space, what was set (in SI units, by column of the files of points), figures and facts."""

    index: Count
    hardware: str
    dtype: str
    batch: Count
    set: dict[str, float]
    bandwidth_bytes_per_s: Value
    peak_flop_per_s: Value
    vector_peak_flop_per_s: Value
    units: Value
    array_rows: Value
    array_columns: Value
    capacity_bytes: Value
    tdp_w: Value
    idle_power_w: Value
    latency_lower_bound_s: Value
    latency_p10_s: Value
    latency_estimate_s: Value
    latency_p90_s: Value
    throughput_per_s: Value
    throughput_upper_bound_per_s: Value
    throughput_sure_per_s: Value
    energy_per_inference_j: Value
    energy_lower_bound_j: Value
    power_w: Value
    mfu: Value
    mfu_upper_bound: Value
    mbu: Value
    memory_bytes: Value
    cost: Value


class LimitPart(_Part):
    """A limit with the rule that holds it: a fact may be at most, or at least, a value (null: the chip's own capacity).

    `failing` counts the points that break it, `nearest` is the one that comes closest; it binds where the best `without` it
    would be better.
    """

    limit: str
    rule: str
    fact: str
    most: bool
    value: Value
    failing: Count
    nearest: PointPart | None
    binds: bool
    without: PointPart | None


class SensitivityPart(_Part):
    """d ln / d ln of a figure at the best point: of the estimated latency, of it on the plain roof, of the objective."""

    name: str
    latency_elasticity: Value
    latency_elasticity_on_roof: Value
    objective_elasticity: Value


class RoofPart(_Part):
    """The plain roof at the best point: its latency, and what a latency limit needs there; null where no value suffices."""

    latency_s: float
    bandwidth_for_limit_bytes_per_s: Value
    peak_for_limit_flop_per_s: Value


class FieldPart(_Part):
    """The best objective along the two longest axes, row by row, in few cells; null where no point meets the request."""

    down: str
    across: str
    values: list[list[Value]]


class ExplorationPart(_Part):
    """A search. Of `points` so many are `meeting` every limit; `best` is null where none does.

    `ends` are figures of the best point that stand at an end of their range, `oddities` what checks of specs say of its chip.
    """

    model: str
    sizes: dict[str, int]
    runtime: str
    bases: list[BasePart]
    batches: list[Count]
    axes: list[AxisPart]
    objective: ObjectivePart
    cost: str | None
    chips: Count
    points: Count
    meeting: Count
    best: PointPart | None
    limits: list[LimitPart]
    sensitivities: list[SensitivityPart]
    roof: RoofPart | None
    front: list[PointPart]
    field: FieldPart | None
    ends: dict[str, Literal["low", "high"]]
    oddities: list[str]
    not_modelled: list[str]


def as_json(answer: Answer) -> dict[str, Any]:
    """Return an answer as plain values."""
    space, summary = answer.space, answer.summary
    return ExplorationPart(
        model=space.network.id, sizes=dict(space.network.sizes), runtime=space.runtime,
        bases=[BasePart(hardware=base.chip.id, dtype=base.dtype) for base in space.bases], batches=list(space.batches),
        axes=[
            AxisPart(name=axis.name, typed=axis.typed, spacing=axis.spacing, values=len(axis.values),
                     lowest=min(axis.values), highest=max(axis.values))
            for axis in space.axes
        ],
        objective=ObjectivePart(word=space.objective.word, fact=space.objective.fact, most=space.objective.most),
        cost=space.cost, chips=space.chips, points=summary.points, meeting=summary.meeting, best=_point(answer.best),
        limits=[_limit(bound) for bound in answer.bounds],
        sensitivities=[
            SensitivityPart(name=each.name, latency_elasticity=each.latency, latency_elasticity_on_roof=each.roof,
                            objective_elasticity=each.objective)
            for each in answer.sensitivities
        ],
        roof=_roof(answer), front=[part for found in answer.front if (part := _point(found))], field=_field(answer),
        ends=dict(answer.ends),
        oddities=list(answer.oddities), not_modelled=[*GENERAL, *space.network.not_modelled, *NOT_MODELLED],
    ).model_dump(mode="json")  # fmt: skip


def _point(found: Found | None) -> PointPart | None:
    if found is None:
        return None
    own = {
        "index": found.index,
        "hardware": found.base.chip.id,
        "dtype": found.base.dtype,
        "batch": int(found.facts["batch"]),
        "set": {CHIP_FIGURES[name].column: value for name, value in found.figures.items()},
    }
    facts = {name: known(found.facts.get(name, math.nan)) for name in PointPart.model_fields if name not in own}
    return PointPart.model_validate(own | facts)


def _limit(bound: Bound) -> LimitPart:
    limit = bound.limit
    return LimitPart(
        limit=limit.word, rule=limit.rule, fact=limit.fact, most=limit.most, value=known(limit.value), failing=bound.failing,
        nearest=_point(bound.nearest), binds=bound.binds, without=_point(bound.without),
    )  # fmt: skip


def _field(answer: Answer) -> FieldPart | None:
    field = answer.space.field
    if field is None:
        return None
    sign = -1.0 if answer.space.objective.most else 1.0
    values = grid(field, {cell: sign * value for cell, value in answer.summary.field.items()})
    return FieldPart(down=field.axes[field.down].name, across=field.axes[field.across].name, values=values)


def _roof(answer: Answer) -> RoofPart | None:
    if answer.roof is None or answer.best is None:
        return None
    batch = answer.best.facts["batch"]
    limit = next((each.value for each in answer.space.limits if each.word == "latency"), None)
    return RoofPart(
        latency_s=answer.roof.latency_s(batch),
        bandwidth_for_limit_bytes_per_s=None if limit is None else known(answer.roof.bandwidth_for_limit(batch, limit)),
        peak_for_limit_flop_per_s=None if limit is None else known(answer.roof.peak_for_limit(batch, limit)),
    )
