"""Two models compared: overall, by transformation and between seeds."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from probing_core.measures.statistics import with_place
from probing_core.results import Run, two_models
from probing_core.results.ranking import scores_of

A, B = "zoo/mae", "timm:tf_efficientnet_lite0"


def recalls(run: Run, model: str):
    rows = run.predictions(model, "fine", ["base_id", "transform", "group", "visible"])
    rows = rows[rows["seen"]]
    return rows.assign(truth=rows["truth"].astype(str)).groupby("truth")["correct"].mean()


def test_accuracy_difference_is_that_of_the_scores(made_run):
    run = Run.open(made_run)
    scores = scores_of(run, "fine", "seen").set_index("model")["value"]
    found = two_models.accuracy_difference(run, A, B)
    assert found.value == pytest.approx(scores[A] - scores[B])
    assert found.low <= found.value <= found.high
    other = two_models.accuracy_difference(run, B, A)
    assert (other.value, other.low) == pytest.approx((-found.value, -found.high), abs=0.02)


def test_pairwise_p_has_each_pair_of_models_without_additional_seeds(seeds_run):
    run = Run.open(seeds_run)
    pairs = two_models.pairwise_p(run)
    models = with_place(scores_of(run, "fine", "seen")["model"])
    assert list(zip(pairs["first"], pairs["second"], strict=True)) == list(combinations(models, 2))
    assert pairs["p"].between(0, 1).all()
    assert two_models.p_of_pair(pairs, A, B) == two_models.p_of_pair(pairs, B, A)
    assert np.isnan(two_models.p_of_pair(pairs, A, A))
    assert np.isnan(two_models.p_of_pair(pairs, A, f"{A}@seed=1"))


def test_seed_spread_covers_all_seeds_of_a_model(seeds_run):
    run = Run.open(seeds_run)
    scores = scores_of(run, "fine", "seen").set_index("model")["value"]
    own = scores[[model for model in scores.index if model.split("@seed")[0] == A]]
    spread = two_models.seed_spread(run, A)
    assert (spread.count, spread.lowest, spread.highest) == (len(own), own.min(), own.max())
    assert spread.count > 1
    assert two_models.seed_spread(run, B).width == 0


def test_recall_differences_are_paired_and_the_largest_first(made_run):
    run = Run.open(made_run)
    table = two_models.recall_differences(run, A, B)
    first, second = recalls(run, A), recalls(run, B)
    assert set(table["transform"]) == set(first.index)
    rows = table.set_index("transform")
    np.testing.assert_allclose(rows["first"], first[rows.index])
    np.testing.assert_allclose(rows["difference"], (first - second)[rows.index])
    assert (table["difference"].abs().diff().dropna() <= 1e-12).all()
    assert ((table["low"] <= table["difference"]) & (table["difference"] <= table["high"])).all()
    assert table["p"].between(0, 1).all()


def test_recall_differences_of_a_model_with_itself_are_zero_and_not_significant(made_run):
    table = two_models.recall_differences(Run.open(made_run), A, A)
    assert (table["difference"] == 0).all()
    assert (table["p"] == 1).all()
