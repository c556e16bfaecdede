"""The safe grammar: values by hand, three-valued logic, one meaning for single values and arrays, and hostile texts."""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from typing import Any

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ExpressionError
from engine.expressions import MAX_DEPTH, MAX_LENGTH, Expression, check_names, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("7 % 4", 3),
        ("7 / 2", 3.5),
        ("2 ** 8", 256),
        ("(2 ** 3) ** 2", 64),
        ("-2 ** 2", -4),
        ("+a", 5),
        ("ceil(a / 2)", 3),
        ("floor(a / 2)", 2),
        ("min(a, 3, 9)", 3),
        ("max(a, 3, 9)", 9),
        ("log2(a + 3)", 3),
        ("log2(1 / 4)", -2),
        ("1e3", 1000.0),
        ("  a  ", 5),
        ("1 < a <= 5", True),
        ("1 < a < 5", False),
        ("a == 5 and a != 4", True),
        ("not a > 5 or a < 0", True),
        ("a > 1 and a > 2 and a > 5", False),
    ],
)
def test_values_by_hand(text: str, value: float) -> None:
    assert parse(text)({"a": 5}) == value


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("x > 1", None),
        ("not x > 1", None),
        ("x > 1 and yes == 1", None),
        ("x > 1 and yes == 0", False),
        ("yes == 0 and x > 1", False),
        ("x > 1 or yes == 1", True),
        ("yes == 1 or x > 1", True),
        ("x > 1 or yes == 0", None),
        ("0 < x < 1", None),
        ("2 < yes < x", False),
        ("max(x, 9) > 1", None),
        ("x == x", None),
    ],
)
def test_unknown_decides_only_where_nothing_else_does(text: str, truth: bool | None) -> None:
    expression = parse(text)
    assert expression({"x": None, "yes": 1}) is truth
    assert expression({"x": math.nan, "yes": 1}) is truth
    row = float(expression.over({"x": np.array([math.nan]), "yes": np.array([1.0])})[0])
    assert math.isnan(row) if truth is None else row == truth


def _agree(expression: Expression, facts: list[dict[str, Any]]) -> None:
    """Compare the single values with the arrays wherever the single value exists."""
    columns = {
        name: np.array([math.nan if row[name] is None else row[name] for row in facts], dtype=float)
        for name in strategies.NAMES
    }
    singles: list[Any] = []
    for row in facts:
        try:
            singles.append(expression(row))
        except ExpressionError:
            singles.append(ExpressionError)
    if all(single is ExpressionError for single in singles):
        return
    together = np.broadcast_to(expression.over(columns), (len(facts),))
    for single, value in zip(singles, together, strict=True):
        if single is ExpressionError:
            continue
        assert math.isnan(value) if single is None else value == pytest.approx(float(single), rel=1e-9)


@given(text=strategies.conditions(), facts=st.lists(strategies.facts(), min_size=1, max_size=6))
def test_conditions_over_arrays_are_the_single_truths(text: str, facts: list[dict[str, Any]]) -> None:
    if len(text) <= MAX_LENGTH:
        _agree(parse(text), facts)


@given(text=strategies.numbers(), facts=st.lists(strategies.facts(), min_size=1, max_size=6))
def test_numbers_over_arrays_are_the_single_values(text: str, facts: list[dict[str, Any]]) -> None:
    if len(text) <= MAX_LENGTH:
        _agree(parse(text), facts)


def test_an_unknown_to_the_power_0_means_the_same_over_arrays() -> None:
    _agree(parse("a ** 0"), [{"a": None, "b": 0.0, "c": 0.0}, {"a": 2.0, "b": 0.0, "c": 0.0}])


@pytest.mark.parametrize("text", ["not a", "a or b", "a and b", "not (a and b)"])
def test_a_number_taken_for_truth_means_the_same_over_arrays(text: str) -> None:
    try:
        expression = parse(text)
    except ExpressionError:
        return
    _agree(expression, [{"a": 5.0, "b": 0.0, "c": 0.0}, {"a": 0.0, "b": 3.0, "c": 0.0}, {"a": 5.0, "b": 3.0, "c": 0.0}])


