"""Codec: what storing a picture in fewer bits does to it."""

from __future__ import annotations

import cv2
import numpy as np

from probing_core.transforms.alternatives import codec as alternatives
from probing_core.transforms.base import Image, Transform
from probing_core.transforms.pixel_ops import VALUES, lookup, scale_of

SAMPLING = {"4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420, "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444}
"""How finely JPEG stores chroma beside luma."""


def jpeg(image: Image, quality: float, rng: np.random.Generator) -> Image:
    # The subsampling is fixed: encoders choose it by quality, and that would be a second effect.
    return store_as_jpeg(image, round(quality), "4:2:0")


def store_as_jpeg(image: Image, quality: int, chroma: str) -> Image:
    """Return ``image`` as it is read back from JPEG; ``chroma`` is one of `SAMPLING`."""
    options = (cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLING[chroma])
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    stored = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert stored is not None  # it was encoded just now
    return cv2.cvtColor(stored, cv2.COLOR_BGR2RGB)


def pixelate(image: Image, factor: float, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    block = factor * scale_of(image)
    small = max(1, round(width / block)), max(1, round(height / block))
    blocks = _averages(image, small)
    # Columns by OpenCV, rows by copying them whole: half the time of both by OpenCV.
    stripes = cv2.resize(blocks, (width, small[1]), interpolation=cv2.INTER_NEAREST)
    return stripes.take(np.arange(height) * small[1] // height, axis=0)


def _averages(image: Image, size: tuple[int, int]) -> Image:
    """Average ``image`` over areas, (width, height) of them."""
    (height, width), (columns, rows) = image.shape[:2], size
    if width < columns or height < rows or width % columns == height % rows == 0:
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    # Where areas cut pixels, OpenCV takes three quarters of the time for floats, and gives the same numbers.
    return cv2.convertScaleAbs(cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_AREA))


def posterize(image: Image, bits: float, rng: np.random.Generator) -> Image:
    levels = 2 ** round(bits)
    return lookup(image, (VALUES * levels // 256) * 255 / (levels - 1))


TRANSFORMS = (
    Transform(
        name="jpeg",
        group="codec",
        member="A",
        parameter="quality",
        unit="of 100",
        weakest=30,
        strongest=10,
        neutral=100,
        distribution="integer",
        revision=1,
        definition="Stored as JPEG with 4:2:0 chroma and read again; its blocks are 8 px whatever the size.",
        library="OpenCV (libjpeg-turbo)",
        source="ITU-T T.81; Hendrycks & Dietterich 2019 (ImageNet-C)",
        pixels=jpeg,
        alternative=alternatives.jpeg,
        alternative_revision=1,
    ),
    Transform(
        name="pixelate",
        group="codec",
        member="B",
        parameter="factor",
        unit="px of a 128 px view",
        weakest=3.0,
        strongest=5.0,
        neutral=1.0,
        revision=1,
        definition="Averaged over square blocks of this side.",
        library="OpenCV",
        source="Hendrycks & Dietterich 2019 (ImageNet-C)",
        pixels=pixelate,
        is_length=True,
        alternative=alternatives.pixelate,
        alternative_revision=1,
    ),
    Transform(
        name="posterize",
        group="codec",
        member="C",
        parameter="bits",
        unit="bits a channel",
        weakest=4,
        strongest=2,
        neutral=8,
        distribution="integer",
        revision=1,
        definition="The highest bits of every value kept, their levels spread over the whole range.",
        library="OpenCV",
        source="Pillow ImageOps.posterize, with levels from black to white",
        pixels=posterize,
        alternative=alternatives.posterize,
        alternative_revision=1,
    ),
)
