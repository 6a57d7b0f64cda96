"""Two models compared: overall, by transformation and between seeds."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
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


def test_difference_over_seeds_is_the_t_interval_of_scipy_with_pooled_variance(seeds_run):
    run = Run.open(seeds_run)
    scores = scores_of(run, "fine", "seen").set_index("model")["value"]
    seeds = scores[scores.index.str.startswith("zoo/mae")]
    assert len(seeds) > 1
    found = two_models.difference_over_seeds(run, A, B)
    assert found.value == pytest.approx(seeds.mean() - scores[B])
    assert np.isnan([found.low, found.high, found.p]).all(), "the other model has one seed"


def test_task_differences_are_paired_by_photograph(studied_tables):
    run, uses = studied_tables
    found = two_models.task_differences(run, "one", "two").set_index("use")
    assert list(found.index) == ["original", "duplicates"]
    for use, row in found.iterrows():
        pair = uses[uses["use"] == use].pivot(index="base_id", columns="model", values="value")
        gap = pair["one"] - pair["two"]
        assert row["difference"] == pytest.approx(gap.mean())
        assert row["low"] <= gap.mean() <= row["high"]
    assert found.loc["original", "p"] < 0.05 < found.loc["duplicates", "p"]


@pytest.fixture
def studied_tables():
    rng = np.random.default_rng(0)
    bases = [f"p{i}" for i in range(60)]
    value = rng.uniform(0.3, 0.6, 60)
    rows = [
        pd.DataFrame({"model": model, "use": use, "base_id": bases, "value": value + shift + rng.normal(0, 0.05, 60)})
        for model, shift, use in (
            ("one", 0.1, "original"), ("two", 0.0, "original"), ("one", 0.0, "duplicates"), ("two", 0.0, "duplicates"),
        )
    ]  # fmt: skip
    uses = pd.concat(rows, ignore_index=True)
    return SimpleNamespace(table=lambda name: uses), uses


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
