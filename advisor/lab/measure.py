"""Measures a model on this machine over batches, as a record in the project's schema; what is measured already is kept."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine import __version__
from engine.measurement import Measurement, Point

from ..inputs import RequestError
from .canary import CALM, Canary
from .feeds import feeds, fixed_batch
from .fitted import rounded
from .session import Kind, bound, open_session, profile, version
from .stopwatch import Load, Times, Watch, clock_of, repeat, times
from .topology import Meter, gpu_watts, topology

LEAST_RUNS: Final = 5
LONG_S: Final = 2.0
"""A pass longer than this is timed `LEAST_LONG` times at least, not `LEAST_RUNS`."""
LEAST_LONG: Final = 2
ATTEMPTS: Final = 3
PATIENCE_S: Final = 20.0
"""A batch is timed again where the machine is not calm: so often at the most, and not after so many seconds."""
PROFILED: Final = 3
"""Passes of a profile."""
KINDS: Final = 40
"""At most so many kinds of kernels stand in a record."""
SCHEMA: Final = "../../schemas/measurement.schema.json"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to measure: a model file, the ids of its workload and of the machine, batches, and how.

    `budget_s` is for each batch; `sizes` are of axes that the file leaves open, `spec_sizes` those that differ from the
    workload's own; `digest` tells the file from others.
    """

    model: Path
    workload: str
    hardware: str
    batches: Sequence[int]
    threads: int
    device: str
    date: str
    digest: str
    by: str = ""
    budget_s: float = 2.0
    sizes: Mapping[str, int] = field(default_factory=dict)
    spec_sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one batch took, and the machine meanwhile; the power of the processor [W] where it can be read.

    `unrest` is how much longer the canary took than at its best, as a share.
    """

    batch: int
    times: Times
    load: Load
    power: float | None
    unrest: float


def measure(wanted: Wanted, before: Measurement | None, canary: Canary | None = None) -> Iterator[Measurement]:
    """Yield the record after each batch, the last one with where the time goes. Raises RequestError.

    Points of `before` are kept where it is a record of the same model in the same conditions.
    """
    session = open_session(str(wanted.model), wanted.threads, wanted.device)
    _check_batches(wanted, session)
    record = before if before is not None and same(before, wanted) else None
    done = {point.batch for point in record.points} if record else set()
    left = sorted(set(wanted.batches) - done)
    canary = canary or Canary(wanted.threads, wanted.device)
    for batch in left:
        record = _joined(wanted, record, _timed(wanted, session, batch, canary))
        yield record
    if record is not None and not record.profiles:
        record = _profiled(wanted, session, record)
    if record is not None:
        yield record


def same(record: Measurement, wanted: Wanted) -> bool:
    """Return whether a record is of the same file, machine, software and threads, so that points can join it."""
    about = (record.workload, record.hardware, record.software, record.conditions and record.conditions.threads)
    asked = (wanted.workload, wanted.hardware, version(), wanted.threads)
    return about == asked and any(wanted.digest in source.title for source in record.sources.values())


def _check_batches(wanted: Wanted, session: Any) -> None:
    fixed = fixed_batch(session)
    others = [batch for batch in wanted.batches if batch != fixed]
    if fixed is not None and others:
        raise RequestError(
            f"--batch: {wanted.model} fixes its batch at {fixed}, so {others[0]} cannot be run; ask for --batch {fixed}, or "
            "export the model with an open first axis"
        )


def _timed(wanted: Wanted, session: Any, batch: int, canary: Canary) -> Found:
    """Return what a batch takes, after a pass that warms up; where the machine is not calm, the calmest of some attempts."""
    clock, _ = clock_of(wanted.threads, wanted.device)
    end = time.perf_counter() + PATIENCE_S
    try:
        run = bound(session, feeds(session, batch, wanted.sizes), wanted.device)
        warm = repeat(run, clock, budget_s=0.0, least=1)[0]
        least = LEAST_RUNS if warm < LONG_S else LEAST_LONG
        attempts: list[Found] = []
        while not attempts or (attempts[-1].unrest > CALM and len(attempts) < ATTEMPTS and time.perf_counter() < end):
            attempts.append(_attempt(wanted, batch, canary, lambda: repeat(run, clock, budget_s=wanted.budget_s, least=least)))
    except RequestError:
        raise
    except Exception as error:
        raise RequestError(f"{wanted.model}: a pass of batch {batch} failed: {str(error).strip()[:300]}") from error
    return min(attempts, key=lambda found: found.unrest)


def _attempt(wanted: Wanted, batch: int, canary: Canary, timing: Callable[[], list[float]]) -> Found:
    watch, meter, start = Watch(wanted.threads), Meter(), time.perf_counter()
    before = canary.unrest()
    seconds = timing()
    unrest = max(before, canary.unrest())
    joules = meter.joules()
    power = gpu_watts() if wanted.device == "cuda" else None if joules is None else joules / (time.perf_counter() - start)
    return Found(batch=batch, times=times(seconds), load=watch.read(), power=power, unrest=unrest)


def _joined(wanted: Wanted, record: Measurement | None, found: Found) -> Measurement:
    """Return the record with one more point."""
    load = found.load
    loads = [] if record is None or record.conditions is None else [record.conditions]
    conditions = {
        "machine": _machine(), "threads": wanted.threads, "quiet": load.quiet and all(one.quiet for one in loads),
        "load": _share(max([load.others, *(one.load.si for one in loads)])),
        "unrest": _share(max([found.unrest, *(one.unrest.si for one in loads if one.unrest)])),
    }  # fmt: skip
    points = [*([] if record is None else record.points), _point(found)]
    _, clock = clock_of(wanted.threads, wanted.device)
    spec: dict[str, Any] = {
        "$schema": SCHEMA, "id": f"{wanted.hardware}-{wanted.workload}"[:80],
        "workload": wanted.workload, "hardware": wanted.hardware, "dtype": "fp32", "sizes": dict(wanted.spec_sizes),
        "software": version(), "runtime": "graph", "date": wanted.date, "conditions": conditions,
        "method": f"median of passes after a warm-up, {clock}, operands and results in place",
        "sources": {"run": _source(wanted)},
        "profiles": () if record is None else record.profiles,
        "points": tuple(sorted(points, key=lambda point: point.batch)),
    }  # fmt: skip
    return Measurement.model_validate(spec)


def _share(value: float) -> dict[str, Any]:
    return {"value": rounded(value), "unit": "1", "source": "run"}


def _source(wanted: Wanted) -> dict[str, Any]:
    title = f"advise measure of Roofwise {__version__}: {wanted.model.name}, SHA-256 {wanted.digest}"
    return {"title": title, "publisher": wanted.by or "who measured it", "date": wanted.date}


def _machine() -> str:
    return f"{topology().processor}, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def _point(found: Found) -> Point:
    one = found.times
    quantiles = {
        "latency": one.median, "latency_quartile_1": one.quartile_1, "latency_quartile_3": one.quartile_3,
        "latency_p90": one.p90, "latency_p99": one.p99,
    }  # fmt: skip
    spec: dict[str, Any] = {name: _time(seconds) for name, seconds in quantiles.items()}
    if found.power is not None:
        spec["power"] = {"value": rounded(found.power), "unit": "W", "source": "run"}
    return Point.model_validate({"batch": found.batch, "runs": one.runs, **spec})


def _time(seconds: float) -> dict[str, Any]:
    return {"value": float(f"{1e3 * seconds:.5g}"), "unit": "ms", "source": "run"}


def _profiled(wanted: Wanted, session: Any, record: Measurement) -> Measurement:
    """Return the record with where the time goes at its smallest batch."""
    batch = min(point.batch for point in record.points)
    kinds = profile(str(wanted.model), feeds(session, batch, wanted.sizes), wanted.threads, wanted.device, PROFILED)
    made = {"batch": batch, "kernels": tuple(map(_line, kinds[:KINDS]))}
    return Measurement.model_validate({**record.model_dump(by_alias=True), "profiles": (made,)})


def _line(kind: Kind) -> dict[str, Any]:
    return {"operator": kind.operator, "count": max(1, kind.count), "time": _time(kind.seconds)}
