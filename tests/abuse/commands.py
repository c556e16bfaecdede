"""Every command with its options and arguments, as the program itself states them, and texts to give them.

A new command, or a new option, is found here by itself: nothing is listed but what must not be run as it is.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import typer

from advisor.cli import app
from engine.catalog import load

Path_ = tuple[str, ...]
ACTIVE: Final = frozenset({"probe", "measure", "lab"})
"""Commands that use the machine they run on; here they only ever get an argument that they must refuse."""
NEVER: Final = frozenset({"--install-completion", "--show-completion"})
"""Options that write to the user's shell."""
REFUSED: Final = "--device=no-such-device"
"""What they refuse before they do anything, where it stands last."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """An option or an argument: its names, what its text stands for, and whether it takes one."""

    names: tuple[str, ...]
    meaning: str
    flag: bool
    required: bool

    @property
    def is_option(self) -> bool:
        """Return whether it is given by name."""
        return self.names[0].startswith("-")


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command: its words, and its parameters."""

    words: Path_
    parameters: tuple[Parameter, ...]

    @property
    def active(self) -> bool:
        """Return whether it uses the machine."""
        return bool(ACTIVE & set(self.words))

    def formats(self) -> tuple[str, ...]:
        """Return the formats that it can be asked for, by what it says where it is asked for one that is none."""
        from abuse.runner import run  # noqa: PLC0415 - it needs this module's program

        told = run(*self.words, "--format", "no such format", *self.given("x")).err
        return tuple(word.strip(" .") for word in told.partition("; use ")[2].split(","))

    def given(self, text: str) -> list[str]:
        """Return a text for every parameter that must be given."""
        return [
            part for item in self.parameters if item.required for part in ([item.names[0], text] if item.is_option else [text])
        ]


def _parameter(item: Any) -> Parameter:
    option = item.param_type_name == "option"
    return Parameter(
        names=tuple(name for name in item.opts if name not in NEVER) if option else (item.name,),
        meaning=str(item.metavar or item.name).strip("[].").upper(), flag=bool(getattr(item, "is_flag", False)),
        required=bool(item.required),
    )  # fmt: skip


def _found(command: Any, words: Path_) -> list[Command]:
    items = [_parameter(item) for item in command.params]
    here = Command(words=words, parameters=tuple(item for item in items if item.names))
    return [
        here,
        *(found for name, child in getattr(command, "commands", {}).items() for found in _found(child, (*words, name))),
    ]


@cache
def commands() -> tuple[Command, ...]:
    """Return every command of the program, that without a word first."""
    return tuple(_found(typer.main.get_command(app), ()))


# Texts.

HOSTILE: Final = (
    "", " ", "-", "--", "x", "0", "-1", "1e400", "nan", "inf", "-inf", "NaN", "9" * 400, "1" * 5000, "٣", "²", "1_0",
    "0x10", "10 parsecs", "1e999ms", "٣ms", "-5W", "10ms", "10", "ms", "10 ms ms", "1e-400s", "10µs", "2000/s", "75W", "5mJ",
    "16GB", "1e308GB", "é", "日本語", "\u202etxt", "\udcff", "a\nb", "a\tb", "\x1b[31m", "[bold]x[/bold]", "{0}", "%s", "$(id)",
    "`id`", "';--", "a" * 5000, "a,b,,c", ",", ",,,", "*", "?", "**/*.json", "../..", "..", ".", "~", "/dev", "/nowhere/x",
    "/proc/self", "/dev/null", "no/such/x.json", "=", "image=", "=3", "image=1e9", "image=-1", "a=b=c", "1..", "..1", "1..2..3",
    "8..1", "1..64x1", "1..9999999999", "1..8x2,3", "-id", "+", "__import__('os').system('id')", "().__class__", "None", "true",
    "null", "[]", "{}",
)  # fmt: skip
"""Texts that are given for anything. None is a path at which a file could be written outside the folder of the run, and none a
folder with as many specs as a machine may have: to read them all takes as long as they are many."""


