"""Intervals over photographs and over trainings, and paired tests between models."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.stats import permutation_test
from scipy.stats import t as student

from probing_core.measures import interval
from probing_core.measures.classification import balanced_accuracy, informedness, macro_f1
from probing_core.measures.paired_tests import PairedScores, holm, sign_flips, step_down_p
from probing_core.measures.statistics import (
    ClusterSums,
    difference,
    mean,
    networks,
    pooled_deviation,
    seeds_difference,
    seeds_interval,
    t_quantile,
)

CLASSES, SAMPLES = 6, 12


def world(clusters: int, seed: int):
    """Photographs of different difficulty, which all their versions share, seen by two models; the true balanced
    accuracies are 0.6 and 0.48."""
    rng = np.random.default_rng(seed)
    rate = np.repeat(rng.beta(3, 2, clusters), SAMPLES)
    truth = np.tile(np.arange(CLASSES), (clusters, SAMPLES // CLASSES)).ravel()
    wrong = (truth + rng.integers(1, CLASSES, len(truth))) % CLASSES
    first, second = (np.where(rng.random(len(truth)) < share * rate, truth, wrong) for share in (1, 0.8))
    return truth, first, second, np.repeat(np.arange(clusters), SAMPLES)


SCORES = {
    "balanced accuracy": (0.6, lambda t, a, b, c: balanced_accuracy(t, a, c)),
    "macro F1": (0.6, lambda t, a, b, c: macro_f1(t, a, c)),
    "informedness": (0.6 - 0.4 / (CLASSES - 1), lambda t, a, b, c: informedness(t, a, c)),
    "hit rate": (0.6, lambda t, a, b, c: mean(t == a, c)),
    "paired difference": (
        0.12,
        lambda t, a, b, c: difference(balanced_accuracy(t, a, c), balanced_accuracy(t, b, c)),
    ),
}
"""Score -> (its true value, made from truth, two predictions and clusters)."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clusters", "method", "worlds"), [(12, "t", 1000), (50, "bootstrap", 400), (600, "bootstrap", 250)]
)
def test_intervals_cover_the_truth(clusters, method, worlds):
    covered = dict.fromkeys(SCORES, 0.0)
    for seed in range(worlds):
        drawn = world(clusters, seed)
        for name, (truth, score) in SCORES.items():
            found = interval(score(*drawn))
            assert found.method == method
            covered[name] += (found.low <= truth <= found.high) / worlds
    assert {name: share for name, share in covered.items() if not 0.92 <= share <= 0.98} == {}


NEAR = [(12, 0.9), (12, 0.97), (12, 0.99), (50, 0.97), (50, 0.99), (374, 0.97), (374, 0.99)]


@pytest.mark.slow
@pytest.mark.parametrize(("clusters", "rate"), NEAR)
@pytest.mark.parametrize("samples", [1, 12])
def test_intervals_next_to_a_bound_cover_the_truth(clusters, rate, samples):
    """A bootstrap of 50 photographs covers a rate of 99 % in 37 of 100 worlds, a t interval of 12 in 12 of them."""
    covered, worlds = 0, 400
    for seed in range(worlds):
        rng = np.random.default_rng(seed)
        alike = rng.beta(5 * rate, 5 * (1 - rate), clusters) if samples > 1 else np.full(clusters, rate)
        right = rng.random((clusters, samples)) < alike[:, None]
        found = interval(mean(right.ravel(), np.repeat(np.arange(clusters), samples)), low=0, high=1)
        assert found.low < found.high
        covered += found.low <= rate <= found.high
    assert covered / worlds >= 0.88


@pytest.mark.slow
def test_where_all_agree_it_is_wilsons_interval_over_photographs():
    from scipy.stats import binomtest

    found = interval(mean(np.ones(400), np.repeat(np.arange(200), 2)), low=0, high=1)
    wilson = binomtest(200, 200).proportion_ci(method="wilson")
    assert (found.value, found.high, found.method) == (1, 1, "wilson")
    assert found.low == pytest.approx(wilson.low, abs=5e-4)  # which takes the normal distribution's 1.96
    none = interval(informedness(np.tile([0, 1], 50), np.tile([0, 1], 50), np.repeat(np.arange(50), 2)), low=-1, high=1)
    assert none.low < none.value == none.high == 1


