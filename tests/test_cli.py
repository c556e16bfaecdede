"""The command as a user meets it: what it prints, where, and with which exit code."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from jsonschema import Draft202012Validator

from advisor.cli import COMMANDS, app, main
from engine.catalog import data_root, load

MAIN_JOB = ("--model", "resnet50", "--latency", "10ms")
H100 = [name for name in load().accelerators.ids if "h100" in name]


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
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("ROOFWISE_SPECS", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return Run(capsys)


def test_the_main_job_puts_the_verdict_first_and_fits_the_screen(run: Run) -> None:
    code, out, err = run(*MAIN_JOB)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "meets 10 ms" in lines[1]
    assert lines[2].startswith("latency")
    assert max(map(len, lines)) <= 100
    assert len(lines) <= 60
    for heading in ("Why", "Time goes to", "Winners", "Alternatives", "Undetermined", "Not modelled"):
        assert any(line.startswith(heading) for line in lines), heading


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("request_", [MAIN_JOB, ("--model", "gpt3-175b"), ("--model", "resnet50", "--latency", "1us")])
def test_no_line_is_wider_than_the_terminal(
    run: Run, monkeypatch: pytest.MonkeyPatch, width: int, request_: tuple[str, ...]
) -> None:
    monkeypatch.setattr("advisor.output.width", lambda: width)
    _, out, _ = run(*request_, "--explain", "excluded")
    assert max(map(len, out.splitlines())) <= width


@pytest.mark.parametrize("width", [100, 160])
@pytest.mark.parametrize(
    "request_", [MAIN_JOB, ("--model", "bert-base", "--dtype", "int8"), ("--model", "resnet50", "--power", "60W")]
)
def test_a_large_catalogue_is_told_in_full_and_in_few_lines(
    run: Run, monkeypatch: pytest.MonkeyPatch, width: int, request_: tuple[str, ...]
) -> None:
    """All alternatives keep what they lost on; what was excluded and what is undetermined take a few lines each."""
    monkeypatch.setattr("advisor.output.width", lambda: width)
    _, out, _ = run(*request_, "--top", "1000")
    assert max(map(len, out.splitlines())) <= width
    assert "…" not in out
    told = next(part for part in out.split("\n\n") if "Undetermined" in part)
    assert len(told.splitlines()) <= 6


def test_the_readme_shows_this_answer(run: Run) -> None:
    """Golden text: when the answer changes, README.md shows the new one."""
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("## An answer")[2].partition("```text\n")[2].partition("```")[0]
    assert run(*MAIN_JOB)[1] == shown


def test_json_follows_the_published_schema_and_places_every_chip_once(run: Run) -> None:
    code, out, _ = run(*MAIN_JOB, "--format", "json")
    answer = json.loads(out)
    schema = json.loads((data_root() / "schemas" / "advice.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(answer)
    assert code == 0
    assert answer["recommendation"]["latency_s"]["p90"] <= 0.010
    _, listed, _ = run("list", "hardware", "--format", "json")
    places = [answer["recommendation"]["hardware"]]
    places += [item["hardware"] for part in ("alternatives", "excluded", "undetermined") for item in answer[part]]
    assert sorted(places) == sorted(chip["id"] for chip in json.loads(listed))


def test_the_commands_are_known_without_the_engine() -> None:
    """So that help and completion are instant: what a command needs is imported when it runs."""
    code = "import sys, advisor.cli; print(*{'engine', 'numpy', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_predictions_keep_their_order_and_their_shares(run: Run) -> None:
    code, out, _ = run("predict", "--model", "resnet50", "--hardware", "nvidia-h100-sxm", "--batch", "1,2,4,8,16,32,64",
                       "--dtype", "int8", "--format", "csv")  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [row["batch"] for row in rows] == ["1", "2", "4", "8", "16", "32", "64"]
    for row in rows:
        names = ("lower_bound", "p10", "estimate", "p90")
        bound, p10, estimate, p90 = (float(row[f"latency_{name}_s"]) for name in names)
        assert bound <= p10 <= estimate <= p90
        assert float(row["throughput_per_s"]) <= float(row["throughput_upper_bound_per_s"])
        shares = [float(value) for name, value in row.items() if name.startswith("waterfall_share_")]
        assert min(shares) >= 0
        assert sum(shares) == pytest.approx(1)


def test_an_impossible_latency_exits_1_with_nearest_miss_rule_and_remedy(run: Run) -> None:
    code, out, _ = run("--model", "resnet50", "--latency", "0.001ms")
    assert code == 1
    assert "nearest miss" in out
    assert "(L201)" in out
    assert "what fixes it" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--model", "resnet5", "--latency", "10ms"), "did you mean resnet50?"),
        (("--model", "resnet50", "--latency", "10parsecs"), "'10parsecs' is no time"),
        (("--model", "resnet50", "--latency", "-1ms"), "'-1ms' is not a time above 0"),
        (("--model", "resnet50", "--latency", "nan"), "'nan' is not a time above 0"),
        (("--model", "resnet50", "--latency", "10"), "'10' has no unit"),
        (("--model", "resnet50", "--batch", "0"), "'0' is no whole number from 1"),
        (("--model", "resnet50", "--hardware", "h100"), f"could be {' or '.join(H100)}; give the whole id"),
        (("--model", "resnet50", "--dtype", "bf17"), "did you mean bf16?"),
        (("--model", "resnet50", "--seq-len", "128"), "resnet50 has no size 'seq_len'"),
        (("--model", "bert-base", "--seq-len", "513"), "seq_len is 513; it goes from 1 to 512 tokens"),
        (("--model", "resnet50", "--profile", "fast"), "no profile 'fast'"),
        (("--model", "resnet50", "--format", "jsn"), "did you mean json?"),
        (("--bogus",), "--bogus"),
        (("--latency", "10ms"), "--model is missing"),
        (("predict", "--model", "resnet50", "--hardware", "nvidia-l5", "--batch", "1"), "did you mean nvidia-l4"),
        (("list", "hardware", "--kind", "gpux"), "did you mean gpu?"),
        (("show", "resnet5"), "did you mean resnet50?"),
        (("show", "h100"), f"could be {' or '.join(H100)}; give the whole id"),
        (("predict", "--model", "resnet50", "--hardware", "h100"), f"could be {' or '.join(H100)}; give the whole id"),
        (("show", "nvidia-t4-bert-base-int8-1"), "did you mean nvidia-t4-bert-base-int8-128-tensorrt?"),
        (("--model", "resnet50", "--specs", "/nowhere"), "/nowhere:1:1: /: no such directory"),
        ((*MAIN_JOB, "--out", "/nowhere/out.txt"), "name a file in a folder that exists"),
    ],
)
def test_a_faulty_request_exits_2_with_one_clear_line(run: Run, arguments: tuple[str, ...], told: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_every_fault_of_a_request_is_told_at_once(run: Run) -> None:
    code, _, err = run("--model", "resnet5", "--latency", "x", "--batch", "0", "--dtype", "bf17", "--kind", "gpus")
    assert code == 2
    assert [line.split(":")[1].strip() for line in err.splitlines()] == ["--latency", "--model", "--batch", "--dtype", "--kind"]


def test_a_model_too_large_for_one_chip_says_how_many_would_hold_it(run: Run) -> None:
    _, out, _ = run("--model", "gpt3-175b", "--hardware", "nvidia-h100-sxm", "--format", "json")
    excluded = {item["hardware"]: item for item in json.loads(out)["excluded"]}
    need = excluded["nvidia-h100-sxm"]["would_need"]
    assert excluded["nvidia-h100-sxm"]["rule"] == "F101"
    assert need["quantity"] == "devices"
    assert need["value"] >= 3  # 175 G parameters of at least one byte, 80 GB a device


def test_validate_lists_five_different_faults_each_with_its_place(run: Run, tmp_path: Path) -> None:
    spec = json.loads((data_root() / "specs" / "accelerators" / "nvidia-l4.json").read_text(encoding="utf-8"))
    spec["memory"]["bandwidth"]["unit"] = "Gb/s"
    spec["mem" + "roy"] = {}
    spec["tdp"]["value"] = -72
    spec["kind"] = "gpux"
    spec["peak_dense"]["bf16"]["source"] = "nowhere"
    path = tmp_path / "faulty.json"
    path.write_text(json.dumps(spec, indent=2), encoding="utf-8")
    code, out, _ = run("validate", str(path))
    *faults, last = out.splitlines()
    assert code == 2
    assert len(faults) == 5
    assert last == "1 file, 5 errors, 0 warnings"
    for pointer in ("/memory/bandwidth/unit", "/mem" + "roy", "/tdp/value", "/kind", "/peak_dense/bf16/source"):
        (fault,) = (line for line in faults if f": error: {pointer}: " in line)
        line, column = (int(part) for part in fault.removeprefix(f"{path}:").split(":")[:2])
        assert path.read_text(encoding="utf-8").splitlines()[line - 1][column - 1 :].startswith(f'"{pointer.split("/")[-1]}"')
        assert "expected" in fault
    assert "did you mean memory?" in out
    assert "did you mean gpu?" in out


def test_validate_prints_what_follows_from_a_valid_file(run: Run) -> None:
    code, out, _ = run("validate", str(data_root() / "specs" / "accelerators" / "nvidia-l4.json"))
    assert code == 0
    assert "ridge point" in out
    assert "implied FLOP per clock" in out


def test_validate_passes_on_everything_that_ships(run: Run) -> None:
    code, out, _ = run("validate", str(data_root() / "specs"))
    assert code == 0, out


def test_a_spec_of_ones_own_wins_and_is_marked(run: Run, tmp_path: Path) -> None:
    chip = load().accelerators["nvidia-l4"].model_dump(mode="json", by_alias=True, exclude_none=True)
    chip |= {"id": "my-chip", "name": "My chip"}
    (tmp_path / "accelerators").mkdir()
    (tmp_path / "accelerators" / "my-chip.json").write_text(json.dumps(chip), encoding="utf-8")
    code, out, _ = run("--specs", str(tmp_path), *MAIN_JOB, "--hardware", "my-chip")
    assert code == 0
    assert "My chip" in out
    assert "T505" in out


def own_chip(folder: Path, **changes: object) -> str:
    """Write a chip of one's own, an L4 but for the changes, into a spec directory; return the directory."""
    chip = load().accelerators["nvidia-l4"].model_dump(mode="json", by_alias=True, exclude_none=True)
    (folder / "accelerators").mkdir()
    (folder / "accelerators" / "my-chip.json").write_text(json.dumps(chip | {"id": "my-chip"} | changes), encoding="utf-8")
    return str(folder)


