from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from lab.devtools.made_run import MODELS
from probing_core.compute import maps
from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.maps import map_table, nearest_neighbors, place_others, umap_points
from probing_core.compute.model_samples import whole_images
from probing_core.compute.names import READINGS
from probing_core.run import layout
from probing_core.run.layout import map_path
from probing_core.run.options import DEFAULTS
from probing_core.run.stages import run
from probing_core.run.store import Store
from tests.conftest import copy_of_made_run
from tests.plans import plan_of


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
    assert len(whole_images(ids, 1000)) == 1000
    kept = whole_images(ids, 250)
    assert len(kept) == 250
    assert set(np.unique(ids[kept], return_counts=True)[1]) == {10}


@pytest.fixture
def mapless(tmp_path) -> Path:
    """A made run without maps, in which every model has embeddings."""
    store = Store(copy_of_made_run(tmp_path / "run", views=1))
    plan, count = plan_of(store), len(store.read_table(layout.SAMPLES))
    for position, name in enumerate(MODELS):
        store.remove(*(map_path(name, reading) for reading in READINGS))
        artifact = plan.artifacts[layout.embeddings_folder(name)]
        embeddings = np.random.default_rng(position).normal(size=(count, 4)).astype(np.float32)
        (path,) = store.entries(artifact.path)  # left out, or there
        store.write(path, {"embeddings": embeddings}, plan.key(artifact), plan.inputs(artifact))
    return store.root


def test_every_model_gets_a_map_in_every_reading(mapless, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        maps, "umap_points", lambda embeddings, seed: (drawn.append(seed), embeddings[:, :2].astype(np.float32))[1]
    )
    run(mapless, DEFAULTS, ("project",))
    for reading in READINGS:
        assert all(Store(mapless).has(map_path(name, reading)) for name in MODELS)
    assert len(drawn) == len(READINGS) * len(MODELS), "each is drawn once"
    table = Store(mapless).read_table(map_path(list(MODELS)[1]))
    assert list(table.columns) == ["sample", "x", "y"]
    assert len(table) == len(Store(mapless).read_table(layout.SAMPLES))


def test_other_samples_lie_between_their_nearest_landmarks(clusters):
    X, truth = clusters
    landmarks = np.arange(0, 240, 2)
    points = np.random.default_rng(1).normal(size=(120, 2)).astype(np.float32)
    placed = place_others(X, landmarks, points)
    assert np.array_equal(placed[landmarks], points)

    centered = X - X[landmarks].mean(0)
    theirs = NearestNeighbors(n_neighbors=maps.NEIGHBORS, metric="cosine", algorithm="brute").fit(centered[landmarks])
    distances, indices = theirs.kneighbors(centered[1::2])
    weights = np.exp(-10 * distances)
    expected = np.einsum("qk,qkd->qd", weights / weights.sum(1, keepdims=True), points[indices])
    np.testing.assert_allclose(placed[1::2], expected, atol=1e-4)
    assert (truth[landmarks][indices] == truth[1::2, None]).mean() > 0.95  # the clusters stay whole


def test_a_run_of_more_samples_than_landmarks_has_all_of_them_on_its_map(clusters, monkeypatch):
    asked, said = [], []
    monkeypatch.setattr(
        maps, "umap_points", lambda embeddings, seed: (asked.append((len(embeddings), seed)), embeddings[:, :2])[1]
    )
    monkeypatch.setattr(maps, "LANDMARKS", 64)
    X, _ = clusters
    samples = pd.DataFrame({"sample": np.arange(240, dtype=np.int32), "image_id": np.repeat(list("abcdefgh"), 30)})
    table = map_table(LazyRows((X,)), samples, 3, said.append)
    assert list(table.columns) == ["sample", "x", "y"]
    assert table["sample"].tolist() == samples["sample"].tolist()
    assert np.isfinite(table[["x", "y"]]).all(axis=None)
    assert asked == [(60, 3)]  # two whole images
    assert said == ["180 further samples"]
    landmarks = whole_images(samples["image_id"].to_numpy(), 64)
    placed = place_others(X, landmarks, X[landmarks, :2])
    np.testing.assert_allclose(table[["x", "y"]], placed, atol=1 / 2048)
    assert (table[["x", "y"]].to_numpy() % maps.STEP == 0).all(), "rounded, so that it takes less on the disk"
