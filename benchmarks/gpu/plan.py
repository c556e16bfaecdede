"""What a sweep measures, the most valuable first, and the time that it may take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Final

EAGER: Final = "eager"
GRAPH: Final = "cuda-graph"
COMPILE: Final = "torch-compile"
MODES: Final = (GRAPH, EAGER, COMPILE)
DTYPES: Final = ("fp32", "tf32", "fp16", "bf16")
"""Precisions of whole networks; fp8 is measured in single products only."""
STUDY: Final = ("resnet18", "resnet50")

COARSE: Final = (1, 8, 64, 256)
FINE: Final = (2, 4, 16, 32, 128)
BATCHES: Final = (*COARSE, *FINE)
"""In the order of their measurement: where the time ends within a sweep, its points span the range all the same."""
QUICK: Final = (1, 2)


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network at fixed sizes: the workload of the catalogue, its parameters, and its arithmetic for a sample [FLOP].

    The two counts are those of the catalogue, to which tests hold them; the modules of `networks` are held to them in turn.
    """

    workload: str
    tag: str = ""
    sizes: Mapping[str, int]
    parameters: int
    work: float


def _text(workload: str, tokens: int, parameters: int, work: float, tag: str = "") -> Network:
    return Network(workload=workload, tag=tag or str(tokens), sizes={"seq_len": tokens}, parameters=parameters, work=work)


def _image(workload: str, parameters: int, work: float) -> Network:
    return Network(workload=workload, sizes={"image": 224}, parameters=parameters, work=work)


def _decode(workload: str, parameters: int, work: float) -> Network:
    sizes = {"seq_len": 1, "context": 1023, "logits": 1}
    return Network(workload=workload, tag="decode-1024", sizes=sizes, parameters=parameters, work=work)


NETWORKS: Final[Mapping[str, Network]] = {
    "resnet18": _image("resnet18", 11_689_512, 3_628_146_688),
    "resnet50": _image("resnet50", 25_557_032, 8_178_368_512),
    "mobilenet-v2": _image("mobilenet-v2", 3_504_872, 601_548_544),
    "vit-b-16": _image("vit-b-16", 86_567_656, 35_127_656_448),
    "bert-base-128": _text("bert-base", 128, 109_482_240, 22_348_431_360),
    "bert-base-384": _text("bert-base", 384, 109_482_240, 70_666_813_440),
    "bert-large-128": _text("bert-large", 128, 335_141_888, 78_922_121_216),
    "bert-large-384": _text("bert-large", 384, 335_141_888, 246_425_845_760),
    "gpt2-prefill-128": _text("gpt2", 128, 124_439_808, 32_228_179_968, "prefill-128"),
    "gpt2-prefill-1024": _text("gpt2", 1024, 124_439_808, 291_648_307_200, "prefill-1024"),
    "gpt2-decode-1024": _decode("gpt2", 124_439_808, 284_812_800),
    "gpt2-xl-prefill-128": _text("gpt2-xl", 128, 1_557_611_200, 403_105_792_000, "prefill-128"),
    "gpt2-xl-prefill-1024": _text("gpt2-xl", 1024, 1_557_611_200, 3_506_703_564_800, "prefill-1024"),
    "gpt2-xl-decode-1024": _decode("gpt2-xl", 1_557_611_200, 3_424_515_200),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Job:
    """A sweep: a network in a precision and a mode over batches."""

    network: str
    dtype: str
    mode: str
    batches: tuple[int, ...] = BATCHES

    @property
    def about(self) -> Network:
        """Return the network's figures."""
        return NETWORKS[self.network]

    def id(self, hardware: str) -> str:
        """Return the id of its record.

        >>> Job(network="bert-base-128", dtype="fp16", mode="eager").id("nvidia-h200-sxm")
        'nvidia-h200-sxm-bert-base-fp16-128-pytorch-eager'
        """
        about = self.about
        tag = f"{about.tag}-" if about.tag else ""
        return f"{hardware}-{about.workload}-{self.dtype}-{tag}pytorch-{self.mode}"


_TEXT: Final = ("bert-base-128", "gpt2-decode-1024", "gpt2-prefill-1024")
_MORE: Final = ("bert-large-384", "bert-base-384", "bert-large-128", "gpt2-prefill-128")
_XL: Final = ("gpt2-xl-decode-1024", "gpt2-xl-prefill-128", "gpt2-xl-prefill-1024")
_TIERS: Final[tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[int, ...]], ...]] = (
    (STUDY, ("fp32", "fp16"), (GRAPH,), BATCHES),
    (STUDY, ("fp32", "fp16"), (EAGER,), BATCHES),
    ((*_TEXT, "vit-b-16", "mobilenet-v2"), ("fp16",), (GRAPH,), BATCHES),
    (STUDY, ("fp16", "fp32"), (COMPILE,), COARSE),
    (STUDY, ("tf32", "bf16"), (GRAPH,), BATCHES),
    ((*_TEXT, "vit-b-16", "mobilenet-v2"), ("fp32",), (GRAPH,), BATCHES),
    (_MORE, ("fp16",), (GRAPH,), BATCHES),
    (_XL, ("fp16",), (GRAPH,), BATCHES),
    ((*_TEXT, "vit-b-16", "mobilenet-v2"), ("fp16",), (EAGER,), BATCHES),
    ((*_TEXT, "vit-b-16", "mobilenet-v2"), ("tf32", "bf16"), (GRAPH,), BATCHES),
    (("bert-base-128", "vit-b-16", "mobilenet-v2"), ("fp16",), (COMPILE,), COARSE),
    (_MORE, ("fp32", "tf32", "bf16"), (GRAPH,), BATCHES),
    (_XL, ("bf16", "fp32", "tf32"), (GRAPH,), BATCHES),
    (tuple(NETWORKS), DTYPES, (EAGER,), BATCHES),
)  # fmt: skip
"""Networks, precisions, modes and batches, the most valuable first; what stands in a tier above is not repeated."""


