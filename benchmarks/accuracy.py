"""Accuracy on published measurements, on splits that no fit saw: `python benchmarks/accuracy.py [--data DIR] [--part NAME]`.

Parts: kernels (a quarter of the shapes held out; chips left out), networks (chips, sweeps and networks left out; intervals),
decisions (the batch for a latency limit, from predictions alone), ranking (chips by throughput and latency), eager
(frameworks on a calibrated host), energy (against published powers of chips alone). `benchmarks/bounds.py` holds the
lower bound against every row. Beside each figure stand the plain roofline and, for networks, the layered one. Nothing here is
fitted to the points that it is judged on, but for constants of runtimes where a line says that the host is unknown.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

import boards
import fit_kernels
import fit_networks
import fit_runtimes
import numpy as np
import shipped
from decisions import LEAST_BATCHES, print_decisions
from study import Case, Study, ratios, roof_times, roofs

from advisor.lab import kernels, names, networks, tables
from advisor.lab.fit import fit
from advisor.lab.networks import Target
from advisor.lab.points import Array, Published
from engine import load, predict
from engine.catalog import Catalog
from engine.machine import Machine

PARTS: Final = ("kernels", "networks", "decisions", "ranking", "eager", "energy")
SMALL: Final = 2


def main() -> None:
    """Print the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=shipped.DATA, metavar="DIR", help="folder of published measurements")
    parser.add_argument("--part", action="append", choices=PARTS, help="one part; may be given again")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: no published measurements, {arguments.data} is not there; name their folder with --data DIR")
        return
    catalog = load()
    published = tables.read(arguments.data, catalog)
    study = cache(lambda: Study.of(catalog, published, arguments.data))
    parts: dict[str, Callable[[], None]] = {
        "kernels": lambda: print_kernels(catalog, published),
        "networks": lambda: print_networks(study()),
        "decisions": lambda: print_decisions(study(), published),
        "ranking": lambda: print_ranking(study()),
        "eager": lambda: print_eager(catalog, published),
        "energy": lambda: print_energy(catalog, arguments.data),
    }
    for name in arguments.part or PARTS:
        parts[name]()
        print(flush=True)


def figures(errors: Array) -> str:
    """Return the errors of some points in a line: estimate over measured, less one."""
    if not errors.size:
        return "      0"
    size = abs(errors)
    median, mean, p90, bias = 100 * np.median(size), 100 * size.mean(), 100 * np.quantile(size, 0.9), 100 * errors.mean()
    return f"{errors.size:7}{median:9.1f}{mean:8.1f}{p90:8.1f}{bias:+8.1f}"


HEADING: Final = f"{'points':>7}{'median':>9}{'mean':>8}{'p90':>8}{'bias':>8}"


# Single kernels.


def print_kernels(catalog: Catalog, published: Published) -> None:
    """Print a line for every kind of kernel, and for every chip with HBM left out of its family's fit."""
    groups = kernels.grouped(published.kernels)
    tiles = catalog.constants["nvidia-h100-sxm"].kernel_tiles
    print("Single kernels: absolute error of the time in %, on a quarter of the shapes that no fit saw")
    own = f"a contraction step of {tiles.contraction_step.value:g} unless kernels have their own"
    print(f"Tile set {tiles.version}, the same everywhere: {len(tiles.tiles)} tiles, {len(tiles.splits)} splits, {own}")
    print(f"  {'operator':12}{'chip':26}{'format':14}{'software':18}{HEADING}   plain roofline: median")
    pooled: dict[tuple[str, str], list[Array]] = defaultdict(list)
    for key, measured in groups.items():
        machine = kernels.machine_of(catalog, key)
        if machine is None:
            continue
        away = measured.where(kernels.held_out(measured))
        errors = kernels.estimate(machine, away) / away.seconds - 1.0
        roof = plain_roof(machine, away) / away.seconds - 1.0
        pooled[key.operator, key.format].append(errors)
        label = f"  {key.operator:12}{key.hardware:26}{key.format:14}{key.software:18}"
        print(f"{label}{figures(errors)}{100 * np.median(abs(roof)):19.0f}", flush=True)
    for (operator, format_), errors in pooled.items():
        print(f"  {operator:12}{'all chips':26}{format_:14}{'':18}{figures(np.concatenate(errors))}")
    print("Chips with HBM left out of the fit of their family, matrix products in bf16")
    family = networks.unmeasured(catalog)
    members = {
        key: m
        for key, m in groups.items()
        if (key.operator, key.format) == ("gemm", "bf16") and "HBM" in catalog.accelerators[key.hardware].memory.type
    }
    fit_kernels.family(family, "gpu-hbm", members)


