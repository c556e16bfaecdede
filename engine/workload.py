"""The workload spec: a model as a graph of operators and blocks, with the totals that its authors published."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .blocks import AnyBlock
from .ops import AnyOperator
from .ops.base import Dim
from .quantity import Count, Identifier, Integral, Key, Model, Source, Text, Tuple, Work

Node = Annotated[AnyOperator | AnyBlock, Field(discriminator="op")]
"""One line of a graph: an operator, or a block of them."""


class SymbolicSize(Model):
    """A size that a request may choose, such as the length of a text in tokens."""

    default: Annotated[int, Field(ge=0), Integral]
    minimum: Annotated[int, Field(ge=0), Integral]
    maximum: Annotated[int, Field(ge=1), Integral]
    unit: Text
    source: Key


class PublishedWork(Work):
    """Arithmetic of one sample as its authors state it; `within` is how far their rounding may be off."""

    within: Annotated[float, Field(gt=0, lt=0.2)]


class PublishedCount(Count):
    """A number of parameters as its authors state it; `within` is how far their rounding may be off."""

    within: Annotated[float, Field(gt=0, lt=0.2)]


class Published(Model):
    """Totals that a test reproduces from the graph, at the default sizes."""

    work: PublishedWork | None = None
    parameters: PublishedCount | None = None


class Workload(Model):
    """A model as a graph. Shapes are those of one sample: the batch is the leading axis that nobody writes."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    id: Identifier
    """unique; a spec with the id of one of ours replaces it"""
    name: Text
    """as its authors write it"""
    task: Text
    """what it does"""
    measured_as: Annotated[tuple[Text, ...], Tuple] = ()
    """names under which tables of measurements know it"""
    source: Annotated[Key, Field(description="the source that the graph follows")]
    sources: Annotated[dict[Key, Source], Field(min_length=1)]
    """every document that a figure names"""
    sizes: dict[Key, SymbolicSize] = {}
    """sizes that a request may choose, by name"""
    inputs: Annotated[dict[Key, Annotated[tuple[Dim, ...], Field(min_length=1, max_length=8), Tuple]], Field(min_length=1)]
    """shape of each input for one sample"""
    graph: Annotated[tuple[Node, ...], Field(min_length=1, max_length=5000), Tuple]
    """operators and blocks, in order"""
    published: Published = Published()
    """totals that the graph must reproduce"""
    not_modelled: Annotated[tuple[Text, ...], Tuple] = ()
    """what the graph leaves out"""
    notes: Annotated[tuple[Text, ...], Tuple] = ()
    """what else to know"""
