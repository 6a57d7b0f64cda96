"""Confusion matrices from a table of predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def confusion_matrix(predictions: pd.DataFrame, classes: Sequence[str], truth: str = "truth") -> pd.DataFrame:
    """Return the share of each true class that was taken for each class.

    Args:
        predictions: rows with ``truth`` and ``predicted``.
        classes: the columns, and the rows unless ``truth`` names another column.
        truth: the column whose values are the rows.

    Returns:
        Truth in rows, predictions in columns; each row sums to 1, and one without samples is NaN.
    """
    rows = list(classes) if truth == "truth" else list(dict.fromkeys(predictions[truth]))
    counts = pd.crosstab(predictions[truth], predictions["predicted"])
    counts = counts.reindex(index=rows, columns=list(classes), fill_value=0).astype(float)
    return counts.div(counts.sum(axis=1).replace(0, np.nan), axis=0).rename_axis(index="truth", columns="predicted")
