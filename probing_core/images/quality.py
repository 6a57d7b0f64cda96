"""Image flaws, such as blur and noise, measured from pixels.

With these thresholds, each flaw occurs in about 1% of color photographs (measured on 1,500 photographs from Caltech-101
and PACS with ``python -m lab.evidence.flaws CORPUS``).
"""

from __future__ import annotations

import cv2
import numpy as np

MEASURED_SIDE = 256
"""Shorter side in pixels to which larger images are downsampled before measurement."""

MAX_ASPECT = 8
"""Maximum aspect ratio. More elongated images are cropped to a central part with this ratio."""

BLURRED = 0.5
"""Threshold for the perceptual blur, which ranges from 0 to 1 (Crété-Roffet et al. 2007)."""

NOISY = 14.0
"""Threshold for the noise standard deviation, for gray values from 0 to 255."""

FADED = 100.0
"""Threshold for the difference between the 1st and 99th percentiles of gray values from 0 to 255."""

COLORLESS = 4.0
"""Threshold for the 99th percentile of channel differences, for values from 0 to 255."""

NEAR_GRAY = 8.0
"""Threshold for the mean difference between the largest and smallest channel, for values from 0 to 255. Below it, color
transformations are not visible."""

GRAY_SIDE = 64
"""Side length in pixels to which images are resized before `has_no_color` examines them, to average out noise."""

BORDER = 0.04
"""Threshold for the size of a uniform border, as a fraction of the height or width."""

FLAT = 0.5
"""Threshold for the fraction of blocks without detail. Above it, an image looks like a screenshot or a drawing
(docs/detector.md)."""

PERHAPS_NO_PHOTOGRAPH = "may not be a photograph"
"""Answer and scan flag for images for which `is_flat` returns True."""

GRID_SQUARE = 4
"""Side length in pixels of the blocks whose detail is measured."""

MAX_EVEN_DIFFERENCE = 2
"""Maximum difference between values of the same channel in a block without detail, for values from 0 to 255."""

MAX_BORDER_CHANGE = 8
"""Maximum color change within a uniform border due to compression, for values from 0 to 255."""

MAX_SPECKS = 0.05
"""Maximum fraction of pixels in a row of a uniform border that differ by more than `MAX_BORDER_CHANGE`."""


def flaws(image: np.ndarray) -> list[str]:
    """Detect the flaws of an image (H, W, 3) ``uint8``, and return a phrase for each."""
    small = as_measured(image)
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    phrases = []
    if blur(gray) > BLURRED:
        phrases.append("looks blurred")
    if (sigma := noise(gray)) > NOISY:
        phrases.append(f"looks noisy (standard deviation about {sigma:.0f} of 255)")
    if contrast(gray) < FADED:
        phrases.append("has little contrast")
    if chroma(small) < COLORLESS:
        phrases.append("has no color")
    if (share := border(small)) > BORDER:
        phrases.append(f"has a border of one color ({100 * share:.0f}% of the height or width)")
    return phrases


