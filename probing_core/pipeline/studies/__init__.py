"""Studies: tables beyond the scores, each in a file of its own, made by the evaluate stage.

A study looks at one model at a time and writes ``models/<slug>/studies/<name>.parquet``, keyed by the checksums of
what it read; ``tables/<name>.parquet`` joins those of all models. They are made where a run has splits. A run
that took its probes from another has images to test alone, so it gets only what needs no training. Of a model that was
asked for all its layers, the last one is studied: every layer would take as long as a model.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import numpy as np
import pandas as pd

from probing_core.corpora import limit_rows
from probing_core.pipeline.studies.base import Study
from probing_core.pipeline.studies.model_data import FIT_IMAGES, IMAGES, PENALTIES, ModelData
from probing_core.pipeline.studies.similarity import FEWEST_AT_ALL, STEADY, cka_table
from probing_core.runs import layout, revisions
from probing_core.runs.embeddings import has_embeddings, read_embeddings
from probing_core.runs.layout import embeddings_folder, probe_path, series_table, study_path
from probing_core.runs.models import model_entries
from probing_core.runs.progress import Progress
from probing_core.runs.recipe import Recipe
from probing_core.runs.samples import has_splits
from probing_core.runs.store import Store, digest

FEWEST_IMAGES = {"train": 3, "val": 1, "test": FEWEST_AT_ALL}
"""Images of each split without which no study is made."""

CKA = layout.table_path("cka")


def _studies() -> tuple[Study, ...]:
    """The ``STUDY`` of every module of this package that has one, so that a study is one file."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    return tuple(module.STUDY for module in modules if hasattr(module, "STUDY"))


STUDIES = _studies()


def study(store: Store, recipe: Recipe, progress: Progress) -> None:
    """Makes whatever is missing of the tables of studies; none where the run has too few images, or no embeddings."""
    images = store.read_table(layout.IMAGES)
    splits = images.loc[images["used"], "split"].value_counts()
    fewest = {"test": FEWEST_IMAGES["test"]} if recipe.probes_from else FEWEST_IMAGES
    models = list({entry["request"]: entry["name"] for entry in model_entries(store)}.values())
    if (
        not has_splits(images)
        or any(splits.get(split, 0) < count for split, count in fewest.items())
        or not all(has_embeddings(store, model) for model in models)  # a run that was shipped keeps its tables
    ):
        return
    samples = store.read_table(layout.SAMPLES)
    wanted = [s for s in STUDIES if not (s.trains and recipe.probes_from)]
    for done, model in enumerate(models):
        data = ModelData(store, recipe, model, samples, images)
        for one in wanted:
            progress.update("studies", done, len(models), f"{one.name.capitalize()} of {model}")
            key = _key(store, recipe, model, one)
            if key and not store.has(study_path(model, one.name), key):
                store.write_table(study_path(model, one.name), one.make(data), key)
    for one in wanted:
        _join(store, models, one.name)
    _compare_spaces(store, models, samples, progress)
    progress.update("studies", len(models), len(models), "Studies")


def _key(store: Store, recipe: Recipe, model: str, one: Study) -> str:
    """Digest of everything that the study of ``model`` reads; empty where some of it is not there."""
    if one.series and not has_embeddings(store, model, one.series):
        return ""
    read = [layout.IMAGES, layout.SAMPLES, *_embeddings(store, model)]
    if one.series:
        read += [series_table(one.series), *store.names(embeddings_folder(model, one.series))]
    if one.probe:
        read.append(probe_path(model, "fine"))
    if not all(store.has(name) for name in read):
        return ""
    how = [revisions.STUDIES, IMAGES, FIT_IMAGES, PENALTIES, recipe.seed]
    return digest([one.name, how, [store.checksum(name) for name in read]])


def _embeddings(store: Store, model: str) -> list[str]:
    return store.names(embeddings_folder(model))


def _join(store: Store, models: list[str], name: str) -> None:
    paths = [study_path(model, name) for model in models if store.has(study_path(model, name))]
    if not paths:
        return
    key = digest([name, [store.checksum(path) for path in paths]])
    if not store.has(layout.table_path(name), key):
        tables = [store.read_table(path) for path in paths]
        store.write_table(layout.table_path(name), pd.concat(tables, ignore_index=True), key)


def _compare_spaces(store: Store, models: list[str], samples: pd.DataFrame, progress: Progress) -> None:
    """The table of CKA, the one study that looks at all models at once."""
    read = [name for model in models for name in _embeddings(store, model)]
    key = digest(["cka", revisions.STUDIES, [[name, store.checksum(name)] for name in read]])
    if store.has(CKA, key):
        return
    images = store.read_table(layout.IMAGES)
    # Nothing is learned from them, so all splits serve.
    chosen = limit_rows(images[images["used"]], STEADY)["image_id"]
    first = (samples["draw"] == 0) & (samples["repetition"] == 0) & (samples["transform"] == "identity")
    rows = np.flatnonzero(first & samples["image_id"].isin(chosen))
    clean = {model: read_embeddings(store, model, rows) for model in models}
    store.write_table(CKA, cka_table(clean, samples["base_id"].to_numpy()[rows], progress), key)
