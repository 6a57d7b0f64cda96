"""Transformations, each described by one strength parameter and a pure function.

A *pixel* transformation changes pixel values and preserves geometry. A *geometric* transformation is a coordinate map.
In a run, every view is computed with exactly one warp, so the number of resampling steps does not reveal the class.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from numbers import Real
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np

from probing_core.errors import BadConfig, BadImage
from probing_core.images import Image, as_image

SOURCE_MARGIN = 1.375
"""Ratio of the source side to the view side (176 px for 128 px), which allows rotation by 30° without fill."""

MIN_SIDE = 8
"""Minimum side length in pixels of an image that is transformed. Style networks require 5 pixels, and warps 2."""

PixelFunction: TypeAlias = Callable[[Image, float, np.random.Generator], Image]
"""Function (image, strength, rng) -> image of the same size and dtype. It does not modify its input."""

Alternative: TypeAlias = Callable[[Image, np.random.Generator], Image]
"""Function (image, rng) -> image of the same size. It applies an effect as other programs do, at a random strength."""

Coordinates: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Input coordinates (x, y) of each output pixel, ``float32`` (height, width), relative to the center, in output pixels.
"""

CoordinateMap: TypeAlias = Callable[[tuple[int, int], float, np.random.Generator], Coordinates]
"""Function (output shape (height, width), strength, rng) -> `Coordinates`."""

GROUPS = (
    "identity",
    "color",
    "tone",
    "blur",
    "noise",
    "codec",
    "overlay",
    "geometry",
    "artistic",
    "weather",
    "style",
)
"""Classes of the group task, in display order."""

ERASED_BY_REDUCTION = ("blur", "noise", "codec")
"""Groups whose traces are removed by downsampling a large image. They are visible in tiles, not in the full image."""

Member = Literal["A", "B", "C"]
UNSEEN_IN: dict[Member, int] = {"C": 0, "A": 1, "B": 2}
"""Member of a group -> fold in which the member is held out from training."""

PROBE_SPLITS = ("train", "val", "test")

ALTERNATIVE_DRAWS = 8
"""Number of random draws that determine the cache key of an alternative without a revision."""


