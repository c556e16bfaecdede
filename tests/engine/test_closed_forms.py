"""The symbols are the truth: the generated code is fresh and agrees with them; outside its domain a form raises."""

from __future__ import annotations

import subprocess
import sys

import pytest
import strategies
import sympy as sp
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from engine import _compiled, codegen
from engine.closed_form import ClosedForm
from engine.errors import DomainError
from engine.symbols import LATEX, MEANING

FORMS = {form.name: form for form in codegen.FORMS}
_WHOLE = {
    "rows": 5000, "columns": 5000, "channels": 5000, "taps": 49, "groups": 64, "tile_rows": 256, "tile_columns": 256,
    "split": 8, "alignment": 64, "units": 256, "array_rows": 256, "array_columns": 256, "query_tile": 256,
}  # fmt: skip
"""Symbols inside ceilings: whole numbers up to here, so that no rounding moves a ceiling."""
_DECADES = {
    "peak": (9, 16), "peak_max": (9, 16), "bandwidth": (8, 14), "clock": (8, 10), "work": (0, 16), "work_min": (0, 16),
    "batch": (0, 4), "work_each": (0, 14),
    "traffic": (0, 13), "traffic_min": (0, 13), "traffic_each": (0, 11), "traffic_once": (0, 12),
    "on_chip": (0, 10), "cache": (3, 10), "footprint": (0, 12), "activations": (0, 12), "weights": (0, 12),
    "all_weights": (3, 13), "intensity": (-2, 5), "limit": (-6, 1), "feed": (0, 4), "operand_bytes": (-0.3, 1),
    "source_bytes": (-0.3, 1), "launch": (-8, -4), "wave_fill": (-8, -5), "split_cost": (-8, -5), "compute_s": (-9, 0),
    "memory_s": (-9, 0), "sequence_s": (-7, 0), "power_s": (-7, 0), "sharpness": (0, 0.9), "latency": (-7, 0),
    "dynamic_j": (-9, 3), "tdp_w": (0, 3.5), "idle_w": (-2, 2.5), "floor_w": (-2, 2.5), "flop_j": (-14, -10),
    "flop_j_reference": (-14, -10), "byte_j": (-13, -9), "node": (-8.7, -7), "node_reference": (-8.7, -7),
    "node_exponent": (-0.5, 0.5), "kind_factor": (-1, 1),
    "sustained": (-1, 0), "bandwidth_share": (-1, 0), "cache_ratio": (0, 1), "overlap_loss": (-2, 0), "derating": (-2, 0),
}  # fmt: skip
"""The other symbols: powers of ten; those that may be 0 also are."""


def _value(symbol: sp.Symbol) -> st.SearchStrategy[float]:
    if symbol.name in _WHOLE:
        return st.integers(1, _WHOLE[symbol.name]).map(float)
    positive = strategies.decades(*_DECADES[symbol.name])
    return positive if symbol.is_positive else st.one_of(st.just(0.0), positive)


def points(form: ClosedForm) -> st.SearchStrategy[dict[str, float]]:
    """Return points of a form's symbols, inside its domain."""
    found = st.fixed_dictionaries({symbol.name: _value(symbol) for symbol in form.symbols})
    return found.filter(lambda point: _inside(form, point)) if form.domain else found


def _inside(form: ClosedForm, point: dict[str, float]) -> bool:
    values = {symbol: sp.Float(point[symbol.name]) for symbol in form.symbols}
    return all(condition.subs(values) == sp.true for condition in form.domain)


def test_the_compiled_module_is_fresh() -> None:
    checked_in = (strategies.ROOT / "engine" / "_compiled.py").read_text(encoding="utf-8")
    assert codegen.module_text() == checked_in, "print it again: python -m engine.codegen --write"


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=20, phases=(Phase.explicit, Phase.generate))  # one evaluation may take 0.2 s: no shrinking
@given(data=st.data())
def test_symbols_and_code_agree(name: str, data: st.DataObject) -> None:
    form = FORMS[name]
    point = data.draw(points(form))
    used = {symbol.name for symbol in form.expression.free_symbols}
    compiled = getattr(_compiled, name)(**{symbol: value for symbol, value in point.items() if symbol in used})
    assert float(compiled) == pytest.approx(form.at(point), rel=1e-12, abs=0.0)


def test_no_two_forms_share_a_name() -> None:
    assert len(FORMS) == len(codegen.FORMS)


@pytest.mark.parametrize("name", FORMS)
def test_every_form_says_unit_source_and_meaning(name: str) -> None:
    form = FORMS[name]
    assert form.unit
    assert form.source
    assert form.doc.endswith(".")
    assert f"[{form.unit}]" in getattr(_compiled, name).__doc__
    assert all(symbol in MEANING and symbol in LATEX for symbol in form.symbols)
    assert form.latex()