def test_a_chip_of_ones_own_that_physics_forbids_is_refused_by_name_of_the_check(run: Run, tmp_path: Path) -> None:
    specs = own_chip(tmp_path, idle_power={"value": 72, "unit": "W", "source": "tpup"})
    for arguments in ((*MAIN_JOB, "--specs", specs, "--strict"), ("validate", specs)):
        code, out, err = run(*arguments)
        assert code == 2
        assert "/idle_power: 72 W idle; expected less than the TDP of 72 W [P109]" in out + err


def test_a_warning_is_told_beside_the_answer(run: Run, tmp_path: Path) -> None:
    specs = own_chip(tmp_path, last_level_cache={"value": 32, "unit": "MB", "source": "tpup"})
    code, out, err = run(*MAIN_JOB, "--specs", specs, "--hardware", "my-chip", "--format", "json")
    assert code == 0
    assert json.loads(out)["recommendation"]["hardware"] == "my-chip"
    assert err.startswith("warning: ")
    assert "/last_level_cache: 32 MB" in err
    assert err.endswith(" [P133]\n")
    code, out, err = run("validate", specs)
    assert (code, err) == (0, "")
    assert [": warning: /last_level_cache: 32 MB" in line for line in out.splitlines()[:2]] == [True, False]
    assert run("validate", specs, "--strict")[0] == 1
    assert ": valid accelerator" in out
    code, out, _ = run("validate", specs, "--format", "json")
    (told,) = json.loads(out)["files"]
    assert (code, told["valid"]) == (0, True)
    assert [(fault["rule"], fault["severity"]) for fault in told["faults"]] == [("P133", "warning")]


