"""Power, clocks and temperature of the board, read beside the work: through NVML, else nvidia-smi, else not at all.

Nothing is ever set: neither clocks nor power limits.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import Any, Final

PERIOD_S: Final = 0.05
AVERAGED_S: Final = 1.0
"""A board may report the mean of its last second, so that samples of a window's first second are of what was before it."""
QUERY: Final = "power.draw,clocks.sm,clocks.mem,temperature.gpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the board said at a time [s]: power [W], counted energy [J], clocks [MHz], temperature [C]; None is unknown."""

    at: float
    watts: float | None = None
    joules: float | None = None
    sm_mhz: float | None = None
    memory_mhz: float | None = None
    celsius: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the board did over a window; `how` says what its power is."""

    watts: float | None = None
    how: str = ""
    sm_mhz: float | None = None
    sm_mhz_least: float | None = None
    memory_mhz: float | None = None
    celsius: float | None = None


def reading(samples: Sequence[Sample], start: float, end: float) -> Reading:
    """Return what samples say of a window: power by the energy counter where it moved enough, else the mean of samples.

    >>> reading([Sample(at=0.0, joules=0.0), Sample(at=1.0, joules=300.0), Sample(at=2.0, joules=600.0)], 0.0, 2.0).watts
    300.0
    """
    inside = [sample for sample in samples if start <= sample.at <= end]
    watts, how = _counted(inside, end - start)
    if watts is None:
        watts, how = _averaged(inside, start, end)
    sm = [sample.sm_mhz for sample in inside if sample.sm_mhz is not None]
    memory = [sample.memory_mhz for sample in inside if sample.memory_mhz is not None]
    heat = [sample.celsius for sample in inside if sample.celsius is not None]
    return Reading(
        watts=watts, how=how, sm_mhz=median(sm) if sm else None, sm_mhz_least=min(sm, default=None),
        memory_mhz=median(memory) if memory else None, celsius=max(heat, default=None),
    )  # fmt: skip


def _counted(inside: Sequence[Sample], length: float) -> tuple[float | None, str]:
    """Return the power between the first and the last step of the energy counter, which moves in steps."""
    known = [(sample.at, sample.joules) for sample in inside if sample.joules is not None]
    steps = [after for before, after in pairwise(known) if after[1] != before[1]]
    steps = [*known[:1], *steps] if len(steps) == 1 else steps
    if len(steps) < 2 or steps[-1][0] - steps[0][0] < 0.5 * length:  # noqa: PLR2004 - two ends of a span
        return None, ""
    return (steps[-1][1] - steps[0][1]) / (steps[-1][0] - steps[0][0]), "energy counter of the board"


def _averaged(inside: Sequence[Sample], start: float, end: float) -> tuple[float | None, str]:
    settled = start + min(AVERAGED_S, 0.5 * (end - start))
    watts = [sample.watts for sample in inside if sample.watts is not None and sample.at >= settled]
    return (fmean(watts), f"mean of {len(watts)} samples") if watts else (None, "")


class Meter:
    """Reads the board in a thread until it is closed. `source` says through what: NVML, nvidia-smi, or nothing."""

    def __init__(self, uuid: str = "", *, wanted: bool = True) -> None:
        self.samples: list[Sample] = []
        self.source, self.driver, self.alone = "none", "", True
        self._ended = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        if wanted and not self._by_nvml(uuid):
            self._by_command(uuid)

    def between(self, start: float, end: float) -> Reading:
        """Return what the board did between two times of `time.perf_counter`; older samples are forgotten."""
        found = reading(list(self.samples), start, end)
        self.samples = [sample for sample in list(self.samples) if sample.at >= start]
        return found

    def close(self) -> None:
        """Stop reading."""
        self._ended.set()
        if self._process is not None:
            self._process.terminate()

    def _start(self, target: Callable[[], None]) -> None:
        threading.Thread(target=target, daemon=True).start()

    def _by_nvml(self, uuid: str) -> bool:
        try:
            import pynvml  # noqa: PLC0415 - it may be absent

            pynvml.nvmlInit()
            handle = _handle(pynvml, uuid)
            pynvml.nvmlDeviceGetPowerUsage(handle)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, there is another way
            return False
        self.source, self.driver = "NVML", _text(pynvml.nvmlSystemGetDriverVersion())
        with contextlib.suppress(Exception):
            self.alone = len(pynvml.nvmlDeviceGetComputeRunningProcesses(handle)) <= 1
        self._start(lambda: self._read_nvml(pynvml, handle))
        return True

    def _read_nvml(self, nvml: Any, handle: Any) -> None:
        def ask(function: Callable[..., Any], *arguments: Any) -> float | None:
            try:
                return float(function(handle, *arguments))
            except Exception:  # noqa: BLE001 - a figure that this board does not tell
                return None

        while not self._ended.wait(PERIOD_S):
            power, energy = ask(nvml.nvmlDeviceGetPowerUsage), ask(nvml.nvmlDeviceGetTotalEnergyConsumption)
            at = time.perf_counter()
            self.samples.append(
                Sample(
                    at=at, watts=None if power is None else power / 1e3, joules=None if energy is None else energy / 1e3,
                    sm_mhz=ask(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_SM),
                    memory_mhz=ask(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_MEM),
                    celsius=ask(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
                )
            )  # fmt: skip

    def _by_command(self, uuid: str) -> None:
        tool = shutil.which("nvidia-smi")
        if tool is None:
            return
        which = [f"--id={_full(uuid)}"] if uuid else []
        plain = [tool, *which, "--format=csv,noheader,nounits"]
        try:
            told = subprocess.run(  # noqa: S603 - the tool that was found, with arguments of ours
                [*plain, "--query-gpu=driver_version"], capture_output=True, text=True, timeout=30, check=True
            )
            self._process = subprocess.Popen(  # noqa: S603 - the same
                [*plain, f"--query-gpu={QUERY}", "-lms", "50"], stdout=subprocess.PIPE, text=True
            )
        except (OSError, subprocess.SubprocessError):
            return
        self.source, self.driver = "nvidia-smi", told.stdout.split("\n")[0].strip()
        self._start(self._read_command)

    def _read_command(self) -> None:
        for line in (self._process and self._process.stdout) or ():
            sample = parsed(line, time.perf_counter())
            if sample is not None:
                self.samples.append(sample)


def parsed(line: str, at: float) -> Sample | None:
    """Return what a line of nvidia-smi says, None where it is no line of figures.

    >>> parsed("312.50, 1980, 2619, [N/A]", 0.0)
    Sample(at=0.0, watts=312.5, joules=None, sm_mhz=1980.0, memory_mhz=2619.0, celsius=None)
    """
    cells = line.split(",")
    if len(cells) != len(QUERY.split(",")):
        return None
    watts, sm, memory, heat = map(_number, cells)
    return Sample(at=at, watts=watts, sm_mhz=sm, memory_mhz=memory, celsius=heat)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _full(uuid: str) -> str:
    return uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _handle(nvml: Any, uuid: str) -> Any:
    """Return the handle of a board, the first where its id is not known."""
    if uuid:
        for name in (_full(uuid), _full(uuid).encode()):
            with contextlib.suppress(Exception):
                return nvml.nvmlDeviceGetHandleByUUID(name)
    return nvml.nvmlDeviceGetHandleByIndex(0)


class Cores:
    """How many cores other processes take meanwhile; where the system does not tell, none."""

    def __init__(self) -> None:
        self.start = next(self._read(), None)

    def taken(self) -> float:
        """Return the cores that other processes took since the beginning, on average."""
        now = next(self._read(), None)
        if self.start is None or now is None or now[0] <= self.start[0]:
            return 0.0
        wall, busy, own = (after - before for before, after in zip(self.start, now, strict=True))
        return max(0.0, (busy - own) / wall)

    @staticmethod
    def _read() -> Iterator[tuple[float, float, float]]:
        """Yield wall time, busy time of all cores and own time of the process [s]."""
        with contextlib.suppress(OSError, ValueError, ImportError):
            import os  # noqa: PLC0415 - sysconf is not on every system

            with open("/proc/stat", encoding="ascii") as file:  # noqa: PTH123 - one line of a file of the system
                cells = [int(cell) for cell in file.readline().split()[1:9]]
            busy = (sum(cells) - cells[3] - cells[4]) / os.sysconf("SC_CLK_TCK")
            yield time.monotonic(), busy, time.process_time()
