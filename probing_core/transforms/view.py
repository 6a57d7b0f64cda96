"""From a source picture to the view that embedders receive: square, `view` pixels, through exactly one warp."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from probing_core.transforms.base import MARGIN, Coordinates, Image, Transform, grid, warped

DENSITY = 2
"""Source samples per pixel: interpolation between pixels leaves traces, between twice as many none that the shortcut
audit of the tests finds."""


def source_side(view: int) -> int:
    """Return the shorter side in pixels from which views of ``view`` pixels need not be magnified."""
    return math.ceil(view * MARGIN)


def prepare_source(image: Image, view: int) -> Image:
    """Cut the central square of ``image``, from which `cut_view` cuts every class.

    Reduced to `source_side` where it is larger, so that old compression traces fade, then enlarged to `DENSITY`
    samples per pixel; the same for every class, and done once per picture.

    Returns:
        (S, S, 3) ``uint8``, S = `DENSITY` * `source_side`.
    """
    pixels = source_side(view)
    source = resize(central_square(image), pixels)
    return cv2.resize(source, (DENSITY * pixels, DENSITY * pixels), interpolation=cv2.INTER_LANCZOS4)


def central_square(image: Image) -> Image:
    """Return the largest square in the middle of ``image``, as a view of its memory."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def resize(image: Image, side: int) -> Image:
    """Resize ``image`` (square) to ``side`` pixels, always as a copy: a view would keep a large picture in memory."""
    if image.shape[0] == side:
        return np.array(image, order="C")
    method = cv2.INTER_AREA if side < image.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(image, (side, side), interpolation=method)


def sub_pixel_warp(view: int, rng: np.random.Generator) -> Callable[[np.ndarray, np.ndarray], Coordinates]:
    """Return the warp that every class undergoes, geometric ones after their own map.

    It moves the sides by up to a pixel and shifts by up to half a pixel. Without it, wherever a map keeps the pixel
    grid (identity, the border of a swirl), nothing would be interpolated, and sharpness would identify the class.
    """
    a, b, c, d = (rng.uniform(-1, 1, 4) / (view / 2)).astype(np.float32)
    dx, dy = rng.uniform(-0.5, 0.5, 2).astype(np.float32)
    return lambda x, y: (x + a * x + b * y + dx, y + c * x + d * y + dy)


def cut_view(source: Image, view: int, transform: Transform, strength: float, rng: np.random.Generator) -> Image:
    """Cut the view of one class out of ``source``, from `prepare_source` for the same ``view``."""
    return cut_pair(source, view, transform, strength, rng)[1]


def cut_pair(
    source: Image, view: int, transform: Transform, strength: float, rng: np.random.Generator
) -> tuple[Image, Image]:
    """Cut the same view without and with the transform, under the same sub-pixel warp."""
    nudge = sub_pixel_warp(view, rng)
    before = warped(source, nudge(*grid((view, view))), DENSITY)
    if transform.warp is not None:
        return before, warped(source, nudge(*transform.warp((view, view), strength, rng)), DENSITY)
    assert transform.pixels is not None  # a transform has one of the two
    return before, transform.pixels(before, strength, rng)
