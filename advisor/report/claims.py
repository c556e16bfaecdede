"""Verdicts on claims for people and for programs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from ..claim import ClaimFile
from ..judge import Judged, Known, Verdict
from .document import Document, Section, Table
from .layout import Paint, labelled, plain

_ABOUT: Final = (
    "Each claim is held against itself, our lower bounds, our estimates, and measured figures where there is a record."
)
_STYLES: Final[dict[Verdict, str]] = {
    "holds": "good", "holds with correction": "good", "contradicts itself": "bad", "contradicted by our bound": "bad",
}  # fmt: skip


def text(file: ClaimFile, judged: Sequence[Judged], width: int, paint: Paint = plain) -> str:
    """Return how many claims got each verdict, and each claim with its verdict and the numbers behind it."""
    lines = [f"{file.name}: {len(judged)} claims", *(f"{count:>5}  {verdict}" for verdict, count in _counts(judged)), ""]
    for one in judged:
        lines.append(f"{one.claim.id}  {paint(one.verdict, _STYLES.get(one.verdict, 'strong'))}")
        lines += labelled("  claim", one.claim.statement, width)
        lines += labelled("  because", one.because, width)
    return "\n".join([*lines, "", *(line for note in file.notes for line in labelled("Note", note, width))]).rstrip() + "\n"


def as_document(judged: Sequence[tuple[ClaimFile, Sequence[Judged]]]) -> Document:
    """Return the verdicts as a document: a section for each file."""
    sections = []
    for file, found in judged:
        rows = tuple((one.claim.id, one.claim.statement, one.verdict, one.because) for one in found)
        counted = ", ".join(f"{verdict}: {count}" for verdict, count in _counts(found))
        table = Table(heading=("id", "claim", "verdict", "because"), rows=rows, right=(False,) * 4)
        sections.append(Section(key=file.id, title=file.name, text=(f"{counted}.", *file.notes), table=table))
    return Document(title="Claims", about=(_ABOUT,), sections=tuple(sections))


def as_json(judged: Sequence[tuple[ClaimFile, Sequence[Judged]]]) -> dict[str, Any]:
    """Return the verdicts of all files; a fact of a series has a value for each batch, None where it is unknown."""
    return {
        "files": [
            {"id": file.id, "name": file.name, "verdicts": dict(_counts(found)), "sources": _sources(file)}
            for file, found in judged
        ],
        "claims": [{"file": file.id, **_claim(one)} for file, found in judged for one in found],
    }


def _sources(file: ClaimFile) -> dict[str, Any]:
    return {key: source.model_dump(exclude_none=True) for key, source in file.sources.items()}


def _claim(one: Judged) -> dict[str, Any]:
    return {
        "id": one.claim.id,
        "statement": one.claim.statement,
        "verdict": one.verdict,
        "because": one.because,
        "source": one.claim.source,
        "batches": list(one.batches),
        "facts": {name: _fact(fact) for name, fact in one.facts.items()},
    }


def _fact(fact: Known) -> dict[str, Any]:
    values = [float(value) if math.isfinite(value) else None for value in fact.values.flat]
    return {"value": values if fact.values.ndim else values[0], "unit": fact.unit}


def _counts(judged: Sequence[Judged]) -> list[tuple[Verdict, int]]:
    return Counter(one.verdict for one in judged).most_common()
