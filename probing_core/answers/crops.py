"""Cut an image into crops, and combine the predictions for its crops.

If the shorter side of an image is at most 1.5 times the view size, only its resized central square is embedded
(``direct``). For larger images, tiles at the original resolution are also embedded (``combined``). The central square
shows color, tone, style, overlays and composition, while tiles show traces of blur, noise and compression that resizing
removes. `join` combines the probabilities of the central square and the tiles.
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
"""Kinds of images: embedded without tiles, and embedded with tiles."""

DIRECT_UP_TO = 1.5
"""Maximum length of the shorter side of ``direct`` images, as a multiple of the view size."""

MAX_TILES = 9
"""Maximum number of tiles per image. Sixteen tiles did not increase the number of detected edits."""

ERASED_TILE_WEIGHT = 0.8
"""Weight of the tiles for groups whose traces are removed by downsampling."""

TILE_WEIGHT = 0.5
"""Weight of the tiles for groups whose traces are not removed by downsampling."""

FLOOR = 1e-6
"""Minimum class probability for a crop, so that a single crop with extreme probabilities does not dominate."""


@dataclass(frozen=True)
class Crops:
    """Crops of one image, as passed to models.

    Attributes:
        whole: central square, resized to the view size.
        tiles: crops of the view size at the original resolution; empty for the kind ``direct``.
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


def cut(image: Image, view: int, small: Image | None = None) -> Crops:
    """Crop the central square of ``image`` and resize it to ``view`` pixels.

    If the image is large, also cut it into tiles.

    Args:
        small: result of `probing_core.images.quality.as_measured` for ``image``, if already computed.
    """
    full_image = resize(central_square(image), view)
    tiles = tuple(
        np.array(image[y : y + view, x : x + view], order="C")  # copy, so that the full image can be freed
        for x, y in tile_corners(image.shape[0], image.shape[1], view)
    )
    return Crops(full_image, tiles, is_flat(image if small is None else small))


def tile_corners(height: int, width: int, view: int) -> list[tuple[int, int]]:
    """Return the upper-left corner (x, y) of each tile in pixels, row by row.

    The list is empty for images of the kind ``direct``.
    """
    if min(height, width) <= DIRECT_UP_TO * view:
        return []
    rows, columns = _grid(height, width, view)
    return [(x, y) for y in _starts(height, view, rows) for x in _starts(width, view, columns)]


def _grid(height: int, width: int, view: int) -> tuple[int, int]:
    """Return the numbers of rows and columns of tiles.

    Tiles cover the image if `MAX_TILES` tiles are sufficient. Otherwise, the numbers of rows and columns are reduced
    according to the aspect ratio of the image.
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
    """Combine the class probabilities of the crops of an image.

    The logit of a class is a weighted mean of its log probability for the central square and its mean log probability
    over tiles. Tiles have a higher weight than the central square for groups whose traces are removed by downsampling,
    and the same weight for all other groups.

    Args:
        probabilities: (1 + T, K) class probabilities of the central square and of each of the T tiles, in this order.
        groups: (K,) group of each class.

    Returns:
        (K,) class probabilities of the image.
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
        crop_probabilities: (1 + T, K) class probabilities of the central square and of each of the T tiles, in this
            order.
        embedding: (D,) embedding of the central square.
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
    """Combine the predictions for crops into one prediction per image.

    Args:
        model: name of the model.
        classes: names of the K classes.
        groups: group of each class.
        crops: crops of each image.
        probabilities: (P, K) class probabilities of all P crops, ordered by image, with the central square before the
            tiles.
        embeddings: (P, D) embeddings of the crops, in the same order.
    """
    predictions, start = [], 0
    for image in crops:
        stop = start + len(image.images)
        # Copy the arrays, because views would keep the arrays of all images in memory.
        crop_probabilities, embedding = probabilities[start:stop].astype(np.float64), embeddings[start].copy()
        joined = join(crop_probabilities, groups)
        predictions.append(Prediction(model, classes, groups, joined, crop_probabilities, embedding, image.is_flat))
        start = stop
    return predictions
