"""The JSON contract of a model as a table: what `advise show MODEL --format json` prints beside the spec's own fields."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(ge=0)]
RidgeBatch = Annotated[float, Field(ge=0)] | Literal["never"] | None
"""The batch from which it is compute-bound, 0 where it always is; "never" where it is memory-bound at every batch.

It is null where nobody can tell.
"""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TotalsPart(_Part):
    """Totals of the model; bytes are those of `dtype`. Weights are what is stored, activations those of fused kernels.

    Active parameters are those that a token asks for: of experts, those that it takes. The cache is that of keys and values.
    """

    macs_per_sample: Positive
    work_flop_per_sample: Positive
    parameters: Positive
    active_parameters: Positive
    weight_bytes: Positive
    cache_bytes_per_token: Positive
    cache_bytes_per_sample: Positive
    activation_traffic_bytes_per_sample: Positive
    peak_activation_bytes_per_sample: Positive


class ComparedPart(_Part):
    """A published total beside the counted one, both at the default sizes; `off_share` is by how much the count is higher."""

    quantity: Literal["work_flop_per_sample", "parameters"]
    published: Positive
    counted: Positive
    off_share: float
    within_share: Positive
    source: str


class SavedPart(_Part):
    """What operators of one kind spare by riding on other kernels, or by keeping their scores on the chip."""

    op: str
    operators: Count
    bytes_per_sample: Positive


class AlonePart(_Part):
    """An operator that could ride on another's kernel and does not, and why."""

    operator: str
    because: str


class FusionPart(_Part):
    """Fusion as a step: operators in, kernels out, with the activations that travel before and after."""

    operators: Count
    views: Count
    kernels: Count
    activation_traffic_unfused_bytes_per_sample: Positive
    activation_traffic_bytes_per_sample: Positive
    saved: list[SavedPart]
    alone: list[AlonePart]


class MemoryPart(_Part):
    """The most memory that is in use at once [B]; the workspace is that of a chip's calibration, null without a chip."""

    batch: Annotated[int, Field(ge=1)]
    weight_bytes: Positive
    peak_activation_bytes: Positive
    cache_bytes: Positive
    workspace_bytes: Positive | None
    memory_bytes: Positive


class TimePart(_Part):
    """The estimate of one pass on the chip [s]; `kernels_s` is its kernels in a row, before power limit and host."""

    latency_estimate_s: Positive | None
    kernels_s: Positive | None
    ridge_batch: RidgeBatch


class OperatorPart(_Part):
    """An operator: its kind, what it computes, and the shape of its result for one sample."""

    name: str
    op: str
    function: str | None
    shape: list[Count]


class KernelPart(_Part):
    """A kernel: its operators in order, its product, and what it asks of a chip.

    `rows` (of one sample), `columns` and `contraction` are M, N and K of `groups` products. The arithmetic intensity is that at
    the batch. `time_s` and `share_of_kernels` are null without a chip, or where the chip lacks a figure.
    """

    name: str
    kind: str
    operators: list[OperatorPart]
    shape: list[Count]
    rows: Positive
    columns: Positive
    contraction: Positive
    groups: Positive
    work_flop_per_sample: Positive
    weight_traffic_bytes: Positive
    activation_traffic_unfused_bytes_per_sample: Positive
    activation_traffic_bytes_per_sample: Positive
    arithmetic_intensity_flop_per_byte: Positive
    ridge_batch: RidgeBatch
    time_s: Positive | None
    share_of_kernels: Positive | None


class ModelPart(BaseModel):
    """A model operator by operator, in one number format, at one batch, on a chip or on none.

    Beside these it has the fields of the spec, as workload.schema.json describes them.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    id: str
    name: str
    dtype: str
    element_bytes: Annotated[float, Field(gt=0)]
    batch: Annotated[int, Field(ge=1)]
    hardware: str | None
    runtime: str
    chosen_sizes: dict[str, int]
    input_shapes: dict[str, list[Count]]
    expressions: dict[str, float]
    totals: TotalsPart
    compared: list[ComparedPart]
    fusion: FusionPart
    memory: MemoryPart
    time: TimePart | None
    kernels: list[KernelPart]
