"""The field of a search for people: where it meets a request, and what the best costs there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

Values = Sequence[Sequence[float | None]]
SHADES: Final = "░▒▓█"
NONE: Final = "·"
BEST: Final = "◆"


def shaded(values: Values, better: int) -> tuple[list[str], list[tuple[str, float, float]]]:
    """Return a line of shades for each row, the least first, and what each shade stands for.

    `better` is 1 where less is better and -1 where more is: the best cell has a mark of its own, the next the lightest shade.

    >>> shaded([[1.0, 2.0], [None, 100.0]], 1)
    (['◆░', '·█'], [('░', 1.0, 3.162), ('█', 31.62, 100.0)])
    """
    known = [value for row in values for value in row if value is not None]
    best = min(known, key=lambda value: better * value)
    scale = _scale(min(known), max(known))
    marks = [[NONE if value is None else SHADES[_shade(value, scale, better)] for value in row] for row in values]
    used = {mark for row in marks for mark in row} - {NONE}
    for row, line in zip(values, marks, strict=True):
        if best in row:
            line[row.index(best)] = BEST
            break
    ends = [float(f"{end:.4g}") for end in scale]
    steps = list(zip(SHADES if better > 0 else SHADES[::-1], ends, ends[1:], strict=False))
    legend = [step for step in steps if step[0] in used]
    return ["".join(line) for line in marks], legend if better > 0 else legend[::-1]


def _scale(low: float, high: float) -> list[float]:
    """Return the borders of the shades, in even ratios where values are above 0."""
    parts = len(SHADES)
    if low > 0:
        return [low * (high / low) ** (part / parts) for part in range(parts)] + [high]
    return [low + (high - low) * part / parts for part in range(parts)] + [high]


def _shade(value: float, scale: Sequence[float], better: int) -> int:
    place = sum(value >= border for border in scale[1:-1])
    return place if better > 0 else len(SHADES) - 1 - place


def lines(
    values: Values, better: int, down: tuple[str, Sequence[float]], across: tuple[str, Sequence[float]],
    figure: Callable[[str, float], str], worth: Callable[[float], str],
) -> list[str]:  # fmt: skip
    """Return a field with its axes, the highest row on top, and a legend."""
    rows, legend = shaded(values, better)
    (name, highs), (wide, ends) = down, across
    labels = [figure(name, highs[-1]), *[""] * (len(rows) - 2), figure(name, highs[0])] if len(rows) > 1 else [""]
    room = max(map(len, labels))
    left, right = figure(wide, ends[0]), figure(wide, ends[-1])
    width = len(rows[0])
    told = [f"{label:>{room}} {row}" for label, row in zip(labels, reversed(rows), strict=True)]
    span = f"{left}{' ' * max(1, width - len(left) - len(right))}{right}"
    shades = [f"{mark} {worth(low)} to {worth(high)}" for mark, low, high in legend]
    return [*told, f"{'':{room}} {span}", "  ".join([f"{BEST} best", *shades, f"{NONE} none meets the request"])]