def jobs() -> list[Job]:
    """Return every sweep once, the most valuable first; the study's two networks in fp32 and fp16 lead."""
    found: dict[tuple[str, str, str], Job] = {}
    for networks, dtypes, modes, batches in _TIERS:
        for mode, dtype, network in product(modes, dtypes, networks):
            found.setdefault((network, dtype, mode), Job(network=network, dtype=dtype, mode=mode, batches=batches))
    return list(found.values())


def quick_jobs(*, gpu: bool) -> list[Job]:
    """Return the sweeps of a dry run: each kind of network, two precisions, every mode of the device."""
    small = ("resnet18", "mobilenet-v2", "bert-base-128", "gpt2-decode-1024")
    every = [(network, "fp32", EAGER) for network in small] + [("bert-base-128", "bf16", EAGER)]
    if gpu:
        every += [(network, "fp16", GRAPH) for network in small] + [("resnet18", "fp16", COMPILE)]
    return [Job(network=network, dtype=dtype, mode=mode, batches=QUICK) for network, dtype, mode in every]


def chosen(every: Iterable[Job], networks: Iterable[str], dtypes: Iterable[str], modes: Iterable[str]) -> Iterator[Job]:
    """Yield the jobs that were asked for; an empty list asks for all."""
    wanted = [set(names) for names in (networks, dtypes, modes)]
    for job in every:
        if all(not names or name in names for names, name in zip(wanted, (job.network, job.dtype, job.mode), strict=True)):
            yield job


@dataclass(kw_only=True)
class Budget:
    """The seconds that a run may take, counted from its making."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    began: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin to count."""
        self.began = self.clock()

    @property
    def left(self) -> float:
        """Return the seconds that are left."""
        return self.began + self.seconds - self.clock()

    def allows(self, seconds: float) -> bool:
        """Return whether something that takes so many seconds still fits in."""
        return seconds <= self.left


LONGEST_S: Final = 1.5
"""A batch whose pass is expected to take longer is left out."""
OVERHEAD_S: Final = 4.0
COMPILED_S: Final = 40.0
"""What a batch takes besides its passes at the most, and where it is compiled."""
PASSES: Final = 8
"""Passes that a batch takes at the least, to warm up and in its window."""


def needed(job: Job, window_s: float, pass_s: float) -> float:
    """Return the time that a batch may take [s], by its window and what a pass is expected to take."""
    return max(window_s, PASSES * pass_s) + (COMPILED_S if job.mode == COMPILE else OVERHEAD_S)


def forecast(done: Mapping[int, float], batch: int) -> float:
    """Return the longest time that a pass of a batch should take [s], after those of smaller batches; 0 where none is known.

    A pass grows in proportion to its batch at the most.

    >>> forecast({1: 0.1, 8: 0.4}, 64)
    3.2
    """
    smaller = [known for known in done if known <= batch]
    return done[max(smaller)] * batch / max(smaller) if smaller else 0.0
