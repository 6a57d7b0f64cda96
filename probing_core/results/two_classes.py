"""Which model separates two classes best."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.statistics import interval
from probing_core.results.ranking import SIGNIFICANCE, accuracy_of, against_best, has_place, in_order

COLUMNS = ["truth", "predicted", "correct", "base_id"]
"""Of the predictions, all that counts here."""


def tell_apart(predictions: Mapping[str, pd.DataFrame], first: str, second: str) -> pd.DataFrame:
    """Compare every model on the samples of two classes, best first.

    A sample is right where the probe names its class, among all classes of the task. Intervals and p are clustered and
    paired by base photograph, as in `leaderboard`.

    Args:
        predictions: model -> rows of `Run.predictions`, of the same samples for every model.
        first, second: names of two classes.

    Returns:
        ``model``, ``seed_of`` (as in `leaderboard`), ``value`` (mean of the two recalls), ``low``, ``high``, ``first``
        and ``second`` (recall of each), ``first_as_second``, ``second_as_first`` (share of the one that is taken for
        the other), ``samples``, ``bases``, ``p`` against the best and ``apart``. Models without such samples are left
        out.
    """
    rows, accuracies = [], {}
    for model, table in predictions.items():
        both = table.loc[table["truth"].isin((first, second)), COLUMNS] if len(table) else table
        if both.empty:
            continue
        a, b = both[both["truth"] == first], both[both["truth"] == second]
        truth, predicted, base = (both[c].to_numpy(str) for c in ("truth", "predicted", "base_id"))
        found = interval(balanced_accuracy(truth, predicted, base), low=0, high=1)
        rows.append(
            {
                "model": model,
                "value": found.value,
                "low": found.low,
                "high": found.high,
                "first": a["correct"].mean(),
                "second": b["correct"].mean(),
                "first_as_second": (a["predicted"] == second).mean(),
                "second_as_first": (b["predicted"] == first).mean(),
                "samples": len(both),
                "bases": found.clusters,
            }
        )
        accuracies[model] = accuracy_of(both)
    if not rows:
        return pd.DataFrame()
    board = in_order(pd.DataFrame(rows)).assign(p=np.nan)
    placed = has_place(board)
    board.loc[placed, "p"] = [np.nan, *against_best([accuracies[model] for model in board.loc[placed, "model"]])]
    return board.assign(apart=board["p"] < SIGNIFICANCE)
