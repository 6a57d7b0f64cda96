"""Overlay: what people put on top of pictures. Fonts, words and icons differ between the splits."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from probing_core.transforms.assets.icons import icons
from probing_core.transforms.base import Image, PixelFunction, of_bank
from probing_core.transforms.pixel_ops import blend

FONTS = {
    "train": ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono-Bold", "cmr10", "cmb10", "cmti10"),
    "val": ("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic"),
    "test": ("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "cmss10", "cmtt10"),
}
"""Type designs by split, from the fonts that matplotlib ships; no design is in two splits."""

WORDS = {
    "train": ("Sample", "PHOTO", "Summer", "Preview", "SALE", "Hello", "Studio", "No. 42", "Travel", "Today"),
    "val": ("Draft", "COPY", "Winter", "Archive", "Free", "Garden", "Title", "1987"),
    "test": ("Proof", "NEWS", "Autumn", "Gallery", "Offer", "Market", "Part 3", "Welcome"),
}


def text(image: Image, height: float, rng: np.random.Generator, split: str = "train") -> Image:
    size = max(1, round(height * min(image.shape[:2])))
    face = font(str(rng.choice(FONTS[split])), size)
    stroke = max(1, round(size / 14))
    fill = random_color(rng)
    lines = "\n".join(rng.choice(WORDS[split], rng.integers(1, 4), replace=False))
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
        # 16 steps per pixel, so that a small icon keeps its shape.
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
    return framed if pixels >= 1 else blend(image, framed, pixels)  # narrower than a pixel: it covers a share of it


def random_color(rng: np.random.Generator) -> tuple[int, int, int]:
    kind = rng.integers(6)
    if kind < 2:
        return ((0, 0, 0), (255, 255, 255))[kind]
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.7, 1), rng.uniform(0.6, 1))
    return round(255 * red), round(255 * green), round(255 * blue)


def contrasting(color: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return black or white, whichever contrasts with ``color``: such an outline is visible on any background."""
    return (0, 0, 0) if sum(color) > 380 else (255, 255, 255)


def pasted(image: Image, drawn: Image, alpha: np.ndarray, rng: np.random.Generator) -> Image:
    """Paste ``drawn`` (h, w, 3) over ``image`` with opacity ``alpha`` (h, w), at a random place, cut to fit."""
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
    import matplotlib

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"), size)


def by_split(draw: Callable[..., Image]) -> Callable[[str], PixelFunction]:
    """Return split -> ``draw`` with that split's fonts, words or icons."""
    return lambda split: partial(draw, split=split)


# fmt: off
TRANSFORMS = (
    of_bank(
        "overlay", "A", "text", "height", "share of the side", 0.12, 0.20,
        "One to three words, a line each, in a random font and color at a random place, outlined.", "own drawing",
        library="Pillow (FreeType), fonts of matplotlib",
        draws=True, pixels=text, pixels_of_split=by_split(text),
    ),
    of_bank(
        "overlay", "B", "icons", "size", "share of the side", 0.20, 0.30,
        "One to three icons in random colors at random places, outlined.", "own drawing",
        draws=True, pixels=add_icons, pixels_of_split=by_split(add_icons),
    ),
    of_bank(
        "overlay", "C", "border", "width", "share of the side", 0.04, 0.07,
        "A frame of one random color over the edge.", "own drawing", library="NumPy",
        draws=True, pixels=border,
    ),
)
# fmt: on
