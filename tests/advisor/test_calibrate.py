"""Calibrating a chip of one's own: what a fit recovers, what it leaves alone, and the spec that comes of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advisor.cli import main
from advisor.lab import evidence
from advisor.lab.calibrate import Fitted, NetworkPart, Part, calibrate
from advisor.lab.fitted import specification
from advisor.lab.networks import NETWORK, begun, corrected, unmeasured
from advisor.report.spec import spec_text
from advisor.validation import validate_file
from engine import predict
from engine.calibration import Calibration, InFormat
from engine.catalog import Catalog, data_root, load, load_document
from engine.compiled import estimate
from engine.documents import read_file, read_text
from engine.network import build
from engine.single import latency_s

SHIPPED = sorted((Path(__file__).parents[2] / "specs/calibrations").glob("*.json"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_calibration_that_is_printed_and_read_again_is_the_same(path: Path) -> None:
    shipped, _ = load_document(read_file(path), Calibration)
    assert shipped is not None
    again, faults = load_document(read_text(spec_text(shipped), "again.json"), Calibration)
    assert faults == []
    assert again is not None
    assert again.model_dump() == shipped.model_dump()


# Networks.

CHIP = "nvidia-a30"
TRUTH = {"launch_factor": 1.3, "time_factor": 1.12}
BATCHES = (1, 2, 4, 8, 16, 32, 64)


def measurement(workload: str, points: Mapping[int, float], *, hardware: str = CHIP, runtime: str = "graph") -> dict[str, Any]:
    """Return a measurement spec; `points` are batch and time [s]."""
    return {
        "$schema": "../../schemas/measurement.schema.json", "id": f"{hardware}-{workload}-{runtime}", "workload": workload,
        "hardware": hardware, "dtype": "fp16", "software": "Bench 1.0", "runtime": runtime, "method": "made up",
        "sources": {"lab": {"title": f"Our bench, {workload}"}},
        "points": [{"batch": b, "latency": {"value": 1e3 * s, "unit": "ms", "source": "lab"}} for b, s in points.items()],
    }  # fmt: skip


def written(folder: Path, *records: Mapping[str, Any]) -> Path:
    """Write measurement specs into a folder; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for record in records:
        (folder / f"{record['id']}.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return unmeasured(load())


def truth(catalog: Catalog, workload: str, batches: Sequence[int], noise: float = 0.0, **change: float) -> dict[int, float]:
    """Return times [s] of a chip whose constants are known, with noise."""
    m = (
        corrected(catalog.machine(CHIP, "fp16"), TRUTH)
        if not change
        else replace(catalog.machine(CHIP, "fp16", "eager"), **change)
    )
    network = build(catalog.workloads[workload], {})
    seconds = estimate(network, [m], np.array(batches, dtype=float)).latency_estimate_s[0]
    seconds = seconds * np.exp(noise * np.random.default_rng(len(workload)).normal(size=len(batches)))
    return dict(zip(batches, map(float, seconds), strict=True))


def fitted_to(folder: Path, catalog: Catalog, hardware: str | None = None) -> tuple[Fitted, Calibration]:
    """Return what calibrating finds, and its spec."""
    chip, found = evidence.read([folder], catalog, hardware)
    result = calibrate(chip, found, catalog)
    return result, specification(result, found, catalog, "2026-11-25")[0]


def part(result: Fitted, title: str) -> Part:
    """Return a part by how its title begins."""
    return next(part for part in result.parts if part.title.startswith(title))


def test_the_constants_behind_many_noisy_points_are_found(catalog: Catalog, tmp_path: Path) -> None:
    models = ("bert-base", "resnet50", "mobilenet-v2")
    folder = written(tmp_path, *(measurement(name, truth(catalog, name, BATCHES, 0.02)) for name in models))
    result, spec = fitted_to(folder, catalog)
    assert spec.correction is not None
    assert spec.correction.launch_factor.si == pytest.approx(TRUTH["launch_factor"], rel=0.1)
    assert spec.correction.time_factor.si == pytest.approx(TRUTH["time_factor"], rel=0.05)
    found = part(result, "networks, graph")
    assert isinstance(found, NetworkPart)
    assert found.after.median < 0.03 < found.before.median
    assert found.unseen is not None
    assert found.unseen.median < 0.05
    assert spec.interval is not None
    assert spec.interval.level == "chip measured"
    assert spec.interval.p10.si <= 0.9525
    assert spec.interval.p90.si >= 1.05
    assert [source.title for key, source in spec.sources.items() if key != "fit"] == [
        f"Our bench, {name}" for name in sorted(models)
    ]


def test_one_point_moves_its_own_estimate_and_leaves_open_what_it_does_not_show(catalog: Catalog, tmp_path: Path) -> None:
    folder = written(tmp_path, measurement("bert-base", truth(catalog, "bert-base", [128])))
    result, spec = fitted_to(folder, catalog)
    found = part(result, "networks")
    assert abs(found.after.bias) < abs(found.before.bias)
    launch, time = found.posterior.constants
    assert launch.after == pytest.approx(1.0, abs=0.02)  # of a large batch launches take next to nothing
    assert not launch.decided
    assert 1.0 < time.after < TRUTH["time_factor"]
    assert "launch_factor" in spec.notes[0]
    assert spec.interval is not None
    common = unmeasured(catalog).constants[CHIP].interval.calibrated
    assert common is not None
    assert spec.interval.p90.si == pytest.approx(common.p90.si**2**0.5, rel=1e-3)  # one sweep says little of other networks
    assert common.basis in spec.interval.basis
    assert found.following is not None
    assert found.following.what == "bert-base (fp16) at batch 1"
    assert found.following.uncertainty > 0.08


def test_where_no_chip_of_a_family_was_measured_one_sweep_takes_a_quarter_of_its_squared_error_away(
    catalog: Catalog, tmp_path: Path
) -> None:
    known = catalog.constants["nvidia-h100-sxm"].interval, catalog.constants["amd-mi300x"].interval
    assert [interval.calibrated is None for interval in known] == [False, True]
    rows = predict("resnet50", ["amd-mi300x"], BATCHES, ["fp16"], catalog=catalog)
    points = {batch: 1.1 * row["latency_estimate_s"] for batch, row in zip(BATCHES, rows, strict=True)}
    folder = written(tmp_path, measurement("resnet50", points, hardware="amd-mi300x"))
    _, spec = fitted_to(folder, catalog)
    assert spec.interval is not None
    family = known[1].p10.si, known[1].p90.si
    assert (spec.interval.p10.si, spec.interval.p90.si) == pytest.approx([ratio**0.75**0.5 for ratio in family], rel=1e-3)


def test_no_constant_is_less_certain_than_before(catalog: Catalog, tmp_path: Path) -> None:
    far = {batch: 9 * seconds for batch, seconds in truth(catalog, "resnet50", [1, 64]).items()}
    for name, points in (("near", truth(catalog, "resnet50", [1])), ("far", far)):
        result, _ = fitted_to(written(tmp_path / name, measurement("resnet50", points)), catalog)
        for constant in part(result, "networks").posterior.constants:
            assert constant.spread <= constant.prior
            assert 0 <= constant.learned <= 1


def test_a_correction_stays_near_its_family_however_many_points_ask_for_more(catalog: Catalog, tmp_path: Path) -> None:
    slow = {batch: 9 * seconds for batch, seconds in truth(catalog, "resnet50", BATCHES).items()}
    result, spec = fitted_to(written(tmp_path, measurement("resnet50", slow)), catalog)
    assert any(constant.at_limit for constant in part(result, "networks").posterior.constants)
    assert spec.correction is not None
    assert spec.correction.time_factor.si == pytest.approx(np.exp(2 * 0.12), rel=0.01)


def test_an_eager_framework_gets_a_host_of_its_own(catalog: Catalog, tmp_path: Path) -> None:
    profile = catalog.constants[CHIP].runtimes["eager"]
    assert profile.host is not None
    assert profile.device_share is not None
    slower = {"host": 2 * profile.host.si, "time_factor": 1.2 / profile.device_share.si}
    times = truth(catalog, "resnet50", (1, 2, 64, 128, 256), **slower)
    _, spec = fitted_to(written(tmp_path, measurement("resnet50", times, runtime="eager")), catalog)
    eager = spec.runtimes["eager"]
    assert eager.host is not None
    assert eager.device_share is not None
    assert eager.host.si == pytest.approx(2 * profile.host.si, rel=0.05)
    assert eager.device_share.si == pytest.approx(profile.device_share.si / 1.2, rel=0.05)
    assert (eager.fused, eager.launch and eager.launch.source) == (False, "family")
    assert spec.correction is None
    assert spec.interval is None


def in_format(catalog: Catalog, dtype: str, host: float, share: float, *, workload: str = "resnet50") -> dict[str, Any]:
    """Return a record of an eager framework whose host and kernels take so many times what they take by the family."""
    m = catalog.machine(CHIP, dtype, "eager")
    batches = (1, 2, 64, 128, 256)
    slower = replace(m, host=host * m.host, time_factor=m.time_factor / share)
    network = build(catalog.workloads[workload], {})
    seconds = estimate(network, [slower], np.array(batches, dtype=float)).latency_estimate_s[0]
    record = measurement(workload, dict(zip(batches, map(float, seconds), strict=True)), runtime="eager")
    return record | {"dtype": dtype, "id": f"{record['id']}-{dtype}"}


def test_number_formats_of_a_framework_get_hosts_and_shares_of_their_own(catalog: Catalog, tmp_path: Path) -> None:
    records = [
        in_format(catalog, dtype, host, share, workload=workload)
        for dtype, host, share in (("fp16", 1.25, 0.8), ("tf32", 1.0, 1.1))
        for workload in ("resnet50", "bert-base")
    ]
    _, spec = fitted_to(written(tmp_path / "measured", *records), catalog)
    written(tmp_path / "specs/calibrations", json.loads(spec_text(spec)))
    known = load([tmp_path / "specs"])
    family = catalog.machine(CHIP, "fp16", "eager")
    for dtype, host, share in (("fp16", 1.25, 0.8), ("tf32", 1.0, 1.1)):
        found = known.machine(CHIP, dtype, "eager")
        assert found.host == pytest.approx(host * family.host, rel=0.03)
        assert found.time_factor == pytest.approx(family.time_factor / share, rel=0.03)
    other = known.machine(CHIP, "int8", "eager")  # of which nothing was measured: between them
    assert family.host < other.host < 1.25 * family.host


def test_what_a_family_has_for_a_format_is_where_a_fit_begins_and_stays_where_nothing_is_measured(
    catalog: Catalog, tmp_path: Path
) -> None:
    profile = catalog.constants[CHIP].runtimes["eager"]
    assert profile.host is not None
    own = InFormat.model_validate({"host": {"value": 2e6 * profile.host.si, "unit": "us", "source": "fit"}})
    known = catalog.calibrations.entries["runtimes"]
    runtimes = known.model.runtimes | {"eager": profile.model_copy(update={"formats": {"fp16": own, "bf16": own}})}
    entries = catalog.calibrations.entries | {
        "runtimes": replace(known, model=known.model.model_copy(update={"runtimes": runtimes}))
    }
    changed = replace(catalog, calibrations=replace(catalog.calibrations, entries=entries))
    assert changed.machine(CHIP, "fp16", "eager").host == pytest.approx(2 * profile.host.si)
    result, spec = fitted_to(written(tmp_path, in_format(changed, "fp16", 1.5, 1.0)), changed)
    eager = spec.runtimes["eager"]
    hosts = {dtype: of.host.si for dtype, of in eager.formats.items() if of.host}
    assert hosts["fp16"] == pytest.approx(3 * profile.host.si, rel=0.03)
    assert eager.host is not None
    assert hosts["bf16"] == pytest.approx(2 * eager.host.si, rel=1e-3)
    assert part(result, "networks").before.bias < -0.05


def test_a_runtime_whose_host_does_not_count_gets_a_launch(catalog: Catalog, tmp_path: Path) -> None:
    m = catalog.machine(CHIP, "fp16", "compiled")
    network = build(catalog.workloads["resnet50"], {})
    slower = replace(m, launch=1.3 * m.launch, time_factor=1.1 * m.time_factor)
    seconds = estimate(network, [slower], np.array(BATCHES, dtype=float)).latency_estimate_s[0]
    points = dict(zip(BATCHES, map(float, seconds), strict=True))
    result, spec = fitted_to(written(tmp_path / "measured", measurement("resnet50", points, runtime="compiled")), catalog)
    written(tmp_path / "specs/calibrations", json.loads(spec_text(spec)))
    found = load([tmp_path / "specs"]).machine(CHIP, "fp16", "compiled")
    assert found.launch == pytest.approx(slower.launch, rel=0.05)
    assert found.time_factor == pytest.approx(slower.time_factor, rel=0.02)
    assert [constant.name for constant in part(result, "networks").posterior.constants] == ["launch", "device_share"]


# Kernels.

PRODUCT = {
    "launch": 4e-6, "sustained": 0.9, "bandwidth_share": 0.85, "cache_ratio": 2.5, "feed": 0.02, "wave_fill": 2e-6,
    "wave_sharing": 0.5, "tile_drain": 0.1, "split_cost": 2e-6, "overlap_loss": 0.2, "energy_share": 0.7,
}  # fmt: skip


@pytest.fixture(scope="module")
def with_kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a spec folder in which the family of GPUs has constants of products in bf16."""
    folder = tmp_path_factory.mktemp("specs")
    units = {"launch": "s", "wave_fill": "s", "split_cost": "s", "feed": "B/FLOP"}
    constants = {name: {"value": value, "unit": units.get(name, "1"), "source": "us"} for name, value in PRODUCT.items()}
    family = {
        "$schema": "../../schemas/calibration.schema.json", "id": "kernels", "name": "Products of GPUs",
        "applies_to": {"kind": ["gpu"]}, "sources": {"us": {"title": "made up"}},
        "kernels": [{"operator": "gemm", "format": "bf16", **constants}],
    }  # fmt: skip
    written(folder / "calibrations", family)
    return folder


def products(catalog: Catalog, path: Path, shapes: Sequence[tuple[int, int, int]], **change: float) -> Path:
    """Write a table of products on a chip whose constants are known."""
    base = catalog.kernel("nvidia-h100-sxm", "gemm", "bf16")
    assert base is not None
    rows, columns, contraction = np.array(shapes, dtype=float).T
    sizes = {"rows": rows, "columns": columns, "contraction": contraction, "groups": np.ones(len(shapes))}
    times = latency_s(replace(base, **change), sizes)
    lines = ["chip,dtype,framework,m,n,k,latency_us"]
    lines += [f"h100_sxm,bfloat16,Bench,{m},{n},{k},{1e6 * t}" for (m, n, k), t in zip(shapes, times, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_kernels_in_a_format_that_the_chip_has_not_are_left_out_and_others_fitted(tmp_path: Path) -> None:
    path = tmp_path / "attention.csv"
    columns = "chip,framework,phase,batch_size,isl,step,num_heads,num_key_value_heads,head_dim,kv_cache_dtype,latency_us"
    rows = [f"a100_sxm,Bench,generation,8,1,4096,32,8,128,{kv},{us}" for kv, us in (("bfloat16", 150.0), ("fp8", 100.0))]
    path.write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    chip, found = evidence.read([path], load(), None)
    result = calibrate(chip, found, load())
    assert [one.title for one in result.parts] == ["decode in bf16, Bench"]
    (reason,) = result.left_out
    assert reason.startswith("decode in fp8: no peak of nvidia-a100-sxm-80 in 'fp8'")


def test_products_show_their_rate_and_are_judged_on_shapes_that_the_fit_did_not_see(with_kernels: Path, tmp_path: Path) -> None:
    known = load([with_kernels])
    shapes = [(m, n, k) for m in (1, 64, 1024, 8192) for n in (1024, 4096, 8192) for k in (1024, 4096, 8192)]
    table = products(known, tmp_path / "products.csv", shapes, sustained=0.7, launch=8e-6)
    result, spec = fitted_to(table, known)
    constants = next(k for k in spec.kernels if (k.operator, k.format, k.software) == ("gemm", "bf16", "Bench"))
    found = part(result, "gemm in bf16")
    assert constants.sustained is not None
    assert constants.sustained.si == pytest.approx(0.7, rel=0.1)
    assert found.errors_of == "shapes that the fit did not see"
    assert found.after.median < 0.03 < found.before.median
    assert constants.residual is not None
    assert constants.residual.points == found.after.points < len(shapes)
    assert spec.sources["m1"].title == "Measurements in products.csv"
    assert spec.correction is None
    assert "networks stay as they were" in " ".join(spec.notes)


def test_one_sustained_product_moves_its_estimate_and_no_network(with_kernels: Path, tmp_path: Path) -> None:
    known = load([with_kernels])
    table = products(known, tmp_path / "one.csv", [(8192, 8192, 8192)], sustained=0.7)
    result, spec = fitted_to(table, known)
    found = part(result, "gemm")
    assert abs(found.after.bias) < abs(found.before.bias) / 2
    assert "too few" in found.errors_of
    residual = spec.kernels[0].residual
    assert residual is not None
    assert residual.p90 is not None
    family = unmeasured(known).constants["nvidia-h100-sxm"].kernel("gemm", "bf16")
    assert family is not None
    assert family.residual is not None
    assert family.residual.p90 is not None
    assert residual.p90.si >= family.residual.p90.si > 1.1  # one point that was fitted says nothing of others
    assert all(constant.spread <= constant.prior for constant in found.posterior.constants)
    assert (spec.correction, spec.interval) == (None, None)


# Families: where their fit begins.


def test_the_fit_of_a_family_begins_at_its_prior_whatever_ships() -> None:
    shipped = load()
    prior = shipped.calibrations["gpu-hbm"].prior
    assert prior is not None
    assert prior.flop is not None
    begin = begun(shipped).constants["nvidia-a30"]
    assert begin.correction is None
    network, energy = begin.network, begin.energy
    assert [getattr(network, name) for name in NETWORK] == [getattr(prior, name) for name in NETWORK]
    assert (energy.flop, energy.dtype_factor["int8"], energy.conv_factor) == (prior.flop, prior.int8, prior.conv_factor)
    assert network.sustained == shipped.calibrations["gpu-hbm"].network.sustained  # type: ignore[union-attr]
    assert begun(shipped).constants["google-tpu-v4"] == shipped.constants["google-tpu-v4"]


# The command.


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Run `advise calibrate` in this process; return exit code, output and errors."""
    monkeypatch.delenv("ROOFWISE_SPECS", raising=False)

    def runs(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["calibrate", *map(str, arguments)])
        printed = capsys.readouterr()
        return int(stop.value.code or 0), printed.out, printed.err

    return runs


Run = Callable[..., tuple[int, str, str]]


def test_the_spec_is_valid_and_lowers_the_error_when_it_is_used(run: Run, catalog: Catalog, tmp_path: Path) -> None:
    folder = written(tmp_path / "measured", measurement("resnet50", truth(catalog, "resnet50", BATCHES, 0.02)))
    out = tmp_path / "specs" / "calibrations" / "chip.json"
    out.parent.mkdir(parents=True)
    code, report, err = run(folder, "-o", out)
    assert (code, err) == (0, "")
    assert max(map(len, report.splitlines())) <= 100
    assert [path.name for path in out.parent.iterdir()] == ["chip.json"]
    assert validate_file(out).faults == ()
    measured = np.array(list(truth(catalog, "resnet50", BATCHES).values()))

    def error(with_spec: Catalog) -> float:
        rows = predict("resnet50", [CHIP], BATCHES, ["fp16"], catalog=with_spec)
        return float(np.mean([abs(row["latency_estimate_s"] / m - 1) for row, m in zip(rows, measured, strict=True)]))

    assert error(load([out.parents[1]])) < error(catalog) / 3


def test_calibrating_again_begins_with_the_family_and_keeps_what_it_does_not_touch(
    catalog: Catalog, with_kernels: Path, tmp_path: Path
) -> None:
    graph = written(tmp_path / "graph", measurement("resnet50", truth(catalog, "resnet50", BATCHES)))
    first, spec = fitted_to(graph, catalog)
    written(tmp_path / "specs" / "calibrations", {"id": spec.id} | json.loads(spec_text(spec)))
    again = load([with_kernels, tmp_path / "specs"])
    second, same = fitted_to(graph, again)
    assert same.correction == spec.correction
    assert part(first, "networks").before == part(second, "networks").before
    eager = written(tmp_path / "eager", measurement("resnet50", {1: 0.01}, runtime="eager"))
    _, both = fitted_to(eager, again)
    assert both.correction is not None
    assert spec.correction is not None
    assert both.correction.time_factor.si == spec.correction.time_factor.si
    assert both.correction.time_factor.source == "fit2"
    assert {"fit", "fit2"} <= both.sources.keys()
    assert "correction" in both.notes[-1]


def test_a_framework_is_fitted_on_top_of_the_correction_that_stays(catalog: Catalog, tmp_path: Path) -> None:
    graph = written(tmp_path / "graph", measurement("resnet50", truth(catalog, "resnet50", BATCHES)))
    _, spec = fitted_to(graph, catalog)
    corrected_only = tmp_path / "specs"
    written(corrected_only / "calibrations", {"id": spec.id} | json.loads(spec_text(spec)))
    times = {batch: 2 * seconds for batch, seconds in truth(catalog, "resnet50", (1, 2, 4)).items()}
    compiled = written(tmp_path / "compiled", measurement("resnet50", times, runtime="compiled"))
    result, both = fitted_to(compiled, load([corrected_only]))
    written(tmp_path / "both" / "calibrations", {"id": both.id} | json.loads(spec_text(both)))
    then = load([tmp_path / "both"])
    points = estimate(
        build(then.workloads["resnet50"], {}), [then.machine(CHIP, "fp16", "compiled")], np.array([1.0, 2.0, 4.0])
    )
    off = points.latency_estimate_s[0] / np.array(list(times.values())) - 1.0
    assert both.correction is not None
    assert float(abs(off).mean()) == pytest.approx(part(result, "networks").after.mean, abs=1e-3)


def test_without_out_the_spec_is_printed_alone_and_the_report_goes_to_stderr(
    run: Run, catalog: Catalog, tmp_path: Path
) -> None:
    folder = written(tmp_path, measurement("resnet50", truth(catalog, "resnet50", [1])))
    code, out, err = run(folder, "--format", "json")
    assert code == 0
    assert json.loads(out)["applies_to"] == {"hardware": [CHIP]}
    report = json.loads(err)
    (found,) = report["parts"]
    assert [constant["name"] for constant in found["constants"]] == ["launch_factor", "time_factor"]
    assert report["hardware"] == CHIP


NAN = '{"$schema": "x/measurement.schema.json", "points": [{"batch": 1, "latency": {"value": NaN}}]}'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nothing", "columns nothing"),
        ("chip,dtype,framework,m,n,k,latency_us\nh100_sxm,bfloat16,Bench,1,1,1,nan\n", "expected a finite number"),
        ("chip,dtype,framework,m,n,k,latency_us\nabacus,bfloat16,Bench,1,1,1,1\n", "nothing to fit: of 1 rows none counts"),
        ("chip,dtype,framework,m,n,k,latency_us\nh100_sxm,bfloat16,Bench,1,1,1,0\n", "nothing to fit: of 1 rows none counts"),
        ("chip,dtype,framework,m,n,k,latency_us\nh100_sxm,nvfp4,Bench,1,1,1,1\n", "nothing to fit"),
    ],
)
def test_a_table_without_points_is_one_clear_line(run: Run, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "table.csv").write_text(text, encoding="utf-8")
    code, out, err = run(tmp_path / "table.csv", "-o", tmp_path / "spec.json")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err
    assert not (tmp_path / "spec.json").exists()


