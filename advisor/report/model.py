"""A model as people read it: what it is, its totals, how operators fuse, what memory it takes, and a line for each kernel."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.units import render, significant

from ..model_contract import KernelPart, ModelPart
from .layout import labelled, markdown_table, table

_INDEX: Final = re.compile(r"(?<![A-Za-z0-9])\d+(?![A-Za-z0-9])")
"""A number that stands by itself in a name, as that of a block's repetition does."""
_SHORT: Final = {"batch_norm": "norm", "layer_norm": "norm"}
_WORDS: Final = {"work_flop_per_sample": "work", "parameters": "parameters"}
_SHOWN: Final = 3
"""Operators named as examples of those that do not ride."""
_LEAST_NAME: Final = 12
_ALL: Final = "all"


@dataclass(frozen=True, kw_only=True)
class Line:
    """Equal kernels as one line of the table: what they are called together, one of them, and how many there are."""

    name: str
    kernel: KernelPart
    count: int

    @property
    def share(self) -> float | None:
        """Return the share of all kernels' time that they take together."""
        each = self.kernel.share_of_kernels
        return None if each is None else each * self.count


def lines(model: ModelPart, *, every: bool = False) -> list[Line]:
    """Return the lines of the table, in the order of the graph: equal kernels of repeated blocks as one, or every kernel."""
    if every:
        return [Line(name=kernel.name, kernel=kernel, count=1) for kernel in model.kernels]
    groups: dict[tuple[Any, ...], list[KernelPart]] = {}
    for kernel in model.kernels:
        groups.setdefault(_alike(kernel), []).append(kernel)
    return [Line(name=_common([k.name for k in group]), kernel=group[0], count=len(group)) for group in groups.values()]


def _alike(kernel: KernelPart) -> tuple[Any, ...]:
    """Return what equal kernels share: all but the numbers in their names."""
    named = tuple((_INDEX.sub("*", one.name), one.op, one.function, tuple(one.shape)) for one in kernel.operators)
    costs = kernel.model_dump(exclude={"name", "operators", "shape"})
    return (*named, *costs.values())


def _common(names: Sequence[str]) -> str:
    """Return one name for kernels whose names differ in numbers only.

    >>> _common(["layer_0_qkv", "layer_1_qkv", "layer_2_qkv"]), _common(["layer_1_a", "layer_5_a"])
    ('layer_0..2_qkv', 'layer_1,5_a')
    """
    found = [_INDEX.findall(name) for name in names]
    told = iter([_span(sorted({int(index) for index in column})) for column in zip(*found, strict=True)])
    return _INDEX.sub(lambda _: next(told), names[0])


def _span(indices: Sequence[int]) -> str:
    first, last = indices[0], indices[-1]
    if first == last:
        return str(first)
    if last - first == len(indices) - 1:
        return f"{first}..{last}"
    return ",".join(map(str, indices)) if len(indices) <= _SHOWN else "*"


def label(line: Line) -> str:
    """Return what a line is called: the name of the first operator, and what rides on it."""
    return " + ".join([line.name, *(one.function or _SHORT.get(one.op, one.op) for one in line.kernel.operators[1:])])


def as_text(model: ModelPart, width: int, *, every: bool = False) -> str:
    """Return the table as text of at most `width` columns."""
    facts = [line for name, text in _facts(model) for line in labelled(name, text, width)]
    return "\n".join([_title(model), *facts, "", *_table(model, width, lines(model, every=every))]) + "\n"


def as_markdown(model: ModelPart, *, every: bool = False) -> str:
    """Return the table as Markdown."""
    facts = [f"- **{name}**: {text}" if name else f"  {text}" for name, text in _facts(model)]
    shown = lines(model, every=every)
    columns = _columns(model, shown, wide=True)
    body = [[label(line), *_row(_cells(line), columns)] for line in shown]
    rows = [["kernel", *columns], *body, [_ALL, *_row(_sums(model), columns)]]
    return "\n".join([f"# {_title(model)}", "", *facts, "", *markdown_table(rows, [False, *[True] * len(columns)])]) + "\n"


def csv_rows(model: ModelPart) -> list[dict[str, Any]]:
    """Return one flat row for every kernel."""
    rows = []
    for kernel in model.kernels:
        row = kernel.model_dump()
        row["operators"] = [one.name for one in kernel.operators]
        row["shape"] = _shape(kernel.shape)
        rows.append(row)
    return rows


def _title(model: ModelPart) -> str:
    return f"{model.name} ({model.id})"


