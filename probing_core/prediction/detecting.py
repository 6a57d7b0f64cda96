"""The detector's predictions of pictures of any size, in the form of every model's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probing_core.prediction.answer import Prediction, fuse_crops
from probing_core.prediction.detector import Detector
from probing_core.prediction.features import features
from probing_core.prediction.fusion import starting_rule
from probing_core.prediction.tiles import PictureCrops
from probing_core.runs.layout import DETECTOR


def detect(detector: Detector, crops: Sequence[PictureCrops]) -> list[Prediction]:
    """One prediction a picture; their crops are all of one size."""
    X = features([crop for picture in crops for crop in picture.pictures])
    probabilities = np.exp(detector.log_probabilities(X).astype(np.float64))
    rule = starting_rule(detector.groups)
    return fuse_crops(DETECTOR, detector.classes, detector.groups, rule, crops, probabilities, X, detector.distance)
