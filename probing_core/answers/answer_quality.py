"""How far answers of models can be trusted: how many edits they detect, and whether 70% means 70%."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from probing_core.answers.answer import PRIOR
from probing_core.answers.calibration import calibration_error, reliability_bins, weights
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.statistics import ClusterSums, Interval, interval


class Quality(NamedTuple):
    """Quality of the answers of one model, where clean images have half of the weight.

    Attributes:
        kept: fraction of clean images with a probability of at most one half.
        found: fraction of edited images with a larger one; groups weigh the same.
        accuracy: balanced accuracy in which every edited image weighs the same, with its interval over photographs.
        named: fraction of the detected edits whose group is right.
        error: mean distance between the stated probability and the fraction that is edited.
    """

    kept: float
    found: float
    accuracy: Interval
    named: float
    error: float


def quality(rows: pd.DataFrame) -> Quality:
    """Return the quality of the answers of one model: ``photograph``, ``group``, ``altered`` (the probability that it
    was edited) and ``named`` (the most probable group if it was)."""
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
    """Return the reliability of the answers of one model, see `reliability_bins`."""
    return reliability_bins(rows["altered"].to_numpy(), _edited_and_found(rows)[0], weights(rows["group"]))


def _edited_and_found(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return (rows["group"] != "identity").to_numpy(), (rows["altered"] > 0.5).to_numpy()
