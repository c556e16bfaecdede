"""The calibration spec: the physical constants of the estimate, for one chip or for a family of chips nobody measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import Field, model_validator

from .accelerator import Accelerator
from .machine import GRAPH, Dtype, Kind
from .quantity import (
    Bandwidth,
    ByteEnergy,
    Count,
    Feed,
    FlopEnergy,
    Fraction,
    Frequency,
    Identifier,
    Integral,
    Key,
    Length,
    Model,
    Power,
    PowerPerRate,
    Rate,
    ScoreWork,
    Share,
    Size,
    Source,
    Text,
    Time,
    Tuple,
    Whole,
)

Form = Literal["tiled", "systolic", "roof", "rated"]
"""How products are counted: in tiles and waves (GPUs), on systolic arrays, as work over peak, or at a rate of each class."""

WorkClass = Literal["gemm", "batched", "conv", "conv_stem", "conv1x1", "grouped", "depthwise"]
"""Classes of arithmetic, each with a rate: products with weights, and of two activations; convolutions with a window, of few
channels, of one tap, in groups, channel by channel."""
ElementClass = Literal[
    "elementwise",
    "gelu",
    "tanh",
    "sigmoid",
    "exp",
    "softmax",
    "layer_norm",
    "residual_norm",
    "lrn",
    "pool",
    "reduce",
    "copy",
    "transpose",
]
"""Classes of passes over memory, each with a time of one element: one that is written; of elementwise one that is read or
written, of reduce one that is read, of pool one that is read in a window."""
WORK_CLASSES: Final[tuple[str, ...]] = get_args(WorkClass)
ELEMENT_CLASSES: Final[tuple[str, ...]] = get_args(ElementClass)

Operator = Literal[
    "gemm", "prefill", "decode", "conv", "depthwise", "elementwise", "activation", "softmax", "norm", "embedding"
]
"""Kernels that have constants of their own when they run by themselves."""

STREAMED: Final = ("depthwise", "embedding")
"""Operators that are bound by traffic: without constants of their own they take those of elementwise kernels."""

Format = Dtype | Literal["fp8_block", "int8_weights"]
"""A number format, or a recipe of formats: fp8 with a scale for each block, 8-bit weights with 16-bit activations."""

SIXTEEN_BITS: Final = ("bf16", "fp16")

_PARTS: Final = ("form", "tile_set", "network", "energy", "interval", "workspace")
Names = Annotated[tuple[Identifier, ...], Tuple]


class AppliesTo(Model):
    """Which chips a calibration is for; every criterion that is given must hold. Without any it is for all chips."""

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
    contraction_step: Count
    query_tile: Count
    channel_alignment: Count
    source: Key


class Product(Model):
    """Constants of a matrix product in tiles and waves; docs/model.md has the form."""

    sustained: Fraction | None = None
    bandwidth_share: Fraction | None = None
    cache_ratio: Fraction | None = None
    feed: Feed | None = None
    wave_fill: Time | None = None
    wave_sharing: Share | None = None
    tile_drain: Share | None = None
    split_cost: Time | None = None
    overlap_loss: Share | None = None


class Constants(Product):
    """Constants of whole networks. A `clocked` share of `launch`, `wave_fill` and `split_cost` scales with the clock."""

    launch: Time
    reference_clock: Frequency | None = None
    clocked: Share | None = None
    sustained: Fraction
    vector_sustained: Fraction | None = None
    """share of the peak in fp32 and fp64, which run on the vector units, where it is not that of the other formats"""
    bandwidth_share: Fraction
    cache_ratio: Fraction
    winograd: Fraction | None = None
    """share of the peak of the vector units in Winograd's products; convolutions never take that form without it"""
    transform: Share | None = None
    transform_weights: Share | None = None
    attention: Fraction | None = None
    softmax_work: ScoreWork | None = None


class Correction(Model):
    """The two numbers that a measured chip adds to its family's constants: a factor on the launch, and one on the time.

    The second is on the time of its kernels and on their energy alike, so that it holds where the power limit decides, too.
    """

    launch_factor: Fraction
    time_factor: Fraction
    class_factors: dict[WorkClass | ElementClass, Fraction] = {}
    """of a chip with rates: a factor on the time of a class"""


class Rates(Model):
    """What a probe of a machine found in the runtime that runs networks there: a rate of each class of kernels, in the cache.

    A class that is left out takes the rate of `gemm`, or the time of `elementwise`.
    """

    work: dict[WorkClass, Rate]
    """arithmetic per second"""
    element: dict[ElementClass, Time]
    """of one element"""
    cache: Size
    """what stays near between one kernel and the next"""
    bandwidth: Bandwidth
    """of passes, beside their time in the cache"""
    product_bandwidth: Bandwidth
    """of products whose weights no cache holds"""

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if "gemm" not in self.work or "elementwise" not in self.element:
            raise ValueError("rates need those of gemm and of elementwise at least")
        return self


