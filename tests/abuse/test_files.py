"""Files that are no files, have no end, lead elsewhere, vanish, or were written by a machine with other habits."""

from __future__ import annotations

import gzip
import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from abuse.mutations import ROOT
from abuse.runner import left_behind, run

from engine.documents import MAX_BYTES

CHIP = (ROOT / "specs" / "accelerators" / "nvidia-l4.json").read_text(encoding="utf-8")
LIST = ("list", "rules")


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with room above it, and go there."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def mine(name: str, content: str | bytes = CHIP.replace('"nvidia-l4"', '"acme-one"')) -> Path:
    """Write a spec of one's own into the folder of specs; return its file."""
    path = Path("mine", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# Where an answer goes.


def a_device() -> str:
    return "/dev/full"


def a_directory() -> str:
    Path("folder").mkdir()
    return "folder"


def below_a_file() -> str:
    Path("file").write_text("x", encoding="utf-8")
    return "file/answer.txt"


def a_loop_of_links() -> str:
    Path("loop").symlink_to("loop")
    return "loop"


def two_links_in_a_loop() -> str:
    Path("one").symlink_to("two")
    Path("two").symlink_to("one")
    return "one/answer.txt"


def a_link_to_nowhere() -> str:
    Path("link").symlink_to("no/such/folder/answer.txt")
    return "link"


def no_folder() -> str:
    return "no/such/answer.txt"


def up_from_nowhere() -> str:
    return "no/../answer.txt"


def a_long_name() -> str:
    return "a" * 300


def a_nul() -> str:
    return "a\0b"


def half_a_pair() -> str:
    return "\ud800"


def nothing() -> str:
    return ""


def of_the_system() -> str:
    return "/proc/no-such-file"


PLACES: tuple[Callable[[], str], ...] = (
    a_device, a_directory, below_a_file, a_loop_of_links, two_links_in_a_loop, a_link_to_nowhere, no_folder, up_from_nowhere,
    a_long_name, a_nul, half_a_pair, nothing, of_the_system,
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_an_answer_that_cannot_be_written_is_an_error_and_leaves_nothing(place: Callable[[], str], tmp_path: Path) -> None:
    target = place()
    before = sorted(tmp_path.rglob("*"))
    done = run(*LIST, "--out", target)
    assert (done.code, done.out) == (2, b"")
    assert done.err.startswith("error: ")
    assert "--out" in done.err
    assert done.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_an_answer_goes_up_and_through_a_link_only_where_the_user_says_so(inside: Path, tmp_path: Path) -> None:
    assert run(*LIST, "--out", "../up.txt").code == 0
    assert (tmp_path / "a" / "up.txt").is_file()
    (inside / "link.txt").symlink_to("../up.txt")
    assert run("list", "profiles", "--out", "link.txt").code == 0
    assert (inside / "link.txt").is_symlink()
    assert (tmp_path / "a" / "up.txt").read_text(encoding="utf-8").startswith("id ")
    assert list(inside.iterdir()) == [inside / "link.txt"]


def test_an_answer_goes_into_a_pipe_that_has_a_reader() -> None:
    os.mkfifo("pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_text(encoding="utf-8")))
    reader.start()
    done = run(*LIST, "--out", "pipe")
    reader.join(10)
    assert done.code == 0
    assert read[0].startswith("id ")
    assert stat.S_ISFIFO(Path("pipe").stat().st_mode)


def test_an_answer_that_fails_on_the_way_leaves_the_old_file_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("old.txt").write_text("old", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    done = run(*LIST, "--out", "old.txt")
    assert (done.code, Path("old.txt").read_text(encoding="utf-8")) == (2, "old")
    assert "No space left on device" in done.err
    assert left_behind(Path()) == []


# What is read.


@pytest.mark.parametrize(
    "asked",
    [
        ("validate", "endless.json"),
        ("--model", "endless.json"),
        ("show", "endless.json"),
        ("claims", "endless.json"),
        ("import", "hf", "endless.json"),
        ("import", "onnx", "endless.json"),
        ("accuracy", "--data", "endless.json"),
        ("accuracy", "--data", "endless.csv"),
        ("calibrate", "endless.csv", "--hardware", "nvidia-l4"),
    ],
    ids=" ".join,
)
def test_a_device_without_an_end_is_not_read_to_its_end(asked: tuple[str, ...]) -> None:
    for name in ("endless.json", "endless.csv"):
        Path(name).symlink_to("/dev/zero")
    done = run(*asked, seconds=20)
    assert done.faults(frozenset({2})) == []


def test_standard_input_is_read_no_further_than_a_spec_may_reach() -> None:
    done = run("validate", "-", stdin=b" " * (MAX_BYTES + 2))
    assert done.code == 2
    assert f"more than {MAX_BYTES:,} bytes" in done.text
    assert run("import", "hf", "-", stdin=b"[" * 3_000_000).code == 2


def test_a_few_packed_bytes_may_not_become_a_table_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advisor.lab.sheet.MAX_CHARACTERS", 1_000_000)
    head = "chip,dtype,framework,m,n,k,latency_us\n"
    Path("bomb.csv.gz").write_bytes(gzip.compress((head + "L4,bf16,torch,64,64,64,10\n" * 100_000).encode()))
    done = run("accuracy", "--data", "bomb.csv.gz")
    assert done.code == 2
    assert "more than 1,000,000 in all" in done.err


def test_folders_of_specs_may_hold_loops_pipes_devices_folders_and_links_to_nowhere() -> None:
    mine("deep/acme.json")
    Path("mine/self").symlink_to(".")
    Path("mine/up.json").symlink_to("..")
    Path("mine/loop.json").symlink_to("loop.json")
    Path("mine/gone.json").symlink_to("nowhere.json")
    Path("mine/endless.json").symlink_to("/dev/zero")
    Path("mine/folder.json").mkdir()
    os.mkfifo("mine/pipe.json")
    done = run("list", "hardware", "--specs", "mine", "--format", "json")
    assert (done.code, done.err) == (0, "")
    assert "acme-one" in {row["id"] for row in json.loads(done.text)}
    tab = {"_ADVISE_COMPLETE": "complete_bash", "COMP_WORDS": "advise show --specs mine acme", "COMP_CWORD": "4"}
    assert run(env=tab, seconds=10).text.split() == ["acme-one"]


def test_a_file_that_cannot_be_opened_is_named_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    mine("good.json")
    bad = mine("bad.json")
    really = Path.open

    def refused(path: Path, *arguments: Any, **named: Any) -> Any:
        if path.name == bad.name:
            raise PermissionError(13, "Permission denied", str(path))
        return really(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", refused)
    done = run("list", "hardware", "--specs", "mine", "--format", "json")
    assert done.code == 0
    assert "mine/bad.json:1:1: /: Permission denied; expected a readable file [S001]" in done.err
    assert "acme-one" in {row["id"] for row in json.loads(done.text)}
    assert run("list", "hardware", "--specs", "mine", "--strict").code == 2


@pytest.mark.parametrize("becomes", [None, "", "{", "[" * 500, CHIP[:200]])
def test_a_file_that_vanishes_or_changes_between_listing_and_reading_is_named(
    monkeypatch: pytest.MonkeyPatch, becomes: str | None
) -> None:
    mine("good.json")
    bad = mine("accelerators/bad.json")
    really = Path.open

    def changing(path: Path, *arguments: Any, **named: Any) -> Any:
        if path.name == bad.name and "r" in (arguments or ("r",))[0]:
            bad.unlink(missing_ok=True)
            if becomes is not None:
                with really(bad, "w") as file:
                    file.write(becomes)
        return really(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", changing)
    done = run("list", "hardware", "--specs", "mine", "--format", "json")
    assert done.faults(frozenset({0})) == []
    assert "mine/accelerators/bad.json" in done.err
    assert "acme-one" in {row["id"] for row in json.loads(done.text)}


@pytest.mark.parametrize("name", ['a"b.json', "a\\b.json", "a\nb.json", "\udcff.json", "日本.json", "{0}@NAME@.json"])
def test_a_new_spec_may_lie_in_a_file_of_any_name(name: str) -> None:
    done = run("new", "accelerator", "acme-one", "-o", name)
    assert (done.code, done.err) == (0, "")
    found = run("validate", name, "--format", "json")
    assert found.faults(frozenset({2})) == []
    assert {fault["rule"] for fault in json.loads(found.text)["files"][0]["faults"]} == {"S110"}


def test_an_answer_may_name_a_folder_whose_name_is_no_text() -> None:
    folder = Path("\udcff", "accelerators")
    folder.mkdir(parents=True)
    (folder / "bad.json").write_text("{", encoding="utf-8")
    for form in ("text", "json", "md"):
        asked = ("--model", "resnet18", "--hardware", "nvidia-l4", "--specs", "\udcff", "--format", form)
        assert run(*asked, "--out", "answer").code == 0
        assert "\\udcff/accelerators/bad.json" in Path("answer").read_text(encoding="utf-8")
        assert "\\udcff/accelerators/bad.json" in run(*asked).text


HABITS = {
    "ends of lines of Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "ends of lines of old Macs": lambda text: text.replace("\n", "\r").encode(),
    "tabs": lambda text: text.replace("  ", "\t").encode(),
    "no end of line": lambda text: text.rstrip().encode(),
}
FAULTY = {
    "a mark of byte order": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "Latin-1": lambda text: text.replace("NVIDIA L4", "NVIDIÄ L4").encode("latin-1"),
    "a NUL": lambda text: text.encode() + b"\0",
    "half a surrogate pair": lambda text: text.replace("NVIDIA L4", "\\ud800").encode(),
    "NaN": lambda text: text.replace("72", "NaN", 1).encode(),
    "1e400": lambda text: text.replace("72", "1e400", 1).encode(),
    "true for 72": lambda text: text.replace("72", "true", 1).encode(),
    "a key twice": lambda text: text.replace('"id"', '"id": "x", "id"', 1).encode(),
    "a comment": lambda text: b"// mine\n" + text.encode(),
    "a comma too many": lambda text: text.rstrip()[:-1].encode() + b",}",
    "nothing": lambda _: b"",
    "100,000 keys": lambda text: (text.rstrip()[:-1] + "," + ",".join(f'"k{n}": 1' for n in range(100_000)) + "}").encode(),
    "100,000 levels": lambda _: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}


@pytest.mark.parametrize("habit", HABITS)
def test_a_spec_may_have_the_habits_of_any_editor(habit: str) -> None:
    Path("case.json").write_bytes(HABITS[habit](CHIP))
    done = run("validate", "case.json")
    assert (done.code, done.text.splitlines()[0]) == (0, "case.json: valid accelerator")


@pytest.mark.parametrize("fault", FAULTY)
def test_a_broken_spec_is_named_and_the_rest_still_answers(fault: str) -> None:
    mine("good.json")
    mine("accelerators/bad.json", FAULTY[fault](CHIP))
    done = run("list", "hardware", "--specs", "mine", "--format", "json")
    assert done.faults(frozenset({0})) == []
    assert done.err.splitlines()[-1].startswith("warning: mine/accelerators/bad.json is left out")
    assert len(done.err) < 60_000
    assert "acme-one" in {row["id"] for row in json.loads(done.text)}


# Paths inside files.


@pytest.mark.parametrize("name", ["../outside.json", "../../secret/../outside.json", "/etc/hostname", "..", "a\\u0000b"])
def test_a_schema_that_leads_elsewhere_is_not_followed(name: str, tmp_path: Path) -> None:
    (tmp_path / "outside.json").write_text('{"secret": "hunter2"}', encoding="utf-8")
    text = CHIP.replace("../../schemas/accelerator.schema.json", f"{name}/accelerator.schema.json")
    assert text != CHIP
    Path("case.json").write_text(text, encoding="utf-8")
    done = run("validate", "case.json")
    assert done.faults(frozenset({0, 2})) == []
    assert "hunter2" not in done.text


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/passwd", "..", ".hidden", "a\\\\b", "x" * 81, "é", "A", ""])
def test_an_id_is_no_path(name: str) -> None:
    Path("case.json").write_text(CHIP.replace('"id": "nvidia-l4"', f'"id": "{name}"'), encoding="utf-8")
    done = run("validate", "case.json")
    assert done.code == 2
    assert "/id: " in done.text


@pytest.mark.parametrize("name", ["../x", "a/b", "/x", "..", "a\0b", "x" * 300, "é", "A b"])
def test_a_new_spec_is_not_written_by_a_path_for_a_name(name: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert run("new", "accelerator", name).code == 2
    assert sorted(tmp_path.rglob("*")) == before
