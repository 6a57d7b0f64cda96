"""Alternative tone curves."""

from __future__ import annotations

import numpy as np
from PIL import Image as Pillow
from PIL import ImageEnhance

from probing_core.transforms.alternatives.arrays import pick, to_float, to_image
from probing_core.transforms.base import Image


def brighten(image: Image, rng: np.random.Generator) -> Image:
    """Add an offset, where the bank multiplies; or use Pillow's enhancer."""
    if rng.random() < 0.5:
        return to_image(to_float(image) + rng.uniform(0.15, 0.4))
    return np.asarray(ImageEnhance.Brightness(Pillow.fromarray(image)).enhance(rng.uniform(1.4, 2.2)))


def contrast(image: Image, rng: np.random.Generator) -> Image:
    """Move values towards mid-gray, the picture's mean, or black."""
    pixels = to_float(image)
    center = (0.5, float(pixels.mean()), 0.0)[pick(rng, (0.4, 0.3, 0.3))]
    return to_image(center + rng.uniform(0.2, 0.6) * (pixels - center))


def gamma(image: Image, rng: np.random.Generator) -> Image:
    """Darken as the bank does, sometimes lighten."""
    power = rng.uniform(1.7, 3.6) if rng.random() < 0.8 else rng.uniform(0.3, 0.6)
    return to_image(to_float(image) ** power)
