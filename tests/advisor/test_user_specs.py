"""A folder of one's own: its chips are ranked among ours and marked; a broken file is told and the rest still answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from advisor.cli import main
from advisor.rule import load_rulebook
from engine.catalog import OURS, data_root, load
from engine.errors import SpecError, UnknownNameError

SPECS = data_root() / "specs"
MAIN_JOB = ("--model", "resnet50", "--latency", "10ms")


def chip(**changes: Any) -> dict[str, Any]:
    """Return the spec of a chip of one's own, as fast as an L4."""
    body: dict[str, Any] = json.loads((SPECS / "accelerators" / "nvidia-l4.json").read_text(encoding="utf-8"))
    body.pop("measured_as", None)
    return body | {"id": "acme-one", "name": "Acme One"} | changes


def put(path: Path, body: Any) -> Path:
    """Write a spec, or text, into a file; return the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body if isinstance(body, str) else json.dumps(body, indent=1), encoding="utf-8")
    return path


class Run:
    """Runs `advise` in this process with a folder; keeps exit code, output and errors."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.capsys, self.folder = capsys, folder

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([*arguments, "--specs", str(self.folder)])
        printed = self.capsys.readouterr()
        return int(stop.value.code or 0), printed.out, printed.err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.delenv("ROOFWISE_SPECS", raising=False)
    return Run(capsys, tmp_path)


def test_a_chip_of_ones_own_is_ranked_among_ours_and_marked(run: Run, tmp_path: Path) -> None:
    put(tmp_path / "acme.json", chip())
    code, out, err = run(*MAIN_JOB, "--top", "1000")
    assert (code, err) == (0, "")
    (row,) = (line for line in out.splitlines() if line.startswith("acme-one (yours)"))
    (like,) = (line for line in out.splitlines() if line.startswith("nvidia-l4 "))
    assert row.split()[2:4] == like.split()[1:3]
    alternatives = [line for line in out.partition("\nAlternatives")[2].splitlines()[1:] if not line.startswith(" ")]
    place = 1 + next(i for i, line in enumerate(alternatives) if line.startswith("acme-one"))
    assert f"Yours         acme-one: place {place} of " in out
    answer = json.loads(run(*MAIN_JOB, "--format", "json")[1])
    assert [item["hardware"] for item in answer["alternatives"] if not item["ours"]] == ["acme-one"]
    assert answer["left_out"] == []


def test_a_chip_that_is_recommended_excluded_or_undetermined_is_told(run: Run, tmp_path: Path) -> None:
    put(tmp_path / "accelerators" / "one.json", chip())
    wide = chip(id="acme-wide")
    for part in ("peak_dense", "flop_per_clock"):
        wide[part] = {name: value for name, value in wide[part].items() if name != "int8"}
    put(tmp_path / "accelerators" / "wide.json", wide)
    closed = chip(id="acme-closed", memory={"type": "GDDR6"})
    put(tmp_path / "accelerators" / "closed.json", closed)
    _, out, err = run(*MAIN_JOB, "--hardware", "acme-one,acme-wide,acme-closed", "--dtype", "int8")
    assert err == ""
    told = out.partition("\nYours ")[2].partition("\n\n")[0]
    assert " acme-one: recommended\n" in told
    assert " acme-wide: excluded by " in told
    assert " acme-closed: undetermined: missing memory." in told


