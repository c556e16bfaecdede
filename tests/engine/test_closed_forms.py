"""The symbols are the truth: the generated code is fresh and agrees with them; outside its domain a form raises."""

from __future__ import annotations

import inspect
import subprocess
import sys
from functools import partial

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
    "sequences": 256, "tokens": 8192, "heads": 128, "kv_heads": 128, "group_rows": 16, "halvings": 3,
    "head_dim": 512, "rotations": 8, "key_splits": 64, "contraction_step": 128,
}  # fmt: skip
"""Symbols inside ceilings: whole numbers up to here, so that no rounding moves a ceiling."""
_DECADES = {
    "peak": (9, 16), "peak_max": (9, 16), "bandwidth": (8, 14), "clock": (8, 10), "load_clock": (8, 10),
    "work": (0, 16), "work_min": (0, 16),
    "batch": (0, 4), "work_each": (0, 14),
    "traffic": (0, 13), "traffic_min": (0, 13), "traffic_each": (0, 11), "traffic_once": (0, 12),
    "on_chip": (0, 10), "cache": (3, 10), "activations": (0, 12), "weights": (0, 12),
    "all_weights": (3, 13), "intensity": (-2, 5), "limit": (-6, 1), "feed": (-3, 0), "operand_bytes": (-0.3, 1),
    "source_bytes": (-0.3, 1), "launch": (-8, -4), "wave_fill": (-8, -5), "split_cost": (-8, -5), "compute_s": (-9, 0),
    "memory_s": (-9, 0), "sequence_s": (-7, 0), "power_s": (-7, 0), "sharpness": (0, 0.9), "latency": (-7, 0),
    "dynamic_j": (-9, 3), "tdp_w": (0, 3.5), "idle_w": (-2, 2.5), "floor_w": (-2, 2.5), "flop_j": (-14, -10),
    "flop_j_reference": (-14, -10), "byte_j": (-13, -9), "node": (-8.7, -7), "node_reference": (-8.7, -7),
    "cache_byte_j": (-13, -9), "cache_byte_j_reference": (-13, -9),
    "node_exponent": (-0.5, 0.5), "kind_factor": (-1, 1),
    "sustained": (-1, 0), "bandwidth_share": (-1, 0), "cache_ratio": (0, 1), "overlap_loss": (-2, 0), "voltage_span": (0, 0.6),
    "reference_peak": (9, 16), "vector_peak": (9, 14), "weight_bytes": (-0.3, 1), "result_bytes": (-0.3, 1),
    "clock_reference": (8, 10), "clocked": (-2, 0), "launch_fitted": (-8, -4), "wave_sharing": (-2, 0), "tile_drain": (-2, 0.5),
    "softmax_work": (0, 2.5), "tile_efficiency": (-0.5, 0), "slice_tokens": (1, 4), "walk": (-8, -5), "transform": (-1, 0.7),
    "transform_weights": (-1, 0.7), "quantize_share": (-1, 0.5), "host_s": (-7, 0), "device_s": (-7, 0), "launches_s": (-8, -1),
    "ratio": (-0.5, 0.5), "launch_ratio": (-0.5, 0.5), "tile_fill": (-1, 2), "tile_edge": (-1, 2), "misalignment": (-2, 0),
    "winograd_tiles": (0, 6), "launch_growth": (-9, -6), "sample_s": (-9, -3), "tried": (0, 4), "head_loss": (-2, 0),
    "routed": (-2, 0), "static_w": (-2, 2.5), "limited_s": (-7, 0), "voltage_exponent": (-0.5, 0.5),
}  # fmt: skip
"""The other symbols: powers of ten; those that may be 0 also are."""


def _value(symbol: sp.Symbol) -> st.SearchStrategy[float]:
    if symbol.name in _WHOLE:
        return st.integers(1, _WHOLE[symbol.name]).map(float)
    positive = strategies.decades(*_DECADES[symbol.name])
    return positive if symbol.is_positive else st.one_of(st.just(0.0), positive)


def points(form: ClosedForm) -> st.SearchStrategy[dict[str, float]]:
    """Return points of a form's symbols, inside its domain; bytes from main memory are among those of a kernel."""
    found = st.fixed_dictionaries({symbol.name: _value(symbol) for symbol in form.symbols})
    if form.name == "traffic_s":
        return found.map(lambda point: point | {"traffic": min(point["traffic"], point["activations"] + point["weights"])})
    return found.filter(lambda point: _inside(form, point)) if form.domain else found


def _inside(form: ClosedForm, point: dict[str, float]) -> bool:
    values = {symbol: sp.Float(point[symbol.name]) for symbol in form.symbols}
    return all(condition.subs(values) == sp.true for condition in form.domain)


