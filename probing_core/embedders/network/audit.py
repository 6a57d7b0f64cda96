"""Which transforms survive a model's own resize: reduction before the network erases blur, noise and compression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probing_core.embedders.base import Preprocessing
from probing_core.embedders.network.preprocessing import resize_and_crop
from probing_core.transforms.base import Image


def surviving_share(clean: Sequence[Image], transformed: Sequence[Image], preprocessing: Preprocessing) -> float:
    """How much of what a transform changed reaches the network.

    The root mean square difference between the pairs after the model's resize and crop, over that before. 1 where
    the picture is left alone or enlarged by copying; below 1 where details are averaged away; above 1 where the crop
    keeps the part that changed most.

    Args:
        clean, transformed: pictures in the same order, pairwise of the same size.

    Raises:
        ValueError: no pair differs, so that nothing could survive.
    """
    before = _difference(clean, transformed)
    if before == 0:
        raise ValueError("the transformed pictures equal the clean ones; nothing was changed that could survive")
    resized = [[resize_and_crop(image, preprocessing) for image in images] for images in (clean, transformed)]
    return _difference(*resized) / before


def _difference(first: Sequence[Image], second: Sequence[Image]) -> float:
    squares = [np.mean((a.astype(np.float32) - b) ** 2) for a, b in zip(first, second, strict=True)]
    return float(np.sqrt(np.mean(squares)))
