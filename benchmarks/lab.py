"""How far predictions from a probe are off on this machine, for the networks of the onnx wheel and others given as files.

    .venv/bin/python benchmarks/lab.py --out /tmp/lab --networks /tmp/exported

Probes the machine three times (at the start, in the middle, at the end), measures every network over batches on one thread, and
compares: predictions from the first probe alone; with a factor for each class, every network predicted by a fit to the others;
measured times below the bound; how far the probes differ. Started again, it goes on where it was. With the machine to itself it
takes a quarter of an hour.

`--networks` is a folder of ONNX files with an open batch, NAME-dynamo-symbolic.onnx, as `benchmarks/export_models.py` writes
them. All weights are replaced by random numbers, so that none is 0 and nothing overflows.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from advisor.lab import bench, calibrate, evidence, probe
from advisor.lab.boxes import read_probe, write_probe
from advisor.lab.canary import Canary
from advisor.lab.networks import unmeasured
from engine.catalog import Catalog, load
from engine.measurement import Measurement
from engine.rows import predict

BATCHES = (1, 2, 4, 8, 16, 32)
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
PROBES = ("mybox", "second", "third")
TOKENS = 128
MATRIX = 2
"""Axes of a matrix."""
REPEATED = 0.05
"""Probes of one machine repeat a class if they differ by no more."""


def random_like(shape: Sequence[int], chance: np.random.Generator) -> Any:
    """Return weights whose results neither vanish nor overflow; vectors, such as variances, are near 1."""
    if len(shape) < MATRIX:
        return chance.uniform(0.5, 1.5, shape).astype(np.float32)
    return chance.standard_normal(shape, dtype=np.float32) / np.float32(np.sqrt(max(1, np.prod(shape[1:]))))


def opened(model: Any) -> Any:
    """Return a model of the onnx wheel with stored weights, made there by nodes, and an open batch."""
    graph, chance = model.graph, np.random.default_rng(0)
    constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    made = {node.output[0]: constants[node.input[0]] for node in graph.node if node.op_type == "ConstantOfShape"}
    stored = [numpy_helper.from_array(random_like(tuple(map(int, shape)), chance), name) for name, shape in made.items()]
    nodes = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(stored)
    names = {one.name for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in names]
    del graph.input[:]
    graph.input.extend(inputs)
    for one in (*graph.input, *graph.output):
        one.type.tensor_type.shape.dim[0].dim_param = "batch"
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    for one in graph.initializer:
        shape = numpy_helper.to_array(one) if one.name in shapes else np.zeros(0)
        if shape.size and shape[0] == 1:
            one.CopyFrom(numpy_helper.from_array(np.concatenate([[0], shape[1:]]).astype(np.int64), one.name))
    model.ir_version = max(model.ir_version, 8)
    return model


def refilled(model: Any) -> Any:
    """Return an exported model with random weights; numbers alone, such as an epsilon, stay."""
    chance = np.random.default_rng(0)
    for one in model.graph.initializer:
        values = numpy_helper.to_array(one)
        if values.dtype == np.float32 and values.size > 1:
            one.CopyFrom(numpy_helper.from_array(random_like(values.shape, chance), one.name))
    return model


def prepared(folder: Path, given: Path | None) -> list[Path]:
    """Return the files to measure, written into a folder where they are not there yet, the fastest networks first."""
    folder.mkdir(parents=True, exist_ok=True)
    exported = sorted(given.glob("*-dynamo-symbolic.onnx")) if given else []
    sources = [
        *((path, path.stem.removeprefix("light_"), opened) for path in sorted(LIGHT.glob("*.onnx"))),
        *((path, path.stem.removesuffix("-dynamo-symbolic"), refilled) for path in exported),
    ]
    files = [folder / f"{name}.onnx" for _, name, _ in sources]
    for (path, _, change), file in zip(sources, files, strict=True):
        if not file.is_file():
            onnx.save(change(onnx.load(path)), file)
    return files


def sizes_of(file: Path) -> dict[str, int]:
    """Return the sizes of the axes that a file leaves open beside the batch: tokens."""
    model = onnx.load(file, load_external_data=False)
    names = {one.name for one in model.graph.initializer}
    dims = [one.type.tensor_type.shape.dim for one in model.graph.input if one.name not in names]
    return {dim.dim_param: TOKENS for shape in dims for dim in shape[1:] if dim.dim_param}


def probed(folder: Path, name: str, date: str) -> None:
    """Probe the machine on one thread, unless that was done."""
    file = folder / name / "mybox.json"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        result = probe.probe(1)
        write_probe(result, file, "mybox", "", date)
        print(
            f"probe {name}: {result.seconds:.0f} s, {'quiet' if result.load.quiet else 'NOT QUIET'} ({result.load})", flush=True
        )


def measured(folder: Path, files: Sequence[Path], seconds: float, date: str) -> Iterator[tuple[Path, Measurement]]:
    """Yield the record of every network, and probe a second time in the middle."""
    canary = Canary(1, "cpu")
    for number, file in enumerate(files):
        if number == len(files) // 2:
            probed(folder, PROBES[1], date)
        out = folder / PROBES[0] / f"{file.stem}.json"
        asked = bench.Asked(
            model=file, out=out, batches=BATCHES, hardware="mybox", workload="", threads=1, device="cpu", sizes=sizes_of(file),
            seconds=seconds, by="", date=date,
        )  # fmt: skip
        record = bench.run(asked, lambda _: None, canary)
        unrest = record.conditions.unrest if record.conditions else None
        latencies = ", ".join(f"{1e3 * point.latency.si:.4g}" for point in record.points if point.latency)
        print(f"{file.stem}: {latencies} ms, unrest {unrest.si if unrest else 0:.2f}", flush=True)
        yield out, record


def compared(records: Iterable[Measurement], catalog: Catalog) -> dict[str, list[tuple[int, float, float]]]:
    """Return by network the batch, the error of the estimate as a share of the measured time, and measured over bound."""
    found: dict[str, list[tuple[int, float, float]]] = {}
    for record in records:
        points = [(point.batch, point.latency.si) for point in record.points if point.latency]
        rows = predict(record.workload, [record.hardware], [batch for batch, _ in points], [record.dtype], catalog=catalog)
        found[record.workload] = [
            (batch, row["latency_estimate_s"] / seconds - 1.0, seconds / row["latency_lower_bound_s"])
            for (batch, seconds), row in zip(points, rows, strict=True)
        ]
    return found


def repeatability(folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Return by class, and by level of memory, the largest of three probes over the smallest, less 1."""
    rates = [read_probe(folder / name / "mybox.json").calibration.rates for name in PROBES]
    classes: dict[str, list[float]] = {}
    levels: dict[str, list[float]] = {}
    for one in rates:
        assert one is not None  # noqa: S101 - read_probe refuses one without
        for name, quantity in (*one.work.items(), *one.element.items()):
            classes.setdefault(name, []).append(quantity.si)
        for name in ("cache", "bandwidth", "product_bandwidth"):
            levels.setdefault(name, []).append(getattr(one, name).si)
    spreads = [{name: max(values) / min(values) - 1.0 for name, values in each.items()} for each in (classes, levels)]
    return spreads[0], spreads[1]


