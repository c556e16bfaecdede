"""Exits with 1 where a budget of a file is broken: gate.py BUDGETS.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from engine import load, predict


def main(file: str) -> int:
    """Print a line for each budget, and return the exit code."""
    catalog, broken = load(), 0
    for budget in json.loads(Path(file).read_text(encoding="utf-8")):
        point: dict[str, Any] = {key: budget[key] for key in ("model", "hardware", "dtype", "batch")}
        (row,) = predict(point["model"], [point["hardware"]], [point["batch"]], [point["dtype"]], catalog=catalog)
        took = row["latency_p90_s"] * 1e3
        kept = took <= budget["latency_ms"]
        broken += not kept
        print(
            f"{'kept  ' if kept else 'BROKEN'}  {' '.join(map(str, point.values()))}: {took:.3g} of {budget['latency_ms']} ms"
        )
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
