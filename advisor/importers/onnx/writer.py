"""What writes the lines of a workload: names, views, and stored weights, which are counted once."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from .batch import Sample
from .model import Node, NodeError
from .program import Program
from .shapes import Shape

Line = dict[str, Any]


class Writer:
    """Writes the lines of a program, each result with its name; stored weights are counted once, where they are first read."""

    def __init__(self, program: Program, accepted: frozenset[str]) -> None:
        self.program, self.accepted = program, accepted
        self.lines: list[Line] = []
        self.names: dict[str, str] = {}
        self.shapes: dict[str, Shape] = {}
        self.labels: dict[str, str] = {}
        self.inputs: dict[str, Shape] = {}
        self.views: dict[str, str] = {}
        self.claimed: dict[str, str] = {}
        self.used: set[str] = set()
        self.recognised: Counter[str] = Counter()
        self.masked: set[Node] = set()
        self.causal = 0
        self.faults: list[tuple[str, str]] = []
        self.label = ""

    def begin(self) -> None:
        """Name the inputs."""
        for value in self.program.graph.inputs:
            name = self._free(value.name, 40)
            self.inputs[name] = self.program.sample(value.name).shape
            self.names[value.name], self.shapes[name] = name, self.inputs[name]

    # Names.

    def _free(self, text: str, longest: int) -> str:
        plain = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")[-longest + 8 :].strip("_")
        plain = plain if plain[:1].isalpha() else f"n_{plain}".rstrip("_")
        name, count = plain, 1
        while name.casefold() in self.used:
            count += 1
            name = f"{plain}_{count}"
        self.used.add(name.casefold())
        return name

    def sample(self, name: str) -> Sample:
        """Return a tensor as one sample sees it."""
        return self.program.sample(name)

    def line(self, op: str, hint: str, inputs: Sequence[str], shape: Shape, **fields: Any) -> str:
        """Write a line that reads lines and has a result of a shape; return its name."""
        name = self._free(hint, 80)
        kept = {key: value for key, value in fields.items() if value is not None}
        self.lines.append({"op": op, "name": name, "inputs": list(inputs), **kept})
        self.shapes[name], self.labels[name] = shape, self.label
        return name

    def make(self, op: str, node: Node, inputs: Sequence[str], **fields: Any) -> None:
        """Write a line whose result is a node's first."""
        self.make_as(op, node.outputs[0], inputs, **fields)

    def make_as(self, op: str, result: str, inputs: Sequence[str], **fields: Any) -> None:
        """Write a line whose result is a tensor."""
        self.names[result] = self.line(op, result, inputs, self.sample(result).shape, **fields)

    def view(self, name: str, shape: Shape, hint: str) -> str:
        """Return a line with the elements of another in a shape: itself where it has it, else a reshape of what it views."""
        base = self.views.get(name, name)
        for known in (name, base):
            if self.shapes[known] == shape:
                return known
        if math.prod(self.shapes[base]) != math.prod(shape) or not shape:
            raise NodeError(f"one sample has {self.shapes[base]} before and {shape} after, which do not hold the same elements")
        made = self.line("reshape", hint, [base], shape, to=list(shape))
        self.views[made] = base
        return made

    def view_as(self, result: str, name: str) -> None:
        """Let a tensor be a view of a line."""
        self.names[result] = self.view(name, self.sample(result).shape, result)

    def source(self, name: str) -> str:
        """Return the line of a tensor. Raises NodeError where it has none, because a node before it has a fault."""
        if name not in self.names:
            raise NodeError(f"it reads {name[:60]!r}, which is not imported")
        return self.names[name]

    def claim(self, *names: str) -> int:
        """Return the stored elements that tensors are made of and that nothing claimed before."""
        total = 0
        for name in names:
            for root in sorted(self.sample(name).whole.roots):
                if root not in self.claimed:
                    self.claimed[root] = self.label
                    total += self.sample(root).whole.elements
        return total

    def read(self, *names: str) -> int:
        """Return the elements of stored operands that every pass reads; single numbers travel with the instructions."""
        counts = [self.sample(name).whole.elements for name in names]
        return sum(count for count in counts if count > 1)

    def stored(self, names: Sequence[str]) -> dict[str, int]:
        """Return the fields of an operator that reads stored operands."""
        weights, parameters = self.read(*names), self.claim(*names)
        whole = parameters == weights and all(name in self.sample(name).whole.roots for name in names)
        return {**({"weights": weights} if weights else {}), **({} if whole else {"parameters": parameters})}
