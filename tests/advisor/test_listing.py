"""Lists: their order, what narrows them down, and what a terminal of any width shows of them."""

from __future__ import annotations

import csv
import io
import json
from functools import cache
from typing import Any

import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from advisor import listing
from advisor.check import load_checks
from advisor.cli import main
from advisor.report.columns import Column, as_markdown, as_text, fitting
from advisor.rule import load_rulebook
from engine.errors import UnknownNameError

BOOK, CHECKS = load_rulebook(), load_checks()
CHIPS = strategies.catalog().accelerators
SORTABLE = [(what, column.word) for what, columns in listing.COLUMNS.items() for column in columns]


@cache
def rows(what: str) -> listing.Rows:
    return listing.listed(what, strategies.catalog(), BOOK, CHECKS)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    out, err = capsys.readouterr()
    assert (stop.value.code, err) == (0, "")
    return str(out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (2, "")
    return str(err)


@pytest.mark.parametrize("what", listing.SHELVES)
def test_a_list_has_every_spec_once_and_a_column_for_every_key(what: str) -> None:
    listed = rows(what)
    assert listed
    assert len({row["id"] for row in listed}) == len(listed)
    assert {key for row in listed for key in row} == {column.key for column in listing.COLUMNS[what]}


@pytest.mark.parametrize(("what", "word"), SORTABLE)
def test_sorting_keeps_every_row_orders_the_known_and_puts_the_unknown_last(what: str, word: str) -> None:
    for key in (word, f"-{word}"):
        got = listing.ordered(rows(what), what, key)
        name = next(column.key for column in listing.COLUMNS[what] if column.word == word)
        assert sorted(row["id"] for row in got) == sorted(row["id"] for row in rows(what))
        values = [row[name] for row in got]
        known = [value for value in values if value is not None]
        assert values[: len(known)] == known
        if known and isinstance(known[0], (int, float)):
            assert known == sorted(known, reverse=key.startswith("-"))


def test_chips_for_the_edge_by_bandwidth(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "list", "hardware", "--kind", "edge", "--sort", "bandwidth", "--format", "json")
    chips = [CHIPS[row["id"]] for row in json.loads(out)]
    assert {chip.id for chip in chips} == {chip.id for chip in CHIPS if "edge" in (chip.kind, chip.made_for)}
    bandwidths = [chip.memory.bandwidth.si for chip in chips if chip.memory.bandwidth]
    assert bandwidths == sorted(bandwidths)
    assert all(chip.memory.bandwidth is None for chip in chips[len(bandwidths) :])


def test_filters_hold_together_and_the_peak_is_that_of_the_format_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "list", "hardware", "--vendor", "nvidia,amd", "--dtype", "int8", "--format", "json")
    listed = {row["id"]: row for row in json.loads(out)}
    wanted = {chip.id: chip for chip in CHIPS if chip.vendor in ("NVIDIA", "AMD") and "int8" in chip.dtypes}
    assert listed.keys() == wanted.keys()
    assert all(listed[name]["peak_flop_per_s"] == chip.peak_dense["int8"].si for name, chip in wanted.items())


def test_csv_and_markdown_carry_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    (first, *_) = csv.DictReader(io.StringIO(printed(capsys, "list", "hardware", "--format", "csv")))
    assert set(first) == {column.key for column in listing.COLUMNS["hardware"]}
    heading, rule, *body = printed(capsys, "list", "hardware", "--format", "md").splitlines()
    assert heading.count("|") == rule.count("|") == len(listing.COLUMNS["hardware"]) + 1
    assert len(body) == len(CHIPS)