@cache
def vocabulary() -> Mapping[str, tuple[str, ...]]:
    """Return the texts that are fitting for a meaning of a parameter."""
    catalog = load()
    chips, models = catalog.accelerators.ids, catalog.workloads.ids
    few = ("nvidia-l4", "nvidia-t4,nvidia-l4", "google-tpu-v4", "hailo-8", "h100", "stillwater-kpu-t64")
    return {
        "ID": (*chips, *models, "L201", "P104", "balanced", "runtimes", "gpu-hbm"),
        "IDS": (*chips, *few, "resnet18", "resnet18,bert-base", "all"),
        "ID|FILE": (*models, "workload.json", "accelerator.json"),
        "LIST": ("1", "1,2,4", "1..8x2", "8..64+8", "int8", "bf16,fp8", "fp32", "hardware,network"),
        "DTYPE": ("int8", "bf16", "fp8", "fp32", "int4"), "N": ("1", "2", "8", "64", "1000000"),
        "NAME=VALUES": (
            "bandwidth=0.2..8TB/s:9", "units=16..256:3", "peak=9,90TFLOP/s", "tdp=75..700W:3:linear", "clock=1..2GHz:2",
            "bandwidth=1e-300..1e300TB/s:5", "units=0..0:1", "capacity=1..2GB:0", "idle_power=9..1W:3", "peak=1TFLOP/s",
        ),
        "EXPR": ("peak/1e12", "tdp + bandwidth/1e9", "0", "-peak", "1/(peak-peak)", "batch ** 8"),
        "FOLDER": ("points.csv", "points.parquet", "folder", "table.csv"), "ADDRESS": ("tcp://", "tcp://:0", "x"),
        "NAME=N": ("image=320", "seq_len=64", "context=128", "logits=1"),
        "WORD": ("graph", "eager", "eager_v1", "session", "compiled", "latency", "energy", "cost", "prefill", "decode", "last"),
        "FORMAT": ("text", "table", "json", "md", "csv", "latex", "sarif", "github"),
        "FILE": ("out.txt", "deep/out.txt", "folder", "claim.json", "measurement.json", "table.csv", "config.json", "net.onnx"),
        "PATH": ("table.csv", "measurement.json", ".", "folder"), "DIR": ("specs", ".", "folder"),
        "TIME": ("10ms", "1us", "0.5s", "3h"), "RATE": ("2000/s", "1e9/s", "1/h"), "POWER": ("75W", "1kW"),
        "ENERGY": ("5mJ", "1kWh"), "SIZE": ("16GB", "1KiB"), "KINDS": ("gpu", "edge", "tpu,cpu"),
        "KEY": ("id", "-peak", "tdp"), "KIND": ("accelerator", "workload", "rule", "calibration"),
        "NAME": ("accelerator", "acme-one", "J901"), "NAMES": ("nvidia", "latency", "google,amd"),
        "WHAT": ("hardware", "workloads", "rules", "checks", "profiles", "calibrations", "measurements", "excluded"),
    }  # fmt: skip


def text_for(rng: random.Random, item: Parameter) -> str:
    """Return a text for a parameter: fitting, fitting for another, or hostile."""
    words = vocabulary()
    chance = rng.random()
    if chance < 0.7 and item.meaning in words:
        return rng.choice(words[item.meaning])
    if chance < 0.8:
        return rng.choice(words[rng.choice(sorted(words))])
    return rng.choice(HOSTILE)


def arguments(rng: random.Random, command: Command) -> list[str]:
    """Return random arguments of a command: what it needs nearly always, some of what it may have, in any order."""
    named, placed = [], []
    for item in command.parameters:
        often = 0.95 if item.required else 0.15
        for _ in range(rng.choice([1, 1, 1, 2, 5]) if rng.random() < often else 0):
            if item.flag:
                named.append([item.names[0]])
            elif item.is_option:
                name, text = rng.choice(item.names), text_for(rng, item)
                named.append([f"{name}={text}"] if name.startswith("--") and rng.random() < 0.2 else [name, text])
            else:
                placed.append([text_for(rng, item)])
    if rng.random() < 0.05:
        placed.append([rng.choice(HOSTILE)])
    rng.shuffle(named)
    asked = [part for group in [*placed, *named] for part in group]
    return [*command.words, *asked, *([REFUSED] if command.active else [])]


def affordable(texts: Sequence[str]) -> bool:
    """Return whether arguments ask for what takes a second or two: no drawing, nothing over all models or all records."""
    whole = " ".join(texts)
    everything = "all" in texts or (texts[:1] == ["accuracy"] and "--data" not in whole)
    return not ("html" in whole or "parquet" in whole or everything)


def paths_in(folder: Path) -> None:
    """Make the files that the vocabulary names, in a folder."""
    root = Path(__file__).parents[2]
    for name, source in {
        "workload.json": "specs/workloads/resnet18.json",
        "accelerator.json": "specs/accelerators/nvidia-l4.json",
        "config.json": "tests/configs/vit-base-patch16-224.json",
        "net.onnx": "tests/data/onnx/bert-dynamo-fixed.onnx",
        "claim.json": "tests/specs/valid/claim/slide.json",
        "measurement.json": "specs/measurements/nvidia-l4-bert-base-int8-128-tensorrt.json",
        "specs/acme.json": "specs/accelerators/nvidia-t4.json",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((root / source).read_bytes())
    (folder / "folder").mkdir(exist_ok=True)
    (folder / "table.csv").write_text("chip,dtype,framework,m,n,k,latency_us\nL4,bf16,torch,64,64,64,10\n", encoding="utf-8")
    (folder / "link").unlink(missing_ok=True)
    (folder / "link").symlink_to("folder/target")
