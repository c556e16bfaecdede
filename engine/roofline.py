"""The roofline and the sound lower bound, in symbols.

Sources: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009, doi 10.1145/1498765.1498785; the bound subtracts what a
chip can keep on it between passes, since published GEMM timings beat the plain form.
"""

from __future__ import annotations

from typing import Final

from .closed_form import ClosedForm, maximum, minimum
from .symbols import (
    bandwidth,
    batch,
    clock,
    intensity,
    latency,
    limit,
    load_clock,
    on_chip,
    peak,
    peak_max,
    traffic,
    traffic_each,
    traffic_min,
    traffic_once,
    work,
    work_each,
    work_min,
)

_WILLIAMS: Final = "Williams, Waterman, Patterson 2009"
_OURS: Final = "this project, docs/model.md"

FORMS: Final = (
    ClosedForm(
        name="ridge_point", expression=peak / bandwidth, unit="FLOP/B", source=_WILLIAMS,
        doc="Intensity at which memory-bound turns compute-bound.",
    ),
    ClosedForm(
        name="attainable_performance", expression=minimum(peak, bandwidth * intensity), unit="FLOP/s", source=_WILLIAMS,
        doc="The roof at an arithmetic intensity.",
    ),
    ClosedForm(
        name="roof_s", expression=maximum(work / peak, traffic / bandwidth), unit="s", source=_WILLIAMS,
        doc="Time of one operator on the plain roof.",
    ),
    ClosedForm(
        name="load_peak", expression=peak * load_clock / clock, unit="FLOP/s", source=_OURS,
        doc="What a published peak becomes at the clock that a chip holds under load.",
    ),
    ClosedForm(
        name="ridge_batch",
        expression=traffic_once * (peak / bandwidth) / (work_each - traffic_each * peak / bandwidth),
        unit="1", source=_OURS, domain=(work_each > traffic_each * peak / bandwidth,),
        doc="Batch at which an operator turns compute-bound; outside the domain it never does.",
    ),
    ClosedForm(
        name="latency_lower_bound_s",
        expression=maximum(work_min / peak_max, maximum(0, traffic_min - on_chip) / bandwidth),
        unit="s", source=_OURS,
        doc="No implementation is faster: least arithmetic at the highest clock, compulsory bytes beyond the chip.",
    ),
    ClosedForm(
        name="peak_for_limit", expression=work_min / limit, unit="FLOP/s", source=_OURS,
        doc="The least peak with which the bound admits a latency limit.",
    ),
    ClosedForm(
        name="bandwidth_for_limit", expression=maximum(0, traffic_min - on_chip) / limit, unit="B/s", source=_OURS,
        doc="The least bandwidth with which the bound admits a latency limit.",
    ),
    ClosedForm(
        name="total_work", expression=batch * work_each, unit="FLOP", source=_OURS, doc="Arithmetic of one pass.",
    ),
    ClosedForm(
        name="total_traffic", expression=traffic_once + batch * traffic_each, unit="B", source=_OURS,
        doc="Traffic of one pass: weights once, activations of every sample.",
    ),
    ClosedForm(
        name="arithmetic_intensity", expression=work / traffic, unit="FLOP/B", source=_WILLIAMS, domain=(traffic > 0,),
        doc="Arithmetic over traffic.",
    ),
    ClosedForm(
        name="arithmetic_lower_bound_s", expression=work_min / peak_max, unit="s", source=_OURS,
        doc="The lower bound where bandwidth or on-chip memory is unknown.",
    ),
    ClosedForm(
        name="mfu", expression=work / (latency * peak), unit="1", source="Chowdhery et al. 2022 (PaLM), appendix B",
        doc="Model FLOP utilization: the model's own arithmetic over what the peak would do in the same time.",
    ),
    ClosedForm(
        name="mbu", expression=traffic / (latency * bandwidth), unit="1", source=_OURS,
        doc="Model bandwidth utilization: compulsory bytes over what the bandwidth would carry in the same time.",
    ),
)  # fmt: skip