def _facts(model: ModelPart) -> Iterator[tuple[str, str]]:
    """Yield label and text of what stands before the table."""
    spec: Mapping[str, Any] = model.model_extra or {}
    yield "task", spec["task"]
    yield "source", _source(spec["sources"][spec["source"]])
    shapes = (f"{name} {_dims(spec['inputs'][name], shape)}" for name, shape in model.input_shapes.items())
    yield "input", " · ".join(shapes)
    if model.chosen_sizes:
        yield "sizes", " · ".join(_size(name, value, spec["sizes"][name]) for name, value in model.chosen_sizes.items())
    told = [f"{text} = {value:.10g}" for text, value in model.expressions.items() if text not in model.chosen_sizes]
    if told:
        yield "expressions", " · ".join(told)
    yield (
        "work",
        f"{_count(model.totals.macs_per_sample, 'MAC')}, {_count(model.totals.work_flop_per_sample, 'FLOP')} per sample",
    )
    yield "parameters", f"{model.totals.parameters:,.0f}, {_bytes(model.totals.weight_bytes)} in {model.dtype}{_active(model)}"
    for one in model.compared:
        value = f"{one.published:,.0f}" if one.quantity == "parameters" else _count(one.published / 2, "MAC")
        yield "published", f"{_WORDS[one.quantity]} {value}: the count is {_off(one.off_share)} [{one.source}]"
    yield "fusion", _fused(model)
    yield from (("", text) for text in _riders(model))
    yield "memory", _memory(model)
    if model.totals.cache_bytes_per_sample:
        each, held = model.totals.cache_bytes_per_token, model.totals.cache_bytes_per_sample
        yield "KV cache", f"{each:,.0f} B per token, {_bytes(held)} of a sample at these sizes, in {model.dtype}"
    if model.time is not None:
        yield "time", _timed(model)


def _active(model: ModelPart) -> str:
    active = model.totals.active_parameters
    return "" if active == model.totals.parameters else f"; {active:,.0f} of them serve a token"


def _source(source: Mapping[str, Any]) -> str:
    return ", ".join(str(source[key]) for key in ("title", "publisher", "url", "date") if source.get(key))


def _dims(dims: Sequence[int | str], shape: Sequence[int]) -> str:
    """Return a shape, after its expressions where it has some: `3 x image x image = 3 x 224 x 224`."""
    value = _shape(shape)
    return value if list(dims) == list(shape) else f"{' x '.join(map(str, dims))} = {value}"


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "1"


def _size(name: str, value: int, size: Mapping[str, Any]) -> str:
    return f"{name} {value} ({size['minimum']} to {size['maximum']} {size['unit']}s)"


def _count(value: float, unit: str) -> str:
    return render(value, "work", 4).replace("FLOP", unit)


def _bytes(value: float) -> str:
    return render(value, "size")


def _flop(work: float) -> str:
    return render(work, "work").removesuffix("FLOP").strip() if work else "-"


def _off(share: float) -> str:
    return "the same" if share == 0 else f"{significant(100 * abs(share), 2)} % {'higher' if share > 0 else 'lower'}"


def _fused(model: ModelPart) -> str:
    fusion = model.fusion
    before = _bytes(fusion.activation_traffic_unfused_bytes_per_sample)
    after = _bytes(fusion.activation_traffic_bytes_per_sample)
    views = f", {fusion.views} of them views" if fusion.views else ""
    counts = f"{fusion.operators} operators{views}, in {fusion.kernels} kernels"
    traffic = f"activations of a sample that travel: {before} one by one, {after} fused, in {model.dtype}"
    apart = f"; {model.runtime} fuses none, and its kernels stand below" if len(model.kernels) != fusion.kernels else ""
    return f"{counts}; {traffic}{apart}"


def _riders(model: ModelPart) -> Iterator[str]:
    """Yield what each kind of operator spares by riding, and what does not ride."""
    for one in sorted(model.fusion.saved, key=lambda one: -one.bytes_per_sample):
        how = "keeps its scores on the chip" if one.op == "attention" else "rides on the kernel before"
        yield f"{one.op} {how}, {_times(one.operators)}: {_bytes(one.bytes_per_sample)} less"
    reasons = [f"{one.operator}: {one.because}" for one in model.fusion.alone]
    if reasons:
        more = f"; {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
        yield f"{len(reasons)} could ride and do not: {'; '.join(reasons[:_SHOWN])}{more}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _memory(model: ModelPart) -> str:
    memory = model.memory
    parts = [f"weights {_bytes(memory.weight_bytes)}", f"live activations {_bytes(memory.peak_activation_bytes)}"]
    parts += [f"cache {_bytes(memory.cache_bytes)}"] if memory.cache_bytes else []
    parts += [] if memory.workspace_bytes is None else [f"workspace {_bytes(memory.workspace_bytes)}"]
    return f"peak at batch {memory.batch}: {_bytes(memory.memory_bytes)} in {model.dtype} = {' + '.join(parts)}"


