"""A search on a Dask cluster: the same bits as here, and a worker that is killed takes nothing with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from distributed import Client, LocalCluster
from searches import ARGUMENTS, asked

from advisor.cli import main
from advisor.explore import cluster, run
from advisor.explore.space import summary_of


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Return a scheduler with a worker in this process, at an address that others can reach."""
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None) as found:
        yield found.scheduler_address


def test_a_killed_worker_loses_nothing(address: str) -> None:
    wanted = replace(asked(vary=["bandwidth=0.2..4TB/s:60", "peak=20..800TFLOP/s:60"]), chunk=100)
    assert wanted.chunks == 36
    command = (sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        found = {}
        for chunk, (summary, _) in run.results(wanted, range(wanted.chunks), None, cluster.dask(address)):
            found[chunk] = summary
            worker.kill()
    assert found == {chunk: summary_of(wanted, chunk) for chunk in range(wanted.chunks)}


def test_the_command_gives_the_same_answer(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    answers = []
    for where in ((), ("--scheduler", address)):
        with pytest.raises(SystemExit) as stop:
            main(("explore", *ARGUMENTS, "--latency", "1ms", "--format", "json", *where))
        answers.append((stop.value.code, *capsys.readouterr()))
    assert answers[0] == answers[1]
