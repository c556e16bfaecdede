"""Whole networks: the rows of a table of batch sweeps, and measurement specs, as sweeps."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Final, NamedTuple

import numpy as np

from engine.catalog import Catalog
from engine.errors import GraphError
from engine.measurement import Measurement
from engine.network import Network, build
from engine.workload import Workload

from . import names, quality
from .points import Published, Sweep
from .sheet import Sheet

SWEEP_COLUMNS: Final = (
    "source", "hardware", "n_devices", "software", "backend", "precision_norm", "sparsity", "model", "input_shape", "seq_len",
    "output_len", "batch_size", "scenario", "samples_per_s", "latency_mean_ms", "batch_latency_ms", "power_w", "gmacs", "notes",
)  # fmt: skip
ARITHMETIC: Final = 0.15
"""A network may state this much more or less arithmetic than ours has; counters differ in what they count."""
_STAR: Final = "⭐"
_PLANES: Final = 3

Row = Mapping[str, str]
Sizes = tuple[tuple[str, int], ...]


class Key(NamedTuple):
    """What one sweep is about."""

    source: str
    software: str
    workload: str
    hardware: str
    dtype: str
    sizes: Sizes


@dataclass(kw_only=True)
class _Cell:
    """The rows of one point."""

    seconds: list[float] = field(default_factory=list)
    power_w: list[float] = field(default_factory=list)


class _Outside(Exception):  # noqa: N818 - it is no error, and never leaves this module
    """A row is outside; the argument is the reason."""


class _Reader:
    """Tells what each row is about; networks are built once."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.chips, self.networks = names.chips(catalog), names.networks(catalog)
        self.built: dict[tuple[str, Sizes], Network | None] = {}

    def key(self, row: Row) -> Key:
        """Return what a row is about. Raises _Outside."""
        hardware = names.chip_of(row["hardware"], self.chips)
        if hardware is None:
            raise _Outside("chip")
        software = row["backend"] or row["software"].split(" ")[0]
        if reason := _no_pass(row, software):
            raise _Outside(reason)
        workload = self.networks.get(row["model"].strip(f" {_STAR}").casefold())
        if workload is None:
            raise _Outside("network")
        sizes = self._sizes(row, self.catalog.workloads[workload])
        dtype = names.network_format(row["precision_norm"], self.catalog.accelerators[hardware])
        if dtype is None:
            raise _Outside("format")
        return Key(row["source"], software, workload, hardware, dtype, sizes)

    def _sizes(self, row: Row, workload: Workload) -> Sizes:
        """Return the sizes of a row's samples, those of the network where images have their usual size."""
        sizes = _named_sizes(row, workload)
        network = self._network(workload, sizes)
        if network is None:
            raise _Outside("sizes")
        stated = _float(row["gmacs"])
        if stated and abs(2e9 * stated / network.work - 1) > ARITHMETIC:
            raise _Outside("another network")
        return sizes

    def _network(self, workload: Workload, sizes: Sizes) -> Network | None:
        if (workload.id, sizes) not in self.built:
            try:
                self.built[workload.id, sizes] = build(workload, dict(sizes))
            except GraphError:
                self.built[workload.id, sizes] = None
        return self.built[workload.id, sizes]


def _no_pass(row: Row, software: str) -> str | None:
    """Return why a row is not about one pass of a dense network on one device, or None where it is."""
    said = f"{software} {row['notes']}".casefold()
    checks = (
        ("generation", bool(row["output_len"]) or "decod" in said or "beam" in said),
        ("load", row["scenario"] != "native"),
        ("devices", row["n_devices"] != "1"),
        ("sparse", row["sparsity"] not in {"", "dense"} or "sparse" in names.words(software)),
        ("padding", names.PADDING_REMOVED in names.words(software) or "padding removed" in said),
    )
    return next((reason for reason, holds in checks if holds), None)


def _named_sizes(row: Row, workload: Workload) -> Sizes:
    if "seq_len" in workload.sizes:
        if not row["seq_len"].isdigit():
            raise _Outside("sizes")
        return (("seq_len", int(row["seq_len"])),)
    if not row["input_shape"]:
        return ()
    height, width = _image(row["input_shape"])
    if height == width and "image" in workload.sizes:
        return (("image", height),)
    fixed = {tuple(dims[1:]) for dims in workload.inputs.values()}
    if (height, width) not in fixed:
        raise _Outside("sizes")
    return ()


def _image(shape: str) -> tuple[int, int]:
    """Return height and width of an input shape, with its three planes first, last or left out."""
    dims = [int(dim) for dim in re.findall(r"\d+", shape)]
    if len(dims) == _PLANES and dims[0] == _PLANES:
        return dims[1], dims[2]
    if len(dims) == _PLANES and dims[2] == _PLANES:
        return dims[0], dims[1]
    if len(dims) == _PLANES - 1:
        return dims[0], dims[1]
    raise _Outside("sizes")


