"""Image statistics that know what transforms do, and nothing of what is in a picture: the honest strong baseline.

All lengths are pixels of the picture as it comes; values are in [0, 1] unless a feature says otherwise. Quantities that
span orders of magnitude enter as logarithms, so that a linear probe can use them.
"""

from __future__ import annotations

import cv2
import numpy as np

from probing_core.transforms.base import Image

BANDS = 8
"""Rings of the radial spectrum, from the lowest frequencies to the corner of the Fourier plane."""

PERIODS = (2, 3, 4, 5, 8)
"""Block sides whose grids are looked for: 8 is JPEG's, the others are those of pixelation."""

TINY = 1e-6


def _feature_names() -> tuple[str, ...]:
    channels = ("hue-cosine", "hue-sine", "saturation", "value")
    return (
        *(f"{channel}-{moment}" for channel in channels for moment in ("mean", "deviation")),
        *(f"{channel}-{moment}" for channel in channels[2:] for moment in ("skewness", "kurtosis")),
        *(f"value-quantile-{q}" for q in (1, 5, 25, 50, 75, 95, 99)),
        *(f"{channel}-{moment}" for channel in ("red", "green", "blue") for moment in ("mean", "deviation")),
        "log-laplacian-variance",
        "log-laplacian-kurtosis",
        *(f"log-spectrum-{band}" for band in range(BANDS)),
        "spectrum-anisotropy-cosine",
        "spectrum-anisotropy-sine",
        *(f"blockiness-{period}" for period in PERIODS),
        "log-noise",
        "log-chroma-noise",
        "edge-density",
        "levels-used",
        "black-share",
        "white-share",
        "border-flatness",
        "center-flatness",
    )


FEATURES = _feature_names()
"""Names of the features, in the order of `handcrafted`."""


def handcrafted(image: Image) -> np.ndarray:
    """(len(FEATURES),) ``float32``: the statistics of one picture."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    values = np.concatenate(
        [
            _color(image),
            _sharpness(gray),
            _spectrum(gray),
            [_blockiness(gray, period) for period in PERIODS],
            _noise(image),
            _structure(gray),
        ]
    )
    return values.astype(np.float32)


def _color(image: Image) -> np.ndarray:
    """Moments of hue (as a point on the circle, weighted by saturation), saturation, value and RGB; value quantiles."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL).reshape(-1, 3).astype(np.float32) / 255
    angle = 2 * np.pi * hsv[:, 0]
    saturation, value = hsv[:, 1], hsv[:, 2]
    planes = [np.cos(angle) * saturation, np.sin(angle) * saturation, saturation, value]
    moments = [moment for plane in planes for moment in (plane.mean(), plane.std())]
    shape = [s for plane in planes[2:] for s in _shape(plane)]
    quantiles = np.quantile(value, (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99))
    mean, deviation = cv2.meanStdDev(image)
    rgb = np.stack([mean, deviation], axis=1).reshape(-1) / 255
    return np.concatenate([moments, shape, quantiles, rgb])


def _shape(plane: np.ndarray) -> tuple[float, float]:
    """Skewness and excess kurtosis, both squashed by the inverse hyperbolic sine: flat pictures have wild ones."""
    centered = plane - plane.mean()
    variance = float(np.mean(centered**2)) + TINY
    skewness = float(np.mean(centered**3)) / variance**1.5
    kurtosis = float(np.mean(centered**4)) / variance**2 - 3
    return float(np.arcsinh(skewness)), float(np.arcsinh(kurtosis))


def _sharpness(gray: np.ndarray) -> list[float]:
    """Variance of the Laplacian (Pech-Pacheco et al. 2000) and how heavy its tails are."""
    laplacian = cv2.Laplacian(gray, cv2.CV_32F) / 255
    return [float(np.log(laplacian.var() + TINY)), _shape(laplacian)[1]]


def _spectrum(gray: np.ndarray) -> np.ndarray:
    """Log power in rings of equal width, relative to all power; and the direction that power prefers."""
    plane = gray.astype(np.float32) / 255
    window = np.outer(np.hanning(gray.shape[0]), np.hanning(gray.shape[1])).astype(np.float32)
    power = np.abs(np.fft.rfft2((plane - plane.mean()) * window)) ** 2
    v = np.fft.fftfreq(gray.shape[0])[:, None]
    u = np.fft.rfftfreq(gray.shape[1])[None]
    radius = np.sqrt(u**2 + v**2)
    ring = np.minimum((radius / 0.5 * (BANDS - 1)).astype(int), BANDS - 1)
    rings = np.bincount(ring.ravel(), power.ravel(), BANDS) + TINY
    angle = 2 * np.arctan2(v, u)  # twice: a direction and its opposite are one
    whitened = power * radius**2
    total = whitened.sum() + TINY
    anisotropy = [(whitened * np.cos(angle)).sum() / total, (whitened * np.sin(angle)).sum() / total]
    return np.concatenate([np.log(rings / rings.sum()), anisotropy])


def _blockiness(gray: np.ndarray, period: int) -> float:
    """Log ratio of the steps across the strongest grid of ``period`` to the steps elsewhere (Wang et al. 2002)."""
    steps = []
    for axis in (0, 1):
        jumps = np.abs(np.diff(gray.astype(np.float32), axis=axis)).mean(axis=1 - axis)
        phases = np.array([jumps[phase::period].mean() for phase in range(period)])
        strongest = phases.max()
        rest = (phases.sum() - strongest) / (period - 1)
        steps.append(np.log((strongest + 0.1) / (rest + 0.1)))
    return float(np.mean(steps))


def _noise(image: Image) -> list[float]:
    """Standard deviation of noise from the Laplacian of Laplacians (Immerkaer 1996), of gray and of chroma."""
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb).astype(np.float32) / 255
    response = np.abs(cv2.filter2D(luma, -1, kernel)).mean(axis=(0, 1)) * np.sqrt(np.pi / 2) / 6
    return [float(np.log(response[0] + 1e-4)), float(np.log(response[1:].mean() + 1e-4))]


def _structure(gray: np.ndarray) -> list[float]:
    """Edges, how many of the 256 levels occur, clipped shares, and how flat rim and middle are."""
    height, width = gray.shape
    rim = max(1, round(min(height, width) / 32))
    histogram = np.bincount(gray.ravel(), minlength=256)
    smooth = np.abs(cv2.Sobel(gray, cv2.CV_16S, 1, 0)) + np.abs(cv2.Sobel(gray, cv2.CV_16S, 0, 1)) < 8
    rim_pixels = np.concatenate(
        [smooth[:rim].ravel(), smooth[-rim:].ravel(), smooth[:, :rim].ravel(), smooth[:, -rim:].ravel()]
    )
    return [
        float(cv2.Canny(gray, 50, 150).mean() / 255),
        float((histogram > 0).mean()),
        float(histogram[:3].sum() / gray.size),
        float(histogram[-3:].sum() / gray.size),
        float(rim_pixels.mean()),
        float(smooth[rim:-rim, rim:-rim].mean()) if min(height, width) > 2 * rim else 0.0,
    ]
