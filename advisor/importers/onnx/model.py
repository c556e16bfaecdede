"""A model as plain values: nodes, stored tensors, inputs and outputs. After this module nothing knows protobuf."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import RoofwiseError

from ...inputs import RequestError
from .beside import Beside
from .wire import Skeleton

MAX_NODES: Final = 20_000
MAX_RANK: Final = 8
MAX_DIM: Final = 10**12
MAX_ELEMENTS: Final = 10**15
OLDEST_OPSET: Final = 7
MAX_TEXT: Final = 200
EXTERNAL: Final = 1
"""Where a tensor's values stand, as onnx.proto numbers it: in another file."""

_FLOATS: Final = frozenset({1, 10, 11, 16, 17, 18, 19, 20, 23})
_NARROW: Final = frozenset({2, 3, 21, 22})  # quantized weights: uint8, int8, uint4, int4
_NUMPY: Final[Mapping[int, str]] = {1: "<f4", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8", 2: "u1", 3: "i1", 12: "<u4"}


class NodeError(RoofwiseError, ValueError):
    """A node cannot be imported; the message says why, and what would help."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stored:
    """A stored tensor: its shape, whether it is of a type that weights have, and its values, where they are few."""

    dims: tuple[int, ...]
    weight: bool
    value: npt.NDArray[Any] | None = None

    @property
    def elements(self) -> int:
        """Return how many elements it has."""
        return math.prod(self.dims)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """One node; `label` is how messages call it."""

    label: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def integer(self, name: str, default: int) -> int:
        """Return an attribute that is a whole number."""
        return int(self._typed(name, int, default))

    def integers(self, name: str) -> tuple[int, ...]:
        """Return an attribute that is a list of whole numbers; left out, an empty one."""
        return tuple(int(v) for v in self._typed(name, tuple, ()) if self._whole(name, v))

    def text(self, name: str, default: str) -> str:
        """Return an attribute that is a text."""
        return str(self._typed(name, str, default))

    def tensor(self, name: str) -> Stored | None:
        """Return an attribute that is a stored tensor, or None where it is left out."""
        return None if name not in self.attributes else self._typed(name, Stored, None)

    def _typed(self, name: str, kind: type, default: Any) -> Any:
        value = self.attributes.get(name, default)
        if name not in self.attributes:
            return value
        if not isinstance(value, kind):
            raise NodeError(f"its attribute {name!r} is {str(value)[:40]!r}, which is no {kind.__name__}")
        return value

    def _whole(self, name: str, value: object) -> bool:
        if not isinstance(value, int):
            raise NodeError(f"its attribute {name!r} holds {str(value)[:40]!r}, which is no whole number")
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An input of the graph; a dimension is a number, or the name of a symbolic one."""

    name: str
    dims: tuple[int | str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """A model: what it computes, in order, and who wrote the file."""

    nodes: tuple[Node, ...]
    stored: Mapping[str, Stored]
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    opset: int
    producer: str


def parse(skeleton: Skeleton, name: str, beside: Beside | None = None) -> Graph:
    """Return the graph of a skeleton; small values that it leaves to other files are read `beside`.

    Raises RequestError, with a line for each fault.
    """
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - with onnx, which is optional
    from onnx import ModelProto  # noqa: PLC0415

    model = ModelProto()
    try:
        model.ParseFromString(skeleton.model)
    except (DecodeError, ValueError) as error:
        raise RequestError(f"{name}: no ONNX model ({str(error)[:MAX_TEXT]}); export it again") from error
    try:
        return _graph(model, name, beside)
    except NodeError as error:
        raise RequestError(f"{name}: {error}") from error


def _graph(model: Any, name: str, beside: Beside | None) -> Graph:
    graph = model.graph
    if not graph.node:
        raise RequestError(f"{name}: a graph without nodes; an ONNX model has some")
    if len(graph.node) > MAX_NODES:
        raise RequestError(f"{name}: {len(graph.node):,} nodes; at most {MAX_NODES:,} are read")
    stored = {_text(t.name): _stored(t, f"the initializer {_text(t.name)[:60]!r}", beside) for t in graph.initializer}
    return Graph(
        nodes=tuple(_node(node, index) for index, node in enumerate(graph.node)),
        stored=stored,
        inputs=tuple(_input(value) for value in graph.input if _text(value.name) not in stored),
        outputs=tuple(_text(value.name) for value in graph.output),
        opset=_opset(model, name),
        producer=f"{_text(model.producer_name)} {_text(model.producer_version)}".strip()[:MAX_TEXT] or "an unnamed producer",
    )


def _text(value: str | bytes) -> str:
    """Return a text of a file; protobuf gives one that is no UTF-8 as bytes."""
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _opset(model: Any, name: str) -> int:
    versions = [opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")]
    if not versions or max(versions) < OLDEST_OPSET:
        found = f"opset {max(versions)}" if versions else "no opset of ONNX's own operators"
        raise RequestError(f"{name}: {found}; opset {OLDEST_OPSET} or later is read: convert it with onnx.version_converter")
    return int(max(versions))


def _node(node: Any, index: int) -> Node:
    domain = "" if node.domain in ("", "ai.onnx") else f"{_text(node.domain)[:60]}::"
    kind = f"{domain}{_text(node.op_type)[:60]}"
    outputs = tuple(map(_text, node.output))
    shown = _text(node.name) or next((output for output in outputs if output), "") or f"number {index}"
    return Node(
        label=f"node {shown[:80]!r} ({kind})", kind=kind, inputs=tuple(map(_text, node.input)), outputs=outputs,
        attributes={_text(a.name): _attribute(a, f"node {shown[:80]!r}") for a in node.attribute},
    )  # fmt: skip


def _attribute(attribute: Any, owner: str) -> Any:
    """Return the value of an attribute, by the number of its type; graphs, and what no rule reads, are None."""
    match attribute.type:
        case 3:
            return attribute.s.decode("utf-8", "replace")[:MAX_TEXT]
        case 4:
            return _stored(attribute.t, owner)
        case 6 | 7:
            return tuple(attribute.floats if attribute.type == 6 else attribute.ints)  # noqa: PLR2004 - the type of floats
        case _:
            return {1: attribute.f, 2: attribute.i}.get(attribute.type)


def _stored(tensor: Any, owner: str, beside: Beside | None = None) -> Stored:
    dims = tuple(tensor.dims)
    check_dims(dims, owner)
    kind = tensor.data_type
    return Stored(dims=dims, weight=kind in _FLOATS or kind in _NARROW, value=_values(tensor, dims, beside))


UNFIT: Final = (IndexError, KeyError, TypeError, ValueError, OverflowError)
"""What a rule may raise on a node whose operands are not as many, or not of the ranks and types, that its operator takes."""


def told(error: Exception) -> str:
    """Return what an error of a node says; one that no rule foresaw says that the node is not what its operator takes."""
    if isinstance(error, RoofwiseError):
        return str(error)
    return f"it is not what its operator takes ({type(error).__name__}: {str(error)[:80]}); export the model again"


def check_dims(dims: Sequence[int], owner: str) -> None:
    """Raise NodeError for dimensions that no tensor of a model has."""
    if len(dims) > MAX_RANK or any(not 0 <= dim <= MAX_DIM for dim in dims) or math.prod(dims) > MAX_ELEMENTS:
        shown = " x ".join(str(dim) for dim in list(dims)[: MAX_RANK + 1])
        raise NodeError(f"{owner} is {shown[:120]}; at most {MAX_RANK} axes and 10^15 elements are read, none negative")


def _values(tensor: Any, dims: tuple[int, ...], beside: Beside | None) -> npt.NDArray[Any] | None:
    """Return a tensor's values where the skeleton kept them, all of them, and they are of a type that is read."""
    dtype, count = _NUMPY.get(tensor.data_type), math.prod(dims)
    if dtype is not None and beside is not None and tensor.data_location == EXTERNAL:
        place = {_text(entry.key): _text(entry.value) for entry in tensor.external_data}
        data = beside.read(place, count * np.dtype(dtype).itemsize)
        return None if data is None else np.frombuffer(data, dtype).reshape(dims)
    if dtype is None or count > len(tensor.raw_data) + _listed(tensor):
        return None
    if tensor.raw_data:
        right = len(tensor.raw_data) == count * np.dtype(dtype).itemsize
        return np.frombuffer(tensor.raw_data, dtype).reshape(dims) if right else None
    for values in (tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data):
        if len(values) == count:
            with np.errstate(all="ignore"):
                return np.asarray(list(values)).astype(dtype).reshape(dims)
    return None


def _listed(tensor: Any) -> int:
    return max(len(tensor.float_data), len(tensor.int32_data), len(tensor.int64_data), len(tensor.double_data))


def _input(value: Any) -> Input:
    kind, name = value.type.tensor_type, _text(value.name)
    if not value.type.HasField("tensor_type") or not kind.HasField("shape"):
        raise NodeError(f"the input {name[:60]!r} has no shape; export the model with the shapes of its inputs")
    dims = tuple(_dims(name, kind.shape.dim))
    check_dims([dim if isinstance(dim, int) else 1 for dim in dims], f"the input {name[:60]!r}")
    return Input(name=name, dims=dims)


def _dims(name: str, dims: Any) -> Iterator[int | str]:
    for axis, dim in enumerate(dims):
        if dim.HasField("dim_value") and dim.dim_value > 0:
            yield int(dim.dim_value)
        else:
            yield _text(dim.dim_param)[:60] or f"{name[:40]}_axis_{axis}"
