"""Rank correlations over clusters against scipy, and against a slow bootstrap that repeats rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from probing_core.measures.rank_correlation import MIN_CLUSTERS, rank_correlations


@pytest.fixture(scope="module")
def points() -> tuple[np.ndarray, np.ndarray]:
    """Sixty points of three measures in twelve clusters of unequal size, with ties."""
    rng = np.random.default_rng(0)
    clusters = np.sort(rng.integers(0, 12, 60))
    common = rng.normal(size=12)[clusters]
    values = np.stack([common + rng.normal(size=60), common + rng.normal(size=60), rng.normal(size=60)], axis=1)
    return values.round(1), np.array([f"network {i}" for i in clusters])


def test_values_are_those_of_scipy(points):
    values, clusters = points
    found = rank_correlations(values, clusters, draws=10)
    np.testing.assert_allclose(found.value, spearmanr(values).statistic)
    assert (found.points, found.clusters) == (60, 12)


def test_intervals_are_those_of_a_slow_bootstrap_over_clusters(points):
    values, clusters = points
    names, draws = np.unique(clusters), 300
    rng = np.random.default_rng(7)
    slow = []
    for counts in rng.multinomial(len(names), np.full(len(names), 1 / len(names)), draws):
        rows = np.concatenate([np.tile(np.flatnonzero(clusters == n), c) for n, c in zip(names, counts, strict=True)])
        slow.append(spearmanr(values[rows]).statistic)
    found = rank_correlations(values, clusters, draws=draws, seed=7)
    low, high = np.quantile(slow, [0.025, 0.975], axis=0)
    np.testing.assert_allclose(found.low, low)
    np.testing.assert_allclose(found.high, high)


def test_points_that_are_there_twice_in_their_clusters_make_no_interval_narrower(points):
    values, clusters = points
    once = rank_correlations(values, clusters)
    twice = rank_correlations(np.repeat(values, 2, axis=0), np.repeat(clusters, 2))
    np.testing.assert_allclose(once.low, twice.low)
    alone = rank_correlations(np.repeat(values, 2, axis=0), np.arange(120).astype(str))
    assert alone.high[0, 1] - alone.low[0, 1] < once.high[0, 1] - once.low[0, 1]


def test_few_clusters_have_no_interval_and_a_constant_has_no_correlation(points):
    values, clusters = points
    few = rank_correlations(values, np.arange(60) % (MIN_CLUSTERS - 1))
    assert np.isnan(few.low).all()
    assert np.isfinite(few.value).all()
    constant = rank_correlations(np.column_stack([values[:, 0], np.ones(60)]), clusters, draws=20)
    assert np.isnan([constant.value[0, 1], constant.value[1, 1]]).all()