def plain_roof(machine: kernels.KernelMachine, measured: kernels.Kernels) -> Array:
    """Return max(W/pi, Q/beta) of every kernel [s], every byte from memory."""
    unpadded = replace(machine.tile_set, tiles=((1, 1),), splits=(1,))
    bare = replace(
        machine, tile_set=unpadded, contraction_step=1.0,
        launch=0.0, host=0.0, cache=1.0, bandwidth_share=1.0, cache_ratio=1.0, sustained=1.0, wave_fill=0.0,
        wave_sharing=1.0, tile_drain=0.0, split_cost=0.0, overlap_loss=0.0, energy_share=0.0, feed=np.inf,
        quantize_share=np.inf, softmax_work=0.0, tile_efficiency=1.0, kv_factor=1.0, walk=0.0, winograd=0.0, units=1e-9,
        launch_growth=0.0,
        tile_fill=0.0, tile_edge=0.0, misalignment=0.0, head_loss=0.0,
    )  # fmt: skip
    return kernels.estimate(bare, measured)


# Whole networks.


def print_networks(study: Study) -> None:
    """Print the errors of each split, and how often the intervals hold."""
    print("Whole networks in runtimes that tune every kernel: absolute error of the time in %")
    print(f"  {'split':34}{'network':14}{HEADING}   median of plain and layered roofline")
    bert = [
        c for c in study.unseen if c.target.sweep.workload.startswith("bert") and c.target.sweep.source == fit_networks.TUNED
    ]
    best = [c for c in study.unseen_checks if c.target.best]
    one = [c for c in study.unseen_checks if not c.target.best]
    line("chip left out", "BERT", bert)
    line("chip left out, batch 1 and 2", "BERT", bert, small=True)
    for hardware in sorted({c.target.sweep.hardware for c in bert}):
        line(f"  {hardware}", "BERT", [c for c in bert if c.target.sweep.hardware == hardware])
    others = [c for c in study.unseen if c.target.sweep.source != fit_networks.TUNED]
    for name in sorted({c.target.sweep.workload for c in others}):
        line("chip left out, AITemplate", name, [c for c in others if c.target.sweep.workload == name])
    line("chip left out, int8, best batch", "resnet50", best)
    if best:
        print(f"    the worst of {len(best)} chips: {100 * max(abs(ratios(c)[0]) for c in best):.1f} %")
    line("chip left out, int8, batch 1", "resnet50", one)
    line("two numbers, sweep left out", "BERT", [c for c in study.calibrated if c.target.sweep.source == fit_networks.TUNED])
    line("two numbers, sweep left out", "all", study.calibrated)
    line("two numbers, network left out", "all", study.other_network)
    print("Intervals on the same points")
    print(f"  {'split':34}{'':14}{'points':>7}{'<= p90':>9}{'p10-p90':>9}   median of p90/p10")
    splits = {"chip left out": study.unseen, "two numbers, sweep left out": study.calibrated}
    for title, cases in (splits | {"two numbers, network left out": study.other_network}).items():
        print(f"  {title:34}{'all':14}{coverage(cases)}")


def line(title: str, network: str, cases: Sequence[Case], *, small: bool = False) -> None:
    """Print the errors of some cases beside both rooflines."""
    if not cases:
        return
    keep = [c.target.sweep.batches <= SMALL if small else np.ones(len(ratios(c)), dtype=bool) for c in cases]
    ours = np.concatenate([ratios(c)[k] for c, k in zip(cases, keep, strict=True)])
    plain, layered = (np.concatenate([roofs(c)[which][k] for c, k in zip(cases, keep, strict=True)]) for which in (0, 1))
    print(f"  {title:34}{network:14}{figures(ours)}{100 * np.median(abs(plain)):20.0f}{100 * np.median(abs(layered)):8.0f}")


def coverage(cases: Sequence[Case]) -> str:
    """Return how often measured times lie within the interval, and how wide it is."""
    held, inside, width = [], [], []
    for case in cases:
        points, measured = networks.points(case.target, case.machine), case.target.sweep.seconds
        low, high = points.latency_p10_s[0], points.latency_p90_s[0]
        held.append(measured <= high)
        inside.append((measured <= high) & (measured >= low))
        width.append(high / low)
    whole = [np.concatenate(part) for part in (held, inside, width)]
    return f"{len(whole[0]):7}{100 * whole[0].mean():9.1f}{100 * whole[1].mean():9.1f}{np.median(whole[2]):10.2f}"


# Ranking of chips.


