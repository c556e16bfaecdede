"""The catalogue holds the networks that it promises, each with what its authors published."""

from __future__ import annotations

import pytest
import strategies

NETWORKS = """
resnet18 resnet34 resnet50 resnet101 resnet152 resnext50-32x4d vgg16 vgg19 mobilenet-v1 mobilenet-v2 mobilenet-v3-large
efficientnet-b0 efficientnet-b4 densenet121 squeezenet1-1 inception-v3 convnext-tiny convnext-base vit-b-16 vit-l-16 swin-tiny
yolov5s yolov8n yolov8m retinanet-r50 unet dlrm-criteo dit-xl-2
"""
"""Networks other than language models."""


@pytest.mark.parametrize("name", NETWORKS.split())
def test_a_promised_network_is_there_with_published_totals(name: str) -> None:
    workload = strategies.catalog().workloads[name]
    assert workload.published.parameters is not None
    assert workload.published.work is not None or name == "dlrm-criteo"  # its paper counts parameters only


def test_the_catalogue_has_forty_networks() -> None:
    assert len(strategies.catalog().workloads.ids) >= 40
