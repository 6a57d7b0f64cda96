"""From a source picture to the view that embedders receive: square, `view` pixels, through exactly one warp."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from probing_core.transforms.base import MARGIN, Coordinates, Image, Transform, grid

LARGE_REDUCTION = 1.5
"""Pictures at least this much larger than a source are reduced, so that old compression traces fade."""


def source_side(view: int) -> int:
    """Pixels of the side of the square source from which views of ``view`` pixels are cut."""
    return math.ceil(view * MARGIN)


def prepare_source(image: Image, view: int) -> Image:
    """The central square of ``image``, reduced (or, where it is too small, magnified) to `source_side`."""
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return resize(image[top : top + side, left : left + side], source_side(view))


def resize(image: Image, side: int) -> Image:
    """``image`` (square) at ``side`` pixels: area-averaged when reduced, cubic when magnified."""
    if image.shape[0] == side:
        return np.ascontiguousarray(image)
    method = cv2.INTER_AREA if side < image.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(image, (side, side), interpolation=method)


def sub_pixel_warp(view: int, rng: np.random.Generator) -> Callable[[np.ndarray, np.ndarray], Coordinates]:
    """The warp that every class undergoes, for geometric ones after their own map.

    A random affine map that moves the sides by up to a pixel, and a shift by up to half a pixel. The sampling phase
    then runs over all sub-pixel positions in every class. Without it, wherever a map leaves the pixel grid as it is
    (identity, the rim of a swirl), nothing would be interpolated, and sharpness alone would tell the class.
    """
    a, b, c, d = (rng.uniform(-1, 1, 4) / (view / 2)).astype(np.float32)
    dx, dy = rng.uniform(-0.5, 0.5, 2).astype(np.float32)
    return lambda x, y: (x + a * x + b * y + dx, y + c * x + d * y + dy)


def cut_view(source: Image, view: int, transform: Transform, strength: float, rng: np.random.Generator) -> Image:
    """The view of one class: warped once out of ``source`` (square, `source_side`), then its pixel function.

    Args:
        source: (S, S, 3) ``uint8`` from `prepare_source`.
        view: pixels of the side of the result.

    Returns:
        (view, view, 3) ``uint8``.
    """
    return cut_pair(source, view, transform, strength, rng)[1]


def cut_pair(
    source: Image, view: int, transform: Transform, strength: float, rng: np.random.Generator
) -> tuple[Image, Image]:
    """The same view without and with the transform: what `cut_view` gives, and what to compare it with.

    Both lie under the same sub-pixel warp, so that they differ by the transform alone.
    """
    center = np.float32((source.shape[0] - 1) / 2)
    nudge = sub_pixel_warp(view, rng)

    def warped(coordinates: Coordinates) -> Image:
        x, y = nudge(*coordinates)
        # Cubic: linear interpolation blurs by phase, which would tell a warp from a shift.
        return cv2.remap(source, x + center, y + center, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)

    before = warped(grid((view, view)))
    if transform.warp is not None:
        return before, warped(transform.warp((view, view), strength, rng))
    assert transform.pixels is not None  # a transform has one of the two
    return before, transform.pixels(before, strength, rng)
