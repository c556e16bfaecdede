"""An ONNX file as a workload, and what there is to say about it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from engine.errors import GraphError, closest
from engine.network import Network, build
from engine.workload import Workload

from ...inputs import RequestError
from .batch import batching, samples
from .beside import Beside
from .groups import write
from .inference import CONSTANTS, KNOWN, infer
from .model import Graph, NodeError, parse
from .program import Program
from .shapes import Batching
from .sizes import LARGEST, Open, merged, split
from .wire import Skeleton, read
from .writer import Line, Writer

MAX_LINES: Final = 5000
MAX_REPORTED: Final = 50
CONTROL: Final = frozenset({"If", "Loop", "Scan", "SequenceMap"})


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the request says beside the file."""

    id: str | None = None
    name: str | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    elementwise: tuple[str, ...] = ()
    date: str


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A workload, its network at the default sizes, and the facts of its import."""

    workload: Workload
    network: Network
    file: str
    size: int
    producer: str
    opset: int
    nodes: int
    batch: str
    recognised: Mapping[str, int]
    fixed: Mapping[str, int]
    open: Mapping[str, int]
    accepted: Mapping[str, int]
    causal: int
    stored: int
    unread: int


def import_onnx(path: Path, wanted: Wanted) -> Imported:
    """Return the workload of an ONNX file. Raises RequestError, with a line for each node that is at fault."""
    if find_spec("onnx") is None:
        raise RequestError("advise import onnx needs the package onnx, of the extra import: pip install 'roofwise[import]'")
    skeleton = read(path)
    graph = parse(skeleton, str(path), Beside(path.parent))
    try:
        how = batching(graph)
    except NodeError as error:
        raise RequestError(f"{path}: {error}") from error
    accepted = _accepted(graph, wanted.elementwise)
    fixed, rest = split(graph, how, wanted.sizes)
    lines = _Importer(graph, how, accepted, fixed, rest).lines()
    return _imported(path, skeleton, graph, how, wanted, lines)


def fail(faults: Sequence[tuple[str, str]]) -> RequestError:
    """Return the error of a list of faults, each a node and why."""
    lines = [f"{label}: {reason}" for label, reason in dict.fromkeys(faults)]
    more = len(lines) - MAX_REPORTED
    return RequestError("\n".join([*lines[:MAX_REPORTED], *([f"and {more} nodes more"] if more > 0 else [])]))


def _accepted(graph: Graph, names: Sequence[str]) -> frozenset[str]:
    """Return the operators to take as elementwise. Raises RequestError for those that are neither known nor accepted."""
    there = {node.kind for node in graph.nodes}
    for name in names:
        if name not in there or name in KNOWN:
            near = closest(name, there - KNOWN)
            why = (
                "it is imported as what it is"
                if name in KNOWN
                else f"no node is one{f'; did you mean {near}?' if near else ''}"
            )
            raise RequestError(f"--assume-elementwise {name[:60]}: {why}")
    faults = [
        (node.label, _remedy(node.kind))
        for node in graph.nodes
        if node.kind not in KNOWN and (node.kind not in names or node.kind in CONTROL)
    ]
    if faults:
        raise fail(faults)
    return frozenset(names)


def _remedy(kind: str) -> str:
    if kind in CONTROL:
        return "control flow is not imported; export the model so that no branch or loop is left, as a trace does"
    return (
        f"the operator {kind} is not known; if each element of its result takes a constant effort and its shape is that of its "
        f"operands broadcast, --assume-elementwise {kind} accepts it"
    )


@dataclass(frozen=True, kw_only=True)
class _Lines:
    """Lines with expressions of the open sizes, and the writer that wrote them at the default sizes."""

    lines: list[Line]
    inputs: dict[str, Any]
    writer: Writer
    fixed: Mapping[str, int]
    open: Mapping[str, tuple[int, int, int]]


class _Importer:
    """Writes the lines of a graph, at as many sizes as its open axes need."""

    def __init__(self, graph: Graph, how: Batching, accepted: frozenset[str], fixed: dict[str, int], rest: list[Open]) -> None:
        self.graph, self.how, self.accepted, self.fixed, self.rest = graph, how, accepted, fixed, rest

    def lines(self) -> _Lines:
        """Return the lines of the graph. Raises RequestError, with a line for each node at fault."""
        if not self.rest:
            writer = self._written(self.fixed)
            fixed = {name: [*shape] for name, shape in writer.inputs.items()}
            return _Lines(lines=writer.lines, inputs=fixed, writer=writer, fixed=self.fixed, open={})
        points = self._points()
        writers = [self._written(point) for point in points]
        names = {one.symbol: one.name for one in self.rest}
        rows = list(merged([w.lines for w in writers], points, names, writers[0].labels))
        inputs = list(merged([_inputs(w) for w in writers], points, names, {}))
        faults = [(label, why) for line, label, why in (*rows, *inputs) if line is None]
        if faults:
            raise fail(faults)
        return _Lines(
            lines=[line for line, _, _ in rows if line is not None],
            inputs={line["name"]: line["shape"] for line, _, _ in inputs if line is not None},
            writer=writers[0],
            fixed=self.fixed,
            open={one.name: (points[0][one.symbol], *self._range(one, points)) for one in self.rest},
        )

    def _points(self) -> list[dict[str, int]]:
        """Return the sizes to import at: the defaults, each axis at two other sizes, and all of them at once."""
        attempt = 0
        while True:
            chosen = {one.symbol: one.points(min(attempt, 1) if one.pixels else attempt) for one in self.rest}
            points = {symbol: point for symbol, point in chosen.items() if point is not None}
            last = len(points) < len(chosen) or attempt > 8  # noqa: PLR2004 - more than any list of defaults
            default = {**self.fixed, **{symbol: point[0] for symbol, point in points.items()}}
            if last or not self._faulty(default):
                break
            attempt += 1
        if last:
            fix = " ".join(f"--size {one.name}=N" for one in self.rest)
            first = {one.symbol: one.points(0) for one in self.rest}
            faults = self._faulty({**self.fixed, **{symbol: point[0] for symbol, point in first.items() if point}})
            raise fail([*faults, ("the graph", f"it allows none of the sizes that are tried; fix them: {fix}")])
        alone = [{**default, symbol: size} for symbol, point in points.items() for size in point[1:]]
        both = {**default, **{symbol: point[1 + index % 2] for index, (symbol, point) in enumerate(points.items())}}
        return [default, *alone, *([both] if len(points) > 1 else [])]

    def _faulty(self, sizes: Mapping[str, int]) -> tuple[tuple[str, str], ...]:
        return infer(self.graph, self.how, self.how.fixed, sizes, None, self.accepted).faults

    def _range(self, one: Open, points: Sequence[Mapping[str, int]]) -> tuple[int, int]:
        """Return the least and the greatest size of an axis that the graph allows, as far as powers of 2 tell."""
        default = points[0][one.symbol]
        least = next((size for size in (1, 2, 4, 8, 16, 32) if size <= default and self._allows(one, size, points)), default)
        greatest, size = default, 2 * default
        while size <= LARGEST and self._allows(one, size, points):
            greatest, size = size, 2 * size
        return least, greatest

    def _allows(self, one: Open, size: int, points: Sequence[Mapping[str, int]]) -> bool:
        return not self._faulty({**points[0], one.symbol: size})

    def _written(self, sizes: Mapping[str, int]) -> Writer:
        found = samples(self.graph, self.how, sizes, self.accepted)
        if found.faults:
            raise fail(found.faults)
        writer = write(Program(self.graph, found), self.accepted)
        if writer.faults:
            raise fail(writer.faults)
        if len(writer.lines) > MAX_LINES:
            raise RequestError(f"the graph makes {len(writer.lines):,} operators; a workload has at most {MAX_LINES:,}")
        return writer


def _inputs(writer: Writer) -> list[Line]:
    return [{"op": "input", "name": name, "shape": list(shape)} for name, shape in writer.inputs.items()]


def _imported(path: Path, skeleton: Skeleton, graph: Graph, how: Batching, wanted: Wanted, made: _Lines) -> Imported:
    writer = made.writer
    accepted = Counter(node.kind for node in graph.nodes if node.kind in writer.accepted)
    facts = _Facts(path=path, skeleton=skeleton, graph=graph, how=how, wanted=wanted, made=made, accepted=accepted)
    try:
        workload = Workload.model_validate(facts.spec())
    except ValidationError as error:
        raise _invalid(error, made) from error
    network = _built(workload, made)
    tensors = writer.program.samples
    weights = {name: one.whole.elements for name, one in tensors.items() if name in one.whole.roots}
    return Imported(
        workload=workload, network=network, file=path.name, size=skeleton.size, producer=graph.producer, opset=graph.opset,
        nodes=sum(node.kind not in CONSTANTS for node in graph.nodes), batch=_batch_text(how),
        recognised=writer.recognised, fixed=made.fixed, open={name: limits[0] for name, limits in made.open.items()},
        accepted=accepted, causal=writer.causal, stored=sum(weights.values()),
        unread=sum(count for name, count in weights.items() if name not in writer.claimed),
    )  # fmt: skip


def _batch_text(how: Batching) -> str:
    return f"in the axis {how.symbol}" if how.symbol else f"fixed at {how.fixed}"


def _invalid(error: ValidationError, made: _Lines) -> RequestError:
    faults = []
    for fault in error.errors():
        place = fault["loc"]
        index = place[1] if len(place) > 1 and place[0] == "graph" and isinstance(place[1], int) else None
        name = "the graph" if index is None else made.writer.labels.get(made.lines[index]["name"], "a node")
        faults.append((name, f"{'.'.join(map(str, place[2:]))} is out of range ({fault['msg']})"))
    return fail(faults)


def _built(workload: Workload, made: _Lines) -> Network:
    """Return the network, each shape of which must be the one that the graph has. Raises RequestError naming the node."""
    labels, shapes = made.writer.labels, made.writer.shapes
    try:
        network = build(workload)
    except GraphError as error:
        name = "the graph" if error.index is None else labels.get(made.lines[error.index]["name"], "a node")
        raise fail([(name, f"as an operator of ours: {str(error).rpartition('): ')[2]}")]) from error
    wrong = [
        (
            labels.get(node.name, node.name),
            f"one sample of its result is {shapes[node.name]}, the spec would make it {node.shape}",
        )
        for node in network.nodes
        if node.name in shapes and shapes[node.name] != node.shape
    ]
    if wrong:
        raise fail(wrong)
    return network


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """What a spec says beside its graph."""

    path: Path
    skeleton: Skeleton
    graph: Graph
    how: Batching
    wanted: Wanted
    made: _Lines
    accepted: Mapping[str, int]

    def spec(self) -> dict[str, Any]:
        stem = re.sub(r"[^a-z0-9._-]+", "-", self.path.stem.lower()).strip("-._")[:80]
        spec: dict[str, Any] = {
            "$schema": "../../schemas/workload.schema.json",
            "id": self.wanted.id or stem or "imported",
            "name": self.wanted.name or self.path.stem[:200] or "imported",
            "task": "imported from ONNX",
            "source": "file",
            "sources": {"file": {"title": self._title(), "date": self.wanted.date}},
            "inputs": self.made.inputs,
            "graph": _implicit(self.made.lines, next(reversed(self.made.inputs), "")),
            "not_modelled": ["casts between number formats, which ride on what makes their operand"],
            "notes": self._notes(),
        }
        if self.made.open:
            spec["sizes"] = {name: self._size(*limits) for name, limits in self.made.open.items()}
            spec["sources"]["us"] = {
                "title": "our import",
                "assumes": "the file leaves the size open: the default is ours, the limits are powers of 2 that it allows",
            }
        return spec

    def _title(self) -> str:
        by = f"written by {self.graph.producer}, opset {self.graph.opset}"
        return f"{self.path.name[:200]}, SHA-256 {self.skeleton.sha256}, {by}"

    def _size(self, default: int, least: int, greatest: int) -> dict[str, Any]:
        return {"default": default, "minimum": least, "maximum": greatest, "unit": "element", "source": "us"}

    def _notes(self) -> list[str]:
        notes = [f"batch in the file: {_batch_text(self.how)}; imported for every batch"]
        told = recognised_text(self.made.writer.recognised)
        notes += [f"recognised: {told}"] if told else []
        if self.made.writer.causal:
            notes.append(f"{self.made.writer.causal} attentions have a mask that differs by query; it is taken to be causal")
        notes += [f"fixed by the request: {name} = {value}" for name, value in self.made.fixed.items()]
        notes += [f"taken to be elementwise, as the request says: {kind}, {n} nodes" for kind, n in self.accepted.items()]
        return notes


_TOLD: Final = {
    "attention": "attention",
    "qkv": "projection of queries, keys and values as one product",
    "layer_norm": "layer norm",
    "rms_norm": "RMS norm",
    "bias": "bias of a product",
}


def recognised_text(counts: Mapping[str, int]) -> str:
    """Return what was recognised, each with its number."""
    return ", ".join(f"{count} x {_TOLD.get(what, what)}" for what, count in sorted(counts.items()))


def _implicit(lines: Sequence[Line], before: str) -> list[Line]:
    """Return lines whose only input is what stands before without naming it, as specs by hand do."""
    written = []
    for line in lines:
        alone = line["inputs"] == [before]
        written.append({key: value for key, value in line.items() if not (key == "inputs" and alone)})
        before = line["name"]
    return written
