"""Writes ONNX files of networks with random weights, as PyTorch's two exporters make them: input for `advise import onnx`.

Roofwise itself needs none of what this script needs. In an environment of its own:

    python3 -m venv /tmp/torch && /tmp/torch/bin/pip install torch torchvision transformers onnx onnxscript
    /tmp/torch/bin/python benchmarks/export_models.py --out /tmp/exported
    /tmp/torch/bin/python benchmarks/export_models.py --out tests/data/onnx --tiny

Networks: resnet18, resnet50, vit-b-16 (torchvision), bert-base, gpt2-small (transformers), with a fixed batch of 1 and with
symbolic axes, by the `legacy` exporter (TorchScript), by the same for opset 14, which has no layer norm and no GELU, so that
they are spelled out, and by `dynamo`. `--tiny` makes two-layer ones of width 8, of a few kB, which the tests import: without
texts for people, and without what an exporter writes beside the file.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
import torchvision
import transformers

TOKENS = 128


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A network to export: the module, an input, the input's name, and the names of its symbolic axes."""

    module: Any
    example: Any
    name: str
    axes: dict[int, str]


class Plain(torch.nn.Module):
    """A model of transformers as a function of its tokens alone, without a cache; it returns one tensor."""

    def __init__(self, inner: Any, field: str) -> None:
        super().__init__()
        self.inner, self.field = inner, field

    def forward(self, tokens: Any) -> Any:
        """Return the field of the model's answer. A decoder gets a mask of ones, without which the legacy export fails."""
        if self.field == "logits":
            return self.inner(tokens, attention_mask=torch.ones_like(tokens), use_cache=False)[self.field]
        return self.inner(tokens)[self.field]


def image(module: Any, side: int = 224) -> Exported:
    """Return a network over images."""
    return Exported(module=module, example=torch.zeros(1, 3, side, side), name="pixels", axes={0: "batch"})


def text(module: Any, field: str, tokens: int = TOKENS) -> Exported:
    """Return a network over tokens."""
    example = torch.zeros(1, tokens, dtype=torch.long)
    return Exported(module=Plain(module, field), example=example, name="tokens", axes={0: "batch", 1: "seq_len"})


def _bert(**fields: Any) -> Any:
    return transformers.BertModel(transformers.BertConfig(attn_implementation="eager", **fields))


def _gpt2(**fields: Any) -> Any:
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(attn_implementation="eager", **fields))


WHOLE: dict[str, Callable[[], Exported]] = {
    "resnet18": lambda: image(torchvision.models.resnet18()),
    "resnet50": lambda: image(torchvision.models.resnet50()),
    "vit-b-16": lambda: image(torchvision.models.vit_b_16()),
    "bert-base": lambda: text(_bert(), "pooler_output"),
    "gpt2-small": lambda: text(_gpt2(), "logits"),
}
TINY: dict[str, Callable[[], Exported]] = {
    "bert": lambda: text(
        _bert(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, vocab_size=11,
              max_position_embeddings=16), "pooler_output", 6
    ),
    "gpt2": lambda: text(_gpt2(n_embd=8, n_layer=2, n_head=2, vocab_size=11, n_positions=16), "logits", 6),
    "vit": lambda: image(
        torchvision.models.VisionTransformer(image_size=8, patch_size=4, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16,
                                             num_classes=3), 8
    ),
}  # fmt: skip


EXPORTERS: dict[str, dict[str, Any]] = {
    "legacy": {"dynamo": False},
    "opset14": {"dynamo": False, "opset_version": 14},
    "dynamo": {"dynamo": True},
}


def fill(module: Any) -> None:
    """Fill weights and statistics with random numbers, all different: exporters store equal tensors once."""
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.0)


def export(network: Exported, path: Path, exporter: str, *, symbolic: bool) -> None:
    """Write one file (and, for large weights, what the exporter writes beside it)."""
    dynamo = exporter == "dynamo"
    options: dict[str, Any] = {"input_names": [network.name], **EXPORTERS[exporter]}
    if symbolic and dynamo:
        options["dynamic_shapes"] = (dict.fromkeys(network.axes, torch.export.Dim.DYNAMIC),)
    elif symbolic:
        options["dynamic_axes"] = {network.name: network.axes}
    example = network.example.repeat(2, *[1] * (network.example.dim() - 1)) if symbolic else network.example
    with warnings.catch_warnings(action="ignore"), torch.no_grad():
        torch.onnx.export(network.module.eval(), (example,), str(path), **options)


def shrink(path: Path) -> None:
    """Leave texts for people and stored values beside the file out."""
    model = onnx.load(path, load_external_data=False)
    for holder in (model, model.graph, *model.graph.node):
        holder.doc_string = ""
        del holder.metadata_props[:]
    del model.graph.value_info[:]
    path.write_bytes(model.SerializeToString())
    path.with_name(f"{path.name}.data").unlink(missing_ok=True)


def main() -> None:
    """Export every network in every way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--only", nargs="*", default=[], help="names of networks")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.backends.mha.set_fastpath_enabled(False)
    for name, make in (TINY if arguments.tiny else WHOLE).items():
        if arguments.only and name not in arguments.only:
            continue
        network = make()
        fill(network.module)
        for exporter in EXPORTERS:
            for axes in ("fixed", "symbolic"):
                path = arguments.out / f"{name}-{exporter}-{axes}.onnx"
                try:
                    export(network, path, exporter, symbolic=axes == "symbolic")
                    if arguments.tiny:
                        shrink(path)
                    print(f"{path}: {path.stat().st_size:,} bytes")
                except Exception as error:  # noqa: BLE001 - an exporter that fails is reported, the others go on
                    print(f"{path}: not exported ({type(error).__name__}: {str(error)[:200]})")


if __name__ == "__main__":
    main()
