"""Alternative blurs."""

from __future__ import annotations

import math

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageFilter

from probing_core.transforms.alternatives.arrays import drawn_line_kernel, pick, to_float, to_image
from probing_core.transforms.base import Image
from probing_core.transforms.pixel_ops import scale_of


def gaussian_blur(image: Image, rng: np.random.Generator) -> Image:
    """Blur with Pillow's, a box, or a median."""
    scale, kind = scale_of(image), pick(rng, (0.45, 0.4, 0.15))
    if kind == 0:
        return np.asarray(Pillow.fromarray(image).filter(ImageFilter.GaussianBlur(rng.uniform(1, 3) * scale)))
    side = 2 * max(1, round(rng.uniform(1, 3) * scale)) + 1
    return cv2.blur(image, (side, side)) if kind == 1 else cv2.medianBlur(image, side)


def motion_blur(image: Image, rng: np.random.Generator) -> Image:
    """Blur with a drawn line as kernel, as augmentation libraries do it."""
    kernel = drawn_line_kernel(round(rng.uniform(5, 15) * scale_of(image)) | 1, rng.uniform(0, math.pi))
    return cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)


def defocus_blur(image: Image, rng: np.random.Generator) -> Image:
    """Blur with a disc, sometimes over linear light."""
    radius = rng.uniform(2, 5) * scale_of(image)
    reach = math.ceil(radius)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = (rows**2 + columns**2 <= radius**2).astype(np.float32)
    power = 2.2 if rng.random() < 0.3 else 1.0
    return to_image(cv2.filter2D(to_float(image) ** power, -1, kernel / kernel.sum()) ** (1 / power))
