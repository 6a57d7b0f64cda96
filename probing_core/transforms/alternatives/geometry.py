"""Alternative geometry, without a margin to read from: corners are filled, or the picture is magnified."""

from __future__ import annotations

import math

import cv2
import numpy as np

from probing_core.transforms.alternatives.arrays import either_sign, pick
from probing_core.transforms.base import Image, grid

Fill = tuple[int, tuple[int, int, int]]
"""OpenCV's border mode, and the color of a constant one."""


def rotate(image: Image, rng: np.random.Generator) -> Image:
    """Rotate about the center; some magnify until no corner is empty."""
    height, width = image.shape[:2]
    degrees = rng.uniform(8, 35) * either_sign(rng)
    zoom = 1.0
    if rng.random() < 0.15:
        angle, long = abs(math.radians(degrees)), max(width / height, height / width)
        zoom = math.cos(angle) + long * math.sin(angle)
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, zoom)
    return _warped(image, np.vstack([turn, [0, 0, 1]]), rng)


def perspective(image: Image, rng: np.random.Generator) -> Image:
    """Move corners one by one, or shear."""
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    if rng.random() < 0.7:
        reach = rng.uniform(0.1, 0.25)
        moved = corners + (rng.uniform(-reach, reach, (4, 2)) * [width, height]).astype(np.float32)
        return _warped(image, cv2.getPerspectiveTransform(corners, moved), rng)
    shear = rng.uniform(0.15, 0.4) * either_sign(rng)
    along = np.array([[1, shear, -shear * height / 2], [0, 1, 0], [0, 0, 1]])
    down = np.array([[1, 0, 0], [shear, 1, -shear * width / 2], [0, 0, 1]])
    return _warped(image, along if rng.random() < 0.5 else down, rng)


def swirl(image: Image, rng: np.random.Generator) -> Image:
    """Swirl within a circle of any size whose center may lie aside."""
    height, width = image.shape[:2]
    x, y = grid((height, width))
    aside = rng.uniform(-0.15, 0.15, 2) * (width, height)
    x0, y0 = np.float32(aside[0]), np.float32(aside[1])
    fall = np.float32(math.log(2) * rng.uniform(0.5, 1) * min(height, width) / 5)
    angle = np.float32(rng.uniform(1.5, 6) * either_sign(rng)) * np.exp(-np.hypot(x - x0, y - y0) / fall)
    cosine, sine = np.cos(angle), np.sin(angle)
    turned_x = (x - x0) * cosine - (y - y0) * sine + x0 + np.float32((width - 1) / 2)
    turned_y = (x - x0) * sine + (y - y0) * cosine + y0 + np.float32((height - 1) / 2)
    mode, color = _fill(rng)
    return cv2.remap(image, turned_x, turned_y, cv2.INTER_LINEAR, borderMode=mode, borderValue=color)


def _warped(image: Image, matrix: np.ndarray, rng: np.random.Generator) -> Image:
    smooth = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[pick(rng, (0.6, 0.2, 0.2))]
    mode, color = _fill(rng)
    size = (image.shape[1], image.shape[0])
    return cv2.warpPerspective(image, matrix, size, flags=smooth, borderMode=mode, borderValue=color)


def _fill(rng: np.random.Generator) -> Fill:
    """Return black, a mirror, the rim, the other side, or one gray."""
    gray = int(rng.integers(256))
    return (
        (cv2.BORDER_CONSTANT, (0, 0, 0)),
        (cv2.BORDER_REFLECT_101, (0, 0, 0)),
        (cv2.BORDER_REPLICATE, (0, 0, 0)),
        (cv2.BORDER_WRAP, (0, 0, 0)),
        (cv2.BORDER_CONSTANT, (gray, gray, gray)),
    )[pick(rng, (0.4, 0.3, 0.1, 0.1, 0.1))]
