"""Prints which of two chips is ahead at each batch, and whether the model can tell: compare_chips.py [MODEL A B DTYPE]."""

from __future__ import annotations

import sys

from engine import predict

BATCHES = [1, 2, 4, 8, 16, 32, 64]


def main(model: str = "resnet50", one: str = "nvidia-l4", other: str = "nvidia-t4", dtype: str = "fp16") -> None:
    """Print the ratio of the estimates; where the intervals overlap, the difference may be the model's own error."""
    rows = {(row["hardware"], row["batch"]): row for row in predict(model, [one, other], BATCHES, [dtype])}
    for batch in BATCHES:
        a, b = rows[one, batch], rows[other, batch]
        faster, slower = (a, b) if a["latency_estimate_s"] < b["latency_estimate_s"] else (b, a)
        ratio = slower["latency_estimate_s"] / faster["latency_estimate_s"]
        sure = "surely" if faster["latency_p90_s"] < slower["latency_p10_s"] else "perhaps"
        print(f"batch {batch:>3}: {faster['hardware']} {ratio:.2f}x ahead, {sure}")


if __name__ == "__main__":
    main(*sys.argv[1:])
