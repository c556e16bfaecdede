"""Units: the one table, what people type, and what they read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UnitError
from engine.units import UNITS, factor, parse, render, significant

TYPED = ("time", "energy", "power", "size", "bandwidth", "rate", "work")
RENDERED = (*TYPED, "throughput")


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("10ms", "time", 0.01),
        ("10 ms", "time", 0.01),
        ("  1.5e3 us ", "time", 1.5e-3),
        ("2h", "time", 7200.0),
        ("10 \u00b5s", "time", 1e-5),
        ("75W", "power", 75.0),
        ("0.5 kW", "power", 500.0),
        ("5mJ", "energy", 5e-3),
        ("16GB", "size", 16e9),
        ("16 GiB", "size", 16 * 2**30),
        ("3.35 TB/s", "bandwidth", 3.35e12),
        ("2000/s", "throughput", 2000.0),
        ("2k/s", "throughput", 2000.0),
        ("12 / s", "throughput", 12.0),
        ("989.4 TFLOP/s", "rate", 989.4e12),
        ("4.09 GMAC", "work", 8.18e9),
    ],
)
def test_typed_quantities_by_hand(text: str, dimension: str, value: float) -> None:
    assert parse(text, dimension) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        ("10parsecs", "time"),
        ("-1ms", "time"),
        ("0s", "time"),
        ("nan", "time"),
        ("nan s", "time"),
        ("inf", "time"),
        ("-inf s", "time"),
        ("1e400 s", "time"),
        ("", "time"),
        ("   ", "time"),
        ("ms", "time"),
        ("ten ms", "time"),
        ("10", "time"),
        ("10m", "time"),
        ("10 ms ms", "time"),
        ("10ms; 20ms", "time"),
        ("10 GB", "time"),
        ("16G", "size"),
        ("24gb", "size"),
        ("10ms", "size"),
        ("2000", "throughput"),
        ("2000 s", "throughput"),
        ("2000 fps", "throughput"),
        ("5/ms", "throughput"),
        ("75 J", "power"),
    ],
)
def test_what_is_no_quantity_is_refused_with_its_value_and_a_remedy(text: str, dimension: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse(text, dimension)
    assert repr(text.strip()).strip("'") in str(caught.value)
    assert "write a number above 0 and a unit, as in" in str(caught.value)


def test_a_quantity_is_never_cut_short() -> None:
    with pytest.raises(UnitError, match="characters"):
        parse("1" * 98 + "ms and more", "time")


def test_a_long_text_is_refused_with_a_short_message() -> None:
    with pytest.raises(UnitError) as caught:
        parse("1" * 10_000 + "parsecs", "time")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("dimension", TYPED)
def test_every_unit_of_the_table_can_be_typed(dimension: str) -> None:
    typed = {unit: parse(f"3 {unit}", dimension) for unit in UNITS[dimension]}
    assert typed == {unit: pytest.approx(3 * scale, rel=1e-12) for unit, scale in UNITS[dimension].items()}


@pytest.mark.parametrize("dimension", UNITS)
def test_every_unit_has_a_finite_factor_above_0(dimension: str) -> None:
    assert UNITS[dimension]
    for unit, scale in UNITS[dimension].items():
        assert math.isfinite(scale)
        assert scale > 0
        assert factor(dimension, unit) == scale


def test_prefixes_are_thousands_and_binary_ones_powers_of_1024() -> None:
    assert [factor("bandwidth", f"{prefix}B/s") for prefix in "kMGTPE"] == [1e3, 1e6, 1e9, 1e12, 1e15, 1e18]
    assert [factor("size", f"{prefix}B") for prefix in ("Ki", "Mi", "Gi", "Ti")] == [2**10, 2**20, 2**30, 2**40]
    assert [factor("time", f"{prefix}s") for prefix in "munpf"] == [1e-3, 1e-6, 1e-9, 1e-12, 1e-15]


def test_a_mac_is_two_flop_and_vendors_op_is_our_flop() -> None:
    assert factor("work", "GMAC") == 2 * factor("work", "GFLOP")
    assert factor("rate", "TOP/s") == factor("rate", "TFLOP/s")


def test_a_unit_of_another_dimension_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnitError, match=r"'tb/s' is no unit of bandwidth; did you mean TB/s\?"):
        factor("bandwidth", "tb/s")
    with pytest.raises(UnitError, match="'parsec' is no unit of width; use one of bit"):
        factor("width", "parsec")


@pytest.mark.parametrize(
    ("value", "dimension", "text"),
    [
        (0.0048, "time", "4.8 ms"),
        (0.0099951, "time", "10 ms"),
        (9.994e-4, "time", "999 us"),
        (9.996e-4, "time", "1 ms"),
        (3600.0, "time", "3.6 ks"),
        (0.0, "time", "0 s"),
        (math.nan, "time", "nan s"),
        (math.inf, "power", "inf W"),
        (-0.0048, "time", "-4.8 ms"),
        (3.35e12, "bandwidth", "3.35 TB/s"),
        (80e9, "size", "80 GB"),
        (989.4e12, "rate", "989 TFLOP/s"),
        (1250.4, "throughput", "1,250/s"),
        (0.25, "throughput", "0.25/s"),
    ],
)
def test_rendered_quantities_by_hand(value: float, dimension: str, text: str) -> None:
    assert render(value, dimension) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (12345.6, 3, "12,346"),
        (0.012345, 3, "0.0123"),
        (24.0, 3, "24"),
        (100.0, 3, "100"),
        (1200.0, 2, "1,200"),
        (1.005, 2, "1"),
        (0.0, 3, "0"),
        (-2.5, 3, "-2.5"),
        (11174215680.0, 6, "11,174,215,680"),
    ],
)
def test_significant_digits_by_hand(value: float, digits: int, text: str) -> None:
    assert significant(value, digits) == text


@given(st.sampled_from(RENDERED), st.floats(1e-10, 9.9e17))
def test_what_is_rendered_parses_back_within_1_percent(dimension: str, value: float) -> None:
    assert parse(render(value, dimension), dimension) == pytest.approx(value, rel=0.01)
