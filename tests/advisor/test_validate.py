"""`advise validate` as a product: what it takes, what it prints in each form, and its exit codes."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from advisor.cli import main
from advisor.report import findings
from advisor.validation import NoFilesError, Outcome, Report, files_of, validate_paths
from engine.catalog import data_root
from engine.codes import CODES
from engine.documents import MAX_FAULTS, read_text
from engine.errors import Fault
from engine.kinds import KINDS, VERSION, is_foreign, kind_of, schema_named

CHIP = (data_root() / "specs" / "accelerators" / "nvidia-l4.json").read_text(encoding="utf-8")
INVALID = Path(__file__).parents[1] / "specs" / "invalid"


class Run:
    """Runs `advise validate` in this process; returns exit code and output, and asks for empty errors."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stop:
            main(["validate", *arguments])
        printed = self.capsys.readouterr()
        return int(stop.value.code or 0), printed.out + printed.err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(capsys)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a user's folder: two chips, one of them faulty, a file of others, one in a hidden folder."""
    (tmp_path / "chips" / "accelerators").mkdir(parents=True)
    (tmp_path / "chips" / ".git").mkdir()
    (tmp_path / "chips" / "accelerators" / "good.json").write_text(CHIP, encoding="utf-8")
    (tmp_path / "chips" / "bad.json").write_text(CHIP.replace('"gpu"', '"gpux"', 1), encoding="utf-8")
    (tmp_path / "chips" / "package.json").write_text('{"name": "mine", "rules": {}}', encoding="utf-8")
    (tmp_path / "chips" / ".git" / "cache.json").write_text("{", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "chips"


# What it takes.


def test_a_folder_is_checked_to_its_depth_and_what_is_not_ours_is_passed_over(run: Run, folder: Path) -> None:
    assert folder.name == "chips"
    code, out = run("chips")
    fault, passed, last = out.splitlines()
    assert code == 2
    assert fault.startswith("chips/bad.json:")
    assert fault.endswith("did you mean gpu? [S104]")
    assert passed == "chips/package.json: no spec of ours, passed over"
    assert last == "2 files, 1 error, 0 warnings; 1 other JSON file passed over"


@pytest.mark.parametrize(
    ("paths", "files"),
    [
        (["chips/**/*.json"], ["chips/accelerators/good.json", "chips/bad.json", "chips/package.json"]),
        (["chips/accelerators/*.json", "chips/accelerators/good.json"], ["chips/accelerators/good.json"]),
        (["chips/accel*"], ["chips/accelerators/good.json"]),
        (["chips/bad.json", "chips"], ["chips/bad.json", "chips/accelerators/good.json"]),
        (["chips/package.json"], ["chips/package.json"]),
    ],
)
def test_patterns_folders_and_files_are_checked_each_file_once(folder: Path, paths: list[str], files: list[str]) -> None:
    assert folder.name == "chips"
    assert [outcome.file for outcome in validate_paths(paths).outcomes] == files


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(folder: Path) -> None:
    (folder / "a[1].json").write_text(CHIP, encoding="utf-8")
    assert files_of("chips/a[1].json") == [(Path("chips/a[1].json"), True)]


@pytest.mark.parametrize("path", ["empty", "chips/*.yaml", "chips/.git/**/x*.json"])
def test_a_path_without_any_spec_is_an_error(run: Run, folder: Path, path: str) -> None:
    (folder.parent / "empty").mkdir()
    code, out = run(path, "chips/accelerators/good.json")
    assert code == 2
    assert out == f"error: no JSON file at {path!r}; name files, folders of them, patterns, or - for stdin\n"


def test_a_folder_with_files_of_others_only_is_an_error(folder: Path) -> None:
    (folder / "bad.json").unlink()
    (folder / "accelerators" / "good.json").unlink()
    with pytest.raises(NoFilesError, match="no spec file"):
        validate_paths(["chips"])


def test_a_file_that_is_not_there_is_a_finding(run: Run, tmp_path: Path) -> None:
    code, out = run(str(tmp_path / "none.json"))
    assert code == 2
    assert f"{tmp_path / 'none.json'}:1:1: error: /: No such file or directory" in out


def test_standard_input_is_a_file_with_a_name_of_ones_choice(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(CHIP.replace("72", "-72").encode())

    monkeypatch.setattr(sys, "stdin", Stdin)
    code, out = run("-", "--stdin-name", "chip.json")
    assert code == 2
    assert out.startswith("chip.json:")
    assert out.endswith("\n1 file, 1 error, 0 warnings\n")


def test_two_specs_of_one_folder_with_one_id_are_told(run: Run, folder: Path) -> None:
    (folder / "bad.json").write_text(CHIP, encoding="utf-8")
    code, out = run("chips")
    assert code == 2
    assert "chips/bad.json:3:3: error: /id: 'nvidia-l4' is also the id of chips/accelerators/good.json" in out


def test_one_valid_file_says_what_follows_from_it(run: Run, folder: Path) -> None:
    code, out = run(str(folder / "accelerators"))
    assert code == 0
    assert "ridge point" in out
    assert out.endswith("\n1 file, 0 errors, 0 warnings\n")


# Which kind a file is of, and for which version it was written.


@pytest.mark.parametrize(
    "schema",
    [
        "accelerator.schema.json",
        "../../schemas/accelerator.schema.json",
        "..\\schemas\\accelerator.schema.json",
        "roofwise:accelerator.schema.json",
        "https://example.org/roofwise/accelerator.schema.json?raw=1#",
        "accelerator.v1.schema.json",
        "https://example.org/v1/accelerator.schema.json",
    ],
)
def test_a_schema_is_named_by_path_address_or_name(schema: str) -> None:
    assert schema_named(schema) == ("accelerator", VERSION)
    assert kind_of(read_text(json.dumps({"$schema": schema}), "x.json")) == ("accelerator", [])


@pytest.mark.parametrize(
    ("schema", "version"),
    [
        ("accelerator.v2.schema.json", "2"),
        ("roofwise:accelerator.v1.1.schema.json", None),
        ("https://example.org/v10/accelerator.schema.json", "10"),
        ("../v2beta/accelerator.schema.json", None),
        ("accelerator.v2beta.schema.json", "2beta"),
    ],
)
def test_a_version_to_come_is_refused_by_name(schema: str, version: str | None) -> None:
    kind, (fault,) = kind_of(read_text(json.dumps({"$schema": schema}), "x.json"))
    assert (kind, fault.pointer) == ("", "/$schema")
    if version is not None:
        assert fault.rule == "S010"
        assert fault.found == f"version {version!r} of the accelerator schema"
        assert "version 1, which this Roofwise reads; update Roofwise" in fault.expected


@pytest.mark.parametrize("schema", [None, 3, [], "", "accelerator", "chip.schema.json", "https://json.schemastore.org/package"])
def test_a_schema_that_is_none_of_ours_is_a_fault_of_a_named_file(schema: Any) -> None:
    kind, faults = kind_of(read_text(json.dumps({"$schema": schema}), "x.json"))
    assert (kind == "") == (schema != "accelerator")
    assert [fault.rule for fault in faults] == [] if kind else ["S009"]


@pytest.mark.parametrize(
    ("data", "file", "foreign"),
    [
        ({"name": "x"}, "package.json", True),
        ({"rules": {}}, ".eslintrc.json", True),
        ([], "list.json", True),
        ({"$schema": "https://json-schema.org/draft/2020-12/schema"}, "accelerator.schema.json", True),
        ({"$schema": "acceleratr.schema.json"}, "chip.json", False),
        ({"$schema": "rule.v9.schema.json"}, "rule.json", False),
        ({"id": "x", "peak_dense": {}}, "chip.json", False),
        ({"id": "x", "sources": {}}, "chip.json", False),
        ({}, "accelerators/chip.json", False),
    ],
)
def test_what_shows_no_sign_of_a_spec_is_of_others(data: Any, file: str, foreign: bool) -> None:
    assert is_foreign(read_text(json.dumps(data), file)) is foreign


def test_a_comment_may_stand_in_any_object_and_is_text() -> None:
    commented = json.loads(CHIP)
    for place in (commented, commented["memory"], commented["peak_dense"], commented["peak_dense"]["bf16"]):
        place["$comment"] = "why"
    schema = json.loads((data_root() / "schemas" / "accelerator.schema.json").read_text(encoding="utf-8"))
    for data, valid in ((commented, True), (commented | {"$comment": 3}, False)):
        report = Report(outcomes=(validate_text(json.dumps(data)),))
        assert report.outcomes[0].valid is valid
        assert Draft202012Validator(schema).is_valid(data) is valid


def validate_text(text: str) -> Outcome:
    """Return the outcome of a text given on standard input."""
    return validate_paths(["-"], text.encode()).outcomes[0]


def test_of_many_faults_the_first_are_told_and_that_there_are_more() -> None:
    faulty = json.loads(CHIP) | {"notes": list(range(1000))}
    faults = validate_text(json.dumps(faulty)).faults
    assert len(faults) == MAX_FAULTS + 1
    assert [fault.rule for fault in faults[-2:]] == ["S103", "S012"]


# What it prints.

FAULT = Fault("a b,c:50%.json", 3, 5, "/x", "one\r\ntwo", "100 %: a, b", "c", "S104")
WARNING = Fault("/data/é.json", 1, 1, "", "odd", "even", rule="S105", severity="warning")
BOTH = Report(
    outcomes=(
        Outcome(file=FAULT.file, spec=None, faults=(FAULT,)),
        Outcome(file=WARNING.file, spec=None, faults=(WARNING,)),
    ),
    passed_over=("other.json",),
)


def test_text_has_a_line_for_each_fault_as_compilers_print_them() -> None:
    first, second, _, last = findings.text(BOTH).splitlines()
    assert first == "a b,c:50%.json:3:5: error: /x: one\\r\\ntwo; expected 100 %: a, b; did you mean c? [S104]"
    assert second == "/data/é.json:1:1: warning: /: odd; expected even [S105]"
    assert last == "2 files, 1 error, 1 warning; 1 other JSON file passed over"


def test_github_commands_escape_what_would_end_them() -> None:
    """The rules of docs.github.com, "Workflow commands": % CR LF in messages, also : and , in properties."""
    first, second, last = findings.github(BOTH).splitlines()
    title = "S104%3A a name is none of those known"
    message = "/x: one%0D%0Atwo; expected 100 %25: a, b; did you mean c? [S104]"
    assert first == f"::error file=a b%2Cc%3A50%25.json,line=3,col=5,title={title}::{message}"
    assert second.startswith("::warning file=/data/é.json,line=1,col=1,title=S105%3A ")
    assert last == findings.summary(BOTH)


SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/run"}},
    },
    "$defs": {
        "message": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
        "run": {
            "type": "object",
            "required": ["tool", "results"],
            "properties": {
                "tool": {
                    "required": ["driver"],
                    "properties": {
                        "driver": {
                            "required": ["name", "rules"],
                            "properties": {
                                "name": {"type": "string"},
                                "rules": {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/rule"}},
                            },
                        }
                    },
                },
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
            },
        },
        "rule": {
            "required": ["id", "shortDescription", "help"],
            "properties": {
                "id": {"type": "string", "pattern": "^[SP][0-9]{3}$"},
                "shortDescription": {"$ref": "#/$defs/message"},
                "fullDescription": {"$ref": "#/$defs/message"},
                "help": {"$ref": "#/$defs/message"},
            },
        },
        "result": {
            "required": ["message", "ruleId", "level", "locations"],
            "properties": {
                "message": {"$ref": "#/$defs/message"},
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"enum": ["none", "note", "warning", "error"]},
                "locations": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/location"}},
            },
        },
        "location": {
            "required": ["physicalLocation"],
            "properties": {
                "physicalLocation": {
                    "required": ["artifactLocation", "region"],
                    "properties": {
                        "artifactLocation": {
                            "required": ["uri"],
                            "properties": {"uri": {"type": "string", "pattern": "^[!-~]+$"}, "uriBaseId": {"type": "string"}},
                        },
                        "region": {
                            "required": ["startLine"],
                            "properties": {
                                "startLine": {"type": "integer", "minimum": 1},
                                "startColumn": {"type": "integer", "minimum": 1},
                            },
                        },
                    },
                }
            },
        },
    },
}
"""What SARIF 2.1.0 (OASIS, sections 3.13 to 3.49) requires of the parts that we write, and GitHub's code scanning besides."""


