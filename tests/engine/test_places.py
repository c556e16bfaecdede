"""Places in JSON texts: each value where it stands, whatever the layout, the escapes and the depth."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.documents import MAX_NESTING, read_text
from engine.places import line_column, places, pointer_of

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


def paths(data: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    """Return every path of data with what is there."""
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [(path, data), *(pair for key, child in children for pair in paths(child, (*path, key)))]


@given(VALUES, st.sampled_from([None, 0, 2]), st.booleans())
def test_every_value_is_found_where_its_key_or_itself_begins(data: Any, indent: int | None, ascii_: bool) -> None:
    text = json.dumps(data, indent=indent, ensure_ascii=ascii_)
    found = places(text)
    assert found.offsets.keys() == {pointer_of(path) for path, _ in paths(data)}
    assert (found.twice, found.odd) == ([], [])
    for path, value in paths(data):
        rest = text[found.offsets[pointer_of(path)] :]
        key = path[-1] if path else 0
        expected = key if isinstance(key, str) else value
        assert json.JSONDecoder().raw_decode(rest)[0] == expected


def test_keys_that_occur_twice_are_those_of_one_object() -> None:
    text = '{"a": {"b": 1}, "c": {"b": 1, "b": 2}, "a": {"b": 3}}'
    assert [(pointer, text[offset:].partition(":")[0]) for pointer, offset, _ in places(text).twice] == [
        ("/c/b", '"b"'),
        ("/a", '"a"'),
    ]


def test_numbers_that_are_not_finite_have_their_own_place() -> None:
    text = '{"NaN": "NaN",\n "a": [1, NaN, -Infinity],\n "b": 1e400, "c": 1%s}' % ("0" * 5000)
    odd = [(pointer, *line_column(text, offset)) for pointer, offset, _ in places(text).odd]
    assert odd == [("/a/1", 2, 11), ("/a/2", 2, 16), ("/b", 3, 7), ("/c", 3, 19)]
    assert [fault.rule for fault in read_text(text, "case").faults] == ["S005"] * 4


def test_a_pointer_that_is_not_there_is_placed_at_what_is_nearest() -> None:
    text = '{"memory": {"type": "HBM"}}'
    assert places(text).nearest("/memory/bandwidth/unit") == text.index('"memory"')
    assert places(text).nearest("/tdp") == 0


def test_nesting_is_admitted_up_to_its_limit_and_not_beyond() -> None:
    for levels, rules in ((MAX_NESTING, []), (MAX_NESTING + 1, ["S006"]), (1000, ["S006"]), (100_000, ["S006"])):
        assert [fault.rule for fault in read_text("[" * levels + "]" * levels, "case").faults] == rules