def test_the_compiled_module_is_fresh() -> None:
    checked_in = (strategies.ROOT / "engine" / "_compiled.py").read_text(encoding="utf-8")
    assert codegen.module_text() == checked_in, "print it again: python -m engine.codegen --write"


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=6, phases=(Phase.explicit, Phase.generate))  # one evaluation may take 0.2 s: no shrinking
@given(data=st.data())
def test_symbols_and_code_agree(name: str, data: st.DataObject) -> None:
    form = FORMS[name]
    point = data.draw(points(form))
    used = {symbol.name for symbol in form.expression.free_symbols}
    compiled = getattr(_compiled, name)(**{symbol: value for symbol, value in point.items() if symbol in used})
    assert float(compiled) == pytest.approx(form.at(point), rel=1e-12, abs=0.0)


@pytest.mark.parametrize("name", codegen.STAGED)
@settings(max_examples=20)
@given(data=st.data())
def test_a_form_in_two_stages_is_the_form(name: str, data: st.DataObject) -> None:
    point = data.draw(points(FORMS[name]))
    early = {symbol: value for symbol, value in point.items() if symbol not in codegen.STAGED[name]}
    late = {symbol: point[symbol] for symbol in codegen.STAGED[name]}
    first, second = getattr(_compiled, f"{name}_early"), getattr(_compiled, f"{name}_late")
    assert set(inspect.signature(first).parameters) == early.keys()
    whole = float(getattr(_compiled, name)(**point))
    assert float(second(first(**early), **late)) == pytest.approx(whole, rel=1e-12)


def test_a_ceiling_never_sees_the_rounding_of_a_reciprocal() -> None:
    units, tile = 49.0, 96.0  # 49 * (1/49) and 96 * (1/96) are not all 1 in floats
    early = {
        "alignment": 8.0, "bandwidth": 1e12, "cache_ratio": 1.0, "channels": 64.0, "columns": tile, "feed": 1.0,
        "operand_bytes": 2.0, "peak": 1e12, "reference_peak": 1e12, "result_bytes": 2.0, "sustained": 1.0, "taps": 1.0,
        "tile_columns": tile, "tile_drain": 0.0, "tile_rows": tile, "units": units, "wave_fill": 1.0, "wave_sharing": 0.0,
        "weight_bytes": 2.0, "contraction_step": 64.0,
    }  # fmt: skip
    one_wave = partial(_compiled.whole_tile_s_late, _compiled.whole_tile_s_early(**early))
    for waves in range(1, 50):
        rows, tiles = tile * units * waves, units * waves
        assert float(one_wave(rows=rows, groups=1.0)) == pytest.approx(
            waves * float(one_wave(rows=tile, groups=1.0)), rel=1e-12
        )
        assert float(one_wave(rows=tile, groups=tiles)) == pytest.approx(
            waves * float(one_wave(rows=1.0, groups=1.0)), rel=1e-12
        )


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
    ("power_limit_s", {"dynamic_j": 1.0, "idle_w": 75.0, "static_w": 70.0, "sequence_s": 1.0, "tdp_w": 70.0}),
    ("power_limit_s", {"dynamic_j": 1.0, "idle_w": 75.0, "static_w": 71.0, "sequence_s": 1.0, "tdp_w": 70.0}),
    ("interval_s", {"latency": 1.0, "launches_s": 1.1, "ratio": 1.2, "launch_ratio": 1.5}),
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
    watts = {"idle_w": 10.0, "static_w": 4.0, "tdp_w": 13.0}
    assert FORMS["power_limit_s"].at(watts | {"dynamic_j": 6.0, "sequence_s": 2.0}) == (6 + 6 * 2) / 9
    voltage = {"voltage_span": 2.0, "voltage_exponent": 1.0, "sequence_s": 2.0}
    assert [FORMS["power_limited_s"].at(voltage | {"power_s": power_s}) for power_s in (1.0, 4.5, 32.0)] == [2, 3, 16]
    assert [FORMS["limited_energy_j"].at(watts | {"dynamic_j": joules, "limited_s": 2.0}) for joules in (5.0, 9.0)] == [5, 6]
    assert FORMS["energy_j"].at({"dynamic_j": 6.0, "idle_w": 10.0, "latency": 2.0}) == 26
    joules = {"work": 8.0, "flop_j": 2.0, "traffic": 3.0, "byte_j": 5.0, "activations": 4.0, "weights": 6.0}
    assert FORMS["dynamic_energy_j"].at(joules | {"cache_byte_j": 7.0}) == 8 * 2 + 3 * 5 + (4 + 6) * 7
    process = {"node": 8e-9, "node_reference": 4e-9, "node_exponent": 2.0}
    assert FORMS["cache_byte_energy_j"].at(process | {"cache_byte_j_reference": 50e-12}) == pytest.approx(200e-12)


