"""Candidate edits, which are applied to an original again to find out what was done to it.

The table contains the transformations of the bank, with strengths beyond their documented ranges, edits that only
pipelines apply (`PIPELINE`), and transformations that plug-ins register. Edits that depend on random draws, such as
noise, cannot be applied again. `probing_core.diffs.random_edits` recognizes them from what remains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from probing_core.diffs.registration import resized
from probing_core.images import Image
from probing_core.measures.notation import transform_title
from probing_core.transforms import CATALOG, bank, far_style
from probing_core.transforms.alternatives import stored
from probing_core.transforms.bank.blur import line_kernel
from probing_core.transforms.bank.codec import store_as_jpeg
from probing_core.transforms.bank.geometry import swirl
from probing_core.transforms.pixel_ops import REFERENCE_SIDE, VALUES, blend, lookup
from probing_core.transforms.transformation import Transform, warped

Apply: TypeAlias = Callable[[Image, float, float], Image]
"""Function (image, strength, side) -> image. ``side`` is the shorter side of the full image in pixels."""

FAST, CODEC, SLOW = 0, 1, 2
"""Tiers of candidates. A tier is only searched if the tiers before it leave a part of the difference unexplained."""


def _always(after: Image) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An edit that can be applied again.

    Attributes:
        name: name of a transformation, or of an entry of `PIPELINE`.
        detail: fixed setting, such as the chroma subsampling. Several candidates may have the same name.
        parameter, unit: name and unit of the strength.
        steps: strengths to search. For lengths, they are in pixels of the image instead of ``unit``.
        bounds: lowest and highest strength, in the unit of ``steps``.
        apply: function that applies the edit.
        integer: whether the strength is an integer.
        is_length: whether the strength is a length relative to the image, in pixels at a view size of 128.
        whole: whether the edit depends on the whole image, so that it cannot be applied to a part.
        blend: whether the edit interpolates linearly between the image and its result at strength 1.
        tier: `FAST`, `CODEC` or `SLOW`.
        possible: fast test of whether the edit may have produced an image.
    """

    name: str
    detail: str = ""
    parameter: str = ""
    unit: str = ""
    steps: tuple[float, ...]
    bounds: tuple[float, float]
    apply: Apply
    integer: bool = False
    is_length: bool = False
    whole: bool = False
    blend: bool = False
    tier: int = FAST
    possible: Callable[[Image], bool] = field(default=_always, repr=False)

    @property
    def title(self) -> str:
        return TITLES.get(self.name) or transform_title(self.name)

    def strengths(self, side: float, longest: float) -> tuple[float, ...]:
        """Return the strengths to search in an image with a shorter side of ``side`` pixels.

        Lengths of more than ``longest`` pixels are excluded.
        """
        if not self.is_length:
            return self.steps
        limit = min(longest, self.bounds[1] * side / REFERENCE_SIDE)
        return tuple(self.as_strength(step, side) for step in self.steps if step <= limit)

    def range(self, side: float) -> tuple[float, float]:
        """Return the lowest and the highest strength for an image with a shorter side of ``side`` pixels."""
        low, high = self.bounds
        return (self.as_strength(low, side), high) if self.is_length else (low, high)

    @staticmethod
    def as_strength(pixels: float, side: float) -> float:
        return pixels * REFERENCE_SIDE / side


TITLES = {
    "sharpen": "Sharpening",
    "webp": "WebP",
    "avif": "AVIF",
    "palette": "Palette",
    "offset": "Brightness offset",
    "rescale": "Reduction and enlargement",
    "channel-swap": "Exchanged channels (RGB and BGR)",
    "posterize-shift": "Posterize (low bits removed)",
    "median": "Median filter",
    "box-blur": "Box blur",
    "video-range": "Video range",
    "overlay": "Overlay",
    "shot-noise": "Shot noise",
}
"""Display names of edits that are not in the bank."""


def steps(low: float, high: float, count: int, log: bool = False) -> tuple[float, ...]:
    values = np.geomspace(low, high, count) if log else np.linspace(low, high, count)
    return tuple(round(float(value), 6) for value in values)


LENGTHS = steps(0.3, 60, 16, log=True)
"""Lengths in pixels to search."""

BLOCKS = steps(2, 64, 71, log=True)
"""Side lengths of blocks in pixels to search. Every length divides an image differently, so the steps are small."""

QUALITIES = tuple(map(float, range(1, 101)))
"""Qualities of JPEG to search: all, because often only the right one leaves less error than the original itself."""

AVIF_QUALITIES = (25.0, 50.0, 65.0, 80.0, 92.0)
WEBP_QUALITIES = (*map(float, range(10, 60, 10)), *map(float, range(60, 101, 2)))
"""Qualities of WebP to search, fewer because its encoder takes ten times as long."""