def test_sarif_has_what_the_standard_requires() -> None:
    log = json.loads(findings.sarif(BOTH))
    Draft202012Validator(SARIF).validate(log)
    (run,) = log["runs"]
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [ids[result["ruleIndex"]] for result in run["results"]] == [result["ruleId"] for result in run["results"]]
    relative, absolute = (result["locations"][0]["physicalLocation"]["artifactLocation"] for result in run["results"])
    assert relative == {"uri": "a%20b%2Cc%3A50%25.json", "uriBaseId": "%SRCROOT%"}
    assert absolute == {"uri": "file:///data/%C3%A9.json"}


@pytest.mark.parametrize("form", findings.FORMATS)
def test_every_form_tells_every_finding_of_the_corpus(run: Run, form: str) -> None:
    report = validate_paths([str(INVALID)])
    assert len(report.faults) > 100
    code, out = run(str(INVALID), "--format", form)
    assert code == 2
    told = {
        "text": r":\d+: (error|warning): ",
        "github": r"^::(error|warning) ",
        "json": r'^ +"rule": "',
        "sarif": r'^ +"ruleId": "',
    }[form]
    assert len(re.findall(told, out, flags=re.MULTILINE)) == len(report.faults)


def test_sarif_and_json_of_the_corpus_follow_their_schemas(run: Run) -> None:
    Draft202012Validator(SARIF).validate(json.loads(run(str(INVALID), "--format", "sarif")[1]))
    schema = json.loads((data_root() / "schemas" / "validation.schema.json").read_text(encoding="utf-8"))
    body = json.loads(run(str(INVALID), "--format", "json")[1])
    Draft202012Validator(schema).validate(body)
    assert body["errors"] + body["warnings"] == sum(len(file["faults"]) for file in body["files"])
    assert min(body["errors"], body["warnings"]) > 0


@pytest.mark.parametrize(
    ("severities", "strict", "code"),
    [([], True, 0), (["warning"], False, 0), (["warning"], True, 1), (["warning", "error"], True, 2), (["error"], False, 2)],
)
def test_exit_codes_follow_the_worst_finding(
    run: Run, monkeypatch: pytest.MonkeyPatch, severities: list[Any], strict: bool, code: int
) -> None:
    faults = tuple(Fault("x.json", 1, 1, "", "a", "b", rule="S105", severity=severity) for severity in severities)
    report = Report(outcomes=(Outcome(file="x.json", spec=None, faults=faults),))
    monkeypatch.setattr("advisor.validation.validate_paths", lambda *_: report)
    assert run("x.json", *(["--strict"] if strict else []))[0] == code


# The ids.


def test_every_kind_of_spec_has_a_schema_and_a_remedy_stands_beside_every_id() -> None:
    assert {path.name.partition(".")[0] for path in (data_root() / "schemas").iterdir()} >= set(KINDS)
    for name, code in CODES.items():
        assert re.fullmatch(r"[SP]\d{3}", name)
        assert code.title[0].islower()
        assert code.remedy.endswith(".")
