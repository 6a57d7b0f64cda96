"""Transforms: frozen data, one strength parameter, and a pure function.

A *pixel* transform changes the values of a picture and keeps its geometry; a *geometric* one is a coordinate map. In a
run both reach the view through exactly one warp, so that the number of resamplings identifies no class.
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

from probing_core.errors import BadConfig
from probing_core.images import Image, as_image

MARGIN = 1.375
"""A source's side over the view's (176 px for 128): room to rotate by 30 degrees without any fill."""

PixelFunction: TypeAlias = Callable[[Image, float, np.random.Generator], Image]
"""(image, strength, rng) -> image of the same size and dtype; never writes into its input."""

Alternative: TypeAlias = Callable[[Image, np.random.Generator], Image]
"""(image, rng) -> image of the same size: an effect as another program makes it, its strength drawn from ``rng``."""

Coordinates: TypeAlias = tuple[np.ndarray, np.ndarray]
"""(x, y), each ``float32`` (height, width): where an output pixel is read, in output pixels from the center."""

CoordinateMap: TypeAlias = Callable[[tuple[int, int], float, np.random.Generator], Coordinates]
"""((height, width) of the output, strength, rng) -> `Coordinates`."""

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
"""The eleven classes of the group task, in the order of every page."""

ERASED_BY_REDUCTION = ("blur", "noise", "codec")
"""Groups whose traces are at a picture's own scale: in tiles of a large picture, rather than in the whole."""

Member = Literal["A", "B", "C"]
UNSEEN_IN: dict[Member, int] = {"C": 0, "A": 1, "B": 2}
"""The rotation in which a group's member is held out of training."""

SPLITS = ("train", "val", "test")

ALTERNATIVE_DRAWS = 8
"""Draws for the key of an alternative without a revision, since it draws its strength itself."""


