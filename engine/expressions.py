"""The safe expression grammar of specs: sizes in workloads, conditions in rules, objectives in profiles.

Names, numbers, ``+ - * / // % **``, ``ceil floor log2 min max``, comparisons, ``and or not``. A text is parsed into Python's
syntax tree and only the nodes listed here are accepted; nothing is ever evaluated as Python. Length, depth and
exponents are bounded, so that a hostile text is refused at once.

Conditions follow Kleene's three-valued logic: an unknown fact (None, or NaN in an array) makes a comparison
unknown, unless the rest of the condition decides it.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any, Final

import numpy as np

from . import ranges
from .errors import ExpressionError, closest

MAX_LENGTH: Final = 400
MAX_DEPTH: Final = 24
MAX_EXPONENT: Final = 8
MAX_NUMBER: Final = 1e18

_BINARY: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARE: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "ceil": math.ceil,
    "floor": math.floor,
    "log2": math.log2,
    "min": min,
    "max": max,
}
_SINGLE: Final = ("ceil", "floor", "log2")


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression: its text, the names that occur in it, and its checked syntax tree."""

    text: str
    names: frozenset[str]
    tree: ast.expr

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """Return the value of the expression: a number, a truth value, or None when an unknown value decides.

        Raises ExpressionError for a name without value, a division by zero and a result that is not finite.

        >>> parse("ceil(image / 2) * 3")({"image": 7})
        12
        >>> parse("a > 1 and b > 1")({"a": None, "b": 0})
        False
        """
        try:
            return _finite(_evaluate(self.tree, values, _SINGLE_VALUES), self.text)
        except ZeroDivisionError as error:
            raise ExpressionError(f"{self.text!r} divides by zero") from error
        except (OverflowError, TypeError, ValueError) as error:
            raise ExpressionError(f"{self.text!r} has no value here: {error}") from error

    def over(self, values: Mapping[str, Any]) -> Any:
        """Return the expression over arrays (broadcast); truth is 1.0, 0.0 or NaN for unknown.

        >>> parse("a > 1 and b > 1").over({"a": np.array([np.nan, np.nan, 2.0]), "b": np.array([0.0, 2.0, 2.0])})
        array([ 0., nan,  1.])
        """
        with np.errstate(all="ignore"):
            return np.asarray(_evaluate(self.tree, values, _ARRAYS), dtype=float)

    def between(self, values: Mapping[str, ranges.Range]) -> ranges.Range:
        """Return bounds of the expression where its facts lie between bounds (broadcast).

        >>> found = parse("a * 2 > b").between({"a": ranges.Range.of(1.0, 2.0), "b": ranges.Range.of(1.0, 1.5)})
        >>> bool(found.may_be_false), bool(found.may_be_true)
        (False, True)
        """
        with np.errstate(all="ignore"):
            found: ranges.Range = _evaluate(self.tree, values, _RANGES)
        return found


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Return the checked expression of a text.

    Raises ExpressionError, with the place and the reason, for anything outside the grammar or its bounds.

    >>> sorted(parse("2 * seq_len * min(hidden, 64)").names)
    ['hidden', 'seq_len']
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"the expression has {len(text)} characters; at most {MAX_LENGTH} are allowed")
    if not text.isascii():
        raise ExpressionError(f"{text!r} has characters that are not ASCII")
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ExpressionError(f"{text!r} is not an expression") from error
    _check(tree, text, 0)
    names = frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)) - _FUNCTIONS.keys()
    return Expression(text, names, tree)


def check_names(expression: Expression, known: AbstractSet[str]) -> None:
    """Raise ExpressionError for the first name of `expression` that is not `known`, with the nearest that is."""
    for name in sorted(expression.names - known):
        near = closest(name, known)
        hint = f"; did you mean {near}?" if near else ""
        raise ExpressionError(f"{expression.text!r} uses the unknown name {name!r}{hint}")


def _finite(value: Any, text: str) -> Any:
    if isinstance(value, complex) or (isinstance(value, float) and not math.isfinite(value)):
        raise ExpressionError(f"{text!r} is {value} here; it must be a finite number")
    return value


def _refuse(node: ast.AST, text: str, what: str) -> ExpressionError:
    place = getattr(node, "col_offset", 0) + 1
    return ExpressionError(f"{text!r}, character {place}: {what}")


def _check(node: ast.AST, text: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _refuse(node, text, f"nested deeper than {MAX_DEPTH} levels")
    for child in _children(node, text):
        _check(child, text, depth + 1)


def _children(node: ast.AST, text: str) -> list[ast.expr]:
    """Return the operands of an accepted node; raise for any other node."""
    match node:
        case ast.Name(id=name) if name not in _FUNCTIONS:
            return []
        case ast.Constant(value=value):
            _check_number(node, text, value)
            return []
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            if isinstance(op, ast.Pow):
                _check_power(left, right, text)
            return [left, right]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not(), operand=operand):
            return [operand]
        case ast.BoolOp(values=values):
            return values
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARE for op in ops):
            return [left, *others]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS and args:
            if (len(args) == 1) != (name in _SINGLE):
                raise _refuse(node, text, f"{name} takes {'one value' if name in _SINGLE else 'two or more values'}")
            return args
        case _:
            raise _refuse(
                node,
                text,
                f"{type(node).__name__} is not allowed; use numbers, names, + - * / // % **, "
                "ceil floor log2 min max, comparisons, and/or/not",
            )


