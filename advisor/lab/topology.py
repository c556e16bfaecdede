"""The machine that this runs on: its processor, cores, caches, memory and power, as far as the system tells."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..inputs import RequestError

_CACHES: Final = Path("/sys/devices/system/cpu/cpu0/cache")
_RAPL: Final = Path("/sys/class/powercap/intel-rapl:0")
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True, kw_only=True)
class Topology:
    """A machine. Sizes in B, clock in Hz, power in W; None is what the system does not tell."""

    processor: str
    vendor: str
    cores: int
    logical: int
    last_cache: int | None
    core_cache: int | None
    memory: int
    clock: float | None
    power_limit: float | None


def topology() -> Topology:
    """Return what the system tells of this machine."""
    import psutil  # noqa: PLC0415

    logical = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = min(psutil.cpu_count(logical=False) or logical, logical)
    caches = _caches()
    return Topology(
        processor=_processor(), vendor=_vendor(), cores=cores, logical=logical, last_cache=caches.get(max(caches, default=0)),
        core_cache=caches.get(2) if max(caches, default=0) > 2 else None,  # noqa: PLR2004 - the second level of three
        memory=psutil.virtual_memory().total, clock=_clock(), power_limit=_watts(),
    )  # fmt: skip


def gpu_topology() -> Topology:
    """Return what NVIDIA's driver tells of the first GPU. Raises RequestError where there is no driver."""
    told = _told("nvidia-smi", "--query-gpu=name,memory.total,power.limit,clocks.max.sm", "--format=csv,noheader,nounits")
    if not told:
        raise RequestError("--device: nvidia-smi tells of no GPU; install NVIDIA's driver, or use cpu")
    return gpu_of(told.splitlines()[0])


def gpu_of(line: str) -> Topology:
    """Return a GPU as a line of nvidia-smi has it: name, MiB, W, MHz; what is no number is unknown.

    >>> gpu_of("NVIDIA L4, 23034, 72.00, 2040").power_limit
    72.0
    """
    name, *cells = (cell.strip() for cell in line.split(","))
    memory, watts, clock = (float(cell) if re.fullmatch(r"[0-9.]+", cell) else None for cell in cells)
    return Topology(
        processor=name, vendor="NVIDIA", cores=1, logical=1, last_cache=None, core_cache=None,
        memory=int((memory or 0) * 2**20), clock=None if clock is None else clock * 1e6, power_limit=watts,
    )  # fmt: skip


def _clock() -> float | None:
    """Return the highest clock [Hz], where the system knows one."""
    import psutil  # noqa: PLC0415

    try:
        frequency = psutil.cpu_freq()
    except (OSError, NotImplementedError, RuntimeError):
        return None
    most = 0.0 if frequency is None else float(frequency.max)
    return most * 1e6 if most > 0 else None


def _caches() -> dict[int, int]:
    """Return the bytes of the data caches that one core sees, by level."""
    found: dict[int, int] = {}
    for index in sorted(_CACHES.glob("index*")) if _CACHES.is_dir() else []:
        kind, level, size = (_text(index / name) for name in ("type", "level", "size"))
        if kind in ("Data", "Unified") and level.isdigit() and size:
            found[int(level)] = size_of(size)
    return found or _mac_caches()


def _mac_caches() -> dict[int, int]:
    if platform.system() != "Darwin":
        return {}
    sizes = {1: "hw.perflevel0.l1dcachesize", 2: "hw.perflevel0.l2cachesize"}
    return {level: int(text) for level, name in sizes.items() if (text := _told("sysctl", "-n", name)).isdigit() and int(text)}


def size_of(text: str) -> int:
    """Return the bytes of a size as Linux writes it.

    >>> size_of("32768K")
    33554432
    """
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    return int(match[1]) * _UNITS[match[2]] if match else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _told(*command: str) -> str:
    """Return what a command of the system prints, or nothing."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""


def _cpuinfo(field: str) -> str:
    match = re.search(rf"^{field}\s*:\s*(.+)$", _text(Path("/proc/cpuinfo")), re.MULTILINE)
    return match[1].strip() if match else ""


def _processor() -> str:
    mac = _told("sysctl", "-n", "machdep.cpu.brand_string") if platform.system() == "Darwin" else ""
    return _cpuinfo("model name") or mac or platform.processor() or platform.machine() or "a processor"


def _vendor() -> str:
    known = {"AuthenticAMD": "AMD", "GenuineIntel": "Intel"}
    vendor = _cpuinfo("vendor_id")
    return known.get(vendor, vendor) or ("Apple" if platform.system() == "Darwin" else "unknown")


def gpu_watts() -> float | None:
    """Return what the first GPU draws now [W], or None where the driver does not tell."""
    text = _told("nvidia-smi", "--query-gpu=power.draw", "--format=csv,noheader,nounits").partition("\n")[0].strip()
    return float(text) if re.fullmatch(r"[0-9.]+", text) else None


def _watts() -> float | None:
    """Return the power limit of the package [W], where the processor tells one (RAPL)."""
    text = _text(_RAPL / "constraint_0_power_limit_uw")
    return int(text) * 1e-6 if text.isdigit() and int(text) > 0 else None


class Meter:
    """Reads the energy of the processor's package, where the system lets anybody read it (RAPL)."""

    def __init__(self) -> None:
        self._start = self._read()

    def _read(self) -> int | None:
        text = _text(_RAPL / "energy_uj")
        return int(text) if text.isdigit() else None

    def joules(self) -> float | None:
        """Return the energy since the start [J], or None where it cannot be read, or the counter began anew."""
        end = self._read()
        known = self._start is not None and end is not None and end >= self._start
        return (end - self._start) * 1e-6 if known and end is not None and self._start is not None else None
