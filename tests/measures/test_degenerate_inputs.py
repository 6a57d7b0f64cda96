"""All measures on degenerate inputs: equal embeddings, one class, constant predictions, few photographs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probing_core.errors import BadArray
from probing_core.measures import MEASURES, interval
from probing_core.measures.embedding_space import shift, variance_parts
from probing_core.measures.measure import Predictions
from probing_core.measures.statistics import Interval, mean
from probing_core.probes import linear


def assert_sound(estimate: Interval, low: float | None, high: float | None) -> None:
    """Assert that an estimate is a number with an interval around it, or that there is no interval."""
    assert np.isnan(estimate.value) or np.isfinite(estimate.value)
    assert np.isnan([estimate.low, estimate.high]).all() == (estimate.method == "none")
    if estimate.method != "none":
        assert estimate.low - 1e-9 <= estimate.value <= estimate.high + 1e-9
        assert estimate.high - estimate.low > 1e-9
        assert low is None or estimate.low >= low
        assert high is None or estimate.high <= high


@pytest.mark.parametrize(
    "measure", [measure for measure in MEASURES if measure.score], ids=lambda measure: measure.name
)
@settings(max_examples=40, deadline=None)
@given(
    classes=st.integers(1, 3), guesses=st.integers(1, 3), photographs=st.integers(1, 30),
    samples=st.integers(1, 4), p=st.sampled_from([0.0, 1e-300, 1 / 3, 1.0]), seed=st.integers(0, 99),
)  # fmt: skip
def test_scores_of_degenerate_predictions_are_sound(measure, classes, guesses, photographs, samples, p, seed):
    rng = np.random.default_rng(seed)
    n = photographs * samples
    truth, predicted = np.arange(n) % classes, rng.integers(0, guesses, n)
    constant = np.full(n, p)
    data = Predictions(truth, predicted, np.repeat(np.arange(photographs), samples), constant, constant, constant)
    sums = measure.score(data)
    if sums is not None and measure.has_interval:
        assert_sound(interval(sums, low=measure.low, high=measure.high), measure.low, measure.high)


@pytest.mark.parametrize("photographs", [6, 10, 19, 20, 150])
def test_interval_of_a_constant_encoder_is_not_empty(photographs):
    # Its recall is 1/3 for each photograph up to rounding, and the variance is zero.
    truth = np.tile(np.arange(3), photographs)
    scores = mean(truth == 0, np.repeat(np.arange(photographs), 3))
    estimate = interval(scores, low=0, high=1)
    assert estimate.high - estimate.low > 0.1
    assert interval(mean(np.full(3 * photographs, 0.1), np.repeat(np.arange(photographs), 3)), low=0).method == "none"


MATRICES = ("equal", "zero", "nearly equal", "one differs", "opposite", "random")


def degenerate(kind: str, count: int, scale: float, dtype: type, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    X = np.tile(rng.normal(size=8), (count, 1))
    if kind == "zero":
        X[:] = 0
    elif kind == "nearly equal":
        X += rng.normal(size=X.shape) * 1e-15
    elif kind == "one differs":
        X[0] = rng.normal(size=8)
    elif kind == "opposite":
        X[::2] *= -1
    elif kind == "random":
        X = rng.normal(size=X.shape)
    return (X * scale).astype(dtype)


KINDS = st.sampled_from(MATRICES)
SCALES = st.sampled_from([1e-6, 1.0, 1e6])
DTYPES = st.sampled_from([np.float32, np.float64])


@settings(max_examples=150, deadline=None)
@given(KINDS, KINDS, st.integers(2, 12), SCALES, DTYPES, st.integers(0, 99))
def test_shift_of_degenerate_embeddings_is_a_number_or_undefined(kind, moved_kind, count, scale, dtype, seed):
    clean, moved = (degenerate(one, count, scale, dtype, seed + at) for at, one in enumerate((kind, moved_kind)))
    shifts = shift(clean, moved)
    assert np.isnan(shifts).all() or (np.isfinite(shifts).all() and (shifts > -1e-6).all() and (shifts < 100).all())
    assert np.isnan(shifts).all() == (kind in ("equal", "nearly equal"))


@settings(max_examples=150, deadline=None)
@given(KINDS, KINDS, st.integers(3, 9), st.integers(1, 2), SCALES, DTYPES, st.integers(0, 99))
def test_variance_parts_of_degenerate_embeddings_are_fractions_or_undefined(
    of_photographs, of_transforms, count, repetitions, scale, dtype, seed
):
    photographs = degenerate(of_photographs, count, scale, np.float64, seed)[:, None, None]
    transforms = degenerate(of_transforms, 3, scale, np.float64, seed + 1)[None, :, None]
    X = np.repeat(photographs + transforms, repetitions, axis=2).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = variance_parts(X)
    for estimate in parts.values():
        assert_sound(estimate, 0, 1)
    values = [estimate.value for estimate in parts.values()]
    assert np.isnan(values).all() or sum(values) == pytest.approx(1)


@pytest.mark.parametrize(
    ("y", "weights", "word"),
    [([0] * 12, None, "'a'"), ([0, 1] * 6, np.zeros(12), "none"), ([0, 1] * 6, np.array([1.0, 0] * 6), "'a'"),
     ([0, 1] * 6, np.array([np.nan, 1] * 6), "finite weight")],
)  # fmt: skip
def test_linear_probe_states_that_classes_or_weights_are_missing(y, weights, word):
    X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    with pytest.raises(BadArray, match=word):
        linear.fit(X, np.array(y), classes=("a", "b"), validation=(X, np.array(y)), weights=weights)
