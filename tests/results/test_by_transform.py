"""Recall and detection threshold by transformation and model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from probing_core.results import Run, by_transform
from probing_core.transforms import bank, resolve


def test_recall_by_model_is_that_of_the_predictions(made_run):
    run = Run.open(made_run)
    rows = by_transform.recall_by_model(run).set_index(["model", "transform"])["value"]
    predictions = run.predictions("zoo/mae", "fine", ["transform"])
    expected = predictions[predictions["seen"]].groupby("transform", observed=True)["correct"].mean()
    np.testing.assert_allclose(rows["zoo/mae"][expected.index.astype(str)], expected)


def test_recall_by_group_is_that_of_the_predictions(made_run):
    run = Run.open(made_run)
    rows = by_transform.recall_by_group(run).set_index(["model", "group"])["value"]
    predictions = run.predictions("zoo/mae", "fine", ["group"])
    expected = predictions[predictions["seen"]].groupby("group", observed=True)["correct"].mean()
    np.testing.assert_allclose(rows["zoo/mae"][expected.index.astype(str)], expected)


@pytest.mark.parametrize("transform", [one for one in bank() if one.group != "identity"], ids=lambda one: one.name)
def test_relative_strength_is_one_at_the_strongest_and_grows(transform):
    strengths = np.linspace(transform.weakest, transform.strongest, 5)
    relative = [by_transform.relative_strength(transform, strength) for strength in strengths]
    assert relative[-1] == 1
    assert all(np.diff(relative) > 0)
    beyond = transform.strongest + (transform.strongest - transform.weakest)
    assert by_transform.relative_strength(transform, beyond) == 1


def test_relative_strength_is_zero_where_nothing_changes():
    jpeg = resolve("jpeg")
    assert by_transform.relative_strength(jpeg, jpeg.neutral) == 0


def test_hardest_first_keeps_groups_together_and_ignores_baselines(made_run):
    run = Run.open(made_run)
    rows = by_transform.recall_by_model(run)
    order = by_transform.hardest_first(run, rows, "value", descending=False)
    assert sorted(order) == sorted(rows["transform"].unique())
    groups = run.transforms.set_index("transform")["group"].reindex(order)
    assert (groups != groups.shift()).sum() == groups.nunique(), "one block for each group"
    changed = rows.assign(value=rows["value"].where(~rows["model"].str.startswith("baseline/"), 0.0))
    assert by_transform.hardest_first(run, changed, "value", descending=False) == order


def test_thresholds_that_are_not_reached_are_at_the_end_of_the_scale(studied_run):
    rows = by_transform.thresholds_by_model(Run.open(studied_run))
    assert (rows.loc[rows["censored"] == "above", "relative"] == 1).all()
    assert rows["relative"].between(0, 1).all()


def test_matrix_has_the_models_as_columns_and_leaves_out_what_is_missing():
    rows = pd.DataFrame({"transform": ["a", "b"], "model": ["m", "n"], "value": [1.0, 2.0]})
    table = by_transform.matrix(rows, "value", ["b", "a"], ["n", "m"])
    assert table.loc["b", "n"] == 2
    assert np.isnan(table.loc["b", "m"])
