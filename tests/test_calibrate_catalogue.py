"""The fit of the constants that ship: what its intervals allow for, and that it begins at priors."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.lab.networks import FACTORS, NETWORK
from engine import load

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module", name="imported")
def benchmark_modules() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield importlib.import_module


@pytest.fixture(scope="module", name="residuals")
def residuals_module(imported: Any) -> Any:
    return imported("residuals")


@pytest.fixture(scope="module", name="fit_networks")
def fit_networks_module(imported: Any) -> Any:
    return imported("fit_networks")


def test_two_groups_are_expected_to_lie_further_apart_by_the_root_of_3(residuals: Any) -> None:
    found = residuals.expected([np.exp([0.0, 0.2]), np.exp([0.5, 0.5])])  # means 0.1 and 0.5, so 0.3 in the middle
    root = np.sqrt(3)
    assert np.log(found[0]) == pytest.approx(np.array([0.2, 0.4]) - 0.2 * root)
    assert np.log(found[1]) == pytest.approx([0.3 + 0.2 * root] * 2)


@given(st.lists(st.lists(st.floats(0.5, 2.0), min_size=1, max_size=5), min_size=1, max_size=8))
def test_what_is_expected_of_a_group_keeps_the_mean_of_all_and_the_spread_within(
    residuals: Any, groups: list[list[float]]
) -> None:
    given_ = [np.array(group) for group in groups]
    found = residuals.expected(given_)
    before, after = ([float(np.log(group).mean()) for group in each] for each in (given_, found))
    assert np.mean(after) == pytest.approx(np.mean(before), abs=1e-9)
    for known, group in zip(given_, found, strict=True):
        assert group / group[0] == pytest.approx(known / known[0])
    assert np.ptp(after) >= np.ptp(before) - 1e-9


def test_a_fit_that_moves_nothing_writes_the_priors(residuals: Any, fit_networks: Any) -> None:
    known = load().calibrations["gpu-gddr"]
    assert known.prior is not None
    assert known.prior.flop is not None
    assert known.prior.conv_factor is not None
    flat = residuals.Residuals(ratio=np.linspace(0.9, 1.1, 21), launch=np.zeros(21), batch=np.ones(21))
    written = fit_networks.with_family(known, dict.fromkeys(FACTORS, 1.0), flat)
    assert [getattr(written.network, name).si for name in NETWORK] == [getattr(known.prior, name).si for name in NETWORK]
    assert written.energy.flop.si == pytest.approx(known.prior.flop.si)
    assert written.energy.conv_factor.si == known.prior.conv_factor.si
    assert (written.prior, written.energy.cache_byte) == (known.prior, known.energy and known.energy.cache_byte)
    assert (written.interval.p10.si, written.interval.p90.si) == pytest.approx((0.92, 1.08), abs=0.005)
