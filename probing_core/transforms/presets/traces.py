"""Operations of the preset ``traces``: processing that hardly anybody sees, which ends as JPEG."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image as PilImage

from probing_core.transforms.bank.codec import store_as_jpeg
from probing_core.transforms.base import Image

SMOOTH = np.array([(1, 1, 1), (1, 5, 1), (1, 1, 1)], np.float32) / 13
"""The smoothing kernel of Pillow's ``ImageFilter.SMOOTH``, which its sharpening departs from."""


def jpeg(image: Image, rng: np.random.Generator, *, quality: float, chroma: str) -> Image:
    return store_as_jpeg(image, round(quality), chroma)


def sharpen(image: Image, rng: np.random.Generator, *, factor: float, quality: float, chroma: str) -> Image:
    """Sharpen as Pillow's ``ImageEnhance.Sharpness``: pixels on the border stay."""
    smooth = image.copy()
    smooth[1:-1, 1:-1] = cv2.filter2D(image, -1, SMOOTH)[1:-1, 1:-1]
    return store_as_jpeg(cv2.addWeighted(image, factor, smooth, 1 - factor, 0), round(quality), chroma)


def resample(
    image: Image,
    rng: np.random.Generator,
    *,
    kernel: str,
    smallest: float,
    largest: float,
    quality: float,
    chroma: str,
) -> Image:
    """Resize as Pillow does, whose kernels widen when they reduce; back as the models' own preprocessing does."""
    height, width = image.shape[:2]
    factor = rng.uniform(smallest, largest)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    resized = np.asarray(PilImage.fromarray(image).resize(size, PilImage.Resampling[kernel.upper()]))
    stored = PilImage.fromarray(store_as_jpeg(resized, round(quality), chroma))
    return np.array(stored.resize((width, height), PilImage.Resampling.BICUBIC))


OPERATIONS: dict[str, Callable[..., Image]] = {"jpeg": jpeg, "sharpen": sharpen, "resample": resample}
