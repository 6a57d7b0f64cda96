"""Quality of the answers of models: how many edits they detect, and whether a stated 70% means 70%."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from probing_core.answers.answer import PRIOR
from probing_core.answers.calibration import calibration_error, reliability_bins, weights
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.statistics import ClusterSums, Interval, interval


class Quality(NamedTuple):
    """Quality of the answers of one model, with half of the weight on clean images.

    Attributes:
        kept: fraction of clean images with a probability of at most 0.5.
        found: fraction of edited images with a probability above 0.5; all groups have equal weight.
        accuracy: balanced accuracy with equal weight for all edited images, with its interval over photographs.
        named: fraction of the detected edits whose group is predicted correctly.
        error: calibration error, the mean distance between the stated probability and the fraction of edited images.
    """

    kept: float
    found: float
    accuracy: Interval
    named: float
    error: float


def quality(rows: pd.DataFrame) -> Quality:
    """Return the quality of the answers of one model.

    Args:
        rows: one row per image: ``photograph``, ``group``, ``altered`` (the probability that the image was edited) and
            ``named`` (the most probable group given an edit).
    """
    is_edited, flagged = _edited_and_found(rows)
    weight = weights(rows["group"])
    right = (rows["named"] == rows["group"])[is_edited & flagged]
    return Quality(
        kept=float(weight[~is_edited & ~flagged].sum() / (1 - PRIOR)),
        found=float(weight[is_edited & flagged].sum() / PRIOR),
        accuracy=interval(accuracy(rows), low=0, high=1),
        named=float(right.mean()) if len(right) else np.nan,
        error=calibration_error(rows["altered"].to_numpy(), is_edited, weight),
    )


def accuracy(rows: pd.DataFrame) -> ClusterSums:
    """Return the balanced accuracy of one model at separating edited from clean images, as sums by photograph."""
    is_edited, flagged = _edited_and_found(rows)
    return balanced_accuracy(is_edited.astype(np.int64), flagged.astype(np.int64), rows["photograph"].to_numpy())


def reliability(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the reliability of the answers of one model, as in `reliability_bins`."""
    return reliability_bins(rows["altered"].to_numpy(), _edited_and_found(rows)[0], weights(rows["group"]))


def _edited_and_found(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return (rows["group"] != "identity").to_numpy(), (rows["altered"] > 0.5).to_numpy()
