"""Roofwise beside other analytical models from PyPI: `python benchmarks/peers.py [--envs DIR] [--peer NAME] [--runs N]`.

Each peer gets an environment of its own, with the versions of `benchmarks/peers/NAME.txt`, made once and used again. It is
asked what it can answer, and Roofwise is asked the same. Side by side: the whole process (medians of runs in turn), an
evaluation asked for alone, one within a sweep over batches, and the answers, with what each of the two models. An evaluation
is one pass of a model on one chip in one format at one batch; its time is that of a core. A ratio is the peer's time over
ours: above 1, Roofwise takes less.

Only installing needs the network. A peer that cannot be installed or asked is left out, and the reason is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from peer_driver import CHIP, QUESTIONS, TOKENS
from speed import ADVISE, MAIN_JOB, RUNS, wall

from engine import predict

HERE: Final = Path(__file__).parent
DRIVER: Final = str(HERE / "peer_driver.py")
CONFIG: Final = HERE.parent / "tests" / "configs" / "llama-3.1-8b.json"
ENVS: Final = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "roofwise" / "peers"
OFFLINE: Final = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
"""Nothing may be fetched while peers are asked."""
PAIRS: Final = 3
"""Runs in turn of the drivers, which take medians themselves."""

TITLES: Final = {
    "image": f"ResNet-50, batch {QUESTIONS['image'].batch}, 16 bits, {CHIP}",
    "text": f"Llama 3.1 8B, {TOKENS:,} tokens of prompt, then one after them, batch 1, 16 bits, {CHIP}",
}
OURS: Final = {
    "image": ("predict", "--model", "resnet50", "--batch", str(QUESTIONS["image"].batch)),
    "text": ("sweep", "--models", ",".join(QUESTIONS["text"].passes.values()), "--batch", str(QUESTIONS["text"].batch)),
}
MODELS: Final = (
    "every kernel of the graph, with tiles, waves, launches, cache and power limit; a lower bound, an interval, energy, memory "
    "and the causes of the time"
)


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A package: what a shell gives the Python of its environment for each question that it can answer, and what it models."""

    name: str
    commands: Mapping[str, tuple[str, ...]]
    models: Mapping[str, str]


PEERS: Final = (
    Peer(
        name="mlsysim",
        commands={
            "image": ("{bin}/mlsysim", "eval", "ResNet50", "H100", "--batch-size", str(QUESTIONS["image"].batch), "-o", "json"),
            "text": ("{bin}/mlsysim", "serve", "Llama3_8B", "H100", "--seq-len", str(TOKENS), "-o", "json"),
        },
        models={
            "image": (
                "less: one roofline over two numbers of the network, FLOP at half the peak and weights, with a tenth of the "
                "weights for each sample in place of activations, then 10 us for each of 50 layers and for the pass"
            ),
            "text": (
                "less: prompt as FLOP at half the peak, token as weights and cache at full bandwidth and 10 us a layer; no "
                "operators, no bound, no energy"
            ),
        },
    ),
    Peer(
        name="genz-llm",
        commands={"text": ("{driver}", "genz-llm", "text", "--once")},
        models={
            "text": (
                "less: a roofline at the full peaks for each matrix product and attention of one layer, times the layers; no "
                "norms, no launches, but logits of every token of the prompt, and the embeddings as a product; it reads a GB/s "
                "as 2^30 B/s, so that the chip has 9 % more bandwidth than published"
            )
        },
    ),
    Peer(
        name="llm-analysis",
        commands={
            "text": (
                "-m", "llm_analysis.analysis", "infer", "--model_name", "{config}", "--gpu_name", "h100-sxm-80gb",
                "--seq_len", str(TOKENS), "--num_tokens_to_generate", "1", "--log_level", "ERROR",
            )
        },
        models={
            "text": (
                "less: one layer as two rooflines at the full peaks, times the layers; two of the three matrices of the MLP, "
                "whose FLOP are those of a width of 4 x hidden; but logits of every token, whose weights it does not read, and "
                "the cache both read and written"
            )
        },
    ),
)  # fmt: skip


class LeftOutError(Exception):
    """A peer cannot be installed or asked."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One question to one peer: what both drivers found, and the wall times of runs in turn: peer, ours, our main job [s]."""

    peer: Peer
    question: str
    theirs: Mapping[str, Any]
    ours: Mapping[str, Any]
    cold: Sequence[Sequence[float]]

    def whole(self, column: int) -> float:
        """Return the median wall time of one of the commands [s]."""
        return statistics.median(run[column] for run in self.cold)

    def whole_ratio(self, column: int) -> float:
        """Return the median ratio of the peer's wall time to that of one of our commands."""
        return statistics.median(run[0] / run[column] for run in self.cold)


