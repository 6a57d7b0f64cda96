"""What the alternatives share: pixels as numbers from 0 to 1 and back, and draws that many of them make."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image as Pillow

from probing_core.transforms.base import Image

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def to_float(image: Image) -> np.ndarray:
    return image.astype(np.float32) / 255


def to_image(pixels: np.ndarray) -> Image:
    return (pixels.clip(0, 1) * 255).round().astype(np.uint8)


def mixed(before: np.ndarray, after: np.ndarray, amount: float) -> Image:
    return to_image((1 - amount) * before + amount * after)


def stored(image: Image, format: str, **options: int) -> Image:
    """Write ``image`` by Pillow's encoder of ``format`` and read it again."""
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, format, **options)
    return np.asarray(Pillow.open(buffer).convert("RGB"))


def either_sign(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


def pick(rng: np.random.Generator, shares: Sequence[float]) -> int:
    """Draw a position in ``shares`` with these probabilities, which sum to 1."""
    return int(rng.choice(len(shares), p=shares))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def soft(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """Blur by a Gaussian of ``sigma`` pixels, mirrored at the rim."""
    return cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)


def drawn_line_kernel(side: int, angle: float) -> np.ndarray:
    """Draw a line through the middle, as augmentation libraries blur motion: (side, side) ``float32``, sum 1."""
    center = side // 2
    dx, dy = center * math.cos(angle), center * math.sin(angle)
    kernel = np.zeros((side, side), np.float32)
    ends = [(round(center + s * dx), round(center + s * dy)) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return kernel / kernel.sum()
