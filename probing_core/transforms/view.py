"""From a source picture to the view that embedders receive: square, `view` pixels, through exactly one warp."""

from __future__ import annotations

import math

import cv2
import numpy as np

from probing_core.transforms.base import MARGIN, Image, Transform

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


def identity_map(shape: tuple[int, int], strength: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The sub-pixel warp of every class that has no geometry of its own.

    A random affine map that moves the corners by up to a pixel: the sampling phase then runs over all
    sub-pixel positions within a picture, as it does in a rotation, and resampling traces tell nothing.
    """
    height, width = shape
    y, x = np.meshgrid(
        np.arange(height, dtype=np.float32) - (height - 1) / 2,
        np.arange(width, dtype=np.float32) - (width - 1) / 2,
        indexing="ij",
    )
    a, b, c, d = (rng.uniform(-1, 1, 4) / (np.array([width, height, width, height]) / 2)).astype(np.float32)
    dx, dy = rng.uniform(-0.5, 0.5, 2).astype(np.float32)
    return x + a * x + b * y + dx, y + c * x + d * y + dy


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

    For a pixel transform the first differs from the second by the pixel function alone (both lie under the same
    sub-pixel warp); for a geometric one it is the plain center of the source.
    """
    center = np.float32((source.shape[0] - 1) / 2)

    def warped(x: np.ndarray, y: np.ndarray) -> Image:
        # Cubic: linear interpolation blurs by phase, which would tell a warp from a shift.
        return cv2.remap(source, x + center, y + center, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)

    if transform.warp is not None:
        start = (source.shape[0] - view) // 2
        plain = source[start : start + view, start : start + view]
        return plain, warped(*transform.warp((view, view), strength, rng))
    before = warped(*identity_map((view, view), strength, rng))
    assert transform.pixels is not None  # a transform has one of the two
    return before, transform.pixels(before, strength, rng)
