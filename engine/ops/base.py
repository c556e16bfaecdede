"""Operators: each declares its fields, its output shape and what it costs, in one place.

Shapes are those of one sample; the batch is the leading axis that nobody writes. Work counts the multiply-accumulates of
matrix products, convolutions and attention, a MAC being 2 FLOP; normalisation, activation, pooling and softmax are carried
by their traffic. Work and traffic are affine in the batch: weights once, activations per sample.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

from pydantic import Discriminator, Field, Tag

from ..cost import Cost
from ..errors import ExpressionError, GraphError
from ..expressions import parse
from ..quantity import Integral, Model, NodeName, Tuple

Shape = tuple[int, ...]
Dim = Annotated[int, Field(ge=1, le=10**12), Integral] | Annotated[str, Field(min_length=1)]
"""A dimension: a number, or an expression of the workload's sizes."""
Tokens = Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=0, le=10**12), Integral]
"""A count that may be 0, such as the tokens of a cache."""

FLOP_PER_MAC: Final = 2
MAX_DIMENSION: Final = 10**12
MAX_OPERATORS: Final = 30_000
"""Operators of a graph, and those that one block may stand for; networks have up to some thousand."""


def _extents(value: object) -> str:
    return "two" if isinstance(value, list | tuple) else "one"


Side = Annotated[int, Field(ge=0, le=10**6), Integral]
Extent = Annotated[
    Annotated[Dim, Tag("one")] | Annotated[tuple[Dim, Dim], Tuple, Tag("two")],
    Discriminator(_extents),
]
"""Height and width of a window, or one number for both."""
Padding = Annotated[
    Annotated[Side, Tag("one")] | Annotated[tuple[Side, Side], Tuple, Tag("two")],
    Discriminator(_extents),
]
"""Padding at each side along height and width, or one number for both."""


def size_of(dim: int | str, sizes: Mapping[str, int]) -> int:
    """Return a dimension as a whole number above 0, its expression evaluated over `sizes`.

    Raises GraphError when it is no whole number above 0, or uses a name that is no size of the workload.

    >>> size_of("4 * hidden", {"hidden": 768})
    3072
    """
    if isinstance(dim, int):
        return dim
    try:
        value = parse(dim)(sizes)
    except ExpressionError as error:
        raise GraphError(f"{error}; the sizes of this workload are: {', '.join(sizes) or 'none'}") from error
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value) or not 1 <= value <= MAX_DIMENSION:
        raise GraphError(f"the dimension {dim!r} is {value!r}; it must be a whole number from 1 to 10^12")
    return int(value)


def extent_of(extent: int | str | tuple[int | str, int | str], sizes: Mapping[str, int]) -> tuple[int, int]:
    """Return height and width.

    >>> extent_of(3, {}), extent_of((1, 7), {})
    ((3, 3), (1, 7))
    """
    height, width = extent if isinstance(extent, tuple) else (extent, extent)
    return size_of(height, sizes), size_of(width, sizes)


