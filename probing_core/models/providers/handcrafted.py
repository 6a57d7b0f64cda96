"""Handcrafted image statistics: a strong baseline that is more sensitive to transformations than to content.

Lengths are in pixels. Each family of features has two functions. The first measures an image, mostly with histograms.
The second computes features from the measurements of many images of equal size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
from scipy.fft import rfft2

from probing_core.transforms.transformation import Image

RINGS = 12
"""Number of rings of the radial spectrum, with equal widths up to the Nyquist frequency. The last ring includes the
corners."""

DIRECTIONS = 6

PERIODS = (2, 3, 4, 5, 8)
"""Block sizes for which blockiness is measured: 8 for JPEG, the others for pixelation."""

LAGS = (1, 2, 4, 8)
QUANTILES = (1, 5, 25, 50, 75, 95, 99)
TONES = 4
"""Number of brightness ranges with separate noise estimates, because some noise grows with the signal."""

SHARPNESS_CELLS = 4
"""Number of cells per side for local sharpness. Overlays and borders change the sharpness of some cells."""

PAIRS = (0, 1), (0, 2), (1, 2)

LEVELS = np.arange(256) / 255

_TURN = np.arange(256) * (2 * np.pi / 256)
WAVES = np.cos(_TURN).astype(np.float32), np.sin(_TURN).astype(np.float32)
"""Cosine and sine of each hue value."""

LAPLACIAN = 1020
"""Maximum absolute value of the Laplacian, 4 * 255."""

LAPLACIAN_LEVELS = np.arange(-LAPLACIAN, LAPLACIAN + 1) / 255

LONE = 50
"""Minimum difference of an isolated pixel from the median of its neighborhood, for pixel values up to 255."""

NOISE_KERNEL = np.array([1, -2, 1], np.float32)
"""Second difference, applied to rows and columns to isolate noise (Immerkaer 1996)."""

PICTURES_AT_ONCE = 64
"""Number of images per batch. More measurements would not fit into the CPU cache."""

FEATURES: tuple[str, ...] = (
    *(f"{plane}-{m}" for plane in ("hue-cosine", "hue-sine") for m in ("mean", "deviation")),
    *(f"{plane}-{m}" for plane in ("saturation", "value") for m in ("mean", "deviation", "skewness", "kurtosis")),
    *(f"value-quantile-{q}" for q in QUANTILES),
    *(f"{channel}-{m}" for channel in ("red", "green", "blue") for m in ("mean", "deviation")),
    *(f"correlation-{pair}" for pair in ("red-green", "red-blue", "green-blue")),
    *(f"levels-{channel}" for channel in ("red", "green", "blue")),
    *(f"{end}-{channel}" for end in ("black", "white") for channel in ("red", "green", "blue")),
    *(f"laplacian-{m}" for m in ("variance", "kurtosis", "zero")),
    *(f"step-{axis}-{lag}" for lag in LAGS for axis in ("down", "across")),
    *(f"no-step-{axis}" for axis in ("down", "across")),
    *(f"spectrum-{ring}" for ring in range(RINGS)),
    *(f"direction-{sector}" for sector in range(DIRECTIONS)),
    *(f"blockiness-{period}" for period in PERIODS),
    *(f"noise-{plane}" for plane in ("luma", "chroma")),
    *(f"noise-tone-{tone}" for tone in range(TONES)),
    *(f"impulses-{kind}" for kind in ("bright", "dark")),
    "edge-density",
    *(f"{place}-flatness" for place in ("rim", "inside")),
    "rim-contrast",
    *(f"cell-sharpness-{m}" for m in ("deviation", "lowest", "highest")),
)
"""Names of the features, in the order of the columns of `statistics`."""

Measured = tuple[np.ndarray, ...]
"""Measurements of an image. For several images, each array has an additional first axis."""


def statistics(images: Sequence[Image]) -> np.ndarray:
    """Compute the features (N, len(FEATURES)) ``float32`` of images of any size with sides of at least 16 px."""
    result = np.empty((len(images), len(FEATURES)), np.float32)
    shapes: dict[tuple[int, ...], list[int]] = {}
    for position, image in enumerate(images):
        shapes.setdefault(image.shape, []).append(position)
    for positions in shapes.values():
        for start in range(0, len(positions), PICTURES_AT_ONCE):
            some = positions[start : start + PICTURES_AT_ONCE]
            result[some] = _statistics_of_a_size([images[position] for position in some])
    return result


def _statistics_of_a_size(images: Sequence[Image]) -> np.ndarray:
    pictures = [Picture(image) for image in images]
    measured = [[measure(picture) for measure, _ in FEATURE_FAMILIES] for picture in pictures]
    features = [
        describe(images[0].size // 3, *(np.stack(arrays) for arrays in zip(*family, strict=True)))
        for (_, describe), family in zip(FEATURE_FAMILIES, zip(*measured, strict=True), strict=True)
    ]
    return np.concatenate(features, axis=1)


@dataclass(frozen=True)
class Picture:
    image: Image

    @cached_property
    def gray(self) -> np.ndarray:
        return cv2.cvtColor(self.image, cv2.COLOR_RGB2GRAY)

    @cached_property
    def steps(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Absolute differences between pixels `LAGS` apart, vertically and (transposed) horizontally."""
        down, across = (
            [cv2.absdiff(plane[lag:], plane[:-lag]) for lag in LAGS] for plane in (self.gray, cv2.transpose(self.gray))
        )
        return down, across


