"""Blocks: short names for the groups of operators that papers repeat, so that a workload is as short as its paper's table.

A module for each family. `AnyBlock` is every block that these modules declare: a class is all that a new one takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Union

from ..ops import declared
from . import convolutional, detection, diffusion, hierarchical, recommendation, transformer
from .base import Block

FAMILIES: Final = (convolutional, detection, hierarchical, diffusion, recommendation, transformer)
"""The modules of blocks."""

if TYPE_CHECKING:
    AnyBlock = Block
else:
    AnyBlock = Union[tuple(kind for module in FAMILIES for kind in declared(module, Block))]  # noqa: UP007
    """Every block that a graph may name."""
