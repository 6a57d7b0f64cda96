"""Small synthetic run for tests: random predictions for the packaged photographs in the format of docs/run-format.md,
scored by the evaluation of the package.

It allows testing results and the dashboard in seconds, without computing embeddings. Images are recomputed from the
corpus, as in any run.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute import task_names as names
from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.maps import neighbor_table
from probing_core.compute.sampling.probe_tasks import make_task, task_names
from probing_core.compute.sampling.samples import choose_images, plan_samples, samples_on_maps
from probing_core.corpora import open_corpus
from probing_core.measures.statistics import with_place
from probing_core.probes.probe import FitFacts, LinearProbe
from probing_core.run import layout
from probing_core.run.definitions import GRAPH
from probing_core.run.engine import Plan
from probing_core.run.manifest import LEFT_OUT
from probing_core.run.recipe import Recipe, load_transforms
from probing_core.run.setup import Corpora
from probing_core.run.snapshot import RunSnapshot
from probing_core.run.store import Store, digest
from probing_core.transforms import bank

MODELS = {
    # name: (family, objective, dimension, skill between 0 and 1)
    "zoo/mae": ("ViT", "MAE", 192, 0.75),
    "timm:tf_efficientnet_lite0": ("EfficientNet", "supervised", 1280, 0.74),
    "baseline/handcrafted": ("baseline", "none", 64, 0.6),
    "baseline/pixels": ("baseline", "none", 768, 0.2),
}
SEEDS = MODELS | {
    "zoo/mae@seed=1": ("ViT", "MAE", 192, 0.8),
    "zoo/mae@seed=2": ("ViT", "MAE", 192, 0.7),
}
"""Models of the run, including additional seeds of one of them."""

PHOTOGRAPHS = 8
VIEWS = 2
LIVE = ("baseline/pixels",)
"""Models with a deployment probe with random weights, for tests of live predictions without a network."""

KEY = "made"
"""Key of files that are added to a synthetic run and are not in its table of files."""


def make_run(
    root: Path,
    corpus_name: str = "photos",
    seed: int = 0,
    views: int = VIEWS,
    repetitions: int = 1,
    models: Mapping[str, tuple[str, str, int, float]] = MODELS,
) -> Path:
    """Write the run to ``root`` and return it."""
    corpus = open_corpus(corpus_name)
    recipe = Recipe(
        corpus=corpus_name,
        fingerprint=corpus.fingerprint,
        transforms=tuple(t.name for t in bank()),
        models=tuple(models),
        limit=PHOTOGRAPHS * views,
        seed=seed,
        repetitions=repetitions,
    )
    store = Store(root)
    store.write_toml(layout.RECIPE, recipe.to_toml(), digest(recipe.to_toml()))
    _enter_models(store, models)
    corpora = Corpora(recipe, corpus)
    plan = RunSnapshot(store, recipe, corpora=corpora).plan(GRAPH)
    images = plan.partitions[layout.IMAGES]
    plan.write(images, {layout.IMAGES: choose_images(recipe.design, corpus, lambda completed, total: None)})
    plan = RunSnapshot(store, recipe, corpora=corpora).plan(GRAPH)
    snapshot = plan.snapshot
    samples = complete(plan_samples(recipe.design, snapshot.images), seed)
    plan.write(plan.partitions[layout.SAMPLES], {layout.SAMPLES: samples})
    on_maps, placed = samples.iloc[samples_on_maps(samples, snapshot.images)], with_place(models)
    for position, (name, (_, _, dim, skill)) in enumerate(models.items()):
        rng = np.random.default_rng([seed, position])
        for task in task_names(load_transforms(recipe)):
            predictions = _predict(samples, recipe, task, skill, rng)
            tables = {layout.predictions_path(name, task): predictions, layout.fits_path(name, task): _fits(name, task)}
            _invent(plan, tables)
        for reading in names.PROJECTIONS if name in placed else ():
            points = map_of(on_maps, rng)
            _invent(plan, {layout.map_path(name, reading): points})
            _invent(plan, {layout.neighbors_path(name, reading): neighbors_on(points, on_maps)})
        _leave_out(plan, layout.embeddings_folder(name))
        if name in LIVE:
            probe = _probe(recipe.transforms, dim, rng).to_bytes()
            fine = plan.partition(layout.predictions_path(name, "fine"))
            store.write(
                layout.probe_path(name, names.DEPLOYMENT), probe, plan.require_cache_key(fine), plan.inputs(fine)
            )
            embeddings = rng.normal(0.5, 0.3, (len(samples), dim)).astype(np.float32)
            _embed(plan, name, embeddings)
    plan.materialize(plan.select("evaluate"))
    store.fold()
    return root


def _enter_models(store: Store, models: Mapping[str, tuple[str, str, int, float]]) -> None:
    for name, (family, objective, dim, _) in models.items():
        entry = {
            "name": name,
            "request": name,
            "position": 0,
            "family": family,
            "objective": objective,
            "dim": dim,
            "license": "MIT",
            "weights": "invented for the tests",
            "text": False,
            "recipe": {"pooling": "mean", "precision": "float32"},
        }
        store.write_toml(layout.model_path(name), entry, digest(entry["recipe"]))


def _invent(plan: Plan, contents: dict[str, Any]) -> None:
    """Add the files ``contents`` (path -> content) of one partition. Its other outputs are recorded as omitted."""
    partition = plan.partition(next(iter(contents)))
    by_template = {template: contents[path] for template, path in partition.outputs.items() if path in contents}
    plan.write(partition, by_template)


def _leave_out(plan: Plan, *paths: str) -> None:
    """Record nonexistent files as omitted, so that files that depend on them are complete."""
    for path in paths:
        partition = plan.partitions[path]
        last = max(partition.unit_count - 1, 0)
        name = f"{path}{layout.units_name(0, last)}" if partition.is_folder else path
        entry = {"bytes": 0, "sha256": "", "key": plan.require_cache_key(partition), "state": LEFT_OUT}
        plan.store.enter([(name, entry)], plan.inputs(partition))


def _embed(plan: Plan, model: str, embeddings: np.ndarray) -> None:
    partition = plan.partitions[layout.embeddings_folder(model)]
    name = next(iter(plan.store.entries(partition.path)))
    plan.store.write(name, {"embeddings": embeddings}, plan.require_cache_key(partition), plan.inputs(partition))


def ship(source: Path, root: Path) -> Path:
    """Write a copy of the run ``source`` to ``root``, as if included in the package: without embeddings or corpus."""
    shutil.copytree(source, root, dirs_exist_ok=True)
    store = Store(root)
    store.leave_out(*(name for name in store.names() if layout.is_embeddings_path(name)))
    recipe = store.read_toml(layout.RECIPE) | {"corpus": "parquet:photos-elsewhere.parquet"}
    store.write_toml(layout.RECIPE, recipe, digest(recipe))
    store.fold()
    return root


def complete(samples: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return ``samples`` with random values in columns that are normally measured on images."""
    rng = np.random.default_rng(seed)
    n, identity = len(samples), (samples["transform"] == "identity").to_numpy()
    ssim = np.where(identity, 1.0, rng.uniform(0.3, 1.0, n))
    return samples.assign(
        strength=np.where(identity, np.nan, rng.uniform(0.1, 1.0, n)).astype(np.float32),
        ssim=ssim.astype(np.float32),
        difference=np.where(identity, 0.0, rng.uniform(1, 60, n)).astype(np.float32),
        distance=np.where(identity, 0.0, rng.uniform(0.1, 1.0, n)).astype(np.float32),
        visible=~identity & (ssim < 0.99),
    )


