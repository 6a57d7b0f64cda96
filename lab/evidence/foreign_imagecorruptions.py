# /// script
# requires-python = "==3.11.*"
# dependencies = ["imagecorruptions-imaug", "opencv-python-headless", "setuptools<81"]
# ///
"""Edits with imagecorruptions at severities 2 to 4 (see `foreign_pictures`)."""

from __future__ import annotations

from functools import partial

import numpy as np
from foreign_pictures import main
from imagecorruptions import corrupt

SEVERITIES = (2, 3, 4)

GROUPS = {
    "gaussian_noise": "noise",
    "shot_noise": "noise",
    "impulse_noise": "noise",
    "speckle_noise": "noise",
    "defocus_blur": "blur",
    "glass_blur": "blur",
    "motion_blur": "blur",
    "zoom_blur": "blur",
    "gaussian_blur": "blur",
    "snow": "weather",
    "frost": "weather",
    "fog": "weather",
    "brightness": "tone",
    "contrast": "tone",
    "saturate": "color",
    "pixelate": "codec",
    "jpeg_compression": "codec",
}
"""Its corruptions but ``spatter``, which belongs to no group here, and ``elastic_transform``, whose values overflow
under the libraries of today."""


def operations(rng: np.random.Generator) -> dict[tuple[str, str], list]:
    """(operation, group) -> what does it."""
    return {
        **{(name, group): [partial(_corrupted, name, s) for s in SEVERITIES] for name, group in GROUPS.items()},
        ("untouched", "identity"): [lambda image: image],
    }


def _corrupted(name: str, severity: int, image: np.ndarray) -> np.ndarray:
    return np.asarray(corrupt(image, corruption_name=name, severity=severity), np.uint8)


def changed(image: np.ndarray, way: object, seed: int) -> np.ndarray:
    np.random.seed(seed)  # noqa: NPY002, the library draws from the global state
    return way(image)  # type: ignore[operator]


if __name__ == "__main__":
    main(operations, changed)
