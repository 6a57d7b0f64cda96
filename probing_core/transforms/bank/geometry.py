"""Geometric transformations: maps from output pixels to input coordinates.

`probing_core.transforms.view` applies each map in a single warp.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from probing_core.transforms import alternatives
from probing_core.transforms.transformation import Coordinates, grid, of_bank

SWIRL_SHRINK = 0.975
"""Fraction of the image side that a swirl samples. A swirl compresses the image where it shears, so without
magnification, its views would be sharper than clean views. The value was selected with the shortcut audit at the
weakest strength."""

FAINT_SWIRL = 1.0
"""Weakest documented swirl in radians. For smaller angles, the magnification decreases to 1 at an angle of 0."""


def rotate(shape: tuple[int, int], degrees: float, rng: np.random.Generator) -> Coordinates:
    return _turned(grid(shape), np.float32(math.radians(degrees) * rng.choice((-1, 1))))


def perspective(shape: tuple[int, int], tilt: float, rng: np.random.Generator) -> Coordinates:
    angle = rng.uniform(0, 2 * math.pi)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    lean = corners @ np.array((math.cos(angle), math.sin(angle)))
    moved = corners * (1 + tilt * lean / np.abs(lean).max())[:, None]
    half = np.array((shape[1] - 1, shape[0] - 1)) / 2
    a = cv2.getPerspectiveTransform((corners * half).astype(np.float32), (moved * half).astype(np.float32))
    a = a.astype(np.float32)
    x, y = grid(shape)
    depth = a[2, 0] * x + a[2, 1] * y + a[2, 2]
    return _level((a[0, 0] * x + a[0, 1] * y + a[0, 2]) / depth, (a[1, 0] * x + a[1, 1] * y + a[1, 2]) / depth)


def swirl(shape: tuple[int, int], radians: float, rng: np.random.Generator) -> Coordinates:
    x, y = grid(shape)
    # Same formula as scikit-image, with a radius of three quarters of the side.
    fall = np.float32(math.log(2) * 0.75 * min(shape) / 5)
    angle = np.float32(radians * rng.choice((-1, 1))) * np.exp(-np.hypot(x, y) / fall)
    x, y = _level(*_turned((x, y), angle))
    shrink = np.float32(1 - (1 - SWIRL_SHRINK) * min(1.0, radians / FAINT_SWIRL))
    return x * shrink, y * shrink


def _turned(coordinates: Coordinates, angle: np.ndarray | np.float32) -> Coordinates:
    x, y = coordinates
    cosine, sine = np.cos(angle), np.sin(angle)
    return x * cosine - y * sine, x * sine + y * cosine


def _level(x: np.ndarray, y: np.ndarray) -> Coordinates:
    """Scale the map to a mean squared scale of one, so that views are as sharp on average as clean views."""
    squares = [float(np.mean(np.square(np.diff(values, axis=axis)))) for values in (x, y) for axis in (0, 1)]
    scale = np.float32(math.sqrt(sum(squares) / 2))
    return x / scale, y / scale


# fmt: off
TRANSFORMS = (
    of_bank(
        "geometry", "A", "rotate", "angle", "degrees", 8.0, 15.0,
        "Rotates the image about its center, in either direction.", "torchvision rotate", library="OpenCV remap",
        draws=True, warp=rotate, alternative=alternatives.rotate,
    ),
    of_bank(
        "geometry", "B", "perspective", "tilt", "fraction of half the side", 0.15, 0.32,
        "Tilts the image in a random direction. Corners move outward or inward by up to the tilt.",
        "torchvision perspective",
        library="OpenCV remap",
        draws=True, warp=perspective, alternative=alternatives.perspective,
    ),
    of_bank(
        "geometry", "C", "swirl", "angle", "radians", FAINT_SWIRL, 5.0,
        "Rotates about the center by an angle that decreases with distance, in either direction.", "scikit-image swirl",
        library="OpenCV remap",
        draws=True, warp=swirl, alternative=alternatives.swirl,
    ),
)
# fmt: on
