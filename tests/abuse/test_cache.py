"""The user's cache of our specs: whatever it holds, and wherever it lies, the answer is that of the specs, byte for byte."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final
from zlib import crc32

import pytest
from abuse.mutations import ROOT
from abuse.runner import COMMAND, SECONDS, environment, left_behind, run

ASKED: Final = ("--model", "resnet18", "--latency", "10ms", "--hardware", "nvidia-l4,google-tpu-v4", "--format", "json")


def answer(folder: Path | str) -> bytes:
    """Return the answer with a cache in a folder; nothing may be said beside it."""
    done = run(*ASKED, env={"ROOFWISE_CACHE": str(folder)}, seconds=20)
    assert (done.code, done.err) == (0, "")
    return done.out


@cache
def wanted() -> bytes:
    """Return the answer without a cache."""
    return answer("")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache that an answer has filled."""
    folder = tmp_path_factory.mktemp("filled") / "cache"
    assert answer(folder) == wanted()
    assert list(files(folder))
    return folder


def files(folder: Path) -> Iterator[Path]:
    """Yield the files of a cache."""
    yield from sorted(path for path in folder.rglob("*") if path.is_file())


def test_answers_from_a_cache_are_those_without_one_and_leave_it_as_it_is(filled: Path) -> None:
    before = {path: path.read_bytes() for path in files(filled)}
    assert answer(filled) == wanted()
    assert {path: path.read_bytes() for path in before} == before
    assert left_behind(filled) == []


def signed(body: bytes) -> Callable[[bytes], bytes]:
    """Return what gives a file another body, with the sum that belongs to it."""
    return lambda content: content.split(b"\n")[0] + b"\n" + b"%08x" % crc32(body) + b"\n" + body


DAMAGES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "empty": lambda _: b"",
    "cut in half": lambda content: content[: len(content) // 2],
    "another byte": lambda content: content[: len(content) // 2] + b"\xff" + content[len(content) // 2 + 1 :],
    "of a later version": lambda content: b"roofwise 9\n" + content.partition(b"\n")[2],
    "one long line": lambda _: b"x" * 1_000_000,
    "signed, but no length": signed(b"hello"),
    "signed, but another thing": signed(b"2\n[]"),
    "signed, but of nothing": signed(b"2\n{}"),
    "signed, but deep": signed(b"100000\n" + b"[" * 50_000 + b"]" * 50_000),
    "signed, and elsewhere": signed(b'25\n{"content":"../../other"}'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_read_past(damage: str, filled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "cache"
    shutil.copytree(filled, folder)
    for path in files(folder):
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    assert answer(folder) == wanted()
    assert [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(folder)] == []


def test_each_file_may_be_the_only_damaged_one(filled: Path, tmp_path: Path) -> None:
    for number, path in enumerate(files(filled)):
        folder = tmp_path / str(number)
        shutil.copytree(filled, folder)
        broken = folder / path.relative_to(filled)
        broken.write_bytes(DAMAGES["signed, but of nothing"](broken.read_bytes()))
        assert answer(folder) == wanted()


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_link_to_a_device_without_an_end(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("thing", [a_folder, a_pipe, a_link_to_a_device_without_an_end, a_link_to_itself])
def test_what_is_no_file_is_read_past(thing: Callable[[Path], None], filled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    shutil.copytree(filled, folder)
    for path in files(folder):
        path.unlink()
        thing(path)
    assert answer(folder) == wanted()


@pytest.mark.parametrize("place", ["/dev/null/cache", "file/cache", "loop/cache", "\udcff"])
def test_a_cache_may_lie_where_nothing_can_be_written(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine", encoding="utf-8")
    Path("loop").symlink_to("loop")
    assert answer(place) == wanted()
    assert Path("file").read_text(encoding="utf-8") == "mine"


def test_a_cache_is_followed_through_a_link(filled: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(filled)
    assert answer(tmp_path / "link") == wanted()


def test_first_answers_side_by_side_fill_one_cache(tmp_path: Path) -> None:
    env = environment(ROOFWISE_CACHE=str(tmp_path / "cache"))
    running = [subprocess.Popen([*COMMAND, *ASKED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) for _ in range(3)]
    told = [one.communicate(timeout=SECONDS) for one in running]
    assert told == [(wanted(), b"")] * 3
    assert left_behind(tmp_path) == []
    assert answer(tmp_path / "cache") == wanted()


def test_two_installations_with_other_specs_share_a_cache_and_keep_their_answers(tmp_path: Path) -> None:
    other = tmp_path / "other"
    for folder in ("engine", "advisor", "specs", "schemas"):
        shutil.copytree(ROOT / folder, other / folder, ignore=shutil.ignore_patterns("__pycache__", "measurements"))
    chip = other / "specs" / "accelerators" / "nvidia-l4.json"
    chip.write_text(chip.read_text(encoding="utf-8").replace('"name": "NVIDIA L4"', '"name": "Another L4"'), encoding="utf-8")
    ours, theirs = environment(ROOFWISE_CACHE=str(tmp_path / "cache")), environment(ROOFWISE_CACHE=str(tmp_path / "cache"))
    theirs["PYTHONPATH"] = str(other)
    asked = [sys.executable, "-m", "advisor", *ASKED[:-2]]
    for _ in range(2):
        one, another = (
            subprocess.run(asked, capture_output=True, env=env, check=False, cwd=tmp_path, timeout=SECONDS)
            for env in (ours, theirs)
        )
        assert (one.returncode, another.returncode, one.stderr, another.stderr) == (0, 0, b"", b"")
        assert b"Another L4" not in one.stdout
        assert b"NVIDIA L4" in one.stdout
        assert b"Another L4" in another.stdout
