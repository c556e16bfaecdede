"""What the system does to a command: pipes that close, disks that fill, terminals of other kinds, interrupts, several at once.

Each runs the command as a process of its own.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from abuse import processes
from abuse.runner import COMMAND, ROOT, SECONDS, environment, left_behind, process

MAIN_JOB: Final = ("--model", "resnet50", "--latency", "10ms")
LIST: Final = ("list", "rules", "--format", "json")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes, signals and limits of POSIX")


def chance() -> random.Random:
    """Return a random choice that is always the same."""
    return random.Random(7)  # noqa: S311 - no secret


def test_a_pipe_whose_reader_goes_is_no_error(tmp_path: Path) -> None:
    assert processes.closed_pipe(chance(), tmp_path) == []
    script = f"set -o pipefail; {' '.join(COMMAND)} {' '.join(LIST)} | head -1"
    done = subprocess.run(["/bin/bash", "-c", script], capture_output=True, env=environment(), check=False, timeout=SECONDS)
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", b"[\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_told_in_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = process(*LIST, stdout=full)
    assert (done.code, done.err) == (2, "error: standard output: No space left on device; nothing more was written\n")
    with Path("/dev/full").open("wb") as full:
        assert process("--model", "none", stdout=full, stderr=full).code == 2


def test_a_file_beyond_the_limit_of_the_process_is_not_left_in_part(tmp_path: Path) -> None:
    target = tmp_path / "answer.json"
    target.write_text("old", encoding="utf-8")
    done = process(*LIST, "--out", str(target), preexec_fn=processes._small_files)
    assert done.code == 2
    assert "File too large" in done.err
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("closed", "asked", "code", "told"),
    [
        (">&-", LIST, 2, "error: standard output is closed; name a file with --out\n"),
        (">&- 2>&-", LIST, 2, ""),
        ("2>&-", ("--model", "none"), 2, ""),
        ("<&-", ("validate", "-"), 2, ""),
    ],
)
def test_a_stream_may_be_closed(closed: str, asked: tuple[str, ...], code: int, told: str) -> None:
    script = ["/bin/bash", "-c", f'exec "$@" {closed}', "bash", *COMMAND, *asked]
    done = subprocess.run(script, capture_output=True, env=environment(), check=False, timeout=SECONDS)
    assert (done.returncode, done.stderr.decode()) == (code, told)
    assert (b"error" in done.stdout) == (asked[0] == "validate")


INTERRUPTED = """
import signal, sys
from advisor import __main__ as begin
{patch}
begin.main()
"""
WHILE_LOADING = """
class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == "advisor.cli":
            try:
                signal.raise_signal(signal.{signal})
            except BaseException:
                REACTION
sys.meta_path.insert(0, Interrupts())
"""
LOADING = WHILE_LOADING.replace("REACTION", "raise")
TAKEN_FOR_A_FAULT = WHILE_LOADING.replace("REACTION", 'raise ImportError("this library is broken") from None')
SWALLOWED = WHILE_LOADING.replace("REACTION", "pass")
WRITING = """
import pathlib
real = pathlib.Path.replace
def replace(path, target):
    signal.raise_signal(signal.{signal})
    return real(path, target)
pathlib.Path.replace = replace
"""


@pytest.mark.parametrize(
    "moment", [LOADING, TAKEN_FOR_A_FAULT, SWALLOWED, WRITING], ids=["loading", "taken for a fault", "swallowed", "writing"]
)
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"])
def test_a_command_that_is_stopped_goes_in_silence_and_leaves_the_old_file(
    tmp_path: Path, moment: str, stop: signal.Signals, code: int
) -> None:
    target = tmp_path / "answer.json"
    target.write_text("old", encoding="utf-8")
    script = INTERRUPTED.format(patch=moment.format(signal=stop.name))
    asked = ["schema", "rule", "--out", str(target)]
    done = subprocess.run(
        [sys.executable, "-c", script, *asked], capture_output=True, env=environment(), check=False, timeout=SECONDS
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_only_where_something_is_kept_an_interrupt_is_an_exception(tmp_path: Path) -> None:
    script = """
