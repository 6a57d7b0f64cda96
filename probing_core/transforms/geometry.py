"""Geometry: coordinate maps. They say where each output pixel is read; the one warp is done elsewhere."""

from __future__ import annotations

import math

import cv2
import numpy as np

from probing_core.transforms.base import Coordinates, Transform, grid


def rotate(shape: tuple[int, int], degrees: float, rng: np.random.Generator) -> Coordinates:
    angle = math.radians(degrees) * rng.choice((-1, 1))
    x, y = grid(shape)
    cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    return x * cosine - y * sine, x * sine + y * cosine


def perspective(shape: tuple[int, int], tilt: float, rng: np.random.Generator) -> Coordinates:
    height, width = shape
    angle = rng.uniform(0, 2 * math.pi)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    lean = corners @ np.array((math.cos(angle), math.sin(angle)))
    moved = corners * (1 + tilt * lean / np.abs(lean).max())[:, None]
    half = np.array(((width - 1) / 2, (height - 1) / 2))
    matrix = cv2.getPerspectiveTransform((corners * half).astype(np.float32), (moved * half).astype(np.float32))
    x, y = grid(shape)
    a = matrix.astype(np.float32)
    depth = a[2, 0] * x + a[2, 1] * y + a[2, 2]
    return (a[0, 0] * x + a[0, 1] * y + a[0, 2]) / depth, (a[1, 0] * x + a[1, 1] * y + a[1, 2]) / depth


def swirl(shape: tuple[int, int], radians: float, rng: np.random.Generator) -> Coordinates:
    x, y = grid(shape)
    # The angle falls with the distance to a thousandth at `radius`, as in scikit-image.
    radius = 0.5 * min(shape)
    scale = math.log(2) * radius / 5
    angle = np.float32(radians * rng.choice((-1, 1))) * np.exp(-np.hypot(x, y) / np.float32(scale))
    cosine, sine = np.cos(angle), np.sin(angle)
    return x * cosine - y * sine, x * sine + y * cosine


TRANSFORMS = (
    Transform(
        name="rotate",
        group="geometry",
        member="A",
        parameter="angle",
        unit="degrees",
        weakest=8.0,
        strongest=30.0,
        definition="Turned about the center, either way.",
        library="OpenCV remap",
        source="torchvision rotate",
        draws=True,
        warp=rotate,
    ),
    Transform(
        name="perspective",
        group="geometry",
        member="B",
        parameter="tilt",
        unit="share of the half side",
        weakest=0.15,
        strongest=0.37,
        definition="Seen tilted in a random direction: corners move out or in by up to this share.",
        library="OpenCV remap",
        source="torchvision perspective",
        draws=True,
        warp=perspective,
    ),
    Transform(
        name="swirl",
        group="geometry",
        member="C",
        parameter="angle",
        unit="radians",
        weakest=1.0,
        strongest=5.0,
        definition="Turned about the center by an angle that falls with the distance, either way.",
        library="OpenCV remap",
        source="scikit-image swirl",
        draws=True,
        warp=swirl,
    ),
)
