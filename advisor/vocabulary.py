"""Prints the page of operators and blocks, the words that a graph may use, from their classes."""

from __future__ import annotations

import inspect
import json
from types import ModuleType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from engine import blocks, ops
from engine.blocks.base import Block
from engine.ops.base import Operator
from engine.quantity import Model

from .report.layout import markdown_table

INTRODUCTION: Final = """# Operators and blocks

Printed by `python -m advisor.docs --write` from the classes in `engine/ops` and `engine/blocks`: change those, not this page. A
line of a graph names one of them as its `op`; [specs.md](specs.md#a-workload) says how graphs are written. Any may have a
`name` and `inputs`; a block may `repeat`. A dimension is a number or an expression of the workload's sizes. In brackets stands
which words a field may say, and what holds where it is left out.
"""
EVERYWHERE: Final = frozenset({"op", "name", "inputs", "repeat", "comment"})
"""Fields that all of them have."""


def vocabulary_text() -> str:
    """Return the whole text of `docs/operators.md`."""
    parts = [INTRODUCTION]
    for heading, families, base in (("Operators", ops.FAMILIES, Operator), ("Blocks", blocks.FAMILIES, Block)):
        parts += [f"## {heading}\n", *(family(module, base) for module in families)]
    return "\n".join(parts)


def family(module: ModuleType, base: type[Model]) -> str:
    """Return a section of the operators or blocks that a module declares."""
    about = (inspect.getdoc(module) or "").split("\n\n")[0]
    rows = [row(kind) for kind in ops.declared(module, base)]
    table = markdown_table([("Op", "What it is", "Needs", "May have"), *rows], [False] * 4)
    return "\n".join([f"### {about.removesuffix('.')}", "", *table, ""])


def row(kind: type[Model]) -> tuple[str, str, str, str]:
    """Return the cells of an operator or a block: its word, what its class says, and its fields."""
    fields = {name: field for name, field in kind.model_fields.items() if name not in EVERYWHERE}
    needs = [described(name, field) for name, field in fields.items() if field.is_required()]
    may = [described(name, field) for name, field in fields.items() if not field.is_required()]
    (word,) = get_args(kind.model_fields["op"].annotation)
    return f"`{word}`", " ".join((inspect.getdoc(kind) or "").split()), ", ".join(needs), ", ".join(may)


def described(name: str, field: FieldInfo) -> str:
    """Return a field with what it may say, and with what holds without it."""
    told = [" ".join(words(field.annotation))]
    if not field.is_required() and field.default is not None:
        told.append(f"else {json.dumps(field.default)}")
    shown = ", ".join(filter(None, told))
    return f"`{name}` ({shown})" if shown else f"`{name}`"


def words(annotation: Any) -> tuple[str, ...]:
    """Return the words that a field may say.

    >>> words(Literal["max", "average"] | None)
    ('max', 'average')
    """
    if get_origin(annotation) is Literal:
        return tuple(word for word in get_args(annotation) if isinstance(word, str))
    if get_origin(annotation) in (Union, UnionType):
        return tuple(word for part in get_args(annotation) for word in words(part))
    return ()
