"""Scores against scikit-learn, and the catalog's metadata."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from probing_core.measures import MEASURES
from probing_core.measures.classification import balanced_accuracy, calibration_error, informedness, macro_f1
from probing_core.measures.cluster_sums import average, mean, numbered


def made(n: int = 500, classes: int = 5, clusters: int = 30):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, classes, n)
    predicted = np.where(rng.random(n) < 0.5, truth, rng.integers(0, classes, n))
    return truth, predicted, rng.integers(0, clusters, n)


def test_scores_are_scikit_learns():
    truth, predicted, clusters = made()
    assert balanced_accuracy(truth, predicted, clusters).value == pytest.approx(
        metrics.balanced_accuracy_score(truth, predicted)
    )
    assert macro_f1(truth, predicted, clusters).value == pytest.approx(
        metrics.f1_score(truth, predicted, average="macro")
    )
    one_against_rest = [metrics.balanced_accuracy_score(truth == c, predicted == c, adjusted=True) for c in range(5)]
    assert informedness(truth, predicted, clusters).value == pytest.approx(np.mean(one_against_rest))
    assert mean(truth == predicted, clusters).value == pytest.approx(metrics.accuracy_score(truth, predicted))


def test_a_subset_of_clusters_scores_as_its_samples_do():
    truth, predicted, clusters = made()
    for score in (balanced_accuracy, macro_f1, informedness):
        sums = score(truth, predicted, clusters)
        some = clusters < 12
        expected = score(truth[some], predicted[some], clusters[some]).value
        assert sums.score(sums.sums[:12].sum(0)) == pytest.approx(expected)


def test_guessing_one_class_has_no_informedness():
    truth, _, clusters = made()
    assert informedness(truth, np.zeros_like(truth), clusters).value == pytest.approx(0)


def test_calibration_error_of_known_gaps():
    confidence = np.repeat(np.linspace(0.3, 0.9, 15), 100)
    correct = np.concatenate([np.arange(100) < 100 * (c - 0.2) - 1e-9 for c in np.linspace(0.3, 0.9, 15)])
    clusters = np.arange(1500)
    assert calibration_error(confidence, correct, clusters).value == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_metadata_is_complete(measure):
    assert measure.definition.endswith(".")
    assert measure.source
    assert measure.unit
    assert measure.hint.startswith(measure.definition)
    assert measure.hint.endswith(" is better.") == (measure.higher_is_better is not None)
    assert measure.low is None or measure.high is None or measure.low < measure.high


def test_the_average_of_scores_is_that_of_their_values_in_every_draw():
    truth, predicted, clusters = made()
    other = np.roll(predicted, 7)
    parts = [balanced_accuracy(truth, guess, clusters) for guess in (predicted, other, truth)]
    whole = average(parts)
    assert whole.value == pytest.approx(np.mean([part.value for part in parts]))
    assert average(parts[:1]).value == parts[0].value
    drawn = np.random.default_rng(0).integers(0, 3, (20, len(whole.sums)))
    expected = np.mean([part.score(drawn @ part.sums) for part in parts], axis=0)
    np.testing.assert_allclose(whole.score(drawn @ whole.sums), expected)


@pytest.mark.parametrize("values", [[3, 1, 3, 2], [True, False, True], ["b", "a", "b"], [-1, 7, -1, 0]])
def test_values_are_numbered_as_numpy_does_it(values):
    for ours, numpys in zip(numbered(np.array(values)), np.unique(values, return_inverse=True), strict=True):
        np.testing.assert_array_equal(ours, numpys)
