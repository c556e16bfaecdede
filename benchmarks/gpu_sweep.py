"""Measures networks and single kernels on a GPU of NVIDIA, as records in the project's schema; PyTorch is all that it needs.

    python benchmarks/gpu_sweep.py --out build/gpu --minutes 9
    python benchmarks/gpu_sweep.py --out build/gpu --minutes 4             # goes on where it was
    python benchmarks/gpu_sweep.py --out build/dry --device cpu --quick    # tries the script; measures nothing
    python benchmarks/gpu_sweep.py --check                                 # counts parameters and arithmetic, in no memory

The most valuable comes first: micro-measurements, then ResNet-18 and ResNet-50 in fp32 and fp16, then BERT, GPT-2, ViT and
MobileNet, other precisions and modes (`--list`). Every batch is written as soon as it is measured, a batch that runs out of
memory is noted and left out, and the time that is left is asked between batches.

OUT/records has the records, OUT/micro the tables of single kernels, which `advise calibrate` and `advise accuracy --data` read,
and OUT/micro.json everything else. Clocks and power limits are read, never set.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gpu import plan, power, records
from gpu.state import State, StateError, short, write

GRACE_S: Final = 45.0
"""So long after the end of its time a run that hangs is ended."""
CHECKED: Final = 2
"""Samples of the check of results."""


class Broken(RuntimeError):  # noqa: N818 - it ends the run, and the next one goes on
    """The device answers no more."""


class Sweep:
    """A run: what is measured on which device, into which folder, within which time."""

    def __init__(self, asked: argparse.Namespace) -> None:
        import torch  # noqa: PLC0415 - the plan and the records are used without it
        from gpu.timing import Bench  # noqa: PLC0415 - the same

        self.torch, self.asked, self.out = torch, asked, asked.out
        self.budget = plan.Budget(seconds=60.0 * asked.minutes)
        self.bench = Bench(asked.device, quick=asked.quick)
        self.board = torch.cuda.get_device_properties(0) if self.bench.gpu else None
        self.meter = power.Meter(str(getattr(self.board, "uuid", "")), wanted=self.bench.gpu)
        self.facts = self._facts()
        self.state = State(self.out / "state.json", {name: self.facts[name] for name in ("hardware", "board", "software")})
        self.seconds, self.longest = (0.05, math.inf) if asked.quick else (asked.seconds, plan.LONGEST_S)
        torch.backends.cudnn.benchmark = True
        torch.set_grad_enabled(False)

    def _facts(self) -> dict[str, Any]:
        """Return what every record says of chip, driver and software."""
        torch, asked = self.torch, self.asked
        board, memory, chip = "no GPU", "", records.DRY
        if self.board:
            name, units = self.board.name, self.board.multi_processor_count
            board = f"{name}, {units} SM"
            memory = f", {self.board.total_memory:,} B, driver {self.meter.driver or 'unknown'}"
            chip = records.DRY if asked.quick else asked.hardware or records.chip_of(name, units)
        if chip is None:
            raise SystemExit(f"no chip of the catalogue is known as {board!r}; name one with --hardware")
        host = f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"
        versions = [f"PyTorch {torch.__version__}"]
        if self.board:
            versions += [f"CUDA {torch.version.cuda}", f"cuDNN {torch.backends.cudnn.version()}"]
        return {
            "device": asked.device, "dry": asked.quick, "hardware": chip, "board": board,
            "machine": f"{board}{memory}; {host}, Python {platform.python_version()}", "software": ", ".join(versions),
            "threads": torch.get_num_threads(), "seconds": 0.0 if asked.quick else asked.seconds, "by": asked.by,
            "meter": self.meter.source,
        }  # fmt: skip

    # Micro-measurements.

    def micro(self) -> None:
        """Measure the parts that are not done, as far as the time goes."""
        from gpu.micro import Micro  # noqa: PLC0415 - needs torch

        done = self.state.data["micro"]
        tried = self.state.data.setdefault("tried", {})
        framework = f"pytorch-{self.torch.__version__}"
        parts = Micro(self.bench, self.meter, self.facts["hardware"], framework, self.seconds).parts()
        for name, part in parts.items():
            if name in done or not self.budget.allows(plan.OVERHEAD_S) or not self.state.attempt({"tried": tried}, name):
                continue
            began = time.perf_counter()
            try:
                done[name] = part()
            except Exception as error:  # noqa: BLE001 - a part that fails is noted, the others go on
                self._alive()
                done[name] = {"failed": short(error)}
            done[name]["took_s"] = round(time.perf_counter() - began, 2)
            self.bench.free()
            self._write_micro()
            say(f"micro {name}: {told(done[name])}")

    def _write_micro(self) -> None:
        self.state.save()
        done = self.state.data["micro"]
        kept = {name: {key: value for key, value in part.items() if key != "tables"} for name, part in done.items()}
        about = {name: self.facts[name] for name in ("hardware", "machine", "software", "by", "meter")}
        dry = {"dry_run": True} if self.facts["dry"] else {}
        write(self.out / "micro.json", json.dumps({**dry, **about, "date": today(), "parts": kept}, indent=1) + "\n")
        for name, text in records.tables(done).items():
            write(self.out / "micro" / f"{name}.csv", text)

    # Networks.

    def networks(self, jobs: Sequence[plan.Job]) -> int:
        """Measure what is left, as far as the time goes; return how many sweeps are left."""
        left = 0
        for job in jobs:
            name = job.id(self.facts["hardware"])
            if self.state.left(name, job.batches) and self._fits(job, name, job.batches[0]):
                self._job(job, name)
            known = self.state.job(name)
            known["done"] = not self.state.left(name, job.batches)
            left += not known["done"]
        self.state.save()
        return left

    def _fits(self, job: plan.Job, name: str, batch: int) -> bool:
        """Return whether the time that is left is enough for a batch."""
        expected = plan.forecast(self.state.seconds(name), batch)
        return expected > self.longest or self.budget.allows(plan.needed(job, self.seconds, expected))

    def _job(self, job: plan.Job, name: str) -> None:
        """Measure the batches of a sweep that are left; the network is made once."""
        known = self.state.job(name)
        known.setdefault("date", today())
        known["machines"] = [*dict.fromkeys([*known.get("machines", []), self.facts["machine"]])]
        self.bench.free()
        self.bench.precision(job.dtype)
        try:
            module, layout = self._made(job, known)
        except Exception as error:  # noqa: BLE001 - a network that cannot be made is noted, the others go on
            self._alive()
            known["skipped"] |= {str(batch): short(error) for batch in self.state.left(name, job.batches)}
            self.state.save()
            say(f"{name}: {short(error)}")
            return
        known["channels_last"] = layout
        for batch in self.state.left(name, job.batches):
            if not self._fits(job, name, batch):
                break
            self._batch(job, name, module, batch, layout)
            self._write(job, known)
        del module
        if job.mode == plan.COMPILE:
            self.bench.forget()
        self.bench.free()

    def _made(self, job: plan.Job, known: dict[str, Any]) -> tuple[Any, bool]:
        """Return the network in its precision, and whether its channels are last; its results are checked once."""
        from gpu import networks  # noqa: PLC0415 - needs torch
        from gpu.timing import TORCH  # noqa: PLC0415 - the same

        module = networks.make(job.about, self.asked.device)
        dtype = TORCH[job.dtype]
        layout = job.about.workload in networks.CONVOLUTIONAL and job.dtype != "fp32"
        operands = networks.inputs(job.about, CHECKED, self.asked.device)
        reference = None
        if "value" not in known["error"]:
            reference = self._reference(module, operands, job.dtype)
        module = module.to(dtype)
        module = module.to(memory_format=self.torch.channels_last) if layout else module
        if reference is not None:
            self.bench.precision(job.dtype)
            found = module(*networks.cast(operands, dtype, channels_last=layout))
            against = "float64" if job.dtype == "fp32" else "fp32 without TF32"
            known["error"] |= {"value": distance(found, reference), "against": against}
            self.state.save()
        return module, layout

    def _reference(self, module: Any, operands: tuple[Any, ...], dtype: str) -> Any:
        """Return the results of the same weights in fp32 without TF32, in float64 where fp32 itself is checked."""
        from gpu import networks  # noqa: PLC0415 - needs torch

        self.bench.precision("fp32")
        if dtype != "fp32":
            return module(*networks.cast(operands, self.torch.float32))
        found = module.double()(*networks.cast(operands, self.torch.float64))
        module.float()
        return found

    def _batch(self, job: plan.Job, name: str, module: Any, batch: int, layout: bool) -> None:
        """Measure one batch, or note why it is left out."""
        known, key = self.state.job(name), str(batch)
        expected = plan.forecast(self.state.seconds(name), batch)
        if expected > self.longest:
            known["skipped"][key] = f"a pass is expected to take up to {expected:.1f} s"
            return
        if not self.state.attempt(known, key):
            known["skipped"][key] = "it did not come back in earlier runs"
            return
        try:
            known["points"][key] = self._point(job, known, module, batch, layout)
            say(f"{name} batch {batch}: {told(known['points'][key])}")
        except self.torch.cuda.OutOfMemoryError:
            known["skipped"][key] = "out of memory"
            say(f"{name} batch {batch}: out of memory")
        except Exception as error:  # noqa: BLE001 - a batch that fails is noted, the others go on
            known["skipped"][key] = short(error)
            say(f"{name} batch {batch}: {short(error)}")
            self._alive()
        self.bench.free()

    def _point(self, job: plan.Job, known: dict[str, Any], module: Any, batch: int, layout: bool) -> dict[str, Any]:
        from gpu import networks  # noqa: PLC0415 - needs torch
        from gpu.timing import TORCH  # noqa: PLC0415 - the same

        dtype = TORCH[job.dtype]
        operands = networks.inputs(job.about, batch, self.asked.device, dtype)
        operands = networks.cast(operands, dtype, channels_last=layout)
        self.bench.free()
        call, results = self.bench.ready(module, operands, job.mode)
        if job.mode != plan.EAGER and "mode" not in known["error"]:
            known["error"]["mode"] = distance(results(), module(*operands))
        cores = power.Cores()
        window = self.bench.window(call, self.seconds)
        load = cores.taken()
        board = self.meter.between(window.start, window.end)
        memory = self.torch.cuda.max_memory_allocated() if self.bench.gpu else None
        return records.statistics(window.seconds) | {
            "throughput_per_s": batch / window.mean, "watts": board.watts, "power_from": board.how, "memory_bytes": memory,
            "sm_mhz": board.sm_mhz, "sm_mhz_least": board.sm_mhz_least, "memory_mhz": board.memory_mhz,
            "celsius": board.celsius, "load": load, "alone": self.meter.alone,
        }  # fmt: skip

    def _write(self, job: plan.Job, known: dict[str, Any]) -> None:
        self.state.save()
        if known["points"]:
            spec = records.record(job, known, self.facts)
            write(self.out / "records" / f"{spec['id']}.json", records.text_of(spec))

    def _alive(self) -> None:
        """Raise Broken where the device answers no more, so that what is left is not noted as failed."""
        try:
            self.bench.free()
            self.torch.ones(1, device=self.asked.device).sum().item()
        except Exception as error:
            self.state.save()
            raise Broken("the device answers no more; run again to go on") from error


def distance(found: Any, reference: Any) -> float:
    """Return the relative distance (L2) of results; infinite where one is not finite."""
    one, two = found.double(), reference.double()
    value = float((one - two).norm() / two.norm())
    return value if math.isfinite(value) else records.NOT_FINITE


def today() -> str:
    """Return the date."""
    return datetime.now(tz=UTC).date().isoformat()


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def told(found: dict[str, Any]) -> str:
    """Return what was found in a line."""
    if "median_s" in found:
        watts = f", {found['watts']:.0f} W" if found.get("watts") else ""
        return f"{1e3 * found['median_s']:.4g} ms, {found['throughput_per_s']:.4g}/s{watts}"
    counted = {name: len(rows) for name, rows in found.get("tables", {}).items()}
    plain = {name: value for name, value in found.items() if isinstance(value, int | float | str)}
    return json.dumps(plain | counted | found.get("sustained", {}))[:300]


def processor() -> str:
    """Return what the host's processor is called."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    return platform.machine()


