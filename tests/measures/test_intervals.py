"""Coverage of the intervals, simulated with clustered data whose true score is known."""

from __future__ import annotations

import numpy as np
import pytest

from probing_core.measures import interval
from probing_core.measures import statistics as st

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
    "balanced accuracy": (0.6, lambda t, a, b, c: st.balanced_accuracy(t, a, c)),
    "macro F1": (0.6, lambda t, a, b, c: st.macro_f1(t, a, c)),
    "informedness": (0.6 - 0.4 / (CLASSES - 1), lambda t, a, b, c: st.informedness(t, a, c)),
    "hit rate": (0.6, lambda t, a, b, c: st.mean(t == a, c)),
    "paired difference": (
        0.12,
        lambda t, a, b, c: st.difference(st.balanced_accuracy(t, a, c), st.balanced_accuracy(t, b, c)),
    ),
}
"""Score -> (its true value, made from truth, two predictions and clusters)."""


@pytest.mark.parametrize(
    ("clusters", "method", "worlds"), [(12, "t", 1000), (50, "bootstrap", 1000), (1500, "bootstrap", 250)]
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


def test_five_photographs_have_no_interval():
    found = interval(SCORES["balanced accuracy"][1](*world(5, 0)))
    assert found.method == "none"
    assert np.isnan([found.low, found.high]).all()
    assert 0 < found.value < 1


def test_an_interval_stays_within_the_bounds():
    truth, _, _, clusters = world(8, 0)
    predicted = np.where(np.arange(len(truth)) == 3, 0, truth)
    found = interval(st.balanced_accuracy(truth, predicted, clusters), low=0, high=1)
    assert found.low < found.value < found.high == 1
