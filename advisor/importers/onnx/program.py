"""What a graph does with its samples: the nodes that matter to its outputs, who makes and who reads each tensor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .batch import Sample, Samples
from .model import Graph, Node


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Match:
    """Nodes that together are one operator of ours: what it reads, the tensor that it makes, and what else there is to say."""

    what: str
    nodes: frozenset[Node]
    last: Node
    sources: tuple[str, ...]
    result: str
    fields: Mapping[str, Any] = field(default_factory=dict)


class Program:
    """The live part of a graph at one choice of sizes."""

    def __init__(self, graph: Graph, found: Samples) -> None:
        self.graph = graph
        self.samples = found.tensors
        self.batch = found.first.batch
        self.traced = 0
        self.outputs = tuple(name for name in graph.outputs if self.data(name))
        self.nodes = self._live()
        self.maker = {name: node for node in self.nodes for name in node.outputs if name}
        self.makers = {name: node for node in graph.nodes for name in node.outputs if name}
        self.readers: dict[str, list[Node]] = defaultdict(list)
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                self.readers[name].append(node)

    def _live(self) -> tuple[Node, ...]:
        """Return the nodes that work on samples and that an output depends on, in order."""
        wanted = set(self.outputs)
        live = []
        for node in reversed(self.graph.nodes):
            if wanted.intersection(node.outputs) and any(self.data(name) for name in node.outputs if name):
                live.append(node)
                wanted.update(name for name in node.inputs if name)
        return tuple(reversed(live))

    def data(self, name: str) -> bool:
        """Return whether a tensor depends on what the samples hold."""
        sample = self.samples.get(name)
        return sample is not None and sample.whole.data

    def sample(self, name: str) -> Sample:
        """Return a tensor as one sample sees it."""
        return self.samples[name]

    def inputs(self, node: Node) -> list[str]:
        """Return the operands that depend on samples, each once."""
        return list(dict.fromkeys(name for name in node.inputs if name and self.data(name)))

    def constants(self, node: Node) -> list[str]:
        """Return the operands that do not."""
        return [name for name in node.inputs if name and not self.data(name)]

    def sole_reader(self, name: str) -> Node | None:
        """Return the only node that reads a tensor, or None: an output of the graph is read by others, too."""
        readers = self.readers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self.outputs else None

    def inside(self, names: Sequence[str], nodes: frozenset[Node] | set[Node]) -> bool:
        """Return whether tensors are read inside a group of nodes only."""
        return all(name not in self.outputs and nodes.issuperset(self.readers.get(name, ())) for name in names if name)

    def scalars(self, node: Node) -> bool:
        """Return whether all operands of a node that do not depend on samples are single numbers."""
        return all(self.sample(name).whole.elements == 1 for name in self.constants(node))
