"""Blur transformations: convolution with a Gaussian, a line or a disc."""

from __future__ import annotations

import math

import cv2
import numpy as np

from probing_core.transforms import alternatives
from probing_core.transforms.pixel_ops import at_most, scale_of
from probing_core.transforms.transformation import Image, of_bank

MAX_BLURRED_SIDE = 512
"""Maximum shorter side for isotropic blurs. Larger images are downsampled, because blur removes fine detail anyway."""


def gaussian_blur(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    return at_most(image, MAX_BLURRED_SIDE, lambda small: cv2.GaussianBlur(small, (0, 0), sigma * scale_of(small)))


def motion_blur(image: Image, length: float, rng: np.random.Generator) -> Image:
    return cv2.filter2D(image, -1, line_kernel(length * scale_of(image), rng.uniform(0, math.pi)))


def defocus_blur(image: Image, radius: float, rng: np.random.Generator) -> Image:
    return at_most(
        image, MAX_BLURRED_SIDE, lambda small: cv2.filter2D(small, -1, disc_kernel(radius * scale_of(small)))
    )


def line_kernel(length: float, angle: float) -> np.ndarray:
    """Compute the kernel (K, K) ``float32``, sum 1, of a one-pixel-wide line of ``length`` px at ``angle`` radians."""
    half = math.ceil((length - 1) / 2) + 1
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    along = np.abs(x * math.cos(angle) + y * math.sin(angle))
    across = np.abs(-x * math.sin(angle) + y * math.cos(angle))
    weights = np.clip(length / 2 + 0.5 - along, 0, 1) * np.clip(1 - across, 0, 1)
    return weights / weights.sum()


def disc_kernel(radius: float) -> np.ndarray:
    """Compute the kernel (K, K) ``float32``, sum 1, of a disc with radius ``radius`` px and a one-pixel soft edge."""
    half = math.ceil(radius)
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    weights = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return weights / weights.sum()


NARROWEST_SIGMA = 0.25
"""Smallest sigma in pixels that has an effect: a smaller kernel covers only one pixel."""

NARROWEST_RADIUS = 0.5
"""Smallest radius in pixels that has an effect: a smaller kernel covers only one pixel."""

# fmt: off
TRANSFORMS = (
    of_bank(
        "blur", "A", "gaussian-blur", "sigma", "px at view size 128", 1.5, 3.0,
        "Convolves the image with a Gaussian.", "Hendrycks & Dietterich 2019 (ImageNet-C)",
        neutral=NARROWEST_SIGMA, pixels=gaussian_blur, is_length=True, alternative=alternatives.gaussian_blur,
    ),
    of_bank(
        "blur", "B", "motion-blur", "length", "px at view size 128", 7.0, 15.0,
        "Averages along a straight line at a random angle.", "Hendrycks & Dietterich 2019 (ImageNet-C)",
        draws=True, pixels=motion_blur, is_length=True, alternative=alternatives.motion_blur,
    ),
    of_bank(
        "blur", "C", "defocus-blur", "radius", "px at view size 128", 2.5, 5.0,
        "Averages over a disc, like an out-of-focus lens.", "Hendrycks & Dietterich 2019 (ImageNet-C)",
        neutral=NARROWEST_RADIUS, pixels=defocus_blur, is_length=True, alternative=alternatives.defocus_blur,
    ),
)
# fmt: on
