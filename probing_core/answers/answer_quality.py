"""Measure the quality of answers: detection of edits, and calibration of probabilities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from probing_core.answers.answer import PRIOR
from probing_core.answers.calibration import calibration_error, reliability_bins, weights
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.statistics import ClusterSums, Interval, interval


class Quality(NamedTuple):
    """Quality of the answers of one model.

    Attributes:
        kept: fraction of clean images with a predicted probability of at most 0.5.
        found: fraction of edited images with a predicted probability above 0.5. All groups have the same weight.
        accuracy: balanced accuracy over clean and edited images, with its confidence interval over photographs.
        named: fraction of detected edits whose group is predicted correctly.
        error: calibration error (`calibration_error`).
    """

    kept: float
    found: float
    accuracy: Interval
    named: float
    error: float


def quality(rows: pd.DataFrame) -> Quality:
    """Compute the quality of the answers of one model.

    Args:
        rows: one row per image, with the columns ``photograph``, ``group``, ``altered`` (probability that the image was
            edited) and ``named`` (most probable group given an edit).
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
    """Compute the balanced accuracy of classifying images as edited or clean, as sums by photograph."""
    is_edited, flagged = _edited_and_found(rows)
    return balanced_accuracy(is_edited.astype(np.int64), flagged.astype(np.int64), rows["photograph"].to_numpy())


def reliability(rows: pd.DataFrame) -> pd.DataFrame:
    """Compute the data of a reliability diagram for the answers of one model (see `reliability_bins`)."""
    return reliability_bins(rows["altered"].to_numpy(), _edited_and_found(rows)[0], weights(rows["group"]))


def _edited_and_found(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return (rows["group"] != "identity").to_numpy(), (rows["altered"] > 0.5).to_numpy()