def _check_number(node: ast.AST, text: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _refuse(node, text, f"{value!r} is not a number")
    if not abs(value) <= MAX_NUMBER:
        raise _refuse(node, text, f"the number is above {MAX_NUMBER:g}")


def _check_power(base: ast.expr, exponent: ast.expr, text: str) -> float:
    value = exponent.value if isinstance(exponent, ast.Constant) else None
    if not isinstance(value, (int, float)) or not 0 <= value <= MAX_EXPONENT:
        raise _refuse(exponent, text, f"an exponent must be a number from 0 to {MAX_EXPONENT}")
    inner = [node.right for node in ast.walk(base) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)]
    for power in inner:
        value *= max(1, _check_power(base=ast.Constant(1), exponent=power, text=text))
    if value > MAX_EXPONENT:
        raise _refuse(base, text, f"powers of powers may reach {MAX_EXPONENT} in all")
    return value


@dataclass(frozen=True, slots=True)
class _Algebra:
    """How the grammar's operators work on one kind of value: single values, or arrays in which NaN is unknown."""

    constant: Callable[[float], Any]
    look_up: Callable[[str, Mapping[str, Any]], Any]
    apply: Callable[..., Any]
    connect: Callable[[Sequence[Any], bool], Any]
    negate: Callable[[Any], Any]
    functions: Mapping[str, Callable[..., Any]]


def _evaluate(node: ast.expr, values: Mapping[str, Any], algebra: _Algebra) -> Any:
    match node:
        case ast.Constant(value=int() | float() as value):
            return algebra.constant(value)
        case ast.Name(id=name):
            return algebra.look_up(name, values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return algebra.negate(_evaluate(operand, values, algebra))
        case ast.UnaryOp(op=op, operand=operand):
            function = operator.neg if isinstance(op, ast.USub) else operator.pos
            return algebra.apply(function, _evaluate(operand, values, algebra))
        case ast.BoolOp(op=op, values=parts):
            return algebra.connect([_evaluate(part, values, algebra) for part in parts], isinstance(op, ast.Or))
        case ast.BinOp(left=left, op=op, right=right):
            operands = [_evaluate(part, values, algebra) for part in (left, right)]
            return algebra.apply(_BINARY[type(op)], *operands)
        case ast.Compare(left=left, ops=ops, comparators=others):
            operands = [_evaluate(part, values, algebra) for part in (left, *others)]
            pairs = zip(ops, operands, operands[1:], strict=False)
            truths = [algebra.apply(_COMPARE[type(op)], a, b) for op, a, b in pairs]
            return algebra.connect(truths, False) if len(truths) > 1 else truths[0]
        case ast.Call(func=ast.Name(id=name), args=args):
            return algebra.apply(algebra.functions[name], *(_evaluate(part, values, algebra) for part in args))
        case _:  # pragma: no cover - parse() lets nothing else through
            raise ExpressionError(f"{type(node).__name__} is not allowed")


def _value(name: str, values: Mapping[str, Any]) -> Any:
    if name not in values:
        near = closest(name, values)
        raise ExpressionError(f"no value for {name!r}" + (f"; did you mean {near}?" if near else ""))
    return values[name]


def _single(name: str, values: Mapping[str, Any]) -> Any:
    value = _value(name, values)
    return None if isinstance(value, float) and math.isnan(value) else value


def _array(name: str, values: Mapping[str, Any]) -> Any:
    """Return the values of a name as an array: of plain numbers Python would refuse a remainder by 0, which is unknown."""
    return np.asarray(_value(name, values))


def _apply_single(function: Callable[..., Any], *operands: Any) -> Any:
    return None if any(operand is None for operand in operands) else function(*operands)


def _connect_single(parts: Sequence[Any], deciding: bool) -> bool | None:
    """Return Kleene's or (`deciding` True) or and (`deciding` False) of truth values that may be unknown."""
    known = [bool(part) for part in parts if part is not None]
    if deciding in known:
        return deciding
    return None if len(known) < len(parts) else not deciding


def _apply_array(function: Callable[..., Any], *operands: Any) -> Any:
    found = function(*operands)
    if function in _SPREADING:
        return found
    unknown = reduce(np.logical_or, map(np.isnan, operands))
    return np.where(unknown, np.nan, found)


_SPREADING: Final = frozenset({operator.add, operator.sub, operator.mul, operator.truediv, operator.neg, operator.pos})
"""What is not a number where one of its operands is none; comparisons and powers may be."""


def _truth(values: Any) -> Any:
    return np.where(np.isnan(values), np.nan, np.not_equal(values, 0))


def _connect_array(parts: Sequence[Any], deciding: bool) -> Any:
    if len(parts) == 1:
        return _truth(parts[0])
    unknown = reduce(np.logical_or, map(np.isnan, parts))
    decided = reduce(np.logical_or, [np.not_equal(p, 0) & ~np.isnan(p) if deciding else np.equal(p, 0) for p in parts])
    return np.where(decided, float(deciding), np.where(unknown, np.nan, float(not deciding)))


_ARRAY_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "ceil": np.ceil,
    "floor": np.floor,
    "log2": np.log2,
    "min": lambda *values: reduce(np.minimum, values),
    "max": lambda *values: reduce(np.maximum, values),
}
_SINGLE_VALUES = _Algebra(
    constant=lambda value: value,
    look_up=_single,
    apply=_apply_single,
    connect=_connect_single,
    negate=lambda truth: None if truth is None else not truth,
    functions=_FUNCTIONS,
)
_ARRAYS = _Algebra(
    constant=np.float64,
    look_up=_array,
    apply=_apply_array,
    connect=_connect_array,
    negate=lambda values: 1.0 - _truth(values),
    functions=_ARRAY_FUNCTIONS,
)
_RANGES = _Algebra(
    constant=lambda value: ranges.Range.of(np.float64(value), np.float64(value)),
    look_up=_value,
    apply=ranges.apply,
    connect=ranges.connect,
    negate=ranges.negate,
    functions=_FUNCTIONS,
)
