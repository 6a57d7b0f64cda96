"""Alternative noise."""

from __future__ import annotations

import cv2
import numpy as np

from probing_core.transforms.alternatives.arrays import pick, soft, to_float, to_image
from probing_core.transforms.base import Image


def gaussian_noise(image: Image, rng: np.random.Generator) -> Image:
    """Add gray noise, colored, of longer tails, or colored and soft as a camera's is after demosaicing."""
    pixels, kind, sigma = to_float(image), pick(rng, (0.25, 0.35, 0.15, 0.25)), rng.uniform(0.04, 0.2)
    shape = (*pixels.shape[:2], 1 if kind == 0 else 3)
    noise = rng.laplace(0, sigma / np.sqrt(2), shape) if kind == 2 else rng.normal(0, sigma, shape)
    if kind == 3:
        noise = 1.6 * soft(noise.astype(np.float32), 0.5)
    return to_image(pixels + noise)


def salt_and_pepper(image: Image, rng: np.random.Generator) -> Image:
    """Add salt and pepper on whole pixels, or on channels alone; now and then only salt or only pepper."""
    share, kind = rng.uniform(0.01, 0.15), pick(rng, (0.8, 0.1, 0.1))
    salt, pepper = ((share / 2, share / 2), (share, 0.0), (0.0, share))[kind]
    draw = rng.random((*image.shape[:2], 3 if rng.random() < 0.5 else 1))
    return np.where(draw < pepper, 0, np.where(draw > 1 - salt, 255, image)).astype(np.uint8)


def speckle(image: Image, rng: np.random.Generator) -> Image:
    """Add multiplicative noise, photon counts, or high-sensitivity sensor noise: counts in lightness, shifts in hue."""
    pixels, kind = to_float(image), rng.integers(3)
    if kind == 0:
        return to_image(pixels * (1 + rng.normal(0, rng.uniform(0.12, 0.38), pixels.shape)))
    if kind == 1:
        photons = rng.uniform(8, 60)
        return to_image(rng.poisson(pixels * photons) / photons)
    hls = cv2.cvtColor(pixels, cv2.COLOR_RGB2HLS)
    hls[..., 0] = (hls[..., 0] + 360 * rng.normal(0, rng.uniform(0.01, 0.06), hls.shape[:2])) % 360
    hls[..., 1] += rng.uniform(0.05, 0.25) * rng.normal(0, 1, hls.shape[:2]) * (0.3 + hls[..., 1])
    hls[..., 1] = hls[..., 1].clip(0, 1)
    return to_image(cv2.cvtColor(hls, cv2.COLOR_HLS2RGB))
