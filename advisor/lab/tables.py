"""Reads published measurements: tables recognised by their columns, measurement specs, and folders of both."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from engine.catalog import Catalog, load_document
from engine.documents import read_file
from engine.errors import SpecError, closest
from engine.measurement import Measurement

from .. import validation
from . import names, quality
from .points import Array, Kernels, Mask, Operator, Published
from .sheet import SUFFIXES, Sheet, fault, header, sheet
from .sweeps import SWEEP_COLUMNS, of_spec, read_sweeps

_US: Final = 1e-6
_MS: Final = 1e-3
_BINARY: Final = frozenset({"add", "mul", "div", "pow"})
_VECTOR: Final[Mapping[str, Operator]] = {"softmax": "softmax", "ln": "norm"}
_KV_BYTES: Final = {"bfloat16": 2.0, "fp8": 1.0}

Label = tuple[str, ...]
"""The text cells that say what a row's kernel is."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A kind of table: the columns that it must have, and what reads it."""

    name: str
    columns: tuple[str, ...]
    read: Callable[[Sheet, Catalog], Published]


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """What a label means: the operator, and the format or recipe on that chip."""

    operator: Operator
    hardware: str
    format: str
    software: str


def read(path: Path, catalog: Catalog) -> Published:
    """Return what a table, a measurement spec, or a folder of them holds.

    Of a folder, every table that is known and every measurement spec is read. Raises SpecError for a file that is neither, and
    for a cell or a spec that is wrong.
    """
    files = list(files_of(path))
    if not files:
        expected = f"tables ({', '.join(table.name for table in TABLES)}) or measurement specs"
        raise fault(path, 1, "a folder without measurements", expected)
    return sum((_read_file(file, catalog) for file in files), start=Published())


def files_of(path: Path) -> Iterator[Path]:
    """Yield the files of a folder that `read` knows, in order; a path that is no folder is yielded as it is."""
    if not os.path.isdir(path):  # noqa: PTH112 - any text is a path here
        yield path
        return
    for file in sorted(path.rglob("*")):
        if file.name.endswith(SUFFIXES):
            known = table_of(header(file)) is not None
        else:
            known = file.suffix == ".json" and validation.model_of(read_file(file))[0] is Measurement
        if known:
            yield file


def _read_file(path: Path, catalog: Catalog) -> Published:
    if path.suffix == ".json":
        return of_spec(_spec(path), catalog)
    names_found = header(path)
    table = table_of(names_found)
    if table is None:
        raise _unknown(path, names_found)
    return table.read(sheet(path), catalog)


def _spec(path: Path) -> Measurement:
    document = read_file(path)
    record, faults = load_document(document, Measurement)
    if record is None:
        raise SpecError(faults)
    return record


def table_of(columns: tuple[str, ...]) -> Table | None:
    """Return the kind of table that has these columns, or None."""
    return next((table for table in TABLES if set(table.columns) <= set(columns)), None)


def _unknown(path: Path, columns: tuple[str, ...]) -> SpecError:
    """Return the error for a table of no known kind; it says what the nearest kind misses."""
    nearest = min(TABLES, key=lambda table: len(set(table.columns) - set(columns)) / len(table.columns))
    missing = [name for name in nearest.columns if name not in columns]
    near = [f"{name} (is it {found}?)" if (found := closest(name, columns)) else name for name in missing]
    kinds = "; ".join(f"{table.name}: {', '.join(table.columns)}" for table in TABLES)
    shown = ", ".join(columns)[:200] or "nothing"
    return fault(
        path, 1, f"columns {shown}", f"those of a known table; {nearest.name} misses {', '.join(near)}. Known: {kinds}"
    )


# Tables of kernels.


def _kernels(
    table: Sheet,
    label_columns: tuple[str, ...],
    kind_of: Callable[[Label], _Kind | str],
    columns: Callable[[Operator, Label], Mapping[str, Array]],
    seconds: Array,
) -> Published:
    """Return the kernels of a table. `kind_of` says what a label means, or why it is outside."""
    index: dict[Label, int] = {}
    labels = zip(*(table.columns[name] for name in label_columns), strict=True)
    codes = np.fromiter((index.setdefault(label, len(index)) for label in labels), dtype=np.int64, count=table.rows)
    kept: list[Kernels] = []
    dropped: Counter[str] = Counter()
    outside: Counter[str] = Counter()
    for label, code in index.items():
        rows: Mask = codes == code
        kind = kind_of(label)
        if isinstance(kind, str):
            outside[kind] += int(rows.sum())
            continue
        every = {name: np.broadcast_to(column, rows.shape)[rows] for name, column in columns(kind.operator, label).items()}
        measured = Kernels(
            operator=kind.operator, hardware=kind.hardware, format=kind.format, software=kind.software, columns=every,
            seconds=seconds[rows],
        )  # fmt: skip
        good, counts = quality.kernels(measured)
        kept.append(good)
        dropped += counts
    return Published(kernels=tuple(kept), rows_read=table.rows, dropped=dropped, outside=outside)


def _on_chip(catalog: Catalog) -> Callable[[str, str | None, Operator, str], _Kind | str]:
    """Return what makes the kind of a chip's published name, a recipe, an operator and a software, or the reason outside."""
    chips = names.chips(catalog)

    def kind(chip: str, recipe: str | None, operator: Operator, software: str) -> _Kind | str:
        hardware = names.chip_of(chip, chips)
        if hardware is None:
            return "chip"
        if recipe is None or names.peak_dtype(recipe) not in catalog.accelerators[hardware].peak_dense:
            return "format"
        return _Kind(operator=operator, hardware=hardware, format=recipe, software=software)

    return kind


