"""Alternative color changes."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageEnhance

from probing_core.transforms.alternatives.arrays import LUMA, either_sign, mixed, to_float
from probing_core.transforms.base import Image


def desaturate(image: Image, rng: np.random.Generator) -> Image:
    """Move colors towards Pillow's gray, or the mean of the channels."""
    amount = rng.uniform(0.5, 1)
    if rng.random() < 0.6:
        return np.asarray(ImageEnhance.Color(Pillow.fromarray(image)).enhance(1 - amount))
    pixels = to_float(image)
    return mixed(pixels, pixels.mean(axis=2, keepdims=True), amount)


def hue_shift(image: Image, rng: np.random.Generator) -> Image:
    """Turn the hue in HSV, where the bank turns another space."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    turn = int(rng.uniform(14, 50)) * either_sign(rng)  # OpenCV counts 180 a turn
    hsv[..., 0] = (hsv[..., 0].astype(int) + turn) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def sepia(image: Image, rng: np.random.Generator) -> Image:
    """Apply the well-known matrix, or tone a gray picture by a tint."""
    pixels = to_float(image)
    if rng.random() < 0.4:
        tint = [rng.uniform(1.05, 1.25), rng.uniform(0.9, 1.02), rng.uniform(0.6, 0.8)]
        toned = (pixels @ LUMA)[..., None] * np.array(tint, np.float32)
    else:
        matrix = [[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]]
        toned = pixels @ np.array(matrix, np.float32).T
    return mixed(pixels, toned, rng.uniform(0.5, 1))
