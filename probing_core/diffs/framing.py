"""Edits of the frame that are common in copies of photographs: crops, mirroring, a quarter turn, and half the size.

They are used to measure whether copies are found (`FRAMING_EDITS`), and are not classes of any probe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

import numpy as np

from probing_core.diffs.registration import Geometry
from probing_core.images import Image

FramingEdit: TypeAlias = Callable[[Image, np.random.Generator], Image]
"""Function that returns an edited copy of an image, whose size may differ."""

RESIZE_FILTER = "lanczos"
"""Filter with which images are resized, as in many image servers."""


def _crop(image: Image, rng: np.random.Generator, fraction: float) -> Image:
    """Crop ``image`` at a random position to a fraction of its area, without changing the aspect ratio."""
    height, width = image.shape[:2]
    wide, high = (max(1, round(side * fraction**0.5)) for side in (width, height))
    left, top = int(rng.integers(width - wide + 1)), int(rng.integers(height - high + 1))
    return Geometry((wide, high), box=(left, top, left + wide, top + high)).apply(image)[0]


def _mirror(image: Image, rng: np.random.Generator) -> Image:
    return Geometry(_size(image), mirrored=True).apply(image)[0]


def _quarter_turn(image: Image, rng: np.random.Generator) -> Image:
    return Geometry(_size(image)[::-1], turns=1).apply(image)[0]


def _half_size(image: Image, rng: np.random.Generator) -> Image:
    width, height = _size(image)
    return Geometry((max(1, width // 2), max(1, height // 2)), filter=RESIZE_FILTER).apply(image)[0]


def _size(image: Image) -> tuple[int, int]:
    return image.shape[1], image.shape[0]


FRAMING_EDITS: Mapping[str, FramingEdit] = {
    "crop-90": partial(_crop, fraction=0.9),
    "crop-75": partial(_crop, fraction=0.75),
    "crop-50": partial(_crop, fraction=0.5),
    "mirror": _mirror,
    "quarter-turn": _quarter_turn,
    "half-size": _half_size,
}
"""Name of an edit -> function that applies it. Crops are named by the percentage of the area that remains.

Samples of runs depend on these functions (`SAMPLES_CODE_VERSIONS` in `probing_core.run.work`).
"""
