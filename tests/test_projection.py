from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from probing_core.projection import nearest_neighbors, thin, umap_points


@pytest.fixture(scope="module")
def clusters():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(4, 20)) * 4
    truth = np.repeat(np.arange(4), 60)
    return (centers[truth] + rng.normal(size=(240, 20))).astype(np.float32), truth


def test_neighbors_are_those_of_scikit_learn(clusters):
    X, _ = clusters
    indices, distances = nearest_neighbors(X, 10)
    theirs = NearestNeighbors(n_neighbors=10, metric="cosine", algorithm="brute").fit(X - X.mean(0))
    their_distances, their_indices = theirs.kneighbors(X - X.mean(0))
    assert np.allclose(distances, their_distances, atol=1e-5)
    assert (indices == their_indices).mean() > 0.99
    assert (indices[:, 0] == np.arange(len(X))).all()


def test_duplicates_and_zeros_have_neighbors_too():
    X = np.zeros((6, 3), np.float32)
    indices, distances = nearest_neighbors(X, 4)
    assert (indices[:, 0] == np.arange(6)).all()
    assert np.isfinite(distances).all()


def test_a_map_keeps_clusters_together_and_a_seed_keeps_the_map(clusters):
    X, truth = clusters
    points = umap_points(X, 0)
    assert points.shape == (240, 2)
    near = NearestNeighbors(n_neighbors=6).fit(points).kneighbors(points, return_distance=False)[:, 1:]
    assert (truth[near] == truth[:, None]).mean() > 0.95
    assert np.array_equal(points, umap_points(X, 0))


def test_thinning_keeps_whole_images_and_says_no_more_than_asked():
    ids = np.repeat([f"i{k}" for k in range(100)], 10)
    assert len(thin(ids, 1000)) == 1000
    kept = thin(ids, 250)
    assert len(kept) == 250
    assert set(np.unique(ids[kept], return_counts=True)[1]) == {10}
