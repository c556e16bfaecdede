"""The JSON contract of an answer: what `--format json` prints, as models whose schema is published."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from .report.findings import FindingPart

Positive = Annotated[float, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LatencyPart(_Part):
    """Latency of one pass [s]: bound, and estimate with its 10th and 90th percentile about our model's error."""

    lower_bound: Positive
    p10: Positive
    estimate: Positive
    p90: Positive


class CandidatePart(_Part):
    """One chip at one batch. A value without suffix is an estimate; null is a value that nobody publishes.

    `ours` is false where the chip's spec is the user's own.
    """

    hardware: str
    batch: Annotated[int, Field(ge=1)]
    dtype: str
    devices: Annotated[int, Field(ge=1)]
    latency_s: LatencyPart
    throughput_per_s: Positive
    energy_per_inference_j: Positive | None
    energy_lower_bound_j: Positive | None
    power_w: Positive | None
    mfu: Positive
    mfu_upper_bound: Positive
    mbu: Positive
    memory_bytes: Positive
    confidence: str
    ours: bool


class ReasonPart(_Part):
    """A rule that fired, with its verdict and its reason."""

    rule: str
    verdict: str
    because: str


class CausePart(_Part):
    """One rung of the ladder: what a cause adds to the latency [s], and its share of it."""

    cause: str
    share: Positive
    seconds: Positive


class BatchPart(_Part):
    """The batch curve of the recommendation: knee, largest batch within the limits, batch at which it turns compute-bound."""

    knee: int
    largest_within_limits: int
    turns_compute_bound_at: float | None


class RecommendationPart(CandidatePart):
    """The recommendation, with the rules that fired on it and where its time goes."""

    rationale: list[ReasonPart]
    waterfall: list[CausePart]
    batches: BatchPart


class AlternativePart(CandidatePart):
    """A chip that meets the request, and why it is not the recommendation."""

    lost_on: str


class NeedPart(_Part):
    """What would change a verdict: a quantity with its value and unit."""

    quantity: str
    value: Positive
    unit: str


class ExcludedPart(_Part):
    """A chip that a rule excludes."""

    hardware: str
    rule: str
    because: str
    would_need: NeedPart | None


class UndeterminedPart(_Part):
    """A chip about which nothing can be concluded, and the values that are missing."""

    hardware: str
    missing: list[str]


class RequestPart(_Part):
    """The request in SI units; a limit that was not given is null."""

    model: str
    sizes: dict[str, int]
    latency_s: float | None
    throughput_per_s: float | None
    power_w: float | None
    energy_j: float | None
    memory_bytes: float | None
    batch: int | None
    dtypes: list[str]
    hardware: list[str]
    kinds: list[str]
    profile: str
    runtime: str
    allow_modelled: bool


class LeftOutPart(_Part):
    """A file of the user's that the answer does without. `ids` is what it would have defined, `instead` what stands in."""

    file: str
    kind: str
    ids: list[str]
    instead: dict[str, str]
    faults: list[FindingPart]


class AdvicePart(_Part):
    """The answer. Every chip of the catalogue is in exactly one of its four places.

    `left_out` are the files of the user's that it does without, for their faults.
    """

    request: RequestPart
    recommendation: RecommendationPart | None
    nearest_miss: ExcludedPart | None
    winners: dict[str, CandidatePart]
    alternatives: list[AlternativePart]
    excluded: list[ExcludedPart]
    undetermined: list[UndeterminedPart]
    left_out: list[LeftOutPart]
    sources: dict[str, dict[str, str]]
    not_modelled: list[str]
