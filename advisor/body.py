"""An answer as the JSON contract has it: plain data, whose schema `contract.py` declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from engine.point import confidence, known

from .exclusion import Exclusion
from .recommend import Advice, Choice
from .report.leftout import left_out
from .rulebook import Rulebook
from .stock import Stock, stock_of

if TYPE_CHECKING:
    from engine.catalog import Catalog


def as_json(advice: Advice, specs: Catalog | Stock, book: Rulebook) -> dict[str, Any]:
    """Return an advice as the JSON contract has it, ready for json.dumps."""
    stock, best = stock_of(specs), advice.recommendation
    missed = advice.nearest_miss
    return {
        "request": advice.request.as_json() | {"sizes": dict(advice.network.sizes), "profile": advice.profile.id},
        "recommendation": None if best is None else recommendation(advice, best),
        "nearest_miss": excluded(missed) if best is None and missed is not None else None,
        "winners": {name: candidate(choice) for name, choice in advice.winners.items()},
        "alternatives": [candidate(choice) | {"lost_on": lost} for choice, lost in advice.alternatives],
        "excluded": [excluded(item) for item in advice.excluded],
        "undetermined": [{"hardware": item.hardware, "missing": list(item.missing)} for item in advice.undetermined],
        "left_out": [left_out(item) for item in (*stock.left_out, *book.left_out)],
        "sources": sources(advice, stock, book),
        "not_modelled": not_modelled(advice),
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
    steps = best.steps
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


def sources(advice: Advice, specs: Catalog | Stock, book: Rulebook) -> dict[str, dict[str, str]]:
    """Return every document that the answer's figures are quoted from, by `spec/key`."""
    stock = stock_of(specs)
    chips = [advice.recommendation.chip.id] if advice.recommendation else []
    chips += sorted({choice.chip.id for choice in advice.winners.values()} - set(chips))
    found = _listed(advice.network.id, stock.documents("workloads", advice.network.id))
    for name in chips:
        found |= _listed(name, stock.documents("accelerators", name))
        for calibration in stock.card(name).calibrations[advice.request.runtime]:
            found |= _listed(calibration, stock.documents("calibrations", calibration))
    fired = {reason["rule"] for reason in advice.rationale}
    return found | _listed("rules", {rule: book.sources[rule] for rule in sorted(fired)})


def _listed(owner: str, documents: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    return {f"{owner}/{key}": dict(document) for key, document in documents.items()}


def not_modelled(advice: Advice) -> list[str]:
    """Return what the answer leaves out, by name."""
    return [*GENERAL, *advice.network.not_modelled]


GENERAL: Iterable[str] = (
    "queueing and load (latency is that of one pass on an idle device)",
    "host copies, pre- and post-processing",
    "sparsity and the accuracy of narrow formats",
    "more than one device",
)
