"""Reality: what the project quotes as measured against its own bound and estimate."""

from __future__ import annotations

import pytest

from engine import load, predict
from engine.catalog import Catalog
from engine.measurement import Measurement


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load()


def rows(catalog: Catalog, record: Measurement) -> list[tuple[float, dict[str, float]]]:
    """Return measured latency [s] and predicted row of every point that has a latency."""
    points = [point for point in record.points if point.latency is not None]
    predicted = predict(
        record.workload, [record.hardware], [p.batch for p in points], [record.dtype], sizes=record.sizes, catalog=catalog
    )
    return [(point.latency.si, row) for point, row in zip(points, predicted, strict=True) if point.latency is not None]


def test_there_are_records_of_two_chips_and_two_number_formats(catalog: Catalog) -> None:
    records = list(catalog.measurements)
    assert len({record.hardware for record in records}) >= 2
    assert {"fp16", "int8"} <= {record.dtype for record in records}


def test_no_measurement_beats_the_lower_bound(catalog: Catalog) -> None:
    for record in catalog.measurements:
        for measured, row in rows(catalog, record):
            assert measured >= row["latency_lower_bound_s"], (record.id, row["batch"])


def test_nine_of_ten_measurements_hold_the_latency_that_was_promised_for_them(catalog: Catalog) -> None:
    held = [measured <= row["latency_p90_s"] for record in catalog.measurements for measured, row in rows(catalog, record)]
    assert sum(held) / len(held) >= 0.9


def test_the_estimate_is_within_a_tenth_on_average(catalog: Catalog) -> None:
    errors = [
        abs(row["latency_estimate_s"] / measured - 1)
        for record in catalog.measurements
        for measured, row in rows(catalog, record)
    ]
    assert sum(errors) / len(errors) <= 0.10


def test_the_interval_of_a_fit_is_only_for_chips_of_makers_that_were_measured(catalog: Catalog) -> None:
    makers = {catalog.accelerators[record.hardware].vendor for record in catalog.measurements}
    for chip in catalog.accelerators:
        interval = catalog.constants[chip.id].interval
        assert chip.vendor in makers or interval.level == "unknown kind", chip.id


def test_a_chip_that_prints_its_matrix_array_is_counted_in_arrays(catalog: Catalog) -> None:
    for chip in catalog.accelerators:
        assert (chip.matrix_array is not None) == (catalog.constants[chip.id].form == "systolic"), chip.id
