"""What one model predicts of one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probing_core.compute.live.tiles import PictureCrops, join, kind_of, positions_of_wholes


@dataclass(frozen=True, eq=False)
class Prediction:
    """What one model predicts of one picture.

    Attributes:
        classes, groups: names of the K classes, and the group of each.
        probabilities: (K,), sums to 1.
        crop_probabilities: (1 + T, K) of the whole picture, and of each of its tiles.
        embedding: (D,) of the whole picture at the view's size.
    """

    model: str
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    probabilities: np.ndarray
    crop_probabilities: np.ndarray
    embedding: np.ndarray

    @property
    def kind(self) -> str:
        """``direct`` or ``combined``, as in `PictureCrops`."""
        return kind_of(self.crop_probabilities)


def predictions_of(
    model: str,
    classes: tuple[str, ...],
    groups: tuple[str, ...],
    crops: Sequence[PictureCrops],
    probabilities: np.ndarray,
    embeddings: np.ndarray,
) -> list[Prediction]:
    """Return one prediction a picture.

    Args:
        classes, groups: (K,), as in `Prediction`.
        probabilities, embeddings: (P, K) and (P, D) of all crops, picture after picture, the whole before its tiles.
    """
    predictions = []
    # Copies: a prediction that is kept would keep what was computed of all others with it.
    for picture, start in zip(crops, positions_of_wholes(crops), strict=True):
        each = probabilities[start : start + len(picture.pictures)].astype(np.float64)
        predictions.append(Prediction(model, classes, groups, join(each, groups), each, embeddings[start].copy()))
    return predictions