def test_faulty_requests_are_one_clear_line_and_write_nothing(run: Run, catalog: Catalog, tmp_path: Path) -> None:
    good = measurement("resnet50", {1: 0.001, 2: 0.0015})
    other = measurement("resnet50", {1: 0.002}, hardware="nvidia-l4")
    both = written(tmp_path / "both", good, other)
    odd = written(tmp_path / "odd", measurement("resnet5000", {1: 0.001}))
    one = both / f"{good['id']}.json"
    (tmp_path / "empty").mkdir()
    cases = [
        ((both,), "choose one with --hardware: nvidia-a30 (2 points), nvidia-l4 (1 point)"),
        ((both, "--hardware", "nvidia-t4"), "no measurement of nvidia-t4: the files are about nvidia-a30 (2 points)"),
        ((both, "--hardware", "nvidia-l5"), "did you mean nvidia-l4"),
        ((odd,), "the network is not in the catalogue"),
        ((tmp_path / "empty",), "a folder without measurements"),
        ((tmp_path / "nothing.json",), "No such file"),
        ((data_root() / "specs" / "workloads" / "resnet50.json",), "the spec of a workload"),
        ((one, "-o", tmp_path / "nowhere" / "spec.json"), "name a file in a folder that exists"),
        ((one, "--format", "yaml"), "--format: no 'yaml'"),
    ]
    for arguments, told in cases:
        code, out, err = run(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert told in err
    assert catalog.accelerators[CHIP]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["both", "empty", "odd"]


def test_a_latency_that_is_no_number_is_told_with_its_place(run: Run, tmp_path: Path) -> None:
    (tmp_path / "nan.json").write_text(NAN, encoding="utf-8")
    code, _, err = run(tmp_path / "nan.json")
    assert code == 2
    assert "nan.json:1:" in err


def test_points_that_contradict_each_other_do_not_count(run: Run, tmp_path: Path) -> None:
    record = measurement("resnet50", {1: 0.001})
    record["points"] *= 3  # identical ones are fine
    assert run(written(tmp_path / "same", record))[0] == 0
    record["points"][0] = {"batch": 1, "latency": {"value": 100, "unit": "ms", "source": "lab"}}
    code, _, err = run(written(tmp_path / "apart", record))
    assert (code, err.count("\n")) == (2, 1)
    assert "disagree by more than 3x" in err


def test_without_scipy_the_remedy_is_told(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    code, _, err = run(tmp_path)
    assert (code, err.count("\n")) == (2, 1)
    assert "pip install 'roofwise[lab]'" in err