class Sample(Model):
    """What one probe saw: how often it ran, and the median, the quartiles and the least of a run."""

    what: Text
    """the shape"""
    runs: Annotated[int, Field(ge=1), Integral]
    median: Time
    quartile_1: Time
    quartile_3: Time
    least: Time


class Probe(Model):
    """How a machine was probed: when, with what, how quiet it was, and what each probe saw."""

    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    software: Text
    threads: Annotated[int, Field(ge=1), Integral]
    quiet: bool
    """whether other processes left it alone"""
    load: Share
    """cores that other processes took meanwhile"""
    samples: Annotated[tuple[Sample, ...], Field(max_length=200), Tuple] = ()


class Residual(Model):
    """How far measured times lie from the estimates of these constants, on points that the fit did not see."""

    points: Annotated[int, Field(ge=1), Integral]
    median: Share
    mean: Share | None = None
    bias: float | None = None
    p10: Fraction | None = None
    p90: Fraction | None = None


class KernelConstants(Product):
    """Constants of one operator in one number format, run by itself again and again, as a microbenchmark does.

    With a reference clock a `clocked` share of `launch`, `wave_fill` and `split_cost` scales with the clock. Its own
    `contraction_step` comes before that of the set of tiles.
    """

    operator: Operator
    format: Format
    software: Text | None = None
    launch: Time
    launch_growth: Time | None = None
    reference_clock: Frequency | None = None
    clocked: Share | None = None
    host: Time | None = None
    rotations: Annotated[int, Field(ge=1, le=64), Integral] = 1
    contraction_step: Count | None = None
    quantize_share: Fraction | None = None
    energy_share: Share | None = None
    softmax_work: ScoreWork | None = None
    tile_efficiency: Fraction | None = None
    head_loss: Share | None = None
    kv_factor: Fraction | None = None
    slice_tokens: Count | None = None
    walk: Time | None = None
    tile_fill: Share | None = None
    tile_edge: Share | None = None
    misalignment: Share | None = None
    winograd: Fraction | None = None
    transform: Share | None = None
    transform_weights: Share | None = None
    host_sharpness: Count | None = None
    residual: Residual | None = None


class Energy(Model):
    """The energy model: energy per FLOP on a reference process and per byte, and what is assumed of power."""

    flop: FlopEnergy
    reference_node: Length
    node_exponent: Count
    assumed_node: Length
    dtype_factor: dict[Dtype, Share]
    conv_factor: Share
    byte: ByteEnergy
    cache_byte: ByteEnergy | None = None
    """on the chip, of a byte that a kernel reads or writes, on the reference process; nothing unless given"""
    idle_share: Share
    """idle power over TDP, beside `idle_base`; that of chips that do not publish it"""
    idle_base: Power | None = None
    """idle power that does not grow with TDP: regulators, fans and what else is on every board; nothing unless given"""
    idle_most: Share | None = None
    """the most of TDP that idle power is, for boards so small that their base would pass it; no limit unless given"""
    static_share: Share | None = None
    """static power over TDP, the part of idle power that no lower clock saves; all of it unless given"""
    voltage_span: Count | None = None
    """energy of a cycle at full clock over that at the lowest voltage; without it a lower clock saves no energy"""
    voltage_exponent: Count | None = None
    """above the lowest voltage the energy of a cycle goes with this power of the clock"""
    tdp_per_peak: PowerPerRate
    tdp_per_unit: Power | None = None
    """of a chip that has no peak in 16 bits or less either"""


class Prior(Model):
    """What is taken of a family's constants before networks are measured: where their fit begins, whatever it wrote before."""

    launch: Time
    attention: Fraction
    softmax_work: ScoreWork
    cache_ratio: Fraction
    flop: FlopEnergy | None = None
    int8: Share | None = None
    conv_factor: Share | None = None


class Spread(Model):
    """Measured over estimated time at the 10th and 90th percentile, and where that comes from."""

    p10: Share
    p90: Share
    basis: Text


class Interval(Model):
    """Measured over estimated time at the 10th and 90th percentile, and where that comes from.

    `launch_p10` and `launch_p90` are the same where launches take all of the time; between, the interval is a blend. Of a
    family, `calibrated` is that of one more sweep of a chip, or host, that many other sweeps calibrate.
    """

    level: Literal["chip measured", "sibling measured", "family prior", "unknown kind"]
    p10: Share
    p90: Share
    launch_p10: Share | None = None
    launch_p90: Share | None = None
    calibrated: Spread | None = None
    basis: Text


class InFormat(Model):
    """What a runtime has in one number format in place of what it has in all: a framework casts, or has slower kernels."""

    host: Time | None = None
    device_share: Fraction | None = None


