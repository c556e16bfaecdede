"""What somebody asks for, in SI units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from engine.machine import GRAPH


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """A request. A limit that was not given is infinite (throughput: 0), so that no rule about it fires."""

    model: str
    sizes: Mapping[str, int] = field(default_factory=dict)
    latency_s: float = math.inf
    throughput_per_s: float = 0.0
    power_w: float = math.inf
    energy_j: float = math.inf
    memory_bytes: float = math.inf
    batch: int | None = None
    dtypes: tuple[str, ...] = ()
    hardware: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    profile: str = "balanced"
    runtime: str = GRAPH
    allow_modelled: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the request as the JSON contract has it: a limit that was not given is null."""
        values = asdict(self) | {"dtypes": list(self.dtypes), "hardware": list(self.hardware), "kinds": list(self.kinds)}
        for name in ("latency_s", "throughput_per_s", "power_w", "energy_j", "memory_bytes"):
            if values[name] in (0.0, math.inf):
                values[name] = None
        return values
