"""Prints the JSON Schemas (draft 2020-12) of specs and answers from their models: `python -m advisor.schemas --write`."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from pydantic import BaseModel

from engine.catalog import data_root
from engine.documents import COMMENT

from . import validation
from .contract import AdvicePart
from .lab.contract import AccuracyPart
from .model_contract import ModelPart
from .report.findings import ValidationPart

MODELS: Final[dict[str, type[BaseModel]]] = {
    **validation.MODELS,
    "advice": AdvicePart,
    "accuracy": AccuracyPart,
    "validation": ValidationPart,
    "model": ModelPart,
}
"""Name of a schema -> model of the files that follow it."""
_COMMENT: Final = {"type": "string", "description": "for people; nobody reads it"}


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a name in MODELS; specs may have comments in every object."""
    body = _closed(MODELS[name].model_json_schema(by_alias=True))
    if name in validation.MODELS:
        body = _commented(body)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"roofwise:{name}.schema.json", **body}


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
