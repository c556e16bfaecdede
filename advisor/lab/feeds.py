"""What a model is fed while it is measured: random numbers in the shapes that it takes, at a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from ..inputs import RequestError

TYPES: Final[Mapping[str, Any]] = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64, "tensor(int64)": np.int64,
    "tensor(int32)": np.int32, "tensor(bool)": np.bool_, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8,
}  # fmt: skip
TOKENS: Final = 100
"""Whole numbers are below this: they may be rows of a table, whose length the runtime does not tell."""


def fixed_batch(session: Any) -> int | None:
    """Return the batch that a model fixes, or None where it leaves it open: that of the first axis of its first input."""
    first = session.get_inputs()[0].shape
    return first[0] if first and isinstance(first[0], int) else None


def feeds(session: Any, batch: int, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Return an array for each input. `sizes` are of axes that the model leaves open. Raises RequestError.

    A mask is all ones, a kind of token 0; other whole numbers are small, all else is normal random numbers.
    """
    chance = np.random.default_rng(0)
    return {one.name: _array(one, _shape(one, batch, sizes), chance) for one in session.get_inputs()}


def _shape(one: Any, batch: int, sizes: Mapping[str, int]) -> list[int]:
    shape = []
    for axis, dim in enumerate(one.shape):
        if isinstance(dim, int):
            shape.append(dim)
        elif axis == 0:
            shape.append(batch)
        elif str(dim) in sizes:
            shape.append(sizes[str(dim)])
        else:
            raise RequestError(f"the input {one.name} leaves its axis {dim} open; give it: --size {dim}=N")
    return shape


def _array(one: Any, shape: list[int], chance: np.random.Generator) -> Any:
    if one.type not in TYPES:
        raise RequestError(
            f"the input {one.name} is a {one.type}, for which there are no random numbers; known: {', '.join(TYPES)}"
        )
    kind = TYPES[one.type]
    if np.issubdtype(kind, np.floating):
        return chance.standard_normal(shape, dtype=np.float32).astype(kind)
    if "mask" in one.name.lower() or kind is np.bool_:
        return np.ones(shape, dtype=kind)
    return chance.integers(0, 1 if "type" in one.name.lower() else TOKENS, shape).astype(kind)
