"""Norms over groups of channels, and learned scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from ..cost import Cost
from ..errors import GraphError
from .base import Dim, Need, Operator, Shape, elements_of, image_of, size_of


class GroupNorm(Operator):
    """Normalisation over groups of channels and all pixels, with statistics of the sample: U-Nets of diffusion models."""

    op: Literal["group_norm"]
    groups: Dim = 32

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape."""
        channels, groups = image_of(inputs[0], "group_norm")[0], size_of(self.groups, sizes)
        if channels % groups:
            raise GraphError(f"{groups} groups do not divide {channels} channels evenly")
        return inputs[0]

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic, and scale and shift of each channel, which may fold into the layers that read the result."""
        weights = 2 * inputs[0][0]
        return Cost(
            kind="memory", parameters=weights, weights=weights, inputs=elements_of(inputs[0]), outputs=elements_of(output),
            spared=weights,
        )  # fmt: skip


class LayerScale(Operator):
    """A learned factor for each feature of the last axis: ConvNeXt's layer scale."""

    epilogue: ClassVar[bool] = True
    carries: ClassVar[bool] = True
    op: Literal["layer_scale"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same elements."""
        return need

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic, and one parameter for each feature, which may fold into the layer before."""
        features, elements = output[-1], elements_of(output)
        return Cost(kind="memory", parameters=features, weights=features, inputs=elements, outputs=elements, spared=features)
