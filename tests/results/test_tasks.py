"""Scores of the models at the tasks that embeddings are used for."""

from __future__ import annotations

import numpy as np
import pytest

from probing_core.measures.statistics import interval, mean
from probing_core.results import Run, retrieval, tasks
from probing_core.run import layout


def test_task_scores_have_the_interval_of_each_model_and_no_additional_seed(studied_run):
    run = Run.open(studied_run)
    scores = tasks.task_scores(run, "duplicates")
    ordered = retrieval.ordered(run, "duplicates")
    assert scores["model"].tolist() == ordered.loc[ordered["seed_of"] == "", "model"].tolist()
    rows = run.table(layout.table_path("uses")).query("use == 'duplicates'")
    for row in scores.itertuples():
        own = rows[rows["model"] == row.model]
        expected = interval(mean(own["value"].to_numpy(float), own["base_id"].to_numpy()), low=0.0, high=1.0)
        assert (row.value, row.low, row.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert np.isnan(scores["p"].iloc[0])


def test_task_scores_are_empty_for_a_task_that_was_not_measured(studied_run):
    assert tasks.task_scores(Run.open(studied_run), "unknown").empty
