"""Who leads, who is not distinguished, and what is not ranked at all."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import permutation_test

from probing_core.measures.statistics import mean
from probing_core.results import Run, leaderboard, ranking
from probing_core.results.ranking import (
    BELOW,
    SIGNIFICANCE,
    AccuracySums,
    accuracy_of,
    against_best,
    in_order,
    marked,
    of_subset,
    paired_p,
    smallest_p,
)


@pytest.mark.parametrize(("task", "subset"), [*itertools.product(("fine", "group-0"), ("seen", "visible"))])
def test_leaderboard(made_run, task, subset):
    run = Run.open(made_run)
    board = leaderboard(run, task, subset)
    assert set(board["model"]) == set(run.models["name"])
    assert board["value"].is_monotonic_decreasing
    assert (board["chance"] == 1 / len(run.classes(task if task == "fine" else "group"))).all()
    assert not board["apart"].iloc[0]
    assert board["apart"].iloc[-1], "pixels were made to know nothing"


def test_a_p_that_cannot_be_smaller_is_said_to_be_so():
    board = pd.DataFrame({"seed_of": [""] * 5, "p": [np.nan, 10 / 10_001, 0.2, 1.0, 1.0]})
    assert smallest_p(board).endswith("10,000 random sign flips can give among 5 models is 0.001.")
    assert smallest_p(board.assign(p=[np.nan, 0.002, 0.2, 1.0, 1.0])) == ""


def test_the_unseen_are_ranked_by_the_hit_rate_and_without_identity(made_run):
    run = Run.open(made_run)
    board = leaderboard(run, "group-2", "unseen")
    assert (board["measure"] == "group-hit-rate").all()
    told = of_subset(run.predictions("zoo/mae", "group-2"), "unseen")
    assert "identity" not in set(told["transform"])
    assert not told["seen"].any()


@pytest.mark.parametrize(("task", "subset"), [("fine", "seen"), ("fine", "without-style"), ("group-1", "unseen")])
def test_what_is_tested_is_what_is_shown(made_run, task, subset):
    run = Run.open(made_run)
    board = leaderboard(run, task, subset).set_index("model")
    for model, row in board.iterrows():
        unit = accuracy_of(of_subset(run.predictions(model, task), subset))
        assert unit.sums is not None
        assert unit.sums.value == pytest.approx(row["value"])
        assert row["difference"] == pytest.approx(board["value"].max() - row["value"])


def test_other_seeds_stand_below_their_model_and_change_nothing_of_the_ranking(made_run, seeds_run):
    board, without = leaderboard(Run.open(seeds_run)), leaderboard(Run.open(made_run))
    below = board[board["model"].str.startswith("zoo/mae")]
    assert list(below["model"]) == ["zoo/mae", "zoo/mae@seed=1", "zoo/mae@seed=2"], "the better one first, below"
    assert list(below.index - below.index[0]) == [0, 1, 2]
    assert below["value"].iloc[1] > board["value"].iloc[0], "and yet it does not lead"
    assert list(below["seed_of"]) == ["", "zoo/mae", "zoo/mae"]
    assert below["p"].iloc[1:].isna().all()
    assert not below["apart"].iloc[1:].any()
    pd.testing.assert_frame_equal(board[board["seed_of"] == ""].reset_index(drop=True), without)


@pytest.mark.parametrize(
    ("models", "alone", "expected"),
    [
        ("a@seed=1 a b", "", "a <a@seed=1 b"),
        ("a@seed=10 a@seed=9 b", "", "a@seed=9 <a@seed=10 b"),
        ("a@layer=2@seed=1 a@layer=2 a@seed=1 b", "", "a@layer=2 <a@layer=2@seed=1 a@seed=1 b"),
        ("a@seed=1@weights=x a@seed=1 a", "", "a@seed=1@weights=x a <a@seed=1"),
        ("a@seed=2 a@seed=1 a", "a@seed=1", "a@seed=1 a <a@seed=2"),
        ("a@seed=1 b a", "a", "b a <a@seed=1"),
        ("a@seed=12b a@seed=1 a", "", "a@seed=12b a <a@seed=1"),
        ("a b a a@seed=1", "", "a <a@seed=1 b a"),
    ],
)
def test_models_that_differ_in_their_seed_alone_have_one_place(models, alone, expected):
    names = models.split()
    board = in_order(pd.DataFrame({"model": names, "value": np.linspace(1, 0, len(names))}), alone.split())
    assert [f"{'<' if of else ''}{model}" for model, of in zip(board["model"], board["seed_of"], strict=True)] == (
        expected.split()
    )
    assert list(marked(board).str.startswith(BELOW)) == list(board["seed_of"] != "")


def unit(values, names=None):
    values = np.asarray(values, float)
    bases = np.array([f"photo{i:02}" for i in range(len(values))] if names is None else names, str)
    return AccuracySums(bases, (mean(values, np.arange(len(values))),))


@pytest.mark.parametrize("n", [6, 11])
def test_the_paired_p_against_scipy(n):
    a, b = np.random.default_rng(n).normal(0.3, 1, (2, n))
    other = permutation_test((a, b), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf)
    names = [f"photo{i:02}" for i in range(n)]
    # A photograph that one of them lacks has no say.
    first, second = unit([*a, 9.0], [*names, "x"]), unit([*b, 7.0], [*names, "y"])
    assert paired_p(first, [second]) == pytest.approx(other.pvalue, abs=1e-9)


def test_many_photographs_are_drawn_alike_each_time():
    a, b = np.random.default_rng(0).normal(0, 1, (2, 40))
    one = paired_p(unit(a), [unit(b)])
    assert one == paired_p(unit(a), [unit(b)])
    assert paired_p(unit(a), [unit(b + 5)]) < 0.001
    assert np.isnan(paired_p(unit(a[:1]), [unit(b)]))
    assert np.isnan(paired_p(unit(a), [accuracy_of(pd.DataFrame())]))
    fewer = unit(b[:-3])
    together = paired_p(unit(a), [fewer, unit(b), accuracy_of(pd.DataFrame()), fewer])
    np.testing.assert_array_equal(together, [*paired_p(unit(a), [fewer]), *one, np.nan, together[0]])
    assert len(paired_p(unit(a), [])) == 0


def test_equal_models_are_seldom_told_from_the_best_of_them(monkeypatch):
    """Against the best found by looking, Holm's correction over the table alone would do so in one of ten worlds."""
    monkeypatch.setattr(ranking, "FLIPS", 2000)
    worlds, wrong = 200, 0
    for seed in range(worlds):
        models = [unit(values) for values in np.random.default_rng(seed).normal(0, 1, (6, 30))]
        models.sort(key=lambda one: -one.sums.value)
        wrong += (against_best(models) < SIGNIFICANCE).any()
    assert wrong / worlds <= 0.06
