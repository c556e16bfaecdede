"""The law of clock and voltage beside silicon: an H100 whose power limit was lowered, and how much slower it became."""

from __future__ import annotations

import math

import pytest
import strategies

from engine import _compiled as forms

FULL_W = 647.0
"""What ViT-L/16 at batch 256 in TF32 draws on an H100 of 700 W at full clock."""
CLOCKS = {199.0: 625, 298.0: 1132, 395.0: 1501, 493.0: 1731, 591.0: 1889, FULL_W: 1969}
"""Its draw [W] -> its clock [MHz] under limits of 200 to 700 W: Ujeniya and others 2026, arXiv 2604.11391, figures 6b and 9b.
The law's constants were fitted to these, read as others had transcribed them."""
TRAINED = {200.0: 9699.3, 300.0: 17982.3, 400.0: 24853.4, 500.0: 27705.3, 600.0: 29250.0, 700.0: 30271.0}
"""The limit [W] -> tokens of Llama-3 8B a second in training on such a chip: Mayr and others 2026, arXiv 2603.16164, table 4.
No fit saw them."""


def speed(limit_w: float, full_w: float) -> float:
    """Return the rate within a limit over that at full clock, of a pass that draws `full_w` there."""
    chip = strategies.catalog().machine("nvidia-h100-sxm", "tf32")
    watts = {"idle_w": chip.idle_w, "static_w": chip.static_w}
    power_s = forms.power_limit_s(dynamic_j=full_w - chip.idle_w, sequence_s=1.0, tdp_w=limit_w, **watts)
    limited = forms.power_limited_s(
        sequence_s=1.0, power_s=power_s, voltage_span=chip.voltage_span, voltage_exponent=chip.voltage_exponent
    )
    return 1 / float(limited)


@pytest.mark.parametrize("draw", CLOCKS)
def test_the_clock_within_a_limit_is_that_of_an_h100(draw: float) -> None:
    assert speed(draw, FULL_W) == pytest.approx(CLOCKS[draw] / CLOCKS[FULL_W], rel=0.04)


@pytest.mark.parametrize("limit", TRAINED)
def test_the_rate_within_a_limit_is_that_of_a_training_that_no_fit_saw(limit: float) -> None:
    """Nobody says what it draws at full clock: as much as the pass above, it is taken."""
    assert speed(min(limit, FULL_W), FULL_W) == pytest.approx(TRAINED[limit] / TRAINED[700.0], rel=0.08)


def test_a_limit_never_met_changes_nothing_and_one_met_is_kept_to() -> None:
    assert speed(700.0, 600.0) == 1
    for limit in (120.0, 250.0, 500.0, 640.0):
        chip = strategies.catalog().machine("nvidia-h100-sxm", "tf32")
        limited_s = 1 / speed(limit, FULL_W)
        spent = forms.limited_energy_j(dynamic_j=FULL_W - chip.idle_w, idle_w=chip.idle_w, tdp_w=limit, limited_s=limited_s)
        if limit > chip.idle_w:
            assert chip.idle_w + float(spent) / limited_s == pytest.approx(limit)


def test_without_a_law_of_the_voltage_the_longer_time_counts() -> None:
    chip = strategies.catalog().machine("google-tpu-v4", "bf16")
    assert (chip.voltage_span, chip.static_w) == (1.0, chip.idle_w)
    for power_s in (0.5, 1.0, 2.0):
        law = {"voltage_span": 1.0, "voltage_exponent": chip.voltage_exponent}
        assert math.isclose(float(forms.power_limited_s(sequence_s=1.0, power_s=power_s, **law)), max(1.0, power_s))