def test_out_writes_the_file_whole_and_prints_nothing(run: Run, tmp_path: Path) -> None:
    code, out, _ = run(*MAIN_JOB, "--format", "md", "--out", str(tmp_path / "answer.md"))
    assert (code, out) == (0, "")
    assert (tmp_path / "answer.md").read_text(encoding="utf-8").startswith("# ")
    assert [path.name for path in tmp_path.iterdir()] == ["answer.md"]


@pytest.mark.parametrize("what", ["hardware", "workloads", "rules", "checks", "profiles", "calibrations", "measurements"])
def test_every_list_is_a_plain_json_list_of_objects_with_an_id(run: Run, what: str) -> None:
    code, out, _ = run("list", what, "--format", "json")
    assert code == 0
    assert all(isinstance(row["id"], str) for row in json.loads(out))


@pytest.mark.parametrize("name", ["nvidia-l4", "hailo-8", "bert-base", "L201", "P104", "balanced", "gpu-hbm"])
def test_every_kind_of_spec_can_be_shown(run: Run, name: str) -> None:
    code, out, _ = run("show", name)
    assert code == 0
    assert out.strip()
    code, out, _ = run("show", name, "--format", "json")
    assert json.loads(out)["id"].lower() == name.lower()


def test_a_spec_without_a_page_of_its_own_shows_every_value_with_unit_source_and_note(run: Run) -> None:
    code, out, _ = run("show", "runtimes")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line}
    spec = json.loads((data_root() / "specs" / "calibrations" / "runtimes.json").read_text(encoding="utf-8"))
    host = spec["runtimes"]["eager"]["host"]
    assert code == 0
    assert rows["runtimes.eager.host"] == [str(host["value"]), host["unit"], host["source"], *host["note"].split()]
    assert rows[f"{host['source']}:"] == spec["sources"][host["source"]]["title"].split()
    assert "schema_" not in rows
    assert "{" not in out


