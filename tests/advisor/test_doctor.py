"""`advise doctor`: what is there is named, what is wrong is a finding with its remedy, and the doctor itself never fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from advisor import doctor
from advisor.cli import main
from advisor.doctor import Line, Terminal
from advisor.report import doctor as report

ROOT = Path(__file__).parents[2]
PLAIN = Terminal(encoding="utf-8", columns=80, colour=False)
BROKEN = '{"$schema": "accelerator.schema.json", "id": "acme-one"}'


def lines(section: str, check: Callable[[], Any]) -> dict[str, Line]:
    return {line.name: line for line in doctor.guarded(section, check)}


def requires(monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: list(texts))


def fails_to_import(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def raises(_: str) -> None:
        raise error

    monkeypatch.setattr(doctor, "import_module", raises)


def for_users(extras: Mapping[str, Any]) -> set[str]:
    return extras.keys() - doctor.FOR_PEOPLE


def test_this_installation_is_well(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROOFWISE_SPECS", raising=False)
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "--format", "json"])
    told = json.loads(capsys.readouterr().out)
    assert (stop.value.code, told["well"]) == (0, True)
    found = {(line["section"], line["name"]): line["value"] for line in told["lines"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert found["needs", "numpy"] == metadata.version("numpy")
    assert {name for section, name in found if section == "needs"} == {name.split(">")[0] for name in project["dependencies"]}
    assert {name for section, name in found if section == "extras"} == project[
        "optional-dependencies"
    ].keys() - doctor.FOR_PEOPLE
    chips = len(list((ROOT / "specs" / "accelerators").iterdir()))
    assert f"accelerators {chips} " in found["specs", "ours"]


def test_a_finding_is_exit_code_1_and_heads_the_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "--specs", str(tmp_path / "gone")])
    out = capsys.readouterr().out
    assert stop.value.code == 1
    assert out.splitlines()[0].startswith(f"Roofwise {metadata.version('roofwise')} · 1 finding")
    assert f"{tmp_path / 'gone'}: no such directory" in " ".join(out.split())
    assert "-> make it, or leave it out" in out


def test_a_broken_library_is_told_even_where_nothing_else_runs(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise ImportError('libopenblas.so: cannot open')\n", encoding="utf-8")
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "advisor.cli", "doctor"],
        env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    assert "does not import: ImportError: libopenblas.so: cannot open" in " ".join(done.stdout.split())
    assert "-> pip install --force-reinstall numpy" in done.stdout


def test_every_extra_for_users_says_what_it_serves() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert doctor.SERVES.keys() == for_users(project["optional-dependencies"])


def test_an_extra_that_is_absent_is_a_note_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    requires(monkeypatch, 'nowhere-to-be-found>=1.13; extra == "lab"')
    (line,) = doctor.extras()
    assert (line.name, line.value, line.state) == ("lab", "nowhere-to-be-found absent", "note")
    assert line.remedy == "for advise calibrate, probe, measure and lab: pip install 'roofwise[lab]'"


def test_a_library_that_does_not_import_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    requires(monkeypatch, "pytest>=9.0", "pytest>=9.0; extra == 'scale'", "pytest>=9.0; extra == 'dev'")
    fails_to_import(monkeypatch, ImportError("libgfortran.so.5: cannot open\nmore"))
    told = f"{metadata.version('pytest')} does not import: ImportError: libgfortran.so.5: cannot open"
    (needed,), (extra,) = doctor.needs(), doctor.extras()
    assert (needed.value, needed.state) == (told, "finding")
    assert (extra.value, extra.state, extra.remedy) == (f"pytest {told}", "finding", "pip install --force-reinstall pytest")


def test_a_library_that_is_absent_or_old_is_a_finding_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    requires(monkeypatch, "pytest>=1000", "nowhere-to-be-found>=2")
    found = {line.name: (line.value, line.state, line.remedy) for line in doctor.needs()}
    held = metadata.version("pytest")
    assert found == {
        "pytest": (f"{held}, older than 1000", "finding", "pip install --upgrade 'pytest>=1000'"),
        "nowhere-to-be-found": ("absent", "finding", "pip install 'nowhere-to-be-found>=2'"),
    }


def test_another_engine_on_the_path_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "import_module", lambda name: SimpleNamespace(__file__=f"/other/{name}/__init__.py"))
    line = lines("program", doctor.program)["engine"]
    assert (line.state, line.value) == ("finding", "another one is imported: /other/engine/__init__.py")


def test_a_check_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: str) -> None:
        raise metadata.PackageNotFoundError("roofwise")

    monkeypatch.setattr(metadata, "requires", none)
    monkeypatch.setattr("engine.catalog.load", lambda: 1 / 0)
    found = [line for line in doctor.examine([], [], PLAIN) if line.name == "check"]
    assert [(line.section, line.state) for line in found] == [("needs", "finding"), ("extras", "finding"), ("specs", "finding")]
    assert "ZeroDivisionError" in found[2].value


def test_folders_of_the_user_are_valid_faulty_empty_or_gone(tmp_path: Path) -> None:
    for name in ("valid", "faulty", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "valid" / "l4.json").write_text(
        (ROOT / "specs" / "accelerators" / "nvidia-l4.json").read_text("utf-8"), "utf-8"
    )
    (tmp_path / "faulty" / "acme-one.json").write_text(BROKEN, "utf-8")
    folders = [tmp_path / name for name in ("valid", "faulty", "empty", "gone")]
    _, *found = doctor.specs(folders[:2], folders[2:])
    told = [(line.name, line.state, line.value.partition(": ")[2]) for line in found]
    assert told[0] == ("ROOFWISE_SPECS", "finding", "no spec in it")
    assert told[1] == ("ROOFWISE_SPECS", "finding", "no such directory")
    assert told[2] == ("--specs", "well", "1 file, all valid")
    assert told[3][:2] == ("--specs", "finding")
    assert found[3].remedy == f"see them: advise validate {tmp_path / 'faulty'}"


def test_the_cache_is_found_empty_filled_locked_or_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOFWISE_CACHE", str(tmp_path / "cache"))
    before = lines("cache", doctor.cache)
    assert before["folder"].value == f"{tmp_path / 'cache'}: 0 files, 0.0 MB"
    assert before["snapshot"].value == "not yet: the next answer makes it"
    with pytest.raises(SystemExit):
        main(["--model", "resnet50", "--latency", "10ms", "--hardware", "nvidia-l4"])
    after = lines("cache", doctor.cache)
    assert (after["snapshot"].value, after["writable"].value) == ("there", "yes")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert (lines("cache", doctor.cache)["writable"].state, after["writable"].state) == ("note", "well")
    monkeypatch.setenv("ROOFWISE_CACHE", "")
    assert lines("cache", doctor.cache)["folder"].value == "none, since ROOFWISE_CACHE is empty"


@pytest.mark.parametrize(("encoding", "state"), [("utf-8", "well"), ("UTF8", "well"), ("ANSI_X3.4-1968", "note")])
def test_a_terminal_without_unicode_is_a_note(encoding: str, state: str) -> None:
    terminal = Terminal(encoding=encoding, columns=80, colour=True)
    assert lines("terminal", lambda: doctor.of_terminal(terminal))["encoding"].state == state


def test_completion_is_found_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for shell, file in doctor.COMPLETIONS.items():
        monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
        before = lines("terminal", lambda: doctor.of_terminal(PLAIN))["completion"]
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
        after = lines("terminal", lambda: doctor.of_terminal(PLAIN))["completion"]
        assert (before.state, after.state) == ("note", "well")
        assert (before.remedy, after.value) == ("advise --install-completion", f"{shell}: {tmp_path / file}")


def test_the_text_counts_and_paints() -> None:
    made = [
        Line(section="specs", name="ours", value="there"),
        Line(section="specs", name="--specs", value="gone", state="note"),
    ]
    out = report.text(made, "1.0", 80, lambda text, style: f"<{style}>{text}</>")
    assert out.splitlines() == [
        "Roofwise 1.0 · <good>all is well</> · 1 note",
        "",
        "Specs         ours                there",
        "              --specs             <strong>gone</>",
    ]
