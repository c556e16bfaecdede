"""The power of boards alone, of the records that state it: as estimated, and at the rate that was measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from engine import predict
from engine.catalog import Catalog
from engine.measurement import Measurement


class Board(NamedTuple):
    """One measured batch: its power [W] as measured, as the estimate has it, and as it has it at the measured rate."""

    hardware: str
    batch: int
    measured_w: float
    estimate_w: float
    at_rate_w: float


def boards(record: Measurement, catalog: Catalog) -> Iterator[Board]:
    """Yield the batches of a record whose power is stated.

    At the measured rate a pass draws idle power, and the energy beside it over the time that was measured.
    """
    idle_w = catalog.machine(record.hardware, record.dtype, record.runtime).idle_w
    for point in record.points:
        if point.power is None:
            continue
        (row,) = predict(
            record.workload, [record.hardware], [point.batch], [record.dtype], sizes=record.sizes, runtime=record.runtime,
            catalog=catalog,
        )  # fmt: skip
        dynamic_j = row["energy_per_inference_j"] - idle_w / row["throughput_per_s"]
        at_rate_w = idle_w + dynamic_j * point.batch / point.seconds
        yield Board(record.hardware, point.batch, point.power.si, row["power_w"], at_rate_w)


def print_boards(catalog: Catalog) -> None:
    """Print the power of every such batch, and the error at the measured rate over all."""
    found = [board for record in catalog.measurements for board in boards(record, catalog)]
    print("Power of boards alone in W, as measured, at the rate that was measured, and as estimated; records that ship")
    for one in found:
        print(f"  {one.hardware:22}{one.batch:6}{one.measured_w:9.0f}{one.at_rate_w:9.0f}{one.estimate_w:9.0f}")
    errors = np.array([100 * abs(one.at_rate_w / one.measured_w - 1) for one in found])
    if errors.size:
        print(
            f"  at the measured rate: {errors.size} batches, mean {errors.mean():.1f} % off, at the most {errors.max():.1f} %"
        )