def _predict(
    samples: pd.DataFrame, recipe: Recipe, task_name: str, skill: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Return predictions that are correct with the probability ``skill`` (lower if unseen), and otherwise a class that
    is next to the correct class in the list."""
    task = make_task(task_name, samples, load_transforms(recipe))
    rows = np.flatnonzero(task.takes_part)
    truth, seen = task.truth[rows], task.seen[rows]
    right = rng.random(len(rows)) < np.where(seen, skill, skill * 0.6)
    predicted = np.where(right, truth, (truth + rng.choice([-1, 1, 2], len(rows))) % len(task.classes))
    p = rng.uniform(0.4, 0.99, len(rows)).astype(np.float32)
    classes = np.array(task.classes)
    return pd.DataFrame(
        {
            "sample": rows.astype(np.int32),
            "truth": classes[truth],
            "predicted": classes[predicted],
            "p_truth": np.where(right, p, 0.9 * (1 - p)).astype(np.float32),
            "p_predicted": p,
            "seen": seen,
        }
    )


def map_of(samples: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return a random map with one cluster for each transformation."""
    names = sorted(samples["transform"].unique())
    centers = rng.normal(0, 6, (len(names), 2))
    points = centers[pd.Categorical(samples["transform"], names).codes] + rng.normal(0, 0.8, (len(samples), 2))
    return pd.DataFrame({"sample": samples["sample"], "x": points[:, 0], "y": points[:, 1]}).astype(
        {"x": np.float32, "y": np.float32}
    )


def neighbors_on(points: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Return the table of neighbors, using positions on a map as embeddings."""
    return neighbor_table(LazyRows((points[["x", "y"]].to_numpy(np.float32),)), samples)


def _fits(model: str, task: str) -> pd.DataFrame:
    fits = {"model": model, "task": task, "fold": ["fold-1", "fold-2"], "penalty": 0.01, "at_edge": [False, True]}
    return pd.DataFrame(fits | {"converged": True, "iterations": 40, "validation_loss": 1.2})


def _probe(classes: tuple[str, ...], dim: int, rng: np.random.Generator) -> LinearProbe:
    """Return a probe with reproducible random weights."""
    return LinearProbe(
        classes=classes,
        weight=rng.normal(0, 0.1, (len(classes), dim)).astype(np.float32),
        bias=np.zeros(len(classes), np.float32),
        mean=np.full(dim, 0.5, np.float32),
        scale=np.full(dim, 0.3, np.float32),
        facts=FitFacts(0.01, False, True, 40, 1.2),
    )
