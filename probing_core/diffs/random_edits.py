"""Recognition of random edits, such as noise, from what they change.

Random edits cannot be applied again, because their random draws are unknown. Each of them leaves a characteristic
difference, so that the part of the difference that does not fit can be measured. That part is the *share*, as for
edits that can be applied again.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from probing_core.images import Image

UNCHANGED = 2
"""Maximum difference between values of an unchanged pixel."""

MIDDLE = (40, 215)
"""Range of gray values in which noise is measured. Beyond it, noise is clipped."""

MIN_PIXELS = 500
"""Minimum number of pixels from which noise is measured."""

MAX_SCATTERED = 0.4
"""Maximum fraction of pixels that salt-and-pepper noise changes."""

MAX_COVERED = 0.5
"""Maximum fraction of pixels that an overlay changes."""


MIN_DEVIATION = 2.0
"""Minimum standard deviation of noise. Different implementations of an edit leave smaller differences."""

MAX_DETERMINED = 0.8
"""Maximum part of the difference that the value of a pixel may determine if something was drawn over the image."""

MAX_INSIDE = 0.1
"""Maximum part of the squared difference inside a border. With more, something else was drawn, too."""


@dataclass(frozen=True)
class RandomFit:
    """A random edit that explains a difference.

    Attributes:
        strength: strength in ``unit``, as in the bank.
        share: part of the squared difference that does not fit the edit.
    """

    name: str
    strength: float
    unit: str
    share: float


def fit_random(before: Image, after: Image) -> dict[str, RandomFit]:
    """Fit all random edits to the difference between two images of the same size, and return them by name."""
    difference = after.astype(np.float32) - before
    changed = np.abs(difference).max(axis=2) > UNCHANGED
    energy = float((difference**2).sum())
    if not changed.any():
        return {}
    border = _border(after, difference, energy)
    is_framed = border is not None and border.share < MAX_INSIDE
    fits = [
        _salt_and_pepper(after, difference, changed, energy),
        border,
        None if is_framed else _overlay(before, difference, changed, energy),
        *_noise(before, difference),
    ]
    return {fit.name: fit for fit in fits if fit is not None}


def _salt_and_pepper(after: Image, difference: np.ndarray, changed: np.ndarray, energy: float) -> RandomFit | None:
    density = float(changed.mean())
    if density > MAX_SCATTERED or changed.sum() < 10:
        return None
    extreme = ((after == 0) | (after == 255) | (np.abs(difference) <= UNCHANGED)).all(axis=2) & changed
    # Scattered pixels have few changed neighbors, unlike an overlay in black or white.
    neighbors = cv2.blur(changed.astype(np.float32), (3, 3)) * 9 - 1
    if float(neighbors[changed].mean()) > 8 * density + 1:
        return None
    rest = float((difference[~extreme] ** 2).sum()) / energy
    return RandomFit("salt-and-pepper", float(extreme.mean()), "fraction of pixels", rest)


def _border(after: Image, difference: np.ndarray, energy: float) -> RandomFit | None:
    """Fit a frame of one color along all four edges."""
    even = np.abs(after.astype(np.int16) - after[0, 0].astype(np.int16)).max(axis=2) <= 12
    rows, columns = even.mean(axis=1) > 0.97, even.mean(axis=0) > 0.97
    widths = [_run(line) for line in (rows, rows[::-1], columns, columns[::-1])]
    if min(widths) < 1 or max(widths) >= min(after.shape[:2]) / 3:
        return None
    top, bottom, left, right = widths
    height, width = after.shape[:2]
    inside = difference[top : height - bottom, left : width - right]
    share = float((inside**2).sum()) / energy
    return RandomFit("border", float(np.mean(widths)) / min(height, width), "fraction of the side", share)


def _run(line: np.ndarray) -> int:
    """Return the number of leading true values."""
    return int(np.argmin(line)) if not line.all() else len(line)


def _overlay(before: Image, difference: np.ndarray, changed: np.ndarray, energy: float) -> RandomFit | None:
    """Fit something that was drawn over a part of the image. Everything else is unchanged."""
    solid = cv2.morphologyEx(changed.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    covered = cv2.dilate(solid, np.ones((5, 5), np.uint8)) > 0
    fraction = float(covered.mean())
    if not 0 < fraction < MAX_COVERED:
        return None
    count = cv2.connectedComponents(covered.astype(np.uint8))[0]
    if count > 60:
        return None
    # Where something is drawn, values change a lot: faint local differences are left by other edits.
    if float(np.abs(difference[covered]).max(axis=-1).mean()) < 20:
        return None
    if _determined(before, difference) > MAX_DETERMINED:  # a change of tones, such as solarization
        return None
    outside = difference[~covered]
    share = float((outside**2).sum()) / energy
    return RandomFit("overlay", float(changed.mean()), "fraction of the image", share)


NOISES = {
    # name: exponent of the standard deviation as a function of the value
    "gaussian-noise": 0.0,
    "shot-noise": 0.5,
    "speckle": 1.0,
}


def _noise(before: Image, difference: np.ndarray) -> list[RandomFit]:
    """Fit independent noise whose standard deviation depends on the value of the pixel alone."""
    gray = cv2.cvtColor(before, cv2.COLOR_RGB2GRAY)
    smooth = cv2.GaussianBlur(gray, (0, 0), 1.0).astype(np.float32)
    middle = (smooth > MIDDLE[0]) & (smooth < MIDDLE[1])
    if middle.sum() < MIN_PIXELS:
        return []
    residual = difference - cv2.GaussianBlur(difference, (0, 0), 12)
    neighbor = max(abs(_correlation(residual, middle, axis)) for axis in (0, 1))
    slow = 1 - float((residual[middle] ** 2).sum()) / max(1e-9, float((difference[middle] ** 2).sum()))
    detail = gray - smooth
    with_detail = abs(float(np.corrcoef(residual.mean(axis=2)[middle], detail[middle])[0, 1])) if detail.any() else 0.0
    uneven = _unevenness(residual, smooth, detail, middle)
    share = min(1.0, max(0.0, slow) + neighbor + with_detail**2 + uneven + _determined(before, difference))
    deviation, relative, exponent = _by_value(residual, smooth, middle)
    if not np.isfinite(deviation) or deviation < MIN_DEVIATION:
        return []
    name = min(NOISES, key=lambda kind: abs(NOISES[kind] - exponent))
    if name == "gaussian-noise":
        return [RandomFit(name, deviation / 255, "fraction of the range", share)]
    if name == "speckle":
        return [RandomFit(name, relative, "fraction of the value", share)]
    return [RandomFit(name, deviation**2 / float(smooth[middle].mean()), "variance per value", share)]


def _determined(before: Image, difference: np.ndarray) -> float:
    """Return the part of the difference that the value of a pixel determines, as for posterization."""
    within, total = 0.0, 0.0
    for channel in range(3):
        values, change = before[..., channel].ravel(), difference[..., channel].ravel()
        count = np.bincount(values, minlength=256)
        sums, squares = (np.bincount(values, weights=w, minlength=256) for w in (change, change**2))
        enough = count > 10
        within += float((squares - sums**2 / np.maximum(1, count))[enough].sum())
        total += float(squares[enough].sum())
    return 1 - within / max(1e-9, total)


def _correlation(residual: np.ndarray, middle: np.ndarray, axis: int) -> float:
    """Return the correlation of adjacent pixels of the residual along ``axis``."""
    size = residual.shape[axis]
    first, second = (np.take(residual, np.arange(start, size - 1 + start), axis) for start in (0, 1))
    both = np.take(middle, np.arange(size - 1), axis) & np.take(middle, np.arange(1, size), axis)
    a, b = first[both].ravel(), second[both].ravel()
    return float((a * b).mean() / max(1e-9, np.sqrt((a * a).mean() * (b * b).mean())))


def _unevenness(residual: np.ndarray, smooth: np.ndarray, detail: np.ndarray, middle: np.ndarray) -> float:
    """Return how much stronger the residual is in textured regions than in smooth regions of similar values.

    Compression and blur change textured regions most. Noise does not depend on texture.
    """
    texture = cv2.GaussianBlur(detail**2, (0, 0), 3)
    squares = (residual**2).mean(axis=2)
    ratios = []
    for low in range(*MIDDLE, 35):
        band = middle & (smooth >= low) & (smooth < low + 35)
        if band.sum() < MIN_PIXELS:
            continue
        quarters = np.quantile(texture[band], [0.25, 0.75])
        even, textured = squares[band & (texture <= quarters[0])], squares[band & (texture >= quarters[1])]
        ratios.append(abs(np.log(max(1e-6, textured.mean()) / max(1e-6, even.mean()))))
    return max(0.0, float(np.mean(ratios)) - 0.35) if ratios else 0.0


def _by_value(residual: np.ndarray, smooth: np.ndarray, middle: np.ndarray) -> tuple[float, float, float]:
    """Measure how the standard deviation of the residual depends on the value of a pixel.

    Returns:
        The standard deviation, its mean ratio to the value, and the exponent with which it grows with the value.
    """
    levels, deviations, weights = [], [], []
    for low in range(*MIDDLE, 25):
        band = middle & (smooth >= low) & (smooth < low + 25)
        if band.sum() >= MIN_PIXELS / 5:
            levels.append(float(smooth[band].mean()))
            deviations.append(max(1e-6, _deviation(residual[band])))
            weights.append(float(np.sqrt(band.sum())))
    overall = _deviation(residual[middle])
    if len(levels) < 3:
        return overall, overall / float(smooth[middle].mean()), 0.0
    relative = float(np.average(np.divide(deviations, levels), weights=weights))
    return overall, relative, float(np.polyfit(np.log(levels), np.log(deviations), 1, w=weights)[0])


def _deviation(values: np.ndarray) -> float:
    """Estimate a standard deviation from the quartiles, which clipping does not affect."""
    low, high = np.percentile(values, [25, 75])
    return float(high - low) / 1.349
