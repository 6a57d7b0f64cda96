"""Ranks, recall in other galleries and limits, each against a slow second implementation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom, hypergeom
from sklearn.isotonic import IsotonicRegression
from sklearn.neighbors import NearestNeighbors

from probing_core.measures import retrieval
from probing_core.measures.retrieval import Ranks, directions, extrapolated, isotonic, ranks, recall_limit


@pytest.fixture
def pictures() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """60 pictures of 50 photographs, and an altered copy of each."""
    rng = np.random.default_rng(3)
    gallery = rng.normal(size=(60, 8))
    photographs = np.append(np.arange(50), np.arange(10))
    return gallery, gallery + rng.normal(0, 0.8, gallery.shape), photographs


def search(gallery: np.ndarray, copies: np.ndarray, photographs: np.ndarray, blocks: int = 3) -> Ranks:
    known = directions(gallery)
    return ranks(directions(copies), known, iter(np.array_split(known, blocks)), photographs, photographs)


def test_ranks_are_those_of_scikit_learn(pictures):
    gallery, copies, photographs = pictures
    found = search(*pictures)
    near = NearestNeighbors(n_neighbors=60, metric="cosine").fit(gallery).kneighbors(copies, return_distance=False)
    for query in range(60):
        others = [i for i in near[query] if i == query or photographs[i] != photographs[query]]
        assert found.ahead[query] == others.index(query)
        assert found.others[query] == len(others) - 1
    for k in (1, 10):
        assert found.found(k).tolist() == [float(a < k) for a in found.ahead]


def test_blocks_of_the_gallery_and_of_queries_change_nothing(pictures, monkeypatch):
    whole = search(*pictures, blocks=1)
    monkeypatch.setattr(retrieval, "BLOCK_NUMBERS", 50)
    parts = search(*pictures, blocks=7)
    assert parts.ahead.tolist() == whole.ahead.tolist()
    assert parts.others.tolist() == whole.others.tolist()


def test_a_picture_as_near_as_the_original_is_ahead_of_it():
    gallery = np.array([[1.0, 0], [1, 0], [0, 1]])
    found = search(gallery, gallery, np.arange(3), blocks=1)
    assert found.ahead.tolist() == [1, 1, 0]


def test_hashes_are_compared_by_the_hamming_distance():
    bits = np.random.default_rng(0).integers(0, 2, (20, 64))
    cosines = directions(bits) @ directions(bits).T
    distances = (bits[:, None] != bits).sum(2)
    np.testing.assert_allclose(cosines, 1 - 2 * distances / 64, atol=1e-6)


@pytest.mark.parametrize("k", [1, 10])
def test_recall_in_a_smaller_gallery_is_that_of_drawn_ones(pictures, k):
    found = search(*pictures)
    chances = found.found(k, 12)
    expected = [hypergeom.cdf(k - 1, n, a, 11) for a, n in zip(found.ahead, found.others, strict=True)]
    np.testing.assert_allclose(chances, expected, atol=1e-9)
    rng = np.random.default_rng(1)
    drawn = [
        (rng.permuted(np.arange(n))[:11] < a).sum() < k for a, n in zip(found.ahead, found.others, strict=True)
        for _ in range(300)
    ]  # fmt: skip
    assert abs(np.mean(drawn) - chances.mean()) < 0.01
    assert found.found(k, 60).tolist() == found.found(k).tolist()


ONE_KIND = np.zeros


def test_recall_is_extrapolated_to_what_a_larger_gallery_gives():
    """Queries differ in how often another picture is ahead of their original, and not by the assumed distribution."""
    rng = np.random.default_rng(0)
    p = rng.choice([0, 1e-4, 2e-3, 0.03], p=[0.3, 0.3, 0.25, 0.15], size=4000)
    few = Ranks(rng.binomial(199, p), np.full(4000, 199))
    found = extrapolated(few, np.arange(4000) // 4, ONE_KIND(4000), (1, 10), (400, 2000))
    for (k, gallery), interval in found.items():
        truth = np.mean([(rng.binomial(gallery - 1, p) < k).mean() for _ in range(20)])
        assert abs(interval.value - truth) < 0.06
        assert interval.low <= interval.value <= interval.high
        assert interval.high - interval.low < 0.25


def test_the_law_of_the_extrapolation_is_found_where_it_holds():
    a, b, n = 0.3, 20.0, 150
    ahead = betabinom.rvs(n, a, b, size=5000, random_state=np.random.default_rng(0))
    found = extrapolated(Ranks(ahead, np.full(5000, n)), np.arange(5000), ONE_KIND(5000), (1, 5), (301, 1501))
    for (k, gallery), interval in found.items():
        truth = betabinom.cdf(k - 1, gallery - 1, a, b)
        assert interval.value == pytest.approx(truth, abs=0.015)
        assert interval.low <= truth <= interval.high


def test_every_kind_of_alteration_has_a_law_of_its_own():
    """Of two kinds with the same mean probability, one distribution would be neither's."""
    rng, n, size = np.random.default_rng(0), 150, 3000
    shapes = ((0.05, 1.0), (5.0, 2000.0))
    kinds = np.repeat([0, 1], size)
    ahead = np.concatenate([betabinom.rvs(n, a, b, size=size, random_state=rng) for a, b in shapes])
    truth = np.mean([betabinom.cdf(0, 1509, a, b) for a, b in shapes])
    both = Ranks(ahead, np.full(len(ahead), n))
    apart = extrapolated(both, np.arange(len(ahead)), kinds, (1,), (1510,))[1, 1510]
    mixed = extrapolated(both, np.arange(len(ahead)), ONE_KIND(len(ahead)), (1,), (1510,))[1, 1510]
    assert apart.value == pytest.approx(truth, abs=0.02)
    assert abs(mixed.value - truth) > abs(apart.value - truth)
    assert apart.low <= truth <= apart.high


