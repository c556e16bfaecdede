"""Micro benchmarks: `pytest benchmarks/test_speed.py`, without -n. The test command of the README does not collect them.

`--benchmark-autosave` keeps a run, and `--benchmark-compare` shows the next one beside it. No time is asserted: a benchmark
fails only if what it times is wrong. `speed.py` measures whole processes, `peers.py` other packages.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from advisor.recommend import advise
from advisor.requirements import Requirements
from advisor.rule import load_rulebook
from advisor.rulebook import Rulebook
from engine import Catalog, build, load, predict
from engine.compiled import estimate

CHIP = "nvidia-h100-sxm"
REQUESTS = {
    "resnet50": Requirements(model="resnet50", latency_s=0.010),
    "bert-base": Requirements(model="bert-base", throughput_per_s=2000.0),
    "llama-3.1-8b-decode": Requirements(model="llama-3.1-8b-decode", latency_s=0.020),
}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """Return the catalogue that ships."""
    return load()


@pytest.fixture(scope="module")
def book() -> Rulebook:
    """Return the rules that ship."""
    return load_rulebook()


def test_reading_the_catalogue_in_a_new_process(benchmark: BenchmarkFixture) -> None:
    command = (sys.executable, "-c", "from engine import load; load()")
    done = benchmark.pedantic(subprocess.run, args=(command,), kwargs={"check": False}, rounds=10, warmup_rounds=1)
    assert done.returncode == 0


def test_reading_the_catalogue_again(benchmark: BenchmarkFixture) -> None:
    assert benchmark(load).accelerators[CHIP].id == CHIP


@pytest.mark.parametrize("model", REQUESTS)
def test_advice(benchmark: BenchmarkFixture, catalog: Catalog, book: Rulebook, model: str) -> None:
    assert benchmark(advise, REQUESTS[model], catalog, book).recommendation is not None


@pytest.mark.parametrize("count", [1, 100, 2000])
def test_an_estimate_of_many_batches(benchmark: BenchmarkFixture, catalog: Catalog, count: int) -> None:
    network, machine = build(catalog.workloads["resnet50"]), catalog.machine(CHIP, "bf16")
    points = benchmark(estimate, network, [machine], np.arange(1.0, count + 1.0))
    assert points.latency_estimate_s.shape == (1, count)


@pytest.mark.parametrize("model", REQUESTS)
def test_building_a_network(benchmark: BenchmarkFixture, catalog: Catalog, model: str) -> None:
    assert benchmark(build, catalog.workloads[model]).id == model


@pytest.mark.parametrize("model", REQUESTS)
def test_a_prediction(benchmark: BenchmarkFixture, catalog: Catalog, model: str) -> None:
    (row,) = benchmark(predict, model, [CHIP], [8], ["bf16"], catalog=catalog)
    assert row["latency_lower_bound_s"] <= row["latency_estimate_s"]
