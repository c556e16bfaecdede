"""Spec folders as users have them: which files are specs, of which kind, and which are left out for their faults."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, Final

from .documents import Document, read_file
from .errors import Fault, SpecError
from .kinds import FOLDERS, is_foreign, kind_of

Layer = Mapping[str, Sequence[Document]]
"""Kind of spec -> its documents in one folder; "" for those whose kind nobody can tell."""
_ID: Final = re.compile(r'"id"\s*:\s*"([^"\\]{1,80})"')


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A user's file that is left out for its faults; `instead` says what stands in for what it would have defined."""

    file: str
    kind: str
    ids: tuple[str, ...]
    faults: tuple[Fault, ...]
    instead: Mapping[str, str] = field(default_factory=dict)


def json_files(directory: Path) -> list[Path]:
    """Return the JSON files below a directory, in order; hidden folders are not looked into."""
    inside = [path for path in sorted(directory.rglob("*.json")) if path.is_file()]
    return [path for path in inside if not any(part.startswith(".") for part in path.relative_to(directory).parts)]


def user_layer(directory: Path) -> Layer:
    """Return the documents below a user's spec folder by kind, wherever in it they lie; JSON of others is passed over."""
    found: dict[str, list[Document]] = {}
    for path in json_files(directory):
        document = read_file(path)
        if not is_foreign(document):
            kind = kind_of(document)[0] or (FOLDERS.get(path.parent.name, "") if document.data is None else "")
            found.setdefault(kind, []).append(document)
    return found


def our_layer(directory: Path, folders: Sequence[str]) -> Layer:
    """Return the documents of some folders of our own catalogue by kind; a file that did not change is read once."""
    return {FOLDERS[folder]: [_read(path, _stamp(path)) for path in spec_files(directory, folder)] for folder in folders}


def _stamp(path: Path) -> tuple[int, int]:
    """Return what changes when a file is written: its time and its size."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=1024)
def _read(path: Path, stamp: tuple[int, int]) -> Document:
    del stamp
    return read_file(path)


def spec_files(directory: Path, folder: str) -> list[Path]:
    """Return the spec files of one kind below a spec directory, in order."""
    return sorted(path for path in (directory / folder).glob("*.json") if path.is_file())


def check_directories(directories: Sequence[Path]) -> None:
    """Raise SpecError for paths that are no directories."""
    absent = [str(directory) for directory in directories if not os.path.isdir(directory)]  # noqa: PTH112 - any text may come
    if absent:
        raise SpecError(Fault(name, 1, 1, "", "no such directory", "a directory of specs", rule="S001") for name in absent)


def left_out(document: Document, kind: str, faults: Sequence[Fault]) -> LeftOut:
    """Return what is left out with a document: the ids that it states, or what its text or its name lets guess."""
    return LeftOut(file=document.file, kind=kind, ids=_ids(document), faults=tuple(faults))


def unknown_kinds(layers: Sequence[Layer]) -> list[LeftOut]:
    """Return the files of which nobody can tell what they are."""
    return [left_out(document, "", kind_of(document)[1]) for layer in layers for document in layer.get("", ())]


def _ids(document: Document) -> tuple[str, ...]:
    data: Any = document.data
    held = [data.get(key) for key in ("rules", "checks", "claims")] if isinstance(data, dict) else []
    items: list[Any] = next((item for item in held if isinstance(item, list)), [data])
    stated = [item["id"] for item in items if isinstance(item, dict) and isinstance(item.get("id"), str)]
    found = stated or _ID.findall(document.text)[:1] or [PurePath(document.file).stem]
    return tuple(dict.fromkeys(name[:80] for name in found))
