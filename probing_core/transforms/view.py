"""Conversion of a source image to the square view that models receive, with exactly one warp."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from probing_core.transforms.transformation import SOURCE_MARGIN, Coordinates, Image, Transform, grid, warped

DENSITY = 2
"""Source samples per view pixel. At 1, interpolation leaves traces. At 2, the shortcut audit in the tests detects none.
"""


def source_side(view: int) -> int:
    """Return the smallest source side in pixels for which views of ``view`` pixels do not require upsampling."""
    return math.ceil(view * SOURCE_MARGIN)


def prepare_source(image: Image, view: int) -> Image:
    """Prepare the central square of ``image``, from which `cut_view` cuts the views of every class.

    A larger square is downsampled to `source_side`, which weakens existing compression artifacts. It is then upsampled
    to `DENSITY` samples per pixel. The result is the same for every class and is computed once per image.

    Returns:
        (S, S, 3) ``uint8``, S = `DENSITY` * `source_side`.
    """
    pixels = source_side(view)
    source = resize(central_square(image), pixels)
    return cv2.resize(source, (DENSITY * pixels, DENSITY * pixels), interpolation=cv2.INTER_LANCZOS4)


def central_square(image: Image) -> Image:
    """Return the largest central square of ``image``, without copying."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def resize(image: Image, side: int) -> Image:
    """Resize a square ``image`` to ``side`` pixels. The result is always a copy, so that large images can be freed."""
    if image.shape[0] == side:
        return np.array(image, order="C")
    method = cv2.INTER_AREA if side < image.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(image, (side, side), interpolation=method)


def sub_pixel_warp(view: int, rng: np.random.Generator) -> Callable[[np.ndarray, np.ndarray], Coordinates]:
    """Draw a random sub-pixel warp, which is applied to views of every class.

    The warp moves the sides by up to one pixel and shifts the image by up to half a pixel. Without this warp, views
    whose map preserves the pixel grid (identity, the border of a swirl) would not be interpolated, and sharpness would
    reveal the class.
    """
    a, b, c, d = (rng.uniform(-1, 1, 4) / (view / 2)).astype(np.float32)
    dx, dy = rng.uniform(-0.5, 0.5, 2).astype(np.float32)
    return lambda x, y: (x + a * x + b * y + dx, y + c * x + d * y + dy)


def cut_view(source: Image, view: int, transform: Transform, strength: float, rng: np.random.Generator) -> Image:
    """Cut a transformed view from ``source``, the result of `prepare_source` for the same ``view``."""
    return cut_pair(source, view, transform, strength, rng)[1]


def cut_pair(
    source: Image, view: int, transform: Transform, strength: float, rng: np.random.Generator
) -> tuple[Image, Image]:
    """Cut a clean view and a transformed view with the same sub-pixel warp."""
    nudge = sub_pixel_warp(view, rng)
    before = warped(source, nudge(*grid((view, view))), DENSITY)
    if transform.warp is not None:
        return before, warped(source, nudge(*transform.warp((view, view), strength, rng)), DENSITY)
    assert transform.pixels is not None  # either `pixels` or `warp` is set
    return before, transform.pixels(before, strength, rng)