def _float(cell: str) -> float:
    return float(cell) if cell else 0.0


def read_sweeps(sheet: Sheet, catalog: Catalog) -> Published:
    """Return the sweeps of a table; a point is the median over its rows, and releases of a software are pooled."""
    batches = sheet.numbers("batch_size", least=1, whole=True)
    figures = {name: sheet.numbers(name, empty=True) for name in ("batch_latency_ms", "latency_mean_ms", "samples_per_s")}
    power = sheet.numbers("power_w", empty=True)
    sheet.numbers("gmacs", empty=True)
    reader = _Reader(catalog)
    points: dict[Key, dict[int, _Cell]] = defaultdict(lambda: defaultdict(_Cell))
    outside: Counter[str] = Counter()
    for index, cells in enumerate(zip(*(sheet.columns[name] for name in SWEEP_COLUMNS), strict=True)):
        batch = int(batches[index])
        try:
            key = reader.key(dict(zip(SWEEP_COLUMNS, cells, strict=True)))
            seconds = _seconds(batch, *(float(column[index]) for column in figures.values()))
        except _Outside as reason:
            outside[str(reason)] += 1
            continue
        cell = points[key][batch]
        cell.seconds.append(seconds)
        cell.power_w.append(float(power[index]))
    found = Published(rows_read=sheet.rows, outside=outside)
    return sum((_published(key, cells) for key, cells in points.items()), start=found)


def _seconds(batch: int, batch_ms: float, mean_ms: float, per_s: float) -> float:
    """Return the time of one pass: what is given for it, else the mean latency, else batch over throughput."""
    for given in (batch_ms, mean_ms):
        if not np.isnan(given):
            return given * 1e-3
    if np.isnan(per_s):
        raise _Outside("no time")
    return batch / per_s if per_s > 0 else 0.0


def _published(key: Key, cells: Mapping[int, _Cell]) -> Published:
    """Return the sweep of a key after the filter."""
    kept: dict[int, _Cell] = {}
    dropped: Counter[str] = Counter()
    for batch, cell in sorted(cells.items()):
        apart = min(cell.seconds) > 0 and max(cell.seconds) > quality.SPREAD * min(cell.seconds)
        if apart:
            dropped["disagreement"] += len(cell.seconds)
        else:
            kept[batch] = cell
    rows = np.array([len(cell.seconds) for cell in kept.values()], dtype=np.int64)
    sweep, counts = quality.sweep(_sweep(key, kept), rows)
    return Published(sweeps=() if sweep is None else (sweep,), dropped=dropped + counts)


def _sweep(key: Key, cells: Mapping[int, _Cell]) -> Sweep:
    sizes = "".join(f", {name} {size}" for name, size in key.sizes)
    power = [[watts for watts in cell.power_w if not np.isnan(watts)] for cell in cells.values()]
    return Sweep(
        id=f"{key.source}: {key.workload}{sizes} on {key.hardware}, {key.dtype}, {key.software}",
        source=key.source, workload=key.workload, hardware=key.hardware, dtype=key.dtype, sizes=dict(key.sizes),
        runtime=names.runtime_of(key.software, key.source), software=key.software,
        batches=np.array(list(cells), dtype=float),
        seconds=np.array([median(cell.seconds) for cell in cells.values()], dtype=float),
        power_w=np.array([median(watts) if watts else np.nan for watts in power], dtype=float),
    )  # fmt: skip


def of_spec(record: Measurement, catalog: Catalog) -> Published:
    """Return the sweep of a measurement spec; each of its points counts as a row."""
    rows = len(record.points)
    reason = _spec_outside(record, catalog)
    if reason is not None:
        return Published(rows_read=rows, outside={reason: rows})
    key = Key(
        next(iter(record.sources)), record.software, record.workload, record.hardware, record.dtype, tuple(record.sizes.items())
    )
    cells: dict[int, _Cell] = defaultdict(_Cell)
    for batch, seconds, watts in _spec_points(record):
        cells[batch].seconds.append(seconds)
        cells[batch].power_w.append(watts)
    found = _published(key, cells)
    return replace(found, rows_read=rows, sweeps=tuple(replace(sweep, runtime=record.runtime) for sweep in found.sweeps))


def _spec_outside(record: Measurement, catalog: Catalog) -> str | None:
    if record.devices != 1:
        return "devices"
    if record.hardware not in catalog.accelerators.ids:
        return "chip"
    if record.workload not in catalog.workloads.ids:
        return "network"
    if record.dtype not in catalog.accelerators[record.hardware].peak_dense:
        return "format"
    try:
        catalog.network(record.workload, record.sizes)
    except GraphError:
        return "sizes"
    return None


def _spec_points(record: Measurement) -> Iterator[tuple[int, float, float]]:
    """Yield batch, seconds and power [W] of every point; NaN is a power that is not given."""
    for point in record.points:
        watts = float("nan") if point.power is None else point.power.si
        yield point.batch, point.seconds, watts
