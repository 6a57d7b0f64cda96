"""A run whose embeddings are made by a formula, so that what the studies must find is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from probing_core.pipeline.studies.model_data import ModelData, fit_probe
from probing_core.runs import series
from probing_core.runs.layout import probe_path, slug
from probing_core.runs.recipe import Recipe
from probing_core.runs.samples import cut_units, load_transforms, plan_samples
from probing_core.runs.series import plan_series, series_names
from probing_core.runs.store import Store
from probing_core.runs.tasks import make_task

TRANSFORMS = ("identity", "contrast", "gaussian-blur", "gaussian-noise", "posterize", "rotate")
PAIRS = (("gaussian-blur", "gaussian-noise"), ("gaussian-noise", "gaussian-blur"), ("rotate", "contrast"))
LABELS = ("cat", "dog", "owl")
SPLITS = {"train": 60, "val": 20, "test": 25}
WIDE, NARROW = "baseline/wide", "baseline/narrow"
DIMENSIONS = {WIDE: 16, NARROW: 12}


def made_store(root: Path, monkeypatch, adopted: bool = False) -> tuple[Store, Recipe]:
    """A picture's embedding is its label's axis, an axis for its transformation, and noise on every axis.

    The axes of the transformations are as long as the strength: 0.4 at the weakest, 2.4 at the strongest, less below.
    """
    monkeypatch.setattr(series, "pairs_of", lambda recipe: list(PAIRS))
    monkeypatch.setattr(series, "SERIES_IMAGES", 24)
    recipe = Recipe(
        corpus="made",
        fingerprint="made",
        transforms=TRANSFORMS,
        models=(WIDE, NARROW),
        probes_from="another" if adopted else "",
    )
    store = Store(root)
    store.write_toml("run.toml", recipe.to_toml(), "made")
    images = _images()
    store.write_table("images.parquet", images, "made")
    samples = plan_samples(recipe, images)
    store.write_table("samples.parquet", samples, "made")
    monkeypatch.setattr(series, "LAYER_IMAGES", {"train": 40, "val": 12, "test": 20})
    wanted = (series.STRENGTH, series.COMPOSITION, series.LAYERS)
    studied = [name for name in wanted if name in series_names(recipe, images)]
    tables = {name: plan_series(name, recipe, images) for name in studied}
    for name, planned in tables.items():
        store.write_table(f"series/{name}.parquet", planned, "made")
    for position, model in enumerate(recipe.models):
        add_model(store, recipe, model, samples, tables, position)
    return store, recipe


def add_model(store: Store, recipe: Recipe, model: str, samples: pd.DataFrame, tables: dict, seed: int) -> None:
    entry = {"name": model, "request": model, "position": 0, "family": "made", "objective": "none", "dim": 12}
    entry["recipe"] = {}
    store.write_toml(f"models/{slug(model)}/model.toml", entry, "made")
    rng, d = np.random.default_rng(seed), DIMENSIONS.get(model, 12)
    lengths = np.where(samples["transform"] == "identity", 0, 1.8)
    X = embeddings(samples["label"], samples["transform"], lengths, d, rng)
    _write(store, recipe, samples, X, f"models/{slug(model)}/embeddings")
    for name, planned in tables.items():
        if name == "layers":
            _write_blocks(store, recipe, planned, d, rng, f"models/{slug(model)}/series/{name}")
            continue
        if name == "strength":
            E = embeddings(planned["label"], planned["transform"], lengths_at(planned["position"].to_numpy()), d, rng)
        else:
            E = embeddings(planned["label"], planned["first"], np.full(len(planned), 1.4), d, rng)
            E += axes(planned["second"], d) * 1.4
        _write(store, recipe, planned, E.astype(np.float32), f"models/{slug(model)}/series/{name}")
    task = make_task("fine", samples, load_transforms(recipe))
    train, val = (np.flatnonzero(task.takes_part & (samples["split"] == s).to_numpy()) for s in ("train", "val"))
    probe = fit_probe(X[train], task.truth[train], X[val], task.truth[val], task.classes)
    store.write_bytes(probe_path(model, "fine"), probe.to_bytes(), "made")


def subject_of(store: Store, recipe: Recipe, model: str = WIDE) -> ModelData:
    return ModelData(store, recipe, model, store.read_table("samples.parquet"), store.read_table("images.parquet"))


def lengths_at(position: np.ndarray) -> np.ndarray:
    return np.where(position < 0, 0.4 * np.exp(position), 0.4 + 2 * position)


def embeddings(labels, transforms, lengths: np.ndarray, d: int, rng: np.random.Generator) -> np.ndarray:
    content = 3 * np.eye(d)[[LABELS.index(label) for label in labels]]
    noise = rng.normal(0, 0.5, (len(content), d))
    return (content + axes(transforms, d) * lengths[:, None] + noise).astype(np.float32)


def axes(transforms, d: int) -> np.ndarray:
    return (
        np.eye(d)[[3 + TRANSFORMS.index(name) for name in transforms]] * (np.asarray(transforms) != "identity")[:, None]
    )


def joined_by(recipe: Recipe, model: str) -> Recipe:
    return replace(recipe, models=(*recipe.models, model))


def _images() -> pd.DataFrame:
    split = [name for name, count in SPLITS.items() for _ in range(count)]
    ids = [f"{i:03d}" for i in range(len(split))]
    labels = [LABELS[i % len(LABELS)] for i in range(len(split))]
    columns = {"image_id": ids, "base_id": ids, "label": labels, "split": split, "license": ""}
    return pd.DataFrame(columns | {"used": True, "why_not": "", "held_out": False})


def _write_blocks(store: Store, recipe: Recipe, rows: pd.DataFrame, d: int, rng, folder: str) -> None:
    """The first of three blocks knows the transformation alone, the last one the content; the third is noise."""
    length = np.where(rows["transform"] == "identity", 0, 2.4)
    whole = embeddings(rows["label"], rows["transform"], length, d, rng)
    style, content = whole.copy(), whole.copy()
    style[:, :3], content[:, 3:] = rng.normal(size=(len(whole), 3)), rng.normal(size=(len(whole), d - 3))
    noise = rng.normal(size=whole.shape).astype(np.float32)
    blocks = {"1.cls": noise, "1.mean": style, "2.cls": noise, "2.mean": whole, "10.cls": noise, "10.mean": content}
    for unit in cut_units(recipe, rows):
        parts = {name: np.ascontiguousarray(X[unit.start : unit.stop]) for name, X in blocks.items()}
        store.write_arrays(f"{folder}/{unit.name}.safetensors", parts, "made")


def _write(store: Store, recipe: Recipe, rows: pd.DataFrame, X: np.ndarray, folder: str) -> None:
    for unit in cut_units(recipe, rows):
        store.write_arrays(f"{folder}/{unit.name}.safetensors", {"embeddings": X[unit.start : unit.stop]}, "made")
