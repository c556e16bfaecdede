"""From what people type to a space: every fault at once, each with the option, the value and the remedy."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Any, Final

from engine import __version__
from engine.accelerator import Accelerator
from engine.calibration import resolve
from engine.catalog import Catalog
from engine.errors import DomainError, unknown
from engine.expressions import check_names
from engine.expressions import parse as parse_expression
from engine.fleet import CHIP_FIGURES, fleet
from engine.machine import GRAPH
from engine.network import build
from engine.sizes import choose_sizes
from engine.totals import Totals
from engine.units import parse

from .. import inputs
from ..inputs import Faults, RequestError
from .axes import Axis, axes
from .space import Base, Limit, Objective, Space, known_names

BASE: Final = "nvidia-h100-sxm"
"""Without --base, chips are variants of this one: what most tables of today compare with."""
MOST_POINTS: Final = 10_000_000_000
HYPOTHETICAL: Final = "hypothetical"
"""The id of a chip that no calibration names."""
_LIMITS: Final = {
    "latency": Limit(word="latency", rule="L204", fact="latency_p90_s", value=math.inf),
    "throughput": Limit(word="throughput", rule="L203", fact="throughput_sure_per_s", value=0.0, most=False),
    "power": Limit(word="power", rule="J403", fact="power_w", value=math.inf),
    "energy": Limit(word="energy", rule="J402", fact="energy_per_inference_j", value=math.inf),
    "memory": Limit(word="memory", rule="F103", fact="memory_bytes", value=math.inf),
}
_DIMENSIONS: Final = {"latency": "time", "throughput": "throughput", "power": "power", "energy": "energy", "memory": "size"}
CAPACITY: Final = Limit(word="capacity", rule="F101", fact="memory_bytes", value=math.inf)
_FACTS: Final = {
    "cost": "cost",
    "power": "power_w",
    "energy": "energy_per_inference_j",
    "latency": "latency_p90_s",
    "memory": "memory_bytes",
    "throughput": "throughput_sure_per_s",
}
"""Word of an objective -> its fact; the figures of a chip are objectives, too."""


def space_of(options: Mapping[str, Any], catalog: Catalog) -> Space:
    """Return the space of typed options. Raises RequestError with a line for each fault."""
    faults = Faults()
    workload = faults.take("--model", lambda: catalog.workloads[options["model"]], None)
    sizes = faults.take("--size", lambda: inputs.sizes(options["size"] or (), options["seq_len"]), {})
    varied = faults.take("--vary", lambda: axes(options["vary"] or ()), None)
    runtime = faults.take("--runtime", lambda: inputs.runtime(options["runtime"], catalog), GRAPH)
    batches = faults.take("--batch", lambda: inputs.batches(options["batch"]), [1])
    cost = faults.take("--cost", lambda: _cost(options["cost"], varied or ()), None)
    objective = faults.take("--minimize", lambda: _objective(options, varied or ()), Objective(word="power", fact="power_w"))
    limits = tuple(limit for word in _LIMITS if (limit := faults.take(f"--{word}", partial(_limit, word, options), None)))
    bases = faults.take("--base", lambda: _bases(options, catalog, runtime), ())
    if varied is not None and not varied:
        faults.lines.append("--vary: nothing varies; write --vary bandwidth=0.5..8TB/s:64")
    if workload is not None:
        faults.take("--size", lambda: choose_sizes(workload, sizes), {})
    faults.check()
    space = Space(
        network=_totals(build(workload, sizes)), bases=bases, axes=varied, batches=tuple(batches), limits=(*limits, CAPACITY),
        objective=objective, second="power_w" if objective.fact == "latency_p90_s" else "latency_p90_s", cost=cost,
        runtime=runtime,
    )  # fmt: skip
    _check(space)
    return space


def _limit(word: str, options: Mapping[str, Any]) -> Limit | None:
    typed = options[word]
    return None if typed is None else replace(_LIMITS[word], value=parse(typed, _DIMENSIONS[word]))


def _cost(text: str | None, varied: tuple[Axis, ...]) -> str | None:
    """Return an expression of the grammar over known names. Raises ExpressionError."""
    if text is not None:
        check_names(parse_expression(text), known_names(varied))
    return text


def _objective(options: Mapping[str, Any], varied: tuple[Axis, ...]) -> Objective:
    """Return what shall be best: what is asked for, else the cost if there is one, else the power. Raises RequestError."""
    least, most = options["minimize"], options["maximize"]
    if least and most:
        raise RequestError("--minimize and --maximize are both given; give one of them")
    word = least or most or ("cost" if options["cost"] else "power")
    facts = _FACTS | {name: CHIP_FIGURES[name].column for name in known_names(varied) & CHIP_FIGURES.keys()}
    facts |= {"peak": CHIP_FIGURES["peak"].column}
    if word not in facts:
        raise unknown("objective", word, facts)
    if word == "cost" and not options["cost"]:
        raise RequestError('a cost is yours to state; write --cost "0.05*peak/1e12 + 40*bandwidth/1e12", in any currency')
    return Objective(word=word, fact=facts[word], most=most is not None)


def _bases(options: Mapping[str, Any], catalog: Catalog, runtime: str) -> tuple[Base, ...]:
    """Return the chips that are varied, in each number format asked for. Raises RequestError where one has none of them."""
    chips = dict.fromkeys(inputs.hardware(options["base"], catalog))
    if not chips:
        raise RequestError("none is named; write an id of `advise list hardware`")
    wanted = inputs.dtypes(options["dtype"])
    found = []
    for name in chips:
        chip = catalog.accelerators[name]
        formats = [dtype for dtype in wanted or (inputs.wide(catalog, name),) if dtype in chip.peak_dense]
        if not formats:
            raise RequestError(f"{name} has no {' and no '.join(wanted)}; it has {', '.join(chip.dtypes)}")
        found += [_base(chip, dtype, catalog, runtime) for dtype in formats]
    return tuple(found)


def _base(chip: Accelerator, dtype: str, catalog: Catalog, runtime: str) -> Base:
    """Return a base with the constants that a chip of its family has that nobody measured."""
    constants = resolve(chip.model_copy(update={"id": HYPOTHETICAL}), catalog.calibrations)
    if constants is None:
        raise RequestError(f"{chip.id} has no calibration; take another base")
    if not constants.runs(runtime):
        raise unknown(f"runtime of {chip.id}", runtime, [GRAPH, *constants.runtimes])
    return Base(chip=chip, constants=replace(constants, kernels=()), dtype=dtype)


def _check(space: Space) -> None:
    """Raise RequestError where a space is too large, or a base lacks what the estimate stands on."""
    if space.points > MOST_POINTS:
        raise RequestError(
            f"--vary: {space.points:,} points are more than {MOST_POINTS:,}; take fewer values of a figure, or fewer batches: "
            "a coarse search first, then a fine one around its best point"
        )
    faults = Faults()
    for base in space.bases:
        faults.take("--vary", partial(_check_base, space, base), None)
    faults.check()


def _check_base(space: Space, base: Base) -> None:
    first = {axis.name: axis.values[:1] for axis in space.axes}
    numbers = fleet(base.chip, base.constants, base.dtype, first, space.runtime).table
    for name in ("bandwidth", "capacity"):
        if math.isnan(getattr(numbers, name).item()):
            example = {"bandwidth": "bandwidth=100GB/s", "capacity": "capacity=64GB"}[name]
            raise DomainError(f"{base.chip.id} publishes no {name} of its memory; give it one, as in --vary {example}")
    if math.isnan(numbers.flop_j.item()):
        raise DomainError(f"nobody knows the energy of {base.dtype} on chips like {base.chip.id}; take another --dtype")


def request_json(space: Space) -> dict[str, Any]:
    """Return what decides the points and the answer of a search, for the folder that keeps them."""
    return {
        "roofwise": __version__,
        "model": space.network.id,
        "sizes": dict(space.network.sizes),
        "runtime": space.runtime,
        "bases": [[base.chip.id, base.dtype] for base in space.bases],
        "vary": [[axis.name, axis.typed] for axis in space.axes],
        "batches": list(space.batches),
        "limits": [[limit.word, str(limit.value)] for limit in space.limits],
        "objective": [space.objective.word, "most" if space.objective.most else "least"],
        "cost": space.cost,
        "part": space.chunk,
        "numbers": _digest(space),
    }


def _digest(space: Space) -> str:
    """Return a fingerprint of the numbers behind a search: another spec under the same name gives another."""
    first = {axis.name: axis.values[:1] for axis in space.axes}
    machines = [fleet(b.chip, b.constants, b.dtype, first, space.runtime).machine(0) for b in space.bases]
    told = repr((space.network, machines, [axis.values for axis in space.axes]))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _totals(network: Totals) -> Totals:
    """Return what a network adds up to, without its operators: all that an evaluation needs."""
    return Totals(**{field.name: getattr(network, field.name) for field in fields(Totals)})
