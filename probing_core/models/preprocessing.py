"""Conversion of images of any size to a batch, identical to the preprocessing in the model libraries.

timm, open_clip and torchvision preprocess with Pillow: resize, center crop, divide by 255, subtract the mean, divide by
the standard deviation. This module calls Pillow in the same way, and replaces the arithmetic with a lookup table of 256
values, which yields identical results in a fifth of the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
import PIL.Image

from probing_core.transforms.transformation import Image


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing of a checkpoint. It is part of the cache key of the embeddings.

    Attributes:
        size: input size of the network, (height, width) in pixels.
        resize: ``"shorter"`` scales the shorter side to ``size / crop`` (rounded down) and crops the center;
            ``"squash"`` scales both sides to ``size / crop``, ignoring the aspect ratio, and crops the center;
            ``"none"`` leaves the image unchanged.
        crop: fraction of each side of the resized image that the center crop keeps.
        interpolation: ``"bilinear"``, ``"bicubic"``, ``"lanczos"``, ``"box"``, ``"hamming"`` or ``"nearest"``; all
            except the last are antialiased.
        mean, std: mean and standard deviation per channel, for values in [0, 1].
    """

    size: tuple[int, int]
    resize: Literal["shorter", "squash", "none"] = "shorter"
    crop: float = 1.0
    interpolation: str = "bicubic"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        for name in ("size", "mean", "std"):  # lists are not hashable
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def to_json(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def crop_fraction(size: int, resized: int) -> float:
    """Return the fraction ``crop`` for which ``size / crop``, rounded down, is exactly ``resized``."""
    return min(size / resized, math.nextafter(size / resized, 0), key=lambda crop: math.floor(size / crop) != resized)


@lru_cache(maxsize=32)
def value_table(mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    """Return the network input (1, 256, 3) ``float32`` for each ``uint8`` value of each channel.

    The values are computed in ``float32`` in the same steps as in ``ToTensor`` and ``Normalize``. The array is
    read-only, because it is cached.
    """
    values = np.arange(256, dtype=np.float32)[:, None] / np.float32(255)
    table = ((values - np.array(mean, np.float32)) / np.array(std, np.float32))[None]
    table.flags.writeable = False
    return table


def resize_and_crop(image: Image, preprocessing: Preprocessing) -> Image:
    if preprocessing.resize == "none":
        return image
    height, width = preprocessing.size
    scaled = scaled_size(image.shape[:2], preprocessing)
    # Round half to even, like torchvision's CenterCrop.
    top, left = round((scaled[0] - height) / 2), round((scaled[1] - width) / 2)
    if scaled != image.shape[:2]:
        picture, interpolation = PIL.Image.fromarray(image), PIL.Image.Resampling[preprocessing.interpolation.upper()]
        down, right = image.shape[0] / scaled[0], image.shape[1] / scaled[1]
        box = left * right, top * down, (left + width) * right, (top + height) * down
        if min(top, left) >= 0 and all(edge.is_integer() for edge in box):  # identical result with less computation
            return np.asarray(picture.resize((width, height), interpolation, box))
        image = np.asarray(picture.resize(scaled[::-1], interpolation))
    return image[top : top + height, left : left + width]


Map = Callable[[Callable[[int], None], Iterable[int]], Iterable[None]]


def make_batch(images: Sequence[Image], preprocessing: Preprocessing, apply: Map = map) -> np.ndarray:
    """Preprocess images into a batch (N, H, W, 3) ``float32``.

    Args:
        apply: ``map``, or the ``map`` method of an executor to process images in parallel.
    """
    table = value_table(preprocessing.mean, preprocessing.std)
    if preprocessing.resize == "none":
        height, width = images[0].shape[:2]
    else:
        height, width = preprocessing.size
    batch = np.empty((len(images), height, width, 3), np.float32)

    def fill(position: int) -> None:
        cropped = np.ascontiguousarray(resize_and_crop(images[position], preprocessing))
        if cropped.shape != batch.shape[1:]:
            raise ValueError(f"Images in a batch must have the same size, got {cropped.shape} and {batch.shape[1:]}.")
        cv2.LUT(cropped, table, batch[position])

    list(apply(fill, range(len(images))))
    return batch


def scaled_size(shape: tuple[int, ...], preprocessing: Preprocessing) -> tuple[int, int]:
    target = tuple(math.floor(side / preprocessing.crop) for side in preprocessing.size)
    if preprocessing.resize == "squash":
        return target[0], target[1]
    height, width = shape
    if target[0] == target[1]:  # like torchvision's Resize for the shorter side
        short, long = min(height, width), max(height, width)
        longer = int(target[0] * long / short)
        return (target[0], longer) if height <= width else (longer, target[0])
    ratio = max(target[0] / height, target[1] / width)  # like timm's ResizeKeepRatio
    return round(height * ratio), round(width * ratio)
