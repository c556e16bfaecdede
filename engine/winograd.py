"""Winograd's form F(4 x 4, 3 x 3) of a convolution. Source: Lavin, Gray, CVPR 2016."""

from __future__ import annotations

import math
from typing import Final

KERNEL: Final = 3
"""Side of the kernel."""
TILE: Final = 4
"""Side of a tile of results."""
TAPS: Final = KERNEL**2
PRODUCTS: Final = (TILE + KERNEL - 1) ** 2
"""Products of channels that give one tile."""
LAUNCHES: Final = 3
"""Kernels that it runs as: a transform, batched products, and a transform back."""


def tiles_of(height: int, width: int) -> int:
    """Return how many tiles cover a result.

    >>> tiles_of(56, 55), tiles_of(7, 7)
    (196, 4)
    """
    return math.ceil(height / TILE) * math.ceil(width / TILE)
