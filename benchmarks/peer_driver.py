"""One package asked one question in a process of its own: its answers and their times, as JSON. `peers.py` starts it.

`python -I peer_driver.py NAME QUESTION [--config FILE] [--once]` runs in the environment of the package that it names and
needs nothing beside it but the standard library, so that every package is timed by the same lines. `--once` answers and stops,
as a whole process does that is started for one answer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

Batches = Sequence[int]
Latencies = dict[str, list[float]]
"""Passes by name, each with the latency [s] of every batch that was asked for."""
Ask = Callable[[Batches], Latencies]


class Question(NamedTuple):
    """A batch to ask for, the largest batch of a sweep from 1, and the workload of Roofwise behind each pass."""

    batch: int
    largest: int
    dtype: str
    passes: dict[str, str]


CHIP: Final = "nvidia-h100-sxm"
TOKENS: Final = 2048
QUESTIONS: Final = {
    "image": Question(8, 512, "fp16", {"pass": "resnet50"}),
    "text": Question(1, 64, "bf16", {"prefill": "llama-3.1-8b", "decode": "llama-3.1-8b-decode"}),
}
LEAST_S: Final = 0.5
"""A call is timed again and again for this long."""


def roofwise(name: str, _config: Path | None) -> Ask:
    """Return how Roofwise is asked: one call of `predict` for all batches of a pass, on a catalogue that was read before."""
    from engine import load, predict

    catalog, question = load(), QUESTIONS[name]

    def ask(batches: Batches) -> Latencies:
        rows = {
            title: predict(workload, [CHIP], batches, [question.dtype], catalog=catalog)
            for title, workload in question.passes.items()
        }
        return {title: [row["latency_estimate_s"] for row in found] for title, found in rows.items()}

    return ask


def mlsysim(name: str, _config: Path | None) -> Ask:
    """Return how mlsysim is asked, at its default efficiency of half the peak."""
    from mlsysim import Engine, Hardware, Models
    from mlsysim.solvers import ServingModel

    chip = Hardware.Cloud.H100

    def image(batch: int) -> dict[str, float]:
        found = Engine.solve(Models.Vision.ResNet50, chip, batch_size=batch, precision="fp16")
        return {"pass": found.latency.to("s").magnitude}

    def text(batch: int) -> dict[str, float]:
        found = ServingModel().solve(Models.Language.Llama3_8B, chip, seq_len=TOKENS, batch_size=batch, precision="fp16")
        return {"prefill": found.ttft.to("s").magnitude, "decode": found.itl.to("s").magnitude}

    return one_by_one({"image": image, "text": text}[name])


def genz_llm(_name: str, _config: Path | None) -> Ask:
    """Return how genz-llm is asked, at its default of the full peaks, and without beams."""
    from GenZ import decode_moddeling, prefill_moddeling

    def text(batch: int) -> dict[str, float]:
        same = {"model": "llama3_8b", "batch_size": batch, "input_tokens": TOKENS, "system_name": "H100_GPU", "bits": "bf16"}
        prefill, decode = prefill_moddeling(**same), decode_moddeling(**same, output_tokens=0, Bb=1)
        return {"prefill": prefill["Latency"] * 1e-3, "decode": decode["Latency"] * 1e-3}

    return one_by_one(text)


def llm_analysis(_name: str, config: Path | None) -> Ask:
    """Return how llm-analysis is asked, at its default of the full peaks, for a model from a local file."""
    from llm_analysis.analysis import infer

    def text(batch: int) -> dict[str, float]:
        found = infer(
            model_name=str(config), gpu_name="h100-sxm-80gb", dtype_name="w16a16e16", batch_size_per_gpu=batch,
            seq_len=TOKENS, num_tokens_to_generate=1, log_level="ERROR",
        )  # fmt: skip
        return {"prefill": found["prefill_latency"], "decode": found["decode_latency"]}

    return one_by_one(text)


def one_by_one(answer: Callable[[int], dict[str, float]]) -> Ask:
    """Return how a package without calls for many batches is asked for them: batch after batch."""

    def ask(batches: Batches) -> Latencies:
        answers = [answer(batch) for batch in batches]
        return {title: [found[title] for found in answers] for title in answers[0]}

    return ask


PACKAGES: Final = {"roofwise": roofwise, "mlsysim": mlsysim, "genz-llm": genz_llm, "llm-analysis": llm_analysis}


def spent(work: Callable[[], object]) -> float:
    """Return the median time of a call on a core [s], of as many as fit in the least time, one at least."""
    times: list[float] = []
    while sum(times) < LEAST_S:
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def timed(ask: Ask, question: Question) -> dict[str, object]:
    """Return the answers [s], and what a pass takes of a core: the first time, later, and in a sweep over batches [s]."""
    start = time.process_time()
    answers = {title: found for title, (found,) in ask([question.batch]).items()}
    first, sweep = time.process_time() - start, range(1, question.largest + 1)
    answer = spent(lambda: ask([question.batch])) / len(answers)
    return {
        "answers_s": answers,
        "first_s": first / len(answers),
        "pass_s": answer,
        "sweep_pass_s": spent(lambda: ask(sweep)) / (len(answers) * len(sweep)),
    }


def main() -> None:
    """Print what one package answers, with the times if they are wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=PACKAGES)
    parser.add_argument("question", choices=QUESTIONS)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()
    question = QUESTIONS[options.question]
    ask = PACKAGES[options.name](options.question, options.config)
    found = {"answers_s": ask([question.batch])} if options.once else timed(ask, question)
    print(json.dumps({"version": version(options.name), **found}))


if __name__ == "__main__":
    main()
