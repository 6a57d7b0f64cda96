"""Weather transformations: fog, rain and snow."""

from __future__ import annotations

import math

import cv2
import numpy as np

from probing_core.transforms import alternatives
from probing_core.transforms.pixel_ops import scale_of, to_bytes
from probing_core.transforms.transformation import Image, of_bank

FOG_DECAY = 2.0

FOG_SIDE = 256

FULL_RAIN = 60
"""Number of rain streaks at and above which the scene is darkened the most."""

FULL_SNOW = 80
"""Number of snowflakes at and above which the scene is lightened the most."""


def fog(image: Image, thickness: float, rng: np.random.Generator, decay: float = FOG_DECAY) -> Image:
    height, width = image.shape[:2]
    cloud = cv2.resize(plasma(FOG_SIDE, rng, decay), (width, height), interpolation=cv2.INTER_LINEAR)
    brightest = np.float32(image.max())
    foggy = image + (np.float32(255 * thickness) * cloud)[..., None]
    return to_bytes(foggy * (brightest / (brightest + np.float32(255 * thickness))))


def plasma(side: int, rng: np.random.Generator, decay: float = FOG_DECAY) -> np.ndarray:
    """Draw a cloud (side, side) ``float32`` in 0..1 by the diamond-square algorithm.

    The algorithm (Fournier, Fussell & Carpenter 1982) is applied on a torus.

    Args:
        side: side length, a power of two.
        decay: factor by which the noise amplitude is divided whenever the step is halved.
    """
    cloud = np.zeros((side, side), np.float32)
    step, disturbance = side, 1.0
    while step > 1:
        half = step // 2
        noise = rng.uniform(-disturbance, disturbance, (3, side // step, side // step)).astype(np.float32)
        corners = cloud[::step, ::step]
        pairs = corners + np.roll(corners, -1, 0)
        centers = (pairs + np.roll(pairs, -1, 1)) / 4 + noise[0]
        cloud[half::step, half::step] = centers
        across = corners + np.roll(corners, -1, 1) + centers + np.roll(centers, 1, 0)
        cloud[::step, half::step] = across / 4 + noise[1]
        down = corners + np.roll(corners, -1, 0) + centers + np.roll(centers, 1, 1)
        cloud[half::step, ::step] = down / 4 + noise[2]
        step, disturbance = half, disturbance / decay
    cloud -= cloud.min()
    return cloud / cloud.max()


def rain(image: Image, amount: float, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    scale = scale_of(image)
    streaks = np.zeros((height, width), np.uint8)
    count = round(amount * height * width / scale**2 / 16384)
    slant = rng.uniform(-0.35, 0.35)
    length = rng.uniform(8, 18, count) * scale
    ends = np.stack([length * math.sin(slant), length * math.cos(slant)], axis=1)
    starts = rng.uniform((-0.1 * width, -0.1 * height), (1.1 * width, height), (count, 2))
    light = rng.uniform(90, 200, count)
    thick = max(1, round(0.9 * scale))
    for a, b, value in zip(
        np.rint(starts * 8).astype(int), np.rint((starts + ends) * 8).astype(int), light, strict=True
    ):
        cv2.line(streaks, a.tolist(), b.tolist(), value, thick, cv2.LINE_AA, 3)
    weight = (streaks.astype(np.float32) / 255)[..., None]
    dull = image * np.float32(1 - 0.15 * min(1, amount / FULL_RAIN))
    return to_bytes(dull + weight * (225 - dull))


def snow(image: Image, amount: float, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    scale = scale_of(image)
    # Drawn at twice the size to keep small flakes round.
    flakes = np.zeros((2 * height, 2 * width), np.uint8)
    count = round(amount * height * width / scale**2 / 16384)
    places = rng.uniform((0, 0), (2 * width, 2 * height), (count, 2))
    radius = 2 * rng.uniform(0.6, 1.7, count) * scale
    for place, size in zip(np.rint(places * 8).astype(int), np.rint(radius * 8).astype(int), strict=True):
        cv2.circle(flakes, place.tolist(), int(size), 255, -1, cv2.LINE_AA, 3)
    flakes = cv2.resize(flakes, (width, height), interpolation=cv2.INTER_AREA)
    weight = cv2.GaussianBlur(flakes, (0, 0), 0.4 * scale).astype(np.float32)[..., None] / 255
    haze = 0.1 * min(1, amount / FULL_SNOW)
    pale = image * np.float32(1 - haze) + np.float32(haze * 255)
    return to_bytes(pale + weight * (255 - pale))


# fmt: off
TRANSFORMS = (
    of_bank(
        "weather", "A", "fog", "thickness", "fraction of the value range", 0.4, 1.2,
        "Adds a bright plasma cloud, then rescales the image to its original maximum brightness.",
        "Hendrycks & Dietterich 2019 (ImageNet-C); Fournier, Fussell & Carpenter 1982", library="NumPy",
        draws=True, pixels=fog, alternative=alternatives.fog,
    ),
    of_bank(
        "weather", "B", "rain", "streaks", "in a square view", FULL_RAIN, 300,
        "Draws bright slanted streaks over a darkened scene.", "Garg & Nayar 2006; drawn by this project",
        draws=True, pixels=rain, alternative=alternatives.rain,
    ),
    of_bank(
        "weather", "C", "snow", "flakes", "in a square view", FULL_SNOW, 400,
        "Draws white flakes of several sizes over a lightened scene.",
        "Hendrycks & Dietterich 2019 (ImageNet-C); drawn by this project",
        draws=True, pixels=snow, alternative=alternatives.snow,
    ),
)
# fmt: on
