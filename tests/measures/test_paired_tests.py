"""The paired test against SciPy's, its false positives, and Holm's correction against a worked example."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import permutation_test

from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.cluster_sums import ClusterSums, mean
from probing_core.measures.paired_tests import holm, sign_flip


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
    assert sign_flip(means(a), means(b), flips=20_000) == pytest.approx(theirs, abs=0.012 if clusters > 16 else 1e-9)


@pytest.mark.parametrize("clusters", [9, 60])
def test_false_positives_under_no_difference(clusters):
    rejected = 0
    for seed in range(3000):
        rng = np.random.default_rng(seed)
        difficulty = rng.normal(size=clusters)
        a, b = difficulty + rng.normal(size=(2, clusters))
        rejected += sign_flip(means(a), means(b), seed=seed, flips=500) <= 0.05
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
        rejected += sign_flip(first, second, seed=seed, flips=500) <= 0.05
    assert 0.02 <= rejected / worlds <= 0.06  # and not a test that never rejects


def test_holm_of_a_worked_example():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1, 1])
    np.testing.assert_allclose(holm([0.01, np.nan, 0.04, 0.03]), [0.03, np.nan, 0.06, 0.06])
    assert len(holm([])) == 0
