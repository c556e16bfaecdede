"""What a chip's spec leaves out, and what cannot be concluded for want of it: the one table, tested against the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.accelerator import Accelerator
from engine.calibration import Form, Resolved
from engine.machine import DTYPE_BYTES

ESTIMATES: Final = (
    "latency_p10_s",
    "latency_estimate_s",
    "latency_p90_s",
    "throughput_per_s",
    "energy_per_inference_j",
    "power_w",
    "mfu",
    "mbu",
)
"""The figures of the estimate; all are unknown where its time is."""
BOUNDS: Final = ("latency_lower_bound_s", "throughput_upper_bound_per_s", "mfu_upper_bound", "energy_lower_bound_j")
Lacks = Callable[[Accelerator, Resolved | None], bool]


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A figure that a spec may leave out, and what follows for an answer. Of several, one is enough, or `every` one is needed.

    `blocks` says it in words. `unknown` are figures of the estimate that nobody knows without it; `other` are those that
    come out differently, since something else stands in. `rules` fire for want of it. `decides`: without it a chip may be
    undetermined. `lacks` tells whether it matters for a chip at all, and is not there.
    """

    fields: tuple[str, ...]
    blocks: str
    lacks: Lacks
    unknown: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    decides: bool = False
    every: bool = False


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A gap of one chip, with the reason that its spec gives."""

    gap: Gap
    name: str
    reason: str | None

    @property
    def told(self) -> str:
        """Return its name, with the reason where there is one."""
        return f"{self.name} ({self.reason})" if self.reason else self.name


def value_at(chip: Accelerator, field: str) -> object:
    """Return what a spec has at a dotted field, or None."""
    value: object = chip
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else getattr(value, part, None)
    return value


def _without(*fields: str) -> Lacks:
    return lambda chip, _: not any(value_at(chip, field) for field in fields)


def _form(field: str, *forms: Form) -> Lacks:
    return lambda chip, constants: not value_at(chip, field) and (constants is None or constants.form in forms)


def _clock(chip: Accelerator, constants: Resolved | None) -> bool:
    return not chip.peak_clock and chip.max_clock is None and bool(constants and constants.network.reference_clock)


def _highest_peak(chip: Accelerator, _: Resolved | None) -> bool:
    published = chip.parallel_units is not None and chip.max_clock is not None
    return not published or any(dtype not in chip.flop_per_clock for dtype in chip.dtypes)


def _narrow(chip: Accelerator) -> bool:
    return any(DTYPE_BYTES[dtype] <= DTYPE_BYTES["bf16"] for dtype in chip.dtypes)


def _power(chip: Accelerator, constants: Resolved | None) -> bool:
    """Return whether the family's assumption gives a power limit: by a narrow peak, or by the number of units."""
    per_unit = constants is not None and constants.energy.tdp_per_unit is not None
    return _narrow(chip) or (per_unit and chip.parallel_units is not None)


def _local(chip: Accelerator, _: Resolved | None) -> bool:
    known = chip.unit_memory is not None and chip.parallel_units is not None
    return not known and chip.cache_bytes is not None and chip.memory.bandwidth is not None


def _softmax(chip: Accelerator, constants: Resolved | None) -> bool:
    work = constants.network.softmax_work if constants else None
    return "fp32" not in chip.peak_dense and work is not None and work.si > 0