def test_a_broken_file_is_told_with_its_place_and_the_rest_answers(run: Run, tmp_path: Path) -> None:
    put(tmp_path / "acme.json", chip())
    bad = put(tmp_path / "accelerators" / "two.json", chip(id="acme-two", kind="gpux"))
    code, out, err = run(*MAIN_JOB)
    assert code == 0
    fault, left = err.splitlines()
    assert fault.startswith(f"warning: {bad}:6:2: /kind: 'gpux'; expected one of ")
    assert left == f"warning: {bad} is left out"
    assert "acme-one: place" in out
    assert f"Leftout{bad}isleftout:line6" in "".join(out.split())  # a long path wraps
    answer = json.loads(run(*MAIN_JOB, "--format", "json")[1])
    schema = json.loads((data_root() / "schemas" / "advice.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(answer)
    (item,) = answer["left_out"]
    assert (item["file"], item["kind"], item["ids"], item["instead"]) == (str(bad), "accelerator", ["acme-two"], {})
    assert [fault["rule"] for fault in item["faults"]] == ["S104"]
    assert f"- {bad} is left out: line 6" in run(*MAIN_JOB, "--format", "md")[1]
    page = run(*MAIN_JOB, "--format", "html")[1]
    assert f"{bad} is left out: line 6" in page
    assert "acme-one: place" in page


def test_strict_stops_at_a_broken_file_and_tells_the_faults_of_all(run: Run, tmp_path: Path) -> None:
    bad = put(tmp_path / "accelerators" / "two.json", chip(kind="gpux"))
    rules = put(tmp_path / "rules" / "mine.json", "{")
    code, out, err = run(*MAIN_JOB, "--strict")
    assert (code, out) == (2, "")
    assert [line.split(":")[1].strip() for line in err.splitlines()] == [str(bad), str(rules)]
    assert all(line.startswith("error: ") for line in err.splitlines())


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "--model", "resnet50", "--hardware", "nvidia-l4"),
        ("list", "hardware"),
        ("show", "nvidia-l4"),
        ("derive", "resnet50", "--hardware", "nvidia-l4"),
        ("sweep", "--model", "resnet50", "--hardware", "nvidia-l4", "--dtype", "int8"),
    ],
)
def test_every_command_answers_without_a_broken_file_and_stops_with_strict(
    run: Run, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    put(tmp_path / "workloads" / "net.json", "{}")
    code, out, err = run(*arguments)
    assert code == 0
    assert out
    assert err.splitlines()[-1] == f"warning: {tmp_path / 'workloads' / 'net.json'} is left out"
    assert run(*arguments, "--strict")[:2] == (2, "")


def test_what_a_broken_file_would_replace_stays_and_is_told(run: Run, tmp_path: Path) -> None:
    bad = put(tmp_path / "accelerators" / "l4.json", chip(id="nvidia-l4", kind="gpux"))
    code, out, err = run("show", "nvidia-l4", "--format", "json")
    assert code == 0
    assert json.loads(out)["kind"] == "gpu"
    assert err.splitlines()[-1] == f"warning: {bad} is left out, nvidia-l4 is that of our catalogue"


def test_rules_and_profiles_of_a_broken_file_stay_ours(run: Run, tmp_path: Path) -> None:
    rules = json.loads((SPECS / "rules" / "latency.json").read_text(encoding="utf-8"))
    rules["rules"] = [rules["rules"][0] | {"when": "latency >"}]
    name = rules["rules"][0]["id"]
    put(tmp_path / "rules" / "latency.json", rules)
    put(tmp_path / "profiles" / "balanced.json", '{"id": "balanced", "maxim')
    book = load_rulebook([tmp_path], strict=False)
    assert [(item.kind, dict(item.instead)) for item in book.left_out] == [
        ("rule", {name: OURS}),
        ("profile", {"balanced": OURS}),
    ]
    assert run(*MAIN_JOB)[0] == 0


def test_asking_for_what_was_left_out_names_its_file(run: Run, tmp_path: Path) -> None:
    bad = put(tmp_path / "acme-two.json", '{"peak_dense"')
    code, _, err = run(*MAIN_JOB, "--hardware", "acme-two")
    assert code == 2
    assert err.splitlines()[-1] == f"error: --hardware: hardware 'acme-two' was left out: mend the faults of {bad}"


def test_what_refers_to_a_chip_that_was_left_out_breaks_nothing(run: Run, tmp_path: Path) -> None:
    put(tmp_path / "accelerators" / "one.json", chip(kind="gpux"))
    calibration = json.loads((SPECS / "calibrations" / "nvidia-l4.json").read_text(encoding="utf-8"))
    put(tmp_path / "calibrations" / "one.json", calibration | {"id": "acme-one", "applies_to": {"hardware": ["acme-one"]}})
    record = next(p for p in sorted((SPECS / "measurements").glob("nvidia-l4-*.json")))
    body = json.loads(record.read_text(encoding="utf-8")) | {"id": "acme-one-record", "hardware": "acme-one"}
    put(tmp_path / "measurements" / "one.json", body)
    for arguments in (MAIN_JOB, ("list", "calibrations"), ("list", "measurements"), ("accuracy", "--by", "hardware")):
        code, out, err = run(*arguments)
        assert code == 0
        assert "Traceback" not in out + err


def test_a_file_is_read_wherever_it_lies_and_the_files_of_others_are_not(run: Run, tmp_path: Path) -> None:
    put(tmp_path / "deep" / "er" / "acme.json", chip())
    put(tmp_path / "package.json", {"name": "mine"})
    put(tmp_path / "accelerator.schema.json", (data_root() / "schemas" / "accelerator.schema.json").read_text("utf-8"))
    put(tmp_path / ".cache" / "broken.json", "{")
    assert run(*MAIN_JOB)[::2] == (0, "")
    assert "acme-one" in load([tmp_path]).accelerators.ids


def test_of_two_files_with_one_id_the_first_stays(tmp_path: Path) -> None:
    put(tmp_path / "a.json", chip(name="First"))
    second = put(tmp_path / "b.json", chip(name="Second"))
    catalog = load([tmp_path], strict=False)
    assert catalog.accelerators["acme-one"].name == "First"
    assert [(item.file, item.faults[0].rule) for item in catalog.left_out] == [(str(second), "S214")]
    with pytest.raises(SpecError, match="is also the id of"):
        load([tmp_path])


def test_of_two_specs_with_one_name_of_measurements_one_stays(tmp_path: Path) -> None:
    put(tmp_path / "a.json", chip(id="acme-a", measured_as=["ACME"]))
    put(tmp_path / "b.json", chip(id="nvidia-l4", measured_as=["acme"]))
    catalog = load([tmp_path], strict=False)
    assert [item.faults[0].rule for item in catalog.left_out] == ["S215"]
    assert catalog.left_out[0].instead == {"nvidia-l4": OURS}
    assert catalog.accelerators["nvidia-l4"].name == "NVIDIA L4"


def test_a_faulty_spec_of_ours_stops_every_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "specs" / "accelerators" / "x.json", chip(kind="gpux"))
    monkeypatch.setattr("engine.catalog.data_root", lambda: tmp_path)
    with pytest.raises(SpecError, match="gpux"):
        load(strict=False)


def test_an_id_that_nobody_knows_is_still_suggested(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean nvidia-l4"):
        load([tmp_path]).accelerators["nvidia-l5"]
