from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from probing_core.compute.lazy_rows import LazyRows
from probing_core.results import nearest, place


def test_nearest_against_scikit_learn():
    rng = np.random.default_rng(0)
    embeddings, query = rng.normal(2, 1, (200, 8)), rng.normal(2, 1, 8)
    found, similarity = nearest(LazyRows((embeddings.astype(np.float32),)), query, 7)
    mean = embeddings.mean(axis=0)
    other = NearestNeighbors(n_neighbors=7, metric="cosine").fit(embeddings - mean)
    distances, indices = other.kneighbors((query - mean)[None])
    np.testing.assert_array_equal(found, indices[0])
    np.testing.assert_allclose(similarity, 1 - distances[0], atol=1e-6)


def test_rows_that_are_read_block_by_block_have_the_same_neighbors(monkeypatch):
    rng = np.random.default_rng(1)
    rows = rng.normal(2, 1, (500, 8)).astype(np.float32)
    monkeypatch.setattr("probing_core.compute.lazy_rows.READ_ROWS", 64)
    lazy = LazyRows((rows[:200], rows[200:]))
    for query, k in ((rows[40] + 0.01, 7), (rows[7], 1), (rng.normal(2, 1, 8), 600)):
        mine, theirs = nearest(lazy, query, k), nearest(LazyRows((rows,)), query, k)
        np.testing.assert_array_equal(mine[0], theirs[0])
        np.testing.assert_allclose(mine[1], theirs[1], atol=1e-6)
        assert len(mine[0]) == min(k, 500)


def test_a_picture_of_the_run_lies_where_it_is():
    points = pd.DataFrame({"sample": [4, 9], "x": [1.0, 3.0], "y": [0.0, 2.0]})
    at = place(points, np.array([9, 4]), np.array([1.0, 0.0]))
    np.testing.assert_allclose(np.array(at), np.array([3.0, 2.0]), atol=1e-3)


def test_a_thinned_map_may_lack_all_neighbors():
    points = pd.DataFrame({"sample": [4], "x": [1.0], "y": [0.0]})
    assert place(points, np.array([5, 6]), np.array([0.9, 0.8])) is None
