"""Fits the constants that ship: `python benchmarks/calibrate_catalogue.py [--data DIR] [--only PART] [--write]`.

Networks: one fit for all GPUs in TensorRT, then two numbers for each measured chip; intervals come from the residuals of chips,
or sweeps, left out. Runtimes: what frameworks share. Kernels, which stand on the energy of networks: for every chip, operator
(or the one of --operator) and format that the measurements have, on three quarters of the shapes; the residuals beside them
are of the other quarter. A family's constants are fitted to all its chips together; their residuals are those of chips left
out, one by one. All fits begin at priors that no fit writes, so that the same data give the same files. Nothing is written
without --write.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fit_kernels import calibrate_kernels
from fit_networks import calibrate_networks
from fit_runtimes import calibrate_runtimes
from shipped import DATA, SPECS, with_calibrations

from advisor.lab import kernels, tables
from advisor.report.spec import spec_text
from engine import load
from engine.calibration import Calibration


def main() -> None:
    """Fit, print, and write when asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="folder of published measurements")
    parser.add_argument("--only", choices=("kernels", "networks", "runtimes"), help="one of the parts")
    parser.add_argument("--operator", choices=tuple(kernels.CONSTANTS), help="only kernels of this operator; others stay")
    parser.add_argument("--write", action="store_true", help="write specs/calibrations")
    arguments = parser.parse_args()
    catalog = load()
    published = tables.read(arguments.data, catalog)
    changed: dict[str, Calibration] = {}
    only = "kernels" if arguments.operator else arguments.only
    if only in (None, "networks"):
        changed |= calibrate_networks(catalog, published.sweeps, arguments.data)
    if only in (None, "runtimes"):
        changed |= calibrate_runtimes(with_calibrations(catalog, changed), published.sweeps)
    if only in (None, "kernels"):
        groups = kernels.grouped(published.kernels)
        wanted = {key: m for key, m in groups.items() if arguments.operator in (None, key.operator)}
        changed |= calibrate_kernels(with_calibrations(catalog, changed), wanted)
    for name, calibration in changed.items() if arguments.write else ():
        (SPECS / f"{name}.json").write_text(spec_text(calibration), encoding="utf-8")
        print(f"wrote specs/calibrations/{name}.json")


if __name__ == "__main__":
    main()
