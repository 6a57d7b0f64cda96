"""Steps that are tried on the pictures that go into an embedder, where what it does with them is not known.

A function, or a model that prepares pictures by code of its own, takes pictures alone. What another pipeline does
differently is done to the pictures beforehand: a picture that already has the size to which the embedder resizes is
left as it is, so that another resize shows, and values are moved to where the embedder's own mean and deviation make
of them what others would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations, product

import numpy as np
from PIL import Image as pillow

from probing_core.compute.parity.steps import CHANNELS, COLOR_ORDERS, KERNELS, RESIZES, SCALES, SIDES, Change
from probing_core.images import Image
from probing_core.models.base import Preprocessing
from probing_core.models.preprocessing import FILTERS, scaled_size


def _by_pillow(image: Image, size: tuple[int, int], how: str) -> np.ndarray:
    return np.asarray(pillow.fromarray(image).resize(size[::-1], FILTERS[how]))


RESIZERS: Mapping[str, Callable[[Image, tuple[int, int]], np.ndarray]] = {
    **{f"Pillow's {kernel} filter{plain}": partial(_by_pillow, how=kernel) for kernel, plain in KERNELS.items()},
    **RESIZES,
}
"""Every way of resizing that is tried: image, (height, width) -> (height, width, 3), in units of 255."""

SHOWN_IN_PICTURES = tuple(name for name, (_, std) in SCALES.items() if min(std) > 0.1)
"""Means and deviations of `SCALES` that values of 8 bits can stand for: the others make everything black or white."""


@dataclass(frozen=True)
class Resize:
    """A resize of pictures.

    Attributes:
        side: pixels of the shorter side, or of both.
        squeezed: whether both sides get that length.
        how: one of `RESIZERS`.
    """

    side: int
    squeezed: bool
    how: str

    def apply(self, image: Image) -> np.ndarray:
        """Return the picture at its new size, not cropped, in units of 255."""
        rule = Preprocessing(size=(self.side, self.side), resize="squash" if self.squeezed else "shorter")
        return RESIZERS[self.how](image, scaled_size(image.shape[:2], rule))


@dataclass(frozen=True)
class PictureSteps:
    """Steps applied to pictures before they are given to an embedder of pictures.

    Attributes:
        own: the resize that changes least of what the embedder gives, which is its own if it has one; None where it
            was not looked for.
        channels: one of `CHANNELS`.
        resize: done beforehand; None leaves the size.
        scales: names of two of `SCALES`: the embedder's own mean and deviation, and those in place of them.
    """

    own: Resize | None = None
    channels: str = "RGB"
    resize: Resize | None = None
    scales: tuple[str, str] | None = None

    @property
    def exact(self) -> bool:
        """Whether pictures hold exactly what is done: of a resize and of other values they hold what 8 bits can."""
        return self.resize is None and self.scales is None

    def pictures(self, images: Sequence[Image]) -> list[Image]:
        """Return what goes into the embedder, ``uint8``."""
        return [self._made(CHANNELS[self.channels](image)) for image in images]

    def _made(self, image: Image) -> Image:
        values: np.ndarray = image if self.resize is None else self.resize.apply(image)
        if self.scales is not None:
            (mean, std), (other_mean, other_std) = (np.array(SCALES[name]) for name in self.scales)
            values = 255 * (mean + std * (values / 255 - other_mean) / other_std)
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)

    def changes(self) -> Iterator[Change]:
        """Yield every change of one step that is tried."""
        if self.channels == "RGB":
            for channels, words in COLOR_ORDERS.items():
                yield Change("order of colors", words, replace(self, channels=channels))
        if self.own is not None:
            for step, words, resize in _other_resizes(self.own):
                yield Change(step, words, replace(self, resize=resize))
        for own, other in permutations(SHOWN_IN_PICTURES, 2):
            words = f"mean and deviation are {other}, in place of {own}"
            yield Change("mean and deviation", words, replace(self, scales=(own, other)))


def resizes() -> Iterator[Resize]:
    """Yield the resizes among which that of an embedder is looked for."""
    for side, squeezed, how in product(SIDES, (False, True), RESIZERS):
        yield Resize(side, squeezed, how)


def _other_resizes(own: Resize) -> Iterator[tuple[str, str, Resize]]:
    for how in RESIZERS:
        if how != own.how:
            yield "resize", f"pictures are resized to {own.side} pixels by {how}", replace(own, how=how)
    if own.squeezed:
        yield (
            "crop",
            f"the shorter side is resized to {own.side} pixels, and nothing squeezed",
            replace(own, squeezed=False),
        )
    else:
        yield "crop", f"pictures are squeezed into {own.side} x {own.side} pixels", replace(own, squeezed=True)
    for side in SIDES:
        if side != own.side:
            yield "input size", f"pictures are resized to {side} pixels", replace(own, side=side)
