"""Energy and the power limit, in symbols: one model for joules and for the time that a power limit allows.

Sources: the form of the energy roofline, Choi, Bedard, Fowler, Vuduc, IPDPS 2013, doi 10.1109/IPDPS.2013.77; the law of clock
and voltage, and the soft maximum of device and host, are this project's own (docs/model.md).
"""

from __future__ import annotations

from typing import Final

import sympy as sp

from .closed_form import ClosedForm, maximum, minimum
from .symbols import (
    activations,
    bandwidth,
    byte_j,
    cache_byte_j,
    cache_byte_j_reference,
    device_s,
    dynamic_j,
    floor_w,
    flop_j,
    flop_j_reference,
    host_s,
    idle_w,
    kind_factor,
    latency,
    launch_ratio,
    launches_s,
    limited_s,
    node,
    node_exponent,
    node_reference,
    on_chip,
    peak_max,
    power_s,
    ratio,
    sequence_s,
    sharpness,
    static_w,
    tdp_w,
    traffic,
    traffic_min,
    voltage_exponent,
    voltage_span,
    weights,
    work,
    work_min,
)

_OURS: Final = "this project, docs/model.md"
_CHOI: Final = "Choi, Bedard, Fowler, Vuduc 2013"

_LONG: Final = sp.Rational(1, 1000)
"""Kernels of 1 ms and more that run again and again meet the whole power limit [s]."""

_spilled = maximum(0, traffic_min - on_chip)
_held = minimum(1, device_s / _LONG)
_lowered = (sequence_s**voltage_exponent * power_s) ** (1 / (1 + voltage_exponent))

FORMS: Final = (
    ClosedForm(
        name="flop_energy_j", expression=flop_j_reference * (node / node_reference) ** node_exponent * kind_factor,
        unit="J/FLOP", source=_OURS, doc="Energy of one FLOP, scaled from the reference process.",
    ),
    ClosedForm(
        name="cache_byte_energy_j", expression=cache_byte_j_reference * (node / node_reference) ** node_exponent, unit="J/B",
        source=_OURS, doc="Energy of one byte that a kernel reads or writes, on the chip, scaled from the reference process.",
    ),
    ClosedForm(
        name="dynamic_energy_j",
        expression=work * flop_j + traffic * byte_j + (activations + weights) * cache_byte_j, unit="J", source=_CHOI,
        doc="Energy of arithmetic, of traffic to main memory and of all bytes on the chip, net of idle.",
    ),
    ClosedForm(
        name="power_limit_s", expression=(dynamic_j + (idle_w - static_w) * sequence_s) / (tdp_w - static_w), unit="s",
        source=_OURS, domain=(tdp_w > static_w,),
        doc="Time in which the power limit allows the energy of a pass, all but static power, at full clock and voltage.",
    ),
    ClosedForm(
        name="power_limited_s", expression=maximum(sequence_s, power_s / voltage_span, _lowered), unit="s", source=_OURS,
        doc="Time of a network within the power limit: a lower clock needs less voltage, so a cycle takes less energy.",
    ),
    ClosedForm(
        name="limited_energy_j", expression=minimum(dynamic_j, (tdp_w - idle_w) * limited_s), unit="J", source=_OURS,
        doc="Energy net of idle at the clock that the power limit leaves: all of it, or what brings the power to the limit.",
    ),
    ClosedForm(
        name="throttled_s", expression=limited_s**_held * device_s ** (1 - _held), unit="s", source=_OURS,
        doc="Time of a kernel that a benchmark runs again and again: the longer it is, the more of the power limit it meets.",
    ),
    ClosedForm(
        name="host_limited_s", expression=(device_s**sharpness + host_s**sharpness) ** (1 / sharpness),
        unit="s", source=_OURS,
        doc="Time of a network that a host launches operator by operator: a soft maximum of its device and of its host.",
    ),
    ClosedForm(
        name="interval_s", expression=ratio * latency + (launch_ratio - ratio) * launches_s, unit="s", source=_OURS,
        domain=(latency >= launches_s,),
        doc="A percentile of the measured time: one ratio for the launches, another for all else.",
    ),
    ClosedForm(
        name="energy_j", expression=idle_w * latency + dynamic_j, unit="J", source=_CHOI, doc="Energy of one pass.",
    ),
    ClosedForm(
        name="energy_lower_bound_j",
        expression=floor_w * maximum(work_min / peak_max, _spilled / bandwidth) + work_min * flop_j + _spilled * byte_j,
        unit="J", source=_OURS, doc="No implementation takes less energy, given floors of power, per FLOP and per byte.",
    ),
)  # fmt: skip
