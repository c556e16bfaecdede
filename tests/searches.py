"""Searches that the tests share."""

from __future__ import annotations

from typing import Any

from strategies import catalog

from advisor.explore.request import space_of
from advisor.explore.space import Space

ARGUMENTS = ("--model", "resnet18", "--batch", "8", "--vary", "bandwidth=0.2..4TB/s:8", "--vary", "peak=20..800TFLOP/s:7")
PLAIN: dict[str, Any] = {
    "model": "resnet18", "vary": ["bandwidth=0.2..4TB/s:8", "peak=20..800TFLOP/s:7"], "base": "nvidia-h100-sxm", "dtype": None,
    "batch": "8", "latency": "1ms", "throughput": None, "power": None, "energy": None, "memory": None, "minimize": None,
    "maximize": None, "cost": None, "runtime": None, "seq_len": None, "size": None,
}  # fmt: skip
COST = "0.5*peak/1e12 + 40*bandwidth/1e12"


def asked(**options: Any) -> Space:
    """Return the space of a request."""
    return space_of(PLAIN | options, catalog())
