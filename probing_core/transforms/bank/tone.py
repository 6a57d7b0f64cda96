"""Tone: one curve for all pixels."""

from __future__ import annotations

import numpy as np

from probing_core.transforms.alternatives import tone as alternatives
from probing_core.transforms.base import Image, Transform
from probing_core.transforms.pixel_ops import VALUES, gray_of, lookup


def brighten(image: Image, factor: float, rng: np.random.Generator) -> Image:
    return lookup(image, VALUES * factor)


def contrast(image: Image, factor: float, rng: np.random.Generator) -> Image:
    mean = gray_of(image).mean()
    return lookup(image, mean + (VALUES - mean) * factor)


def gamma(image: Image, exponent: float, rng: np.random.Generator) -> Image:
    return lookup(image, 255 * (VALUES / 255) ** exponent)


TRANSFORMS = (
    Transform(
        name="brighten",
        group="tone",
        member="A",
        parameter="factor",
        unit="times",
        weakest=1.4,
        strongest=2.2,
        neutral=1.0,
        revision=1,
        definition="Values multiplied by the factor, clipped at white.",
        library="OpenCV",
        source="torchvision adjust_brightness",
        pixels=brighten,
        alternative=alternatives.brighten,
        alternative_revision=1,
    ),
    Transform(
        name="contrast",
        group="tone",
        member="B",
        parameter="factor",
        unit="times",
        weakest=0.6,
        strongest=0.2,
        neutral=1.0,
        revision=1,
        definition="Values drawn toward the mean luma, their distance to it multiplied by the factor.",
        library="OpenCV",
        source="torchvision adjust_contrast",
        pixels=contrast,
        alternative=alternatives.contrast,
        alternative_revision=1,
    ),
    Transform(
        name="gamma",
        group="tone",
        member="C",
        parameter="exponent",
        unit="power",
        weakest=1.8,
        strongest=2.5,
        neutral=1.0,
        revision=1,
        definition="Values in 0..1 raised to the exponent, which darkens.",
        library="OpenCV",
        source="torchvision adjust_gamma",
        pixels=gamma,
        alternative=alternatives.gamma,
        alternative_revision=1,
    ),
)