@pytest.mark.slow
def test_five_photographs_have_no_interval():
    found = interval(SCORES["balanced accuracy"][1](*world(5, 0)))
    assert found.method == "none"
    assert np.isnan([found.low, found.high]).all()
    assert 0 < found.value < 1


@pytest.mark.slow
def test_an_interval_stays_within_the_bounds():
    surprise = mean(np.array([9.0, 0, 0, 0, 0, 0, 0, 0]), np.arange(8))
    assert interval(surprise).low < 0
    found = interval(surprise, low=0)
    assert found.low == 0 < found.value < found.high


@pytest.mark.slow
@pytest.mark.parametrize("clusters", [2, 3, 10, 446])
def test_quantiles_are_students(clusters):
    assert t_quantile(clusters - 1) == pytest.approx(student.ppf(0.975, clusters - 1), rel=1e-12)


def means(values: np.ndarray) -> ClusterSums:
    return mean(values, np.arange(len(values)))


@pytest.mark.parametrize("clusters", [10, 40])
def test_it_is_scipys_paired_permutation_test(clusters):
    rng = np.random.default_rng(1)
    a = rng.normal(size=clusters)
    b = a + rng.normal(0.25, 0.6, clusters)
    theirs = permutation_test(
        (a, b), lambda x, y: np.mean(x) - np.mean(y), permutation_type="samples", n_resamples=20_000, rng=rng
    ).pvalue
    ours = sign_flips(means(a), means(b), flips=20_000)
    assert ours == pytest.approx(theirs, abs=0.012 if clusters > 16 else 1e-9)


@pytest.mark.parametrize("clusters", [9, 60])
def test_false_positives_under_no_difference(clusters):
    rejected = 0
    for seed in range(3000):
        rng = np.random.default_rng(seed)
        difficulty = rng.normal(size=clusters)
        a, b = difficulty + rng.normal(size=(2, clusters))
        rejected += sign_flips(means(a), means(b), seed=seed, flips=500) <= 0.05
    assert rejected / 3000 <= 0.06


def test_false_positives_of_accuracies_over_clusters():
    """Versions of a photograph share its difficulty, and two models are equally good on each."""
    rejected, worlds, clusters, classes = 0, 1000, 40, 6
    truth, bases = np.tile(np.arange(classes), 2 * clusters), np.repeat(np.arange(clusters), 2 * classes)
    for seed in range(worlds):
        rng = np.random.default_rng(seed)
        rate = np.repeat(rng.beta(3, 2, clusters), 2 * classes)
        guesses = [np.where(rng.random(len(truth)) < rate, truth, (truth + 1) % classes) for _ in range(2)]
        first, second = (balanced_accuracy(truth, one, bases) for one in guesses)
        rejected += sign_flips(first, second, seed=seed, flips=500) <= 0.05
    assert 0.02 <= rejected / worlds <= 0.06  # and not a test that never rejects


def stepped_down(scores: np.ndarray, pairs: np.ndarray) -> list[float]:
    """Westfall and Young's step-down with t statistics over all flips, written out."""

    def t(differences: np.ndarray) -> float:
        spread = differences.std(ddof=1)
        return abs(differences.mean()) / spread if spread > 1e-12 else np.inf

    differences = [scores[:, i] - scores[:, j] for i, j in pairs]
    observed = [t(one) for one in differences]
    flips = [np.array(signs) for signs in itertools.product((1, -1), repeat=len(scores))]
    flipped = [[t(signs * one) for one in differences] for signs in flips]
    p, left, least = [0.0] * len(pairs), list(range(len(pairs))), 0.0
    while left:
        strongest = max(left, key=lambda pair: observed[pair])
        reached = [max(row[pair] for pair in left) >= observed[strongest] - 1e-9 for row in flipped]
        least = p[strongest] = max(least, float(np.mean(reached)))
        left.remove(strongest)
    return p


def test_step_down_p_equals_a_plain_second_implementation():
    rng = np.random.default_rng(4)
    scores = rng.normal([0, 0.2, 0.9, 2.5], 1, (8, 4))
    pairs = np.array(list(itertools.combinations(range(4), 2)))
    ours = step_down_p([PairedScores(np.arange(8), scores, pairs)])
    np.testing.assert_allclose(ours, stepped_down(scores, pairs))
    assert len(set(ours)) > 3, "the example has strong and weak pairs"