def test_the_interval_is_as_wide_as_the_law_misses_in_a_part_of_the_gallery():
    """A distribution that is far from beta: the interval without the miss would leave the truth out."""
    rng, n, size = np.random.default_rng(0), 299, 4000
    p = rng.choice([1e-4, 0.2], p=[0.6, 0.4], size=size)
    found = Ranks(rng.binomial(n, p), np.full(size, n))
    interval = extrapolated(found, np.arange(size), ONE_KIND(size), (1,), (3000,))[1, 3000]
    truth = np.mean((1 - p) ** 2999)
    assert interval.low <= truth <= interval.high
    part = rng.hypergeometric(found.ahead, n - found.ahead, 29)
    again = extrapolated(Ranks(part, np.full(size, 29)), np.arange(size), ONE_KIND(size), (1,), (300,))[1, 300]
    miss = abs(again.value - (found.ahead == 0).mean())
    assert interval.high - interval.value == pytest.approx(miss, abs=0.06)  # and the doubt in the fit


def test_few_photographs_are_extrapolated_without_an_interval():
    (found,) = extrapolated(Ranks(np.arange(10), np.full(10, 30)), np.arange(10), ONE_KIND(10), (1,), (62,)).values()
    assert found.method == "none"
    assert np.isnan(found.low)


def test_isotonic_regression_is_that_of_scikit_learn():
    values = np.random.default_rng(0).uniform(size=(50, 7))
    expected = [IsotonicRegression(increasing=False).fit_transform(np.arange(7), row) for row in values]
    np.testing.assert_allclose(isotonic(values), expected, atol=1e-12)


def test_the_limit_lies_where_recall_crosses_the_goal():
    levels = np.array([0.0, 1.0, 3.0])
    found = np.ones((100, 3))
    found[:10, 2] = 0  # 100, 100, 90 %
    limit = recall_limit(levels, found)
    assert limit.value == pytest.approx(2.0)
    assert limit.censored == ""
    assert limit.low <= limit.value <= limit.high
    rng = np.random.default_rng(0)
    drawn = [recall_limit(levels, found[rng.integers(100, size=100)]).value for _ in range(1000)]
    np.testing.assert_allclose([limit.low, limit.high], np.quantile(drawn, [0.025, 0.975]), atol=0.15)


def test_what_is_always_or_never_found_is_said_so():
    levels = np.arange(4.0)
    always, never = recall_limit(levels, np.ones((30, 4))), recall_limit(levels, np.zeros((30, 4)))
    assert (always.censored, always.value) == ("above", 3.0)
    assert (never.censored, never.value) == ("below", 0.0)
    assert np.isnan(recall_limit(levels, np.ones((19, 4))).low)
