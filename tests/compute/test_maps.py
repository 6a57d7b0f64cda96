from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from probing_core.compute import maps
from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.maps import map_table, neighbor_table, place_others, read_as, umap_points
from probing_core.compute.task_names import BY_EMBEDDING, BY_TRANSFORMATION, NEAR
from probing_core.compute.training.model_samples import whole_images
from probing_core.measures.neighbors import nearest, unit


@pytest.fixture(scope="module")
def clusters():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(4, 20)) * 4
    truth = np.repeat(np.arange(4), 60)
    return (centers[truth] + rng.normal(size=(240, 20))).astype(np.float32), truth


def test_neighbors_are_those_of_scikit_learn(clusters):
    X, _ = clusters
    known = unit(X - X.mean(0), np.float32)
    indices, cosines = nearest(known, known, 10, self_first=True)
    theirs = NearestNeighbors(n_neighbors=10, metric="cosine", algorithm="brute").fit(X - X.mean(0))
    their_distances, their_indices = theirs.kneighbors(X - X.mean(0))
    assert np.allclose(1 - cosines, their_distances, atol=1e-5)
    assert (indices == their_indices).mean() > 0.99
    assert (indices[:, 0] == np.arange(len(X))).all()


def test_duplicates_and_zeros_have_neighbors_too():
    X = np.zeros((6, 3), np.float32)
    indices, cosines = nearest(unit(X), unit(X), 4, self_first=True)
    assert (indices[:, 0] == np.arange(6)).all()
    assert np.isfinite(cosines).all()


def test_a_map_keeps_clusters_together_and_a_seed_keeps_the_map(clusters):
    X, truth = clusters
    points = umap_points(X, 0)
    assert points.shape == (240, 2)
    near = NearestNeighbors(n_neighbors=6).fit(points).kneighbors(points, return_distance=False)[:, 1:]
    assert (truth[near] == truth[:, None]).mean() > 0.95
    assert np.array_equal(points, umap_points(X, 0))


def test_thinning_keeps_whole_images_and_says_no_more_than_asked():
    ids = np.repeat([f"i{k}" for k in range(100)], 10)
    assert len(whole_images(ids, 1000)) == 1000
    kept = whole_images(ids, 250)
    assert len(kept) == 250
    assert set(np.unique(ids[kept], return_counts=True)[1]) == {10}


def brute_neighbors(X, samples, row, count=5):
    """By scikit-learn, over all samples but those of the photograph."""
    others = np.flatnonzero(samples["base_id"] != samples["base_id"].iloc[row])
    centered = X - X.mean(0)
    search = NearestNeighbors(n_neighbors=count, metric="cosine", algorithm="brute").fit(centered[others])
    return others[search.kneighbors(centered[[row]], return_distance=False)[0]]


@pytest.mark.parametrize("rows_at_once", [maps.MAP_ROWS, 7])
def test_neighbors_are_of_other_photographs_and_those_of_scikit_learn(clusters, monkeypatch, rows_at_once):
    monkeypatch.setattr(maps, "MAP_ROWS", rows_at_once)
    X, _ = clusters
    samples = pd.DataFrame(
        {
            "sample": 3 * np.arange(240, dtype=np.int32),
            "image_id": np.repeat(np.arange(40), 6).astype(str),
            "base_id": np.repeat(np.arange(20), 12).astype(str),  # two images a photograph
            "repetition": np.tile([0, 0, 0, 1, 1, 1], 40),
        }
    )
    table = neighbor_table(LazyRows((X,)), samples)
    assert table["near_1"].dtype == np.uint16
    assert table["among"].tolist() == [-1] * 240 + [0] * 120
    near = table[list(NEAR)].to_numpy()
    for row in range(240):
        assert near[row].tolist() == brute_neighbors(X, samples, row).tolist()
    first = np.flatnonzero(samples["repetition"] == 0)
    assert table["sample"][240:].tolist() == samples["sample"][first].tolist()
    for place in range(120):
        expected = first[brute_neighbors(X[first], samples.iloc[first], place)]
        assert near[240 + place].tolist() == expected.tolist()


