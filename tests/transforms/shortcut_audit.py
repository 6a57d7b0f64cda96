"""The shortcut audit: can two classes be separated by how their views were made, and not by what was done to them?

A class that is cut or resampled in a way of its own (a fill color in the corners, one interpolation more) would be
recognized by that alone, and every number about it would be worthless. The audit trains a small probe on statistics
that see such traces and little else, and compares its accuracy with what the same probe reaches on shuffled classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from probing_core.transforms.pixel_ops import gray_of
from probing_core.transforms.transformation import Image

FOLDS = 5
RIDGE = 10.0

EDGE = 6
"""Pixels from the side that count as border."""

BANDS = (0.25, 0.33, 0.4, 0.45, 0.5)
"""Edges of the bands of high frequencies, in cycles per pixel. Beyond 0.5 only diagonals reach, and a rotation moves
energy in and out of there by being one."""


@dataclass(frozen=True)
class Audit:
    """What the audit found.

    Attributes:
        accuracy: share of the held-out views that the probe assigns to the right class.
        low, high: the interval that holds 95 % of the accuracies on shuffled classes.
        pairs: how many pictures it rests on.
    """

    accuracy: float
    low: float
    high: float
    pairs: int

    @property
    def passed(self) -> bool:
        """Whether the classes cannot be separated: accuracy does not exceed chance."""
        return self.accuracy <= self.high


def audit(
    first: Sequence[Image],
    second: Sequence[Image],
    bases: Sequence[str],
    rng: np.random.Generator,
    shuffles: int = 200,
) -> Audit:
    """Trains a probe to separate ``first`` from ``second`` by borders and resampling traces.

    Args:
        first, second: views of two classes; the n-th of both are of the same picture.
        bases: the photograph of each picture; no photograph is in training and test at once.
        shuffles: how often the classes are swapped at random within the pairs, to find the interval of chance.

    Raises:
        ValueError: there are fewer photographs than folds.
    """
    x, y = (np.array([traces(view) for view in views]) for views in (first, second))
    names, photograph = np.unique(np.asarray(bases), return_inverse=True)
    if len(names) < FOLDS:
        raise ValueError(f"an audit needs views of at least {FOLDS} photographs, got {len(names)}")
    fold = photograph % FOLDS
    chance = []
    for _ in range(shuffles):
        swapped = rng.random(len(x))[:, None] < 0.5
        chance.append(_accuracy(np.where(swapped, y, x), np.where(swapped, x, y), fold))
    low, high = np.quantile(chance, (0.025, 0.975))
    return Audit(_accuracy(x, y, fold), float(low), float(high), len(x))


def traces(view: Image) -> np.ndarray:
    """Numbers (13,) that show how ``view`` was cut and resampled, and little of what is in it."""
    gray = gray_of(view).astype(np.float32)
    return np.array([*_border(gray), *_resampling(gray)])


def _border(gray: np.ndarray) -> list[float]:
    """Constant, black, white, repeated or mirrored pixels along the four sides, and flat corners."""
    sides = (gray, gray[::-1], gray.T, gray.T[::-1])  # each begins with its side

    def change(first: int, second: int) -> float:
        return float(np.mean([np.abs(side[first] - side[second]).mean() for side in sides]))

    along = np.mean([np.abs(np.diff(side[:EDGE], axis=1)).mean() for side in sides])
    within = np.mean([np.abs(np.diff(gray, axis=axis)).mean() for axis in (0, 1)])
    corners = [np.ptp(side[:EDGE, ::flip][:, :EDGE]) for side in sides[:2] for flip in (1, -1)]
    return [
        float(np.mean([np.abs(np.diff(side[0])) < 1 for side in sides])),
        float(np.mean([side[0] <= 2 for side in sides])),
        float(np.mean([side[0] >= 253 for side in sides])),
        float(np.log1p(min(corners))),
        np.log((change(0, 1) + 1) / (change(2, 3) + 1)),
        np.log((change(0, 2) + 1) / (change(1, 3) + 1)),
        float(np.log((along + 1) / (within + 1))),
    ]


def _resampling(gray: np.ndarray) -> list[float]:
    """The share of high frequencies, sharpness, and the periods that interpolation leaves in the second derivative.

    The last is the trace of Gallagher 2005 (Detection of linear and cubic interpolation in JPEG compressed images).
    """
    height, width = gray.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    power = np.abs(np.fft.fft2((gray - gray.mean()) * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    bands = [
        float(np.log((power[(radius >= low) & (radius < high)].mean() + 1e-9) / (power.mean() + 1e-9)))
        for low, high in pairwise(BANDS)
    ]
    peaks = []
    for picture in (gray, gray.T):
        second = np.abs(2 * picture[:, 1:-1] - picture[:, :-2] - picture[:, 2:]).mean(axis=0)
        spectrum = np.abs(np.fft.rfft(second - second.mean()))[8:]
        peaks.append(np.log((spectrum.max() + 1e-9) / (np.median(spectrum) + 1e-9)))
    sharpness = np.log1p(cv2.Laplacian(gray, cv2.CV_32F).var())
    return [*bands, float(np.mean(peaks)), float(sharpness)]


def _accuracy(first: np.ndarray, second: np.ndarray, fold: np.ndarray) -> float:
    """Cross-validated accuracy of ridge regression on the numbers and their squares."""
    right = 0
    for held_out in range(FOLDS):
        train, test = fold != held_out, fold == held_out
        both = np.concatenate([first[train], second[train]])
        mean, scale = both.mean(axis=0), both.std(axis=0) + 1e-9

        def inputs(x: np.ndarray, mean: np.ndarray = mean, scale: np.ndarray = scale) -> np.ndarray:
            z = np.clip((x - mean) / scale, -4, 4)
            return np.hstack([z, z * z, np.ones((len(z), 1))])

        x = inputs(both)
        target = np.repeat((1.0, -1.0), len(both) // 2)
        weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ target)
        right += int((inputs(first[test]) @ weights > 0).sum() + (inputs(second[test]) @ weights < 0).sum())
    return right / (2 * len(first))
