"""Crops of one image, and the prediction of a model for them.

If the shorter side of an image is at most 1.5 times the view, only its central square, resized to the view, is embedded
(``direct``). A larger image is embedded as this square and as tiles (``combined``). The resized square shows color,
tone, style, overlays and composition; tiles show the blur, noise and compression that resizing erases. `join` combines
the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probing_core.measures.classification import softmax
from probing_core.transforms.transformation import ERASED_BY_REDUCTION, Image
from probing_core.transforms.view import central_square, resize

DIRECT, COMBINED = "direct", "combined"
"""Kinds of crops: the central square alone, or with tiles."""

DIRECT_UP_TO = 1.5
"""Largest shorter side of a ``direct`` image, in views."""

MAX_TILES = 9
"""Maximum number of tiles per image. With sixteen, no more edits were detected."""

ERASED_TILE_WEIGHT = 0.8
"""Weight of the tiles for groups that reduction erases."""

TILE_WEIGHT = 0.5
"""Weight of the tiles for all other groups."""

FLOOR = 1e-6
"""Smallest probability of a crop: a single very certain crop must not outweigh the others."""


@dataclass(frozen=True)
class Crops:
    """The crops of one image that models receive.

    Attributes:
        whole: the central square at the view's size.
        tiles: squares of the view's size at the image's own scale; none for an image of kind ``direct``.
    """

    whole: Image
    tiles: tuple[Image, ...] = ()

    @property
    def kind(self) -> str:
        return COMBINED if self.tiles else DIRECT

    @property
    def images(self) -> list[Image]:
        return [self.whole, *self.tiles]


def cut(image: Image, view: int) -> Crops:
    """Return the central square of ``image``, resized to ``view`` pixels, and the tiles of a large image."""
    full_image = resize(central_square(image), view)
    tiles = tuple(
        np.array(image[y : y + view, x : x + view], order="C")  # a copy, never the image's own memory
        for x, y in tile_corners(image.shape[0], image.shape[1], view)
    )
    return Crops(full_image, tiles)


def tile_corners(height: int, width: int, view: int) -> list[tuple[int, int]]:
    """Return x and y of the upper left corner of each tile, row by row; none for an image of kind
    ``direct``."""
    if min(height, width) <= DIRECT_UP_TO * view:
        return []
    rows, columns = _grid(height, width, view)
    return [(x, y) for y in _starts(height, view, rows) for x in _starts(width, view, columns)]


def _grid(height: int, width: int, view: int) -> tuple[int, int]:
    """Return rows and columns of tiles that cover the image as far as `MAX_TILES` allow, in its aspect ratio."""
    rows, columns = -(-height // view), -(-width // view)
    while rows * columns > MAX_TILES:
        if columns == 1 or (rows > 1 and rows / height >= columns / width):
            rows -= 1
        else:
            columns -= 1
    return rows, columns


def _starts(length: int, view: int, count: int) -> list[int]:
    if count == 1:
        return [(length - view) // 2]
    return [round(i * (length - view) / (count - 1)) for i in range(count)]


def join(probabilities: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Return probabilities (K,) of an image from the probabilities of its crops (1 + T, K), the full image first.

    The logit of a class is a weighted mean of log p of the whole and of the mean of log p over the tiles. Blur, noise
    and compression are taken from the tiles mostly, all other groups from both equally.

    Args:
        groups: (K,) of the classes.
    """
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), FLOOR))
    if len(logs) == 1:
        return probabilities[0] / probabilities[0].sum()
    weight = np.array([ERASED_TILE_WEIGHT if group in ERASED_BY_REDUCTION else TILE_WEIGHT for group in groups])
    return softmax((1 - weight) * logs[0] + weight * logs[1:].mean(0))


@dataclass(frozen=True, eq=False)
class Prediction:
    """What one model predicts for one image.

    Attributes:
        classes, groups: names of the K classes, and the group of each.
        probabilities: (K,), sums to 1.
        crop_probabilities: (1 + T, K) of the whole image, and of each of its tiles.
        embedding: (D,) of the whole image at the view's size.
    """

    model: str
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    probabilities: np.ndarray
    crop_probabilities: np.ndarray
    embedding: np.ndarray

    @property
    def kind(self) -> str:
        return COMBINED if len(self.crop_probabilities) > 1 else DIRECT


def predictions_of(
    model: str,
    classes: tuple[str, ...],
    groups: tuple[str, ...],
    crops: Sequence[Crops],
    probabilities: np.ndarray,
    embeddings: np.ndarray,
) -> list[Prediction]:
    """Return one prediction per image.

    Args:
        probabilities, embeddings: (P, K) and (P, D) of all crops, image after image, the whole before its tiles.
    """
    predictions, start = [], 0
    for image in crops:
        stop = start + len(image.images)
        # Copies: a view would keep the arrays of all images alive.
        crop_probabilities, embedding = probabilities[start:stop].astype(np.float64), embeddings[start].copy()
        predictions.append(
            Prediction(model, classes, groups, join(crop_probabilities, groups), crop_probabilities, embedding)
        )
        start = stop
    return predictions