SPILLED = [(50.0, 0.0, 0.0), (100.0, 0.0, 0.0), (150.0, 75.0, 50.0), (200.0, 200.0, 100.0), (300.0, 300.0, 200.0)]
"""Activations of a kernel beside a cache of 100 B, what of them comes from memory, and what would beside a probed one."""


@pytest.mark.parametrize(("activations", "streamed", "probed"), SPILLED)
def test_what_spills_by_hand(activations: float, streamed: float, probed: float) -> None:
    point = {"activations": activations, "weights": 30.0, "all_weights": 400.0, "cache": 100.0}
    of_weights = 30 * 300 / 400  # a quarter of all weights fits
    assert FORMS["network_traffic"].at(point) == pytest.approx(streamed + of_weights)
    assert FORMS["probed_traffic"].at(point) == pytest.approx(probed + of_weights)


def test_a_tiled_product_by_hand() -> None:
    # 200 x 130 x 100 in tiles of 128 x 64: 2 x 3 tiles, two waves on 4 units; the contraction is padded to 2 x 64
    point = {
        "rows": 200.0, "columns": 130.0, "channels": 100.0, "taps": 1.0, "groups": 1.0, "alignment": 8.0, "split": 1.0,
        "tile_rows": 128.0, "tile_columns": 64.0, "contraction_step": 64.0, "units": 4.0, "peak": 1e12,
    }  # fmt: skip
    tile = 2 * 128 * 64 * 128
    padded = {name: value for name, value in point.items() if name != "units"}
    assert FORMS["tiled_padded_s"].at(padded) == pytest.approx(6 * tile / 1e12, rel=1e-15)
    short = FORMS["tiled_padded_s"].at(padded | {"contraction_step": 8.0})  # the contraction is padded to 13 x 8
    assert short == pytest.approx(6 * tile * 104 / 128 / 1e12, rel=1e-15)
    waves = {sharing: FORMS["tiled_waves_s"].at(point | {"wave_sharing": sharing}) for sharing in (0.0, 0.5, 1.0)}
    assert waves[0.0] == pytest.approx(2 * 4 * tile / 1e12, rel=1e-15)
    assert waves[0.5] == pytest.approx(1.75 * 4 * tile / 1e12, rel=1e-15)  # 6 tiles are one and a half waves
    assert waves[1.0] == pytest.approx(1.5 * 4 * tile / 1e12, rel=1e-15)
    # at 80 % of the peak, each wave filled in 1 us; a tile's result of 2 B drains at a quarter of 4 units' share of 2e12 B/s
    sustained = point | {
        "sustained": 0.8, "operand_bytes": 2.0, "weight_bytes": 2.0, "result_bytes": 2.0, "feed": 1e9, "reference_peak": 1e12,
        "cache_ratio": 2.0, "bandwidth": 1e12, "split_cost": 1e-6, "wave_fill": 1e-6, "wave_sharing": 0.0,
        "tile_drain": 0.25,
    }  # fmt: skip
    each = 4 * tile / 0.8e12 + 1e-6 + 0.25 * 128 * 64 * 2 * 4 / 2e12
    assert FORMS["tiled_s"].at(sustained) == pytest.approx(2 * each, rel=1e-12)
    # fed with a tenth of a byte per FLOP, the operands of a tile take longer than its arithmetic
    fed = 4 * (128 + 64) * 2 * 128 / (0.01 * 1e12) + 1e-6 + 0.25 * 128 * 64 * 2 * 4 / 2e12
    assert FORMS["tiled_s"].at(sustained | {"feed": 0.01}) == pytest.approx(2 * fed, rel=1e-12)


def test_attention_by_hand() -> None:
    # 12 heads of 100 queries, padded to 112, on 8 units: two waves; a score is 4*64 FLOP of products and 30 of vector work
    scores = 12 * 100 * 100
    point = {
        "rows": 100.0, "groups": 12.0, "channels": 64.0, "work": 4.0 * 64 * scores, "peak": 1e12, "sustained": 0.5,
        "query_tile": 384.0, "softmax_work": 30.0, "units": 8.0, "vector_peak": 1e11, "key_splits": 1.0,
    }  # fmt: skip
    flat = 4 * 64 * scores / 0.5e12 + 30 * scores / 1e11
    assert FORMS["attention_s"].at(point) == pytest.approx(flat * 1.12 * (2 * 8 / 12), rel=1e-12)