def _measure_hue(picture: Picture) -> Measured:
    hue, saturation, value = cv2.split(cv2.cvtColor(picture.image, cv2.COLOR_RGB2HSV_FULL))
    weights = saturation.astype(np.float32)
    points = [cv2.multiply(cv2.LUT(hue, wave), weights, scale=1 / 255) for wave in WAVES]
    sums = [(cv2.sumElems(axis)[0], cv2.norm(axis, cv2.NORM_L2SQR)) for axis in points]
    return np.array(sums), _histogram(saturation), _histogram(value)


def _describe_hue(size: int, points: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    # the hue is a point on the circle, weighted by saturation
    mean, square = np.moveaxis(points, 2, 0) / size
    hue = np.stack([mean, np.sqrt(np.maximum(square - mean**2, 0))], axis=2)  # per axis: mean, deviation
    columns: list[np.ndarray] = list(hue.reshape(len(hue), -1).T)
    for counts in (saturation, value):
        columns += _moments(LEVELS, counts)
    cumulative = np.cumsum(value, axis=1) / size
    columns += [(cumulative < q / 100).sum(1) / 255 for q in QUANTILES]
    return np.stack(columns, axis=1)


def _measure_channels(picture: Picture) -> Measured:
    channels = cv2.split(picture.image)
    distances = [cv2.norm(channels[a], channels[b], cv2.NORM_L2SQR) for a, b in PAIRS]
    return np.stack([_histogram(channel) for channel in channels]), np.array(distances)


def _describe_channels(size: int, counts: np.ndarray, distances: np.ndarray) -> np.ndarray:
    levels = np.arange(256.0)
    mean, square = counts @ levels / size, counts @ levels**2 / size
    variance = np.maximum(square - mean**2, 0)
    first, second = np.array(PAIRS).T
    # 2 a b = a**2 + b**2 - (a - b)**2, which is exact for integers
    covariance = (square[:, first] + square[:, second] - distances / size) / 2 - mean[:, first] * mean[:, second]
    deviation = np.sqrt(np.maximum(variance / 255**2, 1e-8))
    shares = [(counts > 0).mean(2), counts[:, :, :4].sum(2) / size, counts[:, :, -4:].sum(2) / size]
    return np.concatenate(
        [
            np.stack([mean / 255, deviation], axis=2).reshape(len(mean), -1),
            covariance / 255**2 / (deviation[:, first] * deviation[:, second]),
            *(np.log(share + 1e-3) for share in shares),
        ],
        axis=1,
    )


def _measure_steps(picture: Picture) -> Measured:
    laplacian = cv2.Laplacian(picture.gray, cv2.CV_16S, delta=LAPLACIAN)
    counts = cv2.calcHist([laplacian.view(np.uint16)], [0], None, [2 * LAPLACIAN + 1], [0, 2 * LAPLACIAN + 1]).ravel()
    pairs = list(zip(*picture.steps, strict=True))
    means = [cv2.mean(steps)[0] for pair in pairs for steps in pair]
    none = [1 - cv2.countNonZero(steps) / steps.size for steps in pairs[0]]
    return counts, np.array(means), np.array(none)


def _describe_steps(size: int, counts: np.ndarray, means: np.ndarray, none: np.ndarray) -> np.ndarray:
    # the variance of the Laplacian measures focus (Pech-Pacheco et al. 2000)
    _, deviation, _, kurtosis = _moments(LAPLACIAN_LEVELS, counts)
    columns = [np.log(deviation**2 + 1e-6), kurtosis, counts[:, LAPLACIAN] / size]
    return np.concatenate([np.stack(columns, axis=1), np.log(means + 0.1), none], axis=1)


def _measure_spectrum(picture: Picture) -> Measured:
    window, ring = _fourier_plane(picture.gray.shape)
    plane = picture.gray.astype(np.float32)
    waves = rfft2(cv2.multiply(plane - np.float32(cv2.mean(plane)[0]), window))
    power = waves.real**2 + waves.imag**2
    return (np.bincount(ring, power.ravel(), RINGS),)


def _describe_spectrum(size: int, power: np.ndarray) -> np.ndarray:
    """Compute the log fraction of the power in each ring around the origin of the Fourier plane."""
    rings = power + 1e-3
    return np.log(rings / rings.sum(1, keepdims=True))


@lru_cache(maxsize=8)
def _fourier_plane(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    radius = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None])
    ring = np.minimum((radius / 0.5 * (RINGS - 1)).astype(int), RINGS - 1)
    return np.outer(np.hanning(shape[0]), np.hanning(shape[1])).astype(np.float32), ring.ravel()