def test_symbols_of_one_name_are_one_symbol() -> None:
    names = [symbol.name for symbol in MEANING]
    assert len(set(names)) == len(names)


OUTSIDE = [
    ("ridge_batch", {"bandwidth": 1.0, "peak": 10.0, "traffic_each": 1.0, "traffic_once": 5.0, "work_each": 10.0}),
    ("ridge_batch", {"bandwidth": 1.0, "peak": 10.0, "traffic_each": 2.0, "traffic_once": 5.0, "work_each": 10.0}),
    ("arithmetic_intensity", {"traffic": 0.0, "work": 1.0}),
    ("power_limit_s", {"dynamic_j": 1.0, "idle_w": 70.0, "tdp_w": 70.0}),
    ("power_limit_s", {"dynamic_j": 1.0, "idle_w": 71.0, "tdp_w": 70.0}),
]
"""Closed forms with a domain, and points outside it."""


@pytest.mark.parametrize(("name", "point"), OUTSIDE)
def test_a_form_raises_outside_its_domain(name: str, point: dict[str, float]) -> None:
    with pytest.raises(DomainError, match=f"{name} holds only where"):
        FORMS[name].at(point)


def test_every_form_with_a_domain_is_tested_outside_it() -> None:
    assert {name for name, form in FORMS.items() if form.domain} == {name for name, _ in OUTSIDE}


def test_a_symbol_without_value_is_named() -> None:
    with pytest.raises(DomainError, match="roof_s needs a value for peak, work"):
        FORMS["roof_s"].at({"bandwidth": 1.0, "traffic": 1.0})


def test_forms_by_hand() -> None:
    assert FORMS["ridge_point"].at({"peak": 990e12, "bandwidth": 3.3e12}) == 300
    assert FORMS["roof_s"].at({"peak": 100.0, "bandwidth": 10.0, "work": 500.0, "traffic": 20.0}) == 5
    bound = {"peak_max": 100.0, "bandwidth": 10.0, "work_min": 500.0, "traffic_min": 90.0}
    assert FORMS["latency_lower_bound_s"].at(bound | {"on_chip": 30.0}) == 6
    assert FORMS["latency_lower_bound_s"].at(bound | {"on_chip": 99.0}) == 5
    assert FORMS["power_limit_s"].at({"dynamic_j": 6.0, "idle_w": 10.0, "tdp_w": 13.0}) == 2
    assert FORMS["energy_j"].at({"dynamic_j": 6.0, "idle_w": 10.0, "latency": 2.0}) == 26


def test_a_tiled_product_by_hand() -> None:
    # 200 x 130 x 100 in tiles of 128 x 64: 2 x 3 tiles, two waves on 4 units; the contraction is padded to 2 x 64
    point = {
        "rows": 200.0, "columns": 130.0, "channels": 100.0, "taps": 1.0, "groups": 1.0, "alignment": 8.0, "split": 1.0,
        "tile_rows": 128.0, "tile_columns": 64.0, "units": 4.0, "peak": 1e12,
    }  # fmt: skip
    tile = 2 * 128 * 64 * 128
    padded = {name: value for name, value in point.items() if name != "units"}
    assert FORMS["tiled_padded_s"].at(padded) == pytest.approx(6 * tile / 1e12, rel=1e-15)
    assert FORMS["tiled_waves_s"].at(point) == pytest.approx(2 * 4 * tile / 1e12, rel=1e-15)


def test_a_systolic_product_by_hand() -> None:
    # 300 x 100 weights on arrays of 128 x 128: 3 x 1 tiles, two passes on 2 arrays of 128 + 128 cycles to fill and 50 rows
    point = {
        "rows": 50.0, "columns": 100.0, "channels": 300.0, "taps": 1.0, "groups": 1.0, "array_rows": 128.0,
        "array_columns": 128.0, "units": 2.0, "peak": 2.0 * 128 * 128 * 2, "sustained": 1.0,
    }  # fmt: skip
    assert FORMS["systolic_s"].at(point) == 2 * (50 + 128 + 128)
    # with 7 arrays there are two for each tile, and they share the rows
    assert FORMS["systolic_s"].at(point | {"units": 7.0, "peak": 2.0 * 128 * 128 * 7}) == 25 + 128 + 128


@pytest.mark.parametrize("modules", ["engine", "engine.compiled, engine.catalog", "engine.predict, engine.solve"])
def test_numbers_need_no_sympy(modules: str) -> None:
    code = f"import sys, {modules}; sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=strategies.ROOT, check=False).returncode == 0
