"""The pass that quantizes activations on the fly, in symbols. Source: this project's own form (docs/model.md)."""

from __future__ import annotations

from typing import Final

from .closed_form import ClosedForm
from .symbols import bandwidth, channels, operand_bytes, quantize_share, rows, source_bytes

FORMS: Final = (
    ClosedForm(
        name="quantize_s",
        expression=rows * channels * (source_bytes + operand_bytes) / (quantize_share * bandwidth),
        unit="s", source="this project, docs/model.md",
        doc="Reading activations as they are and writing them in the narrow type, as a kernel of its own.",
    ),
)  # fmt: skip
