# /// script
# requires-python = "==3.11.*"
# dependencies = ["imgaug==0.4.0", "numpy<1.24", "opencv-python-headless"]
# ///
"""Edits with imgaug at typical strengths (see `foreign_pictures`)."""

from __future__ import annotations

import imgaug.augmenters as iaa
import numpy as np
from foreign_pictures import main


def operations(rng: np.random.Generator) -> dict[tuple[str, str], list]:
    """Return the variants of each (operation, group). The library has no sepia."""
    return {
        ("blur", "blur"): [iaa.GaussianBlur((1.2, 3)), iaa.MotionBlur((5, 11)), iaa.AverageBlur((3, 6))],
        ("jpeg", "codec"): [iaa.JpegCompression((60, 90))] * 2,
        ("posterize", "codec"): [iaa.pillike.Posterize(bits) for bits in (2, 3)],
        ("noise", "noise"): [
            iaa.AdditiveGaussianNoise(scale=(15, 40)),
            iaa.AdditiveGaussianNoise(scale=(15, 40), per_channel=True),
        ],
        ("contrast", "tone"): [iaa.LinearContrast((0.3, 0.5))] * 2,
        ("gamma", "tone"): [iaa.GammaContrast((2, 3))] * 2,
        ("hue", "color"): [iaa.AddToHue(limit) for limit in ((42, 85), (-85, -42))],
        ("fog", "weather"): [iaa.Fog()] * 2,
        ("rain", "weather"): [iaa.Rain()] * 2,
        ("rotate", "geometry"): [iaa.Rotate((12, 28), mode="reflect"), iaa.Rotate((-28, -12))],
        ("emboss", "artistic"): [iaa.Emboss((0.5, 0.9), (0.8, 1.2))] * 2,
        ("untouched", "identity"): [iaa.Identity()],
    }


def changed(image: np.ndarray, way: iaa.Augmenter, seed: int) -> np.ndarray:
    way.seed_(seed)
    return way(image=image)


if __name__ == "__main__":
    main(operations, changed)
