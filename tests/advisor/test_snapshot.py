"""The snapshot of our specs: what it answers is what the specs answer, and nothing that a cache may hold changes that."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import strategies
from typer.main import get_command

from advisor import cachefiles, snapshot
from advisor.body import as_json
from advisor.cli import app
from advisor.cli import main as through_library
from advisor.recommend import advise
from advisor.requirements import Requirements
from advisor.rule import load_rulebook
from advisor.start import DEFAULTS, FLAGS, LISTS, VALUES, _run, plain
from advisor.stock import Stock, stock_of
from advisor.sweep import Sweep, sweep
from engine import predict
from engine.errors import UnknownNameError
from engine.machine import Machine
from engine.rows import rows
from engine.totals import Totals

CATALOG, BOOK = strategies.catalog(), load_rulebook()
REQUEST = {"model": "resnet50", "latency_s": 0.010}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a cache in which there is a snapshot."""
    monkeypatch.setenv(cachefiles.ENVIRONMENT, str(tmp_path))
    found = snapshot.open_snapshot()
    assert found is not None
    found.write(CATALOG)
    assert found.stock() is not None
    return tmp_path


def answer(**request: object) -> str:
    stock, book, (model,) = snapshot.ready([str(request.pop("model"))], None)
    advice = advise(Requirements(model=model, **request), stock, book)  # type: ignore[arg-type]
    return json.dumps(as_json(advice, stock, book))


def from_specs(**request: object) -> str:
    return json.dumps(as_json(advise(Requirements(**request), CATALOG, BOOK), CATALOG, BOOK))  # type: ignore[arg-type]


def stock_in(cache: Path) -> Stock:
    del cache
    found = snapshot.open_snapshot()
    read = None if found is None else found.stock()
    assert read is not None
    return read[0]


def same(first: object, second: object) -> bool:
    return first == second or (
        isinstance(first, float) and isinstance(second, float) and math.isnan(first) and math.isnan(second)
    )


def test_every_machine_is_the_machine_of_the_specs(cache: Path) -> None:
    stock = stock_in(cache)
    wanted = {(c.id, dtype, runtime) for c in stock.cards.values() for runtime in c.runtimes for dtype in c.dtypes}
    rosters = [stock.roster(runtime) for runtime in stock.runtimes]
    assert sorted(tuple(entry[:3]) for roster in rosters for entry in roster.entries) == sorted(wanted)
    for roster in rosters:
        for place, entry in enumerate(roster.entries):
            ours, theirs = roster.machine(place), CATALOG.machine(entry.hardware, entry.dtype, entry.runtime)
            assert all(same(getattr(ours, f.name), getattr(theirs, f.name)) for f in fields(Machine))


def test_a_runtime_that_nobody_describes_has_no_machine(cache: Path) -> None:
    assert len(stock_in(cache).roster("none")) == len(stock_of(CATALOG).roster("none")) == 0


def test_a_stamp_whose_name_is_that_of_another_is_not_trusted(cache: Path) -> None:
    answer(**REQUEST)
    for stamp in (cache / "stamps").iterdir():
        cachefiles.write(stamp, {"stamp": "of other files", "content": "0" * 64}, np.empty(0))
    assert stock_in(cache)
    assert answer(**REQUEST) == WANTED


def test_a_network_whose_name_is_that_of_another_is_not_taken_for_it(cache: Path) -> None:
    answer(model="resnet18", latency_s=0.010)
    (wrong,) = cache.glob("*/network-*")
    answer(**REQUEST)
    (path,) = (path for path in cache.glob("*/network-*") if path != wrong)
    path.write_bytes(wrong.read_bytes())
    assert answer(**REQUEST) == WANTED


def test_every_card_is_the_card_of_the_specs(cache: Path) -> None:
    ours, theirs = stock_in(cache), stock_of(CATALOG)
    assert list(ours.cards) == list(theirs.cards)
    for name, card in theirs.cards.items():
        assert all(same(getattr(ours.cards[name], f), getattr(card, f)) for f in type(card).__slots__)
    assert ours.runtimes == theirs.runtimes


def test_predictions_and_sweeps_are_those_of_the_specs(cache: Path) -> None:
    stock, chips = stock_in(cache), ("nvidia-l4", "hailo-8", "google-tpu-v5e")
    asked = Sweep(models=("resnet18", "bert-base"), batches=(1, 3, 64), hardware=chips, sizes={"seq_len": 200})
    assert sweep(asked, stock) == sweep(asked, CATALOG)
    machines = [stock.machine(chip, dtype, "graph") for chip in chips for dtype in stock.card(chip).dtypes]
    found = rows(stock.network("resnet18", {}), machines, [1, 7], stock.card)
    assert found == predict("resnet18", chips, [1, 7], catalog=CATALOG)


@pytest.mark.parametrize(
    "wanted", [("nvidia-l4", "fp4", "graph"), ("google-tpu-v5e", "bf16", "onnxruntime"), ("no-chip", "bf16", "graph")]
)
def test_a_machine_that_is_not_there_is_told_as_by_the_specs(cache: Path, wanted: tuple[str, str, str]) -> None:
    with pytest.raises(UnknownNameError) as theirs:
        CATALOG.machine(*wanted)
    with pytest.raises(UnknownNameError, match=f"^{re.escape(str(theirs.value))}$"):
        stock_in(cache).machine(*wanted)


@pytest.mark.parametrize(
    ("model", "sizes"), [("resnet50", {}), ("bert-base", {"seq_len": 384}), ("mixtral-8x7b", {}), ("dlrm-criteo", {})]
)
def test_a_network_is_the_network_of_the_specs_when_it_is_made_and_when_it_is_read(
    cache: Path, model: str, sizes: dict[str, int]
) -> None:
    wanted = stock_of(CATALOG).network(model, sizes)
    for _ in range(2):
        found = stock_in(cache).network(model, sizes)
        assert all(getattr(found, f.name) == getattr(wanted, f.name) for f in fields(Totals))