def has_no_color(image: np.ndarray) -> bool:
    """Return whether the difference between the largest and smallest channel is below `NEAR_GRAY` on average."""
    small = cv2.resize(image, (GRAY_SIDE, GRAY_SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    return bool((small.max(2) - small.min(2)).mean() < NEAR_GRAY)


def turned_gray(image: np.ndarray) -> np.ndarray:
    """Convert ``image`` to grayscale, with the luma in all three channels."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def as_measured(image: np.ndarray) -> np.ndarray:
    """Crop and downsample an image to the size at which flaws are measured. The function is idempotent."""
    longest = MAX_ASPECT * min(image.shape[:2])
    top, left = (max(0, (side - longest) // 2) for side in image.shape[:2])
    image = image[top : top + longest, left : left + longest]
    scale = MEASURED_SIDE / min(image.shape[:2])
    if scale >= 1:
        return image
    size = [max(1, round(side * scale)) for side in (image.shape[1], image.shape[0])]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def blur(gray: np.ndarray) -> float:
    """Measure the perceptual blur of a grayscale image (H, W) ``uint8``, from 0 (sharp) to 1 (blurred).

    The result is 0 for images that are uniform or smaller than 16 pixels.
    """
    from skimage.measure import blur_effect

    if min(gray.shape) < 16:
        return 0.0
    along = blur_effect(gray, reduce_func=None)
    # Blur cannot be measured along an axis with constant values.
    return float(max((value for axis, value in enumerate(along) if np.ptp(gray, axis=axis).any()), default=0.0))


def noise(gray: np.ndarray) -> float:
    """Estimate the noise standard deviation of a grayscale image (H, W) ``uint8`` (Donoho & Johnstone 1994).

    The estimate is the median absolute value of the finest diagonal Haar coefficients, divided by the median absolute
    value of the standard normal distribution.
    """
    even = gray[: gray.shape[0] // 2 * 2, : gray.shape[1] // 2 * 2].astype(np.float32)
    diagonal = (even[::2, ::2] - even[::2, 1::2] - even[1::2, ::2] + even[1::2, 1::2]) / 2
    return float(np.median(np.abs(diagonal)) / 0.6745) if diagonal.size else 0.0


def contrast(gray: np.ndarray) -> float:
    """Compute the difference between the 99th and 1st percentiles of a grayscale image (H, W) ``uint8``."""
    low, high = np.percentile(gray, [1, 99])
    return float(high - low)


def chroma(image: np.ndarray) -> float:
    """Compute the 99th percentile of channel differences (largest minus smallest) in an image (H, W, 3) ``uint8``."""
    spans = _over_channels(np.maximum, image).astype(np.int16) - _over_channels(np.minimum, image)
    return float(np.percentile(spans, 99))


def _over_channels(function: np.ufunc, image: np.ndarray) -> np.ndarray:
    """Reduce an image (H, W, 3) over its channels. NumPy's ``max`` takes ten times as long for such a short axis."""
    red, green, blue = np.moveaxis(image, 2, 0)
    return function(function(red, green), blue)


def flatness(image: np.ndarray) -> float:
    """Compute the fraction of blocks without detail in an image (H, W, 3) ``uint8``.

    The fraction is 0 for images smaller than a block.
    """
    small = as_measured(image)
    height, width = (side // GRID_SQUARE for side in small.shape[:2])
    squares = small[: height * GRID_SQUARE, : width * GRID_SQUARE].reshape(height, GRID_SQUARE, width, GRID_SQUARE, 3)
    if not squares.size:
        return 0.0
    # Reducing one axis after the other is faster than both at once.
    span = squares.max(axis=1).max(axis=2).astype(np.int16) - squares.min(axis=1).min(axis=2)
    return float((span.max(axis=-1) <= MAX_EVEN_DIFFERENCE).mean())


def is_flat(image: np.ndarray) -> bool:
    """Return whether most blocks of an image have no detail, as in screenshots and drawings."""
    return flatness(image) > FLAT


def border(image: np.ndarray) -> float:
    """Measure the uniform border of an image (H, W, 3) ``uint8``, as a fraction of the height or width."""
    return max(_bars(image), _bars(image.swapaxes(0, 1)))


def _bars(image: np.ndarray) -> float:
    # Unlike a plain background, bars end abruptly: at least half of the pixels just inside must have other colors.
    changes = np.abs(image.astype(np.int16) - image[0, 0].astype(np.int16))
    differing = (_over_channels(np.maximum, changes) > MAX_BORDER_CHANGE).mean(axis=1)
    inside = np.flatnonzero(differing > MAX_SPECKS)
    if not len(inside) or inside[0] == 0 or inside[-1] == len(image) - 1:
        return 0.0
    # Skip 8 pixels, the size of the blocks over which compression spreads an edge.
    first, last = min(inside[0] + 8, inside[-1]), max(inside[-1] - 8, inside[0])
    framed = min(differing[first], differing[last]) >= 0.5
    return float(1 - (inside[-1] - inside[0] + 1) / len(image)) if framed else 0.0
