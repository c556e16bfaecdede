"""Draws throughput over the batch as an SVG or PNG: throughput.py FILE [MODEL HARDWARE...]."""

from __future__ import annotations

import sys

import altair as alt

from engine import predict

BATCHES = [1, 2, 4, 8, 16, 32, 64, 128]


def main(file: str, model: str = "resnet50", *hardware: str) -> None:
    """Write the picture; the band is the interval of the estimate."""
    rows = [
        {
            "batch": row["batch"],
            "chip": row["hardware"],
            "estimate": row["throughput_per_s"],
            "least": row["batch"] / row["latency_p90_s"],
            "most": row["batch"] / row["latency_p10_s"],
        }
        for row in predict(model, hardware or ("nvidia-l4", "nvidia-t4"), BATCHES, ["fp16"])
    ]
    base = alt.Chart(alt.Data(values=rows), title=f"{model}, fp16").encode(
        x=alt.X("batch:Q", scale=alt.Scale(type="log", base=2), title="batch"), color=alt.Color("chip:N", title=None)
    )
    band = base.mark_area(opacity=0.2).encode(y=alt.Y("least:Q", title="samples per second"), y2="most:Q")
    (band + base.mark_line(point=True).encode(y="estimate:Q")).properties(width=480, height=300).save(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
