"""Stem and first blocks of EfficientNet-Lite0 (Tan & Le 2019; TensorFlow's Lite variant), in plain PyTorch.

The outputs equal those of ``tf_efficientnet_lite0`` in timm, as a test verifies. Importing timm would delay the first
prediction in the dashboard.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

BLOCKS = ((1, 1), (2, 2), (2, 2), (3, 2))
"""Number of layers and stride of the first layer, for each block. The last three blocks of the network are not used,
because they encode more content and fewer traces of edits."""

EPSILON = 1e-3
"""Epsilon of batch normalization in TensorFlow's implementation."""


class Convolution(nn.Module):
    """Convolution with TensorFlow padding and batch normalization, followed by ReLU6 if ``active``.

    Args:
        weight: (out, in / groups, k, k). The convolution is depthwise if the second dimension has size 1.
        normalization: tensors of the batch normalization, in the order of its state dict.
    """

    def __init__(self, weight: Tensor, normalization: Sequence[Tensor], stride: int, active: bool) -> None:
        super().__init__()
        out, per_group, self.kernel, _ = weight.shape
        groups = out if per_group == 1 else 1
        self.stride, self.active = stride, active
        self.convolution = nn.Conv2d(groups * per_group, out, self.kernel, stride, groups=groups, bias=False)
        self.normalization = nn.BatchNorm2d(out, eps=EPSILON)
        self.convolution.weight.data = weight
        names = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        self.normalization.load_state_dict(dict(zip(names, normalization, strict=True)))

    def forward(self, maps: Tensor) -> Tensor:
        (top, bottom), (left, right) = (self._padding(length) for length in maps.shape[2:])
        maps = self.normalization(self.convolution(F.pad(maps, (left, right, top, bottom))))
        return F.relu6(maps) if self.active else maps

    def _padding(self, length: int) -> tuple[int, int]:
        total = max((math.ceil(length / self.stride) - 1) * self.stride + self.kernel - length, 0)
        return total // 2, total - total // 2


class Layer(nn.Module):
    """Inverted residual layer: expansion (except in the first block), depthwise convolution and projection."""

    def __init__(self, tensors: Iterator[Tensor], stride: int, expands: bool) -> None:
        super().__init__()
        strides = (1, stride, 1) if expands else (stride, 1)
        last = len(strides) - 1
        self.steps = nn.Sequential(*(_next(tensors, step, active=i < last) for i, step in enumerate(strides)))

    def forward(self, maps: Tensor) -> Tensor:
        output = self.steps(maps)
        return output + maps if output.shape == maps.shape else output


class EarlyBlocks(nn.Module):
    """Network that maps a batch (N, 3, H, W) to the feature maps of each block in `BLOCKS`."""

    def __init__(self, weights: Sequence[Tensor]) -> None:
        super().__init__()
        tensors = iter(weights)
        self.stem = _next(tensors, 2, active=True)
        self.blocks = nn.ModuleList(
            nn.Sequential(*(Layer(tensors, stride if i == 0 else 1, expands=block > 0) for i in range(layers)))
            for block, (layers, stride) in enumerate(BLOCKS)
        )

    def forward(self, batch: Tensor) -> list[Tensor]:
        maps, outputs = self.stem(batch), []
        for block in self.blocks:
            maps = block(maps)
            outputs.append(maps)
        return outputs


def _next(tensors: Iterator[Tensor], stride: int, active: bool) -> Convolution:
    weight, *normalization = (next(tensors) for _ in range(6))
    return Convolution(weight, normalization, stride, active)