HOSTILE = {
    "import": "__import__('os').system('x')",
    "10,000 characters": "1+" * 5000 + "1",
    "power tower": "9**9**9",
    "large exponent": "2**9",
    "negative exponent": "2**-1",
    "computed exponent": "2**(4+4)",
    "named exponent": "2**a",
    "boolean exponent": "2**True",
    "attribute": "a.__class__",
    "attribute of a number": "(1).real",
    "subscript": "a[0]",
    "lambda": "lambda: 1",
    "comprehension": "[x for x in (1, 2)]",
    "generator": "max(x for x in (1, 2))",
    "f-string": "f'{a}'",
    "string": "'a' * 9",
    "bytes": "b'a'",
    "walrus": "(a := 1)",
    "conditional": "1 if a else 2",
    "tuple": "1, 2",
    "set": "{1}",
    "dictionary": "{1: 2}",
    "starred": "max(*a)",
    "keyword": "max(a, b, key=a)",
    "unknown function": "exec(1)",
    "method": "a.b(1)",
    "call of a call": "max(1, 2)(3)",
    "one value to max": "max(1)",
    "two values to ceil": "ceil(1, 2)",
    "no value": "ceil()",
    "true": "True",
    "false": "a > 1 and False",
    "none": "None",
    "ellipsis": "...",
    "complex": "1j",
    "infinite": "1e999",
    "huge integer": "9" * 300,
    "above the largest number": "1e19",
    "bit shift": "1 << 99",
    "bit and": "a & b",
    "bit not": "~a",
    "matrix product": "a @ b",
    "membership": "a in b",
    "identity": "a is b",
    "await": "await a",
    "yield": "(yield)",
    "two statements": "a; b",
    "assignment": "a = 1",
    "two lines": "a\nb",
    "nothing": "",
    "blanks": "   ",
    "null byte": "a\x00 + 1",
    "lone surrogate": "\ud800",
    "exponent of an exponent": "2 ** 3 ** 1",
    "deep calls": "ceil(" * 60 + "1" + ")" * 60,
    "deep minus": "-" * 390 + "1",
    "deep not": "not " * 90 + "1",
    "deep sum": "+".join(["1"] * (MAX_DEPTH + 2)),
    "fullwidth digit": "\uff11 + 1",
    "fullwidth function": "\uff43\uff45\uff49\uff4c(1.5)",
    "Cyrillic a": "\u0430 > 1",
    "minus sign": "3 \u2212 1",
    "right-to-left override": "\u202e1 + a",
    "unclosed": "(1",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_refused_at_once(text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert time.perf_counter() - start < 0.2
    assert len(str(caught.value)) < 2 * MAX_LENGTH


def test_nested_powers_are_refused_or_evaluated_at_once() -> None:
    # each level multiplies the number of digits by eight: six give 250,000 digits, nine would give 10^8
    text = "9"
    for _ in range(6):
        text = f"({text}**8)"
    with pytest.raises(ExpressionError):
        parse(text)({})


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("a * a", {"a": 1e200}),
        ("a - a", {"a": math.inf}),
        ("a + 1", {"a": math.inf}),
        ("(1e18 ** 8) * (1e18 ** 8) * (1e18 ** 8)", {}),
        ("(0 - 8) ** 0.5", {}),
        ("1 / a", {"a": 0}),
        ("1 // a", {"a": 0}),
        ("1 % a", {"a": 0}),
    ],
)
def test_a_result_that_is_no_finite_real_number_is_refused(text: str, facts: dict[str, float]) -> None:
    with pytest.raises(ExpressionError):
        parse(text)(facts)


@pytest.mark.parametrize("text", ["1 / 0", "1 // 0", "9**8 * 9**8 * 9**8 > a"])
def test_constants_over_arrays_raise_nothing_foreign(text: str) -> None:
    try:
        parse(text).over({"a": np.array([1.0, 2.0])})
    except ExpressionError:
        return


@given(st.text(max_size=60))
def test_any_text_is_refused_or_an_expression(text: str) -> None:
    try:
        assert isinstance(parse(text), Expression)
    except ExpressionError:
        return


@given(st.text(alphabet="ab10. ()+-*/%<>=!,'\"_[]{}:\n", max_size=30), strategies.facts())
def test_text_of_the_grammars_letters_is_refused_or_has_a_value(text: str, facts: dict[str, Any]) -> None:
    try:
        value = parse(text)(facts)
    except ExpressionError:
        return
    assert value is None or isinstance(value, (int, float))


def test_parsing_prints_no_warning() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with contextlib.suppress(ExpressionError):
            parse("31or 32")
    assert not caught


def test_a_refusal_names_the_place_and_the_reason() -> None:
    with pytest.raises(ExpressionError, match=r"'1 \+ a\.b', character 5: Attribute is not allowed; use numbers"):
        parse("1 + a.b")


def test_names_are_those_that_need_a_value() -> None:
    assert parse("ceil(a / b) + max(a, 2)").names == {"a", "b"}
    with pytest.raises(ExpressionError, match="no value for 'seq_lem'; did you mean seq_len"):
        parse("seq_lem")({"seq_len": 1})


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    check_names(parse("latency_s > 1"), {"latency_s"})
    with pytest.raises(ExpressionError, match=r"unknown name 'latency'; did you mean latency_s\?"):
        check_names(parse("latency > 1"), {"latency_s", "batch"})


def test_a_function_is_no_name() -> None:
    with pytest.raises(ExpressionError):
        check_names(parse("ceil > 1"), {"a"})


@pytest.mark.parametrize("text", ["a % b", "7 % b", "-(a % (b - b))"])
def test_over_plain_numbers_a_remainder_by_0_is_unknown(text: str) -> None:
    assert np.isnan(parse(text).over({"a": 7.0, "b": 0.0}))
