"""Samples: which axis of every tensor the batch lengthens, found by inferring shapes at several batches.

A spec's shapes are those of one sample. An axis that grows with the batch is left out, or, where it holds batch x tokens (or
batch x heads), divided. What does not grow in proportion is an error that names its node.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .inference import MAX_FAULTS, Run, infer
from .model import Graph, NodeError
from .shapes import Batching, Shape, Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """A tensor as one sample sees it; `axis` is the axis of the whole tensor that the batch lengthens, None where none is."""

    shape: Shape
    whole: Tensor
    axis: int | None

    @property
    def dropped(self) -> bool:
        """Return whether the batch had an axis of its own."""
        return self.axis is not None and len(self.shape) < len(self.whole.shape)

    @property
    def elements(self) -> int:
        """Return the elements of one sample."""
        return math.prod(self.shape)

    def at(self, axis: int) -> int:
        """Return where an axis of the whole tensor is in the sample. Raises NodeError for the batch's own axis."""
        if axis == self.axis:
            raise NodeError(f"it works along axis {axis}, which holds the batch, so that samples would mix")
        return axis - 1 if self.dropped and self.axis is not None and axis > self.axis else axis


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Every tensor as one sample sees it, at one choice of sizes; what could not be told, by node."""

    tensors: Mapping[str, Sample]
    first: Run
    faults: tuple[tuple[str, str], ...]


def batching(graph: Graph) -> Batching:
    """Return how a graph writes its batch: as the first axis of its first input, and of every input that begins alike."""
    heads = [value.dims[0] for value in graph.inputs if value.dims]
    if not heads:
        raise NodeError("no input has an axis, so that there is no batch; export the model with a batch of 1")
    head = heads[0]
    growing = frozenset(value.name for value in graph.inputs if value.dims and value.dims[0] == head)
    return Batching(symbol=head if isinstance(head, str) else None, fixed=1 if isinstance(head, str) else head, inputs=growing)


def samples(graph: Graph, how: Batching, sizes: Mapping[str, int], accepted: frozenset[str]) -> Samples:
    """Return every tensor as one sample sees it, told from three batches."""
    first = infer(graph, how, how.fixed, sizes, None, accepted)
    if first.faults:
        return Samples(tensors={}, first=first, faults=first.faults)
    base = None if how.symbol else first
    others = [infer(graph, how, batch, sizes, base, accepted) for batch in (how.fixed + 1, 2 * how.fixed + 1)]
    faults = [fault for run in others for fault in run.faults]
    if faults:
        return Samples(tensors={}, first=first, faults=tuple(dict.fromkeys(_at_batch(fault) for fault in faults)))
    found, faults = _told(graph, first, others)
    return Samples(tensors=found, first=first, faults=tuple(faults))


def _at_batch(fault: tuple[str, str]) -> tuple[str, str]:
    label, reason = fault
    return label, f"at another batch than the file's: {reason}; export the model with a symbolic batch"


def _told(graph: Graph, first: Run, others: Sequence[Run]) -> tuple[dict[str, Sample], list[tuple[str, str]]]:
    found: dict[str, Sample] = {}
    faults: list[tuple[str, str]] = []
    for name in (*graph.stored, *(value.name for value in graph.inputs)):
        try:
            found[name] = _sample(name, first, others)
        except NodeError as error:
            faults.append((f"input {name[:80]!r}", str(error).replace("its result", "it")))
    for node in graph.nodes:
        spoilt = any(name and name not in found for name in node.inputs)
        for name in node.outputs if not spoilt and len(faults) < MAX_FAULTS else ():
            try:
                if name in first.tensors:
                    found[name] = _sample(name, first, others)
            except NodeError as error:
                faults.append((node.label, str(error)))
                break
    return found, faults


def _sample(name: str, first: Run, others: Sequence[Run]) -> Sample:
    whole, later = first.tensors[name], [run.tensors[name] for run in others]
    if any(len(tensor.shape) != len(whole.shape) for tensor in later):
        raise NodeError("how many axes its result has changes with the batch")
    differ = [axis for axis in range(len(whole.shape)) if any(tensor.shape[axis] != whole.shape[axis] for tensor in later)]
    if not differ:
        if whole.grows:
            raise NodeError(f"its result {whole.shape} is the same at every batch, so that samples would mix, or the batch is "
                            "fixed inside; export the model with a symbolic batch")  # fmt: skip
        return Sample(shape=whole.shape, whole=whole, axis=None)
    axis = differ[0]
    each, rest = divmod(whole.shape[axis], first.batch)
    proportional = all(tensor.shape[axis] == each * run.batch for tensor, run in zip(later, others, strict=True))
    if len(differ) > 1 or rest or not proportional:
        shapes = ", ".join(f"{run.tensors[name].shape} at {run.batch}" for run in (first, *others))
        raise NodeError(f"its result is not in proportion to the batch: {shapes}")
    kept = () if each == 1 else (each,)
    return Sample(shape=(*whole.shape[:axis], *kept, *whole.shape[axis + 1 :]), whole=whole, axis=axis)
