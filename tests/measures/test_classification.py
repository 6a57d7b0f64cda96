"""Scores of a classifier against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from scipy.stats import norm
from sklearn import metrics

from probing_core.measures import MEASURES
from probing_core.measures import classification as module
from probing_core.measures.classification import (
    at_temperature,
    balanced_accuracy,
    calibration_error,
    control_labels,
    detection_threshold,
    fit_temperature,
    informedness,
    macro_f1,
    softmax,
)
from probing_core.measures.statistics import average, mean, numbered


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_is_scipys_in_the_precision_of_its_logits_however_large_they_are(dtype):
    logits = (np.random.default_rng(0).normal(size=(4, 6, 5)) * 300).astype(dtype)
    found = softmax(logits)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, special.softmax(logits, axis=-1), rtol=1e-6)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-6)


def test_the_temperature_that_made_the_labels_is_found():
    rng = np.random.default_rng(0)
    honest = rng.dirichlet(np.full(6, 0.7), 20_000)
    truth = (rng.random((len(honest), 1)) > honest.cumsum(1)).sum(1)
    boastful = at_temperature(honest, 1 / 2.5)
    assert fit_temperature(boastful, truth) == pytest.approx(2.5, rel=0.03)
    clusters = np.arange(len(truth))

    def error(p):
        return calibration_error(p.max(1), p.argmax(1) == truth, clusters).value

    assert error(at_temperature(boastful, fit_temperature(boastful, truth))) < 0.02 < error(boastful)


def test_control_labels_depend_on_the_type_alone_and_are_balanced():
    types = np.random.default_rng(0).integers(0, 60, 2000)
    labels = control_labels(types, 6, seed=3)
    by_type = {t: set(labels[types == t]) for t in np.unique(types)}
    assert all(len(s) == 1 for s in by_type.values())
    assert np.bincount([next(iter(s)) for s in by_type.values()]).tolist() == [10] * 6
    assert (control_labels(types, 6, seed=4) != labels).any()


LEVELS = np.linspace(0, 1, 7)


def observed(center: float, seed: int, images: int = 150, false: float = 0.1):
    rng = np.random.default_rng(seed)
    rate = false + (1 - false) * norm.cdf((LEVELS - center) / 0.15)
    return rng.random((images, 7)) < rate, rng.random(images) < false


def true_threshold(center: float, false: float = 0.1) -> float:
    target = norm.cdf(norm.ppf(false) + 1)
    return center + 0.15 * norm.ppf((target - false) / (1 - false))


@pytest.mark.slow
@pytest.mark.parametrize(("false", "least"), [(0.1, 0.9), (0.02, 0.78)])
def test_the_interval_covers_a_known_threshold(false, least, monkeypatch):
    """Coverage is lower if the false positive rate is low, as documented."""
    monkeypatch.setattr(module, "THRESHOLD_RESAMPLES", 250)  # the ends of an interval vary a little more
    found = [detection_threshold(LEVELS, *observed(0.6, seed, false=false)) for seed in range(80)]
    truth = true_threshold(0.6, false)
    assert np.mean([f.value for f in found]) == pytest.approx(truth, abs=0.03)
    assert np.mean([f.low <= truth <= f.high for f in found]) >= least
    assert not any(f.censored for f in found)


@pytest.mark.slow
@pytest.mark.parametrize(("center", "censored"), [(-0.6, "below"), (3.0, "above")])
def test_thresholds_outside_the_levels_say_so(center, censored):
    found = detection_threshold(LEVELS, *observed(center, 0))
    assert found.censored == censored
    assert found.value in (0, 1)
    outside, inside = (found.low, found.high) if censored == "below" else (found.high, found.low)
    assert np.isnan(outside)
    assert 0 <= inside <= 1


def test_detection_threshold_does_not_exist_if_every_clean_image_is_a_false_positive():
    found = detection_threshold(LEVELS, np.ones((40, 7)), np.ones(40))
    assert (found.value, found.censored) == (1, "above")
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.slow
def test_few_images_have_no_interval():
    found = detection_threshold(LEVELS, *observed(0.5, 0, images=10))
    assert np.isnan([found.low, found.high]).all()
