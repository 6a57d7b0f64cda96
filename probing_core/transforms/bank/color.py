"""Color transformations: changes of hue and saturation."""

from __future__ import annotations

import cv2
import numpy as np

from probing_core.transforms import alternatives
from probing_core.transforms.pixel_ops import as_rgb, blend, gray_of
from probing_core.transforms.transformation import Image, of_bank

SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
"""Sepia matrix for RGB, with the coefficients of W3C Filter Effects 1."""


def desaturate(image: Image, amount: float, rng: np.random.Generator) -> Image:
    return blend(image, as_rgb(gray_of(image)), amount)


def hue_shift(image: Image, turn: float, rng: np.random.Generator) -> Image:
    degrees = 360 * turn * rng.choice((-1, 1))
    # Use float32: 8-bit HSV has only 180 hues, and the quantization would leave an additional trace.
    hsv = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2HSV)
    hue = hsv[..., 0] + np.float32(degrees)
    hsv[..., 0] = np.where(hue < 0, hue + 360, np.where(hue >= 360, hue - 360, hue))
    return cv2.convertScaleAbs(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def sepia(image: Image, amount: float, rng: np.random.Generator) -> Image:
    return cv2.transform(image, (1 - amount) * np.eye(3) + amount * SEPIA)


# fmt: off
TRANSFORMS = (
    of_bank(
        "color", "A", "desaturate", "blend", "fraction", 0.6, 1.0,
        "Blends the image with its luma. A blend of 100% removes all color.",
        "torchvision adjust_saturation; luma of ITU-R BT.601",
        pixels=desaturate, alternative=alternatives.desaturate,
    ),
    of_bank(
        "color", "B", "hue-shift", "angle", "turn", 0.15, 0.25,
        "Rotates the hue in HSV by the angle, in either direction.", "torchvision adjust_hue",
        draws=True, pixels=hue_shift, alternative=alternatives.hue_shift,
    ),
    of_bank(
        "color", "C", "sepia", "blend", "fraction", 0.6, 1.0,
        "Blends the image with a sepia-toned copy.", "sepia matrix of W3C Filter Effects 1",
        pixels=sepia, alternative=alternatives.sepia,
    ),
)
# fmt: on
