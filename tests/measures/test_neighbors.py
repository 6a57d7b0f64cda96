"""Neighbors, retrieval, unrelated pairs, content and look."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from probing_core.errors import BadArray
from probing_core.measures import neighbors
from probing_core.measures.neighbors import (
    content_accuracy,
    directions,
    nearest,
    ranks,
    same_look,
    threshold,
    unit,
    unrelated_pairs,
)


@pytest.fixture
def pictures() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """60 pictures of 50 photographs, and an altered copy of each."""
    rng = np.random.default_rng(3)
    gallery = rng.normal(size=(60, 8))
    photographs = np.append(np.arange(50), np.arange(10))
    return gallery, gallery + rng.normal(0, 0.8, gallery.shape), photographs


def search(gallery: np.ndarray, copies: np.ndarray, photographs: np.ndarray, blocks: int = 3) -> np.ndarray:
    known = directions(gallery)
    return ranks(directions(copies), known, iter(np.array_split(known, blocks)), photographs, photographs)


def test_ranks_are_those_of_scikit_learn(pictures):
    gallery, copies, photographs = pictures
    found = search(*pictures)
    near = NearestNeighbors(n_neighbors=60, metric="cosine").fit(gallery).kneighbors(copies, return_distance=False)
    for query in range(60):
        others = [i for i in near[query] if i == query or photographs[i] != photographs[query]]
        assert found[query] == others.index(query)


def test_blocks_of_the_gallery_and_of_queries_change_nothing(pictures, monkeypatch):
    whole = search(*pictures, blocks=1)
    monkeypatch.setattr(neighbors, "BLOCK_NUMBERS", 50)
    parts = search(*pictures, blocks=7)
    assert parts.tolist() == whole.tolist()


def test_a_picture_as_near_as_the_original_is_ahead_of_it():
    gallery = np.array([[1.0, 0], [1, 0], [0, 1]])
    found = search(gallery, gallery, np.arange(3), blocks=1)
    assert found.tolist() == [1, 1, 0]


def test_hashes_are_compared_by_the_hamming_distance():
    bits = np.random.default_rng(0).integers(0, 2, (20, 64))
    cosines = directions(bits) @ directions(bits).T
    distances = (bits[:, None] != bits).sum(2)
    np.testing.assert_allclose(cosines, 1 - 2 * distances / 64, atol=1e-6)


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


def test_same_looks_are_those_of_a_loop_without_the_own_photograph():
    rng = np.random.default_rng(0)
    looks, photographs = np.tile([0, 1, 2], 8), np.repeat(np.arange(8), 3)
    X = unit(rng.normal(size=(24, 5)))
    expected = []
    for i in range(24):
        others = [j for j in range(24) if photographs[j] != photographs[i]]
        near = sorted(others, key=lambda j: -X[i] @ X[j])[:4]
        expected.append(sum(looks[j] == looks[i] for j in near))
    assert same_look(X, looks, photographs, k=4).tolist() == expected


def hashes(count: int, seed: int = 0) -> np.ndarray:
    """Directions of short hashes, of which many are equally near."""
    return directions(np.random.default_rng(seed).integers(0, 2, (count, 16)))


@pytest.mark.parametrize("k", [1, 7, 300])
@pytest.mark.parametrize("own", [False, True])
def test_nearest_breaks_ties_by_index(k, own):
    known = hashes(300)
    queries = known if own else hashes(200, seed=1)
    indices, cosines = nearest(known, queries, k, self_first=own)
    similarity = queries @ known.T + (2 * np.eye(300) if own else 0)
    expected = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_array_equal(cosines, np.minimum(np.take_along_axis(similarity, expected, axis=1), 1))


def test_nearest_breaks_ties_by_index_where_too_few_are_apart():
    known, photographs = hashes(30), np.repeat([0, 1], [26, 4])
    indices, cosines = nearest(known, known, 8, groups=(photographs, photographs))
    similarity = np.where(photographs[:, None] == photographs, -np.inf, known @ known.T)
    np.testing.assert_array_equal(indices, np.argsort(-similarity, axis=1, kind="stable")[:, :8])
    assert np.isneginf(cosines[0, 4:]).all()


def test_unrelated_pairs_breaks_ties_by_index():
    X = hashes(120)
    found = unrelated_pairs(X, np.arange(120), 0.02)
    one, other = np.triu_indices(120, 1)
    cosines = (X @ X.T)[one, other]
    order = np.argsort(-cosines, kind="stable")[: len(found.cosines)]
    assert cosines[order[-1]] == np.sort(cosines)[::-1][len(order)], "a tie is cut off"
    np.testing.assert_array_equal(found.cosines, cosines[order])
    np.testing.assert_array_equal([found.first, found.second], [one[order], other[order]])


@pytest.mark.parametrize("k", [1, 4])
def test_content_accuracy_breaks_ties_by_index(k):
    rng = np.random.default_rng(0)
    truth, labels = rng.integers(5, size=30), np.append(np.arange(5), rng.integers(5, size=75))
    queries, gallery = hashes(30 * 3, seed=2).reshape(30, 3, 16), hashes(80 * 3, seed=3).reshape(80, 3, 16)
    found = content_accuracy(queries, gallery, truth, labels, k)
    drawn = np.random.default_rng(0).integers(3, size=(10, 80))
    random = [
        [[voted(gallery[np.arange(80), d] @ queries[i, own], labels, k) == truth[i] for d in drawn] for own in range(3)]
        for i in range(30)
    ]
    np.testing.assert_allclose(found, np.mean(random, axis=(1, 2)))


def voted(cosines: np.ndarray, labels: np.ndarray, k: int) -> int:
    near = np.argsort(-cosines, kind="stable")[:k]
    counts = Counter(labels[near].tolist())
    most = max(counts.values())
    return max(
        (c for c in sorted(counts) if counts[c] == most), key=lambda c: sum(cosines[i] for i in near if labels[i] == c)
    )


@pytest.mark.parametrize("k", [1, 3])
def test_content_accuracy_is_that_of_loops_over_looks(k):
    rng = np.random.default_rng(0)
    truth, labels = rng.integers(3, size=12), np.append(np.arange(3), rng.integers(3, size=17))
    queries, gallery = unit(rng.normal(size=(12, 4, 5))), unit(rng.normal(size=(20, 4, 5)))
    found = content_accuracy(queries, gallery, truth, labels, k)
    drawn = np.random.default_rng(0).integers(4, size=(10, 20))
    random = [
        [[voted(gallery[np.arange(20), d] @ queries[i, own], labels, k) == truth[i] for d in drawn] for own in range(4)]
        for i in range(12)
    ]
    np.testing.assert_allclose(found, np.mean(random, axis=(1, 2)))
