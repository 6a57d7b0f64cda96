"""Image statistics that know what transforms do, and nothing of what is in a picture: the honest strong baseline.

Lengths are pixels of the picture as it comes. Quantities that span orders of magnitude enter as logarithms, so that a
linear probe can use them. Histograms of 256 values carry most of the work: 1 ms for a picture of 128 px.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from probing_core.transforms.base import Image

RINGS = 12
"""Rings of the radial spectrum, of equal width up to the sampling limit; the last one holds the corners too."""

DIRECTIONS = 6
"""Sectors of half a turn in the histogram of gradient directions."""

PERIODS = (2, 3, 4, 5, 8)
"""Sides of the blocks whose grid is looked for: 8 is JPEG's, the others are pixelation's."""

LAGS = (1, 2, 4, 8)
QUANTILES = (1, 5, 25, 50, 75, 95, 99)
TONES = 4
"""Ranges of brightness in each of which noise is estimated: whether it grows with the signal tells its kind."""

GRID = 4
"""Cells a side whose sharpness is compared: overlays and borders make some unlike the rest."""

FEATURES: tuple[str, ...] = (
    *(f"{plane}-{m}" for plane in ("hue-cosine", "hue-sine") for m in ("mean", "deviation")),
    *(f"{plane}-{m}" for plane in ("saturation", "value") for m in ("mean", "deviation", "skewness", "kurtosis")),
    *(f"value-quantile-{q}" for q in QUANTILES),
    *(f"{channel}-{m}" for channel in ("red", "green", "blue") for m in ("mean", "deviation")),
    *(f"correlation-{pair}" for pair in ("red-green", "red-blue", "green-blue")),
    *(f"levels-{channel}" for channel in ("red", "green", "blue")),
    *(f"{end}-{channel}" for end in ("black", "white") for channel in ("red", "green", "blue")),
    "laplacian-variance",
    "laplacian-kurtosis",
    "laplacian-zero",
    *(f"step-{axis}-{lag}" for lag in LAGS for axis in ("down", "across")),
    *(f"no-step-{axis}" for axis in ("down", "across")),
    *(f"spectrum-{ring}" for ring in range(RINGS)),
    *(f"direction-{sector}" for sector in range(DIRECTIONS)),
    *(f"blockiness-{period}" for period in PERIODS),
    "noise-luma",
    "noise-chroma",
    *(f"noise-tone-{tone}" for tone in range(TONES)),
    "impulses-bright",
    "impulses-dark",
    "edge-density",
    "rim-flatness",
    "inside-flatness",
    "rim-contrast",
    "cell-sharpness-deviation",
    "cell-sharpness-lowest",
    "cell-sharpness-highest",
)
"""Names of the features, in the order of `handcrafted`."""


def handcrafted(image: Image) -> np.ndarray:
    """(len(FEATURES),) ``float32``: the statistics of one picture, at least 16 px a side."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    parts = (
        _hue(image),
        _channels(image),
        _steps(gray),
        _spectrum(gray),
        _directions(gray),
        [_blockiness(gray, period) for period in PERIODS],
        _noise(image),
        _structure(gray),
    )
    return np.concatenate(parts).astype(np.float32)


def _hue(image: Image) -> list[float]:
    """Hue as a point on the circle weighted by saturation; moments of saturation and value; quantiles of value."""
    hue, saturation, value = (plane.ravel() for plane in cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)))
    weights = saturation / np.float32(255)
    angles = np.arange(256) * (2 * np.pi / 256)
    first = np.bincount(hue, weights, 256) / hue.size
    second = np.bincount(hue, weights * weights, 256) / hue.size
    circle: list[float] = []
    for wave in (np.cos(angles), np.sin(angles)):
        mean = float(wave @ first)
        circle += [mean, float(np.sqrt(max(wave**2 @ second - mean**2, 0)))]
    counts = [_histogram(plane) for plane in (saturation, value)]
    levels = np.arange(256) / 255
    moments = [moment for count in counts for moment in _moments(levels, count)]
    cumulative = np.cumsum(counts[1]) / value.size
    quantiles = [float(np.searchsorted(cumulative, q / 100) / 255) for q in QUANTILES]
    return circle + moments + quantiles


