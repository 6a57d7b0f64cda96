"""Golden images: test files that reveal differences between embedding pipelines.

Photographs of odd sizes test resizing, cropping and value scaling. Edges, text and noise test antialiasing, and colors
test the channel order. Files with an alpha channel, an EXIF orientation, grayscale, a palette, CMYK or 16 bits per
channel test decoding.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from PIL import Image as pillow
from PIL import ImageDraw, ImageFont

from probing_core.corpora.photos import PHOTOGRAPHS
from probing_core.errors import BadImage
from probing_core.images import Image, read_image

PHOTOGRAPH = "photograph"
"""``kind`` of lossless photographs. The mean distance between their embeddings is the unit of embedding shifts."""

PHOTOGRAPH_SIZES = {
    # photograph: (height, width)
    "astronaut": (251, 333),
    "chelsea": (300, 451),
    "china": (427, 640),
    "coffee": (257, 391),
    "flower": (413, 309),
    "grace-hopper": (224, 224),
    "immunohistochemistry": (128, 128),
    "motorcycle": (497, 741),
    "retina": (499, 501),
    "rocket": (319, 479),
}
EXTREME = {"china": (97, 640), "rocket": (427, 89), "coffee": (61, 83), "motorcycle": (751, 1113)}
GOLDEN_SIDE = 256

ORIENTATION = 274


@dataclass(frozen=True)
class GoldenPicture:
    """A test file, such as ``photograph-china.png``. Its ``kind`` is the property that it tests."""

    name: str
    kind: str
    data: bytes

    def decode(self) -> Image:
        """Decode the file with `probing_core.images`."""
        return read_image(self.data, self.name)


@cache
def golden_pictures() -> tuple[GoldenPicture, ...]:
    """Create the golden images. They are the same in every call.

    The photographs are from installed packages. Photographs that an installed package does not include are skipped.
    """
    images = _packaged()
    photographs = [
        _picture(f"{kind} {name}.png", kind, _fill(images[name], *size))
        for kind, sizes in ((PHOTOGRAPH, PHOTOGRAPH_SIZES), ("extreme size", EXTREME))
        for name, size in sizes.items()
        if name in images
    ]
    return (*photographs, *_drawn(), *_stored_in_other_ways(images))


def _packaged() -> dict[str, Image]:
    images = {}
    for photograph in PHOTOGRAPHS:
        with suppress(OSError, BadImage):
            images[photograph.name] = read_image(photograph.read_bytes(), photograph.name)
    return images


def _drawn() -> Iterator[GoldenPicture]:
    ramp = np.linspace(0, 255, GOLDEN_SIDE)
    down, across = np.meshgrid(ramp, ramp, indexing="ij")
    y, x = np.mgrid[:GOLDEN_SIDE, :GOLDEN_SIDE] - (GOLDEN_SIDE - 1) / 2
    angle = np.arctan2(y, x)
    color = np.stack([across, down, 255 - across], axis=-1)
    gradients = {"across": across, "down": down, "color": color, "radial": np.hypot(y, x) * 1.4}
    edges = {
        "lines": 255 * (np.indices((GOLDEN_SIDE, GOLDEN_SIDE)).sum(0) % 2),
        "checkers": 255 * ((np.indices((GOLDEN_SIDE, GOLDEN_SIDE)) // 8).sum(0) % 2),
        "star": 255 * (np.sin(angle * 36) > 0),
        "slanted": 255 * (x + y / 5 > 0),
    }
    colors = {"red": (220, 30, 40), "blue": (30, 60, 210), "gray": (119, 119, 119)}
    for name, values in gradients.items():
        yield _picture(f"gradient {name}.png", "gradient", _gray_or_color(values))
    for name, values in edges.items():
        yield _picture(f"edges {name}.png", "edges", _gray_or_color(values))
    for name, value in colors.items():
        yield _picture(f"color {name}.png", "color", _gray_or_color(np.full((GOLDEN_SIDE, GOLDEN_SIDE, 3), value)))
    yield _picture("text dark.png", "text", _text((20, 20, 20), (250, 248, 240)))
    yield _picture("text light.png", "text", _text((255, 255, 255), (20, 60, 120)))
    noise = np.random.default_rng(0).integers(0, 256, (317, 211, 3))
    yield _picture("noise color.png", "noise", _gray_or_color(noise))


def _stored_in_other_ways(images: dict[str, Image]) -> Iterator[GoldenPicture]:
    names = [name for name in PHOTOGRAPH_SIZES if name in images]

    def photograph(place: int) -> pillow.Image:
        return pillow.fromarray(_fill(images[names[place % len(names)]], 240, 320))

    yield _picture("jpeg 420.jpg", "JPEG", photograph(0), quality=90, subsampling=2)
    yield _picture("jpeg 444.jpg", "JPEG", photograph(1), quality=75, subsampling=0)
    yield _picture("jpeg progressive.jpg", "JPEG", photograph(2), quality=95, progressive=True)
    y, x = np.mgrid[-1:1:240j, -1:1:320j]
    alpha = pillow.fromarray(np.uint8(255 * np.clip(1.5 - 1.5 * np.hypot(y, x), 0, 1)))
    colored, gray = photograph(3), photograph(4).convert("L")
    colored.putalpha(alpha)
    gray.putalpha(alpha)
    yield _picture("alpha color.png", "alpha", colored)
    yield _picture("alpha gray.png", "alpha", gray)
    yield _picture("alpha palette.png", "alpha", photograph(5).quantize(64), transparency=3)
    for orientation in (3, 6, 8):
        exif = pillow.Exif()
        exif[ORIENTATION] = orientation
        yield _picture(f"exif {orientation}.jpg", "EXIF", photograph(orientation), quality=95, subsampling=0, exif=exif)
    yield _picture("gray 8.png", "gray", photograph(7).convert("L"))
    yield _picture("gray jpeg.jpg", "gray", photograph(8).convert("L"), quality=95)
    yield _picture("gray 1.png", "gray", photograph(9).convert("1"))
    deep = np.asarray(photograph(0)).astype(np.uint16) * 257
    deep += np.random.default_rng(1).integers(0, 200, deep.shape, np.uint16) * (deep < 65_000)
    yield GoldenPicture("16-bit-color.png", "16 bit", cv2.imencode(".png", deep[..., ::-1])[1].tobytes())
    yield GoldenPicture("16-bit-gray.png", "16 bit", cv2.imencode(".png", deep[..., 1])[1].tobytes())
    yield _picture("palette 64.png", "palette", photograph(1).quantize(64))
    yield _picture("cmyk plain.jpg", "CMYK", photograph(2).convert("CMYK"), quality=95)


def _picture(name: str, kind: str, content: Image | pillow.Image, **options: Any) -> GoldenPicture:
    opened = content if isinstance(content, pillow.Image) else pillow.fromarray(content)
    buffer = io.BytesIO()
    opened.save(buffer, "JPEG" if name.endswith(".jpg") else "PNG", **options)
    return GoldenPicture(name.replace(" ", "-"), kind, buffer.getvalue())


def _gray_or_color(values: np.ndarray) -> Image:
    rounded = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded if rounded.ndim == 3 else np.repeat(rounded[..., None], 3, axis=2)


def _fill(image: Image, height: int, width: int) -> Image:
    """Crop ``image`` centrally to the aspect ratio of (height, width), and resize it to that size."""
    scale = min(image.shape[0] / height, image.shape[1] / width)
    tall, wide = (max(1, round(side * scale)) for side in (height, width))
    top, left = (image.shape[0] - tall) // 2, (image.shape[1] - wide) // 2
    part = image[top : top + tall, left : left + wide]
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC)


def _text(ink: tuple[int, int, int], paper: tuple[int, int, int]) -> Image:
    page = pillow.new("RGB", (407, 297), paper)
    draw = ImageDraw.Draw(page)
    top = 8
    for size in (11, 14, 18, 24, 34, 52):
        draw.text((9, top), "Whose pixels are these? 0123456789", fill=ink, font=ImageFont.load_default(size))
        top += round(size * 1.3) + 8
    return np.asarray(page)
