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
"""Value of the column ``predicted`` in the row that combines all remaining classes."""


def most_sensitive_first(thresholds: pd.DataFrame, transform: str, falling: bool) -> pd.DataFrame:
    """Sort the detection thresholds for one transformation by sensitivity, starting with the most sensitive model.

    Additional seeds are excluded.

    Args:
        thresholds: table with the columns ``model``, ``transform``, ``threshold``, ``low``, ``high`` and ``censored``.
        transform: name of the transformation.
        falling: whether smaller values are stronger, as for JPEG quality.
    """
    rows = _of_transform(thresholds, transform)
    if rows.empty:
        return rows
    place = rows["censored"].map({BELOW: 0, ABOVE: 2}).fillna(1)
    sensitivity = -rows["threshold"] if falling else rows["threshold"]
    return rows.iloc[np.lexsort((sensitivity, place))].reset_index(drop=True)


def accuracy_by_strength(strength: pd.DataFrame, transform: str) -> pd.DataFrame:
    """Return the accuracy of every model at each strength of one transformation. Additional seeds are excluded.

    Returns:
        Table with the columns ``model``, ``strength``, ``value`` (a fraction), ``low`` and ``high`` (95% CI), and
        ``images`` (number of images).
    """
    rows = _of_transform(strength, transform)
    names = {"hit_rate": "value", "hit_low": "low", "hit_high": "high"}
    return rows[["model", "strength", *names, "images"]].rename(columns=names) if len(rows) else rows


def predicted_classes(predictions: pd.DataFrame, transform: str, max_classes: int) -> pd.DataFrame:
    """Count the predicted classes for the samples of one transformation.

    The first row is the true class. It is followed by the incorrect classes, most frequent first. If classes remain,
    the last row (`OTHERS`) combines them.

    Args:
        predictions: table with the columns ``truth`` and ``predicted``.
        transform: name of the transformation.
        max_classes: maximum number of incorrect classes with a separate row.

    Returns:
        Table with the columns ``predicted``, ``samples`` (number of samples), ``fraction`` (fraction of the samples of
        the transformation) and ``classes`` (number of classes that the row combines).
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
    """Compute the median recall of each transformation over encoders, or over baselines if there are no encoders.

    Each network counts once.
    """
    rows = recalls(scores, "transform")
    if rows.empty:
        return pd.Series(dtype=float)
    return encoders_of(rows).groupby("transform")["value"].median()


def median_thresholds(thresholds: pd.DataFrame, falling: Collection[str]) -> pd.Series:
    """Compute the median detection threshold of each transformation over encoders.

    If there are no encoders, baselines are used. Each network counts once. The median is NaN if at least half of
    the models do not detect the transformation.

    Args:
        thresholds: threshold table of a run.
        falling: names of transformations for which smaller values are stronger, such as JPEG quality.
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
