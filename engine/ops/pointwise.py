"""What touches each element once: norms, softmax, activations, sums, gates, learned positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from ..cost import Cost
from ..errors import GraphError
from .base import (
    Dim,
    Need,
    Operator,
    Shape,
    elements_of,
    size_of,
)


class BatchNorm(Operator):
    """Normalisation with stored statistics, per channel; it folds into the weights of the layer before."""

    epilogue: ClassVar[bool] = True
    carries: ClassVar[bool] = True
    op: Literal["batch_norm"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same elements."""
        return need

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return scale and shift per channel: two parameters, of which folding leaves one to read, or none beside a bias."""
        channels = inputs[0][0]
        return Cost(
            kind="memory",
            parameters=2 * channels,
            weights=channels,
            spared=channels,
            inputs=elements_of(inputs[0]),
            outputs=elements_of(output),
        )


class LayerNorm(Operator):
    """Layer or RMS normalisation over the last axis; `scale_only` is RMS norm, which has no shift."""

    op: Literal["layer_norm"]
    scale_only: bool = False

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic, and one or two parameters per feature, which may fold into the layers that read the result."""
        weights = inputs[0][-1] * (1 if self.scale_only else 2)
        return Cost(
            kind="memory", parameters=weights, weights=weights, inputs=elements_of(inputs[0]), outputs=elements_of(output),
            spared=weights,
        )  # fmt: skip


class HeadNorm(Operator):
    """RMS norms of queries and of keys over the features of each head, in tokens x (heads + 2*kv_heads)*head_dim."""

    op: Literal["head_norm"]
    head_dim: Dim

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape."""
        head_dim = size_of(self.head_dim, sizes)
        if inputs[0][-1] % head_dim:
            raise GraphError(f"head_norm takes heads of {head_dim} features, not {inputs[0]}")
        return inputs[0]

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same elements; whole heads may be more."""
        return need

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic, and a parameter for each feature of a head, once for queries and once for keys."""
        weights = 2 * size_of(self.head_dim, sizes)
        return Cost(
            kind="memory", parameters=weights, weights=weights, inputs=elements_of(inputs[0]), outputs=elements_of(output),
            spared=weights,
        )  # fmt: skip


class Softmax(Operator):
    """Softmax over the last axis."""

    op: Literal["softmax"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the input and writing the result."""
        return Cost(kind="memory", inputs=elements_of(inputs[0]), outputs=elements_of(output))


class Activation(Operator):
    """An elementwise function of one tensor: relu, relu6, leaky_relu, gelu, silu, tanh, sigmoid, ...; scale is a multiple."""

    epilogue: ClassVar[bool] = True
    carries: ClassVar[bool] = True
    op: Literal["activation"]
    function: Literal["relu", "relu6", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "hardswish", "hardsigmoid", "scale"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same elements."""
        return need

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the input and writing the result."""
        return Cost(kind="memory", inputs=elements_of(inputs[0]), outputs=elements_of(output))


class Elementwise(Operator):
    """A function of two tensors of one shape: add (a residual), mul (a gate)."""

    arity: ClassVar[int] = 2
    epilogue: ClassVar[bool] = True
    carries: ClassVar[bool] = True
    op: Literal["elementwise"]
    function: Literal["add", "mul"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the common shape."""
        if inputs[0] != inputs[1]:
            raise GraphError(f"{self.function} takes two tensors of one shape, not {inputs[0]} and {inputs[1]}")
        return inputs[0]

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same elements."""
        return need

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading both and writing the result."""
        return Cost(kind="memory", inputs=elements_of(*inputs), outputs=elements_of(output))


class Gate(Operator):
    """The first input times one factor of the second for each channel: what squeeze-and-excitation ends with."""

    arity: ClassVar[int] = 2
    op: Literal["gate"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the shape of the first input."""
        if inputs[1] != inputs[0][:1]:
            raise GraphError(f"gate takes one factor for each of {inputs[0][0]} channels, not {inputs[1]}")
        return inputs[0]

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same elements; of the factors that share is the least."""
        return need

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading both and writing the result."""
        return Cost(kind="memory", inputs=elements_of(*inputs), outputs=elements_of(output))


class Positions(Operator):
    """The sum with a learned tensor of the sample's shape: the positions of a vision transformer."""

    epilogue: ClassVar[bool] = True
    op: Literal["positions"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same elements."""
        return need

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic, and one parameter for each element of a sample."""
        elements = elements_of(output)
        return Cost(kind="memory", parameters=elements, weights=elements, inputs=elements, outputs=elements)
