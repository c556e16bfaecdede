"""Which kind of spec a file is, and for which version of its schema it was written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final

from .documents import Document
from .errors import Fault, closest

FOLDERS: Final = {
    "accelerators": "accelerator",
    "workloads": "workload",
    "calibrations": "calibration",
    "measurements": "measurement",
    "rules": "rule",
    "profiles": "profile",
    "claims": "claim",
    "checks": "check",
}
"""Folder of a spec directory -> kind of the files in it."""
KINDS: Final = tuple(FOLDERS.values())
VERSION: Final = "1"
"""The version of the schemas that we read; a name without a version is that."""

_MARKS: Final = {
    "peak_dense": "accelerator",
    "graph": "workload",
    "applies_to": "calibration",
    "points": "measurement",
    "rules": "rule",
    "objective": "profile",
    "claims": "claim",
    "checks": "check",
}
"""A key that only one kind of spec has -> that kind, for files without $schema."""
_VERSIONED: Final = re.compile(r"(.*)\.v([^.]+)")
_SEGMENT: Final = re.compile(r"v(\d[^/]*)")


def schema_named(text: str) -> tuple[str, str]:
    """Return name and version of the schema that a `$schema` names.

    >>> schema_named("../../schemas/accelerator.schema.json"), schema_named("roofwise:rule.v2.schema.json")
    (('accelerator', '1'), ('rule', '2'))
    >>> schema_named("https://example.org/v2/rule.schema.json#")
    ('rule', '2')
    """
    *folders, last = re.split(r"[/\\:]", re.split(r"[?#]", text)[0])
    name = last.removesuffix(".schema.json")
    if versioned := _VERSIONED.fullmatch(name):
        return versioned[1], versioned[2]
    versions = [found[1] for folder in folders if (found := _SEGMENT.fullmatch(folder))]
    return name, versions[-1] if versions else VERSION


def kind_of(document: Document) -> tuple[str, list[Fault]]:
    """Return the kind of a document, or "" and why it has none.

    Its `$schema` says it; else a key that only one kind has, else the folder that it stands in.
    """
    if document.data is None:
        return "", list(document.faults)
    if not isinstance(document.data, dict):
        found = f"a JSON {_JSON_TYPES.get(type(document.data), 'number')}"
        return "", [*document.faults, document.fault((), found, "an object", rule="S008")]
    if "$schema" in document.data:
        return _of_schema(document, document.data["$schema"])
    kind = _marked(document.data) or FOLDERS.get(PurePath(document.file).parent.name, "")
    return (kind, []) if kind else ("", [*document.faults, document.fault((), "no $schema", _EXPECTED, rule="S009")])


_JSON_TYPES: Final[dict[type, str]] = {list: "list", str: "text", bool: "truth value"}
_EXPECTED: Final = f"a $schema that ends in one of {', '.join(KINDS)}.schema.json"


def _marked(data: Mapping[str, Any]) -> str:
    return next((kind for key, kind in _MARKS.items() if key in data), "")


def _of_schema(document: Document, schema: Any) -> tuple[str, list[Fault]]:
    name, version = schema_named(schema) if isinstance(schema, str) else (str(schema), VERSION)
    if not isinstance(schema, str) or name not in KINDS:
        found = f"the schema {name[:80]!r}"
        fault = document.fault(("$schema",), found, _EXPECTED, closest(name, KINDS), rule="S009")
    elif version != VERSION:
        found = f"version {version[:20]!r} of the {name} schema"
        expected = f"version {VERSION}, which this Roofwise reads; update Roofwise to read a later one"
        fault = document.fault(("$schema",), found, expected, rule="S010")
    else:
        return name, []
    return "", [*document.faults, fault]


def is_foreign(document: Document) -> bool:
    """Return whether a JSON file among specs shows no sign of being one: nobody meant it for us."""
    data = document.data
    if data is None or PurePath(document.file).parent.name in FOLDERS:
        return False
    if not isinstance(data, dict):
        return True
    name = schema_named(str(data.get("$schema", "")))[0]
    ours = name in KINDS or bool(closest(name, KINDS))
    signs = bool(_marked(data)) + ("id" in data) + ("sources" in data)
    return not ours and signs < 2  # noqa: PLR2004 - one alone, such as "rules" or "id", is common in other files
