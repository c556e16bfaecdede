"""The pages of docs/: the site names each, every link and anchor resolves, and what they tell people to type works in order."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
from pathlib import Path

import onnx
import pytest
from pages import PAGES, ROOT, anchors, fences, links, text_of

from advisor.cli import main

WALKED = [name for name in PAGES if name.startswith(("docs/tutorial", "docs/how-to/", "docs/index", "docs/exploring"))]
"""Pages whose files are written and whose commands are run, from top to bottom, in an empty folder."""
EXIT = re.compile(r"# exit code (\d)$")
FILE = re.compile(r"`(my-specs/[\w/.-]+\.json)`")


def test_the_site_names_every_page_once_and_no_other() -> None:
    named = re.findall(r"^ +- .*?(\S+\.md)$", text_of("mkdocs.yml"), flags=re.MULTILINE)
    pages = {name.removeprefix("docs/") for name in PAGES if name.startswith("docs/")}
    assert sorted(named) == sorted(pages | {"CHANGELOG.md", "CONTRIBUTING.md"})


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_to_a_heading_of_it(page: str) -> None:
    lost = []
    for path, anchor in links(text_of(page)):
        target = (PAGES[page].parent / path) if path else PAGES[page]
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            lost.append(f"{path}#{anchor}")
    assert lost == []


def blanks_aside(text: str) -> str:
    """Return a text without the blanks at its ends and with one for many, as a page may indent it."""
    return re.sub(r"\s+", " ", text).strip()


class Walk:
    """Follows a page as a reader would: writes its files, types its commands, compares what it shows."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.shown: list[str] = []

    def json(self, inside: str, before: str) -> None:
        """Write a file that the line before names."""
        (file,) = FILE.findall(before)
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(inside, encoding="utf-8")

    def sh(self, inside: str, before: str) -> None:
        """Make folders and run commands; each has the exit code that its comment names, or 0, and says nothing on stderr."""
        del before
        self.shown = []
        for line in inside.splitlines():
            program, *arguments = shlex.split(line, comments=True)
            if (program, arguments[0]) == ("mkdir", "-p"):
                for folder in arguments[1:]:
                    Path(folder).mkdir(parents=True)
                continue
            assert program == "advise"
            with pytest.raises(SystemExit) as stop:
                main(arguments)
            printed = self.capsys.readouterr()
            told = EXIT.search(line)
            assert (int(stop.value.code or 0), printed.err) == (int(told[1]) if told else 0, ""), line
            self.shown += map(blanks_aside, printed.out.splitlines())

    def text(self, inside: str, before: str) -> None:
        """Find the lines that a block shows among those that the last commands printed, in order."""
        del before
        if self.shown:
            rest = iter(self.shown)
            assert [line for line in map(blanks_aside, inside.splitlines()) if line not in rest] == []


@pytest.mark.parametrize("page", WALKED)
def test_what_a_page_tells_people_to_type_works(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ROOFWISE_SPECS", "COLUMNS", "SHELL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    graphs = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    shutil.copy(graphs / "light_resnet50.onnx", "resnet50.onnx")
    shutil.copy(ROOT / "tests" / "configs" / "llama-3.1-8b.json", "config.json")
    walk = Walk(capsys)
    for kind, inside, before in fences(text_of(page)):
        if kind in ("json", "sh", "text"):
            getattr(walk, kind)(inside, before)


def test_the_derivations_hold() -> None:
    failed, tried = doctest.testfile(str(ROOT / "docs" / "derivations.md"), module_relative=False)
    assert (failed, tried) == (0, text_of("docs/derivations.md").count(">>> "))
