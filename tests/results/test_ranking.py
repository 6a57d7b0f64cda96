"""Who leads, who is not distinguished, and what is not ranked at all."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import permutation_test

from lab.evidence.familywise import familywise_error
from probing_core.measures.statistics import mean
from probing_core.results import Run, leaderboard
from probing_core.results.ranking import (
    PAGE_FLIPS,
    SEED_SIGN,
    AccuracySums,
    accuracy_of,
    against_best,
    in_order,
    marked,
    of_subset,
    paired_p,
    rows_of_probes,
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


def test_rows_of_probes_groups_probes_by_the_note_on_their_training_samples():
    rows = [
        ("fine", "linear", "split", ""),
        ("fine", "linear", "deployment", "other samples"),
        ("group-0", "linear", "split", "also other samples"),
        ("fine", "mlp-0", "mlp-0", ""),
        ("fine", "mlp-1", "mlp-1", ""),
        ("fine", "knn-20", "knn-20", "learned from 60 of 90 samples"),
    ]
    fits = pd.DataFrame(rows, columns=["task", "probe", "fold", "note"])
    run = SimpleNamespace(fits=fits)
    assert rows_of_probes(run) == {"": ["linear", "mlp"], "learned from 60 of 90 samples": ["knn-20"]}
    assert rows_of_probes(SimpleNamespace(fits=pd.DataFrame())) == {}


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
    assert list(marked(board).str.startswith(SEED_SIGN)) == list(board["seed_of"] != "")


def unit(values, names=None):
    values = np.asarray(values, float)
    bases = np.array([f"photo{i:02}" for i in range(len(values))] if names is None else names, str)
    return AccuracySums(bases, (mean(values, np.arange(len(values))),))


@pytest.mark.parametrize("n", [6, 11])
def test_paired_p_of_one_pair_equals_scipy(n):
    a, b = np.random.default_rng(n).normal(0.3, 1, (2, n))
    other = permutation_test((a, b), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf)
    names = [f"photo{i:02}" for i in range(n)]
    # A photograph that was not tested with both models does not count.
    first, second = unit([*a, 9.0], [*names, "x"]), unit([*b, 7.0], [*names, "y"])
    assert paired_p([first, second], [(0, 1)]) == pytest.approx(other.pvalue, abs=1e-9)


def test_paired_p_is_repeatable_and_nan_without_shared_photographs():
    a, b = np.random.default_rng(0).normal(0, 1, (2, 40))
    untested = accuracy_of(pd.DataFrame())
    one = paired_p([unit(a), unit(b)], [(0, 1)])
    assert one == paired_p([unit(a), unit(b)], [(0, 1)])
    assert paired_p([unit(a), unit(b + 5)], [(0, 1)]) < 0.001
    assert np.isnan(paired_p([unit(a[:1]), unit(b)], [(0, 1)]))
    assert np.isnan(paired_p([unit(a), untested], [(0, 1)]))
    assert len(paired_p([unit(a)], [])) == 0
    # A pair that cannot be compared does not count as a comparison.
    p = paired_p([unit(a), unit(b), untested], [(0, 2), (0, 1), (1, 2)])
    np.testing.assert_array_equal(p, [np.nan, *one, np.nan])


def test_paired_p_compares_models_over_the_photographs_that_both_have():
    rng = np.random.default_rng(3)
    a, b, c = rng.normal(0, 1, (3, 40))
    names = [f"photo{i:02}" for i in range(40)]
    # In photographs that only one model has, it is far better: they must not count.
    first = unit([*a, *[50.0] * 5], [*names, *"vwxyz"])
    p = paired_p([first, unit(b), unit(c)], [(0, 1), (0, 2), (1, 2)])
    np.testing.assert_allclose(p, paired_p([unit(a), unit(b), unit(c)], [(0, 1), (0, 2), (1, 2)]), atol=0.02)


@pytest.mark.parametrize("models", [5, 33, 60])
def test_against_best_finds_differences_among_many_models(models):
    rng = np.random.default_rng(models)
    rates = [0.99, *np.full(models - 1, 0.2)]
    sums = [unit(rng.random(40) < rate) for rate in rates]
    p = against_best(sums)
    assert (p == 1 / (PAGE_FLIPS + 1)).all(), "no flip reaches such differences, whatever the number of models"


@pytest.mark.slow
@pytest.mark.parametrize(("models", "boards"), [(5, 300), (33, 200), (100, 50)])
def test_against_best_seldom_separates_equal_models(models, boards):
    # The docs have the error over more boards.
    assert familywise_error(models, 40, boards, flips=199) <= 0.06
