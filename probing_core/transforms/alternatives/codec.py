"""Alternative codecs."""

from __future__ import annotations

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from probing_core.transforms.alternatives.arrays import pick, stored, to_float, to_image
from probing_core.transforms.base import Image
from probing_core.transforms.pixel_ops import scale_of


def jpeg(image: Image, rng: np.random.Generator) -> Image:
    """Store by Pillow's encoder, at any chroma subsampling; now and then as WebP."""
    if rng.random() < 0.1:
        return stored(image, "WEBP", quality=int(rng.integers(1, 25)))
    return stored(image, "JPEG", quality=int(rng.integers(8, 56)), subsampling=int(rng.integers(3)))


def pixelate(image: Image, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    factor = rng.uniform(2, 6) * scale_of(image)
    method = (Pillow.Resampling.BOX, Pillow.Resampling.NEAREST, Pillow.Resampling.BILINEAR)[rng.integers(3)]
    small = Pillow.fromarray(image).resize((max(2, round(width / factor)), max(2, round(height / factor))), method)
    return np.asarray(small.resize((width, height), Pillow.Resampling.NEAREST))


def posterize(image: Image, rng: np.random.Generator) -> Image:
    """Cut low bits off, round to a few levels, draw each level in its middle, or take a palette of few colors."""
    kind = pick(rng, (0.45, 0.25, 0.15, 0.15))
    if kind == 0:
        return np.asarray(ImageOps.posterize(Pillow.fromarray(image), 2 + pick(rng, (0.35, 0.4, 0.25))))
    if kind == 3:
        return np.asarray(
            Pillow.fromarray(image).quantize(int(rng.integers(8, 25)), dither=Pillow.Dither.NONE).convert("RGB")
        )
    levels, pixels = int(rng.integers(4, 13)), to_float(image)
    if kind == 1:
        return to_image(np.round(pixels * (levels - 1)) / (levels - 1))
    return to_image((np.floor(pixels * levels).clip(0, levels - 1) + 0.5) / levels)
