"""Starting files for specs: what `advise new` writes. Each is valid once its places are filled."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Final

from engine.documents import TO_FILL
from engine.errors import RoofwiseError

_HEAD: Final = (
    "Fill in what says FILL; take out what is optional and not published. Comments may stay. Then: advise validate @FILE@"
)
ACCELERATOR: Final = """{
  "$schema": "@SCHEMA@",
  "$comment": "@HEAD@",
  "id": "@NAME@",
  "name": "FILL: the chip's full name, as its maker writes it",
  "vendor": "FILL: its maker",
  "kind": "FILL: the kind of chip",
  "family": "FILL: its architecture; a calibration may apply to a whole family",
  "sources": {
    "$comment": "One for each document: title and publisher, url, date or day of access; or what you assume instead.",
    "ds": {
      "title": "FILL: title of the data sheet",
      "url": "FILL: its address",
      "accessed": "FILL: the day you read it, as in 2026-11-25"
    },
    "us": {"title": "our estimate", "assumes": "FILL: in a sentence, what your own figures rest on"}
  },
  "process_node": {"$comment": "optional", "value": "FILL: its process", "unit": "nm", "source": "ds"},
  "peak_dense": {
    "$comment": "Without sparsity, a line for each format: fp64 fp32 tf32 bf16 fp16 fp8 int8 fp4 int4; integers in TOP/s.",
    "bf16": {"value": "FILL: its dense peak in bf16", "unit": "TFLOP/s", "source": "ds"},
    "int8": {"value": "FILL: its dense peak in int8", "unit": "TOP/s", "source": "ds"}
  },
  "parallel_units": {
    "$comment": "optional, but a GPU or TPU needs it for an estimate. Units: SM CU MXU MME core tile engine unit",
    "value": "FILL: how many it has", "unit": "unit", "source": "ds"
  },
  "max_clock": {
    "$comment": "optional, but a GPU or TPU needs a clock for an estimate",
    "value": "FILL: its highest clock", "unit": "MHz", "source": "ds"
  },
  "memory": {
    "type": "FILL: its main memory, as in HBM3, GDDR6 or LPDDR5",
    "bandwidth": {"value": "FILL: its bandwidth, in bytes and not in bits", "unit": "GB/s", "source": "ds"},
    "capacity": {"value": "FILL: its capacity", "unit": "GB", "source": "ds"}
  },
  "last_level_cache": {
    "$comment": "optional; MB is 10^6 bytes, MiB is 2^20",
    "value": "FILL: its last-level cache", "unit": "MB", "source": "ds"
  },
  "tdp": {"$comment": "optional; without it the family's assumption", "value": "FILL: its TDP", "unit": "W", "source": "ds"},
  "idle_power": {
    "$comment": "optional; without it the family's assumption",
    "value": "FILL: its idle power", "unit": "W", "source": "us"
  }
}
"""
WORKLOAD: Final = """{
  "$schema": "@SCHEMA@",
  "$comment": "@HEAD@",
  "id": "@NAME@",
  "name": "FILL: the model's name, as its authors write it",
  "task": "FILL: what it does, as in image classification",
  "source": "paper",
  "sources": {
    "paper": {"title": "FILL: title of the paper or code that the graph follows", "url": "FILL: its address"}
  },
  "sizes": {
    "$comment": "optional: sizes that a request may choose, as in --size image=320",
    "image": {
      "default": "FILL: pixels of a side", "minimum": "FILL: the least", "maximum": "FILL: the most",
      "unit": "pixel", "source": "paper"
    }
  },
  "inputs": {"pixels": [3, "image", "image"]},
  "graph": [
    {
      "$comment": "One for each operator or block in order. Dimensions are numbers or expressions, without the batch.",
      "op": "conv2d", "name": "stem", "out_channels": "FILL: channels of the first convolution",
      "kernel": 3, "stride": 2, "padding": 1
    },
    {"op": "batch_norm", "name": "norm"},
    {"op": "activation", "name": "act", "function": "relu"},
    {"$comment": "An operator reads the one before it; \\"inputs\\": [...] names others.", "op": "global_pool", "name": "pool"},
    {"op": "linear", "name": "classifier", "out_features": "FILL: number of classes"}
  ],
  "published": {
    "$comment": "optional: totals that the graph must reproduce; within is how far their rounding may be off",
    "parameters": {"value": "FILL: parameters, in millions", "unit": "M", "source": "paper", "within": 0.01}
  }
}
"""
RULE: Final = """{
  "$schema": "@SCHEMA@",
  "$comment": "@HEAD@",
  "id": "FILL: the family of its rules, which says when they are asked",
  "about": "FILL: in a sentence, what these rules are about",
  "sources": {
    "us": {"title": "FILL: the document that says so, or your own decision"}
  },
  "rules": [
    {
      "$comment": "docs/rules.md lists the facts. A rule with the id of one of ours replaces it.",
      "id": "@NAME@",
      "verdict": "FILL: what it does",
      "title": "FILL: in a few words, what it finds",
      "when": "FILL: a condition over facts, as in tdp_w > 350",
      "because": "FILL: why, with facts in braces, as in its TDP of {tdp_w} is too much",
      "source": "us",
      "examples": {
        "$comment": "Facts on which it fires, and facts on which it is silent; both are tried.",
        "fires": {"tdp_w": 700},
        "silent": {"tdp_w": 72}
      }
    }
  ]
}
"""
PROFILE: Final = """{
  "$schema": "@SCHEMA@",
  "$comment": "@HEAD@",
  "id": "@NAME@",
  "name": "FILL: its name, for people",
  "objective": "FILL: a word in lower case, for --objective",
  "maximize": "FILL: an expression over the facts of docs/rules.md, as in throughput_per_s / tdp_w",
  "constraints": ["FILL: optional: a condition that chips must meet, as in tdp_w <= 200"],
  "because": "FILL: in a few words, what it ranks by",
  "sources": {
    "us": {"title": "FILL: the document that says so, or your own decision"}
  },
  "source": "us"
}
"""
CALIBRATION: Final = """{
  "$schema": "@SCHEMA@",
  "$comment": "@HEAD@ . advise calibrate writes one from measurements.",
  "id": "@NAME@",
  "name": "FILL: the chip, and whose measurements",
  "applies_to": {"hardware": ["FILL: id of the chip"]},
  "sources": {
    "lab": {"title": "FILL: what was measured, with which software", "date": "FILL: when, as in 2026-11"}
  },
  "correction": {
    "$comment": "All that a measured chip needs: two factors on its family's constants, 1 for none.",
    "launch_factor": {"value": "FILL: on the launch of a kernel", "unit": "1", "source": "lab"},
    "time_factor": {"value": "FILL: on the time of its kernels", "unit": "1", "source": "lab"}
  },
  "interval": {
    "$comment": "Ratios of measured to estimated time: one in ten below p10, one in ten above p90.",
    "level": "chip measured",
    "p10": {"value": "FILL: at most 1", "unit": "1", "source": "lab"},
    "p90": {"value": "FILL: at least 1", "unit": "1", "source": "lab"},
    "basis": "FILL: how many networks and batches"
  }
}
"""
MEASUREMENT: Final = """{
  "$schema": "@SCHEMA@",
  "$comment": "@HEAD@",
  "id": "@NAME@",
  "workload": "FILL: id of the model: advise list workloads",
  "hardware": "FILL: id of the chip: advise list hardware",
  "dtype": "FILL: its number format",
  "software": "FILL: software and version",
  "runtime": "FILL: how it ran the network",
  "method": "FILL: how it was timed, as in median of 1000 passes, device only",
  "date": "FILL: when, as in 2026-11-25",
  "sources": {
    "lab": {"title": "FILL: whose run, or the document that prints it"}
  },
  "points": [
    {
      "$comment": "One for each batch: a latency, a throughput, or both.",
      "batch": 1, "latency": {"value": "FILL: time of one pass", "unit": "ms", "source": "lab"}
    },
    {"batch": 8, "latency": {"value": "FILL: time of one pass", "unit": "ms", "source": "lab"}}
  ]
}
"""
STARTS: Final = {
    "accelerator": ACCELERATOR,
    "workload": WORKLOAD,
    "rule": RULE,
    "profile": PROFILE,
    "calibration": CALIBRATION,
    "measurement": MEASUREMENT,
}
"""Kind of spec -> its starting file."""
_NAMES: Final = {"rule": (re.compile(r"[A-Z][0-9]{3}"), "a capital letter and three digits, as in J901")}
_ID: Final = (re.compile(r"[a-z0-9][a-z0-9._-]{0,79}"), "lower case, digits, dots and hyphens, as in acme-one")


class NoIdError(RoofwiseError, ValueError):
    """A name cannot be the id of a spec of its kind."""


def start(kind: str, name: str, file: Path) -> str:
    """Return the starting file of a kind of spec. Raises NoIdError for a name that is no id."""
    pattern, form = _NAMES.get(kind, _ID)
    if not pattern.fullmatch(name):
        raise NoIdError(f"{name[:60]!r} is no id of {_article(kind)}; write {form}")
    filled = {"@HEAD@": _HEAD, "@FILE@": file.name, "@NAME@": name, "@SCHEMA@": schema_path(kind, file)}
    text = STARTS[kind]
    for mark, value in filled.items():
        text = text.replace(mark, value if mark == "@HEAD@" else json.dumps(value)[1:-1])
    return text


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def schema_path(kind: str, file: Path) -> str:
    """Return the path from a file to its schema: one that lies beside it or above, else where a copy may be put beside it."""
    name = f"{kind}.schema.json"
    folder = Path(os.path.abspath(file)).parent  # noqa: PTH100 - the file need not exist
    for above in [folder, *folder.parents][:4]:
        for found in (above / name, above / "schemas" / name):
            if found.is_file():
                return Path(os.path.relpath(found, folder)).as_posix()
    return name


def places(text: str) -> int:
    """Return how many places of a starting file wait to be filled."""
    return text.count(f'"{TO_FILL}')
