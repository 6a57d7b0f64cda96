"""Untouched pictures as other programs store them: every alternative implementation starts from one.

Pictures from outside are cut out of a larger picture, reduced by another filter, sharpened a little by a camera, stored
at high quality. None of that is a transformation, and a deployment probe must not report one. Older cameras and web
sites change more (`wider_clean`), and a detector of alterations must not call that altered either.
"""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageFilter

from probing_core.transforms.base import Image

NATIVE = 0.2
"""Share of the pictures that are cut out at the source's own scale, like tiles of large pictures."""

SMALLEST_SHARE = 0.65
"""Smallest share of the source's shorter side in those that are reduced."""

OPENCV = (cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)
PILLOW = (
    Pillow.Resampling.BOX,
    Pillow.Resampling.BILINEAR,
    Pillow.Resampling.BICUBIC,
    Pillow.Resampling.LANCZOS,
)


def stored(image: Image, format: str, **options: int) -> Image:
    """Write ``image`` by Pillow's encoder of ``format`` and read it again."""
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, format, **options)
    return np.asarray(Pillow.open(buffer).convert("RGB"))


def clean(picture: Image, view: int, rng: np.random.Generator) -> Image:
    """Cut an untouched square of ``view`` pixels, possibly mirrored, out of a picture that is at least as large."""
    side = min(picture.shape[:2])
    cut = view if rng.random() < NATIVE else max(view, round(side * rng.uniform(SMALLEST_SHARE, 1)))
    top, left = (int(rng.integers(length - cut + 1)) for length in picture.shape[:2])
    square = np.ascontiguousarray(picture[top : top + cut, left : left + cut])
    if rng.random() < 0.5:
        square = np.ascontiguousarray(square[:, ::-1])
    return _finished(_reduced(square, view, rng), rng)


def _reduced(square: Image, view: int, rng: np.random.Generator) -> Image:
    method = int(rng.integers(len(OPENCV) + len(PILLOW)))
    if square.shape[0] == view:
        return square
    if method < len(OPENCV):
        return cv2.resize(square, (view, view), interpolation=OPENCV[method])
    return np.asarray(Pillow.fromarray(square).resize((view, view), PILLOW[method - len(OPENCV)]))


def _finished(image: Image, rng: np.random.Generator) -> Image:
    kind = rng.random()
    if kind < 0.2:
        sharper = ImageFilter.UnsharpMask(radius=1, percent=int(rng.integers(20, 70)), threshold=0)
        return np.asarray(Pillow.fromarray(image).filter(sharper))
    if kind < 0.5:
        return stored(image, "JPEG", quality=int(rng.integers(85, 97)), subsampling=int(rng.integers(3)))
    return image


QUALITY = (65, 92)
"""JPEG quality of the whole picture before it was reduced."""

EXPOSURE = 0.25
"""Largest change, in stops."""

WHITE_BALANCE = 0.06
"""Largest relative change of a channel."""

SHARPENING = (60, 150)


def wider_clean(picture: Image, view: int, rng: np.random.Generator) -> Image:
    """Apply `clean`, each half of the time after and before what older cameras do."""
    if rng.random() < 0.5:
        picture = stored(picture, "JPEG", quality=int(rng.integers(*QUALITY)), subsampling=int(rng.integers(3)))
    image = clean(picture, view, rng)
    if rng.random() < 0.5:
        gains = 2 ** rng.uniform(-EXPOSURE, EXPOSURE) * (1 + rng.uniform(-WHITE_BALANCE, WHITE_BALANCE, 3))
        image = np.clip(np.rint(image * gains), 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        mask = ImageFilter.UnsharpMask(rng.uniform(0.6, 1.6), int(rng.integers(*SHARPENING)), threshold=0)
        image = np.asarray(Pillow.fromarray(image).filter(mask))
    return image