def main() -> int:
    """Print every comparison, then all in the tables of docs/speed.md; return 1 if a peer was left out."""
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", type=Path, default=ENVS, metavar="DIR", help=f"where environments are kept (default: {ENVS})")
    parser.add_argument("--peer", action="append", choices=names, help="one peer; may be given again")
    parser.add_argument("--runs", type=int, default=RUNS, metavar="N", help=f"whole processes in turn (default: {RUNS})")
    options = parser.parse_args()
    found: list[Comparison] = []
    left_out = 0
    for peer in [peer for peer in PEERS if peer.name in (options.peer or names)]:
        try:
            for comparison in compared(peer, options.envs.absolute() / peer.name, max(options.runs, 1)):
                found.append(comparison)
                print(block(comparison), flush=True)
        except LeftOutError as error:
            left_out += 1
            print(f"{peer.name} is left out: {error}\n", flush=True)
    print(tables(found))
    return int(left_out > 0)


# Asking.


def compared(peer: Peer, folder: Path, runs: int) -> Iterator[Comparison]:
    """Yield the comparison of each question that a peer can answer."""
    python = prepared(peer, folder)
    config = folder / "model.json"
    config.write_text(json.dumps(llm_analysis_config(json.loads(CONFIG.read_text("utf-8")))), "utf-8")
    for question, command in peer.commands.items():
        places = {"bin": python.parent, "driver": DRIVER, "config": config}
        whole = ((str(python), "-I", *(part.format(**places) for part in command)), our_command(question), MAIN_JOB)
        theirs = (str(python), "-I", DRIVER, peer.name, question, "--config", str(config))
        ours = (sys.executable, "-P", DRIVER, "roofwise", question)
        for one in whole:
            output(one)
        pairs = [(answered(theirs), answered(ours)) for _ in range(PAIRS)]
        yield Comparison(
            peer=peer,
            question=question,
            theirs=middle([found for found, _ in pairs]),
            ours=middle([found for _, found in pairs]),
            cold=[[wall(one) for one in whole] for _ in range(runs)],
        )


