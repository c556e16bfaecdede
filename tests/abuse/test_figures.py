"""Every figure of a chip and every constant of a family at the ends of what a number can be: an answer, or named faults."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from abuse.runner import run

from engine.catalog import data_root

EXTREMES = (1e-320, 1.7e308)


def figures(body: Any, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    """Yield the way to every value of a quantity."""
    if isinstance(body, dict) and "unit" in body:
        yield (*path, "value")
    elif isinstance(body, dict | list):
        for key, part in body.items() if isinstance(body, dict) else enumerate(body):
            yield from figures(part, *path, key)


def changed(body: Any, path: tuple[str | int, ...], value: float) -> Any:
    """Return a copy of the body with another value at the end of the way."""
    copied = place = copy.deepcopy(body)
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copied


@pytest.mark.parametrize("name", ["accelerators/nvidia-h100-sxm.json", "calibrations/gpu-hbm.json"])
def test_figures_beyond_all_bounds_end_in_an_answer_or_in_named_faults(name: str, tmp_path: Path) -> None:
    body = json.loads((data_root() / "specs" / name).read_text(encoding="utf-8"))
    for unread in ("kernels", "prior"):  # no network needs them
        body.pop(unread, None)
    ways = list(figures(body))
    assert len(ways) > 20
    for way in ways:
        for value in EXTREMES:
            (tmp_path / "mine.json").write_text(json.dumps(changed(body, way, value)), encoding="utf-8")
            ran = run("--model", "resnet18", "--latency", "10ms", "--hardware", "nvidia-h100-sxm", "--specs", str(tmp_path))
            assert not list(ran.faults()), (way, value)
