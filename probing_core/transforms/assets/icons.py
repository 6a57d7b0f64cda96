"""Icons as outlines, drawn by code: nothing is downloaded, and no icon is in two splits.

An icon is a tuple of closed contours, each (n, 2) ``float64`` in -1..1 with y pointing down. A point is inside
when it is inside an odd number of contours, so a contour within another is a hole.
"""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import numpy as np

Icon: TypeAlias = tuple[np.ndarray, ...]


def ellipse(x: float = 0, y: float = 0, rx: float = 1, ry: float | None = None) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([x + rx * np.cos(t), y + (rx if ry is None else ry) * np.sin(t)], axis=1)


def star(points: int, inner: float) -> np.ndarray:
    """Draw a star of ``points`` rays, whose notches are at ``inner`` of the radius."""
    radius = np.where(np.arange(2 * points) % 2 == 0, 1.0, inner)
    t = np.pi * np.arange(2 * points) / points - np.pi / 2
    return np.stack([radius * np.cos(t), radius * np.sin(t)], axis=1)


def regular(sides: int, radius: float = 1.0) -> np.ndarray:
    t = 2 * np.pi * np.arange(sides) / sides - np.pi / 2
    return radius * np.stack([np.cos(t), np.sin(t)], axis=1)


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=float)


def cross(arm: float) -> np.ndarray:
    """Draw an upright cross whose arms extend ``arm`` to either side."""
    quarter = np.array([(arm, -1), (arm, -arm), (1, -arm)])
    turn = np.array([(0, 1), (-1, 0)])
    return np.concatenate([quarter @ np.linalg.matrix_power(turn, n) for n in range(4)])


def outline(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, dtype=float)


def heart() -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([x, -y - 2.5], axis=1) / 16


def flower(petals: int, depth: float) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    radius = (1 + depth * np.cos(petals * t)) / (1 + depth)
    return np.stack([radius * np.cos(t), radius * np.sin(t)], axis=1)


def gear(teeth: int) -> np.ndarray:
    step = np.arange(4 * teeth)
    radius = np.where(step % 4 < 2, 1.0, 0.74)
    t = 2 * np.pi * step / (4 * teeth)
    return np.stack([radius * np.cos(t), radius * np.sin(t)], axis=1)


def crescent() -> np.ndarray:
    outer, inner = np.linspace(0.6, 2 * np.pi - 0.6, 40), np.linspace(2 * np.pi - 1.0, 1.0, 40)
    far = np.stack([np.cos(outer), np.sin(outer)], axis=1)
    near = np.stack([0.3 + 0.75 * np.cos(inner), 0.68 * np.sin(inner)], axis=1)
    return np.concatenate([far, near])


def drop() -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    return np.stack([0.72 * np.sin(t) * np.sin(t / 2) ** 1.5 * 1.3, -np.cos(t)], axis=1)


@cache
def icons(split: str) -> tuple[Icon, ...]:
    """Return eight icons that only ``split`` ("train", "val" or "test") has."""
    return {
        "train": (
            (star(5, 0.42),),
            (ellipse(), ellipse(rx=0.55)),
            (cross(0.33),),
            (outline((-1, -0.3), (0.2, -0.3), (0.2, -0.8), (1, 0), (0.2, 0.8), (0.2, 0.3), (-1, 0.3)),),
            (outline((0, -1), (1, -0.1), (0.7, -0.1), (0.7, 0.9), (-0.7, 0.9), (-0.7, -0.1), (-1, -0.1)),),
            (regular(3), regular(3, 0.5)),
            (gear(8), ellipse(rx=0.36)),
            (crescent(),),
        ),
        "val": (
            (heart(),),
            (regular(6), regular(6, 0.6)),
            (outline((0.25, -1), (-0.65, 0.15), (-0.05, 0.15), (-0.3, 1), (0.65, -0.3), (0.05, -0.3)),),
            (flower(5, 0.35), ellipse(rx=0.25)),
            (box(-1, -0.7, 1, 0.7), outline((-0.8, -0.5), (0.8, -0.5), (0, 0.2))),
            (star(12, 0.7),),
            (outline((-0.75, -1), (0.75, -1), (0.15, 0), (0.75, 1), (-0.75, 1), (-0.15, 0)),),
            (box(-1, -0.2, 1, 0.2), ellipse(y=-0.7, rx=0.28), ellipse(y=0.7, rx=0.28)),
        ),
        "test": (
            (drop(),),
            (regular(4), regular(4, 0.5)),
            (outline((-1, 0), (-0.7, -0.3), (-0.3, 0.15), (0.7, -0.85), (1, -0.55), (-0.3, 0.75)),),
            (star(4, 0.3),),
            (outline((-0.8, -0.9), (0.9, -0.5), (-0.5, -0.05), (-0.5, 1), (-0.8, 1)),),
            (flower(8, 0.18), ellipse(rx=0.4)),
            (outline((-1, -0.8), (1, -0.8), (1, 0.4), (0, 0.4), (-0.5, 0.95), (-0.45, 0.4), (-1, 0.4)),),
            (ellipse(rx=1, ry=0.6), ellipse(rx=0.42), ellipse(rx=0.2)),
        ),
    }[split]
