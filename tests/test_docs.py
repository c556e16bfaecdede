"""Documents say what is so: printed pages are fresh, examples run, links lead somewhere, everything public is explained."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import onnx
import pytest
import typer
from pages import ROOT, blocks, text_of

from advisor import cli, docs, schemas
from advisor.requirements import Requirements
from advisor.rule import load_rulebook
from advisor.validation import validate_file
from engine import closed_form, codegen, load, predict, symbols

README = text_of("README.md")
PROJECT = tomllib.loads(text_of("pyproject.toml"))["project"]
FORMS = {form.name: form for form in codegen.FORMS}


# README.


def test_the_readme_opens_with_a_sentence_and_three_commands() -> None:
    title, sentence, *rest = README.split("\n\n")
    assert title.startswith("# ")
    assert "\n" not in sentence
    assert [part.splitlines()[0] for part in rest[:3]] == ["```sh run", "```sh test", "```sh check"]


@pytest.mark.parametrize("name", ["run", "test", "check"])
def test_a_command_of_the_readme_is_one_line_that_installs_what_is_pinned(name: str) -> None:
    (block,) = blocks(README, f"sh {name}")
    assert block.count("\n") == 1
    assert block.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert " -c constraints.txt " in block


def test_ci_cuts_its_commands_out_of_the_readme(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    script = shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")

    def run(readme: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "README.md").write_text(readme, encoding="utf-8")
        return subprocess.run([script], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    both = "# R\n\n```sh test\necho tested\n```\n\n```sh check\necho checked\n```\n"
    assert run(both).stdout.split("\n") == ["", "$ echo checked", "checked", "", "$ echo tested", "tested", ""]
    assert run(both.replace("echo checked", "false")).returncode == 1
    assert "tested" in run(both.replace("echo checked", "false")).stdout
    for broken in (both.replace("sh test", "sh tests"), both.replace("echo tested", "true\necho tested"), both + both):
        failed = run(broken)
        assert failed.returncode != 0
        assert "must have one block" in failed.stderr
        assert "echo" not in failed.stdout


def shown_commands() -> list[str]:
    """Return the commands that the pages and every command's help show, each once.

    Those that install are left out, and those that run a model or a probe: test_lab.py does.
    """
    shown = [block for page in ("README.md", "docs/specs.md", "docs/reference.md") for block in blocks(text_of(page), "sh")]
    lines = dict.fromkeys(line for block in shown for line in block.splitlines())
    return [line for line in lines if line.split()[1:2] not in (["probe"], ["measure"], ["lab"])]


def prepare(folder: Path) -> None:
    """Put what shown commands take into a folder: specs of a user's, what can be imported, and what that becomes."""
    write_examples(folder / "my-specs")
    graphs = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    shutil.copy(graphs / "light_resnet50.onnx", folder / "resnet50.onnx")
    shutil.copy(ROOT / "tests" / "configs" / "llama-3.1-8b.json", folder / "config.json")
    shutil.copy(ROOT / "specs" / "workloads" / "resnet50.json", folder / "my-resnet.json")
    shutil.copy(ROOT / "specs" / "workloads" / "llama-3.1-8b-decode.json", folder / "my-model.json")


