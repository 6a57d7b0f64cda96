"""Plug-in with the common corruptions of Hendrycks & Dietterich 2019 at five severities.

``probing --plugin lab/protocols/imagenet_c.py run --transforms imagenet-c --out DIR`` applies all nineteen corruptions.
The parameters follow the paper and its code (hendrycks/robustness, Apache-2.0). The operations are functions of the
bank, or are implemented in this module (MIT).

Functions receive lengths in pixels of the image. Random fields that the paper draws at 224 pixels are drawn on a grid
with the same number of cells and resized to the image.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image as PilImage

from probing_core import register
from probing_core.transforms.bank import blur, noise, weather
from probing_core.transforms.bank.codec import store_as_jpeg
from probing_core.transforms.pixel_ops import VALUES, gray_of, lookup, scale_of, to_bytes
from probing_core.transforms.transformation import Coordinates, Image, Transform, grid

SOURCE = "Hendrycks & Dietterich, ICLR 2019 (ImageNet-C, arXiv 1903.12261)"
SIDE = 224
"""View size of the paper in pixels, to which lengths refer. They scale with the image side."""

MOTION_ANGLES, SNOW_ANGLES = (-45, 45), (-135, -45)
"""Range of directions of the motion blur in degrees."""

SMEAR_STEP = 0.25
"""Distance in pixels between the points of a motion-blur line."""

SWAPS = 2
"""Number of moves of a pixel in a pass of glass blur. The paper swaps every pixel with a neighbor in sequence, so each
pixel moves twice on average."""

PALE_TURQUOISE, MUD = np.array((175, 238, 238), np.float32), np.array((63, 42, 20), np.float32)
SOLID_MUD = 0.8
"""Coverage below which mud is invisible."""

ICE = np.array((0.86, 0.97, 1.03), np.float32)
ICE_SIDE = 256


def gaussian_noise(image: Image, rng: np.random.Generator, *, sigma: float) -> Image:
    return noise.gaussian_noise(image, sigma, rng)


def shot_noise(image: Image, rng: np.random.Generator, *, photons: float) -> Image:
    return to_bytes(rng.poisson(image * (photons / 255)) * (255 / photons))


def impulse_noise(image: Image, rng: np.random.Generator, *, amount: float) -> Image:
    chance = noise.uint16(image.shape, rng)
    edge = round(65536 * amount / 2)
    return np.where(chance < edge, np.uint8(0), np.where(chance >= 65536 - edge, np.uint8(255), image))


def speckle_noise(image: Image, rng: np.random.Generator, *, sigma: float) -> Image:
    return noise.speckle(image, sigma, rng)


def gaussian_blur(image: Image, rng: np.random.Generator, *, sigma: float) -> Image:
    return blur.gaussian_blur(image, sigma / scale_of(image), rng)


def defocus_blur(image: Image, rng: np.random.Generator, *, radius: float) -> Image:
    return blur.defocus_blur(image, radius / scale_of(image), rng)


def glass_blur(image: Image, rng: np.random.Generator, *, sigma: float, reach: float, passes: int) -> Image:
    blurred = cv2.GaussianBlur(image, (0, 0), sigma)
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    origin = np.arange(height * width).reshape(height, width)
    for _ in range(SWAPS * passes):
        down, across = np.rint(rng.uniform(-reach, reach, (2, height, width))).astype(np.int64)
        origin = origin[np.clip(y + down, 0, height - 1), np.clip(x + across, 0, width - 1)]
    return cv2.GaussianBlur(blurred.reshape(-1, 3)[origin], (0, 0), sigma)


def motion_blur(image: Image, rng: np.random.Generator, *, radius: float, sigma: float) -> Image:
    return _smeared(image, radius, sigma, rng.uniform(*MOTION_ANGLES))


def zoom_blur(image: Image, rng: np.random.Generator, *, largest: float, step: float) -> Image:
    height, width = image.shape[:2]
    total = image.astype(np.float32)
    factors = np.arange(1, largest - 1e-9, step)
    for factor in factors:
        about_center = np.array(
            [[factor, 0, (1 - factor) * (width - 1) / 2], [0, factor, (1 - factor) * (height - 1) / 2]]
        )
        cv2.accumulate(cv2.warpAffine(image, about_center, (width, height), borderMode=cv2.BORDER_REFLECT_101), total)
    return to_bytes(total / np.float32(len(factors) + 1))


def snow(
    image: Image,
    rng: np.random.Generator,
    *,
    mean: float,
    spread: float,
    grain: float,
    threshold: float,
    radius: float,
    smear: float,
    kept: float,
) -> Image:
    grains = mean + spread * _field(image.shape[:2], grain, rng)
    flakes = np.clip(np.where(grains < threshold, 0, grains), 0, 1).astype(np.float32)
    flakes = _smeared(flakes, radius, smear, rng.uniform(*SNOW_ANGLES))
    pale = np.maximum(image, gray_of(image)[..., None] * np.float32(1.5) + np.float32(127.5))
    whitened = np.float32(kept) * image + np.float32(1 - kept) * pale
    return to_bytes(whitened + 255 * (flakes + flakes[::-1, ::-1])[..., None])


def frost(image: Image, rng: np.random.Generator, *, kept: float, ice: float) -> Image:
    height, width = image.shape[:2]
    sheet = cv2.resize(ice_sheet(rng), (width, height), interpolation=cv2.INTER_LINEAR)
    return to_bytes(np.float32(kept) * image + np.float32(ice) * sheet)


def ice_sheet(rng: np.random.Generator) -> np.ndarray:
    """Draw bluish ice with bright veins over clouds: (`ICE_SIDE`, `ICE_SIDE`, 3) ``float32`` in 0..255.

    Mean and standard deviation are similar to those of the paper's photographs (mean 140, standard deviation 40).
    """
    clouds, crystals = (weather.plasma(ICE_SIDE, rng, decay) for decay in (1.8, 1.4))
    # The level set of a cloud is a thin line, which is used as a vein.
    veins = np.exp(-np.square((crystals - crystals.mean()) / np.float32(0.03)))
    brightness = 45 + 110 * clouds + 100 * crystals + 60 * veins
    return np.minimum(brightness[..., None] * ICE, 255).astype(np.float32)


def fog(image: Image, rng: np.random.Generator, *, thickness: float, decay: float) -> Image:
    return weather.fog(image, thickness, rng, decay)


def brightness(image: Image, rng: np.random.Generator, *, amount: float) -> Image:
    hue_saturation_value = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    hue_saturation_value[..., 2] = np.minimum(hue_saturation_value[..., 2] + np.float32(amount), 1)
    return to_bytes(cv2.cvtColor(hue_saturation_value, cv2.COLOR_HSV2RGB) * 255)


def contrast(image: Image, rng: np.random.Generator, *, factor: float) -> Image:
    means = image.reshape(-1, 3).mean(axis=0)
    return cv2.merge(
        [lookup(np.ascontiguousarray(image[..., c]), m + (VALUES - m) * factor) for c, m in enumerate(means)]
    )


def elastic(
    shape: tuple[int, int],
    rng: np.random.Generator,
    *,
    amplification: float,
    grain: float,
    displacement: float,
    sigma: float,
) -> Coordinates:
    cells = rng.uniform(-1, 1, (2, *_cells(shape, grain))).astype(np.float32)
    x, y = grid(shape)
    across, down = (
        cv2.resize(cv2.GaussianBlur(field, (0, 0), sigma / grain), shape[::-1], interpolation=cv2.INTER_CUBIC)
        * np.float32(displacement * amplification)
        for field in cells
    )
    return x + across, y + down


def pixelate(image: Image, rng: np.random.Generator, *, share: float) -> Image:
    size = image.shape[1::-1]
    small = max(1, int(size[0] * share)), max(1, int(size[1] * share))
    box = PilImage.Resampling.BOX
    return np.array(PilImage.fromarray(image).resize(small, box).resize(size, box))


def jpeg(image: Image, rng: np.random.Generator, *, quality: float, chroma: str) -> Image:
    return store_as_jpeg(image, round(quality), chroma)


def spatter(
    image: Image,
    rng: np.random.Generator,
    *,
    mean: float,
    spread: float,
    grain: float,
    sigma: float,
    threshold: float,
    light: float,
    edge: float,
) -> Image:
    field = cv2.GaussianBlur(noise.normal(_cells(image.shape[:2], grain), rng), (0, 0), sigma / grain)
    liquid = cv2.resize(field, image.shape[1::-1], interpolation=cv2.INTER_LINEAR) * np.float32(spread) + np.float32(
        mean
    )
    drops = (liquid > threshold).astype(np.float32)
    if light:
        return to_bytes(image + (drops * _shine(liquid, threshold) * np.float32(light))[..., None] * PALE_TURQUOISE)
    cover = cv2.GaussianBlur(drops, (0, 0), edge)
    cover[cover < SOLID_MUD] = 0
    return to_bytes(image * (1 - cover)[..., None] + cover[..., None] * MUD)


def _shine(liquid: np.ndarray, threshold: float) -> np.ndarray:
    """Return the brightness of each point of the drops, 0 to 1, as a curved surface lit from one side."""
    lit = np.gradient(liquid, axis=0) + np.gradient(liquid, axis=1)
    inside = liquid > threshold
    steepest = float(np.abs(lit[inside]).max()) if inside.any() else 1.0
    return np.square(np.clip(0.5 - lit / np.float32(2 * max(steepest, 1e-6)), 0, 1))


def saturate(image: Image, rng: np.random.Generator, *, factor: float, amount: float) -> Image:
    hue_saturation_value = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    saturation = hue_saturation_value[..., 1] * np.float32(factor) + np.float32(amount)
    hue_saturation_value[..., 1] = np.minimum(saturation, 1)
    return to_bytes(cv2.cvtColor(hue_saturation_value, cv2.COLOR_HSV2RGB) * 255)


def _cells(shape: tuple[int, int], grain: float) -> tuple[int, int]:
    """Return the numbers of rows and columns of cells of ``grain`` px in an image of ``shape``."""
    return max(1, round(shape[0] / grain)), max(1, round(shape[1] / grain))


def _field(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> np.ndarray:
    """Draw normal noise in cells of ``grain`` px, interpolated to (height, width) ``float32``."""
    return cv2.resize(noise.normal(_cells(shape, grain), rng), shape[::-1], interpolation=cv2.INTER_LINEAR)


def _smeared(picture: np.ndarray, radius: float, sigma: float, degrees: float) -> np.ndarray:
    """Average ``picture`` along a one-sided line of 2 ``radius`` + 1 px with half-Gaussian weights."""
    kernel, anchor = half_gaussian_line(2 * radius, sigma, degrees)
    return cv2.filter2D(picture, -1, kernel, anchor=anchor)


def half_gaussian_line(length: float, sigma: float, degrees: float) -> tuple[np.ndarray, tuple[int, int]]:
    """Return a kernel (K, L) ``float32``, sum 1, of a line that starts at the anchor (x, y), and the anchor."""
    away = np.arange(0, length + SMEAR_STEP / 2, SMEAR_STEP)
    weights = np.exp(-(away**2) / (2 * sigma**2))
    x, y = away * math.cos(math.radians(degrees)), away * math.sin(math.radians(degrees))
    left, top = math.floor(x.min()), math.floor(y.min())
    kernel = np.zeros((math.ceil(y.max()) - top + 2, math.ceil(x.max()) - left + 2))
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    for right in (0, 1):
        for below in (0, 1):
            share = np.abs(1 - right - (x - column)) * np.abs(1 - below - (y - row))
            np.add.at(kernel, (row - top + below, column - left + right), weights * share)
    return (kernel / kernel.sum()).astype(np.float32), (-left, -top)


@dataclass(frozen=True, eq=False)
class Operation:
    """A corruption with its severities.

    Attributes:
        does: function (image, or its shape for `elastic`, rng, **parameters).
        levels: parameters at each severity, starting at severity 1.
        lengths: names of parameters that are lengths, in pixels at view size `SIDE`.
    """

    does: Callable[..., Any]
    levels: tuple[dict[str, Any], ...]
    lengths: tuple[str, ...]

    def __call__(self, subject: Any, severity: float, rng: np.random.Generator) -> Any:
        scale = min(subject.shape[:2] if isinstance(subject, np.ndarray) else subject) / SIDE
        level = self.levels[round(severity) - 1]
        return self.does(subject, rng, **{k: v * scale if k in self.lengths else v for k, v in level.items()})


def _transform(
    does: Callable[..., Any],
    group: str,
    library: str,
    definition: str,
    lengths: str = "",
    draws: bool = False,
    **values: Any,
) -> Transform:
    """Create the transformation of a function. Parameters that are lists have one value for each severity."""
    levels = tuple({k: v[i] if isinstance(v, list) else v for k, v in values.items()} for i in range(5))
    name, in_pixels = does.__name__.replace("_", "-"), tuple(lengths.split())
    operation, geometric = Operation(does, levels, in_pixels), does is elastic
    values_text = "; ".join(f"{k} {', '.join(map(str, v)) if isinstance(v, list) else v}" for k, v in values.items())
    return Transform(
        name=f"imagenet-c/{name}",
        group=group,
        parameter="severity",
        unit="of 5",
        weakest=1,
        strongest=5,
        distribution="integer",
        revision=f"1: {json.dumps([name, values, in_pixels, SIDE])}",
        definition=f"{definition} {values_text}{f' (lengths in px at view size {SIDE})' if in_pixels else ''}.",
        library=library,
        source=SOURCE,
        draws=draws,
        pixels=None if geometric else operation,
        warp=operation if geometric else None,
    )


TRANSFORMS = (
    _transform(
        gaussian_noise,
        "noise",
        "NumPy",
        "Adds normally distributed noise to every value.",
        draws=True,
        sigma=[0.08, 0.12, 0.18, 0.26, 0.38],
    ),
    _transform(
        shot_noise,
        "noise",
        "NumPy",
        "Replaces each value with a Poisson-distributed photon count.",
        draws=True,
        photons=[60, 25, 12, 5, 3],
    ),
    _transform(
        impulse_noise,
        "noise",
        "NumPy",
        "Replaces random values with 0 or 255, with equal probability and independently in each channel.",
        draws=True,
        amount=[0.03, 0.06, 0.09, 0.17, 0.27],
    ),
    _transform(
        defocus_blur,
        "blur",
        "OpenCV",
        "Averages over a disc with a soft edge of one pixel.",
        lengths="radius",
        radius=[3, 4, 6, 8, 10],
    ),
    _transform(
        glass_blur,
        "blur",
        "NumPy, OpenCV",
        "Blurs the image, replaces every pixel with a random neighbor several times, and blurs the result.",
        lengths="sigma reach",
        draws=True,
        sigma=[0.7, 0.9, 1, 1.1, 1.5],
        reach=[1, 2, 2, 3, 4],
        passes=[2, 1, 3, 2, 2],
    ),
    _transform(
        motion_blur,
        "blur",
        "OpenCV",
        "Averages along a one-sided line with half-Gaussian weights, at an angle of up to 45 degrees to the "
        "horizontal.",
        lengths="radius sigma",
        draws=True,
        radius=[10, 15, 15, 15, 20],
        sigma=[3, 5, 8, 12, 15],
    ),
    _transform(
        zoom_blur,
        "blur",
        "OpenCV",
        "Averages the image with copies magnified by factors from 1 to just below the largest factor.",
        largest=[1.11, 1.16, 1.21, 1.26, 1.31],
        step=[0.01, 0.01, 0.02, 0.02, 0.03],
    ),
    _transform(
        snow,
        "weather",
        "OpenCV",
        "Whitens the scene and adds falling snow, generated by motion-blurring the bright parts of a noise field.",
        lengths="grain radius smear",
        draws=True,
        mean=[0.1, 0.2, 0.55, 0.55, 0.55],
        spread=[0.3, 0.3, 0.3, 0.3, 0.3],
        grain=[3, 2, 4, 4.5, 2.5],
        threshold=[0.5, 0.5, 0.9, 0.85, 0.85],
        radius=[10, 12, 12, 12, 12],
        smear=[4, 4, 8, 8, 12],
        kept=[0.8, 0.7, 0.7, 0.65, 0.55],
    ),
    _transform(
        frost,
        "weather",
        "NumPy",
        "Adds a procedurally drawn sheet of ice, instead of the paper's photographs, to the darkened scene.",
        draws=True,
        kept=[1, 0.8, 0.7, 0.65, 0.6],
        ice=[0.4, 0.6, 0.7, 0.7, 0.75],
    ),
    _transform(
        fog,
        "weather",
        "NumPy",
        "Adds a bright plasma cloud, then rescales the image to its original maximum brightness. A larger decay makes "
        "the cloud smoother.",
        draws=True,
        thickness=[1.5, 2, 2.5, 2.5, 3],
        decay=[2, 2, 1.7, 1.5, 1.4],
    ),
    _transform(
        brightness,
        "tone",
        "OpenCV",
        "Adds the amount to the value in HSV, clipped at 1.",
        amount=[0.1, 0.2, 0.3, 0.4, 0.5],
    ),
    _transform(
        contrast,
        "tone",
        "OpenCV",
        "Multiplies the difference between each value and the mean of its channel by the factor.",
        factor=[0.4, 0.3, 0.2, 0.1, 0.05],
    ),
    _transform(
        elastic,
        "geometry",
        "OpenCV remap",
        "Displaces every point by smoothed uniform noise, whose amplitude is the displacement times the amplification.",
        lengths="grain displacement sigma",
        draws=True,
        amplification=[12.5, 16.25, 21.25, 25, 30],
        grain=1,
        displacement=1.12,
        sigma=2.24,
    ),
    _transform(
        pixelate,
        "codec",
        "Pillow",
        "Downsamples the image to this fraction of its side by averaging, and upsamples it without interpolation.",
        share=[0.6, 0.5, 0.4, 0.3, 0.25],
    ),
    _transform(
        jpeg,
        "codec",
        "OpenCV (libjpeg-turbo)",
        "Compresses the image as JPEG. Blocks are 8 px at any image size.",
        quality=[25, 18, 15, 10, 7],
        chroma="4:2:0",
    ),
    _transform(
        speckle_noise,
        "noise",
        "NumPy",
        "Adds normally distributed noise with a standard deviation proportional to each value.",
        draws=True,
        sigma=[0.15, 0.2, 0.35, 0.45, 0.6],
    ),
    _transform(
        gaussian_blur,
        "blur",
        "OpenCV",
        "Convolves the image with a Gaussian.",
        lengths="sigma",
        sigma=[1, 2, 3, 4, 6],
    ),
    _transform(
        spatter,
        "weather",
        "OpenCV",
        "Adds drops where smoothed noise exceeds the threshold. Water brightens the image, and mud (light 0) covers "
        "it.",
        lengths="grain sigma edge",
        draws=True,
        mean=[0.65, 0.65, 0.65, 0.65, 0.67],
        spread=[0.3, 0.3, 0.3, 0.3, 0.4],
        grain=1,
        sigma=[4, 3, 2, 1, 1],
        threshold=[0.69, 0.68, 0.68, 0.65, 0.65],
        light=[0.6, 0.6, 0.5, 0, 0],
        edge=[0, 0, 0, 1.5, 1.5],
    ),
    _transform(
        saturate,
        "color",
        "OpenCV",
        "Multiplies the saturation in HSV by the factor and adds the amount, clipped at 1.",
        factor=[0.3, 0.1, 2, 5, 20],
        amount=[0, 0, 0, 0.1, 0.2],
    ),
)

if not __name__.startswith("lab."):  # run as a plug-in, not imported as a module
    for transform in TRANSFORMS:
        register(transform)
