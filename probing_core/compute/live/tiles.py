"""What embedders receive of a picture of any size: the whole of it, reduced, and tiles at its own scale.

A picture whose shorter side is within 1.5 times the view is embedded as it is (``direct``). A larger one is embedded
as a whole and as tiles (``combined``): reduced to the view, it shows color, tone, style, overlays and composition;
tiles show the blur, noise and compression that reduction erases. `join` makes one answer of the two.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass

import numpy as np

from probing_core.measures.classification import softmax
from probing_core.transforms.base import ERASED_BY_REDUCTION, Image
from probing_core.transforms.view import central_square, resize

DIRECT_UP_TO = 1.5
MAX_TILES = 9
"""Of a picture of any size. Sixteen were tried and gained nothing."""

FROM_TILES, FROM_BOTH = 0.8, 0.5
"""Weight of the tiles in the answer: for groups that reduction erases, and for the others."""

FLOOR = 1e-6
"""Smallest probability that enters the answer: no crop outweighs the others by being sure alone."""


@dataclass(frozen=True)
class PictureCrops:
    """What embedders receive of one picture.

    Attributes:
        whole: the central square at the view's size.
        tiles: squares of the view's size at the picture's own scale; none of a picture that is embedded as it is.
    """

    whole: Image
    tiles: tuple[Image, ...] = ()

    @property
    def kind(self) -> str:
        """``direct`` or ``combined``."""
        return kind_of(self.pictures)

    @property
    def pictures(self) -> list[Image]:
        return [self.whole, *self.tiles]


def kind_of(crops: Sized) -> str:
    """Return ``direct`` of the whole alone, ``combined`` of it and tiles."""
    return "combined" if len(crops) > 1 else "direct"


def positions_of_wholes(crops: Sequence[PictureCrops]) -> np.ndarray:
    """Return (N,) positions of the wholes among all pictures of ``crops``, one after another."""
    return np.cumsum([0, *(len(picture.pictures) for picture in crops)])[:-1]


def join(probabilities: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Return probabilities (K,) of a picture from those of its crops (1 + T, K), the whole first.

    The logit of a class is a weighted mean of log p by the whole and of the mean of log p by the tiles. Blur, noise and
    compression are taken from the tiles mostly, everything else from both alike.

    Args:
        groups: (K,) the group of each class.
    """
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), FLOOR))
    if len(logs) == 1:
        return probabilities[0] / probabilities[0].sum()
    weight = np.array([FROM_TILES if group in ERASED_BY_REDUCTION else FROM_BOTH for group in groups])
    return softmax((1 - weight) * logs[0] + weight * logs[1:].mean(0))


def cut(image: Image, view: int, most_tiles: int = MAX_TILES) -> PictureCrops:
    """Cut the whole and the tiles of ``image`` for probes of ``view`` pixels."""
    height, width = image.shape[:2]
    whole = resize(central_square(image), view)
    if min(height, width) <= DIRECT_UP_TO * view:
        return PictureCrops(whole)
    rows, columns = _grid(height, width, view, most_tiles)
    tiles = tuple(
        np.array(image[y : y + view, x : x + view], order="C")  # never the picture's own memory
        for y in _starts(height, view, rows)
        for x in _starts(width, view, columns)
    )
    return PictureCrops(whole, tiles)


def _grid(height: int, width: int, view: int, most: int) -> tuple[int, int]:
    """Return rows and columns of tiles that cover the picture as far as ``most`` allow, in its own aspect ratio."""
    rows, columns = -(-height // view), -(-width // view)
    while rows * columns > most:
        if columns == 1 or (rows > 1 and rows / height >= columns / width):
            rows -= 1
        else:
            columns -= 1
    return rows, columns


def _starts(length: int, view: int, count: int) -> list[int]:
    if count == 1:
        return [(length - view) // 2]
    return [round(i * (length - view) / (count - 1)) for i in range(count)]