@dataclass(frozen=True, kw_only=True)
class Transform:
    """An image transformation.

    Attributes:
        member: member of the group (A, B or C), which determines the fold that holds it out; None outside the bank.
        parameter, unit: name and unit of the strength, e.g. ``"sigma"`` in ``"px at view size 128"``.
        weakest, strongest: documented strength range. ``weakest`` may be the larger number.
        neutral: strength, weaker than ``weakest``, at which the image changes little or not at all; None if there is
            no such strength.
        distribution: distribution of strengths: ``linear`` (uniform), ``log`` (log-uniform) or ``integer`` (uniform
            over integers).
        revision: number to increase when the function changes, so that samples are recomputed. If it is None (in other
            packages), a digest of the results for fixed images is used instead.
        library: library that computes the pixels.
        source: source of the definition.
        draws: whether the result depends on ``rng`` in addition to the strength.
        far: whether the transformation is an unseen style, on which no probe is trained.
        pixels: function of a pixel transformation.
        warp: coordinate map of a geometric transformation.
        pixels_of_split: for overlays, function that maps a split to the pixel function with the fonts, words or icons
            of the split. Splits have none of them in common.
        is_length: whether the strength is a length in pixels at a view size of 128, which scales with the image.
        alternative: the same effect as implemented in other programs (`probing_core.transforms.alternatives`).
        alternative_revision: like ``revision``, but for ``alternative``.
    """

    name: str
    group: str
    member: Member | None = None
    parameter: str
    unit: str
    weakest: float
    strongest: float
    neutral: float | None = None
    distribution: Literal["linear", "log", "integer"] = "linear"
    revision: int | str | None = None
    definition: str
    library: str
    source: str
    draws: bool = False
    far: bool = False
    pixels: PixelFunction | None = None
    warp: CoordinateMap | None = None
    pixels_of_split: Callable[[str], PixelFunction] | None = None
    is_length: bool = False
    alternative: Alternative | None = None
    alternative_revision: int | None = None

    @property
    def falling(self) -> bool:
        """Whether smaller strengths have a stronger effect, as for JPEG quality."""
        return self.strongest < self.weakest

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise ValueError(f"{self.name}: group must be one of {', '.join(GROUPS)}, but got '{self.group}'")
        if (self.pixels is None) == (self.warp is None):
            raise ValueError(f"{self.name}: exactly one of pixels and warp is required")
        if self.neutral is not None and (self.neutral - self.weakest) * (self.strongest - self.weakest) >= 0:
            raise ValueError(
                f"{self.name}: the neutral strength must be weaker than the weakest strength, but got {self.neutral} "
                f"for a range from {self.weakest} to {self.strongest}"
            )

    @property
    def key(self) -> list[Any]:
        """Cache key of the samples, in JSON types. It identifies code by its revision or by a digest of its results."""
        return [
            self.name,
            self.group,
            self.member,
            self.far,
            self.distribution,
            self.weakest,
            self.strongest,
            _revision(self),
        ]

    @property
    def alternative_key(self) -> list[Any]:
        """Cache key of the alternative, or `key` if there is no alternative."""
        if self.alternative is None:
            return self.key
        return [self.name, self.group, _alternative_revision(self)]

    @property
    def unseen_in(self) -> int | None:
        """Fold that holds out this transformation; None for identity and for transformations outside the bank."""
        return UNSEEN_IN[self.member] if self.member else None

    def strength_at(self, fraction: float) -> float:
        """Return the strength at ``fraction`` of the documented range, from weakest (0) to strongest (1)."""
        if self.distribution == "log":
            return float(self.weakest * (self.strongest / self.weakest) ** fraction)
        return self._as_drawn(self.weakest + (self.strongest - self.weakest) * fraction)

    def fainter(self, share: float) -> float:
        """Interpolate between the neutral strength (0) and the weakest strength (1). `neutral` must not be None."""
        assert self.neutral is not None
        return self._as_drawn(self.neutral + (self.weakest - self.neutral) * share)

    def _as_drawn(self, strength: float) -> float:
        return float(round(strength)) if self.distribution == "integer" else float(strength)

    def draw_strength(self, rng: np.random.Generator) -> float:
        """Draw a random strength from the documented range according to `distribution`."""
        if self.distribution == "integer":
            low, high = sorted((round(self.weakest), round(self.strongest)))
            return float(rng.integers(low, high + 1))
        return self.strength_at(rng.random())

    def apply(self, image: Image, strength: float, rng: np.random.Generator) -> Image:
        """Transform ``image``, (H, W, 3) or (H, W) ``uint8``.

        Raises:
            BadConfig: the strength is outside the range from `weakest` to `strongest`.
            BadImage: the image has an unsupported type or shape, or a side is shorter than `MIN_SIDE`.
        """
        low, high = sorted((self.weakest, self.strongest))
        slack = 1e-9 * max(abs(low), abs(high))  # tolerate the rounding of `strength_at(1)`
        number = isinstance(strength, Real)
        if self.group != "identity" and not (number and low - slack <= strength <= high + slack):
            raise BadConfig(
                f"The {self.parameter} of '{self.name}' must be from {self.weakest:g} (weakest) to {self.strongest:g} "
                f"(strongest) {self.unit}; got {format(strength, 'g') if number else repr(strength)}."
            )
        pixels = as_image(image)
        if min(pixels.shape[:2]) < MIN_SIDE:
            raise BadImage(
                f"An image must have at least {MIN_SIDE} pixels along each side to be transformed; got "
                f"{pixels.shape[1]} x {pixels.shape[0]}."
            )
        return self.apply_unchecked(pixels, strength, rng)

    def apply_unchecked(self, image: Image, strength: float, rng: np.random.Generator) -> Image:
        """Transform ``image`` without checking the strength and the size.

        A geometric transformation magnifies the image by at least `SOURCE_MARGIN` in the same warp, so that the map
        does not sample beyond the image edges. Elongated images may need more magnification.
        """
        if self.pixels is not None:
            return self.pixels(image, strength, rng)
        assert self.warp is not None  # either `pixels` or `warp` is set
        height, width = image.shape[:2]
        x, y = self.warp((height, width), strength, rng)
        reach = max(float(np.abs(x).max()) * 2 / (width - 1), float(np.abs(y).max()) * 2 / (height - 1))
        return warped(image, (x, y), 1 / max(SOURCE_MARGIN, reach))

    def for_split(self, split: str) -> Transform:
        """Return an overlay with the fonts, words or icons of ``split``, or any other transformation unchanged."""
        return self if self.pixels_of_split is None else replace(self, pixels=self.pixels_of_split(split))


