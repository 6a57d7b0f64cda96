# /// script
# requires-python = "==3.11.*"
# dependencies = ["albumentations==1.4.24", "opencv-python-headless"]
# ///
"""Edits with albumentations at typical strengths (see `foreign_pictures`)."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
from foreign_pictures import main

warnings.filterwarnings("ignore")  # such as notices about new versions
import albumentations as A  # noqa: E402


def operations(rng: np.random.Generator) -> dict[tuple[str, str], list]:
    """Return the variants of each (operation, group)."""
    kernel = 2 * int(rng.integers(2, 5)) + 1
    sigma = float(rng.uniform(1.2, 3))
    return {
        ("blur", "blur"): [
            A.GaussianBlur(blur_limit=(0, 0), sigma_limit=(sigma, sigma), p=1),
            A.MotionBlur(blur_limit=(kernel, kernel), p=1),
            A.Defocus(radius=(3, 5), alias_blur=(0.1, 0.1), p=1),
        ],
        ("jpeg", "codec"): [A.ImageCompression(quality_range=(10, 40), p=1)] * 2,
        ("posterize", "codec"): [A.Posterize(num_bits=bits, p=1) for bits in (2, 3)],
        ("noise", "noise"): [
            A.GaussNoise(std_range=(0.06, 0.15), p=1),
            A.ISONoise(color_shift=(0.02, 0.05), intensity=(0.4, 0.8), p=1),
        ],
        ("contrast", "tone"): [A.RandomBrightnessContrast(brightness_limit=(0, 0), contrast_limit=(-0.7, -0.5), p=1)]
        * 2,
        ("gamma", "tone"): [A.RandomGamma(gamma_limit=(200, 300), p=1)] * 2,
        ("sepia", "color"): [A.ToSepia(p=1)],
        ("hue", "color"): [
            A.HueSaturationValue(hue_shift_limit=limit, sat_shift_limit=(0, 0), val_shift_limit=(0, 0), p=1)
            for limit in ((30, 60), (-60, -30))
        ],
        ("fog", "weather"): [A.RandomFog(fog_coef_range=(0.5, 0.9), alpha_coef=0.12, p=1)] * 2,
        ("rain", "weather"): [A.RandomRain(rain_type="heavy", p=1), A.RandomRain(p=1)],
        ("rotate", "geometry"): [
            A.Rotate(limit=(12, 28), border_mode=cv2.BORDER_REFLECT_101, p=1),
            A.Rotate(limit=(-28, -12), border_mode=cv2.BORDER_CONSTANT, p=1),
        ],
        ("emboss", "artistic"): [A.Emboss(alpha=(0.5, 0.9), strength=(0.8, 1.2), p=1)] * 2,
        ("untouched", "identity"): [A.NoOp(p=1)],
        ("gray", "color"): [A.ToGray(p=1)],
        ("brightness", "tone"): [
            A.RandomBrightnessContrast(brightness_limit=limit, contrast_limit=(0, 0), p=1)
            for limit in ((0.3, 0.5), (-0.5, -0.3))
        ],
        ("downscale", "codec"): [A.Downscale(scale_range=(0.25, 0.4), p=1)],
        ("salt and pepper", "noise"): [A.SaltAndPepper(amount=(0.02, 0.08), p=1)],
        ("glass", "blur"): [A.GlassBlur(sigma=0.7, max_delta=2, iterations=1, p=1)],
        ("snow", "weather"): [A.RandomSnow(snow_point_range=(0.2, 0.4), p=1)],
        ("perspective", "geometry"): [A.Perspective(scale=(0.1, 0.2), p=1)],
    }


def changed(image: np.ndarray, way: A.BasicTransform, seed: int) -> np.ndarray:
    return A.Compose([way], seed=seed)(image=image)["image"]


if __name__ == "__main__":
    main(operations, changed)
