"""What a report needs to recompute itself in a browser: the network, the machine, and the code."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import engine
from engine.cost import Cost, seconds_per_sample
from engine.machine import Machine
from engine.passes import kernels_on
from engine.totals import Totals

_KERNEL: Final = (
    "kind", "work_done", "weights", "inputs", "outputs", "rows", "columns", "channels", "taps", "groups", "shared", "routed",
    "tokens", "winograd_tiles",
)  # fmt: skip


def code() -> str:
    """Return the JavaScript of the closed forms and of a pass over a network."""
    forms = Path(engine.__file__).with_name("_compiled.js").read_text(encoding="utf-8")
    return forms + Path(__file__).with_name("live.js").read_text(encoding="utf-8")


def network_data(network: Totals, machine: Machine) -> dict[str, Any]:
    """Return a network as the code takes it: its kernels on a machine's runtime, and totals per pass and per sample."""
    kernels = [
        {name: getattr(cost, name) for name in _KERNEL} | {"count": count, "key_splits": cost.splits} | _rated(cost, machine)
        for cost, count in kernels_on(network, machine)
    ]
    return {
        "kernels": kernels,
        "work": network.work,
        "work_min": network.work_min,
        "launches": network.launches,
        "least_once": network.least_weights,
        "least_each": network.input_needs + network.output_elements + network.least_cache,
        "tables": [{"rows": cost.table_rows, "width": cost.table_width, "lookups": cost.lookups} for cost in network.tables],
        "stored_once": network.parameters,
        "stored_each": network.peak_activation_elements + network.cache_elements,
    }


def _rated(cost: Cost, machine: Machine) -> dict[str, Any]:
    """Return what a kernel has on a machine with rates: the time of its parts for a sample [s], and whether it is a pass."""
    if machine.form != "rated":
        return {}
    return {"sample_s": seconds_per_sample(cost, dict(machine.rates)), "passes": cost.kind in ("memory", "attention")}


def machine_data(machine: Machine) -> dict[str, Any]:
    """Return a machine as the code takes it; unknown is None, what JSON has for it."""
    tiles = machine.tile_set
    found = {
        field.name: getattr(machine, field.name)
        for field in fields(machine)
        if field.name not in ("tile_set", "assumed", "rates")
    }
    figures = {
        "tiles": [list(tile) for tile in tiles.tiles],
        "splits": list(tiles.splits),
        "alignment": tiles.channel_alignment,
        "contraction_step": tiles.contraction_step,
        "query_tile": tiles.query_tile,
    }
    return {name: _json(value) for name, value in (found | figures).items()}


def _json(value: Any) -> Any:
    if isinstance(value, float) and math.isinf(value):
        return 1e308 if value > 0 else -1e308
    return None if isinstance(value, float) and math.isnan(value) else value