AVIF_SPEED = 6
"""Speed of the AVIF encoder, the default of Pillow and avifenc. The pixels depend on it."""


def _unsharp(image: Image, amount: float, side: float, radius: float) -> Image:
    return cv2.addWeighted(image, 1 + amount, cv2.GaussianBlur(image, (0, 0), radius), -amount, 0)


def _webp(image: Image, quality: float, side: float) -> Image:
    return stored(image, "WEBP", quality=round(quality))


def _avif(image: Image, quality: float, side: float) -> Image:
    return stored(image, "AVIF", quality=round(quality), speed=AVIF_SPEED)


def _jpeg(image: Image, quality: float, side: float, chroma: str) -> Image:
    return store_as_jpeg(image, round(quality), chroma)


def _palette(image: Image, colors: float, side: float, dither: Pillow.Dither) -> Image:
    picture = Pillow.fromarray(image)
    if dither == Pillow.Dither.NONE:
        return np.asarray(picture.quantize(round(colors), dither=dither).convert("RGB"))
    return np.asarray(picture.convert("P", palette=Pillow.Palette.ADAPTIVE, colors=round(colors)).convert("RGB"))


def _posterize_shift(image: Image, bits: float, side: float) -> Image:
    return lookup(image, VALUES.astype(int) >> (8 - round(bits)) << (8 - round(bits)))


def _rescale(image: Image, factor: float, side: float, down: str, up: str) -> Image:
    height, width = image.shape[:2]
    small = max(1, round(width * factor)), max(1, round(height * factor))
    return resized(resized(image, small, down), (width, height), up)


def _pixelate(image: Image, factor: float, side: float, down: str) -> Image:
    height, width = image.shape[:2]
    block = factor * side / REFERENCE_SIDE
    small = max(1, round(width / block)), max(1, round(height / block))
    up = "OpenCV nearest" if down.startswith("OpenCV") else "nearest neighbor"
    return resized(resized(image, small, down), (width, height), up)


def _has_few_colors(after: Image) -> bool:
    return len(np.unique(after.reshape(-1, 3).astype(np.uint32) @ np.array([65536, 256, 1], np.uint32))) <= 256


MAX_INSIDE_BLOCKS = 0.3
"""Maximum ratio of the median to the mean difference of adjacent columns in an image of blocks."""


def _has_blocks(after: Image) -> bool:
    """Return whether most columns nearly equal the next one, unlike a few of them, as in an image of blocks."""
    columns = np.abs(np.diff(after.astype(np.int16), axis=1)).mean(axis=(0, 2))
    return bool(len(columns)) and float(np.median(columns)) <= MAX_INSIDE_BLOCKS * float(columns.mean())


def _offset(image: Image, offset: float, side: float) -> Image:
    return lookup(image, VALUES + offset)


def _gray_mean(image: Image, amount: float, side: float) -> Image:
    gray = np.rint(image.mean(axis=2, keepdims=True)).astype(np.uint8)
    return blend(image, np.repeat(gray, 3, axis=2), amount)


def _median(image: Image, size: float, side: float) -> Image:
    return cv2.medianBlur(image, round(size) | 1)


def _box_blur(image: Image, radius: float, side: float) -> Image:
    size = 2 * radius * side / REFERENCE_SIDE + 1
    kernel = np.ones(2 * int(np.ceil((size - 1) / 2)) + 1, np.float32)
    kernel[[0, -1]] = 1 - (len(kernel) - size) / 2
    return cv2.sepFilter2D(image, -1, kernel / kernel.sum(), kernel / kernel.sum())


def _motion(image: Image, length: float, side: float, angle: float) -> Image:
    return cv2.filter2D(image, -1, line_kernel(length * side / REFERENCE_SIDE, np.radians(angle)))


def _swirl(image: Image, radians: float, side: float) -> Image:
    rng = _rng_of_sign(1 if radians >= 0 else -1)
    return warped(image, swirl((image.shape[0], image.shape[1]), abs(radians), rng), 1.0)


def _fixed(function: Callable[[Image], Image]) -> Apply:
    return lambda image, strength, side: function(image)


def _equalized(image: Image) -> Image:
    return np.asarray(ImageOps.equalize(Pillow.fromarray(image)))


def _autocontrast(image: Image) -> Image:
    return np.asarray(ImageOps.autocontrast(Pillow.fromarray(image)))


def _video_range(image: Image) -> Image:
    return lookup(image, 16 + VALUES * 219 / 255)


def _full_range(image: Image) -> Image:
    return lookup(image, (VALUES - 16) * 255 / 219)


