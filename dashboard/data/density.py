"""Density of the points of a map: the place of a name, and contours around most of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CELLS = 40
"""Cells along a side of a map in which points are counted, to find where they are densest."""

FINE_CELLS = 128
"""Cells along a side of a map in which points are counted for contours."""

SMOOTHING = 1.8
"""Standard deviation in `FINE_CELLS` of the Gaussian that a density is smoothed with."""

SHARES = (0.5, 0.9)
"""Shares of the points that contours enclose."""

MIN_CONTOURED = 30
"""Number of points from which on they have contours; of fewer, each would have a circle of its own."""


def densest(points: np.ndarray) -> tuple[float, float]:
    """Return the middle of the ``points`` (n, 2) in the fullest of `CELLS` by `CELLS` cells of the square from -1 to 1,
    each counted with the cells around it."""
    cells = np.clip(((points + 1) / 2 * CELLS).astype(int), 0, CELLS - 1)
    counts = np.zeros((CELLS + 2, CELLS + 2))
    np.add.at(counts, tuple((cells + 1).T), 1)
    around = np.sum([np.roll(counts, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)
    best = cells[around[tuple((cells + 1).T)].argmax()]
    x, y = points[(np.abs(cells - best) <= 1).all(axis=1)].mean(axis=0)
    return float(x), float(y)


def contours(points: np.ndarray) -> list[list[np.ndarray]]:
    """Return for each of `SHARES` the closed lines, (k, 2) each, around such a share of the ``points``.

    They enclose the highest density regions (Hyndman 1996, The American Statistician 50:120-126): a line runs where the
    density is as high as it is at least at that share of the points. The density is a histogram of the square from -1
    to 1, smoothed by a Gaussian; lines around less than that Gaussian, as around a single point, are left out.

    Args:
        points: (n, 2); of fewer than `MIN_CONTOURED` there are no lines.
    """
    if len(points) < MIN_CONTOURED:
        return [[] for _ in SHARES]
    from scipy.ndimage import gaussian_filter
    from skimage.measure import find_contours

    edge = int(np.ceil(4 * SMOOTHING))  # around the square, so that every line closes
    side = FINE_CELLS + 2 * edge
    cells = np.clip(((points + 1) / 2 * FINE_CELLS).astype(int), 0, FINE_CELLS - 1) + edge
    counts = np.bincount(cells[:, 0] * side + cells[:, 1], minlength=side * side).reshape(side, side)
    density = gaussian_filter(counts.astype(np.float64), SMOOTHING, mode="constant")
    down = np.argsort(density, axis=None)[::-1]
    enclosed = np.cumsum(counts.ravel()[down])
    found = []
    for share in SHARES:
        level = density.ravel()[down[np.searchsorted(enclosed, share * len(points))]]
        lines = [line for line in find_contours(density, level) if _area(line) > np.pi * SMOOTHING**2]
        found.append([(line + 0.5 - edge) / FINE_CELLS * 2 - 1 for line in lines])
    return found


def ends(place: tuple[float, float], lines: Sequence[np.ndarray]) -> list[tuple[float, float]]:
    """Return the highest and the lowest corner of the smallest of ``lines`` around ``place``.

    Both are ``place`` itself where none is around it.
    """
    around = [line for line in lines if (line.min(axis=0) <= place).all() and (line.max(axis=0) >= place).all()]
    if not around:
        return [place, place]
    smallest = min(around, key=_area)
    return [(float(x), float(y)) for x, y in (smallest[smallest[:, 1].argmax()], smallest[smallest[:, 1].argmin()])]


def _area(line: np.ndarray) -> float:
    """Return the area inside a closed line, by the shoelace formula."""
    x, y = line.T
    return abs(float(x[:-1] @ y[1:] - x[1:] @ y[:-1])) / 2