def print_ranking(study: Study) -> None:
    """Print how well chips are ranked that no fit saw."""
    print("Ranking of chips, each left out of the fit: Kendall's tau, and what the first choice gives away")
    best = [c for c in study.unseen_checks if c.target.best]
    measured = np.array([1 / c.target.sweep.seconds[0] for c in best])
    ours = np.array([1 / networks.times(c.target, c.machine)[0] for c in best])
    roof = np.array([1 / roof_times(c)[1][0] for c in best])
    tdp = np.array([c.machine.tdp_w for c in best])
    if best:
        for name, scale in (("throughput", np.ones_like(tdp)), ("throughput per watt of TDP", tdp)):
            by_roof = ranked(measured / scale, roof / scale)
            print(f"  {'ResNet-50 int8, ' + name:46}{ranked(measured / scale, ours / scale)}   layered roofline {by_roof}")
    found: list[tuple[float, float]] = []
    for _, group in itertools.groupby(sorted(study.unseen, key=kind), key=kind):
        cases = list(group)
        common = set.intersection(*(set(c.target.sweep.batches) for c in cases))
        for batch in sorted(common) if len({c.target.sweep.hardware for c in cases}) > SMALL else ():
            places = [int(np.flatnonzero(c.target.sweep.batches == batch)[0]) for c in cases]
            times = np.array([c.target.sweep.seconds[i] for c, i in zip(cases, places, strict=True)])
            guess = np.array([networks.times(c.target, c.machine)[i] for c, i in zip(cases, places, strict=True)])
            found.append((kendall(1 / times, 1 / guess), regret(1 / times, 1 / guess)))
    if found:
        tau, lost = np.mean(found, axis=0)
        title = f"BERT latency, mean of {len(found)} shapes and batches"
        print(f"  {title:46}tau {tau:5.2f}  regret {100 * lost:4.1f} %")


def kind(case: Case) -> tuple[str, ...]:
    """Return what chips can be compared on."""
    sweep = case.target.sweep
    return (sweep.source, sweep.workload, sweep.dtype, str(sorted(sweep.sizes.items())))


def ranked(measured: Array, ours: Array) -> str:
    """Return tau and regret in words."""
    return f"tau {kendall(measured, ours):5.2f}  regret {100 * regret(measured, ours):4.1f} %"


def kendall(first: Array, second: Array) -> float:
    """Return Kendall's tau of two rankings."""
    pairs = list(itertools.combinations(range(len(first)), 2))
    return float(np.mean([np.sign(first[i] - first[j]) * np.sign(second[i] - second[j]) for i, j in pairs]))


def regret(measured: Array, ours: Array) -> float:
    """Return what choosing by the estimate gives away of the best."""
    return float(1 - measured[np.argmax(ours)] / measured.max())


# Frameworks.


def print_eager(catalog: Catalog, published: Published) -> None:
    """Print the errors of frameworks on a host calibrated with two numbers from half of its points."""
    print("Frameworks, host calibrated with two numbers: absolute error of the time in %, on points that it did not see")
    print(f"  {'framework':56}{'chip':26}{HEADING}   host us   device share")
    base = networks.unmeasured(catalog)
    groups: dict[tuple[str, str, str, str], list[Target]] = defaultdict(list)
    sweeps = [s for s in published.sweeps if "host" in fit_runtimes.RUNTIME.get(s.runtime, ()) and s.source in HOSTED]
    for target in networks.targets(sweeps, base):
        sweep = target.sweep
        groups[sweep.source, sweep.software, sweep.hardware, sweep.dtype].append(target)
    pooled: dict[str, list[Array]] = defaultdict(list)
    for (source, software, hardware, dtype), each in sorted(groups.items()):
        if sum(len(t.sweep.batches) > 1 for t in each) == 0 or sum(len(t.sweep.batches) for t in each) < LEAST_BATCHES:
            continue
        machine = base.machine(hardware, dtype, each[0].sweep.runtime)
        errors, values = halves(each, machine)
        pooled["TensorFlow" if "tensorflow" in software.lower() else "PyTorch and others"].append(errors)
        host = f"{values['host'] * 1e6:10.1f}{values['device_share']:12.2f}"
        print(f"  {f'{source}: {software}':56}{hardware + ' ' + dtype:26}{figures(errors)}{host}", flush=True)
    for name, errors in pooled.items():
        print(f"  {name:82}{figures(np.concatenate(errors))}")


HOSTED: Final = ("AITemplate-examples", "NVIDIA-FasterTransformer", "NVIDIA-DLE", "onnxruntime-transformers-README")
"""Sources with sweeps over batches of one host; those with one batch for each network have no curve to calibrate on."""


def halves(each: Sequence[Target], machine: Machine) -> tuple[Array, Mapping[str, float]]:
    """Return the errors on every second point, the host fitted to the others, and the other way round."""
    errors = []
    values: Mapping[str, float] = {}
    for turn in (0, 1):
        seen, away = ([t for t in (thin(t, part) for t in each) if t.sweep.batches.size] for part in (turn, 1 - turn))
        values = fit_host(seen, machine)
        errors += [ratios(Case(target=t, machine=fit_runtimes.with_host(machine, values))) for t in away]
    return np.concatenate(errors), values


