"""Distance of a transformed picture from the original; it is measured of every sample of every run."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from probing_core.transforms.base import Image

OCTAVES = 4
"""Number of scales of the distance: the pictures' own, and reduced by 2, 4 and 8."""

SAME_SSIM = 0.99
"""Above this structural similarity a transform is invisible."""

SAME_DIFFERENCE = 2.0
"""Below this mean absolute difference (of 255) a transform is invisible."""


@dataclass(frozen=True)
class Description:
    """How two pictures of one size differ.

    Attributes:
        ssim: structural similarity, mean of the three channels; 1 for equal pictures.
        difference: mean absolute difference of the values, 0 to 255.
        distance: 1 - SSIM, averaged over `OCTAVES` octaves.
        visible: whether the difference can be seen: by `SAME_SSIM` and `SAME_DIFFERENCE`.
    """

    ssim: float
    difference: float
    distance: float
    visible: bool


def describe(reference: Image, image: Image) -> Description:
    """Describe how ``image`` differs from ``reference``, both (H, W, 3) ``uint8``.

    The distance is that of multi-scale SSIM (Wang, Simoncelli & Bovik 2003) with equal weights for all scales, over
    red, green and blue, since luma alone would miss a turned hue.
    """
    difference = float(cv2.norm(reference, image, cv2.NORM_L1) / image.size)
    scales = np.array(_ssim_by_octave(reference.astype(np.float32), image.astype(np.float32)))
    return Description(
        ssim=float(scales[0]),
        difference=difference,
        distance=max(0.0, float(1 - scales.mean())),  # rounding may give a tiny negative number
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
    """Return structural similarity (Wang, Bovik, Sheikh & Simoncelli 2004) of ``float32`` arrays in 0..255.

    Gaussian window of 11 taps and sigma 1.5, borders mirrored, mean over all pixels and channels.
    """
    # In place, since at this size new arrays cost more than the arithmetic.
    c1, c2 = np.float32((0.01 * 255) ** 2), np.float32((0.03 * 255) ** 2)
    mean_x, mean_y = _window(x), _window(y)
    product = mean_x * mean_y
    squares = np.square(mean_x, out=mean_x)
    squares += np.square(mean_y, out=mean_y)
    covariance = _window(x * y)
    covariance -= product
    power = np.square(x)
    power += y * y
    variances = _window(power)  # only the sum of the two is needed: one blur less
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
