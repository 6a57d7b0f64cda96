"""Who leads, who cannot be told apart, and what is not ranked at all."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import permutation_test

from probing_core.errors import BadRun
from probing_core.results import Run, leaderboard, rankable
from probing_core.results.ranking import accuracy_by_base, of_subset, paired_p
from probing_core.store import Store


@pytest.mark.parametrize(("task", "subset"), [*itertools.product(("fine", "group-0"), ("seen", "visible"))])
def test_leaderboard(made_run, task, subset):
    run = Run.open(made_run)
    board = leaderboard([run], task, subset)
    assert set(board["model"]) == set(run.models["name"])
    assert board["value"].is_monotonic_decreasing
    assert (board["chance"] == 1 / len(run.classes(task if task == "fine" else "group"))).all()
    assert not board["apart"].iloc[0]
    assert board["apart"].iloc[-1], "pixels were made to know nothing"


def test_the_unseen_are_ranked_by_the_hit_rate_and_without_identity(made_run):
    run = Run.open(made_run)
    board = leaderboard([run], "group-2", "unseen")
    assert (board["measure"] == "group-hit-rate").all()
    told = of_subset(run.predictions("zoo/mae", "group-2"), "unseen")
    assert "identity" not in set(told["transform"])
    assert not told["seen"].any()


def test_accuracy_by_base_averages_to_the_score(made_run):
    run = Run.open(made_run)
    told = run.predictions("zoo/mae", "fine")
    by_base = accuracy_by_base(told)
    images = told.groupby("base_id")["image_id"].nunique()
    score = run.scores.query(
        "model == 'zoo/mae' and task == 'fine' and subset == 'seen' and measure == 'balanced-accuracy'"
    )
    assert np.average(by_base, weights=images) == pytest.approx(score["value"].item())


@pytest.mark.parametrize("n", [6, 11])
def test_the_paired_p_against_scipy(n):
    a, b = np.random.default_rng(n).normal(0.3, 1, (2, n))
    other = permutation_test((a, b), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf)
    # A photograph that one of them lacks has no say.
    assert paired_p(pd.Series([*a, 9.0]), pd.Series([*b, np.nan])) == pytest.approx(other.pvalue, abs=1e-9)


def test_many_photographs_are_drawn_alike_each_time():
    a, b = (pd.Series(values) for values in np.random.default_rng(0).normal(0, 1, (2, 40)))
    assert paired_p(a, b) == paired_p(a, b)
    assert paired_p(a, b + 5) < 0.001
    assert np.isnan(paired_p(a[:1], b))
    assert np.isnan(paired_p(a, pd.Series(dtype=float)))


def test_runs_that_differ_in_more_than_models_are_refused(made_run, tmp_path):
    store = Store(tmp_path / "other")
    store.write_toml("run.toml", Store(made_run).read_toml("run.toml") | {"seed": 5}, "key")
    runs = [Run.open(made_run), Run.open(store.root)]
    assert rankable(runs) == ["seed: 0 / 5"]
    with pytest.raises(BadRun, match="seed: 0 / 5"):
        leaderboard(runs)
    assert rankable([runs[0], runs[0]]) == []