def _channels(image: Image) -> list[float]:
    """Means, deviations and correlations of the channels; levels in use; shares near black and near white."""
    pixels = image.reshape(-1, 3).astype(np.float32)
    pixels *= np.float32(1 / 255)
    mean = pixels.mean(0, dtype=np.float64)
    pixels -= mean.astype(np.float32)
    covariance = (pixels.T @ pixels) / len(pixels)
    deviation = np.sqrt(np.maximum(np.diag(covariance), 1e-8))
    correlation = covariance / np.outer(deviation, deviation)
    counts = np.stack([_histogram(plane) for plane in cv2.split(image)])
    return [
        *np.stack([mean, deviation], axis=1).ravel(),
        *correlation[[0, 0, 1], [1, 2, 2]],
        *np.log((counts > 0).mean(1) + 1e-3),
        *np.log(counts[:, :4].sum(1) / len(pixels) + 1e-3),
        *np.log(counts[:, -4:].sum(1) / len(pixels) + 1e-3),
    ]


def _steps(gray: np.ndarray) -> list[float]:
    """The Laplacian (Pech-Pacheco et al. 2000: its variance measures focus), and mean steps over several lags."""
    laplacian = cv2.Laplacian(gray, cv2.CV_16S)
    # four neighbors and four times the center: -1020 to 1020
    counts = cv2.calcHist([(laplacian + 1020).astype(np.uint16)], [0], None, [2041], [0, 2041]).ravel()
    _, deviation, _, kurtosis = _moments(np.arange(-1020, 1021) / 255, counts)
    down = [cv2.absdiff(gray[lag:], gray[:-lag]) for lag in LAGS]
    across = [cv2.absdiff(gray[:, lag:], gray[:, :-lag]) for lag in LAGS]
    return [
        float(np.log(deviation**2 + 1e-6)),
        kurtosis,
        float(counts[1020] / gray.size),
        *(float(np.log(cv2.mean(d)[0] + 0.1)) for pair in zip(down, across, strict=True) for d in pair),
        1 - cv2.countNonZero(down[0]) / down[0].size,
        1 - cv2.countNonZero(across[0]) / across[0].size,
    ]


def _spectrum(gray: np.ndarray) -> np.ndarray:
    """Log share of the power in rings around the origin of the Fourier plane, Hann window."""
    window, ring = _fourier_plane(gray.shape)
    plane = gray.astype(np.float32)
    power = np.abs(np.fft.rfft2((plane - plane.mean()) * window)) ** 2
    rings = np.bincount(ring, power.ravel(), RINGS) + 1e-3
    return np.log(rings / rings.sum())