import signal, sys
from pathlib import Path
from advisor import ending
ending.begin(interrupts=True)
with ending.aside(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    try:
        with ending.raising():
            signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        print("kept", flush=True)
    signal.raise_signal(signal.SIGINT)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out.txt")], capture_output=True, check=False, timeout=SECONDS
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"kept\n", b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "code"), [("advisor.ending", -signal.SIGINT), ("urllib.parse", -signal.SIGINT), ("advisor.start", 130)]
)
def test_an_interrupt_of_the_first_lines_is_silent(name: str, code: int) -> None:
    script = f"""
import _signal, runpy, sys
class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            _signal.raise_signal(_signal.SIGINT)
sys.modules.pop({name!r}, None)
sys.modules.pop("pathlib", None)
sys.meta_path.insert(0, Interrupts())
sys.argv = ["advise", "--version"]
runpy.run_module("advisor", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment(), check=False, timeout=SECONDS)
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


def test_a_command_interrupted_from_outside_ends(tmp_path: Path) -> None:
    assert processes.interrupted(chance(), tmp_path) == []


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_that_is_not_utf_8_gets_look_alikes_in_columns_and_escapes(encoding: str, tmp_path: Path) -> None:
    name = "日本.json"
    (tmp_path / name).write_text("{", encoding="utf-8")
    done = process("validate", name, env={"PYTHONIOENCODING": encoding, "LC_ALL": "C.UTF-8"}, cwd=tmp_path)
    assert done.code == 2
    assert done.text.startswith("\\u65e5\\u672c.json:1:2: error: ")


def test_an_answer_is_the_same_but_for_signs_in_ascii_and_without_colour() -> None:
    plain = process(*MAIN_JOB, env={"PYTHONIOENCODING": "utf-8"})
    for env in ({"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii", "NO_COLOR": "1", "TERM": "dumb"}):
        done = process(*MAIN_JOB, env=env)
        assert (done.code, done.err) == (0, "")
        assert done.text.isascii()
        assert list(map(len, done.text.splitlines())) == list(map(len, plain.text.splitlines()))
        assert done.text == plain.text.translate({ord("·"): "-", ord("█"): "#", ord("…"): "~"})


@pytest.mark.parametrize(("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colour_unless_it_is_declined(env: dict[str, str], coloured: bool) -> None:
    ours, its = os.openpty()
    done = process("list", "profiles", stdout=its, env={"TERM": "xterm", "COLUMNS": "100", **env})
    os.close(its)
    shown = os.read(ours, 4096)
    os.close(ours)
    assert done.code == 0
    assert (b"\x1b[" in shown) == coloured


SAME: Final[tuple[tuple[str, ...], ...]] = (
    *((*MAIN_JOB, "--format", form) for form in ("text", "json", "md")),
    *(("predict", "--model", "resnet18", "--hardware", "nvidia-l4", "--format", form) for form in ("text", "csv")),
    *(("sweep", "--model", "resnet18", "--hardware", "nvidia-l4", "--format", form) for form in ("md", "json")),
    *(("list", what, "--format", "json") for what in ("hardware", "rules", "calibrations")),
    *(("show", name, "--format", form) for name, form in (("nvidia-l4", "text"), ("resnet18", "json"))),
    *(("validate", "tests/specs/invalid/profile", "--format", form) for form in ("text", "json", "sarif", "github")),
    ("compare", "nvidia-l4", "nvidia-t4"),
    ("insights", "--models", "resnet18", "--hardware", "nvidia-l4"),
    ("explore", "--model", "resnet18", "--vary", "bandwidth=1..2TB/s:3", "--workers", "1", "--format", "json"),
    ("claims", "tests/specs/valid/claim/slide.json", "--format", "json"),
    ("derive", "resnet18", "--hardware", "nvidia-l4"),
    ("import", "hf", "tests/configs/vit-base-patch16-224.json"),
    ("--help",),
    ("--model", "resnet5", "--dtype", "bf17"),
)
"""All main commands, in all formats but pages and tables, which are drawn by other libraries."""
DIGESTS = """
import hashlib, json, sys
from abuse.runner import run
for asked in json.load(sys.stdin):
    done = run(*asked)
    print(done.code, hashlib.sha256(done.out).hexdigest()[:16], hashlib.sha256(done.err.encode()).hexdigest()[:16], *asked)
"""


def test_answers_are_the_same_bytes_whatever_the_seed_of_hashes() -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", DIGESTS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
            env=environment(PYTHONHASHSEED=seed, PYTHONPATH=f"{ROOT}:{ROOT / 'tests'}"),
        )
        for seed in ("0", "random")
    ]  # fmt: skip
    told = [one.communicate(json.dumps(SAME).encode(), timeout=4 * SECONDS)[0].decode().splitlines() for one in running]
    assert [len(lines) for lines in told] == [len(SAME)] * 2
    assert [line for line in told[0] if line.split()[0] not in ("0", "2")] == []
    assert told[0] == told[1]


def test_of_several_writers_of_one_file_one_answer_stands_whole(tmp_path: Path) -> None:
    target = tmp_path / "shared.json"
    kinds = ("rule", "workload", "advice", "claim")
    running = [
        subprocess.Popen([*COMMAND, "schema", kind, "--out", str(target)], stderr=subprocess.PIPE, env=environment())
        for kind in kinds
    ]
    told = [one.communicate(timeout=SECONDS)[1] for one in running]
    assert told == [b""] * len(kinds)
    assert target.read_text(encoding="utf-8") in {
        (ROOT / "schemas" / f"{kind}.schema.json").read_text("utf-8") for kind in kinds
    }
    assert list(tmp_path.iterdir()) == [target]
    assert left_behind(tmp_path) == []


def test_a_folder_whose_files_come_and_go_still_answers(tmp_path: Path) -> None:
    assert processes.churn(chance(), tmp_path) == []
