"""Alternative artistic filters."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageFilter

from probing_core.transforms.alternatives.arrays import LUMA, mixed, pick, to_float
from probing_core.transforms.base import Image

RELIEF = np.array([[-1, -1, 0], [-1, 0, 1], [0, 1, 1]], np.float32)
"""Slope from the top left to the bottom right."""

HERE = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32)


def emboss(image: Image, rng: np.random.Generator) -> Image:
    """Make a colored relief that keeps the picture, one on gray, a gray one, or Pillow's; lit from any side."""
    pixels, kind = to_float(image), pick(rng, (0.6, 0.12, 0.18, 0.1))
    if kind == 3:
        relief = to_float(np.asarray(Pillow.fromarray(image).filter(ImageFilter.EMBOSS)))
        return mixed(pixels, relief, rng.uniform(0.4, 1))
    quarter_turns = 0 if rng.random() < 0.5 else int(rng.integers(4))
    slope = rng.uniform(0.4, 1.6) * np.rot90(RELIEF, quarter_turns)
    if kind == 0:
        corners = np.rot90(np.diag([-1.0, 0, 1.0]), quarter_turns) if rng.random() < 0.8 else 0
        relief = cv2.filter2D(pixels, -1, (slope + HERE + corners).astype(np.float32))
    elif kind == 1:
        relief = cv2.filter2D(pixels, -1, slope) + 0.5
    else:
        relief = np.repeat(cv2.filter2D(pixels @ LUMA, -1, slope)[..., None] + 0.5, 3, axis=2)
    return mixed(pixels, relief.clip(0, 1), rng.uniform(0.4, 1))
