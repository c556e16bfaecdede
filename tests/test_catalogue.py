"""The catalogue holds the networks that it promises, each with what its authors published."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
import strategies

PATHS = sorted((strategies.ROOT / "specs" / "workloads").glob("*.json"))

NETWORKS = """
resnet18 resnet34 resnet50 resnet101 resnet152 resnext50-32x4d vgg16 vgg19 mobilenet-v1 mobilenet-v2 mobilenet-v3-large
efficientnet-b0 efficientnet-b4 densenet121 squeezenet1-1 inception-v3 convnext-tiny convnext-base vit-b-16 vit-l-16 swin-tiny
yolov5s yolov8n yolov8m retinanet-r50 unet dlrm-criteo dit-xl-2
"""
"""Networks other than language models."""
LANGUAGE = """
bert-base bert-large distilbert gpt2 gpt2-medium gpt2-large gpt2-xl gpt3-xl gpt3-2.7b gpt3-175b opt-1.3b llama-2-7b llama-2-70b
llama-3.1-8b llama-3.1-70b mixtral-8x7b qwen3-32b deepseek-v3 whisper-large-v3
"""
"""Language models; their papers count parameters."""


@pytest.mark.parametrize("name", NETWORKS.split())
def test_a_promised_network_is_there_with_published_totals(name: str) -> None:
    workload = strategies.catalog().workloads[name]
    assert workload.published.parameters is not None
    assert workload.published.work is not None or name == "dlrm-criteo"  # its paper counts parameters only


@pytest.mark.parametrize("name", LANGUAGE.split())
def test_a_promised_language_model_is_there_with_published_parameters(name: str) -> None:
    assert strategies.catalog().workloads[name].published.parameters is not None


def test_the_catalogue_has_forty_networks() -> None:
    assert len(strategies.catalog().workloads.ids) >= 40


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_a_total_that_is_not_reproduced_to_its_printed_digits_says_why(path: Path) -> None:
    published = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal).get("published", {})
    network = strategies.network(path.stem)
    for name, total in published.items():
        printed = Decimal(total["value"])
        unit = getattr(strategies.catalog().workloads[path.stem].published, name).si / float(printed)
        half_a_digit = Decimal(1).scaleb(printed.as_tuple().exponent) / 2
        off = abs(Decimal(getattr(network, name) / unit) - printed)
        assert off <= half_a_digit * Decimal("1.000001") or "note" in total, (name, off)
