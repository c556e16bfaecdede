"""Times of passes and of single kernels: by device events on a GPU, by the wall on a processor."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Final

import torch

from .plan import COMPILE, EAGER

WARM_S: Final = 0.3
MOST: Final = 20_000
LEAST: Final = 5
LEAST_LONG: Final = 3
LONG_S: Final = 0.5
"""Passes of a window at the most and at the least; of passes longer than `LONG_S` fewer do."""
KERNEL_S: Final = 0.01
KERNELS: Final = 200
REPEATS: Final = 5
"""A single kernel runs so long, and so often at the most, in each of some repeats."""

Call = Callable[[], Any]


@dataclass(frozen=True, kw_only=True)
class Window:
    """Passes back to back: the time of each, and the beginning and the end of all by `time.perf_counter` [s]."""

    seconds: list[float]
    start: float
    end: float

    @property
    def mean(self) -> float:
        """Return the time of the window for each pass [s]."""
        return (self.end - self.start) / len(self.seconds)


class Bench:
    """Runs and times on one device. `quick` takes a few passes only."""

    def __init__(self, device: str, *, quick: bool = False) -> None:
        self.device, self.gpu, self.quick = device, device == "cuda", quick

    def wait(self) -> None:
        """Wait until the device has done everything."""
        if self.gpu:
            torch.cuda.synchronize()

    def timed(self, call: Call) -> float:
        """Return the time of a call from an idle device to an idle device [s]."""
        self.wait()
        start = time.perf_counter()
        call()
        self.wait()
        return time.perf_counter() - start

    def warm(self, call: Call) -> float:
        """Run until warm, twice at least; return the time of a pass, several at once [s]."""
        taken = min(self.timed(call), self.timed(call))
        if self.quick:
            return taken
        several = max(1, min(50, int(0.05 / taken)))
        end = time.perf_counter() + WARM_S
        while True:
            taken = self.timed(lambda: [call() for _ in range(several)]) / several
            if time.perf_counter() > end:
                return taken

    def window(self, call: Call, seconds: float) -> Window:
        """Return passes back to back for so long at least; the caller has warmed up."""
        taken = self.warm(call)
        least = 2 if self.quick else LEAST if taken < LONG_S else LEAST_LONG
        number = max(least, min(MOST, int(1.05 * seconds / taken) + 1))
        return self._by_events(call, number) if self.gpu else self._by_wall(call, number)

    def _by_events(self, call: Call, number: int) -> Window:
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(number + 1)]
        self.wait()
        start = time.perf_counter()
        marks[0].record()
        for mark in marks[1:]:
            call()
            mark.record()
        self.wait()
        end = time.perf_counter()
        seconds = [before.elapsed_time(after) / 1e3 for before, after in pairwise(marks)]
        return Window(seconds=seconds, start=start, end=end)

    def _by_wall(self, call: Call, number: int) -> Window:
        start = time.perf_counter()
        seconds = [self.timed(call) for _ in range(number)]
        return Window(seconds=seconds, start=start, end=time.perf_counter())

    def ready(self, module: Any, operands: tuple[Any, ...], mode: str) -> tuple[Call, Call]:
        """Return a pass of a network in a mode, and what gives its results after it."""
        if mode == EAGER:
            return (lambda: module(*operands)), (lambda: module(*operands))
        if mode == COMPILE:
            self.forget()
            compiled = torch.compile(module, mode="reduce-overhead", dynamic=False)
            for _ in range(3):
                compiled(*operands)
            return (lambda: compiled(*operands)), (lambda: compiled(*operands).clone())
        replay, results = self.captured(lambda: module(*operands))

        def again() -> Any:
            replay()
            return results

        return replay, again

    def forget(self) -> None:
        """Forget what was compiled, and the graphs that hold its memory."""
        torch._dynamo.reset()  # noqa: SLF001 - its public name is newer than what this is to run on

    def captured(self, call: Call) -> tuple[Call, Any]:
        """Return the replay of a call as a CUDA graph, and the place of its results. Raises RuntimeError without CUDA."""
        if not self.gpu:
            raise RuntimeError("a CUDA graph needs CUDA")
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                call()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            results = call()
        return graph.replay, results

    def kernel(self, call: Call, *, graph: bool) -> float:
        """Return the time of a kernel that runs again and again [s], in a CUDA graph or as the host issues it."""
        taken = min(self.timed(call) for _ in range(3))
        number = 1 if self.quick else max(1, min(KERNELS, int(KERNEL_S / max(taken, 1e-6))))
        graph = graph and self.gpu

        def several() -> None:
            for _ in range(number):
                call()

        run = self.captured(several)[0] if graph else several
        self.timed(run)
        return median(self._once(run) for _ in range(REPEATS)) / number

    def _once(self, run: Call) -> float:
        if not self.gpu:
            return self.timed(run)
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self.wait()
        first.record()
        run()
        last.record()
        self.wait()
        return first.elapsed_time(last) / 1e3

    def precision(self, dtype: str) -> None:
        """Let products and convolutions of 32 bits use TF32, or forbid it."""
        torch.backends.cuda.matmul.allow_tf32 = dtype == "tf32"
        torch.backends.cudnn.allow_tf32 = dtype == "tf32"

    def free(self) -> None:
        """Give memory back, and begin to look for its most anew."""
        import gc  # noqa: PLC0415 - only here

        gc.collect()
        if self.gpu:
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()


TORCH: Final = {"fp32": torch.float32, "tf32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