def report(folder: Path, outs: Sequence[Path], records: Sequence[Measurement]) -> bool:
    """Print the tables; return whether every target was met."""
    catalog = load([folder / PROBES[0]])
    found = compared(records, catalog)
    print("\nerror of the prediction from the probe alone [%]; measured over bound at the least")
    print(f"{'network':16}" + "".join(f"{batch:>8}" for batch in BATCHES) + "   bound")
    for name, rows in found.items():
        print(f"{name:16}" + "".join(f"{100 * error:+8.1f}" for _, error, _ in rows) + f"{min(b for *_, b in rows):8.2f}")
    errors = np.array([error for rows in found.values() for _, error, _ in rows])
    ratios = np.array([ratio for rows in found.values() for *_, ratio in rows])
    evidence_ = evidence.read(list(outs), unmeasured(catalog), "mybox")[1]
    (part,) = calibrate.calibrate("mybox", evidence_, catalog).parts
    unseen = getattr(part, "unseen", None)
    classes, levels = repeatability(folder)
    print(f"\nrates of three probes, largest over smallest less 1 [%]: {_shares(classes)}; memory: {_shares(levels)}\n")
    lines = [
        ("zero-fit, mean absolute error [%]", 100 * float(abs(errors).mean()), 8.0),
        ("leave one network out, mean absolute error [%]", 100 * unseen.mean if unseen else float("nan"), 6.0),
        ("points under the bound", float((ratios < 1).sum()), 0.0),
        (
            "classes that three probes do not repeat within 5 %",
            float(sum(spread > REPEATED for spread in classes.values())),
            0.0,
        ),
    ]
    for told, value, target in lines:
        print(f"{told}: {value:.3g} (target {target:g}) {'met' if value <= target else 'MISSED'}")
    print(f"points {errors.size}, bias {100 * errors.mean():+.1f} %, worst {100 * abs(errors).max():.0f} %")
    print(f"measured over bound: least {ratios.min():.2f}")
    return all(value <= target for _, value, target in lines)


def _shares(spreads: dict[str, float]) -> str:
    return ", ".join(f"{name} {100 * spread:.1f}" for name, spread in spreads.items())


def main() -> int:
    """Run what is left of the campaign, and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of probes, records and networks")
    parser.add_argument("--networks", type=Path, help="folder of exported ONNX files")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each batch")
    parser.add_argument("--only", nargs="*", default=[], help="names of networks")
    asked = parser.parse_args()
    date = datetime.now(tz=UTC).date().isoformat()
    files = [file for file in prepared(asked.out / "networks", asked.networks) if not asked.only or file.stem in asked.only]
    probed(asked.out, PROBES[0], date)
    outs, records = zip(*measured(asked.out, files, asked.seconds, date), strict=True)
    probed(asked.out, PROBES[2], date)
    return 0 if report(asked.out, outs, records) else 1


if __name__ == "__main__":
    sys.exit(main())
