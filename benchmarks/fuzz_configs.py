"""Mutated configurations of Hugging Face models: `advise import hf` must read each, or say what is wrong with it.

    python benchmarks/fuzz_configs.py --count 5000

Every configuration of tests/configs is mutated with a seed. The outcome is a workload that can be built, or a message; any
other exception is a failure, and is printed with its seed. The time of the slowest and the growth of memory are printed, too.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from advisor.importers import hf
from engine.errors import RoofwiseError

CONFIGS: Final = Path(__file__).parents[1] / "tests" / "configs"
_DEEP: Final = 3000
VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 2, 3, 7, 255, 10**6, 10**9, 10**12, 2**63, 10**400, -(10**30), 0.5, 1e308, -0.0, float("nan"),
    float("inf"), "", "x", "silu", "gelu", "llama", "0", "é\u202e", "a" * 5000, [], [1], ["full_attention"], [[]], {}, {"a": 1},
    ["LlamaForCausalLM"], ["BertModel"], {"0": "LABEL_0"},
)  # fmt: skip
"""What a field is set to: values at and beyond every border, of every type."""


def _set(draw: random.Random, config: dict[str, Any]) -> str:
    config[draw.choice(list(config))] = draw.choice(VALUES)
    return json.dumps(config)


def _drop(draw: random.Random, config: dict[str, Any]) -> str:
    del config[draw.choice(list(config))]
    return json.dumps(config)


def _swap(draw: random.Random, config: dict[str, Any]) -> str:
    one, other = draw.choice(list(config)), draw.choice(list(config))
    config[one], config[other] = config[other], config[one]
    return json.dumps(config)


def _other_kind(draw: random.Random, config: dict[str, Any]) -> str:
    config["model_type"] = draw.choice([*hf.FAMILIES, *hf.MISSING, "unheard-of"])
    return json.dumps(config)


def _scale(draw: random.Random, config: dict[str, Any]) -> str:
    name = draw.choice([key for key, value in config.items() if isinstance(value, int)])
    config[name] = int(config[name]) * draw.choice([2, 3, 10, 1000, 10**6]) + draw.choice([0, 1, -1])
    return json.dumps(config)


def _rename(draw: random.Random, config: dict[str, Any]) -> str:
    name = draw.choice(list(config))
    config[draw.choice([name.upper(), name[:-1], f"{name}s", "x" * 300])] = config.pop(name)
    return json.dumps(config)


def _nest(draw: random.Random, config: dict[str, Any]) -> str:
    depth = draw.choice([50, 101, _DEEP])
    return json.dumps(config)[:-1] + ', "deep": ' + "[" * depth + "]" * depth + "}"


def _cut(draw: random.Random, config: dict[str, Any]) -> str:
    text = json.dumps(config)
    return text[: draw.randrange(len(text))]


def _garble(draw: random.Random, config: dict[str, Any]) -> str:
    text = list(json.dumps(config, indent=2))
    for _ in range(draw.randrange(1, 6)):
        text[draw.randrange(len(text))] = draw.choice('{}[]",:0129-+.eE \\u\x00\x7f\ud800é')
    return "".join(text)


def _again(draw: random.Random, config: dict[str, Any]) -> str:
    name = draw.choice(list(config))
    return f"{json.dumps(config)[:-1]}, {json.dumps(name)}: {json.dumps(draw.choice(VALUES))}}}"


def _grow(draw: random.Random, config: dict[str, Any]) -> str:
    config["filler"] = "x" * draw.choice([10, 10**5, 2 * 10**6])
    return json.dumps(config)


MUTATIONS: Final[tuple[Callable[[random.Random, dict[str, Any]], str], ...]] = (
    _set, _set, _set, _drop, _swap, _other_kind, _scale, _scale, _rename, _nest, _cut, _garble, _again, _grow,
)  # fmt: skip


def mutated(seed: int) -> tuple[str, str, str]:
    """Return a mutated configuration, the phase that is asked for, and what of."""
    draw = random.Random(seed)  # noqa: S311 - a seed, no secret
    path = draw.choice(sorted(CONFIGS.glob("*.json")))
    config = json.loads(path.read_text(encoding="utf-8"))
    for _ in range(draw.randrange(3)):
        config = json.loads(draw.choice((_set, _scale))(draw, config))
    mutation = draw.choice(MUTATIONS)
    return mutation(draw, config), draw.choice(("prefill", "decode")), f"{path.stem}, {mutation.__name__}"


def outcome(seed: int) -> str:
    """Return "read" or "refused". Raises whatever is neither."""
    text, phase, _ = mutated(seed)
    try:
        made = hf.imported(text, "config.json", phase=phase)
        hf.summary(made)
    except RoofwiseError as error:
        if not str(error).startswith("config.json:"):
            raise AssertionError(f"no place in {error}") from error
        return "refused"
    return "read"


def main() -> int:
    """Run the mutations and print what came out; 0 when none failed."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--count", type=int, default=5000)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    outcomes, slowest, before = Counter[str](), (0.0, 0), _peak_kib()
    for seed in range(chosen.seed, chosen.seed + chosen.count):
        start = time.perf_counter()
        try:
            outcomes[outcome(seed)] += 1
        except Exception as error:  # noqa: BLE001 - the point is that there is none
            outcomes["failed"] += 1
            print(f"seed {seed} ({mutated(seed)[2]}): {type(error).__name__}: {str(error)[:200]}")
        slowest = max(slowest, (time.perf_counter() - start, seed))
    print(", ".join(f"{count} {name}" for name, count in outcomes.most_common()))
    print(f"slowest {slowest[0]:.2f} s (seed {slowest[1]}), memory grew by {(_peak_kib() - before) / 1024:.0f} MiB")
    return int(outcomes["failed"] > 0)


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.exit(main())
