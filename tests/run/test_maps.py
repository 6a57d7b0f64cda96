"""Maps and neighbors of a computed run."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from probing_core.compute.task_names import BY_TRANSFORMATION, NEAR, PROJECTIONS
from probing_core.results import Run
from probing_core.run import project
from probing_core.run.layout import map_path, neighbors_path
from probing_core.run.pipeline import run as compute
from probing_core.run.run_files import RunFiles

MODELS = ("baseline/pixels", "baseline/handcrafted")


@pytest.fixture(scope="module")
def run(split_run):
    return Run.open(split_run[0])


def read_slowly(run: Run, model: str, reading: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the samples on a map, and their embeddings in the projection ``reading``."""
    samples = run.samples
    rows = np.flatnonzero((samples["split"] == "test") & (samples["draw"] == 0))
    X = run.embeddings(model)[rows].astype(np.float64)
    if reading == BY_TRANSFORMATION:
        images = samples["image_id"].to_numpy()[rows]
        X = np.array([row - X[images == image].mean(axis=0) for row, image in zip(X, images, strict=True)])
    return rows, X


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("reading", PROJECTIONS)
def test_map_has_every_test_sample_and_the_neighbors_of_scikit_learn(run, model, reading):
    rows, X = read_slowly(run, model, reading)
    assert run.map(model, reading)["sample"].tolist() == rows.tolist()
    assert set(run.predictions(model, "fine")["sample"]) == set(rows)
    table = run.neighbors(model, reading)
    assert table["sample"].tolist() == rows.tolist()
    X -= X.mean(axis=0)
    photographs = run.samples["base_id"].to_numpy()[rows]
    for place, near in enumerate(table[list(NEAR)].to_numpy()):
        others = np.flatnonzero(photographs != photographs[place])
        search = NearestNeighbors(n_neighbors=5, metric="cosine", algorithm="brute").fit(X[others])
        distances, _ = search.kneighbors(X[[place]])
        assert np.isin(near, rows[others]).all()
        mine = X[np.searchsorted(rows, near)]
        cosines = mine @ X[place] / np.linalg.norm(mine, axis=1) / np.linalg.norm(X[place])
        np.testing.assert_allclose(1 - cosines, distances[0], atol=2e-6)  # equal ones may change places


@pytest.mark.slow
def test_maps_drawn_in_parallel_have_the_same_bytes(split_run, tmp_path, monkeypatch):
    folder, options = split_run
    found = []
    monkeypatch.setattr(project, "FEW_SAMPLES", 0)
    for jobs in (1, 2):
        store = RunFiles(shutil.copytree(folder, tmp_path / str(jobs)))
        drawn = [
            path(model, reading) for path in (map_path, neighbors_path) for model in MODELS for reading in PROJECTIONS
        ]
        for name in drawn:
            (store.root / name).unlink()
        compute(store.root, replace(options, jobs=jobs))
        found.append({name: RunFiles(store.root).checksum(name) for name in drawn})
    assert found[0] == found[1]


def test_additional_seed_has_no_map(tmp_path, made_seeds):
    paths = set(RunFiles(made_seeds).names())
    assert map_path("zoo/mae") in paths
    assert neighbors_path("zoo/mae", BY_TRANSFORMATION) in paths
    assert not {map_path("zoo/mae@seed=1"), neighbors_path("zoo/mae@seed=2", BY_TRANSFORMATION)} & paths


@pytest.fixture(scope="module")
def made_seeds():
    from lab.devtools.made_run import SEEDS
    from tests.conftest import kept_made_run

    return kept_made_run(models=SEEDS)


def test_processes_are_as_many_as_memory_allows(run, monkeypatch):
    class Memory:
        available = 2 * project.WORKER_BYTES

    monkeypatch.setattr(project.psutil, "virtual_memory", Memory)
    assert project.maps_at_once(10_000, 0, jobs=8) == 2
    assert project.maps_at_once(10_000, 1000, jobs=8) == 1
    assert project.maps_at_once(100, 0, jobs=8) == 1
