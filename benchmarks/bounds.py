"""Every published measurement against its sound lower bound: `python benchmarks/bounds.py [--data DIR]`.

A table each: rows read, dropped and outside by reason; a line each chip and format: rows that count, the smallest ratio of
measured time to bound, and how many are below 1. Any of those makes it exit with 1.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from advisor.lab import names, quality, tables
from advisor.lab.bounds import kernel_bound, sweep_bound
from advisor.lab.points import Array, Published
from engine import load
from engine.catalog import Catalog

DATA: Final = Path(__file__).resolve().parents[2] / "shared" / "measurements"


def ratios(published: Published, catalog: Catalog) -> Iterator[tuple[tuple[str, str, str], Array]]:
    """Yield what was measured (operator or network runtime, chip, format), and the ratios of measured time to bound."""
    for kernels in published.kernels:
        with np.errstate(divide="ignore"):
            yield (kernels.operator, kernels.hardware, kernels.format), kernels.seconds / kernel_bound(kernels, catalog)
    for sweep in published.sweeps:
        yield (f"{sweep.runtime} network", sweep.hardware, sweep.dtype), sweep.seconds / sweep_bound(sweep, catalog)


def print_table(path: Path, published: Published, catalog: Catalog) -> int:
    """Print what one file holds; return how many of its points are below the bound."""
    print(f"{path.name}: {published.rows_read} rows, {published.rows_kept} count")
    for counts, reasons, word in (
        (published.dropped, quality.REASONS, "dropped"),
        (published.outside, names.OUTSIDE, "outside"),
    ):
        for reason, count in sorted(counts.items(), key=lambda item: -item[1]):
            print(f"  {word} {count:7} {100 * count / published.rows_read:6.2f} %  {reason}: {reasons[reason]}")
    groups: dict[tuple[str, str, str], list[Array]] = defaultdict(list)
    for key, found in ratios(published, catalog):
        groups[key].append(found)
    violations = 0
    for key, parts in sorted(groups.items()):
        every = np.concatenate(parts)
        below = int((every < 1).sum())
        violations += below
        least = f"{every.min():.3f}" if np.isfinite(every.min(initial=np.inf)) else "no bound"
        print(f"  {key[0]:16}{key[1]:26}{key[2]:14}{len(every):7} points  smallest ratio {least:>8}  below {below}")
    return violations


def main() -> int:
    """Print every table; return 1 where a measurement is below its bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="folder of published measurements")
    data = parser.parse_args().data
    if not data.exists():
        print(f"skipped: no published measurements, {data} is not there; name their folder with --data DIR")
        return 0
    catalog = load()
    violations = sum(print_table(file, tables.read(file, catalog), catalog) for file in tables.files_of(data))
    print(f"measurements below their bound: {violations}")
    return int(violations > 0)


if __name__ == "__main__":
    sys.exit(main())
