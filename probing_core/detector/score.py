"""How altered a picture seems to a probe, as one number, and which pictures have no color to judge."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from probing_core.images.quality import NEAR_GRAY
from probing_core.measures.probabilities import MIN_SCORED_PROBABILITY
from probing_core.transforms.base import Image

GRAY_SIDE = 64
"""Pixels at which the spread of the channels is measured: noise of single pixels has averaged out."""


def alteration_score(log_probabilities: np.ndarray, groups: Sequence[str], without_color: bool = False) -> np.ndarray:
    """Return (N,) the largest log odds of any alteration against identity.

    The largest, not the sum: thirty small probabilities of an untouched picture do not add up to an alarm.

    Args:
        log_probabilities: (N, K).
        groups: (K,) of the classes; ``identity`` among them.
        without_color: whether the color group is left out, as for pictures that have none.
    """
    group = np.asarray(groups)
    altered = (group != "identity") & ~(without_color & (group == "color"))
    untouched = np.logaddexp.reduce(log_probabilities[:, group == "identity"], axis=1)
    return log_probabilities[:, altered].max(1) - untouched


def log_of(probabilities: np.ndarray) -> np.ndarray:
    """Return natural logarithms, ``float64``, of ``probabilities``, none below `MIN_SCORED_PROBABILITY`."""
    return np.log(np.maximum(np.asarray(probabilities, np.float64), MIN_SCORED_PROBABILITY))


def has_no_color(image: Image) -> bool:
    """Return whether the mean spread of the channels (largest less smallest) lies below `NEAR_GRAY`."""
    small = cv2.resize(image, (GRAY_SIDE, GRAY_SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    return bool((small.max(2) - small.min(2)).mean() < NEAR_GRAY)


def turned_gray(image: Image) -> Image:
    """Return ``image`` with its luma in all three channels."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
