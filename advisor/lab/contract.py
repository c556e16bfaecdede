"""The JSON contract of the table of accuracy: what `advise accuracy --format json` prints, as models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ..body import GENERAL
from .accuracy import LABELS, Report, Row, Violation

Count = Annotated[int, Field(ge=0)]
Error = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FiguresPart(_Part):
    """Figures of a group of points. Errors are shares of the measured time, power or energy; null is a figure without points.

    `points` have an estimate; the others are counted in `without_estimate`. `violations` are points of both kinds below the
    lower bound. `powered_points` are those whose power was measured, too; power and energy are about them.
    """

    points: Count
    error_median_share: Error | None
    error_mean_share: Error | None
    error_p90_share: Error | None
    bias_share: float | None
    below_p90_share: Share | None
    within_interval_share: Share | None
    interval_width_ratio: Error | None
    roofline_error_median_share: Error | None
    layered_roofline_error_median_share: Error | None
    powered_points: Count
    power_error_median_share: Error | None
    power_bias_share: float | None
    energy_error_median_share: Error | None
    energy_error_mean_share: Error | None
    energy_bias_share: float | None
    without_estimate: Count
    violations: Count


class RowPart(FiguresPart):
    """A group of points, named by the labels that were asked for; null is a label that does not apply to it."""

    kind: str | None = None
    hardware: str | None = None
    dtype: str | None = None
    operator: str | None = None
    network: str | None = None
    runtime: str | None = None
    software: str | None = None


class ViolationPart(_Part):
    """A point below the lower bound; there should be none."""

    kind: str
    hardware: str
    dtype: str
    operator: str | None
    network: str | None
    runtime: str | None
    software: str | None
    sizes: str
    measured_s: Annotated[float, Field(gt=0)]
    lower_bound_s: Annotated[float, Field(gt=0)]


class AccuracyPart(_Part):
    """Predicted against measured. `read` rows are in a group, dropped, outside, or pooled with others into one point."""

    rows: list[RowPart]
    all: FiguresPart
    violations: list[ViolationPart]
    read: Count
    outside: dict[str, Count]
    dropped: dict[str, Count]
    not_modelled: list[str]


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as the JSON contract has it, ready for json.dumps."""
    return {
        "rows": [_row(report.by, row) for row in report.rows],
        "all": asdict(report.whole),
        "violations": [_violation(one) for one in report.violations],
        "read": report.rows_read,
        "outside": dict(report.outside),
        "dropped": dict(report.dropped),
        "not_modelled": list(GENERAL),
    }


def as_rows(report: Report) -> list[dict[str, Any]]:
    """Return flat rows for CSV, the last one of all points; without labels to group by, only that one."""
    name = dict.fromkeys(report.by) | ({report.by[0]: "all"} if report.by else {})
    return [*(_row(report.by, row) for row in report.rows if report.by), name | asdict(report.whole)]


def _row(by: Sequence[str], row: Row) -> dict[str, Any]:
    return {name: text or None for name, text in zip(by, row.name, strict=True)} | asdict(row.figures)


def _violation(one: Violation) -> dict[str, Any]:
    labels = {name: getattr(one.label, name) or None for name in LABELS}
    return {**labels, "sizes": one.sizes, "measured_s": one.measured_s, "lower_bound_s": one.bound_s}
