"""Alterations that the bank lacks and that belong to a transform's group all the same; the detector learns them too.

A detector that has met no ground glass and nothing darkened does not find them, whatever else it learned of blur and
tone. They teach it alone: probes are asked which transform of the bank was applied.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from probing_core.transforms.alternatives.arrays import soft, to_float, to_image
from probing_core.transforms.base import Image
from probing_core.transforms.pixel_ops import scale_of


def ground_glass(image: Image, rng: np.random.Generator) -> Image:
    """Take every pixel from beside, once or twice, between two slight blurs."""
    scale = scale_of(image)
    sigma, reach = rng.uniform(0.4, 1) * scale, max(1, round(rng.uniform(1, 3) * scale))
    pixels = soft(to_float(image), sigma)
    rows, columns = np.indices(image.shape[:2])
    for _ in range(int(rng.integers(1, 3))):
        down, right = rng.integers(-reach, reach + 1, (2, *image.shape[:2]))
        pixels = pixels[(rows + down).clip(0, image.shape[0] - 1), (columns + right).clip(0, image.shape[1] - 1)]
    return to_image(soft(pixels, sigma))


def darken(image: Image, rng: np.random.Generator) -> Image:
    """Darken by an offset or a factor."""
    if rng.random() < 0.5:
        return to_image(to_float(image) - rng.uniform(0.15, 0.5))
    return to_image(to_float(image) * rng.uniform(0.35, 0.7))


WIDER_ALTERED: dict[str, Callable[[Image, np.random.Generator], Image]] = {
    "gaussian-blur": ground_glass,
    "gamma": darken,
}
"""By the transform of the bank that is nearest: as that one it is learned."""
