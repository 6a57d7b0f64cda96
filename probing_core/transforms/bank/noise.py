"""Noise transformations: independent perturbation of all values or of a few pixels."""

from __future__ import annotations

from functools import cache

import numpy as np

from probing_core.transforms import alternatives
from probing_core.transforms.pixel_ops import to_bytes
from probing_core.transforms.transformation import Image, of_bank


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
    """Draw independent uniform integers from 0 to 65535."""
    return np.frombuffer(rng.bytes(2 * int(np.prod(shape))), dtype="<u2").reshape(shape)


def normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw independent standard normal numbers, ``float32``, truncated at 4.3 standard deviations.

    A table of 65,536 quantiles is faster than ``rng.standard_normal`` and precise enough for 8-bit images.
    """
    return quantiles()[uint16(shape, rng)]


@cache
def quantiles() -> np.ndarray:
    from scipy.special import ndtri

    return ndtri((np.arange(65536) + 0.5) / 65536).astype(np.float32)


# fmt: off
TRANSFORMS = (
    of_bank(
        "noise", "A", "gaussian-noise", "sigma", "fraction of the range", 0.04, 0.12,
        "Adds normally distributed noise to every value.", "Hendrycks & Dietterich 2019 (ImageNet-C)", library="NumPy",
        draws=True, pixels=gaussian_noise, alternative=alternatives.gaussian_noise,
    ),
    of_bank(
        "noise", "B", "salt-and-pepper", "amount", "fraction of pixels", 0.025, 0.08,
        "Replaces random pixels, half of them with black and half with white.",
        "Gonzalez & Woods, Digital Image Processing; scikit-image random_noise", library="NumPy",
        draws=True, pixels=salt_and_pepper, alternative=alternatives.salt_and_pepper,
    ),
    of_bank(
        "noise", "C", "speckle", "sigma", "fraction of the value", 0.15, 0.35,
        "Adds normally distributed noise with a standard deviation proportional to each value.",
        "Hendrycks & Dietterich 2019 (ImageNet-C)", library="NumPy",
        draws=True, pixels=speckle, alternative=alternatives.speckle,
    ),
)
# fmt: on