def test_table_is_another_word_for_text(capsys: pytest.CaptureFixture[str]) -> None:
    predict = ("predict", "--model", "resnet18", "--hardware", "nvidia-l4")
    for arguments in (("list", "rules"), ("show", "balanced"), ("compare", "nvidia-l4", "nvidia-t4"), predict):
        told = [printed(capsys, *arguments, "--format", form) for form in ("table", "text")]
        assert told[0] == told[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("hardware", "--sort", "bandwidt"), ["--sort: no column of hardware 'bandwidt'; did you mean bandwidth?"]),
        (("hardware", "--vendor", "nvida", "--kind", "gpuu"), ["--vendor: no vendor 'nvida'; did you mean NVIDIA?", "gpu?"]),
        (("hardware", "--dtype", "bf17"), ["--dtype: no dtype 'bf17'; did you mean bf16?"]),
        (("workloads", "--vendor", "nvidia"), ["--vendor: no column of workloads 'vendor'"]),
        (("hardwear",), ["no list 'hardwear'; did you mean hardware?"]),
        (("hardware", "--format", "jsn"), ["did you mean json?"]),
    ],
)
def test_a_faulty_list_is_refused_with_the_nearest(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: list[str]
) -> None:
    err = refused(capsys, "list", *arguments)
    assert all(text in err for text in told)
    assert err.count("\n") == len(told)


def test_a_filter_that_leaves_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "list", "hardware", "--kind", "tpu", "--vendor", "nvidia") == "none\n"
    assert printed(capsys, "list", "hardware", "--kind", "tpu", "--vendor", "nvidia", "--format", "json") == "[]\n"


def test_a_row_that_is_unknown_is_refused_before_anything_is_sorted() -> None:
    with pytest.raises(UnknownNameError, match="did you mean ridge"):
        listing.ordered(rows("hardware"), "hardware", "-ridg")


@pytest.mark.parametrize("what", listing.SHELVES)
@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_line_of_a_list_is_wider_than_the_terminal(what: str, width: int) -> None:
    lines = as_text(listing.columns(what), rows(what), width)
    assert max(map(len, lines)) <= width
    assert not any(line.endswith("…") for line in lines)


def test_a_chip_that_nobody_measured_says_so_at_any_width() -> None:
    for width in (80, 140):
        lines = as_text(listing.columns("hardware"), rows("hardware"), width)
        for chip in CHIPS:
            assert any(line.startswith(chip.id) and ("(modelled)" in line) == (chip.confidence == "modelled") for line in lines)


def test_the_column_that_sorts_is_shown_though_there_is_no_room() -> None:
    for column in listing.columns("hardware", "-price"):
        assert (column.rank == 0) == (column.word in ("id", "price"))


ONE = Column(key="a", word="a")
TWO = Column(key="b", word="b", unit="GB", scale=1e9, rank=1, right=True)


def test_a_table_by_hand() -> None:
    assert as_text((ONE, TWO), [{"a": "x", "b": 2.5e9}, {"a": "long", "b": None}], 80) == [
        "a       b", "       GB", "x     2.5", "long    ?", "", "? not published",
    ]  # fmt: skip
    assert as_markdown((ONE, TWO), [{"a": "x", "b": 2.5e9}]) == ["| a | b [GB] |", "| --- | ---: |", "| x | 2.5 |"]


def test_a_column_without_room_is_named() -> None:
    lines = as_text((ONE, TWO), [{"a": "x" * 20, "b": 2.5e9}], 22)
    assert lines[:3] == ["a", "x" * 20, ""]
    assert " ".join(lines[3:]).startswith("no room for b:")


@given(
    st.lists(st.fixed_dictionaries({"a": st.text("xy", max_size=9), "b": st.none() | st.floats(0, 1e12)}), max_size=5),
    st.integers(5, 40),
)
def test_what_is_shown_fits_or_is_what_every_table_has(table: list[dict[str, Any]], width: int) -> None:
    shown = fitting((ONE, TWO), table, width)
    assert ONE in shown
    if TWO in shown:
        assert (
            max(len(TWO.cell(row)) for row in [*table, {"b": None}]) + max([1, *(len(ONE.cell(row)) for row in table)]) + 2
            <= width
        )
