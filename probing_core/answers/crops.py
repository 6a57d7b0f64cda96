"""Crops of one image, and the prediction of a model from these crops.

If the shorter side of an image is at most 1.5 times the view, only its central square, resized to the view, is embedded
(``direct``). For a larger image, tiles are embedded in addition (``combined``). The resized square shows color, tone,
style, overlays and composition; tiles show the blur, noise and compression that resizing erases. `join` combines the
probabilities of the square and the tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probing_core.images.quality import is_flat
from probing_core.measures.classification import softmax
from probing_core.transforms.transformation import ERASED_BY_REDUCTION, Image
from probing_core.transforms.view import central_square, resize

DIRECT, COMBINED = "direct", "combined"
"""Kinds of crops: the central square alone, or the central square with tiles."""

DIRECT_UP_TO = 1.5
"""Maximum shorter side of a ``direct`` image, as a multiple of the view's side."""

MAX_TILES = 9
"""Maximum number of tiles per image. Sixteen tiles did not increase the number of detected edits."""

ERASED_TILE_WEIGHT = 0.8
"""Weight of the tiles for groups that downsampling erases."""

TILE_WEIGHT = 0.5
"""Weight of the tiles for all other groups."""

FLOOR = 1e-6
"""Minimum probability of a class for a crop, so that a single very certain crop does not outweigh all others."""


@dataclass(frozen=True)
class Crops:
    """The crops of one image that models receive.

    Attributes:
        whole: the central square at the view's size.
        tiles: squares of the view's size at the image's original scale; empty for kind ``direct``.
        is_flat: whether the image may not be a photograph (`probing_core.images.quality.is_flat`).
    """

    whole: Image
    tiles: tuple[Image, ...] = ()
    is_flat: bool = False

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
    return Crops(full_image, tiles, is_flat(image))


def tile_corners(height: int, width: int, view: int) -> list[tuple[int, int]]:
    """Return (x, y) of the upper left corner of each tile in pixels, row by row; empty for kind ``direct``."""
    if min(height, width) <= DIRECT_UP_TO * view:
        return []
    rows, columns = _grid(height, width, view)
    return [(x, y) for y in _starts(height, view, rows) for x in _starts(width, view, columns)]


def _grid(height: int, width: int, view: int) -> tuple[int, int]:
    """Return the numbers of rows and columns of tiles.

    Tiles cover the image if `MAX_TILES` suffice; otherwise, rows and columns are reduced in its aspect ratio.
    """
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
    """Return the class probabilities (K,) of an image from those of its crops.

    The logit of a class is a weighted mean of log p for the full image and the mean of log p over the tiles. Tiles have
    more weight for blur, noise and compression, and equal weight for all other groups.

    Args:
        probabilities: (1 + T, K) of the full image and of each of its T tiles, in this order.
        groups: (K,) group of each class.
    """
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), FLOOR))
    if len(logs) == 1:
        return probabilities[0] / probabilities[0].sum()
    weight = np.array([ERASED_TILE_WEIGHT if group in ERASED_BY_REDUCTION else TILE_WEIGHT for group in groups])
    return softmax((1 - weight) * logs[0] + weight * logs[1:].mean(0))


@dataclass(frozen=True, eq=False)
class Prediction:
    """Prediction of one model for one image.

    Attributes:
        model: name of the model.
        classes: names of the K classes.
        groups: group of each class.
        probabilities: (K,) class probabilities, which sum to 1.
        crop_probabilities: (1 + T, K) of the full image and of each of its T tiles, in this order.
        embedding: (D,) of the full image at the view's size.
        is_flat: whether the image may not be a photograph, as in `Crops`.
    """

    model: str
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    probabilities: np.ndarray
    crop_probabilities: np.ndarray
    embedding: np.ndarray
    is_flat: bool = False

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
        model: name of the model.
        classes: names of the K classes.
        groups: group of each class.
        crops: crops of each image.
        probabilities, embeddings: (P, K) and (P, D) of all P crops, image by image, the full image before its tiles.
    """
    predictions, start = [], 0
    for image in crops:
        stop = start + len(image.images)
        # Copies: a view would keep the arrays of all images alive.
        crop_probabilities, embedding = probabilities[start:stop].astype(np.float64), embeddings[start].copy()
        joined = join(crop_probabilities, groups)
        predictions.append(Prediction(model, classes, groups, joined, crop_probabilities, embedding, image.is_flat))
        start = stop
    return predictions
