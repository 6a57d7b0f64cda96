"""Scores of models on tasks that use embeddings."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.measures.statistics import interval, mean
from probing_core.results.ranking import has_place
from probing_core.results.retrieval import ordered
from probing_core.results.run_tables import RunTables
from probing_core.results.summaries import pick
from probing_core.run import layout


def task_scores(run: RunTables, task: str) -> pd.DataFrame:
    """Return the scores of all models on a task in ``tables/uses.parquet``, best first.

    Additional seeds are excluded.

    Returns:
        Table with the columns ``model``, ``value``, ``low``, ``high``, ``p`` (comparison with the best model) and
        ``apart`` (whether the difference is significant). It is empty if the run has no scores for the task.
    """
    board = ordered(run, task)
    if board.empty:
        return board
    board = board[has_place(board)].reset_index(drop=True)
    rows = pick(run.table(layout.table_path("uses")), use=task)
    intervals = {}
    for model, model_rows in rows[rows["model"].isin(board["model"])].groupby("model", sort=False):
        around = interval(
            mean(model_rows["value"].to_numpy(float), model_rows["base_id"].to_numpy()), low=0.0, high=1.0
        )
        intervals[model] = (around.low, around.high)
    low, high = zip(*(intervals.get(model, (np.nan, np.nan)) for model in board["model"]), strict=True)
    return board.assign(low=low, high=high)[["model", "value", "low", "high", "p", "apart"]]
