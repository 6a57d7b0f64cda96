"""The detector's predictions of pictures of any size, in the form of every model's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probing_core.prediction.answer import Prediction
from probing_core.prediction.detector import Detector
from probing_core.prediction.features import features
from probing_core.prediction.fusion import starting_rule
from probing_core.prediction.tiles import PictureCrops
from probing_core.runs.layout import DETECTOR


def detect(detector: Detector, crops: Sequence[PictureCrops]) -> list[Prediction]:
    """One prediction a picture; their crops are all of one size."""
    X = features([crop for picture in crops for crop in picture.pictures])
    probabilities = np.exp(detector.log_probabilities(X).astype(np.float64))
    starts = np.cumsum([0, *(len(picture.pictures) for picture in crops)])[:-1]
    distances = detector.distance(X[starts])
    fusion = starting_rule(detector.groups)
    predictions = []
    for picture, start, distance in zip(crops, starts, distances, strict=True):
        each = probabilities[start : start + len(picture.pictures)]
        fused = fusion.fuse(each[0], each[1:]) if picture.tiles else each[0]
        predictions.append(
            Prediction(
                DETECTOR,
                detector.classes,
                detector.groups,
                fused / fused.sum(),
                picture.kind,
                each,
                X[start],
                float(distance),
            )
        )
    return predictions