@pytest.mark.parametrize("command", shown_commands())
def test_a_command_that_the_pages_show_gives_an_answer(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ROOFWISE_SPECS", raising=False)
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    program, *arguments = shlex.split(command)
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert program == "advise"
    assert (stop.value.code, capsys.readouterr().err) == (0, "")


def test_every_command_and_every_option_of_the_main_one_is_in_the_readme() -> None:
    command = typer.main.get_command(cli.app)
    assert {name for name in command.commands if f"advise {name}" not in README} == set()
    plain = {"--help", "--version", "--install-completion", "--show-completion"}
    options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    assert {option for option in options - plain if f"`{option}" not in README} == set()


# Pages that are printed from data.


@pytest.mark.parametrize("name", docs.PAGES)
def test_a_printed_page_is_fresh(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main([name, "--check"]) == 0
    assert capsys.readouterr().err == ""


def test_the_command_of_the_readme_checks_every_printed_page() -> None:
    (check,) = blocks(README, "sh check")
    assert ".venv/bin/python -m advisor.docs --check\n" in check


def test_a_stale_page_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "findings.md").write_text("old", encoding="utf-8")
    monkeypatch.setattr(docs, "data_root", lambda: tmp_path)
    assert docs.main(["findings", "--check"]) == 1
    assert capsys.readouterr().err == "error: findings.md is stale; run python -m advisor.docs --write\n"
    assert docs.main(["findings", "--write"]) == 0
    assert docs.main(["findings", "--check"]) == 0
    assert docs.main(["findings"]) == 0
    assert capsys.readouterr().out == (tmp_path / "docs" / "findings.md").read_text(encoding="utf-8")


def test_a_page_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["rulez"]) == 2
    assert (
        capsys.readouterr().err
        == "error: no page 'rulez'; there are: rules, catalogue, findings, operators, reference, readme\n"
    )


def test_the_catalogue_has_a_row_for_every_spec() -> None:
    page = text_of("docs/catalogue.md")
    catalog = load()
    for shelf in (catalog.accelerators, catalog.workloads, catalog.calibrations):
        missing = [
            entry.model.id
            for entry in shelf.entries.values()
            if page.count(f"/{Path(entry.file).name})<br>`{entry.model.id}`") < 1
        ]
        assert missing == []


@pytest.mark.parametrize("name", schemas.MODELS)
def test_a_schema_is_fresh(name: str) -> None:
    assert schemas.text(name) == text_of(f"schemas/{name}.schema.json"), "run python -m advisor.schemas --write"


@pytest.mark.parametrize("kind", ["accelerator", "workload", "measurement", "rule", "profile"])
def test_an_editor_explains_every_key_of_a_spec(kind: str) -> None:
    schema = schemas.schema(kind)
    parts = [schema, *(schema["$defs"].get(name, {}) for name in ("Memory", "Power", "Source", "Point", "Rule"))]
    keys = {name: field for part in parts for name, field in part.get("properties", {}).items()}
    silent = {name for name, field in keys.items() if "description" not in field and "$ref" not in field}
    assert silent - {"$schema"} == set()


def test_no_schema_is_left_over() -> None:
    assert {path.name for path in ROOT.glob("schemas/*")} == {f"{name}.schema.json" for name in schemas.MODELS}


@pytest.mark.parametrize("symbol", symbols.MEANING, ids=str)
def test_a_symbol_has_its_row_in_the_model(symbol: object) -> None:
    row = f"| ${symbols.LATEX[symbol]}$ | `{symbol}` | {symbols.MEANING[symbol]} |"
    assert row in text_of("docs/model.md").splitlines()


@pytest.mark.parametrize("name", FORMS)
def test_a_closed_form_has_its_place_in_the_model(name: str) -> None:
    form: closed_form.ClosedForm = FORMS[name]
    assert form.source
    assert f"`{name}`" in text_of("docs/model.md") or re.search(rf" {name}\b", text_of("docs/model.md"))


def test_headings_that_code_points_to_exist() -> None:
    headings = set(re.findall(r"^#+ (.+)$", text_of("docs/model.md"), flags=re.MULTILINE))
    code = "\n".join(path.read_text(encoding="utf-8") for path in modules())
    assert set(re.findall(r'docs/model\.md, "([^"]+)"', code)) <= headings


# Dependencies.


def name_of(requirement: str) -> str:
    """Return the distribution that a requirement asks for."""
    return re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0]


def reasons(section: str) -> set[str]:
    """Return the names with a line of reason in a section of docs/dependencies.md."""
    part = text_of("docs/dependencies.md").split(f"## {section}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^- `([^`]+)`: \w", part, flags=re.MULTILINE))


