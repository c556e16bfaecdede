"""The JSON contract of an answer: what `--format json` prints, as models whose schema is published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from engine.catalog import Catalog
from engine.predict import confidence, known, waterfall

from .exclusion import Exclusion
from .recommend import Advice, Choice
from .report.findings import LeftOutPart, left_out
from .rule import Rulebook

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


def as_json(advice: Advice, catalog: Catalog, book: Rulebook) -> dict[str, Any]:
    """Return an advice as the JSON contract has it, ready for json.dumps."""
    best = advice.recommendation
    missed = advice.nearest_miss
    return {
        "request": advice.request.as_json() | {"sizes": dict(advice.network.sizes), "profile": advice.profile.id},
        "recommendation": None if best is None else recommendation(advice, best),
        "nearest_miss": excluded(missed) if best is None and missed is not None else None,
        "winners": {name: candidate(choice) for name, choice in advice.winners.items()},
        "alternatives": [candidate(choice) | {"lost_on": lost} for choice, lost in advice.alternatives],
        "excluded": [excluded(item) for item in advice.excluded],
        "undetermined": [{"hardware": item.hardware, "missing": list(item.missing)} for item in advice.undetermined],
        "left_out": [left_out(item) for item in (*catalog.left_out, *book.left_out)],
        "sources": sources(advice, catalog, book),
        "not_modelled": not_modelled(advice, catalog),
    }


def candidate(choice: Choice) -> dict[str, Any]:
    """Return one candidate of the contract."""
    facts = choice.facts
    return {
        "hardware": choice.chip.id,
        "batch": int(facts["batch"]),
        "dtype": choice.slot.dtype,
        "devices": 1,
        "latency_s": {
            "lower_bound": facts["latency_lower_bound_s"],
            "p10": facts["latency_p10_s"],
            "estimate": facts["latency_estimate_s"],
            "p90": facts["latency_p90_s"],
        },
        "throughput_per_s": facts["throughput_per_s"],
        "energy_per_inference_j": known(facts["energy_per_inference_j"]),
        "energy_lower_bound_j": known(facts["energy_lower_bound_j"]),
        "power_w": known(facts["power_w"]),
        "mfu": facts["mfu"],
        "mfu_upper_bound": facts["mfu_upper_bound"],
        "mbu": facts["mbu"],
        "memory_bytes": facts["memory_bytes"],
        "confidence": confidence(choice.chip, choice.machine.level),
        "ours": not facts["user_spec"],
    }


def recommendation(advice: Advice, best: Choice) -> dict[str, Any]:
    """Return the recommendation of the contract."""
    steps = waterfall(best.grid.points, best.place)
    return candidate(best) | {
        "rationale": [dict(reason) for reason in advice.rationale],
        "waterfall": [{"cause": cause, "share": share, "seconds": seconds} for cause, seconds, share in steps],
        "batches": {
            "knee": int(best.facts["knee_batch"]),
            "largest_within_limits": int(best.facts["largest_batch"]),
            "turns_compute_bound_at": known(best.facts["ridge_batch"]),
        },
    }


def excluded(item: Exclusion) -> dict[str, Any]:
    """Return one exclusion of the contract."""
    need = item.would_need
    return {
        "hardware": item.hardware,
        "rule": item.rule.id,
        "because": item.because,
        "would_need": None if need is None else dict(zip(("quantity", "value", "unit"), need, strict=True)),
    }


def sources(advice: Advice, catalog: Catalog, book: Rulebook) -> dict[str, dict[str, str]]:
    """Return every document that the answer's figures are quoted from, by `spec/key`."""
    chips = [advice.recommendation.chip.id] if advice.recommendation else []
    chips += sorted({choice.chip.id for choice in advice.winners.values()} - set(chips))
    found: dict[str, dict[str, str]] = {}
    found |= _listed(advice.network.id, catalog.workloads[advice.network.id].sources)
    for name in chips:
        found |= _listed(name, catalog.accelerators[name].sources)
        for calibration in catalog.constants[name].used(advice.request.runtime):
            found |= _listed(calibration, catalog.calibrations[calibration].sources)
    fired = {reason["rule"] for reason in advice.rationale}
    return found | _listed("rules", {rule: book.sources[rule] for rule in sorted(fired)})


def _listed(owner: str, documents: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {f"{owner}/{key}": document.model_dump(exclude_none=True) for key, document in documents.items()}


def not_modelled(advice: Advice, catalog: Catalog) -> list[str]:
    """Return what the answer leaves out, by name."""
    return [*GENERAL, *catalog.workloads[advice.network.id].not_modelled]


GENERAL: Iterable[str] = (
    "queueing and load (latency is that of one pass on an idle device)",
    "host copies, pre- and post-processing",
    "sparsity and the accuracy of narrow formats",
    "more than one device",
)