def _size(table: Sheet, column: str) -> Array:
    return table.numbers(column, least=1, whole=True)


def _gemm(table: Sheet, catalog: Catalog) -> Published:
    kind = _on_chip(catalog)
    sizes = {"rows": _size(table, "m"), "columns": _size(table, "n"), "contraction": _size(table, "k"), "groups": np.ones(1)}
    return _kernels(
        table, ("chip", "dtype", "framework"),
        lambda label: kind(label[0], names.RECIPES.get(label[1]), "gemm", label[2]),
        lambda _operator, _label: sizes,
        table.numbers("latency_us") * _US,
    )  # fmt: skip


def _attention(table: Sheet, catalog: Catalog) -> Published:
    """Return attention; a prefill of one token stays one, its context 0, and a decode step has `step` tokens of context."""
    kind = _on_chip(catalog)
    heads, given = _size(table, "num_heads"), table.numbers("num_key_value_heads", least=0, whole=True)
    sizes = {
        "batch": _size(table, "batch_size"), "tokens": _size(table, "isl"),
        "context": table.numbers("step", least=0, whole=True), "heads": heads,
        "kv_heads": np.where(given > 0, given, heads), "head_dim": _size(table, "head_dim"),
    }  # fmt: skip
    operators: Mapping[str, Operator] = {"context": "prefill", "generation": "decode"}

    def kind_of(label: Label) -> _Kind | str:
        chip, framework, phase, cache = label
        known = phase in operators and cache in _KV_BYTES
        return kind(chip, "bf16", operators[phase], framework) if known else "format"

    return _kernels(
        table, ("chip", "framework", "phase", "kv_cache_dtype"), kind_of,
        lambda _operator, label: sizes | {"kv_bytes": np.array([_KV_BYTES[label[3]]])},
        table.numbers("latency_us") * _US,
    )  # fmt: skip


def _matmul(table: Sheet, catalog: Catalog) -> Published:
    """Return products; a linear layer folds its batch into the rows, a batched product has one group for each of the batch."""
    kind = _on_chip(catalog)
    batch, rows = _size(table, "B"), _size(table, "M")
    inner = {"columns": _size(table, "N_out"), "contraction": _size(table, "K_contract")}

    def columns(_operator: Operator, label: Label) -> Mapping[str, Array]:
        folded = label[1] == "linear"
        return {"rows": rows * batch if folded else rows, **inner, "groups": np.ones(1) if folded else batch}

    known = ("linear", "bmm")
    return _kernels(
        table, ("device", "op"),
        lambda label: kind(label[0], "fp32" if label[1] in known else None, "gemm", "eager"),
        columns, table.numbers("latency_ms") * _MS,
    )  # fmt: skip


def _vector(table: Sheet, catalog: Catalog) -> Published:
    """Return vector operators; those on two operands move three fp32 numbers for each element, those on one two."""
    kind = _on_chip(catalog)
    sizes = {"rows": _size(table, "rows"), "width": _size(table, "cols")}
    return _kernels(
        table, ("device", "op"),
        lambda label: kind(label[0], "fp32", _VECTOR.get(label[1], "elementwise"), "eager"),
        lambda _operator, label: sizes | {"bytes_per_element": np.array([12.0 if label[1] in _BINARY else 8.0])},
        table.numbers("latency_ms") * _MS,
    )  # fmt: skip


def _conv(table: Sheet, catalog: Catalog) -> Published:
    """Return convolutions of a library that tries algorithms; the rows of a chip are in the order of their measurement."""
    kind = _on_chip(catalog)
    given = {"batch": "B", "in_channels": "in_ch", "out_channels": "out_ch", "kernel": "ksize", "height": "in_hw"}
    sizes = {name: _size(table, column) for name, column in given.items()}
    sizes |= {"stride": _size(table, "stride"), "padding": table.numbers("pad", least=0, whole=True)}
    sizes |= {"tried": _before(table.columns["device"])}
    return _kernels(
        table, ("device",), lambda label: kind(label[0], "fp32", "conv", "eager"), lambda _operator, _label: sizes,
        table.numbers("latency_ms") * _MS,
    )  # fmt: skip


def _before(labels: Sequence[str]) -> Array:
    """Return for every row how many rows with its label stand above it.

    >>> _before(["a", "b", "a", "a"])
    array([0., 0., 1., 2.])
    """
    seen: Counter[str] = Counter()
    above = []
    for label in labels:
        above.append(float(seen[label]))
        seen[label] += 1
    return np.array(above)


TABLES: Final = (
    Table(name="matrix products", columns=("chip", "dtype", "framework", "m", "n", "k", "latency_us"), read=_gemm),
    Table(
        name="attention", read=_attention,
        columns=(
            "chip", "framework", "phase", "batch_size", "isl", "step", "num_heads", "num_key_value_heads", "head_dim",
            "kv_cache_dtype", "latency_us",
        ),
    ),
    Table(
        name="fp32 products", columns=("device", "op", "B", "M", "K_contract", "N_out", "latency_ms"), read=_matmul,
    ),
    Table(name="fp32 vectors", columns=("device", "op", "rows", "cols", "latency_ms"), read=_vector),
    Table(
        name="fp32 convolutions", read=_conv,
        columns=("device", "B", "in_ch", "out_ch", "ksize", "in_hw", "stride", "pad", "latency_ms"),
    ),
    Table(name="batch sweeps", columns=SWEEP_COLUMNS, read=read_sweeps),
)  # fmt: skip
"""Every kind of table that is known. Other columns than these may stand beside them."""
