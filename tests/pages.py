"""What tests of documents read: pages, their fenced blocks, their links, their headings."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATTERNS = ("*.md", "docs/**/*.md", "examples/**/*.md")
PAGES = {path.relative_to(ROOT).as_posix(): path for pattern in PATTERNS for path in sorted(ROOT.glob(pattern))}
"""Every page that people read, by its path."""


def text_of(path: str) -> str:
    """Return the text of a file of the project."""
    return (ROOT / path).read_text(encoding="utf-8")


def fences(text: str) -> list[tuple[str, str, str]]:
    """Return info string and inside of every fenced block, and the line of prose before it; blocks in lists are dedented."""
    found = re.finditer(r"(?:^(.*\S.*)\n\n?)?^( *)```(.*)\n((?:.*\n)*?)\2```$", text, flags=re.MULTILINE)
    return [(match[3], textwrap.dedent(match[4]), (match[1] or "").strip()) for match in found]


def blocks(text: str, info: str) -> list[str]:
    """Return the insides of the fenced blocks with an info string."""
    return [inside for kind, inside, _ in fences(text) if kind == info]


def prose(text: str) -> str:
    """Return a page without its fenced blocks and its code."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^( *)```.*\n(?:.*\n)*?\1```$", "", text, flags=re.MULTILINE))


def links(text: str) -> list[tuple[str, str]]:
    """Return path and anchor of every link of a page to a file or to a heading."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(text))
    return [(path, anchor) for path, _, anchor in (target.partition("#") for target in targets if "://" not in target)]


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MkDocs make them of plain words."""
    plain = re.sub(r"^( *)```.*\n(?:.*\n)*?\1```$", "", text, flags=re.MULTILINE)
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", plain, flags=re.MULTILINE)}


def slug(heading: str) -> str:
    """Return the anchor of a heading.

    >>> slug("How to `add` a chip, or 2")
    'how-to-add-a-chip-or-2'
    """
    plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())