def ended_by_force(seconds: float, meter: power.Meter) -> threading.Timer:
    """Return a timer that ends the process, for a device that hangs: what was measured is on the disk."""

    def end() -> None:
        meter.close()
        print("out of time within a batch; run again to go on", file=sys.stderr, flush=True)
        os._exit(3)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return timer


def listed(jobs: Sequence[plan.Job], hardware: str) -> Iterator[str]:
    """Yield the order of the sweeps."""
    for number, job in enumerate(jobs, start=1):
        yield f"{number:4} {job.id(hardware)}  batches {', '.join(map(str, job.batches))}"


def checked() -> int:
    """Print parameters and arithmetic of every network beside those of the catalogue; return 1 where they differ."""
    from gpu.networks import counts  # noqa: PLC0415 - needs torch

    wrong = 0
    for name, mine, expected, work, its in counts():
        same = mine == expected and abs(work / its - 1) < 1e-9  # noqa: PLR2004 - both are whole numbers
        wrong += not same
        print(f"{name:22} {mine:>15,} parameters, {work:.6g} FLOP{'' if same else f'; NOT {expected:,} and {its:.6g}'}")
    return int(wrong > 0)


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/gpu"), help="folder of state, records and tables")
    parser.add_argument("--minutes", type=float, default=9.0, help="time of this run")
    parser.add_argument("--seconds", type=float, default=2.0, help="least time of the window of a batch")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="a dry run: few batches, few passes")
    parser.add_argument("--hardware", default="", help="id of the chip, where its name does not decide it")
    parser.add_argument("--by", default="Roofwise", help="who measures")
    parser.add_argument("--networks", nargs="*", default=[], choices=[*plan.NETWORKS], metavar="NAME")
    parser.add_argument("--dtypes", nargs="*", default=[], choices=plan.DTYPES)
    parser.add_argument("--modes", nargs="*", default=[], choices=plan.MODES)
    parser.add_argument("--no-micro", action="store_true", help="leave micro-measurements out")
    parser.add_argument("--list", action="store_true", help="print the order of the sweeps, and end")
    parser.add_argument("--check", action="store_true", help="count parameters and arithmetic of the networks, and end")
    asked = parser.parse_args()
    if asked.device == "cpu" and not asked.quick:
        parser.error("--device cpu is a dry run only: say --quick")
    if asked.quick and asked.hardware:
        parser.error("--quick measures no chip: it takes no --hardware")
    return asked


def main() -> int:
    """Run what is left, and print a table; return 0 also where time ended first."""
    asked = arguments()
    every = plan.quick_jobs(gpu=asked.device == "cuda") if asked.quick else plan.jobs()
    jobs = list(plan.chosen(every, asked.networks, asked.dtypes, asked.modes))
    if asked.list:
        print("\n".join(listed(jobs, asked.hardware or "CHIP")))
        return 0
    if asked.check:
        return checked()
    try:
        sweep = Sweep(asked)
    except StateError as error:
        raise SystemExit(str(error)) from error
    timer = ended_by_force(sweep.budget.left + GRACE_S, sweep.meter)
    say(f"{sweep.facts['machine']}; {sweep.facts['software']}; power by {sweep.facts['meter']}")
    status, left = 0, 0
    try:
        if not asked.no_micro:
            sweep.micro()
        left = sweep.networks(jobs)
    except Broken as error:
        say(str(error))
        status = 2
    print(f"\n{records.summary(sweep.state.data['jobs'].items())}")
    print(f"\n{left} of {len(jobs)} sweeps are left or not finished; run again to go on" if left else "\nall sweeps are done")
    sweep.meter.close()
    timer.cancel()
    return status


if __name__ == "__main__":
    sys.exit(main())
