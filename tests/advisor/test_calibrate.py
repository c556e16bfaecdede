"""Calibrating a chip of one's own: what a fit recovers, what it leaves alone, and the spec that comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.report.calibration import spec_text
from engine.calibration import Calibration
from engine.catalog import load_document
from engine.documents import read_file, read_text

SHIPPED = sorted((Path(__file__).parents[2] / "specs/calibrations").glob("*.json"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_calibration_that_is_printed_and_read_again_is_the_same(path: Path) -> None:
    shipped, _ = load_document(read_file(path), Calibration)
    assert shipped is not None
    again, faults = load_document(read_text(spec_text(shipped), "again.json"), Calibration)
    assert faults == []
    assert again is not None
    assert again.model_dump() == shipped.model_dump()
