"""Symbolic sizes: a graph with open axes is imported at several sizes, and what differs must be an expression of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.errors import closest

from ...inputs import RequestError
from .model import Graph, NodeError
from .shapes import Batching
from .writer import Line

TOKENS: Final = (128, 64, 32, 16, 8)
"""Defaults of a symbolic axis, the first that the graph allows: tables of positions may be short."""
PIXELS: Final = (224, 128)
IMAGE_AXES: Final = 4
MOST_COLOURS: Final = 4
LARGEST: Final = 8192
MAX_OPEN: Final = 3
"""Symbolic axes that may stay open: each takes two more imports."""


@dataclass(frozen=True, kw_only=True)
class Open:
    """A symbolic axis that the request left open: its name in the file and in the spec, and whether it is one of an image."""

    symbol: str
    name: str
    pixels: bool

    def points(self, attempt: int) -> tuple[int, int, int] | None:
        """Return the default and two other sizes of an attempt, or None after the last."""
        choices = PIXELS if self.pixels else TOKENS
        if attempt >= len(choices):
            return None
        default = choices[attempt]
        return (default, default - 32, default - 64) if self.pixels else (default, default // 2, default // 4)


def split(graph: Graph, how: Batching, asked: Mapping[str, int]) -> tuple[dict[str, int], list[Open]]:
    """Return the symbolic axes that the request fixes, and those that stay open. Raises RequestError for an unknown name."""
    symbols = {
        dim: _is_image(value.dims) for value in graph.inputs for dim in value.dims if isinstance(dim, str) and dim != how.symbol
    }
    names = _names(symbols)
    known = {**{symbol: symbol for symbol in symbols}, **{name: symbol for symbol, name in names.items()}}
    for name in asked:
        if name not in known:
            near = closest(name, known)
            there = f"its symbolic axes are: {', '.join(names.values()) or 'none'}; the batch is not chosen here"
            raise RequestError(f"--size: the model has no axis {name!r}; {f'did you mean {near}?' if near else there}")
    fixed = {known[name]: value for name, value in asked.items()}
    rest = [Open(symbol=s, name=names[s], pixels=pixels) for s, pixels in symbols.items() if s not in fixed]
    if len(rest) > MAX_OPEN:
        fix = " ".join(f"--size {one.name[:30]}=N" for one in rest[:8])
        raise RequestError(f"{len(rest)} symbolic axes beside the batch; at most {MAX_OPEN} may stay open, so fix some: {fix}")
    return fixed, rest


def _is_image(dims: Sequence[int | str]) -> bool:
    """Return whether an input is batch x a few colours x height x width."""
    return len(dims) == IMAGE_AXES and dims[1] in range(1, MOST_COLOURS + 1)


def _names(symbols: Iterable[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for symbol in symbols:
        plain = re.sub(r"[^A-Za-z0-9]+", "_", symbol).strip("_")[:30]
        plain = plain if plain[:1].isalpha() else f"size_{plain}".rstrip("_")
        plain = plain if plain not in ("min", "max", "ceil", "floor", "and", "or", "not", "batch") else f"size_{plain}"
        names[symbol] = plain if plain not in names.values() else f"{plain}_{len(names)}"
    return names


def fitted(values: Sequence[Any], points: Sequence[Mapping[str, int]], names: Mapping[str, str], what: str) -> Any:
    """Return what stands for values at several points: itself where all agree, else an expression of the sizes.

    The points differ from the first in one size each, twice for each size. Raises NodeError where no such expression gives all
    of the values.
    """
    first = values[0]
    if all(value == first for value in values):
        return first
    if isinstance(first, (list, tuple)) and all(isinstance(v, (list, tuple)) and len(v) == len(first) for v in values):
        return [fitted(list(part), points, names, what) for part in zip(*values, strict=True)]
    if isinstance(first, dict) and all(isinstance(v, dict) and v.keys() == first.keys() for v in values):
        return {key: fitted([v[key] for v in values], points, names, what) for key in first}
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return _affine(values, points, names, what)
    raise NodeError(_not_affine(what, names))


def _affine(values: Sequence[int], points: Sequence[Mapping[str, int]], names: Mapping[str, str], what: str) -> str:
    slopes: dict[str, int] = {}
    for symbol in names:
        for value, point in zip(values, points, strict=True):
            change = point[symbol] - points[0][symbol]
            others = any(point[other] != points[0][other] for other in names if other != symbol)
            if change and not others and symbol not in slopes:
                slope, rest = divmod(value - values[0], change)
                if rest:
                    raise NodeError(_not_affine(what, names))
                slopes[symbol] = slope
    constant = values[0] - sum(slope * points[0][symbol] for symbol, slope in slopes.items())
    for value, point in zip(values, points, strict=True):
        if value != constant + sum(slope * point[symbol] for symbol, slope in slopes.items()):
            raise NodeError(_not_affine(what, names))
    return _text(constant, {names[symbol]: slope for symbol, slope in slopes.items() if slope})


def _text(constant: int, slopes: Mapping[str, int]) -> str:
    """Return an affine expression in the grammar of specs.

    >>> _text(1, {"seq_len": 12}), _text(0, {"seq_len": 1}), _text(-3, {"height": 1, "width": -2})
    ('12 * seq_len + 1', 'seq_len', 'height - 2 * width - 3')
    """
    terms = [(slope, name if abs(slope) == 1 else f"{abs(slope)} * {name}") for name, slope in slopes.items()]
    terms += [(constant, str(abs(constant)))] if constant else []
    text = " ".join(f"{'-' if sign < 0 else '+'} {term}" for sign, term in terms)
    return text.removeprefix("+ ")


def _not_affine(what: str, names: Mapping[str, str]) -> str:
    fix = " ".join(f"--size {name}=N" for name in names.values())
    return f"{what} is no sum of multiples of the sizes {', '.join(names.values())}; fix them: {fix}"


def merged(
    runs: Sequence[Sequence[Line]], points: Sequence[Mapping[str, int]], names: Mapping[str, str], labels: Mapping[str, str]
) -> Iterator[tuple[Line | None, str, str]]:
    """Yield each line with expressions for what differs between the points; or None, and the node and why there is none."""
    heads = [[(line["op"], line["name"]) for line in run] for run in runs]
    if any(head != heads[0] for head in heads):
        place = next((i for i, row in enumerate(zip(*heads, strict=False)) if len(set(row)) > 1), min(map(len, heads)) - 1)
        label = labels.get(heads[0][place][1], "the graph") if heads[0] else "the graph"
        yield None, label, _not_affine("what it computes changes with the sizes: it", names)
        return
    for lines in zip(*runs, strict=True):
        label = labels.get(lines[0]["name"], "the graph")
        try:
            yield fitted(list(lines), points, names, "its result"), label, ""
        except NodeError as error:
            yield None, label, str(error)