@lru_cache(maxsize=8)
def _fourier_plane(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The window, and the ring of every frequency of `numpy.fft.rfft2`."""
    radius = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None])
    ring = np.minimum((radius / 0.5 * (RINGS - 1)).astype(int), RINGS - 1)
    return np.outer(np.hanning(shape[0]), np.hanning(shape[1])).astype(np.float32), ring.ravel()


def _directions(gray: np.ndarray) -> np.ndarray:
    """Share of the gradient in each sector of direction: motion blur and streaks make it uneven."""
    x, y = cv2.spatialGradient(gray)
    magnitude, angle = cv2.cartToPolar(x.astype(np.float32), y.astype(np.float32))
    sector = (angle * (DIRECTIONS / np.pi)).astype(np.int32) % DIRECTIONS
    shares = np.bincount(sector.ravel(), magnitude.ravel(), DIRECTIONS) + 1
    return shares / shares.sum()


def _blockiness(gray: np.ndarray, period: int) -> float:
    """Log ratio of the steps across the strongest grid of ``period`` to the steps elsewhere (Wang et al. 2002)."""
    ratios = []
    for axis in (0, 1):
        size = gray.shape[axis] - 1
        jumps = (
            cv2.absdiff(gray[1:], gray[:-1]).mean(1) if axis == 0 else cv2.absdiff(gray[:, 1:], gray[:, :-1]).mean(0)
        )
        phases = jumps[: size - size % period].reshape(-1, period).mean(0)
        strongest = phases.max()
        rest = (phases.sum() - strongest) / (period - 1)
        ratios.append(np.log((strongest + 0.1) / (rest + 0.1)))
    return float(np.mean(ratios))


def _noise(image: Image) -> list[float]:
    """Deviation of noise by the difference of two Laplacians (Immerkaer 1996); and lone bright or dark pixels."""
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    scale = np.sqrt(np.pi / 2) / 6
    luma, red, blue = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb))
    response = np.abs(cv2.filter2D(luma, cv2.CV_32F, kernel))
    chroma = [np.abs(cv2.filter2D(plane, cv2.CV_32F, kernel)).mean() for plane in (red, blue)]
    smooth = cv2.medianBlur(luma, 3)
    tone = (smooth // (256 // TONES)).ravel()
    sums = np.bincount(tone, response.ravel(), TONES)
    counts = np.bincount(tone, minlength=TONES)
    overall = float(response.mean())
    by_tone = (sums + overall) / (counts + 1)  # a tone that does not occur has the overall noise
    return [
        float(np.log(overall * scale + 0.1)),
        float(np.log(np.mean(chroma) * scale + 0.1)),
        *np.log(by_tone * scale + 0.1),
        float(np.log((cv2.subtract(luma, smooth) > 50).mean() + 1e-3)),
        float(np.log((cv2.subtract(smooth, luma) > 50).mean() + 1e-3)),
    ]


def _structure(gray: np.ndarray) -> list[float]:
    """Edges (Canny 1986), flat areas in the rim and inside it, and how much sharpness differs between cells."""
    height, width = gray.shape
    rim = max(1, min(height, width) // 24)
    blurred = cv2.blur(gray, (3, 3))
    rough = cv2.absdiff(gray, blurred)
    inside = rough[rim:-rim, rim:-rim]
    inside_sum, rim_size = int((inside > 2).sum()), rough.size - inside.size
    rim_rough = (int((rough > 2).sum()) - inside_sum) / rim_size
    brightness, inside_brightness = float(gray.mean()), float(gray[rim:-rim, rim:-rim].mean())
    rim_brightness = (brightness * gray.size - inside_brightness * inside.size) / rim_size
    cells = cv2.resize(rough.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
    sharpness = np.log(cells + 0.1)
    return [
        float(cv2.Canny(gray, 50, 150).mean() / 255),
        1 - rim_rough,
        1 - inside_sum / inside.size,
        abs(rim_brightness - inside_brightness) / 255,
        float(sharpness.std()),
        float(sharpness.min()),
        float(sharpness.max()),
    ]


def _histogram(plane: np.ndarray) -> np.ndarray:
    """(256,) counts of the values of a ``uint8`` array; four times as fast as `numpy.bincount`."""
    return cv2.calcHist([plane], [0], None, [256], [0, 256]).ravel()


def _moments(levels: np.ndarray, counts: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, deviation, skewness and excess kurtosis of a histogram; the last two through the inverse hyperbolic
    sine, since flat pictures have wild ones."""
    share = counts / counts.sum()
    mean = float(levels @ share)
    centered = levels - mean
    variance = float(centered**2 @ share) + 1e-8
    skewness = float(centered**3 @ share) / variance**1.5
    kurtosis = float(centered**4 @ share) / variance**2 - 3
    return mean, float(np.sqrt(variance)), float(np.arcsinh(skewness)), float(np.arcsinh(kurtosis))
