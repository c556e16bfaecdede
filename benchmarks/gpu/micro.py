"""Micro-measurements: idle power, launches, bandwidth of memory and last-level cache, single kernels of every precision.

Each part is a function that returns what it found: figures, and rows of tables that `advise calibrate` reads (`TABLES` of
`records`). Kernels run hot, again and again: those of 16 bits and less in CUDA graphs, those in fp32 as a framework's host
issues them, as the tables of their kind were measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch.nn import functional

from .power import Meter
from .state import short
from .timing import TORCH, Bench

Found = dict[str, Any]
ROWS: Final = (1, 16, 128, 1024, 8192)
WIDTHS: Final = ((1024, 1024), (4096, 4096), (16384, 4096), (4096, 16384))
SQUARES: Final = (256, 512, 1024, 2048, 4096, 8192, 16384)
SUSTAINED: Final = 8192
NAMES: Final = {"fp16": "float16", "bf16": "bfloat16", "tf32": "tf32", "fp8": "fp8"}
"""Precision -> how tables of matrix products call it."""
VECTORS: Final = tuple((rows, width) for rows in (64, 1024, 16384, 131072) for width in (256, 768, 1024, 4096))
CONVOLUTIONS: Final = (
    (3, 64, 7, 224, 2, 3), (64, 64, 3, 56, 1, 1), (64, 128, 3, 56, 2, 1), (128, 128, 3, 28, 1, 1), (256, 256, 3, 14, 1, 1),
    (512, 512, 3, 7, 1, 1), (64, 256, 1, 56, 1, 0), (256, 64, 1, 56, 1, 0), (512, 128, 1, 28, 1, 0), (1024, 256, 1, 14, 1, 0),
    (512, 2048, 1, 7, 1, 0),
)  # fmt: skip
"""Convolutions of ResNets: channels in and out, kernel, height, stride, padding."""
HEADS: Final = ((12, 64), (16, 64), (32, 128))
MIB: Final = 2**20
INSIDE: Final = 16 * MIB
"""Traffic of a sum up to which its operands certainly stay in the last-level cache."""


class Micro:
    """The parts, on one device, for one chip."""

    def __init__(self, bench: Bench, meter: Meter, chip: str, framework: str, seconds: float) -> None:
        self.bench, self.meter, self.chip, self.framework, self.seconds = bench, meter, chip, framework, seconds
        self.device, self.quick = bench.device, bench.quick

    def parts(self) -> Mapping[str, Callable[[], Found]]:
        """Return the parts by name, in their order."""
        dtypes = ("fp32", "bf16") if self.quick else ("fp32", "fp16", "bf16", "tf32", "fp8")
        return {
            "idle": self.idle, "launch": self.launch, "copy": self.copy, "cache": self.cache,
            **{f"gemm-{dtype}": lambda dtype=dtype: self.gemm(dtype) for dtype in dtypes},
            "vectors": self.vectors, "convolutions": self.convolutions, "attention": self.attention,
        }  # fmt: skip

    def random(self, *shape: int, dtype: Any = torch.float32) -> Any:
        """Return normal random numbers."""
        return torch.randn(shape, device=self.device, dtype=dtype)

    def some(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return all of some values, the first two in a dry run."""
        return values[:2] if self.quick else values

    def idle(self) -> Found:
        """Return the power of the board while a process holds it and does nothing [W]."""
        self.random(1)
        self.bench.wait()
        start = time.perf_counter()
        time.sleep(0.05 if self.quick else 3.0)
        found = self.meter.between(start, time.perf_counter())
        return {"idle_w": found.watts, "power_from": found.how, "sm_mhz": found.sm_mhz, "celsius": found.celsius}

    def launch(self) -> Found:
        """Return the time between the starts of tiny kernels [s], as the host issues them and in a graph."""
        one = self.random(1)
        call = lambda: one.mul_(1.0)  # noqa: E731 - as short as its name
        eager = self.bench.kernel(call, graph=False)
        alone = sorted(self.bench.timed(call) for _ in range(50))[25]
        found = {"eager_s": eager, "alone_s": alone}
        return found | ({"graph_s": self.bench.kernel(call, graph=True)} if self.bench.gpu else {})

    def copy(self) -> Found:
        """Return the bandwidth of copies through memory by size [B/s]; a byte is read and written."""
        sizes = (1, 2) if self.quick else (64, 256, 1024, 4096)
        found = {}
        for size in sizes:
            source = self.random(size * MIB // 4)
            target = torch.empty_like(source)
            seconds = self.bench.kernel(lambda a=source, b=target: b.copy_(a), graph=True)
            found[str(size * MIB)] = 2 * size * MIB / seconds
        return {"bytes_per_s": found, "best_bytes_per_s": max(found.values())}

    def cache(self) -> Found:
        """Return times of sums over arrays in the last-level cache [s], and the bandwidth that their slope gives [B/s].

        The slope is over traffic, a byte read and a byte written, so that what a launch takes does not count.
        """
        found = {}
        for quarters in self.some((4, 8, 16, 24, 32, 48, 64)):
            source = self.random(quarters * MIB // 16)
            target = torch.empty_like(source)
            call = lambda a=source, b=target: torch.add(a, 1.0, out=b)  # noqa: E731
            found[quarters * MIB // 2] = self.bench.kernel(call, graph=True)
        return {
            "seconds": {str(size): taken for size, taken in found.items()},
            "bytes_per_s": slope({size: taken for size, taken in found.items() if size <= INSIDE}),
        }

    def gemm(self, dtype: str) -> Found:
        """Return products over a grid, and one that runs on for some seconds: FLOP/s, power, clock."""
        self.bench.precision(dtype)
        square = [(size, size, size) for size in self.some(SQUARES)]
        grid = [(rows, columns, inner) for rows in self.some(ROWS) for columns, inner in self.some(WIDTHS)]
        rows, skipped = [], {}
        for shape in dict.fromkeys([*grid, *square] if not self.quick else [(64, 64, 64), (1, 128, 128)]):
            try:
                call = self.product(dtype, *shape)
                taken = self.bench.kernel(call, graph=dtype != "fp32")
            except (RuntimeError, ValueError, AttributeError) as error:
                skipped[" x ".join(map(str, shape))] = short(error)
                continue
            rows.append(self.product_row(dtype, *shape, taken))
        table = "gemm-fp32" if dtype == "fp32" else "gemm"
        return {"tables": {table: rows}, "skipped": skipped, "sustained": self.sustained(dtype) if rows else {}}

    def product_row(self, dtype: str, rows: int, columns: int, inner: int, seconds: float) -> Found:
        """Return the row of a product."""
        if dtype == "fp32":
            sizes = {"B": 1, "M": rows, "K_contract": inner, "N_out": columns}
            return {"device": self.chip, "op": "linear", **sizes, "latency_ms": 1e3 * seconds}
        about = {"chip": self.chip, "dtype": NAMES[dtype], "framework": self.framework}
        return {**about, "m": rows, "n": columns, "k": inner, "latency_us": 1e6 * seconds}

    def product(self, dtype: str, rows: int, columns: int, inner: int) -> Callable[[], Any]:
        """Return a product of random matrices, the second transposed, as of a linear layer."""
        if dtype == "fp8":
            return self.narrow_product(rows, columns, inner)
        left, right = self.random(rows, inner, dtype=TORCH[dtype]), self.random(columns, inner, dtype=TORCH[dtype])
        return lambda: functional.linear(left, right)

    def narrow_product(self, rows: int, columns: int, inner: int) -> Callable[[], Any]:
        """Return a product in fp8 (e4m3) with one scale for each matrix, and its result in bf16."""
        fp8 = torch.float8_e4m3fn
        left, right = self.random(rows, inner).to(fp8), self.random(columns, inner).to(fp8).t()
        scale = torch.ones((), device=self.device)
        return lambda: torch._scaled_mm(left, right, scale_a=scale, scale_b=scale, out_dtype=torch.bfloat16)  # noqa: SLF001

    def sustained(self, dtype: str) -> Found:
        """Return what a large product reaches when it runs on [FLOP/s], and the power and clocks meanwhile."""
        size = 128 if self.quick else SUSTAINED
        window = self.bench.window(self.product(dtype, size, size, size), self.seconds)
        found = self.meter.between(window.start, window.end)
        return {
            "size": size, "flop_per_s": 2.0 * size**3 / window.mean, "watts": found.watts, "power_from": found.how,
            "sm_mhz": found.sm_mhz, "sm_mhz_least": found.sm_mhz_least, "celsius": found.celsius,
        }  # fmt: skip

    def vectors(self) -> Found:
        """Return vector operators in fp32."""
        self.bench.precision("fp32")
        rows = []
        for count, width in self.some(VECTORS):
            one, two = self.random(count, width), self.random(count, width)
            calls = {
                "add": lambda a=one, b=two: a + b, "relu": lambda a=one: functional.relu(a),
                "softmax": lambda a=one: functional.softmax(a, dim=-1),
                "ln": lambda a=one, n=width: functional.layer_norm(a, (n,)),
            }  # fmt: skip
            for name, call in calls.items():
                taken = self.bench.kernel(call, graph=False)
                rows.append({"device": self.chip, "op": name, "rows": count, "cols": width, "latency_ms": 1e3 * taken})
        return {"tables": {"vectors-fp32": rows}}

    def convolutions(self) -> Found:
        """Return convolutions in fp32, in the order of their measurement, which the library's trials depend on."""
        self.bench.precision("fp32")
        rows, skipped = [], {}
        for batch in (1,) if self.quick else (1, 16, 128):
            for inside, outside, kernel, height, stride, padding in self.some(CONVOLUTIONS):
                sizes = {"B": batch, "in_ch": inside, "out_ch": outside, "ksize": kernel, "in_hw": height}
                sizes |= {"stride": stride, "pad": padding}
                try:
                    pixels, weights = self.random(batch, inside, height, height), self.random(outside, inside, kernel, kernel)
                    call = lambda p=pixels, w=weights, s=stride, e=padding: functional.conv2d(p, w, None, s, e)  # noqa: E731
                    taken = self.bench.kernel(call, graph=False)
                except RuntimeError as error:
                    skipped[str(sizes)] = short(error)
                    continue
                rows.append({"device": self.chip, **sizes, "latency_ms": 1e3 * taken})
        return {"tables": {"convolutions-fp32": rows}, "skipped": skipped}

    def attention(self) -> Found:
        """Return attention in bf16: prompts, and one token over a cache of bf16."""
        rows, skipped = [], {}
        for batch in self.some((1, 8, 32)):
            for heads, width in self.some(HEADS):
                for tokens in self.some((128, 512, 1024, 4096)):
                    for phase in ("context", "generation"):
                        try:
                            taken = self.attended(phase, batch, heads, width, tokens)
                        except RuntimeError as error:
                            skipped[f"{phase} {batch} x {heads} x {tokens} x {width}"] = short(error)
                            continue
                        rows.append(self.attention_row(phase, batch, heads, width, tokens, taken))
        return {"tables": {"attention": rows}, "skipped": skipped}

    def attended(self, phase: str, batch: int, heads: int, width: int, tokens: int) -> float:
        """Return the time of attention of a prompt, or of one token over a cache of so many [s]."""
        prompt = phase == "context"
        queries = self.random(batch, heads, tokens if prompt else 1, width, dtype=torch.bfloat16)
        keys, values = (self.random(batch, heads, tokens, width, dtype=torch.bfloat16) for _ in range(2))
        call = lambda: functional.scaled_dot_product_attention(queries, keys, values, is_causal=prompt)  # noqa: E731
        return self.bench.kernel(call, graph=True)

    def attention_row(self, phase: str, batch: int, heads: int, width: int, tokens: int, seconds: float) -> Found:
        """Return the row of an attention: a prompt of `tokens` has no step, a generated token one prompt token and a step."""
        prompt = phase == "context"
        return {
            "chip": self.chip, "framework": self.framework, "phase": phase, "batch_size": batch, "isl": tokens if prompt else 1,
            "step": 0 if prompt else tokens, "num_heads": heads, "num_key_value_heads": heads, "head_dim": width,
            "kv_cache_dtype": "bfloat16", "latency_us": 1e6 * seconds,
        }  # fmt: skip


def slope(found: Mapping[int, float]) -> float | None:
    """Return traffic over time [B/s] by least squares through points of traffic [B] and time [s]; None where time falls."""
    middle_x, middle_y = sum(found) / len(found), sum(found.values()) / len(found)
    top = sum((x - middle_x) * (y - middle_y) for x, y in found.items())
    bottom = sum((x - middle_x) ** 2 for x in found)
    return bottom / top if top > 0 else None
