"""`advise new` and `advise schema`: a starting file names its gaps, and is a valid spec once they are filled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from advisor import starting
from advisor.cli import main
from advisor.validation import validate_file
from engine.catalog import data_root, load
from engine.documents import TO_FILL, walk
from engine.kinds import KINDS

NAMES = {kind: "J901" if kind == "rule" else f"my-{kind}" for kind in starting.STARTS}
FILLED: dict[str, dict[str, Any]] = {
    "accelerator": {
        "/name": "Acme One", "/vendor": "Acme", "/kind": "npu", "/family": "One", "/sources/ds/title": "Acme One, data sheet",
        "/sources/ds/url": "https://example.org/one", "/sources/ds/accessed": "2026-11-25",
        "/sources/us/assumes": "idle power is a tenth of TDP", "/process_node/value": 5, "/peak_dense/bf16/value": 100,
        "/peak_dense/int8/value": 200, "/parallel_units/value": 64, "/max_clock/value": 1500, "/memory/type": "HBM3",
        "/memory/bandwidth/value": 1600, "/memory/capacity/value": 64, "/last_level_cache/value": 50, "/tdp/value": 150,
        "/idle_power/value": 15,
    },
    "workload": {
        "/name": "Tiny net", "/task": "an example", "/sources/paper/title": "Our own net",
        "/sources/paper/url": "https://example.org/net", "/sizes/image/default": 224, "/sizes/image/minimum": 32,
        "/sizes/image/maximum": 512, "/graph/0/out_channels": 64, "/graph/4/out_features": 1000,
        # 3*3*3*64 of the convolution, 2*64 of the norm, 64*1000 + 1000 of the classifier
        "/published/parameters/value": 0.066856,
    },
    "rule": {
        "/id": "energy", "/about": "What our racks allow.", "/sources/us/title": "Our rack", "/rules/0/verdict": "exclude",
        "/rules/0/title": "too hot", "/rules/0/when": "tdp_w > 350", "/rules/0/because": "its TDP of {tdp_w} is too much",
    },
    "profile": {
        "/name": "Desk", "/objective": "desk", "/maximize": "throughput_per_s / tdp_w", "/constraints/0": "tdp_w <= 200",
        "/because": "the most throughput per watt", "/sources/us/title": "Our office",
    },
    "calibration": {
        "/name": "Acme One: ours", "/applies_to/hardware/0": "acme-one", "/sources/lab/title": "Our bench",
        "/sources/lab/date": "2026-11", "/correction/launch_factor/value": 0.8, "/correction/time_factor/value": 1.1,
        "/interval/p10/value": 0.8, "/interval/p90/value": 1.3, "/interval/basis": "two networks, batches 1 to 8",
    },
    "measurement": {
        "/workload": "resnet50", "/hardware": "acme-one", "/dtype": "int8", "/software": "Acme runtime 4.1",
        "/runtime": "graph", "/method": "median of 1000 passes", "/date": "2026-11-25", "/sources/lab/title": "Our bench",
        "/points/0/latency/value": 0.9, "/points/1/latency/value": 2.1,
    },
}  # fmt: skip
"""What somebody may write for each place, by its pointer."""


class Run:
    """Runs `advise` in this process; keeps exit code, output and errors."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        printed = self.capsys.readouterr()
        return int(stop.value.code or 0), printed.out, printed.err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(capsys)


def pointer(path: tuple[str | int, ...]) -> str:
    return "".join(f"/{part}" for part in path)


def fill(file: Path, values: dict[str, Any]) -> None:
    """Write values into the places of a starting file."""
    data = json.loads(file.read_text(encoding="utf-8"))
    for path, value in list(walk(data)):
        if isinstance(value, str) and value.startswith(TO_FILL):
            place = data
            for part in path[:-1]:
                place = place[part]
            place[path[-1]] = values[pointer(path)]
    file.write_text(json.dumps(data), encoding="utf-8")