def test_every_dependency_has_its_reason() -> None:
    assert reasons("To run") == {name_of(requirement) for requirement in PROJECT["dependencies"]}
    for extra, wanted in PROJECT["optional-dependencies"].items():
        section = re.search(rf"^## (.* \(`roofwise\[{extra}\]`\))$", text_of("docs/dependencies.md"), flags=re.MULTILINE)
        assert extra == "dev" or (section and reasons(section[1]) == set(map(name_of, wanted))), extra
    assert reasons("To develop") == {name_of(requirement) for requirement in PROJECT["optional-dependencies"]["dev"]}


def test_every_dependency_is_pinned() -> None:
    lines = [line for line in text_of("constraints.txt").splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)] == []
    pinned = {re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in lines}
    wanted = [*PROJECT["dependencies"], *(each for extra in PROJECT["optional-dependencies"].values() for each in extra)]
    assert {name_of(requirement) for requirement in wanted} - pinned == set()


# Pages that people write.


def test_the_changelog_has_a_section_for_what_is_not_released() -> None:
    unreleased = text_of("CHANGELOG.md").split("## [Unreleased]\n")[1].split("\n## ")[0]
    assert {"### Added", "### Specs"} <= set(unreleased.splitlines())


FOLDERS = {
    "accelerator": "accelerators",
    "workload": "workloads",
    "rule": "rules",
    "profile": "profiles",
    "calibration": "calibrations",
    "measurement": "measurements",
    "claim": "claims",
    "check": "checks",
}


def write_examples(root: Path) -> dict[str, Path]:
    """Write the examples of docs/specs.md into a spec directory; return the file of each kind."""
    files = {}
    for block in blocks(text_of("docs/specs.md"), "json"):
        example: Mapping[str, str] = json.loads(block)
        kind = example["$schema"].rpartition("/")[2].removesuffix(".schema.json")
        files[kind] = root / FOLDERS[kind] / f"{example['id']}.json"
        files[kind].parent.mkdir(parents=True)
        files[kind].write_text(block, encoding="utf-8")
    return files


def test_the_examples_of_specs_are_valid_and_work_together(tmp_path: Path) -> None:
    files = write_examples(tmp_path)
    assert files.keys() == FOLDERS.keys()
    assert {kind: validate_file(path).faults for kind, path in files.items()} == dict.fromkeys(FOLDERS, ())
    catalog, book = load([tmp_path]), load_rulebook([tmp_path])
    (row,) = predict("tiny-mlp", ["acme-one"], [4], ["int8"], catalog=catalog)
    assert row["confidence"] == "chip measured"
    assert row["latency_p90_s"] == pytest.approx(1.3 * row["latency_estimate_s"])
    request = Requirements(model="resnet50", latency_s=0.01, profile="desk")
    assert book.profile(request.profile).name == "Under a desk"
    assert book["J901"].message({"tdp_w": 700.0}).startswith("its TDP of 700 W")


# Docstrings.


def modules() -> list[Path]:
    """Return every module of the two packages."""
    return sorted([*ROOT.glob("engine/**/*.py"), *ROOT.glob("advisor/**/*.py")])


def unexplained(node: ast.AST, name: str) -> Iterator[str]:
    """Yield what is public in a module or class and has no docstring."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    if isinstance(node, kinds) and ast.get_docstring(node) is None:
        yield name
    for child in node.body if isinstance(node, ast.Module | ast.ClassDef) else ():
        if isinstance(child, kinds) and not child.name.startswith("_"):
            yield from unexplained(child, f"{name}.{child.name}")


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_everything_public_has_a_docstring(path: Path) -> None:
    assert list(unexplained(ast.parse(path.read_text(encoding="utf-8")), path.stem)) == []


# What no file may hold.

ROOTS = ("home", "root", "Users", "work", "mnt", "media")
MACHINE_PATH = re.compile(rf"(?<![\w.:/])/(?:{'|'.join(ROOTS)})/")
"""A path of somebody's machine: an absolute one below a folder where people keep their work."""


def tracked() -> list[Path]:
    """Return the files that git tracks, none where there is no git."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return []
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_path_of_a_machine() -> None:
    files = tracked()
    if not files:
        pytest.skip("no git here")
    named = [path for path in files if MACHINE_PATH.search(path.read_text(encoding="utf-8", errors="replace"))]
    assert named == []