@pytest.mark.parametrize(
    "request_", [REQUEST, {"model": "bert-base", "power_w": 75.0, "profile": "edge"}, {"model": "resnet50", "runtime": "eager"}]
)
def test_an_answer_is_that_of_the_specs_byte_for_byte(cache: Path, request_: dict[str, object]) -> None:
    assert cache.is_dir()
    assert answer(**request_) == from_specs(**request_)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def _other(path: Path) -> None:
    path.write_bytes(b"roofwise 0\n" + path.read_bytes().partition(b"\n")[2])


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut": _cut, "flipped": _flip, "a folder": _folder, "a loop": _loop, "of another version": _other,
    "empty": lambda path: path.write_bytes(b""), "not ours": lambda path: path.write_text("{}"), "gone": Path.unlink,
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}  # fmt: skip


@pytest.mark.parametrize("how", sorted(DAMAGE))
def test_what_is_damaged_is_not_read(how: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    cachefiles.write(path, {"a": 1}, np.arange(3.0))
    data, numbers = cachefiles.read(path) or ({}, np.empty(0))
    assert (data, numbers.tolist()) == ({"a": 1}, [0.0, 1.0, 2.0])
    DAMAGE[how](path)
    assert cachefiles.read(path) is None


@pytest.mark.parametrize("which", ["catalogue", "documents", "network-*"])
def test_what_is_damaged_is_passed_over_and_made_again(cache: Path, which: str) -> None:
    answer(**REQUEST)
    (path,) = cache.glob(f"*/{which}")
    _flip(path)
    for stamp in (cache / "stamps").iterdir():
        _flip(stamp)
    assert answer(**REQUEST) == WANTED
    assert which == "documents" or cachefiles.read(path) is not None


WANTED = from_specs(**REQUEST)


@pytest.mark.parametrize("named", ["", "/dev/null", "/proc/nowhere", "a file"])
def test_without_a_place_for_a_cache_the_specs_are_read(named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a file").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(cachefiles.ENVIRONMENT, named)
    assert answer(**REQUEST) == WANTED


def test_whatever_changes_in_specs_or_code_makes_another_snapshot(tmp_path: Path) -> None:
    roots = [tmp_path / name for name in ("engine", "specs")]
    for root in roots:
        (root / "inner").mkdir(parents=True)
        (root / "inner" / "part.json").write_text("1", encoding="utf-8")
    files = cachefiles.Files(tuple(roots))
    seen = {files.content()}
    (roots[0] / "inner" / "part.json").write_text("2", encoding="utf-8")
    seen.add(files.content())
    (roots[1] / "new.py").write_text("", encoding="utf-8")
    seen.add(files.content())
    (roots[1] / "new.py").rename(roots[1] / "renamed.py")
    seen.add(files.content())
    assert len(seen) == 4
    (roots[1] / "notes.txt").write_text("not read", encoding="utf-8")
    assert files.content() in seen


def test_what_a_snapshot_says_follows_its_content_not_its_place(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part.json").write_text("1", encoding="utf-8")
    first, second = (cachefiles.Files((tmp_path / name,)) for name in ("one", "two"))
    assert first.content() == second.content()
    assert first.stamp() != second.stamp()


def test_the_cache_keeps_a_few_snapshots_only(cache: Path) -> None:
    for index in range(20):
        (cache / f"old-{index}").mkdir()
    found = snapshot.open_snapshot()
    assert found is not None
    shutil.rmtree(found.path)
    found.write(CATALOG)
    kept = [path for path in cache.iterdir() if path.name != "stamps"]
    assert len(kept) == cachefiles.KEPT
    assert found.path in kept


def test_the_table_of_plain_options_is_that_of_the_command() -> None:
    command = get_command(app)
    options = {name: p for p in command.params for name in p.opts if name not in ("--version", "--help", "-h")}
    options = {name: p for name, p in options.items() if "completion" not in name}
    assert {name: p.name for name, p in options.items() if not p.is_flag} == VALUES  # type: ignore[attr-defined]
    assert {name: p.name for name, p in options.items() if p.is_flag} == FLAGS  # type: ignore[attr-defined]
    assert {p.name for p in options.values() if p.multiple} == set(LISTS)  # type: ignore[attr-defined]
    assert {p.name: p.default for p in options.values()} == DEFAULTS


@pytest.mark.parametrize(
    "arguments",
    ["", "--help", "list hardware", "--latency 10ms", "--model", "--model resnet50 --latency", "--model resnet50 --nonsense 1",
     "--model resnet50 -- list", "--model resnet50 --model bert-base", "-mresnet50", "--mod resnet50", "-m=resnet50",
     "--model resnet50 predict", "--version", "--model --latency 10ms", "--model resnet50 --top -1"],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_the_library(arguments: str) -> None:
    assert plain(arguments.split()) is None


@pytest.mark.parametrize(
    "arguments",
    ["--model resnet50 --latency 10ms", "-m bert-base --seq-len=384 --power 75W --format json",
     "--model resnet50 --batch 8 -f md",
     "--model resnet50 --latency 1us", "--model resnet50 --strict --allow-modelled --top 2 --explain excluded",
     "--model vit-b-16 --size image=224 --dtype int8 --kind gpu,edge --profile edge"],
)  # fmt: skip
def test_both_ways_give_the_same_answer(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = _run(arguments.split())
    direct = capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        through_library(arguments.split())
    assert (ended.value.code, capsys.readouterr().out) == (code, direct.out)
    assert direct.out
