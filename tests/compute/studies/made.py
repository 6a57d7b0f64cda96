"""A run whose embeddings are made by a formula, so that what the studies must find is known."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import pytest

from probing_core.compute import names, series
from probing_core.compute.samples import plan_samples
from probing_core.compute.series import plan_series
from probing_core.compute.studies import STUDIES
from probing_core.compute.studies.data import SeriesData, StudiedModel, fit_probe
from probing_core.compute.tasks import make_task
from probing_core.run import layout, makers
from probing_core.run.engine import Artifact, Plan, Table
from probing_core.run.graph import TABLE
from probing_core.run.layout import ANY_MODEL
from probing_core.run.recipe import Recipe, load_transforms
from probing_core.run.store import Store
from tests.plans import plan_of

TRANSFORMS = ("identity", "contrast", "gaussian-blur", "gaussian-noise", "posterize", "rotate")
LABELS = ("cat", "dog", "owl")
SPLITS = {"train": 60, "val": 20, "test": 25}
WIDE, NARROW = "baseline/wide", "baseline/narrow"
DIMENSIONS = {WIDE: 16, NARROW: 12}
BLOCKS = ["1.cls", "1.mean", "2.cls", "2.mean", "10.cls", "10.mean"]
SERIES = (names.STRENGTH, names.LAYERS)
TABLES = sorted(one.name for one in STUDIES)


def few_series(monkeypatch: pytest.MonkeyPatch) -> None:
    """Series have few images, so that a run takes seconds."""
    monkeypatch.setattr(series, "SERIES_IMAGES", 24)
    monkeypatch.setattr(series, "LAYER_IMAGES", {"train": 40, "val": 12, "test": 20})


def made_store(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, Recipe]:
    """A picture's embedding is its label's axis, an axis for its transformation, and noise on every axis.

    The axes of the transformations are as long as the strength: 0.4 at the weakest, 2.4 at the strongest, less below.
    """
    few_series(monkeypatch)
    recipe = Recipe(
        corpus="made",
        fingerprint="made",
        transforms=TRANSFORMS,
        models=(WIDE, NARROW),
    )
    store = Store(root)
    store.write_toml(layout.RECIPE, recipe.to_toml(), "made")
    write_images(store, _images())
    plan = plan_of(store, recipe)
    plan.enter(plan.artifacts[layout.SAMPLES], {layout.SAMPLES: plan_samples(recipe.design, plan.scope.images)})
    for position, model in enumerate(recipe.models):
        add_model(store, model, position)
    return store, recipe


def write_images(store: Store, images: pd.DataFrame) -> None:
    plan = plan_of(store)
    plan.enter(plan.artifacts[layout.IMAGES], {layout.IMAGES: images})


def add_model(store: Store, model: str, seed: int) -> None:
    """Enter all that is embedded of a model of the run's recipe, and the probe that studies read."""
    d, rng = DIMENSIONS.get(model, 12), np.random.default_rng(seed)
    entry = {"name": model, "request": model, "position": 0, "family": "made", "objective": "none", "dim": d}
    store.write_toml(layout.model_path(model), entry | {"recipe": {}, "blocks": BLOCKS}, "made")
    plan = plan_of(store)
    samples = store.read_table(layout.SAMPLES)
    X = embeddings(samples["label"], samples["transform"], np.where(samples["transform"] == "identity", 0, 1.8), d, rng)
    _embed(plan, model, "", {"embeddings": X})
    for name in (name for name in SERIES if name in plan.scope.sample_sets):
        planned, path = plan_series(name, plan.scope.recipe.design, plan.scope.images), layout.series_table(name)
        if not store.has(path):
            plan.enter(plan.artifacts[path], {path: planned})
        _embed(plan, model, name, _of_series(name, planned, d, rng))
    task = make_task("fine", samples, load_transforms(plan.scope.recipe))
    train, val = (np.flatnonzero(task.takes_part & (samples["split"] == s).to_numpy()) for s in ("train", "val"))
    probe = fit_probe(X[train], task.truth[train], X[val], task.truth[val], task.classes)
    store.write_bytes(layout.probe_path(model, "fine"), probe.to_bytes(), "made")


def data_of(store: Store, model: str = WIDE) -> StudiedModel:
    """The samples of a model as studies read them."""
    return _read_by(store, model, "geometry")


def series_of(store: Store, study: str, model: str = WIDE) -> SeriesData:
    """The series of a model that ``study`` reads."""
    return _read_by(store, model, study)


def _read_by(store: Store, model: str, name: str):
    plan = plan_of(store)
    study = next(one for one in STUDIES if one.name == name)
    return makers.studied(*plan.given(plan.artifacts[layout.study_path(model, name)]), study)


def of_studies(plan: Plan, *tables: str) -> list[Artifact]:
    """What is made for some tables of studies, or for all of them."""
    return [one for one in plan.select("evaluate") if PurePosixPath(one.path).stem in (tables or TABLES)]


def study(store: Store, *tables: str) -> None:
    """Make what is missing of some tables of studies, or of all."""
    plan = plan_of(store, table=_table())
    plan.make(of_studies(plan, *tables))


def _table() -> Table:
    """The table of runs whose studies are `STUDIES`, of which a test may replace some."""
    makes = {layout.study_path(ANY_MODEL, one.name): partial(makers.make_study, study=one) for one in STUDIES}
    rows = [replace(row, make=makes[row.path]) if row.path in makes else row for row in TABLE.rows]
    return TABLE.with_rows(rows)


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


def _of_series(name: str, rows: pd.DataFrame, d: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    if name == names.LAYERS:
        return _blocks(rows, d, rng)
    lengths = lengths_at(rows["position"].to_numpy())
    return {"embeddings": embeddings(rows["label"], rows["transform"], lengths, d, rng)}


def _blocks(rows: pd.DataFrame, d: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The first of three blocks knows the transformation alone, the last one the content; the third is noise."""
    length = np.where(rows["transform"] == "identity", 0, 2.4)
    whole = embeddings(rows["label"], rows["transform"], length, d, rng)
    style, content = whole.copy(), whole.copy()
    style[:, :3], content[:, 3:] = rng.normal(size=(len(whole), 3)), rng.normal(size=(len(whole), d - 3))
    noise = rng.normal(size=whole.shape).astype(np.float32)
    return dict(zip(BLOCKS, (noise, style, noise, whole, noise, content), strict=True))


def _embed(plan: Plan, model: str, series_name: str, arrays: dict[str, np.ndarray]) -> None:
    artifact = plan.artifacts[layout.embeddings_folder(model, series_name)]
    key, inputs = plan.key(artifact), plan.inputs(artifact)
    assert key is not None
    for unit in plan.scope.sample_sets[series_name].units:
        parts = {name: np.ascontiguousarray(X[unit.start : unit.stop]) for name, X in arrays.items()}
        plan.files.write(
            layout.embeddings_folder(model, series_name) + layout.units_name(unit.index, unit.index), parts, key, inputs
        )
