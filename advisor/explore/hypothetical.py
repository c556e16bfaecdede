"""A hypothetical chip as a spec, and what the checks of specs say about it: chips like it that were built look otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.accelerator import Accelerator, Exemption
from engine.specimen import GIVEN, specimen

from ..check import load_checks, standing
from ..chip_facts import UNITS
from ..facts import fill
from .space import Base

BECAUSE = "a hypothetical chip: nothing says that it could not be built, but none is built so"


def as_spec(base: Base, figures: Mapping[str, float], name: str) -> Accelerator:
    """Return a variant of a base as a spec that is valid: what checks find on it is excused, as of a chip that nobody built."""
    chip = specimen(base.chip, base.dtype, figures, name)
    excused = {finding.key: None for finding in load_checks().findings(chip)}
    exceptions = tuple(Exemption(check=check, at=at, because=BECAUSE, source=GIVEN) for check, at in excused)
    return chip.model_copy(update={"exceptions": exceptions})


def oddities(base: Base, figures: Mapping[str, float]) -> tuple[str, ...]:
    """Return in words what checks find on a variant of a base, and not on the base itself."""
    chip = specimen(base.chip, base.dtype, figures, "variant")
    known = {(exempt.check, exempt.at) for exempt in base.chip.exceptions}
    found = [finding for finding in load_checks().findings(chip) if finding.key not in known]
    return tuple(
        f"{fill(finding.check.found, finding.facts, UNITS)}; "
        f"expected {fill(finding.check.expected, finding.facts, UNITS)} ({finding.check.id})"
        for finding in standing(chip, found)
    )


def as_json(chip: Accelerator) -> dict[str, Any]:
    """Return a spec as plain values, as a file holds it."""
    value = chip.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    return {"$schema": "roofwise:accelerator.schema.json"} | value
