"""Prints the latency of one pass, with its bound and its interval: predict.py [MODEL HARDWARE DTYPE BATCH]."""

from __future__ import annotations

import sys

from engine import predict


def main(model: str = "resnet50", hardware: str = "nvidia-l4", dtype: str = "int8", batch: str = "8") -> None:
    """Print what `advise predict` says of one point."""
    (row,) = predict(model, [hardware], [int(batch)], [dtype])
    parts = ("lower_bound", "p10", "estimate", "p90")
    told = ", ".join(f"{part} {row[f'latency_{part}_s'] * 1e3:.3g} ms" for part in parts)
    print(f"{model} on {hardware}, {dtype}, batch {batch}: {told}; {row['throughput_per_s']:,.0f}/s")


if __name__ == "__main__":
    main(*sys.argv[1:])
