"""Noise: every value, or a few of them, disturbed independently."""

from __future__ import annotations

from functools import cache

import numpy as np

from probing_core.transforms.alternatives import noise as alternatives
from probing_core.transforms.base import Image, Transform
from probing_core.transforms.pixel_ops import to_bytes


def gaussian_noise(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    return to_bytes(image + normal(image.shape, rng) * np.float32(255 * sigma))


def salt_and_pepper(image: Image, amount: float, rng: np.random.Generator) -> Image:
    chance = uint16(image.shape[:2], rng)
    noisy = image.copy()
    edge = round(65536 * amount / 2)
    noisy[chance < edge] = 0
    noisy[chance >= 65536 - edge] = 255
    return noisy


def speckle(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    return to_bytes(image * (1 + normal(image.shape, rng) * np.float32(sigma)))


def uint16(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw independent integers, uniform over 0..65535."""
    return np.frombuffer(rng.bytes(2 * int(np.prod(shape))), dtype="<u2").reshape(shape)


def normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw independent standard normal numbers, ``float32``, up to 4.2 standard deviations.

    By a table of 65,536 quantiles: faster than ``rng.standard_normal``, and finer than eight bits need.
    """
    return quantiles()[uint16(shape, rng)]


@cache
def quantiles() -> np.ndarray:
    from scipy.special import ndtri

    return ndtri((np.arange(65536) + 0.5) / 65536).astype(np.float32)


TRANSFORMS = (
    Transform(
        name="gaussian-noise",
        group="noise",
        member="A",
        parameter="sigma",
        unit="share of the range",
        weakest=0.04,
        strongest=0.12,
        neutral=0.0,
        revision=1,
        definition="Normal noise added to every value.",
        library="NumPy",
        source="Hendrycks & Dietterich 2019 (ImageNet-C)",
        draws=True,
        pixels=gaussian_noise,
        alternative=alternatives.gaussian_noise,
        alternative_revision=1,
    ),
    Transform(
        name="salt-and-pepper",
        group="noise",
        member="B",
        parameter="amount",
        unit="share of pixels",
        weakest=0.025,
        strongest=0.08,
        neutral=0.0,
        revision=1,
        definition="Random pixels replaced, half of them by black, half by white.",
        library="NumPy",
        source="Gonzalez & Woods, Digital Image Processing; scikit-image random_noise",
        draws=True,
        pixels=salt_and_pepper,
        alternative=alternatives.salt_and_pepper,
        alternative_revision=1,
    ),
    Transform(
        name="speckle",
        group="noise",
        member="C",
        parameter="sigma",
        unit="share of the value",
        weakest=0.15,
        strongest=0.35,
        neutral=0.0,
        revision=1,
        definition="Normal noise in proportion to every value.",
        library="NumPy",
        source="Hendrycks & Dietterich 2019 (ImageNet-C)",
        draws=True,
        pixels=speckle,
        alternative=alternatives.speckle,
        alternative_revision=1,
    ),
)
