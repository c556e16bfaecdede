"""A search on a Dask cluster: the same bits as here, and a worker that is killed takes nothing with it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from distributed import Client, LocalCluster
from searches import ARGUMENTS, asked

from advisor.cli import main
from advisor.explore import cluster, run
from advisor.explore.space import summary_of
from advisor.inputs import RequestError


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
        for chunk, (summary, _) in cluster.dask(address)(run.pack(wanted), deque(range(wanted.chunks)), None):
            found[chunk] = summary
            worker.kill()
    assert found == {chunk: summary_of(wanted, chunk) for chunk in range(wanted.chunks)}


def test_the_command_gives_the_same_answer_and_points(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = []
    for name, where in (("here", ()), ("there", ("--scheduler", address))):
        out = tmp_path / f"{name}.parquet"
        with pytest.raises(SystemExit) as stop:
            main(("explore", *ARGUMENTS, "--latency", "1ms", "--format", "json", "--points", str(out), *where))
        answers.append((stop.value.code, capsys.readouterr(), ds.dataset(out).to_table()))
    assert answers[0] == answers[1]
    assert answers[0][2].num_rows == 56


@pytest.mark.parametrize("wrong", ["", "localhost:8786", "http://localhost:8786", "tcp://localhost", "tcp://local host:1"])
def test_an_address_that_is_none_is_told(wrong: str) -> None:
    with pytest.raises(RequestError, match="is no address of a scheduler; write tcp://HOST:PORT"):
        cluster.dask(wrong)


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "WAIT_S", 0.2)
    with pytest.raises(RequestError, match="no scheduler answers at"):
        cluster.dask("tcp://127.0.0.1:9")


def test_workers_of_another_version_are_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "version", lambda: f"a roofwise of {threading.current_thread().name}")
    with pytest.raises(RequestError, match="install the same"):
        cluster.dask(address)