def _rng_of_sign(sign: int) -> np.random.Generator:
    """Return a generator whose first draw from (-1, 1) is ``sign``."""
    seed = next(seed for seed in range(64) if np.random.default_rng(seed).choice((-1, 1)) == sign)
    return np.random.default_rng(seed)


def motion_candidates(angles: Iterable[float]) -> list[Candidate]:
    """Return candidates for motion blur in the direction of each angle in degrees."""
    return [
        Candidate(
            name="motion-blur",
            detail=f"at {angle:g}°",
            parameter="length",
            unit="px at view size 128",
            steps=steps(3, 45, 6, log=True),
            bounds=(2.0, 20.0),
            apply=partial(_motion, angle=angle),
            is_length=True,
            tier=CODEC,
        )
        for angle in angles
    ]


SHARPENING_RADII = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)

# fmt: off
PIPELINE = (
    Candidate(name="jpeg", detail="4:4:4", parameter="quality", unit="of 100", steps=QUALITIES, bounds=(1, 100),
              apply=partial(_jpeg, chroma="4:4:4"), integer=True),
    *(Candidate(name="sharpen", detail=f"radius {radius:g} px", parameter="amount", unit="times", steps=(0.5,),
                bounds=(0.03, 6.0), apply=partial(_unsharp, radius=radius), blend=True)
      for radius in SHARPENING_RADII),
    Candidate(name="webp", parameter="quality", unit="of 100", steps=WEBP_QUALITIES, bounds=(0, 100), apply=_webp,
              integer=True, tier=CODEC),
    Candidate(name="avif", parameter="quality", unit="of 100", steps=AVIF_QUALITIES, bounds=(0, 100), apply=_avif,
              integer=True, tier=SLOW),
    *(Candidate(name="palette", detail=detail, parameter="colors", unit="colors",
                steps=(256, 128, 64, 32, 16, 8), bounds=(2, 256), apply=partial(_palette, dither=dither), integer=True,
                whole=True, tier=CODEC, possible=_has_few_colors)
      for detail, dither in (("dithered", Pillow.Dither.FLOYDSTEINBERG), ("not dithered", Pillow.Dither.NONE))),
    Candidate(name="posterize-shift", parameter="bits", unit="bits per channel", steps=(1, 2, 3, 4, 5, 6),
              bounds=(1, 6), apply=_posterize_shift, integer=True),
    *(Candidate(name="pixelate", detail=down, parameter="factor", unit="px at view size 128", steps=BLOCKS,
                bounds=(1.2, 12.0), apply=partial(_pixelate, down=down), is_length=True, whole=True,
                possible=_has_blocks)
      for down in ("box", "bilinear", "nearest neighbor", "OpenCV linear")),
    *(Candidate(name="rescale", detail=f"{down}, then {up}", parameter="factor", unit="times",
                steps=(0.75, 0.5, 1 / 3, 0.25, 0.125), bounds=(0.05, 0.95), apply=partial(_rescale, down=down, up=up))
      for down, up in (("bilinear", "bilinear"), ("bicubic", "bicubic"), ("lanczos", "lanczos"),
                       ("OpenCV area", "OpenCV linear"), ("OpenCV linear", "OpenCV linear"))),
    Candidate(name="offset", parameter="offset", unit="of 255", steps=(-80, -50, -30, -15, -5, 5, 15, 30, 50, 80),
              bounds=(-128, 128), apply=_offset),
    Candidate(name="median", parameter="size", unit="px", steps=(3, 5, 7, 9), bounds=(3, 15), apply=_median,
              integer=True),
    Candidate(name="box-blur", parameter="radius", unit="px at view size 128", steps=LENGTHS[1:], bounds=(0.3, 8.0),
              apply=_box_blur, is_length=True),
    Candidate(name="desaturate", detail="mean of the channels", parameter="blend", unit="fraction", steps=(1.0,),
              bounds=(0.05, 1.0), apply=_gray_mean, blend=True),
    Candidate(name="channel-swap", steps=(1,), bounds=(1, 1), apply=_fixed(lambda image: image[..., ::-1].copy())),
    Candidate(name="invert", steps=(1,), bounds=(1, 1), apply=_fixed(lambda image: 255 - image)),
    Candidate(name="equalize", steps=(1,), bounds=(1, 1), apply=_fixed(_equalized), whole=True),
    Candidate(name="autocontrast", steps=(1,), bounds=(1, 1), apply=_fixed(_autocontrast), whole=True),
    Candidate(name="video-range", detail="compressed", steps=(1,), bounds=(1, 1), apply=_fixed(_video_range)),
    Candidate(name="video-range", detail="expanded", steps=(1,), bounds=(1, 1), apply=_fixed(_full_range)),
)
# fmt: on
"""Edits that are not in the bank and that pipelines apply, in addition to cropping, mirroring, turning and resizing."""

