"""What ships and what a fit writes of it: calibrations with their sources, values to the digits that specs have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from advisor.lab.fitted import rounded as fitted_digits
from advisor.lab.points import Array
from engine.calibration import Calibration
from engine.catalog import Catalog, Entry
from engine.quantity import Source

DATA: Final = Path(__file__).resolve().parents[2] / "shared" / "measurements"
SPECS: Final = Path(__file__).resolve().parents[1] / "specs" / "calibrations"
FIT: Final = "fit"
SCHEMA: Final = "../../schemas/calibration.schema.json"
FAMILIES: Final = {"gpu-hbm": "HBM", "gpu-gddr": "GDDR"}
"""Calibration of a family -> what the memory of its chips is called."""


def with_calibrations(catalog: Catalog, changed: Mapping[str, Calibration]) -> Catalog:
    """Return the catalogue with other calibrations, for the fits that stand on them: kernels have the energy of networks."""
    shelf = catalog.calibrations
    entries = {name: Entry(model=model, file=str(SPECS / f"{name}.json"), ours=True) for name, model in changed.items()}
    return replace(catalog, calibrations=replace(shelf, entries=shelf.entries | entries))


def chip_family(hardware: str) -> str:
    """Return what is left out together: a chip and its variants."""
    return next((name for name in ("a100", "h100", "v100", "p100") if name in hardware), hardware)


def rounded(value: float) -> float:
    """Return a value to three digits."""
    return float(f"{value:.3g}")


def share(value: float) -> dict[str, Any]:
    """Return a ratio as a spec has it."""
    return {"value": rounded(value), "unit": "1", "source": FIT}


def ratio(value: float) -> dict[str, Any]:
    """Return a ratio of an interval, to the four digits that `advise calibrate` writes: choices turn on the third."""
    return {"value": fitted_digits(value), "unit": "1", "source": FIT}


def refitted(known: Any, si: float) -> Any:
    """Return a quantity with a fitted value in its own unit, given in the base unit; its note stays."""
    return known.model_copy(update={"value": rounded(si * known.value / known.si), "source": FIT})


def sources() -> dict[str, Source]:
    """Return the source of everything that this benchmark fits."""
    return {
        FIT: Source(
            title="Fit by benchmarks/calibrate_catalogue.py to published measurements; docs/accuracy.md has data and errors",
            publisher="Roofwise", date=datetime.now(tz=UTC).date().isoformat(),
        )
    }  # fmt: skip


def chip_calibration(catalog: Catalog, hardware: str) -> Calibration:
    """Return the calibration that a chip has, or an empty one."""
    if hardware in catalog.calibrations.entries:
        return catalog.calibrations[hardware]
    chip = catalog.accelerators[hardware]
    return Calibration.model_validate(
        {
            "$schema": SCHEMA,
            "id": hardware,
            "name": f"{chip.name}, as measured",
            "applies_to": {"hardware": [hardware]},
            "sources": sources(),
        }
    )


def figures(errors: Array) -> str:
    """Return the errors of one kind in a line."""
    median, mean, bias = 100 * np.median(abs(errors)), 100 * abs(errors).mean(), 100 * errors.mean()
    return f"{len(errors):7} points  median {median:5.1f} %  mean {mean:5.1f} %  bias {bias:+5.1f} %"