def thin(target: Target, turn: int) -> Target:
    """Return every second point of a sweep."""
    s = target.sweep
    return replace(target, sweep=replace(s, batches=s.batches[turn::2], seconds=s.seconds[turn::2], power_w=s.power_w[turn::2]))


def fit_host(each: Sequence[Target], machine: Machine) -> Mapping[str, float]:
    """Return the two numbers of one host; every point counts the same, unlike those of a runtime, which are of many hosts."""
    measured = np.concatenate([t.sweep.seconds for t in each])

    def predicted(values: Mapping[str, float]) -> Array:
        return np.concatenate([networks.times(t, fit_runtimes.with_host(machine, values)) for t in each])

    return fit(predicted, measured, fit_runtimes.HOST).values


# Energy.

POWERED: Final = ("Qualcomm Cloud AI 100", "qualcomm-cloud-ai-100", 14)
"""The one chip whose own power is published: its name, ours, and the cores of the card. The table does not say which card."""
SHAPES: Final = {
    "bert-base-cased": "bert-base",
    "dslim/bert-base-NER-uncased": "bert-base",
    "avichr/heBERT_sentiment_analysis": "bert-base",
    "allenai/scibert_scivocab_uncased": "bert-base",
    "bert-large-uncased": "bert-large",
    "bert-large-uncased-whole-word-masking-finetuned-squad": "bert-large",
    "roberta-large-mnli": "bert-large",
    "distilbert-base-cased": "distilbert",
    "distilbert-base-cased-distilled-squad": "distilbert",
    "distilbert-base-uncased-finetuned-sst-2-english": "distilbert",
    "sentence-transformers/all-distilroberta-v1": "distilbert",
    "deepset/roberta-base-squad2": "roberta-base",
    "cardiffnlp/twitter-roberta-base-sentiment": "roberta-base",
    "microsoft/codebert-base": "roberta-base",
    "vinai/phobert-base": "roberta-base",
}
"""Models of the table whose layers are those of a workload; their vocabularies differ, of which a pass reads little."""
SEEN: Final = "bert-base"
"""The network whose energy and rate went into the calibration."""


def print_energy(catalog: Catalog, data: Path) -> None:
    """Print predicted against measured power and energy per inference, with all cores at work."""
    print("Energy and power of Qualcomm's Cloud AI 100, all cores at work: estimate over measured, error in %")
    print(f"  {'network':14}{'batch':>6}{'samples/s':>11}{'power':>8}{'energy':>8}")
    known = names.networks(catalog)
    errors: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for row in powered(data):
        workload = SHAPES.get(row["model"]) or known.get(row["model"].strip().casefold())
        if workload is None:
            continue
        batch = int(row["batch_size"]) * _cores(row)[1]
        (ours,) = predict(workload, [POWERED[1]], [batch], ["fp16"], sizes={"seq_len": int(row["seq_len"])}, catalog=catalog)
        rate = ours["throughput_per_s"] / float(row["samples_per_s"]) - 1
        power = ours["power_w"] / float(row["power_w"]) - 1
        energy = ours["energy_per_inference_j"] / float(row["energy_j"]) - 1
        errors[workload == SEEN].append((power, energy))
        print(f"  {workload:14}{batch:6}{100 * rate:+11.0f}{100 * power:+8.0f}{100 * energy:+8.0f}")
    for title, seen in (("the network that was fitted", True), ("networks that were not", False)):
        if errors[seen]:
            power, energy = 100 * np.median(abs(np.array(errors[seen])), axis=0)
            held = f"median absolute error of the power {power:.0f} %, of the energy {energy:.0f} %"
            print(f"  {title}: {len(errors[seen])} rows, {held}")
    boards.print_boards(catalog)


def powered(data: Path) -> Iterator[Mapping[str, str]]:
    """Yield the rows with a chip's own power and energy at the highest throughput, all of its cores at work."""
    with gzip.open(data / "batch_sweeps.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            measured = row["power_w"] and row["energy_j"] and "throughput" in row["backend"]
            if row["hardware"] == POWERED[0] and measured and math.prod(_cores(row)) == POWERED[2]:
                yield row


def _cores(row: Mapping[str, str]) -> tuple[int, int]:
    """Return the cores of an instance and how many instances run side by side."""
    found = dict(part.split("=", 1) for part in row["notes"].replace(" ", "").split(";") if "=" in part)
    return int(found.get("cores/instance", 0)), int(found.get("instances", 0))


if __name__ == "__main__":
    main()
