"""What degrades a picture before anything is done to it, told from its pixels alone.

A flaw is told where few photographs have as much of it; ``python -m scripts.flaws CORPUS`` measures how few, and how
much of what the bank does is noticed.
"""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 256
"""The shorter side, in pixels, at which pictures are judged: what is gone at about the size that models see degrades
nothing there."""

BLURRED = 0.5
"""Perceptual blur, 0 to 1 (Crété-Roffet et al. 2007)."""

NOISY = 14.0
"""Standard deviation of the noise, in gray values of 255."""

FADED = 100.0
"""Gray values, of 255, between the darkest and the brightest hundredth of the pixels."""

COLORLESS = 4.0
"""Difference between the channels, in values of 255, that 99 % of the pixels stay below."""

BORDER = 0.04
"""Share of the height, or of the width, that lies in one color along both edges."""

UNEVEN = 8
"""Values of 255 that compression may change in a bar of one color."""


def flaws(image: np.ndarray) -> list[str]:
    """One phrase for each flaw of a picture, (H, W, 3) ``uint8``, that its viewer should know of."""
    small = _small(image)
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    found = []
    if blur(gray) > BLURRED:
        found.append("looks blurred")
    if (sigma := noise(gray)) > NOISY:
        found.append(f"looks noisy (standard deviation about {sigma:.0f} of 255)")
    if contrast(gray) < FADED:
        found.append("has little contrast")
    if chroma(small) < COLORLESS:
        found.append("has no color")
    if (share := border(small)) > BORDER:
        found.append(f"has a border of one color ({share:.0%} of it)")
    return found


def _small(image: np.ndarray) -> np.ndarray:
    scale = SIDE / min(image.shape[:2])
    if scale >= 1:
        return image
    size = [max(1, round(side * scale)) for side in (image.shape[1], image.shape[0])]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def blur(gray: np.ndarray) -> float:
    """Perceptual blur of (H, W) ``uint8``: 0 sharp, 1 blurred; 0 where a picture is too small to tell, or flat."""
    from skimage.measure import blur_effect

    if min(gray.shape) < 16 or np.ptp(gray) == 0:
        return 0.0
    return float(blur_effect(gray))


def noise(gray: np.ndarray) -> float:
    """Standard deviation of the noise in (H, W) ``uint8``, in gray values.

    The median size of the finest diagonal Haar coefficients over that of a standard normal variable (Donoho &
    Johnstone 1994): edges are few, and hardly any run diagonally at this scale.
    """
    even = gray[: gray.shape[0] // 2 * 2, : gray.shape[1] // 2 * 2].astype(np.float32)
    diagonal = (even[::2, ::2] - even[::2, 1::2] - even[1::2, ::2] + even[1::2, 1::2]) / 2
    return float(np.median(np.abs(diagonal)) / 0.6745) if diagonal.size else 0.0


def contrast(gray: np.ndarray) -> float:
    """Gray values between the 1st and the 99th percentile of (H, W) ``uint8``."""
    low, high = np.percentile(gray, [1, 99])
    return float(high - low)


def chroma(image: np.ndarray) -> float:
    """99th percentile of the largest difference between two channels of (H, W, 3) ``uint8``."""
    return float(np.percentile(image.max(axis=2).astype(np.int16) - image.min(axis=2), 99))


def border(image: np.ndarray) -> float:
    """Share of the height, or of the width, of (H, W, 3) ``uint8`` that two opposite edges of one color take."""
    return max(_bars(image), _bars(image.swapaxes(0, 1)))


def _bars(image: np.ndarray) -> float:
    """Share of the rows that two bars take, at the top and at the bottom, in one color, with what they frame ending
    sharply: half of the row that comes next has other colors. The even ground around an object ends otherwise."""
    other = (np.abs(image.astype(np.int16) - image[0, 0].astype(np.int16)).max(axis=2) > UNEVEN).mean(axis=1)
    inside = np.flatnonzero(other > 0)
    if not len(inside) or inside[0] == 0 or inside[-1] == len(image) - 1:
        return 0.0
    first, last = min(inside[0] + 2, inside[-1]), max(inside[-1] - 2, inside[0])  # beyond what compression smears
    framed = min(other[first], other[last]) >= 0.5
    return float(1 - (inside[-1] - inside[0] + 1) / len(image)) if framed else 0.0
