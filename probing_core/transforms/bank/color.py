"""Color: what hue and saturation are, with lightness left alone."""

from __future__ import annotations

import cv2
import numpy as np

from probing_core.transforms.alternatives import color as alternatives
from probing_core.transforms.base import Image, Transform
from probing_core.transforms.pixel_ops import as_rgb, blend, gray_of

SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
"""RGB -> sepia, the matrix in common use (W3C Filter Effects 1 writes it with the same digits)."""


def desaturate(image: Image, amount: float, rng: np.random.Generator) -> Image:
    return blend(image, as_rgb(gray_of(image)), amount)


def hue_shift(image: Image, turn: float, rng: np.random.Generator) -> Image:
    degrees = 360 * turn * rng.choice((-1, 1))
    # In float32: 8-bit HSV has 180 hues, and the gaps between them would be a trace of their own.
    hsv = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2HSV)
    hue = hsv[..., 0] + np.float32(degrees)
    hsv[..., 0] = np.where(hue < 0, hue + 360, np.where(hue >= 360, hue - 360, hue))
    return cv2.convertScaleAbs(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def sepia(image: Image, amount: float, rng: np.random.Generator) -> Image:
    return cv2.transform(image, (1 - amount) * np.eye(3) + amount * SEPIA)


TRANSFORMS = (
    Transform(
        name="desaturate",
        group="color",
        member="A",
        parameter="blend",
        unit="share",
        weakest=0.6,
        strongest=1.0,
        neutral=0.0,
        revision=1,
        definition="Blended with its own luma; colorless at 1.",
        library="OpenCV",
        source="torchvision adjust_saturation; luma of ITU-R BT.601",
        pixels=desaturate,
        alternative=alternatives.desaturate,
        alternative_revision=1,
    ),
    Transform(
        name="hue-shift",
        group="color",
        member="B",
        parameter="angle",
        unit="turn",
        weakest=0.15,
        strongest=0.25,
        neutral=0.0,
        revision=1,
        definition="Hue in HSV turned by the angle, either way.",
        library="OpenCV",
        source="torchvision adjust_hue",
        draws=True,
        pixels=hue_shift,
        alternative=alternatives.hue_shift,
        alternative_revision=1,
    ),
    Transform(
        name="sepia",
        group="color",
        member="C",
        parameter="blend",
        unit="share",
        weakest=0.6,
        strongest=1.0,
        neutral=0.0,
        revision=1,
        definition="Blended with its own sepia tone.",
        library="OpenCV",
        source="sepia matrix of W3C Filter Effects 1",
        pixels=sepia,
        alternative=alternatives.sepia,
        alternative_revision=1,
    ),
)
