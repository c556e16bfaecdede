"""How far one more sweep lies from a calibrated estimate: by hand, as laws, and where draws of a known spread lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.lab.points import Array
from advisor.lab.spread import Common, interval, pooled, standardized

COMMON = Common(p10=0.8, p90=1.25, sweeps=8.0, basis="made up")
DEVIATION = np.log(1.25) / 1.2815515655  # of the normal distribution that has these percentiles
SWEEPS = st.lists(st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=9).map(np.array), min_size=1, max_size=9)


def test_sweeps_that_lie_as_far_apart_as_all_others_give_what_all_have_in_common() -> None:
    for count in (2, 5, 50):
        low, high = interval([np.array([-DEVIATION, DEVIATION])] * count, COMMON)
        assert (low, high) == pytest.approx((0.8 ** (1 + 1 / count) ** 0.5, 1.25 ** (1 + 1 / count) ** 0.5))


def test_eight_sweeps_of_ones_own_say_as_much_as_all_others() -> None:
    _, high = interval([np.array([2 * DEVIATION])] * 8, COMMON)
    assert np.log(high) == pytest.approx(np.log(1.25) * np.sqrt(9 / 8 * (1 + 4) / 2))


def test_what_one_sweep_leaves_of_its_own_fit_widens_the_interval_and_never_narrows_it() -> None:
    least = (0.8**2**0.5, 1.25**2**0.5)
    assert interval([np.zeros(5)], COMMON) == pytest.approx(least)
    assert interval([np.full(5, DEVIATION)], COMMON) == pytest.approx(least)
    _, high = interval([np.full(5, 4 * DEVIATION)], COMMON)
    assert np.log(high) == pytest.approx(np.log(1.25) * np.sqrt(2 * (8 + 16) / 9))


@given(own=SWEEPS, more=st.floats(1.0, 3.0))
def test_an_interval_holds_one_and_the_noise_and_grows_with_the_residuals(own: list[Array], more: float) -> None:
    low, high = interval(own, COMMON)
    assert 0 < low <= 1 / 1.05
    assert high >= 1.05
    wider = interval([sweep * more for sweep in own], COMMON)
    assert wider[0] <= low * (1 + 1e-12)
    assert wider[1] >= high * (1 - 1e-12)


def test_every_host_counts_the_same_however_many_points_it_has() -> None:
    few, many = [np.array([-0.3, 0.3])], [np.zeros(1000)]
    assert pooled([few, many]) == pytest.approx((np.exp(-0.3), np.exp(0.3)), rel=0.01)  # a quarter of the weight at each end


@given(groups=st.lists(SWEEPS, min_size=1, max_size=4), scale=st.floats(0.1, 2.0))
def test_pooled_percentiles_scale_with_the_residuals(groups: list[list[Array]], scale: float) -> None:
    low, high = pooled(groups)
    assert low <= high
    scaled = pooled([[scale * sweep for sweep in group] for group in groups])
    assert np.log(scaled) == pytest.approx(scale * np.log([low, high]), abs=1e-9)


def test_nine_of_ten_new_sweeps_lie_below_the_p90_of_hosts_with_few() -> None:
    """Hosts of three sweeps, each a level of its own with noise between sweeps: the fit to a host is the mean of its sweeps."""
    random = np.random.default_rng(5)
    level, noise = random.normal(0, 0.5, (4000, 1)), random.normal(0, 0.15, (4000, 4))
    known, new = (level + noise)[:, :3], (level + noise)[:, 3]
    own = [[standardized(np.exp(row[[i]] - np.delete(row, i).mean()), 2) for i in range(3)] for row in known]
    low, high = pooled(own)
    common = Common(p10=low, p90=high, sweeps=8.0, basis="made up")
    off = new - known.mean(axis=1)
    limits = np.log([interval(one, common) for one in own])
    assert np.mean(off <= limits[:, 1]) == pytest.approx(0.9, abs=0.015)
    assert np.mean((off <= limits[:, 1]) & (off >= limits[:, 0])) == pytest.approx(0.8, abs=0.025)
