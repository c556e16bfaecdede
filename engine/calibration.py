"""The calibration spec: the physical constants of the estimate, for one chip or for a family of chips nobody measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from .accelerator import Accelerator, Dtype, Kind
from .quantity import (
    ByteEnergy,
    Count,
    Feed,
    FlopEnergy,
    Fraction,
    Frequency,
    Identifier,
    Key,
    Length,
    Model,
    PowerPerRate,
    Share,
    Size,
    Source,
    Text,
    Time,
    Tuple,
    Whole,
)

Form = Literal["tiled", "systolic", "roof"]
"""How products are counted: in tiles and waves (GPUs), on systolic arrays, or as work over peak."""

_PARTS: Final = ("form", "tile_set", "kernel", "network", "energy", "interval", "workspace")
Names = Annotated[tuple[Identifier, ...], Tuple]


class AppliesTo(Model):
    """Which chips a calibration is for; every criterion that is given must hold."""

    hardware: Names = ()
    kind: Annotated[tuple[Kind, ...], Tuple] = ()
    vendor: Annotated[tuple[Text, ...], Tuple] = ()
    family: Annotated[tuple[Text, ...], Tuple] = ()
    memory: Annotated[tuple[Text, ...], Tuple] = ()

    def specificity(self, chip: Accelerator) -> int | None:
        """Return how closely the criteria name this chip (higher is closer), or None when they do not hold for it."""
        pairs = (
            (self.kind, chip.kind),
            (self.memory, chip.memory.type),
            (self.vendor, chip.vendor),
            (self.family, chip.family),
            (self.hardware, chip.id),
        )
        if any(wanted and actual not in wanted for wanted, actual in pairs):
            return None
        return sum(1 << weight for weight, (wanted, _) in enumerate(pairs) if wanted)


class TileSet(Model):
    """The tile shapes and contraction splits that the estimate chooses from; accuracy is quoted for one version."""

    version: Text
    tiles: Annotated[tuple[Annotated[tuple[Whole, Whole], Tuple], ...], Field(min_length=1, max_length=32), Tuple]
    splits: Annotated[tuple[Whole, ...], Field(min_length=1, max_length=16), Tuple]
    query_tile: Count
    channel_alignment: Count
    source: Key


class Constants(Model):
    """Constants of the form. `launch`, `wave_fill` and `split_cost` scale with `reference_clock` over the chip's clock."""

    launch: Time
    reference_clock: Frequency | None = None
    sustained: Fraction
    bandwidth_share: Fraction
    cache_ratio: Fraction
    feed: Feed | None = None
    wave_fill: Time | None = None
    split_cost: Time | None = None
    overlap_loss: Share | None = None
    derating: Share | None = None
    attention: Fraction | None = None
    power_exponent: Count | None = None
    time_factor: Fraction | None = None


class Energy(Model):
    """The energy model: energy per FLOP on a reference process and per byte, and what is assumed of power."""

    flop: FlopEnergy
    reference_node: Length
    node_exponent: Count
    assumed_node: Length
    dtype_factor: dict[Dtype, Share]
    conv_factor: Share
    byte: ByteEnergy
    idle_share: Share
    tdp_per_peak: PowerPerRate


class Interval(Model):
    """Measured over estimated time at the 10th and 90th percentile, and where that comes from."""

    level: Literal["chip measured", "sibling measured", "family prior", "unknown kind"]
    p10: Share
    p90: Share
    basis: Text


class Calibration(Model):
    """Constants for the chips of `applies_to`. A part left out is taken from the next less specific calibration."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    id: Identifier
    name: Text
    applies_to: AppliesTo
    sources: Annotated[dict[Key, Source], Field(min_length=1)]
    form: Form | None = None
    tile_set: TileSet | None = None
    kernel: Constants | None = None
    network: Constants | None = None
    energy: Energy | None = None
    interval: Interval | None = None
    workspace: Size | None = None
    notes: Annotated[tuple[Text, ...], Tuple] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The constants that hold for one chip: every part from the most specific calibration that has it."""

    ids: tuple[str, ...]
    form: Form
    tile_set: TileSet
    kernel: Constants
    network: Constants
    energy: Energy
    interval: Interval
    workspace: Size


def resolve(chip: Accelerator, calibrations: Iterable[Calibration]) -> Resolved | None:
    """Return the constants for a chip, or None when the calibrations that are for it leave a part open."""
    ranked = [(rank, c) for c in calibrations if (rank := c.applies_to.specificity(chip)) is not None]
    matching = [c for _, c in sorted(ranked, key=lambda pair: (-pair[0], pair[1].id))]
    parts: dict[str, Any] = {}
    used: dict[str, None] = {}
    for part in _PARTS:
        owner = next((c for c in matching if getattr(c, part) is not None), None)
        if owner is None:
            return None
        parts[part] = getattr(owner, part)
        used[owner.id] = None
    return Resolved(ids=tuple(used), **parts)