def test_a_prompt_and_a_decoded_token_by_hand() -> None:
    # 2 sequences of 300 tokens, 4 heads: tiles of 128 queries are 3 blocks each, 24 tiles on 8 units, 3 waves
    point = {
        "sequences": 2.0, "tokens": 300.0, "heads": 4.0, "head_dim": 64.0, "query_tile": 128.0, "halvings": 0.0,
        "tile_efficiency": 0.5, "peak": 1e12, "sustained": 0.5, "softmax_work": 10.0, "vector_peak": 1e11, "units": 8.0,
        "wave_fill": 1e-6, "wave_sharing": 0.0, "head_loss": 0.5,
    }  # fmt: skip
    score = 4 * 64 / 0.5e12 + 10 / 1e11
    assert FORMS["prefill_s"].at(point) == pytest.approx(3 * 128**2 * 2 * 8 * score + 3e-6, rel=1e-12)
    alone = point | {"sequences": 1.0, "heads": 1.0}  # 3 tiles, one wave: the tile of the last queries takes longest
    assert FORMS["prefill_s"].at(alone) == pytest.approx(128**2 * 3 * 8 * score + 1e-6, rel=1e-12)
    long = 4 * 512 * 2 / 0.5e12 + 10 / 1e11  # heads of four times 128 features run at half the rate
    assert FORMS["prefill_s"].at(point | {"head_dim": 512.0}) == pytest.approx(3 * 128**2 * 2 * 8 * long + 3e-6, rel=1e-12)
    # 40 key and value heads on 8 units queue four deep; a unit walks 256 of 1000 cached tokens
    decode = {"sequences": 10.0, "kv_heads": 4.0, "tokens": 1000.0, "head_dim": 64.0, "units": 8.0, "slice_tokens": 256.0}
    walked = FORMS["decode_walk_s"].at(decode | {"walk": 1e-6, "wave_fill": 2e-6})
    assert walked == pytest.approx(1e-6 * 256 / 128 * 64 / 128 + 4 * 2e-6, rel=1e-12)


def test_a_product_of_a_convolution_by_hand() -> None:
    # 130 x 60 by 33 channels of 9 taps, 2 groups: tiles of 64 x 64 are 3 * 1 * 2 on 4 units, 2 waves; 297 is padded to 304
    point = {
        "rows": 130.0, "columns": 60.0, "channels": 33.0, "taps": 9.0, "groups": 2.0, "tile_rows": 64.0, "tile_columns": 64.0,
        "units": 4.0, "peak": 1e12, "sustained": 0.5, "tile_fill": 16.0, "tile_edge": 8.0, "misalignment": 0.2,
        "wave_sharing": 0.0, "contraction_step": 8.0,
    }  # fmt: skip
    each = 2 * 64 * 64 * (304 + 16) * 4 / 0.5e12 * (1 + 8 * 2 / 64)
    assert FORMS["window_product_s"].at(point) == pytest.approx(2 * each * 1.2, rel=1e-12)
    assert FORMS["window_product_s"].at(point | {"rows": 132.0}) == pytest.approx(2 * each, rel=1e-12)
    after = {"launch": 2e-5, "launch_growth": 5e-8, "tried": 1000.0}
    assert FORMS["tried_launch_s"].at(after) == pytest.approx(7e-5, rel=1e-12)


def test_half_of_a_launch_at_half_the_clock_takes_twice_as_long() -> None:
    point = {"launch_fitted": 4e-6, "clock_reference": 1.8e9, "clock": 0.9e9}
    assert FORMS["launch_s"].at(point | {"clocked": 0.5}) == pytest.approx(6e-6, rel=1e-15)
    assert FORMS["launch_s"].at(point | {"clocked": 0.0}) == 4e-6


def test_the_interval_blends_launches_and_all_else() -> None:
    point = {"latency": 10.0, "ratio": 1.2, "launch_ratio": 1.5}
    assert FORMS["interval_s"].at(point | {"launches_s": 0.0}) == 12
    assert FORMS["interval_s"].at(point | {"launches_s": 10.0}) == 15
    assert FORMS["interval_s"].at(point | {"launches_s": 4.0}) == pytest.approx(6 * 1.2 + 4 * 1.5)


def test_a_systolic_product_by_hand() -> None:
    # 300 x 100 weights on arrays of 128 x 128: 3 x 1 tiles, two passes on 2 arrays of 128 + 128 cycles to fill and 50 rows
    point = {
        "rows": 50.0, "columns": 100.0, "channels": 300.0, "taps": 1.0, "groups": 1.0, "array_rows": 128.0,
        "array_columns": 128.0, "units": 2.0, "peak": 2.0 * 128 * 128 * 2, "sustained": 1.0,
    }  # fmt: skip
    assert FORMS["systolic_s"].at(point) == 2 * (50 + 128 + 128)
    # with 7 arrays there are two for each tile, and they share the rows
    assert FORMS["systolic_s"].at(point | {"units": 7.0, "peak": 2.0 * 128 * 128 * 7}) == 25 + 128 + 128


@pytest.mark.parametrize("modules", ["engine", "engine.compiled, engine.catalog", "engine.rows, engine.solve"])
def test_numbers_need_no_sympy(modules: str) -> None:
    code = f"import sys, {modules}; sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=strategies.ROOT, check=False).returncode == 0