def _measure_directions(picture: Picture) -> Measured:
    x, y = cv2.spatialGradient(picture.gray)
    magnitude, angle = cv2.cartToPolar(x.astype(np.float32), y.astype(np.float32))
    sector = (angle * np.float32(DIRECTIONS / np.pi)).astype(np.uint8)  # plus one for a full turn
    return (np.bincount(sector.ravel(), magnitude.ravel(), 2 * DIRECTIONS + 1),)


def _describe_directions(size: int, turn: np.ndarray) -> np.ndarray:
    """Compute the fraction of the gradient magnitude in each direction.

    Motion blur and streaks make these fractions uneven.
    """
    shares = turn[:, :DIRECTIONS] + turn[:, DIRECTIONS:-1] + 1
    shares[:, 0] += turn[:, -1]
    return shares / shares.sum(1, keepdims=True)


def _measure_blocks(picture: Picture) -> Measured:
    down, across = (
        cv2.reduce(steps[0], 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() / steps[0].shape[1] for steps in picture.steps
    )
    return down, across


def _describe_blocks(size: int, *jumps: np.ndarray) -> np.ndarray:
    """Compute the blockiness for each period (Wang et al. 2002).

    Blockiness is the log ratio of the mean difference between adjacent pixels at the strongest grid offset to the mean
    difference at all other offsets.
    """
    columns = []
    for period in PERIODS:
        logs = []
        for steps in jumps:
            phases = steps[:, : steps.shape[1] // period * period].reshape(len(steps), -1, period).mean(1)
            strongest = phases.max(1)
            elsewhere = (phases.sum(1) - strongest) / (period - 1)
            logs.append(np.log((strongest + 0.1) / (elsewhere + 0.1)))
        columns.append(np.mean(logs, axis=0))
    return np.stack(columns, axis=1)


def _measure_noise(picture: Picture) -> Measured:
    luma, red, blue = cv2.split(cv2.cvtColor(picture.image, cv2.COLOR_RGB2YCrCb))
    response, *chroma_responses = (
        cv2.sepFilter2D(p, cv2.CV_16S, NOISE_KERNEL, NOISE_KERNEL) for p in (luma, red, blue)
    )
    chroma = [cv2.norm(plane, cv2.NORM_L1) for plane in chroma_responses]
    smooth = cv2.medianBlur(luma, 3)
    # Sums over all pixels from each tone upward. Their differences are sums per tone, which are exact for integers.
    masks = (cv2.threshold(smooth, tone * 256 // TONES - 1, 255, cv2.THRESH_BINARY)[1] for tone in range(1, TONES))
    from_tone = [cv2.norm(response, cv2.NORM_L1), *(cv2.norm(cv2.copyTo(response, m), cv2.NORM_L1) for m in masks), 0.0]
    steps = cv2.subtract(luma, smooth), cv2.subtract(smooth, luma)
    lone = [cv2.countNonZero(cv2.threshold(step, LONE, 255, cv2.THRESH_BINARY)[1]) for step in steps]
    return -np.diff(from_tone), _histogram(smooth), np.array(chroma), np.array(lone)


def _describe_noise(
    size: int, sums: np.ndarray, counts: np.ndarray, chroma: np.ndarray, lone: np.ndarray
) -> np.ndarray:
    """Compute the log standard deviations of noise and the log fractions of isolated bright and dark pixels."""
    overall = sums.sum(1, keepdims=True) / size
    pixels = counts.reshape(len(counts), TONES, -1).sum(2)
    by_tone = (sums + overall) / (pixels + 1)  # use the overall noise for tones without pixels
    noise = np.concatenate([overall, chroma.mean(1, keepdims=True) / size, by_tone], axis=1)
    return np.concatenate([np.log(noise * (np.sqrt(np.pi / 2) / 6) + 0.1), np.log(lone / size + 1e-3)], axis=1)


def _measure_structure(picture: Picture) -> Measured:
    gray = picture.gray
    rim = max(1, min(gray.shape) // 24)
    rough = cv2.absdiff(gray, cv2.blur(gray, (3, 3)))
    uneven = cv2.threshold(rough, 2, 255, cv2.THRESH_BINARY)[1]
    inside = [plane[rim:-rim, rim:-rim] for plane in (uneven, gray)]
    counted = cv2.countNonZero(cv2.Canny(gray, 50, 150)), cv2.countNonZero(uneven), cv2.countNonZero(inside[0])
    means = cv2.mean(gray)[0], cv2.mean(inside[1])[0]
    cells = cv2.resize(rough.astype(np.float32), (SHARPNESS_CELLS, SHARPNESS_CELLS), interpolation=cv2.INTER_AREA)
    return np.array([*counted, *means, inside[0].size]), cells.ravel()


def _describe_structure(size: int, facts: np.ndarray, cells: np.ndarray) -> np.ndarray:
    edges, uneven, uneven_inside, brightness, brightness_inside, inside = facts.T
    rim = size - inside
    rim_brightness = (brightness * size - brightness_inside * inside) / rim
    sharpness = np.log(cells + 0.1)
    columns = [
        edges / size,
        1 - (uneven - uneven_inside) / rim,
        1 - uneven_inside / inside,
        np.abs(rim_brightness - brightness_inside) / 255,
        sharpness.std(1),
        sharpness.min(1),
        sharpness.max(1),
    ]
    return np.stack(columns, axis=1)


FEATURE_FAMILIES: tuple[tuple[Callable[[Picture], Measured], Callable[..., np.ndarray]], ...] = (
    (_measure_hue, _describe_hue),
    (_measure_channels, _describe_channels),
    (_measure_steps, _describe_steps),
    (_measure_spectrum, _describe_spectrum),
    (_measure_directions, _describe_directions),
    (_measure_blocks, _describe_blocks),
    (_measure_noise, _describe_noise),
    (_measure_structure, _describe_structure),
)
"""The two functions of each family, in the order of `FEATURES`. The second function maps the number of pixels and the
measurements of N images to features (N, K)."""


def _histogram(plane: np.ndarray) -> np.ndarray:
    return cv2.calcHist([plane], [0], None, [256], [0, 256]).ravel()  # faster than `numpy.bincount`


def _moments(levels: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Compute the mean, standard deviation, skewness and excess kurtosis of histograms.

    Skewness and kurtosis are transformed with arcsinh, because flat images have extreme values.
    """
    share = counts / counts.sum(1, keepdims=True, dtype=np.float64)
    mean = share @ levels
    centered = levels - mean[:, None]
    squared = centered * centered
    weighted = squared * share
    variance = weighted.sum(1) + 1e-8
    skewness = (weighted * centered).sum(1) / variance**1.5
    kurtosis = (weighted * squared).sum(1) / variance**2 - 3
    return mean, np.sqrt(variance), np.arcsinh(skewness), np.arcsinh(kurtosis)
