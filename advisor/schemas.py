"""Prints the JSON Schemas (draft 2020-12) of specs and answers from their models: `python -m advisor.schemas --write`."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from engine.catalog import data_root
from engine.documents import COMMENT
from engine.quantity import Model

from . import validation
from .contract import AdvicePart
from .explore.contract import ExplorationPart
from .lab.contract import AccuracyPart
from .model_contract import ModelPart
from .report.findings import ValidationPart

MODELS: Final[dict[str, type[BaseModel]]] = {
    **validation.MODELS,
    "advice": AdvicePart,
    "accuracy": AccuracyPart,
    "validation": ValidationPart,
    "model": ModelPart,
    "exploration": ExplorationPart,
}
"""Name of a schema -> model of the files that follow it."""
_COMMENT: Final = {"type": "string", "description": "for people; nobody reads it"}


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a name in MODELS; specs may have comments in every object."""
    body = _closed(MODELS[name].model_json_schema(by_alias=True))
    if name in validation.MODELS:
        body = _commented(_described(body))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"roofwise:{name}.schema.json", **body}


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema whose properties have the docstrings of their fields, which editors show."""
    for title, part in {**schema.get("$defs", {}), schema["title"]: schema}.items():
        texts = _docstrings().get(title, {})
        for name, field in part.get("properties", {}).items():
            if "description" not in field and name in texts:
                field["description"] = texts[name]
    return schema


@lru_cache(maxsize=1)
def _docstrings() -> dict[str, dict[str, str]]:
    """Return the docstrings of fields by model and field, those of its bases included; only its source has them."""
    found: dict[str, dict[str, str]] = {}
    models: list[type[Model]] = [Model, *_below(Model)]
    for file in {inspect.getfile(model) for model in models}:
        for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name] = dict(_fields(node))
    return {
        model.__name__: {name: text for base in reversed(model.__mro__) for name, text in found.get(base.__name__, {}).items()}
        for model in models
    }


def _below(model: type[Model]) -> list[type[Model]]:
    return [part for child in model.__subclasses__() for part in (child, *_below(child))]


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, after in pairwise(node.body):
        text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else None
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, str):
            yield field.target.id, text


def _closed(schema: Any) -> Any:
    """Return a schema whose maps admit no key beside those of their pattern, as pydantic does."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    return closed | {"additionalProperties": False} if "patternProperties" in closed else closed


def _commented(schema: Any) -> Any:
    """Return a schema whose objects may have a comment, which reading drops."""
    if isinstance(schema, list):
        return [_commented(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    commented = {key: _commented(value) for key, value in schema.items()}
    if commented.get("type") != "object":
        return commented
    commented["properties"] = {**commented.get("properties", {}), COMMENT: _COMMENT}
    if "propertyNames" in commented:
        commented["propertyNames"] = {"anyOf": [commented["propertyNames"], {"const": COMMENT}]}
    return commented


def text(name: str) -> str:
    """Return a schema as the text of its file."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for schema_name in MODELS:
        if "--write" in sys.argv[1:]:
            (data_root() / "schemas" / f"{schema_name}.schema.json").write_text(text(schema_name), encoding="utf-8")
        else:
            sys.stdout.write(text(schema_name))
