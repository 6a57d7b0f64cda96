"""Artistic transformations: classic filters that make a photograph look drawn or carved."""

from __future__ import annotations

import cv2
import numpy as np

from probing_core.transforms import alternatives
from probing_core.transforms.pixel_ops import as_rgb, at_most, blend, gray_of, scale_of
from probing_core.transforms.transformation import Image, of_bank

MAX_STYLIZED_SIDE = 1024
"""Maximum shorter side for stylization, which takes seconds per megapixel. Larger images are downsampled."""


def stylization(image: Image, amount: float, rng: np.random.Generator) -> Image:
    def drawn(small: Image) -> Image:
        return cv2.stylization(small, sigma_s=30 * scale_of(small), sigma_r=0.45)

    return blend(image, at_most(image, MAX_STYLIZED_SIDE, drawn), amount)


def pencil_sketch(image: Image, amount: float, rng: np.random.Generator) -> Image:
    gray = gray_of(image)
    # Color dodge of the grayscale image with its blurred negative: flat areas become white, edges become strokes.
    sketch = cv2.divide(gray, cv2.GaussianBlur(gray, (0, 0), 2.5 * scale_of(image)), scale=255)
    return blend(image, as_rgb(sketch), amount)


def emboss(image: Image, amount: float, rng: np.random.Generator) -> Image:
    gray = gray_of(image)
    step = max(1, round(scale_of(image)))
    padded = cv2.copyMakeBorder(gray, step, step, step, step, cv2.BORDER_REFLECT_101).astype(np.float32)
    slope = padded[2 * step :, 2 * step :] - padded[: -2 * step, : -2 * step]
    return blend(image, as_rgb(cv2.convertScaleAbs(np.clip(slope + 128, 0, 255))), amount)


# fmt: off
TRANSFORMS = (
    of_bank(
        "artistic", "A", "stylization", "blend", "fraction", 0.5, 1.0,
        "Smooths the regions between edges and darkens the edges, like a painted illustration.",
        "Gastal & Oliveira 2011, Domain transform", library="OpenCV stylization",
        pixels=stylization,
    ),
    of_bank(
        "artistic", "B", "pencil-sketch", "blend", "fraction", 0.5, 1.0,
        "Divides the grayscale image by a blurred copy, which yields dark strokes on white.",
        "color dodge blending (W3C Compositing and Blending Level 1) with the blurred negative",
        pixels=pencil_sketch,
    ),
    of_bank(
        "artistic", "C", "emboss", "blend", "fraction", 0.4, 0.8,
        "Renders the brightness gradient from top left to bottom right as a relief on gray.",
        "relief filter, e.g. GIMP Emboss",
        library="NumPy",
        pixels=emboss, alternative=alternatives.emboss,
    ),
)
# fmt: on
