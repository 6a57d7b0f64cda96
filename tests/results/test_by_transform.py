"""Recall and detection threshold by transformation and model."""

from __future__ import annotations

from statistics import NormalDist

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


def test_level_with_best_is_the_best_and_what_a_test_of_two_proportions_does_not_distinguish():
    """Compared with the two-proportion z test at the Bonferroni level, on independent samples."""
    rng = np.random.default_rng(0)
    n, checked = 300, 0
    for _ in range(200):
        found = rng.binomial(n, rng.uniform(0.3, 0.7) + rng.uniform(-0.1, 0.1, 5))
        share = found / n
        half = 1.96 * np.sqrt(share * (1 - share) / n)
        rows = pd.DataFrame({"transform": "jpeg", "value": share, "low": share - half, "high": share + half})
        level = by_transform.level_with_best(rows, "transform")
        best = int(share.argmax())
        z = (share[best] - share) / np.sqrt((share * (1 - share) + share[best] * (1 - share[best])) / n)
        bar = NormalDist().inv_cdf(1 - 0.05 / 8)
        clear = abs(z - bar) > 0.02
        assert level[best]
        assert (level == (z <= bar))[clear].all()
        mirrored = rows.assign(value=-rows["value"], low=-rows["high"], high=-rows["low"])
        assert by_transform.level_with_best(mirrored, "transform", smallest=True).equals(level)
        checked += int((~level).sum())
    assert checked > 50


def test_level_with_best_compares_values_where_there_are_no_intervals():
    rows = pd.DataFrame({"transform": ["a", "a", "b"], "value": [0.5, 0.4, np.nan], "low": np.nan, "high": np.nan})
    assert by_transform.level_with_best(rows, "transform").tolist() == [True, False, False]
