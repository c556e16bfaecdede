"""What rearranges a sample: channels first or last, equal parts, neighbouring pixels behind each other."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from ..cost import Cost
from ..errors import GraphError
from ..quantity import Integral
from .base import Dim, Need, Operator, Shape, elements_of, image_of, scattered, size_of


class _Transposed(Operator):
    """A view with its axes in another order: who reads it reads the same memory."""

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return as many elements, spread over at least that share of the rows."""
        return scattered(need.elements)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return nothing: a view is free."""
        return Cost(kind="view")


class ChannelsLast(_Transposed):
    """Channels x height x width as height x width x channels, so that what follows works on the channels of a pixel."""

    op: Literal["channels_last"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return height x width x channels."""
        channels, height, width = image_of(inputs[0], "channels_last")
        return height, width, channels


class ChannelsFirst(_Transposed):
    """Height x width x channels as channels x height x width."""

    op: Literal["channels_first"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return channels x height x width."""
        if len(inputs[0]) != 3:  # noqa: PLR2004 - height, width, channels
            raise GraphError(f"channels_first takes a sample of height x width x channels, not {inputs[0]}")
        height, width, channels = inputs[0]
        return channels, height, width


class Part(Operator):
    """One of equal parts of the first axis, counted from 0, as a view."""

    op: Literal["part"]
    parts: Dim
    index: Annotated[int, Field(ge=0), Integral]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape with a part of its rows."""
        rows, parts = inputs[0][0], size_of(self.parts, sizes)
        if rows % parts or self.index >= parts:
            raise GraphError(f"there is no part {self.index} of {rows} rows in {parts} equal parts; the first is part 0")
        return (rows // parts, *inputs[0][1:])

    def region(self, sizes: Mapping[str, int]) -> tuple[Hashable, Hashable]:
        """Return the parts and which of them it is: different parts share no element."""
        return size_of(self.parts, sizes), self.index

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the same elements, which are fewer of the whole."""
        share = output[0] / inputs[0][0]
        return Need(need.rows * share, need.elements * share)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return nothing: a view is free."""
        return Cost(kind="view")


class ChannelShuffle(Operator):
    """The channels of both halves in turn: a copy, since what stands side by side came from different places."""

    op: Literal["channel_shuffle"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the input's shape."""
        if image_of(inputs[0], "channel_shuffle")[0] % 2:
            raise GraphError(f"channel_shuffle takes an even number of channels, not {inputs[0][0]}")
        return inputs[0]

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return as many channels and elements."""
        return need

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the input and writing the result."""
        return Cost(kind="memory", inputs=elements_of(inputs[0]), outputs=elements_of(output))


class PatchMerge(Operator):
    """The channels of 2 x 2 neighbouring pixels behind each other: height x width x channels to a quarter of the pixels.

    An odd height or width is filled up with zeros.
    """

    op: Literal["patch_merge"]

    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return half the height x half the width x four times the channels."""
        if len(inputs[0]) != 3:  # noqa: PLR2004 - height, width, channels
            raise GraphError(f"patch_merge takes a sample of height x width x channels, not {inputs[0]}")
        height, width, channels = inputs[0]
        return -(-height // 2), -(-width // 2), 4 * channels

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return the needed elements less the zeros among them."""
        read, made = elements_of(inputs[0]), elements_of(output)
        share = max(0.0, need.elements * made - (made - read)) / read
        return scattered(share)

    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the traffic of reading the input and writing the result."""
        return Cost(kind="memory", inputs=elements_of(inputs[0]), outputs=elements_of(output))
