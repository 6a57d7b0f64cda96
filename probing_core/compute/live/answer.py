"""What one model predicts of one picture, and what it predicts with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from probing_core.compute.live.fusion import FusionRule, starting_rule
from probing_core.compute.live.novelty import Novelty
from probing_core.compute.live.tiles import PictureCrops, kind_of, positions_of_wholes
from probing_core.probes.base import LinearProbe
from probing_core.transforms import resolve
from probing_core.transforms.base import GROUPS


@dataclass(frozen=True, eq=False)
class Prediction:
    """What one model predicts of one picture.

    Attributes:
        classes, groups: names of the K classes, and the group of each.
        probabilities: (K,), sums to 1.
        crop_probabilities: (1 + T, K) of the whole picture, and of each of its tiles.
        embedding: (D,) of the whole picture at the view's size.
        distance: of that from all that the probe learned from; above 1 it is strange. NaN where the run has no
            `Novelty` of the model.
    """

    model: str
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    probabilities: np.ndarray
    crop_probabilities: np.ndarray
    embedding: np.ndarray
    distance: float = float("nan")

    @property
    def kind(self) -> str:
        """``direct`` or ``combined``, as in `PictureCrops`."""
        return kind_of(self.crop_probabilities)

    @property
    def known(self) -> bool:
        """Whether the picture is like those that the probe learned from; if not, its probabilities mean little."""
        return not self.distance > 1

    @property
    def by_group(self) -> dict[str, float]:
        """Group -> probability; the groups of the classes, in the order of `GROUPS`."""
        return {
            group: float(sum(p for p, g in zip(self.probabilities, self.groups, strict=True) if g == group))
            for group in GROUPS
            if group in self.groups
        }


@dataclass(frozen=True, eq=False)
class LiveProbe:
    """Probe, fusion and novelty of the live predictions of one model.

    Attributes:
        linear: the probe that learned from pictures as visitors bring them.
        learned_fusion: of a whole picture and its tiles; None: the starting rule.
        novelty: None where the run has none of the model.
    """

    linear: LinearProbe
    learned_fusion: FusionRule | None = None
    novelty: Novelty | None = None

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The group of each class."""
        return tuple(resolve(name).group for name in self.linear.classes)

    @cached_property
    def fusion(self) -> FusionRule:
        return starting_rule(self.groups) if self.learned_fusion is None else self.learned_fusion

    def predict(self, model: str, embeddings: np.ndarray, crops: Sequence[PictureCrops]) -> list[Prediction]:
        """Return one prediction a picture.

        Args:
            embeddings: (P, D) of all crops, picture after picture, the whole before its tiles.
        """
        probabilities = self.linear.probabilities(embeddings).astype(np.float64)
        wholes = embeddings[positions_of_wholes(crops)]
        distances = self.novelty.distance(wholes) if self.novelty else np.full(len(wholes), np.nan)
        classes = self.linear.classes
        return fuse_crops(model, classes, self.groups, self.fusion, crops, probabilities, embeddings, distances)


def fuse_crops(
    model: str,
    classes: tuple[str, ...],
    groups: tuple[str, ...],
    fusion: FusionRule,
    crops: Sequence[PictureCrops],
    probabilities: np.ndarray,
    embeddings: np.ndarray,
    distances: np.ndarray,
) -> list[Prediction]:
    """Return one prediction a picture.

    Args:
        classes, groups: (K,), as in `Prediction`.
        probabilities, embeddings: (P, K) and (P, D) of all crops, picture after picture, the whole before its tiles.
        distances: (N,) of the wholes, as in `Prediction`.
    """
    predictions = []
    # Copies: a prediction that is kept would keep what was computed of all others with it.
    for picture, start, far in zip(crops, positions_of_wholes(crops), distances, strict=True):
        each = probabilities[start : start + len(picture.pictures)].copy()
        fused = fusion.fuse(each[0], each[1:]) if picture.tiles else each[0]
        fused = fused / fused.sum()
        predictions.append(Prediction(model, classes, groups, fused, each, embeddings[start].copy(), float(far)))
    return predictions
