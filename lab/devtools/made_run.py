"""Small synthetic run for tests: random predictions for the packaged photographs in the format of docs/run-format.md,
scored by the evaluation of the package.

It allows testing results and the dashboard in seconds, without computing embeddings. Images are recomputed from the
corpus, as in any run.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lab.devtools.run_edits import omit
from probing_core.compute import task_names as names
from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.maps import neighbor_table
from probing_core.compute.sampling.probe_tasks import make_task
from probing_core.compute.sampling.samples import plan_samples, samples_on_maps
from probing_core.compute.task_names import MAIN
from probing_core.corpora import open_corpus
from probing_core.probes.probe import FitFacts, LinearProbe
from probing_core.run import layout
from probing_core.run.directory import Content, RunDirectory
from probing_core.run.embed import missing_steps, select_images
from probing_core.run.pending import dry
from probing_core.run.pipeline import evaluate_all, train_all
from probing_core.run.project import project
from probing_core.run.recipe import Recipe, load_transforms, read_recipe, write_recipe
from probing_core.run.run_files import Inputs
from probing_core.run.setup import Corpora
from probing_core.run.train import tasks_of, train_step
from probing_core.run.work import Work, embeddings_step, model_step, samples_step
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
"""Models with embeddings and a deployment probe with random weights, for tests of predictions without a network."""


def make_run(
    root: Path,
    corpus_name: str = "photos",
    seed: int = 0,
    views: int = VIEWS,
    repetitions: int = 1,
    models: Mapping[str, tuple[str, str, int, float]] = MODELS,
) -> Path:
    """Write the run to ``root`` and return it. All of its steps are complete."""
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
    work = Work(RunDirectory(root), recipe, corpora=Corpora(recipe, corpus))
    write_recipe(work.run, recipe)
    select_images(work)
    for name, (family, objective, dim, _) in models.items():
        entry = _entry(name, family, objective, dim)
        work.run.save(model_step(name), {"recipe": entry["recipe"]}, {layout.model_path(name): _toml(entry)})
    samples = complete(plan_samples(recipe.design, work.images), seed)
    contents: dict[str, dict[str, Content]] = {samples_step(MAIN): {layout.SAMPLES: samples}}
    for position, (name, (_, _, dim, skill)) in enumerate(models.items()):
        contents |= _invented(work, name, dim, skill, samples, np.random.default_rng([seed, position]))
    for step, inputs in _expected_steps(work).items():
        if work.run.needs(step, inputs):
            work.run.save(step, inputs, contents[step])
    evaluate_all(work)
    return root


def _expected_steps(work: Work) -> dict[str, Inputs]:
    """Return the steps of the run before the ``evaluate`` stage, and their inputs, from a dry run."""
    noted, run = dry(work)
    for visit in (select_images, lambda work: missing_steps(work, list(work.models)), train_all, project):
        visit(noted)
    return run.visited


def _invented(
    work: Work, model: str, dim: int, skill: float, samples: pd.DataFrame, rng: np.random.Generator
) -> dict[str, dict[str, Content]]:
    """Return the content of the files of each step for a model."""
    contents: dict[str, dict[str, Content]] = {}
    for task in tasks_of(work):
        predictions = _predict(samples, work.recipe, task, skill, rng)
        contents[train_step(model, task)] = {
            layout.predictions_path(model, task): predictions,
            layout.fits_path(model, task): _fits(model, task),
        }
    on_maps = samples.iloc[samples_on_maps(samples, work.images)]
    for reading in names.PROJECTIONS:
        points = map_of(on_maps, rng)
        for path, table in (
            (layout.map_path(model, reading), points),
            (layout.neighbors_path(model, reading), neighbors_on(points, on_maps)),
        ):
            contents[path.removesuffix(layout.PARQUET)] = {path: table}
    if model in LIVE:
        probe = _probe(work.recipe.transforms, dim, rng).to_bytes()
        contents[train_step(model, names.FINE)][layout.probe_path(model, names.DEPLOYMENT)] = probe
    embeddings = rng.normal(0.5, 0.3, (len(samples), dim)).astype(np.float32)
    last = len(work.sample_sets[MAIN].units) - 1
    path = f"{layout.embeddings_folder(model)}{layout.units_name(0, last)}"
    contents[embeddings_step(model)] = {path: {"embeddings": embeddings}} if model in LIVE else {}
    return contents


def _entry(name: str, family: str, objective: str, dim: int) -> dict[str, Any]:
    return {
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


def _toml(content: dict[str, Any]) -> bytes:
    import tomli_w

    return tomli_w.dumps(content).encode()


def ship(source: Path, root: Path) -> Path:
    """Write a copy of the run ``source`` to ``root``, as if included in the package: without embeddings or corpus."""
    shutil.copytree(source, root, dirs_exist_ok=True)
    run = RunDirectory(root)
    omit(run, *(path for path in run.names() if layout.is_embeddings_path(path)))
    write_recipe(run, replace(read_recipe(run), corpus="parquet:photos-elsewhere.parquet"))
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
    fits = {"model": model, "task": task, "probe": "linear", "fold": ["fold-1", "fold-2"], "penalty": 0.01}
    facts = {"at_edge": [False, True], "converged": True, "iterations": 40, "validation_loss": 1.2, "note": ""}
    return pd.DataFrame(fits | facts)


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