def of_bank(
    group: str,
    member: Member | None,
    name: str,
    parameter: str,
    unit: str,
    weakest: float,
    strongest: float,
    definition: str,
    source: str,
    **more: Any,
) -> Transform:
    """Create a catalog entry with common defaults: library OpenCV, neutral strength 0, revision 1."""
    usual: dict[str, Any] = {"library": "OpenCV", "neutral": 0.0, "revision": 1}
    usual["alternative_revision"] = 1 if "alternative" in more else None
    fields = {"group": group, "member": member, "parameter": parameter, "unit": unit, "definition": definition}
    return Transform(name=name, weakest=weakest, strongest=strongest, source=source, **(fields | usual | more))


@cache
def _revision(transform: Transform) -> int | str:
    if transform.revision is not None:
        return transform.revision
    return digest_answers(
        [
            partial(_at_strength, transform.for_split(split), strength)
            for split in (PROBE_SPLITS if transform.pixels_of_split else ("train",))
            for strength in (transform.weakest, transform.strongest)
        ]
    )


def _at_strength(transform: Transform, strength: float, image: Image, rng: np.random.Generator) -> Image:
    return transform.apply(image, strength, rng)


@cache
def _alternative_revision(transform: Transform) -> int | str:
    assert transform.alternative is not None
    if transform.alternative_revision is not None:
        return transform.alternative_revision
    return digest_answers([transform.alternative] * ALTERNATIVE_DRAWS)


def digest_answers(functions: Sequence[Alternative]) -> str:
    """Compute a digest of the results of ``functions`` for two fixed images, one noisy and one smooth.

    The digest covers the mean and the standard deviation of 16 px blocks, rounded to steps of 2 (of 255), because
    processors may round pixels differently. The mean of a flat block is an integer, far from the rounding boundaries.
    """
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    down, across = np.meshgrid(np.arange(128), np.arange(128, 256), indexing="ij")
    smooth = np.stack([down, across, np.full_like(down, 90)], axis=-1)
    total = hashlib.sha256()
    for number, function in enumerate(functions):
        for picture in (noise, smooth.astype(np.uint8)):
            blocks = function(picture, np.random.default_rng([number, len(functions)])).reshape(8, 16, 8, 16, 3)
            for measured in (blocks.mean((1, 3)), blocks.std((1, 3))):
                total.update(np.floor(measured / 2 + 0.75).astype(np.int16).tobytes())
    return total.hexdigest()[:16]


def grid(shape: tuple[int, int]) -> Coordinates:
    """Return the identity coordinate map of an image of shape (height, width)."""
    height, width = shape
    x = np.arange(width, dtype=np.float32) - (width - 1) / 2
    y = np.arange(height, dtype=np.float32) - (height - 1) / 2
    return np.tile(x, (height, 1)), np.tile(y[:, None], (1, width))


def warped(image: Image, coordinates: Coordinates, scale: float) -> Image:
    """Sample ``image`` at ``coordinates``, whose unit is ``scale`` image pixels."""
    height, width = image.shape[:2]
    x, y = (values * np.float32(scale) for values in coordinates)
    x, y = x + np.float32((width - 1) / 2), y + np.float32((height - 1) / 2)
    return cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)


def generator(seed: int, image_id: str, transform: str, repetition: int = 0, draw: int = 0) -> np.random.Generator:
    """Create the random generator of a sample.

    It is seeded with a hash of the arguments, so random draws do not depend on the order of images or transformations.
    """
    key = f"{seed}|{image_id}|{transform}|{repetition}|{draw}".encode()
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(key, digest_size=16).digest(), "little"))
