"""The detector's predictions of pictures of any size, in the form of every model's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probing_core.compute.live import PictureCrops, Prediction, predictions_of
from probing_core.compute.names import DETECTOR
from probing_core.detector.detector import Detector
from probing_core.detector.features import features


def detect(detector: Detector, crops: Sequence[PictureCrops]) -> list[Prediction]:
    """Return one prediction a picture; their crops are all of one size."""
    X = features([crop for picture in crops for crop in picture.pictures])
    probabilities = np.exp(detector.log_probabilities(X).astype(np.float64))
    return predictions_of(DETECTOR, detector.classes, detector.groups, crops, probabilities, X)
