"""Untouched pictures of lower quality, which a detector of alterations must not call altered either.

Older or cheaper cameras and web sites store JPEG of middle quality, sharpen more, and err in exposure and white
balance. Nobody altered such a picture, yet it is farther from the bank's identity than `clean` goes.
"""

from __future__ import annotations

import numpy as np
from PIL import Image as Pillow
from PIL import ImageFilter

from probing_core.transforms.alternatives.arrays import stored
from probing_core.transforms.alternatives.clean import clean
from probing_core.transforms.base import Image

QUALITY = (65, 92)
"""Of the JPEG that the whole picture was stored as before it was reduced."""

EXPOSURE = 0.25
"""Of a stop, either way."""

WHITE_BALANCE = 0.06
"""Largest relative change of a channel."""

SHARPENING = (60, 150)
"""Percent of an unsharp mask."""


def wider_clean(picture: Image, view: int, rng: np.random.Generator) -> Image:
    """Apply `clean`, after and before what older cameras do, each half of the time.

    Args:
        picture: whose shorter side has at least ``view`` pixels.
    """
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
