"""Plug-in with barely visible processing, after which images are stored as JPEG (Ramos et al., ICCV 2025).

``probing --plugin lab/protocols/traces.py run --transforms traces --out DIR`` applies all fourteen operations. `PARTS`
contains the four parts of the paper. The parameters follow the paper. The operations are implemented by this project
(MIT).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
from PIL import Image as PilImage

from probing_core import register
from probing_core.transforms.bank.codec import store_as_jpeg
from probing_core.transforms.transformation import Image, Transform

SOURCE = "Ramos et al., ICCV 2025 (arXiv 2508.10637)"

SMOOTH = np.array([(1, 1, 1), (1, 5, 1), (1, 1, 1)], np.float32) / 13
"""Smoothing kernel of Pillow's ``ImageFilter.SMOOTH``, which Pillow's sharpening uses."""


def jpeg(image: Image, severity: float, rng: np.random.Generator, *, quality: int, chroma: str) -> Image:
    return store_as_jpeg(image, quality, chroma)


def sharpen(image: Image, severity: float, rng: np.random.Generator, *, factor: float, **stored: Any) -> Image:
    """Sharpen like Pillow's ``ImageEnhance.Sharpness``, which does not change the pixels on the border."""
    smooth = image.copy()
    smooth[1:-1, 1:-1] = cv2.filter2D(image, -1, SMOOTH)[1:-1, 1:-1]
    return jpeg(cv2.addWeighted(image, factor, smooth, 1 - factor, 0), severity, rng, **stored)


def resample(
    image: Image,
    severity: float,
    rng: np.random.Generator,
    *,
    kernel: str,
    smallest: float,
    largest: float,
    **stored: Any,
) -> Image:
    """Resize with Pillow, whose kernels are antialiased, and resize back like the preprocessing of most models."""
    height, width = image.shape[:2]
    factor = rng.uniform(smallest, largest)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    resized = np.asarray(PilImage.fromarray(image).resize(size, PilImage.Resampling[kernel.upper()]))
    back = PilImage.fromarray(jpeg(resized, severity, rng, **stored))
    return np.array(back.resize((width, height), PilImage.Resampling.BICUBIC))


FACTS: dict[Callable[..., Image], tuple[str, str, str]] = {
    jpeg: ("codec", "OpenCV (libjpeg-turbo)", "Compresses the image as JPEG."),
    sharpen: (
        "blur",
        "OpenCV",
        "Sharpens the image by extrapolating away from a smoothed copy, then compresses it as JPEG.",
    ),
    resample: (
        "blur",
        "Pillow, OpenCV",
        "Resizes the image by a factor from smallest to largest, compresses it as JPEG, and resizes it back.",
    ),
}
"""Function -> group, library and definition."""


def _transform(
    name: str, does: Callable[..., Image], quality: int = 95, chroma: str = "4:4:4", **parameters: Any
) -> Transform:
    values = {**parameters, "quality": quality, "chroma": chroma}
    group, library, definition = FACTS[does]
    return Transform(
        name=f"traces/{name}",
        group=group,
        parameter="severity",
        unit="of 1",
        weakest=1,
        strongest=1,
        distribution="integer",
        revision=f"1: {json.dumps([does.__name__, values, [], 224])}",
        definition=f"{definition} {'; '.join(f'{key} {value}' for key, value in values.items())}.",
        library=library,
        source=SOURCE,
        draws=parameters.get("smallest") != parameters.get("largest"),
        pixels=partial(does, **values),
    )


TRANSFORMS = (
    *(
        _transform(f"jpeg-q{quality}-{chroma.replace(':', '')}", jpeg, quality, chroma)
        for quality in (75, 85, 95)
        for chroma in ("4:2:0", "4:4:4")
    ),
    *(_transform(f"sharpen-{factor}", sharpen, factor=factor) for factor in (2, 4)),
    _transform("resize-half", resample, kernel="bilinear", smallest=0.5, largest=0.5),
    _transform("resize-double", resample, kernel="bilinear", smallest=2, largest=2),
    *(
        _transform(f"resample-{kernel}", resample, kernel=kernel, smallest=0.8, largest=1.2)
        for kernel in ("bilinear", "bicubic", "lanczos", "box")
    ),
)

PARTS = {
    "traces/jpeg": tuple(t.name for t in TRANSFORMS if "jpeg" in t.name),
    "traces/sharpening": ("traces/jpeg-q95-444", "traces/sharpen-2", "traces/sharpen-4"),
    "traces/resizing": ("traces/jpeg-q95-444", "traces/resize-half", "traces/resize-double"),
    "traces/interpolation": tuple(t.name for t in TRANSFORMS if "resample" in t.name),
}

if not __name__.startswith("lab."):  # run as a plug-in, not imported as a module
    for transform in TRANSFORMS:
        register(transform)
