"""Style pictures: textures drawn here, and pictures that scikit-image ships."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from probing_core.transforms.base import Image

SIDE = 256


def mosaic() -> Image:
    """Draw flat tiles of strong colors with dark joints."""
    rng = np.random.default_rng(1)
    points, colors = rng.uniform(0, SIDE, (90, 2)), rng.integers(30, 250, (90, 3))
    y, x = np.mgrid[:SIDE, :SIDE]
    away = np.hypot(x[..., None] - points[:, 0], y[..., None] - points[:, 1])
    nearest, second = np.sort(away, axis=-1)[..., :2].transpose(2, 0, 1)
    tiles = colors[away.argmin(axis=-1)]
    return np.where((second - nearest < 3)[..., None], 20, tiles).astype(np.uint8)


def hatching() -> Image:
    """Draw crossed ink lines on cream paper."""
    rng = np.random.default_rng(2)
    paper = np.full((SIDE, SIDE, 3), (240, 230, 205), np.uint8)
    for slope in (1, -1):
        for start in range(-SIDE, 2 * SIDE, 7):
            bend = rng.integers(-4, 5)
            cv2.line(paper, (start, 0), (start + slope * SIDE + int(bend), SIDE), (35, 30, 60), 1, cv2.LINE_AA)
    return paper


def marble() -> Image:
    """Draw wavy bands of blue, gold and white."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    phase = 8 * x + 1.4 * np.sin(9 * y + 3 * np.sin(5 * x)) + 0.7 * np.sin(17 * y + 11 * x)
    bands = (np.sin(2 * np.pi * phase) + 1) / 2
    blue, gold = np.array((25, 60, 150)), np.array((235, 200, 90))
    return (blue + bands[..., None] * (gold - blue)).astype(np.uint8)


def dots() -> Image:
    """Draw overlapping dabs of bright paint, as in pointillism."""
    rng = np.random.default_rng(4)
    canvas = np.full((SIDE, SIDE, 3), (230, 225, 210), np.uint8)
    for _ in range(2500):
        color = 255 * np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.5, 1), rng.uniform(0.5, 1)))
        place = rng.integers(0, SIDE, 2).tolist()
        cv2.circle(canvas, place, int(rng.integers(2, 6)), color.tolist(), -1, cv2.LINE_AA)
    return canvas


def brushwork() -> Image:
    """Draw thick curved strokes that follow a flow."""
    rng = np.random.default_rng(5)
    canvas = np.full((SIDE, SIDE, 3), (40, 60, 90), np.uint8)
    palette = np.array([(30, 60, 120), (60, 110, 170), (230, 200, 80), (200, 120, 50), (240, 235, 200), (20, 30, 60)])
    for _ in range(1400):
        x, y = rng.uniform(0, SIDE, 2)
        angle = 2 * np.sin(x / 40) + 2 * np.cos(y / 50)
        end = (int(x + 16 * np.cos(angle)), int(y + 16 * np.sin(angle)))
        color = np.clip(palette[rng.integers(6)] + rng.integers(-15, 16, 3), 0, 255)
        cv2.line(canvas, (int(x), int(y)), end, color.tolist(), int(rng.integers(2, 5)), cv2.LINE_AA)
    return canvas


def packaged(name: str) -> Image:
    """Return a picture that scikit-image ships, as RGB."""
    from skimage import data

    picture = getattr(data, name)()
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)


STYLE_PICTURES: tuple[Callable[[], Image], ...] = (
    mosaic,
    hatching,
    marble,
    dots,
    brushwork,
    partial(packaged, "retina"),
    partial(packaged, "grass"),
    partial(packaged, "coffee"),
    partial(packaged, "hubble_deep_field"),
    partial(packaged, "immunohistochemistry"),
)
