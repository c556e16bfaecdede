"""Texts that are, nearly are, or pretend to be expressions of the grammar of specs."""

from __future__ import annotations

import random
from typing import Any, Final

NAMES: Final = (
    "a", "b", "tdp_w", "seq_len", "latency_p90_s", "limit_latency_s", "nan", "inf", "__class__", "ceil", "min", "x" * 300,
)  # fmt: skip
NUMBERS: Final = (
    "0", "1", "2", "7", "0.5", "1e18", "1e-300", "999999999999999999", "1_000", "0x10", "1j", "1e400", "00", "1.", ".5",
)  # fmt: skip
VALUES: Final[tuple[Any, ...]] = (
    None, 0, 1, -1, 7, 0.5, -2.5, 1e18, 1e300, -1e300, 5e-324, float("nan"), float("inf"), 10**18, True,
)  # fmt: skip
"""What a name stands for; None is unknown."""
HOSTILE: Final = (
    "().__class__.__bases__[0].__subclasses__()", "__import__('os').system('id')", "a.__dict__", "a.real", "9**9**9", "9**9",
    "2**-1", "2**a", "(-8)**0.5", "(a**4)**4", "10**8*10**8", "(" * 200 + "1" + ")" * 200, "-" * 399 + "1", "not " * 90 + "a",
    "+".join(["a"] * 200), " and ".join(["a>1"] * 60), "1<" * 150 + "2", "max(" * 60 + "1,2" + ")" * 60, "lambda: 0",
    "[i for i in a]", "f'{a}'", "a if b else 1", "a := 3", "*a", "a[0]", "'a'*9", "'a'", "b''", "...", "None", "True", "a;b",
    "a\n+b", "a # b", "a\\\nb", "", " ", "\t", "\n", "\0", "a\0b", "\uff4d\uff41\uff58(1,2)", "ª", "é", "a\u202eb", "\ud800",
    "ceil(1,2)", "ceil()", "min()", "max(1)", "min(a=1,b=2)", "min(*a)", "log2(0)", "log2(-1)", "a%0", "a//0", "a/0", "0**0",
    "0**-1", "1e18**8", "ceil(1e18)**8", "ceil(a*1e300*1e300)", "floor(a/b)", "min(1,2)(3)", "yield", "await a", "a @ b",
    "a << 2", "~a", "a is b", "a in b", "a & b", "{a}", "{a.b}", "{a[0]}", "{a!r}", "{a:>9999999999}", "{0}", "{}", "{{", "}}",
    "{", "}", "{a:{b}}", "%(a)s", "x" * 400, "x" * 401, "1" * 399, "1" * 5000,
)  # fmt: skip
"""Texts that the grammar must refuse, or bear."""


def _grown(rng: random.Random, depth: int) -> str:
    if depth == 0 or rng.random() < 0.2:
        return rng.choice(NAMES if rng.random() < 0.5 else NUMBERS)
    left, right = _grown(rng, depth - 1), _grown(rng, depth - 1)
    return rng.choice([
        f"({left} {rng.choice(['+', '-', '*', '/', '//', '%'])} {right})",
        f"{left} {rng.choice(['<', '<=', '>', '>=', '==', '!='])} {right}",
        f"({left}) ** {rng.choice(['0', '1', '2', '0.5', '8', '9', '-1', left])}",
        f"{rng.choice(['min', 'max'])}({left}, {right})", f"{rng.choice(['ceil', 'floor', 'log2'])}({left})", f"-({left})",
        f"not ({left})", f"({left}) {rng.choice(['and', 'or'])} ({right})",
    ])  # fmt: skip


def text(rng: random.Random) -> str:
    """Return an expression, a hostile text, or one inside the other."""
    chance = rng.random()
    if chance < 0.2:
        return rng.choice(HOSTILE)
    grown = _grown(rng, rng.choice([1, 2, 3, 5]))
    if chance < 0.3:
        return grown.replace(rng.choice(NAMES), f"({rng.choice(HOSTILE)})", 1)
    if chance < 0.35:
        at = rng.randrange(len(grown) + 1)
        return grown[:at] + rng.choice("()[]{}.,:;'\"\\@#$ \0é=!") + grown[at + rng.randrange(2) :]
    return grown
