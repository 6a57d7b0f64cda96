"""Tone transformations: one tone curve for all pixels."""

from __future__ import annotations

import numpy as np

from probing_core.transforms import alternatives
from probing_core.transforms.pixel_ops import VALUES, gray_of, lookup
from probing_core.transforms.transformation import Image, of_bank


def brighten(image: Image, factor: float, rng: np.random.Generator) -> Image:
    return lookup(image, VALUES * factor)


def contrast(image: Image, factor: float, rng: np.random.Generator) -> Image:
    mean = gray_of(image).mean()
    return lookup(image, mean + (VALUES - mean) * factor)


def gamma(image: Image, exponent: float, rng: np.random.Generator) -> Image:
    return lookup(image, 255 * (VALUES / 255) ** exponent)


# fmt: off
TRANSFORMS = (
    of_bank(
        "tone", "A", "brighten", "factor", "times", 1.4, 2.2,
        "Multiplies pixel values by the factor and clips them at white.", "torchvision adjust_brightness",
        neutral=1.0, pixels=brighten, alternative=alternatives.brighten,
    ),
    of_bank(
        "tone", "B", "contrast", "factor", "times", 0.6, 0.2,
        "Multiplies the difference between each value and the mean luma by the factor.",
        "torchvision adjust_contrast",
        neutral=1.0, pixels=contrast, alternative=alternatives.contrast,
    ),
    of_bank(
        "tone", "C", "gamma", "exponent", "power", 1.8, 2.5,
        "Raises values, scaled to 0..1, to the power of the exponent, which darkens the image.",
        "torchvision adjust_gamma",
        neutral=1.0, pixels=gamma, alternative=alternatives.gamma,
    ),
)
# fmt: on