@dataclass(frozen=True, kw_only=True)
class Transform:
    """One entry of the bank.

    Attributes:
        member: its place in the group, which decides the rotation that holds it out; None outside of the bank.
        parameter, unit: of the strength, e.g. ``"sigma"`` in ``"px of a 128 px view"``.
        weakest, strongest: the documented range, weakest first; weakest may be the larger number.
        neutral: strength beyond the weakest at which a picture does not change, or hardly; None where none exists.
        distribution: of strengths between them: ``linear`` (uniform), ``log`` (uniform in the logarithm) or
            ``integer`` (uniform over whole numbers).
        revision: raise it when the function changes, so that samples are made again. Without one (in other packages)
            the key is a digest of the function's results for fixed pictures.
        library: that does the pixel work.
        source: of the definition.
        draws: whether the result depends on ``rng`` beyond the strength.
        far: whether it belongs to the far-unseen tier, which no probe learns from.
        pixels: the function of a pixel transform.
        warp: the coordinate map of a geometric one.
        pixels_of_split: of an overlay, split -> pixel function; splits share no font, word or icon.
        is_length: whether the strength is a length in pixels of a 128 px view, so that it scales with the picture.
        alternative: the same effect as other programs make it (`probing_core.transforms.alternatives`).
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
        """Whether smaller numbers are stronger, as for a quality."""
        return self.strongest < self.weakest

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise ValueError(f"{self.name}: group must be one of {', '.join(GROUPS)}; got '{self.group}'")
        if (self.pixels is None) == (self.warp is None):
            raise ValueError(f"{self.name}: give either `pixels` or `warp`, not both and not neither")
        if self.neutral is not None and (self.neutral - self.weakest) * (self.strongest - self.weakest) >= 0:
            raise ValueError(
                f"{self.name}: `neutral` lies beyond the weakest strength, away from the strongest, but got "
                f"{self.neutral} for a range from {self.weakest} to {self.strongest}"
            )

    @property
    def key(self) -> list[Any]:
        """All that decides the transform's samples, in JSON types; code by its revision or its answers."""
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
        """All that decides the alternative's results, like `key`; the key of the transform itself where it has none."""
        if self.alternative is None:
            return self.key
        return [self.name, self.group, _alternative_revision(self)]

    @property
    def unseen_in(self) -> int | None:
        """The rotation whose probes never see this transform; None for identity and all outside of the bank."""
        return UNSEEN_IN[self.member] if self.member else None

    def strength_at(self, fraction: float) -> float:
        """Return the strength at ``fraction`` of the documented range: 0 is the weakest, 1 the strongest."""
        if self.distribution == "log":
            return float(self.weakest * (self.strongest / self.weakest) ** fraction)
        return self._as_drawn(self.weakest + (self.strongest - self.weakest) * fraction)

    def fainter(self, share: float) -> float:
        """Return the strength at ``share`` of the way from `neutral` (0), where there is one, to the weakest (1)."""
        assert self.neutral is not None
        return self._as_drawn(self.neutral + (self.weakest - self.neutral) * share)

    def _as_drawn(self, strength: float) -> float:
        return float(round(strength)) if self.distribution == "integer" else float(strength)

    def draw_strength(self, rng: np.random.Generator) -> float:
        """Draw a strength from the documented range, by its distribution."""
        if self.distribution == "integer":
            low, high = sorted((round(self.weakest), round(self.strongest)))
            return float(rng.integers(low, high + 1))
        return self.strength_at(rng.random())

    def apply(self, image: Image, strength: float, rng: np.random.Generator) -> Image:
        """Return ``image``, (H, W, 3) or (H, W) ``uint8`` of any size, transformed.

        Raises:
            BadConfig: the strength is not from `weakest` to `strongest`.
            BadImage: the image is of another type or shape.
        """
        low, high = sorted((self.weakest, self.strongest))
        slack = 1e-9 * max(abs(low), abs(high))  # `strength_at(1)` is rounded
        number = isinstance(strength, Real)
        if self.group != "identity" and not (number and low - slack <= strength <= high + slack):
            raise BadConfig(
                f"The {self.parameter} of '{self.name}' is {self.weakest:g} (weakest) to {self.strongest:g} "
                f"(strongest) {self.unit}; got {format(strength, 'g') if number else repr(strength)}."
            )
        return self.apply_unchecked(as_image(image), strength, rng)

    def apply_unchecked(self, image: Image, strength: float, rng: np.random.Generator) -> Image:
        """Apply as `apply` does, at any strength.

        A geometric transform cannot read beyond the edges of a picture, so it magnifies the picture by `MARGIN`, or by
        more where the map reaches farther (long pictures), in the same warp.
        """
        if self.pixels is not None:
            return self.pixels(image, strength, rng)
        assert self.warp is not None  # a transform has one of the two
        height, width = image.shape[:2]
        x, y = self.warp((height, width), strength, rng)
        reach = max(float(np.abs(x).max()) * 2 / (width - 1), float(np.abs(y).max()) * 2 / (height - 1))
        return warped(image, (x, y), 1 / max(MARGIN, reach))

    def for_split(self, split: str) -> Transform:
        """Return this transform with the fonts, words or icons of one split; itself where it has none."""
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
    """Return an entry of the catalog with common defaults: made by OpenCV, neutral at 0, revision 1."""
    usual: dict[str, Any] = {"library": "OpenCV", "neutral": 0.0, "revision": 1}
    usual["alternative_revision"] = 1 if "alternative" in more else None
    stated = {"group": group, "member": member, "parameter": parameter, "unit": unit, "definition": definition}
    return Transform(name=name, weakest=weakest, strongest=strongest, source=source, **(stated | usual | more))


@cache
def _revision(transform: Transform) -> int | str:
    if transform.revision is not None:
        return transform.revision
    return digest_answers(
        [
            partial(_at_strength, transform.for_split(split), strength)
            for split in (SPLITS if transform.pixels_of_split else ("train",))
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
    """Return a digest of the results of ``functions`` for two fixed pictures, one of noise and one smooth.

    It covers the mean and the deviation of blocks of 16 px, rounded to two levels of 255, since processors may round
    pixels differently; flat blocks have whole levels, far from where the rounding changes.
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
    """Return the place of every pixel of a picture of (height, width): the coordinate map that changes nothing."""
    height, width = shape
    x = np.arange(width, dtype=np.float32) - (width - 1) / 2
    y = np.arange(height, dtype=np.float32) - (height - 1) / 2
    return np.tile(x, (height, 1)), np.tile(y[:, None], (1, width))


def warped(image: Image, coordinates: Coordinates, scale: float) -> Image:
    """Read ``image`` at ``coordinates``, of which one pixel is ``scale`` pixels of the image."""
    height, width = image.shape[:2]
    x, y = (values * np.float32(scale) for values in coordinates)
    x, y = x + np.float32((width - 1) / 2), y + np.float32((height - 1) / 2)
    return cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)


def generator(seed: int, image_id: str, transform: str, repetition: int = 0, draw: int = 0) -> np.random.Generator:
    """Return the random generator of one sample; the same for every model, never global state.

    Seeded by a hash, so that neither the order of images nor that of transforms matters.
    """
    key = f"{seed}|{image_id}|{transform}|{repetition}|{draw}".encode()
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(key, digest_size=16).digest(), "little"))
