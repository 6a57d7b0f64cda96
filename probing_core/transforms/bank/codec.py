"""Codec transformations: artifacts of storing an image with fewer bits."""

from __future__ import annotations

import cv2
import numpy as np

from probing_core.transforms import alternatives
from probing_core.transforms.pixel_ops import VALUES, lookup, scale_of
from probing_core.transforms.transformation import Image, of_bank

SAMPLING = {"4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420, "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444}
"""JPEG chroma subsampling -> OpenCV flag."""


def jpeg(image: Image, quality: float, rng: np.random.Generator) -> Image:
    # Fix the chroma subsampling. Encoders select it by quality, which would be a second effect.
    return store_as_jpeg(image, round(quality), "4:2:0")


def store_as_jpeg(image: Image, quality: int, chroma: str) -> Image:
    """Compress ``image`` as JPEG and decode it. ``chroma`` is a key of `SAMPLING`."""
    options = (cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLING[chroma])
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    stored = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert stored is not None  # it has just been encoded
    return cv2.cvtColor(stored, cv2.COLOR_BGR2RGB)


def pixelate(image: Image, factor: float, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    block = factor * scale_of(image)
    small = max(1, round(width / block)), max(1, round(height / block))
    blocks = _averages(image, small)
    # OpenCV repeats the columns, and copying repeats the rows: twice as fast as OpenCV for both.
    stripes = cv2.resize(blocks, (width, small[1]), interpolation=cv2.INTER_NEAREST)
    return stripes.take(np.arange(height) * small[1] // height, axis=0)


def _averages(image: Image, size: tuple[int, int]) -> Image:
    (height, width), (columns, rows) = image.shape[:2], size
    if width < columns or height < rows or width % columns == height % rows == 0:
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    # If block borders cut pixels, OpenCV is 25% faster with floats, with the same results.
    return cv2.convertScaleAbs(cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_AREA))


def posterize(image: Image, bits: float, rng: np.random.Generator) -> Image:
    levels = 2 ** round(bits)
    return lookup(image, (VALUES * levels // 256) * 255 / (levels - 1))


# fmt: off
TRANSFORMS = (
    of_bank(
        "codec", "A", "jpeg", "quality", "of 100", 30, 10,
        "Compresses the image as JPEG with 4:2:0 chroma subsampling. Blocks are 8 px at any image size.",
        "ITU-T T.81; Hendrycks & Dietterich 2019 (ImageNet-C)", library="OpenCV (libjpeg-turbo)",
        neutral=100, distribution="integer", pixels=jpeg, alternative=alternatives.jpeg,
    ),
    of_bank(
        "codec", "B", "pixelate", "factor", "px at view size 128", 3.0, 5.0,
        "Averages over square blocks with the factor as side length.", "Hendrycks & Dietterich 2019 (ImageNet-C)",
        neutral=1.0, pixels=pixelate, is_length=True, alternative=alternatives.pixelate,
    ),
    of_bank(
        "codec", "C", "posterize", "bits", "bits per channel", 4, 2,
        "Keeps the most significant bits of each value and stretches the levels to the full range.",
        "Pillow ImageOps.posterize, with levels from black to white",
        neutral=8, distribution="integer", pixels=posterize, alternative=alternatives.posterize,
    ),
)
# fmt: on
