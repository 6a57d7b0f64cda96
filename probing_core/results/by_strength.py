"""Results for one transformation: detection thresholds, accuracy by strength, and confusions."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from probing_core.measures.classification import ABOVE, BELOW
from probing_core.measures.statistics import with_place
from probing_core.results.ranking import encoders_of
from probing_core.results.summaries import pick, recalls

OTHERS = ""
"""Class in the row that combines all remaining classes."""


def most_sensitive_first(thresholds: pd.DataFrame, transform: str, falling: bool) -> pd.DataFrame:
    """Return the detection thresholds for one transformation, the most sensitive model first, without additional seeds.

    Args:
        thresholds: table of a run: ``model``, ``transform``, ``threshold``, ``low``, ``high``, ``censored``.
        transform: name of the transformation.
        falling: whether smaller numbers are stronger, as for JPEG quality.
    """
    rows = _of_transform(thresholds, transform)
    if rows.empty:
        return rows
    place = rows["censored"].map({BELOW: 0, ABOVE: 2}).fillna(1)
    sensitivity = -rows["threshold"] if falling else rows["threshold"]
    return rows.iloc[np.lexsort((sensitivity, place))].reset_index(drop=True)


def accuracy_by_strength(strength: pd.DataFrame, transform: str) -> pd.DataFrame:
    """Return the accuracy of every model by strength of one transformation, without additional seeds.

    Returns:
        ``model``, ``strength``, ``value`` with ``low`` and ``high`` (fractions), and ``images`` (number of images).
    """
    rows = _of_transform(strength, transform)
    names = {"hit_rate": "value", "hit_low": "low", "hit_high": "high"}
    return rows[["model", "strength", *names, "images"]].rename(columns=names) if len(rows) else rows


def predicted_classes(predictions: pd.DataFrame, transform: str, max_classes: int) -> pd.DataFrame:
    """Return how often each class is predicted for the samples of one transformation.

    The true class comes first, followed by the wrong classes predicted most often. The last row, with the class
    `OTHERS`, combines all remaining classes.

    Args:
        predictions: ``truth`` and ``predicted`` of each sample.
        transform: name of the transformation.
        max_classes: maximum number of wrong classes with a row of their own.

    Returns:
        ``predicted``, ``samples`` (number of samples), ``fraction`` (of the samples of the transformation) and
        ``classes`` (number of classes in the row).
    """
    predicted = predictions.loc[predictions["truth"] == transform, "predicted"].astype(str)
    counts = predicted.value_counts()
    confusions = counts.drop(transform, errors="ignore").sort_index().sort_values(ascending=False, kind="stable")
    table = [
        (transform, counts.get(transform, 0), 1),
        *((name, count, 1) for name, count in confusions.iloc[:max_classes].items()),
    ]
    other_classes = confusions.iloc[max_classes:]
    if len(other_classes):
        table.append((OTHERS, other_classes.sum(), len(other_classes)))
    rows = pd.DataFrame(table, columns=["predicted", "samples", "classes"])
    return rows.assign(fraction=rows["samples"] / max(1, len(predicted)))


def median_recall(scores: pd.DataFrame) -> pd.Series:
    """Return transformation -> median recall over encoders (each network once), or over baselines if there are none."""
    rows = recalls(scores, "transform")
    if rows.empty:
        return pd.Series(dtype=float)
    return encoders_of(rows).groupby("transform")["value"].median()


def median_thresholds(thresholds: pd.DataFrame, falling: Collection[str]) -> pd.Series:
    """Return transformation -> median detection threshold over encoders, or over baselines if there are no encoders.

    Each network counts once. The median is NaN if half of the models do not detect the transformation.

    Args:
        thresholds: table of a run.
        falling: transformations for which smaller numbers are stronger, as for JPEG quality.
    """
    if thresholds.empty:
        return pd.Series(dtype=float)
    rows = encoders_of(thresholds)
    sign = np.where(rows["transform"].isin(falling), -1.0, 1.0)
    weakest = (sign * rows["threshold"]).mask(rows["censored"] == ABOVE, np.inf)
    medians = weakest.groupby(rows["transform"]).median()
    return (medians * np.where(medians.index.isin(falling), -1.0, 1.0)).where(np.isfinite(medians))


def _of_transform(table: pd.DataFrame, transform: str) -> pd.DataFrame:
    rows = pick(table, transform=transform)
    return rows[rows["model"].isin(with_place(rows["model"].unique()))] if len(rows) else rows
