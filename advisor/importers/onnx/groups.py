"""A program as lines: what is recognised as one operator of ours, then every other node by itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from .lines import LINES, layer_norm_line, linear, pointwise
from .model import UNFIT, Node, NodeError, told
from .patterns import find, masked
from .program import Match, Program
from .writer import Writer


def write(program: Program, accepted: frozenset[str]) -> Writer:
    """Return the writer of a program's lines, with the faults of the nodes that have none."""
    writer = Writer(program, accepted)
    matches = find(program)
    by_last = {match.last: match for match in matches}
    inside = {node for match in matches for node in match.nodes}
    for node in program.nodes:
        if node.kind == "Softmax" and node not in inside:
            writer.masked |= masked(program, node)
    writer.begin()
    for node in program.nodes:
        match = by_last.get(node)
        if match is None and node in inside:
            continue
        writer.label = node.label
        try:
            _recognised(writer, match) if match is not None else _node(writer, node)
        except UNFIT as error:
            writer.faults.append((node.label, told(error)))
    if not writer.faults:
        _finish(writer)
    return writer


def _node(w: Writer, node: Node) -> None:
    if any(name not in w.names for name in w.program.inputs(node)):
        return
    LINES.get(node.kind, pointwise)(w, node)
    missing = [name for name in node.outputs if name and w.program.data(name) and name not in w.names]
    if any(w.program.readers.get(name) or name in w.program.outputs for name in missing):
        raise NodeError(f"its result {missing[0][:60]!r} is read, and only its first one is imported")


def _recognised(w: Writer, match: Match) -> None:
    w.recognised[match.what] += 1
    _MATCHES.get(match.what, _function)(w, match)


def _finish(w: Writer) -> None:
    """Let the last line be the result: that of the graph's only output, or all outputs behind each other."""
    outputs = list(dict.fromkeys(w.names[name] for name in w.program.outputs))
    real = [name for name in outputs if name not in w.inputs]
    if not real:
        w.faults.append(("the graph", "no output depends on its inputs by more than a view; there is nothing to estimate"))
        return
    if len(real) > 1:
        real = [w.line("bundle", "outputs", real, (sum(math.prod(w.shapes[name]) for name in real),))]
    _drop_unread(w, real[0])
    _merge_projections(w)
    last = next(line for line in w.lines if line["name"] == real[0])
    w.lines = [*(line for line in w.lines if line is not last), last]


def _drop_unread(w: Writer, last: str) -> None:
    wanted, kept = {last}, []
    for line in reversed(w.lines):
        if line["name"] in wanted:
            kept.append(line)
            wanted.update(line["inputs"])
    w.lines = kept[::-1]


def _function(w: Writer, match: Match) -> None:
    names = {"mish": ("pointwise", "mish")}
    op, function = names.get(match.what, ("activation", match.what))
    w.make_as(
        op, match.result, [w.view(w.source(match.sources[0]), w.sample(match.result).shape, match.result)], function=function
    )


def _norm(w: Writer, match: Match) -> None:
    stored = [str(match.fields[key]) for key in ("scale", "shift") if key in match.fields]
    layer_norm_line(w, match.result, match.sources[0], stored)


def _biased(w: Writer, match: Match) -> None:
    linear(w, match.result, match.sources[0], str(match.fields["weights"]), str(match.fields["bias"]))


def _attend(w: Writer, match: Match) -> None:
    heads, tokens, width = (int(match.fields[key]) for key in ("heads", "tokens", "width"))
    operands = match.fields["operands"]
    (_, q_first, q_kept, _), (_, k_first, kept, _), (_, v_first, v_kept, _) = operands
    if q_kept != heads or v_kept != kept:
        raise NodeError("its keys and values have different heads")
    whole = (tokens, (heads + 2 * kept) * width)
    joined = len({one[0] for one in operands}) == 1 and w.sample(operands[0][0]).elements == math.prod(whole)
    if joined and (q_first, k_first, v_first) == (0, heads * width, (heads + kept) * width):
        source = w.view(w.source(operands[0][0]), whole, f"{match.result}_qkv")
    else:
        parts = [_part(w, one, tokens, width, match.result) for one in operands]
        source = w.line("join", f"{match.result}_qkv", parts, whole, axis=1)
    w.causal += bool(match.fields["causal"])
    made = w.line("attention", match.result, [source], (tokens, heads * width), heads=heads,
                  kv_heads=kept if kept != heads else None, causal=True if match.fields["causal"] else None)  # fmt: skip
    if not match.fields["merged"]:
        split = w.view(made, (tokens, heads, width), f"{match.result}_heads")
        made = w.line("permute", f"{match.result}_turned", [split], (heads, tokens, width), order=[1, 0, 2], moves=False)
    w.view_as(match.result, made)


def _part(w: Writer, operand: tuple[str, int, int, bool], tokens: int, width: int, hint: str) -> str:
    """Return queries, keys or values as tokens x features."""
    tensor, _, kept, flat = operand
    name, shape = w.source(tensor), (tokens, kept * width)
    if not flat:
        split = w.view(name, (kept, tokens, width), f"{hint}_heads")
        turned = w.line("permute", f"{hint}_turned", [split], (tokens, kept, width), order=[1, 0, 2], moves=False)
        return w.view(turned, shape, f"{hint}_part")
    features = w.sample(tensor).elements // tokens
    rows = w.view(name, (tokens, features), f"{hint}_rows")
    return rows if features == shape[1] else w.line("section", f"{hint}_part", [rows], shape, axis=1, keep=shape[1])


def _merge_projections(w: Writer) -> None:
    """Merge three linear layers that read the same and whose results only attention reads: one product, as runtimes do it."""
    by_name = {line["name"]: line for line in w.lines}
    reads = Counter(name for line in w.lines for name in line["inputs"])
    for join in [line for line in w.lines if line["op"] == "join" and line["name"].endswith("_qkv")]:
        parts = [by_name.get(name, {}) for name in join["inputs"]]
        alike = {(part.get("op"), tuple(part.get("inputs", ())), part.get("bias", True), part.get("tied_to")) for part in parts}
        once = len(set(join["inputs"])) == len(parts) and all(reads[name] == 1 for name in join["inputs"])
        if len(alike) != 1 or not once or next(iter(alike))[0] != "linear" or next(iter(alike))[3]:
            continue
        total = sum(part["out_features"] for part in parts)
        merged = {**parts[0], "name": join["name"], "out_features": total}
        w.lines[w.lines.index(join)] = merged
        w.lines = [line for line in w.lines if line not in parts]
        w.recognised["qkv"] += 1


_MATCHES: Final[Mapping[str, Callable[[Writer, Match], None]]] = {
    "bias": _biased,
    "layer_norm": _norm,
    "rms_norm": _norm,
    "attention": _attend,
}
