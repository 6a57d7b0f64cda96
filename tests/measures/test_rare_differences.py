"""Intervals of differences between two models that differ on few photographs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.optimize import minimize_scalar

from lab.evidence.differences import SETTINGS, coverage
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.rare_differences import RareDifferences
from probing_core.measures.statistics import average, difference, interval, mean

ALL_PHOTOGRAPHS = np.arange(150)


@pytest.mark.parametrize("photographs", [150, 321])
@pytest.mark.parametrize("differing", [0.001, 0.005, 0.01, 0.05, 0.2])
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.title)
def test_interval_covers_the_difference(setting, photographs, differing):
    # The bootstrap covers 15 to 75% with few differing photographs. docs/results.md has the table of all simulations.
    assert coverage(setting, photographs, differing, 0.75, worlds=100) >= 0.87


@pytest.mark.parametrize(("photographs", "half"), [(150, 0.025), (321, 0.012)])
@pytest.mark.parametrize("predictions", [1, 31])
def test_interval_of_equal_models_is_not_empty(photographs, half, predictions):
    right = np.random.default_rng(0).random(photographs * predictions) < 0.7
    scores = mean(right, np.repeat(np.arange(photographs), predictions))
    estimate = interval(difference(scores, scores), low=-1, high=1)
    assert (estimate.low, estimate.value, estimate.high) == pytest.approx((-half, 0, half), abs=7e-4)


def brute_force_statistic(gains: int, losses: int, size: int, delta: float) -> float:
    """The score statistic of Tango (1998), with the rate of losses that maximizes the likelihood found numerically."""

    def negative_log_likelihood(rate: float) -> float:
        rates = np.array([rate + delta, rate, 1 - 2 * rate - delta])
        counts = np.array([gains, losses, size - gains - losses])
        return -float((counts[counts > 0] * np.log(np.maximum(rates[counts > 0], 1e-300))).sum())

    bounds = max(0.0, -delta), (1 - delta) / 2
    rate = minimize_scalar(negative_log_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    return (gains - losses - size * delta) / np.sqrt(size * (2 * rate + delta - delta**2))


@pytest.mark.parametrize(("gains", "losses", "size"), [(3, 1, 40), (0, 4, 40), (9, 12, 150), (2, 0, 12), (1, 1, 321)])
def test_interval_inverts_the_score_test_for_paired_proportions(gains, losses, size):
    differences = np.zeros(size)
    differences[:gains], differences[size - losses :] = 1 / size, -1 / size
    deviations = differences - differences.mean()
    counts = RareDifferences.of(differences, deviations, np.full(size, 1 / size))
    for delta in (-0.2, -0.03, 0.01, 0.15):
        assert counts.statistic(delta) == pytest.approx(brute_force_statistic(gains, losses, size, delta), rel=1e-4)
    for bound, z in zip(counts.interval(1.96), (1.96, -1.96), strict=True):
        assert brute_force_statistic(gains, losses, size, bound) == pytest.approx(z, rel=1e-4)


def test_interval_is_the_bootstrap_if_many_photographs_differ():
    rng = np.random.default_rng(0)
    first, second = (mean(rng.random(150 * 31) < rate, np.repeat(ALL_PHOTOGRAPHS, 31)) for rate in (0.7, 0.6))
    assert interval(difference(first, second), low=-1, high=1).method == "bootstrap"


def test_interval_does_not_depend_on_how_often_a_prediction_is_repeated():
    rng = np.random.default_rng(1)
    right = rng.random(150) < 0.6
    other = right ^ (rng.random(150) < 0.05)
    once, often = (
        [mean(np.repeat(model, times), np.repeat(ALL_PHOTOGRAPHS, times)) for model in (right, other)]
        for times in (1, 31)
    )
    expected = interval(difference(*once), low=-1, high=1)
    assert expected.method == "tango"
    for scores in (often, [average([model, model]) for model in once]):
        estimate = interval(difference(*scores), low=-1, high=1)
        assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))


@settings(max_examples=100, deadline=None)
@given(
    arrays.arrays(np.int8, (40, 3), elements=st.integers(0, 4)),
    st.integers(0, 10),
    st.integers(6, 40),
    st.integers(0, 2**32 - 1),
)
def test_interval_of_any_predictions_contains_the_difference(predictions, changes, photographs, seed):
    rng = np.random.default_rng(seed)
    truth, first = predictions[:photographs, 0], predictions[:photographs, 1]
    second = first.copy()
    at = rng.integers(0, photographs, changes)
    second[at] = rng.integers(0, 5, changes)
    clusters = np.arange(photographs)
    sums = [balanced_accuracy(truth, predicted, clusters) for predicted in (first, second)]
    estimate = interval(difference(*sums), low=-1, high=1)
    assert -1 <= estimate.low <= estimate.value + 1e-9
    assert estimate.value - 1e-9 <= estimate.high <= 1
    assert estimate.high - estimate.low > 1e-3
    reverse = interval(difference(*sums[::-1]), low=-1, high=1)
    if estimate.method == "tango":
        assert (-reverse.high, -reverse.low) == pytest.approx((estimate.low, estimate.high), abs=1e-9)
