"""Graphs of transformers, in the lines of a workload spec: what language models share around their layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final, Literal

Line = dict[str, Any]
Phase = Literal["prefill", "decode"]
Logits = Literal["last", "all"]

TOKENS: Final = 2048
"""Tokens of a prompt, or of the context of one step, which is at most half of the positions."""
ROTARY: Final = "rotary positions: they ride on the projection before attention"
NO_SAMPLING: Final = "sampling, and whatever stands before the tokens and behind the logits"


@dataclass(frozen=True, kw_only=True)
class Model:
    """What a configuration describes: sizes, inputs and lines of a graph."""

    task: str
    sizes: Mapping[str, tuple[int, int, int, str]]
    """Default, minimum, maximum and unit by name."""
    inputs: Mapping[str, list[Any]]
    graph: Sequence[Line]
    not_modelled: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Language:
    """A language model but for the lines of its layers: vocabulary, positions, the last norm and the head."""

    vocabulary: int
    width: int
    positions: int
    """Tokens that it can have at most."""
    layers: Sequence[Line]
    learned: int | None = None
    """Rows of a table of positions."""
    norm: Line | None = field(default_factory=lambda: {"scale_only": True})
    tied: bool
    head: bool = True
    prompt: int = TOKENS


def language_sizes(model: Language, phase: Phase, logits: Logits) -> dict[str, tuple[int, int, int, str]]:
    """Return the sizes of a language model: the tokens of a pass, those in the cache, and those that get logits."""
    most = model.positions
    prompt = min(model.prompt, most)
    sizes = {
        "seq_len": (prompt if phase == "prefill" else 1, 1, most, "token"),
        "context": (0 if phase == "prefill" else min(TOKENS, most // 2), 0, most, "token"),
    }
    if model.head:
        sizes["logits"] = (1 if logits == "last" else most, 1, most, "token")
    return sizes


def language_graph(model: Language) -> list[Line]:
    """Return the lines of a language model, from its tokens to its logits."""
    return [*_embedded(model), *model.layers, *_ending(model)]


def _embedded(model: Language) -> list[Line]:
    words = {"op": "embedding", "name": "words", "inputs": ["tokens"], "rows": model.vocabulary, "width": model.width}
    if model.learned is None:
        return [words]
    return [
        words,
        {"op": "embedding", "name": "positions", "inputs": ["tokens"], "rows": model.learned, "width": model.width},
        {"op": "elementwise", "name": "embedded", "inputs": ["words", "positions"], "function": "add"},
    ]


def _ending(model: Language) -> list[Line]:
    lines: list[Line] = [] if model.norm is None else [{"op": "layer_norm", "name": "final_norm", **model.norm}]
    if model.head:
        lines.append({"op": "slice", "name": "last", "keep": "min(logits, seq_len)", "end": True})
        tied = {"tied_to": "words"} if model.tied else {}
        lines.append({"op": "linear", "name": "head", "out_features": model.vocabulary, "bias": False} | tied)
    return lines


def language(model: Language, phase: Phase, logits: Logits, *, rotary: bool) -> Model:
    """Return a language model that reads tokens only."""
    return Model(
        task="language modelling",
        sizes=language_sizes(model, phase, logits),
        inputs={"tokens": ["seq_len"]},
        graph=language_graph(model),
        not_modelled=[NO_SAMPLING, *([ROTARY] if rotary else [])],
    )


def stacked(layers: Sequence[Line], windows: Sequence[int | None]) -> list[Line]:
    """Return the lines of layers, equal ones in a row on one line, with the window of each.

    >>> stacked([{"op": "b"}] * 4, [8, None, 8, None])
    [{'op': 'b', 'name': 'layer', 'window': 8, 'global_every': 2, 'repeat': 4}]
    """
    every = _period(windows) if all(layer == layers[0] for layer in layers) else None
    if every is not None:
        return _named([({**layers[0], "window": windows[0], "global_every": every}, len(layers))])
    whole = [layer | ({} if window is None else {"window": window}) for layer, window in zip(layers, windows, strict=True)]
    return _named([(line, len(list(group))) for line, group in groupby(whole)])


def _period(windows: Sequence[int | None]) -> int | None:
    """Return n where every n-th layer, and no other, has no window; None where there is no such n."""
    if not windows or None not in windows:
        return None
    every = windows.index(None) + 1
    first = windows[0]
    regular = all(window == (None if (index + 1) % every == 0 else first) for index, window in enumerate(windows))
    return every if every > 1 and regular else None


def _named(runs: Sequence[tuple[Line, int]]) -> list[Line]:
    names = ["layer"] if len(runs) == 1 else [f"layer_{index}" for index in range(len(runs))]
    return [
        {"op": line["op"], "name": name, **{key: value for key, value in line.items() if key != "op"}, "repeat": count}
        for name, (line, count) in zip(names, runs, strict=True)
    ]
