"""The vocabulary of rules: every fact that a rule may use, with its unit and meaning.

Numbers come as arrays over candidates or as single values; NaN is unknown. Texts occur in messages only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from engine.units import render, significant

NUMBERS: Final[dict[str, tuple[str, str]]] = {
    # about the request
    "limit_latency_s": ("s", "the latency limit; infinite when none was given"),
    "limit_throughput_per_s": ("/s", "the throughput asked for; 0 when none was given"),
    "limit_power_w": ("W", "the power limit; infinite when none was given"),
    "limit_energy_j": ("J", "the limit on energy per inference; infinite when none was given"),
    "limit_memory_bytes": ("B", "the limit on memory; infinite when none was given"),
    "has_latency_limit": ("truth", "whether a latency limit was given"),
    "dtype_asked": ("truth", "whether the request names number formats"),
    "batch_asked": ("truth", "whether the request names a batch"),
    "allow_modelled": ("truth", "whether chips without silicon may be recommended"),
    "price_matters": ("truth", "whether the profile ranks by price"),
    # about the chip
    "selected": ("truth", "whether --hardware and --kind admit the chip"),
    "profile_admits": ("truth", "whether the chip meets the profile's own constraints"),
    "dtype_supported": ("truth", "whether the chip has a published peak in a number format asked for"),
    "modelled": ("truth", "whether the chip exists only as a model"),
    "user_spec": ("truth", "whether the chip's spec comes from the user's folder"),
    "family_prior": ("truth", "whether the interval is that of the chip's family"),
    "unknown_kind": ("truth", "whether no chip of the kind is calibrated"),
    "assumed_power": ("truth", "whether TDP or idle power is the family's assumption"),
    "cache_known": ("truth", "whether the size of the last-level cache is published"),
    "element_bits": ("1", "bits of one operand"),
    "capacity_bytes": ("B", "capacity of main memory"),
    "tdp_w": ("W", "power limit of the chip"),
    "bandwidth_bytes_per_s": ("B/s", "memory bandwidth of the chip"),
    "peak_max_flop_per_s": ("FLOP/s", "highest peak of the chip: units x highest clock x FLOP per clock"),
    "priced": ("truth", "whether the spec has a sourced price"),
    # about one batch on the chip
    "batch": ("1", "samples per pass"),
    "latency_lower_bound_s": ("s", "latency that no implementation can beat"),
    "latency_p10_s": ("s", "latency that the chip beats with 10 % certainty"),
    "latency_estimate_s": ("s", "estimated latency"),
    "latency_p90_s": ("s", "latency that the chip holds with 90 % certainty about our model's error"),
    "throughput_per_s": ("/s", "estimated throughput of one device"),
    "throughput_sure_per_s": ("/s", "throughput of one device with 90 % certainty: batch over p90 latency"),
    "throughput_upper_bound_per_s": ("/s", "throughput that no implementation can beat"),
    "energy_per_inference_j": ("J", "estimated energy of one sample"),
    "energy_sure_j": ("J", "energy of one sample with 90 % certainty: the estimate times p90 over estimated latency"),
    "power_w": ("W", "estimated average power"),
    "memory_bytes": ("B", "weights, live activations, cache of keys and values, workspace"),
    "work_min_flop": ("FLOP", "least arithmetic that any algorithm needs"),
    "mfu_upper_bound": ("share", "MFU that no implementation can beat"),
    "energy_lower_bound_j": ("J", "energy per inference that no implementation can beat, where floors are sourced"),
    "mfu": ("share", "model FLOP utilization W/(T*pi)"),
    "mbu": ("share", "model bandwidth utilization Q/(T*beta)"),
    "price_per_million_usd": ("USD", "price of a million samples at the throughput held with 90 % certainty"),
    "knee_batch": ("1", "smallest batch with 90 % of the best throughput"),
    "largest_batch": ("1", "largest batch that meets every limit"),
    "ridge_batch": ("1", "batch at which the network turns compute-bound on the plain roof"),
    # about the recommendation among all
    "chips_total": ("1", "chips in the catalogue"),
    "chips_meeting": ("1", "chips that meet every limit; those without silicon count only where they are admitted"),
    "latency_rank": ("1", "place by p90 latency among the chips that meet every limit"),
    "throughput_rank": ("1", "place by throughput, with 90 % certainty"),
    "energy_rank": ("1", "place by energy per inference, with 90 % certainty"),
    "score_rank": ("1", "place by the profile's objective"),
    "energy_lead": ("times", "energy of the next best over this one's"),
    "throughput_lead": ("times", "this throughput over that of the next best"),
    "ties": ("1", "alternatives that the model's uncertainty cannot tell from the recommendation"),
    "wide_meets": ("truth", "whether some chip meets every limit with 16 bits or more"),
    "narrow_speedup": ("times", "throughput with 8 bits over this one's, on the same chip and batch"),
    "more_throughput": ("share", "throughput that the largest batch adds"),
    "more_latency": ("share", "latency that the largest batch adds"),
    "margin": ("share", "what is left of the latency limit"),
    "share_dimension_fit": ("share", "time lost to dimensions that do not fit the matrix unit"),
    "share_unit_allocation": ("share", "time lost to whole waves of parallel units"),
    "share_dispatch": ("share", "time lost to launches"),
    "share_bandwidth": ("share", "time that memory adds over arithmetic"),
    "share_power_cap": ("share", "time lost to the power limit"),
}
AFTER_EXCLUSION: Final = frozenset(
    {"knee_batch", "largest_batch", "ridge_batch", "more_throughput", "more_latency", "wide_meets"}
)
"""Facts that are known only of chips that no rule excluded: those of the batch curve."""
AFTER_RANKING: Final = frozenset(
    {
        "chips_total",
        "chips_meeting",
        "latency_rank",
        "throughput_rank",
        "energy_rank",
        "score_rank",
        "energy_lead",
        "throughput_lead",
        "ties",
        "narrow_speedup",
        *(name for name in NUMBERS if name.startswith("share_")),
    }
)
"""Facts that are known only of the recommendation."""
TEXTS: Final[dict[str, str]] = {
    "hardware": "id of the chip",
    "hardware_name": "name of the chip",
    "dtype": "number format",
    "dtypes": "number formats that the chip has",
    "profile": "name of the profile",
    "profile_because": "what the profile's constraints are for",
    "energy_next": "the chip that comes next by energy",
    "throughput_next": "the chip that comes next by throughput",
    "main_cause": "the cause that costs most time",
    "interval_basis": "what the interval rests on",
    "assumed": "what the energy model assumes for want of a published figure",
}
UNITS: Final = {name: unit for name, (unit, _) in NUMBERS.items()}
"""Number of the vocabulary -> its unit."""
_DIMENSION: Final = {
    "s": "time",
    "J": "energy",
    "W": "power",
    "B": "size",
    "/s": "throughput",
    "B/s": "bandwidth",
    "FLOP": "work",
    "FLOP/s": "rate",
    "Hz": "frequency",
}
_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


def placeholders(template: str) -> set[str]:
    """Return the facts that a message names in braces."""
    return set(_PLACEHOLDER.findall(template))


def fill(template: str, facts: Mapping[str, Any], units: Mapping[str, str] | None = None) -> str:
    """Return a message with its facts filled in, each as people read its unit; `units` are those of another vocabulary.

    >>> fill("even a perfect implementation needs {latency_lower_bound_s}", {"latency_lower_bound_s": 0.02})
    'even a perfect implementation needs 20 ms'
    """
    known = UNITS if units is None else units
    return _PLACEHOLDER.sub(lambda match: with_unit(facts.get(match[1]), known.get(match[1], "")), template)


def shown(name: str, value: Any) -> str:
    """Return the value of a fact as people read it."""
    return with_unit(value, UNITS.get(name, ""))


def with_unit(value: Any, unit: str) -> str:
    """Return a value as people read it with its unit; a text as it is.

    >>> with_unit(0.02, "s"), with_unit(2.5e12, "FLOP/s/W"), with_unit(2022.0, "year"), with_unit("bf16", "")
    ('20 ms', '2.5 TFLOP/s/W', '2022', 'bf16')
    >>> with_unit(3.105e9, "Hz")
    '3.105 GHz'
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "unknown"
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return "unlimited"
    match unit:
        case "s" | "J" | "W" | "B" | "/s" | "B/s" | "FLOP" | "FLOP/s" | "Hz":
            return render(float(value), _DIMENSION[unit], 4 if unit == "Hz" else 3)  # clocks are printed in four digits of MHz
        case "share":
            return f"{significant(100 * value, 2)} %"
        case "times":
            text = significant(value, 3)
            return "1.00x" if text == "1" else f"{text}x"
        case "USD" | "USD/h" | "FLOP/B" | "bit":
            return f"{significant(value)} {unit}"
        case "FLOP/s/W":
            return f"{render(float(value), 'rate')}/W"
        case "year":
            return f"{value:.0f}"
        case _:
            return significant(float(value), 3)
