"""Abuse that needs a process of its own: what the system does to a command, and what it leaves in the file system."""

from __future__ import annotations

import json
import random
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from abuse.commands import affordable, arguments, commands, paths_in
from abuse.runner import COMMAND, SECONDS, Ran, environment, left_behind, process

ANSWERS: Final[tuple[tuple[str, ...], ...]] = (
    ("--model", "resnet50", "--latency", "10ms"),
    ("--model", "resnet50", "--latency", "10ms", "--format", "json"),
    ("list", "hardware", "--format", "json"),
    ("list", "rules", "--format", "csv"),
    ("show", "resnet50", "--format", "md"),
    ("show", "nvidia-l4"),
    ("predict", "--model", "resnet18", "--hardware", "nvidia-l4", "--batch", "1..64", "--format", "csv"),
    ("compare", "nvidia-l4", "nvidia-t4"),
    ("schema", "workload"),
    ("derive", "resnet18", "--hardware", "nvidia-l4"),
)  # fmt: skip
"""Commands that answer, in text and data, short and long."""
ENCODINGS: Final = ("ascii", "latin-1", "cp1252", "cp437", "utf-8", "ascii:strict", "koi8-r")
STOPPED: Final = frozenset({0, 1, 2, 130, 143, -signal.SIGINT, -signal.SIGTERM, -signal.SIGPIPE})