def test_step_down_p_joins_parts_over_different_clusters():
    rng = np.random.default_rng(5)
    scores = rng.normal([0, 0.4, 0.8], 1, (60, 3))
    whole = PairedScores(np.arange(60), scores, np.array([[0, 1], [0, 2], [1, 2]]))
    parts = [replace(whole, pairs=whole.pairs[:1]), replace(whole, pairs=whole.pairs[1:])]
    np.testing.assert_array_equal(step_down_p(parts, flips=2000), step_down_p([whole], flips=2000))
    # The same photographs have the same flips in all parts, so adding photographs to one part changes only that part.
    more = replace(parts[1], clusters=np.arange(70), scores=np.vstack([scores, np.zeros((10, 3))]))
    np.testing.assert_allclose(step_down_p([parts[0], more], flips=5000), step_down_p([whole], flips=5000), atol=0.02)


def test_holm_of_a_worked_example():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1, 1])
    np.testing.assert_allclose(holm([0.01, np.nan, 0.04, 0.03]), [0.03, np.nan, 0.06, 0.06])
    assert len(holm([])) == 0


FIRST, SECOND = [0.41, 0.44, 0.47, 0.43], [0.35, 0.38, 0.36]
PAIRS = [[0.60, 0.63], [0.55, 0.54], [0.61, 0.60], [0.58, 0.62], [0.50, 0.52], [0.57, 0.57]]


def test_the_interval_of_one_kind_is_that_of_t():
    assert seeds_interval(FIRST) == pytest.approx(student.interval(0.95, 3, np.mean(FIRST), stats.sem(FIRST)))
    assert np.isnan(seeds_interval(FIRST[:2])).all()


def test_with_two_kinds_it_is_the_t_test_of_equal_variances():
    theirs = stats.ttest_ind(FIRST, SECOND, equal_var=True)
    low, high, p = seeds_difference(FIRST, SECOND, *pooled_deviation([FIRST, SECOND]))
    assert (low, high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert p == pytest.approx(theirs.pvalue)
    assert seeds_difference(SECOND, FIRST, *pooled_deviation([FIRST, SECOND])) == pytest.approx((-high, -low, p))


def test_six_pairs_have_six_degrees_of_freedom_and_the_error_of_an_analysis_of_variance():
    deviation, freedom = pooled_deviation(PAIRS)
    assert freedom == 6
    scores = np.array(PAIRS)
    assert deviation**2 == pytest.approx(scores.var(axis=1, ddof=1).mean())
    between = 2 * scores.mean(axis=1).var(ddof=1)
    assert between / deviation**2 == pytest.approx(stats.f_oneway(*PAIRS).statistic)
    low, high, p = seeds_difference(PAIRS[0], PAIRS[4], deviation, freedom)
    effect = 0.615 - 0.51
    assert p == pytest.approx(2 * student.sf(effect / deviation, 6))
    assert (low + high) / 2 == pytest.approx(effect)
    assert (high - low) / 2 == pytest.approx(student.ppf(0.975, 6) * deviation)


def test_one_training_adds_nothing_and_few_degrees_of_freedom_give_no_test():
    assert pooled_deviation([*PAIRS, [0.9]]) == pooled_deviation(PAIRS)
    assert np.isnan(pooled_deviation([[0.1], [0.2]])[0])
    assert np.isnan(seeds_difference(PAIRS[0], PAIRS[1], *pooled_deviation(PAIRS[:3]))).all()
    assert np.isfinite(seeds_difference([0.9], PAIRS[1], *pooled_deviation([*PAIRS, [0.9]]))).all()
    assert np.isnan(seeds_difference([], PAIRS[1], *pooled_deviation(PAIRS))).all()


@pytest.mark.parametrize("score", [0.5, 0.1, 1 / 3])
def test_seeds_difference_is_undefined_without_variance_between_seeds(score):
    # The standard deviation of 0.1, 0.1 and 0.1 is a rounding error.
    alike = pooled_deviation([[score] * 3, [0.25] * 3])
    assert np.isnan(seeds_difference([score] * 3, [score] * 3, *alike)).all()
    assert np.isnan(seeds_difference([score] * 3, [0.25] * 3, *alike)).all()


def test_a_network_counts_once_whatever_its_seeds_and_blocks():
    models = ["a", "a@layer=4", "a@seed=1", "b@layer=2", "c@layer=1@seed=1", "c@layer=1"]
    assert networks(models) == ["a", "b@layer=2", "c@layer=1"]