def prepared(peer: Peer, folder: Path) -> Path:
    """Return the Python of a peer's environment, made anew unless it has the versions of the peer's file."""
    wanted = HERE / "peers" / f"{peer.name}.txt"
    python, stamp = folder / "bin" / "python", folder / wanted.name
    if not (stamp.is_file() and stamp.read_bytes() == wanted.read_bytes()):
        print(f"installing {peer.name} into {folder}", file=sys.stderr, flush=True)
        venv.create(folder, clear=True, with_pip=True)
        output((str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-r", str(wanted)))
        stamp.write_bytes(wanted.read_bytes())
    return python


def our_command(question: str) -> tuple[str, ...]:
    """Return how a shell asks Roofwise."""
    return (*ADVISE, *OURS[question], "--hardware", CHIP, "--dtype", QUESTIONS[question].dtype, "--format", "json")


def llm_analysis_config(published: Mapping[str, Any]) -> dict[str, Any]:
    """Return a published configuration in the form of llm-analysis, which has no Llama 3 and would ask a hub for it."""
    hidden, inner = published["hidden_size"], published["intermediate_size"]
    return {
        "name": "llama-3.1-8b", "model_type": published["model_type"], "num_layers": published["num_hidden_layers"],
        "n_head": published["num_attention_heads"], "num_key_value_heads": published["num_key_value_heads"],
        "hidden_dim": hidden, "ffn_embed_dim": inner, "expansion_ratio": inner / hidden,
        "vocab_size": published["vocab_size"], "max_seq_len": published["max_position_embeddings"],
    }  # fmt: skip


def answered(command: tuple[str, ...]) -> Mapping[str, Any]:
    """Return what a driver found."""
    return json.loads(output(command).splitlines()[-1])


def output(command: tuple[str, ...]) -> str:
    """Return what a command prints; raises LeftOutError with the last line of its complaint."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - as named above
    except subprocess.CalledProcessError as error:
        complaint = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        raise LeftOutError(f"{' '.join(error.cmd[:4])} ...: {complaint[-1]}") from error


def middle(found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what several runs of a driver found, each time as its median."""
    times = {key: statistics.median(one[key] for one in found) for key in ("first_s", "pass_s", "sweep_pass_s")}
    return {**found[0], **times}


# Printing.


def block(found: Comparison) -> str:
    """Return a comparison as lines for a reader: times, evaluations per second, answers, and what is modelled."""
    theirs, ours, largest = found.theirs, found.ours, QUESTIONS[found.question].largest
    times = (
        ("whole process", found.whole(0), found.whole(1), found.whole_ratio(1)),
        ("  beside our main job, all chips", found.whole(0), found.whole(2), found.whole_ratio(2)),
        ("first evaluation of a process", *both(found, "first_s")),
        ("evaluation, asked alone", *both(found, "pass_s")),
        (f"evaluation, of batches 1 to {largest}", *both(found, "sweep_pass_s")),
    )
    lines = [f"  {name:38}{duration(a):>16}{duration(b):>16}{ratio:>10.3g}" for name, a, b, ratio in times]
    for name, key in (("evaluations per second, alone", "pass_s"), ("evaluations per second, of a sweep", "sweep_pass_s")):
        lines.append(f"  {name:38}{1 / theirs[key]:>16,.0f}{1 / ours[key]:>16,.0f}")
    lines += [f"  {f'answer: {title}':38}{duration(a):>16}{duration(b):>16}{a / b:>10.3g}   {bounds(found.question, title)}"
              for title, a, b in answers(found)]  # fmt: skip
    heading = f"{'':40}{label(found.peer.name, theirs):>16}{label('Roofwise', ours):>16}{'ratio':>10}"
    models = [f"  {found.peer.name} models {found.peer.models[found.question]}", f"  Roofwise models {MODELS}"]
    return "\n".join([TITLES[found.question], heading, *lines, *models, ""])


def tables(found: Sequence[Comparison]) -> str:
    """Return all comparisons as the two tables of docs/speed.md: times, and answers."""
    times = ["| Question | Package | Whole process | Evaluation, alone | Evaluation, in a sweep |", "|" + " --- |" * 5]
    for one in found:
        cells = (
            cell(one.whole(0), one.whole(1), one.whole_ratio(1)),
            cell(*both(one, "pass_s")),
            cell(*both(one, "sweep_pass_s")),
        )
        times.append(f"| {one.question} | {label(one.peer.name, one.theirs)} | {' | '.join(cells)} |")
    said = ["| Question | Package | Its answer | Ours | Our bound and interval |", "|" + " --- |" * 5]
    for one in found:
        for title, theirs, ours in answers(one):
            cells = (f"{one.question}: {title}", one.peer.name, duration(theirs), duration(ours), bounds(one.question, title))
            said.append(f"| {' | '.join(cells)} |")
    models = [f"- {one.peer.name}, {one.question}: {one.peer.models[one.question]}." for one in found]
    return "\n".join([*times, "", *said, "", *models, f"- Roofwise: {MODELS}."])


def both(found: Comparison, key: str) -> tuple[float, float, float]:
    """Return a time of the peer, ours [s], and their ratio."""
    return found.theirs[key], found.ours[key], found.theirs[key] / found.ours[key]


def answers(found: Comparison) -> list[tuple[str, float, float]]:
    """Return each pass with the latency that the peer and that Roofwise estimates [s]."""
    return [(title, found.theirs["answers_s"][title], seconds) for title, seconds in found.ours["answers_s"].items()]


def bounds(question: str, title: str) -> str:
    """Return our lower bound on a pass, and the interval about our estimate."""
    asked = QUESTIONS[question]
    (row,) = predict(asked.passes[title], [CHIP], [asked.batch], [asked.dtype])
    low, high = duration(row["latency_p10_s"]), duration(row["latency_p90_s"])
    return f"at least {duration(row['latency_lower_bound_s'])}, {low} to {high}"


def label(name: str, found: Mapping[str, Any]) -> str:
    """Return a package with its version."""
    return f"{name} {found['version']}"


def cell(theirs: float, ours: float, ratio: float) -> str:
    """Return two times and their ratio."""
    return f"{duration(theirs)} / {duration(ours)}: {ratio:.3g}"


def duration(seconds: float) -> str:
    """Return a time with three digits and its unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


if __name__ == "__main__":
    os.environ.update(OFFLINE)
    sys.exit(main())