def test_the_list_of_commands_cuts_no_sentence(run: Run) -> None:
    code, out, _ = run("--help")
    commands = out.partition("Commands:\n")[2].splitlines()
    assert code == 0
    assert [line.split()[0] for line in commands] == list(typer.main.get_command(app).commands)
    assert all(line.endswith(".") and not line.endswith("...") for line in commands)


def test_derive_substitutes_numbers_into_the_closed_forms(run: Run) -> None:
    code, out, _ = run("derive", "resnet50", "--hardware", "nvidia-l4", "--batch", "8", "--latency", "10ms")
    assert code == 0
    assert "FLOP/B" in out


def test_help_explains_by_examples(run: Run) -> None:
    for arguments in (
        ("--help",),
        ("predict", "--help"),
        ("list", "--help"),
        ("show", "-h"),
        ("compare", "-h"),
        ("validate", "-h"),
        ("derive", "-h"),
    ):
        code, out, _ = run(*arguments)
        assert code == 0
        assert "advise" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_made_alone_has_the_help_of_the_whole(run: Run, name: str) -> None:
    alone = run(name, "--help")
    typer.main.get_command(app)(args=[name, "--help"], prog_name="advise", standalone_mode=False)
    assert alone == (0, run.capsys.readouterr().out, "")


def test_the_main_job_imports_neither_sympy_nor_jsonschema() -> None:
    code = (
        "import sys; sys.argv = ['advise', '--model', 'resnet50', '--latency', '10ms']\n"
        "from advisor.cli import app, main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('sympy', 'jsonschema') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]"
