"""Thresholds for duplicates against scikit-learn's neighbors and a slow bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from probing_core.errors import BadArray
from probing_core.measures.nearest import unit
from probing_core.measures.unrelated_pairs import threshold, unrelated_pairs


@pytest.fixture
def embedded() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    photographs = np.append(np.arange(80), np.arange(20))  # twenty have a second, nearly equal picture
    X = rng.normal(size=(80, 6))[photographs] + rng.normal(0, 0.01, (100, 6))
    return unit(X), photographs


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_the_stated_share_of_unrelated_pairs_lies_above(embedded, share):
    X, photographs = embedded
    found = threshold(unrelated_pairs(X, photographs, share), share)
    near = NearestNeighbors(metric="cosine").fit(X).radius_neighbors_graph(X, radius=1 - found.value - 1e-12)
    one, other = near.nonzero()
    above = ((one < other) & (photographs[one] != photographs[other])).sum()
    pairs = sum(photographs[i] != photographs[j] for i in range(100) for j in range(i))
    assert pairs == 100 * 99 // 2 - 20
    assert above == int(share * pairs)


def test_pictures_of_one_photograph_are_no_unrelated_pair(embedded):
    X, photographs = embedded
    apart, taken_for_others = (
        threshold(unrelated_pairs(X, names, 0.005), 0.005).value for names in (photographs, np.arange(100))
    )
    assert apart < taken_for_others


def test_the_interval_draws_photographs_on_both_sides_of_a_pair(embedded):
    X, photographs = embedded
    found = threshold(unrelated_pairs(X, photographs, 0.02), 0.02)
    rng, drawn = np.random.default_rng(1), []
    for _ in range(1500):
        chosen = rng.integers(80, size=80)
        rows = np.concatenate([np.flatnonzero(photographs == base) for base in chosen])
        cosines = X[rows] @ X[rows].T
        apart = np.triu(photographs[rows][:, None] != photographs[rows], 1)
        ordered = np.sort(cosines[apart])[::-1]
        drawn.append(ordered[int(0.02 * len(ordered))])
    np.testing.assert_allclose([found.low, found.high], np.quantile(drawn, [0.025, 0.975]), atol=0.01)
    assert found.low < found.value < found.high


def test_few_photographs_have_a_threshold_without_an_interval():
    X = unit(np.random.default_rng(0).normal(size=(19, 4)))
    found = threshold(unrelated_pairs(X, np.arange(19), 0.05), 0.05)
    assert found.method == "none"
    assert np.isfinite(found.value)
    with pytest.raises(BadArray, match="at least two photographs"):
        unrelated_pairs(X, np.zeros(19), 0.05)
