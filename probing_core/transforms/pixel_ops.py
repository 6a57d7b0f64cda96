"""Operations shared by several transformations: length scaling, blending and lookup tables."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from probing_core.transforms.transformation import Image

REFERENCE_SIDE = 128
"""View size in pixels to which documented lengths refer."""

VALUES = np.arange(256, dtype=np.float64)
"""All channel values, 0 to 255, for evaluating tone curves (see `lookup`)."""


def scale_of(image: Image) -> float:
    """Return the number of pixels of ``image`` that correspond to one pixel at a view size of 128."""
    return min(image.shape[:2]) / REFERENCE_SIDE


def blend(image: Image, effect: Image, amount: float) -> Image:
    """Interpolate between ``image`` (at ``amount`` 0) and ``effect`` (at ``amount`` 1)."""
    return cv2.addWeighted(image, 1 - amount, effect, amount, 0)


def at_most(image: Image, side: int, effect: Callable[[Image], Image]) -> Image:
    """Downsample ``image`` to a shorter side of at most ``side``, apply ``effect``, and upsample the result.

    This saves time for effects that remove detail or are slow on large images.
    """
    height, width = image.shape[:2]
    reduction = min(height, width) / side
    if reduction <= 1:
        return effect(image)
    small = cv2.resize(image, (round(width / reduction), round(height / reduction)), interpolation=cv2.INTER_AREA)
    return cv2.resize(effect(small), (width, height), interpolation=cv2.INTER_CUBIC)


def lookup(image: Image, values: np.ndarray) -> Image:
    """Replace every value ``v`` of ``image`` with ``values[v]`` (256 numbers), rounded and clipped to 0..255."""
    return cv2.LUT(image, np.clip(np.rint(values), 0, 255).astype(np.uint8))


def gray_of(image: Image) -> np.ndarray:
    """Compute the Rec. 601 luma (H, W) ``uint8``: 0.299 R + 0.587 G + 0.114 B."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def as_rgb(gray: np.ndarray) -> Image:
    return cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB)


def to_bytes(values: np.ndarray) -> Image:
    """Round floats and clip them to ``uint8``."""
    return cv2.convertScaleAbs(np.maximum(values, 0, dtype=np.float32))


def to_float(image: Image) -> np.ndarray:
    """Scale ``uint8`` to ``float32`` from 0 to 1."""
    return image.astype(np.float32) / 255


def from_float(pixels: np.ndarray) -> Image:
    """Clip floats to the range from 0 to 1, and scale and round them to ``uint8``."""
    return (pixels.clip(0, 1) * 255).round().astype(np.uint8)
