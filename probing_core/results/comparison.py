"""Models of a run compared on the same photographs: difference, its interval, and how likely chance gives as much."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.errors import UnknownName
from probing_core.measures import interval
from probing_core.measures.cluster_sums import difference
from probing_core.measures.paired_tests import holm
from probing_core.results.ranking import AccuracySums, accuracy, paired_p, scores_of, sums_over
from probing_core.results.run import Run

COLUMNS = ("model", "place", "value", "low", "high", "difference", "difference_low", "difference_high", "p", "bases")


def place_among(run: Run, model: str, task: str = "fine", subset: str = "all") -> pd.DataFrame:
    """Return every model of a run, best first, and how far ``model`` is from each.

    Columns: ``model``, ``place`` (1 the best), ``value``, ``low`` and ``high`` of its score; of the score of ``model``
    less its own ``difference`` with the 95 % interval ``difference_low`` to ``difference_high`` (bootstrap over the
    photographs that both were tested on) and ``p`` (paired sign flips by photograph, corrected by Holm over the other
    models); ``bases``, the number of these photographs. NaN in the row of ``model``.

    Raises:
        UnknownName: the run has no score of ``model``.
    """
    board = scores_of(run, task, subset)
    if board.empty or model not in set(board["model"]):
        there = ", ".join(board["model"]) if not board.empty else "none"
        raise UnknownName(f"The run has no score of '{model}' at the task '{task}' ({subset}). It has: {there}.")
    board = board.sort_values("value", ascending=False, kind="stable", ignore_index=True)
    mine = accuracy(run, model, task, subset)
    others = [name for name in board["model"] if name != model]
    theirs = {name: accuracy(run, name, task, subset) for name in others}
    p = dict(zip(others, holm(paired_p(mine, list(theirs.values()))), strict=True))
    rows = []
    for place, row in enumerate(board.to_dict("records"), 1):
        about = {"model": row["model"], "place": place, **{name: row[name] for name in ("value", "low", "high")}}
        apart = _difference(mine, theirs[row["model"]]) if row["model"] != model else (np.nan, np.nan, np.nan, 0)
        rows.append((*about.values(), *apart[:3], p.get(row["model"], np.nan), apart[3]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def recall_beside(run: Run, model: str, other: str, task: str = "fine") -> pd.DataFrame:
    """Return ``group``, the recall of ``model`` in each group of transforms, that of ``other``, and their
    ``difference``, the largest first.
    """
    scores = run.scores
    rows = scores[
        (scores["task"] == task) & (scores["measure"] == "recall") & scores["subset"].str.startswith("group:")
    ]
    table = rows.pivot_table(index="subset", columns="model", values="value").reindex(columns=[model, other])
    table = table.rename(columns={model: "recall", other: "recall_other"}).reset_index()
    table = table.assign(
        group=table["subset"].str.removeprefix("group:"), difference=table["recall"] - table["recall_other"]
    )
    columns = ["group", "recall", "recall_other", "difference"]
    return table.sort_values("difference", ascending=False, ignore_index=True)[columns]


def _difference(mine: AccuracySums, other: AccuracySums) -> tuple[float, float, float, int]:
    """Return the difference, both ends of its interval, and the number of photographs that both were tested on."""
    if mine.sums is None or other.sums is None:
        return np.nan, np.nan, np.nan, 0
    bases = np.intersect1d(mine.bases, other.bases)
    found = interval(difference(sums_over(mine, bases), sums_over(other, bases)), low=-1, high=1)
    return found.value, found.low, found.high, len(bases)
