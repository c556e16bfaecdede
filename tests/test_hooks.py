"""The hook that others use with pre-commit: it runs our command on every spec file of our layout, and on nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import typer
from ruamel.yaml import YAML

from advisor.cli import app

ROOT = Path(__file__).parents[1]


def test_the_hook_runs_a_command_of_ours_on_the_files_of_specs() -> None:
    (hook,) = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert {"id", "name", "entry", "language", "files"} <= hook.keys()
    program, command = hook["entry"].split()
    assert (program, command in typer.main.get_command(app).commands) == ("advise", True)
    assert hook["language"] == "python"
    taken = re.compile(hook["files"])
    specs = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("specs/*/*.json")]
    assert len(specs) > 200
    assert [name for name in specs if not taken.search(name)] == []
    for other in ("package.json", "schemas/rule.schema.json", "specs/notes.json", "my-accelerators/x.json", "rules/x.yaml"):
        assert not taken.search(other)


def test_the_hook_that_the_readme_shows_is_ours() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (hook,) = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert f"- id: {hook['id']}\n" in readme
