"""A runtime that runs a model: onnxruntime, with so many threads, on the processor or a GPU; and what it tells of itself."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from ..ending import raising
from ..inputs import RequestError

PACKAGES: Final = {"onnxruntime": "onnxruntime", "onnx": "onnx", "psutil": "psutil"}
PROVIDERS: Final[Mapping[str, str]] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""Device -> what onnxruntime calls the part of it that runs there."""

Feeds = Mapping[str, Any]


def need(command: str) -> None:
    """Raise RequestError where a package of the extra lab is missing."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise RequestError(f"{command} needs {' and '.join(missing)}, of the extra lab: pip install 'roofwise[lab]'")


def library() -> Any:
    """Return onnxruntime, told before it is loaded to send its maker nothing, and to keep no number of the machine."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime  # noqa: PLC0415

    return onnxruntime


def check_device(device: str) -> None:
    """Raise RequestError for a device that the installed runtime cannot run on."""
    if PROVIDERS[device] not in library().get_available_providers():
        raise RequestError(f"--device: the installed onnxruntime has no {device}; install onnxruntime-gpu, or use cpu")


def version() -> str:
    """Return the runtime with its version."""
    return f"onnxruntime {library().__version__}"


def open_session(model: bytes | str, threads: int, device: str, profile: str = "") -> Any:
    """Return a session; with `profile`, one that writes what each kernel takes to a file whose name begins so."""
    onnxruntime = library()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, profile
    try:
        return onnxruntime.InferenceSession(model, options, providers=[PROVIDERS[device]])
    except Exception as error:
        what = model if isinstance(model, str) else "a graph of the probe"
        raise RequestError(f"{what}: onnxruntime cannot load it: {_first_line(error)}") from error


def bound(session: Any, feeds: Feeds, device: str) -> Callable[[], None]:
    """Return what runs one pass; operands and results stay where the device has them, so nothing is copied to or from it."""
    ort_value = library().OrtValue
    binding = session.io_binding()
    for name, values in feeds.items():
        binding.bind_ortvalue_input(name, ort_value.ortvalue_from_numpy(values, device, 0))
    for result in session.get_outputs():
        binding.bind_output(result.name, device)

    def run() -> None:
        session.run_with_iobinding(binding)
        if device != "cpu":
            binding.synchronize_outputs()

    return run


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """The kernels of one kind in a profile: how many one pass ran, and what they took together [s]."""

    operator: str
    count: int
    seconds: float


def profile(model: str, feeds: Feeds, threads: int, device: str, passes: int) -> Sequence[Kind]:
    """Return the kernels of a pass by kind, the longest first, as the runtime itself times them: the median of some passes."""
    with raising(), tempfile.TemporaryDirectory() as folder:
        session = open_session(model, threads, device, os.path.join(folder, "profile"))  # noqa: PTH118 - a prefix
        run = bound(session, feeds, device)
        for _ in range(passes + 1):
            run()
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return _kinds([event for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")], passes)


def _kinds(events: Sequence[Mapping[str, Any]], passes: int) -> Sequence[Kind]:
    """Return the kernels by kind; the events are those of one pass more, which warmed up."""
    each = len(events) // (passes + 1)
    kinds: dict[str, list[float]] = {}
    for number in range(1, passes + 1):
        for event in events[number * each : (number + 1) * each]:
            times = kinds.setdefault(event["args"]["op_name"], [0.0] * passes + [0.0])
            times[number - 1] += event["dur"] * 1e-6
            times[passes] += 1
    found = [
        Kind(operator=name, count=round(times[passes] / passes), seconds=sorted(times[:passes])[passes // 2])
        for name, times in kinds.items()
    ]
    return sorted(found, key=lambda kind: -kind.seconds)
