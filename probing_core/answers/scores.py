"""The edit score of an image: how much more probable a transformation is than none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probing_core.answers.crops import Prediction
from probing_core.measures.classification import MIN_SCORED_PROBABILITY


def edit_score(log_probabilities: np.ndarray, groups: Sequence[str], without_color: bool = False) -> np.ndarray:
    """Return (N,) the largest log odds of any transformation against identity; NaN where no transformation is left.

    The largest, not the sum: thirty small probabilities of a clean image do not add up to an edit.

    Args:
        log_probabilities: (N, K).
        groups: (K,) of the classes; ``identity`` among them.
        without_color: whether the color group is left out, as the detector does for images that have no color.
    """
    group = np.asarray(groups)
    edits = (group != "identity") & ~(without_color & (group == "color"))
    if not edits.any():  # the run knows color transformations alone, and the image has no color
        return np.full(len(log_probabilities), np.nan)
    clean = np.logaddexp.reduce(log_probabilities[:, group == "identity"], axis=1)
    return log_probabilities[:, edits].max(1) - clean


def score_of(prediction: Prediction, no_color: bool = False, whole_only: bool = False) -> float:
    """Return the edit score of an image: of whole and tiles joined, or of the whole alone."""
    probabilities = prediction.crop_probabilities[:1] if whole_only else prediction.probabilities[None]
    return float(edit_score(log_of(probabilities), prediction.groups, no_color)[0])


def scores_of_crops(prediction: Prediction, no_color: bool = False) -> np.ndarray:
    """Return (1 + T,) the edit score of each crop, the whole first."""
    return edit_score(log_of(prediction.crop_probabilities), prediction.groups, no_color)


def log_of(probabilities: np.ndarray) -> np.ndarray:
    """Return natural logarithms, ``float64``, of ``probabilities``, clipped below at `MIN_SCORED_PROBABILITY`."""
    return np.log(np.maximum(np.asarray(probabilities, np.float64), MIN_SCORED_PROBABILITY))


def given_edited(probabilities: np.ndarray, groups: Sequence[str], without_color: bool = False) -> np.ndarray:
    """Return ``probabilities`` (..., K) given that the image was edited: 0 for identity, with sums of 1."""
    group = np.asarray(groups)
    excluded = (group == "identity") | (without_color & (group == "color"))
    p = np.where(excluded, 0.0, np.asarray(probabilities, np.float64))
    return p / np.maximum(p.sum(-1, keepdims=True), MIN_SCORED_PROBABILITY)