def closed_pipe(rng: random.Random, _folder: Path) -> list[str]:
    """Let the reader of a pipe go after some bytes, as `head` does: no word about it, and no failure."""
    asked = rng.choice(ANSWERS)
    with subprocess.Popen([*COMMAND, *asked], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.read(rng.choice([0, 1, 100, 5000]))
        running.stdout.close()
        err = running.stderr.read().decode()
        code = running.wait(SECONDS)
    ran = Ran(arguments=asked, code=code, out=b"null", err=err, seconds=0)
    return [*ran.faults(), *([f"a closed pipe is told: {err[:200]!r}"] if err else [])]


def no_room(rng: random.Random, folder: Path) -> list[str]:
    """Write to what has no room: standard output, a file, or a file beyond the limit of the process."""
    asked = rng.choice(ANSWERS)
    match rng.choice(["stdout", "out", "limit"]):
        case "stdout":
            with Path("/dev/full").open("wb") as full:
                ran = process(*asked, stdout=full)
        case "out":
            ran = process(*asked, "--out", "/dev/full")
        case _:
            ran = process(*asked, "--out", str(folder / "cut.txt"), preexec_fn=_small_files)
            if (folder / "cut.txt").exists():
                return ["a file beyond the limit is there in part"]
    return [*ran.faults(frozenset({2})), *left_behind(folder)]


def _small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


def no_streams(rng: random.Random, _folder: Path) -> list[str]:
    """Close standard input, output or errors before the command starts."""
    closed = rng.choice(["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
    asked = rng.choice([*ANSWERS, ("validate", "-"), ("import", "hf", "-"), ("--model", "none"), ("--help",), ("--version",)])
    script = ["/bin/bash", "-c", f'exec "$@" {closed}', "bash", *COMMAND, *asked]
    done = subprocess.run(
        script, capture_output=True, env=environment(), check=False, timeout=SECONDS, stdin=subprocess.DEVNULL
    )
    err = done.stderr.decode()
    if done.returncode not in (0, 2) or "Traceback" in err or "Exception ignored" in err:
        return [f"{asked} {closed}: exit code {done.returncode}: {err[-500:]}"]
    return []


def interrupted(rng: random.Random, folder: Path) -> list[str]:
    """Interrupt or end a command at any time: it goes without a traceback, and the file is whole or as it was."""
    asked, target = rng.choice(ANSWERS), folder / "answer.txt"
    target.write_text("as it was", encoding="utf-8")
    stop = rng.choice([signal.SIGINT, signal.SIGINT, signal.SIGTERM])
    with subprocess.Popen(
        [*COMMAND, *asked, "--out", str(target)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as running:
        time.sleep(rng.choice([0.0, 0.05, 0.1, 0.3, 0.6, 1.0]) * rng.random())
        running.send_signal(stop)
        _, err = running.communicate(timeout=SECONDS)
    text = target.read_text(encoding="utf-8")
    whole = text == "as it was" or text.endswith("\n")
    wrong = [] if whole else [f"a file in part after {stop.name}: {text[-80:]!r}"]
    # Before the program's first line runs, Python itself answers an interrupt, with a traceback of its own start.
    ours = re.search(rb'File "[^"]*/advisor/', err) is not None
    if running.returncode not in STOPPED or (ours and b"Traceback" in err):
        wrong.append(f"{asked} {stop.name}: exit code {running.returncode}: {err.decode()[-1500:]}")
    return wrong + left_behind(folder)


def encodings(rng: random.Random, folder: Path) -> list[str]:
    """Print to a terminal of another encoding, colour or not: nothing is lost but signs that it has not."""
    paths_in(folder)
    asked = rng.choice(
        [*ANSWERS, ("validate", "日本語.json"), ("--model", "日本語"), ("new", "accelerator", "x", "-o", "é/日本.json")]
    )
    chosen = {
        "PYTHONIOENCODING": ENCODINGS, "LC_ALL": ("C", "C.UTF-8", "POSIX"), "NO_COLOR": ("", "1"), "PYTHONUTF8": ("0", "1", ""),
        "TERM": ("dumb", "xterm"),
    }  # fmt: skip
    env = {name: rng.choice(values) for name, values in chosen.items()}
    return process(*asked, env=env, cwd=folder).faults()


def writers(rng: random.Random, folder: Path) -> list[str]:
    """Let several processes write one file at once: it is one of their answers, whole."""
    asked = rng.sample(ANSWERS, 3)
    target = folder / "shared.txt"
    running = [
        subprocess.Popen(
            [*COMMAND, *one, "--out", str(target)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment()
        )
        for one in asked
    ]
    told = [one.communicate(timeout=SECONDS)[1].decode() for one in running]
    answers = {process(*one).out for one in asked}
    wrong = [f"a writer failed: {text[-300:]}" for one, text in zip(running, told, strict=True) if one.returncode not in (0, 1)]
    return wrong + ([] if target.read_bytes() in answers else ["the file is none of the answers"]) + left_behind(folder)


def seeds(rng: random.Random, folder: Path) -> list[str]:
    """Answer twice, with other seeds of hashes: the same bytes."""
    paths_in(folder)
    asked: Any = rng.choice(ANSWERS)
    if rng.random() < 0.5:
        asked = arguments(rng, rng.choice(commands()))
        while (
            not affordable(asked)
            or any(part.startswith(("-o", "--out")) for part in asked)
            or asked[:1] in (["new"], ["doctor"])
        ):
            asked = arguments(rng, rng.choice(commands()))
    asked = [part.replace("\0", "") for part in asked]
    one, other = (process(*asked, env={"PYTHONHASHSEED": seed}, cwd=folder) for seed in ("0", str(rng.randrange(1, 10**6))))
    same = (one.code, one.out, one.err) == (other.code, other.out, other.err)
    return one.faults() + ([] if same else [f"advise {' '.join(asked)}: another answer with another seed of hashes"])


def churn(rng: random.Random, folder: Path) -> list[str]:
    """Ask about a folder whose files come, change and go meanwhile: an answer or named faults."""
    source = json.dumps({"id": "acme"})
    paths_in(folder)
    good = (folder / "accelerator.json").read_text(encoding="utf-8").replace('"nvidia-l4"', '"acme"')
    mine = folder / "mine"
    mine.mkdir()
    with subprocess.Popen(
        [*COMMAND, "list", "hardware", "--format", "json", "--specs", str(mine)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
    ) as running:  # fmt: skip
        while running.poll() is None:
            path = mine / f"{rng.randrange(40)}.json"
            if rng.random() < 0.5:
                path.unlink(missing_ok=True)
            else:
                path.write_text(rng.choice([good, source, good[: rng.randrange(len(good))]]), encoding="utf-8")
            time.sleep(0.0005)
        out, err = running.communicate(timeout=SECONDS)
    ran = Ran(arguments=("list", "hardware", "--format", "json"), code=running.returncode, out=out, err=err.decode(), seconds=0)
    return ran.faults(frozenset({0}))


PROCESSES: Final[Mapping[str, Callable[[random.Random, Path], list[str]]]] = {
    "closed pipe": closed_pipe, "no room": no_room, "no streams": no_streams, "interrupted": interrupted,
    "encodings": encodings, "writers": writers, "seeds": seeds, "churn": churn,
}  # fmt: skip
