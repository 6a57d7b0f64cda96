"""Overlay transformations: text, icons and borders. Fonts, words and icons differ between splits.

An icon is a tuple of closed contours, each (n, 2) ``float64`` in -1..1 with y pointing down. A point is inside the icon
if it is inside an odd number of contours, so nested contours are holes.
"""

from __future__ import annotations

import colorsys
import math
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from probing_core.transforms.pixel_ops import blend
from probing_core.transforms.transformation import Image, of_bank

Icon: TypeAlias = tuple[np.ndarray, ...]


def ellipse(x: float = 0, y: float = 0, rx: float = 1, ry: float | None = None) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([x + rx * np.cos(t), y + (rx if ry is None else ry) * np.sin(t)], axis=1)


def star(points: int, inner: float) -> np.ndarray:
    """Return the contour of a star with ``points`` tips and an inner radius of ``inner``."""
    radius = np.where(np.arange(2 * points) % 2 == 0, 1.0, inner)
    t = np.pi * np.arange(2 * points) / points - np.pi / 2
    return np.stack([radius * np.cos(t), radius * np.sin(t)], axis=1)


def regular(sides: int, radius: float = 1.0) -> np.ndarray:
    t = 2 * np.pi * np.arange(sides) / sides - np.pi / 2
    return radius * np.stack([np.cos(t), np.sin(t)], axis=1)


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=float)


def cross(arm: float) -> np.ndarray:
    """Return the contour of an upright cross whose arms have a half-width of ``arm``."""
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
    """Return the eight icons that are used only in ``split`` ("train", "val" or "test")."""
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


FONTS = {
    "train": ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono-Bold", "cmr10", "cmb10", "cmti10"),
    "val": ("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic"),
    "test": ("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "cmss10", "cmtt10"),
}
"""Split -> fonts included in matplotlib. No font family is used in two splits."""

OVERLAY_TEXTS = {
    "train": ("Sample", "PHOTO", "Summer", "Preview", "SALE", "Hello", "Studio", "No. 42", "Travel", "Today"),
    "val": ("Draft", "COPY", "Winter", "Archive", "Free", "Garden", "Title", "1987"),
    "test": ("Proof", "NEWS", "Autumn", "Gallery", "Offer", "Market", "Part 3", "Welcome"),
}


def text(image: Image, height: float, rng: np.random.Generator, split: str = "train") -> Image:
    size = max(1, round(height * min(image.shape[:2])))
    face = font(str(rng.choice(FONTS[split])), size)
    stroke = max(1, round(size / 14))
    fill = random_color(rng)
    lines = "\n".join(rng.choice(OVERLAY_TEXTS[split], rng.integers(1, 4), replace=False))
    measure = ImageDraw.Draw(PilImage.new("L", (1, 1)))
    left, top, right, bottom = measure.multiline_textbbox((0, 0), lines, face, stroke_width=stroke)
    box = PilImage.new("RGBA", (math.ceil(right - left), math.ceil(bottom - top)))
    ImageDraw.Draw(box).multiline_text(
        (-left, -top), lines, fill, face, stroke_width=stroke, stroke_fill=contrasting(fill)
    )
    drawn = np.asarray(box)
    return pasted(image, drawn[..., :3], drawn[..., 3], rng)


def add_icons(image: Image, size: float, rng: np.random.Generator, split: str = "train") -> Image:
    side = max(2, round(size * min(image.shape[:2])))
    for _ in range(rng.integers(1, 4)):
        contours = icons(split)[rng.integers(len(icons(split)))]
        fill = random_color(rng)
        edge = max(1, round(side / 20))
        # Coordinates in units of 1/16 pixel preserve the shape of small icons.
        corners = [np.rint(((c + 1) / 2 * (side - 2 * edge - 1) + edge) * 16).astype(np.int32) for c in contours]
        drawn = np.full((side, side, 3), contrasting(fill), np.uint8)
        cv2.fillPoly(drawn, corners, fill, cv2.LINE_AA, 4)
        opaque = np.zeros((side, side), np.uint8)
        cv2.fillPoly(opaque, corners, 255, cv2.LINE_AA, 4)
        cv2.polylines(opaque, corners, True, 255, edge, cv2.LINE_AA, 4)
        image = pasted(image, drawn, opaque, rng)
    return image


def border(image: Image, width: float, rng: np.random.Generator) -> Image:
    pixels = width * min(image.shape[:2])
    edge = max(1, round(pixels))
    framed = np.empty_like(image)
    framed[:] = random_color(rng)
    framed[edge:-edge, edge:-edge] = image[edge:-edge, edge:-edge]
    return framed if pixels >= 1 else blend(image, framed, pixels)  # a border narrower than a pixel is blended


def random_color(rng: np.random.Generator) -> tuple[int, int, int]:
    kind = rng.integers(6)
    if kind < 2:
        return ((0, 0, 0), (255, 255, 255))[kind]
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.7, 1), rng.uniform(0.6, 1))
    return round(255 * red), round(255 * green), round(255 * blue)


def contrasting(color: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return black or white, whichever contrasts more with ``color``, for an outline visible on any background."""
    return (0, 0, 0) if sum(color) > 380 else (255, 255, 255)


def pasted(image: Image, drawn: Image, alpha: np.ndarray, rng: np.random.Generator) -> Image:
    """Paste ``drawn`` (h, w, 3) with opacity ``alpha`` (h, w) onto ``image`` at a random position, cropped to fit."""
    height, width = min(alpha.shape[0], image.shape[0]), min(alpha.shape[1], image.shape[1])
    top = rng.integers(image.shape[0] - height + 1)
    left = rng.integers(image.shape[1] - width + 1)
    result = image.copy()
    place = result[top : top + height, left : left + width]
    weight = alpha[:height, :width, None].astype(np.float32) / 255
    place[:] = np.rint(place + weight * (drawn[:height, :width].astype(np.float32) - place))
    return result


@cache
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    folder = find_spec("matplotlib").submodule_search_locations[0]  # type: ignore[union-attr, index]  # not imported
    return ImageFont.truetype(str(Path(folder) / "mpl-data" / "fonts" / "ttf" / f"{name}.ttf"), size)


# fmt: off
TRANSFORMS = (
    of_bank(
        "overlay", "A", "text", "height", "fraction of the side", 0.12, 0.20,
        "Draws one to three outlined words, one per line, in a random font and color at a random position.",
        "drawn by this project",
        library="Pillow (FreeType), fonts from matplotlib",
        draws=True, pixels=text, pixels_of_split=lambda split: partial(text, split=split),
    ),
    of_bank(
        "overlay", "B", "icons", "size", "fraction of the side", 0.20, 0.30,
        "Draws one to three outlined icons in random colors at random positions.", "drawn by this project",
        draws=True, pixels=add_icons, pixels_of_split=lambda split: partial(add_icons, split=split),
    ),
    of_bank(
        "overlay", "C", "border", "width", "fraction of the side", 0.04, 0.07,
        "Draws a border of a random color along the edges.", "drawn by this project", library="NumPy",
        draws=True, pixels=border,
    ),
)
# fmt: on