class Runtime(Model):
    """How a software runs a network: fused kernels from a graph, or operator by operator from a host."""

    fused: bool = True
    fused_attention: bool = True
    """whether attention is one kernel where nothing else is fused"""
    vector_convolutions: Annotated[tuple[Dtype, ...], Tuple] = ()
    """number formats in which its convolutions leave the matrix units idle"""
    host: Time | None = None
    host_sharpness: Count | None = None
    device_share: Fraction | None = None
    launch: Time | None = None
    formats: dict[Dtype, InFormat] = {}
    interval: Interval | None = None

    def within(self, dtype: str) -> Runtime:
        """Return the same with what is its own in a number format."""
        own = self.formats.get(dtype)  # type: ignore[call-overload]
        return self if own is None else self.model_copy(update={name: value for name, value in own if value is not None})


class Calibration(Model):
    """Constants for the chips of `applies_to`. A part left out is taken from the next less specific calibration."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    id: Identifier
    name: Text
    applies_to: AppliesTo
    sources: Annotated[dict[Key, Source], Field(min_length=1)]
    form: Form | None = None
    tile_set: TileSet | None = None
    kernel_tiles: TileSet | None = None
    kernels: Annotated[tuple[KernelConstants, ...], Field(max_length=200), Tuple] = ()
    network: Constants | None = None
    rates: Rates | None = None
    probe: Probe | None = None
    correction: Correction | None = None
    runtimes: dict[Key, Runtime] = {}
    energy: Energy | None = None
    prior: Prior | None = None
    interval: Interval | None = None
    workspace: Size | None = None
    notes: Annotated[tuple[Text, ...], Tuple] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The constants that hold for one chip: every part from the most specific calibration that has it.

    `owners` says which that is, by part; `ids` are those of all parts, without those of runtimes and single kernels.
    """

    ids: tuple[str, ...]
    owners: Mapping[str, str]
    form: Form
    tile_set: TileSet
    kernel_tiles: TileSet
    kernels: tuple[KernelConstants, ...]
    network: Constants
    rates: Rates | None
    correction: Correction | None
    runtimes: Mapping[str, Runtime]
    runtime_ids: Mapping[str, str]
    energy: Energy
    interval: Interval
    workspace: Size

    def used(self, runtime: str) -> tuple[str, ...]:
        """Return the ids of the calibrations behind a prediction in a runtime."""
        owner = self.runtime_ids.get(runtime)
        return self.ids if owner is None or owner in self.ids else (*self.ids, owner)

    def runs(self, runtime: str) -> bool:
        """Return whether the chip's calibrations describe a runtime; a graph of fused kernels is always there."""
        return runtime == GRAPH or runtime in self.runtimes

    def kernel(self, operator: str, format_: str, software: str | None = None) -> KernelConstants | None:
        """Return the constants of an operator in a number format, or None where none of its calibrations has any.

        A chip's own come before its family's, those of the software asked for before others; a format that nobody
        calibrated takes those of 16 bits. An operator that is bound by traffic takes those of elementwise kernels in any format
        where it has none.
        """
        for wanted in dict.fromkeys((format_, *SIXTEEN_BITS)):
            found = [k for k in self.kernels if k.operator == operator and k.format == wanted]
            if found:
                return next((k for k in found if software is not None and k.software == software), found[0])
        return self._streamed(operator, format_) if operator in STREAMED else None

    def _streamed(self, operator: str, format_: str) -> KernelConstants | None:
        """Return the constants of elementwise kernels for another operator; how far they are off for it nobody knows."""
        found = next((k for k in self.kernels if k.operator == "elementwise"), None)
        update = {"operator": operator, "format": format_, "residual": None}
        return None if found is None else found.model_copy(update=update)


def resolve(chip: Accelerator, calibrations: Iterable[Calibration]) -> Resolved | None:
    """Return the constants for a chip, or None when the calibrations that are for it leave a part open."""
    ranked = [(rank, c) for c in calibrations if (rank := c.applies_to.specificity(chip)) is not None]
    matching = [c for _, c in sorted(ranked, key=lambda pair: (-pair[0], pair[1].id))]
    parts: dict[str, Any] = {}
    owners: dict[str, str] = {}
    for part in _PARTS:
        owner = next((c for c in matching if getattr(c, part) is not None), None)
        if owner is None:
            return None
        parts[part] = getattr(owner, part)
        owners[part] = owner.id
    runtimes = {name: runtime for c in reversed(matching) for name, runtime in c.runtimes.items()}
    runtime_ids = {name: c.id for c in reversed(matching) for name in c.runtimes}
    kernel_tiles = next((c.kernel_tiles for c in matching if c.kernel_tiles is not None), parts["tile_set"])
    corrected = next((c for c in matching if c.correction is not None), None)
    owners |= {} if corrected is None else {"correction": corrected.id}
    probed = next((c for c in matching if c.rates is not None), None)
    if parts["form"] == "rated" and probed is None:
        return None
    owners |= {} if probed is None else {"rates": probed.id}
    return Resolved(
        ids=tuple(dict.fromkeys(owners.values())), owners=owners, runtimes=runtimes, runtime_ids=runtime_ids,
        kernel_tiles=kernel_tiles, correction=None if corrected is None else corrected.correction,
        rates=None if probed is None else probed.rates,
        kernels=tuple(constants for c in matching for constants in c.kernels), **parts,
    )  # fmt: skip
