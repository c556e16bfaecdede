"""Hooks of MkDocs that make these pages a site which needs nothing beside it and no network.

Specs, schemas, examples and the pages of the root travel along, links above `docs` are led to them, and formulas become MathML.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any, Final

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).parents[1]
ALONG: Final = ("specs/**/*.json", "schemas/*.json", "examples/**/*", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE")
"""Files of the checkout that the site holds besides `docs`."""
_LINK: Final = re.compile(r"\]\((?!\w+://|#)([^)#\s]+)")
_FENCE: Final = re.compile(r"(^ *```.*\n(?:.*\n)*?^ *```$|`[^`\n]+`)", flags=re.MULTILINE)
_FORMULA: Final = re.compile(r"\$\$(?P<block>[^$]+)\$\$|(?<![\\$\w])\$(?P<inline>[^$\n]+)\$")


def on_files(files: Files, config: Any) -> Files:
    """Add the files that travel along."""
    for pattern in ALONG:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file():
                files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    for folder in sorted({path.parent for pattern in ALONG for path in ROOT.glob(pattern)} | {ROOT / "specs"} - {ROOT}):
        if not (folder / "README.md").is_file():
            files.append(File.generated(config, f"{folder.relative_to(ROOT).as_posix()}/index.md", content=_listing(folder)))
    return files


def _listing(folder: Path) -> str:
    """Return a page that lists a folder, to which links lead."""
    names = sorted(path.name + ("/index.md" if path.is_dir() else "") for path in folder.iterdir())
    lines = (f"- [{name.removesuffix('/index.md')}]({name})" for name in names if not name.startswith("_"))
    return f"# {folder.relative_to(ROOT).as_posix()}\n\n" + "\n".join(lines) + "\n"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return a page with its links led to where the site has what they lead to, and its formulas as MathML."""
    source = page.file.src_uri
    origin = source if source.isupper() or source in ("CHANGELOG.md", "CONTRIBUTING.md") else f"docs/{source}"
    led = _LINK.sub(lambda match: f"]({led_to(match[1], origin, source)}", markdown)
    parts = _FENCE.split(led)
    return "".join(part if index % 2 else _FORMULA.sub(_mathml, part) for index, part in enumerate(parts))


def led_to(link: str, origin: str, source: str) -> str:
    """Return a link of a file of the checkout as a link of the page of the site that it becomes."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))
    target = "index.md" if target == "README.md" else target.removeprefix("docs/")
    if (ROOT / target).is_dir():
        target += "/index.md"
    return posixpath.relpath(target, posixpath.dirname(source) or ".")


def _mathml(match: re.Match[str]) -> str:
    return str(convert(match["block"], display="block") if match["block"] else convert(match["inline"]))