def _timed(model: ModelPart) -> str:
    time = model.time
    if time is None or time.latency_estimate_s is None or time.kernels_s is None:
        return f"on {model.hardware}, {model.dtype}, batch {model.batch}: unknown, for want of a figure of the chip"
    turns = "never compute-bound" if time.ridge_batch == "never" else f"compute-bound from batch {_batch(time.ridge_batch)}"
    estimate = f"estimate {render(time.latency_estimate_s, 'time')}, its kernels in a row {render(time.kernels_s, 'time')}"
    return f"on {model.hardware}, {model.dtype}, batch {model.batch}, {model.runtime}: {estimate}; {turns}"


def _batch(batch: Any) -> str:
    """Return the first whole batch that is compute-bound, as people read it."""
    return "unknown" if batch is None else batch if isinstance(batch, str) else f"{max(1, math.ceil(batch)):,}"


def _columns(model: ModelPart, shown: Sequence[Line], *, wide: bool) -> list[str]:
    """Return the columns of the table, after the name."""
    columns = ["x"] if any(line.count > 1 for line in shown) else []
    columns += ["result", "FLOP", "weights", *(["unfused"] if wide else []), "in+out", "FLOP/B"]
    known = model.time is not None and (model.time.kernels_s is not None or model.time.ridge_batch is not None)
    return columns + (["ridge", "time"] if known else [])


def _cells(line: Line) -> dict[str, str]:
    kernel = line.kernel
    return {
        "x": str(line.count),
        "result": "x".join(map(str, kernel.shape)) or "1",
        "FLOP": _flop(kernel.work_flop_per_sample),
        "weights": _bytes(kernel.weight_traffic_bytes) if kernel.weight_traffic_bytes else "-",
        "unfused": _bytes(kernel.activation_traffic_unfused_bytes_per_sample),
        "in+out": _bytes(kernel.activation_traffic_bytes_per_sample),
        "FLOP/B": significant(kernel.arithmetic_intensity_flop_per_byte) if kernel.work_flop_per_sample else "-",
        "ridge": _batch(kernel.ridge_batch),
        "time": "unknown" if line.share is None else f"{100 * line.share:.1f} %",
    }


def _sums(model: ModelPart) -> dict[str, str]:
    """Return the last row: all kernels together, and the ridge batch of the whole."""
    kernels = model.kernels
    weights = sum(kernel.weight_traffic_bytes for kernel in kernels)
    traffic = sum(kernel.activation_traffic_bytes_per_sample for kernel in kernels)
    work = model.totals.work_flop_per_sample
    return {
        "x": str(len(kernels)),
        "result": "",
        "FLOP": _flop(work),
        "weights": _bytes(weights) if weights else "-",
        "unfused": _bytes(sum(kernel.activation_traffic_unfused_bytes_per_sample for kernel in kernels)),
        "in+out": _bytes(traffic),
        "FLOP/B": significant(work * model.batch / (weights + traffic * model.batch)) if work else "-",
        "ridge": _batch(model.time.ridge_batch) if model.time else "",
        "time": "unknown" if model.time is None or model.time.kernels_s is None else "100 %",
    }


def _row(cells: Mapping[str, str], columns: Sequence[str]) -> list[str]:
    return [cells[column] for column in columns]


def _table(model: ModelPart, width: int, shown: Sequence[Line]) -> list[str]:
    """Return the table within a width: without the unfused traffic where names would not fit beside it, then names shortened.

    A name gives up its riders first, then its numbers, then its middle.
    """
    longest = max((len(label(line)) for line in shown), default=0)
    for wide in (True, False):
        columns = _columns(model, shown, wide=wide)
        rows = [_row(_cells(line), columns) for line in shown] + [_row(_sums(model), columns)]
        room = width - sum(2 + max(len(row[index]) for row in [columns, *rows]) for index in range(len(columns)))
        if longest <= room:
            break
    names = [*(_fitted(line, max(room, _LEAST_NAME)) for line in shown), _ALL]
    body = [[name, *row] for name, row in zip(names, rows, strict=True)]
    return table([["kernel", *columns], *body], [False, *[True] * len(columns)])


def _fitted(line: Line, room: int) -> str:
    full, riders = label(line), len(line.kernel.operators) - 1
    if len(full) <= room:
        return full
    starred = re.sub(r"\d+(\.\.|,)[\d,]+", "*", line.name)
    for short in (f"{line.name} +{riders}", line.name, starred):
        if len(short) <= room:
            return short
    head = room * 2 // 5
    return f"{starred[:head]}…{starred[head + 1 - room :]}"
