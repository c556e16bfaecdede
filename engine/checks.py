"""What a schema cannot say: sources are declared, expressions are safe, graphs fit together, totals are reproduced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from .accelerator import Accelerator
from .calibration import Calibration, Interval, Spread
from .documents import Document, is_blank, walk
from .errors import ExpressionError, Fault, GraphError, closest, listed
from .expressions import parse
from .measurement import Measurement
from .network import build
from .quantity import Model
from .units import significant
from .workload import Workload

_NOT_EXPRESSIONS: Final = frozenset(
    {"op", "name", "function", "activation", "squeeze_activation", "gate_activation", "tied_to", "conditioning", "inputs"}
    | {"encoded", "axis"}
)

Path = tuple[str | int, ...]


def check(document: Document, model: Model | None) -> Iterator[Fault]:
    """Yield every fault of meaning in a document; `model` is None where its structure is at fault already."""
    if isinstance(document.data, dict):
        yield from undeclared_sources(document)
        if "graph" in document.data:
            yield from unsafe_expressions(document)
    for kind, function in _CHECKS.items():
        if isinstance(model, kind):
            yield from function(document, model)


def undeclared_sources(document: Document) -> Iterator[Fault]:
    """Yield a fault for every `source` that `sources` does not declare."""
    declared = document.data.get("sources")
    known = declared.keys() if isinstance(declared, dict) else set()
    for path, value in walk(document.data):
        if path and path[-1] == "source" and isinstance(value, str) and value not in known and not is_blank(value):
            expected = f"a key of sources: {listed(known) or 'none is declared'}"
            found = f"the source {value[:60]!r} is not declared"
            yield document.fault(path, found, expected, closest(value, known), rule="S201")


def unsafe_expressions(document: Document) -> Iterator[Fault]:
    """Yield a fault for every dimension of a workload that is no expression of the safe grammar, or uses an unknown size."""
    sizes = document.data.get("sizes")
    known = frozenset(sizes) if isinstance(sizes, dict) else frozenset()
    for path, text in dimensions(document.data):
        try:
            expression = parse(text)
        except ExpressionError as error:
            shown = text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - one line of a terminal
            yield document.fault(path, f"{shown!r} is no safe expression", str(error), rule="S202")
            continue
        for name in sorted(expression.names - known):
            expected = f"one of the sizes {listed(known) or '(none is declared)'}; the batch is never written"
            yield document.fault(path, f"the unknown size {name!r}", expected, closest(name, known), rule="S203")


def dimensions(data: Any) -> Iterator[tuple[Path, str]]:
    """Yield place and text of every dimension of a workload's data that is a text."""
    for top in ("graph", "inputs"):
        for path, value in walk(data.get(top), (top,)):
            keys = [part for part in path[1:] if isinstance(part, str)]
            if isinstance(value, str) and not is_blank(value) and not (top == "graph" and _NOT_EXPRESSIONS.intersection(keys)):
                yield path, value


def _workload(document: Document, model: Workload) -> Iterator[Fault]:
    if any(True for _ in unsafe_expressions(document)):
        return
    for name, size in model.sizes.items():
        if not size.minimum <= size.default <= size.maximum:
            found, expected = f"the default {size.default}", f"{size.minimum} to {size.maximum}"
            yield document.fault(("sizes", name), found, expected, rule="S204")
    try:
        network = build(model)
    except GraphError as error:
        path = ("graph",) if error.index is None else ("graph", error.index)
        yield document.fault(path, str(error), "operators that fit together", rule="S205")
        return
    totals = (
        ("work", model.published.work, network.work),
        ("parameters", model.published.parameters, network.parameters),
    )
    for name, published, counted in totals:
        if published is not None and abs(counted / published.si - 1) > published.within:
            found = f"the graph has {significant(counted, 6)}, published are {significant(published.si, 6)}"
            yield document.fault(("published", name), found, f"agreement within {published.within:g}", rule="S206")


def _accelerator(document: Document, chip: Accelerator) -> Iterator[Fault]:
    """Yield a fault for every peak of the vector units in a number format that has no dense peak."""
    for dtype in chip.peak_vector:
        if dtype not in chip.peak_dense:
            found = f"a peak of the vector units in {dtype}, of which there is no peak_dense"
            expected = f"a format of peak_dense ({listed(chip.dtypes)}), or its dense peak beside it"
            yield document.fault(("peak_vector", dtype), found, expected, rule="S218")


def _calibration(document: Document, calibration: Calibration) -> Iterator[Fault]:
    if calibration.interval is not None:
        yield from _interval(document, ("interval",), calibration.interval)
    for name, runtime in calibration.runtimes.items():
        if runtime.interval is not None:
            yield from _interval(document, ("runtimes", name, "interval"), runtime.interval)


def _interval(document: Document, path: Path, interval: Interval) -> Iterator[Fault]:
    pairs: list[tuple[Path, Interval | Spread, str, str]] = [
        (path, interval, "p10", "p90"),
        (path, interval, "launch_p10", "launch_p90"),
    ]
    if interval.calibrated is not None:
        pairs.append(((*path, "calibrated"), interval.calibrated, "p10", "p90"))
    for place, ratios, low_name, high_name in pairs:
        low, high = getattr(ratios, low_name), getattr(ratios, high_name)
        low_ratio, high_ratio = low.si if low else 1.0, high.si if high else 1.0
        if not 0 < low_ratio <= 1 <= high_ratio:
            found = f"{low_name} {low_ratio:g}, {high_name} {high_ratio:g}"
            yield document.fault(place, found, f"0 < {low_name} <= 1 <= {high_name}", rule="S207")


def _measurement(document: Document, measurement: Measurement) -> Iterator[Fault]:
    for index, point in enumerate(measurement.points):
        if point.latency is None and point.throughput is None:
            yield document.fault(("points", index), "neither latency nor throughput", "at least one of them", rule="S208")


_CHECKS: Final[dict[type[Model], Callable[[Document, Any], Iterator[Fault]]]] = {
    Accelerator: _accelerator,
    Workload: _workload,
    Calibration: _calibration,
    Measurement: _measurement,
}