def matrix_product(rows: int, columns: int, contraction: int) -> Cost:
    """Return the cost of C[rows, columns] = A[rows, contraction] B[contraction, columns], B being the weights.

    >>> matrix_product(4, 8, 2).work
    128.0
    """
    work = float(FLOP_PER_MAC * rows * columns * contraction)
    return Cost(
        kind="gemm", work=work, work_min=work, work_done=work, parameters=columns * contraction, weights=columns * contraction,
        inputs=float(rows * contraction), outputs=float(rows * columns), rows=rows, columns=columns, channels=contraction,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Need:
    """How much of a result the network's output depends on, at the least: its share of rows (first axis), and of elements.

    `last` says that the last row is among the rows.
    """

    rows: float
    elements: float
    last: bool = False


class Operator(Model):
    """Base of all operators. `inputs` names the operators whose results it takes; left out, it takes the one before."""

    arity: ClassVar[int] = 1
    variadic: ClassVar[bool] = False
    """Whether it takes more inputs than `arity`, too."""
    least_axes: ClassVar[int] = 1
    epilogue: ClassVar[bool] = False
    """Whether it can ride on the kernel that produces its input, at no trip of its own."""
    carries: ClassVar[bool] = False
    """Whether epilogues can ride on its kernel."""

    fuses: ClassVar[bool] = False
    """Whether frameworks have one kernel for it, with no intermediate result in memory."""

    launches: ClassVar[int] = 1
    """How many operators an eager framework launches for it, one after the other."""

    if TYPE_CHECKING:
        op: str
        """The word for it in graphs; each operator says its own, as `op: Literal["linear"]`."""
    name: NodeName | None = None
    inputs: Annotated[tuple[NodeName, ...], Tuple] = ()

    def unfused(self, cost: Cost) -> Cost:
        """Return the cost where every intermediate result of it goes to memory and back: by default the same."""
        return cost

    def region(self, sizes: Mapping[str, int]) -> tuple[Hashable, Hashable] | None:
        """Return a partition of its input and the part of it that it reads; None where it may read anything."""
        return None

    def tables(self, cost: Cost, need: Need, sizes: Mapping[str, int]) -> tuple[Cost, ...]:
        """Return a cost for each table of which rows are looked up, with the look-ups that `need` of the result depends on."""
        return (replace(cost, lookups=cost.lookups * need.elements),) if cost.table_rows else ()

    @abstractmethod
    def shape(self, inputs: Sequence[Shape], sizes: Mapping[str, int]) -> Shape:
        """Return the shape of the result for one sample. Raises GraphError when the inputs do not fit."""

    @abstractmethod
    def cost(self, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Cost:
        """Return the cost for one sample."""

    def demand(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Need:
        """Return how much of each input `need` of the result depends on, at the least: by default the same rows, whole."""
        return Need(need.rows, need.rows, need.last)

    def demands(self, need: Need, inputs: Sequence[Shape], output: Shape, sizes: Mapping[str, int]) -> Sequence[Need]:
        """Return the same for each input, where they differ."""
        return [self.demand(need, inputs, output, sizes)] * len(inputs)

    def least_work(self, cost: Cost, need: Need) -> float:
        """Return the arithmetic that any algorithm needs for `need` of the result [FLOP per sample]."""
        return cost.work_min * need.elements

    def least_weights(self, cost: Cost, output: Shape, need: Need) -> float:
        """Return the weight elements that must be read for `need` of the result."""
        return (cost.weights - cost.spared) * need.elements

    def least_cache(self, cost: Cost, need: Need) -> float:
        """Return the elements of the cache of earlier tokens that must be read for `need` of the result."""
        return cost.cache_read * float(need.elements > 0)


def count_of(count: int | str, sizes: Mapping[str, int]) -> int:
    """Return a count that may be 0, its expression evaluated over `sizes`.

    >>> count_of("context", {"context": 0})
    0
    """
    return count if isinstance(count, int) else size_of(f"({count}) + 1", sizes) - 1


def scattered(share: float) -> Need:
    """Return the need of a share of elements of which nothing says that they fill whole rows.

    Equal shares of rows and elements would say so; of elements it is the next smaller number.

    >>> half, whole = scattered(0.5), scattered(1.0)
    >>> half.rows, half.elements < half.rows, whole.elements == whole.rows
    (0.5, True, True)
    """
    return Need(share, math.nextafter(share, 0.0) if 0 < share < 1 else share)


def elements_of(*shapes: Shape) -> float:
    """Return the elements of all shapes together.

    >>> elements_of((3, 4), (5,))
    17.0
    """
    return float(sum(math.prod(shape) for shape in shapes))


def image_of(shape: Shape, what: str) -> tuple[int, int, int]:
    """Return channels, height and width. Raises GraphError, naming the operator `what`, for a sample that is no image."""
    if len(shape) != 3:  # noqa: PLR2004 - channels, height, width
        raise GraphError(f"{what} takes a sample of channels x height x width, not {shape}")
    return shape[0], shape[1], shape[2]
