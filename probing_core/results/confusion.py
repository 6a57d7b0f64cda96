"""Confusion matrices from a table of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

Normalization = Literal["row", "column", "none"]


def confusion_matrix(
    predictions: pd.DataFrame, classes: Sequence[str], normalize: Normalization = "row", truth: str = "truth"
) -> pd.DataFrame:
    """Count how often each class was taken for each.

    Args:
        predictions: rows with ``truth`` and ``predicted``.
        classes: the columns, and the rows unless ``truth`` names another column.
        normalize: ``row`` gives the share of a true class (each row sums to 1), ``column`` that of a predicted
            class, ``none`` counts.
        truth: the column whose values are the rows.

    Returns:
        Truth in rows, predictions in columns; a row or column without samples is NaN when normalized by it.
    """
    rows = list(classes) if truth == "truth" else list(dict.fromkeys(predictions[truth]))
    counts = pd.crosstab(predictions[truth], predictions["predicted"])
    counts = counts.reindex(index=rows, columns=list(classes), fill_value=0).astype(float)
    if normalize == "row":
        counts = counts.div(counts.sum(axis=1).replace(0, np.nan), axis=0)
    elif normalize == "column":
        counts = counts.div(counts.sum(axis=0).replace(0, np.nan), axis=1)
    return counts.rename_axis(index="truth", columns="predicted")
