"""A model whose embeddings are made by a formula, so that what the studies must find is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.sampling.samples import plan_samples
from probing_core.compute.sampling.series import plan_series
from probing_core.compute.studies.strength import ProbedSeries
from probing_core.compute.studies.study_data import SeriesData, StudiedModel, fit_probe
from probing_core.compute.task_names import FRAMING, LAYERS, STRENGTH
from probing_core.run.recipe import Recipe, load_transforms

TRANSFORMS = ("identity", "contrast", "gaussian-blur", "gaussian-noise", "posterize", "rotate")
LABELS = ("cat", "dog", "owl")
SPLITS = {"train": 60, "val": 20, "test": 25}
MODEL = "baseline/wide"
DIMENSION = 16
BLOCKS = ["1.cls", "1.mean", "2.cls", "2.mean", "10.cls", "10.mean"]
RECIPE = Recipe(corpus="made", fingerprint="made", transforms=TRANSFORMS, models=(MODEL,))


def images() -> pd.DataFrame:
    split = [name for name, count in SPLITS.items() for _ in range(count)]
    ids = [f"{i:03d}" for i in range(len(split))]
    labels = [LABELS[i % len(LABELS)] for i in range(len(split))]
    columns = {"image_id": ids, "base_id": ids, "label": labels, "split": split, "license": ""}
    return pd.DataFrame(columns | {"used": True, "why_not": "", "held_out": False})


def made_model() -> tuple[StudiedModel, dict[str, SeriesData]]:
    """Return a model, and name -> its series.

    A picture's embedding is its label's axis, an axis for its transformation, and noise on every axis. The axes of the
    transformations are as long as the strength: 0.4 at the weakest, 2.4 at the strongest, less below.
    """
    rng, samples = np.random.default_rng(0), plan_samples(RECIPE.design, images())
    X = _embeddings(samples, np.where(samples["transform"] == "identity", 0, 1.8), rng)
    known = {"model": MODEL, "images": images(), "transforms": load_transforms(RECIPE), "seed": RECIPE.seed}
    data = StudiedModel(X=LazyRows((X,)), samples=samples, **known)
    task = data.task("fine")
    train, val = (np.flatnonzero(task.takes_part & (data.split == split)) for split in ("train", "val"))
    probe = fit_probe(X[train], task.truth[train], X[val], task.truth[val], task.classes)
    series = {}
    for name in (STRENGTH, LAYERS, FRAMING):
        rows = plan_series(name, RECIPE.design, images())
        arrays = MAKERS[name](rows, rng)
        series[name] = ProbedSeries(data, rows, {block: LazyRows((array,)) for block, array in arrays.items()}, probe)
    return data, series


def _embeddings(rows: pd.DataFrame, lengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    axes = np.eye(DIMENSION)
    content = 3 * axes[[LABELS.index(label) for label in rows["label"]]]
    look = axes[[3 + TRANSFORMS.index(name) for name in rows["transform"]]]
    look *= (rows["transform"] != "identity").to_numpy()[:, None]
    return (content + look * lengths[:, None] + rng.normal(0, 0.5, content.shape)).astype(np.float32)


def _swept(rows: pd.DataFrame, rng: np.random.Generator) -> dict[str, np.ndarray]:
    position = rows["position"].to_numpy()
    return {"embeddings": _embeddings(rows, np.where(position < 0, 0.4 * np.exp(position), 0.4 + 2 * position), rng)}


def _framed(rows: pd.DataFrame, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Only the half-size copies resemble their originals."""
    X = _embeddings(rows.assign(transform="identity"), np.zeros(len(rows)), rng)
    X[(rows["transform"] != "half-size").to_numpy()] *= -1
    return {"embeddings": X}


def _blocks(rows: pd.DataFrame, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The first of three blocks knows the transformation alone, the last one the content; the third is noise."""
    whole = _embeddings(rows, np.where(rows["transform"] == "identity", 0, 2.4), rng)
    style, content = whole.copy(), whole.copy()
    style[:, :3], content[:, 3:] = rng.normal(size=(len(whole), 3)), rng.normal(size=(len(whole), DIMENSION - 3))
    noise = rng.normal(size=whole.shape).astype(np.float32)
    return dict(zip(BLOCKS, (noise, style, noise, whole, noise, content), strict=True))


MAKERS = {STRENGTH: _swept, LAYERS: _blocks, FRAMING: _framed}
