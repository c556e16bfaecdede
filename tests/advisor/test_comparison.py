"""Chips side by side: ratios and the best by hand, groups that fit, every fault at once."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from typing import Any

import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from advisor.cli import main
from advisor.comparison import Line, Value, as_object, chosen, lines
from advisor.inputs import RequestError
from advisor.report.comparison import as_markdown, as_table, beside, said

CATALOG = strategies.catalog()
IDS = CATALOG.accelerators.ids
PAIR = ("nvidia-l4", "nvidia-t4")


def line(*values: float | str | None, **more: Any) -> Line:
    return Line(key="k", name="n", values=tuple(Value(value=value) for value in values), **more)


def told(*names: str) -> dict[str, Line]:
    return {one.key: one for one in lines(chosen(names, CATALOG), CATALOG)}


def test_ratios_are_to_the_first_and_the_best_is_the_most_or_the_least() -> None:
    assert line(2.0, 3.0, None, ratios=True, best="most").ratio == (None, 1.5, None)
    assert line(2.0, 3.0, None, ratios=True, best="most").winners == (1,)
    assert line(2.0, 3.0, 2.0, best="least").winners == (0, 2)
    assert line(2.0, None, best="most").winners == ()  # there is nothing to be better than
    assert line(2.0, 2.0, best="most").winners == ()
    assert line(None, 2.0, ratios=True).ratio == (None, None)
    assert line("a", "a").equal
    assert not line("a", None).equal


def test_two_chips_by_hand() -> None:
    found = told(*PAIR)
    bandwidth, ridge = found["bandwidth_bytes_per_s"], found["ridge_point_fp16_flop_per_byte"]
    assert [one.value for one in bandwidth.values] == [300.1e9, 320e9]
    assert bandwidth.ratio[1] == pytest.approx(320 / 300.1)
    assert bandwidth.winners == (1,)
    assert [one.value for one in ridge.values] == pytest.approx([121e12 / 300.1e9, 65e12 / 320e9])
    assert ridge.winners == ()
    assert found["tdp_w"].winners == (1,)
    assert found["peak_fp16_per_tdp_flop_per_j"].values[0].value == pytest.approx(121e12 / 72)
    assert found["kind"].equal


def test_every_number_format_that_one_of_them_has_has_a_peak_and_a_ridge_point() -> None:
    found = told("nvidia-l4", "nvidia-t4", "google-tpu-v7")
    for dtype in {d for name in ("nvidia-l4", "nvidia-t4", "google-tpu-v7") for d in CATALOG.accelerators[name].dtypes}:
        for key in (f"peak_{dtype}_flop_per_s", f"ridge_point_{dtype}_flop_per_byte"):
            has = [dtype in CATALOG.accelerators[name].dtypes for name in ("nvidia-l4", "nvidia-t4", "google-tpu-v7")]
            assert [one.value is not None for one in found[key].values] == has


def test_a_format_that_a_chip_has_not_is_told_from_one_that_is_not_published() -> None:
    peak = told(*PAIR)["peak_int4_flop_per_s"]
    assert [said(peak, index) for index in range(2)] == ["?", "260"]  # a source for the L4's was looked for
    assert said(told(*PAIR)["peak_bf16_flop_per_s"], 1) == "-"


def test_what_is_modelled_or_assumed_is_marked() -> None:
    found = told("nvidia-l4", "stillwater-kpu-t64")
    for key in ("bandwidth_bytes_per_s", "ridge_point_bf16_flop_per_byte", "cache_bytes", "tdp_w"):
        assert [one.doubtful for one in found[key].values] == [False, True], key
    assert said(found["tdp_w"], 1) == "~5.9"
    assert not any(one.doubtful for one in told(*PAIR)["bandwidth_bytes_per_s"].values)


@pytest.mark.parametrize(
    ("names", "faults"),
    [
        (["nvidia-l4"], ["1 chip to compare; give 2 to 8"]),
        ([*IDS[:9]], ["9 chips to compare; give 2 to 8"]),
        (["nvidia-l5", "nvidia-t4"], ["did you mean nvidia-l4"]),
        (["h100", "nvidia-l5", "nvidia-t4", "nvidia-t4"], ["'h100' could be", "nvidia-l5", "nvidia-t4 is given twice"]),
        (["nvidia-t4", "nvidia-t4"], ["given twice"]),
    ],
)
def test_every_fault_of_a_comparison_is_told(names: list[str], faults: list[str]) -> None:
    with pytest.raises(RequestError) as error:
        chosen(names, CATALOG)
    assert len(str(error.value).splitlines()) == len(faults)
    assert all(fault in text for fault, text in zip(faults, str(error.value).splitlines(), strict=True))


several = st.lists(st.sampled_from(IDS), min_size=2, max_size=8, unique=True)


@given(several, st.sampled_from([80, 100, 140]))
def test_a_comparison_fits_the_terminal_and_has_every_chip(names: list[str], width: int) -> None:
    chips = chosen(names, CATALOG)
    text = as_table(chips, lines(chips, CATALOG), width)
    assert max(map(len, text.splitlines())) <= width
    shown = re.split(r"\s+", " ".join(part.splitlines()[0] for part in text.split("\n\n")[:-1]).strip())
    assert list(dict.fromkeys(shown)) == names
    assert all(part.split()[0] == names[0] for part in text.split("\n\n")[:-1])


@given(several)
def test_the_order_of_the_others_changes_no_value_and_no_ratio(names: list[str]) -> None:
    first, *others = names
    one, other = (
        as_object(c, lines(c, CATALOG)) for c in (chosen(names, CATALOG), chosen([first, *reversed(others)], CATALOG))
    )
    for left, right in zip(one["figures"], other["figures"], strict=True):
        assert (left["values"], left["ratios"]) == (right["values"], right["ratios"])
        assert set(left["best"]) == set(right["best"])


@given(several)
def test_a_ratio_turned_round_is_its_inverse(names: list[str]) -> None:
    there, back = told(*names[:2]), told(*names[1::-1])
    for key in there.keys() & back.keys():
        if there[key].ratio[1] is not None:
            assert there[key].ratio[1] * back[key].ratio[1] == pytest.approx(1)


def test_every_pair_of_a_kind_can_be_compared() -> None:
    for names in itertools.combinations(IDS[:12], 2):
        assert as_markdown(chosen(names, CATALOG), lines(chosen(names, CATALOG), CATALOG))


# The command.


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["compare", *arguments])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_json_and_csv_have_base_units_ratios_and_the_best(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, *PAIR, "--format", "json")
    figures = {row["figure"]: row for row in json.loads(out)["figures"]}
    assert code == 0
    assert figures["capacity_bytes"] == {
        "figure": "capacity_bytes", "equal": False, "values": {"nvidia-l4": 24e9, "nvidia-t4": 16e9},
        "ratios": {"nvidia-t4": pytest.approx(16 / 24)}, "best": ["nvidia-l4"], "doubtful": [],
    }  # fmt: skip
    rows = {row["figure"]: row for row in csv.DictReader(io.StringIO(run(capsys, *PAIR, "--format", "csv")[1]))}
    assert float(rows["tdp_w"]["nvidia-t4"]) == 70.0
    assert rows["tdp_w"]["best"] == "nvidia-t4"
    assert rows.keys() == figures.keys()


def test_differences_leaves_out_what_is_equal(capsys: pytest.CaptureFixture[str]) -> None:
    whole, less = (run(capsys, *PAIR, *more)[1] for more in ((), ("--differences",)))
    assert "kind" in whole
    assert "vendor" not in less
    equal = {one.name for one in told(*PAIR).values() if one.equal}
    assert len(whole.splitlines()) - len(less.splitlines()) == len(equal) > 0


def test_ids_may_be_separated_by_commas(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, ",".join(PAIR)) == run(capsys, *PAIR)


@pytest.mark.parametrize("arguments", [(), ("nvidia-l4",), ("nvidia-l4", "nvidia-l4"), (*PAIR, "--format", "xml")])
def test_a_faulty_comparison_exits_2(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")


def test_colours_mark_the_best_and_what_is_equal_without_moving_anything() -> None:
    chips = chosen(PAIR, CATALOG)
    shown = lines(chips, CATALOG)
    painted = as_table(chips, shown, 100, lambda text, style: f"<{style}>{text}</{style}>")
    assert re.sub(r"</?(good|faint|strong)>", "", painted) == as_table(chips, shown, 100)
    assert "<faint>kind" in painted
    assert re.search(r"<good>\s*320\*", painted)


def test_a_ratio_of_one_says_so() -> None:
    assert beside(line(2.0, 2.0, ratios=True), 1) == "1x"
    assert beside(line(2.0, 3.0, ratios=True), 1) == "1.5x"