SEARCHED: dict[str, tuple[tuple[float, ...], tuple[float, float]]] = {
    "desaturate": ((1.0,), (-1.5, 1.0)),
    "hue-shift": ((*steps(-0.5, -0.02, 13), *steps(0.02, 0.5, 13)), (-0.5, 0.5)),
    "sepia": ((1.0,), (0.05, 1.0)),
    "brighten": (steps(0.25, 3.0, 16, log=True), (0.2, 4.0)),
    "contrast": (steps(0.15, 2.5, 16, log=True), (0.1, 4.0)),
    "gamma": (steps(0.3, 3.3, 16, log=True), (0.2, 5.0)),
    "gaussian-blur": (LENGTHS, (0.25, 6.0)),
    "defocus-blur": (LENGTHS[3:], (0.5, 8.0)),
    "jpeg": (QUALITIES, (1, 100)),
    "pixelate": (BLOCKS, (1.2, 12.0)),
    "posterize": ((1, 2, 3, 4, 5, 6), (1, 6)),  # 7 bits resemble rounding
    "stylization": ((1.0,), (0.1, 1.0)),
    "pencil-sketch": ((1.0,), (0.1, 1.0)),
    "emboss": ((1.0,), (0.1, 1.0)),
}
"""Transformation of the bank -> strengths to search (lengths in pixels of the image), and their bounds."""

WHOLE = ("contrast", "pixelate", "stylization", "pencil-sketch", "emboss")
"""Transformations of the bank that depend on the mean or the size of the whole image."""


SLOW_EDITS = ("stylization", "pencil-sketch")
"""Transformations of the bank that take seconds for large images."""


def _of_transform(transform: Transform, image: Image, strength: float, side: float) -> Image:
    # A part of an image is shorter than the image, but lengths are relative to the image.
    scale = side / min(image.shape[:2]) if transform.is_length else 1.0
    return transform.apply_unchecked(image, strength * scale, np.random.default_rng(0))


def _signed(transform: Transform, image: Image, strength: float, side: float) -> Image:
    return transform.apply_unchecked(image, abs(strength), _rng_of_sign(1 if strength >= 0 else -1))


def _of_bank(transform: Transform) -> Candidate:
    searched, bounds = SEARCHED[transform.name]
    apply = _signed if transform.name == "hue-shift" else _of_transform
    return Candidate(
        name=transform.name,
        detail="4:2:0" if transform.name == "jpeg" else "",
        parameter=transform.parameter,
        unit=transform.unit,
        steps=searched,
        bounds=bounds,
        apply=partial(apply, transform),
        integer=transform.distribution == "integer",
        is_length=transform.is_length,
        whole=transform.name in WHOLE,
        blend=transform.parameter == "blend",
        tier=SLOW if transform.name in SLOW_EDITS else FAST,
        possible=_has_blocks if transform.name == "pixelate" else _always,
    )


def _of_other(transform: Transform) -> Candidate:
    """Return the candidate for a style or for a transformation of a plug-in."""
    searched = tuple(sorted({transform.strength_at(fraction) for fraction in steps(0, 1, 7)}))
    is_blend = transform.parameter == "blend" and transform.group == "style"
    return Candidate(
        name=transform.name,
        parameter=transform.parameter,
        unit=transform.unit,
        steps=(1.0,) if is_blend else searched,
        bounds=(0.1, 1.0) if is_blend else (searched[0], searched[-1]),
        apply=partial(_of_transform, replace(transform, is_length=False)),
        integer=transform.distribution == "integer",
        whole=True,
        blend=is_blend,
        tier=SLOW if transform.group == "style" else CODEC,
    )


def candidates() -> tuple[Candidate, ...]:
    """Return all candidates: of the bank, of pipelines, and of plug-ins."""
    own = {*bank(), *far_style()}
    plugins = [transform for transform in CATALOG if transform not in own]
    swirls = Candidate(
        name="swirl",
        parameter="angle",
        unit="radians",
        steps=(*steps(-5, -0.5, 6), *steps(0.5, 5, 6)),
        bounds=(-6, 6),
        apply=_swirl,
        whole=True,
        tier=SLOW,
    )
    return (
        *(_of_bank(transform) for transform in bank() if transform.name in SEARCHED),
        *PIPELINE,
        *motion_candidates(range(0, 180, 20)),
        swirls,
        *(_of_other(transform) for transform in bank() if transform.group == "style"),
        *(_of_other(transform) for transform in plugins if transform.pixels is not None),
    )


def names(entries: Sequence[Candidate]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry.name for entry in entries))
