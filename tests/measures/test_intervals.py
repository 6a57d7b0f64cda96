"""Coverage of the intervals, simulated with clustered data whose true score is known."""

from __future__ import annotations

import numpy as np
import pytest

from probing_core.measures import interval
from probing_core.measures import statistics as st

CLASSES, SAMPLES = 6, 12


def world(clusters: int, seed: int):
    """Photographs of different difficulty, which all their versions share; the true balanced accuracy is 0.6."""
    rng = np.random.default_rng(seed)
    rate = rng.beta(3, 2, clusters)
    truth = np.tile(np.arange(CLASSES), (clusters, SAMPLES // CLASSES)).ravel()
    right = rng.random(clusters * SAMPLES) < np.repeat(rate, SAMPLES)
    predicted = np.where(right, truth, (truth + rng.integers(1, CLASSES, len(truth))) % CLASSES)
    return truth, predicted, np.repeat(np.arange(clusters), SAMPLES)


@pytest.mark.parametrize(
    ("clusters", "method", "worlds"), [(12, "t", 1000), (50, "bootstrap", 1000), (1500, "bootstrap", 500)]
)
def test_intervals_cover_the_truth(clusters, method, worlds):
    found = [interval(st.balanced_accuracy(*world(clusters, seed))) for seed in range(worlds)]
    assert {f.method for f in found} == {method}
    covered = np.mean([f.low <= 0.6 <= f.high for f in found])
    assert 0.92 <= covered <= 0.98, covered


def test_five_photographs_have_no_interval():
    found = interval(st.balanced_accuracy(*world(5, 0)))
    assert found.method == "none"
    assert np.isnan([found.low, found.high]).all()
    assert 0 < found.value < 1


def test_an_interval_stays_within_the_bounds():
    truth, _, clusters = world(8, 0)
    predicted = np.where(np.arange(len(truth)) == 3, 0, truth)
    found = interval(st.balanced_accuracy(truth, predicted, clusters), low=0, high=1)
    assert found.low < found.value < found.high == 1
