"""Readings of embeddings, and what neighbors share, against slow loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from probing_core.compute import readings
from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.names import DONE, EVERYTHING
from probing_core.compute.readings import nearest_embeddings, nearest_points, read_as, shares_among

TRANSFORMS = ("identity", "blur", "noise", "fog")


@pytest.fixture(scope="module")
def made() -> tuple[pd.DataFrame, np.ndarray]:
    """What an image shows and what was done to it are added; the first ten images have one more version."""
    rng = np.random.default_rng(0)
    rows = [(f"i{i}", name) for i in range(30) for name in (*TRANSFORMS, *(("far",) if i < 10 else ()))]
    samples = pd.DataFrame(rows, columns=["image_id", "transform"]).sample(frac=1, random_state=0, ignore_index=True)
    content = dict(zip(samples["image_id"].unique(), rng.normal(0, 3, (30, 6)), strict=True))
    done = dict(zip(samples["transform"].unique(), rng.normal(0, 1, (5, 6)), strict=True))
    X = np.stack([content[i] + done[t] for i, t in zip(samples["image_id"], samples["transform"], strict=True)])
    return samples, (X + rng.normal(0, 0.05, X.shape)).astype(np.float32)


def lazily(X: np.ndarray) -> LazyRows:
    return LazyRows((X[:50], X[50:]))


@pytest.mark.parametrize("block", [7, 8192])
def test_what_was_done_is_left_when_each_image_loses_its_mean_over_what_all_images_have(made, monkeypatch, block):
    monkeypatch.setattr(readings, "BLOCK", block)
    samples, X = made
    read = read_as(lazily(X), samples, DONE)
    for i in range(len(X)):
        same = (samples["image_id"] == samples["image_id"][i]) & samples["transform"].isin(TRANSFORMS)
        assert np.allclose(read[np.array([i])][0], X[i] - X[same].mean(axis=0), atol=1e-5)
    assert len(read) == len(X)
    assert np.array_equal(read[5:9], read[np.arange(5, 9)])


def test_everything_is_as_it_is(made):
    samples, X = made
    assert np.array_equal(read_as(lazily(X), samples, EVERYTHING)[:], X)


def test_each_reading_has_neighbors_of_its_kind(made):
    samples, X = made
    labels = {name: samples[name].to_numpy() for name in ("image_id", "transform")}
    queries = np.flatnonzero(samples["transform"].isin(TRANSFORMS))
    shares = {
        reading: shares_among(nearest_embeddings(read_as(lazily(X), samples, reading)[:], queries, 3), queries, labels)
        for reading in (DONE, EVERYTHING)
    }
    assert shares[DONE]["transform"] > 0.95
    assert shares[EVERYTHING]["image_id"] > 0.5


def test_neighbors_are_those_of_scikit_learn(made):
    _, X = made
    queries = np.array([3, 50, 7])
    centered = X - X.mean(0)
    theirs = NearestNeighbors(n_neighbors=6, metric="cosine", algorithm="brute").fit(centered)
    assert np.array_equal(nearest_embeddings(X, queries, 5), theirs.kneighbors(centered[queries])[1][:, 1:])
    on_map = NearestNeighbors(n_neighbors=6).fit(X[:, :2]).kneighbors(X[queries, :2])[1][:, 1:]
    assert np.array_equal(nearest_points(X[:, :2], queries, 5), on_map)


def test_a_point_is_none_of_its_own_neighbors_where_others_lie_on_it():
    points = np.zeros((5, 2))
    near = nearest_points(points, np.arange(5), 4)
    assert all(sorted({*row}) == sorted({*range(5)} - {i}) for i, row in enumerate(near.tolist()))


def test_shares_are_those_of_a_loop():
    rng = np.random.default_rng(1)
    label, near, queries = rng.integers(0, 3, 40), rng.integers(0, 40, (9, 4)), rng.integers(0, 40, 9)
    expected = np.mean([label[n] == label[q] for q, row in zip(queries, near, strict=True) for n in row])
    assert shares_among(near, queries, {"x": label}) == {"x": pytest.approx(expected)}
