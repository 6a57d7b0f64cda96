"""Distance between a transformed image and its original, computed for every sample of a run."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from probing_core.transforms.transformation import Image

OCTAVES = 4
"""Number of scales over which the distance is averaged: full size, and downsampling by 2, 4 and 8."""

SAME_SSIM = 0.99
"""Structural similarity above which a transformation is considered invisible."""

SAME_DIFFERENCE = 2.0
"""Mean absolute difference, for values from 0 to 255, below which a transformation is considered invisible."""


@dataclass(frozen=True)
class Description:
    """Difference between two images of the same size.

    Attributes:
        ssim: structural similarity, averaged over the three channels; 1 for identical images.
        difference: mean absolute difference of the pixel values, 0 to 255.
        distance: 1 - SSIM, averaged over `OCTAVES` scales.
        visible: whether the difference is visible according to `SAME_SSIM` and `SAME_DIFFERENCE`.
    """

    ssim: float
    difference: float
    distance: float
    visible: bool


def describe(reference: Image, image: Image) -> Description:
    """Compare ``image`` with ``reference``, both (H, W, 3) ``uint8``.

    The distance is based on multi-scale SSIM (Wang, Simoncelli & Bovik 2003), but averages over scales with equal
    weights. It also averages over red, green and blue, because luma would miss hue rotations.
    """
    difference = float(cv2.norm(reference, image, cv2.NORM_L1) / image.size)
    scales = np.array(_ssim_by_octave(reference.astype(np.float32), image.astype(np.float32)))
    return Description(
        ssim=float(scales[0]),
        difference=difference,
        distance=max(0.0, float(1 - scales.mean())),  # rounding may yield a tiny negative number
        visible=bool(scales[0] <= SAME_SSIM and difference >= SAME_DIFFERENCE),
    )


def _ssim_by_octave(x: np.ndarray, y: np.ndarray) -> list[float]:
    scales = [ssim(x, y)]
    for _ in range(OCTAVES - 1):
        half = max(1, x.shape[1] // 2), max(1, x.shape[0] // 2)
        x, y = (cv2.resize(values, half, interpolation=cv2.INTER_AREA) for values in (x, y))
        scales.append(ssim(x, y))
    return scales


def ssim(x: np.ndarray, y: np.ndarray) -> float:
    """Compute the structural similarity (Wang, Bovik, Sheikh & Simoncelli 2004) of ``float32`` images in 0..255.

    The window is Gaussian with 11 taps and sigma 1.5, borders are mirrored, and the result is averaged over pixels and
    channels.
    """
    # Work in place, because allocating arrays costs more than the arithmetic.
    c1, c2 = np.float32((0.01 * 255) ** 2), np.float32((0.03 * 255) ** 2)
    mean_x, mean_y = _window(x), _window(y)
    product = mean_x * mean_y
    squares = np.square(mean_x, out=mean_x)
    squares += np.square(mean_y, out=mean_y)
    covariance = _window(x * y)
    covariance -= product
    power = np.square(x)
    power += y * y
    variances = _window(power)  # only the sum of both variances is needed, which saves a blur
    variances -= squares

    product *= 2
    product += c1
    covariance *= 2
    covariance += c2
    squares += c1
    variances += c2
    product *= covariance
    product /= squares
    product /= variances
    return float(product.mean(dtype=np.float64))


def _window(values: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(values, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT)
