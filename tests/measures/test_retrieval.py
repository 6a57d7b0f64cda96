"""Ranks, against a slow second implementation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from probing_core.measures import retrieval
from probing_core.measures.retrieval import Ranks, directions, ranks


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
    for k in (1, 10):
        assert found.found(k).tolist() == [float(a < k) for a in found.ahead]


def test_blocks_of_the_gallery_and_of_queries_change_nothing(pictures, monkeypatch):
    whole = search(*pictures, blocks=1)
    monkeypatch.setattr(retrieval, "BLOCK_NUMBERS", 50)
    parts = search(*pictures, blocks=7)
    assert parts.ahead.tolist() == whole.ahead.tolist()


def test_a_picture_as_near_as_the_original_is_ahead_of_it():
    gallery = np.array([[1.0, 0], [1, 0], [0, 1]])
    found = search(gallery, gallery, np.arange(3), blocks=1)
    assert found.ahead.tolist() == [1, 1, 0]


def test_hashes_are_compared_by_the_hamming_distance():
    bits = np.random.default_rng(0).integers(0, 2, (20, 64))
    cosines = directions(bits) @ directions(bits).T
    distances = (bits[:, None] != bits).sum(2)
    np.testing.assert_allclose(cosines, 1 - 2 * distances / 64, atol=1e-6)
