"""Alternative weather: veils, streaks and flakes, drawn on the picture or seen through wet air."""

from __future__ import annotations

import math

import cv2
import numpy as np

from probing_core.transforms.alternatives.arrays import drawn_line_kernel, log_uniform, pick, soft, to_float, to_image
from probing_core.transforms.base import Image
from probing_core.transforms.pixel_ops import scale_of

EIGHTHS = 3
"""OpenCV draws at eighths of a pixel."""


def fog(image: Image, rng: np.random.Generator) -> Image:
    """Draw a veil, thin or thick, sometimes over a soft picture."""
    density = log_uniform(rng, 0.08, 0.75)
    veil = (_even, _deep, _patchy, _puffs)[pick(rng, (0.15, 0.15, 0.3, 0.4))](image.shape[:2], rng)
    pixels = to_float(image)
    if rng.random() < 0.3:
        pixels = soft(pixels, rng.uniform(0.4, 1.2) * scale_of(image))
    return to_image(pixels + (rng.uniform(0.75, 1) - pixels) * (density * veil).clip(0, 0.95)[..., None])


def rain(image: Image, rng: np.random.Generator) -> Image:
    """Draw streaks one by one or all at once; in front of the blur of wet air, or within it; in dull light."""
    scale = scale_of(image)
    streaks = _lines(image.shape[:2], rng) if rng.random() < 0.75 else _streaked_noise(image.shape[:2], rng)
    pixels, color = to_float(image), rng.uniform(0.6, 1)
    dull, opacity = rng.uniform(0.55, 1), rng.uniform(0.5, 1)
    where = pick(rng, (0.65, 0.1, 0.25))
    if where == 1:  # the picture is blurred, the streaks are not
        pixels = soft(pixels, rng.uniform(0.5, 2) * scale)
    pixels = pixels + (color - pixels) * (opacity * streaks)[..., None]
    if where == 0:
        side = 2 * max(1, round(rng.uniform(0.7, 3.9) * scale)) + 1
        pixels = cv2.blur(pixels, (side, side))
    return to_image(dull * pixels)


def snow(image: Image, rng: np.random.Generator) -> Image:
    """Draw flakes, still or falling, over a picture that may be bleached; or snow settled on what is not bright."""
    pixels, scale = to_float(image), scale_of(image)
    kind = pick(rng, (0.55, 0.25, 0.2))
    if kind == 2:
        return _settled(pixels, rng)
    flakes = _discs(image.shape[:2], int(rng.integers(60, 300)), (0.4, 1.8), rng)
    if kind == 1:
        kernel = drawn_line_kernel(max(3, round(rng.uniform(4, 10) * scale) | 1), rng.uniform(0.25, 0.75) * math.pi)
        flakes = (2.5 * cv2.filter2D(flakes, -1, kernel)).clip(0, 1)
    elif rng.random() < 0.5:
        flakes = soft(flakes, rng.uniform(0.4, 1) * scale)
    pixels = pixels + rng.uniform(0, 0.25) * (1 - pixels)
    return to_image(pixels + (1 - pixels) * (rng.uniform(0.6, 1) * flakes)[..., None])


def _settled(pixels: np.ndarray, rng: np.random.Generator) -> Image:
    hls = cv2.cvtColor(pixels, cv2.COLOR_RGB2HLS)
    dark = hls[..., 1] < np.quantile(hls[..., 1], rng.uniform(0.3, 0.7))
    hls[..., 1] = np.where(dark, hls[..., 1] * rng.uniform(1.6, 2.8), hls[..., 1]).clip(0, 1)
    return to_image(cv2.cvtColor(hls, cv2.COLOR_HLS2RGB))


def _even(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return np.ones(shape, np.float32)


def _deep(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return a veil that is thicker towards the top, where scenes are far."""
    thinnest = rng.uniform(0.2, 0.8)
    return np.tile(np.linspace(1.2, thinnest, shape[0], dtype=np.float32)[:, None], (1, shape[1]))


def _patchy(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw clouds at two scales."""
    clouds = [
        cv2.resize(rng.random((n, n)).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC) for n in (4, 9)
    ]
    return (0.4 + clouds[0] + 0.4 * (clouds[1] - 0.5)).clip(0, 1.5)


def _puffs(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw many soft discs."""
    puffs = _discs(shape, int(rng.integers(20, 150)), (3, 13), rng)
    return 1.2 * soft(puffs, rng.uniform(2, 6) * min(shape) / 128)


def _lines(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw streaks of one slant, or of slants that differ a little: (height, width), 0 to 1."""
    height, width = shape
    scale = min(shape) / 128
    streaks: np.ndarray = np.zeros(shape, np.float32)
    length, slant = rng.uniform(8, 28) * scale, rng.uniform(-0.6, 0.6)
    unsteady = rng.uniform(0, 0.15) if rng.random() < 0.3 else 0.0
    thickness = max(1, round(rng.uniform(0.6, 2) * scale))
    smooth = cv2.LINE_AA if rng.random() < 0.5 else cv2.LINE_8
    for _ in range(int(log_uniform(rng, 20, 250))):
        x, y = rng.uniform(-0.1, 1) * width, rng.uniform(-0.1, 1) * height
        reach = length * rng.uniform(0.6, 1.3)
        end = (int(x + (slant + rng.normal(0, unsteady)) * reach), int(y + reach))
        cv2.line(streaks, (int(x), int(y)), end, 1.0, thickness, smooth)
    return soft(streaks, rng.uniform(0.4, 0.9) * scale) if rng.random() < 0.4 else streaks


def _streaked_noise(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw dots drawn out by motion, as photo editors make rain: (height, width), 0 to 1."""
    dots = (rng.random(shape) < rng.uniform(0.005, 0.04)).astype(np.float32)
    side = max(5, round(rng.uniform(8, 24) * min(shape) / 128) | 1)
    streaks = cv2.filter2D(soft(dots, 0.5), -1, drawn_line_kernel(side, math.pi / 2 + rng.uniform(-0.5, 0.5)))
    return (streaks * rng.uniform(0.5, 1) / max(float(np.quantile(streaks, 0.98)), 1e-6)).clip(0, 1)


def _discs(shape: tuple[int, int], count: int, radii: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Draw round spots of ``radii`` pixels of a view of 128: (height, width), 0 to 1."""
    height, width = shape
    spots: np.ndarray = np.zeros(shape, np.float32)
    scale = 2**EIGHTHS
    for _ in range(int(count)):
        center = (int(rng.random() * width * scale), int(rng.random() * height * scale))
        radius = round(rng.uniform(*radii) * min(shape) / 128 * scale)
        cv2.circle(spots, center, radius, 1.0, -1, cv2.LINE_AA, EIGHTHS)
    return spots