GAPS: Final[tuple[Gap, ...]] = (
    Gap(
        fields=("memory.bandwidth",), lacks=_without("memory.bandwidth"), decides=True, unknown=ESTIMATES, other=BOUNDS,
        blocks="no ridge point and no estimate of time, power or energy, and the bound counts arithmetic only; the chip is "
        "undetermined unless that bound, the memory or the request excludes it",
    ),
    Gap(
        fields=("memory.capacity",), lacks=_without("memory.capacity"), decides=True,
        blocks="whether a model fits is unknown (F101, F104); the chip is undetermined unless another rule excludes it",
    ),
    Gap(
        fields=("parallel_units",), lacks=_form("parallel_units", "tiled", "systolic"), decides=True, unknown=ESTIMATES,
        blocks="no estimate of time, power or energy, since work is shared out among the units; the chip is undetermined "
        "unless the bound, the memory or the request excludes it",
    ),
    Gap(
        fields=("matrix_array",), lacks=_form("matrix_array", "systolic"), decides=True, unknown=ESTIMATES,
        blocks="no estimate of time, power or energy, since products are counted in passes over the array; the chip is "
        "undetermined unless the bound, the memory or the request excludes it",
    ),
    Gap(
        fields=("tdp",), lacks=lambda chip, constants: chip.tdp is None and not _power(chip, constants), decides=True,
        unknown=ESTIMATES,
        blocks="no estimate of time, power or energy: the family's assumption goes by the peak in 16 bits or less, and the "
        "chip has none; it is undetermined unless the bound, the memory or the request excludes it",
    ),
    Gap(
        fields=("tdp",), lacks=lambda chip, constants: chip.tdp is None and _power(chip, constants), other=ESTIMATES,
        rules=("J406",),
        blocks="energy, power and the time that the power limit takes rest on the family's assumption, a TDP in proportion to "
        "the peak, or to the cores (J406)",
    ),
    Gap(
        fields=("idle_power",), lacks=_without("idle_power"), other=ESTIMATES, rules=("J406",),
        blocks="energy, power and the time that the power limit takes rest on the family's assumption, a share of the TDP "
        "(J406)",
    ),
    Gap(
        fields=("process_node",), lacks=_without("process_node"), other=ESTIMATES, rules=("J406",),
        blocks="energy, power and the time that the power limit takes rest on the family's assumption of the process (J406)",
    ),
    Gap(
        fields=("last_level_cache", "on_chip_memory"), lacks=_without("last_level_cache", "on_chip_memory"),
        other=(*ESTIMATES, *BOUNDS), rules=("T506",),
        blocks="the bound has no memory term, and the estimate keeps nothing on the chip between layers (T506)",
    ),
    Gap(
        fields=("unit_memory",), lacks=_local, other=BOUNDS,
        blocks="the bound counts the cache alone as memory on the chip; memory inside the units would lower it",
    ),
    Gap(
        fields=("flop_per_clock", "max_clock", "parallel_units"), lacks=_highest_peak, other=BOUNDS, every=True,
        blocks="units x highest clock x FLOP per clock is unknown in some format: there the bound takes the published peak "
        "plus half of its last digit, and the peak is not cross-checked",
    ),
    Gap(
        fields=("max_clock", "peak_clock"), lacks=_clock, other=ESTIMATES,
        blocks="launches take as long as at the clock of the chips that the family was fitted to",
    ),
    Gap(
        fields=("peak_dense.fp32",), lacks=_softmax, other=ESTIMATES,
        blocks="the softmax of attention takes no time in the estimate: the rate of the vector units is unknown",
    ),
    Gap(
        fields=("price",), lacks=_without("price"), rules=("F106",),
        blocks="not ranked by price: the profile cost excludes it (F106)",
    ),
    Gap(
        fields=("energy_floors",), lacks=_without("energy_floors"), unknown=("energy_lower_bound_j",),
        blocks="no lower bound on the energy",
    ),
)  # fmt: skip


def missing(chip: Accelerator, constants: Resolved | None) -> tuple[Missing, ...]:
    """Return what a chip's spec leaves out and conclusions need, in the order of GAPS, under the constants that apply to it."""
    return tuple(_of(gap, chip) for gap in GAPS if gap.lacks(chip, constants))


def deciding(chip: Accelerator, constants: Resolved | None) -> tuple[str, ...]:
    """Return what a chip that is undetermined lacks, each with its reason where its spec gives one."""
    if constants is None:
        return ("a calibration that applies to it",)
    return tuple(item.told for item in missing(chip, constants) if item.gap.decides)


def _of(gap: Gap, chip: Accelerator) -> Missing:
    names = [name for field in gap.fields for name in _absent(chip, field)]
    reasons = [reason for name in names if (reason := _reason(chip, name))]
    return Missing(
        gap=gap, name=(" and " if gap.every else " or ").join(names), reason="; ".join(dict.fromkeys(reasons)) or None
    )


def _absent(chip: Accelerator, field: str) -> list[str]:
    """Return the field where the spec leaves it out; of FLOP per clock, the formats that have none."""
    if field == "flop_per_clock" and chip.flop_per_clock:
        return [f"{field}.{dtype}" for dtype in chip.dtypes if dtype not in chip.flop_per_clock]
    return [] if value_at(chip, field) else [field]


def _reason(chip: Accelerator, field: str) -> str | None:
    """Return why a spec leaves a field out, which it gives under the whole name or under its last part."""
    keys = (field.replace(".", "_"), field.rpartition(".")[2], field.partition(".")[0])
    return next((chip.not_published[key] for key in keys if key in chip.not_published), None)
