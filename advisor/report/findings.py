"""What `advise validate` found: as text, for programs, for GitHub's annotations and for its code scanning (SARIF)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import PurePath
from typing import Annotated, Any, Final
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from engine import __version__
from engine.codes import CODES, Code
from engine.errors import Fault, Severity

from ..check import load_checks
from ..validation import Outcome, Report
from .leftout import counted, finding, in_words, one_line

SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_OWN: Final = Code("a check of your own", "Check the figure against its source, or name an exception with its reason.")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FindingPart(_Part):
    """One finding: its check, its place (line and column from 1, JSON pointer), what is there and what was expected."""

    rule: str
    severity: Severity
    file: str
    line: Annotated[int, Field(ge=1)]
    column: Annotated[int, Field(ge=1)]
    pointer: str
    found: str
    expected: str
    suggestion: str


class FilePart(_Part):
    """One file: whether it is valid, which warnings allow, and its findings."""

    file: str
    valid: bool
    faults: list[FindingPart]


class ValidationPart(_Part):
    """What `advise validate --format json` prints. `passed_over` are JSON files in folders that are no specs."""

    files: list[FilePart]
    passed_over: list[str]
    errors: Annotated[int, Field(ge=0)]
    warnings: Annotated[int, Field(ge=0)]


@lru_cache(maxsize=1)
def codes() -> Mapping[str, Code]:
    """Return what every id stands for: those of reading, structure and meaning, and our checks of chips."""
    return CODES | {name: Code(check.title, _OWN.remedy) for name, check in load_checks().checks.items()}


def line(fault: Fault) -> str:
    """Return a fault as compilers print one, which editors make clickable: file, line, column, severity, message."""
    place = f"{one_line(fault.file)}:{fault.line}:{fault.column}"
    return f"{place}: {fault.severity}: {one_line(in_words(fault))}"


def summary(report: Report) -> str:
    """Return the last line: how many files, errors and warnings."""
    parts = [counted(len(report.outcomes), "file"), *(counted(report.count(what), what) for what in ("error", "warning"))]
    passed = f"; {counted(len(report.passed_over), 'other JSON file')} passed over" if report.passed_over else ""
    return ", ".join(parts) + passed


def text(report: Report, facts: str = "") -> str:
    """Return a line for each fault, what follows from a valid file, and the summary."""
    lines = [line(fault) for fault in report.faults]
    lines += [f"{one_line(file)}: no spec of ours, passed over" for file in report.passed_over]
    return "".join(f"{told}\n" for told in lines) + facts + summary(report) + "\n"


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as the JSON contract has it."""
    return {
        "files": [_file(outcome) for outcome in report.outcomes],
        "passed_over": list(report.passed_over),
        "errors": report.count("error"),
        "warnings": report.count("warning"),
    }


def _file(outcome: Outcome) -> dict[str, Any]:
    return {"file": outcome.file, "valid": outcome.valid, "faults": [finding(fault) for fault in outcome.faults]}


def github(report: Report) -> str:
    """Return a workflow command for each fault, which GitHub shows at its line, and the summary."""
    return "".join(f"{_command(fault)}\n" for fault in report.faults) + summary(report) + "\n"


def _command(fault: Fault) -> str:
    title = f"{fault.rule}: {codes().get(fault.rule, _OWN).title}"
    properties = {"file": PurePath(fault.file).as_posix(), "line": fault.line, "col": fault.column, "title": title}
    told = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{fault.severity} {told}::{_data(in_words(fault))}"


def _data(value: str) -> str:
    """Escape what would end a message."""
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    """Escape what would end a property, too."""
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def sarif(report: Report) -> str:
    """Return the report as a SARIF 2.1.0 log; columns count Unicode code points, from 1."""
    rules = sorted({fault.rule for fault in report.faults})
    run = {
        "tool": {"driver": {"name": "Roofwise", "version": __version__, "rules": [_descriptor(rule) for rule in rules]}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "the folder in which advise validate ran"}}},
        "results": [_result(fault, rules) for fault in report.faults],
    }
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _descriptor(rule: str) -> Mapping[str, Any]:
    code = codes().get(rule, _OWN)
    return {
        "id": rule,
        "shortDescription": {"text": code.title},
        "fullDescription": {"text": f"{code.title[0].upper()}{code.title[1:]}."},
        "help": {"text": code.remedy},
    }


def _result(fault: Fault, rules: list[str]) -> Mapping[str, Any]:
    place = {
        "artifactLocation": _artifact(fault.file),
        "region": {"startLine": fault.line, "startColumn": fault.column},
    }
    return {
        "ruleId": fault.rule,
        "ruleIndex": rules.index(fault.rule),
        "level": fault.severity,
        "message": {"text": in_words(fault)},
        "locations": [{"physicalLocation": place, "logicalLocations": [{"fullyQualifiedName": fault.pointer or "/"}]}],
    }


def _artifact(file: str) -> Mapping[str, str]:
    """Return where a file is: relative to where the command ran, or as a file URI where its path is absolute."""
    path = PurePath(file)
    if path.is_absolute():
        return {"uri": "file://" + quote(path.as_posix(), errors="replace")}
    return {"uri": quote(path.as_posix(), errors="replace"), "uriBaseId": "%SRCROOT%"}


def printed(report: Report, form: str, facts: str = "") -> str:
    """Return the report in one of FORMATS."""
    return text(report, facts) if form == "text" else FORMATS[form](report)


def _json(report: Report) -> str:
    return json.dumps(as_json(report), indent=2, ensure_ascii=False) + "\n"


FORMATS: Final = {"text": text, "json": _json, "sarif": sarif, "github": github}
"""Name of --format -> what prints it."""