@pytest.mark.parametrize("kind", starting.STARTS)
def test_a_starting_file_names_each_gap_once_and_is_valid_when_they_are_filled(run: Run, tmp_path: Path, kind: str) -> None:
    code, out, err = run("new", kind, NAMES[kind])
    file = tmp_path / f"{NAMES[kind]}.json"
    faults = validate_file(file).faults
    assert (code, err) == (0, "")
    assert out.startswith(f"{file.name}: {len(faults)} places to fill; then advise validate {file.name}\n")
    assert {fault.rule for fault in faults} == {"S110"}
    assert {fault.pointer for fault in faults} == FILLED[kind].keys()
    fill(file, FILLED[kind])
    assert validate_file(file).faults == ()
    schema = json.loads((data_root() / "schemas" / f"{kind}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(json.loads(file.read_text(encoding="utf-8")))
    assert max(map(len, starting.STARTS[kind].splitlines())) <= 128


def test_what_is_optional_may_be_taken_out(run: Run, tmp_path: Path) -> None:
    run("new", "accelerator", "acme-one")
    file = tmp_path / "acme-one.json"
    fill(file, FILLED["accelerator"])
    data = json.loads(file.read_text(encoding="utf-8"))
    optional = [key for key, value in data.items() if isinstance(value, dict) and "optional" in value.get("$comment", "")]
    assert len(optional) >= 6
    for key in optional:
        del data[key]
    file.write_text(json.dumps(data), encoding="utf-8")
    assert validate_file(file).faults == ()


def test_the_filled_specs_work_together(run: Run, tmp_path: Path) -> None:
    for kind, name in NAMES.items():
        file = tmp_path / f"{name}.json"
        run("new", kind, "acme-one" if kind == "accelerator" else name, "-o", str(file))
        fill(file, FILLED[kind])
    assert load([tmp_path]).accelerators["acme-one"].name == "Acme One"
    code, out, err = run("--specs", ".", "--model", "my-workload", "--latency", "1ms", "--hardware", "acme-one")
    assert (code, err) == (0, "")
    assert "Acme One" in out


def test_a_file_that_exists_is_never_overwritten(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tiny.json").write_text("mine", encoding="utf-8")
    code, _, err = run("new", "workload", "tiny")
    assert (code, err) == (2, "error: --out: 'tiny.json' exists and is not overwritten; name another file\n")
    assert (tmp_path / "tiny.json").read_text(encoding="utf-8") == "mine"
    assert run("new", "workload", "tiny", "-o", "other.json")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("acceleratr", "x"), "KIND: no 'acceleratr'; did you mean accelerator?"),
        (("accelerator", "Acme One"), "'Acme One' is no id of an accelerator; write lower case"),
        (("rule", "hot"), "'hot' is no id of a rule; write a capital letter and three digits, as in J901"),
        (("rule", "J901", "-o", "nowhere/x.json"), "name a file in a folder that exists"),
        (("workload", "../x"), "'../x' is no id of a workload"),
    ],
)
def test_a_faulty_request_writes_nothing(run: Run, tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    code, out, err = run("new", *arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1
    assert list(tmp_path.rglob("*")) == []


def test_a_starting_file_points_to_the_schema_that_is_near(run: Run, tmp_path: Path) -> None:
    (tmp_path / "accelerators").mkdir()
    assert run("schema", "accelerator", "-o", "accelerator.schema.json")[0] == 0
    _, out, _ = run("new", "accelerator", "one", "-o", "accelerators/one.json")
    assert json.loads((tmp_path / "accelerators" / "one.json").read_text("utf-8"))["$schema"] == "../accelerator.schema.json"
    assert "advise schema" not in out
    _, out, _ = run("new", "workload", "net")
    assert json.loads((tmp_path / "net.json").read_text("utf-8"))["$schema"] == "workload.schema.json"
    assert out.splitlines()[1] == "so that your editor completes it: advise schema workload -o workload.schema.json"


def test_the_help_names_every_kind_that_can_be_started(run: Run) -> None:
    told = " ".join(run("new", "--help")[1].split())
    *kinds, last = starting.STARTS
    assert f"{', '.join(kinds)} or {last}." in told


def test_schema_prints_those_that_are_published(run: Run) -> None:
    code, out, err = run("schema")
    assert (code, err) == (0, "")
    assert {*KINDS, "advice", "validation"} <= set(out.split())
    for name in out.split():
        assert run("schema", name)[1] == (data_root() / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8")
    assert "did you mean workload?" in run("schema", "worklod")[2]