def test_where_there_are_fewer_neighbors_there_is_none(clusters):
    samples = pd.DataFrame({"sample": [0, 1, 2, 3], "image_id": list("aabc"), "base_id": list("aabc"), "repetition": 0})
    near = neighbor_table(LazyRows((clusters[0][:4],)), samples)[list(NEAR)].to_numpy()
    none = np.iinfo(np.uint16).max
    assert (near != none).sum(axis=1).tolist() == [2, 2, 3, 3]
    assert set(near[0][:2]) == {2, 3}


def test_neighbors_of_a_large_run_are_sought_among_as_many_as_landmarks(clusters, monkeypatch):
    monkeypatch.setattr(maps, "LANDMARKS", 64)
    names = np.repeat(list("abcdefgh"), 30)
    samples = pd.DataFrame({"sample": np.arange(240), "image_id": names, "base_id": names, "repetition": 0})
    near = neighbor_table(LazyRows((clusters[0],)), samples)[list(NEAR)].to_numpy()
    landmarks = whole_images(names, 64)
    assert set(near.ravel()) <= set(landmarks)
    assert (names[near] != names[:, None]).all()


def test_other_samples_lie_between_their_nearest_landmarks(clusters):
    X, truth = clusters
    landmarks = np.arange(0, 240, 2)
    points = np.random.default_rng(1).normal(size=(120, 2)).astype(np.float32)
    placed = place_others(X, landmarks, points)
    assert np.array_equal(placed[landmarks], points)

    centered = X - X[landmarks].mean(0)
    theirs = NearestNeighbors(n_neighbors=maps.MAP_NEIGHBORS, metric="cosine", algorithm="brute").fit(
        centered[landmarks]
    )
    distances, indices = theirs.kneighbors(centered[1::2])
    weights = np.exp(-10 * distances)
    expected = np.einsum("qk,qkd->qd", weights / weights.sum(1, keepdims=True), points[indices])
    np.testing.assert_allclose(placed[1::2], expected, atol=1e-4)
    assert (truth[landmarks][indices] == truth[1::2, None]).mean() > 0.95  # the clusters stay whole


def test_a_run_of_more_samples_than_landmarks_has_all_of_them_on_its_map(clusters, monkeypatch):
    asked = []
    monkeypatch.setattr(
        maps, "umap_points", lambda embeddings, seed: (asked.append((len(embeddings), seed)), embeddings[:, :2])[1]
    )
    monkeypatch.setattr(maps, "LANDMARKS", 64)
    X, _ = clusters
    samples = pd.DataFrame({"sample": np.arange(240, dtype=np.int32), "image_id": np.repeat(list("abcdefgh"), 30)})
    table = map_table(LazyRows((X,)), samples, 3)
    assert list(table.columns) == ["sample", "x", "y"]
    assert table["sample"].tolist() == samples["sample"].tolist()
    assert np.isfinite(table[["x", "y"]]).all(axis=None)
    assert asked == [(60, 3)]  # two whole images
    landmarks = whole_images(samples["image_id"].to_numpy(), 64)
    placed = place_others(X, landmarks, X[landmarks, :2])
    np.testing.assert_allclose(table[["x", "y"]], placed, atol=1 / 2048)
    assert (table[["x", "y"]].to_numpy() % maps.POSITION_STEP == 0).all(), "rounded, so that it takes less on the disk"


TRANSFORMS = ("identity", "blur", "noise", "fog")


@pytest.fixture(scope="module")
def versions() -> tuple[pd.DataFrame, np.ndarray]:
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
def test_what_was_done_is_left_when_each_image_loses_its_mean_over_what_all_images_have(versions, monkeypatch, block):
    monkeypatch.setattr(maps, "MAP_ROWS", block)
    samples, X = versions
    read = read_as(lazily(X), samples, BY_TRANSFORMATION)
    for i in range(len(X)):
        same = (samples["image_id"] == samples["image_id"][i]) & samples["transform"].isin(TRANSFORMS)
        assert np.allclose(read[np.array([i])][0], X[i] - X[same].mean(axis=0), atol=1e-5)
    assert len(read) == len(X)
    assert np.array_equal(read[5:9], read[np.arange(5, 9)])


def test_everything_is_as_it_is(versions):
    samples, X = versions
    assert np.array_equal(read_as(lazily(X), samples, BY_EMBEDDING)[:], X)
